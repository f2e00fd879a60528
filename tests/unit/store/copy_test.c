/* Full copies: whatever happens on the master while its slices are read, the replica ends up with exactly
 * its content. */
#include "bulk.h"

static int setup(void **state)
{
    static tmpdir t;

    tmpdir_make(&t);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    tmpdir_remove(*state);
    return 0;
}

/* ---- a pair of stores ----------------------------------------------------------------------- */

typedef struct pair {
    krbrepl_store *m, *r;
    krbrepl__copy *copy;
    krbrepl__ckey after;
    int end;
    krbrepl_pos at; /* of the last slice */
} pair;

static void pair_make(pair *p, const tmpdir *t, const char *m, const char *r)
{
    memset(p, 0, sizeof *p);
    p->m = store_make(t, m, KRBREPL_CREATE_MASTER);
    p->r = store_make(t, r, 0);
    OKS(p->r, krbrepl__store_adopt(p->r, bulk_id));
}

static void pair_close(pair *p)
{
    krbrepl__store_close(p->m);
    krbrepl__store_close(p->r);
}

static void copy_start(pair *p)
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
static void copy_step(pair *p, size_t max)
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

static int each_batch(krbrepl_store *m, uint64_t from, uint64_t to, take_fn *take, void *ctx)
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

static int take_copy(void *ctx, const krbrepl_bytes *commit, size_t n)
{
    return krbrepl__copy_apply(ctx, commit, n);
}

static int take_apply(void *ctx, const krbrepl_bytes *commit, size_t n)
{
    return krbrepl__store_apply(ctx, commit, n, NULL);
}

/* From the copy's position to that of the last slice, then the switch. */
static void copy_finish(pair *p)
{
    krbrepl_pos out;

    OKS(p->r, each_batch(p->m, krbrepl__copy_pos(p->copy)->seq + 1, p->at.seq, take_copy, p->copy));
    assert_true(krbrepl__pos_equal(krbrepl__copy_pos(p->copy), &p->at));
    OKS(p->r, krbrepl__copy_switch(p->copy, &out));
    assert_true(krbrepl__pos_equal(&out, &p->at));
    p->copy = NULL;
}

static void catch_up(pair *p)
{
    OKS(p->r, each_batch(p->m, store_pos(p->r).seq + 1, store_pos(p->m).seq, take_apply, p->r));
}

static void assert_equal_stores(pair *p)
{
    content c = store_content(p->m);
    struct krbrepl__state m = store_state(p->m), r = store_state(p->r);

    assert_content(p->r, &c);
    assert_int_equal(m.cumulative, r.cumulative);
    assert_int_equal(m.known_epoch, r.known_epoch);
}

static void fill(krbrepl_store *s, uint64_t *seed, unsigned commits)
{
    while (commits-- > 0)
        random_commit(s, seed, 400);
}

static void copy_whole(pair *p)
{
    copy_start(p);
    while (!p->end)
        copy_step(p, 65536);
    copy_finish(p);
}

/* ---- promises ------------------------------------------------------------------------------- */

static void copy_under_concurrent_commits_converges_exactly(void **state)
{
    uint64_t seed;
    unsigned n, i;
    char m[16], r[16];
    pair p;

    for (i = 1; i <= 12; i++) {
        seed = i * 1000003;
        snprintf(m, sizeof m, "m%u", i);
        snprintf(r, sizeof r, "r%u", i);
        pair_make(&p, *state, m, r);
        fill(p.m, &seed, 150);
        copy_start(&p);
        while (!p.end) {
            copy_step(&p, 1 + rnd(&seed) % 4000);
            for (n = rnd(&seed) % 4; n > 0; n--)
                random_commit(p.m, &seed, 400);
            if (rnd(&seed) % 16 == 0)
                OKS(p.m, krbrepl__promote(p.m, "dave", NULL));
        }
        copy_finish(&p);
        fill(p.m, &seed, 20);
        catch_up(&p);
        assert_equal_stores(&p);
        pair_close(&p);
    }
}

static void ancestry_of_the_replica_becomes_the_master_s(void **state)
{
    krbrepl__ancestry a = {0}, b = {0};
    uint64_t seed = 5;
    pair p;
    size_t i;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 30);
    OKS(p.m, krbrepl__promote(p.m, "before", NULL));
    copy_start(&p);
    OKS(p.m, krbrepl__promote(p.m, "during", NULL));
    fill(p.m, &seed, 3);
    while (!p.end)
        copy_step(&p, 2000);
    copy_finish(&p);
    OKS(p.m, krbrepl__promote(p.m, "after", NULL));
    catch_up(&p);
    OKS(p.m, krbrepl__store_ancestry(p.m, &a));
    OKS(p.r, krbrepl__store_ancestry(p.r, &b));
    assert_int_equal(a.n, 3);
    assert_int_equal(b.n, 3);
    for (i = 0; i < 3; i++)
        assert_true(krbrepl__pos_equal(&a.at[i], &b.at[i]));
    krbrepl__ancestry_free(&a);
    krbrepl__ancestry_free(&b);
    assert_equal_stores(&p);
    pair_close(&p);
}

static void slices_hold_every_record_once_in_key_order(void **state)
{
    krbrepl__ckey after = {.len = 0}, last = {.len = 0}, ck;
    krbrepl_store *m = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_bytes full, value;
    uint64_t seed = 9, n = 0;
    krbrepl__buf b;
    krbrepl__rd rd;
    krbrepl_pos at;
    int end = 0;

    fill(m, &seed, 200);
    krbrepl__buf_init(&b, 0);
    while (!end) {
        krbrepl__buf_reset(&b);
        OKS(m, krbrepl__store_copy_slice(m, &after, 1, &b, &end, &at)); /* one record each */
        krbrepl__rd_init(&rd, b.data, b.len);
        full = krbrepl__rd_vec32(&rd);
        value = krbrepl__rd_vec32(&rd);
        assert_int_equal(krbrepl__rd_end(&rd), 0);
        OK(krbrepl__ckey_from_full(m->sha, full, &ck));
        assert_true(krbrepl__bytes_cmp(ck.b, ck.len, last.b, last.len) > 0);
        assert_true(value.len < 300);
        last = ck;
        n++;
    }
    assert_int_equal(n, store_content(m).records);
    /* Behind the last there is nothing, also when the last has been deleted. */
    krbrepl__buf_reset(&b);
    OKS(m, krbrepl__store_copy_slice(m, &after, 1000, &b, &end, &at));
    assert_true(end && b.len == 0);
    krbrepl__buf_free(&b);
    krbrepl__store_close(m);
}

static void copy_of_an_empty_master_empties_the_replica(void **state)
{
    uint64_t seed = 3;
    pair p;

    pair_make(&p, *state, "m", "r");
    copy_whole(&p);
    assert_equal_stores(&p);
    fill(p.m, &seed, 50);
    copy_whole(&p);
    assert_equal_stores(&p);
    pair_close(&p);
}

static void aborted_copy_leaves_the_old_content_live(void **state)
{
    uint64_t seed = 4;
    content before;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 60);
    copy_whole(&p);
    before = store_content(p.r);
    fill(p.m, &seed, 60);
    copy_start(&p);
    copy_step(&p, 2000);
    copy_step(&p, 2000);
    krbrepl__copy_abort(p.copy);
    krbrepl__copy_abort(NULL);
    assert_content(p.r, &before);
    catch_up(&p); /* and it goes on from where it was */
    assert_equal_stores(&p);
    copy_whole(&p);
    assert_equal_stores(&p);
    pair_close(&p);
}

static void readers_of_the_replica_see_one_content_or_the_other(void **state)
{
    krbrepl_view *v = NULL;
    uint8_t root[32];
    uint64_t seed = 14;
    content before;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 60);
    copy_whole(&p);
    before = store_content(p.r);
    OKS(p.r, krbrepl__view_open(p.r, &v));
    fill(p.m, &seed, 60);
    copy_whole(&p);
    OKS(p.r, krbrepl__view_digest(v, root, NULL));
    assert_memory_equal(root, before.root, 32);
    krbrepl__view_close(v);
    assert_equal_stores(&p);
    pair_close(&p);
}

static void reset_among_the_commits_asks_for_a_new_copy(void **state)
{
    krbrepl__wtxn w = {0};
    krbrepl__commit c;
    krbrepl_bytes enc;
    uint64_t seed = 6;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 20);
    copy_start(&p);
    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_RESET;
    OKS(p.m, krbrepl__wtxn_begin(p.m, &w));
    OKS(p.m, krbrepl__journal_append(p.m, &w, &c));
    OKS(p.m, krbrepl__journal_get(p.m, w.txn, &w.st, w.id, w.st.pos.seq, &enc, NULL));
    assert_int_equal(krbrepl__copy_apply(p.copy, &enc, 1), KRBREPL_ERR_TRIMMED);
    krbrepl__wtxn_abort(p.m, &w);
    krbrepl__copy_abort(p.copy);
    assert_int_equal(store_content(p.r).records, 0);
    pair_close(&p);
}

static void what_does_not_follow_is_refused(void **state)
{
    uint8_t other[16] = {1};
    const krbrepl_change change = {sizeof change, "principal", BYTES("k"), BYTES("v"), KRBREPL_PUT};
    krbrepl__commit c;
    krbrepl_pos pos;
    krbrepl__buf b, body;
    pair p;
    struct {
        uint64_t seq, epoch;
        const uint8_t *lineage;
        int expected;
    } bad[] = {{4, 2, NULL, KRBREPL_ERR_PROTO},
               {2, 2, NULL, KRBREPL_ERR_PROTO},
               {3, 1, NULL, KRBREPL_ERR_FENCED},
               {3, 2, other, KRBREPL_ERR_DIVERGED},
               {3, 3, NULL, KRBREPL_ERR_PROTO}};
    size_t i;

    pair_make(&p, *state, "m", "r");
    OKS(p.m, krbrepl__promote(p.m, "epoch 2", &pos));
    assert_int_equal(pos.seq, 2);
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&body, 0);
    krbrepl__change_put(&body, &change);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        copy_start(&p);
        memset(&c, 0, sizeof c);
        c.kind = KRBREPL_COMMIT_CHANGES;
        c.seq = bad[i].seq;
        c.epoch = bad[i].epoch;
        memcpy(c.lineage, bad[i].lineage != NULL ? bad[i].lineage : pos.lineage, 16);
        c.nchanges = 1;
        c.body = (krbrepl_bytes){body.data, body.len};
        krbrepl__buf_reset(&b);
        krbrepl__commit_put(&b, &c);
        assert_int_equal(krbrepl__copy_apply(p.copy, &(krbrepl_bytes){b.data, b.len}, 1),
                         bad[i].expected);
        /* What failed once is only good for being aborted. */
        assert_int_equal(krbrepl__copy_put(p.copy, BYTES("t\0k"), BYTES("v")), KRBREPL_ERR_STATE);
        krbrepl__copy_abort(p.copy);
    }
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&body);
    pair_close(&p);
}

static void records_out_of_order_are_refused(void **state)
{
    pair p;

    pair_make(&p, *state, "m", "r");
    copy_start(&p);
    OKS(p.r, krbrepl__copy_put(p.copy, BYTES("policy\0b"), BYTES("v")));
    assert_int_equal(krbrepl__copy_put(p.copy, BYTES("policy\0b"), BYTES("v")), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__copy_put(p.copy, BYTES("policy\0a"), BYTES("v")), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__copy_put(p.copy, BYTES("Bad\0z"), BYTES("v")), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__copy_put(p.copy, BYTES("nozero"), BYTES("v")), KRBREPL_ERR_PROTO);
    OKS(p.r, krbrepl__copy_put(p.copy, BYTES("principal\0a"), BYTES("v")));
    OKS(p.r, krbrepl__copy_apply(p.copy, NULL, 0));
    assert_int_equal(krbrepl__copy_put(p.copy, BYTES("principal\0b"), BYTES("v")), KRBREPL_ERR_PROTO);
    krbrepl__copy_abort(p.copy);
    pair_close(&p);
}

static void master_cannot_be_copied_into(void **state)
{
    krbrepl__ancestry none = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos pos;
    uint64_t seed = 8;
    content before;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 20);
    pos = store_pos(p.m);
    assert_int_equal(krbrepl__copy_begin(p.m, &c, &pos, &none, 0, 0, 0), KRBREPL_ERR_STATE);
    assert_null(c);
    /* A replica that is promoted meanwhile is none any more. */
    copy_whole(&p);
    copy_start(&p);
    copy_step(&p, 1u << 20);
    OKS(p.r, krbrepl__promote(p.r, "erin", NULL));
    before = store_content(p.r);
    assert_int_equal(krbrepl__copy_switch(p.copy, NULL), KRBREPL_ERR_STATE);
    assert_content(p.r, &before);
    pair_close(&p);
}

static void copy_of_a_lower_epoch_is_refused(void **state)
{
    krbrepl__ancestry none = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos pos;
    pair p;

    pair_make(&p, *state, "m", "r");
    OKS(p.r, krbrepl__store_learn_epoch(p.r, 5));
    pos = store_pos(p.m);
    assert_int_equal(krbrepl__copy_begin(p.r, &c, &pos, &none, 0, 0, 0), KRBREPL_ERR_FENCED);
    pair_close(&p);
}

static void one_copy_at_a_time(void **state)
{
    krbrepl__ancestry none = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos pos;
    pair p;

    pair_make(&p, *state, "m", "r");
    pos = store_pos(p.m);
    copy_start(&p);
    assert_int_equal(krbrepl__copy_begin(p.r, &c, &pos, &none, 0, 0, 0), KRBREPL_ERR_LOCKED);
    krbrepl__copy_abort(p.copy);
    copy_whole(&p);
    pair_close(&p);
}

static void copy_that_cannot_fit_is_refused_with_both_numbers(void **state)
{
    krbrepl__ancestry none = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos pos;
    pair p;

    pair_make(&p, *state, "m", "r");
    pos = store_pos(p.m);
    assert_int_equal(krbrepl__copy_begin(p.r, &c, &pos, &none, 0, UINT64_C(1) << 60, 0),
                     KRBREPL_ERR_NOSPACE);
    assert_non_null(strstr(p.r->ei.text, "1152921504606846976 bytes"));
    assert_non_null(strstr(p.r->ei.text, "room for"));
    pair_close(&p);
}

static void journal_starts_behind_the_copy_and_its_rubbish_is_cleared(void **state)
{
    struct krbrepl__state st;
    krbrepl_store_info info;
    uint64_t at, seed = 11, other_seed = 12;
    uint8_t chain[32];
    content before;
    pair p, q;

    pair_make(&p, *state, "m", "r");
    pair_make(&q, *state, "m2", "r2");
    /* The replica has followed another history, further than the copy's position. */
    fill(q.m, &other_seed, 300);
    copy_whole(&q);
    fill(q.m, &other_seed, 200);
    catch_up(&q);
    fill(p.m, &seed, 300);
    at = store_pos(p.m).seq;
    assert_true(store_pos(q.r).seq > at);
    krbrepl__store_close(p.r);
    p.r = q.r;
    copy_whole(&p);
    assert_equal_stores(&p);

    KRBREPL_INIT(&info);
    OKS(p.r, krbrepl__store_info(p.r, &info));
    assert_int_equal(info.journal_first, at + 1);
    assert_int_equal(info.journal_last, at);
    assert_int_equal(info.journal_bytes, 0);
    assert_int_equal(krbrepl__store_chain_at(p.r, at - 1, chain), KRBREPL_ERR_NOTFOUND);
    OKS(p.r, krbrepl__store_chain_at(p.r, at, chain));
    /* New commits are written over the rubbish, before and after it is cleared. */
    fill(p.m, &seed, 10);
    catch_up(&p);
    assert_equal_stores(&p);
    before = store_content(p.r);
    while (krbrepl__store_upkeep(p.r) == 1)
        continue;
    assert_content(p.r, &before);
    st = store_state(p.r);
    assert_int_equal(st.other, KRBREPL__OTHER_EMPTY);
    fill(p.m, &seed, 10);
    catch_up(&p);
    assert_equal_stores(&p);
    krbrepl__store_close(p.m);
    pair_close(&q);
}

/* In a child that dies at a point of a copy, without a word. */
static void die_in_a_copy(const tmpdir *t, unsigned point)
{
    char m[320], r[320];
    unsigned i;
    pair p;

    memset(&p, 0, sizeof p);
    p.m = store_open_at(tmpdir_path(t, "m", m));
    p.r = store_open_at(tmpdir_path(t, "r", r));
    copy_start(&p);
    for (i = 0; i < point && !p.end; i++)
        copy_step(&p, 1u << 20);
    if (p.end)
        OK(each_batch(p.m, krbrepl__copy_pos(p.copy)->seq + 1, p.at.seq, take_copy, p.copy));
    _exit(0);
}

static void copy_that_dies_leaves_the_old_content_live(void **state)
{
    char r[320], m[320], value[4000], key[32];
    krbrepl_txn_options opt;
    krbrepl_txn *t;
    unsigned i, point;
    content before;
    int status;
    pid_t pid;
    pair p;

    pair_make(&p, *state, "m", "r");
    put_one(p.m, "first", "v", "");
    copy_whole(&p);
    before = store_content(p.r);
    /* Some slices' worth of records. */
    memset(value, 'v', sizeof value);
    KRBREPL_INIT(&opt);
    OKS(p.m, krbrepl__txn_begin(p.m, &t, &opt));
    for (i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%u", i);
        OKS(p.m, krbrepl__txn_put(t, "principal", (krbrepl_bytes){key, strlen(key)},
                                  (krbrepl_bytes){value, sizeof value}));
    }
    OKS(p.m, krbrepl__txn_commit(t, NULL));
    pair_close(&p);
    for (point = 0; point < 6; point++) {
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            die_in_a_copy(*state, point);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        p.r = store_open_at(tmpdir_path(*state, "r", r));
        assert_content(p.r, &before);
        krbrepl__store_close(p.r);
    }
    p.r = store_open_at(tmpdir_path(*state, "r", r));
    p.m = store_open_at(tmpdir_path(*state, "m", m));
    /* What it had written is there to be gone on with, until nobody wants to. */
    while (krbrepl__store_upkeep(p.r) == 1)
        continue;
    assert_int_equal(store_state(p.r).other, KRBREPL__OTHER_PARTIAL);
    OKS(p.r, krbrepl__copy_forget(p.r));
    while (krbrepl__store_upkeep(p.r) == 1)
        continue;
    assert_int_equal(store_state(p.r).other, KRBREPL__OTHER_EMPTY);
    assert_content(p.r, &before);
    copy_whole(&p);
    assert_equal_stores(&p);
    pair_close(&p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(copy_under_concurrent_commits_converges_exactly),
        T(ancestry_of_the_replica_becomes_the_master_s),
        T(slices_hold_every_record_once_in_key_order),
        T(copy_of_an_empty_master_empties_the_replica),
        T(aborted_copy_leaves_the_old_content_live),
        T(readers_of_the_replica_see_one_content_or_the_other),
        T(reset_among_the_commits_asks_for_a_new_copy),
        T(what_does_not_follow_is_refused),
        T(records_out_of_order_are_refused),
        T(master_cannot_be_copied_into),
        T(copy_of_a_lower_epoch_is_refused),
        T(one_copy_at_a_time),
        T(copy_that_cannot_fit_is_refused_with_both_numbers),
        T(journal_starts_behind_the_copy_and_its_rubbish_is_cleared),
        T(copy_that_dies_leaves_the_old_content_live),
    };
    return cmocka_run_group_tests_name("store/copy", tests, NULL, NULL);
}
