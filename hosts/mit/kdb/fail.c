/* fail.c: how failures are told: as a code of krb5 and a message in the context, or as a line in the log. */
#include "kdbmod.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <syslog.h>

#include <com_err.h>

#include "plugin.h"

/* The log of krb5kdc, kadmind, kadmin.local and kdb5_util (the section [logging]), in libkadm5srv. No header of
 * krb5 declares it, and a program that has loaded this module without that library has no such log. */
extern int krb5_klog_syslog(int priority, const char *fmt, ...)
    __attribute__((weak, format(printf, 2, 3)));

/* Codes that kadmin clients of every release know how to print, for that is all that reaches them. */
static const krbrepl__plugin_codes codes = {
    .notfound = KRB5_KDB_NOENTRY,
    .exists = KRB5_KDB_INUSE,
    .locked = KRB5_KDB_CANTLOCK_DB,
    .conflict = KRB5_KDB_DB_CHANGED,
    .corrupt = KRB5_KDB_DB_CORRUPT,
    .format = KRB5_KDB_BAD_VERSION,
    .other = KRB5_KDB_SERVER_INTERNAL_ERR,
};

krb5_error_code krbrepl__kdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what)
{
    return krbrepl__plugin_fail(ctx, &codes, rc, ei, what);
}

krb5_error_code krbrepl__kdb_fail(krb5_context ctx, krbrepl__kdb *h, int rc, const char *what)
{
    return krbrepl__plugin_store_fail(ctx, &codes, h->store, rc, what);
}

void krbrepl__kdb_warn(const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    /* com_err is the last resort only: kadmin.local takes it for a failure of the command. */
    if (krb5_klog_syslog != NULL)
        (void)krb5_klog_syslog(LOG_WARNING, "krbrepl: %s", line);
    else
        com_err("krbrepl", 0, "%s", line);
}

krb5_error_code krbrepl__kdb_refused(krb5_context ctx, krbrepl__kdb *h, int rc)
{
    krb5_error_code err = krbrepl__kdb_fail(ctx, h, rc, "writing");
    krbrepl_store_info info;
    char text[600];

    if (rc != KRBREPL_ERR_NOT_MASTER && rc != KRBREPL_ERR_FENCED)
        return err;
    KRBREPL_INIT(&info);
    if (krbrepl_store_info_get(h->store, &info) != 0)
        return err;
    krbrepl__plugin_refusal(h->conf.dir, info.role, text, sizeof text);
    krb5_set_error_message(ctx, err, "krbrepl: %s", text);
    /* Clients over the network see the bare code: the reason is in the log of kadmind. */
    krbrepl__kdb_warn("%s", text);
    return err;
}
