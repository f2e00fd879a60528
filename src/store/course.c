#include "course.h"

#include <string.h>

#include "partial.h"
#include "staging.h"

int krbrepl__course_init(krbrepl__course *c, krbrepl_store *s, const char *what,
                         const krbrepl_pos *from, const krbrepl__ancestry *ancestry,
                         uint64_t cumulative)
{
    int rc;

    c->s = s;
    c->what = what;
    c->pos = *from;
    c->cumulative = cumulative;
    rc = krbrepl__ancestry_copy(&c->ancestry, ancestry);
    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    if (from->seq > KRBREPL__SEQ_MAX)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_PROTO, "%s: there is no such position", what);
    return 0;
}

void krbrepl__course_free(krbrepl__course *c)
{
    krbrepl__ancestry_free(&c->ancestry);
}

int krbrepl__course_check(const krbrepl__course *c, const krbrepl__wtxn *w)
{
    if (w->st.role == KRBREPL_ROLE_MASTER)
        return krbrepl__fail(KRBREPL__EI(c->s), KRBREPL_ERR_STATE,
                             "%s: this store is the master; demote it before it follows another",
                             c->what);
    if (w->st.known_epoch > c->pos.epoch)
        return krbrepl__fail(KRBREPL__EI(c->s), KRBREPL_ERR_FENCED,
                             "%s: the master is at epoch %llu, and epoch %llu is known; follow the "
                             "master of that epoch",
                             c->what, (unsigned long long)c->pos.epoch,
                             (unsigned long long)w->st.known_epoch);
    return 0;
}

int krbrepl__course_read(const krbrepl__course *c, krbrepl_bytes encoded, krbrepl__commit *m)
{
    int rc = krbrepl__commit_decode(encoded, m);

    if (rc != 0)
        return krbrepl__fail(KRBREPL__EI(c->s), rc, "%s: a malformed commit came after %llu", c->what,
                             (unsigned long long)c->pos.seq);
    if (m->kind == KRBREPL_COMMIT_RESET)
        return krbrepl__fail(KRBREPL__EI(c->s), KRBREPL_ERR_TRIMMED,
                             "%s: commit %llu replaced the master's content; copy again", c->what,
                             (unsigned long long)m->seq);
    return krbrepl__commit_follows(c->s, &c->pos, c->cumulative, m);
}

int krbrepl__course_move(krbrepl__course *c, const krbrepl__commit *m)
{
    int rc = 0;

    if (memcmp(m->lineage, c->pos.lineage, sizeof m->lineage) != 0)
        rc = krbrepl__ancestry_add(&c->ancestry, &c->pos);
    if (rc == 0)
        rc = krbrepl__chain_next(c->s->sha, c->pos.chain, m->encoded, c->pos.chain);
    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(c->s), rc);
    memcpy(c->pos.lineage, m->lineage, sizeof c->pos.lineage);
    c->pos.epoch = m->epoch;
    c->pos.seq = m->seq;
    c->cumulative = m->cumulative;
    return 0;
}

int krbrepl__course_end(krbrepl__course *c, krbrepl__wtxn *w)
{
    int rc = krbrepl__journal_restart(c->s, w, &c->pos, c->cumulative, &c->ancestry);

    if (rc == 0)
        rc = krbrepl__staging_done(c->s, w->txn);
    return rc == 0 ? krbrepl__partial_drop(c->s, w) : rc;
}
