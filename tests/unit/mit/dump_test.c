/* A store into dump files, and the master key in it. */
#include "scene.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- dumping --------------------------------------------------------------------------------- */

static void dump_appears_whole_with_its_dump_ok_file(void **state)
{
    struct scene *c = *state;
    struct stat st, ok;
    char path[128];

    assert_int_equal(scene_load(c, V7 MKEY), 0);
    scene_write(c->other, "an older dump");
    assert_int_equal(chmod(c->other, 0644), 0);
    scene_assert_dump(c, V7 MKEY);
    assert_int_equal(stat(c->other, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    snprintf(path, sizeof path, "%s.dump_ok", c->other);
    assert_int_equal(stat(path, &ok), 0);
    assert_int_equal(ok.st_size, 1);
    assert_int_equal(ok.st_mode & 07777, 0600);
    assert_true(ok.st_mtime >= st.st_mtime);
    snprintf(path, sizeof path, "%s.tmp", c->other);
    assert_int_equal(access(path, F_OK), -1);
}

static void dump_that_fails_leaves_the_old_file(void **state)
{
    struct scene *c = *state;
    krbrepl_txn *t;
    char path[128], *text;

    assert_int_equal(scene_load(c, V7 MKEY), 0);
    free(scene_dump(c));
    assert_int_equal(krbrepl_txn_begin(c->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("bad@Y"), BYTES("rubbish")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(c->ei.text, "principal bad@Y"));
    text = scene_read(c->other);
    assert_string_equal(text, V7 MKEY);
    free(text);
    snprintf(path, sizeof path, "%s.tmp", c->other);
    assert_int_equal(access(path, F_OK), -1);
}

/* kdb5_util loads such a dump without a word, and leaves a KDC that knows nobody. */
static void store_that_holds_no_principals_is_not_dumped(void **state)
{
    struct scene *c = *state;
    char *text;

    scene_write(c->other, "an older dump");
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), KRBREPL_ERR_NOTFOUND);
    assert_non_null(strstr(c->ei.text, "no principals"));
    text = scene_read(c->other);
    assert_string_equal(text, "an older dump");
    free(text);
}

/* Otherwise `krbrepl dump DIR /dev/null` would put a file in the place of the device. */
static void what_is_no_regular_file_is_written_to_and_not_replaced(void **state)
{
    struct scene *c = *state;
    char text[4096] = "";
    struct stat st;
    int fd;

    assert_int_equal(scene_load(c, V7 MKEY), 0);
    assert_int_equal(mkfifo(c->other, 0600), 0);
    fd = open(c->other, O_RDWR | O_NONBLOCK); /* a pipe that got nothing is a failure, not a wait */
    assert_true(fd >= 0);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), 0);
    assert_int_equal(read(fd, text, sizeof text - 1), (ssize_t)strlen(V7 MKEY));
    assert_string_equal(text, V7 MKEY);
    assert_int_equal(lstat(c->other, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    close(fd);
}

static int fail_write(void *ctx, const void *data, size_t len)
{
    (void)ctx;
    (void)data;
    (void)len;
    return 77;
}

static int append(void *ctx, const void *data, size_t len)
{
    char *text = ctx;

    strncat(text, data, len);
    return 0;
}

static void dump_goes_to_a_callback_and_its_failure_comes_back(void **state)
{
    struct scene *c = *state;
    krbrepl_mit_dump_options opt;
    char text[4096] = "";

    assert_int_equal(scene_load(c, V7 MKEY PRINC("a@Y")), 0);
    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl_mit_dump(c->s, NULL, &opt, NULL, &c->ei), KRBREPL_ERR_INVALID);
    opt.write = append;
    opt.ctx = text;
    assert_int_equal(krbrepl_mit_dump(c->s, NULL, &opt, NULL, &c->ei), 0);
    assert_string_equal(text, V7 MKEY PRINC("a@Y"));
    opt.write = fail_write;
    assert_int_equal(krbrepl_mit_dump(c->s, NULL, &opt, NULL, &c->ei), KRBREPL_ERR_HOST);
    assert_int_equal(c->ei.host_code, 77);
}

/* kdb5_util holds this lock while it dumps. */
static void dump_under_way_keeps_another_one_out(void **state)
{
    struct scene *c = *state;
    struct flock lock;
    char path[128], byte = 0;
    int to_child[2], to_us[2], fd, status;
    pid_t pid;

    assert_int_equal(scene_load(c, V7 MKEY), 0);
    snprintf(path, sizeof path, "%s.dump_ok", c->other);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_us), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(to_child[1]);
        fd = open(path, O_WRONLY | O_CREAT, 0600);
        memset(&lock, 0, sizeof lock);
        lock.l_type = F_WRLCK;
        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(to_us[1], "", 1) != 1)
            _exit(1);
        _exit(read(to_child[0], &byte, 1) != 0);
    }
    close(to_child[0]);
    assert_int_equal(read(to_us[0], &byte, 1), 1);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), KRBREPL_ERR_LOCKED);
    close(to_child[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(krbrepl_mit_dump(c->s, c->other, NULL, NULL, &c->ei), 0);
    close(to_us[0]);
    close(to_us[1]);
}

/* ---- the master key -------------------------------------------------------------------------- */

static void newest_master_key_version_is_found(void **state)
{
    struct scene *c = *state;
    uint64_t kvno = 0;

    assert_int_equal(scene_load(c, V7 PRINC("a@Y")), 0);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, NULL, &kvno, &c->ei), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(scene_update(c, V7 MKEY), 0);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, NULL, &kvno, &c->ei), 0);
    assert_int_equal(kvno, 4);
    kvno = 0;
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, "R.T", &kvno, &c->ei), 0);
    assert_int_equal(kvno, 4);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, "S.T", &kvno, &c->ei), KRBREPL_ERR_NOTFOUND);
    assert_non_null(strstr(c->ei.text, "K/M@S.T"));
    assert_int_equal(
        scene_update(c, V7 "princ\t38\t7\t0\t2\t0\tK/M@R.T\t0\t0\t0\t0\t0\t0\t0\t0\t1\t5\t18\t1\tff\t"
                           "1\t4\t18\t1\tff\t-1;\n"),
        0);
    assert_int_equal(krbrepl_mit_mkey_kvno(c->s, NULL, &kvno, &c->ei), 0);
    assert_int_equal(kvno, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(dump_appears_whole_with_its_dump_ok_file),
        SCENE(dump_that_fails_leaves_the_old_file),
        SCENE(store_that_holds_no_principals_is_not_dumped),
        SCENE(what_is_no_regular_file_is_written_to_and_not_replaced),
        SCENE(dump_goes_to_a_callback_and_its_failure_comes_back),
        SCENE(dump_under_way_keeps_another_one_out),
        SCENE(newest_master_key_version_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
