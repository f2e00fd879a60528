#include "st.h"

#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/* The last of a disk is not taken for what may be needed later: others write there too, and for the same commit.
 *
 * The linker puts the __wrap_ functions here in the place of those that the library calls. */

int __real_fstatvfs(int fd, struct statvfs *out);
int __wrap_fstatvfs(int fd, struct statvfs *out);
ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t at);

static uint64_t left; /* on the disk, as it says itself */
static off_t taken;   /* of what is written ahead; less: a quota ends there */
static int asked;

int __wrap_fstatvfs(int fd, struct statvfs *out)
{
    if (__real_fstatvfs(fd, out) != 0)
        return -1;
    out->f_bavail = (fsblkcnt_t)(left / out->f_frsize);
    return 0;
}

ssize_t __wrap_pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    ssize_t done = 0;
    int i;

    asked++;
    for (i = 0; i < n && done < taken; i++)
        done += pwrite(fd, v[i].iov_base, v[i].iov_len, at + done);
    return done;
}

static off_t file_size(krbrepl_store *s)
{
    struct stat sb;

    assert_int_equal(fstatat(s->dirfd, "data.mdb", &sb, 0), 0);
    return sb.st_size;
}

/* What LMDB has pages in. */
static off_t used(krbrepl_store *s)
{
    MDB_envinfo info;
    MDB_stat about;

    assert_int_equal(mdb_env_info(s->env->mdb, &info), 0);
    assert_int_equal(mdb_env_stat(s->env->mdb, &about), 0);
    return (off_t)(info.me_last_pgno + 1) * about.ms_psize;
}

static void put_number(krbrepl_store *s, int i)
{
    char key[16], value[601];

    snprintf(key, sizeof key, "k%d", i);
    memset(value, 'a' + i % 26, sizeof value - 1);
    value[sizeof value - 1] = '\0';
    st_put(s, key, value);
}

/* Every page that is not in use was written by LMDB once. */
static void commits_take_what_they_need(krbrepl_store *s, int from, int n)
{
    off_t most = used(s) > file_size(s) ? used(s) : file_size(s);

    for (; n > 0; n--) {
        put_number(s, from++);
        most = used(s) > most ? used(s) : most;
        assert_true(file_size(s) <= most);
    }
}

static void nothing_is_taken_of_a_disk_that_is_almost_full(void **state)
{
    krbrepl_store *s;

    left = (uint64_t)1 << 20;
    taken = 1 << 30;
    asked = 0;
    s = st_master(*state);
    commits_take_what_they_need(s, 0, 300);
    assert_int_equal(asked, 0);
    krbrepl_store_close(s);
}

static void where_a_quota_ends_it_is_given_back(void **state)
{
    krbrepl_store *s;

    left = (uint64_t)1 << 40;
    taken = 3 * 4096;
    asked = 0;
    s = st_master(*state);
    commits_take_what_they_need(s, 0, 300);
    assert_in_range(asked, 1, 10); /* not with every commit */
    krbrepl_store_close(s);
}

static void it_is_taken_when_there_is_enough_again(void **state)
{
    krbrepl_store *s;

    left = 0;
    taken = 1 << 30;
    s = st_master(*state);
    commits_take_what_they_need(s, 0, 50);
    left = (uint64_t)1 << 40;
    asked = 0;
    krbrepl_store_close(s);
    s = st_open(((st *)*state)->dir);
    put_number(s, 50);
    assert_int_equal(asked, 1);
    assert_true(file_size(s) >= used(s) + 65536);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(nothing_is_taken_of_a_disk_that_is_almost_full),
        T(where_a_quota_ends_it_is_given_back),
        T(it_is_taken_when_there_is_enough_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
