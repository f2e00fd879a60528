#include "st.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Handles, processes and files. */

/* Runs `fn` in a child; its result. */
static int in_child(int (*fn)(const void *arg), const void *arg)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fn(arg));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* ---- birth and opening ---------------------------------------------------------------------- */

static unsigned mode_of(const char *dir, const char *name)
{
    char path[700];
    struct stat sb;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &sb), 0);
    return sb.st_mode & 0777;
}

static void files_are_for_the_owner_alone(void **state)
{
    const st *t = *state;
    mode_t was = umask(0);
    krbrepl_store *s = st_master(t);

    st_put(s, "a", "1");
    assert_int_equal(krbrepl_local_put(s, "principal", BYTES("a"), BYTES("x")), 0);
    assert_int_equal(krbrepl__store_node_lock(s), 0);
    assert_int_equal(mode_of(t->dir, "."), 0700);
    assert_int_equal(mode_of(t->dir, "local"), 0700);
    assert_int_equal(mode_of(t->dir, "data.mdb"), 0600);
    assert_int_equal(mode_of(t->dir, "lock.mdb"), 0600);
    assert_int_equal(mode_of(t->dir, "node.lock"), 0600);
    assert_int_equal(mode_of(t->dir, "local/data.mdb"), 0600);
    krbrepl_store_close(s);
    umask(was);
}

static void group_shares_the_files_whatever_the_umask(void **state)
{
    const st *t = *state;
    mode_t was = umask(077);
    const struct group *own;
    krbrepl_create_options opt;
    krbrepl_store *s;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = KRBREPL_CREATE_MASTER;
    opt.group = "no-such-group-here";
    assert_int_equal(krbrepl_store_create(t->dir, &opt, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "no-such-group-here"));
    /* root may give files to any group, others to a group of theirs. */
    own = geteuid() != 0 ? getgrgid(getegid()) : getgrnam("daemon");
    if (own == NULL) {
        print_message("left out: the group of this user has no name (groupadd gives it one)\n");
        umask(was);
        skip();
    }
    opt.group = own->gr_name;
    assert_int_equal(krbrepl_store_create(t->dir, &opt, &ei), 0);
    s = st_open(t->dir);
    st_put(s, "a", "1");
    assert_int_equal(krbrepl_local_put(s, "principal", BYTES("a"), BYTES("x")), 0);
    assert_int_equal(krbrepl__store_node_lock(s), 0);
    assert_int_equal(mode_of(t->dir, "."), 0770);
    assert_int_equal(mode_of(t->dir, "local"), 0770);
    assert_int_equal(mode_of(t->dir, "data.mdb"), 0660);
    assert_int_equal(mode_of(t->dir, "lock.mdb"), 0660);
    assert_int_equal(mode_of(t->dir, "node.lock"), 0660);
    assert_int_equal(mode_of(t->dir, "local/data.mdb"), 0660);
    assert_int_equal(mode_of(t->dir, "local/users.lock"), 0660);
    assert_int_equal(mode_of(t->dir, "local/boot"), 0660);
    krbrepl_store_close(s);
    umask(was);
}

static void existing_store_is_not_created_again(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_store_info before = st_info(s), after;

    assert_int_equal(krbrepl_store_create(t->dir, NULL, NULL), KRBREPL_ERR_EXISTS);
    krbrepl_store_close(s);
    assert_int_equal(krbrepl_store_create(t->dir, NULL, NULL), KRBREPL_ERR_EXISTS);
    s = st_open(t->dir);
    after = st_info(s);
    assert_memory_equal(&before, &after, sizeof before);
    krbrepl_store_close(s);
}

static void what_is_no_store_is_told_apart(void **state)
{
    const st *t = *state;
    krbrepl_store *s = NULL;
    char path[700];
    FILE *f;

    assert_int_equal(krbrepl_store_open(&s, t->dir, NULL, NULL), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(mkdir(t->dir, 0700), 0);
    assert_int_equal(krbrepl_store_open(&s, t->dir, NULL, NULL), KRBREPL_ERR_NOTFOUND);
    assert_int_not_equal(access(t->dir, F_OK), -1);
    snprintf(path, sizeof path, "%s/data.mdb", t->dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "%8192s", "this is no database");
    fclose(f);
    assert_int_equal(krbrepl_store_open(&s, t->dir, NULL, NULL), KRBREPL_ERR_CORRUPT);
    assert_int_equal(krbrepl_store_create(t->dir, NULL, NULL), KRBREPL_ERR_EXISTS);
    assert_null(s);
    assert_int_equal(krbrepl_store_open(NULL, t->dir, NULL, NULL), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_store_open(&s, NULL, NULL, NULL), KRBREPL_ERR_INVALID);
}

static void newer_and_older_formats_are_refused_with_the_way_out(void **state)
{
    const st *t = *state;
    uint8_t format[4] = {0, 0, 0, 2};
    krbrepl_store *s = st_master(t);
    krbrepl_errinfo ei;

    krbrepl_store_close(s);
    KRBREPL_INIT(&ei);
    st_overwrite(t->dir, "meta", "format", format, 4);
    st_overwrite(t->dir, "meta", "library", "7.8.9", 5);
    assert_int_equal(krbrepl_store_open(&s, t->dir, NULL, &ei), KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "7.8.9"));
    assert_int_equal(krbrepl_store_create(t->dir, NULL, NULL), KRBREPL_ERR_EXISTS);
    format[3] = 0;
    st_overwrite(t->dir, "meta", "format", format, 4);
    assert_int_equal(krbrepl_store_open(&s, t->dir, NULL, &ei), KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "krbrepl upgrade"));
}

static void options_of_any_age_are_read(void **state)
{
    const st *t = *state;
    krbrepl_store_options opt;
    krbrepl_store *s = st_master(t), *b = NULL;

    memset(&opt, 0, sizeof opt);
    opt.size = sizeof opt.size;
    assert_int_equal(krbrepl_store_open(&b, t->dir, &opt, NULL), 0);
    krbrepl_store_close(b);
    opt.size = sizeof opt;
    opt.flags = 64;
    assert_int_equal(krbrepl_store_open(&b, t->dir, &opt, NULL), KRBREPL_ERR_INVALID);
    krbrepl_store_close(s);
}

/* ---- one environment in one process --------------------------------------------------------- */

static int other_process_finds_the_lock_taken(const void *arg)
{
    /* LMDB's own exclusive lock on byte 0 of lock.mdb is to be had only when nobody has it open. */
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    char path[700];
    int fd;

    snprintf(path, sizeof path, "%s/lock.mdb", (const char *)arg);
    fd = open(path, O_RDWR);
    if (fd < 0 || fcntl(fd, F_GETLK, &fl) != 0)
        return 2;
    return fl.l_type == F_UNLCK ? 0 : 1;
}

static void closing_one_of_two_handles_keeps_the_locks_of_the_other(void **state)
{
    const st *t = *state;
    krbrepl_store *a = st_master(t), *b = NULL;
    char other[700];

    /* Another name of the same file is the same environment. */
    snprintf(other, sizeof other, "%s/link", t->root);
    assert_int_equal(symlink(t->dir, other), 0);
    b = st_open(other);
    assert_ptr_equal(a->env, b->env);
    assert_int_equal(in_child(other_process_finds_the_lock_taken, t->dir), 1);
    krbrepl_store_close(a);
    assert_int_equal(in_child(other_process_finds_the_lock_taken, t->dir), 1);
    st_put(b, "a", "1");
    krbrepl_store_close(b);
    assert_int_equal(in_child(other_process_finds_the_lock_taken, t->dir), 0);
    assert_false(krbrepl__env_any());
}

static void duplicate_handle_outlives_the_first(void **state)
{
    krbrepl_store *a = st_master(*state), *b = NULL;

    assert_int_equal(krbrepl__store_dup(a, &b, NULL), 0);
    assert_string_equal(krbrepl_store_dir(a), krbrepl_store_dir(b));
    krbrepl_store_close(a);
    st_put(b, "a", "1");
    st_expect(b, "a", "1");
    krbrepl_store_close(b);
}

static int write_one(const void *arg)
{
    krbrepl_store *s = NULL;

    if (krbrepl_store_open(&s, arg, NULL, NULL) != 0 || st_try(s, "child", "1") != 0)
        return 1;
    krbrepl_store_close(s);
    return 0;
}

static void several_processes_write_one_history(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    int i;

    for (i = 0; i < 5; i++) {
        assert_int_equal(in_child(write_one, t->dir), 0);
        st_put(s, "parent", "1");
    }
    assert_int_equal(st_info(s).pos.seq, 11);
    krbrepl_store_close(s);
}

static void *write_and_read(void *arg)
{
    krbrepl_store *s = arg;
    krbrepl_view *v;
    krbrepl_pos a;
    intptr_t bad = 0;
    int i;

    for (i = 0; i < 50; i++) {
        bad += st_try(s, "thread", "1") != 0;
        bad += krbrepl_view_open(s, &v) != 0 || krbrepl_view_pos(v, &a) != 0;
        krbrepl_view_close(v);
    }
    return (void *)bad;
}

static void threads_with_handles_of_their_own_work_at_the_same_time(void **state)
{
    krbrepl_store *s = st_master(*state), *d[4];
    pthread_t thread[4];
    void *bad;
    int i;

    for (i = 0; i < 4; i++) {
        assert_int_equal(krbrepl__store_dup(s, &d[i], NULL), 0);
        assert_int_equal(pthread_create(&thread[i], NULL, write_and_read, d[i]), 0);
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(thread[i], &bad), 0);
        assert_null(bad);
        krbrepl_store_close(d[i]);
    }
    assert_int_equal(st_info(s).pos.seq, 201);
    krbrepl_store_close(s);
}

static void one_node_at_a_time(void **state)
{
    krbrepl_store *a = st_master(*state), *b = st_open(((st *)*state)->dir);

    assert_int_equal(krbrepl__store_node_lock(a), 0);
    assert_int_equal(krbrepl__store_node_lock(a), 0);
    assert_int_equal(krbrepl__store_node_lock(b), KRBREPL_ERR_LOCKED);
    krbrepl__store_node_unlock(a);
    assert_int_equal(krbrepl__store_node_lock(b), 0);
    krbrepl_store_close(b);
    assert_int_equal(krbrepl__store_node_lock(a), 0);
    krbrepl_store_close(a);
}

/* Counts what LMDB flushes: the program's own fdatasync, which has to be visible for that, comes before
 * that of the C library. */
static int flushes;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    flushes++;
    return (int)syscall(SYS_fdatasync, fd);
}

static void every_commit_is_flushed_unless_the_handle_says_otherwise(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t), *n = NULL;
    krbrepl_store_options opt;
    int i;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_STORE_NOSYNC;
    assert_int_equal(krbrepl_store_open(&n, t->dir, &opt, NULL), 0);
    assert_int_equal(st_info(n).flags, KRBREPL_STORE_NOSYNC);
    assert_int_equal(st_info(s).flags, 0);
    for (i = 0; i < 3; i++) {
        flushes = 0;
        st_put(s, "a", "1");
        assert_int_equal(flushes, 1);
        st_put(n, "a", "2");
        assert_int_equal(flushes, 1);
        assert_int_equal(krbrepl_local_put(s, "principal", BYTES("a"), BYTES("x")), 0);
        assert_int_equal(flushes, 1);
    }
    krbrepl_store_close(n);
    krbrepl_store_close(s);
}

/* ---- fork ----------------------------------------------------------------------------------- */

struct inherited {
    krbrepl_store *s;
    krbrepl_txn *t;
    krbrepl_view *v;
    const char *dir;
};

static int use_inherited(const void *arg)
{
    const struct inherited *in = arg;
    krbrepl_store_info info;
    krbrepl_store *mine = NULL;
    krbrepl_bytes got;
    krbrepl_view *v;
    krbrepl_txn *t;
    krbrepl_pos pos;
    char room[8];
    size_t len = sizeof room;
    int bad = 0;

    KRBREPL_INIT(&info);
    bad += krbrepl_store_info_get(in->s, &info) != KRBREPL_ERR_FORKED;
    bad += krbrepl_txn_begin(in->s, &t, NULL) != KRBREPL_ERR_FORKED;
    bad += krbrepl_view_open(in->s, &v) != KRBREPL_ERR_FORKED;
    bad += krbrepl_txn_put(in->t, "principal", BYTES("x"), BYTES("x")) != KRBREPL_ERR_FORKED;
    bad += krbrepl_view_get(in->v, "principal", BYTES("a"), &got) != KRBREPL_ERR_FORKED;
    bad += krbrepl_view_pos(in->v, &pos) != KRBREPL_ERR_FORKED;
    bad += krbrepl_promote(in->s, NULL, NULL) != KRBREPL_ERR_FORKED;
    bad += krbrepl_local_get(in->s, "principal", BYTES("a"), room, &len) != KRBREPL_ERR_FORKED;
    krbrepl_txn_abort(in->t);
    krbrepl_view_close(in->v);
    krbrepl_store_close(in->s);
    /* Its own handle works, while the parent goes on holding a transaction. */
    if (krbrepl_store_open(&mine, in->dir, NULL, NULL) != 0)
        return 100;
    bad += krbrepl_view_open(mine, &v) != 0;
    bad += krbrepl_view_get(v, "principal", BYTES("a"), &got) != 0;
    krbrepl_view_close(v);
    krbrepl_store_close(mine);
    bad += krbrepl__env_any() != 0;
    return bad;
}

static void forked_child_is_refused_and_hurts_nothing(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    struct inherited in = {s, NULL, NULL, t->dir};
    krbrepl_bytes got;

    st_put(s, "a", "1");
    assert_int_equal(krbrepl_local_put(s, "principal", BYTES("a"), BYTES("L")), 0);
    assert_int_equal(krbrepl__store_node_lock(s), 0);
    assert_int_equal(krbrepl_view_open(s, &in.v), 0);
    assert_int_equal(krbrepl_txn_begin(s, &in.t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(in.t, "principal", BYTES("a"), BYTES("2")), 0);
    assert_int_equal(in_child(use_inherited, &in), 0);
    assert_int_equal(krbrepl_txn_commit(in.t, NULL), 0);
    assert_int_equal(krbrepl_view_get(in.v, "principal", BYTES("a"), &got), 0);
    assert_memory_equal(got.data, "1", 1);
    krbrepl_view_close(in.v);
    st_expect(s, "a", "2");
    assert_int_equal(in_child(other_process_finds_the_lock_taken, t->dir), 1);
    krbrepl_store_close(s);
}

/* ---- rare paths ----------------------------------------------------------------------------- */

static void full_map_is_enlarged_when_no_view_is_open(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_store_options opt;
    char *big = malloc(200001);
    krbrepl_view *v;
    int i, rc = 0, full = 0;
    char key[16];

    assert_non_null(big);
    memset(big, 'v', 200000);
    big[200000] = '\0';
    krbrepl_store_close(s);
    KRBREPL_INIT(&opt);
    opt.map_size = 1 << 20;
    assert_int_equal(krbrepl_store_open(&s, t->dir, &opt, NULL), 0);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    for (i = 0; i < 10 && rc == 0; i++)
        rc = st_try(s, "same", big);
    assert_int_equal(rc, KRBREPL_ERR_NOMEM);
    assert_int_equal(st_try(s, "same", big), KRBREPL_ERR_NOMEM);
    krbrepl_view_close(v);
    for (i = 0; i < 20; i++) {
        snprintf(key, sizeof key, "k%d", i);
        while ((rc = st_try(s, key, big)) == KRBREPL_ERR_NOMEM)
            full++;
        assert_int_equal(rc, 0);
    }
    assert_in_range(full, 1, 5);
    st_expect(s, "k19", big);
    krbrepl_store_close(s);
    free(big);
}

static int fill(const void *arg)
{
    krbrepl_store *s = NULL;
    char *big = malloc(200001);
    int rc = 0, i;
    char key[16];

    memset(big, 'v', 200000);
    big[200000] = '\0';
    if (krbrepl_store_open(&s, arg, NULL, NULL) != 0)
        return 1;
    for (i = 0; rc == 0 && i < 20; i++) {
        snprintf(key, sizeof key, "k%d", i);
        rc = st_try(s, key, big);
    }
    free(big);
    krbrepl_store_close(s);
    return rc != 0;
}

static void map_that_another_process_outgrew_is_taken_over(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_store_options opt;

    krbrepl_store_close(s);
    KRBREPL_INIT(&opt);
    opt.map_size = 1 << 20;
    assert_int_equal(krbrepl_store_open(&s, t->dir, &opt, NULL), 0);
    assert_int_equal(in_child(fill, t->dir), 0);
    assert_int_equal(st_info(s).records, 20);
    st_put(s, "a", "1");
    st_expect(s, "a", "1");
    krbrepl_store_close(s);
}

/* Holds a view until it is killed. */
static pid_t reader(const char *dir)
{
    int back[2];
    char c = 'x';
    pid_t pid;

    assert_int_equal(pipe(back), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        krbrepl_store *s = NULL;
        krbrepl_view *v;

        if (krbrepl_store_open(&s, dir, NULL, NULL) != 0 || krbrepl_view_open(s, &v) != 0 ||
            write(back[1], &c, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    close(back[1]);
    assert_int_equal(read(back[0], &c, 1), 1);
    close(back[0]);
    return pid;
}

static void killed_readers_do_not_lock_others_out(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_store_options opt;
    krbrepl_view *v[4], *more;
    char path[700];
    pid_t pid;
    int i;

    krbrepl_store_close(s);
    /* The number of slots is that of the lock file, which is made by whoever finds none. */
    snprintf(path, sizeof path, "%s/lock.mdb", t->dir);
    assert_int_equal(unlink(path), 0);
    KRBREPL_INIT(&opt);
    opt.max_readers = 4;
    assert_int_equal(krbrepl_store_open(&s, t->dir, &opt, NULL), 0);
    for (i = 0; i < 3; i++)
        assert_int_equal(krbrepl_view_open(s, &v[i]), 0);
    for (i = 0; i < 3; i++) {
        pid = reader(t->dir);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
    }
    pid = reader(t->dir);
    assert_int_equal(krbrepl_view_open(s, &more), KRBREPL_ERR_LOCKED);
    assert_null(more);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(krbrepl_view_open(s, &v[3]), 0);
    for (i = 0; i < 4; i++)
        krbrepl_view_close(v[i]);
    krbrepl_store_close(s);
}

/* ---- waking the node ------------------------------------------------------------------------ */

static int wake_bind(krbrepl_store *s)
{
    struct sockaddr_un sa;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    memset(&sa, 0, sizeof sa);
    sa.sun_family = AF_UNIX;
    snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/%s", krbrepl__store_dirfd(s),
             KRBREPL__WAKE_SOCKET);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static int woken(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    char c[16];

    return poll(&p, 1, 0) == 1 && recv(fd, c, sizeof c, 0) > 0;
}

static void every_commit_wakes_the_node(void **state)
{
    krbrepl_store *s = st_master(*state);
    int fd, i;

    st_put(s, "nobody", "listens");
    fd = wake_bind(s);
    st_put(s, "a", "1");
    assert_true(woken(fd));
    assert_false(woken(fd));
    assert_int_equal(krbrepl_promote(s, NULL, NULL), 0);
    assert_true(woken(fd));
    /* A node that does not read its socket never holds a writer up. */
    for (i = 0; i < 1000; i++)
        krbrepl__store_wake_node(s);
    st_put(s, "b", "1");
    close(fd);
    st_put(s, "c", "1");
    krbrepl_store_close(s);
}

static void node_is_woken_under_a_path_too_long_for_a_socket(void **state)
{
    st *t = *state;
    krbrepl_store *s;
    int fd;

    memset(t->dir + strlen(t->dir), 'd', 150);
    s = st_master(t);
    fd = wake_bind(s);
    st_put(s, "a", "1");
    assert_true(woken(fd));
    close(fd);
    krbrepl_store_close(s);
}

/* Another store has taken the place of the one that is open. */
static void moved_store_does_not_touch_the_one_in_its_place(void **state)
{
    const st *t = *state;
    krbrepl_store *old = st_master(t), *new;
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    char away[600], value[8];
    size_t len = sizeof value;

    KRBREPL_INIT(&opt);
    st_put(old, "a", "old");
    snprintf(away, sizeof away, "%s/away", t->root);
    assert_int_equal(rename(t->dir, away), 0);
    new = st_master(t);
    st_put(new, "a", "new");
    assert_int_equal(krbrepl_local_put(new, "principal", BYTES("a"), BYTES("new")), 0);

    assert_int_equal(krbrepl_local_put(old, "principal", BYTES("a"), BYTES("old")), KRBREPL_ERR_STATE);
    assert_non_null(strstr(st_text(old), "any more"));
    assert_int_equal(krbrepl_load_begin(old, &l, &opt), KRBREPL_ERR_STATE);
    st_delete(old, "a");
    assert_int_equal(krbrepl_local_get(new, "principal", BYTES("a"), value, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(value, "new", 3);
    krbrepl_store_close(old);
    krbrepl_store_close(new);
    old = st_open(away);
    st_expect(old, "a", NULL);
    assert_int_equal(krbrepl_load_begin(old, &l, &opt), 0);
    krbrepl_load_abort(l);
    krbrepl_store_close(old);
}

static int count(void *ctx, const krbrepl_commit *c)
{
    (void)c;
    ++*(int *)ctx;
    return 0;
}

static void history_ends_before_its_numbers_do(void **state)
{
    static const krbrepl__ancestry none;
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl__wtxn w;
    krbrepl_pos pos;
    int seen = 0;

    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    pos = w.st.pos;
    pos.seq = KRBREPL__SEQ_MAX - 1;
    assert_int_equal(krbrepl__journal_restart(s, &w, &pos, 0, &none), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    st_put(s, "last", "1");
    assert_int_equal(st_try(s, "more", "2"), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_promote(s, "a test", NULL), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, count, &seen), 0);
    assert_int_equal(seen, 1);
    assert_true(st_info(s).pos.seq == KRBREPL__SEQ_MAX);
    st_expect(s, "more", NULL);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(files_are_for_the_owner_alone),
        T(group_shares_the_files_whatever_the_umask),
        T(existing_store_is_not_created_again),
        T(what_is_no_store_is_told_apart),
        T(newer_and_older_formats_are_refused_with_the_way_out),
        T(options_of_any_age_are_read),
        T(closing_one_of_two_handles_keeps_the_locks_of_the_other),
        T(duplicate_handle_outlives_the_first),
        T(several_processes_write_one_history),
        T(threads_with_handles_of_their_own_work_at_the_same_time),
        T(one_node_at_a_time),
        T(every_commit_is_flushed_unless_the_handle_says_otherwise),
        T(forked_child_is_refused_and_hurts_nothing),
        T(full_map_is_enlarged_when_no_view_is_open),
        T(map_that_another_process_outgrew_is_taken_over),
        T(killed_readers_do_not_lock_others_out),
        T(every_commit_wakes_the_node),
        T(node_is_woken_under_a_path_too_long_for_a_socket),
        T(moved_store_does_not_touch_the_one_in_its_place),
        T(history_ends_before_its_numbers_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
