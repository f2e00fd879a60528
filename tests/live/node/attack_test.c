/* Those who do not prove who they are cannot keep a good replica from its commits. */
#include "nodes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "preface.h"

#define CROWD 1000

typedef struct field {
    rig r;
    one m, a;
    int fd[CROWD];
} field;

static int field_make(void **state)
{
    field *f = calloc(1, sizeof *f);
    int i;

    for (i = 0; i < CROWD; i++)
        f->fd[i] = -1;
    rig_make(&f->r);
    one_make(&f->m, &f->r, 1, "master", "");
    one_make(&f->a, &f->r, 0, "a", "");
    rig_allow(&f->r, f->a.princ);
    one_start(&f->m);
    one_start(&f->a);
    await_seq(&f->a, put(&f->m, "before", "1"));
    *state = f;
    return 0;
}

static int field_drop(void **state)
{
    field *f = *state;
    int i;

    for (i = 0; i < CROWD; i++)
        if (f->fd[i] >= 0)
            close(f->fd[i]);
    one_end(&f->a, SIGKILL);
    one_end(&f->m, SIGKILL);
    rig_drop(&f->r);
    free(f);
    return 0;
}

static int knock(const field *f)
{
    struct sockaddr_in sin = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons((uint16_t)f->r.port);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    return fd;
}

/* Commits go on arriving, and the session is still the same. */
static void still_served(field *f)
{
    uint64_t seq = 0;
    int i;

    for (i = 0; i < 20; i++) {
        seq = put(&f->m, "meanwhile", "1");
        await_seq(&f->a, seq);
    }
    assert_false(log_has(&f->a, 0, "ended by"));
}

static void await_refused(field *f, uint64_t at_least)
{
    krbrepl_status st;
    int t = 0;

    do
        assert_int_equal(status_of(&f->m, &st), 0);
    while (st.refused < at_least && patience(&t));
    assert_true(st.refused >= at_least);
}

static void a_thousand_half_open_connections_do_no_harm(void **state)
{
    field *f = *state;
    krbrepl_status st;
    int i;

    for (i = 0; i < CROWD; i++)
        f->fd[i] = knock(f);
    still_served(f);
    await_refused(f, CROWD - 256);
    await_log(&f->m, 0, "too many connections from its address have not authenticated");
    assert_int_equal(status_of(&f->m, &st), 0);
    assert_true(st.unauth <= 64);
    assert_int_equal(st.peers, 1);
    /* One more good replica gets in while they all hold on. */
    one_end(&f->a, SIGKILL);
    one_start(&f->a);
    await_seq(&f->a, put(&f->m, "after", "1"));
}

static void silence_is_ended_by_the_deadline(void **state)
{
    field *f = *state;
    char c;

    one_end(&f->m, SIGTERM);
    snprintf(f->m.extra, sizeof f->m.extra, "handshake_ms=300");
    one_start(&f->m);
    f->fd[0] = knock(f);
    /* Whatever it says as a reason, it ends. */
    while (read(f->fd[0], &c, 1) > 0)
        ;
    await_seq(&f->a, put(&f->m, "after", "1"));
    await_refused(f, 1);
}

static void send_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t done = send(fd, at, n, MSG_NOSIGNAL);

        if (done <= 0)
            return;
        at += done;
        n -= (size_t)done;
    }
}

static void garbage_is_refused_and_logged(void **state)
{
    field *f = *state;
    unsigned char junk[70000];
    unsigned r = 1, i, k;
    char c;

    for (k = 0; k < 30; k++) {
        for (i = 0; i < sizeof junk; i++) {
            r = r * 1103515245u + 12345u;
            junk[i] = (unsigned char)(r >> 16);
        }
        f->fd[k] = knock(f);
        send_all(f->fd[k], junk, k % 2 != 0 ? sizeof junk : 10 + k);
        shutdown(f->fd[k], SHUT_WR);
        while (read(f->fd[k], &c, 1) > 0)
            ;
    }
    still_served(f);
    await_refused(f, 30);
    await_log(&f->m, 0, "127.0.0.1:");
}

/* The right first bytes, then a token that claims to be enormous. */
static void oversized_frames_are_refused(void **state)
{
    field *f = *state;
    uint8_t big[KRBREPL__PREFACE_LEN + 5];
    char c;
    int k;

    krbrepl__preface_make(big, KRBREPL__PROTOCOL_LOW, KRBREPL__PROTOCOL_HIGH);
    memset(big + KRBREPL__PREFACE_LEN, 0xff, 5);
    big[KRBREPL__PREFACE_LEN] = KRBREPL__CLEAR_TOKEN;
    for (k = 0; k < 20; k++) {
        f->fd[k] = knock(f);
        send_all(f->fd[k], big, sizeof big);
        while (read(f->fd[k], &c, 1) > 0)
            ;
    }
    still_served(f);
    await_refused(f, 20);
}

int run_attack_tests(void)
{
#define LIVE(f) cmocka_unit_test_setup_teardown(f, field_make, field_drop)
    const struct CMUnitTest tests[] = {
        LIVE(a_thousand_half_open_connections_do_no_harm),
        LIVE(silence_is_ended_by_the_deadline),
        LIVE(garbage_is_refused_and_logged),
        LIVE(oversized_frames_are_refused),
    };

    return cmocka_run_group_tests_name("attacks", tests, NULL, NULL);
}
