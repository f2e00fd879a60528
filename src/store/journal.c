/* journal.c: the commits, each bound to the one before it by the chain.
 *
 *   journal  seq:u64 -> chain[32] || encoded commit
 *                    or chain[32] || length:u64 time:u64     where the host keeps the commit (hostjournal.h)
 *   chains   seq:u64 -> chain[32]
 *
 * No encoded commit is so short that the two could be taken for each other.
 *
 * An entry is verified by computing its chain again from the chain of the entry before it. When an entry is
 * trimmed its chain moves to `chains`, so that the oldest entry can be verified too, and so that positions
 * can be compared further back than the journal reaches. */
#include "hostjournal.h"

#include <string.h>

#define CHAIN 32u
#define ELSEWHERE 16u /* what follows the chain where the host keeps the commit */

static int damaged(krbrepl_store *s, uint64_t seq, const char *why)
{
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
                         "journal: commit %llu %s; restore a backup, or copy from the master",
                         (unsigned long long)seq, why);
}

/* The raw entry. NOTFOUND outside of the journal; CORRUPT when one inside of it is missing. */
static int entry_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, uint64_t seq,
                     krbrepl__rd *r)
{
    uint8_t be[8];
    MDB_val k = {sizeof be, be}, v;
    int rc;

    if (seq < st->journal_first || seq > st->pos.seq)
        return KRBREPL_ERR_NOTFOUND;
    krbrepl__put_u64(be, seq);
    rc = mdb_get(txn, s->env->dbi[KRBREPL__DBI_JOURNAL], &k, &v);
    if (rc == MDB_NOTFOUND || (rc == 0 && v.mv_size <= CHAIN))
        return damaged(s, seq, "is missing");
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "journal: reading");
    krbrepl__rd_init(r, v.mv_data, v.mv_size);
    return 0;
}

static int checkpoint_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, uint64_t seq,
                          uint8_t chain[32])
{
    uint8_t be[8];
    MDB_val k = {sizeof be, be}, v;
    int rc;

    if (seq < st->chains_first)
        return KRBREPL_ERR_NOTFOUND;
    krbrepl__put_u64(be, seq);
    rc = mdb_get(txn, s->env->dbi[KRBREPL__DBI_CHAINS], &k, &v);
    if (rc == MDB_NOTFOUND)
        return KRBREPL_ERR_NOTFOUND;
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "chains: reading");
    if (v.mv_size != CHAIN)
        return damaged(s, seq, "has a malformed chain");
    memcpy(chain, v.mv_data, CHAIN);
    return 0;
}

int krbrepl__chain_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                       const uint8_t id[16], uint64_t seq, uint8_t chain[32])
{
    krbrepl__rd r;
    int rc;

    if (seq > st->pos.seq)
        return KRBREPL_ERR_NOTFOUND;
    if (seq == 0) {
        rc = krbrepl__chain_first(s->sha, id, chain);
        return rc != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), rc) : 0;
    }
    if (seq == st->pos.seq) {
        memcpy(chain, st->pos.chain, CHAIN);
        return 0;
    }
    if (seq < st->journal_first)
        return checkpoint_get(s, txn, st, seq, chain);
    rc = entry_get(s, txn, st, seq, &r);
    if (rc == 0)
        krbrepl__rd_copy(&r, chain, CHAIN);
    return rc;
}

int krbrepl__chain_set(krbrepl_store *s, MDB_txn *txn, uint64_t seq, const uint8_t chain[32])
{
    uint8_t be[8], copy[CHAIN];
    MDB_val k = {sizeof be, be}, v = {sizeof copy, copy};

    krbrepl__put_u64(be, seq);
    memcpy(copy, chain, sizeof copy);
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s),
                             mdb_put(txn, s->env->dbi[KRBREPL__DBI_CHAINS], &k, &v, 0),
                             "chains: writing");
}

/* The host's journal has one content, the present one: the entry that a reader still sees may have been trimmed, or
 * have given way to another history. TRIMMED, CONFLICT; 0: it has not. */
static int moved(krbrepl_store *s, uint64_t seq, const uint8_t chain[CHAIN])
{
    uint8_t now[CHAIN];
    krbrepl__rtxn r = {0};
    krbrepl__rd rd;
    int rc;

    if (s->journal == NULL || s->journal->writer != NULL)
        return 0;
    rc = krbrepl__rtxn_begin(s, &r);
    if (rc == 0 && seq < r.st.journal_first && seq <= r.st.pos.seq)
        rc = krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TRIMMED,
                           "journal: commit %llu was trimmed while it was read; copy the database "
                           "instead",
                           (unsigned long long)seq);
    else if (rc == 0 && (entry_get(s, r.txn, &r.st, seq, &rd) != 0 ||
                         (krbrepl__rd_copy(&rd, now, CHAIN), memcmp(now, chain, CHAIN) != 0)))
        rc = krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CONFLICT,
                           "journal: the store went over to another history while its journal was "
                           "read; begin again");
    krbrepl__rtxn_end(s, &r);
    return rc;
}

/* The commit of an entry, not verified yet. NOTFOUND: the host does not have it. */
static int entry_commit(krbrepl_store *s, uint64_t seq, krbrepl__rd *r, krbrepl_bytes *commit)
{
    if (s->journaled && r->left == ELSEWHERE)
        return krbrepl__hostjournal_read(s, seq, commit);
    *commit = krbrepl__rd_view(r, r->left);
    return 0;
}

/* The entry is not what it should be. */
static int entry_bad(krbrepl_store *s, uint64_t seq, const uint8_t chain[CHAIN], const char *why)
{
    const int rc = moved(s, seq, chain);

    return rc != 0 ? rc : damaged(s, seq, why);
}

int krbrepl__journal_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                         const uint8_t id[16], uint64_t seq, krbrepl_bytes *commit, uint8_t chain[32])
{
    uint8_t before[CHAIN], stored[CHAIN], computed[CHAIN];
    krbrepl__rd r;
    int rc = entry_get(s, txn, st, seq, &r);

    if (rc != 0)
        return rc;
    krbrepl__rd_copy(&r, stored, sizeof stored);
    rc = entry_commit(s, seq, &r, commit);
    if (rc == KRBREPL_ERR_NOTFOUND)
        return entry_bad(s, seq, stored, "is missing");
    if (rc == 0)
        rc = krbrepl__chain_get(s, txn, st, id, seq - 1, before);
    if (rc == KRBREPL_ERR_NOTFOUND)
        return damaged(s, seq, "cannot be verified: the chain before it is missing");
    if (rc != 0)
        return rc;
    rc = krbrepl__chain_next(s->sha, before, *commit, computed);
    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    if (memcmp(computed, stored, CHAIN) != 0 ||
        (seq == st->pos.seq && memcmp(computed, st->pos.chain, CHAIN) != 0))
        return entry_bad(s, seq, stored, "does not match the chain of the history");
    if (chain != NULL)
        memcpy(chain, computed, CHAIN);
    return 0;
}

int krbrepl__journal_time(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, uint64_t seq,
                          int64_t *us)
{
    krbrepl__rd r;
    int rc = entry_get(s, txn, st, seq, &r);

    if (rc != 0)
        return rc;
    /* chain and length; or chain, version, kind, flags, seq, epoch, lineage: see commit.h */
    (void)krbrepl__rd_view(&r,
                           r.left == CHAIN + ELSEWHERE ? CHAIN + 8 : CHAIN + 1 + 1 + 2 + 8 + 8 + 16);
    *us = (int64_t)krbrepl__rd_u64(&r);
    return r.err != 0 ? damaged(s, seq, "is malformed") : 0;
}

uint64_t krbrepl__journal_len(const MDB_val *row)
{
    const uint8_t *p = row->mv_data;

    if (row->mv_size <= CHAIN)
        return 0;
    return row->mv_size == CHAIN + ELSEWHERE ? krbrepl__get_u64(p + CHAIN) : row->mv_size - CHAIN;
}

int krbrepl__journal_in_row(krbrepl_store *s, MDB_txn *txn, uint64_t seq)
{
    uint8_t be[8];
    MDB_val k = {sizeof be, be}, v;

    krbrepl__put_u64(be, seq);
    return mdb_get(txn, s->env->dbi[KRBREPL__DBI_JOURNAL], &k, &v) == 0 &&
           v.mv_size > CHAIN + ELSEWHERE;
}

/* ---- appending ------------------------------------------------------------------------------ */

/* What stands in the row for a commit that the host keeps. */
static krbrepl_bytes stand_in(krbrepl_bytes encoded, uint8_t room[ELSEWHERE])
{
    krbrepl__commit c;

    krbrepl__put_u64(room, encoded.len);
    krbrepl__put_u64(room + 8, krbrepl__commit_decode(encoded, &c) == 0 ? (uint64_t)c.time_us : 0);
    return (krbrepl_bytes){room, ELSEWHERE};
}

int krbrepl__journal_row(krbrepl_store *s, MDB_txn *txn, uint64_t seq, const uint8_t chain[32],
                         krbrepl_bytes encoded, int elsewhere)
{
    MDB_dbi dbi = s->env->dbi[KRBREPL__DBI_JOURNAL];
    uint8_t be[8], room[ELSEWHERE], *at;
    const krbrepl_bytes kept = elsewhere ? stand_in(encoded, room) : encoded;
    MDB_val k = {sizeof be, be}, v = {CHAIN + kept.len, NULL};
    int rc;

    krbrepl__put_u64(be, seq);
    /* APPEND fills the pages. It is refused while rubbish of another history lies behind this seq. */
    rc = mdb_put(txn, dbi, &k, &v, MDB_RESERVE | MDB_APPEND);
    if (rc == MDB_KEYEXIST) {
        v.mv_size = CHAIN + kept.len;
        rc = mdb_put(txn, dbi, &k, &v, MDB_RESERVE);
    }
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "journal: writing");
    at = v.mv_data;
    memcpy(at, chain, CHAIN);
    memcpy(at + CHAIN, kept.data, kept.len);
    return 0;
}

/* Into the host's journal where there is one. Without its callbacks only a change of role is taken. */
static int entry_put(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl__commit *c,
                     const uint8_t chain[32])
{
    int rc = 0;

    if (s->journaled && s->journal == NULL && c->kind != KRBREPL_COMMIT_LINEAGE)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "store: the commits of this store go to its host's journal; only the "
                             "host's programs can make them");
    if (s->journal != NULL)
        rc = krbrepl__hostjournal_add(s, w, c->seq, c->encoded);
    return rc == 0 ? krbrepl__journal_row(s, w->txn, c->seq, chain, c->encoded, s->journal != NULL)
                   : rc;
}

int krbrepl__journal_append_encoded(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl__commit *c)
{
    uint8_t before[CHAIN], chain[CHAIN];
    struct krbrepl__state *st = &w->st;
    int rc = krbrepl__chain_get(s, w->txn, st, w->id, st->pos.seq, before);

    if (rc != 0)
        return rc;
    rc = krbrepl__chain_next(s->sha, before, c->encoded, chain);
    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    rc = entry_put(s, w, c, chain);
    if (rc != 0)
        return rc;
    st->pos.seq = c->seq;
    st->pos.epoch = c->epoch;
    memcpy(st->pos.lineage, c->lineage, sizeof st->pos.lineage);
    memcpy(st->pos.chain, chain, CHAIN);
    st->cumulative = c->cumulative;
    st->journal_bytes += c->encoded.len;
    if (st->known_epoch < c->epoch)
        st->known_epoch = c->epoch;
    return 0;
}

int krbrepl__journal_append(krbrepl_store *s, krbrepl__wtxn *w, krbrepl__commit *c)
{
    krbrepl__buf b;
    int rc;

    if (w->st.pos.seq >= KRBREPL__SEQ_MAX)
        return krbrepl__fail(
            KRBREPL__EI(s), KRBREPL_ERR_STATE,
            "store: there is no seq above the last; load the content into a new store");
    c->seq = w->st.pos.seq + 1;
    c->epoch = w->st.pos.epoch;
    memcpy(c->lineage, w->st.pos.lineage, sizeof c->lineage);
    c->time_us = s->sys->wall_us(s->sys->ctx);
    c->cumulative = w->st.cumulative + (c->kind == KRBREPL_COMMIT_CHANGES ? c->nchanges : 0);
    krbrepl__buf_init(&b, KRBREPL_MAX_COMMIT);
    krbrepl__commit_put(&b, c);
    if (b.err == KRBREPL_ERR_TOOBIG) {
        rc = krbrepl__fail(KRBREPL__EI(s), b.err,
                           "commit: larger than %u bytes; make several commits of it",
                           KRBREPL_MAX_COMMIT);
    } else if (b.err != 0) {
        rc = krbrepl__fail_plain(KRBREPL__EI(s), b.err);
    } else {
        c->encoded.data = b.data;
        c->encoded.len = b.len;
        rc = krbrepl__journal_append_encoded(s, w, c);
        c->encoded.data = NULL;
        c->encoded.len = 0;
    }
    krbrepl__buf_free(&b);
    return rc;
}

int krbrepl__journal_restart(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl_pos *pos,
                             uint64_t cumulative, const krbrepl__ancestry *ancestry)
{
    struct krbrepl__state *st = &w->st;
    int rc = krbrepl__chain_set(s, w->txn, pos->seq, pos->chain);

    if (rc == 0)
        rc = krbrepl__meta_set_ancestry(s, w->txn, ancestry);
    if (rc == 0)
        rc = krbrepl__fork_forget(s, w->txn);
    if (rc != 0)
        return rc;
    krbrepl__hostjournal_drop(s);
    st->pos = *pos;
    st->cumulative = cumulative;
    st->journal_first = pos->seq + 1;
    st->journal_bytes = 0;
    st->chains_first = st->chains_pruned = pos->seq;
    if (st->known_epoch < pos->epoch)
        st->known_epoch = pos->epoch;
    krbrepl__follow_role(st);
    return 0;
}
