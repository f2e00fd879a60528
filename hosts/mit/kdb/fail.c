/* fail.c: how failures are told: as a code of krb5 and a message in the context, or as a line in the log. */
#include "kdbmod.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include <syslog.h>

#include <com_err.h>

/* How long the daemon is given to say whom it follows. */
#define STATUS_MS 500u

/* The log of krb5kdc, kadmind, kadmin.local and kdb5_util (the section [logging]), in libkadm5srv. No header of
 * krb5 declares it, and a program that has loaded this module without that library has no such log. */
extern int krb5_klog_syslog(int priority, const char *fmt, ...)
    __attribute__((weak, format(printf, 2, 3)));

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
    /* com_err is the last resort only: kadmin.local takes it for a failure of the command. */
    if (krb5_klog_syslog != NULL)
        (void)krb5_klog_syslog(LOG_WARNING, "krbrepl: %s", line);
    else
        com_err("krbrepl", 0, "%s", line);
}

/* ---- refusals --------------------------------------------------------------------------------- */

static int name_peer(void *ctx, const krbrepl_peer *peer)
{
    snprintf(ctx, 256, "%.120s (%.100s)", peer->principal, peer->address);
    return 1;
}

/* The master that a replica follows, as far as the daemon on this store knows it. */
static void master_name(const char *dir, char out[256])
{
    krbrepl_status st;

    KRBREPL_INIT(&st);
    out[0] = '\0';
    (void)krbrepl_status_fetch(dir, STATUS_MS, &st, name_peer, out, NULL);
    if (out[0] == '\0')
        snprintf(out, 256, "not known, because no krbrepl-replica is connected here");
}

krb5_error_code krbrepl__kdb_refused(krb5_context ctx, krbrepl__kdb *h, int rc)
{
    krb5_error_code err = krbrepl__kdb_fail(ctx, h, rc, "writing");
    krbrepl_store_info info;
    char master[256], text[600];

    if (rc != KRBREPL_ERR_NOT_MASTER && rc != KRBREPL_ERR_FENCED)
        return err;
    KRBREPL_INIT(&info);
    if (krbrepl_store_info_get(h->store, &info) != 0)
        return err;
    master_name(h->conf.dir, master);
    snprintf(text, sizeof text, "the database in %.200s is a %s and takes no changes; its master is %s",
             h->conf.dir, krbrepl_role_name(info.role), master);
    krb5_set_error_message(ctx, err, "krbrepl: %s", text);
    /* Clients over the network see the bare code: the reason is in the log of kadmind. */
    krbrepl__kdb_warn("%s", text);
    return err;
}
