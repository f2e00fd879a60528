/* repairend.c: making live what a repair has gathered.
 *
 * Little is written in one transaction into the table that is live. Much is merged with the live records into the
 * other generation, slice by slice, so that nobody waits for the writer lock, and then switched to. Either way the
 * old content is there until one commit, and the new one from then on. */
#include "repair.h"
#include "old.h"

#include <string.h>

#include <krbrepl/error.h>

/* The first rule's bounds. */
#define FEW_ENTRIES 10000u
#define FEW_BYTES (16u << 20)
/* Canonical keys of records that went whose local entries are forgotten; the others do no harm. */
#define GONE_MAX (1u << 20)
#define EACH_MAX 256u /* entries passed on in one call */

static int failed(krbrepl__repair *r, int e, const char *what)
{
    return krbrepl__mdb_fail(r->s->env, KRBREPL__EI(r->s), e, what);
}

/* Goes to the first entry behind `at`. */
static int seek_behind(MDB_cursor *cur, const krbrepl__ckey *at, MDB_val *k, MDB_val *v)
{
    int e;

    *k = (MDB_val){at->len, (void *)(uintptr_t)at->b};
    if (at->len == 0)
        return mdb_cursor_get(cur, k, v, MDB_FIRST);
    e = mdb_cursor_get(cur, k, v, MDB_SET_RANGE);
    if (e == 0 && krbrepl__bytes_cmp(k->mv_data, k->mv_size, at->b, at->len) == 0)
        e = mdb_cursor_get(cur, k, v, MDB_NEXT);
    return e;
}

/* 1 and the entry when it is one of this attempt. */
static int is_ours(const krbrepl__repair *r, const MDB_val *v, krbrepl__staged *e)
{
    return krbrepl__staged_read(v, e) && e->attempt == r->attempt;
}

/* What the disk has made of a row since it came must not go live. */
static int row_whole(krbrepl__repair *r, const MDB_val *k, const MDB_val *row)
{
    uint8_t digest[KRBREPL__RDIGEST];
    krbrepl__row taken;
    int rc = krbrepl__row_found(r->s, k, row, &taken, digest);

    return rc == 1 ? krbrepl__fail(KRBREPL__EI(r->s), KRBREPL_ERR_CORRUPT,
                                   "repair: a record that was gathered does not match its checksum; "
                                   "the next repair asks for it again")
                   : rc;
}

static void forget_created(krbrepl__repair *r)
{
    krbrepl__local_forget(r->s, &r->touched.created);
    krbrepl__buf_reset(&r->touched.created);
}

/* ---- what is to be changed ------------------------------------------------------------------ */

static krbrepl_bytes full_key_of(krbrepl__repair *r, const krbrepl__rtxn *rt, const MDB_val *k,
                                 const krbrepl__staged *e)
{
    MDB_val key = *k, v = e->row;
    uint8_t digest[KRBREPL__RDIGEST];
    krbrepl__row row;

    if ((v.mv_size != 0 || mdb_get(rt->txn, krbrepl__gen(r->s, rt->st.live), &key, &v) == 0) &&
        krbrepl__row_found(r->s, k, &v, &row, digest) == 0)
        return row.full;
    return (krbrepl_bytes){k->mv_data, k->mv_size};
}

typedef struct each {
    int (*listed)(void *ctx, krbrepl_bytes full_key, int put);
    int (*touched)(void *ctx, krbrepl_bytes ckey); /* NULL: the other one */
    void *ctx;
} each;

static int pass_on(krbrepl__repair *r, const krbrepl__rtxn *rt, const MDB_val *k,
                   const krbrepl__staged *e, const each *to)
{
    if (to->touched != NULL)
        return to->touched(to->ctx, (krbrepl_bytes){k->mv_data, k->mv_size});
    if (e->op != KRBREPL__STAGED_PUT && e->op != KRBREPL__STAGED_DELETE)
        return 0;
    return to->listed(to->ctx, full_key_of(r, rt, k, e), e->op == KRBREPL__STAGED_PUT);
}

static int each_piece(krbrepl__repair *r, const krbrepl__rtxn *rt, MDB_cursor *cur, const each *to)
{
    krbrepl__staged e;
    unsigned n = 0;
    MDB_val k, v;
    int rc = 0, at = seek_behind(cur, &r->at, &k, &v);

    for (; rc == 0 && at == 0 && n < EACH_MAX; n++, at = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) {
        rc = krbrepl__row_key(r->s, &k, &r->at);
        if (rc == 0 && is_ours(r, &v, &e))
            rc = pass_on(r, rt, &k, &e, to);
    }
    if (rc != 0)
        return rc;
    if (at != 0 && at != MDB_NOTFOUND)
        return failed(r, at, "repair: listing");
    return at == 0;
}

static int each_entry(krbrepl__repair *r, const each *to)
{
    krbrepl__rtxn rt = {0};
    MDB_cursor *cur = NULL;
    int e, rc = r->broken ? KRBREPL_ERR_STATE : krbrepl__repair_flush(r);

    if (rc == 0)
        rc = krbrepl__rtxn_begin(r->s, &rt);
    if (rc != 0)
        return rc;
    e = mdb_cursor_open(rt.txn, krbrepl__staging(r->s), &cur);
    rc = e == 0 ? each_piece(r, &rt, cur, to) : failed(r, e, "repair: listing");
    if (cur != NULL)
        mdb_cursor_close(cur);
    krbrepl__rtxn_end(r->s, &rt);
    if (rc != 1)
        r->at.len = 0;
    return rc;
}

int krbrepl__repair_each(krbrepl__repair *r, int (*fn)(void *ctx, krbrepl_bytes full_key, int put),
                         void *ctx)
{
    const each to = {fn, NULL, ctx};

    return each_entry(r, &to);
}

int krbrepl__repair_touched(krbrepl__repair *r, int (*fn)(void *ctx, krbrepl_bytes ckey), void *ctx)
{
    const each to = {NULL, fn, ctx};

    return each_entry(r, &to);
}

/* ---- what earlier attempts left ------------------------------------------------------------- */

/* 1 when there are entries that do not count. */
static int has_old(krbrepl__repair *r, int *old)
{
    krbrepl__rtxn rt = {0};
    MDB_stat st = {0};
    int e, rc = krbrepl__rtxn_begin(r->s, &rt);

    if (rc != 0)
        return rc;
    e = mdb_stat(rt.txn, krbrepl__staging(r->s), &st);
    krbrepl__rtxn_end(r->s, &rt);
    *old = st.ms_entries != r->entries;
    return e == 0 ? 0 : failed(r, e, "repair: looking at what was gathered");
}

/* Deletes from behind r->at until the slice is full. *end: there is nothing behind. */
static int prune_some(krbrepl__repair *r, MDB_cursor *cur, int *end)
{
    krbrepl__staged e;
    MDB_val k, v;
    size_t n;
    int rc = 0, at = seek_behind(cur, &r->at, &k, &v);

    for (*end = 0; at == 0; at = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) {
        n = k.mv_size + KRBREPL__STAGED_HEAD;
        if (!is_ours(r, &v, &e)) {
            n += v.mv_size;
            at = mdb_cursor_del(cur, 0);
        } else {
            rc = krbrepl__row_key(r->s, &k, &r->at);
        }
        if (at != 0 || rc != 0 || krbrepl__build_full(&r->build, n))
            break;
    }
    *end = at == MDB_NOTFOUND;
    if (rc != 0)
        return rc;
    return at == 0 || *end ? 0 : failed(r, at, "repair: removing what is not needed any more");
}

static int prune(krbrepl__repair *r, int *end)
{
    MDB_cursor *cur = NULL;
    int e, rc = krbrepl__build_slice(&r->build);

    if (rc != 0)
        return rc;
    e = mdb_cursor_open(r->build.w.txn, krbrepl__staging(r->s), &cur);
    rc = e == 0 ? prune_some(r, cur, end) : failed(r, e, "repair: removing");
    if (cur != NULL)
        mdb_cursor_close(cur);
    return rc == 0 ? krbrepl__build_flush(&r->build) : rc;
}

/* ---- the first rule: one transaction -------------------------------------------------------- */

static int put_live_hosted(krbrepl__repair *r, MDB_txn *txn, MDB_dbi live, const MDB_val *k,
                           const MDB_val *row)
{
    krbrepl__ckey ck;
    int created = 0, rc = krbrepl__row_key(r->s, k, &ck);

    if (rc == 0)
        rc = krbrepl__row_restate(r->s, txn, live, k, row, 0, &created);
    if (rc == 0 && created)
        krbrepl__buf_vec16(&r->touched.created, ck.b, ck.len);
    return rc;
}

static int put_live(krbrepl__repair *r, MDB_txn *txn, MDB_dbi live, MDB_val *k, const MDB_val *row)
{
    MDB_val v = {row->mv_size, NULL};
    int e, rc = r->s->hosted ? 0 : row_whole(r, k, row);

    if (rc != 0)
        return rc;
    if (r->s->hosted)
        return put_live_hosted(r, txn, live, k, row);
    e = mdb_put(txn, live, k, &v, MDB_RESERVE | MDB_NOOVERWRITE);
    if (e == 0)
        krbrepl__buf_vec16(&r->touched.created, k->mv_data, k->mv_size);
    if (e == MDB_KEYEXIST) {
        v = (MDB_val){row->mv_size, NULL};
        e = mdb_put(txn, live, k, &v, MDB_RESERVE);
    }
    if (e == 0)
        memcpy(v.mv_data, row->mv_data, row->mv_size);
    return e == 0 ? 0 : failed(r, e, "repair: writing a record");
}

static int delete_live(krbrepl__repair *r, MDB_txn *txn, MDB_dbi live, MDB_val *k)
{
    int e = r->s->hosted ? krbrepl__row_drop(r->s, txn, live, k) : mdb_del(txn, live, k, NULL);

    if (e < 0 && r->s->hosted && e != KRBREPL_ERR_NOTFOUND)
        return e;
    if (e == KRBREPL_ERR_NOTFOUND)
        return 0;
    if (e == 0)
        krbrepl__buf_vec16(&r->touched.gone, k->mv_data, k->mv_size);
    return e == 0 || e == MDB_NOTFOUND ? 0 : failed(r, e, "repair: deleting a record");
}

static int change_live(krbrepl__repair *r, krbrepl__wtxn *w, MDB_cursor *cur)
{
    const MDB_dbi live = krbrepl__gen(r->s, w->st.live);
    krbrepl__staged e;
    MDB_stat st = {0};
    MDB_val k, v;
    int rc = 0, at = mdb_cursor_get(cur, &k, &v, MDB_FIRST);

    for (; rc == 0 && at == 0; at = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) {
        if (!is_ours(r, &v, &e))
            continue;
        rc = krbrepl__staged_is_put(&e) ? put_live(r, w->txn, live, &k, &e.row)
                                        : delete_live(r, w->txn, live, &k);
    }
    if (rc == 0 && r->touched.created.err + r->touched.gone.err != 0)
        rc = krbrepl__fail_plain(KRBREPL__EI(r->s), KRBREPL_ERR_NOMEM);
    if (rc == 0 && at == MDB_NOTFOUND)
        at = mdb_stat(w->txn, live, &st);
    w->st.records = st.ms_entries;
    return rc != 0 ? rc : at == 0 ? 0 : failed(r, at, "repair: reading what was gathered");
}

static int finish_here(krbrepl__repair *r)
{
    krbrepl__wtxn w = {0};
    MDB_cursor *cur = NULL;
    int e, rc = krbrepl__wtxn_begin(r->s, &w);

    if (rc != 0)
        return rc;
    rc = krbrepl__repair_check(r, &w);
    if (rc == 0 && (e = mdb_cursor_open(w.txn, krbrepl__staging(r->s), &cur)) != 0)
        rc = failed(r, e, "repair: reading what was gathered");
    if (rc == 0)
        rc = change_live(r, &w, cur);
    if (cur != NULL)
        mdb_cursor_close(cur);
    if (rc == 0)
        rc = krbrepl__course_end(&r->course, &w);
    if (rc == 0) {
        forget_created(r);
        rc = krbrepl__wtxn_commit(r->s, &w);
    }
    krbrepl__wtxn_abort(r->s, &w);
    return rc;
}

/* ---- the second rule: the other generation -------------------------------------------------- */

/* Room for a second copy of what is live, and for what is new. */
static int room(krbrepl__repair *r)
{
    krbrepl__rtxn rt = {0};
    MDB_stat st = {0};
    int e, rc = krbrepl__rtxn_begin(r->s, &rt);

    if (rc != 0)
        return rc;
    e = mdb_stat(rt.txn, krbrepl__gen(r->s, rt.st.live), &st);
    krbrepl__rtxn_end(r->s, &rt);
    if (e != 0)
        return failed(r, e, "repair: looking at the live content");
    return krbrepl__room_check(r->s, "repair",
                               r->bytes + st.ms_psize * ((uint64_t)st.ms_branch_pages +
                                                         st.ms_leaf_pages + st.ms_overflow_pages));
}

typedef struct merge {
    krbrepl__repair *r;
    MDB_cursor *own, *staged;
    MDB_val ok, ov, sk, sv;
    int oe, se; /* codes of LMDB: 0, MDB_NOTFOUND or a failure */
} merge;

static int append(merge *m, MDB_val *k, const MDB_val *row)
{
    MDB_val v = {row->mv_size, NULL};
    int e;

    if (m->r->s->hosted)
        return krbrepl__row_restate(m->r->s, m->r->build.w.txn, m->r->build.dbi, k, row, MDB_APPEND,
                                    NULL);
    e = mdb_put(m->r->build.w.txn, m->r->build.dbi, k, &v, MDB_RESERVE | MDB_APPEND);
    if (e != 0)
        return failed(m->r, e, "repair: writing a record");
    memcpy(v.mv_data, row->mv_data, row->mv_size);
    return 0;
}

static int take_staged(merge *m, const krbrepl__staged *e, int is_own)
{
    krbrepl__repair *r = m->r;
    int rc;

    if (!krbrepl__staged_is_put(e)) {
        if (is_own && r->touched.gone.len < GONE_MAX)
            krbrepl__buf_vec16(&r->touched.gone, m->sk.mv_data, m->sk.mv_size);
        return 0;
    }
    rc = row_whole(r, &m->sk, &e->row);
    if (rc == 0)
        rc = append(m, &m->sk, &e->row);
    if (rc == 0 && !is_own)
        krbrepl__buf_vec16(&r->touched.created, m->sk.mv_data, m->sk.mv_size);
    return rc != 0 || r->touched.created.err == 0
               ? rc
               : krbrepl__fail_plain(KRBREPL__EI(r->s), r->touched.created.err);
}

/* The lowest key of both sides; *wrote is raised by what that cost. */
static int merge_one(merge *m, size_t *wrote)
{
    const int c = m->oe != 0 ? 1
                  : m->se != 0
                      ? -1
                      : krbrepl__bytes_cmp(m->ok.mv_data, m->ok.mv_size, m->sk.mv_data, m->sk.mv_size);
    krbrepl__staged e;
    int rc = krbrepl__row_key(m->r->s, c <= 0 ? &m->ok : &m->sk, &m->r->at);

    if (rc != 0)
        return rc;
    *wrote = c <= 0 ? m->ov.mv_size : m->sv.mv_size;
    if (c >= 0 && is_ours(m->r, &m->sv, &e))
        rc = take_staged(m, &e, c == 0);
    else
        rc = c <= 0 ? append(m, &m->ok, &m->ov) : 0;
    if (c <= 0)
        m->oe = mdb_cursor_get(m->own, &m->ok, &m->ov, MDB_NEXT);
    if (c >= 0)
        m->se = mdb_cursor_get(m->staged, &m->sk, &m->sv, MDB_NEXT);
    return rc;
}

static int merge_some(merge *m, int *end)
{
    size_t wrote = 0;
    int rc = 0;

    m->oe = seek_behind(m->own, &m->r->at, &m->ok, &m->ov);
    m->se = seek_behind(m->staged, &m->r->at, &m->sk, &m->sv);
    while (rc == 0 && (m->oe == 0 || m->se == 0)) {
        rc = merge_one(m, &wrote);
        if (krbrepl__build_full(&m->r->build, wrote))
            break;
    }
    if (rc == 0 && m->oe != 0 && m->oe != MDB_NOTFOUND)
        rc = failed(m->r, m->oe, "repair: reading the live content");
    if (rc == 0 && m->se != 0 && m->se != MDB_NOTFOUND)
        rc = failed(m->r, m->se, "repair: reading what was gathered");
    *end = m->oe == MDB_NOTFOUND && m->se == MDB_NOTFOUND;
    return rc;
}

/* One slice. */
static int merge_slice(krbrepl__repair *r, int *end)
{
    merge m = {.r = r};
    MDB_txn *txn;
    int e, rc = krbrepl__build_slice(&r->build);

    if (rc != 0)
        return rc;
    txn = r->build.w.txn;
    e = mdb_cursor_open(txn, krbrepl__gen(r->s, r->build.w.st.live), &m.own);
    if (e == 0)
        e = mdb_cursor_open(txn, krbrepl__staging(r->s), &m.staged);
    rc = e == 0 ? merge_some(&m, end) : failed(r, e, "repair: merging");
    if (m.own != NULL)
        mdb_cursor_close(m.own);
    if (m.staged != NULL)
        mdb_cursor_close(m.staged);
    if (rc == 0)
        rc = krbrepl__build_flush(&r->build);
    forget_created(r);
    return rc;
}

static int switch_over(krbrepl__repair *r)
{
    krbrepl__build *b = &r->build;
    MDB_stat st = {0};
    int e, rc = krbrepl__build_slice(b);

    if (rc != 0)
        return rc;
    e = mdb_stat(b->w.txn, b->dbi, &st);
    if (e != 0)
        return failed(r, e, "repair: making it live");
    krbrepl__build_switch(b, st.ms_entries);
    if (r->keep_old && !r->s->hosted) /* a host has one content */
        rc = krbrepl__old_keep(r->s, &b->w);
    if (rc == 0)
        rc = krbrepl__course_end(&r->course, &b->w);
    return rc == 0 ? krbrepl__build_flush(b) : rc;
}

/* ---- the end -------------------------------------------------------------------------------- */

static int choose(krbrepl__repair *r)
{
    r->at.len = 0;
    r->stage = KRBREPL__REPAIR_EMPTY;
    if (!r->keep_old && r->entries <= FEW_ENTRIES && r->bytes <= FEW_BYTES)
        return finish_here(r);
    return 1;
}

static int begin_end(krbrepl__repair *r)
{
    int old = 0, rc = krbrepl__repair_flush(r);

    r->at.len = 0;
    r->stage = KRBREPL__REPAIR_PRUNE;
    if (rc == 0)
        rc = has_old(r, &old);
    return rc != 0 ? rc : old ? 1 : choose(r);
}

static int make_room(krbrepl__repair *r)
{
    int rc = krbrepl__build_begin_step(&r->build);

    if (rc != 0)
        return rc;
    r->stage = KRBREPL__REPAIR_MERGE;
    rc = room(r);
    return rc == 0 ? 1 : rc;
}

/* 1: there are more steps; 0: it is live. */
static int step(krbrepl__repair *r)
{
    int end = 0, rc;

    switch (r->stage) {
    case KRBREPL__REPAIR_GATHER:
        return begin_end(r);
    case KRBREPL__REPAIR_PRUNE:
        rc = prune(r, &end);
        return rc != 0 ? rc : end ? choose(r) : 1;
    case KRBREPL__REPAIR_EMPTY:
        return make_room(r);
    case KRBREPL__REPAIR_MERGE:
        rc = merge_slice(r, &end);
        r->stage = end ? KRBREPL__REPAIR_SWITCH : KRBREPL__REPAIR_MERGE;
        return rc == 0 ? 1 : rc;
    default:
        rc = krbrepl__build_ready(&r->build);
        return rc == 0 ? switch_over(r) : rc;
    }
}

int krbrepl__repair_finish(krbrepl__repair *r, krbrepl_pos *out)
{
    krbrepl_store *s = r->s;
    int rc = r->broken ? krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                                       "repair: it failed earlier; abort it and begin again")
                       : step(r);

    if (rc == 1)
        return 1;
    if (rc == 0) {
        krbrepl__local_forget(s, &r->touched.gone);
        krbrepl__store_wake_node(s);
        if (out != NULL)
            *out = r->course.pos;
    }
    krbrepl__repair_free(r);
    return rc;
}
