/* staged.c: `kdb5_util load`: a database that is made beside the live one, and takes its place in one commit.
 *
 * create "temporary" begins a load of the store, put_principal and create_policy fill it, promote_db
 * commits: as the differences where they fit into one commit, so that replicas receive what differs, else
 * as a new generation. Readers see the old content whole or the new one whole, and the KDC counts its
 * failures elsewhere, so that nothing waits. When the database was changed meanwhile the load fails and
 * has changed nothing. */
#include "kdbmod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

#define STATUS_MS 1000u

/* ---- create ----------------------------------------------------------------------------------- */

static krb5_error_code load_begin(krb5_context ctx, krbrepl__kdb *h)
{
    krbrepl_load_options opt;
    char why[128];
    int rc;

    KRBREPL_INIT(&opt);
    krbrepl__kdb_self(h, why, sizeof why, h->conf.merge_nra ? "load -i" : "load");
    opt.why = why;
    rc = krbrepl_load_begin(h->store, &h->load, &opt);
    return rc != 0 ? krbrepl__kdb_refused(ctx, h, rc) : 0;
}

static int is_any(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    (void)ctx;
    (void)table;
    (void)key;
    (void)value;
    return 1;
}

/* `krbrepl init --master` makes a store too, with a group or a retention of its own: that is no database
 * yet, and is filled. */
static krb5_error_code check_empty(krb5_context ctx, krbrepl__kdb *h)
{
    krbrepl_store_info info;
    krbrepl_view *v = NULL;
    int rc;

    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(h->store, &info);
    if (rc == 0 && info.role != KRBREPL_ROLE_MASTER) {
        krb5_set_error_message(ctx, EROFS,
                               "krbrepl: the store in %.200s is no master; a replica gets its database "
                               "from its master",
                               h->conf.dir);
        return EROFS;
    }
    if (rc == 0)
        rc = krbrepl_view_open(h->store, &v);
    if (rc == 0)
        rc = krbrepl_view_each(v, KRBREPL_MIT_TABLE_PRINCIPAL, NULL, NULL, 0, is_any, NULL);
    krbrepl_view_close(v);
    if (rc < 0)
        return krbrepl__kdb_fail(ctx, h, rc, "creating the database");
    if (rc == 0)
        return 0;
    krb5_set_error_message(ctx, EEXIST, "krbrepl: there is a database in %.200s already", h->conf.dir);
    return EEXIST;
}

krb5_error_code krbrepl__kdb_create(krb5_context ctx, char *section, char **db_args)
{
    krbrepl__kdb_conf conf;
    krbrepl__kdb *h = NULL;
    krb5_error_code err;

    krbrepl__kdb_close(ctx);
    err = krbrepl__kdb_conf_read(ctx, section, db_args, &conf);
    if (err == 0)
        err = krbrepl__kdb_open(ctx, &conf, 1, &h);
    if (err != 0)
        return err;
    h->creating = 1;
    err = h->conf.temporary ? load_begin(ctx, h) : check_empty(ctx, h);
    if (err != 0)
        krbrepl__kdb_close(ctx);
    return err;
}

/* ---- promote ---------------------------------------------------------------------------------- */

/* Records of other tables are no part of a dump, and stay. */
static int carry_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl_load *l = ctx;

    if (strcmp(table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0 || strcmp(table, KRBREPL_MIT_TABLE_POLICY) == 0)
        return 0;
    return krbrepl_load_put(l, table, key, value);
}

static int carry(krbrepl__kdb *h)
{
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(h->store, &v);

    if (rc == 0)
        rc = krbrepl_view_each(v, NULL, NULL, NULL, 0, carry_one, h->load);
    krbrepl_view_close(v);
    return rc;
}

krb5_error_code krbrepl__kdb_promote_db(krb5_context ctx, char *section, char **db_args)
{
    krbrepl_load_result res;
    krbrepl__kdb *h;
    krbrepl_load *l;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);
    int rc;

    (void)section;
    (void)db_args;
    if (err != 0)
        return err;
    if (h->load == NULL)
        return KRB5_KDB_DBNOTINITED;
    KRBREPL_INIT(&res);
    rc = carry(h);
    if (rc == 0) {
        l = h->load;
        h->load = NULL;
        rc = krbrepl_load_commit(l, &res);
    }
    if (rc != 0)
        return krbrepl__kdb_fail(ctx, h, rc, "putting the new database in place");
    h->creating = 0;
    if (res.kind != 0) {
        h->written = res.pos;
        h->unsynced = 1;
    }
    err = krbrepl__kdb_local_spooled(ctx, h);
    krbrepl__kdb_sync(h);
    return err;
}

/* ---- destroy ---------------------------------------------------------------------------------- */

static void remove_in(const char *dir, const char *name)
{
    char path[4096 + 64];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) < sizeof path)
        (void)unlink(path);
}

static krb5_error_code remove_store(krb5_context ctx, const char *dir)
{
    static const char *const rest[] = {
        "lock.mdb",       "local/data.mdb", "local/lock.mdb", "local/users.lock", "local/boot",
        "local/clean",    "wake.sock",      "node.sock",      "node.lock",        "load.lock",
        "kdb-count.lock", "kdb.lock",       "iprop.sent"};
    char path[4096 + 64];
    size_t i;

    if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", dir) >= sizeof path || unlink(path) != 0) {
        krb5_error_code err = errno;

        krb5_set_error_message(ctx, err, "krbrepl: removing %.200s/data.mdb: %s", dir, strerror(err));
        return err;
    }
    for (i = 0; i < sizeof rest / sizeof rest[0]; i++)
        remove_in(dir, rest[i]);
    if ((size_t)snprintf(path, sizeof path, "%s/local", dir) < sizeof path)
        (void)rmdir(path);
    (void)rmdir(dir); /* stays when it holds anything else, such as evidence/ */
    return 0;
}

krb5_error_code krbrepl__kdb_destroy(krb5_context ctx, char *section, char **db_args)
{
    krbrepl__kdb_conf conf;
    krbrepl_status st;
    krb5_error_code err = krbrepl__kdb_conf_read(ctx, section, db_args, &conf);

    if (err != 0)
        return err;
    krbrepl__kdb_close(ctx);
    KRBREPL_INIT(&st);
    /* After a load that failed: what was loaded is gone with its process, and the live database is not
     * what is meant. */
    if (conf.temporary)
        err = 0;
    else if (krbrepl_status_fetch(conf.dir, STATUS_MS, &st, NULL, NULL, NULL) == 0) {
        err = KRB5_KDB_DB_INUSE;
        krb5_set_error_message(ctx, err,
                               "krbrepl: process %lld replicates the database in %.200s; stop it first",
                               (long long)st.pid, conf.dir);
    } else
        err = remove_store(ctx, conf.dir);
    krbrepl__kdb_conf_free(&conf);
    return err;
}
