/* handle.c: the database object of a krb5_context: opening, closing, and noticing that it is not the same
 * any more. */
#include "kdbmod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

/* Which file the store is in; another one after it was restored, or destroyed and created. */
static int identify(const char *dir, struct stat *st)
{
    char path[4096 + 16];

    if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", dir) >= sizeof path)
        return ENAMETOOLONG;
    return stat(path, st) == 0 ? 0 : errno;
}

static int store_open(krbrepl__kdb *h, krbrepl_errinfo *ei)
{
    krbrepl_store_options opt;
    struct stat st;
    int rc;

    KRBREPL_INIT(&opt);
    opt.flags = h->conf.nosync ? KRBREPL_STORE_NOSYNC : 0;
    opt.map_size = h->conf.map_size;
    opt.max_readers = h->conf.max_readers;
    h->pid = getpid();
    h->dev = 0;
    h->ino = 0;
    /* Looked at before it is opened: when another one comes between, the next call notices. */
    if (identify(h->conf.dir, &st) == 0) {
        h->dev = st.st_dev;
        h->ino = st.st_ino;
    }
    rc = krbrepl_store_open(&h->store, h->conf.dir, &opt, ei);
    if (rc != 0)
        h->store = NULL;
    return rc;
}

static int store_create(const char *dir, krbrepl_errinfo *ei)
{
    krbrepl_create_options opt;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_CREATE_MASTER;
    return krbrepl_store_create(dir, &opt, ei);
}

/* "No such file or directory" is what tools expect when there is no database. */
static krb5_error_code open_failed(krb5_context ctx, const krbrepl__kdb *h, int rc,
                                   const krbrepl_errinfo *ei)
{
    if (rc != KRBREPL_ERR_NOTFOUND)
        return krbrepl__kdb_fail_ei(ctx, rc, ei, "opening the database");
    krb5_set_error_message(
        ctx, ENOENT,
        "krbrepl: there is no database in %s; make one with `kdb5_util create`, or on "
        "a replica with `krbrepl init`",
        h->conf.dir);
    return ENOENT;
}

static void release(krbrepl__kdb *h)
{
    krbrepl_load_abort(h->load);
    krbrepl_txn_abort(h->group);
    krbrepl_view_close(h->view);
    krbrepl__mit_spool_free(h->spool);
    krbrepl_store_close(h->store);
    h->load = NULL;
    h->group = NULL;
    h->view = NULL;
    h->spool = NULL;
    h->store = NULL;
}

static void kdb_free(krbrepl__kdb *h)
{
    release(h);
    krbrepl__kdb_lock_free(h);
    krbrepl__kdb_conf_free(&h->conf);
    krbrepl__free(h, sizeof *h);
}

krb5_error_code krbrepl__kdb_open(krb5_context ctx, krbrepl__kdb_conf *conf, int create,
                                  krbrepl__kdb **out)
{
    krbrepl__kdb *h = krbrepl__alloc(sizeof *h);
    krbrepl_errinfo ei;
    krb5_error_code err;
    int rc;

    if (h == NULL) {
        krbrepl__kdb_conf_free(conf);
        return ENOMEM;
    }
    KRBREPL_INIT(&ei);
    h->conf = *conf;
    h->lock_fd = -1;
    rc = store_open(h, &ei);
    if (rc == KRBREPL_ERR_NOTFOUND && create) {
        rc = store_create(h->conf.dir, &ei);
        if (rc == 0)
            rc = store_open(h, &ei);
    }
    err = rc != 0 ? open_failed(ctx, h, rc, &ei) : krb5_db_set_context(ctx, h);
    if (err != 0)
        kdb_free(h);
    else if (out != NULL)
        *out = h;
    return err;
}

void krbrepl__kdb_close(krb5_context ctx)
{
    void *p = NULL;

    if (krb5_db_get_context(ctx, &p) != 0 || p == NULL)
        return;
    kdb_free(p);
    (void)krb5_db_set_context(ctx, NULL);
}

krb5_error_code krbrepl__kdb_reopen(krb5_context ctx, krbrepl__kdb *h)
{
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&ei);
    release(h);
    /* The lock of an inherited descriptor belongs to the parent, and a new store has a lock of its own. */
    krbrepl__kdb_lock_free(h);
    rc = store_open(h, &ei);
    return rc != 0 ? open_failed(ctx, h, rc, &ei) : 0;
}

static int is_current(const krbrepl__kdb *h)
{
    struct stat st;

    if (h->store == NULL || h->pid != getpid())
        return 0;
    /* What was begun is carried through in the store it was begun in. */
    if (h->load != NULL || h->group != NULL || h->view != NULL)
        return 1;
    return identify(h->conf.dir, &st) == 0 && st.st_dev == h->dev && st.st_ino == h->ino;
}

krb5_error_code krbrepl__kdb_ready(krb5_context ctx, krbrepl__kdb **out)
{
    krb5_error_code err;
    void *p = NULL;

    err = krb5_db_get_context(ctx, &p);
    if (err == 0 && p == NULL)
        err = KRB5_KDB_DBNOTINITED;
    if (err != 0)
        return err;
    *out = p;
    return is_current(*out) ? 0 : krbrepl__kdb_reopen(ctx, *out);
}
