#include "st.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A device without room: the commit fails with a clear word, nothing is lost, and writing goes on when there
 * is room again. */

static void limit(rlim_t n)
{
    struct rlimit lim;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
    lim.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static off_t data_size(const char *dir)
{
    char path[700];
    struct stat sb;

    snprintf(path, sizeof path, "%s/data.mdb", dir);
    assert_int_equal(stat(path, &sb), 0);
    return sb.st_size;
}

/* Commits until one fails; how many did not. */
static int until_full(krbrepl_store *s, const char *value, int *rc)
{
    char key[16];
    int i;

    for (i = 0, *rc = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        *rc = st_try(s, key, value);
        if (*rc != 0)
            break;
    }
    return i;
}

static void check_all(krbrepl_store *s, const char *value, int n)
{
    char key[16];
    int i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "k%d", i);
        st_expect(s, key, value);
    }
    snprintf(key, sizeof key, "k%d", n);
    st_expect(s, key, NULL);
}

static int see(void *ctx, const krbrepl_commit *c)
{
    uint64_t *n = ctx;

    (void)c;
    ++*n;
    return 0;
}

/* With a limit of `room` more bytes, or on a device of its own where `room` is 0. */
static void fill_up(krbrepl_store *s, const char *dir, rlim_t room)
{
    char *value = malloc(20001);
    krbrepl_store_info i;
    uint64_t seen = 0;
    int n, rc;

    assert_non_null(value);
    memset(value, 'v', 20000);
    value[20000] = '\0';
    if (room != 0)
        limit((rlim_t)data_size(dir) + room);
    n = until_full(s, value, &rc);
    if (room != 0)
        limit(RLIM_INFINITY);
    assert_int_equal(rc, KRBREPL_ERR_NOSPACE);
    assert_non_null(strstr(st_text(s), "room"));
    assert_true(n > 1);
    i = st_info(s);
    assert_int_equal(i.pos.seq, n + 1);
    assert_int_equal(i.records, n);
    check_all(s, value, n);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, see, &seen), 0);
    assert_int_equal(seen, n + 1);
    free(value);
}

static void commit_that_hits_a_full_disk_changes_nothing(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    int was;

    signal(SIGXFSZ, SIG_IGN);
    fill_up(s, t->dir, 300 * 4096);
    was = (int)st_info(s).pos.seq;
    st_put(s, "after", "1");
    assert_int_equal(st_info(s).pos.seq, was + 1);
    krbrepl_store_close(s);
    s = st_open(t->dir);
    st_expect(s, "after", "1");
    assert_int_equal(st_info(s).pos.seq, was + 1);
    krbrepl_store_close(s);
}

/* The limit lies in the middle of a page, so that a write is taken in part. */
static void write_that_is_taken_in_part_changes_nothing(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);

    signal(SIGXFSZ, SIG_IGN);
    fill_up(s, t->dir, 200 * 4096 + 1234);
    st_put(s, "after", "1");
    krbrepl_store_close(s);
}

static void full_file_system_is_told_and_left_whole(void **state)
{
    st *t = *state;
    char mnt[300], file[400];
    krbrepl_store *s;
    FILE *f;
    int i;

    snprintf(mnt, sizeof mnt, "%s/mnt", t->root);
    assert_int_equal(mkdir(mnt, 0700), 0);
    if (mount("tmpfs", mnt, "tmpfs", 0, "size=8m") != 0) {
        print_message("left out: this user may not mount a file system\n");
        skip();
    }
    snprintf(file, sizeof file, "%s/ballast", mnt);
    f = fopen(file, "w");
    for (i = 0; f != NULL && i < 1 << 20; i++)
        fputc('b', f);
    if (f != NULL)
        fclose(f);
    snprintf(t->dir, sizeof t->dir, "%s/s", mnt);
    s = st_master(t);
    fill_up(s, t->dir, 0);
    assert_int_equal(unlink(file), 0);
    st_put(s, "after", "1");
    krbrepl_store_close(s);
    s = st_open(t->dir);
    st_expect(s, "after", "1");
    krbrepl_store_close(s);
}

static int unmount_and_teardown(void **state)
{
    char mnt[300];

    snprintf(mnt, sizeof mnt, "%s/mnt", ((st *)*state)->root);
    (void)umount2(mnt, MNT_DETACH);
    return st_teardown(state);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(commit_that_hits_a_full_disk_changes_nothing),
        T(write_that_is_taken_in_part_changes_nothing),
        cmocka_unit_test_setup_teardown(full_file_system_is_told_and_left_whole, st_setup,
                                        unmount_and_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
