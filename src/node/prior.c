#include "prior.h"

#include <stdlib.h>
#include <string.h>

#include "commit.h"
#include "mem.h"

/* More of it between two looks is not looked into. */
#define MOST_CHANGES 4096u
#define MOST_BYTES (1u << 20)

/* What a put did. */
enum did { OPEN = 0, REPLACED = 1, MADE = 2, REMADE = 3 };

/* One change of those between the two looks. */
typedef struct change {
    krbrepl_bytes key;
    const char *table;
    size_t table_len;
    uint64_t seq;
    uint32_t at; /* their order */
    uint8_t put, did;
} change;

typedef struct between {
    krbrepl__buf commits;
    change *change;
    size_t n, room;
    uint64_t first, end;       /* the commits */
    uint64_t deletes, made;    /* made: by puts behind a delete */
    uint64_t open;             /* puts of which it has to be found out */
    enum krbrepl__prior opens; /* what those did */
} between;

static void forget(krbrepl__priors *p, uint64_t seq)
{
    p->first = p->end = seq + 1;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int add_changes(between *b, const krbrepl__commit *c)
{
    krbrepl__change_it it;
    krbrepl__change_view v;

    if (c->kind != KRBREPL_COMMIT_CHANGES || c->nchanges > b->room - b->n)
        return -1;
    krbrepl__commit_each(c, &it);
    while (krbrepl__commit_next(&it, &v) == 1) {
        change *ch = &b->change[b->n];

        /* The name of the table in front of the key, where it lasts. */
        *ch = (change){.key = v.key, .seq = c->seq, .at = (uint32_t)b->n, .table_len = v.table_len};
        ch->table = (const char *)v.key.data - 2 - v.table_len;
        ch->put = v.op == KRBREPL_PUT;
        b->n++;
    }
    return 0;
}

/* -1: there is more of it, or something else, than can be looked into. */
static int read_commits(between *b, krbrepl_store *s)
{
    krbrepl__batch batch = {0, 0, 0};
    krbrepl__commit c;
    uint64_t seq = b->first;
    krbrepl__rd r;

    while (seq < b->end) {
        if (krbrepl__store_read_commits(s, seq, MOST_BYTES, &b->commits, &batch) != 0 ||
            b->commits.err != 0 || batch.count == 0 || b->commits.len > 2 * MOST_BYTES)
            return -1;
        seq = batch.next;
    }
    krbrepl__rd_init(&r, b->commits.data, b->commits.len);
    while (r.left != 0) {
        if (krbrepl__commit_decode(krbrepl__rd_vec32(&r), &c) != 0)
            return -1;
        if (c.seq < b->end && add_changes(b, &c) != 0)
            return -1;
    }
    return b->n == b->room ? 0 : -1;
}

/* ---- judging -------------------------------------------------------------------------------- */

static int same_record(const change *a, const change *b)
{
    return a->table_len == b->table_len && memcmp(a->table, b->table, a->table_len) == 0 &&
           a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

static int compare(const void *one, const void *other)
{
    const change *a = one, *b = other;
    int c = krbrepl__bytes_cmp(a->table, a->table_len, b->table, b->table_len);

    if (c == 0)
        c = krbrepl__bytes_cmp(a->key.data, a->key.len, b->key.data, b->key.len);
    return c != 0 ? c : a->at < b->at ? -1 : 1;
}

/* What follows from the changes before it of the same record. */
static void judge_records(between *b)
{
    size_t i;

    qsort(b->change, b->n, sizeof *b->change, compare);
    for (i = 0; i < b->n; i++) {
        change *c = &b->change[i];
        const change *before = i != 0 && same_record(c, c - 1) ? c - 1 : NULL;

        b->deletes += !c->put;
        if (!c->put)
            continue;
        if (before == NULL)
            b->open++;
        else if (before->put)
            c->did = REPLACED;
        else
            c->did = before->seq == c->seq ? REMADE : MADE;
        b->made += before != NULL && !before->put;
    }
}

/* `more`: by how much the count of records has risen. */
static void judge_rest(between *b, int64_t more)
{
    const int64_t made = more + (int64_t)b->deletes - (int64_t)b->made;

    b->opens = KRBREPL__PRIOR_UNKNOWN;
    if (made == 0)
        b->opens = KRBREPL__PRIOR_EXISTED;
    else if (b->deletes == 0 && made == (int64_t)b->open)
        b->opens = KRBREPL__PRIOR_NEW;
}

static enum krbrepl__prior of_change(const between *b, const change *c)
{
    if (c->did == OPEN)
        return b->opens;
    return c->did == REPLACED ? KRBREPL__PRIOR_EXISTED : KRBREPL__PRIOR_NEW;
}

/* Of each commit: what all its puts have in common. */
static void note(krbrepl__priors *p, const between *b)
{
    enum { NONE = 3 };
    uint64_t seq;
    size_t i;

    if (p->end != b->first)
        p->first = b->first;
    p->end = b->end;
    if (p->end - p->first > KRBREPL__PRIOR_KEEPS)
        p->first = p->end - KRBREPL__PRIOR_KEEPS;
    for (seq = b->first; seq < b->end; seq++)
        p->of[seq % KRBREPL__PRIOR_KEEPS] = NONE;
    for (i = 0; i < b->n; i++) {
        const change *c = &b->change[i];
        uint8_t *of = &p->of[c->seq % KRBREPL__PRIOR_KEEPS];

        if (!c->put || c->did == REMADE)
            continue;
        if (*of == NONE)
            *of = (uint8_t)of_change(b, c);
        else if (*of != (uint8_t)of_change(b, c))
            *of = KRBREPL__PRIOR_UNKNOWN;
    }
}

/* ---- */

void krbrepl__priors_moved(krbrepl__priors *p, krbrepl_store *s, const krbrepl_store_info *before,
                           const krbrepl_store_info *now)
{
    const uint64_t changes = now->cumulative - before->cumulative;
    between b = {.first = before->pos.seq + 1, .end = now->pos.seq + 1};

    if (now->pos.seq <= before->pos.seq || now->cumulative < before->cumulative ||
        changes > MOST_CHANGES || b.end - b.first > KRBREPL__PRIOR_KEEPS ||
        memcmp(now->pos.lineage, before->pos.lineage, sizeof now->pos.lineage) != 0) {
        forget(p, now->pos.seq);
        return;
    }
    b.room = (size_t)changes;
    krbrepl__buf_init(&b.commits, 0);
    b.change = krbrepl__alloc_array(b.room + 1, sizeof *b.change);
    if (b.change != NULL && read_commits(&b, s) == 0) {
        judge_records(&b);
        judge_rest(&b, (int64_t)(now->records - before->records));
        note(p, &b);
    } else {
        forget(p, now->pos.seq);
    }
    krbrepl__free(b.change, (b.room + 1) * sizeof *b.change);
    krbrepl__buf_free(&b.commits);
}

enum krbrepl__prior krbrepl__priors_get(const krbrepl__priors *p, uint64_t seq)
{
    uint8_t of;

    if (seq < p->first || seq >= p->end)
        return KRBREPL__PRIOR_UNKNOWN;
    of = p->of[seq % KRBREPL__PRIOR_KEEPS];
    return of <= KRBREPL__PRIOR_NEW ? (enum krbrepl__prior)of : KRBREPL__PRIOR_EXISTED;
}
