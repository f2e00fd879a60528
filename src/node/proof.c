#include "proof.h"

#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "replica.h"

#define CHECK_EVERY_MS 10000u
#define CHECK_COMMITS 10000u
#define QUIET_MS 1000u
#define PAUSE_MS 60000u /* after a failure of the store */
#define SCRUB_MS (24u * 3600u * 1000u)

static void on_news(void *ctx, unsigned ready);

int krbrepl__proof_start(krbrepl_node *n)
{
    krbrepl__proofs *p = &n->proof;
    int rc;

    memset(p, 0, sizeof *p);
    krbrepl__repairs_init(n);
    rc = krbrepl__worker_new(&p->worker, n->store, !n->master_side, &n->ei);
    if (rc != 0)
        return rc;
    rc = krbrepl__poller_add(n->poller, &p->watch, krbrepl__worker_fd(p->worker), KRBREPL__READ,
                             on_news, n);
    return rc == 0 ? 0 : krbrepl__fail_plain(&n->ei, rc);
}

void krbrepl__proof_stop(krbrepl_node *n)
{
    krbrepl__poller_del(n->poller, &n->proof.watch);
    krbrepl__worker_stop(n->proof.worker);
    n->proof.worker = NULL;
    n->proof.want = 0;
    krbrepl__repairs_free(n);
}

void krbrepl__proof_forget(krbrepl_node *n)
{
    krbrepl__worker_forget(n->proof.worker);
    krbrepl__repairs_free(n);
}

static krbrepl__worker_state state_of(const krbrepl_node *n)
{
    krbrepl__worker_state s;

    krbrepl__worker_look(n->proof.worker, &s);
    return s;
}

void krbrepl__proof_copied(krbrepl_node *n)
{
    krbrepl__repairs_copied(n);
    n->proof.pause_until = 0;
    n->proof.failing = 0;
    if (n->replica != NULL)
        n->replica->differs = 0;
}

static void answer(krbrepl_node *n, uint64_t seq, const uint8_t *root)
{
    krbrepl__conn *c = n->replica != NULL ? n->replica->cur : NULL;

    n->proof.want = 0;
    if (c == NULL || c->over)
        return;
    krbrepl__sess_proved(c->sess, seq, root);
    krbrepl__conn_wake(c);
}

/* ---- what is wrong --------------------------------------------------------------------------- */

/* A session that did not ask for a copy at its beginning makes room for one that does. A master that does
 * not know the wish goes on streaming, and is not bothered again. */
static void ask_for_copy(krbrepl_node *n, const char *text)
{
    krbrepl__replica *r = n->replica;

    if (r == NULL || !r->differs || r->cur == NULL || r->cur->asked_copy ||
        krbrepl__conn_info(r->cur)->phase != KRBREPL__SESS_STREAMING)
        return;
    krbrepl__conn_close(r->cur, KRBREPL_ERR_DIVERGED, text);
}

/* The content of this store is not what its history says. A replica gets it anew. */
static void alarm_content(krbrepl_node *n, int err, const char *text)
{
    krbrepl__replica *r = n->replica;

    /* What is to be copied anyway is found again whenever the tree is built, and that is no reason to build it
     * once more. */
    if (r != NULL && r->differs)
        return;
    n->proof.differs++;
    krbrepl__node_note(n, err, text);
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node", "the store in %s: %s; %s",
                  krbrepl_store_dir(n->store), text,
                  r != NULL ? "it is copied from the master again"
                            : "restore a backup, or promote a replica that is right");
    if (r == NULL)
        return;
    r->differs = 1;
    n->repairs.distrust = 1;
    ask_for_copy(n, text);
}

static void failed(krbrepl_node *n, int err, const char *text)
{
    n->proof.pause_until = n->now + PAUSE_MS;
    if (err == KRBREPL_ERR_CORRUPT && !n->proof.failing)
        alarm_content(n, err, text);
    else if (!n->proof.failing)
        krbrepl__logf(
            &n->log, KRBREPL_LOG_WARN, "node",
            "computing the digest of the store in %s failed (%s: %s); it is tried again every "
            "minute",
            krbrepl_store_dir(n->store), krbrepl_err_name(err), text);
    n->proof.failing = 1;
    if (n->proof.want != 0)
        answer(n, n->proof.want, NULL);
    krbrepl__repairs_failed(n);
}

/* ---- the session's side ---------------------------------------------------------------------- */

static void tell_all(krbrepl_node *n, uint64_t seq, const uint8_t *root)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        if (c->over || !c->up)
            continue;
        /* One that is being copied is checked as soon as that is over. */
        c->checked |= krbrepl__sess_check(c->sess, seq, root);
        krbrepl__conn_wake(c);
    }
}

/* Begins a proof of the position at which the store is: of `seq`, unless that is 0. */
static int begin(krbrepl_node *n, uint64_t seq, uint64_t *at)
{
    krbrepl__scan_at to;
    krbrepl__scan *scan;

    if (krbrepl__store_scan_open(n->store, &scan, &to) != 0)
        return 0;
    if (seq != 0 && to.pos.seq != seq) {
        krbrepl__store_scan_close(scan);
        return 0;
    }
    *at = to.pos.seq;
    krbrepl__worker_prove(n->proof.worker, scan, &to);
    return 1;
}

/* The store was at the position when it was asked for, so a proof can begin now; later it may be past. */
static void begin_wanted(krbrepl_node *n)
{
    krbrepl__worker_state s = state_of(n);
    uint64_t seq = n->proof.want, at;

    if (seq == 0 || !s.ready || s.proving)
        return;
    if (!begin(n, seq, &at))
        answer(n, seq, NULL);
}

void krbrepl__proof_want(krbrepl_node *n, uint64_t seq)
{
    uint64_t at;

    n->proof.want = seq;
    if (state_of(n).ready && !begin(n, seq, &at))
        krbrepl__logf(&n->log, KRBREPL_LOG_DEBUG, "node", "the digest at %llu cannot be computed",
                      (unsigned long long)seq);
}

void krbrepl__proof_suspect(krbrepl_node *n, const void *ckey, size_t len)
{
    if (n->now >= n->proof.pause_until)
        krbrepl__worker_suspect(n->proof.worker, ckey, len);
}

/* ---- the master's side ----------------------------------------------------------------------- */

/* Whether some replica is to be checked at the store's position, and at once. */
static int somebody(krbrepl_node *n, int *at_once)
{
    krbrepl__item *l, *after;
    int some = 0;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;
        const krbrepl__sess_info *i = krbrepl__conn_info(c);

        if (c->over || !c->up || !i->checks || i->phase != KRBREPL__SESS_STREAMING || c->waits ||
            c->entered || i->proved_seq == n->info.pos.seq)
            continue;
        some = 1;
        *at_once |= !c->checked;
    }
    return some;
}

static int is_time(krbrepl_node *n)
{
    const krbrepl__proofs *p = &n->proof;
    krbrepl__worker_state s;
    int at_once = 0;

    if (n->master == NULL || n->info.pos.seq == 0 || n->now < p->pause_until)
        return 0;
    s = state_of(n);
    if (!s.ready || s.proving || !somebody(n, &at_once))
        return 0;
    return at_once || n->now - p->begun_ms >= CHECK_EVERY_MS ||
           n->info.pos.seq - p->begun_seq >= CHECK_COMMITS ||
           (p->begun_seq != n->info.pos.seq && n->now - p->moved_ms >= QUIET_MS);
}

static void begin_check(krbrepl_node *n)
{
    krbrepl__proofs *p = &n->proof;
    uint64_t at;

    if (!begin(n, 0, &at))
        return;
    p->begun_ms = n->now;
    p->begun_seq = at;
    tell_all(n, at, NULL);
}

/* ---- what a session has found out ------------------------------------------------------------- */

/* A replica that asks for a comparison gets it with the next. */
static void take_asks(krbrepl__conn *c, const krbrepl__sess_info *i)
{
    if (i->check_asks == c->seen_asks)
        return;
    c->seen_asks = i->check_asks;
    c->checked = 0;
    if (is_time(c->n))
        begin_check(c->n);
}

void krbrepl__proof_conn_moved(krbrepl__conn *c)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);
    krbrepl__proofs *p = &c->n->proof;

    if (i->proofs != c->seen_proofs) {
        c->proved_us = c->n->sys->wall_us(c->n->sys->ctx);
        p->proofs += i->proofs - c->seen_proofs;
        p->proved_seq = i->proved_seq;
        p->proved_us = c->proved_us;
        c->seen_proofs = i->proofs;
        if (c->n->replica != NULL)
            c->n->replica->repaired = 0;
        krbrepl__logf(&c->log, KRBREPL_LOG_DEBUG, "node", "%s: proved equal at %llu", c->address,
                      (unsigned long long)i->proved_seq);
    }
    take_asks(c, i);
    if (i->phase == KRBREPL__SESS_CLOSED && i->err == KRBREPL_ERR_DIVERGED)
        p->differs += i->differs || (c->inbound && c->up);
    if (i->phase == KRBREPL__SESS_CLOSED && i->differs && c->n->replica != NULL)
        c->n->replica->differs = c->n->repairs.distrust = 1;
}

/* ---- turns ----------------------------------------------------------------------------------- */

/* A tree that could not be built for want of content, or is not yet. */
static void build(krbrepl_node *n)
{
    if (n->now >= n->proof.pause_until && !state_of(n).ready)
        krbrepl__worker_go_on(n->proof.worker);
}

void krbrepl__proof_moved(krbrepl_node *n)
{
    n->proof.moved_ms = n->now;
    build(n);
    if (n->info.pos.seq - n->proof.begun_seq >= CHECK_COMMITS && is_time(n))
        begin_check(n);
}

/* So many leaves that all are read again once in 24 hours. */
static void scrub(krbrepl_node *n)
{
    krbrepl__proofs *p = &n->proof;

    p->scrub_debt += (uint64_t)state_of(n).leaves * KRBREPL__TICK_MS;
    if (p->scrub_debt < SCRUB_MS || n->now < p->pause_until)
        return;
    krbrepl__worker_scrub(p->worker, (size_t)(p->scrub_debt / SCRUB_MS));
    p->scrub_debt %= SCRUB_MS;
}

int krbrepl__proof_read_host(krbrepl_node *n, krbrepl__ckey *after, size_t records, int *end)
{
    char name[KRBREPL__ROW_NAME], text[KRBREPL__ROW_NAME + 64];
    const int rc = krbrepl__host_scrub(n->store, after, records, end, name);

    if (rc == 1) {
        snprintf(text, sizeof text, "record %s was altered in the host's database without a commit",
                 name);
        krbrepl__worker_suspect(n->proof.worker, after->b, after->len);
        alarm_content(n, KRBREPL_ERR_CORRUPT, text);
    }
    return rc;
}

static void scrub_host(krbrepl_node *n)
{
    krbrepl__proofs *p = &n->proof;
    int end = 0;

    if (!krbrepl__store_hosted(n->store) || n->now < p->pause_until)
        return;
    p->host_debt += n->info.records * KRBREPL__TICK_MS;
    if (p->host_debt < SCRUB_MS)
        return;
    (void)krbrepl__proof_read_host(n, &p->host_at, (size_t)(p->host_debt / SCRUB_MS), &end);
    p->host_debt %= SCRUB_MS;
    if (end)
        p->host_at.len = 0;
}

static void take_news(krbrepl_node *n, int what, krbrepl__proof *proof)
{
    if (what < 0) {
        failed(n, what, proof->text);
        return;
    }
    if (what == KRBREPL__PROVER_ALTERED) {
        alarm_content(n, KRBREPL_ERR_CORRUPT, proof->text);
        return;
    }
    n->proof.failing = 0;
    n->proof.pause_until = 0;
    if (what == KRBREPL__PROVER_FROZEN)
        krbrepl__repairs_frozen(n, proof);
    else if (what == KRBREPL__PROVER_PROVED && n->master != NULL)
        tell_all(n, proof->pos.seq, proof->root);
    else if (what == KRBREPL__PROVER_PROVED)
        answer(n, proof->pos.seq, proof->root);
}

static void on_news(void *ctx, unsigned ready)
{
    (void)ready;
    krbrepl__proof_news(ctx);
}

void krbrepl__proof_news(krbrepl_node *n)
{
    krbrepl__proof proof;
    int what;

    while ((what = krbrepl__worker_next(n->proof.worker, &proof)) != KRBREPL__WORKER_NONE)
        take_news(n, what, &proof);
    begin_wanted(n);
    if (is_time(n))
        begin_check(n);
}

void krbrepl__proof_tick(krbrepl_node *n)
{
    scrub(n);
    scrub_host(n);
    build(n);
    krbrepl__repairs_tick(n);
    ask_for_copy(n, "the content of this replica is not what its history says; it is to be copied");
    if (is_time(n))
        begin_check(n);
}
