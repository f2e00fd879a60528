#include "test.h"

#include <errno.h>

#include "errinfo.h"
#include "logline.h"

static void every_error_has_a_name_a_text_and_advice(void **state)
{
    (void)state;
#define X(name, value, advice, text)                                  \
    assert_string_equal(krbrepl_err_name(KRBREPL_ERR_##name), #name); \
    assert_string_equal(krbrepl_strerror(value), text);               \
    assert_int_equal(krbrepl_err_advice(value), KRBREPL_ADVICE_##advice);
    KRBREPL_ERROR_MAP(X)
#undef X
    assert_string_equal(krbrepl_strerror(0), "success");
    assert_string_equal(krbrepl_err_name(12345), "UNKNOWN");
    assert_non_null(krbrepl_strerror(-9999));
    assert_int_equal(krbrepl_err_advice(-9999), KRBREPL_ADVICE_NONE);
}

static void a_full_disk_is_told_apart_from_other_failures(void **state)
{
    krbrepl_errinfo ei;

    (void)state;
    assert_int_equal(krbrepl__fail_sys(&ei, KRBREPL_ERR_IO, ENOSPC, "journal"), KRBREPL_ERR_NOSPACE);
    assert_int_equal(ei.sys_errno, ENOSPC);
    assert_non_null(strstr(ei.text, "journal: "));
    assert_int_equal(krbrepl__fail_sys(&ei, KRBREPL_ERR_IO, EACCES, "journal"), KRBREPL_ERR_IO);
    assert_int_equal(krbrepl__fail_sys(NULL, KRBREPL_ERR_IO, EACCES, "journal"), KRBREPL_ERR_IO);
}

static void an_older_errinfo_is_filled_no_further_than_it_reaches(void **state)
{
    krbrepl_errinfo ei;
    size_t size;

    (void)state;
    krbrepl__fail(&ei, KRBREPL_ERR_IO, "%0300d", 7); /* longer than the text: cut, and terminated */
    assert_int_equal(strlen(ei.text), sizeof ei.text - 1);
    for (size = 0; size <= sizeof ei; size++) {
        krbrepl_errinfo *old = malloc(size < sizeof size ? sizeof size : size);

        assert_non_null(old);
        old->size = size;
        if (size < offsetof(krbrepl_errinfo, host_code)) {
            assert_int_equal(krbrepl__errinfo_out(&ei, old), KRBREPL_ERR_INVALID);
        } else {
            assert_int_equal(krbrepl__errinfo_out(&ei, old), 0);
            assert_int_equal(old->code, KRBREPL_ERR_IO);
            assert_int_equal(old->size, size);
        }
        free(old);
    }
}

static void keep(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    (void)level;
    (void)area;
    memcpy(ctx, msg, len + 1);
}

static void a_log_line_stays_one_line(void **state)
{
    char got[1100] = "";
    krbrepl__log log = {keep, got, KRBREPL_LOG_INFO};

    (void)state;
    krbrepl__logf(&log, KRBREPL_LOG_INFO, "peer", "name %s", "evil\nERROR forged\033[2J");
    assert_string_equal(got, "name evil?ERROR forged?[2J");
    got[0] = '\0';
    krbrepl__logf(&log, KRBREPL_LOG_DEBUG, "peer", "too fine");
    assert_string_equal(got, "");
}

/* A KDC that nobody has authenticated can put words into the texts of Kerberos. */
static void a_text_of_an_error_has_no_control_characters(void **state)
{
    krbrepl_errinfo ei = {.size = sizeof ei};

    (void)state;
    krbrepl__fail(&ei, KRBREPL_ERR_AUTH, "auth: KDC returned error string: %s", "x\n\033[2Jy\177");
    assert_string_equal(ei.text, "auth: KDC returned error string: x??[2Jy?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_a_text_and_advice),
        cmocka_unit_test(a_full_disk_is_told_apart_from_other_failures),
        cmocka_unit_test(an_older_errinfo_is_filled_no_further_than_it_reaches),
        cmocka_unit_test(a_log_line_stays_one_line),
        cmocka_unit_test(a_text_of_an_error_has_no_control_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
