/* json_test.c: what is written is JSON, whatever the bytes are. */
#include "test.h"

#include "json.h"

static char *text;
static size_t len;

static struct json start(void)
{
    struct json j;

    free(text);
    text = NULL;
    json_start(&j, open_memstream(&text, &len));
    return j;
}

static void expect(struct json *j, const char *want)
{
    assert_int_equal(fclose(j->f), 0);
    assert_string_equal(text, want);
}

static void members_and_elements_are_separated(void **state)
{
    struct json j = start();

    (void)state;
    json_open(&j, NULL, '{');
    json_u64(&j, "n", UINT64_MAX);
    json_i64(&j, "i", -1);
    json_open(&j, "list", '[');
    json_bool(&j, NULL, true);
    json_bool(&j, NULL, false);
    json_close(&j, ']');
    json_open(&j, "empty", '{');
    json_close(&j, '}');
    json_time(&j, "t", 0);
    json_close(&j, '}');
    expect(&j, "{\"n\":18446744073709551615,\"i\":-1,\"list\":[true,false],\"empty\":{},\"t\":null}\n");
}

static void each_outermost_value_is_a_line_of_its_own(void **state)
{
    struct json j = start();

    (void)state;
    json_open(&j, NULL, '{');
    json_close(&j, '}');
    json_open(&j, NULL, '[');
    json_close(&j, ']');
    expect(&j, "{}\n[]\n");
}

static void texts_are_escaped_and_wrong_bytes_replaced(void **state)
{
    struct json j = start();

    (void)state;
    json_open(&j, NULL, '{');
    json_text(&j, "a\"b", "q\" b\\ n\n t\t \001 \177 \xc3\xa4 \xff \xc0\x80 \xed\xa0\x80");
    json_close(&j, '}');
    expect(&j, "{\"a\\\"b\":\"q\\\" b\\\\ n\\n t\\t \\u0001 \\u007f \xc3\xa4 \\ufffd \\ufffd\\ufffd "
               "\\ufffd\\ufffd\\ufffd\"}\n");
}

static void bytes_are_text_or_hexadecimal(void **state)
{
    struct json j = start();

    (void)state;
    json_open(&j, NULL, '{');
    json_bytes(&j, "a", "text", 4);
    json_bytes(&j, "b", "te\0xt", 5);
    json_bytes(&j, "c", "\xff", 1);
    json_bytes(&j, "d", "line\n", 5);
    json_bytes(&j, "e", NULL, 0);
    json_hex(&j, "f", "\x01\xab", 2);
    json_close(&j, '}');
    expect(
        &j,
        "{\"a\":\"text\",\"b_hex\":\"7465007874\",\"c_hex\":\"ff\",\"d_hex\":\"6c696e650a\",\"e\":\"\","
        "\"f\":\"01ab\"}\n");
}

static void only_shortest_forms_of_characters_are_utf8(void **state)
{
    (void)state;
    assert_int_equal(json_utf8("\xc3\xa4", 2), 2);
    assert_int_equal(json_utf8("\xe2\x82\xac", 3), 3);
    assert_int_equal(json_utf8("\xf0\x9f\x98\x80", 4), 4);
    assert_int_equal(json_utf8("\xe2\x82\xac", 2), 0);
    assert_int_equal(json_utf8("\xe0\x80\x80", 3), 0);
    assert_int_equal(json_utf8("\xf0\x80\x80\x80", 4), 0);
    assert_int_equal(json_utf8("\xf4\x90\x80\x80", 4), 0);
    assert_int_equal(json_utf8("\xf8\x88\x80\x80", 4), 0);
    assert_int_equal(json_utf8("\x80", 1), 0);
    assert_false(json_is_text("\xc2\x85", 2));
    assert_true(json_is_text("\xc2\xa0", 2));
}

static int forget(void **state)
{
    (void)state;
    free(text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_separated),
        cmocka_unit_test(each_outermost_value_is_a_line_of_its_own),
        cmocka_unit_test(texts_are_escaped_and_wrong_bytes_replaced),
        cmocka_unit_test(bytes_are_text_or_hexadecimal),
        cmocka_unit_test(only_shortest_forms_of_characters_are_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, forget);
}
