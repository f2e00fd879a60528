/* mending.h: what the tests of repairs share: two stores, and the plainest walk there is, which looks at every
 * range of the master's records. */
#ifndef MENDING_H
#define MENDING_H

#include "bulk.h"

typedef struct mending {
    krbrepl_store *m, *r;
    krbrepl__repair *repair;
    krbrepl__ckey from; /* of the next range; */
    int begun, end;     /* none was asked for yet; the last one was */
    krbrepl_pos at;     /* of what was read last */
    size_t step;        /* records in a range */
    uint64_t asked, answered;
} mending;

typedef struct wishes {
    uint8_t d[256][KRBREPL__RDIGEST];
    int had[256];
    size_t n;
    int only_missing; /* those that are there are not wished for any more */
} wishes;

static inline int wishes_is(void *ctx, const uint8_t rdigest[16])
{
    wishes *w = ctx;
    size_t i;

    for (i = 0; i < w->n; i++)
        if (memcmp(w->d[i], rdigest, KRBREPL__RDIGEST) == 0) {
            if (w->only_missing)
                return !w->had[i];
            w->had[i] = 1;
            return 1;
        }
    return 0;
}

/* 0, or what the replica's store said. */
static inline int mend_begin(mending *x, int keep_old)
{
    struct krbrepl__state st = store_state(x->m);
    krbrepl__ancestry a = {0};
    int rc;

    OKS(x->m, krbrepl__store_ancestry(x->m, &a));
    rc = krbrepl__repair_begin(x->r, &x->repair, &st.pos, &a, st.cumulative, keep_old);
    krbrepl__ancestry_free(&a);
    x->from.len = 0;
    x->begun = x->end = 0;
    x->asked = x->answered = 0;
    return rc;
}

/* Those of a range that the replica lacks. */
static inline int mend_ask(mending *x, krbrepl_bytes from, krbrepl_bytes to, wishes *w)
{
    const krbrepl__wanted wanted = {w, wishes_is};
    krbrepl__ckey next, at = {.len = from.len};
    krbrepl_bytes full, value;
    krbrepl__buf b;
    krbrepl__rd rd;
    size_t i;
    int rc = 0;

    w->only_missing = 1;
    for (i = 0; i < w->n; i++)
        x->asked += !w->had[i];
    if (from.len != 0)
        memcpy(at.b, from.data, from.len);
    krbrepl__buf_init(&b, 0);
    do {
        krbrepl__buf_reset(&b);
        OKS(x->m, krbrepl__store_pick(x->m, (krbrepl_bytes){at.b, at.len}, to, &wanted, 65536, &b,
                                      &next, &x->at));
        krbrepl__rd_init(&rd, b.data, b.len);
        while (rc == 0 && rd.left > 0) {
            full = krbrepl__rd_vec32(&rd);
            value = krbrepl__rd_vec32(&rd);
            x->answered++;
            rc = krbrepl__repair_put(x->repair, full, value);
        }
        at = next;
    } while (rc == 0 && next.len != 0);
    krbrepl__buf_free(&b);
    return rc;
}

/* One range. */
static inline int mend_step(mending *x)
{
    krbrepl__ckey next;
    krbrepl_bytes from, to;
    krbrepl__wanted wanted;
    wishes *w = calloc(1, sizeof *w);
    krbrepl__buf b;
    int rc;

    assert_non_null(w);
    wanted = (krbrepl__wanted){w, wishes_is};
    from = (krbrepl_bytes){x->from.b, x->from.len};
    krbrepl__buf_init(&b, 0);
    OKS(x->m, krbrepl__store_range(x->m, from, (krbrepl_bytes){NULL, 0}, x->step, &b, &next, &x->at));
    assert_true(b.len % KRBREPL__RDIGEST == 0 && b.len <= sizeof w->d);
    w->n = b.len / KRBREPL__RDIGEST;
    if (b.len != 0)
        memcpy(w->d, b.data, b.len);
    krbrepl__buf_free(&b);
    to = (krbrepl_bytes){next.b, next.len};
    do
        rc = krbrepl__repair_range(x->repair, from, to, &wanted);
    while (rc == 1);
    if (rc == 0)
        rc = mend_ask(x, from, to, w);
    free(w);
    x->from = next;
    x->begun = 1;
    x->end = next.len == 0;
    return rc;
}

/* The commits since it began. */
static inline int mend_replay(mending *x)
{
    krbrepl__batch batch;
    krbrepl_bytes commit;
    krbrepl__buf b;
    krbrepl__rd rd;
    int rc = 0;

    krbrepl__buf_init(&b, 0);
    while (rc == 0 && krbrepl__repair_pos(x->repair)->seq < x->at.seq) {
        krbrepl__buf_reset(&b);
        OKS(x->m,
            krbrepl__store_read_commits(x->m, krbrepl__repair_pos(x->repair)->seq + 1, 1, &b, &batch));
        krbrepl__rd_init(&rd, b.data, b.len);
        commit = krbrepl__rd_vec32(&rd);
        rc = krbrepl__repair_apply(x->repair, &commit, 1);
    }
    krbrepl__buf_free(&b);
    return rc;
}

static inline int mend_finish(mending *x)
{
    krbrepl_pos out;
    int rc;

    do
        rc = krbrepl__repair_finish(x->repair, &out);
    while (rc == 1);
    x->repair = NULL;
    if (rc == 0)
        assert_true(krbrepl__pos_equal(&out, &x->at));
    return rc;
}

/* All of it; what is left of a repair that failed is thrown away. */
static inline int mend(mending *x, int keep_old)
{
    int rc = mend_begin(x, keep_old);

    while (rc == 0 && !x->end)
        rc = mend_step(x);
    if (rc == 0)
        rc = mend_replay(x);
    if (rc == 0)
        return mend_finish(x);
    krbrepl__repair_abort(x->repair);
    x->repair = NULL;
    return rc;
}

static inline void assert_mended(mending *x)
{
    content c = store_content(x->m);
    struct krbrepl__state m = store_state(x->m), r = store_state(x->r);

    assert_content(x->r, &c);
    assert_int_equal(m.cumulative, r.cumulative);
    assert_int_equal(m.known_epoch, r.known_epoch);
    assert_int_equal(r.records, c.records);
    assert_int_equal(r.journal_first, r.pos.seq + 1);
}

/* Changes the live content behind everybody's back. */
static inline void alter(krbrepl_store *s, const char *key, size_t key_len, const void *value, size_t n)
{
    krbrepl__wtxn w = {0};
    krbrepl__rkey k;
    int created = 0;

    OKS(s, krbrepl__rkey_make(s, "principal", (krbrepl_bytes){key, key_len}, &k));
    OKS(s, krbrepl__wtxn_begin(s, &w));
    if (value == NULL) {
        int rc = krbrepl__row_del(s, w.txn, krbrepl__gen(s, w.st.live), &k);

        assert_true(rc == 0 || rc == KRBREPL_ERR_NOTFOUND);
        w.st.records -= rc == 0;
    } else {
        OKS(s, krbrepl__row_put(s, w.txn, krbrepl__gen(s, w.st.live), &k, (krbrepl_bytes){value, n}, 0,
                                &created));
        w.st.records += (uint64_t)created;
    }
    OKS(s, krbrepl__wtxn_commit(s, &w));
}

static inline void mending_make(mending *x, const tmpdir *t, const char *m, const char *r)
{
    memset(x, 0, sizeof *x);
    x->m = store_make(t, m, KRBREPL_CREATE_MASTER);
    x->r = store_make(t, r, 0);
    x->step = 16;
    OKS(x->r, krbrepl__store_adopt(x->r, bulk_id));
}

static inline void mending_close(mending *x)
{
    krbrepl__store_close(x->m);
    krbrepl__store_close(x->r);
}

#endif
