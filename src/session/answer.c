#include "answer.h"

#include <stdlib.h>
#include <string.h>

#include <krbrepl/error.h>

#include "frame.h"
#include "mem.h"

#define BODY_ENOUGH 16384u /* of an answer, in one frame: about a millisecond of hashing */
/* Leaves in one frame. Each is up to 64 KiB of rows to hash, whatever comes of it: a replica that asks for what is
 * not there must not keep a master from its other work. */
#define READS 8

krbrepl__answer *krbrepl__answer_new(const krbrepl__snap *snap, unsigned number)
{
    krbrepl__answer *a = krbrepl__alloc(sizeof *a);
    size_t i;

    if (a == NULL)
        return NULL;
    a->snap = snap;
    a->number = number & 0xff;
    a->start_due = 1;
    for (i = 0; i <= KRBREPL__ANSWER_ASKS; i++)
        krbrepl__buf_init(&a->ask[i], KRBREPL__FRAME_ASK_MAX);
    krbrepl__buf_init(&a->found, 0);
    a->sha = krbrepl__sha_new();
    if (a->sha == NULL) {
        krbrepl__answer_free(a);
        return NULL;
    }
    return a;
}

void krbrepl__answer_free(krbrepl__answer *a)
{
    size_t i;

    if (a == NULL)
        return;
    for (i = 0; i <= KRBREPL__ANSWER_ASKS; i++)
        krbrepl__buf_free(&a->ask[i]);
    krbrepl__buf_free(&a->found);
    krbrepl__sha_free(a->sha);
    krbrepl__free(a, sizeof *a);
}

/* ---- asks ----------------------------------------------------------------------------------- */

/* Whether all it names is in the tree. */
static int check(const krbrepl__answer *a, krbrepl__ask ask)
{
    const krbrepl__ftree *t = a->snap->tree;
    krbrepl_bytes digests;
    uint32_t n, i = 0;
    int rc = 0;

    if (ask.kind == KRBREPL__ASK_ALL)
        return a->listing ? KRBREPL_ERR_PROTO : 0;
    if (ask.kind == KRBREPL__ASK_DONE)
        return 0;
    if (ask.kind == KRBREPL__ASK_NODES && (ask.level == 0 || ask.level >= krbrepl__ftree_levels(t)))
        return KRBREPL_ERR_PROTO;
    n = krbrepl__ftree_count(t, ask.level);
    do
        rc = ask.kind == KRBREPL__ASK_RECORDS ? krbrepl__ask_records(&ask, &i, &digests)
                                              : krbrepl__ask_index(&ask, &i);
    while (rc == 1 && i < n);
    return rc == 1 ? KRBREPL_ERR_PROTO : rc;
}

/* Asks that are still to be answered. */
static unsigned unanswered(const krbrepl__answer *a)
{
    return a->nask - (unsigned)a->over;
}

int krbrepl__answer_take(krbrepl__answer *a, const krbrepl__ask *ask)
{
    int ends = ask->kind == KRBREPL__ASK_ALL || ask->kind == KRBREPL__ASK_DONE;
    krbrepl__buf *b = &a->ask[a->nask];

    if (a->over || (!ends && unanswered(a) == KRBREPL__ANSWER_ASKS) || check(a, *ask) != 0)
        return KRBREPL_ERR_PROTO;
    krbrepl__ask_begin(b, ask->kind, ask->walk, ask->level);
    krbrepl__buf_bytes(b, ask->rd.p, ask->rd.left);
    if (b->err != 0)
        return b->err;
    a->nask++;
    a->over = ends;
    if (ask->kind == KRBREPL__ASK_LEAVES || ask->kind == KRBREPL__ASK_RECORDS)
        a->listing = 1;
    return 0;
}

/* The first ask is answered. */
static void pop(krbrepl__answer *a)
{
    krbrepl__buf b = a->ask[0];

    memmove(a->ask, a->ask + 1, --a->nask * sizeof a->ask[0]);
    krbrepl__buf_reset(&b);
    a->ask[a->nask] = b;
    a->open = 0;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

static int salt(krbrepl__answer *a, const uint8_t *digest, size_t len, uint8_t *out)
{
    return krbrepl__salted(a->sha, a->snap->salt, digest, len, out);
}

/* The digests of `n` nodes from `first` on. */
static int put_nodes(krbrepl__answer *a, krbrepl__buf *body, unsigned level, uint32_t first, uint32_t n)
{
    uint8_t d[KRBREPL__SALTED];
    uint32_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < n; i++) {
        rc = salt(a, krbrepl__ftree_digest(a->snap->tree, level, first + i), 32, d);
        krbrepl__buf_bytes(body, d, sizeof d);
    }
    return rc;
}

/* All nodes of the lowest level that is not too long. */
static int answer_start(krbrepl__answer *a, krbrepl__buf *body)
{
    unsigned level = 0;

    while (krbrepl__ftree_count(a->snap->tree, level) > KRBREPL__WALK_START)
        level++;
    krbrepl__buf_u8(body, KRBREPL__TREE_START);
    krbrepl__buf_u8(body, 1);
    krbrepl__buf_u8(body, level);
    a->start_due = 0;
    return put_nodes(a, body, level, 0, krbrepl__ftree_count(a->snap->tree, level));
}

static int answer_nodes(krbrepl__answer *a, krbrepl__buf *body)
{
    uint32_t i, first, n;
    int rc = 0;

    while (rc == 0 && body->len < BODY_ENOUGH && krbrepl__ask_index(&a->now, &i) == 1) {
        krbrepl__ftree_children(a->snap->tree, a->now.level, i, &first, &n);
        krbrepl__buf_u32(body, first);
        krbrepl__buf_u8(body, n);
        rc = put_nodes(a, body, a->now.level - 1, first, n);
    }
    return rc;
}

/* ---- leaves --------------------------------------------------------------------------------- */

/* Where the leaf goes on, and where it ends. */
static void rest_of_leaf(const krbrepl__answer *a, krbrepl_bytes *from, krbrepl_bytes *to)
{
    krbrepl__ftree_range(a->snap->tree, a->leaf, from, to);
    if (a->inside) {
        from->data = a->next.b;
        from->len = a->next.len;
    }
}

static int put_part(krbrepl__answer *a, krbrepl__buf *body, krbrepl_bytes from, krbrepl_bytes to,
                    const krbrepl__ckey *next)
{
    uint8_t d[KRBREPL__WALK_PART * KRBREPL__SALTED];
    krbrepl__tree_part p = {.leaf = a->leaf, .from = from, .to = to};
    size_t i, n = a->found.len / KRBREPL__RDIGEST;
    int rc = 0;

    for (i = 0; rc == 0 && i < n; i++)
        rc = salt(a, a->found.data + i * KRBREPL__RDIGEST, KRBREPL__RDIGEST, d + i * KRBREPL__SALTED);
    if (next->len != 0) {
        p.to.data = next->b;
        p.to.len = next->len;
    }
    p.digests.data = d;
    p.digests.len = n * KRBREPL__SALTED;
    krbrepl__tree_put_part(body, &p);
    return rc;
}

/* A part of the leaf. 1: it has grown beyond what may be listed. */
static int list_leaf(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *body, krbrepl_pos *at,
                     int *of_store)
{
    krbrepl_bytes from, to;
    krbrepl__ckey next;
    int rc;

    rest_of_leaf(a, &from, &to);
    krbrepl__buf_reset(&a->found);
    next.len = 0;
    *of_store = 1;
    rc = port->range(port->ctx, from, to, KRBREPL__WALK_PART, &a->found, &next, at);
    if (rc == 0)
        rc = a->found.err;
    if (rc != 0)
        return rc;
    *of_store = 0;
    a->listed += a->found.len / KRBREPL__RDIGEST;
    if (a->listed > KRBREPL__WALK_LEAF)
        return 1;
    rc = put_part(a, body, from, to, &next);
    a->inside = next.len != 0;
    a->next = next;
    return rc;
}

static int answer_leaves(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *body,
                         krbrepl_pos *at, int *of_store)
{
    int reads, rc = 0;

    for (reads = 0; rc == 0 && reads < READS && body->len < BODY_ENOUGH; reads++) {
        if (!a->inside) {
            if (krbrepl__ask_index(&a->now, &a->leaf) != 1)
                break;
            a->listed = 0;
        }
        rc = list_leaf(a, port, body, at, of_store);
    }
    return rc;
}

/* ---- records -------------------------------------------------------------------------------- */

static int by_bytes(const void *x, const void *y)
{
    return memcmp(x, y, KRBREPL__WALK_DIGEST);
}

static int is_wanted(void *ctx, const uint8_t rdigest[KRBREPL__RDIGEST])
{
    krbrepl__answer *a = ctx;
    uint8_t d[KRBREPL__SALTED];

    if (salt(a, rdigest, KRBREPL__RDIGEST, d) != 0) {
        a->no_memory = 1;
        return 0;
    }
    return bsearch(d, a->digests.data, a->digests.len / KRBREPL__WALK_DIGEST, KRBREPL__WALK_DIGEST,
                   by_bytes) != NULL;
}

/* Reads records until there are enough for a frame, or no more are asked for. */
static int answer_records(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *records,
                          krbrepl_pos *at, int *of_store)
{
    krbrepl__wanted wanted = {a, is_wanted};
    krbrepl_bytes from, to;
    krbrepl__ckey next;
    int reads, rc = 0;

    for (reads = 0; rc == 0 && reads < READS && records->len < KRBREPL__FRAME_DATA; reads++) {
        if (!a->inside && krbrepl__ask_records(&a->now, &a->leaf, &a->digests) != 1)
            break;
        rest_of_leaf(a, &from, &to);
        next.len = 0;
        rc = port->pick(port->ctx, from, to, &wanted, KRBREPL__FRAME_DATA - records->len, records,
                        &next, at);
        a->inside = next.len != 0;
        a->next = next;
    }
    *of_store = rc != 0;
    if (rc == 0 && a->no_memory)
        return KRBREPL_ERR_NOMEM;
    return rc == 0 ? records->err : rc;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int work_records(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *body,
                        krbrepl__buf *records, krbrepl_pos *at, int *of_store)
{
    int rc = answer_records(a, port, records, at, of_store);

    if (rc != 0)
        return rc;
    if (records->len != 0 || a->inside || a->now.rd.left != 0)
        return KRBREPL__ANSWER_SLICE;
    krbrepl__buf_u8(body, KRBREPL__TREE_RECORDS);
    krbrepl__buf_u8(body, 1);
    pop(a);
    return KRBREPL__ANSWER_TREE;
}

/* NODES and LEAVES: one frame of the answer. */
static int work_list(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *body, krbrepl_pos *at,
                     int *of_store)
{
    int nodes = a->now.kind == KRBREPL__ASK_NODES;
    int rc;

    krbrepl__buf_u8(body, nodes ? KRBREPL__TREE_NODES : KRBREPL__TREE_LEAVES);
    krbrepl__buf_u8(body, 0);
    rc = nodes ? answer_nodes(a, body) : answer_leaves(a, port, body, at, of_store);
    if (rc == 1)
        return KRBREPL__ANSWER_GROWN;
    if (rc == 0)
        rc = body->err;
    if (rc != 0)
        return rc;
    if (!a->inside && a->now.rd.left == 0) {
        body->data[1] = 1;
        pop(a);
    }
    return KRBREPL__ANSWER_TREE;
}

int krbrepl__answer_work(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *body,
                         krbrepl__buf *records, krbrepl_pos *at, int *of_store)
{
    krbrepl_bytes first;
    int rc;

    *of_store = 0;
    if (a->start_due) {
        rc = answer_start(a, body);
        return rc == 0 && body->err == 0 ? KRBREPL__ANSWER_TREE : KRBREPL_ERR_NOMEM;
    }
    if (a->nask == 0)
        return KRBREPL__ANSWER_IDLE;
    if (!a->open) {
        first.data = a->ask[0].data;
        first.len = a->ask[0].len;
        rc = krbrepl__ask_open(first, &a->now);
        if (rc != 0)
            return rc;
        a->open = 1;
        a->inside = 0;
    }
    switch (a->now.kind) {
    case KRBREPL__ASK_ALL:
        return KRBREPL__ANSWER_ALL;
    case KRBREPL__ASK_DONE:
        return KRBREPL__ANSWER_DONE;
    case KRBREPL__ASK_RECORDS:
        return work_records(a, port, body, records, at, of_store);
    default:
        return work_list(a, port, body, at, of_store);
    }
}
