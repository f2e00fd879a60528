/* handle.c: the store behind an HDB: opening, closing, and noticing that it is not the same any more. */
#include "hdbmod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Which file the store is in; another one after it was restored, or removed and made anew. */
static int identify(const char *dir, struct stat *st)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", dir) >= sizeof path)
        return ENAMETOOLONG;
    return stat(path, st) == 0 ? 0 : errno;
}

krb5_error_code krbrepl__hdb_store_open(krb5_context ctx, const char *dir, int readonly,
                                        krbrepl_store **out)
{
    krbrepl_store_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = readonly ? KRBREPL_STORE_READONLY : 0;
    rc = krbrepl_store_open(out, dir, &opt, &ei);
    if (rc == 0)
        return 0;
    *out = NULL;
    if (rc != KRBREPL_ERR_NOTFOUND)
        return krbrepl__hdb_fail_ei(ctx, rc, &ei, "opening the database");
    krb5_set_error_message(
        ctx, ENOENT,
        "krbrepl: there is no database in %s; make one with `kadmin -l init REALM`, or "
        "on a replica with `krbrepl init`",
        dir);
    return ENOENT;
}

static krb5_error_code store_create(krb5_context ctx, const char *dir)
{
    krbrepl_create_options opt;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = KRBREPL_CREATE_MASTER;
    rc = krbrepl_store_create(dir, &opt, &ei);
    return rc != 0 ? krbrepl__hdb_fail_ei(ctx, rc, &ei, "making the database") : 0;
}

void krbrepl__hdb_release(krbrepl__hdb *h)
{
    krbrepl__hdb_walk_end(h);
    krbrepl_load_abort(h->load);
    krbrepl_txn_abort(h->txn);
    krbrepl_store_close(h->store);
    h->load = NULL;
    h->txn = NULL;
    h->store = NULL;
}

static int is_current(const krbrepl__hdb *h)
{
    struct stat st;

    return h->store != NULL && h->pid == getpid() && identify(h->dir, &st) == 0 &&
           st.st_dev == h->dev && st.st_ino == h->ino;
}

/* A store that was opened before, in this process, stays. */
static krb5_error_code attach(krb5_context ctx, krbrepl__hdb *h, int flags)
{
    struct stat st;
    int err;

    if (is_current(h))
        return (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0 ? EEXIST : 0;
    krbrepl__hdb_release(h);
    /* The lock of an inherited descriptor is the parent's too, and a new store has a lock of its own. */
    krbrepl__hdb_lock_free(h);
    err = identify(h->dir, &st);
    if (err == ENOENT && (flags & O_CREAT) != 0) {
        err = store_create(ctx, h->dir);
        if (err == 0)
            err = identify(h->dir, &st);
        if (err != 0)
            return err;
    } else if (err == 0 && (flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return EEXIST;
    }
    /* Looked at before it is opened: when another one comes between, the next call notices. */
    h->dev = err == 0 ? st.st_dev : 0;
    h->ino = err == 0 ? st.st_ino : 0;
    h->pid = getpid();
    /* The same handle may be opened for writing later. */
    return krbrepl__hdb_store_open(ctx, h->dir, 0, &h->store);
}

/* kadmin shows the bare code after some commands, and so does a client of kadmind after each: the reason goes to
 * standard error or the log, where the program has its warnings. */
static krb5_error_code check_master(krb5_context ctx, const krbrepl__hdb *h)
{
    krb5_error_code err = krbrepl__hdb_is_master(ctx, h->store);
    const char *text;

    if (err != 0) {
        text = krb5_get_error_message(ctx, err);
        krb5_warnx(ctx, "%s", text != NULL ? text : "");
        krb5_free_error_message(ctx, text);
    }
    return err;
}

krb5_error_code krbrepl__hdb_open(krb5_context ctx, struct HDB *db, int flags, mode_t mode)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    krb5_error_code err;

    (void)mode; /* the store's files are their owner's, or of the group that `krbrepl init` was given */
    err = attach(ctx, h, flags);
    /* Refused before anything is written anywhere, such as to the log of kadmin. */
    if (err == 0 && writes)
        err = check_master(ctx, h);
    if (err == 0 && writes)
        err = krbrepl__hdb_write_enter(ctx, h);
    if (err == 0 && writes && (flags & O_TRUNC) != 0)
        err = krbrepl__hdb_load_begin(ctx, h);
    if (err != 0) {
        krbrepl__hdb_write_leave(h);
        return err;
    }
    h->mode = !writes                  ? KRBREPL__HDB_READ
              : (flags & O_TRUNC) != 0 ? KRBREPL__HDB_LOAD
                                       : KRBREPL__HDB_WRITE;
    h->nosync = 0;
    h->broken = 0;
    return 0;
}

krb5_error_code krbrepl__hdb_close(krb5_context ctx, struct HDB *db)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = krbrepl__hdb_settle(ctx, db), err2;

    err2 = krbrepl__hdb_load_end(ctx, h);
    krbrepl__hdb_walk_end(h);
    krb5_data_free(&h->fetched);
    if (db->lock_count == 0)
        krbrepl__hdb_write_leave(h);
    h->mode = KRBREPL__HDB_SHUT;
    h->nosync = 0;
    h->broken = 0;
    return err != 0 ? err : err2;
}

/* ---- another name ----------------------------------------------------------------------------- */

static const char *dir_of(const char *name)
{
    static const char prefix[] = KRBREPL__HDB_PREFIX ":";

    return strncmp(name, prefix, sizeof prefix - 1) == 0 ? name + sizeof prefix - 1 : name;
}

static krb5_error_code take_name(struct HDB *db, const char *name, const char *dir)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    char *new_name = strdup(name), *new_dir = strdup(dir);

    if (new_name == NULL || new_dir == NULL) {
        free(new_name);
        free(new_dir);
        return ENOMEM;
    }
    free(db->hdb_name);
    free(h->dir);
    db->hdb_name = new_name;
    h->dir = new_dir;
    return 0;
}

/* hpropd fills a database beside the one that is in use, and gives it the other's name. The store in use keeps its
 * history, its id and its replicas: it gets the new content, in one commit. */
krb5_error_code krbrepl__hdb_rename(krb5_context ctx, struct HDB *db, const char *name)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    const char *dir = dir_of(name);
    krb5_error_code err;
    struct stat st;

    if (h->mode != KRBREPL__HDB_SHUT)
        return HDB_ERR_MISUSE;
    krbrepl__hdb_release(h);
    krbrepl__hdb_lock_free(h);
    if (identify(dir, &st) == ENOENT)
        err = rename(h->dir, dir) == 0 ? 0 : errno;
    else
        err = krbrepl__hdb_load_move(ctx, h->dir, dir);
    return err == 0 ? take_name(db, name, dir) : err;
}
