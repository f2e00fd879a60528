/* times_test.c: durations, sizes and points in time, as people write and read them. */
#include "test.h"

#include "times.h"

static void expect_ms(const char *text, uint64_t want)
{
    uint64_t ms = 12345;

    if (!times_parse(text, &ms, NULL))
        fail_msg("`%s` was refused", text);
    if (ms != want)
        fail_msg("`%s` is %llu ms, not %llu", text, (unsigned long long)ms, (unsigned long long)want);
}

static void refuse_ms(const char *text)
{
    uint64_t ms;

    if (times_parse(text, &ms, NULL))
        fail_msg("`%s` was taken for %llu ms", text, (unsigned long long)ms);
}

static void a_time_is_read_as_heimdal_reads_it(void **state)
{
    (void)state;
    expect_ms("300", 300000);
    expect_ms("300 s", 300000);
    expect_ms("300s", 300000);
    expect_ms("5 min", 300000);
    expect_ms("5m", 300000);
    expect_ms("5 minutes", 300000);
    expect_ms("1 h 30 min", 5400000);
    expect_ms("1h30m", 5400000);
    expect_ms("1 hour, 30 minutes", 5400000);
    expect_ms("2 days", 172800000);
    expect_ms("1 day 1 second", 86401000);
    expect_ms("1 week", 604800000);
    expect_ms("1 month", UINT64_C(2592000000));
    expect_ms("1 year", UINT64_C(31536000000));
    expect_ms("  7  ", 7000);
    expect_ms("250 ms", 250);
    expect_ms("0", 0);
    expect_ms("5 MIN", 300000);
    expect_ms("2min 30 sec", 150000);
    expect_ms("2min30s", 150000);
    expect_ms("3 min 5", 185000);
    expect_ms("1 ho", 3600000);
    expect_ms("5 minu", 300000);
    expect_ms("5 mo", 5 * UINT64_C(2592000000));
    expect_ms("1 Hour", 3600000);
}

static void a_time_that_is_none_is_refused(void **state)
{
    (void)state;
    refuse_ms("");
    refuse_ms("   ");
    refuse_ms("s");
    refuse_ms("-5");
    refuse_ms("5 parsecs");
    refuse_ms("5 3 min");
    refuse_ms("1.5 h");
    refuse_ms("5 min!");
    refuse_ms("5 mins!");
    refuse_ms("5 ss");
    refuse_ms("0x10");
}

static void a_time_that_is_too_long_is_refused(void **state)
{
    (void)state;
    expect_ms("9223372036854775 ms", UINT64_C(9223372036854775));
    refuse_ms("9223372036854776 ms");
    refuse_ms("99999999999999999999");
    refuse_ms("300000000 years");
    refuse_ms("292000 years 292000 years");
}

static void a_number_without_unit_can_be_told_from_a_time(void **state)
{
    bool unit;
    uint64_t ms;

    (void)state;
    assert_true(times_parse("10", &ms, &unit));
    assert_false(unit);
    assert_true(times_parse("10 s", &ms, &unit));
    assert_true(unit);
}

static void a_size_has_powers_of_1024(void **state)
{
    uint64_t n;

    (void)state;
    assert_true(times_parse_size("1000", &n) && n == 1000);
    assert_true(times_parse_size("64 KiB", &n) && n == 65536);
    assert_true(times_parse_size("256MiB", &n) && n == 268435456);
    assert_true(times_parse_size("4g", &n) && n == UINT64_C(4) << 30);
    assert_true(times_parse_size("16777215T", &n) && n == UINT64_C(16777215) << 40);
    assert_false(times_parse_size("16777216T", &n));
    assert_false(times_parse_size("", &n));
    assert_false(times_parse_size("K", &n));
    assert_false(times_parse_size("5 sheep", &n));
    assert_false(times_parse_size("5 K 3", &n));
}

static void a_number_stands_alone(void **state)
{
    uint64_t n;

    (void)state;
    assert_true(times_parse_number("18446744073709551615", &n) && n == UINT64_MAX);
    assert_false(times_parse_number("18446744073709551616", &n));
    assert_false(times_parse_number("", &n));
    assert_false(times_parse_number("1 ", &n));
    assert_false(times_parse_number("+1", &n));
}

static void times_are_shown_for_people(void **state)
{
    char buf[TIMES_ROOM];

    (void)state;
    assert_string_equal(times_duration(buf, 250000), "0.250 s");
    assert_string_equal(times_duration(buf, UINT64_C(61000000)), "1 min 1 s");
    assert_string_equal(times_duration(buf, UINT64_C(5400000000)), "1 h 30 min");
    assert_string_equal(times_duration(buf, UINT64_C(90000000000)), "1 d 1 h");
    assert_true(strlen(times_duration(buf, UINT64_MAX)) > 0);
    assert_string_equal(times_stamp(buf, 0), "never");
    assert_string_equal(times_stamp(buf, INT64_C(1700000000123456)), "2023-11-14T22:13:20.123Z");
    assert_true(strlen(times_stamp(buf, INT64_MAX)) > 0);
    assert_true(strlen(times_stamp(buf, INT64_MIN)) > 0);
    assert_string_equal(times_size(buf, 1023), "1023 bytes");
    assert_string_equal(times_size(buf, 1536), "1.5 KiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_read_as_heimdal_reads_it),
        cmocka_unit_test(a_time_that_is_none_is_refused),
        cmocka_unit_test(a_time_that_is_too_long_is_refused),
        cmocka_unit_test(a_number_without_unit_can_be_told_from_a_time),
        cmocka_unit_test(a_size_has_powers_of_1024),
        cmocka_unit_test(a_number_stands_alone),
        cmocka_unit_test(times_are_shown_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
