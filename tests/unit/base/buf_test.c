#include "test.h"

#include "buf.h"

static void what_is_built_is_read_back(void **state)
{
    krbrepl__buf b;
    krbrepl__rd r;
    krbrepl_bytes v;
    char text[8];

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u8(&b, 0xab);
    krbrepl__buf_u16(&b, 0x1234);
    krbrepl__buf_u32(&b, 0xdeadbeef);
    krbrepl__buf_u64(&b, UINT64_C(0x0123456789abcdef));
    krbrepl__buf_vec16(&b, "xyz", 3);
    krbrepl__buf_vec32(&b, "", 0);
    krbrepl__buf_str16(&b, "hello");
    assert_int_equal(b.err, 0);
    krbrepl__rd_init(&r, b.data, b.len);
    assert_int_equal(krbrepl__rd_u8(&r), 0xab);
    assert_int_equal(krbrepl__rd_u16(&r), 0x1234);
    assert_int_equal(krbrepl__rd_u32(&r), 0xdeadbeef);
    assert_true(krbrepl__rd_u64(&r) == UINT64_C(0x0123456789abcdef));
    v = krbrepl__rd_vec16(&r);
    assert_int_equal(v.len, 3);
    assert_memory_equal(v.data, "xyz", 3);
    assert_int_equal(krbrepl__rd_vec32(&r).len, 0);
    krbrepl__rd_str16(&r, text, 5);
    assert_string_equal(text, "hello");
    assert_int_equal(krbrepl__rd_end(&r), 0);
    krbrepl__buf_free(&b);
}

static void reading_past_the_end_is_an_error_and_stays_one(void **state)
{
    static const uint8_t in[] = {0, 9, 'a', 'b'};
    krbrepl__rd r;
    uint8_t out[4] = {1, 1, 1, 1};
    char text[16];

    (void)state;
    krbrepl__rd_init(&r, in, sizeof in);
    assert_int_equal(krbrepl__rd_vec16(&r).len, 0); /* claims nine bytes, two are there */
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__rd_u8(&r), 0);
    krbrepl__rd_copy(&r, out, 4);
    assert_int_equal(out[3], 0);
    assert_int_equal(krbrepl__rd_end(&r), KRBREPL_ERR_PROTO);
    krbrepl__rd_init(&r, in, sizeof in);
    krbrepl__rd_str16(&r, text, 15);
    assert_string_equal(text, "");
    assert_int_equal(krbrepl__rd_end(&r), KRBREPL_ERR_PROTO);
}

static void a_string_with_a_nul_or_too_long_is_refused(void **state)
{
    static const uint8_t nul[] = {0, 3, 'a', 0, 'b'};
    static const uint8_t lng[] = {0, 3, 'a', 'b', 'c'};
    krbrepl__rd r;
    char text[4];

    (void)state;
    krbrepl__rd_init(&r, nul, sizeof nul);
    krbrepl__rd_str16(&r, text, 3);
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
    krbrepl__rd_init(&r, lng, sizeof lng);
    krbrepl__rd_str16(&r, text, 2);
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
    assert_string_equal(text, "");
}

static void a_limit_is_kept_and_the_error_sticks(void **state)
{
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 10);
    krbrepl__buf_bytes(&b, "12345678", 8);
    krbrepl__buf_u32(&b, 1);
    assert_int_equal(b.err, KRBREPL_ERR_TOOBIG);
    assert_int_equal(b.len, 8);
    krbrepl__buf_u8(&b, 1); /* would fit, but the message is broken already */
    assert_int_equal(b.len, 8);
    krbrepl__buf_reset(&b);
    krbrepl__buf_u8(&b, 1);
    assert_int_equal(b.err, 0);
    krbrepl__buf_free(&b);
}

static void a_queue_keeps_its_order_and_its_size(void **state)
{
    krbrepl__buf b;
    unsigned in = 0, out = 0, round;

    (void)state;
    krbrepl__buf_init(&b, 0);
    for (round = 0; round < 100000; round++) {
        unsigned put = round * 7 % 13, take = round * 5 % 13;

        while (put-- > 0)
            krbrepl__buf_u32(&b, in++);
        while (take-- > 0 && b.len >= 4) {
            assert_int_equal(krbrepl__get_u32(b.data), out++);
            krbrepl__buf_consume(&b, 4);
        }
    }
    assert_int_equal(b.err, 0);
    assert_int_equal(b.len / 4, in - out);
    assert_true(b.cap <= 4 * (b.len + 1024)); /* what was consumed is used again */
    krbrepl__buf_free(&b);
}

static void cutting_and_patching_work_in_place(void **state)
{
    krbrepl__buf b;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u32(&b, 0);
    krbrepl__buf_bytes(&b, "abcdef", 6);
    krbrepl__buf_cut(&b, 7);
    krbrepl__buf_set_u32(&b, 0, 3);
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.data, "\0\0\0\3abc", 7);
    krbrepl__buf_set_u32(&b, 4, 99); /* does not fit: left alone */
    assert_memory_equal(b.data, "\0\0\0\3abc", 7);
    krbrepl__buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_is_read_back),
        cmocka_unit_test(reading_past_the_end_is_an_error_and_stays_one),
        cmocka_unit_test(a_string_with_a_nul_or_too_long_is_refused),
        cmocka_unit_test(a_limit_is_kept_and_the_error_sticks),
        cmocka_unit_test(a_queue_keeps_its_order_and_its_size),
        cmocka_unit_test(cutting_and_patching_work_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
