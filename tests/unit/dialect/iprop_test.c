#include "test.h"

#include "iprop.h"
#include "plainchan.h"

/* Messages of Heimdal's iprop against bytes that its daemons have sent. */

static krbrepl__buf bytes_of(const void *p, size_t n)
{
    krbrepl__buf b;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_bytes(&b, p, n);
    return b;
}

static void messages_are_read_one_behind_the_other(void **state)
{
    static const uint8_t in[] = {0, 0, 0, 8, 0, 0, 0, 5, 0, 0, 0, 29, 0, 0,    0,
                                 4, 0, 0, 0, 6, 0, 0, 0, 6, 0, 0, 0,  4, 0x30, 0};
    krbrepl__buf b = bytes_of(in, sizeof in);
    krbrepl__iprop_msg m;

    (void)state;
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), 1);
    assert_int_equal(m.op, KRBREPL__IPROP_NOW_YOU_HAVE);
    assert_int_equal(m.version, 29);
    krbrepl__buf_consume(&b, m.size);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), 1);
    assert_int_equal(m.op, KRBREPL__IPROP_ARE_YOU_THERE);
    krbrepl__buf_consume(&b, m.size);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), 1);
    assert_int_equal(m.op, KRBREPL__IPROP_ONE_PRINC);
    assert_int_equal(m.body.len, 2);
    krbrepl__buf_consume(&b, m.size);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), 0);
    krbrepl__buf_free(&b);
}

static void messages_that_are_cut_wait_for_the_rest(void **state)
{
    static const uint8_t in[] = {0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 7};
    krbrepl__iprop_msg m;
    size_t n;

    (void)state;
    for (n = 0; n <= sizeof in; n++) {
        krbrepl__buf b = bytes_of(in, n);

        assert_int_equal(krbrepl__iprop_next(&b, 100, &m), n == sizeof in);
        krbrepl__buf_free(&b);
    }
}

static void messages_too_short_or_too_long_are_refused(void **state)
{
    static const uint8_t empty[] = {0, 0, 0, 0}, no_version[] = {0, 0, 0, 6, 0, 0, 0, 1, 0, 0},
                         huge[] = {0xff, 0xff, 0xff, 0xff},
                         more[] = {0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 3, 9};
    krbrepl__iprop_msg m;
    krbrepl__buf b;

    (void)state;
    b = bytes_of(empty, sizeof empty);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
    b = bytes_of(no_version, sizeof no_version);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
    b = bytes_of(huge, sizeof huge);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
    /* Heimdal ignores what follows. */
    b = bytes_of(more, sizeof more);
    assert_int_equal(krbrepl__iprop_next(&b, 100, &m), 1);
    assert_int_equal(m.version, 3);
    krbrepl__buf_free(&b);
}

static void what_is_sent_is_read_again(void **state)
{
    krbrepl__chan *a = plainchan_new("a", 0), *b = plainchan_new("b", 0);
    krbrepl__iprop_msg m;

    (void)state;
    assert_int_equal(b->ops->feed(b, a->out.data, a->out.len), 0);
    assert_int_equal(a->ops->feed(a, b->out.data, b->out.len), 0);
    krbrepl__buf_reset(&a->out);
    assert_int_equal(krbrepl__iprop_send_version(a, KRBREPL__IPROP_I_HAVE, 0x01020304), 0);
    assert_int_equal(krbrepl__iprop_send(a, KRBREPL__IPROP_I_AM_HERE), 0);
    assert_int_equal(krbrepl__iprop_send_body(a, KRBREPL__IPROP_FOR_YOU, (krbrepl_bytes){"abc", 3}), 0);
    assert_int_equal(a->ops->flush(a), 0);
    assert_int_equal(b->ops->feed(b, a->out.data, a->out.len), 0);
    assert_int_equal(krbrepl__iprop_next(&b->in, 100, &m), 1);
    assert_int_equal(m.version, 0x01020304);
    krbrepl__buf_consume(&b->in, m.size);
    assert_int_equal(krbrepl__iprop_next(&b->in, 100, &m), 1);
    assert_int_equal(m.op, KRBREPL__IPROP_I_AM_HERE);
    krbrepl__buf_consume(&b->in, m.size);
    assert_int_equal(krbrepl__iprop_next(&b->in, 100, &m), 1);
    assert_string_equal(krbrepl__iprop_name(m.op), "FOR_YOU");
    assert_int_equal(m.body.len, 3);
    a->ops->free(a);
    b->ops->free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_one_behind_the_other),
        cmocka_unit_test(messages_that_are_cut_wait_for_the_rest),
        cmocka_unit_test(messages_too_short_or_too_long_are_refused),
        cmocka_unit_test(what_is_sent_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
