/* Structs of every age: a caller's struct is allocated at exactly the length it claims, so that a
 * sanitizer sees a single byte read or written behind it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <krbrepl/krbrepl.h>

#include "options.h"

#define NOW sizeof(krbrepl_master_options)
#define NEWER (NOW + 64)

/* A struct that claims and has `len` bytes, each behind the size being `fill`. The size itself is
 * always there, whatever it claims. */
static unsigned char *struct_of(size_t len, int fill)
{
    size_t room = len < sizeof len ? sizeof len : len;
    unsigned char *p = malloc(room);

    assert_non_null(p);
    memset(p, fill, room);
    memcpy(p, &len, sizeof len);
    return p;
}

static size_t size_of(const void *p)
{
    size_t size;

    memcpy(&size, p, sizeof size);
    return size;
}

static void an_absent_struct_is_all_defaults(void **state)
{
    unsigned char out[NOW], zero[NOW] = {0};

    (void)state;
    memset(out, 0xee, sizeof out);
    assert_int_equal(krbrepl__widen(out, NOW, NULL), 0);
    assert_int_equal(size_of(out), NOW);
    assert_memory_equal(out + sizeof(size_t), zero, NOW - sizeof(size_t));
}

static void an_older_struct_is_read_to_its_end_and_zero_filled(void **state)
{
    unsigned char out[NOW], zero[NOW] = {0};
    unsigned char *in;
    size_t len;

    (void)state;
    for (len = sizeof len; len <= NOW; len++) {
        in = struct_of(len, 0xab);
        memset(out, 0xee, sizeof out);
        assert_int_equal(krbrepl__widen(out, NOW, in), 0);
        assert_int_equal(size_of(out), NOW);
        assert_memory_equal(out + sizeof len, in + sizeof len, len - sizeof len);
        assert_memory_equal(out + len, zero, NOW - len);
        free(in);
    }
}

static void a_struct_shorter_than_its_size_field_is_refused(void **state)
{
    unsigned char out[NOW];
    unsigned char *in;
    size_t len;

    (void)state;
    for (len = 0; len < sizeof len; len++) {
        in = struct_of(len, 0);
        assert_int_equal(krbrepl__widen(out, NOW, in), KRBREPL_ERR_INVALID);
        assert_int_equal(krbrepl__narrow(in, out, NOW), KRBREPL_ERR_INVALID);
        free(in);
    }
}

static void a_newer_struct_is_taken_while_what_we_do_not_know_is_zero(void **state)
{
    unsigned char out[NOW];
    unsigned char *in;
    size_t len, i;

    (void)state;
    for (len = NOW + 1; len <= NEWER; len++) {
        in = struct_of(len, 0);
        in[sizeof len] = 7;
        assert_int_equal(krbrepl__widen(out, NOW, in), 0);
        assert_int_equal(out[sizeof len], 7);
        for (i = NOW; i < len; i++) {
            in[i] = 1;
            assert_int_equal(krbrepl__widen(out, NOW, in), KRBREPL_ERR_ABI);
            in[i] = 0;
        }
        free(in);
    }
}

static void a_size_that_nobody_set_is_refused_unread(void **state)
{
    unsigned char out[NOW];
    size_t garbage[2] = {SIZE_MAX, 0};

    (void)state;
    assert_int_equal(krbrepl__widen(out, NOW, garbage), KRBREPL_ERR_ABI);
    garbage[0] = 4097;
    assert_int_equal(krbrepl__widen(out, NOW, garbage), KRBREPL_ERR_ABI);
}

static void an_answer_fills_what_the_caller_has_and_keeps_its_size(void **state)
{
    unsigned char from[NOW];
    unsigned char *out;
    size_t len, i;

    (void)state;
    memset(from, 0xcd, sizeof from);
    for (len = sizeof len; len <= NEWER; len++) {
        out = struct_of(len, 0x11);
        assert_int_equal(krbrepl__narrow(out, from, NOW), 0);
        assert_int_equal(size_of(out), len);
        for (i = sizeof len; i < len; i++)
            assert_int_equal(out[i], i < NOW ? 0xcd : 0x11);
        free(out);
    }
    assert_int_equal(krbrepl__narrow(NULL, from, NOW), KRBREPL_ERR_INVALID);
}

/* Whether the detail names the struct, and what its author forgot. */
static void tells_of(const krbrepl_errinfo *ei, const char *name)
{
    assert_non_null(strstr(ei->text, name));
    assert_non_null(strstr(ei->text, "KRBREPL_INIT"));
}

static void a_struct_that_nobody_prepared_is_named_with_what_prepares_it(void **state)
{
    krbrepl_create_options create;
    krbrepl_store_options open;
    krbrepl_wait_options wait;
    krbrepl_errinfo ei;
    krbrepl_config config;
    krbrepl_events events;
    krbrepl_store *s;
    krbrepl_node *n;
    int rubbish;

    (void)state;
    KRBREPL_INIT(&ei);
    for (rubbish = 0; rubbish < 2; rubbish++) {
        int expected = rubbish ? KRBREPL_ERR_ABI : KRBREPL_ERR_INVALID;

        memset(&create, rubbish ? 0xa5 : 0, sizeof create);
        assert_int_equal(krbrepl_store_create("/nonexistent/store", &create, &ei), expected);
        tells_of(&ei, "krbrepl_create_options");
        memset(&open, rubbish ? 0xa5 : 0, sizeof open);
        assert_int_equal(krbrepl_store_open(&s, "/nonexistent/store", &open, &ei), expected);
        tells_of(&ei, "krbrepl_store_options");
        memset(&wait, rubbish ? 0xa5 : 0, sizeof wait);
        assert_int_equal(krbrepl_wait("/nonexistent/store", &wait, NULL, &ei), expected);
        tells_of(&ei, "krbrepl_wait_options");
        memset(&config, rubbish ? 0xa5 : 0, sizeof config);
        assert_int_equal(krbrepl_node_new(&n, &config, &ei), expected);
        tells_of(&ei, "krbrepl_config");
        KRBREPL_INIT(&config);
        memset(&events, rubbish ? 0xa5 : 0, sizeof events);
        config.events = &events;
        assert_int_equal(krbrepl_node_new(&n, &config, &ei), expected);
        tells_of(&ei, "krbrepl_events");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_absent_struct_is_all_defaults),
        cmocka_unit_test(an_older_struct_is_read_to_its_end_and_zero_filled),
        cmocka_unit_test(a_struct_shorter_than_its_size_field_is_refused),
        cmocka_unit_test(a_newer_struct_is_taken_while_what_we_do_not_know_is_zero),
        cmocka_unit_test(a_size_that_nobody_set_is_refused_unread),
        cmocka_unit_test(a_struct_that_nobody_prepared_is_named_with_what_prepares_it),
        cmocka_unit_test(an_answer_fills_what_the_caller_has_and_keeps_its_size),
    };

    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
