#include "verify.h"

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
        krbrepl__worker_scrub(n->proof.worker, s.leaves);
        v->total = s.leaves;
        v->stage = 1;
    } else if (v->stage == 1 && s.ready && s.scrub == 0) {
        v->seq = n->info.pos.seq;
        v->stage = 2;
        ask(n);
    }
    *done = v->stage == 0 ? 0 : v->total - (s.scrub < v->total ? s.scrub : v->total);
    return v->stage == 2 && compare(n, v);
}
