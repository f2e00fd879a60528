#include "test.h"

#include "der.h"

static void expect_int(int64_t v, krbrepl_bytes der)
{
    krbrepl__buf b;
    krbrepl__rd r;

    krbrepl__buf_init(&b, 0);
    krbrepl__der_put_int(&b, v);
    assert_int_equal(b.len, der.len);
    assert_memory_equal(b.data, der.data, der.len);
    krbrepl__rd_init(&r, b.data, b.len);
    assert_true(krbrepl__der_int(&r) == v);
    assert_int_equal(krbrepl__rd_end(&r), 0);
    krbrepl__buf_free(&b);
}

static void integers_have_their_shortest_form(void **state)
{
    (void)state;
    expect_int(0, BYTES("\x02\x01\x00"));
    expect_int(127, BYTES("\x02\x01\x7f"));
    expect_int(128, BYTES("\x02\x02\x00\x80"));
    expect_int(-1, BYTES("\x02\x01\xff"));
    expect_int(-128, BYTES("\x02\x01\x80"));
    expect_int(-129, BYTES("\x02\x02\xff\x7f"));
    expect_int(UINT32_MAX, BYTES("\x02\x05\x00\xff\xff\xff\xff"));
    expect_int(INT64_MIN, BYTES("\x02\x08\x80\x00\x00\x00\x00\x00\x00\x00"));
}

static void expect_flags(uint32_t flags, krbrepl_bytes der)
{
    krbrepl__buf b;
    krbrepl__rd r;

    krbrepl__buf_init(&b, 0);
    krbrepl__der_put_flags(&b, flags);
    assert_int_equal(b.len, der.len);
    assert_memory_equal(b.data, der.data, der.len);
    krbrepl__rd_init(&r, b.data, b.len);
    assert_true(krbrepl__der_flags(&r) == flags);
    assert_int_equal(krbrepl__rd_end(&r), 0);
    krbrepl__buf_free(&b);
}

static void flags_have_no_trailing_zero_bits(void **state)
{
    (void)state;
    expect_flags(0, BYTES("\x03\x01\x00"));
    expect_flags(0x7e, BYTES("\x03\x02\x01\x7e"));
    expect_flags(1u << 8, BYTES("\x03\x03\x07\x00\x80"));
    expect_flags(1u << 31, BYTES("\x03\x05\x00\x00\x00\x00\x01"));
}

static void expect_refused(krbrepl_bytes der)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, der.data, der.len);
    (void)krbrepl__der_whole(&r);
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
}

static void lengths_other_than_the_shortest_are_refused(void **state)
{
    (void)state;
    expect_refused(BYTES("\x04\x81\x01x"));                 /* one byte would do */
    expect_refused(BYTES("\x04\x82\x00\x80"));              /* a leading zero */
    expect_refused(BYTES("\x04\x80xx\x00\x00"));            /* indefinite */
    expect_refused(BYTES("\x04\x85\x00\x00\x00\x00\x01x")); /* more than four bytes */
    expect_refused(BYTES("\x04\x03xx"));                    /* ends too early */
    expect_refused(BYTES("\x04\x84\xff\xff\xff\xff"));      /* longer than memory */
    expect_refused(BYTES("\xbf\x80\x01\x01x"));             /* a tag with a leading zero */
    expect_refused(BYTES("\xbf\x81\x81\x81\x81\x01\x01x")); /* a tag of five bytes */
    expect_refused(BYTES(""));
}

static void expect_int_refused(krbrepl_bytes der)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, der.data, der.len);
    assert_true(krbrepl__der_int(&r) == 0);
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
}

static void integers_that_do_not_fit_are_refused(void **state)
{
    krbrepl__rd r;

    (void)state;
    expect_int_refused(BYTES("\x02\x00"));
    expect_int_refused(BYTES("\x02\x02\x00\x7f"));
    expect_int_refused(BYTES("\x02\x02\xff\xff"));
    expect_int_refused(BYTES("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"));
    krbrepl__rd_init(&r, "\x02\x01\xff", 3);
    assert_int_equal(krbrepl__der_u32(&r), 0);
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
}

static void what_is_opened_and_closed_has_its_length(void **state)
{
    static const size_t len[] = {0, 1, 127, 128, 255, 256, 65535, 65536};
    size_t i, outer, inner;
    krbrepl__rd r, in;
    krbrepl_bytes v;
    krbrepl__buf b;

    (void)state;
    for (i = 0; i < sizeof len / sizeof len[0]; i++) {
        krbrepl__buf_init(&b, 0);
        outer = krbrepl__der_open(&b, KRBREPL__DER_SEQUENCE);
        inner = krbrepl__der_open(&b, KRBREPL__DER_CTX(3));
        memset(krbrepl__buf_room(&b, len[i]), 'x', len[i]);
        krbrepl__der_close(&b, inner);
        krbrepl__der_close(&b, outer);
        krbrepl__rd_init(&r, b.data, b.len);
        krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
        assert_int_equal(krbrepl__der_peek(&in), KRBREPL__DER_CTX(3));
        v = krbrepl__der_get(&in, KRBREPL__DER_CTX(3));
        assert_int_equal(v.len, len[i]);
        assert_int_equal(krbrepl__rd_end(&in), 0);
        assert_int_equal(krbrepl__rd_end(&r), 0);
        krbrepl__buf_free(&b);
    }
}

static void a_value_of_another_type_is_an_error_that_stays(void **state)
{
    krbrepl__rd r, in;

    (void)state;
    krbrepl__rd_init(&r, "\x30\x03\x02\x01\x05", 5);
    krbrepl__der_enter(&r, KRBREPL__DER_OCTET_STRING, &in);
    assert_int_equal(in.err, KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__der_int(&in), 0);
    assert_int_equal(krbrepl__der_peek(&r), 0);
    assert_int_equal(krbrepl__rd_end(&r), KRBREPL_ERR_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_have_their_shortest_form),
        cmocka_unit_test(flags_have_no_trailing_zero_bits),
        cmocka_unit_test(lengths_other_than_the_shortest_are_refused),
        cmocka_unit_test(integers_that_do_not_fit_are_refused),
        cmocka_unit_test(what_is_opened_and_closed_has_its_length),
        cmocka_unit_test(a_value_of_another_type_is_an_error_that_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
