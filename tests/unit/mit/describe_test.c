/* The line about a record says what an administrator wants to know, and nothing of the keys. */
#include "mitcase.h"

static void describe(const char *text, char *line, size_t room)
{
    char file[8192];
    krbrepl_errinfo ei = {.size = sizeof ei};
    entry e;
    int n;

    snprintf(file, sizeof file, "%s%s", V7, text);
    assert_int_equal(text_parse(file, strlen(file), 0, &e, 1, &ei), 1);
    n = krbrepl_mit_describe(e.table, entry_key(&e), entry_value(&e), line, room);
    assert_true(n >= 0);
    entries_free(&e, 1);
}

static void principal_is_told_with_keys_policy_and_times(void **state)
{
    char line[512];

    (void)state;
    describe(golden_line[1], line, sizeof line);
    assert_string_equal(
        line, "alice@LAB.TEST: kvno 1 (aes256-cts, aes128-cts), policy pol1, password expires "
              "2026-12-02T00:46:56Z, modified 2026-11-22T00:46:56Z by root/admin@LAB.TEST");
    describe(golden_line[0], line, sizeof line);
    assert_string_equal(line, "K/M@LAB.TEST: kvno 1 (aes256-cts), attributes 0x800040, modified "
                              "2026-11-22T00:46:56Z by db_creation@LAB.TEST");
    describe(golden_line[2], line, sizeof line);
    assert_string_equal(line, "host/with space@LAB.TEST: no keys");
}

static void policy_is_told_with_its_limits(void **state)
{
    char line[512];

    (void)state;
    describe(golden_line[golden_count - 2], line, sizeof line);
    assert_string_equal(line,
                        "pol2: life 0s to 0s, length 1, classes 1, history 1, locked out for 300s by 3 "
                        "failures within 600s, key/salt types aes256-cts:normal,aes128-cts");
}

static void no_byte_of_a_key_is_told(void **state)
{
    char line[512];

    (void)state;
    describe("princ\t38\t3\t0\t1\t4\tx@"
             "Y\t0\t0\t0\t0\t0\t0\t0\t0\t2\t7\t18\t6\t534543524554\t4\t4\t53414c54\t"
             "45585452;\n",
             line, sizeof line);
    assert_string_equal(line, "x@Y: kvno 7 (aes256-cts)");
}

static void control_characters_are_replaced(void **state)
{
    char line[512];

    (void)state;
    describe("princ\t38\t5\t1\t0\t0\t\033\tb@Y\t0\t0\t0\t0\t0\t0\t0\t0\t2\t8\t000000000a0d1b62\t-1;\n",
             line, sizeof line);
    assert_string_equal(line, "??b@Y: no keys, modified 1970-01-01T00:00:00Z by ???b");
}

static void line_that_does_not_fit_is_cut_and_measured(void **state)
{
    entry e;
    char file[8192], line[16];
    krbrepl_errinfo ei = {.size = sizeof ei};

    (void)state;
    snprintf(file, sizeof file, "%s%s", V7, golden_line[2]);
    assert_int_equal(text_parse(file, strlen(file), 0, &e, 1, &ei), 1);
    memset(line, 'x', sizeof line);
    assert_int_equal(krbrepl_mit_describe(e.table, entry_key(&e), entry_value(&e), line, 8), 33);
    assert_string_equal(line, "host/wi");
    assert_int_equal(line[8], 'x');
    assert_int_equal(krbrepl_mit_describe(e.table, entry_key(&e), entry_value(&e), NULL, 0), 33);
    entries_free(&e, 1);
}

static void value_that_is_no_record_is_told_as_such(void **state)
{
    char line[64];

    (void)state;
    assert_int_equal(krbrepl_mit_describe("principal", BYTES("x@Y"), BYTES("?"), line, sizeof line),
                     KRBREPL_ERR_FORMAT);
    assert_string_equal(line, "x@Y: not a record that can be read");
    assert_int_equal(krbrepl_mit_describe("other", BYTES("x"), BYTES("?"), line, sizeof line),
                     KRBREPL_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(principal_is_told_with_keys_policy_and_times),
        cmocka_unit_test(policy_is_told_with_its_limits),
        cmocka_unit_test(no_byte_of_a_key_is_told),
        cmocka_unit_test(control_characters_are_replaced),
        cmocka_unit_test(line_that_does_not_fit_is_cut_and_measured),
        cmocka_unit_test(value_that_is_no_record_is_told_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
