/* module.c: the table by which libkdb5 calls the module, and the four methods of loading and opening. */
#include "kdbmod.h"

/* Shown by the linker's map; libkdb5 looks it up by this name. */
KRBREPL_API extern kdb_vftabl kdb_function_table;

/* There is nothing to prepare: all state hangs on contexts. */
static krb5_error_code init_library(void)
{
    return 0;
}

static krb5_error_code fini_library(void)
{
    return 0;
}

static krb5_error_code init_module(krb5_context ctx, char *section, char **db_args, int mode)
{
    krbrepl__kdb_conf conf;
    krb5_error_code err;

    (void)mode; /* a KDC counts failures although it opens the database for reading */
    err = krbrepl__kdb_conf_read(ctx, section, db_args, &conf);
    if (err == 0)
        err = krbrepl__kdb_open(ctx, &conf, 0, NULL);
    return err;
}

static krb5_error_code fini_module(krb5_context ctx)
{
    krbrepl__kdb_close(ctx);
    return 0;
}

/* SIGHUP. A store that was put in the place of the old one is found without it; this is for whoever wants
 * to be sure. */
static void refresh_config(krb5_context ctx)
{
    krbrepl__kdb *h;

    if (krbrepl__kdb_ready(ctx, &h) == 0 && h->load == NULL && h->group == NULL && h->view == NULL)
        (void)krbrepl__kdb_reopen(ctx, h);
}

/* Methods that stay NULL: rename_principal, because libkdb5 refuses renames of modules that have one where
 * iprop is on, and all about keys and master keys, whose defaults go through get and put of K/M. */
kdb_vftabl kdb_function_table = {
    .maj_ver = KRB5_KDB_DAL_MAJOR_VERSION,
    .min_ver = 0,
    .init_library = init_library,
    .fini_library = fini_library,
    .init_module = init_module,
    .fini_module = fini_module,
    .create = krbrepl__kdb_create,
    .destroy = krbrepl__kdb_destroy,
    .lock = krbrepl__kdb_lock,
    .unlock = krbrepl__kdb_unlock,
    .get_principal = krbrepl__kdb_get_principal,
    .put_principal = krbrepl__kdb_put_principal,
    .delete_principal = krbrepl__kdb_delete_principal,
    .iterate = krbrepl__kdb_iterate,
    .create_policy = krbrepl__kdb_create_policy,
    .get_policy = krbrepl__kdb_get_policy,
    .put_policy = krbrepl__kdb_put_policy,
    .iter_policy = krbrepl__kdb_iter_policy,
    .delete_policy = krbrepl__kdb_delete_policy,
    .promote_db = krbrepl__kdb_promote_db,
    .check_policy_as = krbrepl__kdb_check_policy_as,
    .audit_as_req = krbrepl__kdb_audit_as_req,
    .refresh_config = refresh_config,
};
