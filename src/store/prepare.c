/* prepare.c: host.prepare, the promise that stands while the host's database is written.
 *
 *   file := "krbrepl prepare 1\n" kind:u8 before after            (positions, pos.h)
 *           changes:u32, count x change                           (commit.h)
 *           commits:u32, count x commit:vec32
 *           SHA-256 of all that stands before it
 *
 * Kind 1: the changes of these commits, which lead from `before` to `after`. Kind 2: the host's content is of
 * no position from now on. Kind 3: these records are put right, and the position stays, as by a small repair. Where
 * the host may be torn (KRBREPL_HOST_TEARS), either is as 2 once the process that wrote it is dead. A file that does not end in its hash was not written to its end; the host has not
 * been called then. One whose `after` is the store's position is done.
 *
 * A mark of kind 2 that stands while the present content is changed piece by piece stays in front of what is written
 * later: that may be cut off by a crash or for want of room, and the content is of no position all the same. */
#include "build.h"
#include "hostdb.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "host.prepare"
#define FILE_MAX (2u * (KRBREPL_MAX_COMMIT + (2u << 20)) + (64u << 20))

static const char magic[] = "krbrepl prepare 1\n";

/* Without changes and commits. */
#define MARK_LEN (sizeof magic - 1 + 1 + 2 * KRBREPL__POS_LEN + 4 + 4 + 32)

enum { COMMITS = 1, UNSURE = 2, RECORDS = 3 };
#define LEAVE 2 /* nothing can be said yet */

struct prepare {
    unsigned kind;
    krbrepl_pos before, after;
    krbrepl__buf changes; /* encoded */
    size_t nchanges;
    krbrepl__rd commits; /* what follows, as vec32 */
    uint32_t ncommits;
    krbrepl__touched touched; /* by doing it again */
};

static int io_failed(krbrepl_store *s, const char *what)
{
    const int full = errno == ENOSPC || errno == EDQUOT;

    return krbrepl__fail_sys(KRBREPL__EI(s), full ? KRBREPL_ERR_NOSPACE : KRBREPL_ERR_IO, errno,
                             "%s: %s", NAME, what);
}

/* Somebody may have removed it, and a promise without a name is none to other processes. */
static int is_named(int fd)
{
    struct stat st;

    return fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink != 0;
}

static int file_open(krbrepl_store *s)
{
    struct krbrepl__host *h = s->host;
    int rc;

    if (is_named(h->fd))
        return 0;
    if (h->fd >= 0)
        close(h->fd);
    h->fd = openat(s->dirfd, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (h->fd < 0)
        return io_failed(s, "cannot be opened");
    krbrepl__mode_like_data(s->dirfd, NAME);
    /* Its name must be on disk before a promise is. */
    if (fsync(s->dirfd) == 0)
        return 0;
    rc = io_failed(s, "syncing its directory");
    close(h->fd);
    h->fd = -1;
    return rc;
}

int krbrepl__prepare_pending(krbrepl_store *s)
{
    struct stat st;
    int rc = file_open(s);

    if (rc != 0)
        return rc;
    if (fstat(s->host->fd, &st) != 0)
        return io_failed(s, "looking at it");
    return st.st_size != 0;
}

int krbrepl__prepare_there(krbrepl_store *s)
{
    struct stat st;

    return fstatat(s->dirfd, NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size != 0;
}

int krbrepl__prepare_clear(krbrepl_store *s)
{
    int rc = file_open(s);

    if (rc == 0 && ftruncate(s->host->fd, 0) != 0)
        rc = io_failed(s, "emptying it");
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int put_commits(krbrepl_store *s, const krbrepl__wtxn *w, krbrepl__buf *b)
{
    uint64_t seq = w->was.pos.seq;
    krbrepl_bytes enc;
    int rc = 0;

    krbrepl__buf_u32(b, (uint32_t)(w->st.pos.seq - seq));
    while (rc == 0 && seq++ < w->st.pos.seq) {
        rc = krbrepl__journal_get(s, w->txn, &w->st, w->id, seq, &enc, NULL);
        if (rc == 0)
            krbrepl__buf_vec32(b, enc.data, enc.len);
    }
    return rc;
}

static int mark_stands(krbrepl_store *s);

static int file_write(krbrepl_store *s, const krbrepl__buf *b)
{
    const off_t from = mark_stands(s) ? (off_t)MARK_LEN : 0;
    const uint8_t *p = b->data;
    size_t at = 0;
    ssize_t n;

    if (ftruncate(s->host->fd, from) != 0)
        return io_failed(s, "emptying it");
    while (at < b->len) {
        n = pwrite(s->host->fd, p + at, b->len - at, from + (off_t)at);
        if (n < 0 && errno != EINTR)
            return io_failed(s, "writing");
        at += n > 0 ? (size_t)n : 0;
    }
    return fdatasync(s->host->fd) == 0 ? 0 : io_failed(s, "syncing");
}

static unsigned kind_of(const krbrepl__wtxn *w, int unsure)
{
    if (unsure)
        return UNSURE;
    return krbrepl__pos_equal(&w->was.pos, &w->st.pos) ? RECORDS : COMMITS;
}

int krbrepl__prepare_write(krbrepl_store *s, const krbrepl__wtxn *w, int unsure)
{
    static const krbrepl_pos nowhere;
    const struct krbrepl__host *h = s->host;
    /* Where the position stays, it does not tell whether it was done. */
    const int stays = w != NULL && unsure && h->marked && krbrepl__pos_equal(&w->was.pos, &w->st.pos);
    uint8_t sum[32];
    krbrepl__buf b;
    int rc = file_open(s);

    if (rc != 0)
        return rc;
    krbrepl__buf_init(&b, FILE_MAX - 1); /* or nobody could read it */
    krbrepl__buf_bytes(&b, magic, sizeof magic - 1);
    krbrepl__buf_u8(&b, (uint8_t)kind_of(w, unsure));
    krbrepl__pos_put(&b, w != NULL ? &w->was.pos : &nowhere);
    krbrepl__pos_put(&b, w != NULL && !stays ? &w->st.pos : &nowhere);
    krbrepl__buf_u32(&b, unsure ? 0 : (uint32_t)h->n);
    if (!unsure)
        krbrepl__buf_bytes(&b, h->batch.data, h->batch.len);
    rc = unsure ? (krbrepl__buf_u32(&b, 0), 0) : put_commits(s, w, &b);
    if (rc == 0 && b.err == 0) {
        const krbrepl_bytes all = {b.data, b.len};

        rc = krbrepl__sha_sum(s->sha, &all, 1, sum);
        krbrepl__buf_bytes(&b, sum, sizeof sum);
        rc = rc != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), rc) : 0;
    }
    if (rc == 0 && b.err != 0)
        rc = krbrepl__fail_plain(KRBREPL__EI(s), b.err);
    if (rc == 0)
        rc = file_write(s, &b);
    s->host->mine = rc == 0;
    krbrepl__buf_free(&b);
    return rc;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int file_read(krbrepl_store *s, int fd, krbrepl__buf *b)
{
    struct stat st;
    uint8_t *room;
    ssize_t n = 1;
    size_t at = 0, len;

    if (fstat(fd, &st) != 0)
        return io_failed(s, "looking at it");
    len = st.st_size < (off_t)FILE_MAX ? (size_t)st.st_size : 0;
    room = krbrepl__buf_room(b, len);
    if (len != 0 && room == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    while (at < len && n != 0) {
        n = pread(fd, room + at, len - at, (off_t)at);
        if (n < 0 && errno != EINTR)
            return io_failed(s, "reading");
        at += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* 1: it is whole; 0: it was not written to its end. */
static int parse_one(krbrepl_store *s, krbrepl_bytes whole, struct prepare *p)
{
    krbrepl_bytes all = {whole.data, whole.len < 32 ? 0 : whole.len - 32}, head;
    krbrepl__change_it it;
    krbrepl__change_view v;
    uint8_t sum[32];
    size_t from;

    if (all.len == 0 || krbrepl__sha_sum(s->sha, &all, 1, sum) != 0 ||
        memcmp(sum, (const uint8_t *)all.data + all.len, sizeof sum) != 0)
        return 0;
    krbrepl__rd_init(&it.rd, all.data, all.len);
    head = krbrepl__rd_view(&it.rd, sizeof magic - 1);
    if (it.rd.err != 0 || memcmp(head.data, magic, head.len) != 0)
        return 0;
    p->kind = krbrepl__rd_u8(&it.rd);
    krbrepl__pos_get(&it.rd, &p->before);
    krbrepl__pos_get(&it.rd, &p->after);
    p->nchanges = it.left = krbrepl__rd_u32(&it.rd);
    from = all.len - it.rd.left;
    while (krbrepl__commit_next(&it, &v) == 1)
        continue;
    if (it.rd.err != 0 || it.left != 0)
        return 0;
    krbrepl__buf_reset(&p->changes);
    krbrepl__buf_bytes(&p->changes, (const uint8_t *)all.data + from, all.len - it.rd.left - from);
    p->ncommits = krbrepl__rd_u32(&it.rd);
    p->commits = it.rd;
    return p->changes.err == 0 && it.rd.err == 0;
}

static int parse_mark(krbrepl_store *s, const uint8_t *file, size_t len, struct prepare *p)
{
    return len >= MARK_LEN && parse_one(s, (krbrepl_bytes){file, MARK_LEN}, p) && p->kind == UNSURE;
}

/* The same, with a mark in front or without. */
static int parse(krbrepl_store *s, const krbrepl__buf *file, struct prepare *p)
{
    if (!parse_mark(s, file->data, file->len, p))
        return parse_one(s, (krbrepl_bytes){file->data, file->len}, p);
    return parse_one(s, (krbrepl_bytes){file->data + MARK_LEN, file->len - MARK_LEN}, p) ||
           parse_mark(s, file->data, file->len, p);
}

/* Does a mark stand that names no position? It says that the content is being changed. */
static int mark_stands(krbrepl_store *s)
{
    struct prepare p = {0};
    uint8_t room[MARK_LEN];
    int is;

    krbrepl__buf_init(&p.changes, 0);
    is = pread(s->host->fd, room, sizeof room, 0) == (ssize_t)sizeof room &&
         parse_mark(s, room, sizeof room, &p) && p.after.seq == 0;
    krbrepl__buf_free(&p.changes);
    return is;
}

/* ---- resolving ------------------------------------------------------------------------------ */

/* Whether the host's record is what the row says, or, where there is no row, is not there. */
static int is_as_before(krbrepl_store *s, const krbrepl__wtxn *w, const krbrepl__change_view *v,
                        int *is)
{
    const MDB_dbi dbi = krbrepl__gen(s, w->st.live);
    uint8_t digest[KRBREPL__RDIGEST];
    krbrepl_bytes value = {NULL, 0};
    krbrepl__rkey k;
    MDB_val key, row;
    int had, rc = krbrepl__rkey_make(s, v->table, v->key, &k);

    if (rc != 0)
        return rc;
    key = (MDB_val){k.ck.len, k.ck.b};
    had = mdb_get(w->txn, dbi, &key, &row) == 0 && row.mv_size >= sizeof digest;
    rc = krbrepl__host_get(s, v->table, v->key, &value);
    if (rc == KRBREPL_ERR_NOTFOUND) {
        *is = !had;
        return 0;
    }
    if (rc == 0)
        rc = krbrepl__record_digest(s->sha, v->table, v->table_len, v->key, value, digest);
    *is = rc == 0 && had && memcmp(digest, row.mv_data, sizeof digest) == 0;
    return rc;
}

static int all_as_before(krbrepl_store *s, const krbrepl__wtxn *w, const struct prepare *p, int *all)
{
    krbrepl__change_it it = {.left = (uint32_t)p->nchanges};
    krbrepl__change_view v;
    int rc = 0;

    *all = 1;
    krbrepl__rd_init(&it.rd, p->changes.data, p->changes.len);
    while (rc == 0 && *all && krbrepl__commit_next(&it, &v) == 1)
        rc = is_as_before(s, w, &v, all);
    return rc;
}

/* The host has some or all of it: it gets it once more, and the commits are made. */
static int do_again(krbrepl_store *s, krbrepl__wtxn *w, struct prepare *p)
{
    krbrepl_bytes enc;
    uint32_t i;
    int rc = krbrepl__host_apply(s, &p->changes, p->nchanges, &p->after);

    s->host->quiet++;
    for (i = 0; rc == 0 && i < p->ncommits; i++) {
        enc = krbrepl__rd_vec32(&p->commits);
        rc = p->commits.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), p->commits.err)
                                 : krbrepl__apply_one(s, w, enc, &p->touched);
    }
    s->host->quiet--;
    krbrepl__follow_role(&w->st);
    /* Whoever promised may have died before he forgot them. */
    if (rc == 0)
        krbrepl__local_forget(s, &p->touched.created);
    return rc;
}

static int put_right(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl__change_view *v,
                     krbrepl__touched *t)
{
    krbrepl__rkey k;
    int rc = krbrepl__rkey_make(s, v->table, v->key, &k);

    if (rc == 0)
        rc = krbrepl__row_change(s, w->txn, krbrepl__gen(s, w->st.live), &k,
                                 v->op == KRBREPL_PUT ? &v->value : NULL, &w->st.records, t);
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

/* The same for records alone, whose rows follow. */
static int put_all_right(krbrepl_store *s, krbrepl__wtxn *w, struct prepare *p)
{
    krbrepl__change_it it = {.left = (uint32_t)p->nchanges};
    krbrepl__change_view v;
    int rc = krbrepl__host_apply(s, &p->changes, p->nchanges, &p->after);

    s->host->quiet++;
    krbrepl__rd_init(&it.rd, p->changes.data, p->changes.len);
    while (rc == 0 && krbrepl__commit_next(&it, &v) == 1)
        rc = put_right(s, w, &v, &p->touched);
    s->host->quiet--;
    if (rc == 0)
        krbrepl__local_forget(s, &p->touched.created);
    return rc;
}

/* Nobody knows what the host has: a replica begins with nothing. */
static int forget_content(krbrepl_store *s, krbrepl__wtxn *w)
{
    static const krbrepl__ancestry none;
    static const krbrepl_pos nowhere;

    if (w->st.role == KRBREPL_ROLE_MASTER)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "store: a full copy ended in the middle, and the store was made master "
                             "meanwhile; promote another replica, or load the content that is right");
    w->st.records = 0;
    w->st.role = w->st.role == KRBREPL_ROLE_UNSET ? w->st.role : KRBREPL_ROLE_REPLICA;
    return krbrepl__journal_restart(s, w, &nowhere, 0, &none);
}

/* Whether a build is under way that will say itself what the content is. */
static int is_building(krbrepl_store *s)
{
    int fd = -1, rc = krbrepl__build_lock(s, &fd);

    krbrepl__unlock_file(s, &fd);
    return rc == KRBREPL_ERR_LOCKED;
}

/* What died while it wrote may have taken more with it than it was to change. A master has nobody to copy from. */
static int is_torn(const krbrepl_store *s, const krbrepl__wtxn *w)
{
    return (s->host->ops.flags & KRBREPL_HOST_TEARS) != 0 && !s->host->mine &&
           w->st.role != KRBREPL_ROLE_MASTER;
}

/* 0: the file has done its service; 1: so it has, and the transaction is to be committed; LEAVE. */
static int act(krbrepl_store *s, krbrepl__wtxn *w, struct prepare *p)
{
    int same = 0, rc;

    if (p->kind != RECORDS && krbrepl__pos_equal(&p->after, &w->st.pos) && p->after.seq != 0)
        return 0;
    if (p->kind == UNSURE && is_building(s))
        return LEAVE;
    if (p->kind == UNSURE) {
        rc = w->st.pos.seq != 0 ? forget_content(s, w) : 0;
        return rc != 0 ? rc : 1;
    }
    /* Of a state that the store has left, as by a restore. */
    if (!krbrepl__pos_equal(&p->before, &w->st.pos))
        return 0;
    if (is_torn(s, w)) {
        rc = forget_content(s, w);
        return rc != 0 ? rc : 1;
    }
    rc = all_as_before(s, w, p, &same);
    if (rc != 0 || same)
        return rc;
    rc = p->kind == RECORDS ? put_all_right(s, w, p) : do_again(s, w, p);
    return rc != 0 ? rc : 1;
}

int krbrepl__prepare_resolve(krbrepl_store *s, krbrepl__wtxn *w)
{
    struct prepare p = {0};
    krbrepl__buf file;
    int rc;

    krbrepl__buf_init(&file, 0);
    krbrepl__buf_init(&p.changes, 0);
    krbrepl__touched_init(&p.touched);
    rc = file_read(s, s->host->fd, &file);
    if (rc == 0)
        rc = parse(s, &file, &p);
    if (rc == 1)
        rc = act(s, w, &p);
    if (rc == 1) {
        rc = krbrepl__wtxn_commit_rows(s, w);
        if (rc == 0) {
            krbrepl__local_forget(s, &p.touched.gone);
            krbrepl__store_wake_node(s);
        }
        rc = rc == 0 ? 1 : rc;
    }
    if ((rc == 0 || rc == 1) && krbrepl__prepare_clear(s) != 0)
        rc = s->ei.code;
    s->host->left = rc == LEAVE;
    krbrepl__touched_free(&p.touched);
    krbrepl__buf_free(&p.changes);
    krbrepl__buf_free(&file);
    return rc == LEAVE ? 0 : rc;
}

/* Whether the host has to be asked before anything else is written. */
static int is_open(const krbrepl__wtxn *w, const struct prepare *p)
{
    if (p->kind != RECORDS && krbrepl__pos_equal(&p->after, &w->st.pos) && p->after.seq != 0)
        return 0;
    return p->kind == UNSURE ? w->st.pos.seq != 0 : krbrepl__pos_equal(&p->before, &w->st.pos);
}

int krbrepl__prepare_refuse(krbrepl_store *s, const krbrepl__wtxn *w)
{
    struct prepare p = {0};
    krbrepl__buf file;
    int rc, fd = openat(s->dirfd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return errno == ENOENT ? 0 : io_failed(s, "cannot be opened");
    krbrepl__buf_init(&file, 0);
    krbrepl__buf_init(&p.changes, 0);
    rc = file_read(s, fd, &file);
    if (rc == 0)
        rc = parse(s, &file, &p);
    if (rc == 1)
        rc = is_open(w, &p)
                 ? krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                                 "store: the host's program has not ended what it wrote last; "
                                 "start it, or wait for it, and try again")
                 : 0;
    krbrepl__buf_free(&p.changes);
    krbrepl__buf_free(&file);
    close(fd);
    return rc;
}
