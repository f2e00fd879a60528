/* token_test.c: bytes as words of a line of text. */
#include "test.h"

#include "token.h"

/* Reads the first word of a line; NULL when it is malformed. The bytes are good until the next call. */
static const uint8_t *word(const char *line, size_t len, size_t *out_len)
{
    static char copy[4096];
    const char *why = "";
    char *p = copy;
    uint8_t *out;

    memcpy(copy, line, len);
    return token_next(&p, copy + len, &out, out_len, &why) == 1 ? out : NULL;
}

static void expect(const char *line, const char *bytes, size_t n)
{
    size_t len = 0;
    const uint8_t *out = word(line, strlen(line), &len);

    if (out == NULL)
        fail_msg("refused: %s", line);
    else if (len != n || memcmp(out, bytes, n) != 0)
        fail_msg("another word: %s", line);
}

static void words_of_all_three_forms_are_read(void **state)
{
    (void)state;
    expect("krbtgt/A@A", "krbtgt/A@A", 10);
    expect("  word rest", "word", 4);
    expect("\"two words\"", "two words", 9);
    expect("\"a\\\"b\\\\c\\n\\t\\r\\x00\\xfF\"", "a\"b\\c\n\t\r\0\xff", 10);
    expect("\"\"", "", 0);
    expect("0x", "", 0);
    expect("0x00fF", "\0\xff", 2);
    expect("00", "00", 2);
}

static void malformed_words_are_refused(void **state)
{
    static const char *const lines[] = {"\"open",     "\"a\\",  "\"a\\q\"", "\"a\\x1\"",
                                        "\"a\\xzz\"", "0x0",    "0xzz",     "a\"b",
                                        "a\\b",       "\"a\"b", "a#b",      "\xc3\xa4"};
    size_t i, len;

    (void)state;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (word(lines[i], strlen(lines[i]), &len) != NULL)
            fail_msg("accepted: %s", lines[i]);
    assert_null(word("\"a\\\0\"", 5, &len));
}

static void words_follow_each_other_to_the_end_of_the_line(void **state)
{
    char line[] = "put  \"a b\"\t0x41 ", *p = line, *end = line + strlen(line);
    const char *why = "";
    uint8_t *out;
    size_t len;

    (void)state;
    assert_int_equal(token_next(&p, end, &out, &len, &why), 1);
    assert_int_equal(token_next(&p, end, &out, &len, &why), 1);
    assert_memory_equal(out, "a b", 3);
    assert_int_equal(token_next(&p, end, &out, &len, &why), 1);
    assert_true(len == 1 && out[0] == 'A');
    assert_int_equal(token_next(&p, end, &out, &len, &why), 0);
}

static void check_round_trip(void (*write)(FILE *, const void *, size_t), const uint8_t *data,
                             size_t len)
{
    char *line = NULL;
    size_t room = 0, n = 0;
    FILE *f = open_memstream(&line, &room);
    const uint8_t *out;

    write(f, data, len);
    assert_int_equal(fclose(f), 0);
    out = word(line, room, &n);
    assert_non_null(out);
    assert_int_equal(n, len);
    assert_memory_equal(out, data, len);
    free(line);
}

static void whatever_is_written_is_read_back(void **state)
{
    uint8_t data[300];
    unsigned seed = 1;
    size_t i, j, len;

    (void)state;
    for (i = 0; i < 256; i++) {
        data[0] = (uint8_t)i;
        check_round_trip(token_write, data, 1);
    }
    for (i = 0; i < 2000; i++) {
        len = i % sizeof data;
        for (j = 0; j < len; j++) {
            seed = seed * 1103515245 + 12345;
            data[j] = (uint8_t)(i % 2 == 0 ? seed >> 16 : 0x20 + (seed >> 16) % 0x5f);
        }
        check_round_trip(token_write, data, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_all_three_forms_are_read),
        cmocka_unit_test(malformed_words_are_refused),
        cmocka_unit_test(words_follow_each_other_to_the_end_of_the_line),
        cmocka_unit_test(whatever_is_written_is_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
