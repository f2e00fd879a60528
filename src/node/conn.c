#include "conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"

#define OTHER_TIMERS 256 /* of the node that are not a connection's */

const krbrepl__sess_info *krbrepl__conn_info(const krbrepl__conn *c)
{
    return krbrepl__sess_info_get(c->sess);
}

void krbrepl__conn_wake(krbrepl__conn *c)
{
    if (!c->over)
        krbrepl__item_push(&c->n->run, &c->run, c);
}

/* ---- the socket ----------------------------------------------------------------------------- */

/* A session stops producing while much is unsent, and cannot see that the socket has taken it: whoever
 * sent it says so by another turn. */
static void flush(krbrepl__conn *c)
{
    krbrepl__buf *out = krbrepl__sess_out(c->sess);
    size_t before = out->len, sent;
    int rc = 0;

    while (out->len > 0 && !c->send_failed && rc == 0) {
        rc = krbrepl__sock_send(c->fd, out->data, out->len, &sent);
        if (rc == 0)
            krbrepl__buf_consume(out, sent);
        else if (rc < 0)
            c->send_failed = 1;
    }
    if (before >= KRBREPL__SESS_OUT_MAX && out->len < KRBREPL__SESS_OUT_MAX)
        krbrepl__conn_wake(c);
    /* What the peer said before it went may still wait to be read; that tells why. */
    if (c->send_failed)
        krbrepl__buf_consume(out, out->len);
}

/* 1: there may be more. */
static int read_some(krbrepl__conn *c)
{
    krbrepl_node *n = c->n;
    size_t got;
    int rc = krbrepl__sock_recv(c->fd, n->in, sizeof n->in, &got);

    if (rc == 1)
        return 0;
    if (rc != 0) {
        c->eof = 1;
        if (!c->over)
            krbrepl__sess_eof(c->sess, n->now);
    } else if (!c->over) {
        if (c->undecided)
            krbrepl__legacy_decide(c, n->in[0]);
        krbrepl__sess_feed(c->sess, n->in, got, n->now);
    }
    krbrepl__conn_wake(c);
    return rc == 0 && got == sizeof n->in;
}

void krbrepl__conn_read(krbrepl__conn *c)
{
    krbrepl__item_drop(&c->heard);
    if (c->fd >= 0)
        read_some(c);
    krbrepl__conn_settle(c);
}

/* A replica takes in what its master has sent before it writes any of it: the more commits are there, the fewer
 * flushes they cost. A master has many peers: it first sends what is new to all of them, and then reads what they
 * say, each in turn (loop.c). */
static void on_ready(void *ctx, unsigned ready)
{
    krbrepl__conn *c = ctx;
    int reads = KRBREPL__TURN_READS;

    if ((ready & KRBREPL__READ) && c->inbound) {
        krbrepl__item_push(&c->n->heard, &c->heard, c);
        if (ready == KRBREPL__READ)
            return;
    } else if (ready & KRBREPL__READ) {
        while (reads-- > 0 && read_some(c))
            continue;
    }
    krbrepl__conn_settle(c);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static void job_done(void *ctx, krbrepl__job *j)
{
    krbrepl__conn *c = ctx;

    c->task = NULL;
    krbrepl__sess_job_done(c->sess, j, c->n->now);
    krbrepl__conn_wake(c);
    krbrepl__conn_settle(c);
}

static void hand_out(krbrepl__conn *c)
{
    krbrepl__job *j;
    int rc;

    if (c->task != NULL || c->over)
        return;
    j = krbrepl__sess_take_job(c->sess);
    if (j == NULL)
        return;
    rc = krbrepl__pool_submit(c->n->pool,
                              j->initiator ? KRBREPL__QUEUE_INITIATOR : KRBREPL__QUEUE_ACCEPTOR, j,
                              &c->waiter, &c->task);
    if (rc == 0)
        return;
    j->free(j);
    krbrepl__sess_close(c->sess, rc, "too many handshakes are under way; try again later", c->n->now);
}

/* ---- what changed --------------------------------------------------------------------------- */

/* A copy is complete; what a repair was is known only then, for it may have become a full copy. */
static void count_done(krbrepl__conn *c, const krbrepl__sess_info *i)
{
    const krbrepl__repair_sum *sum = &c->store_port.sum;
    krbrepl__counters *t = &c->n->count;

    c->seen.done = i->copies;
    if (!i->repair)
        return;
    t->repairs_by_reason[i->copy_reason < KRBREPL_COPY_REASONS ? i->copy_reason : 0]++;
    t->repair_records += c->inbound ? i->copy_records : sum->puts + sum->deletes;
    t->repair_bytes += i->copy_bytes;
}

static void count(krbrepl__conn *c, const krbrepl__sess_info *i)
{
    krbrepl__counters *t = &c->n->count;

    t->bytes_in += i->bytes_in - c->seen.bytes_in;
    t->bytes_out += i->bytes_out - c->seen.bytes_out;
    *(c->inbound ? &t->commits_out : &t->commits_in) += i->commits - c->seen.commits;
    *(c->inbound ? &t->copies_out : &t->copies_in) += i->copies - c->seen.copies;
    if (i->copies != c->seen.copies) {
        c->copy_us = c->n->sys->wall_us(c->n->sys->ctx);
        t->copies_by_reason[i->copy_reason < KRBREPL_COPY_REASONS ? i->copy_reason : 0] +=
            i->copies - c->seen.copies;
    }
    if (i->copy_done && c->seen.done != i->copies)
        count_done(c, i);
    c->seen = (krbrepl__conn_seen){i->commits, i->bytes_in, i->bytes_out, i->copies, c->seen.done};
}

static void begin_end(krbrepl__conn *c)
{
    c->over = 1;
    c->linger_until = c->n->now + KRBREPL__LINGER_MS;
    krbrepl__item_drop(&c->run);
    krbrepl__pool_abandon(c->n->pool, c->task);
    c->task = NULL;
    krbrepl__repairs_over(c);
    if (c->inbound)
        krbrepl__master_conn_over(c);
    else
        krbrepl__replica_conn_over(c);
}

static void observe(krbrepl__conn *c)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);

    if (c->over)
        return;
    count(c, i);
    krbrepl__proof_conn_moved(c);
    if (i->phase != KRBREPL__SESS_CLOSED && i->phase != KRBREPL__SESS_SECURING) {
        if (c->inbound)
            krbrepl__master_conn_moved(c);
        else
            krbrepl__replica_conn_moved(c);
    }
    c->phase = i->phase;
    if (i->phase == KRBREPL__SESS_CLOSED)
        begin_end(c);
}

/* Waits for the other end to take the last words and hang up, for what is unread when a socket is closed
 * makes the kernel throw away what was sent. */
static void finish(krbrepl__conn *c)
{
    krbrepl__buf *out = krbrepl__sess_out(c->sess);

    if (c->eof || c->send_failed || c->n->now >= c->linger_until) {
        krbrepl__conn_kill(c);
        return;
    }
    if (out->len == 0 && !c->shut) {
        shutdown(c->fd, SHUT_WR);
        c->shut = 1;
    }
}

static void rearm(krbrepl__conn *c)
{
    size_t unsent = krbrepl__sess_out(c->sess)->len;
    unsigned want = 0;

    if (unsent < KRBREPL__OUT_PAUSE)
        want |= KRBREPL__READ;
    if (unsent > 0)
        want |= KRBREPL__WRITE;
    krbrepl__poller_want(c->n->poller, &c->watch, want);
    krbrepl__timer_set(&c->n->timers, &c->timer,
                       c->over ? c->linger_until : krbrepl__sess_deadline(c->sess));
}

void krbrepl__conn_settle(krbrepl__conn *c)
{
    if (c->fd < 0)
        return;
    flush(c);
    hand_out(c);
    observe(c);
    flush(c);
    if (c->over)
        finish(c);
    if (c->fd >= 0)
        rearm(c);
}

void krbrepl__conn_work(krbrepl__conn *c)
{
    krbrepl__item_drop(&c->run);
    if (c->reset_due && !c->over)
        krbrepl__sess_close(c->sess, 0, "its slot was reset; it gets a complete database", c->n->now);
    if (!c->over && krbrepl__sess_work(c->sess, c->n->now) == 1)
        krbrepl__conn_wake(c);
    krbrepl__conn_settle(c);
}

/* What was waited for may have arrived while this process stood still, or wait for its turn to be read. */
static void on_timer(void *ctx)
{
    krbrepl__conn *c = ctx;

    if (!c->over)
        krbrepl__conn_read(c);
    krbrepl__conn_wake(c);
    if (c->over)
        krbrepl__conn_settle(c);
}

/* ---- what the session asks for -------------------------------------------------------------- */

static int on_authorize(void *ctx, const char *principal)
{
    return krbrepl__master_authorize(ctx, principal);
}

static void on_hold(void *ctx, const char *principal, uint64_t seq)
{
    krbrepl__master_hold(ctx, principal, seq);
}

static void on_check(void *ctx, uint64_t seq)
{
    krbrepl__proof_want(((krbrepl__conn *)ctx)->n, seq);
}

static void on_copied(void *ctx)
{
    krbrepl__proof_copied(((krbrepl__conn *)ctx)->n);
}

static int on_own_tree(void *ctx, const krbrepl__ftree **tree)
{
    return krbrepl__repairs_own_tree(ctx, tree);
}

static void on_changed(void *ctx, const void *ckey, size_t len)
{
    krbrepl__repairs_changed(((krbrepl__conn *)ctx)->n, ckey, len);
}

static void on_copy_over(void *ctx)
{
    krbrepl__repairs_own_done(ctx);
}

static int on_told(void *ctx, const char *principal, krbrepl__told *out)
{
    return krbrepl__master_told(ctx, principal, out);
}

static int on_tell(void *ctx, const char *principal, const krbrepl__told *told)
{
    return krbrepl__master_tell(ctx, principal, told);
}

static void on_answered(void *ctx, const char *principal, uint32_t version)
{
    krbrepl__master_answered(ctx, principal, version);
}

static enum krbrepl__prior on_prior(void *ctx, uint64_t seq)
{
    return krbrepl__master_prior(((krbrepl__conn *)ctx)->n, seq);
}

static int on_enter(void *ctx, uint64_t seq, const krbrepl__snap **snap)
{
    return krbrepl__repairs_enter(ctx, seq, snap);
}

static void on_leave(void *ctx)
{
    krbrepl__repairs_leave(ctx);
}

/* Whoever has not authenticated must not be able to fill the log. */
static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    krbrepl__conn *c = ctx;
    krbrepl_node *n = c->n;

    if (c->inbound && !c->secured && !krbrepl__master_may_log(n))
        return;
    if (n->log.fn != NULL)
        n->log.fn(n->log.ctx, level, area, msg, len);
}

static void set_port(krbrepl__conn *c)
{
    krbrepl__port_owner owner = {.ctx = c,
                                 .check = on_check,
                                 .copied = on_copied,
                                 .own_tree = on_own_tree,
                                 .over = on_copy_over,
                                 .changed = on_changed,
                                 .log = &c->log};

    if (c->inbound)
        owner = (krbrepl__port_owner){.authorize = on_authorize,
                                      .hold = on_hold,
                                      .ctx = c,
                                      .enter = on_enter,
                                      .leave = on_leave,
                                      .told = on_told,
                                      .tell = on_tell,
                                      .answered = on_answered,
                                      .prior = on_prior,
                                      .recent = &c->n->recent};
    krbrepl__port_init(&c->port, &c->store_port, c->n->store, &owner);
    c->log.fn = on_log;
    c->log.ctx = c;
    c->log.level = c->n->log.level;
}

/* ---- birth and end -------------------------------------------------------------------------- */

static int open_session(krbrepl__conn *c, const krbrepl__conn_cfg *cfg, krbrepl_errinfo *ei)
{
    krbrepl_node *n = c->n;
    krbrepl__sess_cfg sc;
    krbrepl__chan *chan = NULL;
    int rc = krbrepl__secchan_new(&chan, n->sec, cfg->sec, ei);

    if (rc != 0)
        return rc;
    memset(&sc, 0, sizeof sc);
    sc.master = cfg->inbound;
    sc.chan = chan;
    sc.port = &c->port;
    sc.log = &c->log;
    sc.name = n->name;
    sc.address = c->address;
    sc.database_id = cfg->database_id;
    sc.handshake_ms = cfg->handshake_ms;
    sc.missing_ms = cfg->missing_ms;
    sc.gone_ms = cfg->gone_ms;
    sc.window = cfg->window;
    sc.asks = cfg->asks;
    sc.all = cfg->all;
    rc = krbrepl__sess_new(&c->sess, &sc, n->now);
    if (rc != 0) {
        chan->ops->free(chan);
        return krbrepl__fail_plain(ei, rc);
    }
    return 0;
}

static void conn_free(krbrepl__conn *c)
{
    krbrepl__sess_free(c->sess);
    krbrepl__free(c, sizeof *c);
}

static krbrepl__conn *make(krbrepl_node *n, int fd, const krbrepl__addr *addr, int inbound)
{
    krbrepl__conn *c = NULL;

    if (krbrepl__timers_reserve(&n->timers, n->nconns + OTHER_TIMERS) == 0)
        c = krbrepl__alloc(sizeof *c);
    if (c == NULL)
        return NULL;
    c->n = n;
    c->fd = fd;
    c->inbound = inbound;
    c->phase = KRBREPL__SESS_SECURING;
    c->opened_ms = n->now;
    c->connected_us = n->sys->wall_us(n->sys->ctx);
    c->timer.fn = on_timer;
    c->timer.ctx = c;
    c->waiter.done = job_done;
    c->waiter.ctx = c;
    krbrepl__addr_text(addr, c->address);
    krbrepl__addr_key(addr, c->key);
    return c;
}

int krbrepl__conn_new(krbrepl__conn **out, krbrepl_node *n, int fd, const krbrepl__addr *addr,
                      const krbrepl__conn_cfg *cfg, krbrepl_errinfo *ei)
{
    krbrepl__conn *c = make(n, fd, addr, cfg->inbound);
    int rc;

    *out = NULL;
    if (c == NULL) {
        krbrepl__sock_close(fd);
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    }
    c->undecided = cfg->undecided;
    c->asked_copy = cfg->asks == KRBREPL_COPY_DIFFERS;
    krbrepl__sock_tune(fd);
    set_port(c);
    rc = open_session(c, cfg, ei);
    if (rc == 0) {
        rc = krbrepl__poller_add(n->poller, &c->watch, fd, KRBREPL__READ, on_ready, c);
        if (rc != 0)
            krbrepl__fail(ei, rc, "node: cannot watch the connection with %s", c->address);
    }
    if (rc != 0) {
        krbrepl__sock_close(fd);
        conn_free(c);
        return rc;
    }
    c->id = ++n->next_id;
    n->nconns++;
    krbrepl__item_push(&n->conns, &c->all, c);
    krbrepl__conn_wake(c);
    *out = c;
    return 0;
}

void krbrepl__conn_close(krbrepl__conn *c, int err, const char *text)
{
    if (c->over)
        return;
    krbrepl__sess_close(c->sess, err, text, c->n->now);
    krbrepl__conn_settle(c);
}

void krbrepl__conn_kill(krbrepl__conn *c)
{
    krbrepl_node *n = c->n;

    if (c->fd < 0)
        return;
    krbrepl__poller_del(n->poller, &c->watch);
    krbrepl__timer_unset(&n->timers, &c->timer);
    krbrepl__pool_abandon(n->pool, c->task);
    c->task = NULL;
    krbrepl__item_drop(&c->run);
    krbrepl__item_drop(&c->heard);
    krbrepl__item_drop(&c->fresh);
    krbrepl__item_drop(&c->all);
    krbrepl__sock_close(c->fd);
    c->fd = -1;
    c->over = 1;
    n->nconns--;
    krbrepl__item_push(&n->dead, &c->all, c);
}

void krbrepl__conn_reap(krbrepl_node *n)
{
    krbrepl__conn *c;

    while ((c = krbrepl__list_first(&n->dead)) != NULL) {
        krbrepl__item_drop(&c->all);
        conn_free(c);
    }
}

/* The sessions stay as they are: a copy that is being built, or a TLS session, goes on in the parent. */
void krbrepl__conn_forget_all(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        krbrepl__item_drop(l);
        close(c->fd);
        krbrepl__free(c, sizeof *c);
    }
}
