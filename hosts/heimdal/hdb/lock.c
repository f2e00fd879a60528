/* lock.c: the lock that `kadmin lock` takes: nobody else writes until `kadmin unlock`.
 *
 * Whoever has the database open for writing has a shared lock, so that several may, for each write is a transaction;
 * `kadmin lock` makes it exclusive. It is asked for when the database is opened, and not when something is written,
 * because by then the change stands in the log of kadmin already, which makes up for it later. Readers never wait. */
#include "hdbmod.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Three seconds in all, as Heimdal's own databases have it. */
#define TRIES 300
#define TRY_EVERY_NS 10000000L

/* The lock has the rights of the database's own file, whoever writes first. */
static int lock_open(krbrepl__hdb *h)
{
    struct stat data, st;
    char path[4096];

    if (h->lock_fd >= 0)
        return 0;
    if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", h->dir) >= sizeof path)
        return ENAMETOOLONG;
    if (stat(path, &data) != 0)
        return errno;
    (void)snprintf(path, sizeof path, "%s/hdb.lock", h->dir); /* as long */
    h->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (h->lock_fd < 0)
        return errno;
    /* Only then is the group let in when it is the store's. */
    if (fstat(h->lock_fd, &st) == 0 && st.st_uid == geteuid() &&
        (st.st_gid == data.st_gid || fchown(h->lock_fd, (uid_t)-1, data.st_gid) == 0))
        (void)fchmod(h->lock_fd, data.st_mode & 0666);
    return 0;
}

static krb5_error_code lock_take(krb5_context ctx, krbrepl__hdb *h, int how)
{
    const struct timespec pause = {0, TRY_EVERY_NS};
    int tries, err = lock_open(h);

    for (tries = 0; err == 0 && flock(h->lock_fd, how | LOCK_NB) != 0; tries++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            err = errno;
        else if (tries == TRIES)
            err = HDB_ERR_DB_INUSE;
        else
            (void)nanosleep(&pause, NULL);
    }
    if (err == HDB_ERR_DB_INUSE)
        krb5_set_error_message(ctx, err, "krbrepl: the database in %.200s is locked by another program",
                               h->dir);
    else if (err != 0)
        krb5_set_error_message(ctx, err, "krbrepl: locking %.200s/hdb.lock failed: %s", h->dir,
                               strerror(err));
    return err;
}

krb5_error_code krbrepl__hdb_lock(krb5_context ctx, struct HDB *db, int operation)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = krbrepl__hdb_settle(ctx, db);

    /* Who only reads sees one state of the store with each call, and need not be able to write a lock. */
    if (err == 0 && db->lock_count == 0 && operation == HDB_WLOCK) {
        err = lock_take(ctx, h, LOCK_EX);
        db->lock_type = HDB_WLOCK;
    }
    if (err == 0)
        db->lock_count++;
    return err;
}

krb5_error_code krbrepl__hdb_unlock(krb5_context ctx, struct HDB *db)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = krbrepl__hdb_settle(ctx, db);

    if (db->lock_count > 0 && --db->lock_count == 0 && h->lock_fd >= 0)
        (void)flock(h->lock_fd, h->mode == KRBREPL__HDB_READ ? LOCK_UN : LOCK_SH);
    return err;
}

krb5_error_code krbrepl__hdb_write_enter(krb5_context ctx, krbrepl__hdb *h)
{
    return lock_take(ctx, h, LOCK_SH);
}

void krbrepl__hdb_write_leave(krbrepl__hdb *h)
{
    if (h->lock_fd >= 0)
        (void)flock(h->lock_fd, LOCK_UN);
}

void krbrepl__hdb_lock_free(krbrepl__hdb *h)
{
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    h->lock_fd = -1;
}
