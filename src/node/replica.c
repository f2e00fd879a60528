#include "replica.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "feed.h"
#include "mem.h"

#define SHORT_LIFE_MS 5000u /* a session that lived shorter counts as one more failure */
#define DIFFERS_AGAIN_MS 600000u
#define SAY_AGAIN 64u /* failures between two lines about the same one */

/* ---- when to try ---------------------------------------------------------------------------- */

/* Between half of `base` and all of it, so that a hundred replicas do not come back in one moment. */
static uint64_t jitter(krbrepl_node *n, uint64_t base)
{
    uint32_t r = 0;

    if (n->sys->random(n->sys->ctx, &r, sizeof r) != 0)
        return base;
    return base - base / 2 + (base / 2) * r / UINT32_MAX;
}

static void retry_later(krbrepl_node *n, int refused)
{
    krbrepl__replica *r = n->replica;
    uint64_t base = r->opt.retry_min_ms;
    unsigned i;

    for (i = 0; i < r->fails && base < r->opt.retry_max_ms; i++)
        base *= 2;
    if (refused || base > r->opt.retry_max_ms)
        base = r->opt.retry_max_ms;
    if (r->fails < 1000000)
        r->fails++;
    krbrepl__timer_set(&n->timers, &r->retry, n->now + jitter(n, base));
}

/* Whether a renewal must wait for a copy, which would begin anew. With the last twentieth of the
 * authentication there is nothing more to wait for. */
static int copy_first(krbrepl_node *n)
{
    krbrepl__conn *c = n->replica->cur;
    const krbrepl__sess_info *i = krbrepl__conn_info(c);
    uint64_t life = i->expires_ms - c->opened_ms;

    return i->phase == KRBREPL__SESS_COPYING && n->now < i->expires_ms - life / 20;
}

static void on_retry(void *ctx)
{
    krbrepl_node *n = ctx;
    krbrepl__replica *r = n->replica;

    if (r->next != NULL)
        return;
    if (r->cur != NULL && copy_first(n))
        krbrepl__timer_set(&n->timers, &r->retry, n->now + 200);
    else
        krbrepl__dial_begin(&n->replica->dial);
}

/* At four fifths of the authentication's life, or a minute before its end where that is earlier and
 * leaves half of it. */
static void plan_renewal(krbrepl_node *n, krbrepl__conn *c)
{
    uint64_t end = krbrepl__conn_info(c)->expires_ms, life, wait;

    if (end == 0 || end <= n->now)
        return;
    life = end - n->now;
    wait = life / 5 * 4;
    if (life >= 120000 && life - 60000 < wait)
        wait = life - 60000;
    if (wait < 1000)
        wait = 1000;
    krbrepl__timer_set(&n->timers, &n->replica->retry, n->now + wait);
}

/* ---- the way to the master ------------------------------------------------------------------ */

static void unreachable(krbrepl_node *n, const char *why)
{
    krbrepl__replica *r = n->replica;

    if (r->unreachable++ % SAY_AGAIN == 0)
        krbrepl__logf(
            &n->log, KRBREPL_LOG_WARN, "node",
            "the master %s cannot be reached (%s); it is tried again for as long as it takes, at "
            "most %llu s apart",
            r->host, why, (unsigned long long)(r->opt.retry_max_ms + 999) / 1000);
    krbrepl__node_note(n, KRBREPL_ERR_NET, why);
    if (r->cur == NULL && n->state != KRBREPL_STATE_REFUSED)
        krbrepl__node_state(n, KRBREPL_STATE_CONNECTING, KRBREPL_ERR_NET);
    retry_later(n, 0);
}

static void connected(krbrepl_node *n, int fd, const krbrepl__addr *addr)
{
    krbrepl__replica *r = n->replica;
    krbrepl__sec_cfg sec = {0};
    krbrepl__conn_cfg cfg = {0};
    krbrepl_errinfo ei;
    krbrepl__conn *c;

    sec.initiator = 1;
    sec.self = r->principal;
    sec.target = r->service;
    sec.keytab = r->keytab;
    cfg.sec = &sec;
    cfg.database_id = r->has_id ? r->database_id : NULL;
    cfg.handshake_ms = r->opt.handshake_ms;
    cfg.missing_ms = r->opt.missing_ms;
    cfg.gone_ms = r->opt.lost_ms;
    cfg.window = KRBREPL__REPLICA_WINDOW;
    cfg.asks = r->differs ? KRBREPL_COPY_DIFFERS : krbrepl__mend_asks(n);
    /* What a repair has not helped is copied in full. */
    cfg.all = (r->differs && r->repaired) || r->repair_failed || r->copy_fails != 0;
    krbrepl__errinfo_clear(&ei);
    if (krbrepl__conn_new(&c, n, fd, addr, &cfg, &ei) != 0) {
        unreachable(n, ei.text);
        return;
    }
    if (r->cur == NULL)
        r->cur = c;
    else
        r->next = c;
}

/* ---- a session ------------------------------------------------------------------------------ */

static void follow(krbrepl_node *n, krbrepl__conn *c)
{
    krbrepl__timer_unset(&n->timers, &n->replica->retry);
    plan_renewal(n, c);
    krbrepl__sess_go(c->sess, n->now);
    krbrepl__conn_wake(c);
}

/* The successor is secured: only now the session before it ends, and only then the new one says hello, so
 * that there is no moment without a session and none with two. */
static void succeed(krbrepl_node *n, krbrepl__conn *c)
{
    krbrepl__replica *r = n->replica;
    krbrepl__conn *old = r->cur;

    r->cur = c;
    r->next = NULL;
    krbrepl__logf(&n->log, KRBREPL_LOG_INFO, "node", "the authentication with the master %s is renewed",
                  r->host);
    if (old != NULL)
        krbrepl__conn_close(old, 0, "a session with a new ticket takes its place");
    follow(n, c);
}

static void secured(krbrepl_node *n, krbrepl__conn *c, const krbrepl__sess_info *i)
{
    c->secured = 1;
    krbrepl__logf(&n->log, KRBREPL_LOG_INFO, "node", "%s: the master %s has authenticated (%s)",
                  c->address, i->principal, i->mechanism != NULL ? i->mechanism : "");
    if (c == n->replica->next)
        succeed(n, c);
    else if (c == n->replica->cur)
        follow(n, c);
}

static void take_news(krbrepl_node *n, const krbrepl__conn *c, const krbrepl__sess_info *i)
{
    krbrepl__replica *r = n->replica;

    if (i->phase != KRBREPL__SESS_COPYING && i->phase != KRBREPL__SESS_STREAMING)
        return;
    if (r->heard_ms != i->heard_ms)
        r->heard_us = n->sys->wall_us(n->sys->ctx);
    r->heard_ms = i->heard_ms;
    r->upstream_seq = i->peer_seq;
    r->applied = i->applied;
    krbrepl__mend_moved(n, i->applied);
    if (c->copy_us != 0) {
        r->copy_us = c->copy_us;
        r->copy_reason = i->copy_reason;
    }
    if (i->copy_done)
        r->repair_failed = 0;
    if (i->copy_done && i->copy_reason == KRBREPL_COPY_DIFFERS)
        r->repaired = i->repair && i->proofs == 0;
    if (i->phase == KRBREPL__SESS_STREAMING && i->applied >= i->peer_seq)
        r->even_ms = i->heard_ms;
}

void krbrepl__replica_conn_moved(krbrepl__conn *c)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);
    krbrepl_node *n = c->n;

    if (!c->secured)
        secured(n, c, i);
    if (c != n->replica->cur)
        return;
    take_news(n, c, i);
    n->acks_moved = 1;
    if (i->phase == KRBREPL__SESS_COPYING)
        krbrepl__node_state(n, KRBREPL_STATE_COPYING, 0);
    else if (i->phase == KRBREPL__SESS_STREAMING)
        krbrepl__node_state(n, KRBREPL_STATE_STREAMING, 0);
    if (!c->up && i->phase >= KRBREPL__SESS_COPYING) {
        c->up = 1;
        n->replica->unreachable = 0;
        krbrepl__conn_tell_peer(c, 0);
    }
}

/* A replica whose content differs comes back for a copy at once; but when that has not helped, it takes its
 * time, for a copy costs more than a connection. */
static int differs_again(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;
    int again = r->differed_ms != 0 && n->now - r->differed_ms < DIFFERS_AGAIN_MS;

    r->differed_ms = n->now;
    return again;
}

/* The session that was followed is over, and no successor is there. */
static void lost(krbrepl_node *n, krbrepl__conn *c, const krbrepl__sess_info *i)
{
    krbrepl__replica *r = n->replica;
    int mending, refused;

    if (c->up && n->now - c->opened_ms >= SHORT_LIFE_MS)
        r->fails = 0;
    mending = krbrepl__mend_over(n, i);
    if (r->differs && i->err == KRBREPL_ERR_DIVERGED && !differs_again(n))
        mending = 1;
    refused = i->refused && !mending;
    if (refused)
        krbrepl__node_state(n, KRBREPL_STATE_REFUSED, i->err);
    else
        krbrepl__node_state(n, KRBREPL_STATE_CONNECTING, i->err);
    if (r->next == NULL && r->dial.state == KRBREPL__DIAL_IDLE)
        retry_later(n, refused);
}

void krbrepl__replica_conn_over(krbrepl__conn *c)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);
    krbrepl_node *n = c->n;
    krbrepl__replica *r = n->replica;
    int was_cur = c == r->cur, was_next = c == r->next;

    if (was_cur) {
        r->cur = r->next;
        r->next = NULL;
    } else if (was_next) {
        r->next = NULL;
    }
    if (i->err != 0 && !n->stopping) {
        krbrepl__node_note(n, i->err, i->text);
        n->count.refused += i->refused != 0;
    }
    if (c->up)
        krbrepl__conn_tell_peer(c, i->err);
    if (n->stopping)
        return;
    if (was_cur && r->cur == NULL)
        lost(n, c, i);
    else if (was_next)
        retry_later(n, 0);
}

/* ---- what the status asks ------------------------------------------------------------------- */

uint64_t krbrepl__replica_upstream(krbrepl_node *n)
{
    return n->replica->upstream_seq;
}

/* The master's position as of a moment ago, and all of it here. */
static int is_even(const krbrepl_node *n, uint64_t now)
{
    const krbrepl__replica *r = n->replica;

    return n->state == KRBREPL_STATE_STREAMING && r->applied >= r->upstream_seq &&
           now - r->heard_ms <= 2 * r->opt.missing_ms + 1000;
}

uint64_t krbrepl__replica_lag_us(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;
    uint64_t now = n->sys->mono_ms(n->sys->ctx);
    int64_t wall, then;

    if (is_even(n, now))
        return 0;
    if (r->even_ms != 0)
        return (now - r->even_ms) * 1000;
    /* Not even once since the start: the last commit here tells how old the content is at most. */
    wall = n->sys->wall_us(n->sys->ctx);
    if (n->info.pos.seq == 0 || krbrepl__store_time_at(n->store, n->info.pos.seq, &then) != 0)
        then = n->started_us;
    return wall > then ? (uint64_t)(wall - then) : 0;
}

/* An operator has decided about the fork for which this replica is refused: no reason to wait longer. */
static void look_for_word(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;
    int gives_up = (n->info.flags & KRBREPL_STORE_GIVES_UP) != 0;

    if (gives_up && !r->gives_up && r->cur == NULL && r->dial.state == KRBREPL__DIAL_IDLE)
        krbrepl__timer_set(&n->timers, &r->retry, n->now);
    r->gives_up = gives_up;
}

void krbrepl__replica_looked(krbrepl_node *n)
{
    look_for_word(n);
    if (n->info.role == KRBREPL_ROLE_MASTER)
        krbrepl__node_give_up(
            n, KRBREPL_ERR_STATE,
            "the store was made master and follows nobody any more; run a master on it");
    n->acks_moved = 1;
}

void krbrepl__replica_tick(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;

    /* Nothing should be able to leave a replica without a plan. */
    if (r->cur == NULL && r->next == NULL && r->dial.state == KRBREPL__DIAL_IDLE && r->retry.slot == 0)
        retry_later(n, 0);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static void set_defaults(krbrepl_replica_options *o)
{
    o->retry_min_ms = krbrepl__node_ms(o->retry_min_ms, 100);
    o->retry_max_ms = krbrepl__node_ms(o->retry_max_ms, 30000);
    o->handshake_ms = krbrepl__node_ms(o->handshake_ms, 10000);
    o->missing_ms = krbrepl__node_ms(o->missing_ms, 10000);
    o->lost_ms = krbrepl__node_ms(o->lost_ms, 60000);
    if (o->retry_max_ms < o->retry_min_ms)
        o->retry_max_ms = o->retry_min_ms;
}

static int split_master(krbrepl_node *n, const char *master)
{
    krbrepl__replica *r = n->replica;
    char host[256], port[32], service[280];

    if (master == NULL ||
        krbrepl__hostport_split(master, strlen(master), host, sizeof host, port, sizeof port) != 0 ||
        host[0] == '\0')
        return krbrepl__fail(&n->ei, KRBREPL_ERR_INVALID,
                             "node: \"%.200s\" names no master; write HOST, HOST:PORT or [ADDR]:PORT",
                             master != NULL ? master : "");
    snprintf(service, sizeof service, "krbrepl/%s", host);
    r->host = krbrepl__strdup(host);
    r->port = krbrepl__strdup(port[0] != '\0' ? port : KRBREPL__DEFAULT_PORT);
    r->service = krbrepl__strdup(r->opt.service != NULL ? r->opt.service : service);
    r->principal = krbrepl__strdup(r->opt.principal);
    r->keytab = krbrepl__strdup(r->opt.keytab);
    if (r->host == NULL || r->port == NULL || r->service == NULL ||
        (r->opt.principal != NULL && r->principal == NULL) ||
        (r->opt.keytab != NULL && r->keytab == NULL))
        return krbrepl__fail_plain(&n->ei, KRBREPL_ERR_NOMEM);
    return 0;
}

static int make(krbrepl_node *n, const krbrepl_replica_options *opt)
{
    krbrepl__replica *r = krbrepl__alloc(sizeof *r);
    int rc;

    if (r == NULL)
        return krbrepl__fail_plain(&n->ei, KRBREPL_ERR_NOMEM);
    n->replica = r;
    r->n = n;
    r->opt = *opt;
    r->dial.fd = -1;
    r->retry.fn = on_retry;
    r->retry.ctx = n;
    set_defaults(&r->opt);
    rc = split_master(n, opt->master);
    if (opt->database_id != NULL) {
        memcpy(r->database_id, opt->database_id, sizeof r->database_id);
        r->has_id = 1;
    }
    r->dial.n = n;
    r->dial.host = r->host;
    r->dial.port = r->port;
    r->dial.limit_ms = r->opt.handshake_ms;
    r->dial.connected = connected;
    r->dial.unreachable = unreachable;
    r->opt.master = r->opt.service = r->opt.principal = r->opt.keytab = NULL;
    r->opt.database_id = NULL;
    r->applied = n->info.pos.seq;
    return rc;
}

int krbrepl__replica_start(krbrepl_node *n, const krbrepl_replica_options *opt)
{
    int rc;

    if (opt->dialect == KRBREPL_DIALECT_HEIMDAL)
        return krbrepl__feed_start(n, opt);
    if (opt->dialect != 0 && opt->dialect != KRBREPL_DIALECT_NATIVE)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_INVALID, "node: dialect %llu is not known",
                             (unsigned long long)opt->dialect);
    rc = krbrepl__node_begin(n, 0);
    if (rc != 0)
        return rc;
    rc = make(n, opt);
    if (rc != 0) {
        krbrepl__node_end(n);
        return rc;
    }
    krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                  "the store in %s follows the master %s (%s), from commit %llu of epoch %llu on",
                  krbrepl_store_dir(n->store), n->replica->host, n->replica->service,
                  (unsigned long long)n->info.pos.seq, (unsigned long long)n->info.pos.epoch);
    krbrepl__node_state(n, KRBREPL_STATE_CONNECTING, 0);
    krbrepl__timer_set(&n->timers, &n->replica->retry, n->now);
    return 0;
}

static void free_replica(krbrepl__replica *r)
{
    krbrepl__strfree(r->host);
    krbrepl__strfree(r->port);
    krbrepl__strfree(r->service);
    krbrepl__strfree(r->principal);
    krbrepl__strfree(r->keytab);
    krbrepl__free(r, sizeof *r);
}

void krbrepl__replica_stop(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;

    if (r == NULL)
        return;
    krbrepl__dial_end(&r->dial);
    krbrepl__timer_unset(&n->timers, &r->retry);
    free_replica(r);
    n->replica = NULL;
}

void krbrepl__replica_forget(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;

    if (r == NULL)
        return;
    if (r->dial.fd >= 0)
        close(r->dial.fd);
    free_replica(r);
}
