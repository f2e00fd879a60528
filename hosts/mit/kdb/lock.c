/* lock.c: the locks of kadmin and kdb5_util.
 *
 * Readers never wait, and one write is atomic without any of this. What is left for a lock:
 *
 *   shared      (kdb5_util dump) everything is read at one position; keeps exclusive locks away
 *   exclusive   (kadmin lock, update_princ_encryption) other processes that use this module do not write
 *   permanent   (kdb5_util load -update) the same; and what is put goes into few large commits
 *
 * They are flocks on kdb.lock in the store, which go when their process ends. Each write takes it shared
 * for as long as it lasts. The replicating daemon does not know of it. */
#include "kdbmod.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* How long an administrative write or lock waits for another one's lock. */
#define TRIES 100
#define TRY_EVERY_NS 50000000L

#define LOCK_FILE "kdb.lock"
#define COUNT_FILE "kdb-count.lock"

/* Opens a lock file of the store, with the rights of the database's own file. */
static int lock_open(const krbrepl__kdb *h, const char *name)
{
    struct stat st, data;
    int fd = -1, dir = open(krbrepl_store_dir(h->store), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return -1;
    if (fstatat(dir, "data.mdb", &data, 0) == 0)
        fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, data.st_mode & 0666);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid() && st.st_gid != data.st_gid &&
        fchown(fd, (uid_t)-1, data.st_gid) != 0)
        st.st_mode = data.st_mode; /* then it stays closed to the group */
    else if (fd >= 0 && st.st_uid == geteuid() && ((st.st_mode ^ data.st_mode) & 0666) != 0)
        (void)fchmod(fd, data.st_mode & 0666);
    close(dir);
    return fd;
}

static int flock_try(int fd, int how)
{
    struct timespec pause = {0, TRY_EVERY_NS};
    int i;

    for (i = 0; i < TRIES; i++) {
        if (flock(fd, how | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        (void)nanosleep(&pause, NULL);
    }
    errno = EWOULDBLOCK;
    return -1;
}

static krb5_error_code take(krb5_context ctx, krbrepl__kdb *h, int how)
{
    if (h->lock_fd < 0)
        h->lock_fd = lock_open(h, LOCK_FILE);
    if (h->lock_fd >= 0 && flock_try(h->lock_fd, how) == 0)
        return 0;
    krb5_set_error_message(ctx, KRB5_KDB_CANTLOCK_DB, "krbrepl: locking the database in %s: %s",
                           h->conf.dir,
                           errno == EWOULDBLOCK ? "another process has it locked" : strerror(errno));
    return KRB5_KDB_CANTLOCK_DB;
}

static int is_exclusive(int mode)
{
    return (mode & (KRB5_DB_LOCKMODE_EXCLUSIVE | KRB5_DB_LOCKMODE_PERMANENT)) != 0;
}

krb5_error_code krbrepl__kdb_lock(krb5_context ctx, int mode)
{
    krbrepl__kdb *h;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);
    int rc = 0;

    if (err != 0 || h->load != NULL)
        return err; /* a load is locked by itself */
    if (!is_exclusive(mode) && (mode & KRB5_DB_LOCKMODE_SHARED) == 0)
        return KRB5_KDB_BADLOCKMODE;
    if (h->lock_depth == 0 || (is_exclusive(mode) && !is_exclusive(h->lock_mode)))
        err = take(ctx, h, is_exclusive(mode) ? LOCK_EX : LOCK_SH);
    if (err == 0 && h->lock_depth == 0 && !is_exclusive(mode))
        rc = krbrepl_view_open(h->store, &h->view);
    if (rc != 0) {
        err = krbrepl__kdb_fail(ctx, h, rc, "locking the database");
        (void)flock(h->lock_fd, LOCK_UN);
    }
    if (err == 0) {
        h->lock_mode |= mode;
        h->lock_depth++;
    }
    return err;
}

krb5_error_code krbrepl__kdb_unlock(krb5_context ctx)
{
    krbrepl__kdb *h;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);

    if (err != 0 || h->load != NULL)
        return err;
    if (h->lock_depth == 0)
        return KRB5_KDB_NOTLOCKED;
    if (--h->lock_depth > 0)
        return 0;
    krbrepl_view_close(h->view);
    h->view = NULL;
    err = krbrepl__kdb_group_end(ctx, h);
    h->lock_mode = 0;
    (void)flock(h->lock_fd, LOCK_UN);
    /* Outside of the lock: what was written under it is waited for once, not each. */
    krbrepl__kdb_sync(h);
    return err;
}

void krbrepl__kdb_lock_free(krbrepl__kdb *h)
{
    if (h->lock_fd >= 0)
        close(h->lock_fd);
    h->lock_fd = -1;
    h->lock_mode = 0;
    h->lock_depth = 0;
}

krb5_error_code krbrepl__kdb_lock_write(krb5_context ctx, krbrepl__kdb *h)
{
    /* What is written is to be read back. */
    krbrepl_view_close(h->view);
    h->view = NULL;
    return h->lock_depth > 0 ? 0 : take(ctx, h, LOCK_SH);
}

void krbrepl__kdb_unlock_write(krbrepl__kdb *h)
{
    if (h->lock_depth == 0 && h->lock_fd >= 0)
        (void)flock(h->lock_fd, LOCK_UN);
}

int krbrepl__kdb_count_lock(krbrepl__kdb *h)
{
    int fd = lock_open(h, COUNT_FILE);

    while (fd >= 0 && flock(fd, LOCK_EX) != 0)
        if (errno != EINTR) {
            close(fd);
            return -1;
        }
    return fd;
}

void krbrepl__kdb_count_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
