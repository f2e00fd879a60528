#include "dtree.h"

#include <string.h>

#include <krbrepl/error.h>

#include "digest.h"
#include "mem.h"

typedef struct leaf {
    uint64_t bound; /* hash of its first record */
    uint8_t digest[32];
    uint16_t len; /* of the key of its first record */
    uint8_t n;    /* records; 0: none were read yet, or there are none at all */
    uint8_t key[];
} leaf;

struct krbrepl__dtree {
    krbrepl__sha *sha;
    uint8_t id[16];
    leaf **at;      /* in the order of their keys; never none */
    uint8_t *dirty; /* beside `at` */
    size_t n, room;
    size_t ndirty;
    size_t low;           /* no leaf below this one is dirty */
    size_t bytes;         /* of the leaves */
    krbrepl__digest *sum; /* the root of the leaves below `summed`; NULL: not begun */
    size_t summed;
    uint8_t sums[KRBREPL__LEAF_MAX * KRBREPL__RDIGEST];
};

/* A walk over the records. */
typedef struct walk {
    const krbrepl__dtree_source *src;
    int have; /* `key`, `bound` and `rdigest` are of the record that is next */
    krbrepl_bytes key;
    uint64_t bound;
    uint8_t rdigest[KRBREPL__RDIGEST];
    size_t read; /* records so far */
} walk;

/* ---- leaves --------------------------------------------------------------------------------- */

static size_t leaf_size(size_t len)
{
    return offsetof(leaf, key) + len;
}

static leaf *leaf_new(const void *key, size_t len, uint64_t bound)
{
    leaf *l = krbrepl__alloc(leaf_size(len));

    if (l == NULL)
        return NULL;
    l->bound = bound;
    l->len = (uint16_t)len;
    if (len != 0)
        memcpy(l->key, key, len);
    return l;
}

static void leaf_free(leaf *l)
{
    if (l != NULL)
        krbrepl__free(l, leaf_size(l->len));
}

static int reserve(krbrepl__dtree *t, size_t n)
{
    size_t room = t->room + t->room / 4 + 64;
    leaf **at;
    uint8_t *dirty;

    if (n <= t->room)
        return 0;
    at = krbrepl__alloc_array(room, sizeof *at);
    dirty = krbrepl__alloc(room);
    if (at == NULL || dirty == NULL) {
        krbrepl__free(at, 0);
        krbrepl__free(dirty, 0);
        return KRBREPL_ERR_NOMEM;
    }
    if (t->n != 0) {
        memcpy(at, t->at, t->n * sizeof *at);
        memcpy(dirty, t->dirty, t->n);
    }
    krbrepl__free(t->at, t->room * sizeof *t->at);
    krbrepl__free(t->dirty, t->room);
    t->at = at;
    t->dirty = dirty;
    t->room = room;
    return 0;
}

krbrepl__dtree *krbrepl__dtree_new(const uint8_t database_id[16])
{
    krbrepl__dtree *t = krbrepl__alloc(sizeof *t);

    if (t == NULL)
        return NULL;
    memcpy(t->id, database_id, sizeof t->id);
    t->sha = krbrepl__sha_new();
    if (t->sha == NULL || reserve(t, 1) != 0 || (t->at[0] = leaf_new(NULL, 0, 0)) == NULL) {
        krbrepl__dtree_free(t);
        return NULL;
    }
    t->bytes = leaf_size(0);
    t->n = t->ndirty = 1;
    t->dirty[0] = 1;
    return t;
}

void krbrepl__dtree_free(krbrepl__dtree *t)
{
    size_t i;

    if (t == NULL)
        return;
    for (i = 0; i < t->n; i++)
        leaf_free(t->at[i]);
    krbrepl__free(t->at, t->room * sizeof *t->at);
    krbrepl__free(t->dirty, t->room);
    krbrepl__digest_free(t->sum);
    krbrepl__sha_free(t->sha);
    krbrepl__free(t, sizeof *t);
}

size_t krbrepl__dtree_dirty(const krbrepl__dtree *t)
{
    return t->ndirty;
}

size_t krbrepl__dtree_leaves(const krbrepl__dtree *t)
{
    return t->n;
}

size_t krbrepl__dtree_memory(const krbrepl__dtree *t)
{
    return sizeof *t + t->room * (sizeof *t->at + 1) + t->bytes;
}

void krbrepl__dtree_leaf_at(const krbrepl__dtree *t, size_t i, krbrepl__dtree_leaf *out)
{
    const leaf *l = t->at[i];

    out->key.data = l->key;
    out->key.len = l->len;
    out->bound = l->bound;
    out->digest = l->digest;
    out->records = l->n;
}

static int key_cmp(const leaf *l, const void *key, size_t len)
{
    return krbrepl__bytes_cmp(l->key, l->len, key, len);
}

/* The number of leaves from `from` on whose first key is below `key`, plus `from`. */
static size_t lower(const krbrepl__dtree *t, size_t from, const void *key, size_t len)
{
    size_t lo = from, hi = t->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (key_cmp(t->at[mid], key, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

size_t krbrepl__dtree_find(const krbrepl__dtree *t, const void *ckey, size_t len)
{
    size_t i = lower(t, 0, ckey, len);

    if (i < t->n && key_cmp(t->at[i], ckey, len) == 0)
        return i;
    return i > 0 ? i - 1 : 0;
}

/* What was summed up is not that of these leaves any more. */
static void drop_sum(krbrepl__dtree *t)
{
    krbrepl__digest_free(t->sum);
    t->sum = NULL;
    t->summed = 0;
}

static void mark(krbrepl__dtree *t, size_t i)
{
    drop_sum(t);
    if (t->dirty[i])
        return;
    t->dirty[i] = 1;
    t->ndirty++;
    if (i < t->low)
        t->low = i;
}

void krbrepl__dtree_touch(krbrepl__dtree *t, const void *ckey, size_t len)
{
    size_t i = lower(t, 0, ckey, len);
    int is_first = i < t->n && key_cmp(t->at[i], ckey, len) == 0;

    /* A leaf whose first record goes may join the one before it. */
    if (is_first)
        mark(t, i);
    if (i > 0)
        mark(t, i - 1);
    else
        mark(t, 0);
}

/* Puts `one`, clean, and if it is not NULL `two`, dirty, in the place of the `gone` leaves from i on. There
 * is room. */
static void splice(krbrepl__dtree *t, size_t i, size_t gone, leaf *one, leaf *two)
{
    size_t come = (one != NULL) + (size_t)(two != NULL), k;

    drop_sum(t);
    for (k = i; k < i + gone; k++) {
        t->ndirty -= t->dirty[k];
        t->bytes -= leaf_size(t->at[k]->len);
        leaf_free(t->at[k]);
    }
    memmove(t->at + i + come, t->at + i + gone, (t->n - i - gone) * sizeof *t->at);
    memmove(t->dirty + i + come, t->dirty + i + gone, t->n - i - gone);
    t->n = t->n + come - gone;
    if (one != NULL) {
        t->at[i] = one;
        t->dirty[i] = 0;
        t->bytes += leaf_size(one->len);
    }
    if (two != NULL) {
        t->at[i + 1] = two;
        t->dirty[i + 1] = 1;
        t->ndirty++;
        t->bytes += leaf_size(two->len);
    }
}

/* ---- reading -------------------------------------------------------------------------------- */

static int advance(krbrepl__dtree *t, walk *w)
{
    const uint8_t *rdigest;
    int rc = w->src->next(w->src->ctx, &w->key, &rdigest);

    w->have = rc > 0;
    if (rc <= 0)
        return rc;
    w->read++;
    memcpy(w->rdigest, rdigest, sizeof w->rdigest);
    return krbrepl__digest_bound(t->sha, t->id, w->key.data, w->key.len, &w->bound);
}

/* Goes to the first record that is not below the key of leaf i. */
static int go_to(krbrepl__dtree *t, walk *w, size_t i)
{
    const leaf *l = t->at[i];
    int rc;

    if (i != 0 && w->have && key_cmp(l, w->key.data, w->key.len) == 0)
        return 0;
    rc = w->src->seek(w->src->ctx, l->key, i == 0 ? 0 : l->len);
    return rc == 0 ? advance(t, w) : rc;
}

/* Reads the leaf that begins with the next record, into a new one; the walk stands behind it. */
static int read_leaf(krbrepl__dtree *t, walk *w, leaf **out)
{
    leaf *l = leaf_new(w->key.data, w->key.len, w->bound);
    int rc = l == NULL ? KRBREPL_ERR_NOMEM : 0;

    while (rc == 0) {
        memcpy(t->sums + l->n++ * KRBREPL__RDIGEST, w->rdigest, KRBREPL__RDIGEST);
        rc = advance(t, w);
        if (!w->have || l->n == KRBREPL__LEAF_MAX || krbrepl__digest_begins_leaf(w->bound))
            break;
    }
    if (rc == 0)
        rc = krbrepl__digest_leaf(t->sha, t->sums, l->n, l->digest);
    if (rc != 0) {
        leaf_free(l);
        l = NULL;
    }
    *out = l;
    return rc;
}

/* There is no record from leaf i on. */
static void end_at(krbrepl__dtree *t, size_t i)
{
    size_t keep = i == 0;

    splice(t, i + keep, t->n - i - keep, NULL, NULL);
    if (keep) {
        t->ndirty -= t->dirty[0];
        t->dirty[0] = 0;
        t->at[0]->n = 0;
    }
}

static int rehash_one(krbrepl__dtree *t, walk *w, size_t i)
{
    leaf *l, *behind = NULL;
    size_t k;
    int rc = go_to(t, w, i);

    if (rc == 0)
        rc = reserve(t, t->n + 1);
    if (rc != 0)
        return rc;
    if (!w->have) {
        end_at(t, i);
        return 0;
    }
    rc = read_leaf(t, w, &l);
    if (rc != 0)
        return rc;
    k = w->have ? lower(t, i + 1, w->key.data, w->key.len) : t->n;
    if (w->have && (k == t->n || key_cmp(t->at[k], w->key.data, w->key.len) != 0)) {
        behind = leaf_new(w->key.data, w->key.len, w->bound);
        if (behind == NULL) {
            leaf_free(l);
            return KRBREPL_ERR_NOMEM;
        }
    }
    splice(t, i, k - i, l, behind);
    return 0;
}

int krbrepl__dtree_rehash(krbrepl__dtree *t, const krbrepl__dtree_source *src, size_t records)
{
    walk w = {.src = src};
    const uint8_t *d;
    int rc = 0;

    while (rc == 0 && t->ndirty != 0 && w.read < records) {
        d = memchr(t->dirty + t->low, 1, t->n - t->low);
        if (d == NULL)
            return KRBREPL_ERR_STATE;
        t->low = (size_t)(d - t->dirty);
        rc = rehash_one(t, &w, t->low);
        w.read++; /* also where there is no record any more */
    }
    if (t->ndirty == 0)
        t->low = t->n;
    return rc != 0 ? rc : t->ndirty != 0;
}

/* Whether the walk stands where the leaf behind leaf i begins. */
static int ends_where_it_did(const krbrepl__dtree *t, const walk *w, size_t i)
{
    if (!w->have || i + 1 == t->n)
        return !w->have && i + 1 == t->n;
    return key_cmp(t->at[i + 1], w->key.data, w->key.len) == 0;
}

int krbrepl__dtree_recheck(krbrepl__dtree *t, const krbrepl__dtree_source *src, size_t i,
                           krbrepl_bytes *first)
{
    walk w = {.src = src};
    const leaf *was;
    leaf *is = NULL;
    int rc, same;

    if (i >= t->n || t->dirty[i])
        return 0;
    was = t->at[i];
    rc = go_to(t, &w, i);
    if (rc == 0 && w.have)
        rc = read_leaf(t, &w, &is);
    if (rc != 0)
        return rc;
    same = is == NULL ? was->n == 0
                      : is->n == was->n && memcmp(is->digest, was->digest, 32) == 0 &&
                            ends_where_it_did(t, &w, i);
    leaf_free(is);
    if (same)
        return 0;
    first->data = was->key;
    first->len = was->len;
    mark(t, i);
    if (i > 0)
        mark(t, i - 1);
    return 1;
}

int krbrepl__dtree_root(krbrepl__dtree *t, size_t leaves, uint8_t root[32])
{
    size_t end;
    int rc = 0;

    if (t->ndirty != 0)
        return KRBREPL_ERR_STATE;
    if (t->sum == NULL)
        t->sum = krbrepl__digest_new(t->id);
    if (t->sum == NULL)
        return KRBREPL_ERR_NOMEM;
    end = t->n - t->summed > leaves ? t->summed + leaves : t->n;
    for (; rc == 0 && t->summed < end; t->summed++)
        if (t->at[t->summed]->n != 0)
            rc = krbrepl__digest_add_leaf(t->sum, t->at[t->summed]->bound, t->at[t->summed]->digest);
    if (rc == 0 && t->summed < t->n)
        return 1;
    if (rc == 0)
        rc = krbrepl__digest_root(t->sum, root);
    drop_sum(t);
    return rc;
}
