/* range.c: a master's side of a repair: which records a range has, and those of them that a replica lacks.
 *
 * Each call is one short view, of whatever position the store has by then. */
#include "impl.h"

#include <errno.h>
#include <string.h>

/* Bytes of rows after which a call ends: their digests are computed from the content, and values may be large. */
#define READ_MAX (1u << 16)

typedef struct walk {
    krbrepl_store *s;
    krbrepl_bytes to;
    krbrepl__buf *out;
    const krbrepl__wanted *wanted; /* NULL: the digests are what is asked for */
    size_t max, before;            /* bytes to append; the length of `out` before */
    size_t read;                   /* bytes of rows seen */
} walk;

static int is_full(const walk *w)
{
    return w->read >= READ_MAX || w->out->len - w->before >= w->max;
}

static int is_behind(const walk *w, const MDB_val *k)
{
    return w->to.len != 0 && krbrepl__bytes_cmp(k->mv_data, k->mv_size, w->to.data, w->to.len) >= 0;
}

/* What a host's database holds is asked for where it is wanted, and only there: a digest is of the history. */
static int row_of(walk *w, MDB_dbi dbi, const MDB_val *k, const MDB_val *v, krbrepl__row *row)
{
    int rc = 0;

    if (w->s->hosted)
        rc = krbrepl__row_parse(w->s, dbi, k, v, row);
    if (rc == 0 &&
        (!w->s->hosted || (w->wanted != NULL && w->wanted->is(w->wanted->ctx, row->rdigest))))
        rc = krbrepl__row_open(w->s, dbi, k, v, row);
    return rc;
}

static void take(walk *w, const krbrepl__row *row)
{
    if (w->wanted == NULL) {
        krbrepl__buf_bytes(w->out, row->rdigest, KRBREPL__RDIGEST);
    } else if (w->wanted->is(w->wanted->ctx, row->rdigest)) {
        krbrepl__buf_vec32(w->out, row->full.data, row->full.len);
        krbrepl__buf_vec32(w->out, row->value.data, row->value.len);
    }
}

/* From the present record of the cursor on. `next` is left at the first record that was not looked at. */
static int go(walk *w, MDB_cursor *cur, MDB_dbi dbi, MDB_val *k, krbrepl__ckey *next)
{
    krbrepl__row row;
    MDB_val v;
    int rc, e = mdb_cursor_get(cur, k, &v, k->mv_size != 0 ? MDB_SET_RANGE : MDB_FIRST);

    for (; e == 0 && !is_behind(w, k); e = mdb_cursor_get(cur, k, &v, MDB_NEXT)) {
        if (is_full(w))
            return krbrepl__row_key(w->s, k, next);
        rc = row_of(w, dbi, k, &v, &row);
        /* It was changed meanwhile, and comes first in the next call. */
        if (rc == KRBREPL_ERR_CONFLICT && w->read != 0)
            return krbrepl__row_key(w->s, k, next);
        if (rc != 0)
            return rc;
        w->read += v.mv_size;
        take(w, &row);
        if (w->out->err != 0)
            return krbrepl__fail_plain(KRBREPL__EI(w->s), w->out->err);
    }
    return e == MDB_NOTFOUND
               ? 0
               : krbrepl__mdb_fail(w->s->env, KRBREPL__EI(w->s), e, "repair: reading a range");
}

static int walk_in(walk *w, MDB_txn *txn, const struct krbrepl__state *st, krbrepl_bytes from,
                   krbrepl__ckey *next, krbrepl_pos *at)
{
    const MDB_dbi dbi = krbrepl__gen(w->s, st->live);
    MDB_val k = {from.len, (void *)(uintptr_t)from.data};
    MDB_cursor *cur = NULL;
    int rc, e = from.len > KRBREPL__CKEY_MAX ? EINVAL : mdb_cursor_open(txn, dbi, &cur);

    *at = st->pos;
    next->len = 0;
    rc = e == 0 ? go(w, cur, dbi, &k, next)
                : krbrepl__mdb_fail(w->s->env, KRBREPL__EI(w->s), e, "repair: reading a range");
    if (cur != NULL)
        mdb_cursor_close(cur);
    return rc;
}

/* From a record on that is just being changed in a host's database: when that is over, and no further than it. */
static int range_locked(walk *w, krbrepl_bytes from, krbrepl__ckey *next, krbrepl_pos *at)
{
    krbrepl__wtxn t;
    int rc = krbrepl__wtxn_begin(w->s, &t);

    if (rc != 0)
        return rc;
    w->max = 1;
    rc = walk_in(w, t.txn, &t.st, from, next, at);
    krbrepl__wtxn_abort(w->s, &t);
    return rc;
}

static int range_walk(walk *w, krbrepl_bytes from, krbrepl__ckey *next, krbrepl_pos *at)
{
    krbrepl__rtxn r = {0};
    int rc = krbrepl__rtxn_begin(w->s, &r);

    next->len = 0;
    if (rc != 0)
        return rc;
    rc = walk_in(w, r.txn, &r.st, from, next, at);
    krbrepl__rtxn_end(w->s, &r);
    return rc == KRBREPL_ERR_CONFLICT ? range_locked(w, from, next, at) : rc;
}

int krbrepl__store_range(krbrepl_store *s, krbrepl_bytes from, krbrepl_bytes to, size_t max,
                         krbrepl__buf *out, krbrepl__ckey *next, krbrepl_pos *at)
{
    walk w = {s, to, out, NULL, max * KRBREPL__RDIGEST, out->len, 0};

    return range_walk(&w, from, next, at);
}

int krbrepl__store_pick(krbrepl_store *s, krbrepl_bytes from, krbrepl_bytes to,
                        const krbrepl__wanted *wanted, size_t max, krbrepl__buf *out,
                        krbrepl__ckey *next, krbrepl_pos *at)
{
    walk w = {s, to, out, wanted, max, out->len, 0};

    return range_walk(&w, from, next, at);
}
