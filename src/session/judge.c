/* What is to be done with a replica that is at a given position. No state, no messages. */
#include <string.h>

#include "sessint.h"

/* Where a history left `lineage`: at an entry of its ancestry, or not yet (then at its position). */
static const krbrepl_pos *left_at(const krbrepl_pos *pos, const krbrepl__ancestry *before,
                                  const uint8_t lineage[16])
{
    const krbrepl_pos *p = krbrepl__ancestry_find(before, lineage);

    if (p == NULL && memcmp(pos->lineage, lineage, sizeof pos->lineage) == 0)
        p = pos;
    return p;
}

int krbrepl__sess_explained(const krbrepl_pos *mine, const krbrepl__ancestry *mine_before,
                            const krbrepl_pos *theirs, const krbrepl__ancestry *theirs_before,
                            uint64_t *fork)
{
    const krbrepl_pos *left = krbrepl__ancestry_find(theirs_before, mine->lineage);
    size_t i;

    /* They left the lineage that I am in before I did. */
    if (left != NULL) {
        *fork = left->seq;
        return left->seq < mine->seq;
    }
    /* I drew a lineage that they do not know: theirs decides if it is of a later epoch. */
    if (memcmp(mine->lineage, theirs->lineage, sizeof mine->lineage) == 0 ||
        mine->epoch >= theirs->epoch)
        return 0;
    for (i = mine_before->n; i-- > 0;) {
        const krbrepl_pos *m = &mine_before->at[i];

        left = left_at(theirs, theirs_before, m->lineage);
        if (left != NULL) {
            *fork = left->seq < m->seq ? left->seq : m->seq;
            return 1;
        }
    }
    return 0;
}

int krbrepl__sess_place(const krbrepl__port *port, krbrepl__local *local, krbrepl__ancestry *a)
{
    krbrepl__local again;
    int rc, i;

    memset(local, 0, sizeof *local);
    /* Both are read on their own, and a promotion may come between. */
    for (i = 0; i < 4; i++) {
        rc = port->local(port->ctx, local);
        if (rc == 0)
            rc = port->ancestry(port->ctx, a);
        if (rc == 0)
            rc = port->local(port->ctx, &again);
        if (rc != 0)
            return rc;
        if (memcmp(again.pos.lineage, local->pos.lineage, sizeof again.pos.lineage) == 0)
            return 0;
        krbrepl__ancestry_free(a);
    }
    return KRBREPL_ERR_CONFLICT;
}

enum { SAME = 1, OTHER = 2, UNKNOWN = 3 };

/* Compares one point of the replica's chain with ours. Negative: the store failed. */
static int compare(const krbrepl__port *port, uint64_t tip, uint64_t seq, const uint8_t chain[32])
{
    uint8_t ours[32];
    int rc;

    if (seq > tip)
        return UNKNOWN;
    rc = port->chain_at(port->ctx, seq, ours);
    if (rc == KRBREPL_ERR_NOTFOUND || rc == KRBREPL_ERR_TRIMMED)
        return UNKNOWN;
    if (rc != 0)
        return rc;
    return memcmp(ours, chain, sizeof ours) == 0 ? SAME : OTHER;
}

/* Compares the position, and where that cannot be compared any more, the newest mark that can. */
static int compare_all(const krbrepl__port *port, uint64_t tip, const krbrepl__hello *h)
{
    int rc = compare(port, tip, h->pos.seq, h->pos.chain);
    size_t i;

    for (i = 0; i < h->marks.n && rc == UNKNOWN; i++)
        rc = compare(port, tip, h->marks.at[i].seq, h->marks.at[i].chain);
    return rc;
}

static void judge_other(const krbrepl__local *local, const krbrepl__ancestry *ours,
                        const krbrepl__hello *h, krbrepl__verdict *v)
{
    if (krbrepl__sess_explained(&h->pos, &h->ancestry, &local->pos, ours, &v->fork))
        v->reason = KRBREPL_COPY_FORK;
    else
        v->err = h->pos.seq > local->pos.seq ? KRBREPL_ERR_AHEAD : KRBREPL_ERR_DIVERGED;
}

/* The newest mark that both have; 0: none. */
static uint64_t common_mark(const krbrepl__port *port, uint64_t tip, const krbrepl__hello *h)
{
    size_t i;

    for (i = 0; i < h->marks.n; i++)
        if (compare(port, tip, h->marks.at[i].seq, h->marks.at[i].chain) == SAME)
            return h->marks.at[i].seq;
    return 0;
}

/* What the position alone says. */
static void judge_position(const krbrepl__port *port, const krbrepl__local *local,
                           const krbrepl__ancestry *ours, const krbrepl__hello *h, krbrepl__verdict *v)
{
    int how;

    if (h->pos.seq == 0) {
        if (local->journal_first != 1 && local->pos.seq != 0)
            v->reason = KRBREPL_COPY_EMPTY;
        return;
    }
    how = h->pos.seq > local->pos.seq ? OTHER : compare_all(port, local->pos.seq, h);
    if (how < 0) {
        v->err = how;
    } else if (how == OTHER) {
        judge_other(local, ours, h, v);
    } else if (how == UNKNOWN) {
        v->reason = krbrepl__sess_explained(&h->pos, &h->ancestry, &local->pos, ours, &v->fork)
                        ? KRBREPL_COPY_FORK
                        : KRBREPL_COPY_UNVERIFIABLE;
    } else if (h->pos.seq < local->pos.seq && h->pos.seq + 1 < local->journal_first) {
        v->reason = KRBREPL_COPY_BEHIND;
    }
}

/* A replica knows of itself what its position does not say: that what it has is not to be relied on. */
static int may_ask(const krbrepl__hello *h)
{
    if (h->asks == KRBREPL_COPY_EMPTY)
        return h->pos.seq == 0;
    return h->asks == KRBREPL_COPY_FAILED || h->asks == KRBREPL_COPY_DIFFERS;
}

void krbrepl__sess_judge(const krbrepl__port *port, const krbrepl__local *local,
                         const krbrepl__ancestry *ours, const krbrepl__hello *h, krbrepl__verdict *v)
{
    memset(v, 0, sizeof *v);
    judge_position(port, local, ours, h, v);
    if (v->err == KRBREPL_ERR_AHEAD || v->err == KRBREPL_ERR_DIVERGED) {
        v->fork = common_mark(port, local->pos.seq, h);
        /* An operator at the replica has decided. */
        if (h->asks == KRBREPL_COPY_FORK) {
            v->err = 0;
            v->reason = KRBREPL_COPY_FORK;
        }
    } else if (may_ask(h) && v->err == 0 && local->pos.seq != 0 &&
               (v->reason == 0 || v->reason == KRBREPL_COPY_BEHIND)) {
        v->reason = h->asks;
    }
}
