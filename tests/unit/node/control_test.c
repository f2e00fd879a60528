/* The control socket: its messages, and those who misuse it. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlmsg.h"
#include "site.h"
#include "sock.h"
#include "usock.h"

/* ---- messages ------------------------------------------------------------------------------- */

/* Every field gets a value of its own, so that none can be left out or mixed up. */
static void fill(void *p, size_t from, size_t to)
{
    uint64_t v;

    for (; from < to; from += sizeof v) {
        v = 0x1000000 + from;
        memcpy((char *)p + from, &v, sizeof v);
    }
}

static krbrepl_bytes only_message(krbrepl__buf *b, unsigned want)
{
    krbrepl_bytes body = {NULL, 0};
    unsigned type;
    size_t whole;

    assert_int_equal(krbrepl__ctl_next(b, KRBREPL__CTL_ANSWER_MAX, &type, &body, &whole), 1);
    assert_int_equal(type, want);
    assert_int_equal(whole, b->len);
    return body;
}

static void a_status_arrives_as_it_was_sent(void **state)
{
    krbrepl_status in, out;
    krbrepl__buf b;
    size_t i;

    (void)state;
    memset(&in, 0, sizeof in);
    in.size = sizeof in;
    for (i = 0; i < 16; i++)
        in.database_id[i] = (uint8_t)(i + 1);
    fill(&in, offsetof(krbrepl_status, role), offsetof(krbrepl_status, pos));
    fill(&in, offsetof(krbrepl_status, known_epoch), offsetof(krbrepl_status, last_error));
    fill(&in, offsetof(krbrepl_status, proved_seq), sizeof in);
    in.pos.seq = 7;
    in.pos.epoch = 3;
    memset(in.pos.chain, 0xcc, sizeof in.pos.chain);
    snprintf(in.last_error, sizeof in.last_error, "what it was");
    krbrepl__buf_init(&b, 0);
    krbrepl__ctl_put_status(&b, &in);
    assert_int_equal(krbrepl__ctl_get_status(only_message(&b, KRBREPL__CTL_STATUS), &out), 0);
    assert_memory_equal(&in, &out, sizeof in);
    krbrepl__buf_free(&b);
}

static void a_peer_arrives_as_it_was_sent(void **state)
{
    krbrepl_peer in, out;
    krbrepl__ctl_names names;
    krbrepl__buf b;

    (void)state;
    memset(&in, 0, sizeof in);
    in.size = sizeof in;
    fill(&in, offsetof(krbrepl_peer, id), sizeof in);
    in.principal = "krbrepl/a@R";
    in.address = "[::1]:2";
    in.name = "a";
    krbrepl__buf_init(&b, 0);
    krbrepl__ctl_put_peer(&b, &in);
    assert_int_equal(krbrepl__ctl_get_peer(only_message(&b, KRBREPL__CTL_PEER), &out, &names), 0);
    assert_string_equal(out.principal, in.principal);
    assert_string_equal(out.address, in.address);
    assert_string_equal(out.name, in.name);
    in.principal = in.address = in.name = out.principal = out.address = out.name = NULL;
    assert_memory_equal(&in, &out, sizeof in);
    krbrepl__buf_free(&b);
}

static void an_answer_of_another_release_is_read_as_far_as_it_is_known(void **state)
{
    krbrepl_status out;
    krbrepl__buf b;
    size_t at, i;
    int newer;

    (void)state;
    for (newer = 0; newer < 2; newer++) {
        krbrepl__buf_init(&b, 0);
        at = krbrepl__ctl_begin(&b, KRBREPL__CTL_STATUS);
        krbrepl__buf_u16(&b, newer ? 100 : 1);
        for (i = 0; i < (newer ? 100u : 1u); i++)
            krbrepl__buf_u64(&b, 2);
        for (i = 0; i < 16 + 64; i++)
            krbrepl__buf_u8(&b, 0);
        krbrepl__buf_str16(&b, "text");
        krbrepl__ctl_end(&b, at);
        assert_int_equal(krbrepl__ctl_get_status(only_message(&b, KRBREPL__CTL_STATUS), &out), 0);
        assert_int_equal(out.role, 2);
        assert_int_equal(out.pid, newer ? 2 : 0);
        assert_string_equal(out.last_error, "text");
        krbrepl__buf_free(&b);
    }
}

static void a_message_cut_anywhere_is_no_message(void **state)
{
    krbrepl_status st = {.size = sizeof st};
    krbrepl__buf b;
    krbrepl_bytes body;
    unsigned type;
    size_t whole, len;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__ctl_put_status(&b, &st);
    body = only_message(&b, KRBREPL__CTL_STATUS);
    for (len = 0; len < body.len; len++) {
        krbrepl_bytes part = {body.data, len};

        assert_int_not_equal(krbrepl__ctl_get_status(part, &st), 0);
    }
    while (b.len > 0) {
        krbrepl__buf_cut(&b, b.len - 1);
        assert_int_equal(krbrepl__ctl_next(&b, KRBREPL__CTL_ANSWER_MAX, &type, &body, &whole), 0);
    }
    krbrepl__buf_u32(&b, KRBREPL__CTL_ANSWER_MAX + 1);
    assert_int_equal(krbrepl__ctl_next(&b, KRBREPL__CTL_ANSWER_MAX, &type, &body, &whole),
                     KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
}

/* ---- a node --------------------------------------------------------------------------------- */

typedef struct bench {
    site at;
    int dirfd;
} bench;

static int make(void **state)
{
    bench *b = calloc(1, sizeof *b);

    site_make(&b->at, KRBREPL_CREATE_MASTER);
    site_open(&b->at, NULL);
    site_node(&b->at, NULL, NULL);
    site_master(&b->at);
    assert_int_equal(krbrepl_node_spawn(b->at.n), 0);
    b->dirfd = open(b->at.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = b;
    return 0;
}

static int drop(void **state)
{
    bench *b = *state;
    int rc = site_drop(&b->at);

    close(b->dirfd);
    free(b);
    return rc;
}

static int fetch(const bench *b, krbrepl_status *st)
{
    KRBREPL_INIT(st);
    return krbrepl_status_fetch(b->at.dir, 60000, st, NULL, NULL, NULL);
}

static void the_status_is_fetched_by_whoever_may_open_the_socket(void **state)
{
    bench *b = *state;
    krbrepl_status st;
    struct {
        size_t size;
        uint8_t id[16];
        uint64_t role;
        uint64_t canary;
    } older = {offsetof(krbrepl_status, state), {0}, 0, 42};

    assert_int_equal(fetch(b, &st), 0);
    assert_int_equal(st.role, KRBREPL_ROLE_MASTER);
    assert_int_equal(st.state, KRBREPL_STATE_SERVING);
    assert_int_equal(st.pos.seq, 1);
    assert_int_equal(st.pid, getpid());
    /* A program that was built when the struct was shorter gets what it knows. */
    assert_int_equal(
        krbrepl_status_fetch(b->at.dir, 60000, (krbrepl_status *)(void *)&older, NULL, NULL, NULL), 0);
    assert_int_equal(older.role, KRBREPL_ROLE_MASTER);
    assert_int_equal(older.canary, 42);
}

static void no_node_is_told_as_such(void **state)
{
    bench *b = *state;
    krbrepl_status st;
    krbrepl_wait_options w;
    krbrepl_errinfo ei = {.size = sizeof ei};
    uint64_t have = 9;

    assert_int_equal(krbrepl_node_stop(b->at.n), 0);
    KRBREPL_INIT(&st);
    assert_int_equal(krbrepl_status_fetch(b->at.dir, 60000, &st, NULL, NULL, &ei),
                     KRBREPL_ERR_NOTFOUND);
    assert_non_null(strstr(ei.text, "start krbrepl-master or krbrepl-replica"));
    KRBREPL_INIT(&w);
    w.timeout_ms = 1;
    assert_int_equal(krbrepl_wait(b->at.dir, &w, &have, &ei), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(have, 0);
    assert_int_equal(krbrepl_status_fetch("/nonexistent", 1, &st, NULL, NULL, &ei),
                     KRBREPL_ERR_NOTFOUND);
}

static void a_wait_without_replicas_ends_in_time_with_how_many_there_were(void **state)
{
    bench *b = *state;
    krbrepl_wait_options w;
    krbrepl_errinfo ei = {.size = sizeof ei};
    uint64_t have = 9;

    KRBREPL_INIT(&w);
    assert_int_equal(krbrepl_wait(b->at.dir, &w, &have, &ei), KRBREPL_ERR_TIMEOUT);
    assert_int_equal(have, 0);
    assert_non_null(strstr(ei.text, "krbrepl status"));
    w.timeout_ms = 50;
    assert_int_equal(krbrepl_wait(b->at.dir, &w, NULL, NULL), KRBREPL_ERR_TIMEOUT);
    w.level = 99;
    assert_int_equal(krbrepl_wait(b->at.dir, &w, NULL, NULL), KRBREPL_ERR_INVALID);
}

/* Another who can write to the directory answers in the node's place, and comes to no end. */
static void *babble(void *arg)
{
    struct pollfd p = {*(int *)arg, POLLIN, 0};
    krbrepl_peer peer;
    krbrepl__buf b;
    size_t sent, at = 0;
    int fd = -1, i;

    KRBREPL_INIT(&peer);
    peer.principal = peer.address = peer.name = "x";
    krbrepl__buf_init(&b, 0);
    /* Much at a time, so that the other end never sees it stop. */
    for (i = 0; i < 1000; i++)
        krbrepl__ctl_put_peer(&b, &peer);
    if (poll(&p, 1, 60000) == 1 && krbrepl__usock_accept(p.fd, &fd) == 0) {
        p.fd = fd;
        p.events = POLLOUT;
        while (poll(&p, 1, 60000) == 1 && krbrepl__sock_send(fd, b.data + at, b.len - at, &sent) >= 0)
            at = (at + sent) % b.len;
        close(fd);
    }
    krbrepl__buf_free(&b);
    return NULL;
}

static int read_slowly(void *ctx, const krbrepl_peer *p)
{
    (void)p;
    usleep(1000);
    /* Stands for "for ever". */
    return ++*(int *)ctx < 5000 ? 0 : KRBREPL_ERR_INVALID;
}

static void an_answer_without_end_is_given_up_in_time(void **state)
{
    bench *b = *state;
    krbrepl_status st;
    pthread_t th;
    int fd, peers = 0;

    assert_int_equal(krbrepl_node_stop(b->at.n), 0);
    assert_int_equal(krbrepl__usock_bind(b->dirfd, "node.sock", SOCK_STREAM, &fd, NULL), 0);
    assert_int_equal(pthread_create(&th, NULL, babble, &fd), 0);
    KRBREPL_INIT(&st);
    assert_int_equal(krbrepl_status_fetch(b->at.dir, 200, &st, read_slowly, &peers, NULL),
                     KRBREPL_ERR_TIMEOUT);
    assert_int_equal(pthread_join(th, NULL), 0);
    krbrepl__usock_unbind(b->dirfd, "node.sock", fd);
}

static void *wait_for_a_node(void *arg)
{
    bench *b = arg;
    krbrepl_wait_options w;

    KRBREPL_INIT(&w);
    w.seq = 1;
    w.timeout_ms = 60000;
    return (void *)(intptr_t)krbrepl_wait(b->at.dir, &w, NULL, NULL);
}

/* A replica has its own commits; the waiter began before there was a node, and saw a master first. */
static void a_wait_outlives_a_restart_of_the_node(void **state)
{
    bench *b = *state;
    krbrepl_replica_options ro;
    pthread_t th;
    void *rc;

    assert_int_equal(pthread_create(&th, NULL, wait_for_a_node, b), 0);
    assert_int_equal(krbrepl_node_stop(b->at.n), 0);
    assert_int_equal(krbrepl_demote(b->at.s, NULL, NULL), 0);
    KRBREPL_INIT(&ro);
    ro.master = "127.0.0.1:1";
    assert_int_equal(krbrepl_replica_start(b->at.n, &ro), 0);
    assert_int_equal(krbrepl_node_spawn(b->at.n), 0);
    assert_int_equal(pthread_join(th, &rc), 0);
    assert_int_equal((intptr_t)rc, 0);
}

static void clients_that_do_nothing_or_say_nonsense_cannot_hurt(void **state)
{
    bench *b = *state;
    krbrepl_status st;
    int fd[200], i;
    char junk[4096];

    memset(junk, 0x5a, sizeof junk);
    for (i = 0; i < 40; i++)
        assert_int_equal(krbrepl__usock_connect(b->dirfd, "node.sock", SOCK_STREAM, &fd[i], NULL), 0);
    assert_int_equal(fetch(b, &st), 0);
    /* Nonsense ends the connection; what was half asked is kept waiting, alone. */
    for (i = 0; i < 40; i++)
        assert_true(send(fd[i], junk, i % 2 != 0 ? sizeof junk : 3, MSG_NOSIGNAL) != 0);
    assert_int_equal(fetch(b, &st), 0);
    for (i = 0; i < 40; i++)
        close(fd[i]);
    assert_int_equal(fetch(b, &st), 0);
    /* More than there are places for: those who are turned away hang up, and there is room again. */
    for (i = 0; i < 200; i++) {
        while (krbrepl__usock_connect(b->dirfd, "node.sock", SOCK_STREAM, &fd[i], NULL) ==
               KRBREPL_ERR_LOCKED)
            usleep(1000);
    }
    for (i = 0; i < 200; i++)
        close(fd[i]);
    for (i = 0; i < 1000 && fetch(b, &st) != 0; i++)
        usleep(1000);
    assert_int_equal(fetch(b, &st), 0);
}

int main(void)
{
#define NODE(f) cmocka_unit_test_setup_teardown(f, make, drop)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_arrives_as_it_was_sent),
        cmocka_unit_test(a_peer_arrives_as_it_was_sent),
        cmocka_unit_test(an_answer_of_another_release_is_read_as_far_as_it_is_known),
        cmocka_unit_test(a_message_cut_anywhere_is_no_message),
        NODE(the_status_is_fetched_by_whoever_may_open_the_socket),
        NODE(no_node_is_told_as_such),
        NODE(an_answer_without_end_is_given_up_in_time),
        NODE(a_wait_without_replicas_ends_in_time_with_how_many_there_were),
        NODE(a_wait_outlives_a_restart_of_the_node),
        NODE(clients_that_do_nothing_or_say_nonsense_cannot_hurt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
