/* acl_test.c: who may follow a master. */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "acl.h"

static char path[] = "/tmp/krbrepl-acl-XXXXXX";
static char why[512];

static struct acl *of_bytes(const char *text, size_t len)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    why[0] = '\0';
    return acl_read(path, "EXAMPLE.ORG", why, sizeof why);
}

static struct acl *of(const char *text)
{
    return of_bytes(text, strlen(text));
}

static int make_file(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void names_comments_and_blank_lines_are_read(void **state)
{
    struct acl *a = of("# replicas\n\nkrbrepl/a.example.org@EXAMPLE.ORG\n   \n  krbrepl/b@OTHER  \r\n"
                       "#krbrepl/c@EXAMPLE.ORG\nkrbrepl/last@EXAMPLE.ORG");

    (void)state;
    assert_non_null(a);
    assert_int_equal(acl_count(a), 3);
    assert_true(acl_allows(a, "krbrepl/a.example.org@EXAMPLE.ORG"));
    assert_true(acl_allows(a, "krbrepl/b@OTHER"));
    assert_true(acl_allows(a, "krbrepl/last@EXAMPLE.ORG"));
    assert_false(acl_allows(a, "krbrepl/c@EXAMPLE.ORG"));
    acl_free(a);
}

static void the_word_heimdal_makes_a_name_that_of_a_slave_in_its_dialect(void **state)
{
    struct acl *a =
        of("heimdal iprop/a@EXAMPLE.ORG\n\theimdal\t iprop/b \nkrbrepl/c@EXAMPLE.ORG\nheimdal\n");

    (void)state;
    assert_non_null(a);
    assert_true(acl_allows_heimdal(a, "iprop/a@EXAMPLE.ORG"));
    assert_true(acl_allows_heimdal(a, "iprop/b@EXAMPLE.ORG"));
    assert_false(acl_allows(a, "iprop/a@EXAMPLE.ORG"));
    assert_false(acl_allows_heimdal(a, "krbrepl/c@EXAMPLE.ORG"));
    assert_true(acl_allows(a, "krbrepl/c@EXAMPLE.ORG"));
    assert_true(acl_allows(a, "heimdal@EXAMPLE.ORG"));
    acl_free(a);
}

static void a_name_is_compared_byte_for_byte(void **state)
{
    struct acl *a = of("krbrepl/a@EXAMPLE.ORG\nwith\\@sign@EXAMPLE.ORG\n");

    (void)state;
    assert_non_null(a);
    assert_false(acl_allows(a, "krbrepl/A@EXAMPLE.ORG"));
    assert_false(acl_allows(a, "krbrepl/a@example.org"));
    assert_false(acl_allows(a, "krbrepl/a"));
    assert_false(acl_allows(a, "krbrepl/a@EXAMPLE.ORG.EVIL"));
    assert_false(acl_allows(a, ""));
    assert_true(acl_allows(a, "with\\@sign@EXAMPLE.ORG"));
    acl_free(a);
}

static void a_name_without_realm_gets_the_default_realm(void **state)
{
    struct acl *a = of("krbrepl/a\nodd\\@name\n");

    (void)state;
    assert_non_null(a);
    assert_true(acl_allows(a, "krbrepl/a@EXAMPLE.ORG"));
    assert_true(acl_allows(a, "odd\\@name@EXAMPLE.ORG"));
    assert_false(acl_allows(a, "krbrepl/a@OTHER"));
    acl_free(a);
    assert_null(acl_read(path, "", why, sizeof why));
    assert_non_null(strstr(why, "line 1"));
}

static void an_empty_file_allows_nobody(void **state)
{
    struct acl *a = of("# nobody yet\n");

    (void)state;
    assert_non_null(a);
    assert_int_equal(acl_count(a), 0);
    assert_false(acl_allows(a, ""));
    acl_free(a);
    assert_false(acl_allows(NULL, "krbrepl/a@EXAMPLE.ORG"));
}

static void a_malformed_line_is_named(void **state)
{
    static const char *const lines[] = {
        "good@EXAMPLE.ORG\nkrbrepl/a@EXAMPLE.ORG *\n",
        "good@EXAMPLE.ORG\n*@EXAMPLE.ORG\n",
        "good@EXAMPLE.ORG\na@B@C\n",
        "good@EXAMPLE.ORG\n@EXAMPLE.ORG\n",
        "good@EXAMPLE.ORG\na@\n",
        "good@EXAMPLE.ORG\na\001b@X\n",
        "good@EXAMPLE.ORG\na\\\001b@X\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (of(lines[i]) != NULL)
            fail_msg("accepted: %s", lines[i]);
        if (strstr(why, "line 2") == NULL)
            fail_msg("does not name line 2: %s", why);
    }
}

static void zero_bytes_and_endless_lines_are_refused(void **state)
{
    char longest[3000];

    (void)state;
    assert_null(of_bytes("a@X\nb\0c@X\n", 10));
    assert_null(of_bytes("a@X\nb@X\0c", 9));
    assert_non_null(strstr(why, "line 2"));
    memset(longest, 'a', sizeof longest);
    assert_null(of_bytes(longest, sizeof longest));
    assert_non_null(strstr(why, "line 1"));
}

static void a_file_that_everybody_can_write_is_refused(void **state)
{
    (void)state;
    acl_free(of("a@X\n"));
    assert_int_equal(chmod(path, 0606), 0);
    assert_null(acl_read(path, "X", why, sizeof why));
    assert_non_null(strstr(why, "o-w"));
    assert_int_equal(chmod(path, 0600), 0);
    assert_null(acl_read("/nonexistent/acl", "X", why, sizeof why));
    assert_non_null(strstr(why, "/nonexistent/acl"));
    assert_null(acl_read("/", "X", why, sizeof why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_comments_and_blank_lines_are_read),
        cmocka_unit_test(the_word_heimdal_makes_a_name_that_of_a_slave_in_its_dialect),
        cmocka_unit_test(a_name_is_compared_byte_for_byte),
        cmocka_unit_test(a_name_without_realm_gets_the_default_realm),
        cmocka_unit_test(an_empty_file_allows_nobody),
        cmocka_unit_test(a_malformed_line_is_named),
        cmocka_unit_test(zero_bytes_and_endless_lines_are_refused),
        cmocka_unit_test(a_file_that_everybody_can_write_is_refused),
    };

    return cmocka_run_group_tests(tests, make_file, remove_file);
}
