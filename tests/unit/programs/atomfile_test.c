/* A file that appears whole or not at all, on a disk that is full or fails at any point. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "atomfile.h"
#include "iofail.h"

static char dir[200], file[240];

static int make_dir(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(dir, sizeof dir, "%.150s/krbrepl-atomfile.XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/file", dir);
    return 0;
}

/* Fails when anything but the file was left behind. */
static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(file);
    return rmdir(dir);
}

static void write_text(const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_text(const char *text)
{
    char got[64];
    FILE *f = fopen(file, "r");
    size_t n;

    assert_non_null(f);
    n = fread(got, 1, sizeof got - 1, f);
    got[n] = '\0';
    fclose(f);
    assert_string_equal(got, text);
}

static int replace(const char *text)
{
    struct atomfile a;

    if (!atomfile_open(&a, file))
        return 0;
    if (fputs(text, a.f) >= 0 && atomfile_commit(&a))
        return 1;
    atomfile_abort(&a);
    return 0;
}

static void a_file_is_replaced_and_is_for_its_owner_only(void **state)
{
    struct stat st;

    (void)state;
    write_text("old");
    assert_true(replace("new"));
    assert_text("new");
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void limit(rlim_t n)
{
    struct rlimit lim;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
    lim.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static void a_disk_that_is_full_at_any_byte_leaves_the_old_file(void **state)
{
    rlim_t room;
    int done;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    for (room = 0; room <= 9; room++) {
        write_text("old");
        limit(room);
        done = replace("nine bytes");
        limit(RLIM_INFINITY);
        assert_false(done);
        assert_text("old");
    }
    assert_true(replace("nine bytes"));
}

static void a_disk_that_fails_leaves_one_file_whole(void **state)
{
    unsigned long n;
    int done, more;

    (void)state;
    for (n = 0, more = 1; more; n++) {
        write_text("old");
        iofail_arm(IOFAIL_EIO, n, 0);
        done = replace("new");
        more = iofail_disarm();
        assert_int_equal(done, !more);
        /* The new name may be there, and only its being durable in doubt. */
        if (done || n >= 2)
            assert_text("new");
        else
            assert_text("old");
    }
    assert_true(n == 4);
}

static void standard_output_is_no_file(void **state)
{
    struct atomfile a;

    (void)state;
    assert_true(atomfile_open(&a, "-"));
    assert_ptr_equal(a.f, stdout);
    atomfile_abort(&a);
    assert_false(atomfile_open(&a, "/nonexistent/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_replaced_and_is_for_its_owner_only),
        cmocka_unit_test(a_disk_that_is_full_at_any_byte_leaves_the_old_file),
        cmocka_unit_test(a_disk_that_fails_leaves_one_file_whole),
        cmocka_unit_test(standard_output_is_no_file),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
