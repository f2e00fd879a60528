/* A process that forks or dies while it loads or copies: the child holds nothing back and takes nothing away,
 * and the dead leave nothing. */
#include "bulk.h"

#include <signal.h>

static int setup(void **state)
{
    static tmpdir t;

    tmpdir_make(&t);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    tmpdir_remove(*state);
    return 0;
}

/* A child that lives, with all that it inherited, until `fd` is closed. */
static pid_t child_that_stays(int *fd)
{
    int ends[2];
    char c;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[1]);
        _exit(read(ends[0], &c, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    *fd = ends[1];
    return pid;
}

static void child_ends(pid_t pid, int fd)
{
    int status;

    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static krbrepl_load *begin_load(krbrepl_store *s)
{
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;

    KRBREPL_INIT(&opt);
    OKS(s, krbrepl__load_begin(s, &l, &opt));
    return l;
}

static void begin_copy(krbrepl_store *s, krbrepl__copy **c)
{
    static const krbrepl__ancestry none;
    krbrepl_pos from = {.epoch = 1, .seq = 9};

    OKS(s, krbrepl__copy_begin(s, c, &from, &none, 0, 0, 0));
}

static krbrepl_bytes text(const char *p, size_t n)
{
    return (krbrepl_bytes){p, n};
}

static void child_forked_during_a_load_does_not_keep_the_next_one_out(void **state)
{
    krbrepl_store *s = store_make(*state, "s", KRBREPL_CREATE_MASTER);
    krbrepl_load *l = begin_load(s);
    int fd;
    pid_t pid = child_that_stays(&fd);

    krbrepl__load_abort(l);
    l = begin_load(s);
    krbrepl__load_abort(l);
    child_ends(pid, fd);
    krbrepl__store_close(s);
}

static void child_forked_during_a_copy_does_not_keep_the_next_one_out(void **state)
{
    krbrepl_store *s = store_make(*state, "s", 0);
    krbrepl__copy *c = NULL;
    int fd;
    pid_t pid;

    OKS(s, krbrepl__store_adopt(s, bulk_id));
    begin_copy(s, &c);
    pid = child_that_stays(&fd);
    krbrepl__copy_abort(c);
    begin_copy(s, &c);
    krbrepl__copy_abort(c);
    child_ends(pid, fd);
    krbrepl__store_close(s);
}

/* In a child, aborting and closing are legal, and must not reach the parent's work. */
static void child_that_aborts_a_copy_leaves_it_to_its_parent(void **state)
{
    krbrepl_store *s = store_make(*state, "s", 0);
    krbrepl__copy *c = NULL;
    krbrepl_pos pos;
    int status;
    pid_t pid;

    OKS(s, krbrepl__store_adopt(s, bulk_id));
    begin_copy(s, &c);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        krbrepl__copy_abort(c);
        krbrepl__store_close(s);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(store_state(s).other, KRBREPL__OTHER_PARTIAL);
    OKS(s, krbrepl__copy_put(c, text("principal\0a", 11), text("1", 1)));
    OKS(s, krbrepl__copy_switch(c, &pos));
    assert_int_equal(store_content(s).records, 1);
    krbrepl__store_close(s);
}

static void killed_load_leaves_no_records_in_a_file(void **state)
{
    krbrepl_store *s = store_make(*state, "s", KRBREPL_CREATE_MASTER);
    char dir[320], path[340];
    krbrepl_load *l;
    struct stat st;
    int status;
    pid_t pid;

    krbrepl__store_close(s);
    tmpdir_path(*state, "s", dir);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        s = store_open_at(dir);
        l = begin_load(s);
        OKS(s, krbrepl__load_put(l, "principal", text("a", 1), text("secret", 6)));
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    snprintf(path, sizeof path, "%s/load.tmp", dir);
    assert_int_equal(lstat(path, &st), -1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(child_forked_during_a_load_does_not_keep_the_next_one_out),
        T(child_forked_during_a_copy_does_not_keep_the_next_one_out),
        T(child_that_aborts_a_copy_leaves_it_to_its_parent),
        T(killed_load_leaves_no_records_in_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
