/* same.c: whether the file that a handle has open is still the store of its directory.
 *
 * Whoever puts a backup in the place of data.mdb, or another directory in the place of the store's, leaves those who
 * have the old file open with a database that nobody else sees any more. They would serve it for ever, and everything
 * that is written from then on would go into the other one. */
#include "impl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is not there is not another one: a directory that was moved away may come back. */
int krbrepl__store_replaced(krbrepl_store *s)
{
    struct stat st;
    int e, dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return 0;
    e = fstatat(dir, "data.mdb", &st, 0);
    close(dir);
    return e == 0 && (st.st_dev != s->env->dev || st.st_ino != s->env->ino);
}

/* LMDB keeps the number of the last commit in lock.mdb, which is made anew only when nobody has the store open. A
 * copy that was put in the place of data.mdb before that is written by this number and not by its own: commits would
 * begin at the older of its two headers, and one would undo the other. */
int krbrepl__same_writer(krbrepl_store *s, MDB_txn *txn)
{
    MDB_envinfo info;
    struct stat st;

    if (mdb_env_info(s->env->mdb, &info) != 0 || fstatat(s->dirfd, "data.mdb", &st, 0) != 0)
        return 0;
    if (mdb_txn_id(txn) == info.me_last_txnid + 1 && st.st_dev == s->env->dev &&
        st.st_ino == s->env->ino)
        return 0;
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_CONFLICT,
        "store: data.mdb in %.160s was replaced while programs had it open; stop all of them, the "
        "KDC too, and start them again",
        s->dir);
}
