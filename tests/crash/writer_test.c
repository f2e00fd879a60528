#include "st.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Writers killed with SIGKILL at any point: what was acknowledged is there, nothing is there in part, and the
 * next writer is not held up. */

#define KILLS 150

static uint64_t now_ms(void)
{
    return krbrepl__sys_default()->mono_ms(NULL);
}

/* Commits for ever: two records that always agree, and a word on the pipe after each commit. */
static void write_for_ever(const char *dir, int out)
{
    krbrepl_store *s = NULL;
    krbrepl_txn *t;
    krbrepl_pos pos;
    char value[64];
    uint64_t i;

    if (krbrepl_store_open(&s, dir, NULL, NULL) != 0)
        _exit(1);
    for (i = 0;; i++) {
        snprintf(value, sizeof value, "%ld %llu", (long)getpid(), (unsigned long long)i);
        if (krbrepl_txn_begin(s, &t, NULL) != 0 ||
            krbrepl_txn_put(t, "principal", BYTES("left"), st_bytes(value)) != 0 ||
            krbrepl_txn_put(t, "principal", BYTES("right"), st_bytes(value)) != 0 ||
            krbrepl_txn_commit(t, &pos) != 0 || write(out, &pos.seq, sizeof pos.seq) != sizeof pos.seq)
            _exit(1);
    }
}

static int count(void *ctx, const krbrepl_commit *c)
{
    uint64_t *last = ctx;

    assert_int_equal(c->pos.seq, *last + 1);
    *last = c->pos.seq;
    return 0;
}

/* Both records agree, the whole journal hangs together, and everything acknowledged is in it. */
static void check(const char *dir, uint64_t acked)
{
    krbrepl_store *s = st_open(dir);
    krbrepl_bytes left, right;
    krbrepl_store_info i = st_info(s);
    krbrepl_view *v;
    uint64_t last = i.journal_first - 1;

    assert_true(i.pos.seq >= acked);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, count, &last), 0);
    assert_int_equal(last, i.pos.seq);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    if (krbrepl_view_get(v, "principal", BYTES("left"), &left) == 0) {
        assert_int_equal(krbrepl_view_get(v, "principal", BYTES("right"), &right), 0);
        assert_int_equal(left.len, right.len);
        assert_memory_equal(left.data, right.data, left.len);
    }
    krbrepl_view_close(v);
    st_put(s, "next", "writer");
    krbrepl_store_close(s);
}

static void killed_writers_lose_nothing_that_was_acknowledged(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_retention keep;
    uint64_t until = now_ms() + 8000, acked = 0, seq;
    struct timespec nap = {0, 0};
    int i, n, fd[2], status;
    pid_t pid;

    KRBREPL_INIT(&keep);
    keep.entries = 50;
    assert_int_equal(krbrepl_store_set_retention(s, &keep), 0);
    krbrepl_store_close(s);
    for (i = 0; i < KILLS && (i < 3 || now_ms() < until); i++) {
        assert_int_equal(pipe(fd), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fd[0]);
            write_for_ever(t->dir, fd[1]);
        }
        close(fd[1]);
        /* The first commits, then a little more, so that the kill falls anywhere. */
        for (n = 0; n <= i % 3; n++)
            assert_int_equal(read(fd[0], &seq, sizeof seq), sizeof seq);
        nap.tv_nsec = (i * 7919L) % 9000000;
        nanosleep(&nap, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        do
            acked = seq;
        while (read(fd[0], &seq, sizeof seq) == sizeof seq);
        close(fd[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        check(t->dir, acked);
    }
}

static void writer_killed_inside_a_transaction_leaves_no_trace_and_no_lock(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t), *mine;
    krbrepl_store_info before, after;
    krbrepl_txn *txn;
    int fd[2], i;
    char c = 'x';
    pid_t pid;

    st_put(s, "a", "1");
    for (i = 0; i < 10; i++) {
        before = st_info(s);
        assert_int_equal(pipe(fd), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            if (krbrepl_store_open(&mine, t->dir, NULL, NULL) != 0 ||
                krbrepl_txn_begin(mine, &txn, NULL) != 0 ||
                krbrepl_txn_put(txn, "principal", BYTES("a"), BYTES("2")) != 0 ||
                write(fd[1], &c, 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        close(fd[1]);
        assert_int_equal(read(fd[0], &c, 1), 1);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(fd[0]);
        after = st_info(s);
        assert_memory_equal(&before, &after, sizeof before);
        st_expect(s, "a", "1");
        /* The lock of the dead is free: this would wait for ever otherwise. */
        st_put(s, "b", "1");
    }
    krbrepl_store_close(s);
}

/* A writer that is killed while it makes a store leaves a whole store, or room for one. */
static void killed_creation_leaves_a_store_or_none(void **state)
{
    st *t = *state;
    krbrepl_create_options opt;
    struct timespec nap = {0, 0};
    krbrepl_store *s;
    int i, rc;
    pid_t pid;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_CREATE_MASTER;
    for (i = 0; i < 40; i++) {
        snprintf(t->dir, sizeof t->dir, "%s/s%d", t->root, i);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(krbrepl_store_create(t->dir, &opt, NULL) != 0);
        nap.tv_nsec = i * 100000L;
        nanosleep(&nap, NULL);
        (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        rc = krbrepl_store_create(t->dir, &opt, NULL);
        assert_true(rc == 0 || rc == KRBREPL_ERR_EXISTS);
        s = st_open(t->dir);
        assert_int_equal(st_info(s).role, KRBREPL_ROLE_MASTER);
        st_put(s, "a", "1");
        krbrepl_store_close(s);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(killed_writers_lose_nothing_that_was_acknowledged),
        T(writer_killed_inside_a_transaction_leaves_no_trace_and_no_lock),
        T(killed_creation_leaves_a_store_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
