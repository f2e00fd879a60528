/* apply.c: the replica's side: commits of a master are applied as they are, many in one transaction. */
#include "impl.h"

#include <string.h>

static const uint8_t zero_id[16];

int krbrepl__store_adopt(krbrepl_store *s, const uint8_t database_id[16])
{
    krbrepl__wtxn w;
    int same, rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    same = memcmp(w.id, database_id, 16) == 0;
    if (w.st.role == KRBREPL_ROLE_MASTER) {
        rc = krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                           "store: it is a master, and follows nobody; demote it first");
    } else if (!same && memcmp(w.id, zero_id, 16) != 0) {
        rc =
            krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_FOREIGN,
                          "store: it belongs to another database; use an empty directory for this one");
    } else if (!same || w.st.role == KRBREPL_ROLE_UNSET) {
        w.st.role = w.st.role == KRBREPL_ROLE_UNSET ? KRBREPL_ROLE_REPLICA : w.st.role;
        rc = krbrepl__meta_put(s, w.txn, "id", database_id, 16);
        return rc == 0 ? krbrepl__wtxn_commit(s, &w) : (krbrepl__wtxn_abort(s, &w), rc);
    }
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__store_learn_epoch(krbrepl_store *s, uint64_t epoch)
{
    krbrepl__wtxn w;
    int rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    if (epoch <= w.st.known_epoch) {
        krbrepl__wtxn_abort(s, &w);
        return 0;
    }
    w.st.known_epoch = epoch;
    if (w.st.role == KRBREPL_ROLE_MASTER && epoch > w.st.pos.epoch)
        w.st.role = KRBREPL_ROLE_FENCED;
    return krbrepl__wtxn_commit(s, &w);
}

/* ---- applying ------------------------------------------------------------------------------- */

static int malformed(krbrepl_store *s, uint64_t seq, const char *why)
{
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_PROTO,
                         "apply: commit %llu %s; the peer is at fault", (unsigned long long)seq, why);
}

/* Does `c` come next in this history? `changes`: by how much cumulative moves. */
int krbrepl__commit_follows(krbrepl_store *s, const krbrepl_pos *pos, uint64_t cumulative,
                            const krbrepl__commit *c)
{
    int same = memcmp(c->lineage, pos->lineage, sizeof pos->lineage) == 0;
    uint64_t changes = c->kind == KRBREPL_COMMIT_CHANGES ? c->nchanges : 0;

    if (c->seq > KRBREPL__SEQ_MAX || c->seq != pos->seq + 1)
        return malformed(s, c->seq, "is not the one after the last");
    if (c->epoch < pos->epoch && !KRBREPL__MUTANT(accept_lower_epoch))
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_FENCED,
                             "apply: commit %llu is of epoch %llu, this store is at epoch %llu already",
                             (unsigned long long)c->seq, (unsigned long long)c->epoch,
                             (unsigned long long)pos->epoch);
    if (!same && c->kind != KRBREPL_COMMIT_LINEAGE)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_DIVERGED,
                             "apply: commit %llu belongs to another lineage, and no commit leads there",
                             (unsigned long long)c->seq);
    if (same && c->epoch != pos->epoch)
        return malformed(s, c->seq, "has another epoch in the same lineage");
    /* Two lineages of one epoch could not be told apart by fencing. */
    if (!same && c->epoch == pos->epoch)
        return malformed(s, c->seq, "draws a lineage without raising the epoch");
    if (c->cumulative - changes != cumulative || c->cumulative < changes)
        return malformed(s, c->seq, "does not go on with the count of changes");
    return 0;
}

/* Leaving a lineage is remembered. */
static int note_ancestor(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl__commit *c)
{
    if (c->kind != KRBREPL_COMMIT_LINEAGE || w->st.pos.seq == 0 ||
        memcmp(c->lineage, w->st.pos.lineage, sizeof c->lineage) == 0)
        return 0;
    return krbrepl__ancestor_note(s, w->txn, &w->st.pos);
}

int krbrepl__ancestor_note(krbrepl_store *s, MDB_txn *txn, const krbrepl_pos *left)
{
    krbrepl__ancestry a;
    int rc = krbrepl__meta_ancestry(s, txn, &a);

    if (rc != 0)
        return rc;
    rc = krbrepl__ancestry_add(&a, left);
    rc = rc != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), rc) : krbrepl__meta_set_ancestry(s, txn, &a);
    krbrepl__ancestry_free(&a);
    return rc;
}

int krbrepl__apply_one(krbrepl_store *s, krbrepl__wtxn *w, krbrepl_bytes encoded, krbrepl__touched *t)
{
    krbrepl__commit c;
    int rc = krbrepl__commit_decode(encoded, &c);

    if (rc != 0)
        return krbrepl__fail(KRBREPL__EI(s), rc, "apply: the commit after %llu cannot be decoded (%s)",
                             (unsigned long long)w->st.pos.seq, krbrepl_strerror(rc));
    if (c.kind == KRBREPL_COMMIT_RESET)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TRIMMED,
                             "apply: commit %llu replaced the whole content; copy the database instead",
                             (unsigned long long)c.seq);
    rc = krbrepl__commit_follows(s, &w->st.pos, w->st.cumulative, &c);
    if (rc == 0)
        rc = note_ancestor(s, w, &c);
    if (rc == 0)
        rc = krbrepl__row_apply(s, w->txn, krbrepl__gen(s, w->st.live), &c, &w->st.records, t);
    if (rc == 0)
        rc = krbrepl__journal_append_encoded(s, w, &c);
    return rc;
}

void krbrepl__follow_role(struct krbrepl__state *st)
{
    if (st->role == KRBREPL_ROLE_FENCED && st->pos.epoch >= st->known_epoch)
        st->role = KRBREPL_ROLE_REPLICA;
}

/* A mistake for the simulator to find. */
static int rows_again(krbrepl_store *s, krbrepl__wtxn *w, krbrepl_bytes encoded, krbrepl__touched *t)
{
    krbrepl__commit c;
    int rc = krbrepl__commit_decode(encoded, &c);

    return rc == 0 ? krbrepl__row_apply(s, w->txn, krbrepl__gen(s, w->st.live), &c, &w->st.records, t)
                   : rc;
}

static int apply_all(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl_bytes *commit, size_t n,
                     krbrepl__touched *t)
{
    size_t i;
    int rc = 0;

    if (w->st.role == KRBREPL_ROLE_MASTER)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "apply: this store is a master; demote it before it follows another");
    for (i = 0; rc == 0 && i < n; i++)
        rc = krbrepl__apply_one(s, w, commit[i], t);
    if (KRBREPL__MUTANT(out_of_order) && rc == 0 && n > 1)
        rc = rows_again(s, w, commit[0], t);
    krbrepl__follow_role(&w->st);
    if (rc == 0)
        rc = krbrepl__trim(s, w, n < 1000 ? 64 * (unsigned)n : 64000);
    return rc;
}

int krbrepl__store_apply(krbrepl_store *s, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out)
{
    krbrepl__touched t;
    krbrepl__wtxn w;
    int rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    krbrepl__touched_init(&t);
    rc = apply_all(s, &w, commit, n, &t);
    if (rc == 0) {
        krbrepl__local_forget(s, &t.created);
        rc = n != 0 ? krbrepl__wtxn_commit(s, &w) : 0;
    }
    krbrepl__wtxn_abort(s, &w);
    if (rc == 0) {
        krbrepl__local_forget(s, &t.gone);
        if (out != NULL)
            *out = w.st.pos;
    }
    krbrepl__touched_free(&t);
    return rc;
}
