#include "staging.h"

#include <string.h>

#include "build.h"

#define META "staging"

MDB_dbi krbrepl__staging(const krbrepl_store *s)
{
    return s->env->dbi[KRBREPL__DBI_STAGING];
}

/* ---- entries -------------------------------------------------------------------------------- */

int krbrepl__staged_is_put(const krbrepl__staged *e)
{
    return e->op == KRBREPL__STAGED_PUT || e->op == KRBREPL__STAGED_REPLAYED_PUT;
}

int krbrepl__staged_read(const MDB_val *data, krbrepl__staged *out)
{
    krbrepl_bytes row;
    krbrepl__rd r;

    krbrepl__rd_init(&r, data->mv_data, data->mv_size);
    out->attempt = krbrepl__rd_u32(&r);
    out->op = krbrepl__rd_u8(&r);
    row = krbrepl__rd_view(&r, r.left);
    out->row = (MDB_val){row.len, (void *)(uintptr_t)row.data};
    return r.err == 0 && out->op >= KRBREPL__STAGED_PUT && out->op <= KRBREPL__STAGED_REPLAYED_DELETE &&
           krbrepl__staged_is_put(out) == (row.len != 0);
}

int krbrepl__staged_write(krbrepl_store *s, MDB_txn *txn, krbrepl_bytes ck, const krbrepl__staged *e,
                          krbrepl__staged *was)
{
    MDB_val key = {ck.len, (void *)(uintptr_t)ck.data}, data;
    uint8_t *p;
    int rc = mdb_get(txn, krbrepl__staging(s), &key, &data);

    if (rc != 0 || !krbrepl__staged_read(&data, was))
        memset(was, 0, sizeof *was);
    was->row.mv_data = NULL; /* about to be overwritten */
    data = (MDB_val){KRBREPL__STAGED_HEAD + e->row.mv_size, NULL};
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = mdb_put(txn, krbrepl__staging(s), &key, &data, MDB_RESERVE);
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "repair: gathering");
    p = data.mv_data;
    krbrepl__put_u32(p, e->attempt);
    p[4] = (uint8_t)e->op;
    if (e->row.mv_size != 0)
        memcpy(p + KRBREPL__STAGED_HEAD, e->row.mv_data, e->row.mv_size);
    return 0;
}

/* ---- what is known of it -------------------------------------------------------------------- */

typedef struct known {
    uint32_t attempt;
    unsigned done;
    krbrepl_pos pos;
} known;

static int known_put(krbrepl_store *s, MDB_txn *txn, const known *k)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u32(&b, k->attempt);
    krbrepl__buf_u8(&b, k->done);
    krbrepl__pos_put(&b, &k->pos);
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, txn, META, b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

/* What cannot be read counts as rubbish, and the numbers begin anew behind any that may be in the table. */
static int known_get(krbrepl_store *s, MDB_txn *txn, known *k)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc = krbrepl__meta_get(s, txn, META, &v);

    memset(k, 0, sizeof *k);
    k->done = 1;
    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, v.data, v.len);
    k->attempt = krbrepl__rd_u32(&r);
    k->done = krbrepl__rd_u8(&r);
    krbrepl__pos_get(&r, &k->pos);
    return r.err == 0 ? 0 : KRBREPL_ERR_NOTFOUND;
}

int krbrepl__staging_next(krbrepl_store *s, MDB_txn *txn, uint32_t *attempt)
{
    known k;
    int rc = known_get(s, txn, &k);

    *attempt = k.attempt + 1;
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

int krbrepl__staging_begun(krbrepl_store *s, MDB_txn *txn, uint32_t attempt, const krbrepl_pos *pos)
{
    const known k = {attempt, 0, *pos};

    return known_put(s, txn, &k);
}

int krbrepl__staging_done(krbrepl_store *s, MDB_txn *txn)
{
    known k;
    int rc = known_get(s, txn, &k);

    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    k.done = 1;
    return known_put(s, txn, &k);
}

/* ---- clearing away -------------------------------------------------------------------------- */

/* 1 when there is rubbish, and nobody at work. */
static int is_rubbish(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, int *rubbish)
{
    MDB_stat stat;
    known k;
    int e = mdb_stat(txn, krbrepl__staging(s), &stat), rc;

    *rubbish = 0;
    if (e != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "staging: looking");
    if (stat.ms_entries == 0)
        return 0;
    rc = known_get(s, txn, &k);
    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return rc;
    *rubbish = (k.done || st->role == KRBREPL_ROLE_MASTER || !krbrepl__pos_equal(&k.pos, &st->pos)) &&
               !krbrepl__build_busy(s);
    return 0;
}

static int clear_some(krbrepl_store *s, krbrepl__wtxn *w)
{
    int more = 0, rubbish = 0;
    int rc = is_rubbish(s, w->txn, &w->st, &rubbish);

    if (rc == 0 && rubbish)
        rc = krbrepl__empty_some(s, w->txn, krbrepl__staging(s), "clearing what was gathered", &more);
    if (rc == 0 && rubbish)
        rc = krbrepl__wtxn_commit(s, w);
    krbrepl__wtxn_abort(s, w);
    return rc == 0 ? more : rc;
}

int krbrepl__staging_clear(krbrepl_store *s)
{
    krbrepl__wtxn w = {0};
    krbrepl__rtxn r = {0};
    int rubbish = 0, rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    /* A look first: the writer lock is not taken for nothing. */
    rc = is_rubbish(s, r.txn, &r.st, &rubbish);
    krbrepl__rtxn_end(s, &r);
    if (rc != 0 || !rubbish)
        return rc;
    rc = krbrepl__wtxn_begin(s, &w);
    return rc == 0 ? clear_some(s, &w) : rc;
}
