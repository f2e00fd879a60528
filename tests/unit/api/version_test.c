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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_library_is_new_enough_for_version_zero),
        cmocka_unit_test(a_library_older_than_asked_for_says_so),
    };

    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
