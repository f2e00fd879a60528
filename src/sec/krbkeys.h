/* krbkeys.h: what libkrb5 itself is needed for: the keys that one principal may use, and a credential cache
 * that nobody else sees. Both live in memory, under names that are unique in this process.
 *
 * Only keys at or above the enctype floor are taken out of the keytab. GSS-API restricts the key that two
 * ends agree on, but an acceptor would still take a ticket that is encrypted with a weak key; a key that is
 * not there decrypts nothing. */
#ifndef KRBREPL__KRBKEYS_H
#define KRBREPL__KRBKEYS_H

#include <krb5.h>

#include "errinfo.h"

typedef struct krbrepl__krbkeys {
    krb5_context krb5;
    krb5_keytab keytab;
    krb5_ccache ccache;
    char *keytab_name; /* "MEMORY:..." */
    char *ccache_name; /* "MEMORY:...": empty until GSS-API puts tickets there; NULL unless asked for */
} krbrepl__krbkeys;

/* Reads the keys of `principal` out of `keytab` ("TYPE:name", a path, or NULL: the default keytab). 0, or
 * AUTH with a text that names both and says what to do, or NOMEM. `out` is then empty. */
int krbrepl__krbkeys_read(krbrepl__krbkeys *out, const char *principal, const char *keytab, int ccache,
                          krbrepl_errinfo *ei);
/* After the credentials that use them. */
void krbrepl__krbkeys_free(krbrepl__krbkeys *k);
/* In a forked child: only plain memory. */
void krbrepl__krbkeys_abandon(krbrepl__krbkeys *k);

/* The enctypes above the floor, strongest first; 0 ends the list. */
extern const long krbrepl__krbkeys_floor[];
int krbrepl__krbkeys_enctype_ok(long enctype);
const char *krbrepl__krbkeys_enctype_name(long enctype); /* static */

#define KRBREPL__KEYTAB_REMEDY "write its AES keys there with kadmin: ktadd -k FILE PRINCIPAL"
#define KRBREPL__ENCTYPE_REMEDY "give it AES keys with kadmin: cpw -randkey, then ktadd"

#endif
