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
    krbrepl_pos from;
    uint64_t n = 0;
    krbrepl__buf b;
    krbrepl__rd rd;
    krbrepl_bytes full, value;

    OKS(p->r, krbrepl__copy_partial(p->r, &from, &p->after));
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
    krbrepl_pos from;
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
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &p.after), KRBREPL_ERR_NOTFOUND);
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

static void copy_is_not_gone_on_with_once_anything_else_was_built_or_the_store_moved(void **state)
{
    krbrepl__ckey after;
    krbrepl_pos from;
    uint64_t seed = 23;
    pair p;

    pair_make(&p, *state, "m", "r");
    fill(p.m, &seed, 100);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    /* A new one empties it. */
    copy_start(&p);
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &after), KRBREPL_ERR_NOTFOUND);
    krbrepl__copy_abort(p.copy);
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &after), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__copy_resume(p.r, &p.copy), KRBREPL_ERR_NOTFOUND);
    copy_start(&p);
    copy_step(&p, 3000);
    krbrepl__copy_abort(p.copy);
    OKS(p.r, krbrepl__copy_partial(p.r, &from, &after));
    OKS(p.r, krbrepl__promote(p.r, "alice", NULL));
    assert_int_equal(krbrepl__copy_partial(p.r, &from, &after), KRBREPL_ERR_NOTFOUND);
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
        T(copy_is_not_gone_on_with_once_anything_else_was_built_or_the_store_moved),
    };
    return cmocka_run_group_tests_name("store/resume", tests, NULL, NULL);
}
