/* Full copies: the master's slices, and the generation that a replica builds out of them.
 *
 * The slices are read at whatever position the master is by then, so what they hold is no position's
 * content. The commits made meanwhile are applied to it afterwards: each holds whole records, so that
 * applying one whose effect a slice had already is harmless, and at the position of the last slice the
 * content is exactly the master's. */
#include <string.h>
#include <unistd.h>

#include <krbrepl/error.h>

#include "build.h"
#include "course.h"
#include "old.h"
#include "partial.h"

/* What has arrived is not kept from the disk for longer than this. */
#define PENDING_MS 1000u

struct krbrepl__copy {
    krbrepl__build build;
    int lock; /* load.lock */
    krbrepl__course course;
    int keep_old; /* what was live stays readable */
    uint64_t records;
    krbrepl__ckey last;       /* of the last record put */
    krbrepl__buf pending;     /* records put but not written: full key vec32, value vec32 */
    uint64_t written_ms;      /* when they were written last */
    krbrepl__touched touched; /* whose local entries have to go */
    krbrepl_pos own;          /* of the store, when it began */
    krbrepl_pos upper;        /* of the master: no record put was read at a later one */
    int upper_due;            /* what is durable says an earlier one */
    int applying;             /* commits have come: no record may follow */
    int broken;               /* a write failed: what is there is of no position */
};

/* ---- a master's side ------------------------------------------------------------------------ */

/* Places the cursor on the first record behind `after`. */
static int seek_behind(MDB_cursor *cur, krbrepl__ckey *after, MDB_val *k, MDB_val *v)
{
    int e;

    if (after->len == 0)
        return mdb_cursor_get(cur, k, v, MDB_FIRST);
    *k = (MDB_val){after->len, after->b};
    e = mdb_cursor_get(cur, k, v, MDB_SET_RANGE);
    if (e == 0 && krbrepl__bytes_cmp(k->mv_data, k->mv_size, after->b, after->len) == 0)
        e = mdb_cursor_get(cur, k, v, MDB_NEXT);
    return e;
}

static int slice_read(krbrepl_store *s, const krbrepl__rtxn *r, krbrepl__ckey *after, size_t max,
                      krbrepl__buf *out, int *end)
{
    const MDB_dbi dbi = krbrepl__gen(s, r->st.live);
    const size_t before = out->len;
    MDB_cursor *cur = NULL;
    krbrepl__row row;
    MDB_val k, v;
    int rc = 0, e = mdb_cursor_open(r->txn, dbi, &cur);

    if (e == 0)
        e = seek_behind(cur, after, &k, &v);
    while (e == 0 && out->len - before < max) {
        rc = krbrepl__row_open(s, dbi, &k, &v, &row);
        /* Of what was changed meanwhile the next slice has more to say. */
        if (rc == KRBREPL_ERR_CONFLICT && out->len != before) {
            rc = 0;
            goto done;
        }
        if (rc != 0)
            goto done;
        krbrepl__buf_vec32(out, row.full.data, row.full.len);
        krbrepl__buf_vec32(out, row.value.data, row.value.len);
        memcpy(after->b, row.ck.data, row.ck.len);
        after->len = row.ck.len;
        e = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
    }
    *end = e == MDB_NOTFOUND;
    if (e != 0 && !*end)
        rc = krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "copy: reading a slice");
    if (rc == 0 && out->err != 0)
        rc = krbrepl__fail_plain(KRBREPL__EI(s), out->err);
done:
    if (cur != NULL)
        mdb_cursor_close(cur);
    return rc;
}

/* One record, while nobody writes: what a host's database holds is what the rows say then. */
static int slice_locked(krbrepl_store *s, krbrepl__ckey *after, krbrepl__buf *out, int *end,
                        krbrepl_pos *at)
{
    krbrepl__rtxn r = {0};
    krbrepl__wtxn w;
    int rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    r.txn = w.txn;
    r.st = w.st;
    *at = w.st.pos;
    rc = slice_read(s, &r, after, 1, out, end);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__store_copy_slice(krbrepl_store *s, krbrepl__ckey *after, size_t max, krbrepl__buf *out,
                              int *end, krbrepl_pos *at)
{
    krbrepl__rtxn r = {0};
    int rc = krbrepl__rtxn_begin(s, &r);

    *end = 0;
    if (rc == 0) {
        *at = r.st.pos;
        rc = slice_read(s, &r, after, max, out, end);
    }
    krbrepl__rtxn_end(s, &r);
    return rc == KRBREPL_ERR_CONFLICT ? slice_locked(s, after, out, end, at) : rc;
}

/* ---- a replica's side ----------------------------------------------------------------------- */

static uint64_t now_ms(const krbrepl__copy *c)
{
    return c->build.s->sys->mono_ms(c->build.s->sys->ctx);
}

static int check(void *ctx, const krbrepl__wtxn *w)
{
    const krbrepl__copy *c = ctx;

    return krbrepl__course_check(&c->course, w);
}

/* Says what there is to go on with. No commit was applied to the copy yet. */
static int put_partial(krbrepl__copy *c, krbrepl__wtxn *w)
{
    const krbrepl__partial p = {
        .own = c->own,
        .from = c->course.pos,
        .upper = c->upper,
        .cumulative = c->course.cumulative,
        .flags = c->keep_old ? KRBREPL__PARTIAL_KEEP_OLD : 0,
        .ancestry = c->course.ancestry,
    };

    return krbrepl__partial_put(c->build.s, w->txn, &p);
}

/* From its first slice on the copy may be gone on with. */
static int mark(void *ctx, krbrepl__wtxn *w)
{
    krbrepl__copy *c = ctx;

    c->own = w->st.pos;
    return put_partial(c, w);
}

static void copy_free(krbrepl__copy *c)
{
    krbrepl__build_end(&c->build);
    krbrepl__unlock_file(c->build.s, &c->lock);
    krbrepl__course_free(&c->course);
    krbrepl__buf_free(&c->pending);
    krbrepl__touched_free(&c->touched);
    krbrepl__free(c, sizeof *c);
}

const krbrepl_pos *krbrepl__copy_pos(const krbrepl__copy *c)
{
    return &c->course.pos;
}

static krbrepl__copy *copy_new(krbrepl_store *s)
{
    krbrepl__copy *c = krbrepl__alloc(sizeof *c);

    if (c == NULL) {
        krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
        return NULL;
    }
    c->build =
        (krbrepl__build){.s = s, .as = KRBREPL__OTHER_PARTIAL, .check = check, .mark = mark, .ctx = c};
    /* What a host was given for an import is gone when that is cut off. */
    if (s->hosted) {
        c->build.as = KRBREPL__OTHER_BUILT;
        c->build.mark = NULL;
    }
    c->lock = -1;
    c->written_ms = now_ms(c);
    krbrepl__buf_init(&c->pending, 0);
    krbrepl__touched_init(&c->touched);
    return c;
}

int krbrepl__copy_begin(krbrepl_store *s, krbrepl__copy **out, const krbrepl_pos *from,
                        const krbrepl__ancestry *ancestry, uint64_t cumulative, uint64_t bytes,
                        int keep_old)
{
    krbrepl__copy *c = copy_new(s);
    int rc;

    *out = NULL;
    if (c == NULL)
        return KRBREPL_ERR_NOMEM;
    c->keep_old = keep_old && !s->hosted; /* a host has one content */
    c->upper = *from;
    rc = krbrepl__course_init(&c->course, s, "copy", from, ancestry, cumulative);
    if (rc == 0)
        rc = krbrepl__build_lock(s, &c->lock);
    if (rc == 0)
        rc = krbrepl__room_check(s, "copy", bytes);
    if (rc == 0)
        rc = krbrepl__build_begin(&c->build);
    if (rc != 0) {
        copy_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

/* The local entry of a record that comes into being here must not be that of an earlier one of the same
 * name. */
static int note_if_new(krbrepl__copy *c, const krbrepl__rkey *k)
{
    krbrepl_store *s = c->build.s;
    MDB_val key = {k->ck.len, (void *)(uintptr_t)k->ck.b}, v;

    if (mdb_get(c->build.w.txn, krbrepl__gen(s, c->build.w.st.live), &key, &v) == MDB_NOTFOUND)
        krbrepl__buf_vec16(&c->touched.created, k->ck.b, k->ck.len);
    return c->touched.created.err == 0 ? 0
                                       : krbrepl__fail_plain(KRBREPL__EI(s), c->touched.created.err);
}

static void forget_now(krbrepl__copy *c)
{
    krbrepl__local_forget(c->build.s, &c->touched.created);
    krbrepl__local_forget(c->build.s, &c->touched.gone);
    krbrepl__buf_reset(&c->touched.created);
    krbrepl__buf_reset(&c->touched.gone);
}

static int write_record(krbrepl__copy *c, krbrepl_bytes full, krbrepl_bytes value)
{
    krbrepl_store *s = c->build.s;
    const size_t table_len = krbrepl__fullkey_table(full);
    char table[KRBREPL_MAX_TABLE + 1] = {0};
    krbrepl__rkey k;
    int rc;

    memcpy(table, full.data, table_len);
    rc = krbrepl__rkey_make(
        s, table, (krbrepl_bytes){(const uint8_t *)full.data + table_len + 1, full.len - table_len - 1},
        &k);
    if (rc == 0)
        rc = krbrepl__build_slice(&c->build);
    if (rc == 0)
        rc = krbrepl__row_put(s, c->build.w.txn, c->build.dbi, &k, value, MDB_APPEND, NULL);
    if (rc == 0)
        rc = note_if_new(c, &k);
    if (rc != 0)
        return rc;
    c->records++;
    return krbrepl__build_wrote(&c->build, full.len + value.len);
}

static int broken(krbrepl__copy *c)
{
    return krbrepl__fail(KRBREPL__EI(c->build.s), KRBREPL_ERR_STATE,
                         "copy: it failed earlier; abort it and copy again");
}

/* In the transaction of the first record that may be as new as the upper position, or in one before: a crash
 * must not leave such a record with an older one. */
static int write_upper(krbrepl__copy *c)
{
    int rc;

    if (!c->upper_due)
        return 0;
    rc = krbrepl__build_slice(&c->build);
    if (rc == 0)
        rc = put_partial(c, &c->build.w);
    c->upper_due = rc != 0;
    return rc;
}

/* Writes what was gathered. */
static int write_pending(krbrepl__copy *c)
{
    krbrepl_bytes full, value;
    krbrepl__rd rd;
    int rc = write_upper(c);

    krbrepl__rd_init(&rd, c->pending.data, c->pending.len);
    while (rc == 0 && rd.left > 0) {
        full = krbrepl__rd_vec32(&rd);
        value = krbrepl__rd_vec32(&rd);
        rc = rd.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(c->build.s), rd.err)
                         : write_record(c, full, value);
    }
    krbrepl__buf_reset(&c->pending);
    c->written_ms = now_ms(c);
    if (rc == 0)
        rc = krbrepl__build_piece(&c->build);
    forget_now(c);
    c->broken = rc != 0;
    return rc;
}

int krbrepl__copy_at(krbrepl__copy *c, const krbrepl_pos *at)
{
    if (c->broken)
        return broken(c);
    /* Once commits come no record follows, and none of them is later than the last that was told of. */
    if (c->applying || at->seq <= c->upper.seq)
        return 0;
    c->upper = *at;
    c->upper_due = c->build.mark != NULL;
    return 0;
}

int krbrepl__copy_put(krbrepl__copy *c, krbrepl_bytes full_key, krbrepl_bytes value)
{
    krbrepl_errinfo *ei = KRBREPL__EI(c->build.s);
    krbrepl__ckey ck;
    int rc;

    if (c->broken)
        return broken(c);
    rc = krbrepl__ckey_from_full(c->build.s->sha, full_key, &ck);
    if (rc != 0)
        return krbrepl__fail(ei, rc == KRBREPL_ERR_NOMEM ? rc : KRBREPL_ERR_PROTO,
                             "copy: a record with a malformed key came");
    if (value.len > KRBREPL_MAX_VALUE)
        return krbrepl__fail(ei, KRBREPL_ERR_PROTO, "copy: a record with a value of %zu bytes came",
                             value.len);
    if (c->applying || krbrepl__bytes_cmp(ck.b, ck.len, c->last.b, c->last.len) <= 0)
        return krbrepl__fail(ei, KRBREPL_ERR_PROTO, "copy: a record came out of order");
    c->last = ck;
    krbrepl__buf_vec32(&c->pending, full_key.data, full_key.len);
    krbrepl__buf_vec32(&c->pending, value.data, value.len);
    if (c->pending.err != 0) {
        c->broken = 1; /* this record is missing */
        return krbrepl__fail_plain(ei, c->pending.err);
    }
    if (c->pending.len < KRBREPL__SLICE_BYTES && now_ms(c) - c->written_ms < PENDING_MS)
        return 0;
    return write_pending(c);
}

static int apply_one(krbrepl__copy *c, krbrepl_bytes encoded)
{
    krbrepl_store *s = c->build.s;
    krbrepl__commit m;
    int rc = krbrepl__course_read(&c->course, encoded, &m);

    if (rc == 0)
        rc = krbrepl__build_slice(&c->build);
    if (rc == 0)
        rc = krbrepl__row_apply(s, c->build.w.txn, c->build.dbi, &m, &c->records, &c->touched);
    if (rc == 0)
        rc = krbrepl__course_move(&c->course, &m);
    return rc == 0 ? krbrepl__build_wrote(&c->build, encoded.len) : rc;
}

int krbrepl__copy_apply(krbrepl__copy *c, const krbrepl_bytes *commit, size_t n)
{
    size_t i;
    int rc;

    if (c->broken)
        return broken(c);
    rc = write_pending(c);
    c->applying = 1;
    for (i = 0; rc == 0 && i < n; i++)
        rc = apply_one(c, commit[i]);
    if (rc == 0)
        rc = krbrepl__build_piece(&c->build);
    forget_now(c);
    c->broken = rc != 0;
    return rc;
}

/* 1: it is not yet. */
static int is_ready(krbrepl__copy *c)
{
    int rc = c->broken ? broken(c) : write_pending(c);

    return rc == 0 ? krbrepl__build_ready(&c->build) : rc;
}

static int switch_over(krbrepl__copy *c, krbrepl_pos *out)
{
    krbrepl__build *b = &c->build;
    int rc = krbrepl__build_slice(b);

    if (rc != 0)
        return rc;
    krbrepl__build_switch(b, c->records);
    if (c->keep_old)
        rc = krbrepl__old_keep(b->s, &b->w);
    if (rc == 0)
        rc = krbrepl__course_end(&c->course, &b->w);
    if (out != NULL)
        *out = c->course.pos;
    return rc == 0 ? krbrepl__build_flush(b) : rc;
}

int krbrepl__copy_switch(krbrepl__copy *c, krbrepl_pos *out)
{
    krbrepl_store *s = c->build.s;
    int rc = is_ready(c);

    if (rc == 1)
        return 1;
    if (rc == 0)
        rc = switch_over(c, out);
    /* What failed at the very end need not come again, unless there is no room for it. */
    c->build.keep = rc != 0 && !c->broken && rc != KRBREPL_ERR_NOSPACE;
    copy_free(c);
    if (rc == 0)
        krbrepl__store_wake_node(s);
    return rc;
}

/* ---- a copy that was cut off ---------------------------------------------------------------- */

void krbrepl__copy_abort(krbrepl__copy *c)
{
    krbrepl_errinfo keep;

    if (c == NULL)
        return;
    keep = c->build.s->ei;
    /* What arrived is there for the next one. In a forked child it is the parent's. */
    if (!krbrepl__store_forked(c->build.s) && !c->broken)
        c->build.keep = write_pending(c) == 0;
    c->build.s->ei = keep;
    copy_free(c);
}

/* The last key of a generation; len 0: it is empty. */
static int last_key(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, krbrepl__ckey *out)
{
    MDB_cursor *cur = NULL;
    MDB_val k, v;
    int e = mdb_cursor_open(txn, dbi, &cur);

    out->len = 0;
    if (e == 0)
        e = mdb_cursor_get(cur, &k, &v, MDB_LAST);
    if (e == 0 && k.mv_size <= sizeof out->b) {
        memcpy(out->b, k.mv_data, k.mv_size);
        out->len = k.mv_size;
    }
    if (cur != NULL)
        mdb_cursor_close(cur);
    return e == MDB_NOTFOUND ? 0 : krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "copy: going on");
}

/* What there is to go on with; the ancestry is the caller's to free. NOTFOUND without a text. */
static int partial_look(krbrepl_store *s, krbrepl__partial *p, krbrepl__ckey *last, uint64_t *records)
{
    krbrepl__rtxn r = {0};
    MDB_stat st = {0};
    int e, rc = krbrepl__rtxn_begin(s, &r);

    memset(p, 0, sizeof *p);
    if (rc == 0)
        rc = krbrepl__partial_get(s, r.txn, &r.st, p);
    if (rc == 0)
        rc = last_key(s, r.txn, krbrepl__gen(s, !r.st.live), last);
    if (rc == 0 && (e = mdb_stat(r.txn, krbrepl__gen(s, !r.st.live), &st)) != 0)
        rc = krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "copy: going on");
    *records = st.ms_entries;
    krbrepl__rtxn_end(s, &r);
    return rc == 0 && last->len == 0 ? KRBREPL_ERR_NOTFOUND : rc;
}

int krbrepl__copy_partial(krbrepl_store *s, krbrepl_pos *from, krbrepl_pos *upper, krbrepl__ckey *after)
{
    krbrepl__partial p;
    uint64_t records;
    int rc = partial_look(s, &p, after, &records);

    *from = p.from;
    *upper = p.upper;
    krbrepl__ancestry_free(&p.ancestry);
    return rc == 0 && krbrepl__build_busy(s) ? KRBREPL_ERR_NOTFOUND : rc;
}

int krbrepl__copy_resume(krbrepl_store *s, krbrepl__copy **out)
{
    krbrepl__copy *c = copy_new(s);
    krbrepl__partial p = {.ancestry = {NULL, 0}};
    int rc;

    *out = NULL;
    if (c == NULL)
        return KRBREPL_ERR_NOMEM;
    rc = krbrepl__build_lock(s, &c->lock);
    if (rc == 0)
        rc = partial_look(s, &p, &c->last, &c->records);
    if (rc == KRBREPL_ERR_NOTFOUND)
        krbrepl__fail(KRBREPL__EI(s), rc, "copy: there is none to go on with; copy from the beginning");
    if (rc == 0)
        rc = krbrepl__course_init(&c->course, s, "copy", &p.from, &p.ancestry, p.cumulative);
    c->keep_old = (p.flags & KRBREPL__PARTIAL_KEEP_OLD) != 0;
    c->own = p.own;
    c->upper = p.upper;
    krbrepl__ancestry_free(&p.ancestry);
    if (rc == 0)
        rc = krbrepl__build_resume(&c->build);
    if (rc != 0) {
        copy_free(c);
        return rc;
    }
    *out = c;
    return 0;
}

int krbrepl__copy_forget(krbrepl_store *s)
{
    krbrepl__wtxn w = {0};
    krbrepl__rtxn r = {0};
    int there, rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    there = r.st.other == KRBREPL__OTHER_PARTIAL || r.st.other == KRBREPL__OTHER_OLD;
    krbrepl__rtxn_end(s, &r);
    if (!there || krbrepl__build_busy(s))
        return 0;
    rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    if (w.st.other == KRBREPL__OTHER_OLD)
        w.st.other = KRBREPL__OTHER_RUBBISH;
    rc = krbrepl__partial_drop(s, &w);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}
