/* load.c: a whole new content, for `kadmin load` and hpropd: gathered outside of the database, and put in its place in
 * one commit at the end. A program that ends before that has changed nothing. */
#include "hdbmod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static krb5_error_code load_open(krb5_context ctx, krbrepl_store *s, const char *what,
                                 krbrepl_load **out)
{
    krbrepl_load_options opt;
    char why[128];
    int rc;

    KRBREPL_INIT(&opt);
    krbrepl__hdb_why(why, sizeof why, what);
    opt.why = why;
    rc = krbrepl_load_begin(s, out, &opt);
    if (rc == 0)
        return 0;
    *out = NULL;
    return krbrepl__hdb_fail(ctx, s, rc, "loading");
}

krb5_error_code krbrepl__hdb_load_begin(krb5_context ctx, krbrepl__hdb *h)
{
    krbrepl_load_abort(h->load);
    h->load = NULL;
    return load_open(ctx, h->store, "load", &h->load);
}

krb5_error_code krbrepl__hdb_load_put(krb5_context ctx, krbrepl__hdb *h, krb5_data key, krb5_data value)
{
    int rc;

    if (h->load == NULL)
        return HDB_ERR_MISUSE;
    rc = krbrepl_load_put(h->load, KRBREPL__HDB_TABLE, krbrepl__hdb_bytes(key),
                          krbrepl__hdb_bytes(value));
    return rc != 0 ? krbrepl__hdb_fail(ctx, h->store, rc, "loading") : 0;
}

/* Rows of other tables are no part of Heimdal's database, and stay. */
static int carry_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    return strcmp(table, KRBREPL__HDB_TABLE) != 0 ? krbrepl_load_put(ctx, table, key, value) : 0;
}

static int take_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    return krbrepl_load_put(ctx, table, key, value);
}

/* From the content of `s`: the rows of `table`, or of all tables but Heimdal's. */
static int copy_rows(krbrepl_store *s, const char *table, krbrepl_load *l)
{
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(s, &v);

    if (rc == 0)
        rc = krbrepl_view_each(v, table, NULL, NULL, 0, table != NULL ? take_one : carry_one, l);
    krbrepl_view_close(v);
    return rc;
}

static krb5_error_code load_commit(krb5_context ctx, krbrepl_store *s, krbrepl_load *l)
{
    int rc = copy_rows(s, NULL, l);

    if (rc == 0)
        rc = krbrepl_load_commit(l, NULL);
    else
        krbrepl_load_abort(l);
    return rc != 0 ? krbrepl__hdb_fail(ctx, s, rc, "putting the new content in place") : 0;
}

krb5_error_code krbrepl__hdb_load_end(krb5_context ctx, krbrepl__hdb *h)
{
    krbrepl_load *l = h->load;

    h->load = NULL;
    if (l == NULL)
        return 0;
    if (h->broken == 0)
        return load_commit(ctx, h->store, l);
    krbrepl_load_abort(l);
    return h->broken;
}

/* ---- from another store ----------------------------------------------------------------------- */

static void remove_store(const char *dir)
{
    static const char *const names[] = {"data.mdb",
                                        "lock.mdb",
                                        "local/data.mdb",
                                        "local/lock.mdb",
                                        "local/users.lock",
                                        "local/boot",
                                        "local/clean",
                                        "wake.sock",
                                        "node.lock",
                                        "load.lock",
                                        "hdb.lock",
                                        "local",
                                        ""};
    char path[4096];
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, names[i]) < sizeof path &&
            unlink(path) != 0)
            (void)rmdir(path);
}

krb5_error_code krbrepl__hdb_load_move(krb5_context ctx, const char *from, const char *to)
{
    krbrepl_store *source = NULL, *target = NULL;
    krbrepl_load *l = NULL;
    krb5_error_code err = krbrepl__hdb_store_open(ctx, from, 1, &source);
    int rc;

    if (err == 0)
        err = krbrepl__hdb_store_open(ctx, to, 0, &target);
    if (err == 0)
        err = krbrepl__hdb_is_master(ctx, target);
    if (err == 0)
        err = load_open(ctx, target, "load", &l);
    if (err == 0) {
        rc = copy_rows(source, KRBREPL__HDB_TABLE, l);
        if (rc == 0) {
            err = load_commit(ctx, target, l);
        } else {
            krbrepl_load_abort(l);
            err = krbrepl__hdb_fail(ctx, source, rc, "reading the new content");
        }
    }
    krbrepl_store_close(target);
    krbrepl_store_close(source);
    if (err == 0)
        remove_store(from);
    return err;
}
