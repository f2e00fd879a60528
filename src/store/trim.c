/* trim.c: keeps the journal within its retention, and clears away what a switch to another history left.
 *
 * The soft limits (entries, bytes, age) give way to a replica that still needs entries, known by its slot,
 * until the journal reaches the hard cap. Trimming begins a little above a limit and then goes down to it,
 * so that most commits trim nothing. */
#include "hostjournal.h"

#include <string.h>

#include "staging.h"

#define SLACK 64u         /* entries above the limit before trimming begins */
#define DENSE 1000000u    /* so many chains are kept one by one, */
#define SPARSE 1024u      /* and every so many-th of the older ones */
#define CLEAR_ENTRIES 64u /* rubbish removed in one transaction */
#define CLEAR_BYTES (4u << 20)
#define CLEAR_CHAINS 1024u
#define TRIM_ENTRIES 1024u /* in one transaction of a trim that was asked for */

struct limits {
    krbrepl_retention keep;
    uint64_t hold;     /* first seq that somebody needs */
    int64_t oldest_us; /* entries made before this are too old */
};

static uint64_t entries(const struct krbrepl__state *st)
{
    return st->pos.seq + 1 - st->journal_first;
}

/* Far enough above a limit to begin? `age` says whether to look at the oldest entry. */
static int due(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, const struct limits *l,
               int age)
{
    int64_t us;

    if (entries(st) <= 1)
        return 0;
    if (entries(st) > l->keep.entries + SLACK || st->journal_bytes > l->keep.hard_cap ||
        st->journal_bytes > l->keep.bytes + l->keep.bytes / 64)
        return 1;
    return age && l->keep.seconds != 0 &&
           krbrepl__journal_time(s, txn, st, st->journal_first, &us) == 0 && us < l->oldest_us;
}

/* May the oldest entry go now? */
static int may_go(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                  const struct limits *l)
{
    int64_t us;

    if (entries(st) <= 1)
        return 0;
    if (st->journal_bytes > l->keep.hard_cap)
        return 1;
    if (st->journal_first >= l->hold)
        return 0;
    if (entries(st) > l->keep.entries || st->journal_bytes > l->keep.bytes)
        return 1;
    return l->keep.seconds != 0 && krbrepl__journal_time(s, txn, st, st->journal_first, &us) == 0 &&
           us < l->oldest_us;
}

static int limits_get(krbrepl_store *s, MDB_txn *txn, struct limits *l)
{
    int rc = krbrepl__meta_retention(s, txn, &l->keep);

    l->hold = 0;
    l->oldest_us = 0;
    if (rc == 0 && l->keep.seconds != 0 && l->keep.seconds < (uint64_t)INT64_MAX / 1000000)
        l->oldest_us = s->sys->wall_us(s->sys->ctx) - (int64_t)l->keep.seconds * 1000000;
    return rc;
}

static int del_seq(krbrepl_store *s, MDB_txn *txn, unsigned table, uint64_t seq)
{
    uint8_t be[8];
    MDB_val k = {sizeof be, be};
    int rc;

    krbrepl__put_u64(be, seq);
    rc = mdb_del(txn, s->env->dbi[table], &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: trimming");
}

static int trim_one(krbrepl_store *s, krbrepl__wtxn *w)
{
    uint8_t be[8], chain[32];
    MDB_val k = {sizeof be, be}, v;
    uint64_t seq = w->st.journal_first;
    int rc;

    krbrepl__put_u64(be, seq);
    rc = mdb_get(w->txn, s->env->dbi[KRBREPL__DBI_JOURNAL], &k, &v);
    if (rc == 0 && v.mv_size > sizeof chain) {
        memcpy(chain, v.mv_data, sizeof chain);
        w->st.journal_bytes -= krbrepl__journal_len(&v);
        rc = krbrepl__chain_set(s, w->txn, seq, chain);
        if (rc == 0)
            rc = del_seq(s, w->txn, KRBREPL__DBI_JOURNAL, seq);
        if (rc != 0)
            return rc;
    } else if (rc != 0 && rc != MDB_NOTFOUND) {
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "journal: trimming");
    }
    w->st.journal_first++;
    return 0;
}

int krbrepl__trim_all(krbrepl_store *s, krbrepl__wtxn *w)
{
    int rc = 0;

    while (rc == 0 && entries(&w->st) > 0)
        rc = trim_one(s, w);
    return rc;
}

/* Thins out the chains of long ago. */
static int prune_chains(krbrepl_store *s, krbrepl__wtxn *w, unsigned max)
{
    struct krbrepl__state *st = &w->st;
    uint64_t below = st->pos.seq > DENSE ? st->pos.seq - DENSE : 0;
    int rc = 0;

    /* The chain before the oldest entry is needed to verify that entry. */
    if (below >= st->journal_first)
        below = st->journal_first - 1;
    for (; rc == 0 && max > 0 && st->chains_pruned < below; max--, st->chains_pruned++)
        if (st->chains_pruned % SPARSE != 0)
            rc = del_seq(s, w->txn, KRBREPL__DBI_CHAINS, st->chains_pruned);
    return rc;
}

int krbrepl__trim_due(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st)
{
    struct limits l;

    return limits_get(s, txn, &l) == 0 && due(s, txn, st, &l, 1) &&
           krbrepl__slots_hold(s, txn, &l.hold) == 0 && may_go(s, txn, st, &l);
}

int krbrepl__trim(krbrepl_store *s, krbrepl__wtxn *w, unsigned max)
{
    struct limits l;
    unsigned left = max;
    int rc = limits_get(s, w->txn, &l);

    /* The age of the oldest entry costs a look at it, which is taken every 64th commit. */
    if (rc != 0 || !due(s, w->txn, &w->st, &l, max > 64 || w->st.pos.seq % 64 == 0))
        return rc;
    rc = krbrepl__slots_hold(s, w->txn, &l.hold);
    for (; rc == 0 && left > 0 && may_go(s, w->txn, &w->st, &l); left--)
        rc = trim_one(s, w);
    return rc == 0 ? prune_chains(s, w, 2 * max) : rc;
}

/* ---- rubbish of another history -------------------------------------------------------------- */

/* Moves `cur` to a piece of rubbish: an entry below `first`, or above `last`. 1 when there is one. */
static int rubbish_at(MDB_cursor *cur, uint64_t first, uint64_t last, MDB_val *k, MDB_val *v)
{
    if (mdb_cursor_get(cur, k, v, MDB_FIRST) == 0 && k->mv_size == 8 &&
        krbrepl__get_u64(k->mv_data) < first)
        return 1;
    return mdb_cursor_get(cur, k, v, MDB_LAST) == 0 && k->mv_size == 8 &&
           krbrepl__get_u64(k->mv_data) > last;
}

static int rubbish_any(krbrepl_store *s, const krbrepl__rtxn *r)
{
    MDB_cursor *cur = NULL;
    MDB_val k, v;
    int any = 0;

    if (mdb_cursor_open(r->txn, s->env->dbi[KRBREPL__DBI_JOURNAL], &cur) == 0) {
        any = rubbish_at(cur, r->st.journal_first, r->st.pos.seq, &k, &v);
        mdb_cursor_close(cur);
    }
    if (!any && mdb_cursor_open(r->txn, s->env->dbi[KRBREPL__DBI_CHAINS], &cur) == 0) {
        any = rubbish_at(cur, r->st.chains_first, UINT64_MAX, &k, &v);
        mdb_cursor_close(cur);
    }
    return any;
}

static int clear_table(krbrepl_store *s, krbrepl__wtxn *w, unsigned table, uint64_t first,
                       uint64_t last, unsigned max)
{
    MDB_cursor *cur = NULL;
    MDB_val k, v;
    size_t bytes = 0;
    int rc = mdb_cursor_open(w->txn, s->env->dbi[table], &cur);

    while (rc == 0 && max-- > 0 && bytes < CLEAR_BYTES && rubbish_at(cur, first, last, &k, &v)) {
        bytes += v.mv_size;
        rc = mdb_cursor_del(cur, 0);
    }
    if (cur != NULL)
        mdb_cursor_close(cur);
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: clearing away an old history");
}

static int upkeep_write(krbrepl_store *s)
{
    krbrepl__wtxn w;
    int cut = 0, rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    rc = krbrepl__trim(s, &w, 2 * SLACK);
    if (rc == 0)
        rc = clear_table(s, &w, KRBREPL__DBI_JOURNAL, w.st.journal_first, w.st.pos.seq, CLEAR_ENTRIES);
    if (rc == 0)
        rc = clear_table(s, &w, KRBREPL__DBI_CHAINS, w.st.chains_first, UINT64_MAX, CLEAR_CHAINS);
    if (rc == 0)
        rc = cut = krbrepl__hostjournal_cut(s, &w);
    /* What a host does not free is asked for again; the store's own file must not grow for that. */
    if (rc == 0 || cut == KRBREPL_ERR_HOST)
        rc = krbrepl__wtxn_commit(s, &w);
    else
        krbrepl__wtxn_abort(s, &w);
    return rc != 0 ? rc : cut;
}

/* One transaction of a trim that was asked for. The chains of the entries stay, as with any trimming. */
static int trim_some(krbrepl_store *s, uint64_t keep, uint64_t *n)
{
    struct limits l;
    krbrepl__wtxn w;
    int rc = krbrepl__wtxn_begin(s, &w);

    *n = 0;
    if (rc != 0)
        return rc;
    rc = krbrepl__slots_hold(s, w.txn, &l.hold);
    while (rc == 0 && *n < TRIM_ENTRIES && entries(&w.st) > keep && w.st.journal_first < l.hold) {
        rc = trim_one(s, &w);
        ++*n;
    }
    if (rc == 0)
        rc = prune_chains(s, &w, 2 * TRIM_ENTRIES);
    if (rc == 0)
        return krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__store_trim(krbrepl_store *s, uint64_t keep, uint64_t *dropped)
{
    uint64_t n = 0;
    int rc;

    /* In pieces, so that no writer waits long. */
    do {
        rc = trim_some(s, keep != 0 ? keep : 1, &n);
        if (rc == 0)
            *dropped += n;
    } while (rc == 0 && n == TRIM_ENTRIES);
    return rc;
}

int krbrepl__store_upkeep(krbrepl_store *s)
{
    krbrepl__rtxn r;
    int dead, work, other, rc, wrote = 0;

    (void)mdb_reader_check(s->env->mdb, &dead);
    rc = krbrepl__rtxn_begin(s, &r);
    if (rc != 0)
        return rc;
    /* A look first: the writer lock is not taken for nothing. */
    work = krbrepl__trim_due(s, r.txn, &r.st) || rubbish_any(s, &r) ||
           krbrepl__hostjournal_untidy(s, r.txn, &r.st);
    other = r.st.other != KRBREPL__OTHER_EMPTY;
    krbrepl__rtxn_end(s, &r);
    if (work) {
        wrote = upkeep_write(s);
        if (wrote != KRBREPL_ERR_HOST)
            return wrote != 0 ? wrote : 1;
    }
    rc = other ? krbrepl__empty_other(s) : 0;
    if (rc == 0)
        rc = krbrepl__staging_clear(s);
    return rc != 0 ? rc : wrote;
}
