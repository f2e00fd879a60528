/* A file that is made later gets the mode of data.mdb, and nothing else gets it. */
#include "st.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int armed;
    char victim[600];
} thief;

int __real_fstatat(int dir, const char *name, struct stat *out, int flags);
int __wrap_fstatat(int dir, const char *name, struct stat *out, int flags);

/* As somebody of the same group would do it, in the instant behind the look at the file. */
int __wrap_fstatat(int dir, const char *name, struct stat *out, int flags)
{
    const int rc = __real_fstatat(dir, name, out, flags);

    if (rc == 0 && thief.armed && strcmp(name, "made") == 0) {
        thief.armed = 0;
        assert_int_equal(unlinkat(dir, name, 0), 0);
        assert_int_equal(symlinkat(thief.victim, dir, name), 0);
    }
    return rc;
}

static void make(const char *path, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static mode_t mode_of(const char *path)
{
    struct stat is;

    assert_int_equal(lstat(path, &is), 0);
    return is.st_mode & 07777;
}

static int begin(const st *t, char made[600])
{
    char path[600];
    int fd = open(t->root, O_RDONLY | O_DIRECTORY);

    assert_true(fd >= 0);
    snprintf(path, sizeof path, "%s/data.mdb", t->root);
    make(path, 0660);
    snprintf(made, 600, "%s/made", t->root);
    make(made, 0600);
    snprintf(thief.victim, sizeof thief.victim, "%s/victim", t->root);
    make(thief.victim, 0600);
    return fd;
}

static void a_file_that_is_made_later_gets_the_mode_of_the_data(void **state)
{
    char made[600];
    const int fd = begin(*state, made);

    krbrepl__mode_like_data(fd, "made");
    assert_int_equal(mode_of(made), 0660);
    close(fd);
}

static void a_file_elsewhere_keeps_its_mode_when_a_link_takes_the_place(void **state)
{
    char made[600];
    const int fd = begin(*state, made);

    thief.armed = 1;
    krbrepl__mode_like_data(fd, "made");
    assert_false(thief.armed);
    assert_int_equal(mode_of(thief.victim), 0600);
    close(fd);
}

/* Where the kernel lets anybody make one. */
static void a_file_elsewhere_keeps_its_mode_when_it_has_the_name_too(void **state)
{
    char made[600];
    const int fd = begin(*state, made);

    assert_int_equal(unlink(made), 0);
    assert_int_equal(link(thief.victim, made), 0);
    krbrepl__mode_like_data(fd, "made");
    assert_int_equal(mode_of(thief.victim), 0600);
    close(fd);
}

/* Somebody of the group puts a link to another store in the place of local/. */
static void a_store_elsewhere_keeps_its_mode_when_a_link_to_it_takes_the_place(void **state)
{
    const st *t = *state;
    char made[600], other[600], link_to_it[600], data[700];
    const int fd = begin(t, made);

    snprintf(other, sizeof other, "%s/other", t->root);
    snprintf(link_to_it, sizeof link_to_it, "%s/local", t->root);
    snprintf(data, sizeof data, "%s/data.mdb", other);
    assert_int_equal(mkdir(other, 0700), 0);
    make(data, 0600);
    assert_int_equal(symlink(other, link_to_it), 0);
    krbrepl__mode_like_data(fd, "local/data.mdb");
    assert_int_equal(mode_of(data), 0600);
    assert_int_equal(unlink(link_to_it), 0);
    assert_int_equal(rename(other, link_to_it), 0);
    snprintf(data, sizeof data, "%s/data.mdb", link_to_it);
    krbrepl__mode_like_data(fd, "local/data.mdb");
    assert_int_equal(mode_of(data), 0660);
    close(fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, st_setup, st_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_file_that_is_made_later_gets_the_mode_of_the_data),
        T(a_file_elsewhere_keeps_its_mode_when_a_link_takes_the_place),
        T(a_file_elsewhere_keeps_its_mode_when_it_has_the_name_too),
        T(a_store_elsewhere_keeps_its_mode_when_a_link_to_it_takes_the_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
