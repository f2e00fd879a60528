/* apply.c: the callbacks that work on the live database. */
#include "kdb5store.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

/* How long other processes are kept waiting at a time, and how long they are let in between. */
#define HOLD_NS 10000000
#define PAUSE_NS 500000
/* For pages of a tree that is split up to its root, whatever the size of a change. */
#define ROOM (1024u * 1024u)

int krbrepl__kdb5_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    krbrepl_kdb5 *db = ctx;
    /* Within a load of klmdb its handle reads the live database. */
    const krb5_context from = db->is_lmdb && db->temp != NULL ? db->temp : db->live;
    krb5_error_code err;

    krbrepl_mit_free(db->value, db->len);
    db->value = NULL;
    db->len = 0;
    krb5_clear_error_message(from);
    err = from == db->live ? krbrepl__kdb5_live_open(db) : 0;
    if (err == 0)
        err = krbrepl__kdb5_read(db, from, table, key, &db->value, &db->len, NULL);
    if (err == KRB5_KDB_NOENTRY)
        return KRBREPL_ERR_NOTFOUND;
    if (err != 0)
        return krbrepl__kdb5_failed(db, from, err, "reading", key);
    *value = (krbrepl_bytes){db->value, db->len};
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What is refused need not be written when it is undone later in the same call: so an administrator gets a replica
 * going again by changing or deleting the record on the master. */
static int superseded(const krbrepl_change *const *c, size_t n, size_t at)
{
    size_t i;

    for (i = at + 1; i < n; i++)
        if (strcmp(c[i]->table, c[at]->table) == 0 && c[i]->key.len == c[at]->key.len &&
            memcmp(c[i]->key.data, c[at]->key.data, c[at]->key.len) == 0)
            return 1;
    return 0;
}

/* db2 writes its last pages when it is unlocked, and libkdb5 does not tell when there was no room for them: the half of
 * a page that was split would be gone, and the change acknowledged. */
krb5_error_code krbrepl__kdb5_room(krbrepl_kdb5 *db, krb5_context ctx, size_t bytes)
{
    const uint64_t most = ROOM + 4 * (uint64_t)bytes;
    const krbrepl_bytes none = {NULL, 0};
    struct statvfs s;

    if (!db->is_db2 || db->folder == NULL || statvfs(db->folder, &s) != 0 ||
        (uint64_t)s.f_bfree * s.f_frsize >= most)
        return 0;
    krb5_set_error_message(ctx, ENOSPC, "less than %llu KiB are free in %s",
                           (unsigned long long)most / 1024, db->folder);
    return krbrepl__kdb5_failed(db, ctx, ENOSPC, "making sure of room", none);
}

static size_t bytes_of(const krbrepl_change *const *c, size_t n)
{
    size_t i, sum = 0;

    for (i = 0; i < n; i++)
        sum += c[i]->key.len + c[i]->value.len;
    return sum;
}

/* A record that is refused was not written, and what was written before it is whole. Whatever else fails in db2 may have
 * failed between two pages. */
static krb5_error_code torn(const krbrepl_kdb5 *db, krb5_error_code err)
{
    return db->is_db2 && err != 0 && err != EINVAL && err != ENOMEM ? KRBREPL_ERR_CORRUPT : err;
}

/* Some changes under one lock, which keeps the KDC from counting between the reading of its counters and the
 * writing of the entry. It also makes a db2 file be opened and synced once for all of them. `done` grows. */
static krb5_error_code apply_some(krbrepl_kdb5 *db, const krbrepl_change *const *c, size_t n,
                                  size_t *done)
{
    const int64_t end = now_ns() + HOLD_NS;
    krb5_error_code err = krb5_db_lock(db->live, KRB5_DB_LOCKMODE_EXCLUSIVE), last;
    const int locked = err == 0;
    const krbrepl_bytes none = {NULL, 0};

    if (!locked && err != KRB5_PLUGIN_OP_NOTSUPP) /* then each write is a transaction */
        return krbrepl__kdb5_failed(db, db->live, err, "locking the database", none);
    err = 0;
    while (err == 0 && *done < n) {
        err = krbrepl__kdb5_change(db, db->live, c[*done], 0);
        if (err == EINVAL && superseded(c, n, *done))
            err = 0;
        (void)krbrepl__kdb5_failed(db, db->live, err, "writing", c[*done]->key);
        err = torn(db, err);
        *done += err == 0;
        if (now_ns() >= end)
            break;
    }
    last = locked ? krb5_db_unlock(db->live) : 0;
    if (last != 0 && err == 0)
        err = krbrepl__kdb5_failed(db, db->live, last, "unlocking the database", none);
    return err;
}

int krbrepl__kdb5_apply(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    const struct timespec pause = {0, PAUSE_NS};
    krbrepl_kdb5 *db = ctx;
    krb5_error_code err = krbrepl__kdb5_room(db, db->live, bytes_of(c, n));
    size_t done = 0;

    (void)to; /* the store remembers it */
    /* A load of klmdb has the lock that each write takes. */
    if (db->is_lmdb && db->temp != NULL)
        db->ops.import_abort(db);
    if (err == 0 && n != 0)
        err = krbrepl__kdb5_failed(db, db->live, krbrepl__kdb5_live_open(db), "opening the database",
                                   c[0]->key);
    while (err == 0 && done < n) {
        err = apply_some(ctx, c, n, &done);
        /* Whoever waits for the lock gets it: without this, the next group would be first again. */
        if (err == 0 && done < n)
            (void)nanosleep(&pause, NULL);
    }
    return err;
}
