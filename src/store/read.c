/* read.c: reading the journal: for callers, and for the stream. */
#include "impl.h"

#include <string.h>

static int trimmed(krbrepl_store *s, uint64_t from, const struct krbrepl__state *st)
{
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TRIMMED,
                         "journal: begins at commit %llu, so %llu is not there any more; copy the "
                         "database instead",
                         (unsigned long long)st->journal_first, (unsigned long long)from);
}

/* ---- for callers ---------------------------------------------------------------------------- */

/* A commit in the shape of the public header. The strings and arrays are ours, the rest is borrowed. */
struct shown {
    krbrepl_commit c;
    char who[KRBREPL__MAX_ORIGIN + 1], why[KRBREPL__MAX_ORIGIN + 1];
    struct one {
        krbrepl_change c;
        char table[KRBREPL_MAX_TABLE + 1];
    } * one;
    const krbrepl_change **at;
    size_t room; /* of both arrays */
};

static void shown_free(struct shown *sh)
{
    krbrepl__free(sh->one, sh->room * sizeof *sh->one);
    krbrepl__free(sh->at, sh->room * sizeof *sh->at);
    krbrepl__free(sh, sizeof *sh);
}

static int shown_reserve(struct shown *sh, size_t n)
{
    if (n <= sh->room)
        return 0;
    krbrepl__free(sh->one, sh->room * sizeof *sh->one);
    krbrepl__free(sh->at, sh->room * sizeof *sh->at);
    sh->room = 0;
    sh->one = krbrepl__alloc_array(n, sizeof *sh->one);
    sh->at = krbrepl__alloc_array(n, sizeof *sh->at);
    if (sh->one == NULL || sh->at == NULL) {
        krbrepl__free(sh->one, n * sizeof *sh->one);
        krbrepl__free(sh->at, n * sizeof *sh->at);
        sh->one = NULL;
        sh->at = NULL;
        return KRBREPL_ERR_NOMEM;
    }
    sh->room = n;
    return 0;
}

static int shown_changes(struct shown *sh, const krbrepl__commit *c)
{
    krbrepl__change_it it;
    krbrepl__change_view v;
    size_t n = 0;
    int more, rc = shown_reserve(sh, c->nchanges);

    if (rc != 0)
        return rc;
    krbrepl__commit_each(c, &it);
    while ((more = krbrepl__commit_next(&it, &v)) == 1) {
        struct one *o = &sh->one[n];

        memcpy(o->table, v.table, sizeof o->table);
        KRBREPL_INIT(&o->c);
        o->c.table = o->table;
        o->c.key = v.key;
        o->c.value = v.value;
        o->c.op = v.op;
        sh->at[n++] = &o->c;
    }
    return more;
}

static int shown_fill(struct shown *sh, krbrepl_bytes encoded, const uint8_t chain[32])
{
    krbrepl__commit c;
    int rc = krbrepl__commit_decode(encoded, &c);

    if (rc == 0 && c.kind == KRBREPL_COMMIT_CHANGES)
        rc = shown_changes(sh, &c);
    if (rc != 0)
        return rc;
    memcpy(sh->who, c.who.data, c.who.len);
    sh->who[c.who.len] = '\0';
    memcpy(sh->why, c.why.data, c.why.len);
    sh->why[c.why.len] = '\0';
    KRBREPL_INIT(&sh->c);
    sh->c.kind = c.kind;
    memcpy(sh->c.pos.lineage, c.lineage, sizeof sh->c.pos.lineage);
    sh->c.pos.epoch = c.epoch;
    sh->c.pos.seq = c.seq;
    memcpy(sh->c.pos.chain, chain, sizeof sh->c.pos.chain);
    sh->c.time_us = c.time_us;
    sh->c.cumulative = c.cumulative;
    sh->c.who = sh->who;
    sh->c.why = sh->why;
    sh->c.changes = sh->at;
    sh->c.nchanges = c.nchanges;
    sh->c.records = c.records;
    memcpy(sh->c.root, c.root, sizeof sh->c.root);
    sh->c.cause = c.cause;
    sh->c.bytes = encoded.len;
    return 0;
}

/* Where a walk is. Each commit is copied under a short view of its own. */
struct walk {
    uint64_t next;     /* 0: not begun */
    uint64_t to;       /* 0: the last there is */
    uint8_t chain[32]; /* before `next`, once one was read */
    int begun;
    krbrepl__buf copy;
};

/* Copies the next commit. NOTFOUND at the end. */
static int walk_next(krbrepl_store *s, struct walk *w, uint8_t chain[32])
{
    krbrepl__rtxn r;
    krbrepl_bytes v;
    uint8_t before[32];
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    if (w->next == 0)
        w->next = r.st.journal_first;
    if (w->next < r.st.journal_first && w->next <= r.st.pos.seq)
        rc = trimmed(s, w->next, &r.st);
    else if (w->to != 0 && w->next > w->to)
        rc = KRBREPL_ERR_NOTFOUND;
    else
        rc = krbrepl__journal_get(s, r.txn, &r.st, r.id, w->next, &v, chain);
    if (rc == 0 && w->begun)
        rc = krbrepl__chain_get(s, r.txn, &r.st, r.id, w->next - 1, before);
    if (rc == 0 && w->begun && memcmp(before, w->chain, sizeof before) != 0)
        rc =
            krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CONFLICT,
                          "journal: the store went over to another history while its journal was read; "
                          "begin again");
    if (rc == 0) {
        krbrepl__buf_reset(&w->copy);
        krbrepl__buf_bytes(&w->copy, v.data, v.len);
        rc = w->copy.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), w->copy.err) : 0;
    }
    krbrepl__rtxn_end(s, &r);
    return rc;
}

int krbrepl__journal_each(krbrepl_store *s, uint64_t from, uint64_t to, krbrepl_commit_fn *fn,
                          void *ctx)
{
    struct shown *sh = krbrepl__alloc(sizeof *sh);
    struct walk w = {from, to, {0}, 0, {0}};
    krbrepl_bytes v;
    uint8_t chain[32];
    int rc = 0;

    if (sh == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    krbrepl__buf_init(&w.copy, 0);
    while (rc == 0 && (rc = walk_next(s, &w, chain)) == 0) {
        v.data = w.copy.data;
        v.len = w.copy.len;
        rc = shown_fill(sh, v, chain);
        if (rc != 0) {
            rc = krbrepl__fail(KRBREPL__EI(s), rc == KRBREPL_ERR_PROTO ? KRBREPL_ERR_CORRUPT : rc,
                               "journal: commit %llu cannot be decoded (%s)",
                               (unsigned long long)w.next, krbrepl_err_name(rc));
            break;
        }
        memcpy(w.chain, chain, sizeof w.chain);
        w.begun = 1;
        w.next++;
        rc = fn(ctx, &sh->c);
        if (rc != 0)
            goto done;
    }
    if (rc == KRBREPL_ERR_NOTFOUND)
        rc = 0;
done:
    krbrepl__buf_free(&w.copy);
    shown_free(sh);
    return rc;
}

/* ---- for the stream ------------------------------------------------------------------------- */

/* The kind is the second byte of an encoding (commit.h). */
static int is_reset(krbrepl_bytes v)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, v.data, v.len);
    (void)krbrepl__rd_u8(&r);
    return krbrepl__rd_u8(&r) == KRBREPL_COMMIT_RESET;
}

int krbrepl__store_read_commits(krbrepl_store *s, uint64_t from, size_t max, krbrepl__buf *out,
                                krbrepl__batch *info)
{
    size_t begin = out->len;
    krbrepl__rtxn r;
    krbrepl_bytes v;
    int rc = krbrepl__rtxn_begin(s, &r);

    memset(info, 0, sizeof *info);
    info->next = from;
    if (rc != 0)
        return rc;
    if (from < r.st.journal_first)
        rc = trimmed(s, from, &r.st);
    while (rc == 0 && info->next <= r.st.pos.seq && (info->count == 0 || out->len - begin < max)) {
        rc = krbrepl__journal_get(s, r.txn, &r.st, r.id, info->next, &v, NULL);
        if (rc == 0 && is_reset(v)) {
            info->reset = 1;
            break;
        }
        if (rc == 0)
            krbrepl__buf_vec32(out, v.data, v.len);
        if (rc == 0 && out->err != 0)
            rc = krbrepl__fail_plain(KRBREPL__EI(s), out->err);
        if (rc == 0) {
            info->next++;
            info->count++;
        }
    }
    krbrepl__rtxn_end(s, &r);
    return rc;
}

#define CHECK_BYTES (1u << 20) /* whoever checks them looks at the clock between two calls */

int krbrepl__store_check_commits(krbrepl_store *s, uint64_t *next, uint64_t to, size_t n, int *end)
{
    krbrepl__rtxn r;
    krbrepl_bytes v = {NULL, 0};
    size_t bytes = 0;
    int rc = krbrepl__rtxn_begin(s, &r);

    *end = 0;
    if (rc != 0)
        return rc;
    if (*next < r.st.journal_first)
        *next = r.st.journal_first;
    if (to > r.st.pos.seq)
        to = r.st.pos.seq;
    for (; rc == 0 && n > 0 && bytes < CHECK_BYTES && *next <= to; n--) {
        rc = krbrepl__journal_get(s, r.txn, &r.st, r.id, *next, &v, NULL);
        bytes += rc == 0 ? v.len : 0;
        *next += rc == 0;
    }
    *end = *next > to;
    krbrepl__rtxn_end(s, &r);
    return rc;
}

int krbrepl__store_chain_at(krbrepl_store *s, uint64_t seq, uint8_t chain[32])
{
    krbrepl__rtxn r;
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    rc = krbrepl__chain_get(s, r.txn, &r.st, r.id, seq, chain);
    krbrepl__rtxn_end(s, &r);
    if (rc == KRBREPL_ERR_NOTFOUND)
        krbrepl__fail(KRBREPL__EI(s), rc, "chains: the chain at commit %llu is not kept",
                      (unsigned long long)seq);
    return rc;
}

int krbrepl__store_time_at(krbrepl_store *s, uint64_t seq, int64_t *us)
{
    krbrepl__rtxn r;
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    rc = krbrepl__journal_time(s, r.txn, &r.st, seq, us);
    krbrepl__rtxn_end(s, &r);
    if (rc == KRBREPL_ERR_NOTFOUND)
        krbrepl__fail(KRBREPL__EI(s), rc, "journal: commit %llu is not in it", (unsigned long long)seq);
    return rc;
}
