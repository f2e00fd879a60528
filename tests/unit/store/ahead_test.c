#include "st.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* data.mdb is made longer many pages at a time, so that few commits have to. */

static uint64_t file_size(krbrepl_store *s)
{
    struct stat sb;

    assert_int_equal(fstatat(s->dirfd, "data.mdb", &sb, 0), 0);
    return (uint64_t)sb.st_size;
}

/* What LMDB has pages in. */
static uint64_t used(krbrepl_store *s)
{
    MDB_envinfo info;
    MDB_stat about;

    assert_int_equal(mdb_env_info(s->env->mdb, &info), 0);
    assert_int_equal(mdb_env_stat(s->env->mdb, &about), 0);
    return ((uint64_t)info.me_last_pgno + 1) * about.ms_psize;
}

static void put_number(krbrepl_store *s, int i)
{
    char key[16], value[601];

    snprintf(key, sizeof key, "k%d", i);
    memset(value, 'a' + i % 26, sizeof value - 1);
    value[sizeof value - 1] = '\0';
    st_put(s, key, value);
}

static void few_commits_make_the_file_longer(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint64_t before = file_size(s), first = used(s);
    int i, longer = 0;

    for (i = 0; i < 400; i++) {
        put_number(s, i);
        longer += file_size(s) != before;
        before = file_size(s);
        assert_true(before >= used(s));
    }
    assert_true(used(s) - first > 60 * 4096);
    assert_in_range(longer, 1, 20);
    krbrepl_store_close(s);
}

static void assert_zeros_from(const char *dir, uint64_t at)
{
    char path[700];
    FILE *f;
    int c;

    snprintf(path, sizeof path, "%s/data.mdb", dir);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    while ((c = fgetc(f)) != EOF)
        assert_int_equal(c, 0);
    fclose(f);
}

/* Also by a process that has the file open while another one makes it longer. */
static void nothing_is_written_over(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    int i, status = 0;
    pid_t pid;

    for (i = 0; i < 100; i += 20) {
        put_number(s, i);
        krbrepl_store_close(s);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            s = st_open(t->dir);
            for (i++; i % 20 != 0; i++)
                put_number(s, i);
            _exit(0);
        }
        s = st_open(t->dir);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    for (i = 100; i < 300; i++)
        put_number(s, i);
    assert_true(file_size(s) > used(s));
    assert_zeros_from(t->dir, used(s));
    krbrepl_store_close(s);
    s = st_open(t->dir);
    for (i = 0; i < 300; i++) {
        char key[16], value[601];

        snprintf(key, sizeof key, "k%d", i);
        memset(value, 'a' + i % 26, sizeof value - 1);
        value[sizeof value - 1] = '\0';
        st_expect(s, key, value);
    }
    krbrepl_store_close(s);
}

/* Whoever passes such a limit is killed, unless he expects it. */
static int commits_under_a_limit(const char *dir)
{
    krbrepl_store *s = st_open(dir);
    struct rlimit lim;
    uint64_t size;
    int i = 0;

    /* Until the next one would make it longer. */
    do
        put_number(s, i++);
    while (file_size(s) - used(s) >= 65536);
    size = file_size(s);
    if (getrlimit(RLIMIT_FSIZE, &lim) != 0)
        return 1;
    lim.rlim_cur = size;
    if (setrlimit(RLIMIT_FSIZE, &lim) != 0)
        return 2;
    put_number(s, i++);
    put_number(s, i++);
    return file_size(s) == size ? 0 : 3;
}

static void no_limit_of_the_size_of_files_is_passed(void **state)
{
    const st *t = *state;
    int status = 0;
    pid_t pid;

    krbrepl_store_close(st_master(t));
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(commits_under_a_limit(t->dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(few_commits_make_the_file_longer),
        T(nothing_is_written_over),
        T(no_limit_of_the_size_of_files_is_passed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
