/* A full copy that was cut off is gone on with: what it had brought is not sent again. */
#include "pairing.h"

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

/* Goes on with what is there; the number of records that came. */
static uint64_t resume(pair *p)
{
    krbrepl_pos from, upper;
    uint64_t n = 0;
    krbrepl__buf b;
    krbrepl__rd rd;
    krbrepl_bytes full, value;

    OKS(p->r, krbrepl__copy_partial(p->r, &from, &upper, &p->after));
    OKS(p->r, krbrepl__copy_resume(p->r, &p->copy));
    assert_true(krbrepl__pos_equal(&from, krbrepl__copy_pos(p->copy)));
    krbrepl__buf_init(&b, 0);
    for (p->end = 0; !p->end; krbrepl__buf_reset(&b)) {
        OKS(p->m, krbrepl__store_copy_slice(p->m, &p->after, 3000, &b, &p->end, &p->at));
        krbrepl__rd_init(&rd, b.data, b.len);
        for (; rd.left > 0; n++) {
            full = krbrepl__rd_vec32(&rd);
            value = krbrepl__rd_vec32(&rd);
            OKS(p->r, krbrepl__copy_put(p->copy, full, value));
        }
    }
    krbrepl__buf_free(&b);
    copy_finish(p);
    return n;
}

static void copy_that_was_cut_off_is_gone_on_with(void **state)
{
    uint64_t seed = 21, came;
    krbrepl_pos from, upper;
    content before;
    unsigned i;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 200);
    copy_start(&p);
    before = store_content(p.r);
    for (i = 0; i < 5; i++) {
        copy_step(&p, 3000);
        random_commit(p.m, &seed, 400);
    }
    krbrepl__copy_abort(p.copy);
    while (krbrepl__store_upkeep(p.r) == 1) /* which leaves it */
        continue;
    assert_int_equal(krbrepl__empty_other(p.r), 0);
    assert_content(p.r, &before);
    fill(p.m, &seed, 20);
    came = resume(&p);
    assert_true(came != 0 && came < store_content(p.m).records);
    assert_equal_stores(&p);
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &upper, &p.after), KRBREPL_ERR_NOTFOUND);
    pair_close(&p);
}

/* Also when commits were being applied to it. */
static void copy_that_was_cut_off_at_its_end_is_gone_on_with(void **state)
{
    uint64_t seed = 22;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 100);
    copy_start(&p);
    fill(p.m, &seed, 30);
    while (!p.end)
        copy_step(&p, 3000);
    OKS(p.r, each_batch(p.m, krbrepl__copy_pos(p.copy)->seq + 1, p.at.seq - 10, take_copy, p.copy));
    krbrepl__copy_abort(p.copy);
    fill(p.m, &seed, 30);
    (void)resume(&p);
    assert_equal_stores(&p);
    pair_close(&p);
}

/* ---- what is there, and how new it may be ---------------------------------------------------- */

static void assert_upper(krbrepl_store *s, const krbrepl_pos *want)
{
    krbrepl_pos from, upper;
    krbrepl__ckey after;

    OKS(s, krbrepl__copy_partial(s, &from, &upper, &after));
    assert_true(krbrepl__pos_equal(&upper, want));
}

static void newest_position_of_a_copy_that_was_cut_off_is_kept(void **state)
{
    uint64_t seed = 24;
    krbrepl_pos begun, later;
    char dir[320];
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 200);
    begun = store_pos(p.m);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    assert_upper(p.r, &begun);
    fill(p.m, &seed, 5);
    later = store_pos(p.m);
    OKS(p.r, krbrepl__copy_resume(p.r, &p.copy));
    OKS(p.r, krbrepl__copy_at(p.copy, &later));
    OKS(p.r, krbrepl__copy_at(p.copy, &begun)); /* it does not go back */
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    assert_upper(p.r, &later);
    krbrepl__store_close(p.r);
    p.r = store_open_at(tmpdir_path(*state, "r", dir));
    assert_upper(p.r, &later);
    /* One that goes on keeps it, also when the master tells nothing more. */
    OKS(p.r, krbrepl__copy_resume(p.r, &p.copy));
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    assert_upper(p.r, &later);
    (void)resume(&p);
    assert_equal_stores(&p);
    /* A new one begins with its own. */
    OKS(p.r, krbrepl__copy_forget(p.r));
    later = store_pos(p.m);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    assert_upper(p.r, &later);
    pair_close(&p);
}

#define LARGE_VALUE 100000u

/* Goes on with the copy and dies in it: records that are as new as `later`, more than one transaction takes, and
 * no orderly end. */
static void put_large_and_die(const char *dir, const krbrepl_pos *later)
{
    static char value[LARGE_VALUE];
    krbrepl_store *s = store_open_at(dir);
    krbrepl__copy *c = NULL;
    char key[64];
    unsigned i;
    int rc = krbrepl__copy_resume(s, &c);

    if (rc == 0)
        rc = krbrepl__copy_at(c, later);
    for (i = 0; rc == 0 && i < 15; i++) {
        int n = snprintf(key, sizeof key, "principal%czz%04u", 0, i);

        rc =
            krbrepl__copy_put(c, (krbrepl_bytes){key, (size_t)n}, (krbrepl_bytes){value, sizeof value});
    }
    _exit(rc != 0);
}

static void record_that_is_durable_is_not_newer_than_what_is_said(void **state)
{
    uint64_t seed = 25;
    krbrepl_pos later, from, upper;
    krbrepl__ckey after;
    char dir[320];
    int status;
    pid_t pid;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 200);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    fill(p.m, &seed, 5);
    later = store_pos(p.m);
    krbrepl__store_close(p.r);
    tmpdir_path(*state, "r", dir);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        put_large_and_die(dir, &later);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    p.r = store_open_at(dir);
    OKS(p.r, krbrepl__copy_partial(p.r, &from, &upper, &after));
    assert_true(after.len > 12 && memcmp(after.b + 10, "zz", 2) == 0);
    assert_true(krbrepl__pos_equal(&upper, &later));
    assert_true(from.seq < upper.seq);
    pair_close(&p);
}

/* A value in `meta` that has no such position: nothing is known of how new the records are. */
static void copy_that_says_no_newest_position_is_not_gone_on_with(void **state)
{
    krbrepl_pos from, upper;
    uint64_t seed = 26;
    krbrepl__wtxn w = {0};
    krbrepl_bytes v;
    krbrepl__ckey after;
    krbrepl__buf b;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 100);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    OKS(p.r, krbrepl__copy_partial(p.r, &from, &upper, &after));
    krbrepl__buf_init(&b, 0);
    OKS(p.r, krbrepl__wtxn_begin(p.r, &w));
    OKS(p.r, krbrepl__meta_get(p.r, w.txn, "partial", &v));
    krbrepl__buf_bytes(&b, v.data, 2 * KRBREPL__POS_LEN);
    krbrepl__buf_bytes(&b, (const uint8_t *)v.data + 3 * KRBREPL__POS_LEN,
                       v.len - 3 * KRBREPL__POS_LEN);
    OKS(p.r, krbrepl__meta_put(p.r, w.txn, "partial", b.data, b.len));
    OKS(p.r, krbrepl__wtxn_commit(p.r, &w));
    krbrepl__buf_free(&b);
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &upper, &after), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__copy_resume(p.r, &p.copy), KRBREPL_ERR_NOTFOUND);
    while (krbrepl__store_upkeep(p.r) == 1)
        continue;
    assert_int_equal(store_state(p.r).other, KRBREPL__OTHER_EMPTY);
    copy_whole(&p);
    assert_equal_stores(&p);
    pair_close(&p);
}

static void copy_is_not_gone_on_with_once_anything_else_was_built_or_the_store_moved(void **state)
{
    krbrepl__ckey after;
    krbrepl_pos from, upper;
    uint64_t seed = 23;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 100);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    /* A new one empties it. */
    copy_start(&p);
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &upper, &after), KRBREPL_ERR_NOTFOUND);
    krbrepl__copy_abort(p.copy);
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &upper, &after), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__copy_resume(p.r, &p.copy), KRBREPL_ERR_NOTFOUND);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    OKS(p.r, krbrepl__copy_partial(p.r, &from, &upper, &after));
    OKS(p.r, krbrepl__promote(p.r, "alice", NULL));
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &upper, &after), KRBREPL_ERR_NOTFOUND);
    while (krbrepl__store_upkeep(p.r) == 1)
        continue;
    assert_int_equal(store_state(p.r).other, KRBREPL__OTHER_EMPTY);
    pair_close(&p);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(copy_that_was_cut_off_is_gone_on_with),
        T(copy_that_was_cut_off_at_its_end_is_gone_on_with),
        T(newest_position_of_a_copy_that_was_cut_off_is_kept),
        T(record_that_is_durable_is_not_newer_than_what_is_said),
        T(copy_that_says_no_newest_position_is_not_gone_on_with),
        T(copy_is_not_gone_on_with_once_anything_else_was_built_or_the_store_moved),
    };
    return cmocka_run_group_tests_name("store/resume", tests, NULL, NULL);
}
