/* open.c: which database it is, and opening and closing it. */
#include "kdb5spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <profile.h>

#include "errinfo.h"
#include "mem.h"
#include "options.h"

_Static_assert(sizeof(krbrepl_kdb5_options) == offsetof(krbrepl_kdb5_options, ctx) + sizeof(void *),
               "a member was added: grow the struct at its end");

krb5_error_code krbrepl__kdb5_context(const char *realm, krb5_context *out)
{
    krb5_error_code err = krb5_init_context_profile(NULL, KRB5_INIT_CONTEXT_KDC, out);

    if (err == 0 && realm != NULL)
        err = krb5_set_default_realm(*out, realm);
    if (err != 0 && *out != NULL) {
        krb5_free_context(*out);
        *out = NULL;
    }
    return err;
}

/* ---- the configuration ------------------------------------------------------------------------- */

/* A value that krb5 has found, as one of ours. */
static krb5_error_code setting(profile_t p, const char *a, const char *b, const char *c,
                               const char *otherwise, char **out)
{
    char *found = NULL;
    long err = profile_get_string(p, a, b, c, otherwise, &found);

    *out = found != NULL ? krbrepl__strdup(found) : NULL;
    if (err == 0 && found != NULL && *out == NULL)
        err = ENOMEM;
    profile_release_string(found);
    return (krb5_error_code)err;
}

/* The section of [dbmodules] for the realm, found as libkdb5 finds it. */
static krb5_error_code section_find(profile_t p, const char *realm, char **out)
{
    krb5_error_code err = setting(p, "realms", realm, "database_module", NULL, out);

    if (err == 0 && *out == NULL)
        err = (*out = krbrepl__strdup(realm)) != NULL ? 0 : ENOMEM;
    return err;
}

/* What the arguments, the section, or the realm says. libkdb5's own default is not told. */
static krb5_error_code file_find(krbrepl_kdb5 *db, profile_t p, const char *section)
{
    krb5_error_code err = 0;
    char *slash;
    size_t i;

    for (i = 0; i < db->nargs && db->file == NULL; i++)
        if (strncmp(db->args[i], "dbname=", 7) == 0 &&
            (db->file = krbrepl__strdup(db->args[i] + 7)) == NULL)
            return ENOMEM;
    if (db->file == NULL)
        err = setting(p, "dbmodules", section, "database_name", NULL, &db->file);
    if (err == 0 && db->file == NULL)
        err = setting(p, "realms", db->realm, "database_name", NULL, &db->file);
    if (err != 0 || !db->is_db2 || db->file == NULL || (slash = strrchr(db->file, '/')) == NULL)
        return err;
    db->folder = krbrepl__strndup(db->file, (size_t)(slash - db->file) + (slash == db->file));
    return db->folder != NULL ? 0 : ENOMEM;
}

static krb5_error_code configure(krbrepl_kdb5 *db)
{
    profile_t p = NULL;
    char *section = NULL;
    krb5_error_code err = krb5_get_profile(db->live, &p);

    if (err == 0)
        err = section_find(p, db->realm, &section);
    if (err == 0)
        err = setting(p, "dbmodules", section, "db_library", "db2", &db->library);
    db->is_db2 = err == 0 && strcmp(db->library, "db2") == 0;
    db->is_ldap = err == 0 && strcmp(db->library, "kldap") == 0;
    db->is_lmdb = err == 0 && strcmp(db->library, "klmdb") == 0;
    if (err == 0 && !db->is_ldap)
        err = file_find(db, p, section);
    krbrepl__strfree(section);
    profile_release(p);
    return err;
}

/* ---- arguments ---------------------------------------------------------------------------------- */

static int args_copy(krbrepl_kdb5 *db, const char *const *from)
{
    /* As kdb5_util load -i: the KDC's counters are carried over. */
    static const char *const load[] = {"temporary", "merge_nra"};
    size_t i, n = 0;

    while (from != NULL && from[n] != NULL)
        n++;
    db->args = krbrepl__alloc_array(n + 1, sizeof *db->args);
    db->temp_args = krbrepl__alloc_array(n + 3, sizeof *db->temp_args);
    if (db->args == NULL || db->temp_args == NULL)
        return KRBREPL_ERR_NOMEM;
    db->nargs = n;
    for (i = 0; i < n + 2; i++) {
        db->temp_args[i] = krbrepl__strdup(i < n ? from[i] : load[i - n]);
        if (i < n)
            db->args[i] = krbrepl__strdup(from[i]);
        if (db->temp_args[i] == NULL || (i < n && db->args[i] == NULL))
            return KRBREPL_ERR_NOMEM;
    }
    return 0;
}

static void args_free(char **args, size_t room)
{
    size_t i;

    for (i = 0; args != NULL && args[i] != NULL; i++)
        krbrepl__strfree(args[i]);
    krbrepl__free(args, room * sizeof *args);
}

/* ---- opening ------------------------------------------------------------------------------------ */

static int host_failed(krb5_context ctx, krb5_error_code err, const char *what, krbrepl_errinfo *ei)
{
    const char *text;
    int rc;

    if (err == ENOMEM)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    text = krb5_get_error_message(ctx, err);
    rc = krbrepl__fail(ei, KRBREPL_ERR_HOST, "kdb5: %s: %s", what, text);
    krb5_free_error_message(ctx, text);
    if (ei != NULL)
        ei->host_code = err;
    return rc;
}

/* What other modules do with a record is not known. */
static int known(const krbrepl_kdb5 *db, krbrepl_errinfo *ei)
{
    if (db->is_db2 || db->is_ldap || db->is_lmdb)
        return 0;
    if (strcmp(db->library, "krbrepl") == 0)
        return krbrepl__fail(
            ei, KRBREPL_ERR_INVALID,
            "kdb5: the database of realm %s is a krbrepl store already; open that store "
            "by its directory",
            db->realm);
    return krbrepl__fail(ei, KRBREPL_ERR_INVALID,
                         "kdb5: the database of realm %s is of module %s, of which it is not known "
                         "that it gives records back "
                         "as they were written; use db2, klmdb or kldap, or the KDB module krbrepl",
                         db->realm, db->library);
}

krb5_error_code krbrepl__kdb5_live_open(krbrepl_kdb5 *db)
{
    krb5_error_code err = 0;

    if (db->is_lmdb && !db->is_open)
        krbrepl__kdb5_readers_clear(db);
    if (!db->is_open)
        err = krb5_db_open(db->live, db->args, KRB5_KDB_OPEN_RW | KRB5_KDB_SRV_TYPE_ADMIN);
    db->is_open = err == 0;
    return err;
}

void krbrepl__kdb5_live_close(krbrepl_kdb5 *db)
{
    (void)krb5_db_fini(db->live);
    db->is_open = 0;
}

/* A database that is not there is made. */
static krb5_error_code database_open(krbrepl_kdb5 *db)
{
    krb5_error_code err = krbrepl__kdb5_live_open(db);

    /* A realm in a directory is made with kdb5_ldap_util. */
    if (err != ENOENT || db->is_ldap)
        return err;
    krb5_clear_error_message(db->live);
    err = krb5_db_create(db->live, db->args);
    if (err == 0)
        err = krb5_db_fini(db->live);
    return err != 0 ? err : krbrepl__kdb5_live_open(db);
}

static void ops_make(krbrepl_kdb5 *db)
{
    KRBREPL_INIT(&db->ops);
    db->ops.get = krbrepl__kdb5_get;
    db->ops.apply = krbrepl__kdb5_apply;
    db->ops.import_begin = krbrepl__kdb5_import_begin;
    db->ops.import_change = krbrepl__kdb5_import_change;
    db->ops.import_commit = krbrepl__kdb5_import_commit;
    db->ops.import_abort = krbrepl__kdb5_import_abort;
    if (!db->is_db2) {
        db->ops.import_begin = krbrepl__kdb5_spool_begin;
        db->ops.import_change = krbrepl__kdb5_spool_change;
        db->ops.import_step = db->is_ldap ? krbrepl__kdb5_replace_step : krbrepl__kdb5_reload_step;
        db->ops.import_commit =
            db->is_ldap ? krbrepl__kdb5_replace_commit : krbrepl__kdb5_reload_commit;
        db->ops.import_abort = db->is_ldap ? krbrepl__kdb5_replace_abort : krbrepl__kdb5_reload_abort;
    }
    /* db2 writes the pages of its tree as they come; klmdb has transactions. */
    db->ops.flags = db->is_db2 ? KRBREPL_HOST_TEARS : 0;
}

static krb5_error_code realm_take(krbrepl_kdb5 *db, const char *realm)
{
    char *found = NULL;
    krb5_error_code err = krbrepl__kdb5_context(realm, &db->live);

    if (err == 0)
        err = krb5_get_default_realm(db->live, &found);
    if (err == 0 && (db->realm = krbrepl__strdup(found)) == NULL)
        err = ENOMEM;
    krb5_free_default_realm(db->live, found);
    return err;
}

static int open_as(krbrepl_kdb5 *db, const krbrepl_kdb5_options *o, krbrepl_errinfo *ei)
{
    krb5_error_code err;
    int rc;

    if (args_copy(db, o->db_args) != 0)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    db->note = o->note;
    db->note_ctx = o->ctx;
    err = realm_take(db, o->realm);
    if (err == 0)
        err = configure(db);
    if (err != 0)
        return host_failed(db->live, err, "reading the configuration of the KDC", ei);
    rc = known(db, ei);
    if (rc != 0)
        return rc;
    err = database_open(db);
    if (err != 0)
        return host_failed(db->live, err,
                           db->is_ldap ? "opening the database of the KDC, a realm that kdb5_ldap_util "
                                         "has made in a directory"
                                       : "opening the database of the KDC",
                           ei);
    ops_make(db);
    return 0;
}

int krbrepl_kdb5_open(krbrepl_kdb5 **out, const krbrepl_kdb5_options *opt, krbrepl_errinfo *ei)
{
    krbrepl_kdb5_options o;
    krbrepl_errinfo mine;
    krbrepl_kdb5 *db = NULL;
    int rc;

    KRBREPL_INIT(&mine);
    if (out == NULL)
        return krbrepl__errinfo_give(
            krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "kdb5: there is no place for the result"), &mine,
            ei);
    *out = NULL;
    rc = krbrepl__widen(&o, sizeof o, opt);
    if (rc != 0)
        krbrepl__fail_plain(&mine, rc);
    else if ((db = krbrepl__alloc(sizeof *db)) == NULL)
        rc = krbrepl__fail_plain(&mine, KRBREPL_ERR_NOMEM);
    else
        rc = open_as(db, &o, &mine);
    if (rc == 0)
        *out = db;
    else
        krbrepl_kdb5_close(db);
    return krbrepl__errinfo_give(rc, &mine, ei);
}

void krbrepl_kdb5_close(krbrepl_kdb5 *db)
{
    if (db == NULL)
        return;
    if (db->ops.import_abort != NULL)
        db->ops.import_abort(db);
    if (db->live != NULL) {
        (void)krb5_db_fini(db->live);
        krb5_free_context(db->live);
    }
    krbrepl_mit_free(db->value, db->len);
    args_free(db->args, db->nargs + 1);
    args_free(db->temp_args, db->nargs + 3);
    krbrepl__strfree(db->realm);
    krbrepl__strfree(db->library);
    krbrepl__strfree(db->folder);
    krbrepl__strfree(db->file);
    krbrepl__free(db, sizeof *db);
}

const krbrepl_host_ops *krbrepl_kdb5_ops(const krbrepl_kdb5 *db)
{
    return db != NULL ? &db->ops : NULL;
}
