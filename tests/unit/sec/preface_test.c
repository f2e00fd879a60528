/* What travels before TLS, taken apart. */
#include "test.h"

#include "preface.h"
#include "secchan.h"

static void a_preface_has_these_bytes(void **state)
{
    static const uint8_t want[] = {'K', 'R', 'B', 'R', 'E', 'P', 'L', '\n', 0, 1, 0, 2, 0, 0, 0, 0};
    uint8_t p[KRBREPL__PREFACE_LEN];
    unsigned low, high;

    (void)state;
    krbrepl__preface_make(p, 1, 2);
    assert_memory_equal(p, want, sizeof want);
    assert_int_equal(krbrepl__preface_get(p, &low, &high), 0);
    assert_int_equal(low, 1);
    assert_int_equal(high, 2);
}

static void unknown_flags_of_a_preface_are_ignored(void **state)
{
    uint8_t p[KRBREPL__PREFACE_LEN];
    unsigned low, high;

    (void)state;
    krbrepl__preface_make(p, 1, 1);
    p[12] = 0x80;
    assert_int_equal(krbrepl__preface_get(p, &low, &high), 0);
}

static void a_stranger_is_told_by_the_first_wrong_byte(void **state)
{
    static const uint8_t http[] = "GET / HTTP/1.1\r\n", sendauth[] = {0, 0, 0, 19}, near[] = "KRBREPLX";

    (void)state;
    assert_false(krbrepl__preface_may_be(http, 1));
    assert_false(krbrepl__preface_may_be(sendauth, 1));
    assert_true(krbrepl__preface_may_be(near, 7));
    assert_false(krbrepl__preface_may_be(near, 8));
    assert_true(krbrepl__preface_may_be(near, 0));
}

static void a_version_range_upside_down_is_malformed(void **state)
{
    uint8_t p[KRBREPL__PREFACE_LEN];
    unsigned low, high;

    (void)state;
    krbrepl__preface_make(p, 2, 1);
    assert_int_equal(krbrepl__preface_get(p, &low, &high), KRBREPL_ERR_PROTO);
    krbrepl__preface_make(p, 0, 1);
    assert_int_equal(krbrepl__preface_get(p, &low, &high), KRBREPL_ERR_PROTO);
}

static void the_highest_common_version_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(krbrepl__preface_choose(1, 1), 1);
    assert_int_equal(krbrepl__preface_choose(1, 9), KRBREPL__PROTOCOL_HIGH);
    assert_int_equal(krbrepl__preface_choose(KRBREPL__PROTOCOL_HIGH + 1, 9), 0);
}

static void a_frame_is_taken_when_it_is_whole(void **state)
{
    krbrepl__buf b;
    krbrepl__clear f;
    size_t n;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__clear_put(&b, KRBREPL__CLEAR_TOKEN, "token", 5);
    krbrepl__buf_bytes(&b, "next", 4);
    for (n = 0; n < 10; n++)
        assert_int_equal(krbrepl__clear_get(&f, b.data, n), 0);
    assert_int_equal(krbrepl__clear_get(&f, b.data, b.len), 1);
    assert_int_equal(f.type, KRBREPL__CLEAR_TOKEN);
    assert_int_equal(f.size, 10);
    assert_int_equal(f.body.len, 5);
    assert_memory_equal(f.body.data, "token", 5);
    krbrepl__buf_free(&b);
}

static void a_frame_that_is_too_long_is_refused_by_its_head(void **state)
{
    static const uint8_t most[] = {1, 0, 1, 0, 0}, more[] = {1, 0, 1, 0, 1}, empty[] = {1, 0, 0, 0, 0},
                         refuse[] = {2, 0, 0, 0, 85};
    krbrepl__clear f;

    (void)state;
    assert_int_equal(KRBREPL__MAX_TOKEN, 65536);
    assert_int_equal(krbrepl__clear_get(&f, most, sizeof most), 0);
    assert_int_equal(krbrepl__clear_get(&f, more, sizeof more), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__clear_get(&f, empty, sizeof empty), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__clear_get(&f, refuse, sizeof refuse), KRBREPL_ERR_PROTO);
}

static void an_unknown_frame_is_refused_by_its_first_byte(void **state)
{
    static const uint8_t zero[] = {0}, three[] = {3};
    krbrepl__clear f;

    (void)state;
    assert_int_equal(krbrepl__clear_get(&f, zero, 1), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__clear_get(&f, three, 1), KRBREPL_ERR_PROTO);
}

static void a_refusal_keeps_its_coarse_reason(void **state)
{
    static const int same[] = {KRBREPL_ERR_AUTH, KRBREPL_ERR_DENIED, KRBREPL_ERR_TIMEOUT,
                               KRBREPL_ERR_PROTO, KRBREPL_ERR_NET};
    char text[KRBREPL__REFUSE_TEXT + 1];
    krbrepl__clear f;
    krbrepl__buf b;
    size_t i;
    int reason;

    (void)state;
    for (i = 0; i < sizeof same / sizeof same[0]; i++) {
        krbrepl__buf_init(&b, 0);
        krbrepl__refuse_put(&b, same[i]);
        assert_int_equal(krbrepl__clear_get(&f, b.data, b.len), 1);
        assert_int_equal(f.type, KRBREPL__CLEAR_REFUSE);
        assert_int_equal(krbrepl__refuse_get(f.body, &reason, text), 0);
        assert_int_equal(reason, same[i]);
        krbrepl__buf_free(&b);
    }
}

static void a_detailed_reason_stays_at_home(void **state)
{
    char text[KRBREPL__REFUSE_TEXT + 1];
    krbrepl__clear f;
    krbrepl__buf b;
    int reason;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__refuse_put(&b, KRBREPL_ERR_CORRUPT);
    assert_int_equal(krbrepl__clear_get(&f, b.data, b.len), 1);
    assert_int_equal(krbrepl__refuse_get(f.body, &reason, text), 0);
    assert_int_equal(reason, KRBREPL_ERR_NET);
    assert_string_equal(text, "not now");
    krbrepl__buf_free(&b);
}

static void a_hostile_refusal_becomes_one_printable_line(void **state)
{
    char text[KRBREPL__REFUSE_TEXT + 1];
    int reason;

    (void)state;
    assert_int_equal(krbrepl__refuse_get(BYTES("\0\1\0\4a\n\33\377"), &reason, text), 0);
    assert_string_equal(text, "a???");
    assert_int_equal(krbrepl__refuse_get(BYTES("\0\1\0\4a"), &reason, text), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__refuse_get(BYTES("\0\1\0\1ab"), &reason, text), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__refuse_get(BYTES("\0"), &reason, text), KRBREPL_ERR_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_preface_has_these_bytes),
        cmocka_unit_test(unknown_flags_of_a_preface_are_ignored),
        cmocka_unit_test(a_stranger_is_told_by_the_first_wrong_byte),
        cmocka_unit_test(a_version_range_upside_down_is_malformed),
        cmocka_unit_test(the_highest_common_version_is_chosen),
        cmocka_unit_test(a_frame_is_taken_when_it_is_whole),
        cmocka_unit_test(a_frame_that_is_too_long_is_refused_by_its_head),
        cmocka_unit_test(an_unknown_frame_is_refused_by_its_first_byte),
        cmocka_unit_test(a_refusal_keeps_its_coarse_reason),
        cmocka_unit_test(a_detailed_reason_stays_at_home),
        cmocka_unit_test(a_hostile_refusal_becomes_one_printable_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
