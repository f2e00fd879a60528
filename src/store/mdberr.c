/* mdberr.c: what LMDB says, in our codes and with a next step. */
#include "impl.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

/* True when the file cannot grow. LMDB reports a write that the device took only in part as EIO; a full
 * device is the usual reason. */
static int device_full(krbrepl__env *e)
{
    struct statvfs vfs;
    struct rlimit lim;
    struct stat st;
    mdb_filehandle_t fd;

    if (e == NULL || e->mdb == NULL || mdb_env_get_fd(e->mdb, &fd) != 0)
        return 0;
    if (fstatvfs(fd, &vfs) == 0 && (uint64_t)vfs.f_bavail * vfs.f_frsize < (uint64_t)1 << 20)
        return 1;
    return getrlimit(RLIMIT_FSIZE, &lim) == 0 && lim.rlim_cur != RLIM_INFINITY && fstat(fd, &st) == 0 &&
           (uint64_t)st.st_size + ((uint64_t)128 << 20) > (uint64_t)lim.rlim_cur;
}

static int fail_sys(krbrepl__env *e, krbrepl_errinfo *ei, int rc, const char *what)
{
    if (rc == ENOSPC || rc == EDQUOT || rc == EFBIG || (rc == EIO && device_full(e)))
        return krbrepl__fail_sys(ei, KRBREPL_ERR_NOSPACE, rc,
                                 "%s: no room left on the device; nothing was changed; make room and "
                                 "try again",
                                 what);
    if (rc == EAGAIN)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_LOCKED, rc,
                                 "%s: a process with the same number uses the store from another PID "
                                 "namespace; share one PID namespace between containers",
                                 what);
    if (rc == EROFS)
        return krbrepl__fail_sys(
            ei, KRBREPL_ERR_IO, rc,
            "%s: this process cannot write there; where a unit of systemd forbids it, "
            "name a directory above it in ReadWritePaths",
            what);
    return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, rc, "%s", what);
}

/* The address space is used up: it is enlarged as soon as nothing points into the map. */
static int fail_map(krbrepl__env *e, krbrepl_errinfo *ei, int rc, const char *what)
{
    MDB_envinfo info;

    if (e != NULL && rc == MDB_MAP_FULL && mdb_env_info(e->mdb, &info) == 0) {
        pthread_mutex_lock(&e->lock);
        if (info.me_mapsize <= SIZE_MAX / 4)
            e->map_want = info.me_mapsize * 2;
        pthread_mutex_unlock(&e->lock);
    }
    return krbrepl__fail(ei, KRBREPL_ERR_NOMEM,
                         "%s: the address space reserved for the store is full; it is enlarged when no "
                         "view of this process is open: close views and try again, or reserve more "
                         "(map_size; mapsize in [dbmodules])",
                         what);
}

int krbrepl__mdb_fail(krbrepl__env *e, krbrepl_errinfo *ei, int rc, const char *what)
{
    if (rc > 0)
        return fail_sys(e, ei, rc, what);
    switch (rc) {
    case 0:
        return 0;
    case MDB_NOTFOUND:
        return krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND, "%s: not there", what);
    case MDB_KEYEXIST:
        return krbrepl__fail(ei, KRBREPL_ERR_EXISTS, "%s: it is there already", what);
    case MDB_MAP_FULL:
    case MDB_MAP_RESIZED:
        return fail_map(e, ei, rc, what);
    case MDB_TXN_FULL:
        return krbrepl__fail(ei, KRBREPL_ERR_TOOBIG,
                             "%s: the transaction touches too many pages; make it smaller", what);
    case MDB_READERS_FULL:
        return krbrepl__fail(ei, KRBREPL_ERR_LOCKED,
                             "%s: all reader slots are taken; close views, or raise max_readers in the "
                             "first process that opens the store",
                             what);
    case MDB_VERSION_MISMATCH:
        return krbrepl__fail(ei, KRBREPL_ERR_FORMAT,
                             "%s: written by another version of LMDB; use the library that made it",
                             what);
    case MDB_PANIC:
        return krbrepl__fail(
            ei, KRBREPL_ERR_IO,
            "%s: an earlier write failed half-way; close every handle of this process, "
            "check the disk, and open the store again",
            what);
    case MDB_BAD_TXN:
        return krbrepl__fail(ei, KRBREPL_ERR_STATE, "%s: the transaction failed earlier; abort it",
                             what);
    case MDB_INVALID:
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
        return krbrepl__fail(ei, KRBREPL_ERR_CORRUPT,
                             "%s: data.mdb is damaged (%s); restore a backup, or copy from the master",
                             what, mdb_strerror(rc));
    default:
        return krbrepl__fail(ei, KRBREPL_ERR_IO, "%s: %s", what, mdb_strerror(rc));
    }
}
