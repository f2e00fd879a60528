/* Frames and messages: what is malformed is refused, and where. */
#include "test.h"

#include "frame.h"
#include "msg.h"

static int get(const uint8_t *p, size_t n)
{
    krbrepl__frame f;

    return krbrepl__frame_get(p, n, &f);
}

static void frame_is_there_only_when_it_is_whole(void **state)
{
    krbrepl__frame f;
    krbrepl__buf b;
    size_t i;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__frame_put(&b, KRBREPL__FRAME_PING, 0, "abc", 3);
    for (i = 0; i < b.len; i++)
        assert_int_equal(get(b.data, i), 0);
    assert_int_equal(krbrepl__frame_get(b.data, b.len, &f), 1);
    assert_int_equal(f.type, KRBREPL__FRAME_PING);
    assert_int_equal(f.size, b.len);
    assert_int_equal(f.body.len, 3);
    krbrepl__buf_free(&b);
}

static void frame_head_is_judged_before_its_body_is_there(void **state)
{
    uint8_t h[8] = {KRBREPL__FRAME_ACK, 0, 0, 0, 0, 0, 0x10, 0};

    (void)state;
    assert_int_equal(get(h, 8), 0);
    h[7] = 1; /* one more than an ACK may have */
    assert_int_equal(get(h, 8), KRBREPL_ERR_PROTO);
    h[7] = 0;
    h[2] = 1;
    assert_int_equal(get(h, 8), KRBREPL_ERR_PROTO);
    h[2] = 0;
    h[1] = 2;
    assert_int_equal(get(h, 8), KRBREPL_ERR_PROTO);
    h[1] = 0;
    h[0] = 200;
    assert_int_equal(get(h, 8), KRBREPL_ERR_FORMAT);
    h[1] = KRBREPL__FRAME_OPTIONAL;
    assert_int_equal(get(h, 8), 0);
    h[0] = 0;
    h[1] = 0;
    assert_int_equal(get(h, 8), KRBREPL_ERR_FORMAT);
}

static int get_ack(const void *p, size_t n, krbrepl__ack *a)
{
    unsigned tag;

    return krbrepl__msg_get((krbrepl_bytes){p, n}, KRBREPL__FRAME_ACK, a, &tag);
}

static void message_is_cut_nowhere_without_notice(void **state)
{
    krbrepl__ack a = {.has = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_CHAIN),
                      .processed = 1};
    krbrepl__ack out;
    krbrepl__buf b;
    size_t i;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__msg_put(&b, KRBREPL__FRAME_ACK, &a);
    assert_int_equal(b.len, 12 + 12 + 36);
    assert_int_equal(get_ack(b.data, b.len, &out), 0);
    assert_int_equal(out.has, a.has | KRBREPL__HAS(KRBREPL__TAG_PROCESSED));
    for (i = 0; i < b.len; i++)
        if (i != 12 && i != 24) /* between two fields the rest is simply not there */
            assert_int_equal(get_ack(b.data, i, &out), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
}

static void fields_come_once_and_in_order(void **state)
{
    static const uint8_t twice[] = {0, 22, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
                                    0, 22, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t backward[] = {0, 23, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
                                       0, 22, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t shorter[] = {0, 22, 0, 7, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t longer[] = {0, 22, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    static const uint8_t zero[] = {0, 0, 0, 0};
    krbrepl__ack out;

    (void)state;
    assert_int_equal(get_ack(twice, 12, &out), 0);
    assert_int_equal(get_ack(twice, sizeof twice, &out), KRBREPL_ERR_PROTO);
    assert_int_equal(get_ack(backward, sizeof backward, &out), KRBREPL_ERR_PROTO);
    assert_int_equal(get_ack(shorter, sizeof shorter, &out), KRBREPL_ERR_PROTO);
    assert_int_equal(get_ack(longer, sizeof longer, &out), KRBREPL_ERR_PROTO);
    assert_int_equal(get_ack(zero, sizeof zero, &out), KRBREPL_ERR_PROTO);
    assert_int_equal(get_ack("", 0, &out), KRBREPL_ERR_PROTO); /* PROCESSED is missing */
}

static void known_field_may_be_marked_as_required(void **state)
{
    static const uint8_t marked[] = {0x80, 22, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5};
    krbrepl__ack out;

    (void)state;
    assert_int_equal(get_ack(marked, sizeof marked, &out), 0);
    assert_int_equal(out.processed, 5);
}

/* Two positions, and a key of 1 to 480 bytes. */
static void a_copy_that_was_cut_off_is_told_in_one_length_only(void **state)
{
    static const size_t wrong[] = {0, 1, 63, 64, 65, 127, 128, 128 + 481, 4096};
    krbrepl__hello h, out;
    uint8_t zeros[4096] = {0};
    krbrepl__buf hello, b;
    unsigned tag;
    size_t i;

    (void)state;
    memset(&h, 0, sizeof h);
    krbrepl__buf_init(&hello, 0);
    krbrepl__buf_init(&b, 0);
    krbrepl__msg_put(&hello, KRBREPL__FRAME_HELLO, &h);
    for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        krbrepl__buf_reset(&b);
        krbrepl__buf_bytes(&b, hello.data, hello.len);
        krbrepl__buf_u16(&b, KRBREPL__TAG_PARTIAL);
        krbrepl__buf_vec16(&b, zeros, wrong[i]);
        assert_int_equal(
            krbrepl__msg_get((krbrepl_bytes){b.data, b.len}, KRBREPL__FRAME_HELLO, &out, &tag),
            KRBREPL_ERR_PROTO);
        krbrepl__msg_free(KRBREPL__FRAME_HELLO, &out);
    }
    for (i = 1; i <= sizeof h.partial.after.b; i++) {
        krbrepl__buf_reset(&b);
        h.has = KRBREPL__HAS(KRBREPL__TAG_PARTIAL);
        h.partial.pos.seq = 5;
        h.partial.upper.seq = 9;
        h.partial.after.len = i;
        krbrepl__msg_put(&b, KRBREPL__FRAME_HELLO, &h);
        assert_int_equal(
            krbrepl__msg_get((krbrepl_bytes){b.data, b.len}, KRBREPL__FRAME_HELLO, &out, &tag), 0);
        assert_int_equal(out.partial.pos.seq, 5);
        assert_int_equal(out.partial.upper.seq, 9);
        assert_int_equal(out.partial.after.len, i);
        krbrepl__msg_free(KRBREPL__FRAME_HELLO, &out);
    }
    krbrepl__buf_free(&hello);
    krbrepl__buf_free(&b);
}

static void lists_and_names_have_limits(void **state)
{
    krbrepl__hello h, out;
    krbrepl__buf b;
    unsigned tag;

    (void)state;
    memset(&h, 0, sizeof h);
    krbrepl__buf_init(&b, 0);
    h.marks.n = KRBREPL__MAX_MARKS;
    memset(h.name, 'n', KRBREPL__MSG_NAME);
    h.ancestry.n = KRBREPL__MAX_ANCESTORS;
    h.ancestry.at = test_calloc(KRBREPL__MAX_ANCESTORS, sizeof h.ancestry.at[0]);
    krbrepl__msg_put(&b, KRBREPL__FRAME_HELLO, &h);
    assert_true(b.len < krbrepl__frame_limit(KRBREPL__FRAME_HELLO));
    assert_int_equal(krbrepl__msg_get((krbrepl_bytes){b.data, b.len}, KRBREPL__FRAME_HELLO, &out, &tag),
                     0);
    assert_int_equal(out.marks.n, KRBREPL__MAX_MARKS);
    assert_int_equal(out.ancestry.n, KRBREPL__MAX_ANCESTORS);
    krbrepl__msg_free(KRBREPL__FRAME_HELLO, &out);
    krbrepl__buf_reset(&b);
    krbrepl__buf_u16(&b, KRBREPL__TAG_MARKS);
    krbrepl__buf_u16(&b, 40 * (KRBREPL__MAX_MARKS + 1));
    memset(krbrepl__buf_room(&b, 40 * (KRBREPL__MAX_MARKS + 1)), 0, 40 * (KRBREPL__MAX_MARKS + 1));
    assert_int_equal(krbrepl__msg_get((krbrepl_bytes){b.data, b.len}, KRBREPL__FRAME_HELLO, &out, &tag),
                     KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
    test_free(h.ancestry.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_is_there_only_when_it_is_whole),
        cmocka_unit_test(frame_head_is_judged_before_its_body_is_there),
        cmocka_unit_test(message_is_cut_nowhere_without_notice),
        cmocka_unit_test(fields_come_once_and_in_order),
        cmocka_unit_test(known_field_may_be_marked_as_required),
        cmocka_unit_test(a_copy_that_was_cut_off_is_told_in_one_length_only),
        cmocka_unit_test(lists_and_names_have_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
