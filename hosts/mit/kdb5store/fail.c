/* fail.c: how failures are told: a code of libkrb5 goes back to the store, its text to the log. */
#include "kdb5store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

krb5_error_code krbrepl__kdb5_failed(krbrepl_kdb5 *db, krb5_context ctx, krb5_error_code code,
                                     const char *what, krbrepl_bytes name)
{
    char line[900];
    const char *text;
    int shown = name.len < 300 ? (int)name.len : 300;

    if (code == 0 || db->note == NULL)
        return code;
    text = krb5_get_error_message(ctx, code);
    if (shown > 0)
        snprintf(line, sizeof line, "%s %.*s: %.500s", what, shown, (const char *)name.data, text);
    else
        snprintf(line, sizeof line, "%s: %.500s", what, text);
    krb5_free_error_message(ctx, text);
    db->note(db->note_ctx, line);
    return code;
}

krb5_error_code krbrepl__kdb5_refuse(krb5_context ctx, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    krb5_vset_error_message(ctx, EINVAL, fmt, ap);
    va_end(ap);
    return EINVAL;
}

/* What the code that is shared with the KDB module asks for. */
krb5_error_code krbrepl__kdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what)
{
    const char *text =
        ei != NULL && ei->code == rc && ei->text[0] != '\0' ? ei->text : krbrepl_strerror(rc);

    if (rc == KRBREPL_ERR_NOMEM)
        return ENOMEM;
    return krbrepl__kdb5_refuse(ctx, "%s: %s", what, text);
}
