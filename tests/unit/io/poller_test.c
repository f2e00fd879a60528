/* Both makes of poller keep the same promises. */
#include "test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"
#include "poller.h"
#include "wakefd.h"

typedef struct seen {
    krbrepl__poller *p;
    krbrepl__watch w;
    int calls;
    unsigned ready;
    krbrepl__watch *victim; /* deleted when this is called */
} seen;

static void note(void *ctx, unsigned ready)
{
    seen *s = ctx;

    s->calls++;
    s->ready = ready;
    if (s->victim != NULL)
        krbrepl__poller_del(s->p, s->victim);
}

static krbrepl__poller *make(void **state)
{
    krbrepl__poller *p;

    assert_int_equal(krbrepl__poller_new(&p, *(int *)*state, NULL), 0);
    return p;
}

static void pair(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
}

static void a_readable_descriptor_is_told_until_it_is_read(void **state)
{
    krbrepl__poller *p = make(state);
    seen s = {p, {0}, 0, 0, NULL};
    int fd[2];
    char c;

    pair(fd);
    assert_int_equal(krbrepl__poller_add(p, &s.w, fd[0], KRBREPL__READ, note, &s), 0);
    assert_int_equal(krbrepl__poller_wait(p, 0), 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    assert_int_equal(krbrepl__poller_wait(p, -1), 1);
    krbrepl__poller_dispatch(p);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.ready, KRBREPL__READ);
    assert_int_equal(krbrepl__poller_wait(p, 0), 1);
    krbrepl__poller_dispatch(p);
    assert_int_equal(read(fd[0], &c, 1), 1);
    assert_int_equal(krbrepl__poller_wait(p, 0), 0);
    krbrepl__poller_del(p, &s.w);
    krbrepl__poller_free(p);
    close(fd[0]);
    close(fd[1]);
}

static void only_what_is_wanted_is_told(void **state)
{
    krbrepl__poller *p = make(state);
    seen s = {p, {0}, 0, 0, NULL};
    int fd[2];

    pair(fd);
    assert_int_equal(krbrepl__poller_add(p, &s.w, fd[0], 0, note, &s), 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    assert_int_equal(krbrepl__poller_wait(p, 0), 0);
    krbrepl__poller_want(p, &s.w, KRBREPL__WRITE);
    assert_int_equal(krbrepl__poller_wait(p, 0), 1);
    krbrepl__poller_dispatch(p);
    assert_int_equal(s.ready, KRBREPL__WRITE);
    krbrepl__poller_del(p, &s.w);
    krbrepl__poller_free(p);
    close(fd[0]);
    close(fd[1]);
}

static void a_connection_that_broke_is_told_though_nothing_was_asked_for(void **state)
{
    krbrepl__poller *p = make(state);
    seen s = {p, {0}, 0, 0, NULL};
    int fd[2];

    pair(fd);
    assert_int_equal(krbrepl__poller_add(p, &s.w, fd[0], 0, note, &s), 0);
    close(fd[1]);
    assert_int_equal(krbrepl__poller_wait(p, -1), 1);
    krbrepl__poller_dispatch(p);
    assert_true((s.ready & KRBREPL__READ) != 0);
    krbrepl__poller_del(p, &s.w);
    krbrepl__poller_free(p);
    close(fd[0]);
}

static void a_watch_deleted_by_another_is_not_called(void **state)
{
    krbrepl__poller *p = make(state);
    seen a = {p, {0}, 0, 0, NULL}, b = {p, {0}, 0, 0, NULL};
    int one[2], two[2];

    pair(one);
    pair(two);
    a.victim = &b.w;
    b.victim = &a.w;
    assert_int_equal(krbrepl__poller_add(p, &a.w, one[0], KRBREPL__WRITE, note, &a), 0);
    assert_int_equal(krbrepl__poller_add(p, &b.w, two[0], KRBREPL__WRITE, note, &b), 0);
    assert_int_equal(krbrepl__poller_wait(p, 0), 2);
    krbrepl__poller_dispatch(p);
    assert_int_equal(a.calls + b.calls, 1);
    krbrepl__poller_del(p, &a.w);
    krbrepl__poller_del(p, &b.w);
    krbrepl__poller_free(p);
    close(one[0]);
    close(one[1]);
    close(two[0]);
    close(two[1]);
}

static void a_watch_deleted_out_of_the_middle_leaves_the_others(void **state)
{
    enum { N = 40 };
    krbrepl__poller *p = make(state);
    seen s[N];
    int fd[N][2], i, calls = 0;

    memset(s, 0, sizeof s);
    for (i = 0; i < N; i++) {
        pair(fd[i]);
        s[i].p = p;
        assert_int_equal(krbrepl__poller_add(p, &s[i].w, fd[i][0], KRBREPL__WRITE, note, &s[i]), 0);
    }
    for (i = 0; i < N; i += 3)
        krbrepl__poller_del(p, &s[i].w);
    assert_int_equal(krbrepl__poller_wait(p, 0), N - (N + 2) / 3);
    krbrepl__poller_dispatch(p);
    for (i = 0; i < N; i++) {
        assert_int_equal(s[i].calls, i % 3 != 0);
        calls += s[i].calls;
        krbrepl__poller_del(p, &s[i].w);
        close(fd[i][0]);
        close(fd[i][1]);
    }
    assert_int_equal(calls, N - (N + 2) / 3);
    krbrepl__poller_free(p);
}

/* More descriptors are due than one round takes: the next rounds bring the others. */
static void nobody_is_passed_over_for_ever(void **state)
{
    enum { N = 200 };
    krbrepl__poller *p = make(state);
    seen *s = calloc(N, sizeof *s);
    int fd[2], i, j;

    pair(fd);
    for (i = 0; i < N; i++) {
        s[i].p = p;
        assert_int_equal(krbrepl__poller_add(p, &s[i].w, dup(fd[0]), KRBREPL__WRITE, note, &s[i]), 0);
    }
    for (j = 0; j < 8; j++) {
        assert_true(krbrepl__poller_wait(p, 0) > 0);
        krbrepl__poller_dispatch(p);
    }
    for (i = 0; i < N; i++) {
        int own = s[i].w.fd;

        assert_true(s[i].calls > 0);
        krbrepl__poller_del(p, &s[i].w);
        close(own);
    }
    free(s);
    krbrepl__poller_free(p);
    close(fd[0]);
    close(fd[1]);
}

static void a_child_that_frees_its_copy_leaves_the_parents_watches(void **state)
{
    krbrepl__poller *p = make(state);
    seen s = {p, {0}, 0, 0, NULL};
    int fd[2], status;
    pid_t child;

    pair(fd);
    assert_int_equal(krbrepl__poller_add(p, &s.w, fd[0], KRBREPL__READ, note, &s), 0);
    child = fork();
    if (child == 0) {
        krbrepl__poller_free(p);
        close(fd[0]);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(write(fd[1], "x", 1), 1);
    assert_int_equal(krbrepl__poller_wait(p, -1), 1);
    krbrepl__poller_dispatch(p);
    assert_int_equal(s.calls, 1);
    krbrepl__poller_del(p, &s.w);
    krbrepl__poller_free(p);
    close(fd[0]);
    close(fd[1]);
}

static void a_wake_by_pipe_is_as_good_as_one_by_eventfd(void **state)
{
    krbrepl__poller *p = make(state);
    seen s = {p, {0}, 0, 0, NULL};
    krbrepl__wakefd w;
    int i, pipe_made;

    for (pipe_made = 0; pipe_made < 2; pipe_made++) {
        assert_int_equal(
            pipe_made ? krbrepl__wakefd_open_pipe(&w, NULL) : krbrepl__wakefd_open(&w, NULL), 0);
        assert_int_equal(krbrepl__poller_add(p, &s.w, w.rd, KRBREPL__READ, note, &s), 0);
        assert_int_equal(krbrepl__poller_wait(p, 0), 0);
        for (i = 0; i < 100000; i++)
            krbrepl__wakefd_set(&w);
        assert_int_equal(krbrepl__poller_wait(p, -1), 1);
        krbrepl__poller_dispatch(p);
        krbrepl__wakefd_clear(&w);
        assert_int_equal(krbrepl__poller_wait(p, 0), 0);
        krbrepl__poller_del(p, &s.w);
        krbrepl__wakefd_close(&w);
    }
    krbrepl__poller_free(p);
}

static void only_epoll_has_a_descriptor_for_the_hosts_loop(void **state)
{
    krbrepl__poller *p = make(state);

    if (*(int *)*state == KRBREPL__POLLER_POLL)
        assert_int_equal(krbrepl__poller_fd(p), -1);
    else
        assert_true(krbrepl__poller_fd(p) >= 0);
    krbrepl__poller_free(p);
}

int main(void)
{
    static int kinds[] = {KRBREPL__POLLER_BEST, KRBREPL__POLLER_POLL};
    static int *best = &kinds[0], *twin = &kinds[1];
#define BOTH(f) cmocka_unit_test_prestate(f, best), cmocka_unit_test_prestate(f, twin)
    const struct CMUnitTest tests[] = {
        BOTH(a_readable_descriptor_is_told_until_it_is_read),
        BOTH(only_what_is_wanted_is_told),
        BOTH(a_connection_that_broke_is_told_though_nothing_was_asked_for),
        BOTH(a_watch_deleted_by_another_is_not_called),
        BOTH(a_watch_deleted_out_of_the_middle_leaves_the_others),
        BOTH(nobody_is_passed_over_for_ever),
        BOTH(a_child_that_frees_its_copy_leaves_the_parents_watches),
        BOTH(a_wake_by_pipe_is_as_good_as_one_by_eventfd),
        BOTH(only_epoll_has_a_descriptor_for_the_hosts_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
