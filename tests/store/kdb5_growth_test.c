/* The public struct of libkrbrepl-kdb5, at every length, and the detail of its failures. */
#include "growth.h"

#include "kdb5case.h"

static char dir[256];

static int setup(void **state)
{
    (void)state;
    kdb5case_begin(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kdb5case_end(dir);
    return 0;
}

static int open_it(void *ctx, void *p)
{
    krbrepl_kdb5 *db = NULL;
    int rc = krbrepl_kdb5_open(&db, p, NULL);

    (void)ctx;
    if (rc == 0)
        krbrepl_kdb5_close(db);
    return rc;
}

static const shape shapes[] = {GROWTH_SHAPE(krbrepl_kdb5_options, TAKEN, open_it)};

static void every_length_is_taken_or_refused_and_nothing_behind_it_is_touched(void **state)
{
    (void)state;
    growth_complete(shapes, sizeof shapes / sizeof shapes[0], "tests/store/kdb5_growth_test.c");
    growth_check(shapes, sizeof shapes / sizeof shapes[0], NULL);
}

static int fail_open(void *ctx, krbrepl_errinfo *ei)
{
    const char *const args[] = {"no-such-argument=1", NULL};
    krbrepl_kdb5_options o;
    krbrepl_kdb5 *db = NULL;

    (void)ctx;
    KRBREPL_INIT(&o);
    o.db_args = args;
    return krbrepl_kdb5_open(&db, &o, ei);
}

static const teller tellers[] = {{"krbrepl_kdb5_open", fail_open}};

static void an_errinfo_of_any_length_is_filled_to_its_end(void **state)
{
    (void)state;
    assert_int_equal(fail_open(NULL, NULL), KRBREPL_ERR_HOST);
    growth_errinfos(tellers, sizeof tellers / sizeof tellers[0], NULL);
}

static void nothing_to_close_is_nothing_to_do(void **state)
{
    (void)state;
    krbrepl_kdb5_close(NULL);
    assert_null(krbrepl_kdb5_ops(NULL));
    assert_int_equal(krbrepl_kdb5_open(NULL, NULL, NULL), KRBREPL_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            every_length_is_taken_or_refused_and_nothing_behind_it_is_touched, setup, teardown),
        cmocka_unit_test_setup_teardown(an_errinfo_of_any_length_is_filled_to_its_end, setup, teardown),
        cmocka_unit_test(nothing_to_close_is_nothing_to_do),
    };

    return cmocka_run_group_tests_name("kdb5 growth", tests, NULL, NULL);
}
