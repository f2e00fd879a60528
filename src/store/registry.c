/* registry.c: the environments of this process, the library's one process-wide state.
 *
 * LMDB must not be opened twice in one process: closing one of the two descriptors of lock.mdb drops the
 * POSIX locks of the other. So all handles on one data file, known by its device and inode, share one
 * MDB_env. A forked child starts with an empty registry: what it inherited belongs to its parent, and
 * neither using nor closing it there would be safe (mdb_env_close would clear the parent's reader slots),
 * so it is left alone. */
#include "impl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAP_MOST ((uint64_t)1 << 40)  /* 1 TiB: address space only, nothing on disk */
#define MAP_LEAST ((uint64_t)1 << 26) /* 64 MiB: less is not worth trying */
#define READERS 1022u

static struct {
    atomic_long pid; /* whose registry this is; negative: being taken over after a fork */
    pthread_mutex_t lock;
    krbrepl__env *head;
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Locks the registry. In a forked child, where another thread of the parent may have held the mutex at the
 * moment of the fork, the first caller starts afresh. */
static void registry_lock(void)
{
    long me = (long)getpid(), owner;

    for (;;) {
        owner = atomic_load(&registry.pid);
        if (owner == me)
            break;
        if (owner == -me) {
            sched_yield();
            continue;
        }
        if (atomic_compare_exchange_strong(&registry.pid, &owner, -me)) {
            registry.head = NULL;
            pthread_mutex_init(&registry.lock, NULL);
            atomic_store(&registry.pid, me);
        }
    }
    pthread_mutex_lock(&registry.lock);
}

static void registry_unlock(void)
{
    pthread_mutex_unlock(&registry.lock);
}

int krbrepl__env_any(void)
{
    int any;

    registry_lock();
    any = registry.head != NULL;
    registry_unlock();
    return any;
}

/* ---- opening -------------------------------------------------------------------------------- */

static size_t map_round(uint64_t n)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    if (n > SIZE_MAX / 2)
        n = SIZE_MAX / 2;
    n = (n + page - 1) / page * page;
    return (size_t)n;
}

static int mdb_env_at(const char *dir, const krbrepl__env_options *opt, uint64_t map, MDB_env **out)
{
    MDB_env *mdb = NULL;
    int rc = mdb_env_create(&mdb);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(mdb, 16);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(mdb, opt->max_readers != 0 ? (unsigned)opt->max_readers : READERS);
    if (rc == 0)
        rc = mdb_env_set_mapsize(mdb, map_round(map));
    if (rc == 0)
        rc = mdb_env_open(mdb, dir,
                          MDB_NOTLS | opt->flags |
                              (KRBREPL__MUTANT(ack_before_durable) ? MDB_NOMETASYNC : 0u),
                          opt->mode);
    if (rc != 0) {
        if (mdb != NULL)
            mdb_env_close(mdb);
        mdb = NULL;
    }
    *out = mdb;
    return rc;
}

/* Reserves as much address space as can be had: a limit (RLIMIT_AS) or a sanitizer may refuse the usual. */
static int mdb_env_any(const char *dir, const krbrepl__env_options *opt, MDB_env **out)
{
    uint64_t map = opt->map_size != 0 ? opt->map_size : MAP_MOST;
    int rc;

    for (;;) {
        rc = mdb_env_at(dir, opt, map, out);
        if ((rc != ENOMEM && rc != EINVAL) || map <= MAP_LEAST || opt->map_size != 0)
            return rc;
        map /= 4;
    }
}

/* Keeps the map out of core dumps. Linux leaves shared file mappings out anyway unless the core filter of
 * the process says otherwise. LMDB does not tell where its map is, so it is looked up by an address that
 * lies in it. Pages of an open write transaction are ordinary memory, and are not covered. */
static void env_hide(krbrepl__env *e)
{
#if defined(__linux__) && defined(MADV_DONTDUMP)
    MDB_txn *txn = NULL;
    MDB_cursor *cur = NULL;
    MDB_val k = {0, NULL}, v;
    unsigned long from, to;
    char line[512];
    FILE *f = fopen("/proc/self/maps", "re");

    if (f != NULL && mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &txn) == 0 &&
        mdb_cursor_open(txn, e->dbi[0], &cur) == 0)
        (void)mdb_cursor_get(cur, &k, &v, MDB_FIRST);
    while (k.mv_data != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && (uintptr_t)k.mv_data >= from &&
            (uintptr_t)k.mv_data < to)
            (void)madvise((void *)(uintptr_t)from, to - from, MADV_DONTDUMP);
    if (cur != NULL)
        mdb_cursor_close(cur);
    if (txn != NULL)
        mdb_txn_abort(txn);
    if (f != NULL)
        fclose(f);
#else
    (void)e;
#endif
}

static krbrepl__env *env_find(const struct stat *st)
{
    krbrepl__env *e;

    for (e = registry.head; e != NULL; e = e->next)
        if (e->dev == st->st_dev && e->ino == st->st_ino)
            return e;
    return NULL;
}

static int env_identify(krbrepl__env *e)
{
    struct stat st;
    mdb_filehandle_t fd;

    if (mdb_env_get_fd(e->mdb, &fd) != 0 || fstat(fd, &st) != 0)
        return errno;
    e->dev = st.st_dev;
    e->ino = st.st_ino;
    e->pid = getpid();
    e->refs = 1;
    return 0;
}

static void env_free(krbrepl__env *e)
{
    if (e->close != NULL)
        e->close(e);
    else if (e->mdb != NULL)
        mdb_env_close(e->mdb);
    pthread_mutex_destroy(&e->lock);
    krbrepl__free(e, sizeof *e);
}

static int env_new(krbrepl__env **out, const char *dir, const krbrepl__env_options *opt,
                   krbrepl_errinfo *ei)
{
    krbrepl__env *e = krbrepl__alloc(sizeof *e);
    int rc, dead;

    if (e == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    pthread_mutex_init(&e->lock, NULL);
    rc = opt->before != NULL ? opt->before(dir, &e->part, ei) : 0;
    if (rc != 0)
        goto done;
    e->close = opt->close;
    e->nosync = e->nosync_now = opt->flags & MDB_NOSYNC;
    rc = mdb_env_any(dir, opt, &e->mdb);
    if (rc == 0)
        rc = env_identify(e);
    if (rc == 0)
        rc = mdb_reader_check(e->mdb, &dead);
    if (rc != 0) {
        rc = krbrepl__mdb_fail(e, ei, rc, dir);
        goto done;
    }
    rc = opt->setup(e, ei);
    if (rc == 0)
        env_hide(e);
done:
    if (rc == 0) {
        *out = e;
        return 0;
    }
    env_free(e);
    return rc;
}

int krbrepl__env_get(krbrepl__env **out, const char *dir, const krbrepl__env_options *opt,
                     krbrepl_errinfo *ei)
{
    char path[4096 + 16];
    krbrepl__env *e = NULL;
    struct stat st;
    int rc = 0;

    *out = NULL;
    if ((size_t)snprintf(path, sizeof path, "%s/data.mdb", dir) >= sizeof path)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, ENAMETOOLONG, "%s", "store directory");
    registry_lock();
    if (stat(path, &st) == 0)
        e = env_find(&st);
    if (e != NULL) {
        e->refs++;
    } else {
        rc = env_new(&e, dir, opt, ei);
        if (rc == 0) {
            e->next = registry.head;
            registry.head = e;
        }
    }
    registry_unlock();
    if (rc == 0)
        *out = e;
    return rc;
}

krbrepl__env *krbrepl__env_ref(krbrepl__env *e)
{
    registry_lock();
    e->refs++;
    registry_unlock();
    return e;
}

void krbrepl__env_put(krbrepl__env *e)
{
    krbrepl__env **at;

    if (e == NULL || e->pid != getpid())
        return;
    registry_lock();
    if (--e->refs == 0) {
        for (at = &registry.head; *at != e; at = &(*at)->next)
            continue;
        *at = e->next;
        env_free(e);
    }
    registry_unlock();
}

/* ---- transactions --------------------------------------------------------------------------- */

/* Moves to a larger map. Legal only while this process has no transaction: readers' pointers would dangle.
 * LMDB lets go of the old map before it has the new one, and cannot go on without, so the address space is
 * asked for first. */
static int env_remap(krbrepl__env *e, size_t size)
{
    mdb_filehandle_t fd;
    void *probe;
    int rc = mdb_env_get_fd(e->mdb, &fd);

    if (rc != 0)
        return rc;
    probe = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (probe == MAP_FAILED)
        return ENOMEM;
    (void)munmap(probe, size);
    rc = mdb_env_set_mapsize(e->mdb, size);
    if (rc != 0)
        e->broken = 1;
    else
        env_hide(e);
    return rc;
}

/* Announces a transaction of this thread. */
static int env_enter(krbrepl__env *e, int readonly, krbrepl_errinfo *ei)
{
    int rc = 0;

    pthread_mutex_lock(&e->lock);
    if (e->broken)
        rc = krbrepl__fail(ei, KRBREPL_ERR_NOMEM,
                           "store: its map was lost when it was enlarged; close every handle of this "
                           "process and open the store again");
    else if (!readonly && e->writing && pthread_equal(e->writer, pthread_self()))
        rc = krbrepl__fail(ei, KRBREPL_ERR_STATE,
                           "store: this thread holds a transaction on this store already; commit or "
                           "abort it first");
    if (rc == 0) {
        if (e->active == 0 && e->map_want != 0 && env_remap(e, e->map_want) == 0)
            e->map_want = 0;
        e->active++;
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

static void env_leave(krbrepl__env *e)
{
    pthread_mutex_lock(&e->lock);
    e->active--;
    pthread_mutex_unlock(&e->lock);
}

/* Another process has written beyond this process's map: maps generously beyond the file. */
static int env_adopt_map(krbrepl__env *e)
{
    int rc = MDB_MAP_RESIZED;
    unsigned times;
    struct stat st;
    mdb_filehandle_t fd;

    pthread_mutex_lock(&e->lock);
    if (e->active == 1 && mdb_env_get_fd(e->mdb, &fd) == 0 && fstat(fd, &st) == 0)
        for (times = 64; rc != 0 && !e->broken && times > 1; times /= 2)
            rc = env_remap(e, map_round((uint64_t)st.st_size * times));
    pthread_mutex_unlock(&e->lock);
    return rc;
}

/* This thread holds the writer lock from here on. Whether its commit is flushed is a property of the
 * environment, for LMDB 0.9 has none for a transaction; only who holds the writer lock looks at it. */
static void env_note(krbrepl__env *e, unsigned nosync)
{
    pthread_mutex_lock(&e->lock);
    e->writing = 1;
    e->writer = pthread_self();
    nosync |= e->nosync;
    if (nosync != e->nosync_now)
        (void)mdb_env_set_flags(e->mdb, MDB_NOSYNC, nosync != 0);
    e->nosync_now = nosync;
    if (e->lazy_now)
        (void)mdb_env_set_flags(e->mdb, MDB_NOMETASYNC, 0);
    e->lazy_now = 0;
    pthread_mutex_unlock(&e->lock);
}

/* The pages are flushed, and the one that names their root is not: it is with the next commit, by whichever process.
 * LMDB keeps the pages of the commit before until then. */
void krbrepl__env_lazily(krbrepl__env *e)
{
    unsigned flags = 0;

    pthread_mutex_lock(&e->lock);
    if (mdb_env_get_flags(e->mdb, &flags) == 0 && (flags & MDB_NOMETASYNC) == 0)
        e->lazy_now = mdb_env_set_flags(e->mdb, MDB_NOMETASYNC, 1) == 0;
    pthread_mutex_unlock(&e->lock);
}

int krbrepl__env_begin(krbrepl__env *e, unsigned flags, MDB_txn **out, krbrepl_errinfo *ei)
{
    int readonly = (flags & MDB_RDONLY) != 0, tries, dead, rc;

    *out = NULL;
    rc = env_enter(e, readonly, ei);
    if (rc != 0)
        return rc;
    for (tries = 0;; tries++) {
        rc = mdb_txn_begin(e->mdb, NULL, flags & MDB_RDONLY, out);
        if (tries > 1)
            break;
        if (rc == MDB_READERS_FULL)
            (void)mdb_reader_check(e->mdb, &dead);
        else if (rc != MDB_MAP_RESIZED || env_adopt_map(e) != 0)
            break;
    }
    if (rc != 0) {
        *out = NULL;
        env_leave(e);
        return krbrepl__mdb_fail(e, ei, rc, "store: beginning a transaction");
    }
    if (!readonly)
        env_note(e, flags & MDB_NOSYNC);
    return 0;
}

/* Comes before LMDB lets the next writer in, which then notes itself. */
static void env_unnote(krbrepl__env *e)
{
    pthread_mutex_lock(&e->lock);
    e->writing = 0;
    pthread_mutex_unlock(&e->lock);
}

int krbrepl__env_commit(krbrepl__env *e, MDB_txn *txn, int readonly, krbrepl_errinfo *ei)
{
    int rc;

    if (!readonly)
        env_unnote(e);
    rc = mdb_txn_commit(txn);
    env_leave(e);
    return krbrepl__mdb_fail(e, ei, rc, "store: committing");
}

void krbrepl__env_abort(krbrepl__env *e, MDB_txn *txn, int readonly)
{
    if (!readonly)
        env_unnote(e);
    mdb_txn_abort(txn);
    env_leave(e);
}
