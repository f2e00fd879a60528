/* Backup: one file with the whole store as it was at one moment, made while the store is in use. It is the
 * data file of an LMDB environment, without a lock file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <krbrepl/error.h>

#include "files.h"
#include "impl.h"

/* Is `fd` the file that has this name? */
static int is_named(int fd, const char *path)
{
    struct stat named, held;

    return fstat(fd, &held) == 0 && lstat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* Removes what a dead backup left, unless a living one holds it. */
static int clear_tmp(krbrepl_store *s, const char *tmp)
{
    int busy, fd = open(tmp, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;
    /* Not a file, or not one of ours: no backup that could be running. */
    if (fd < 0 && errno != ELOOP && errno != EACCES && errno != EISDIR && errno != ENXIO)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "backup: %s", tmp);
    busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (fd >= 0)
        close(fd);
    if (busy)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_LOCKED,
                             "backup: %s is being written by another backup", tmp);
    if (unlink(tmp) != 0 && errno != ENOENT)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "backup: removing %s", tmp);
    return 0;
}

/* Makes FILE.tmp for this backup alone. It is always a new file: one that was there may belong to, or be
 * open in, a process that must not see the keys. */
static int open_tmp(krbrepl_store *s, const char *tmp, int *out)
{
    int fd, rc = clear_tmp(s, tmp);

    if (rc != 0)
        return rc;
    fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 && errno != EEXIST)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "backup: %s", tmp);
    *out = fd;
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 || !is_named(fd, tmp))
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_LOCKED,
                             "backup: %s is being written by another backup", tmp);
    if (fchmod(fd, 0600) != 0)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "backup: %s", tmp);
    return 0;
}

static int write_copy(krbrepl_store *s, const char *tmp, int fd)
{
    krbrepl__rtxn r = {0};
    int e, rc;

    /* Counts as a transaction of this process, so that the map stays where it is. */
    rc = krbrepl__rtxn_begin(s, &r);
    if (rc != 0)
        return rc;
    e = mdb_env_copyfd2(s->env->mdb, fd, MDB_CP_COMPACT);
    krbrepl__rtxn_end(s, &r);
    if (e == 0 && fsync(fd) != 0)
        e = errno;
    if (e == EFBIG)
        e = ENOSPC;
    if (e > 0)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, e, "backup: writing %s", tmp);
    return krbrepl__mdb_fail(NULL, KRBREPL__EI(s), e, "backup: writing");
}

static int fail_exists(krbrepl_store *s, const char *file)
{
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_EXISTS,
                         "backup: %s is there already; give another name, or remove it", file);
}

/* Gives the finished file its name, unless somebody has taken it meanwhile. */
static int publish(krbrepl_store *s, int fd, const char *tmp, const char *file)
{
    int e;

    /* Another user's backup of the same name may have put an unfinished file there. */
    if (!is_named(fd, tmp))
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_LOCKED,
                             "backup: %s was replaced by another process; give another name", tmp);
    if (link(tmp, file) != 0) {
        if (errno == EEXIST)
            return fail_exists(s, file);
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "backup: naming %s", file);
    }
    unlink(tmp);
    e = krbrepl__sync_parent(file);
    if (e == 0)
        return 0;
    /* A power cut could take the name away again: who was told of a failure is to find none. */
    unlink(file);
    return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, e, "backup: syncing the directory of %s",
                             file);
}

int krbrepl__backup(krbrepl_store *s, const char *file)
{
    struct stat st;
    char *tmp;
    int fd = -1, mine = 0, rc;

    if (lstat(file, &st) == 0)
        return fail_exists(s, file);
    tmp = krbrepl__path_add(file, ".tmp");
    if (tmp == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    rc = open_tmp(s, tmp, &fd);
    mine = rc == 0;
    if (rc == 0)
        rc = write_copy(s, tmp, fd);
    if (rc == 0)
        rc = publish(s, fd, tmp, file);
    if (rc != 0 && mine && is_named(fd, tmp))
        unlink(tmp);
    if (fd >= 0)
        close(fd);
    krbrepl__strfree(tmp);
    return rc;
}
