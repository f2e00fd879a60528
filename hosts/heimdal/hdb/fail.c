/* fail.c: how failures are told: as a code that Heimdal's programs know, and a message in the context. */
#include "hdbmod.h"

#include <errno.h>
#include <stdio.h>

/* How long the daemon is given to say whom it follows. */
#define STATUS_MS 500u

/* Codes that kadmin's clients know how to print, for over the network that is all that reaches them. */
static krb5_error_code code_of(int rc)
{
    static const struct {
        int rc;
        krb5_error_code code;
    } map[] = {
        {KRBREPL_ERR_NOMEM, ENOMEM},
        {KRBREPL_ERR_INVALID, EINVAL},
        {KRBREPL_ERR_NOTFOUND, HDB_ERR_NOENTRY},
        {KRBREPL_ERR_EXISTS, HDB_ERR_EXISTS},
        {KRBREPL_ERR_IO, EIO},
        {KRBREPL_ERR_NOSPACE, ENOSPC},
        {KRBREPL_ERR_LOCKED, HDB_ERR_DB_INUSE},
        {KRBREPL_ERR_CONFLICT, HDB_ERR_DB_CHANGED},
        {KRBREPL_ERR_CORRUPT, EIO},
        {KRBREPL_ERR_FORMAT, HDB_ERR_BADVERSION},
        {KRBREPL_ERR_TOOBIG, EFBIG},
        {KRBREPL_ERR_NOT_MASTER, EROFS},
        {KRBREPL_ERR_FENCED, EROFS},
    };
    size_t i;

    for (i = 0; i < sizeof map / sizeof map[0]; i++)
        if (map[i].rc == rc)
            return map[i].code;
    return HDB_ERR_UK_SERROR;
}

krb5_error_code krbrepl__hdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what)
{
    krb5_error_code code = code_of(rc);
    const char *text = krbrepl_strerror(rc);

    if (ei != NULL && ei->code == rc && ei->text[0] != '\0')
        text = ei->text;
    krb5_set_error_message(ctx, code, "krbrepl: %s: %s", what, text);
    return code;
}

krb5_error_code krbrepl__hdb_fail(krb5_context ctx, krbrepl_store *s, int rc, const char *what)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    if (s == NULL || krbrepl_store_errinfo(s, &ei) != 0)
        ei.code = 0;
    return krbrepl__hdb_fail_ei(ctx, rc, &ei, what);
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

krb5_error_code krbrepl__hdb_is_master(krb5_context ctx, krbrepl_store *s)
{
    krbrepl_store_info info;
    char master[256];
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(s, &info);
    if (rc != 0)
        return krbrepl__hdb_fail(ctx, s, rc, "reading the role of the store");
    if (info.role == KRBREPL_ROLE_MASTER)
        return 0;
    if (info.role == KRBREPL_ROLE_UNSET) {
        krb5_set_error_message(ctx, EROFS,
                               "krbrepl: the store in %.200s has no role yet; make it the master with "
                               "`krbrepl promote`, or let krbrepl-replica fill it",
                               krbrepl_store_dir(s));
        return EROFS;
    }
    master_name(krbrepl_store_dir(s), master);
    krb5_set_error_message(
        ctx, EROFS, "krbrepl: the database in %.200s is a %s and takes no changes; its master is %s",
        krbrepl_store_dir(s), krbrepl_role_name(info.role), master);
    return EROFS;
}
