/* native_test.c: files of `krbrepl dump --format native`. The digest of the good file was made by sha256sum. */
#include "test.h"

#include "native.h"

#define HEAD                                        \
    "krbrepl-dump 1\n"                              \
    "database 0x000102030405060708090a0b0c0d0e0f\n" \
    "position 7 1 0x00112233445566778899aabbccddeeff 0x00\n"
#define RECORDS                       \
    "put policy \"default\" 0x0001\n" \
    "put principal \"a b@X\" \"\"\n"

static const char good[] =
    HEAD RECORDS "end 2 0x2ad03a75a2d35b650304820ce58f5e83f45588e29163f7f4e4b371e8f56d2cc0\n";

static char why[200];
static unsigned seen;

static int count(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    (void)table, (void)key, (void)value;
    seen++;
    return *(int *)ctx;
}

static int read_text(const char *text, size_t len, int answer)
{
    FILE *f = fmemopen((char *)(uintptr_t)text, len, "r");
    int rc;

    assert_non_null(f);
    seen = 0;
    why[0] = '\0';
    rc = native_read(f, count, &answer, why, sizeof why);
    fclose(f);
    return rc;
}

static void a_good_file_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text(good, sizeof good - 1, 0), 0);
    assert_int_equal(seen, 2);
}

static void a_file_cut_off_anywhere_is_refused(void **state)
{
    size_t n;

    (void)state;
    for (n = 1; n < sizeof good - 1; n++) {
        if (read_text(good, n, 0) != KRBREPL_ERR_INPUT)
            fail_msg("accepted with %zu bytes", n);
        assert_non_null(strstr(why, "line "));
    }
}

static void a_file_with_any_byte_altered_is_refused(void **state)
{
    char copy[sizeof good];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof good - 1; i++) {
        memcpy(copy, good, sizeof good);
        copy[i] ^= 1;
        /* Upper and lower case of a digit of the digest, which mean the same, differ in another bit. */
        if (read_text(copy, sizeof good - 1, 0) != KRBREPL_ERR_INPUT)
            fail_msg("accepted with byte %zu altered", i);
    }
}

static void lines_out_of_order_are_refused(void **state)
{
    static const char *const texts[] = {
        "\n",
        "krbrepl-dump 2\n",
        RECORDS,
        "krbrepl-dump 1\n" RECORDS,
        HEAD HEAD,
        HEAD "put a b\n",
        HEAD "put a b c d\n",
        HEAD "delete a b\n",
        HEAD "put 123456789012345678901234567890123 a b\n",
        HEAD "end 0 0x00\n",
        HEAD "end\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (read_text(texts[i], strlen(texts[i]), 0) != KRBREPL_ERR_INPUT)
            fail_msg("accepted: %s", texts[i]);
}

static void what_the_receiver_answers_ends_the_reading(void **state)
{
    (void)state;
    assert_int_equal(read_text(good, sizeof good - 1, KRBREPL_ERR_EXISTS), KRBREPL_ERR_EXISTS);
    assert_int_equal(seen, 1);
}

static void something_behind_the_end_is_refused(void **state)
{
    char longer[sizeof good + 10];

    (void)state;
    snprintf(longer, sizeof longer, "%s\n", good);
    assert_int_equal(read_text(longer, strlen(longer), 0), KRBREPL_ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_is_read),
        cmocka_unit_test(a_file_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_file_with_any_byte_altered_is_refused),
        cmocka_unit_test(lines_out_of_order_are_refused),
        cmocka_unit_test(what_the_receiver_answers_ends_the_reading),
        cmocka_unit_test(something_behind_the_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
