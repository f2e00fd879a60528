/* hostjournal.c: what goes to the host's journal, and what comes from it. */
#include "hostjournal.h"

#include <string.h>

#define CUT "journal.cut" /* in `meta`: the first seq that the host was told to keep */

int krbrepl__hostjournal_new(struct krbrepl__hostjournal **out, const krbrepl_journal_ops *ops,
                             void *ctx, krbrepl_errinfo *ei)
{
    struct krbrepl__hostjournal *j;

    *out = NULL;
    if (ops->append == NULL || ops->read == NULL || ops->cut == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID,
                             "store: the callbacks of a host's journal are append, read and cut");
    j = krbrepl__alloc(sizeof *j);
    if (j == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    j->ops = *ops;
    j->ctx = ctx;
    krbrepl__buf_init(&j->value, KRBREPL_MAX_COMMIT);
    krbrepl__buf_init(&j->bytes, 0);
    krbrepl__buf_init(&j->ends, 0);
    *out = j;
    return 0;
}

static void forget(struct krbrepl__hostjournal *j)
{
    krbrepl__buf_free(&j->bytes);
    krbrepl__buf_free(&j->ends);
    j->n = 0;
    j->given = 0;
}

void krbrepl__hostjournal_free(struct krbrepl__hostjournal *j)
{
    if (j == NULL)
        return;
    forget(j);
    krbrepl__buf_free(&j->value);
    krbrepl__free(j, sizeof *j);
}

int krbrepl__store_journaled(const krbrepl_store *s)
{
    return s->journaled;
}

static int failed(krbrepl_store *s, int code, const char *what)
{
    const int rc =
        krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_HOST,
                      "%s: the host's journal answered %d; look at what it logged", what, code);

    s->ei.host_code = code;
    return rc;
}

/* ---- what the open transaction appends ------------------------------------------------------ */

static krbrepl_bytes added(const struct krbrepl__hostjournal *j, size_t i)
{
    const uint64_t from = i == 0 ? 0 : krbrepl__get_u64(j->ends.data + 8 * (i - 1));

    return (krbrepl_bytes){j->bytes.data + from, krbrepl__get_u64(j->ends.data + 8 * i) - from};
}

static int add(krbrepl_store *s, uint64_t seq, krbrepl_bytes commit)
{
    struct krbrepl__hostjournal *j = s->journal;

    if (j->n == 0)
        j->first = seq;
    krbrepl__buf_bytes(&j->bytes, commit.data, commit.len);
    krbrepl__buf_u64(&j->ends, j->bytes.len);
    if (j->bytes.err != 0 || j->ends.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    j->n++;
    j->given = 0;
    return 0;
}

/* The commits that end at `seq` and lie in rows, because there were no callbacks when they were made. */
static int add_from_rows(krbrepl_store *s, krbrepl__wtxn *w, uint64_t seq)
{
    uint64_t from = seq + 1;
    krbrepl_bytes commit;
    uint8_t chain[32];
    int rc = 0;

    while (from > w->st.journal_first && krbrepl__journal_in_row(s, w->txn, from - 1))
        from--;
    for (; rc == 0 && from <= seq; from++) {
        rc = krbrepl__journal_get(s, w->txn, &w->st, w->id, from, &commit, chain);
        if (rc == 0)
            rc = add(s, from, commit);
        if (rc == 0)
            rc = krbrepl__journal_row(s, w->txn, from, chain, added(s->journal, s->journal->n - 1), 1);
    }
    return rc;
}

int krbrepl__hostjournal_add(krbrepl_store *s, krbrepl__wtxn *w, uint64_t seq, krbrepl_bytes commit)
{
    int rc = s->journal->n == 0 ? add_from_rows(s, w, seq - 1) : 0;

    return rc == 0 ? add(s, seq, commit) : rc;
}

void krbrepl__hostjournal_drop(krbrepl_store *s)
{
    if (s->journal == NULL)
        return;
    s->journal->tidy = 0;
    forget(s->journal);
}

/* ---- reading -------------------------------------------------------------------------------- */

int krbrepl__hostjournal_read(krbrepl_store *s, uint64_t seq, krbrepl_bytes *commit)
{
    struct krbrepl__hostjournal *j = s->journal;
    krbrepl_bytes theirs = {NULL, 0};
    int rc;

    if (j == NULL)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "journal: the commits of this store are in its host's journal; only the "
                             "host's programs can read or write them");
    if (j->n != 0 && seq >= j->first && seq - j->first < j->n) {
        *commit = added(j, (size_t)(seq - j->first));
        return 0;
    }
    j->calling++;
    rc = j->ops.read(j->ctx, seq, &theirs);
    j->calling--;
    if (rc == KRBREPL_ERR_NOTFOUND)
        return rc;
    if (rc != 0)
        return failed(s, rc, "journal: reading a commit");
    krbrepl__buf_reset(&j->value);
    krbrepl__buf_bytes(&j->value, theirs.data, theirs.len);
    if (j->value.err ==
        KRBREPL_ERR_TOOBIG) /* no commit is so large: whatever it is, it is not this one */
        krbrepl__buf_free(&j->value);
    else if (j->value.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), j->value.err);
    *commit = (krbrepl_bytes){j->value.data, j->value.len};
    return 0;
}

/* ---- around a write transaction ------------------------------------------------------------- */

void krbrepl__hostjournal_begin(krbrepl_store *s, const krbrepl__wtxn *w)
{
    if (s->journal == NULL)
        return;
    forget(s->journal);
    s->journal->writer = w->txn;
}

void krbrepl__hostjournal_ended(krbrepl_store *s, int committed)
{
    if (s->journal == NULL)
        return;
    /* What the host has of a transaction that came to nothing is rubbish. */
    if (s->journal->given && !committed)
        s->journal->tidy = 0;
    s->journal->writer = NULL;
    forget(s->journal);
}

int krbrepl__hostjournal_untidy(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st)
{
    krbrepl_bytes v;

    if (s->journal == NULL)
        return 0;
    return !s->journal->tidy || krbrepl__meta_get(s, txn, CUT, &v) != 0 || v.len != 8 ||
           krbrepl__get_u64(v.data) != st->journal_first;
}

/* By the state that the transaction began with: it is durable, and what it does not name is named by nobody. */
int krbrepl__hostjournal_cut(krbrepl_store *s, krbrepl__wtxn *w)
{
    struct krbrepl__hostjournal *j = s->journal;
    uint8_t be[8];
    int rc;

    if (!krbrepl__hostjournal_untidy(s, w->txn, &w->was))
        return 0;
    j->calling++;
    rc = j->ops.cut(j->ctx, w->was.journal_first, w->was.pos.seq);
    j->calling--;
    if (rc != 0)
        return failed(s, rc, "journal: cutting what is not wanted any more");
    j->tidy = 1;
    krbrepl__put_u64(be, w->was.journal_first);
    return krbrepl__meta_put(s, w->txn, CUT, be, sizeof be);
}

static int append(krbrepl_store *s)
{
    struct krbrepl__hostjournal *j = s->journal;
    krbrepl_bytes *commit = krbrepl__alloc_array(j->n, sizeof *commit);
    size_t i;
    int rc;

    if (commit == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    for (i = 0; i < j->n; i++)
        commit[i] = added(j, i);
    j->given = 1; /* some of it, however the call ends */
    j->calling++;
    rc = j->ops.append(j->ctx, j->first, commit, j->n);
    j->calling--;
    krbrepl__free(commit, j->n * sizeof *commit);
    return rc != 0 ? failed(s, rc, "journal: writing commits") : 0;
}

int krbrepl__hostjournal_give(krbrepl_store *s, krbrepl__wtxn *w)
{
    int rc;

    if (s->journal == NULL || s->journal->n == 0 || s->journal->given)
        return 0;
    /* That the host does not free room is no reason not to commit: it is asked again. */
    rc = krbrepl__hostjournal_cut(s, w);
    return rc == 0 || rc == KRBREPL_ERR_HOST ? append(s) : rc;
}
