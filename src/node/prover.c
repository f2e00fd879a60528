#include "prover.h"

#include <stdio.h>
#include <string.h>

#include "errinfo.h"
#include "mem.h"
#include "sha.h"

#define JOURNAL_BYTES 65536u /* of commits in one slice */
#define ROOT_LEAVES 8192u    /* whose digests are summed up in one slice */
#define SUSPECTS 16u         /* remembered at a time; what is forgotten is found by a scrub */

/* What a read transaction is kept for. */
enum task { NOTHING = 0, PROOF, FREEZE };

struct krbrepl__prover {
    krbrepl_store *s;
    krbrepl__sha *sha;
    krbrepl__dtree *tree; /* NULL: it is to be built */
    krbrepl_pos at;       /* the journal was followed up to here; only seq and chain are kept up */
    unsigned live;        /* the generation that the tree is of */
    int ready;
    krbrepl__scan *scan;      /* the read transaction of a proof, or of a slice */
    krbrepl__scan_at to;      /* what it reads */
    enum task running;        /* of to.pos */
    int freeze;               /* a tree is asked for */
    size_t scrub;             /* leaves to be read again */
    int scrub_all;            /* or all, up to the last */
    krbrepl__ckey scrub_next; /* where the one begins that is next; empty: the first */
    krbrepl__ckey suspect[SUSPECTS];
    size_t nsuspects;
    int as_found;
    int damaged; /* what this scan has found was noted */
    int news;    /* `text` is to be told */
    char text[KRBREPL__NEWS_TEXT];
    const atomic_int *stop;
    krbrepl__buf batch;
};

int krbrepl__prover_new(krbrepl__prover **out, krbrepl_store *s)
{
    krbrepl__prover *p = krbrepl__alloc(sizeof *p);

    *out = NULL;
    if (p == NULL)
        return KRBREPL_ERR_NOMEM;
    p->s = s;
    krbrepl__buf_init(&p->batch, 0);
    p->sha = krbrepl__sha_new();
    if (p->sha == NULL) {
        krbrepl__prover_free(p);
        return KRBREPL_ERR_NOMEM;
    }
    *out = p;
    return 0;
}

static void scan_end(krbrepl__prover *p)
{
    krbrepl__store_scan_close(p->scan);
    p->scan = NULL;
    p->running = NOTHING;
    p->damaged = 0;
}

static void take_scan(krbrepl__prover *p, krbrepl__scan *scan)
{
    p->scan = scan;
    if (p->as_found)
        krbrepl__store_scan_as_found(scan);
}

static int scan_begin(krbrepl__prover *p)
{
    krbrepl__scan *scan;
    int rc = krbrepl__store_scan_open(p->s, &scan, &p->to);

    if (rc == 0)
        take_scan(p, scan);
    return rc;
}

void krbrepl__prover_free(krbrepl__prover *p)
{
    if (p == NULL)
        return;
    scan_end(p);
    krbrepl__dtree_free(p->tree);
    krbrepl__sha_free(p->sha);
    krbrepl__buf_free(&p->batch);
    krbrepl__free(p, sizeof *p);
}

static void scrub_end(krbrepl__prover *p)
{
    p->scrub = p->scrub_next.len = 0;
    p->scrub_all = 0;
}

void krbrepl__prover_reset(krbrepl__prover *p)
{
    scan_end(p);
    krbrepl__dtree_free(p->tree);
    p->tree = NULL;
    p->ready = 0;
    p->nsuspects = 0;
    scrub_end(p);
}

void krbrepl__prover_as_found(krbrepl__prover *p)
{
    p->as_found = 1;
}

void krbrepl__prover_stop_at(krbrepl__prover *p, const atomic_int *stop)
{
    p->stop = stop;
}

int krbrepl__prover_ready(const krbrepl__prover *p)
{
    return p->ready;
}

int krbrepl__prover_running(const krbrepl__prover *p)
{
    return p->running == PROOF;
}

int krbrepl__prover_at_leisure(const krbrepl__prover *p)
{
    return p->ready && p->running == NOTHING && !p->freeze && p->nsuspects == 0;
}

size_t krbrepl__prover_leaves(const krbrepl__prover *p)
{
    return p->tree != NULL ? krbrepl__dtree_leaves(p->tree) : 0;
}

size_t krbrepl__prover_memory(const krbrepl__prover *p)
{
    return p->tree != NULL ? krbrepl__dtree_memory(p->tree) : 0;
}

void krbrepl__prover_scrub(krbrepl__prover *p, size_t leaves)
{
    if (!p->ready)
        return;
    if (leaves >= krbrepl__dtree_leaves(p->tree)) {
        p->scrub_all = 1;
        p->scrub_next.len = 0;
    } else if (p->scrub < leaves) {
        p->scrub = leaves;
    }
}

/* Leaves come and go before the one that is next: it is known by its key. */
static size_t scrub_at(const krbrepl__prover *p)
{
    const krbrepl__ckey *k = &p->scrub_next;

    return k->len != 0 ? krbrepl__dtree_find(p->tree, k->b, k->len) : 0;
}

/* Whoever sees none left takes all that was read as sound, so what was found and is not told yet counts as one. */
size_t krbrepl__prover_scrubs(const krbrepl__prover *p)
{
    const size_t left = p->scrub_all ? krbrepl__dtree_leaves(p->tree) - scrub_at(p) : p->scrub;

    return left + (p->news != 0);
}

int krbrepl__prover_begin(krbrepl__prover *p, krbrepl_pos *at)
{
    int rc;

    scan_end(p);
    if (!p->ready)
        return KRBREPL_ERR_STATE;
    rc = scan_begin(p);
    if (rc != 0)
        return rc;
    p->running = PROOF;
    *at = p->to.pos;
    return 0;
}

int krbrepl__prover_begin_with(krbrepl__prover *p, krbrepl__scan *scan, const krbrepl__scan_at *at)
{
    scan_end(p);
    krbrepl__store_scan_give(scan, p->s);
    if (!p->ready) {
        krbrepl__store_scan_close(scan);
        return KRBREPL_ERR_STATE;
    }
    take_scan(p, scan);
    p->to = *at;
    p->running = PROOF;
    return 0;
}

void krbrepl__prover_freeze(krbrepl__prover *p)
{
    p->freeze = 1;
}

void krbrepl__prover_suspect(krbrepl__prover *p, const void *ckey, size_t len)
{
    krbrepl__ckey *k = &p->suspect[p->nsuspects];

    /* While the tree is built, every record is read anyway. */
    if (!p->ready || p->nsuspects == SUSPECTS || len == 0 || len > sizeof k->b)
        return;
    memcpy(k->b, ckey, len);
    k->len = len;
    p->nsuspects++;
}

void krbrepl__prover_touch(krbrepl__prover *p, const void *ckey, size_t len)
{
    if (p->tree != NULL)
        krbrepl__dtree_touch(p->tree, ckey, len);
}

void krbrepl__prover_moved(krbrepl__prover *p, const krbrepl_pos *from, const krbrepl_pos *to)
{
    if (p->at.seq != from->seq || memcmp(p->at.chain, from->chain, sizeof p->at.chain) != 0) {
        krbrepl__prover_reset(p);
        return;
    }
    scan_end(p);
    p->at = *to;
}

/* ---- following the journal ------------------------------------------------------------------ */

static int touch_all(krbrepl__prover *p, const krbrepl__commit *c)
{
    krbrepl__change_it it;
    krbrepl__change_view v;
    krbrepl__ckey k;
    int more, rc = 0;

    if (c->kind != KRBREPL_COMMIT_CHANGES)
        return 0;
    krbrepl__commit_each(c, &it);
    while (rc == 0 && (more = krbrepl__commit_next(&it, &v)) != 0) {
        if (more < 0)
            return more;
        rc = krbrepl__ckey_make(p->sha, v.table, v.table_len, v.key, &k);
        if (rc == 0)
            krbrepl__dtree_touch(p->tree, k.b, k.len);
    }
    return rc;
}

/* Begins the tree anew, at the position that is being read. */
static int start_over(krbrepl__prover *p)
{
    krbrepl__dtree_free(p->tree);
    p->ready = 0;
    scrub_end(p);
    p->at = p->to.pos;
    p->live = p->to.live;
    p->tree = krbrepl__dtree_new(p->to.database_id);
    return p->tree != NULL ? 0 : KRBREPL_ERR_NOMEM;
}

/* Whether the journal leads from where the tree is to where the store is. */
static int leads_on(krbrepl__prover *p)
{
    uint8_t chain[32];

    if (p->tree == NULL || p->live != p->to.live || p->at.seq > p->to.pos.seq)
        return 0;
    if (p->at.seq == p->to.pos.seq)
        return memcmp(p->at.chain, p->to.pos.chain, sizeof chain) == 0;
    return p->at.seq == 0 || (krbrepl__store_chain_at(p->s, p->at.seq, chain) == 0 &&
                              memcmp(p->at.chain, chain, sizeof chain) == 0);
}

/* Takes what the commits of a batch changed, not beyond the position that is being read. Each is followed
 * by its chain, so that the next batch is known to belong to it. */
static int take_batch(krbrepl__prover *p)
{
    krbrepl__commit c;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__rd_init(&r, p->batch.data, p->batch.len);
    while (rc == 0 && r.left != 0 && p->at.seq < p->to.pos.seq) {
        rc = krbrepl__commit_decode(krbrepl__rd_vec32(&r), &c);
        if (rc == 0)
            rc = touch_all(p, &c);
        if (rc == 0)
            rc = p->at.seq == 0 ? krbrepl__chain_first(p->sha, p->to.database_id, p->at.chain) : 0;
        if (rc == 0)
            rc = krbrepl__chain_next(p->sha, p->at.chain, c.encoded, p->at.chain);
        if (rc == 0)
            p->at.seq = c.seq;
    }
    return rc;
}

/* 1: there is more to follow; 0: the tree knows of all changes up to the position that is being read. */
static int follow(krbrepl__prover *p)
{
    krbrepl__batch info;
    int rc;

    if (!leads_on(p))
        return start_over(p);
    if (p->at.seq == p->to.pos.seq)
        return 0;
    krbrepl__buf_reset(&p->batch);
    rc = krbrepl__store_read_commits(p->s, p->at.seq + 1, JOURNAL_BYTES, &p->batch, &info);
    if (rc == KRBREPL_ERR_TRIMMED || (rc == 0 && info.count == 0))
        return start_over(p); /* the journal does not reach back, or the content was replaced */
    if (rc == 0)
        rc = take_batch(p);
    if (p->batch.cap > 4 * JOURNAL_BYTES)
        krbrepl__buf_free(&p->batch);
    return rc != 0 ? rc : p->at.seq != p->to.pos.seq;
}

/* ---- slices --------------------------------------------------------------------------------- */

static int src_seek(void *ctx, const void *from, size_t len)
{
    return krbrepl__store_scan_seek(((krbrepl__prover *)ctx)->scan, from, len);
}

static int src_next(void *ctx, krbrepl_bytes *ckey, const uint8_t **rdigest)
{
    krbrepl__prover *p = ctx;

    if (p->stop != NULL && atomic_load(p->stop) != 0)
        return krbrepl__fail(krbrepl__store_ei(p->s), KRBREPL_ERR_STATE,
                             "digest: the node is being stopped");
    return krbrepl__store_scan_next(p->scan, ckey, rdigest);
}

/* News come one at a time: this is told with the next slice. */
static void note_damage(krbrepl__prover *p)
{
    const char *what = krbrepl__store_scan_damage(p->scan);

    if (what == NULL || p->damaged)
        return;
    p->damaged = p->news = 1;
    snprintf(p->text, sizeof p->text, "the record %s does not match its checksum", what);
}

/* The first key of a leaf, for people: "TABLE KEY". */
static void name_key(krbrepl_bytes ckey, char *out, size_t n)
{
    const uint8_t *p = ckey.data;
    size_t i, at = 0;

    for (i = 0; i < ckey.len && i < 100 && at + 2 < n; i++)
        out[at++] = (char)(p[i] == 0 ? ' ' : p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '?');
    out[at] = '\0';
}

/* Reads leaf `i` again. */
static int recheck(krbrepl__prover *p, const krbrepl__dtree_source *src, size_t i)
{
    krbrepl_bytes first = {NULL, 0};
    char key[128];
    int rc = krbrepl__dtree_recheck(p->tree, src, i, &first);

    if (rc <= 0)
        return rc;
    if (krbrepl__store_scan_damage(p->scan) == NULL) {
        name_key(first, key, sizeof key);
        snprintf(p->text, sizeof p->text, "a record was altered without a commit, at or soon after %s",
                 key);
        p->news = 1;
    }
    return 0;
}

/* The leaf that is read now; the one behind it is next. */
static size_t scrub_step(krbrepl__prover *p)
{
    const size_t at = scrub_at(p);
    krbrepl__dtree_leaf behind;

    p->scrub -= p->scrub != 0;
    if (at + 1 >= krbrepl__dtree_leaves(p->tree)) {
        p->scrub_next.len = 0;
        p->scrub_all = 0;
        return at;
    }
    krbrepl__dtree_leaf_at(p->tree, at + 1, &behind);
    memcpy(p->scrub_next.b, behind.key.data, behind.key.len);
    p->scrub_next.len = behind.key.len;
    return at;
}

static int recheck_next(krbrepl__prover *p, const krbrepl__dtree_source *src)
{
    const krbrepl__ckey *k;

    if (p->nsuspects != 0) {
        k = &p->suspect[--p->nsuspects];
        return recheck(p, src, krbrepl__dtree_find(p->tree, k->b, k->len));
    }
    return recheck(p, src, scrub_step(p));
}

static int has_rechecks(const krbrepl__prover *p)
{
    return p->scrub != 0 || p->scrub_all || p->nsuspects != 0;
}

static int prove(krbrepl__prover *p, krbrepl__proof *out)
{
    int rc = krbrepl__dtree_root(p->tree, ROOT_LEAVES, out->root);

    if (rc != 0)
        return rc;
    out->pos = p->to.pos;
    return KRBREPL__PROVER_PROVED;
}

static int freeze(krbrepl__prover *p, krbrepl__proof *out)
{
    int rc = krbrepl__dtree_freeze(p->tree, &out->tree);

    if (rc != 0)
        return rc;
    krbrepl__ftree_root(out->tree, out->root);
    out->pos = p->to.pos;
    out->cumulative = p->to.cumulative;
    out->records = p->to.records;
    p->freeze = 0;
    return KRBREPL__PROVER_FROZEN;
}

/* The tree is that of the position. */
static int whole(krbrepl__prover *p, const krbrepl__dtree_source *src, krbrepl__proof *out)
{
    int rc = 0;

    p->ready = 1;
    if (p->running == PROOF)
        return prove(p, out);
    if (p->freeze)
        return freeze(p, out);
    if (has_rechecks(p))
        rc = recheck_next(p, src);
    return rc != 0 ? rc : has_rechecks(p);
}

static int slice(krbrepl__prover *p, size_t records, krbrepl__proof *out)
{
    krbrepl__dtree_source src = {p, src_seek, src_next};
    int rc = follow(p);

    /* The tree had to begin anew: what was to be proved is passed before that is done. */
    if (p->running && !p->ready)
        scan_end(p);
    if (p->scan == NULL)
        return rc < 0 ? rc : KRBREPL__PROVER_MORE;
    /* A tree that is being built is read and follows by turns. */
    if (rc < 0 || (rc == 1 && (p->ready || p->running)))
        return rc;
    if (krbrepl__dtree_dirty(p->tree) != 0) {
        int dirty = krbrepl__dtree_rehash(p->tree, &src, records);

        return dirty < 0 ? dirty : KRBREPL__PROVER_MORE;
    }
    return rc == 1 ? KRBREPL__PROVER_MORE : whole(p, &src, out);
}

/* There is no history yet, and so no tree. */
static int nothing_there(krbrepl__prover *p)
{
    int asked = p->freeze;

    p->freeze = 0;
    return asked ? KRBREPL__PROVER_FROZEN : KRBREPL__PROVER_IDLE;
}

static int open_and_slice(krbrepl__prover *p, size_t records, krbrepl__proof *out)
{
    int rc = p->scan == NULL ? scan_begin(p) : 0;

    if (rc != 0)
        return rc;
    if (p->to.pos.seq == 0)
        return nothing_there(p);
    if (p->freeze && p->ready && p->running == NOTHING)
        p->running = FREEZE;
    rc = slice(p, records, out);
    if (p->scan != NULL)
        note_damage(p);
    return rc;
}

static int tell_damage(krbrepl__prover *p, krbrepl__proof *out)
{
    p->news = 0;
    memcpy(out->text, p->text, sizeof out->text);
    return KRBREPL__PROVER_ALTERED;
}

int krbrepl__prover_work(krbrepl__prover *p, size_t records, krbrepl__proof *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    if (p->news)
        return tell_damage(p, out);
    if (!p->running && !p->freeze && p->ready && !has_rechecks(p))
        return KRBREPL__PROVER_IDLE;
    rc = open_and_slice(p, records, out);
    if (rc < 0)
        p->freeze = 0;
    if (rc != KRBREPL__PROVER_MORE || !p->running)
        scan_end(p);
    return rc == KRBREPL__PROVER_IDLE && p->news ? KRBREPL__PROVER_MORE : rc;
}
