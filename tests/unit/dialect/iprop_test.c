#include "test.h"

#include "iprop.h"
#include "plainchan.h"

/* Messages of Heimdal's iprop against bytes that its daemons have sent. */

static krbrepl__chan *opened(void)
{
    static const uint8_t peer[] = {1, 'b'};
    krbrepl__chan *c = plainchan_new("a", 0);

    assert_int_equal(c->ops->feed(c, peer, sizeof peer), 0);
    krbrepl__buf_reset(&c->out);
    return c;
}

static void take(krbrepl__chan *c, uint32_t op, size_t len)
{
    krbrepl__iprop_msg m;

    assert_int_equal(krbrepl__iprop_next(c, &m), 1);
    assert_int_equal(m.op, op);
    assert_int_equal(m.body.len, len);
    krbrepl__iprop_drop(c, &m);
}

static void messages_are_read_one_behind_the_other(void **state)
{
    static const uint8_t in[] = {0, 0, 0, 8, 0, 0, 0, 5, 0, 0,    0, 29, 0, 0, 0, 4, 0, 0, 0,
                                 6, 0, 0, 0, 6, 0, 0, 0, 4, 0x30, 0, 0,  0, 0, 4, 0, 0, 1, 0};
    krbrepl__chan *c = opened();
    krbrepl__iprop_msg m;

    (void)state;
    assert_int_equal(c->ops->feed(c, in, sizeof in), 0);
    take(c, KRBREPL__IPROP_NOW_YOU_HAVE, 4);
    take(c, KRBREPL__IPROP_ARE_YOU_THERE, 0);
    take(c, KRBREPL__IPROP_ONE_PRINC, 2);
    take(c, 256, 0);
    assert_int_equal(krbrepl__iprop_next(c, &m), 0);
    c->ops->free(c);
}

static void messages_that_are_cut_wait_for_the_rest(void **state)
{
    static const uint8_t in[] = {0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 7};
    krbrepl__chan *c = opened();
    krbrepl__iprop_msg m;
    size_t n;

    (void)state;
    for (n = 0; n < sizeof in; n++) {
        assert_int_equal(krbrepl__iprop_next(c, &m), 0);
        assert_int_equal(c->ops->feed(c, in + n, 1), 0);
    }
    take(c, KRBREPL__IPROP_I_HAVE, 4);
    c->ops->free(c);
}

static void messages_without_an_opcode_are_refused(void **state)
{
    static const uint8_t in[] = {0, 0, 0, 3, 0, 0, 0};
    krbrepl__chan *c = opened();
    krbrepl__iprop_msg m;

    (void)state;
    assert_int_equal(c->ops->feed(c, in, sizeof in), 0);
    assert_int_equal(krbrepl__iprop_next(c, &m), KRBREPL_ERR_PROTO);
    c->ops->free(c);
}

static void what_is_sent_is_read_again(void **state)
{
    static const uint8_t i_have[] = {0, 0, 0, 8, 0, 0, 0, 1, 1, 2, 3, 4};
    krbrepl__chan *a = opened(), *b = opened();

    (void)state;
    assert_int_equal(krbrepl__iprop_send_u32(a, KRBREPL__IPROP_I_HAVE, 0x01020304), 0);
    assert_int_equal(a->out.len, sizeof i_have);
    assert_memory_equal(a->out.data, i_have, sizeof i_have);
    assert_int_equal(krbrepl__iprop_send(a, KRBREPL__IPROP_I_AM_HERE, (krbrepl_bytes){NULL, 0}), 0);
    assert_int_equal(krbrepl__iprop_send(a, KRBREPL__IPROP_FOR_YOU, (krbrepl_bytes){"abc", 3}), 0);
    assert_int_equal(b->ops->feed(b, a->out.data, a->out.len), 0);
    take(b, KRBREPL__IPROP_I_HAVE, 4);
    take(b, KRBREPL__IPROP_I_AM_HERE, 0);
    take(b, KRBREPL__IPROP_FOR_YOU, 3);
    assert_string_equal(krbrepl__iprop_op_name(2), "FOR_YOU");
    a->ops->free(a);
    b->ops->free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_one_behind_the_other),
        cmocka_unit_test(messages_that_are_cut_wait_for_the_rest),
        cmocka_unit_test(messages_without_an_opcode_are_refused),
        cmocka_unit_test(what_is_sent_is_read_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
