/* What is done about a store that does not take a commit: retried, then copied, then an alarm. */
#include "test.h"

#include "replica.h"

static krbrepl_node node;
static krbrepl__replica replica;
static char last[512];
static int alarms;

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    (void)ctx;
    assert_string_equal(area, "node");
    snprintf(last, sizeof last, "%.*s", (int)len, msg);
    alarms += level == KRBREPL_LOG_ERROR;
}

static int setup(void **state)
{
    (void)state;
    memset(&node, 0, sizeof node);
    memset(&replica, 0, sizeof replica);
    node.replica = &replica;
    node.log.fn = on_log;
    node.log.level = KRBREPL_LOG_DEBUG;
    last[0] = '\0';
    alarms = 0;
    return 0;
}

/* A session that ended because the store answered `err` to commit `seq` (0: to something else). */
static int ended(int err, uint64_t seq)
{
    krbrepl__sess_info i;

    memset(&i, 0, sizeof i);
    i.phase = KRBREPL__SESS_CLOSED;
    i.err = i.store_err = err;
    i.apply_seq = seq;
    snprintf(i.text, sizeof i.text, "applying commits: why");
    return krbrepl__mend_over(&node, &i);
}

static void a_copy_is_asked_for_after_three_failures_of_one_commit(void **state)
{
    (void)state;
    assert_true(ended(KRBREPL_ERR_CORRUPT, 7));
    assert_true(ended(KRBREPL_ERR_PROTO, 7));
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_NONE);
    assert_true(ended(KRBREPL_ERR_CORRUPT, 7));
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_FAILED);
    assert_int_equal(alarms, 3);
    assert_non_null(strstr(last, "commit 7"));
    assert_non_null(strstr(last, "a full copy is asked for"));
}

static void failures_of_different_commits_are_counted_apart(void **state)
{
    uint64_t seq;

    (void)state;
    for (seq = 1; seq < 10; seq++)
        assert_true(ended(KRBREPL_ERR_CORRUPT, seq));
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_NONE);
}

static void a_full_disk_is_waited_for_and_never_answered_by_a_copy(void **state)
{
    static const int code[] = {KRBREPL_ERR_NOSPACE, KRBREPL_ERR_IO, KRBREPL_ERR_NOMEM};
    size_t c;
    int i;

    (void)state;
    for (c = 0; c < sizeof code / sizeof code[0]; c++) {
        setup(NULL);
        for (i = 0; i < 1000; i++)
            assert_true(ended(code[c], 7));
        assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_NONE);
        /* The alarm is raised again and again, and does not fill the log. */
        assert_in_range(alarms, 10, 30);
        assert_non_null(strstr(last, "for as long as it takes"));
    }
}

static void a_copy_that_does_not_help_raises_an_alarm(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        ended(KRBREPL_ERR_CORRUPT, 7);
    assert_false(ended(KRBREPL_ERR_IO, 0));
    assert_int_equal(alarms, 4);
    assert_non_null(strstr(last, "the full copy that was asked for fails too"));
    /* It is asked for until it succeeds. */
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_FAILED);
}

static void a_commit_that_is_here_after_all_ends_it(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 3; i++)
        ended(KRBREPL_ERR_CORRUPT, 7);
    krbrepl__mend_moved(&node, 6);
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_FAILED);
    krbrepl__mend_moved(&node, 7);
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_NONE);
    assert_non_null(strstr(last, "is here"));
    assert_true(ended(KRBREPL_ERR_CORRUPT, 7));
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_NONE);
}

static void sessions_that_end_for_another_reason_are_not_counted(void **state)
{
    krbrepl__sess_info i;
    int n;

    (void)state;
    memset(&i, 0, sizeof i);
    i.err = KRBREPL_ERR_NET;
    for (n = 0; n < 5; n++)
        assert_false(krbrepl__mend_over(&node, &i));
    assert_int_equal(krbrepl__mend_asks(&node), KRBREPL_COPY_NONE);
    assert_int_equal(alarms, 0);
}

static void repair_ended(int err)
{
    krbrepl__sess_info i;

    memset(&i, 0, sizeof i);
    i.phase = KRBREPL__SESS_CLOSED;
    i.err = i.store_err = err;
    i.copies = i.repair = 1;
    snprintf(i.text, sizeof i.text, "comparing records: why");
    assert_false(krbrepl__mend_over(&node, &i));
}

static void a_repair_that_the_store_has_failed_is_followed_by_a_full_copy(void **state)
{
    static const int passes[] = {KRBREPL_ERR_NOSPACE, KRBREPL_ERR_NOMEM, KRBREPL_ERR_CONFLICT,
                                 KRBREPL_ERR_LOCKED, KRBREPL_ERR_FENCED};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof passes / sizeof passes[0]; i++)
        repair_ended(passes[i]);
    assert_false(replica.repair_failed);
    repair_ended(KRBREPL_ERR_CORRUPT);
    assert_true(replica.repair_failed);
    repair_ended(KRBREPL_ERR_NOSPACE);
    assert_true(replica.repair_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_copy_is_asked_for_after_three_failures_of_one_commit, setup),
        cmocka_unit_test_setup(failures_of_different_commits_are_counted_apart, setup),
        cmocka_unit_test_setup(a_full_disk_is_waited_for_and_never_answered_by_a_copy, setup),
        cmocka_unit_test_setup(a_copy_that_does_not_help_raises_an_alarm, setup),
        cmocka_unit_test_setup(a_commit_that_is_here_after_all_ends_it, setup),
        cmocka_unit_test_setup(sessions_that_end_for_another_reason_are_not_counted, setup),
        cmocka_unit_test_setup(a_repair_that_the_store_has_failed_is_followed_by_a_full_copy, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
