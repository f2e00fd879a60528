/* same.c: whether the file that a handle has open is still the store of its directory.
 *
 * Whoever puts a backup in the place of data.mdb, or another directory in the place of the store's, leaves those who
 * have the old file open with a database that nobody else sees any more. They would serve it for ever, and everything
 * that is written from then on would go into the other one. */
#define _GNU_SOURCE 1 /* for statx */

#include "impl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef STATX_INO
#include <sys/sysmacros.h> /* where there is statx, and not everywhere else */
#endif

/* Which file has the name, and nothing else about it: Linux gives a file whose times somebody has asked for a time of
 * its own at the next write, where it otherwise does that once in some milliseconds, and a file system without a
 * journal has the inode wait for the disk then, in each commit. Kernels and filters of system calls that do not know
 * statx are asked in the old way. */
static int which(int dir, dev_t *dev, ino_t *ino)
{
    struct stat st;
#ifdef STATX_INO
    struct statx sx;

    if (statx(dir, "data.mdb", 0, STATX_INO, &sx) == 0 && (sx.stx_mask & STATX_INO) != 0) {
        *dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
        *ino = (ino_t)sx.stx_ino;
        return 0;
    }
#endif
    if (fstatat(dir, "data.mdb", &st, 0) != 0)
        return -1;
    *dev = st.st_dev;
    *ino = st.st_ino;
    return 0;
}

/* What is not there is not another one: a directory that was moved away may come back. */
int krbrepl__store_replaced(krbrepl_store *s)
{
    int e, dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dev_t dev = 0;
    ino_t ino = 0;

    if (dir < 0)
        return 0;
    e = which(dir, &dev, &ino);
    close(dir);
    return e == 0 && (dev != s->env->dev || ino != s->env->ino);
}

/* LMDB keeps the number of the last commit in lock.mdb, which is made anew only when nobody has the store open. A
 * copy that was put in the place of data.mdb before that is written by this number and not by its own: commits would
 * begin at the older of its two headers, and one would undo the other. */
int krbrepl__same_writer(krbrepl_store *s, MDB_txn *txn)
{
    MDB_envinfo info;
    dev_t dev = 0;
    ino_t ino = 0;

    if (mdb_env_info(s->env->mdb, &info) != 0 || which(s->dirfd, &dev, &ino) != 0)
        return 0;
    if (mdb_txn_id(txn) == info.me_last_txnid + 1 && dev == s->env->dev && ino == s->env->ino)
        return 0;
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_CONFLICT,
        "store: data.mdb in %.160s was replaced while programs had it open; stop all of them, the "
        "KDC too, and start them again",
        s->dir);
}
