/* repair.c: gathering what differs.
 *
 * What is to be changed is kept in memory up to a slice's worth and then written to the table `staging`, together
 * with the number of the attempt. Nothing that is live is touched before the end (repairend.c). */
#include "repair.h"

#include <string.h>

#include <krbrepl/error.h>

/* What has arrived is not kept from the disk for longer than this. */
#define PENDING_MS 1000u
/* Bytes of rows after which a piece of a range ends. */
#define READ_MAX (1u << 18)
/* Records between two looks at the clock. */
#define LOOK_EVERY 64u

static uint64_t now_ms(const krbrepl_store *s)
{
    return s->sys->mono_ms(s->sys->ctx);
}

int krbrepl__repair_check(const krbrepl__repair *r, const krbrepl__wtxn *w)
{
    /* What was compared is not there any more. */
    if (!krbrepl__pos_equal(&w->st.pos, &r->start))
        return krbrepl__fail(KRBREPL__EI(r->s), KRBREPL_ERR_CONFLICT,
                             "repair: the store has moved to %llu meanwhile; try again",
                             (unsigned long long)w->st.pos.seq);
    return krbrepl__course_check(&r->course, w);
}

static int check(void *ctx, const krbrepl__wtxn *w)
{
    return krbrepl__repair_check(ctx, w);
}

/* ---- begin and end -------------------------------------------------------------------------- */

void krbrepl__repair_free(krbrepl__repair *r)
{
    krbrepl__build_end(&r->build);
    krbrepl__unlock_file(r->s, &r->lock);
    krbrepl__course_free(&r->course);
    krbrepl__buf_free(&r->pending);
    krbrepl__touched_free(&r->touched);
    krbrepl__free(r, sizeof *r);
}

/* Where the store is, and what may begin there. */
static int look(krbrepl__repair *r)
{
    krbrepl__wtxn as_if = {0};
    krbrepl__rtxn rt = {0};
    int rc = krbrepl__rtxn_begin(r->s, &rt);

    if (rc != 0)
        return rc;
    as_if.st = rt.st;
    r->start = rt.st.pos;
    rc = krbrepl__repair_check(r, &as_if);
    if (rc == 0)
        rc = krbrepl__staging_next(r->s, rt.txn, &r->attempt);
    krbrepl__rtxn_end(r->s, &rt);
    return rc;
}

int krbrepl__repair_begin(krbrepl_store *s, krbrepl__repair **out, const krbrepl_pos *from,
                          const krbrepl__ancestry *ancestry, uint64_t cumulative, int keep_old)
{
    krbrepl__repair *r = krbrepl__alloc(sizeof *r);
    int rc;

    *out = NULL;
    if (r == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    r->s = s;
    r->lock = -1;
    r->keep_old = keep_old;
    r->build = (krbrepl__build){.s = s, .as = KRBREPL__OTHER_BUILT, .check = check, .ctx = r};
    r->written_ms = now_ms(s);
    krbrepl__buf_init(&r->pending, 0);
    krbrepl__touched_init(&r->touched);
    rc = krbrepl__course_init(&r->course, s, "repair", from, ancestry, cumulative);
    if (rc == 0)
        rc = krbrepl__build_lock(s, &r->lock);
    if (rc == 0)
        rc = look(r);
    if (rc != 0) {
        krbrepl__repair_free(r);
        return rc;
    }
    *out = r;
    return 0;
}

const krbrepl_pos *krbrepl__repair_pos(const krbrepl__repair *r)
{
    return &r->course.pos;
}

void krbrepl__repair_sum_get(const krbrepl__repair *r, krbrepl__repair_sum *out)
{
    *out = r->sum;
    out->entries = r->entries;
}

void krbrepl__repair_abort(krbrepl__repair *r)
{
    krbrepl_errinfo keep;

    if (r == NULL)
        return;
    keep = r->s->ei;
    /* What arrived is there for the next one. In a forked child it is the parent's. */
    if (!krbrepl__store_forked(r->s) && !r->broken)
        (void)krbrepl__repair_flush(r);
    r->s->ei = keep;
    krbrepl__repair_free(r);
}

/* ---- writing what was gathered -------------------------------------------------------------- */

static int note_attempt(krbrepl__repair *r)
{
    int rc = r->noted ? 0 : krbrepl__staging_begun(r->s, r->build.w.txn, r->attempt, &r->start);

    r->noted = 1;
    return rc;
}

/* An entry counts, or (`sign` -1) does not count any more. */
static void count(krbrepl__repair *r, const krbrepl__staged *e, uint64_t sign)
{
    r->entries += sign;
    r->bytes += sign * (KRBREPL__STAGED_HEAD + e->row.mv_size);
    r->sum.deletes += e->op == KRBREPL__STAGED_DELETE ? sign : 0;
    if (e->op == KRBREPL__STAGED_PUT) {
        r->sum.puts += sign;
        r->sum.bytes += sign * e->row.mv_size;
    }
}

static int write_entry(krbrepl__repair *r, unsigned op, krbrepl_bytes ck, krbrepl_bytes row)
{
    const krbrepl__staged e = {r->attempt, op, {row.len, (void *)(uintptr_t)row.data}};
    krbrepl__staged was = {0};
    int rc = krbrepl__build_slice(&r->build);

    if (rc == 0)
        rc = note_attempt(r);
    if (rc == 0)
        rc = krbrepl__staged_write(r->s, r->build.w.txn, ck, &e, &was);
    if (rc != 0)
        return rc;
    if (was.attempt == r->attempt)
        count(r, &was, UINT64_MAX);
    count(r, &e, 1);
    return krbrepl__build_wrote(&r->build, ck.len + row.len);
}

int krbrepl__repair_flush(krbrepl__repair *r)
{
    krbrepl_bytes ck, row;
    krbrepl__rd rd;
    unsigned op;
    int rc = 0;

    krbrepl__rd_init(&rd, r->pending.data, r->pending.len);
    while (rc == 0 && rd.left > 0) {
        op = krbrepl__rd_u8(&rd);
        ck = krbrepl__rd_vec16(&rd);
        row = krbrepl__rd_vec32(&rd);
        rc = rd.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(r->s), rd.err) : write_entry(r, op, ck, row);
    }
    if (rc == 0)
        rc = krbrepl__build_flush(&r->build);
    krbrepl__buf_reset(&r->pending);
    r->written_ms = now_ms(r->s);
    r->broken |= rc != 0;
    return rc;
}

/* Takes note of a change. What is lost here would be missing at the end. */
static int gather(krbrepl__repair *r, unsigned op, krbrepl_bytes ck, krbrepl_bytes row)
{
    krbrepl__buf_u8(&r->pending, op);
    krbrepl__buf_vec16(&r->pending, ck.data, ck.len);
    krbrepl__buf_vec32(&r->pending, row.data, row.len);
    if (r->pending.err == 0)
        return 0;
    r->broken = 1;
    return krbrepl__fail_plain(KRBREPL__EI(r->s), r->pending.err);
}

static int broken(const krbrepl__repair *r)
{
    return krbrepl__fail(KRBREPL__EI(r->s), KRBREPL_ERR_STATE,
                         "repair: it failed earlier; abort it and begin again");
}

static int gather_put(krbrepl__repair *r, unsigned op, const krbrepl__rkey *k, krbrepl_bytes value)
{
    krbrepl__buf row;
    int rc;

    krbrepl__buf_init(&row, 0);
    rc = krbrepl__row_encode(r->s, k, value, 0, &row);
    if (rc == 0)
        rc = gather(r, op, (krbrepl_bytes){k->ck.b, k->ck.len}, (krbrepl_bytes){row.data, row.len});
    r->broken |= rc != 0;
    krbrepl__buf_free(&row);
    return rc;
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* The live records and the gathered ones of a range, side by side. */
typedef struct side {
    MDB_cursor *cur;
    MDB_val k, v;
    int end;
} side;

typedef struct pair {
    krbrepl__repair *r;
    krbrepl_bytes to;
    const krbrepl__wanted *wanted;
    MDB_dbi live;
    side own, staged;
    size_t read;
    unsigned n;
    uint64_t since;
} pair;

static int side_moved(pair *p, side *x, int e)
{
    x->end = e == MDB_NOTFOUND;
    if (e != 0 && !x->end)
        return krbrepl__mdb_fail(p->r->s->env, KRBREPL__EI(p->r->s), e, "repair: comparing");
    if (!x->end && p->to.len != 0 &&
        krbrepl__bytes_cmp(x->k.mv_data, x->k.mv_size, p->to.data, p->to.len) >= 0)
        x->end = 1;
    return 0;
}

static int side_begin(pair *p, side *x, MDB_txn *txn, MDB_dbi dbi, krbrepl_bytes from)
{
    int e = mdb_cursor_open(txn, dbi, &x->cur);

    x->k = (MDB_val){from.len, (void *)(uintptr_t)from.data};
    if (e == 0)
        e = mdb_cursor_get(x->cur, &x->k, &x->v, from.len != 0 ? MDB_SET_RANGE : MDB_FIRST);
    return side_moved(p, x, e);
}

static int side_next(pair *p, side *x)
{
    return side_moved(p, x, mdb_cursor_get(x->cur, &x->k, &x->v, MDB_NEXT));
}

/* 1 when a row is whole and wanted; it is told to whoever wants it. Negative: an error. */
static int is_wanted(pair *p, const MDB_val *ck, const MDB_val *row)
{
    uint8_t digest[KRBREPL__RDIGEST];
    krbrepl__row taken;
    int rc = krbrepl__row_found(p->r->s, ck, row, &taken, digest);

    p->read += row->mv_size;
    return rc < 0 ? rc : rc == 0 && p->wanted->is(p->wanted->ctx, digest) != 0;
}

/* 1: what an earlier attempt brought is used again. */
static int revive(pair *p)
{
    const MDB_val ck = p->staged.k;
    krbrepl__staged e;
    int rc;

    if (!krbrepl__staged_read(&p->staged.v, &e) || !krbrepl__staged_is_put(&e))
        return 0;
    rc = is_wanted(p, &ck, &e.row);
    if (rc != 1)
        return rc;
    rc = gather(p->r, KRBREPL__STAGED_PUT, (krbrepl_bytes){ck.mv_data, ck.mv_size},
                (krbrepl_bytes){e.row.mv_data, e.row.mv_size});
    return rc == 0 ? 1 : rc;
}

/* One canonical key: which side has it is said by `own` and `staged`. */
static int judge(pair *p, int own, int staged)
{
    const MDB_val ck = own ? p->own.k : p->staged.k;
    int rc = own ? is_wanted(p, &ck, &p->own.v) : 0;

    if (rc == 0 && staged)
        rc = revive(p);
    if (rc == 0 && own && !(KRBREPL__MUTANT(skip_delete) && p->n == 1))
        rc = gather(p->r, KRBREPL__STAGED_DELETE, (krbrepl_bytes){ck.mv_data, ck.mv_size},
                    (krbrepl_bytes){NULL, 0});
    return rc == 1 ? 0 : rc;
}

static int piece_is_full(pair *p)
{
    if (p->read >= READ_MAX || p->r->pending.len >= KRBREPL__SLICE_BYTES)
        return 1;
    return ++p->n % LOOK_EVERY == 0 && now_ms(p->r->s) - p->since >= KRBREPL__SLICE_MS;
}

/* 1: the piece is full, and the range goes on. */
static int compare(pair *p)
{
    int c, rc = 0;

    while (rc == 0 && !(p->own.end && p->staged.end)) {
        c = p->own.end      ? 1
            : p->staged.end ? -1
                            : krbrepl__bytes_cmp(p->own.k.mv_data, p->own.k.mv_size,
                                                 p->staged.k.mv_data, p->staged.k.mv_size);
        if (piece_is_full(p)) {
            rc = krbrepl__row_key(p->r->s, c <= 0 ? &p->own.k : &p->staged.k, &p->r->at);
            return rc == 0 ? 1 : rc;
        }
        rc = judge(p, c <= 0, c >= 0);
        if (rc == 0 && c <= 0)
            rc = side_next(p, &p->own);
        if (rc == 0 && c >= 0)
            rc = side_next(p, &p->staged);
    }
    return rc;
}

static int range_piece(krbrepl__repair *r, pair *p, krbrepl_bytes from)
{
    krbrepl__wtxn as_if = {0};
    krbrepl__rtxn rt = {0};
    int rc = krbrepl__rtxn_begin(r->s, &rt);

    if (rc != 0)
        return rc;
    as_if.st = rt.st;
    rc = krbrepl__repair_check(r, &as_if);
    p->live = krbrepl__gen(r->s, rt.st.live);
    if (rc == 0)
        rc = side_begin(p, &p->own, rt.txn, p->live, from);
    if (rc == 0)
        rc = side_begin(p, &p->staged, rt.txn, krbrepl__staging(r->s), from);
    if (rc == 0)
        rc = compare(p);
    if (p->own.cur != NULL)
        mdb_cursor_close(p->own.cur);
    if (p->staged.cur != NULL)
        mdb_cursor_close(p->staged.cur);
    krbrepl__rtxn_end(r->s, &rt);
    return rc;
}

int krbrepl__repair_range(krbrepl__repair *r, krbrepl_bytes from, krbrepl_bytes to,
                          const krbrepl__wanted *wanted)
{
    pair p = {.r = r, .to = to, .wanted = wanted, .since = now_ms(r->s)};
    int rc, more;

    if (r->broken || r->applying || r->stage != KRBREPL__REPAIR_GATHER)
        return broken(r);
    if (from.len > KRBREPL__CKEY_MAX)
        return krbrepl__fail(KRBREPL__EI(r->s), KRBREPL_ERR_PROTO, "repair: a malformed range came");
    if (r->at.len != 0)
        from = (krbrepl_bytes){r->at.b, r->at.len};
    more = range_piece(r, &p, from);
    rc = more < 0 ? more : 0;
    if (more == 0)
        r->at.len = 0;
    if (rc == 0 && r->pending.len >= KRBREPL__SLICE_BYTES)
        rc = krbrepl__repair_flush(r);
    r->broken |= rc != 0;
    return rc == 0 ? more : rc;
}

/* ---- records and commits -------------------------------------------------------------------- */

static int rkey_of(krbrepl__repair *r, krbrepl_bytes full, char table[KRBREPL_MAX_TABLE + 1],
                   krbrepl__rkey *k)
{
    const size_t n = krbrepl__fullkey_table(full);

    if (n == 0 || n > KRBREPL_MAX_TABLE)
        return krbrepl__fail(KRBREPL__EI(r->s), KRBREPL_ERR_PROTO,
                             "repair: a record with a malformed key came");
    memcpy(table, full.data, n);
    table[n] = '\0';
    return krbrepl__rkey_make(r->s, table,
                              (krbrepl_bytes){(const uint8_t *)full.data + n + 1, full.len - n - 1}, k);
}

int krbrepl__repair_put(krbrepl__repair *r, krbrepl_bytes full_key, krbrepl_bytes value)
{
    char table[KRBREPL_MAX_TABLE + 1];
    krbrepl__rkey k;
    int rc;

    if (r->broken || r->applying || r->stage != KRBREPL__REPAIR_GATHER)
        return broken(r);
    rc = rkey_of(r, full_key, table, &k);
    if (rc == 0 && value.len > KRBREPL_MAX_VALUE)
        rc = krbrepl__fail(KRBREPL__EI(r->s), KRBREPL_ERR_PROTO,
                           "repair: a record with a value of %zu bytes came", value.len);
    if (rc == 0)
        rc = gather_put(r, KRBREPL__STAGED_PUT, &k, value);
    if (rc != 0 || (r->pending.len < KRBREPL__SLICE_BYTES && now_ms(r->s) - r->written_ms < PENDING_MS))
        return rc;
    return krbrepl__repair_flush(r);
}

static int apply_changes(krbrepl__repair *r, const krbrepl__commit *m)
{
    krbrepl__change_it it;
    krbrepl__change_view v;
    krbrepl__rkey k;
    int more, rc = 0;

    if (m->kind != KRBREPL_COMMIT_CHANGES)
        return 0;
    krbrepl__commit_each(m, &it);
    while (rc == 0 && (more = krbrepl__commit_next(&it, &v)) != 0) {
        if (more < 0)
            return krbrepl__fail_plain(KRBREPL__EI(r->s), more);
        rc = krbrepl__rkey_make(r->s, v.table, v.key, &k);
        if (rc == 0 && v.op == KRBREPL_PUT)
            rc = gather_put(r, KRBREPL__STAGED_REPLAYED_PUT, &k, v.value);
        else if (rc == 0)
            rc = gather(r, KRBREPL__STAGED_REPLAYED_DELETE, (krbrepl_bytes){k.ck.b, k.ck.len},
                        (krbrepl_bytes){NULL, 0});
        if (rc == 0 && r->pending.len >= KRBREPL__SLICE_BYTES)
            rc = krbrepl__repair_flush(r);
    }
    return rc;
}

int krbrepl__repair_apply(krbrepl__repair *r, const krbrepl_bytes *commit, size_t n)
{
    krbrepl__commit m;
    size_t i;
    int rc = 0;

    if (r->broken || r->stage != KRBREPL__REPAIR_GATHER)
        return broken(r);
    r->applying = 1;
    for (i = 0; rc == 0 && i < n; i++) {
        rc = krbrepl__course_read(&r->course, commit[i], &m);
        if (rc == 0)
            rc = apply_changes(r, &m);
        if (rc == 0)
            rc = krbrepl__course_move(&r->course, &m);
    }
    r->broken |= rc != 0;
    return rc;
}
