/* Along the leaves that differ: their ranges, what is missing in them, and the records that come. */
#include <stdlib.h>
#include <string.h>

#include <krbrepl/error.h>

#include "frame.h"
#include "mem.h"
#include "walkint.h"

#define ASK_LEAVES 128u      /* in one ask */
#define LEAVES_ASKED 2u      /* asks of leaves that are unanswered at one time */
#define PARTS_MAX (1u << 18) /* bytes of ranges that wait; then no more are asked for */
/* The most that what was asked for may come to: two asks of leaves that have all grown to what may be listed. A
 * range may be empty, so that the digests alone bound nothing. */
#define PARTS_MOST (1u << 25)
#define WANTS_MAX (1u << 16)  /* the same of records to be asked for */
#define WANTS_ENOUGH 8192u    /* bytes that are worth an ask while more leaves are to come */
#define ASK_HEAD 2u           /* bytes before the items of RECORDS */
#define RECORDS_HEAD (4u + 2) /* of one such item */

static int is_wanted(void *ctx, const uint8_t rdigest[KRBREPL__RDIGEST]);

void krbrepl__walk_leaves_init(krbrepl__walk *w)
{
    unsigned i;

    w->wanted.ctx = w;
    w->wanted.is = is_wanted;
    krbrepl__buf_init(&w->l.parts, 0);
    krbrepl__buf_init(&w->l.wants, 0);
    for (i = 0; i < KRBREPL__WALK_ASKS; i++)
        krbrepl__buf_init(&w->l.want[i].items, KRBREPL__FRAME_ASK_MAX);
}

void krbrepl__walk_leaves_free(krbrepl__walk *w)
{
    unsigned i;

    krbrepl__buf_free(&w->l.parts);
    krbrepl__buf_free(&w->l.wants);
    for (i = 0; i < KRBREPL__WALK_ASKS; i++)
        krbrepl__buf_free(&w->l.want[i].items);
}

static krbrepl_bytes bytes_of(const krbrepl__ckey *k)
{
    krbrepl_bytes b = {k->b, k->len};

    return b;
}

static void set_key(krbrepl__ckey *k, krbrepl_bytes b)
{
    k->len = b.len;
    if (b.len != 0)
        memcpy(k->b, b.data, b.len);
}

static int cmp(krbrepl_bytes a, krbrepl_bytes b)
{
    return krbrepl__bytes_cmp(a.data, a.len, b.data, b.len);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* Ranges follow each other: those of one leaf without a gap, others upwards. The first leaf begins where
 * everything begins, and what goes to the end is the last. */
static int take_part(krbrepl__walk *w, const krbrepl__tree_part *p)
{
    krbrepl__walk_leaves *l = &w->l;
    size_t n = p->digests.len / KRBREPL__WALK_DIGEST;
    int on = l->open && p->leaf == w->front.at[w->answered];

    if (l->open && !on) {
        l->open = 0;
        w->answered++;
    }
    if (w->answered == w->ask[0].end || p->leaf != w->front.at[w->answered] || l->end ||
        (l->any && (on ? cmp(p->from, bytes_of(&l->to)) != 0 : cmp(p->from, bytes_of(&l->to)) < 0)) ||
        (p->from.len == 0) != (p->leaf == 0 && !on))
        return KRBREPL_ERR_PROTO;
    l->listed = on ? l->listed + n : n;
    if (l->listed > KRBREPL__WALK_LEAF)
        return KRBREPL_ERR_PROTO;
    l->open = l->any = 1;
    l->end = p->to.len == 0;
    set_key(&l->to, p->to);
    if (l->parts.len > PARTS_MOST)
        return KRBREPL_ERR_PROTO;
    krbrepl__tree_put_part(&l->parts, p);
    return l->parts.err;
}

int krbrepl__walk_take_leaves(krbrepl__walk *w, krbrepl__tree *t)
{
    krbrepl__tree_part p;
    int rc;

    while ((rc = krbrepl__tree_part_next(t, &p)) == 1)
        if ((rc = take_part(w, &p)) != 0)
            return rc;
    if (rc != 0 || !t->last)
        return rc;
    w->answered += (size_t)w->l.open;
    w->l.open = 0;
    if (w->answered != w->ask[0].end)
        return KRBREPL_ERR_PROTO;
    w->l.asked--;
    krbrepl__walk_answered(w);
    return 0;
}

int krbrepl__walk_take_records(krbrepl__walk *w, uint64_t records)
{
    unsigned i;

    for (i = 0; i < w->l.nwant && w->l.want[i].answered; i++)
        continue;
    if (i == w->l.nwant)
        return KRBREPL_ERR_PROTO;
    w->l.want[i].answered = 1;
    w->l.want[i].upto = records;
    krbrepl__walk_answered(w);
    return 0;
}

/* ---- ranges --------------------------------------------------------------------------------- */

static int no_more_parts(const krbrepl__walk *w)
{
    return w->answered == w->front.n && w->l.parts.len == 0 && !w->l.loaded;
}

/* Takes the next range out of what has come. */
static void load(krbrepl__walk *w)
{
    krbrepl__walk_leaves *l = &w->l;
    krbrepl__tree_part p;
    krbrepl__tree t;

    if (l->loaded || l->parts.len == 0)
        return;
    krbrepl__rd_init(&t.rd, l->parts.data, l->parts.len);
    if (krbrepl__tree_part_next(&t, &p) != 1)
        return; /* not to be: it was put in by take_part */
    l->loaded = 1;
    l->leaf = p.leaf;
    set_key(&l->from, p.from);
    set_key(&l->upto, p.to);
    l->n = p.digests.len / KRBREPL__WALK_DIGEST;
    if (l->n != 0)
        memcpy(l->digest, p.digests.data, p.digests.len);
    memset(l->found, 0, sizeof l->found);
    krbrepl__buf_consume(&l->parts, l->parts.len - t.rd.left);
}

/* The part of the next own leaf that the master does not have which lies before the range that is loaded, or
 * before the end. */
static int due_loose(krbrepl__walk *w)
{
    krbrepl__walk_leaves *l = &w->l;
    krbrepl_bytes from, to, done = bytes_of(&l->done), limit = bytes_of(&l->from);

    for (; l->loose < w->loose.n && !l->done_end; l->loose++) {
        krbrepl__ftree_range(w->own, w->loose.at[l->loose], &from, &to);
        if (to.len != 0 && cmp(to, done) <= 0)
            continue;
        if (cmp(from, done) < 0)
            from = done;
        if (l->loaded && cmp(from, limit) >= 0)
            return 0;
        if (l->loaded && (to.len == 0 || cmp(to, limit) > 0))
            to = limit;
        set_key(&l->due_from, from);
        set_key(&l->due_to, to);
        l->due = 1;
        return 1;
    }
    return 0;
}

int krbrepl__walk_range(krbrepl__walk *w, krbrepl_bytes *from, krbrepl_bytes *to)
{
    krbrepl__walk_leaves *l = &w->l;

    if (w->stage != KRBREPL__WALK_LEAVES || l->trailed)
        return 0;
    load(w);
    if (l->due == 0 && (l->loaded || no_more_parts(w)) && !due_loose(w)) {
        if (!l->loaded) {
            l->trailed = 1;
            return 0;
        }
        l->due_from = l->from;
        l->due_to = l->upto;
        l->due = 2;
    }
    *from = bytes_of(&l->due_from);
    *to = bytes_of(&l->due_to);
    return l->due != 0;
}

const krbrepl__wanted *krbrepl__walk_wanted(const krbrepl__walk *w)
{
    return &w->wanted;
}

static int is_wanted(void *ctx, const uint8_t rdigest[KRBREPL__RDIGEST])
{
    krbrepl__walk *w = ctx;
    krbrepl__walk_leaves *l = &w->l;
    uint8_t salted[KRBREPL__SALTED];
    size_t i;

    /* Without memory for the digest it is not wanted, and asked for: slower, and right. */
    if (l->due != 2 || krbrepl__salted(w->sha, w->salt, rdigest, KRBREPL__RDIGEST, salted) != 0)
        return 0;
    for (i = 0; i < l->n; i++)
        if (memcmp(l->digest + i * KRBREPL__WALK_DIGEST, salted, sizeof salted) == 0) {
            l->found[i] = 1;
            return 1;
        }
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, KRBREPL__WALK_DIGEST);
}

/* What the range lists and nobody has is to be asked for. */
static void want_missing(krbrepl__walk_leaves *l)
{
    uint8_t *d = l->digest;
    size_t i, n = 0;

    for (i = 0; i < l->n; i++)
        if (!l->found[i])
            memmove(d + n++ * KRBREPL__WALK_DIGEST, d + i * KRBREPL__WALK_DIGEST, KRBREPL__WALK_DIGEST);
    if (n == 0)
        return;
    qsort(d, n, KRBREPL__WALK_DIGEST, by_bytes);
    for (l->n = n, n = 1, i = 1; i < l->n; i++)
        if (by_bytes(d + (n - 1) * KRBREPL__WALK_DIGEST, d + i * KRBREPL__WALK_DIGEST) != 0)
            memmove(d + n++ * KRBREPL__WALK_DIGEST, d + i * KRBREPL__WALK_DIGEST, KRBREPL__WALK_DIGEST);
    krbrepl__ask_put_records(&l->wants, l->leaf, d, n);
}

int krbrepl__walk_ranged(krbrepl__walk *w)
{
    krbrepl__walk_leaves *l = &w->l;

    l->done = l->due_to;
    l->done_end = l->due_to.len == 0;
    if (l->due == 2) {
        want_missing(l);
        l->loaded = 0;
    }
    l->due = 0;
    return l->wants.err;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* Forgets what was asked for and has come in full. */
static void forget(krbrepl__walk_leaves *l)
{
    while (l->nwant != 0 && l->want[0].answered && l->want[0].upto <= l->put) {
        krbrepl__buf free_one = l->want[0].items;

        memmove(l->want, l->want + 1, --l->nwant * sizeof l->want[0]);
        krbrepl__buf_reset(&free_one);
        memset(&l->want[l->nwant], 0, sizeof l->want[0]);
        l->want[l->nwant].items = free_one;
    }
}

static int ask_records(krbrepl__walk *w, krbrepl__buf *body)
{
    krbrepl__walk_leaves *l = &w->l;
    krbrepl__walk_want *want = &l->want[l->nwant];
    size_t at = 0, n;

    while (at < l->wants.len) {
        n = RECORDS_HEAD +
            KRBREPL__WALK_DIGEST * (size_t)(l->wants.data[at + 4] << 8 | l->wants.data[at + 5]);
        if (ASK_HEAD + at + n > KRBREPL__FRAME_ASK_MAX)
            break;
        at += n;
    }
    krbrepl__ask_begin(body, KRBREPL__ASK_RECORDS, w->number, 0);
    krbrepl__buf_bytes(body, l->wants.data, at);
    krbrepl__buf_bytes(&want->items, l->wants.data, at);
    if (body->err != 0 || want->items.err != 0)
        return KRBREPL_ERR_NOMEM;
    krbrepl__rd_init(&want->rd, want->items.data, want->items.len);
    krbrepl__buf_consume(&l->wants, at);
    l->nwant++;
    krbrepl__walk_asked(w, KRBREPL__ASK_RECORDS);
    return 1;
}

static int ask_leaves(krbrepl__walk *w, krbrepl__buf *body)
{
    krbrepl__ask_begin(body, KRBREPL__ASK_LEAVES, w->number, 0);
    krbrepl__walk_put_front(w, body, ASK_LEAVES);
    w->l.asked++;
    krbrepl__walk_asked(w, KRBREPL__ASK_LEAVES);
    return body->err != 0 ? body->err : 1;
}

int krbrepl__walk_leaves_ask(krbrepl__walk *w, krbrepl__buf *body)
{
    krbrepl__walk_leaves *l = &w->l;

    forget(l);
    if (l->nwant < KRBREPL__WALK_ASKS && l->wants.len != 0 &&
        (l->wants.len >= WANTS_ENOUGH || no_more_parts(w)))
        return ask_records(w, body);
    if (w->asked < w->front.n && l->asked < LEAVES_ASKED && l->parts.len < PARTS_MAX &&
        l->wants.len < WANTS_MAX)
        return ask_leaves(w, body);
    if (!l->trailed || l->wants.len != 0)
        return 0;
    krbrepl__ask_begin(body, KRBREPL__ASK_DONE, w->number, 0);
    w->stage = KRBREPL__WALK_ENDED;
    return body->err != 0 ? body->err : 1;
}

/* ---- records -------------------------------------------------------------------------------- */

int krbrepl__walk_awaits_records(const krbrepl__walk *w)
{
    return w->l.nwant != 0 && !w->l.want[w->l.nwant - 1].answered;
}

static int among(krbrepl_bytes digests, const uint8_t *d)
{
    return digests.len != 0 && bsearch(d, digests.data, digests.len / KRBREPL__WALK_DIGEST,
                                       KRBREPL__WALK_DIGEST, by_bytes) != NULL;
}

/* Records come in the order of the items that they were asked for by. */
static int was_asked(krbrepl__walk_want *want, const uint8_t *d)
{
    krbrepl__ask a = {.kind = KRBREPL__ASK_RECORDS};
    uint32_t leaf;

    a.rd = want->rd;
    while (!among(want->now, d))
        if (krbrepl__ask_records(&a, &leaf, &want->now) != 1)
            return 0;
    want->rd = a.rd;
    return 1;
}

int krbrepl__walk_record(krbrepl__walk *w, krbrepl_bytes full, krbrepl_bytes value)
{
    krbrepl__walk_leaves *l = &w->l;
    size_t table = krbrepl__fullkey_table(full);
    uint8_t rdigest[KRBREPL__RDIGEST], salted[KRBREPL__SALTED];
    krbrepl__ckey key;
    krbrepl_bytes bare;
    int rc;

    forget(l);
    if (table == 0 || l->nwant == 0)
        return KRBREPL_ERR_PROTO;
    bare.data = (const uint8_t *)full.data + table + 1;
    bare.len = full.len - table - 1;
    rc = krbrepl__ckey_from_full(w->sha, full, &key);
    if (rc == 0)
        rc = krbrepl__record_digest(w->sha, full.data, table, bare, value, rdigest);
    if (rc == 0)
        rc = krbrepl__salted(w->sha, w->salt, rdigest, sizeof rdigest, salted);
    if (rc != 0)
        return rc;
    if (cmp(bytes_of(&key), bytes_of(&l->last)) <= 0 || !was_asked(&l->want[0], salted))
        return KRBREPL_ERR_PROTO;
    l->last = key;
    l->put++;
    return 0;
}
