/* Backup and restore: what comes back is one moment of the store, whole, and says that it came back. */
#include "bulk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/resource.h>

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

static int restore(const tmpdir *t, const char *file, const char *dir, krbrepl_errinfo *ei)
{
    char from[320], to[320], left[340];
    struct stat st;
    int rc;

    KRBREPL_INIT(ei);
    rc = krbrepl__restore(tmpdir_path(t, file, from), tmpdir_path(t, dir, to), "frank", ei);
    snprintf(left, sizeof left, "%s.restore", to);
    assert_int_equal(lstat(left, &st), -1);
    return rc;
}

static krbrepl_store *restored(const tmpdir *t, const char *file, const char *dir)
{
    krbrepl_errinfo ei;
    char to[320];

    if (restore(t, file, dir, &ei) != 0)
        fail_msg("restore: %s", ei.text);
    return store_open_at(tmpdir_path(t, dir, to));
}

static void backup(krbrepl_store *s, const tmpdir *t, const char *file)
{
    char path[320], left[340];
    struct stat st;

    OKS(s, krbrepl__backup(s, tmpdir_path(t, file, path)));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_nlink, 1);
    snprintf(left, sizeof left, "%s.tmp", path);
    assert_int_equal(lstat(left, &st), -1);
}

static void fill(krbrepl_store *s, uint64_t seed, unsigned commits)
{
    while (commits-- > 0)
        random_commit(s, &seed, 300);
}

static int note_cause(void *ctx, const krbrepl_commit *c)
{
    uint64_t *cause = ctx;

    assert_int_equal(c->kind, KRBREPL_COMMIT_LINEAGE);
    assert_string_equal(c->who, "frank");
    *cause = c->cause;
    return 0;
}

/* ---- promises ------------------------------------------------------------------------------- */

static void backup_of_a_master_comes_back_as_a_master_of_a_new_lineage(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *b;
    krbrepl__ancestry a = {0};
    uint64_t cause = 0;
    content was, is;

    fill(s, 21, 100);
    was = store_content(s);
    backup(s, *state, "file");
    fill(s, 22, 10); /* is not in it */
    b = restored(*state, "file", "back");
    is = store_content(b);
    assert_memory_equal(is.root, was.root, 32);
    assert_int_equal(is.records, was.records);
    assert_int_equal(store_state(b).role, KRBREPL_ROLE_MASTER);
    assert_int_equal(is.pos.seq, was.pos.seq + 1);
    assert_int_equal(is.pos.epoch, was.pos.epoch + 1);
    assert_memory_not_equal(is.pos.lineage, was.pos.lineage, 16);
    OKS(b, krbrepl__journal_each(b, is.pos.seq, is.pos.seq, note_cause, &cause));
    assert_int_equal(cause, KRBREPL_CAUSE_RESTORE);
    OKS(b, krbrepl__store_ancestry(b, &a));
    assert_int_equal(a.n, 1);
    assert_true(krbrepl__pos_equal(&a.at[0], &was.pos));
    krbrepl__ancestry_free(&a);
    put_one(b, "new", "v", "goes on");
    krbrepl__store_close(b);
    krbrepl__store_close(s);
}

static void backup_of_a_replica_comes_back_as_it_was(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *b;
    content was;

    fill(s, 23, 50);
    OKS(s, krbrepl__demote(s, "gina", NULL));
    was = store_content(s);
    backup(s, *state, "file");
    b = restored(*state, "file", "back");
    assert_content(b, &was);
    assert_int_equal(store_state(b).role, KRBREPL_ROLE_REPLICA);
    krbrepl__store_close(b);
    krbrepl__store_close(s);
}

static void fenced_master_comes_back_as_a_replica(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *b;

    OKS(s, krbrepl__store_learn_epoch(s, 9));
    assert_int_equal(store_state(s).role, KRBREPL_ROLE_FENCED);
    backup(s, *state, "file");
    b = restored(*state, "file", "back");
    assert_int_equal(store_state(b).role, KRBREPL_ROLE_REPLICA);
    assert_int_equal(store_state(b).known_epoch, 9);
    krbrepl__store_close(b);
    krbrepl__store_close(s);
}

typedef struct writer {
    krbrepl_store *s;
    atomic_int stop;
    unsigned commits;
} writer;

/* Each commit writes the same number to two records. */
static void *write_pairs(void *ctx)
{
    writer *w = ctx;
    krbrepl_txn_options opt;
    krbrepl_txn *t;
    char value[32];
    krbrepl_bytes v;

    KRBREPL_INIT(&opt);
    while (!atomic_load(&w->stop)) {
        snprintf(value, sizeof value, "%u", ++w->commits);
        v = (krbrepl_bytes){value, strlen(value)};
        if (krbrepl__txn_begin(w->s, &t, &opt) != 0)
            break;
        if (krbrepl__txn_put(t, "principal", BYTES("a"), v) != 0 ||
            krbrepl__txn_put(t, "principal", BYTES("z"), v) != 0) {
            krbrepl__txn_abort(t);
            break;
        }
        if (krbrepl__txn_commit(t, NULL) != 0)
            break;
    }
    return NULL;
}

static void backup_under_commits_is_one_moment(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *b;
    krbrepl_bytes x, y;
    krbrepl_view *v;
    char file[16], dir[16];
    writer w = {0};
    pthread_t th;
    int i;

    put_one(s, "a", "0", "");
    put_one(s, "z", "0", "");
    fill(s, 24, 100);
    OK(krbrepl__store_dup(s, &w.s, NULL));
    assert_int_equal(pthread_create(&th, NULL, write_pairs, &w), 0);
    for (i = 0; i < 5; i++) {
        snprintf(file, sizeof file, "f%d", i);
        backup(s, *state, file);
    }
    atomic_store(&w.stop, 1);
    pthread_join(th, NULL);
    for (i = 0; i < 5; i++) {
        snprintf(file, sizeof file, "f%d", i);
        snprintf(dir, sizeof dir, "b%d", i);
        b = restored(*state, file, dir);
        OKS(b, krbrepl__view_open(b, &v));
        OKS(b, krbrepl__view_get(v, "principal", BYTES("a"), &x));
        OKS(b, krbrepl__view_get(v, "principal", BYTES("z"), &y));
        assert_int_equal(x.len, y.len);
        assert_memory_equal(x.data, y.data, x.len);
        krbrepl__view_close(v);
        krbrepl__store_close(b);
    }
    krbrepl__store_close(w.s);
    krbrepl__store_close(s);
}

static void nothing_is_written_over(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_errinfo ei;
    char path[320];
    struct stat before, after;

    backup(s, *state, "file");
    tmpdir_path(*state, "file", path);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(krbrepl__backup(s, path), KRBREPL_ERR_EXISTS);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(restore(*state, "file", "m", &ei), KRBREPL_ERR_EXISTS);
    assert_int_equal(store_content(s).pos.seq, 1);
    krbrepl__store_close(s);
}

static void backup_goes_into_a_file_that_nobody_else_has_open(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    char path[320], c;
    int fd;

    fd = open(tmpdir_path(*state, "file.tmp", path), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    backup(s, *state, "file");
    assert_int_equal(read(fd, &c, 1), 0);
    close(fd);
    krbrepl__store_close(s);
}

static void running_backup_is_not_disturbed_by_another_of_its_name(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    char path[320], name[320], got[6] = "";
    int fd;

    /* What a running backup looks like to others. */
    fd = open(tmpdir_path(*state, "file.tmp", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(write(fd, "begun", 5), 5);
    assert_int_equal(krbrepl__backup(s, tmpdir_path(*state, "file", name)), KRBREPL_ERR_LOCKED);
    close(fd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, got, 6), 5);
    assert_memory_equal(got, "begun", 5);
    close(fd);
    backup(s, *state, "file");
    krbrepl__store_close(s);
}

static void restored_store_is_closed_to_others_whatever_was_there(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    char path[320];
    struct stat st;

    backup(s, *state, "file");
    krbrepl__store_close(s);
    assert_int_equal(mkdir(tmpdir_path(*state, "back.restore", path), 0777), 0);
    assert_int_equal(chmod(path, 0777), 0);
    krbrepl__store_close(restored(*state, "file", "back"));
    assert_int_equal(stat(tmpdir_path(*state, "back", path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void restore_needs_no_more_address_space_than_opening(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)state;
    print_message("left out: the maps of a sanitizer are larger than the limit\n");
    skip();
#else
    const rlim_t room = (rlim_t)4 << 30;
    const struct rlimit lim = {room, room};
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    char file[320], dir[320];
    krbrepl_errinfo ei;
    int status;
    pid_t pid;

    backup(s, *state, "file");
    krbrepl__store_close(s);
    tmpdir_path(*state, "file", file);
    tmpdir_path(*state, "back", dir);
    KRBREPL_INIT(&ei);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(setrlimit(RLIMIT_AS, &lim) != 0 || krbrepl__restore(file, dir, "frank", &ei) != 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
#endif
}

static void restore_takes_an_empty_directory(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *b;
    char path[320], from[320];

    backup(s, *state, "file");
    assert_int_equal(mkdir(tmpdir_path(*state, "back", path), 0755), 0);
    strcat(path, "///");
    OK(krbrepl__restore(tmpdir_path(*state, "file", from), path, NULL, NULL));
    b = store_open_at(path);
    krbrepl__store_close(b);
    krbrepl__store_close(s);
}

/* What an interrupted restore has left is no store, and is no obstacle. */
static void interrupted_restore_leaves_no_store(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *b;
    char path[320];
    struct stat st;
    int fd;

    backup(s, *state, "file");
    assert_int_equal(mkdir(tmpdir_path(*state, "back.restore", path), 0700), 0);
    fd = open(tmpdir_path(*state, "back.restore/data.mdb", path), O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    assert_int_equal(stat(tmpdir_path(*state, "back", path), &st), -1);
    b = restored(*state, "file", "back");
    krbrepl__store_close(b);
    krbrepl__store_close(s);
}

static void write_file(const tmpdir *t, const char *name, const void *p, size_t n)
{
    char path[320];
    int fd = open(tmpdir_path(t, name, path), O_CREAT | O_WRONLY | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    close(fd);
}

static uint8_t *read_file(const tmpdir *t, const char *name, size_t *n)
{
    char path[320];
    struct stat st;
    uint8_t *p;
    int fd = open(tmpdir_path(t, name, path), O_RDONLY);

    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    p = malloc((size_t)st.st_size);
    assert_non_null(p);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    close(fd);
    *n = (size_t)st.st_size;
    return p;
}

static void assert_not_there(const tmpdir *t, const char *name)
{
    char path[320];
    struct stat st;

    assert_int_equal(lstat(tmpdir_path(t, name, path), &st), -1);
}

static void file_that_is_no_backup_is_refused_and_leaves_nothing(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_errinfo ei;
    uint8_t *whole;
    size_t n, cut;

    fill(s, 25, 100);
    backup(s, *state, "file");
    krbrepl__store_close(s);
    assert_int_equal(restore(*state, "absent", "back", &ei), KRBREPL_ERR_NOTFOUND);
    write_file(*state, "empty", "", 0);
    assert_int_equal(restore(*state, "empty", "back", &ei), KRBREPL_ERR_INPUT);
    write_file(*state, "text", "kdb5_util load_dump version 7\n", 30);
    assert_int_equal(restore(*state, "text", "back", &ei), KRBREPL_ERR_INPUT);
    whole = read_file(*state, "file", &n);
    for (cut = 1; cut < n; cut += 4096 * 3 + 77) {
        write_file(*state, "cut", whole, cut);
        assert_int_equal(restore(*state, "cut", "back", &ei), KRBREPL_ERR_INPUT);
        assert_non_null(strstr(ei.text, "/cut "));
    }
    free(whole);
    assert_not_there(*state, "back");
}

static void damaged_record_is_found_before_the_store_is_made(void **state)
{
    static const char mark[] = "a-value-that-is-easy-to-find-again";
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_errinfo ei;
    uint8_t *whole;
    size_t n, i, hits = 0;

    put_one(s, "victim", mark, "");
    backup(s, *state, "file");
    krbrepl__store_close(s);
    whole = read_file(*state, "file", &n);
    for (i = 0; i + sizeof mark < n; i++)
        if (memcmp(whole + i, mark, sizeof mark - 1) == 0) {
            whole[i] ^= 0x20; /* in the record and in the journal */
            hits++;
        }
    assert_int_equal(hits, 2);
    write_file(*state, "bad", whole, n);
    free(whole);
    assert_int_equal(restore(*state, "bad", "back", &ei), KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(ei.text, "victim"));
    assert_not_there(*state, "back");
}

static void upgrade_of_today_s_format_does_nothing(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_errinfo ei;
    char path[320];
    content was;

    fill(s, 26, 20);
    was = store_content(s);
    krbrepl__store_close(s);
    KRBREPL_INIT(&ei);
    OK(krbrepl__upgrade(tmpdir_path(*state, "m", path), &ei));
    s = store_open_at(path);
    assert_content(s, &was);
    krbrepl__store_close(s);
    assert_int_equal(krbrepl__upgrade(tmpdir_path(*state, "none", path), &ei), KRBREPL_ERR_NOTFOUND);
}

static void newer_format_is_neither_opened_nor_upgraded_nor_restored(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *none = NULL;
    const uint8_t newer[4] = {0, 0, 0, KRBREPL__FORMAT + 1};
    krbrepl_store_options opt;
    krbrepl__wtxn w = {0};
    krbrepl_errinfo ei;
    char path[320];

    OKS(s, krbrepl__wtxn_begin(s, &w));
    OKS(s, krbrepl__meta_put(s, w.txn, "format", newer, sizeof newer));
    OKS(s, krbrepl__wtxn_commit(s, &w));
    backup(s, *state, "file");
    krbrepl__store_close(s);
    KRBREPL_INIT(&ei);
    KRBREPL_INIT(&opt);
    tmpdir_path(*state, "m", path);
    assert_int_equal(krbrepl__upgrade(path, &ei), KRBREPL_ERR_FORMAT);
    assert_int_equal(krbrepl__store_open(&none, path, &opt, &ei), KRBREPL_ERR_FORMAT);
    assert_int_equal(restore(*state, "file", "back", &ei), KRBREPL_ERR_FORMAT);
    assert_not_there(*state, "back");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(backup_of_a_master_comes_back_as_a_master_of_a_new_lineage),
        T(backup_of_a_replica_comes_back_as_it_was),
        T(fenced_master_comes_back_as_a_replica),
        T(backup_under_commits_is_one_moment),
        T(nothing_is_written_over),
        T(backup_goes_into_a_file_that_nobody_else_has_open),
        T(running_backup_is_not_disturbed_by_another_of_its_name),
        T(restored_store_is_closed_to_others_whatever_was_there),
        T(restore_needs_no_more_address_space_than_opening),
        T(restore_takes_an_empty_directory),
        T(interrupted_restore_leaves_no_store),
        T(file_that_is_no_backup_is_refused_and_leaves_nothing),
        T(damaged_record_is_found_before_the_store_is_made),
        T(upgrade_of_today_s_format_does_nothing),
        T(newer_format_is_neither_opened_nor_upgraded_nor_restored),
    };
    return cmocka_run_group_tests_name("store/backup", tests, NULL, NULL);
}
