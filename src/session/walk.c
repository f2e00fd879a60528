/* Down the levels of both trees, to the leaves that differ. */
#include "walk.h"

#include <string.h>

#include <krbrepl/error.h>

#include "mem.h"
#include "walkint.h"

#define HASH_SLICE 2048u /* digests in one call */
#define ASK_NODES 1024u  /* in one ask */
/* Nodes of the master's that differ on one level. A master that says there are more, which would be more than
 * thirty million records, is asked for everything, so that nobody can make this end keep a list of any
 * length. */
#define WIDE (UINT32_C(1) << 21)

krbrepl__walk *krbrepl__walk_new(unsigned levels, const uint8_t salt[KRBREPL__SALT], unsigned number)
{
    krbrepl__walk *w = krbrepl__alloc(sizeof *w);

    if (w == NULL)
        return NULL;
    w->number = number & 0xff;
    w->levels = levels;
    memcpy(w->salt, salt, sizeof w->salt);
    krbrepl__walk_leaves_init(w);
    w->sha = krbrepl__sha_new();
    if (w->sha == NULL) {
        krbrepl__walk_free(w);
        return NULL;
    }
    return w;
}

void krbrepl__walk_free(krbrepl__walk *w)
{
    if (w == NULL)
        return;
    krbrepl__walk_leaves_free(w);
    krbrepl__list_free(&w->front);
    krbrepl__list_free(&w->next);
    krbrepl__list_free(&w->loose);
    krbrepl__match_free(&w->match);
    krbrepl__sha_free(w->sha);
    krbrepl__free(w, sizeof *w);
}

void krbrepl__walk_own(krbrepl__walk *w, const krbrepl__ftree *own)
{
    w->own = own;
}

unsigned krbrepl__walk_unanswered(const krbrepl__walk *w)
{
    return w->nask;
}

int krbrepl__walk_too_wide(const krbrepl__walk *w)
{
    return w->wide && w->nask == 0;
}

int krbrepl__walk_over(const krbrepl__walk *w)
{
    return w->stage == KRBREPL__WALK_ENDED && w->nask == 0;
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* The master's node is compared with the candidates; one that is not here is gathered in `to`. */
static int compare(krbrepl__walk *w, krbrepl__list *to, uint32_t node, const uint8_t *digest)
{
    if (krbrepl__match_meet(&w->match, digest) || w->wide)
        return 0;
    if (to->n == WIDE) {
        w->wide = 1;
        return 0;
    }
    return krbrepl__list_add(to, node);
}

static int add_children(krbrepl__walk *w, unsigned level, uint32_t node)
{
    uint32_t first, n, i;
    int rc = 0;

    krbrepl__ftree_children(w->own, level, node, &first, &n);
    for (i = 0; rc == 0 && i < n; i++)
        rc = krbrepl__list_add(&w->match.node, first + i);
    return rc;
}

/* The own nodes of `level` that the master's may be: the children of those that it does not have, above. */
static int gather(krbrepl__walk *w, unsigned level)
{
    unsigned top = krbrepl__ftree_levels(w->own) - 1;
    size_t i;
    int rc = 0;

    if (level == top)
        rc = krbrepl__list_add(&w->match.node, 0);
    for (i = 0; rc == 0 && level < top && i < w->loose.n; i++)
        rc = add_children(w, level + 1, w->loose.at[i]);
    return rc;
}

static int gather_all(krbrepl__walk *w, unsigned level)
{
    uint32_t i, n = krbrepl__ftree_count(w->own, level);
    int rc = 0;

    for (i = 0; rc == 0 && i < n; i++)
        rc = krbrepl__list_add(&w->match.node, i);
    return rc;
}

/* Nothing of the master's differs any more; the own leaves below the nodes that it does not have go. */
static int to_the_leaves(krbrepl__walk *w)
{
    int rc = 0;

    for (; rc == 0 && w->level != 0; w->level--) {
        rc = gather(w, w->level - 1);
        w->loose.n = 0;
        krbrepl__list_free(&w->loose);
        w->loose = w->match.node;
        memset(&w->match.node, 0, sizeof w->match.node);
    }
    return rc;
}

/* What differs on `level` is known: `front` and `loose`. */
static int descend(krbrepl__walk *w)
{
    int rc = 0;

    w->asked = w->answered = 0;
    w->child = 0;
    if (w->front.n == 0)
        rc = to_the_leaves(w);
    if (rc != 0 || w->level == 0) {
        w->stage = KRBREPL__WALK_LEAVES;
        return rc;
    }
    w->stage = KRBREPL__WALK_MATCHING;
    rc = gather(w, w->level - 1);
    return rc == 0 ? krbrepl__match_begin(&w->match) : rc;
}

static int begin(krbrepl__walk *w)
{
    int rc = gather_all(w, w->level);

    w->stage = KRBREPL__WALK_MATCHING;
    return rc == 0 ? krbrepl__match_begin(&w->match) : rc;
}

/* Compares what START brought. */
static int compare_start(krbrepl__walk *w)
{
    uint32_t i, n = (uint32_t)w->nstart;
    int rc = 0;

    w->nstart = 0;
    for (i = 0; rc == 0 && i < n; i++)
        rc = compare(w, &w->front, i, w->start + i * KRBREPL__WALK_DIGEST);
    if (rc == 0)
        rc = krbrepl__match_rest(&w->match, &w->loose);
    return rc == 0 ? descend(w) : rc;
}

static int hash(krbrepl__walk *w)
{
    unsigned level = w->nstart != 0 ? w->level : w->level - 1;
    int rc = krbrepl__match_hash(&w->match, w->own, level, w->sha, w->salt, HASH_SLICE);

    if (rc != 0)
        return rc;
    if (w->nstart != 0)
        rc = compare_start(w);
    else
        w->stage = KRBREPL__WALK_NODES;
    return rc == 0 ? 1 : rc;
}

/* All children of a level were compared. */
static int next_level(krbrepl__walk *w)
{
    krbrepl__list was = w->front;
    int rc = krbrepl__match_rest(&w->match, &w->loose);

    w->front = w->next;
    w->next = was;
    w->next.n = 0;
    w->level--;
    return rc == 0 ? descend(w) : rc;
}

int krbrepl__walk_work(krbrepl__walk *w)
{
    int rc = 0;

    if (w->own == NULL || w->wide)
        return 0;
    if (w->stage == KRBREPL__WALK_FIRST && w->nstart != 0)
        rc = begin(w);
    else if (w->stage == KRBREPL__WALK_MATCHING)
        return hash(w);
    else if (w->stage == KRBREPL__WALK_NODES && w->answered == w->front.n)
        rc = next_level(w);
    else
        return 0;
    return rc == 0 ? 1 : rc;
}

/* ---- asking --------------------------------------------------------------------------------- */

void krbrepl__walk_asked(krbrepl__walk *w, unsigned kind)
{
    w->ask[w->nask].kind = kind;
    w->ask[w->nask++].end = w->asked;
}

void krbrepl__walk_answered(krbrepl__walk *w)
{
    memmove(w->ask, w->ask + 1, --w->nask * sizeof w->ask[0]);
}

void krbrepl__walk_put_front(krbrepl__walk *w, krbrepl__buf *body, size_t max)
{
    for (; max != 0 && w->asked < w->front.n; max--, w->asked++)
        krbrepl__buf_u32(body, w->front.at[w->asked]);
}

int krbrepl__walk_ask(krbrepl__walk *w, krbrepl__buf *body)
{
    if (w->nask == KRBREPL__WALK_ASKS || w->wide)
        return 0;
    if (w->stage == KRBREPL__WALK_LEAVES)
        return krbrepl__walk_leaves_ask(w, body);
    if (w->stage != KRBREPL__WALK_NODES || w->asked == w->front.n)
        return 0;
    krbrepl__ask_begin(body, KRBREPL__ASK_NODES, w->number, w->level);
    krbrepl__walk_put_front(w, body, ASK_NODES);
    krbrepl__walk_asked(w, KRBREPL__ASK_NODES);
    return body->err != 0 ? body->err : 1;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The lowest level with at most so many nodes; the top has one, and no other level has. */
static int take_start(krbrepl__walk *w, const krbrepl__tree *t)
{
    size_t n = t->rd.left / KRBREPL__WALK_DIGEST;
    krbrepl__rd rd = t->rd;

    if (w->started || t->level >= w->levels || (n == 1) != (t->level + 1 == w->levels))
        return KRBREPL_ERR_PROTO;
    krbrepl__rd_copy(&rd, w->start, rd.left);
    w->level = t->level;
    w->nstart = n;
    w->started = 1;
    return 0;
}

static int take_node(krbrepl__walk *w, const krbrepl__tree_node *node)
{
    uint32_t i, n = (uint32_t)(node->digests.len / KRBREPL__WALK_DIGEST);
    const uint8_t *d = node->digests.data;
    int rc = 0;

    if (w->answered == w->ask[0].end || node->first < w->child || node->first > UINT32_MAX - n)
        return KRBREPL_ERR_PROTO;
    w->answered++;
    w->child = (uint64_t)node->first + n;
    for (i = 0; rc == 0 && i < n; i++)
        rc = compare(w, &w->next, node->first + i, d + i * KRBREPL__WALK_DIGEST);
    return rc;
}

static int take_nodes(krbrepl__walk *w, krbrepl__tree *t)
{
    krbrepl__tree_node node;
    int rc;

    while ((rc = krbrepl__tree_node_next(t, &node)) == 1)
        if ((rc = take_node(w, &node)) != 0)
            return rc;
    if (rc != 0 || t->last != (w->answered == w->ask[0].end))
        return KRBREPL_ERR_PROTO;
    if (t->last)
        krbrepl__walk_answered(w);
    return 0;
}

int krbrepl__walk_take(krbrepl__walk *w, krbrepl_bytes body, uint64_t records)
{
    krbrepl__tree t;
    int rc = krbrepl__tree_open(body, &t);

    if (rc != 0)
        return rc;
    if (t.kind == KRBREPL__TREE_START)
        return take_start(w, &t);
    /* The kinds of an ask and of its answer have the same numbers. */
    if (w->nask == 0 || w->ask[0].kind != t.kind)
        return KRBREPL_ERR_PROTO;
    if (t.kind == KRBREPL__TREE_NODES)
        return take_nodes(w, &t);
    return t.kind == KRBREPL__TREE_LEAVES ? krbrepl__walk_take_leaves(w, &t)
                                          : krbrepl__walk_take_records(w, records);
}
