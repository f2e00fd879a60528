/* What a daemon writes into its log. */
#include "test.h"

#include <unistd.h>

#include "logout.h"

static void a_line_has_no_control_characters(void **state)
{
    static const char evil[] = "refused x\033[2J\ny@EXAMPLE.ORG";
    char got[512];
    int end[2], err = dup(STDERR_FILENO);
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(end), 0);
    assert_true(err >= 0 && dup2(end[1], STDERR_FILENO) >= 0);
    logout_line(KRBREPL_LOG_WARN, "program", evil, strlen(evil));
    assert_true(dup2(err, STDERR_FILENO) >= 0);
    n = read(end[0], got, sizeof got - 1);
    assert_true(n > 0);
    got[n] = '\0';
    assert_non_null(strstr(got, "refused x?[2J?y@EXAMPLE.ORG\n"));
    close(end[0]);
    close(end[1]);
    close(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_no_control_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
