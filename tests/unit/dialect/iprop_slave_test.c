#include "slaveworld.h"

/* What a slave of an ipropd-master makes of what it is told, and what it answers. */

static const char *const some[] = {"alice", "bob", NULL};
static const char *const fewer[] = {"alice", NULL};

/* A slave that has a whole database of version 10, and the master has said that this is all. */
static slaveworld *settled(void)
{
    slaveworld *w = test_calloc(1, sizeof *w);

    sw_init(w);
    sw_connect(w);
    sw_has(w, 0);
    sw_whole(w, 10, some);
    sw_has(w, 10);
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    sw_silent(w);
    assert_int_equal(w->st.version, 10);
    assert_false(w->st.settling);
    return w;
}

static void drop(slaveworld *w)
{
    sw_free(w);
    test_free(w);
}

static int is_closed(slaveworld *w)
{
    return krbrepl__sess_info_get(w->sess)->phase == KRBREPL__SESS_CLOSED;
}

/* The session has ended, and the next one asks for everything. */
static void wants_whole(slaveworld *w, const char *names)
{
    assert_true(is_closed(w));
    assert_true(sw_news(w).wants_whole);
    assert_non_null(strstr(krbrepl__sess_info_get(w->sess)->text, names));
    assert_int_equal(w->st.version, 10);
    w->whole = 1;
    sw_connect(w);
    sw_has(w, 0);
}

static void records_are_applied_in_order_and_acknowledged(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_modify(&b, 12, "carol", 7);
    sw_rename(&b, 13, "bob", "bert");
    sw_delete(&b, 14, "alice");
    sw_for_you(w, &b);
    sw_has(w, 14);
    assert_int_equal(sw_kvno(w, "carol"), 7);
    assert_int_equal(sw_kvno(w, "bob") + sw_kvno(w, "alice"), 0);
    assert_int_equal(sw_kvno(w, "bert"), 1);
    assert_int_equal(w->st.version, 14);
    assert_int_equal(krbrepl__sess_info_get(w->sess)->commits, 2);
    drop(w);
}

static void records_that_are_held_are_skipped_and_acknowledged(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    sw_delete(&b, 9, "alice");
    sw_delete(&b, 10, "bob");
    sw_create(&b, 11, "carol", 1);
    sw_for_you(w, &b);
    sw_has(w, 11);
    assert_int_equal(sw_kvno(w, "alice"), 1);
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_for_you(w, &b);
    sw_has(w, 11);
    drop(w);
}

static void a_gap_ends_in_a_whole_database(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 12, "carol", 1);
    sw_for_you(w, &b);
    assert_int_equal(sw_kvno(w, "carol"), 0);
    wants_whole(w, "records are missing");
    sw_whole(w, 30, fewer);
    sw_has(w, 30);
    assert_int_equal(sw_kvno(w, "bob"), 0);
    drop(w);
}

static void what_has_no_effect_is_never_passed_over(void **state)
{
    unsigned i;

    (void)state;
    for (i = 0; i < 4; i++) {
        slaveworld *w = settled();
        krbrepl__buf b;

        krbrepl__buf_init(&b, 0);
        if (i == 0)
            sw_create(&b, 11, "alice", 5);
        else if (i == 1)
            sw_modify(&b, 11, "nobody", 5);
        else if (i == 2)
            sw_delete(&b, 11, "nobody");
        else
            sw_rename(&b, 11, "alice", "bob");
        sw_for_you(w, &b);
        wants_whole(w, "record 11");
        drop(w);
    }
}

static void what_is_newer_than_its_version_settles(void **state)
{
    slaveworld *w = test_calloc(1, sizeof *w);
    krbrepl__buf b;

    (void)state;
    sw_init(w);
    sw_connect(w);
    sw_has(w, 0);
    /* The dump is labelled 10, and was taken when all of 11 to 14 had happened. */
    sw_whole(w, 10, some);
    sw_has(w, 10);
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "bob", 1);
    sw_create(&b, 12, "old", 1);
    sw_rename(&b, 13, "old", "alice");
    sw_delete(&b, 14, "gone");
    sw_for_you(w, &b);
    sw_has(w, 14);
    assert_int_equal(sw_kvno(w, "old"), 0);
    assert_int_equal(sw_kvno(w, "alice"), 1);
    assert_true(w->st.settling);
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    assert_false(w->st.settling);
    drop(w);
}

static void a_master_with_another_history_is_known_by_its_record(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_for_you(w, &b);
    sw_has(w, 11);
    /* The same history: the record that is held is sent once more. */
    sw_connect(w);
    sw_has(w, 10);
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_create(&b, 12, "dave", 1);
    sw_for_you(w, &b);
    sw_has(w, 12);
    /* Another one, with the same numbers. */
    sw_connect(w);
    sw_has(w, 11);
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 12, "eve", 1);
    sw_create(&b, 13, "frank", 1);
    sw_for_you(w, &b);
    assert_true(sw_news(w).wants_whole);
    assert_int_equal(sw_kvno(w, "frank"), 0);
    /* One that is behind has no record to send. */
    sw_connect(w);
    sw_has(w, 11);
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    assert_true(sw_news(w).wants_whole);
    drop(w);
}

static void after_a_whole_database_the_record_is_learned(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    assert_false(w->st.marked);
    sw_connect(w);
    sw_has(w, 10);
    w->learn = 1;
    sw_connect(w);
    sw_has(w, 9);
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 10, "bob", 1);
    sw_for_you(w, &b);
    sw_has(w, 10);
    assert_true(w->st.marked);
    assert_true(sw_news(w).marked);
    drop(w);
}

static void a_record_that_fails_takes_nothing_before_it_along(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_delete(&b, 12, "nobody");
    sw_create(&b, 13, "dave", 1);
    sw_for_you(w, &b);
    assert_true(is_closed(w));
    assert_int_equal(w->st.version, 11);
    assert_int_equal(sw_kvno(w, "carol"), 1);
    assert_int_equal(sw_kvno(w, "dave"), 0);
    assert_int_equal(krbrepl__sess_info_get(w->sess)->apply_seq, 12);
    drop(w);
}

static void a_store_that_fails_ends_the_session_and_loses_nothing(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    w->fail = KRBREPL_ERR_NOSPACE;
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_for_you(w, &b);
    assert_true(is_closed(w));
    assert_false(sw_news(w).wants_whole);
    assert_int_equal(krbrepl__sess_info_get(w->sess)->store_err, KRBREPL_ERR_NOSPACE);
    w->fail = 0;
    sw_connect(w);
    sw_has(w, 10);
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    sw_for_you(w, &b);
    sw_has(w, 11);
    drop(w);
}

static void a_malformed_record_ends_in_a_whole_database(void **state)
{
    slaveworld *w = settled();
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 11, "carol", 1);
    b.data[b.len - 1] ^= 1;
    sw_for_you(w, &b);
    wants_whole(w, "");
    drop(w);
}

static void a_whole_database_that_is_cut_off_changes_nothing(void **state)
{
    slaveworld *w = settled();

    (void)state;
    sw_tell(w, KRBREPL__IPROP_TELL_YOU_EVERYTHING);
    assert_true(w->loading);
    sw_cut(w);
    assert_false(w->loading);
    assert_int_equal(sw_kvno(w, "bob"), 1);
    assert_int_equal(w->st.version, 10);
    sw_connect(w);
    sw_has(w, 10);
    w->fail_load = KRBREPL_ERR_IO;
    sw_whole(w, 20, fewer);
    assert_true(is_closed(w));
    assert_int_equal(sw_kvno(w, "bob"), 1);
    drop(w);
}

static void nothing_else_belongs_inside_of_a_whole_database(void **state)
{
    slaveworld *w = settled();

    (void)state;
    sw_tell(w, KRBREPL__IPROP_TELL_YOU_EVERYTHING);
    sw_tell(w, KRBREPL__IPROP_ARE_YOU_THERE);
    assert_true(is_closed(w));
    assert_int_equal(krbrepl__sess_info_get(w->sess)->err, KRBREPL_ERR_PROTO);
    drop(w);
}

static void a_master_with_an_empty_log_is_said_to_give_nothing(void **state)
{
    slaveworld *w = test_calloc(1, sizeof *w);
    krbrepl__buf b;

    (void)state;
    sw_init(w);
    sw_connect(w);
    sw_has(w, 0);
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    assert_true(sw_news(w).lacks);
    assert_false(sw_news(w).even);
    /* Its first record says nothing of what was there before. */
    krbrepl__buf_init(&b, 0);
    sw_create(&b, 1, "carol", 1);
    sw_for_you(w, &b);
    assert_true(sw_news(w).wants_whole);
    assert_int_equal(sw_kvno(w, "carol"), 0);
    drop(w);
}

static void signs_of_life_are_answered_and_strange_words_ignored(void **state)
{
    slaveworld *w = settled();
    uint32_t v;

    (void)state;
    sw_tell(w, KRBREPL__IPROP_ARE_YOU_THERE);
    assert_int_equal(sw_says(w, &v), KRBREPL__IPROP_I_AM_HERE);
    sw_tell(w, 99);
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    sw_silent(w);
    assert_false(is_closed(w));
    drop(w);
}

static void silence_and_age_end_a_session(void **state)
{
    slaveworld *w = settled();

    (void)state;
    assert_int_equal(krbrepl__sess_deadline(w->sess), w->now + 300000);
    w->now += 299999;
    sw_run(w);
    assert_false(is_closed(w));
    w->now++;
    sw_run(w);
    assert_int_equal(krbrepl__sess_info_get(w->sess)->err, KRBREPL_ERR_NET);
    sw_connect(w);
    sw_has(w, 10);
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    w->now += 250000;
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    w->now += 250000;
    sw_tell(w, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
    w->now += 250000;
    sw_run(w);
    assert_true(is_closed(w));
    assert_int_equal(krbrepl__sess_info_get(w->sess)->err, 0);
    drop(w);
}

static void a_master_that_hangs_up_after_the_authentication_has_refused(void **state)
{
    slaveworld *w = settled();

    (void)state;
    sw_connect(w);
    sw_cut(w);
    assert_true(krbrepl__sess_info_get(w->sess)->refused);
    assert_int_equal(krbrepl__sess_info_get(w->sess)->err, KRBREPL_ERR_DENIED);
    drop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_applied_in_order_and_acknowledged),
        cmocka_unit_test(records_that_are_held_are_skipped_and_acknowledged),
        cmocka_unit_test(a_gap_ends_in_a_whole_database),
        cmocka_unit_test(what_has_no_effect_is_never_passed_over),
        cmocka_unit_test(what_is_newer_than_its_version_settles),
        cmocka_unit_test(a_master_with_another_history_is_known_by_its_record),
        cmocka_unit_test(after_a_whole_database_the_record_is_learned),
        cmocka_unit_test(a_record_that_fails_takes_nothing_before_it_along),
        cmocka_unit_test(a_store_that_fails_ends_the_session_and_loses_nothing),
        cmocka_unit_test(a_malformed_record_ends_in_a_whole_database),
        cmocka_unit_test(a_whole_database_that_is_cut_off_changes_nothing),
        cmocka_unit_test(nothing_else_belongs_inside_of_a_whole_database),
        cmocka_unit_test(a_master_with_an_empty_log_is_said_to_give_nothing),
        cmocka_unit_test(signs_of_life_are_answered_and_strange_words_ignored),
        cmocka_unit_test(silence_and_age_end_a_session),
        cmocka_unit_test(a_master_that_hangs_up_after_the_authentication_has_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
