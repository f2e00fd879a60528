/* The replica's commits that its master does not have: what is known of them, and that none is given up
 * without evidence. */
#include <string.h>

#include <krbrepl/node.h>

#include "sessint.h"

/* The last seq that both are known to have: the master's position, when it is in this history, else what the
 * master found out by the marks. */
static uint64_t common_seq(krbrepl__sess *s, const krbrepl_pos *theirs, uint64_t fork)
{
    uint8_t chain[32];

    if (theirs->seq <= s->r.pos.seq && s->port->chain_at(s->port->ctx, theirs->seq, chain) == 0 &&
        memcmp(chain, theirs->chain, sizeof chain) == 0)
        return theirs->seq;
    return fork < s->r.pos.seq ? fork : 0;
}

int krbrepl__replica_not_explained(krbrepl__sess *s, uint64_t seq)
{
    return krbrepl__sess_end(s, KRBREPL_ERR_DIVERGED,
                             "the master wants to replace commits up to %llu, and no promotion "
                             "explains it; run `krbrepl resolve --keep-master DIR` or `krbrepl resolve "
                             "--keep-replica DIR` here",
                             (unsigned long long)seq);
}

void krbrepl__replica_forked(krbrepl__sess *s, const krbrepl__parting *p)
{
    const uint64_t both = KRBREPL__HAS(KRBREPL__TAG_POS) | KRBREPL__HAS(KRBREPL__TAG_FORK);
    int rc;

    if ((s->info.err != KRBREPL_ERR_AHEAD && s->info.err != KRBREPL_ERR_DIVERGED) ||
        (p->has & both) != both)
        return;
    rc = s->port->forked(s->port->ctx, common_seq(s, &p->pos, p->fork));
    if (rc != 0)
        krbrepl__logf(s->log, KRBREPL_LOG_ERROR, "session",
                      "the commits that only this replica has could not be written to evidence (%s)",
                      s->port->error_text(s->port->ctx));
}

/* Saves the commits that the copy gives up. What they are is found out here and not taken from the master's
 * reason: a copy that was begun for a fork may be begun anew for another one. */
int krbrepl__replica_save_given_up(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    krbrepl__ancestry ours = {NULL, 0};
    krbrepl__local local;
    uint64_t fork = 0;
    int rc = s->port->ancestry(s->port->ctx, &ours), explained;

    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the ancestry");
    explained = krbrepl__sess_explained(&r->pos, &ours, &r->start.pos, &r->start.ancestry, &fork);
    krbrepl__ancestry_free(&ours);
    if (!explained && r->resolving && (rc = s->port->local(s->port->ctx, &local)) != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the position");
    if (!explained && r->resolving && local.gives_up) {
        krbrepl__logf(
            s->log, KRBREPL_LOG_WARN, "session",
            "the commits that only this replica has are given up, as was resolved; they are kept "
            "as evidence");
        rc = s->port->forked(s->port->ctx, common_seq(s, &r->start.pos, r->fork));
        goto saved;
    }
    if (!explained && r->start.pos.seq < r->pos.seq)
        return krbrepl__replica_not_explained(s, r->pos.seq);
    if (!explained || r->pos.seq <= fork)
        return 0;
    rc = s->port->save_evidence(s->port->ctx, fork + 1);
saved:
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "saving the commits that the master does not have");
    return 0;
}
