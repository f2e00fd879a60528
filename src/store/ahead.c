/* ahead.c: room in data.mdb ahead of what is in use.
 *
 * A page that is written behind the end of a file takes a block of the disk and makes the file longer. A sync has to
 * write both down, which is one wait for the disk more, and a transaction of the journal on most file systems. In a
 * database that grows this is every third commit. So the file is made longer many pages at a time, and by zeros, for
 * blocks that are only reserved are noted once more when they are written. LMDB knows nothing of it: it looks at no
 * page behind the last one of its header, whatever the size of the file. */
#include "impl.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define LEAST 65536u /* what a commit finds there at least */
#define PIECE 64     /* times ZEROS are added when there is less */
#define ZEROS 4096u
#define SPARE \
    ((uint64_t)16 << 20) /* what others find on the disk at least, or nothing is taken of it */

/* A limit of the size of files may come with a signal. The last of a disk is left to who needs it: a host's database
 * beside the store has to take the same commit, and what it writes must not fail for room that nobody uses. */
static int may_have(int fd, uint64_t size)
{
    struct rlimit lim;
    struct statvfs fs;

    return getrlimit(RLIMIT_FSIZE, &lim) == 0 &&
           (lim.rlim_cur == RLIM_INFINITY || size <= lim.rlim_cur) && fstatvfs(fd, &fs) == 0 &&
           (uint64_t)fs.f_bavail >= SPARE / (fs.f_frsize != 0 ? fs.f_frsize : 1);
}

/* What is written in part is given back, for a quota may end before the disk does. Nobody has it: the caller holds the
 * writer lock, and what is behind the old end is no page of the database. */
static void lengthen(int fd, uint64_t end)
{
    static const uint8_t zeros[ZEROS];
    struct iovec v[PIECE];
    union {
        const uint8_t *from;
        void *to;
    } cast = {zeros};
    ssize_t n;
    int i;

    for (i = 0; i < PIECE; i++) {
        v[i].iov_base = cast.to;
        v[i].iov_len = sizeof zeros;
    }
    n = pwritev(fd, v, PIECE, (off_t)end);
    if (n > 0 && (size_t)n < sizeof zeros * PIECE && ftruncate(fd, (off_t)end) != 0)
        return;
}

/* Nothing but LMDB's writer makes the file longer, and that is the caller: so what is written behind its end is
 * written over nothing. */
void krbrepl__room_ahead(krbrepl__env *e)
{
    mdb_filehandle_t fd;
    MDB_envinfo info;
    uint64_t want;
    MDB_stat st;
    off_t end;

    if (mdb_env_info(e->mdb, &info) != 0 || mdb_env_stat(e->mdb, &st) != 0 ||
        mdb_env_get_fd(e->mdb, &fd) != 0)
        return;
    want = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize + LEAST;
    if (e->end >= want || want > info.me_mapsize)
        return;
    /* Not fstat, which would make the next write give the file a time of its own. */
    end = lseek(fd, 0, SEEK_END);
    if (end > 0 && (uint64_t)end < want && may_have(fd, (uint64_t)end + PIECE * ZEROS))
        lengthen(fd, (uint64_t)end);
    end = lseek(fd, 0, SEEK_END);
    /* Where there is no room, the next commits do not ask for it again. */
    e->end = end > 0 && (uint64_t)end >= want ? (uint64_t)end : want + (uint64_t)PIECE * ZEROS;
}
