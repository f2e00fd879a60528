/* open.c: handles: opening, closing, and what a handle knows about its store. */
#include "hostdb.h"
#include "hostjournal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <krbrepl/version.h>

#include "old.h"

const char *const krbrepl__dbi_name[KRBREPL__NDBI] = {
    "meta", "journal", "chains", "records.a", "records.b", "staging", "replicas",
};

int krbrepl__handle_new(krbrepl_store **out, const char *dir, krbrepl_errinfo *ei)
{
    krbrepl_store *s = krbrepl__alloc(sizeof *s);
    char *real = NULL;
    int rc = 0;

    *out = NULL;
    if (s == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    s->pid = getpid();
    s->dirfd = s->node_lock = s->wake = -1;
    s->sys = krbrepl__sys_default();
    krbrepl__errinfo_clear(&s->ei);
    s->sha = krbrepl__sha_new();
    real = realpath(dir, NULL);
    if (s->sha == NULL) {
        rc = krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    } else if (real == NULL) {
        if (errno == ENOENT)
            rc = krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND,
                               "store: there is no directory %.120s; make a store with 'krbrepl init'",
                               dir);
        else
            rc = krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "store directory %.160s", dir);
    } else {
        s->dir = krbrepl__strdup(real);
        s->dirfd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (s->dir == NULL)
            rc = krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
        else if (s->dirfd < 0)
            rc = krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "store directory %.160s", dir);
    }
    free(real);
    if (rc != 0)
        krbrepl__handle_free(s);
    else
        *out = s;
    return rc;
}

void krbrepl__handle_free(krbrepl_store *s)
{
    krbrepl__store_node_unlock(s);
    krbrepl__local_close(s);
    krbrepl__host_free(s->host);
    krbrepl__hostjournal_free(s->journal);
    krbrepl__env_put(s->env);
    if (s->wake >= 0)
        close(s->wake);
    if (s->dirfd >= 0)
        close(s->dirfd);
    krbrepl__sha_free(s->sha);
    krbrepl__strfree(s->dir);
    krbrepl__free(s, sizeof *s);
}

/* ---- tables --------------------------------------------------------------------------------- */

static int format_refuse(krbrepl_errinfo *ei, MDB_txn *txn, MDB_dbi meta, uint32_t format)
{
    char key[] = "library", by[24] = "";
    MDB_val k = {sizeof key - 1, key}, v;

    if (mdb_get(txn, meta, &k, &v) == 0 && v.mv_size < sizeof by)
        memcpy(by, v.mv_data, v.mv_size);
    if (format > KRBREPL__FORMAT)
        return krbrepl__fail(
            ei, KRBREPL_ERR_FORMAT,
            "store: it has format %u, made by libkrbrepl %s; this is libkrbrepl %s, which "
            "reads format %u; use the newer library",
            (unsigned)format, by[0] != '\0' ? by : "(unknown)", KRBREPL_VERSION_TEXT, KRBREPL__FORMAT);
    return krbrepl__fail(
        ei, KRBREPL_ERR_FORMAT,
        "store: it has the older format %u; run 'krbrepl upgrade' on it to bring it to "
        "format %u",
        (unsigned)format, KRBREPL__FORMAT);
}

static int format_check(krbrepl__env *e, MDB_txn *txn, krbrepl_errinfo *ei)
{
    char key[] = "format";
    MDB_val k = {sizeof key - 1, key}, v;
    uint32_t format;
    int rc = mdb_get(txn, e->dbi[KRBREPL__DBI_META], &k, &v);

    if (rc == MDB_NOTFOUND)
        return krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND,
                             "store: the directory holds no store; make one with 'krbrepl init'");
    if (rc != 0)
        return krbrepl__mdb_fail(e, ei, rc, "meta: reading the format");
    if (v.mv_size != 4)
        return krbrepl__fail(ei, KRBREPL_ERR_CORRUPT, "meta: the format number is malformed");
    format = krbrepl__get_u32(v.mv_data);
    return format == KRBREPL__FORMAT ? 0 : format_refuse(ei, txn, e->dbi[KRBREPL__DBI_META], format);
}

int krbrepl__tables_open(krbrepl__env *e, int create, krbrepl_errinfo *ei)
{
    MDB_txn *txn = NULL;
    unsigned i;
    int rc = krbrepl__env_begin(e, create ? 0 : MDB_RDONLY, &txn, ei);

    if (rc != 0)
        return rc;
    for (i = 0; rc == 0 && i < KRBREPL__NDBI; i++) {
        rc = mdb_dbi_open(txn, krbrepl__dbi_name[i], create ? MDB_CREATE : 0, &e->dbi[i]);
        if (rc == MDB_NOTFOUND)
            rc =
                i == KRBREPL__DBI_META
                    ? krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND,
                                    "store: the directory holds no store; make one with 'krbrepl init'")
                    : krbrepl__fail(
                          ei, KRBREPL_ERR_CORRUPT,
                          "store: the table %s is missing; restore a backup, or copy from the "
                          "master",
                          krbrepl__dbi_name[i]);
        else if (rc != 0)
            rc = krbrepl__mdb_fail(e, ei, rc, "store: opening its tables");
        /* Before any other table is looked for: an older or newer format may have others. */
        else if (i == KRBREPL__DBI_META && !create)
            rc = format_check(e, txn, ei);
    }
    if (rc != 0)
        krbrepl__env_abort(e, txn, !create);
    else
        rc = krbrepl__env_commit(e, txn, !create, ei);
    return rc;
}

static int setup(krbrepl__env *e, krbrepl_errinfo *ei)
{
    return krbrepl__tables_open(e, 0, ei);
}

/* One that has a second name is a file from elsewhere: whatever is made here has one. */
static void mode_like(int dirfd, const char *name, const struct stat *data)
{
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != geteuid() ||
        !S_ISREG(st.st_mode) || st.st_nlink != 1)
        return;
    /* Somebody of the same group may put a link to a file elsewhere in its place at any moment. Where one of these
     * fails, the file stays closed to others. */
    if (st.st_gid != data->st_gid &&
        fchownat(dirfd, name, (uid_t)-1, data->st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (((st.st_mode ^ data->st_mode) & 0777) != 0 &&
        fchmodat(dirfd, name, data->st_mode & 0777, AT_SYMLINK_NOFOLLOW) != 0)
        return;
}

void krbrepl__mode_like_data(int dirfd, const char *name)
{
    const char *slash = strchr(name, '/');
    struct stat data;
    char dir[16];
    int fd;

    if (fstatat(dirfd, "data.mdb", &data, 0) != 0)
        return;
    if (slash == NULL) {
        mode_like(dirfd, name, &data);
        return;
    }
    if ((size_t)snprintf(dir, sizeof dir, "%.*s", (int)(slash - name), name) >= sizeof dir)
        return;
    /* That may be a link as well, to another store, say, whose files have the same names. */
    fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    mode_like(fd, slash + 1, &data);
    close(fd);
}

/* ---- open, dup, close ----------------------------------------------------------------------- */

static int options_check(const krbrepl_store_options *opt, krbrepl_errinfo *ei)
{
    const uint64_t known = KRBREPL_STORE_READONLY | KRBREPL_STORE_NOSYNC | KRBREPL_STORE_OLD;

    if ((opt->flags & ~known) == 0 && opt->max_readers <= 1u << 20)
        return 0;
    return krbrepl__fail(ei, KRBREPL_ERR_INVALID,
                         "store: unknown flag, or more than 1,048,576 readers");
}

/* Whoever asks for the old content is told at once that there is none. */
static int old_there(krbrepl_store *s, const krbrepl__rtxn *r)
{
    krbrepl__old old;
    int rc = (s->flags & KRBREPL_STORE_OLD) != 0 ? krbrepl__old_get(s, r->txn, &r->st, &old) : 0;

    return rc == KRBREPL_ERR_NOTFOUND
               ? krbrepl__fail(KRBREPL__EI(s), rc, "store: no old content is kept in it")
               : rc;
}

static int handle_attach(krbrepl_store *s, krbrepl_errinfo *ei)
{
    krbrepl__env_options eo;
    krbrepl__rtxn r;
    struct stat st;
    int rc;

    if (fstatat(s->dirfd, "data.mdb", &st, 0) != 0)
        return krbrepl__fail_sys(ei, errno == ENOENT ? KRBREPL_ERR_NOTFOUND : KRBREPL_ERR_IO, errno,
                                 "store: no data.mdb in %.120s; make a store with 'krbrepl init'",
                                 s->dir);
    memset(&eo, 0, sizeof eo);
    eo.map_size = s->map_size;
    eo.max_readers = s->max_readers;
    eo.mode = st.st_mode & 0666;
    eo.setup = setup;
    rc = krbrepl__env_get(&s->env, s->dir, &eo, ei);
    if (rc != 0)
        return rc;
    krbrepl__mode_like_data(s->dirfd, "lock.mdb");
    rc = krbrepl__rtxn_begin(s, &r);
    if (rc == 0) {
        krbrepl_bytes v;

        s->hosted = krbrepl__meta_get(s, r.txn, "hosted", &v) == 0;
        s->journaled = krbrepl__meta_get(s, r.txn, "journaled", &v) == 0;
        rc = old_there(s, &r);
        krbrepl__rtxn_end(s, &r);
    }
    if (rc != 0 && ei != NULL)
        *ei = s->ei;
    return rc;
}

/* The callbacks of a hosted store. */
static int host_attach(krbrepl_store *s, const krbrepl_store_options *opt, krbrepl_errinfo *ei)
{
    if (opt->host == NULL)
        return 0;
    if (!s->hosted)
        return krbrepl__fail(
            ei, KRBREPL_ERR_STATE,
            "store: it has its records itself; make one with KRBREPL_CREATE_HOSTED for "
            "a host's database");
    return krbrepl__host_new(&s->host, opt->host, opt->host_ctx, ei);
}

/* Those of a host's journal. */
static int journal_attach(krbrepl_store *s, const krbrepl_store_options *opt, krbrepl_errinfo *ei)
{
    if (opt->journal == NULL)
        return 0;
    if (!s->journaled)
        return krbrepl__fail(ei, KRBREPL_ERR_STATE,
                             "store: it keeps its commits itself; make one with "
                             "KRBREPL_CREATE_JOURNALED for a host's journal");
    return krbrepl__hostjournal_new(&s->journal, opt->journal, opt->journal_ctx, ei);
}

int krbrepl__store_open(krbrepl_store **out, const char *dir, const krbrepl_store_options *opt,
                        krbrepl_errinfo *ei)
{
    krbrepl_store *s = NULL;
    int rc = options_check(opt, ei);

    *out = NULL;
    if (rc == 0)
        rc = krbrepl__handle_new(&s, dir, ei);
    if (rc != 0)
        return rc;
    s->flags = opt->flags;
    if ((s->flags & KRBREPL_STORE_OLD) != 0)
        s->flags |= KRBREPL_STORE_READONLY;
    s->map_size = opt->map_size;
    s->max_readers = opt->max_readers;
    rc = handle_attach(s, ei);
    if (rc == 0)
        rc = host_attach(s, opt, ei);
    if (rc == 0)
        rc = journal_attach(s, opt, ei);
    if (rc == 0)
        *out = s;
    else
        krbrepl__handle_free(s);
    return rc;
}

int krbrepl__store_dup(krbrepl_store *s, krbrepl_store **out, krbrepl_errinfo *ei)
{
    krbrepl_store *d = krbrepl__alloc(sizeof *d);
    int rc = 0;

    *out = NULL;
    if (d == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    *d = *s;
    atomic_init(&d->user, 0);
    d->depth = 0;
    atomic_init(&d->parts, 0);
    d->env = krbrepl__env_ref(s->env);
    d->local = NULL;
    d->host = NULL;
    d->journal = NULL;
    d->node_lock = d->wake = -1;
    krbrepl__errinfo_clear(&d->ei);
    d->dirfd = fcntl(s->dirfd, F_DUPFD_CLOEXEC, 0);
    if (d->dirfd < 0)
        rc = krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "store: another descriptor");
    d->sha = krbrepl__sha_new();
    d->dir = krbrepl__strdup(s->dir);
    if (rc == 0 && s->host != NULL)
        rc = krbrepl__host_new(&d->host, &s->host->ops, s->host->ctx, ei);
    if (rc == 0 && s->journal != NULL)
        rc = krbrepl__hostjournal_new(&d->journal, &s->journal->ops, s->journal->ctx, ei);
    if (rc == 0 && (d->sha == NULL || d->dir == NULL))
        rc = krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    if (rc == 0)
        *out = d;
    else
        krbrepl__handle_free(d);
    return rc;
}

void krbrepl__store_close(krbrepl_store *s)
{
    if (s != NULL)
        krbrepl__handle_free(s);
}

/* ---- small answers -------------------------------------------------------------------------- */

krbrepl_errinfo *krbrepl__store_ei(krbrepl_store *s)
{
    return &s->ei;
}

int krbrepl__store_forked(const krbrepl_store *s)
{
    return s->pid != getpid();
}

const krbrepl__sys *krbrepl__store_sys(const krbrepl_store *s)
{
    return s->sys;
}

/* Where this runs a pthread_t is a number or an address, and never 0. */
static uintptr_t this_thread(void)
{
    return (uintptr_t)pthread_self();
}

int krbrepl__store_enter(krbrepl_store *s)
{
    uintptr_t me = this_thread(), nobody = 0;

    /* The text belongs to this process's memory, so writing it is harmless. */
    if (krbrepl__store_forked(s))
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_FORKED,
                             "store: the handle was opened before fork(); open the store again in this "
                             "process");
    /* Only this thread can have put its own name there. What the one before did in the handle is seen here. */
    if (atomic_load_explicit(&s->user, memory_order_relaxed) != me &&
        !atomic_compare_exchange_strong_explicit(&s->user, &nobody, me, memory_order_acquire,
                                                 memory_order_relaxed))
        return KRBREPL_ERR_STATE;
    /* The thread is inside already then. A call would use what the one under way has in its hands. */
    if ((s->host != NULL && s->host->calling != 0) || (s->journal != NULL && s->journal->calling != 0))
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "store: a callback of the host must not call on the store that called it");
    s->depth++;
    return 0;
}

void krbrepl__store_leave(krbrepl_store *s)
{
    if (--s->depth == 0)
        atomic_store_explicit(&s->user, 0, memory_order_release);
}

int krbrepl__store_busy(const krbrepl_store *s)
{
    return !krbrepl__store_forked(s) && atomic_load(&s->user) != 0;
}

void krbrepl__store_lend(krbrepl_store *s)
{
    atomic_fetch_add_explicit(&s->parts, 1, memory_order_relaxed);
}

void krbrepl__store_unlend(krbrepl_store *s)
{
    if (!krbrepl__store_forked(s))
        atomic_fetch_sub_explicit(&s->parts, 1, memory_order_release);
}

int krbrepl__store_lent(const krbrepl_store *s)
{
    /* What was done with the last of them is over for whoever sees none. */
    return !krbrepl__store_forked(s) && atomic_load_explicit(&s->parts, memory_order_acquire) != 0;
}

void krbrepl__store_set_sys(krbrepl_store *s, const krbrepl__sys *sys)
{
    s->sys = sys;
}

int krbrepl__store_dirfd(const krbrepl_store *s)
{
    return s->dirfd;
}

const char *krbrepl__store_dir(const krbrepl_store *s)
{
    return s->dir;
}

int krbrepl__store_info(krbrepl_store *s, krbrepl_store_info *out)
{
    krbrepl_retention keep;
    krbrepl__rtxn r;
    krbrepl__old old;
    int gives_up = 0, has_old = 0, rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    has_old = krbrepl__old_get(s, r.txn, &r.st, &old) == 0;
    rc = krbrepl__meta_retention(s, r.txn, &keep);
    if (rc == 0)
        gives_up = krbrepl__gives_up(s, r.txn, &r.st.pos);
    krbrepl__rtxn_end(s, &r);
    if (rc != 0)
        return rc;
    KRBREPL_INIT(out);
    memcpy(out->database_id, r.id, sizeof r.id);
    out->role = r.st.role;
    out->pos = r.st.pos;
    out->known_epoch = r.st.known_epoch;
    out->records = r.st.records;
    out->cumulative = r.st.cumulative;
    out->journal_first = r.st.journal_first;
    out->journal_last = r.st.pos.seq;
    out->journal_bytes = r.st.journal_bytes;
    out->format = KRBREPL__FORMAT;
    out->flags = s->flags & KRBREPL_STORE_NOSYNC;
    if (gives_up)
        out->flags |= KRBREPL_STORE_GIVES_UP;
    if (has_old)
        out->flags |= KRBREPL_STORE_OLD;
    if (s->hosted)
        out->flags |= KRBREPL_STORE_HOSTED;
    if (s->journaled)
        out->flags |= KRBREPL_STORE_JOURNALED;
    out->retention_entries = keep.entries;
    out->retention_bytes = keep.bytes;
    out->retention_seconds = keep.seconds;
    out->retention_hard_cap = keep.hard_cap;
    out->retention_slot_seconds = keep.slot_seconds;
    return 0;
}

int krbrepl__store_ancestry(krbrepl_store *s, krbrepl__ancestry *out)
{
    krbrepl__rtxn r;
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    rc = krbrepl__meta_ancestry(s, r.txn, out);
    krbrepl__rtxn_end(s, &r);
    return rc;
}

int krbrepl__store_set_retention(krbrepl_store *s, const krbrepl_retention *keep)
{
    krbrepl__wtxn w;
    int rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    rc = krbrepl__meta_set_retention(s, w.txn, keep);
    if (rc == 0)
        return krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__dir_check(krbrepl_store *s)
{
    struct stat named, held;

    if (stat(s->dir, &named) == 0 && fstat(s->dirfd, &held) == 0 && named.st_dev == held.st_dev &&
        named.st_ino == held.st_ino)
        return 0;
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                         "store: its directory is not at %.160s any more; close the store, and open it "
                         "where it is now",
                         s->dir);
}

/* ---- locks ---------------------------------------------------------------------------------- */

int krbrepl__lock_file(krbrepl_store *s, const char *name, const char *what, int *fd)
{
    struct stat st;
    mode_t mode = fstatat(s->dirfd, "data.mdb", &st, 0) == 0 ? st.st_mode & 0666 : 0600;
    int rc, f = openat(s->dirfd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);

    *fd = -1;
    if (f < 0)
        return krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "%s", name);
    krbrepl__mode_like_data(s->dirfd, name);
    do
        rc = flock(f, LOCK_EX | LOCK_NB);
    while (rc != 0 && errno == EINTR);
    if (rc == 0) {
        *fd = f;
        return 0;
    }
    if (errno == EWOULDBLOCK)
        rc = krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_LOCKED, "%s: %s", name, what);
    else
        rc = krbrepl__fail_sys(KRBREPL__EI(s), KRBREPL_ERR_IO, errno, "%s: locking", name);
    close(f);
    return rc;
}

void krbrepl__unlock_file(krbrepl_store *s, int *fd)
{
    if (*fd < 0)
        return;
    /* Explicitly, for a child forked meanwhile may hold the same open file. */
    if (!krbrepl__store_forked(s))
        (void)flock(*fd, LOCK_UN);
    close(*fd);
    *fd = -1;
}

int krbrepl__store_node_lock(krbrepl_store *s)
{
    if (s->node_lock >= 0)
        return 0;
    return krbrepl__lock_file(s, "node.lock", "another node runs on this store; stop it first",
                              &s->node_lock);
}

void krbrepl__store_node_unlock(krbrepl_store *s)
{
    krbrepl__unlock_file(s, &s->node_lock);
}
