#include "sorter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "impl.h"

/* One transaction holds at most this much, so that its dirty pages stay bounded. */
#define BATCH_PUTS 10000u
#define BATCH_BYTES (16u << 20)
/* Address space, not disk: tried from the largest down. */
#define MAP_MAX (UINT64_C(1) << 40)
#define MAP_MIN (UINT64_C(1) << 28)

struct krbrepl__sorter {
    char *path; /* DIR/load.tmp */
    pid_t pid;
    krbrepl_errinfo *ei;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *txn;     /* being filled, or being read after finish */
    MDB_cursor *walk; /* after finish */
    int at_first;     /* the walk has not begun */
    uint64_t count, bytes;
    size_t puts, filled; /* in `txn` */
    uint8_t last[511];   /* the highest key so far: what lies above it is appended to full pages */
    size_t last_len;
};

static int fail(krbrepl__sorter *so, int e, const char *what)
{
    krbrepl__env as_if = {.mdb = so->env};

    if (e == MDB_MAP_FULL || e == EFBIG)
        return krbrepl__fail(so->ei, KRBREPL_ERR_NOSPACE,
                             "load: %s in %s: no room; make room on its file system", what, so->path);
    /* LMDB says EIO where a full device took a part of a write. */
    if (e == EIO)
        return krbrepl__mdb_fail(&as_if, so->ei, e, so->path);
    if (e > 0)
        return krbrepl__fail_sys(so->ei, KRBREPL_ERR_IO, e, "load: %s in %s", what, so->path);
    return krbrepl__fail(so->ei, KRBREPL_ERR_IO, "load: %s in %s: %s", what, so->path, mdb_strerror(e));
}

/* A sorter's directory holds one file and nothing else. */
static int remove_files(const char *path)
{
    char file[4096];

    if (snprintf(file, sizeof file, "%s/data.mdb", path) >= (int)sizeof file)
        return ENAMETOOLONG;
    if (unlink(file) != 0 && errno != ENOENT && errno != ENOTDIR)
        return errno;
    if (rmdir(path) != 0 && errno != ENOENT)
        return errno;
    return 0;
}

static int open_env(krbrepl__sorter *so)
{
    const unsigned flags = MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOLOCK | MDB_NORDAHEAD;
    uint64_t size;
    int e = ENOMEM;

    /* Where address space is limited a smaller map has to do. */
    for (size = MAP_MAX; size >= MAP_MIN && e == ENOMEM; size /= 4) {
        mdb_env_close(so->env);
        so->env = NULL;
        e = mdb_env_create(&so->env);
        if (e == 0)
            e = mdb_env_set_mapsize(so->env, (size_t)size);
        if (e == 0)
            e = mdb_env_open(so->env, so->path, flags, 0600);
    }
    return e;
}

int krbrepl__sorter_open(krbrepl__sorter **out, const char *dir, krbrepl_errinfo *ei)
{
    krbrepl__sorter *so = krbrepl__alloc(sizeof *so);
    size_t n = strlen(dir) + sizeof "/load.tmp";
    int e, rc = 0;

    *out = NULL;
    if (so == NULL || (so->path = krbrepl__alloc(n)) == NULL) {
        krbrepl__free(so, sizeof *so);
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    }
    so->ei = ei;
    so->pid = getpid();
    snprintf(so->path, n, "%s/load.tmp", dir);
    e = remove_files(so->path);
    if (e == 0 && mkdir(so->path, 0700) != 0)
        e = errno;
    if (e == 0)
        e = open_env(so);
    /* LMDB needs the names no more, and a process that is killed leaves no keys on the disk. */
    if (e == 0)
        e = remove_files(so->path);
    if (e == 0)
        e = mdb_txn_begin(so->env, NULL, 0, &so->txn);
    if (e == 0)
        e = mdb_dbi_open(so->txn, NULL, 0, &so->dbi);
    if (e != 0) {
        rc = fail(so, e, "making the sorter");
        krbrepl__sorter_close(so);
        return rc;
    }
    *out = so;
    return 0;
}

void krbrepl__sorter_close(krbrepl__sorter *so)
{
    if (so == NULL)
        return;
    if (so->walk != NULL)
        mdb_cursor_close(so->walk);
    mdb_txn_abort(so->txn);
    mdb_env_close(so->env);
    if (so->pid == getpid())
        remove_files(so->path);
    krbrepl__strfree(so->path);
    krbrepl__free(so, sizeof *so);
}

static int flush(krbrepl__sorter *so)
{
    int e = mdb_txn_commit(so->txn);

    so->txn = NULL;
    so->puts = so->filled = 0;
    return e == 0 ? 0 : fail(so, e, "writing");
}

int krbrepl__sorter_put(krbrepl__sorter *so, krbrepl_bytes key, krbrepl_bytes value)
{
    MDB_val k = {key.len, (void *)(uintptr_t)key.data}, v = {value.len, (void *)(uintptr_t)value.data};
    MDB_val last = {so->last_len, so->last};
    int above, e = 0;

    if (so->txn == NULL)
        e = mdb_txn_begin(so->env, NULL, 0, &so->txn);
    if (e != 0)
        return fail(so, e, "writing");
    above = so->last_len == 0 || mdb_cmp(so->txn, so->dbi, &k, &last) > 0;
    e = mdb_put(so->txn, so->dbi, &k, &v, above ? MDB_APPEND : MDB_NOOVERWRITE);
    if (e == MDB_KEYEXIST)
        return KRBREPL_ERR_EXISTS;
    if (e != 0)
        return fail(so, e, "writing");
    if (above && key.len <= sizeof so->last) {
        memcpy(so->last, key.data, key.len);
        so->last_len = key.len;
    }
    so->count++;
    so->filled += key.len + value.len;
    return ++so->puts < BATCH_PUTS && so->filled < BATCH_BYTES ? 0 : flush(so);
}

uint64_t krbrepl__sorter_count(const krbrepl__sorter *so)
{
    return so->count;
}

int krbrepl__sorter_finish(krbrepl__sorter *so)
{
    MDB_stat st;
    int e, rc = so->txn != NULL ? flush(so) : 0;

    if (rc != 0)
        return rc;
    e = mdb_txn_begin(so->env, NULL, MDB_RDONLY, &so->txn);
    if (e == 0)
        e = mdb_stat(so->txn, so->dbi, &st);
    if (e == 0)
        e = mdb_cursor_open(so->txn, so->dbi, &so->walk);
    if (e != 0)
        return fail(so, e, "reading");
    so->bytes = (uint64_t)st.ms_psize * (st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages);
    so->at_first = 1;
    return 0;
}

uint64_t krbrepl__sorter_bytes(const krbrepl__sorter *so)
{
    return so->bytes;
}

void krbrepl__sorter_rewind(krbrepl__sorter *so)
{
    so->at_first = 1;
}

int krbrepl__sorter_next(krbrepl__sorter *so, krbrepl_bytes *key, krbrepl_bytes *value)
{
    MDB_val k, v;
    int e = mdb_cursor_get(so->walk, &k, &v, so->at_first ? MDB_FIRST : MDB_NEXT);

    so->at_first = 0;
    if (e == MDB_NOTFOUND)
        return 0;
    if (e != 0)
        return fail(so, e, "reading");
    *key = (krbrepl_bytes){k.mv_data, k.mv_size};
    *value = (krbrepl_bytes){v.mv_data, v.mv_size};
    return 1;
}
