/* plugin.h: what the database modules of both kinds of KDC share. It is compiled into each of them, with the krb5.h of
 * its own Kerberos. */
#ifndef KRBREPL__PLUGIN_H
#define KRBREPL__PLUGIN_H

#include <krb5.h>

#include <krbrepl/krbrepl.h>

/* Where a KDC's database library has a code of its own; the other failures are told as errnos. */
typedef struct krbrepl__plugin_codes {
    krb5_error_code notfound, exists, locked, conflict, corrupt, format, other;
} krbrepl__plugin_codes;

/* A code that the programs know how to print, with the text of `ei` (may be NULL) in ctx. */
krb5_error_code krbrepl__plugin_fail(krb5_context ctx, const krbrepl__plugin_codes *codes, int rc,
                                     const krbrepl_errinfo *ei, const char *what);
/* The same with the text of the store, which may be NULL. */
krb5_error_code krbrepl__plugin_store_fail(krb5_context ctx, const krbrepl__plugin_codes *codes,
                                           krbrepl_store *s, int rc, const char *what);
/* Why the store in `dir` takes no changes: its role, and its master as far as the daemon knows it. */
void krbrepl__plugin_refusal(const char *dir, uint64_t role, char *out, size_t room);
/* The name of this program; `otherwise` when it cannot be told. */
void krbrepl__plugin_program(char *out, size_t room, const char *otherwise);

#endif
