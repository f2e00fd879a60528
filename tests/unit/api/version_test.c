/* What a program can ask about the library it runs with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <krbrepl/krbrepl.h>

static void any_library_is_new_enough_for_version_zero(void **state)
{
    const krbrepl_info *info = krbrepl_version(0);

    (void)state;
    assert_non_null(info);
    assert_string_equal(info->text, KRBREPL_VERSION_TEXT);
    assert_int_equal(info->number, KRBREPL_VERSION_NUMBER);
    assert_int_equal(info->size, sizeof *info);
}

static void a_library_older_than_asked_for_says_so(void **state)
{
    (void)state;
    assert_non_null(krbrepl_version(KRBREPL_VERSION_NUMBER));
    assert_null(krbrepl_version(KRBREPL_VERSION_NUMBER + 1));
    assert_null(krbrepl_version(UINT32_MAX));
}

static void every_error_has_a_name_a_text_and_advice(void **state)
{
    static const int numbers[] = {
#define X(name, value, advice, text) value,
        KRBREPL_ERROR_MAP(X)
#undef X
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        assert_string_not_equal(krbrepl_err_name(numbers[i]), "UNKNOWN");
        assert_true(krbrepl_strerror(numbers[i])[0] != '\0');
        assert_in_range(krbrepl_err_advice(numbers[i]), KRBREPL_ADVICE_NONE, KRBREPL_ADVICE_BUG);
    }
    assert_string_equal(krbrepl_err_name(-9999), "UNKNOWN");
    assert_non_null(krbrepl_strerror(-9999));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_library_is_new_enough_for_version_zero),
        cmocka_unit_test(a_library_older_than_asked_for_says_so),
        cmocka_unit_test(every_error_has_a_name_a_text_and_advice),
    };

    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
