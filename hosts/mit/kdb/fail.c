/* fail.c: how failures are told: as a code of krb5 and a message in the context, or as a line in the log. */
#include "kdbmod.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <com_err.h>

/* Codes that kadmin clients of every release know how to print, for that is all that reaches them. */
static krb5_error_code code_of(int rc)
{
    static const struct {
        int rc;
        krb5_error_code code;
    } map[] = {
        {KRBREPL_ERR_NOMEM, ENOMEM},
        {KRBREPL_ERR_INVALID, EINVAL},
        {KRBREPL_ERR_NOTFOUND, KRB5_KDB_NOENTRY},
        {KRBREPL_ERR_EXISTS, KRB5_KDB_INUSE},
        {KRBREPL_ERR_IO, EIO},
        {KRBREPL_ERR_NOSPACE, ENOSPC},
        {KRBREPL_ERR_LOCKED, KRB5_KDB_CANTLOCK_DB},
        {KRBREPL_ERR_CONFLICT, KRB5_KDB_DB_CHANGED},
        {KRBREPL_ERR_CORRUPT, KRB5_KDB_DB_CORRUPT},
        {KRBREPL_ERR_FORMAT, KRB5_KDB_BAD_VERSION},
        {KRBREPL_ERR_TOOBIG, EFBIG},
        {KRBREPL_ERR_NOT_MASTER, EROFS},
        {KRBREPL_ERR_FENCED, EROFS},
    };
    size_t i;

    for (i = 0; i < sizeof map / sizeof map[0]; i++)
        if (map[i].rc == rc)
            return map[i].code;
    return KRB5_KDB_SERVER_INTERNAL_ERR;
}

krb5_error_code krbrepl__kdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what)
{
    krb5_error_code code = code_of(rc);
    const char *text = krbrepl_strerror(rc);

    if (ei != NULL && ei->code == rc && ei->text[0] != '\0')
        text = ei->text;
    krb5_set_error_message(ctx, code, "krbrepl: %s: %s", what, text);
    return code;
}

krb5_error_code krbrepl__kdb_fail(krb5_context ctx, krbrepl__kdb *h, int rc, const char *what)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    if (krbrepl_store_errinfo(h->store, &ei) != 0)
        ei.code = 0;
    return krbrepl__kdb_fail_ei(ctx, rc, &ei, what);
}

void krbrepl__kdb_warn(const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    /* krb5kdc and kadmind send this to their log, the other programs to standard error. */
    com_err("krbrepl", 0, "%s", line);
}
