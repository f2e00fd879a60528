#include "verify.h"

#include <stdio.h>
#include <string.h>

#include "conn.h"
#include "replica.h"

void krbrepl__verify_begin(krbrepl_node *n, krbrepl__verify *v)
{
    memset(v, 0, sizeof *v);
    v->proofs = n->proof.proofs;
    v->differs = n->proof.differs;
    KRBREPL_INIT(&v->out);
}

/* ---- a host's records ----------------------------------------------------------------------- */

#define PIECE 64u  /* records between two looks at the clock */
#define TURN_MS 8u /* of a turn of the node's */

static void host_again(krbrepl_node *n, krbrepl__verify *v)
{
    v->host_at.len = 0;
    v->host_done = 0;
    v->host_found = 0;
    v->host_end = !krbrepl__store_hosted(n->store);
}

/* Reads on for a moment. */
static void host_read(krbrepl_node *n, krbrepl__verify *v)
{
    const krbrepl__sys *sys = n->sys;
    const uint64_t until = sys->mono_ms(sys->ctx) + TURN_MS;
    int rc;

    while (!v->host_end && sys->mono_ms(sys->ctx) < until) {
        rc = krbrepl__proof_read_host(n, &v->host_at, PIECE, &v->host_end);
        /* What cannot be read now is read in the next turn. */
        if (rc < 0)
            return;
        v->host_found |= rc == 1;
        v->host_end &= rc == 0;
        v->host_done += PIECE;
    }
}

/* ---- a host's commits ----------------------------------------------------------------------- */

static void journal_begin(krbrepl_node *n, krbrepl__verify *v)
{
    v->commits_at = n->info.journal_first;
    v->commits_to = n->info.journal_last;
    v->commits_end = !krbrepl__store_journaled(n->store) || v->commits_at > v->commits_to;
    v->commits = v->commits_end ? 0 : v->commits_to - v->commits_at + 1;
}

/* As host_read. What stands in the way for a moment is over in the next turn. */
static void journal_read(krbrepl_node *n, krbrepl__verify *v)
{
    const krbrepl__sys *sys = n->sys;
    const uint64_t until = sys->mono_ms(sys->ctx) + TURN_MS;
    int rc = 0;

    while (rc == 0 && !v->commits_end && sys->mono_ms(sys->ctx) < until)
        rc = krbrepl__store_check_commits(n->store, &v->commits_at, v->commits_to, PIECE,
                                          &v->commits_end);
    if (rc != KRBREPL_ERR_CORRUPT && rc != KRBREPL_ERR_HOST)
        return;
    v->err = rc;
    snprintf(v->text, sizeof v->text, "%.199s", krbrepl__store_ei(n->store)->text);
    krbrepl__node_note(n, rc, v->text);
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node", "a proof of the store in %s has failed: %s",
                  krbrepl_store_dir(n->store), v->text);
}

/* ---- comparing ------------------------------------------------------------------------------ */

static int is_compared(const krbrepl__conn *c, const krbrepl__verify *v)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);

    return i->proofs != 0 && i->proved_seq >= v->seq;
}

/* Each replica that is there, and can. */
static int masters_done(krbrepl_node *n, krbrepl__verify *v)
{
    krbrepl__item *l, *after;
    uint64_t some = 0, waiting = 0;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        const krbrepl__conn *c = l->self;

        if (c->over || !c->up || !krbrepl__conn_info(c)->checks)
            continue;
        some += is_compared(c, v) != 0;
        waiting += is_compared(c, v) == 0;
    }
    v->out.compared = some;
    return waiting == 0;
}

/* What was found to differ must be repaired, and compared after that. */
static int replicas_done(krbrepl_node *n, krbrepl__verify *v)
{
    const krbrepl__replica *r = n->replica;

    if (r->differs || r->cur == NULL || r->cur->over ||
        krbrepl__conn_info(r->cur)->phase != KRBREPL__SESS_STREAMING ||
        (v->out.differed && n->proof.proofs == v->proofs))
        return 0;
    v->out.compared = 1;
    return is_compared(r->cur, v);
}

static void ask(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    if (n->replica != NULL && n->replica->cur != NULL && !n->replica->cur->over) {
        krbrepl__sess_ask_check(n->replica->cur->sess);
        krbrepl__conn_wake(n->replica->cur);
    }
    KRBREPL__EACH_ITEM(&n->conns, l, after)
    ((krbrepl__conn *)l->self)->checked = 0;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int compare(krbrepl_node *n, krbrepl__verify *v)
{
    const int done = n->master != NULL ? masters_done(n, v) : replicas_done(n, v);

    v->out.seq = n->info.pos.seq;
    v->out.records = n->info.records;
    return done;
}

static uint64_t done_so_far(const krbrepl__verify *v, uint64_t left)
{
    const uint64_t records = v->total - v->leaves - v->commits;
    const uint64_t to_read = v->commits_end ? 0 : v->commits_to + 1 - v->commits_at;

    if (v->stage == 0)
        return 0;
    return v->leaves - (left < v->leaves ? left : v->leaves) +
           (v->host_end || v->host_done > records ? records : v->host_done) +
           (to_read < v->commits ? v->commits - to_read : 0);
}

/* Compared, and nothing of it rests on a value that was not what it should be. */
static int is_done(krbrepl_node *n, krbrepl__verify *v)
{
    if (v->stage != 2 || !compare(n, v))
        return 0;
    if (!v->host_found)
        return 1;
    host_again(n, v);
    v->stage = 1;
    return 0;
}

int krbrepl__verify_look(krbrepl_node *n, krbrepl__verify *v, uint64_t *done)
{
    krbrepl__worker_state s;

    krbrepl__worker_look(n->proof.worker, &s);
    /* What was found before that is heard of before it counts as read. */
    krbrepl__proof_news(n);
    *done = v->total;
    v->out.differed |= n->proof.differs != v->differs;
    /* Nobody repairs a master, and nothing is proved of what is damaged. */
    if (v->out.differed && n->master != NULL)
        return 1;
    if (v->stage == 0 && (s.ready || n->info.pos.seq == 0)) {
        krbrepl__worker_scrub(n->proof.worker, SIZE_MAX);
        host_again(n, v);
        journal_begin(n, v);
        v->leaves = s.leaves;
        v->total = s.leaves + (v->host_end ? 0 : n->info.records) + v->commits;
        v->stage = 1;
    } else if (v->stage == 1 && !v->host_end) {
        host_read(n, v);
    } else if (v->stage == 1 && !v->commits_end) {
        journal_read(n, v);
    } else if (v->stage == 1 && s.ready && s.scrub == 0) {
        v->seq = n->info.pos.seq;
        v->stage = 2;
        ask(n);
    }
    *done = done_so_far(v, s.scrub);
    return v->err != 0 || is_done(n, v);
}
