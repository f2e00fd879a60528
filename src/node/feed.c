#include "feed.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master.h"
#include "mem.h"
#include "propchan.h"

#define SHORT_LIFE_MS 5000u
#define WHOLE_AGAIN_MS 600000u /* a second whole database within this time takes the waits */
#define APPLY_TRIES 3u
/* An ipropd-master that sees a session end and another one begin in one turn of its loop aborts (an assertion in
 * 7.8), and is started again after 30 seconds only. */
#define AGAIN_MS 1000u
#define SAY_AGAIN 64u

/* ---- when to try ---------------------------------------------------------------------------- */

static void retry_in(krbrepl__feed *f, uint64_t ms)
{
    krbrepl__timer_set(&f->n->timers, &f->retry, f->n->now + ms);
}

/* Growing waits, each between half of the whole and the whole. */
static void retry_later(krbrepl__feed *f, int refused)
{
    uint64_t base = f->opt.retry_min_ms;
    uint32_t r = 0;
    unsigned i;

    for (i = 0; i < f->fails && base < f->opt.retry_max_ms; i++)
        base *= 2;
    if (refused || base > f->opt.retry_max_ms)
        base = f->opt.retry_max_ms;
    if (f->fails < 1000000)
        f->fails++;
    if (f->n->sys->random(f->n->sys->ctx, &r, sizeof r) == 0)
        base = base - base / 2 + (base / 2) * r / UINT32_MAX;
    retry_in(f, base);
}

static void on_retry(void *ctx)
{
    krbrepl__feed *f = ctx;

    if (f->sess == NULL)
        krbrepl__dial_begin(&f->dial);
}

static void unreachable(krbrepl_node *n, const char *why)
{
    krbrepl__feed *f = n->feed;

    if (f->unreachable++ % SAY_AGAIN == 0)
        krbrepl__logf(
            &n->log, KRBREPL_LOG_WARN, "node",
            "the master %s cannot be reached (%s); it is tried again for as long as it takes, "
            "at most %llu s apart",
            f->host, why, (unsigned long long)(f->opt.retry_max_ms + 999) / 1000);
    krbrepl__node_note(n, KRBREPL_ERR_NET, why);
    if (n->state != KRBREPL_STATE_REFUSED)
        krbrepl__node_state(n, KRBREPL_STATE_CONNECTING, KRBREPL_ERR_NET);
    retry_later(f, 0);
}

/* ---- the end of a session ------------------------------------------------------------------- */

/* What was told made no sense, or could not be stored again and again: the next session asks for everything. True:
 * at once, for that has not happened lately. */
static int ask_for_whole(krbrepl__feed *f)
{
    int lately = f->whole_at != 0 && f->n->now - f->whole_at < WHOLE_AGAIN_MS;

    f->whole = 1;
    f->whole_at = f->n->now;
    return !lately;
}

/* A record that the store does not take. A full disk and its like are no reason for a copy. */
static int store_failed(krbrepl__feed *f, const krbrepl__sess_info *i)
{
    switch (i->store_err) {
    case KRBREPL_ERR_NOSPACE:
    case KRBREPL_ERR_IO:
    case KRBREPL_ERR_NOMEM:
    case KRBREPL_ERR_LOCKED:
        return 0;
    default:
        break;
    }
    if (i->apply_seq == 0)
        return 0;
    f->apply_fails = i->apply_seq == f->apply_seq ? f->apply_fails + 1 : 1;
    f->apply_seq = i->apply_seq;
    if (f->apply_fails < APPLY_TRIES)
        return 0;
    krbrepl__logf(&f->n->log, KRBREPL_LOG_ERROR, "node",
                  "version %llu of the master %s could not be applied %u times; its whole database is "
                  "asked for",
                  (unsigned long long)f->apply_seq, f->host, f->apply_fails);
    f->apply_fails = 0;
    return ask_for_whole(f);
}

static void plan_next(krbrepl__feed *f, const krbrepl__sess_info *i, const krbrepl__islave_news *news)
{
    krbrepl_node *n = f->n;
    int at_once;

    if (f->up && n->now - f->opened_ms >= SHORT_LIFE_MS)
        f->fails = 0;
    if (i->err == 0) {
        retry_in(f, AGAIN_MS);
        return;
    }
    /* The master may not have noticed yet that the session before has ended. */
    f->denied = i->refused ? f->denied + 1 : 0;
    at_once = news->wants_whole ? ask_for_whole(f) : store_failed(f, i);
    krbrepl__node_state(n, i->refused ? KRBREPL_STATE_REFUSED : KRBREPL_STATE_CONNECTING, i->err);
    if (at_once)
        retry_in(f, AGAIN_MS);
    else
        retry_later(f, i->refused && f->denied > 1);
}

static void drop_session(krbrepl__feed *f)
{
    krbrepl_node *n = f->n;

    krbrepl__poller_del(n->poller, &f->watch);
    krbrepl__timer_unset(&n->timers, &f->turn);
    krbrepl__pool_abandon(n->pool, f->task);
    f->task = NULL;
    krbrepl__sess_free(f->sess);
    f->sess = NULL;
    if (f->fd >= 0)
        krbrepl__sock_close(f->fd);
    f->fd = -1;
    f->even = 0;
}

static void over(krbrepl__feed *f)
{
    krbrepl_node *n = f->n;
    const krbrepl__sess_info *i = krbrepl__sess_info_get(f->sess);
    krbrepl__islave_news news;

    krbrepl__islave_news_get(f->sess, &news);
    if (i->err != 0) {
        krbrepl__node_note(n, i->err, i->text);
        n->count.refused += i->refused != 0;
    }
    plan_next(f, i, &news);
    drop_session(f);
}

/* ---- a session ------------------------------------------------------------------------------ */

static void count(krbrepl__feed *f, const krbrepl__sess_info *i)
{
    krbrepl_node *n = f->n;
    krbrepl__counters *t = &n->count;

    t->bytes_in += i->bytes_in - f->seen.bytes_in;
    t->bytes_out += i->bytes_out - f->seen.bytes_out;
    t->commits_in += i->commits - f->seen.commits;
    t->copies_in += i->copies - f->seen.copies;
    if (i->copies != f->seen.copies) {
        f->copy_us = n->sys->wall_us(n->sys->ctx);
        f->copy_reason = i->copy_reason;
        t->copies_by_reason[i->copy_reason < KRBREPL_COPY_REASONS ? i->copy_reason : 0]++;
    }
    if (i->copy_done && f->seen.done != i->copies) {
        f->unmarked++;
        f->wholed_ms = n->now;
        f->whole = 0;
    }
    f->seen = (krbrepl__conn_seen){i->commits, i->bytes_in, i->bytes_out, i->copies,
                                   i->copy_done ? i->copies : f->seen.done};
}

static void take_news(krbrepl__feed *f, const krbrepl__sess_info *i)
{
    krbrepl_node *n = f->n;
    krbrepl__islave_news news;

    krbrepl__islave_news_get(f->sess, &news);
    if (i->heard_ms != f->heard_ms)
        f->heard_us = n->sys->wall_us(n->sys->ctx);
    f->heard_ms = i->heard_ms;
    f->even = news.even;
    if (news.marked)
        f->unmarked = 0;
    if (news.even)
        f->even_ms = i->heard_ms;
    if (i->phase == KRBREPL__SESS_COPYING)
        krbrepl__node_state(n, KRBREPL_STATE_COPYING, 0);
    else if (i->phase == KRBREPL__SESS_STREAMING)
        krbrepl__node_state(n, KRBREPL_STATE_STREAMING, 0);
    if (i->phase >= KRBREPL__SESS_COPYING && i->phase < KRBREPL__SESS_CLOSED && !f->up) {
        f->up = 1;
        f->unreachable = 0;
    }
}

static void flush(krbrepl__feed *f)
{
    krbrepl__buf *out = krbrepl__sess_out(f->sess);
    size_t sent;
    int rc = 0;

    while (out->len > 0 && rc == 0) {
        rc = krbrepl__sock_send(f->fd, out->data, out->len, &sent);
        if (rc == 0)
            krbrepl__buf_consume(out, sent);
    }
    /* What the master said before it went may still wait to be read; that tells why. */
    if (rc < 0)
        krbrepl__buf_consume(out, out->len);
}

static void hand_out(krbrepl__feed *f)
{
    krbrepl__job *j;
    int rc;

    if (f->task != NULL)
        return;
    j = krbrepl__sess_take_job(f->sess);
    if (j == NULL)
        return;
    rc = krbrepl__pool_submit(f->n->pool, KRBREPL__QUEUE_INITIATOR, j, &f->waiter, &f->task);
    if (rc == 0)
        return;
    j->free(j);
    krbrepl__sess_close(f->sess, rc, "no thread is free for it; it is tried again", f->n->now);
}

static void rearm(krbrepl__feed *f)
{
    krbrepl__islave_news news;
    unsigned want = 0;

    krbrepl__islave_news_get(f->sess, &news);
    if (!news.paused)
        want |= KRBREPL__READ;
    if (krbrepl__sess_out(f->sess)->len > 0)
        want |= KRBREPL__WRITE;
    krbrepl__poller_want(f->n->poller, &f->watch, want);
}

/* After every call of the session; `more`: it has work to do. */
static void settle(krbrepl__feed *f, int more)
{
    const krbrepl__sess_info *i = krbrepl__sess_info_get(f->sess);

    if (i->phase != KRBREPL__SESS_CLOSED)
        hand_out(f);
    flush(f);
    count(f, i);
    take_news(f, i);
    if (i->phase == KRBREPL__SESS_CLOSED) {
        over(f);
        return;
    }
    rearm(f);
    krbrepl__timer_set(&f->n->timers, &f->turn, more ? f->n->now : krbrepl__sess_deadline(f->sess));
}

static void on_turn(void *ctx)
{
    krbrepl__feed *f = ctx;
    uint64_t end = f->n->now + KRBREPL__TURN_MS;
    int more = 1;

    while (more && krbrepl__node_now(f->n) < end)
        more = krbrepl__sess_work(f->sess, f->n->now);
    settle(f, more);
}

static void on_ready(void *ctx, unsigned ready)
{
    krbrepl__feed *f = ctx;
    krbrepl_node *n = f->n;
    size_t got;
    int rc = 1;

    if (ready & KRBREPL__READ)
        rc = krbrepl__sock_recv(f->fd, n->in, sizeof n->in, &got);
    if (rc == 0)
        krbrepl__sess_feed(f->sess, n->in, got, n->now);
    else if (rc != 1)
        krbrepl__sess_eof(f->sess, n->now);
    settle(f, rc != 1);
}

static void on_job(void *ctx, krbrepl__job *j)
{
    krbrepl__feed *f = ctx;

    f->task = NULL;
    krbrepl__sess_job_done(f->sess, j, f->n->now);
    settle(f, 1);
}

/* ---- connecting ----------------------------------------------------------------------------- */

/* Both ends' addresses in network order, for the messages carry them. */
static krbrepl_bytes address_of(const struct sockaddr_storage *ss)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)ss;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)ss;

    if (ss->ss_family == AF_INET)
        return (krbrepl_bytes){&v4->sin_addr, sizeof v4->sin_addr};
    if (ss->ss_family == AF_INET6)
        return (krbrepl_bytes){&v6->sin6_addr, sizeof v6->sin6_addr};
    return (krbrepl_bytes){NULL, 0};
}

static int open_session(krbrepl__feed *f, const krbrepl__addr *addr, krbrepl_errinfo *ei)
{
    krbrepl__propchan_cfg pc = {.initiator = 1,
                                .self = f->principal,
                                .target = f->service,
                                .keytab = f->keytab,
                                .peer = address_of(&addr->ss)};
    krbrepl__islave_cfg ic = {.port = &f->store.port,
                              .log = &f->n->log,
                              .address = f->address,
                              .handshake_ms = f->opt.handshake_ms,
                              .lost_ms = f->opt.lost_ms,
                              .renew_ms = f->opt.renew_ms,
                              .whole = f->whole,
                              .learn = f->learn};
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    int rc;

    if (getsockname(f->fd, (struct sockaddr *)&own, &len) == 0)
        pc.local = address_of(&own);
    rc = krbrepl__propchan_new(&ic.chan, &pc, ei);
    if (rc != 0)
        return rc;
    rc = krbrepl__islave_new(&f->sess, &ic, f->n->now);
    if (rc != 0) {
        ic.chan->ops->free(ic.chan);
        return krbrepl__fail_plain(ei, rc);
    }
    f->learn = 0;
    return 0;
}

static void connected(krbrepl_node *n, int fd, const krbrepl__addr *addr)
{
    krbrepl__feed *f = n->feed;
    krbrepl_errinfo ei;
    int rc;

    krbrepl__errinfo_clear(&ei);
    krbrepl__addr_text(addr, f->address);
    f->fd = fd;
    f->up = 0;
    f->opened_ms = n->now;
    memset(&f->seen, 0, sizeof f->seen);
    rc = open_session(f, addr, &ei);
    if (rc == 0 && krbrepl__poller_add(n->poller, &f->watch, fd, KRBREPL__READ, on_ready, f) != 0)
        rc = krbrepl__fail_plain(&ei, KRBREPL_ERR_NOMEM);
    if (rc == 0) {
        settle(f, 1);
        return;
    }
    drop_session(f);
    unreachable(n, ei.text);
}

/* ---- what the node asks --------------------------------------------------------------------- */

void krbrepl__feed_looked(krbrepl_node *n)
{
    if (memcmp(n->info.pos.lineage, n->feed->lineage, sizeof n->feed->lineage) != 0 ||
        n->info.role != KRBREPL_ROLE_MASTER)
        krbrepl__node_give_up(n, KRBREPL_ERR_STATE,
                              "the store was promoted, demoted or restored, and takes its records from "
                              "nobody else any more; run a master or a replica on it");
}

void krbrepl__feed_tick(krbrepl_node *n)
{
    krbrepl__feed *f = n->feed;

    if (f->sess == NULL && f->dial.state == KRBREPL__DIAL_IDLE && f->retry.slot == 0)
        retry_later(f, 0);
    if (f->sess == NULL || !f->even)
        return;
    if (f->opt.whole_ms != 0 && !f->whole && n->now - f->wholed_ms >= f->opt.whole_ms) {
        f->whole = 1;
        krbrepl__sess_close(f->sess, 0, "it is time for a whole database", n->now);
        settle(f, 0);
    } else if (f->unmarked == 1) {
        f->learn = 1;
        krbrepl__sess_close(f->sess, 0, "the next one asks for the last record of its log", n->now);
        settle(f, 0);
    }
}

void krbrepl__feed_status(krbrepl_node *n, krbrepl_status *s)
{
    const krbrepl__feed *f = n->feed;
    uint64_t now = n->sys->mono_ms(n->sys->ctx);

    s->upstream_dialect = KRBREPL_DIALECT_HEIMDAL;
    s->upstream_version = f->store.source.version;
    s->upstream_seq = s->pos.seq;
    s->last_heard_us = f->heard_us;
    s->last_copy_us = f->copy_us;
    s->last_copy_reason = f->copy_reason;
    if (!f->even)
        s->lag_us = f->even_ms != 0 ? (now - f->even_ms) * 1000
                                    : (uint64_t)(n->sys->wall_us(n->sys->ctx) - n->started_us);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static void set_defaults(krbrepl_replica_options *o)
{
    o->retry_min_ms = krbrepl__node_ms(o->retry_min_ms, 1000);
    o->retry_max_ms = krbrepl__node_ms(o->retry_max_ms, 30000);
    o->handshake_ms = krbrepl__node_ms(o->handshake_ms, 10000);
    o->lost_ms = krbrepl__node_ms(o->lost_ms, 300000);
    o->renew_ms = krbrepl__node_ms(o->renew_ms, 600000);
    if (o->retry_max_ms < o->retry_min_ms)
        o->retry_max_ms = o->retry_min_ms;
}

static int dup_to(char **out, const char *s)
{
    *out = krbrepl__strdup(s);
    return s != NULL && *out == NULL ? KRBREPL_ERR_NOMEM : 0;
}

static int set_names(krbrepl__feed *f, const krbrepl_replica_options *opt)
{
    char host[256], port[32], service[280];
    const char *m = opt->master;

    if (m == NULL || krbrepl__hostport_split(m, strlen(m), host, sizeof host, port, sizeof port) != 0 ||
        host[0] == '\0')
        return krbrepl__fail(&f->n->ei, KRBREPL_ERR_INVALID,
                             "node: \"%.200s\" names no master; write HOST, HOST:PORT or [ADDR]:PORT",
                             m != NULL ? m : "");
    snprintf(service, sizeof service, "iprop/%s", host);
    if (dup_to(&f->host, host) != 0 ||
        dup_to(&f->port, port[0] != '\0' ? port : KRBREPL__DEFAULT_PORT) != 0 ||
        dup_to(&f->service, opt->service != NULL ? opt->service : service) != 0 ||
        dup_to(&f->principal, opt->principal) != 0 || dup_to(&f->keytab, opt->keytab) != 0)
        return krbrepl__fail_plain(&f->n->ei, KRBREPL_ERR_NOMEM);
    return 0;
}

static void set_callbacks(krbrepl__feed *f)
{
    f->dial.n = f->n;
    f->dial.fd = f->fd = -1;
    f->dial.host = f->host;
    f->dial.port = f->port;
    f->dial.limit_ms = f->opt.handshake_ms;
    f->dial.connected = connected;
    f->dial.unreachable = unreachable;
    f->retry.fn = on_retry;
    f->turn.fn = on_turn;
    f->waiter.done = on_job;
    f->retry.ctx = f->turn.ctx = f->waiter.ctx = f;
}

static int start(krbrepl_node *n, const krbrepl_replica_options *opt)
{
    krbrepl__feed *f = krbrepl__alloc(sizeof *f);
    krbrepl_errinfo ei;
    int rc;

    if (f == NULL)
        return krbrepl__fail_plain(&n->ei, KRBREPL_ERR_NOMEM);
    n->feed = f;
    f->n = n;
    f->opt = *opt;
    set_defaults(&f->opt);
    rc = set_names(f, opt);
    set_callbacks(f);
    if (rc != 0)
        return rc;
    krbrepl__errinfo_clear(&ei);
    rc = krbrepl__feedport_open(&f->store, n->store, f->service, opt->mkey_file,
                                (opt->flags & KRBREPL_REPLICA_REPLACE) != 0, &ei);
    if (rc != 0)
        return krbrepl__node_fail_from(n, &ei);
    rc = krbrepl__store_info(n->store, &n->info);
    if (rc != 0)
        return krbrepl__node_fail_from(n, krbrepl__store_ei(n->store));
    memcpy(f->lineage, n->info.pos.lineage, sizeof f->lineage);
    f->wholed_ms = n->now;
    krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                  "the store in %s follows %s of the Heimdal master %s, from its version %lu on",
                  krbrepl_store_dir(n->store), f->service, f->host,
                  (unsigned long)f->store.source.version);
    krbrepl__node_state(n, KRBREPL_STATE_CONNECTING, 0);
    retry_in(f, 0);
    return 0;
}

int krbrepl__feed_start(krbrepl_node *n, const krbrepl_replica_options *opt)
{
    int rc = krbrepl__node_begin(n, KRBREPL__FED);

    if (rc != 0)
        return rc;
    rc = start(n, opt);
    if (rc == 0)
        rc = krbrepl__master_serve(n, opt->serve);
    if (rc != 0)
        krbrepl__node_end(n);
    return rc;
}

static void free_names(krbrepl__feed *f)
{
    krbrepl__strfree(f->host);
    krbrepl__strfree(f->port);
    krbrepl__strfree(f->service);
    krbrepl__strfree(f->principal);
    krbrepl__strfree(f->keytab);
}

void krbrepl__feed_stop(krbrepl_node *n)
{
    krbrepl__feed *f = n->feed;

    if (f == NULL)
        return;
    krbrepl__dial_end(&f->dial);
    krbrepl__timer_unset(&n->timers, &f->retry);
    if (f->sess != NULL) {
        krbrepl__sess_close(f->sess, 0, "this node is being stopped", n->now);
        drop_session(f);
    }
    krbrepl__feedport_close(&f->store);
    free_names(f);
    krbrepl__free(f, sizeof *f);
    n->feed = NULL;
}

/* The session stays as it is: what is being loaded goes on in the parent. */
void krbrepl__feed_forget(krbrepl_node *n)
{
    krbrepl__feed *f = n->feed;

    if (f == NULL)
        return;
    if (f->dial.fd >= 0)
        close(f->dial.fd);
    if (f->fd >= 0)
        close(f->fd);
    free_names(f);
    krbrepl__free(f, sizeof *f);
}
