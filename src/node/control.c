#include "control.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "conn.h"
#include "ctlmsg.h"
#include "master.h"
#include "mem.h"
#include "replica.h"
#include "usock.h"
#include "verify.h"

#define CLIENTS 64
#define IDLE_MS 10000u /* to ask, and to take the answer */
#define DAY_MS 86400000u

typedef struct client {
    krbrepl_node *n;
    int used;
    int fd;
    krbrepl__watch watch;
    krbrepl__timer timer;
    krbrepl__buf in, out;
    int waiting;
    int answered;
    krbrepl_wait_options wait;
    int proving;
    uint64_t told_ms;  /* when it was told last how far that is */
    uint64_t until_ms; /* when it is given up */
    krbrepl__verify verify;
} client;

struct krbrepl__control {
    int fd;
    uint64_t paused_until; /* no descriptors were left */
    krbrepl__watch watch;
    client c[CLIENTS];
};

static void client_close(client *c)
{
    krbrepl_node *n = c->n;

    krbrepl__poller_del(n->poller, &c->watch);
    krbrepl__timer_unset(&n->timers, &c->timer);
    krbrepl__buf_free(&c->in);
    krbrepl__buf_free(&c->out);
    krbrepl__sock_close(c->fd);
    memset(c, 0, sizeof *c);
}

/* Sends what it takes; an answer that is out ends the connection. */
static void client_send(client *c)
{
    size_t sent;
    int rc = 0;

    while (c->out.len > 0 && rc == 0) {
        rc = krbrepl__sock_send(c->fd, c->out.data, c->out.len, &sent);
        if (rc == 0)
            krbrepl__buf_consume(&c->out, sent);
    }
    if (rc < 0 || c->out.err != 0 || (c->answered && c->out.len == 0)) {
        client_close(c);
        return;
    }
    krbrepl__poller_want(c->n->poller, &c->watch,
                         KRBREPL__READ | (c->out.len > 0 ? KRBREPL__WRITE : 0u));
}

static void answer(client *c)
{
    c->answered = 1;
    c->waiting = 0;
    krbrepl__timer_set(&c->n->timers, &c->timer, c->n->now + IDLE_MS);
    client_send(c);
}

/* ---- waiting -------------------------------------------------------------------------------- */

static int conn_has(const krbrepl__conn *c, const krbrepl_wait_options *w)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);

    if (w->level == KRBREPL_LEVEL_RECEIVED)
        return i->received >= w->seq;
    return (w->level == KRBREPL_LEVEL_APPLIED ? i->applied : i->durable) >= w->seq;
}

static uint64_t master_have(krbrepl_node *n, const krbrepl_wait_options *w)
{
    krbrepl__item *l, *after;
    uint64_t have = 0;
    size_t i;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        const krbrepl__conn *c = l->self;

        have += c->up && !c->over && conn_has(c, w);
    }
    /* What a replica has made durable stays with it when it goes. */
    for (i = 0; i < n->master->nslots && w->level == KRBREPL_LEVEL_DURABLE; i++)
        have += n->master->slots[i].live == NULL && n->master->slots[i].s.durable >= w->seq;
    return have;
}

static uint64_t replica_has(krbrepl_node *n, const krbrepl_wait_options *w)
{
    const krbrepl__replica *r = n->replica;
    uint64_t seq = n->info.pos.seq > r->applied ? n->info.pos.seq : r->applied;

    if (w->level == KRBREPL_LEVEL_RECEIVED && r->cur != NULL && r->cur->up)
        return krbrepl__conn_info(r->cur)->received >= w->seq;
    return seq >= w->seq;
}

/* Answers when there are enough, or when the time is over. */
static void check_wait(client *c, int over)
{
    krbrepl_node *n = c->n;
    uint64_t have, want = n->master != NULL ? c->wait.replicas : 1;

    have = n->master != NULL ? master_have(n, &c->wait) : replica_has(n, &c->wait);
    if (have < want && !over)
        return;
    krbrepl__ctl_put_waited(&c->out, have >= want ? 0 : KRBREPL_ERR_TIMEOUT, have);
    answer(c);
}

/* The last commit there is, as far as this node knows. */
static uint64_t last_known(krbrepl_node *n)
{
    uint64_t upstream = n->replica != NULL ? n->replica->upstream_seq : 0;

    return upstream > n->info.pos.seq ? upstream : n->info.pos.seq;
}

static int begin_wait(client *c, krbrepl_bytes body)
{
    krbrepl_node *n = c->n;
    krbrepl_wait_options *w = &c->wait;

    if (krbrepl__ctl_get_wait(body, w) != 0 || w->level > KRBREPL_LEVEL_APPLIED)
        return KRBREPL_ERR_INVALID;
    if (w->replicas == 0)
        w->replicas = 1;
    if (w->level == 0)
        w->level = KRBREPL_LEVEL_DURABLE;
    if (w->timeout_ms > DAY_MS)
        w->timeout_ms = DAY_MS;
    krbrepl__node_look(n);
    if (w->level == KRBREPL_LEVEL_RECEIVED && n->master != NULL)
        krbrepl__master_prompt(n);
    if (w->seq == 0)
        w->seq = last_known(n);
    c->waiting = 1;
    krbrepl__timer_set(&n->timers, &c->timer, n->now + w->timeout_ms);
    check_wait(c, w->timeout_ms == 0);
    return 0;
}

/* ---- proving -------------------------------------------------------------------------------- */

#define TELL_MS 100u
#define LOOK_MS 20u /* the thread does not say when it has read all */

static void proved(client *c, int err)
{
    krbrepl__ctl_put_proved(&c->out, err, &c->verify.out);
    c->proving = 0;
    answer(c);
}

static void failed(client *c)
{
    krbrepl__ctl_put_error(&c->out, c->verify.err, c->verify.text);
    c->proving = 0;
    answer(c);
}

/* A master's own damage is not repaired by anybody. */
static int verdict(const client *c)
{
    return c->n->master != NULL && c->verify.out.differed ? KRBREPL_ERR_CORRUPT : 0;
}

static void check_proof(client *c)
{
    krbrepl_node *n = c->n;
    uint64_t done;

    if (krbrepl__verify_look(n, &c->verify, &done)) {
        if (c->verify.err != 0)
            failed(c);
        else
            proved(c, verdict(c));
        return;
    }
    krbrepl__timer_set(&n->timers, &c->timer,
                       n->now + LOOK_MS < c->until_ms ? n->now + LOOK_MS : c->until_ms);
    if (n->now - c->told_ms < TELL_MS || c->out.len != 0)
        return;
    c->told_ms = n->now;
    krbrepl__ctl_put_going(&c->out, done, c->verify.total);
    client_send(c);
}

static int begin_proof(client *c, krbrepl_bytes body)
{
    krbrepl_node *n = c->n;
    uint64_t timeout_ms;

    if (krbrepl__ctl_get_prove(body, &timeout_ms) != 0)
        return KRBREPL_ERR_INVALID;
    if (n->proof.worker == NULL)
        return KRBREPL_ERR_STATE;
    krbrepl__node_look(n);
    krbrepl__verify_begin(n, &c->verify);
    c->proving = 1;
    c->until_ms = n->now + (timeout_ms < DAY_MS ? timeout_ms : DAY_MS);
    check_proof(c);
    return 0;
}

void krbrepl__control_settle(krbrepl_node *n)
{
    size_t i;

    if (n->control == NULL)
        return;
    if (n->control->paused_until != 0 && n->now >= n->control->paused_until) {
        n->control->paused_until = 0;
        krbrepl__poller_want(n->poller, &n->control->watch, KRBREPL__READ);
    }
    for (i = 0; i < CLIENTS; i++)
        if (n->control->c[i].used && n->control->c[i].proving)
            check_proof(&n->control->c[i]);
    if (!n->acks_moved)
        return;
    n->acks_moved = 0;
    for (i = 0; i < CLIENTS; i++)
        if (n->control->c[i].used && n->control->c[i].waiting)
            check_wait(&n->control->c[i], 0);
}

/* ---- requests ------------------------------------------------------------------------------- */

static int put_peer(void *ctx, const krbrepl_peer *p)
{
    krbrepl__ctl_put_peer(ctx, p);
    return 0;
}

static int give_status(client *c)
{
    krbrepl_status s;
    int rc = krbrepl__node_status(c->n, &s);

    if (rc != 0)
        return rc;
    krbrepl__ctl_put_status(&c->out, &s);
    rc = krbrepl__node_peers(c->n, put_peer, &c->out);
    if (rc != 0)
        return rc;
    krbrepl__ctl_end(&c->out, krbrepl__ctl_begin(&c->out, KRBREPL__CTL_END));
    answer(c);
    return 0;
}

static void refuse(client *c, int err, const char *text)
{
    krbrepl__buf_reset(&c->out);
    krbrepl__ctl_put_error(&c->out, err, text);
    answer(c);
}

static void carry_out(client *c, unsigned type, krbrepl_bytes body)
{
    int rc;

    if (type == KRBREPL__CTL_ASK_STATUS)
        rc = give_status(c);
    else if (type == KRBREPL__CTL_ASK_WAIT)
        rc = begin_wait(c, body);
    else if (type == KRBREPL__CTL_ASK_PROVE)
        rc = begin_proof(c, body);
    else
        rc = KRBREPL_ERR_INVALID;
    if (rc != 0)
        refuse(c, rc, "the node does not know this request, or cannot carry it out");
}

static void client_read(client *c)
{
    uint8_t got[KRBREPL__CTL_REQUEST_MAX];
    krbrepl_bytes body;
    size_t n, whole;
    unsigned type;
    int rc = krbrepl__sock_recv(c->fd, got, sizeof got, &n);

    if (rc == 1)
        return;
    if (rc != 0) {
        client_close(c);
        return;
    }
    /* One request; whatever comes behind it is not looked at. */
    if (c->waiting || c->proving || c->answered)
        return;
    krbrepl__buf_bytes(&c->in, got, n);
    rc = krbrepl__ctl_next(&c->in, KRBREPL__CTL_REQUEST_MAX, &type, &body, &whole);
    if (rc == 1)
        carry_out(c, type, body);
    else if (rc < 0)
        refuse(c, rc, "the request is malformed, or of another version");
}

static void on_client(void *ctx, unsigned ready)
{
    client *c = ctx;

    if (ready & KRBREPL__READ)
        client_read(c);
    if (c->used && (ready & KRBREPL__WRITE))
        client_send(c);
}

static void on_client_timer(void *ctx)
{
    client *c = ctx;

    if (c->waiting)
        check_wait(c, 1);
    else if (c->proving && c->n->now >= c->until_ms)
        proved(c, KRBREPL_ERR_TIMEOUT);
    else if (c->proving)
        check_proof(c);
    else
        client_close(c);
}

/* ---- the socket ----------------------------------------------------------------------------- */

static client *free_client(krbrepl_node *n)
{
    size_t i;

    for (i = 0; i < CLIENTS; i++)
        if (!n->control->c[i].used)
            return &n->control->c[i];
    return NULL;
}

static void take(krbrepl_node *n, int fd)
{
    client *c = free_client(n);

    if (c == NULL) {
        krbrepl__logf(&n->log, KRBREPL_LOG_WARN, "control",
                      "more than %d programs ask for the status at a time; one was turned away",
                      CLIENTS);
        close(fd);
        return;
    }
    c->n = n;
    c->used = 1;
    c->fd = fd;
    krbrepl__buf_init(&c->in, KRBREPL__CTL_HEAD + 2 * KRBREPL__CTL_REQUEST_MAX);
    krbrepl__buf_init(&c->out, 0);
    c->timer.fn = on_client_timer;
    c->timer.ctx = c;
    krbrepl__timer_set(&n->timers, &c->timer, n->now + IDLE_MS);
    if (krbrepl__poller_add(n->poller, &c->watch, fd, KRBREPL__READ, on_client, c) != 0)
        client_close(c);
}

static void on_accept(void *ctx, unsigned ready)
{
    krbrepl_node *n = ctx;
    int fd, i, rc = 0;

    (void)ready;
    for (i = 0; i < KRBREPL__TURN_ACCEPTS && rc == 0; i++) {
        rc = krbrepl__usock_accept(n->control->fd, &fd);
        if (rc == 0)
            take(n, fd);
    }
    if (rc < 0) {
        krbrepl__poller_want(n->poller, &n->control->watch, 0);
        n->control->paused_until = n->now + KRBREPL__TICK_MS;
    }
}

int krbrepl__control_open(krbrepl_node *n)
{
    krbrepl__control *ctl = krbrepl__alloc(sizeof *ctl);
    int rc;

    if (ctl == NULL)
        return krbrepl__fail_plain(&n->ei, KRBREPL_ERR_NOMEM);
    ctl->fd = -1;
    n->control = ctl;
    rc = krbrepl__usock_bind(krbrepl__store_dirfd(n->store), KRBREPL__NODE_SOCKET, SOCK_STREAM,
                             &ctl->fd, &n->ei);
    if (rc != 0)
        return rc;
    rc = krbrepl__poller_add(n->poller, &ctl->watch, ctl->fd, KRBREPL__READ, on_accept, n);
    return rc == 0 ? 0 : krbrepl__fail_plain(&n->ei, rc);
}

void krbrepl__control_close(krbrepl_node *n)
{
    krbrepl__control *ctl = n->control;
    size_t i;

    if (ctl == NULL)
        return;
    for (i = 0; i < CLIENTS; i++)
        if (ctl->c[i].used)
            client_close(&ctl->c[i]);
    krbrepl__poller_del(n->poller, &ctl->watch);
    if (ctl->fd >= 0)
        krbrepl__usock_unbind(krbrepl__store_dirfd(n->store), KRBREPL__NODE_SOCKET, ctl->fd);
    krbrepl__free(ctl, sizeof *ctl);
    n->control = NULL;
}

void krbrepl__control_forget(krbrepl_node *n)
{
    krbrepl__control *ctl = n->control;
    size_t i;

    if (ctl == NULL)
        return;
    for (i = 0; i < CLIENTS; i++) {
        if (!ctl->c[i].used)
            continue;
        close(ctl->c[i].fd);
        krbrepl__buf_free(&ctl->c[i].in);
        krbrepl__buf_free(&ctl->c[i].out);
    }
    close(ctl->fd);
    krbrepl__free(ctl, sizeof *ctl);
}
