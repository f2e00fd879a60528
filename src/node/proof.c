#include "proof.h"

#include <string.h>

#include "conn.h"
#include "replica.h"

#define SLICE_RECORDS 256u
#define BUSY_EVERY_MS 20u
#define BUSY_MS 1u
#define CHECK_EVERY_MS 10000u
#define CHECK_COMMITS 10000u
#define QUIET_MS 1000u
#define PAUSE_MS 60000u /* after a failure of the store */
#define SCRUB_MS (24u * 3600u * 1000u)

int krbrepl__proof_start(krbrepl_node *n)
{
    memset(&n->proof, 0, sizeof n->proof);
    n->proof.more = 1;
    return krbrepl__prover_new(&n->proof.prover, n->store);
}

void krbrepl__proof_stop(krbrepl_node *n)
{
    krbrepl__prover_free(n->proof.prover);
    n->proof.prover = NULL;
    n->proof.more = 0;
    n->proof.want = 0;
}

/* The transaction that a proof may hold knows that it is the parent's. */
void krbrepl__proof_forget(krbrepl_node *n)
{
    krbrepl__proof_stop(n);
}

int krbrepl__proof_due(const krbrepl_node *n)
{
    return n->proof.more && n->now >= n->proof.pause_until;
}

void krbrepl__proof_copied(krbrepl_node *n)
{
    krbrepl__prover_reset(n->proof.prover);
    n->proof.more = 1;
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

    n->proof.differs++;
    krbrepl__node_note(n, err, text);
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node", "the store in %s: %s; %s",
                  krbrepl_store_dir(n->store), text,
                  r != NULL ? "it is copied from the master again"
                            : "restore a backup, or promote a replica that is right");
    if (r == NULL)
        return;
    r->differs = 1;
    ask_for_copy(n, text);
}

static void failed(krbrepl_node *n, int err)
{
    const char *text = krbrepl__store_ei(n->store)->text;

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
        krbrepl__sess_check(c->sess, seq, root);
        c->checked = 1;
        krbrepl__conn_wake(c);
    }
}

/* The store is at `seq`, so a proof of that can begin now; later it may be past. */
static void begin_wanted(krbrepl_node *n)
{
    uint64_t seq = n->proof.want;
    krbrepl_pos at;

    if (!krbrepl__prover_ready(n->proof.prover) || krbrepl__prover_running(n->proof.prover))
        return;
    if (krbrepl__prover_begin(n->proof.prover, &at) != 0 || at.seq != seq)
        answer(n, seq, NULL);
}

void krbrepl__proof_want(krbrepl_node *n, uint64_t seq)
{
    krbrepl_pos at;

    n->proof.want = seq;
    n->proof.more = 1;
    if (krbrepl__prover_ready(n->proof.prover) &&
        (krbrepl__prover_begin(n->proof.prover, &at) != 0 || at.seq != seq))
        krbrepl__logf(&n->log, KRBREPL_LOG_DEBUG, "node", "the digest at %llu cannot be computed",
                      (unsigned long long)seq);
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
        krbrepl__logf(&c->log, KRBREPL_LOG_DEBUG, "node", "%s: proved equal at %llu", c->address,
                      (unsigned long long)i->proved_seq);
    }
    if (i->phase == KRBREPL__SESS_CLOSED && i->err == KRBREPL_ERR_DIVERGED)
        p->differs += i->differs || (c->inbound && c->up);
    if (i->phase == KRBREPL__SESS_CLOSED && i->differs && c->n->replica != NULL)
        c->n->replica->differs = 1;
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

        if (c->over || !c->up || !i->checks || i->phase != KRBREPL__SESS_STREAMING ||
            i->proved_seq == n->info.pos.seq)
            continue;
        some = 1;
        *at_once |= !c->checked;
    }
    return some;
}

static int is_time(krbrepl_node *n)
{
    const krbrepl__proofs *p = &n->proof;
    int at_once = 0;

    if (n->master == NULL || n->info.pos.seq == 0 || !krbrepl__prover_ready(p->prover) ||
        krbrepl__prover_running(p->prover) || n->now < p->pause_until || !somebody(n, &at_once))
        return 0;
    return at_once || n->now - p->begun_ms >= CHECK_EVERY_MS ||
           n->info.pos.seq - p->begun_seq >= CHECK_COMMITS ||
           (p->begun_seq != n->info.pos.seq && n->now - p->moved_ms >= QUIET_MS);
}

static void begin_check(krbrepl_node *n)
{
    krbrepl__proofs *p = &n->proof;
    krbrepl_pos at;

    if (krbrepl__prover_begin(p->prover, &at) != 0)
        return;
    p->begun_ms = n->now;
    p->begun_seq = at.seq;
    p->more = 1;
    tell_all(n, at.seq, NULL);
}

/* ---- turns ----------------------------------------------------------------------------------- */

void krbrepl__proof_moved(krbrepl_node *n)
{
    n->proof.moved_ms = n->now;
    n->proof.more |= !krbrepl__prover_ready(n->proof.prover);
    if (n->info.pos.seq - n->proof.begun_seq >= CHECK_COMMITS && is_time(n))
        begin_check(n);
}

void krbrepl__proof_tick(krbrepl_node *n)
{
    krbrepl__proofs *p = &n->proof;

    p->scrub_debt += (uint64_t)krbrepl__prover_leaves(p->prover) * KRBREPL__TICK_MS;
    if (p->scrub_debt >= SCRUB_MS) {
        krbrepl__prover_scrub(p->prover, (size_t)(p->scrub_debt / SCRUB_MS));
        p->scrub_debt %= SCRUB_MS;
        p->more = 1;
    }
    p->more |= !krbrepl__prover_ready(p->prover);
    ask_for_copy(n, "the content of this replica is not what its history says; it is to be copied");
    if (is_time(n))
        begin_check(n);
}

static void take_news(krbrepl_node *n, int rc, const krbrepl__proof *proof)
{
    if (rc < 0) {
        failed(n, rc);
        return;
    }
    if (rc == KRBREPL__PROVER_ALTERED)
        alarm_content(n, KRBREPL_ERR_CORRUPT, proof->text);
    if (rc != KRBREPL__PROVER_PROVED)
        return;
    n->proof.failing = 0;
    if (n->master != NULL)
        tell_all(n, proof->pos.seq, proof->root);
    else
        answer(n, proof->pos.seq, proof->root);
}

void krbrepl__proof_turn(krbrepl_node *n, int busy)
{
    krbrepl__proofs *p = &n->proof;
    krbrepl__proof proof;
    uint64_t end;
    int rc;

    if (!krbrepl__proof_due(n) || (busy && n->now < p->turn_ms + BUSY_EVERY_MS))
        return;
    if (p->want != 0)
        begin_wanted(n);
    end = krbrepl__node_now(n) + (busy ? BUSY_MS : KRBREPL__TURN_MS);
    do
        rc = krbrepl__prover_work(p->prover, SLICE_RECORDS, &proof);
    while (rc == KRBREPL__PROVER_MORE && krbrepl__node_now(n) < end);
    p->turn_ms = n->now;
    p->more = rc == KRBREPL__PROVER_MORE || rc == KRBREPL__PROVER_ALTERED ||
              (p->want != 0 && krbrepl__prover_ready(p->prover));
    take_news(n, rc, &proof);
}
