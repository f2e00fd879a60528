/* fail.c: how failures are told: as a code that Heimdal's programs know, and a message in the context. */
#include "hdbmod.h"

#include <errno.h>

#include "plugin.h"

/* Codes that kadmin's clients know how to print, for over the network that is all that reaches them. */
static const krbrepl__plugin_codes codes = {
    .notfound = HDB_ERR_NOENTRY,
    .exists = HDB_ERR_EXISTS,
    .locked = HDB_ERR_DB_INUSE,
    .conflict = HDB_ERR_DB_CHANGED,
    .corrupt = EIO,
    .format = HDB_ERR_BADVERSION,
    .other = HDB_ERR_UK_SERROR,
};

krb5_error_code krbrepl__hdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what)
{
    return krbrepl__plugin_fail(ctx, &codes, rc, ei, what);
}

krb5_error_code krbrepl__hdb_fail(krb5_context ctx, krbrepl_store *s, int rc, const char *what)
{
    return krbrepl__plugin_store_fail(ctx, &codes, s, rc, what);
}

krb5_error_code krbrepl__hdb_is_master(krb5_context ctx, krbrepl_store *s)
{
    krbrepl_store_info info;
    char text[600];
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
    krbrepl__plugin_refusal(krbrepl_store_dir(s), info.role, text, sizeof text);
    krb5_set_error_message(ctx, EROFS, "krbrepl: %s", text);
    return EROFS;
}
