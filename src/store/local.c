/* local.c: what belongs to this node alone: entries beside records, in an environment of their own.
 *
 *   local/data.mdb    canonical key -> digest[16] || value; the digest is the record digest of this value
 *   local/users.lock  flock: shared by every process that has the environment open
 *   local/boot        the boot id of the machine when the environment was last written to
 *   local/clean       there: everything is on disk
 *
 * It is written without fdatasync, so that a login costs none. After a crash of a process it is whole, for
 * the kernel has all pages. After a crash of the machine it may be anything, and must not be looked at: it
 * is kept only if `clean` is there or `boot` names the present boot, else made anew. `clean` is written by
 * the last process that closes it, and goes before the first write after that. */
#include "impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BOOT_LEN 64u

struct part {
    int dirfd;
    int lock;
    int dirty; /* this process has seen to it that `clean` is gone */
};

/* ---- files ---------------------------------------------------------------------------------- */

/* The id of this boot of the machine; "" where the kernel has none, which matches nothing. */
static void boot_now(char out[BOOT_LEN])
{
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

    memset(out, 0, BOOT_LEN);
    if (f == NULL || fgets(out, (int)BOOT_LEN, f) == NULL)
        out[0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    if (f != NULL)
        fclose(f);
}

static void boot_stored(int dirfd, char out[BOOT_LEN])
{
    int fd = openat(dirfd, "boot", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd >= 0 ? read(fd, out, BOOT_LEN - 1) : 0;

    out[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

/* Writes a small file and sees it on disk. */
static int file_write(int dirfd, const char *name, const char *text)
{
    size_t n = strlen(text);
    struct stat st;
    int fd, bad;

    fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                fstatat(dirfd, "data.mdb", &st, 0) == 0 ? st.st_mode & 0666 : 0600);
    if (fd < 0)
        return -1;
    krbrepl__mode_like_data(dirfd, name);
    bad = write(fd, text, n) != (ssize_t)n || fsync(fd) != 0;
    return close(fd) != 0 || bad ? -1 : 0;
}

static int flock_wait(int fd, int how)
{
    int rc;

    do
        rc = flock(fd, how);
    while (rc != 0 && errno == EINTR);
    return rc;
}

/* ---- the environment ------------------------------------------------------------------------ */

static void part_free(struct part *p)
{
    /* Explicitly, for a child forked meanwhile may hold the same open file. */
    if (p->lock >= 0) {
        (void)flock(p->lock, LOCK_UN);
        close(p->lock);
    }
    if (p->dirfd >= 0)
        close(p->dirfd);
    krbrepl__free(p, sizeof *p);
}

/* With no other user: is what lies there to be trusted? If not, it goes. */
static int check_files(struct part *p)
{
    char now[BOOT_LEN], then[BOOT_LEN];

    boot_now(now);
    boot_stored(p->dirfd, then);
    if (faccessat(p->dirfd, "clean", F_OK, 0) == 0 || (now[0] != '\0' && strcmp(now, then) == 0))
        return 0;
    if (unlinkat(p->dirfd, "data.mdb", 0) != 0 && errno != ENOENT)
        return -1;
    if (unlinkat(p->dirfd, "lock.mdb", 0) != 0 && errno != ENOENT)
        return -1;
    return 0;
}

/* Becomes a user of the files. Whoever is alone checks them first; whoever is not finds them checked. */
static int users_join(struct part *p)
{
    if (flock_wait(p->lock, LOCK_EX | LOCK_NB) == 0 && check_files(p) != 0)
        return -1;
    return flock_wait(p->lock, LOCK_SH);
}

static int before(const char *dir, void **out, krbrepl_errinfo *ei)
{
    struct part *p = krbrepl__alloc(sizeof *p);
    struct stat st;

    if (p == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    p->lock = -1;
    p->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->dirfd >= 0 && fstat(p->dirfd, &st) == 0)
        p->lock = openat(p->dirfd, "users.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                         st.st_mode & 0660);
    if (p->lock < 0 || users_join(p) != 0) {
        int e = errno;

        part_free(p);
        return krbrepl__fail_sys(ei, KRBREPL_ERR_IO, e, "local: %.160s", dir);
    }
    *out = p;
    return 0;
}

/* The last user leaves everything on disk, and says so. */
static void local_shut(krbrepl__env *e)
{
    struct part *p = e->part;
    int last = flock_wait(p->lock, LOCK_EX | LOCK_NB) == 0;

    if (e->mdb != NULL) {
        if (last && faccessat(p->dirfd, "clean", F_OK, 0) != 0 && mdb_env_sync(e->mdb, 1) == 0 &&
            fsync(p->dirfd) == 0 && file_write(p->dirfd, "clean", "clean\n") == 0)
            (void)fsync(p->dirfd);
        mdb_env_close(e->mdb);
    }
    part_free(p);
}

/* Before the first write: `clean` is gone for good, and `boot` tells when the files were last whole. */
static int local_soil(krbrepl__env *e)
{
    struct part *p = e->part;
    char now[BOOT_LEN], then[BOOT_LEN];
    int rc = 0;

    pthread_mutex_lock(&e->lock);
    if (!p->dirty) {
        boot_now(now);
        boot_stored(p->dirfd, then);
        if (strcmp(now, then) != 0)
            rc = file_write(p->dirfd, "boot", now);
        if (rc == 0 && unlinkat(p->dirfd, "clean", 0) != 0 && errno != ENOENT)
            rc = -1;
        /* A crash of the machine after the first write must not find `clean`. */
        if (rc == 0)
            rc = fsync(p->dirfd);
        p->dirty = rc == 0;
    }
    pthread_mutex_unlock(&e->lock);
    return rc;
}

static int setup(krbrepl__env *e, krbrepl_errinfo *ei)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(e->mdb, NULL, MDB_RDONLY, &txn);

    if (rc == 0)
        rc = mdb_dbi_open(txn, NULL, 0, &e->dbi[0]);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else if (txn != NULL)
        mdb_txn_abort(txn);
    return krbrepl__mdb_fail(e, ei, rc, "local: opening");
}

static int local_open(krbrepl_store *s)
{
    krbrepl__env_options eo;
    char path[4096];
    struct stat st, data;
    int rc;

    if (s->local != NULL)
        return 0;
    rc = krbrepl__dir_check(s);
    if (rc != 0)
        return rc;
    if ((size_t)snprintf(path, sizeof path, "%s/local", s->dir) >= sizeof path)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, ENAMETOOLONG, "local");
    if (fstatat(s->dirfd, "local", &st, 0) != 0 && mkdirat(s->dirfd, "local", 0700) != 0)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "store: making local/");
    memset(&eo, 0, sizeof eo);
    eo.flags = MDB_NOSYNC;
    eo.mode = fstatat(s->dirfd, "data.mdb", &data, 0) == 0 ? data.st_mode & 0666 : 0600;
    eo.setup = setup;
    eo.before = before;
    eo.close = local_shut;
    rc = krbrepl__env_get(&s->local, path, &eo, KRBREPL__EI(s));
    if (rc == 0) {
        krbrepl__mode_like_data(s->dirfd, "local/data.mdb");
        krbrepl__mode_like_data(s->dirfd, "local/lock.mdb");
        krbrepl__mode_like_data(s->dirfd, "local/users.lock");
    }
    return rc;
}

void krbrepl__local_close(krbrepl_store *s)
{
    krbrepl__env_put(s->local);
    s->local = NULL;
}

/* ---- entries -------------------------------------------------------------------------------- */

/* 0 when there is such a record, NOTFOUND with a text when not. */
static int record_there(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl__rkey *k)
{
    krbrepl__rtxn r;
    int rc = krbrepl__rkey_make(s, table, key, k);

    if (rc == 0)
        rc = krbrepl__rtxn_begin(s, &r);
    if (rc != 0)
        return rc;
    rc = krbrepl__row_there(s, r.txn, krbrepl__gen(s, r.st.live), k);
    krbrepl__rtxn_end(s, &r);
    if (rc == KRBREPL_ERR_NOTFOUND)
        krbrepl__fail_plain(KRBREPL__EI(s), rc);
    return rc;
}

/* Ends a write: removes `clean` if that was not done yet, commits. */
static int local_commit(krbrepl_store *s, MDB_txn *txn)
{
    if (local_soil(s->local) != 0) {
        int rc = krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "local: beginning to write");

        krbrepl__env_abort(s->local, txn, 0);
        return rc;
    }
    return krbrepl__env_commit(s->local, txn, 0, KRBREPL__EI(s));
}

int krbrepl__local_put(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    uint8_t digest[KRBREPL__RDIGEST], *at;
    krbrepl__rkey k;
    MDB_txn *txn = NULL;
    MDB_val mk, mv = {sizeof digest + value.len, NULL};
    int rc;

    if (value.len > KRBREPL_MAX_VALUE)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG, "local: an entry has at most %u bytes",
                             KRBREPL_MAX_VALUE);
    rc = record_there(s, table, key, &k);
    if (rc == 0)
        rc = local_open(s);
    if (rc == 0 && krbrepl__record_digest(s->sha, table, k.table_len, key, value, digest) != 0)
        rc = krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    if (rc == 0)
        rc = krbrepl__env_begin(s->local, 0, &txn, KRBREPL__EI(s));
    if (rc != 0)
        return rc;
    mk.mv_data = k.ck.b;
    mk.mv_size = k.ck.len;
    rc = mdb_put(txn, s->local->dbi[0], &mk, &mv, MDB_RESERVE);
    if (rc != 0) {
        krbrepl__env_abort(s->local, txn, 0);
        return krbrepl__mdb_fail(s->local, KRBREPL__EI(s), rc, "local: writing");
    }
    at = mv.mv_data;
    memcpy(at, digest, sizeof digest);
    if (value.len != 0)
        memcpy(at + sizeof digest, value.data, value.len);
    return local_commit(s, txn);
}

/* Copies an entry out. One that does not match its digest counts as lost. */
static int entry_out(krbrepl_store *s, const krbrepl__rkey *k, const MDB_val *v, void *buf, size_t *len)
{
    uint8_t digest[KRBREPL__RDIGEST];
    const uint8_t *stored;
    krbrepl_bytes value;
    krbrepl__rd r;
    size_t room = *len;

    krbrepl__rd_init(&r, v->mv_data, v->mv_size);
    stored = krbrepl__rd_view(&r, sizeof digest).data;
    value = krbrepl__rd_view(&r, r.left);
    if (r.err != 0 ||
        krbrepl__record_digest(s->sha, k->table, k->table_len, k->key, value, digest) != 0 ||
        memcmp(stored, digest, sizeof digest) != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOTFOUND);
    *len = value.len;
    if (value.len > room)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                             "local: the entry has %zu bytes, the "
                             "buffer %zu",
                             value.len, room);
    if (value.len != 0)
        memcpy(buf, value.data, value.len);
    return 0;
}

int krbrepl__local_get(krbrepl_store *s, const char *table, krbrepl_bytes key, void *buf, size_t *len)
{
    krbrepl__rkey k;
    MDB_txn *txn = NULL;
    MDB_val mk, mv;
    int rc = record_there(s, table, key, &k);

    if (rc == 0)
        rc = local_open(s);
    if (rc == 0)
        rc = krbrepl__env_begin(s->local, MDB_RDONLY, &txn, KRBREPL__EI(s));
    if (rc != 0)
        return rc;
    mk.mv_data = k.ck.b;
    mk.mv_size = k.ck.len;
    rc = mdb_get(txn, s->local->dbi[0], &mk, &mv);
    if (rc == 0)
        rc = entry_out(s, &k, &mv, buf, len);
    else if (rc == MDB_NOTFOUND)
        rc = krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOTFOUND);
    else
        rc = krbrepl__mdb_fail(s->local, KRBREPL__EI(s), rc, "local: reading");
    krbrepl__env_abort(s->local, txn, 1);
    return rc;
}

int krbrepl__local_delete(krbrepl_store *s, const char *table, krbrepl_bytes key)
{
    krbrepl__rkey k;
    MDB_txn *txn = NULL;
    MDB_val mk;
    int rc = record_there(s, table, key, &k);

    if (rc == 0)
        rc = local_open(s);
    if (rc == 0)
        rc = krbrepl__env_begin(s->local, 0, &txn, KRBREPL__EI(s));
    if (rc != 0)
        return rc;
    mk.mv_data = k.ck.b;
    mk.mv_size = k.ck.len;
    rc = mdb_del(txn, s->local->dbi[0], &mk, NULL);
    if (rc == 0)
        return local_commit(s, txn);
    krbrepl__env_abort(s->local, txn, 0);
    if (rc == MDB_NOTFOUND)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOTFOUND);
    return krbrepl__mdb_fail(s->local, KRBREPL__EI(s), rc, "local: deleting");
}

void krbrepl__local_forget(krbrepl_store *s, const krbrepl__buf *keys)
{
    krbrepl_errinfo saved = s->ei;
    krbrepl__rd r;
    krbrepl_bytes v;
    MDB_txn *txn = NULL;
    MDB_val mk;
    uint8_t key[KRBREPL__CKEY_MAX];
    int any = 0;

    if (keys->len == 0 || faccessat(s->dirfd, "local/data.mdb", F_OK, 0) != 0 || local_open(s) != 0 ||
        krbrepl__env_begin(s->local, 0, &txn, KRBREPL__EI(s)) != 0)
        goto done;
    krbrepl__rd_init(&r, keys->data, keys->len);
    while (r.left != 0) {
        v = krbrepl__rd_vec16(&r);
        if (r.err != 0 || v.len > sizeof key)
            break;
        memcpy(key, v.data, v.len);
        mk.mv_data = key;
        mk.mv_size = v.len;
        any |= mdb_del(txn, s->local->dbi[0], &mk, NULL) == 0;
    }
    if (any)
        (void)local_commit(s, txn);
    else
        krbrepl__env_abort(s->local, txn, 0);
done:
    s->ei = saved;
}
