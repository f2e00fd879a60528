/* ctlclient.c: asks the node that runs on a store, from any process. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ctlmsg.h"
#include "nodeops.h"
#include "sock.h"
#include "store.h"
#include "usock.h"

#define PAUSE_MS 20u      /* between two tries to find a node */
#define PATIENCE_MS 2000u /* for the answer of a node that is to wait, beyond that time */

/* One question to one node. */
typedef struct call {
    const char *dir;
    int dirfd, fd;
    uint64_t deadline; /* mono ms */
    krbrepl__buf in;
    krbrepl_errinfo *ei;
} call;

static uint64_t mono(void)
{
    const krbrepl__sys *sys = krbrepl__sys_default();

    return sys->mono_ms(sys->ctx);
}

static int left_ms(const call *c)
{
    uint64_t now = mono();

    if (now >= c->deadline)
        return 0;
    return c->deadline - now > 3600000 ? 3600000 : (int)(c->deadline - now);
}

static int call_open(call *c, const char *dir, uint64_t timeout_ms, krbrepl_errinfo *ei)
{
    uint64_t now = mono();
    int e;

    memset(c, 0, sizeof *c);
    c->dir = dir;
    c->fd = -1;
    c->ei = ei;
    c->deadline = timeout_ms > UINT64_MAX / 2 - now ? UINT64_MAX / 2 : now + timeout_ms;
    krbrepl__buf_init(&c->in, KRBREPL__CTL_HEAD + 2 * KRBREPL__CTL_ANSWER_MAX);
    c->dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dirfd >= 0)
        return 0;
    e = errno;
    return krbrepl__fail_sys(ei,
                             e == ENOENT || e == ENOTDIR ? KRBREPL_ERR_NOTFOUND
                             : e == EACCES               ? KRBREPL_ERR_DENIED
                                                         : KRBREPL_ERR_IO,
                             e, "status: cannot open the store's directory %s", dir);
}

static void hang_up(call *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    krbrepl__buf_reset(&c->in);
}

static void call_close(call *c)
{
    hang_up(c);
    if (c->dirfd >= 0)
        close(c->dirfd);
    krbrepl__buf_free(&c->in);
}

static int nobody(call *c)
{
    return krbrepl__fail(c->ei, KRBREPL_ERR_NOTFOUND,
                         "status: no node runs on %s; start krbrepl-master or krbrepl-replica on it",
                         c->dir);
}

static int too_late(call *c)
{
    return krbrepl__fail(
        c->ei, KRBREPL_ERR_TIMEOUT,
        "status: the node that runs on %s did not answer in time; it may be stopped, busy for very "
        "long, or driven by the very thread that asks",
        c->dir);
}

/* Readable or writable in time? */
static int await(call *c, short what)
{
    struct pollfd p = {c->fd, what, 0};
    int n;

    do
        n = poll(&p, 1, left_ms(c));
    while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : too_late(c);
}

static void rest(const call *c)
{
    struct timespec ts = {0, 0};
    int ms = left_ms(c);

    ts.tv_nsec = (long)(ms < (int)PAUSE_MS ? ms : (int)PAUSE_MS) * 1000000;
    nanosleep(&ts, NULL);
}

/* NOTFOUND when nobody is there at the deadline, or at once unless it is worth waiting. */
static int reach(call *c, int wait)
{
    int rc;

    for (;;) {
        rc = krbrepl__usock_connect(c->dirfd, KRBREPL__NODE_SOCKET, SOCK_STREAM, &c->fd, c->ei);
        if (rc != KRBREPL_ERR_NOTFOUND && rc != KRBREPL_ERR_LOCKED)
            break;
        if (left_ms(c) == 0 || (rc == KRBREPL_ERR_NOTFOUND && !wait))
            break;
        rest(c);
    }
    if (rc == KRBREPL_ERR_NOTFOUND)
        return nobody(c);
    if (rc == KRBREPL_ERR_LOCKED)
        return too_late(c);
    if (rc == KRBREPL_ERR_DENIED)
        return krbrepl__fail(
            c->ei, rc,
            "status: no right to ask the node that runs on %s; only its owner, and the "
            "group of a store that was made with a group, may",
            c->dir);
    return rc;
}

static int ask(call *c, const krbrepl__buf *request)
{
    size_t at = 0, sent;
    int rc = request->err;

    while (rc == 0 && at < request->len) {
        rc = krbrepl__sock_send(c->fd, request->data + at, request->len - at, &sent);
        at += sent;
        if (rc == 1)
            rc = await(c, POLLOUT);
    }
    return rc == KRBREPL_ERR_NET ? KRBREPL_ERR_NOTFOUND : rc;
}

static int malformed(call *c)
{
    return krbrepl__fail(c->ei, KRBREPL_ERR_PROTO,
                         "status: the node that runs on %s gives an answer that is not understood; use "
                         "the same release for both",
                         c->dir);
}

/* The next message of the answer; `whole` bytes are to be consumed after it. NOTFOUND when the node ended
 * before. */
static int next_message(call *c, unsigned *type, krbrepl_bytes *body, size_t *whole)
{
    uint8_t got[4096];
    size_t n;
    int rc;

    for (;;) {
        rc = krbrepl__ctl_next(&c->in, KRBREPL__CTL_ANSWER_MAX, type, body, whole);
        if (rc != 0)
            return rc == 1 ? 0 : malformed(c);
        /* Also when there is always something to read. */
        if (left_ms(c) == 0)
            return too_late(c);
        rc = krbrepl__sock_recv(c->fd, got, sizeof got, &n);
        if (rc == 1)
            rc = await(c, POLLIN);
        else if (rc != 0)
            return nobody(c);
        else
            krbrepl__buf_bytes(&c->in, got, n);
        if (rc == 0 && c->in.err != 0)
            rc = krbrepl__fail_plain(c->ei, c->in.err);
        if (rc != 0)
            return rc;
    }
}

static int told_error(call *c, const char *what, krbrepl_bytes body)
{
    char text[200];
    int err;

    if (krbrepl__ctl_get_error(body, &err, text) != 0)
        return malformed(c);
    return krbrepl__fail(c->ei, err, "%s: %s", what, text);
}

/* ---- status --------------------------------------------------------------------------------- */

/* 1: the end. */
static int take_status(call *c, unsigned type, krbrepl_bytes body, krbrepl_status *out,
                       krbrepl_peer_fn *each, void *ctx)
{
    krbrepl__ctl_names names;
    krbrepl_peer peer;

    switch (type) {
    case KRBREPL__CTL_STATUS:
        return krbrepl__ctl_get_status(body, out) == 0 ? 0 : malformed(c);
    case KRBREPL__CTL_PEER:
        if (krbrepl__ctl_get_peer(body, &peer, &names) != 0)
            return malformed(c);
        return each != NULL ? each(ctx, &peer) : 0;
    case KRBREPL__CTL_END:
        return 1;
    case KRBREPL__CTL_ERROR:
        return told_error(c, "status", body);
    default:
        return 0; /* of a newer release */
    }
}

int krbrepl__control_status(const char *dir, uint64_t timeout_ms, krbrepl_status *out,
                            krbrepl_peer_fn *each, void *ctx, krbrepl_errinfo *ei)
{
    krbrepl__buf req;
    krbrepl_bytes body;
    unsigned type;
    size_t whole;
    call c;
    int rc, done = 0;

    memset(out, 0, sizeof *out);
    out->size = sizeof *out;
    krbrepl__buf_init(&req, 0);
    krbrepl__ctl_end(&req, krbrepl__ctl_begin(&req, KRBREPL__CTL_ASK_STATUS));
    rc = call_open(&c, dir, timeout_ms, ei);
    if (rc == 0)
        rc = reach(&c, 0);
    if (rc == 0)
        rc = ask(&c, &req);
    while (rc == 0 && !done) {
        rc = next_message(&c, &type, &body, &whole);
        if (rc != 0)
            break;
        rc = take_status(&c, type, body, out, each, ctx);
        done = rc == 1 && type == KRBREPL__CTL_END;
        krbrepl__buf_consume(&c.in, whole);
    }
    call_close(&c);
    krbrepl__buf_free(&req);
    return done ? 0 : rc;
}

/* ---- waiting -------------------------------------------------------------------------------- */

static int wait_once(call *c, const krbrepl_wait_options *opt, uint64_t *have)
{
    krbrepl_wait_options w = *opt;
    krbrepl__buf req;
    krbrepl_bytes body;
    unsigned type;
    size_t whole;
    int rc, err = 0;

    w.timeout_ms = (uint64_t)left_ms(c);
    krbrepl__buf_init(&req, 0);
    krbrepl__ctl_put_wait(&req, &w);
    rc = reach(c, 1);
    /* The node ends the waiting, and says how many had it. */
    c->deadline += PATIENCE_MS;
    if (rc == 0)
        rc = ask(c, &req);
    if (rc == 0)
        rc = next_message(c, &type, &body, &whole);
    c->deadline -= PATIENCE_MS;
    krbrepl__buf_free(&req);
    if (rc != 0)
        return rc;
    if (type == KRBREPL__CTL_ERROR)
        return told_error(c, "wait", body);
    if (type != KRBREPL__CTL_WAITED || krbrepl__ctl_get_waited(body, &err, have) != 0)
        return malformed(c);
    return err;
}

int krbrepl__control_wait(const char *dir, const krbrepl_wait_options *opt, uint64_t *have,
                          krbrepl_errinfo *ei)
{
    uint64_t none = 0;
    call c;
    int rc = call_open(&c, dir, opt->timeout_ms, ei);

    if (have == NULL)
        have = &none;
    *have = 0;
    if (rc == 0) {
        /* A node that is restarted meanwhile is asked again. */
        do {
            hang_up(&c);
            rc = wait_once(&c, opt, have);
        } while (rc == KRBREPL_ERR_NOTFOUND && left_ms(&c) > 0);
    }
    if (rc == KRBREPL_ERR_TIMEOUT && left_ms(&c) == 0 && ei != NULL && ei->code != rc)
        krbrepl__fail(ei, rc,
                      "wait: the time is over, and %llu had the commit; see `krbrepl status %s` for "
                      "those that lag",
                      (unsigned long long)*have, dir);
    call_close(&c);
    return rc;
}

/* ---- proving -------------------------------------------------------------------------------- */

static int take_proof(call *c, krbrepl_bytes body, krbrepl_proved *out)
{
    int err = 0;

    if (krbrepl__ctl_get_proved(body, &err, out) != 0)
        return malformed(c);
    if (err == KRBREPL_ERR_CORRUPT)
        return krbrepl__fail(
            c->ei, err,
            "prove: records of this master were altered without a commit; restore a backup, or "
            "promote a replica that is right");
    return err;
}

/* Passes on how far it is, until the answer comes. */
static int hear_proof(call *c, const krbrepl_prove_options *opt, krbrepl_proved *out)
{
    uint64_t done, total;
    krbrepl_bytes body;
    unsigned type;
    size_t whole;
    int rc;

    for (;;) {
        rc = next_message(c, &type, &body, &whole);
        if (rc != 0)
            return rc;
        if (type == KRBREPL__CTL_ERROR)
            return told_error(c, "prove", body);
        if (type == KRBREPL__CTL_PROVED)
            return take_proof(c, body, out);
        if (type == KRBREPL__CTL_GOING && krbrepl__ctl_get_going(body, &done, &total) == 0 &&
            opt->progress != NULL)
            opt->progress(opt->progress_ctx, "leaves", done, total);
        krbrepl__buf_consume(&c->in, whole);
    }
}

int krbrepl__control_prove(const char *dir, const krbrepl_prove_options *opt, krbrepl_proved *out,
                           krbrepl_errinfo *ei)
{
    const uint64_t most = opt->timeout_ms != 0 ? opt->timeout_ms : 3600000;
    krbrepl__buf req;
    call c;
    int rc = call_open(&c, dir, most, ei);

    KRBREPL_INIT(out);
    krbrepl__buf_init(&req, 0);
    krbrepl__ctl_put_prove(&req, most);
    c.deadline += PATIENCE_MS;
    if (rc == 0)
        rc = reach(&c, 0);
    if (rc == 0)
        rc = ask(&c, &req);
    if (rc == 0)
        rc = hear_proof(&c, opt, out);
    if (rc == KRBREPL_ERR_TIMEOUT)
        krbrepl__fail(ei, rc,
                      "prove: the time is over; see `krbrepl status %s` whether this node is connected",
                      dir);
    call_close(&c);
    krbrepl__buf_free(&req);
    return rc;
}
