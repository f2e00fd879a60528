/* pairing.h: what the tests of full copies share: a master, a replica, and the road between them. */
#ifndef PAIRING_H
#define PAIRING_H

#include "bulk.h"

/* ---- a pair of stores ----------------------------------------------------------------------- */

typedef struct pair {
    krbrepl_store *m, *r;
    krbrepl__copy *copy;
    krbrepl__ckey after;
    int end;
    krbrepl_pos at; /* of the last slice */
} pair;

static inline void pair_make(pair *p, const tmpdir *t, const char *m, const char *r)
{
    memset(p, 0, sizeof *p);
    p->m = store_make(t, m, KRBREPL_CREATE_MASTER);
    p->r = store_make(t, r, 0);
    OKS(p->r, krbrepl__store_adopt(p->r, bulk_id));
}

static inline void pair_close(pair *p)
{
    krbrepl__store_close(p->m);
    krbrepl__store_close(p->r);
}

static inline void copy_start(pair *p)
{
    struct krbrepl__state st = store_state(p->m);
    krbrepl__ancestry a = {0};

    OKS(p->m, krbrepl__store_ancestry(p->m, &a));
    OKS(p->r, krbrepl__copy_begin(p->r, &p->copy, &st.pos, &a, st.cumulative, 0, 0));
    krbrepl__ancestry_free(&a);
    p->after.len = 0;
    p->end = 0;
}

/* One slice from the master into the copy. */
static inline void copy_step(pair *p, size_t max)
{
    krbrepl__buf b;
    krbrepl__rd rd;
    krbrepl_bytes full, value;

    krbrepl__buf_init(&b, 0);
    OKS(p->m, krbrepl__store_copy_slice(p->m, &p->after, max, &b, &p->end, &p->at));
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rd.left > 0) {
        full = krbrepl__rd_vec32(&rd);
        value = krbrepl__rd_vec32(&rd);
        assert_int_equal(rd.err, 0);
        OKS(p->r, krbrepl__copy_put(p->copy, full, value));
    }
    krbrepl__buf_free(&b);
}

/* The commits from `from` up to `to` of the master, taken apart; the answer of `take`. */
typedef int take_fn(void *ctx, const krbrepl_bytes *commit, size_t n);

static inline int each_batch(krbrepl_store *m, uint64_t from, uint64_t to, take_fn *take, void *ctx)
{
    krbrepl_bytes commit[64];
    krbrepl__batch batch;
    krbrepl__buf b;
    krbrepl__rd rd;
    size_t n;
    int rc = 0;

    krbrepl__buf_init(&b, 0);
    while (rc == 0 && from <= to) {
        krbrepl__buf_reset(&b);
        OKS(m, krbrepl__store_read_commits(m, from, 4096, &b, &batch));
        assert_true(batch.count > 0);
        krbrepl__rd_init(&rd, b.data, b.len);
        for (n = 0; rd.left > 0 && from <= to; from++) {
            assert_true(n < 64);
            commit[n++] = krbrepl__rd_vec32(&rd);
        }
        rc = take(ctx, commit, n);
    }
    krbrepl__buf_free(&b);
    return rc;
}

static inline int take_copy(void *ctx, const krbrepl_bytes *commit, size_t n)
{
    return krbrepl__copy_apply(ctx, commit, n);
}

static inline int take_apply(void *ctx, const krbrepl_bytes *commit, size_t n)
{
    return krbrepl__store_apply(ctx, commit, n, NULL);
}

/* From the copy's position to that of the last slice, then the switch. */
static inline void copy_finish(pair *p)
{
    krbrepl_pos out;

    OKS(p->r, each_batch(p->m, krbrepl__copy_pos(p->copy)->seq + 1, p->at.seq, take_copy, p->copy));
    assert_true(krbrepl__pos_equal(krbrepl__copy_pos(p->copy), &p->at));
    OKS(p->r, krbrepl__copy_switch(p->copy, &out));
    assert_true(krbrepl__pos_equal(&out, &p->at));
    p->copy = NULL;
}

static inline void catch_up(pair *p)
{
    OKS(p->r, each_batch(p->m, store_pos(p->r).seq + 1, store_pos(p->m).seq, take_apply, p->r));
}

static inline void assert_equal_stores(pair *p)
{
    content c = store_content(p->m);
    struct krbrepl__state m = store_state(p->m), r = store_state(p->r);

    assert_content(p->r, &c);
    assert_int_equal(m.cumulative, r.cumulative);
    assert_int_equal(m.known_epoch, r.known_epoch);
}

static inline void fill(krbrepl_store *s, uint64_t *seed, unsigned commits)
{
    while (commits-- > 0)
        random_commit(s, seed, 400);
}

static inline void copy_whole(pair *p)
{
    copy_start(p);
    while (!p->end)
        copy_step(p, 65536);
    copy_finish(p);
}

#endif
