#include "ftree.h"

#include <string.h>

#include <krbrepl/error.h>

#include "digest.h"
#include "mem.h"

struct krbrepl__ftree {
    size_t refs;
    unsigned levels;
    uint32_t count[KRBREPL__LEVELS_MAX];
    uint8_t *digest[KRBREPL__LEVELS_MAX]; /* 32 bytes for each node */
    uint32_t
        *first[KRBREPL__LEVELS_MAX]; /* of each node its first child, and the end; none at level 0 */
    size_t *key;                     /* where each leaf's first key begins in `keys`, and the end */
    uint8_t *keys;                   /* one behind the other */
};

static size_t keys_len(const krbrepl__ftree *t)
{
    return t->key != NULL ? t->key[t->count[0]] : 0;
}

static void ftree_free(krbrepl__ftree *t)
{
    unsigned n;

    krbrepl__free(t->keys, keys_len(t));
    krbrepl__free(t->key, ((size_t)t->count[0] + 1) * sizeof *t->key);
    for (n = 0; n < KRBREPL__LEVELS_MAX; n++) {
        krbrepl__free(t->digest[n], (size_t)t->count[n] * 32);
        krbrepl__free(t->first[n], ((size_t)t->count[n] + 1) * sizeof *t->first[n]);
    }
    krbrepl__free(t, sizeof *t);
}

/* ---- making --------------------------------------------------------------------------------- */

static int take_leaves(krbrepl__ftree *t, const krbrepl__dtree *from, uint64_t *bound)
{
    krbrepl__dtree_leaf l;
    size_t i, n = t->count[0], at = 0;

    for (i = 0; i < n; i++) {
        krbrepl__dtree_leaf_at(from, i, &l);
        at += l.key.len;
    }
    t->key = krbrepl__alloc_array(n + 1, sizeof *t->key);
    t->digest[0] = krbrepl__alloc_array(n, 32);
    if (t->key == NULL || t->digest[0] == NULL)
        return KRBREPL_ERR_NOMEM;
    t->key[n] = at;
    t->keys = krbrepl__alloc(at + 1); /* never of no bytes */
    if (t->keys == NULL)
        return KRBREPL_ERR_NOMEM;
    for (i = 0, at = 0; i < n; i++) {
        krbrepl__dtree_leaf_at(from, i, &l);
        t->key[i] = at;
        if (l.key.len != 0)
            memcpy(t->keys + at, l.key.data, l.key.len);
        at += l.key.len;
        bound[i] = l.bound;
        /* Without records it stays 32 zero bytes, which is the root of no records. */
        if (l.records != 0)
            memcpy(t->digest[0] + i * 32, l.digest, 32);
    }
    return 0;
}

/* Where each node of level n begins in the level below. Turns the bounds of the level below into those of
 * this one. */
static int divide(krbrepl__ftree *t, unsigned n, uint64_t *bound)
{
    uint32_t i, below = t->count[n - 1], k = 0, last = 0;
    uint32_t *first = krbrepl__alloc_array((size_t)below + 1, sizeof *first);

    if (first == NULL)
        return KRBREPL_ERR_NOMEM;
    for (i = 0; i < below; i++) {
        if (i != 0 && i - last < KRBREPL__NODE_MAX && !krbrepl__digest_begins_node(n, bound[i]))
            continue;
        last = first[k] = i;
        bound[k++] = bound[i];
    }
    first[k] = below;
    t->count[n] = k;
    t->first[n] = krbrepl__alloc_array((size_t)k + 1, sizeof *first);
    if (t->first[n] != NULL)
        memcpy(t->first[n], first, ((size_t)k + 1) * sizeof *first);
    krbrepl__free(first, ((size_t)below + 1) * sizeof *first);
    return t->first[n] != NULL ? 0 : KRBREPL_ERR_NOMEM;
}

static int sum_level(krbrepl__ftree *t, unsigned n, krbrepl__sha *sha)
{
    const uint32_t *first = t->first[n];
    uint32_t i;
    int rc = 0;

    t->digest[n] = krbrepl__alloc_array(t->count[n], 32);
    if (t->digest[n] == NULL)
        return KRBREPL_ERR_NOMEM;
    for (i = 0; rc == 0 && i < t->count[n]; i++)
        rc = krbrepl__digest_node(sha, n, t->digest[n - 1] + (size_t)first[i] * 32,
                                  first[i + 1] - first[i], t->digest[n] + (size_t)i * 32);
    return rc;
}

/* The root is the only node of the lowest level that has but one. */
static int build(krbrepl__ftree *t, const krbrepl__dtree *from, uint64_t *bound, krbrepl__sha *sha)
{
    unsigned n = 0;
    int rc = take_leaves(t, from, bound);

    while (rc == 0 && t->count[n] > 1) {
        /* So high a tree wants boundary hashes that nobody can find; but what is written is not past the end. */
        if (++n == KRBREPL__LEVELS_MAX)
            return KRBREPL_ERR_INVALID;
        rc = divide(t, n, bound);
        if (rc == 0)
            rc = sum_level(t, n, sha);
    }
    t->levels = n + 1;
    return rc;
}

int krbrepl__dtree_freeze(krbrepl__dtree *from, krbrepl__ftree **out)
{
    size_t leaves = krbrepl__dtree_leaves(from);
    krbrepl__ftree *t = NULL;
    krbrepl__sha *sha = NULL;
    uint64_t *bound = NULL;
    int rc = KRBREPL_ERR_NOMEM;

    *out = NULL;
    if (krbrepl__dtree_dirty(from) != 0)
        return KRBREPL_ERR_STATE;
    if (leaves >= UINT32_MAX)
        goto done;
    t = krbrepl__alloc(sizeof *t);
    sha = krbrepl__sha_new();
    bound = krbrepl__alloc_array(leaves, sizeof *bound);
    if (t == NULL || sha == NULL || bound == NULL)
        goto done;
    t->refs = 1;
    t->count[0] = (uint32_t)leaves;
    rc = build(t, from, bound, sha);
    if (rc == 0) {
        *out = t;
        t = NULL;
    }
done:
    if (t != NULL)
        ftree_free(t);
    krbrepl__sha_free(sha);
    krbrepl__free(bound, leaves * sizeof *bound);
    return rc;
}

krbrepl__ftree *krbrepl__ftree_ref(krbrepl__ftree *t)
{
    t->refs++;
    return t;
}

void krbrepl__ftree_unref(krbrepl__ftree *t)
{
    if (t != NULL && --t->refs == 0)
        ftree_free(t);
}

/* ---- looking -------------------------------------------------------------------------------- */

unsigned krbrepl__ftree_levels(const krbrepl__ftree *t)
{
    return t->levels;
}

uint32_t krbrepl__ftree_count(const krbrepl__ftree *t, unsigned level)
{
    return level < t->levels ? t->count[level] : 0;
}

const uint8_t *krbrepl__ftree_digest(const krbrepl__ftree *t, unsigned level, uint32_t i)
{
    return t->digest[level] + (size_t)i * 32;
}

void krbrepl__ftree_children(const krbrepl__ftree *t, unsigned level, uint32_t i, uint32_t *first,
                             uint32_t *n)
{
    *first = t->first[level][i];
    *n = t->first[level][i + 1] - *first;
}

static krbrepl_bytes first_key(const krbrepl__ftree *t, uint32_t leaf)
{
    krbrepl_bytes k = {t->keys + t->key[leaf], t->key[leaf + 1] - t->key[leaf]};

    return k;
}

void krbrepl__ftree_range(const krbrepl__ftree *t, uint32_t leaf, krbrepl_bytes *from,
                          krbrepl_bytes *to)
{
    const krbrepl_bytes open = {NULL, 0};

    *from = leaf == 0 ? open : first_key(t, leaf);
    *to = leaf + 1 == t->count[0] ? open : first_key(t, leaf + 1);
}

size_t krbrepl__ftree_memory(const krbrepl__ftree *t)
{
    size_t sum = sizeof *t + keys_len(t) + ((size_t)t->count[0] + 1) * sizeof *t->key;
    unsigned n;

    for (n = 0; n < t->levels; n++)
        sum += (size_t)t->count[n] * (32 + sizeof *t->first[n]);
    return sum;
}

void krbrepl__ftree_root(const krbrepl__ftree *t, uint8_t root[32])
{
    memcpy(root, t->digest[t->levels - 1], 32);
}

int krbrepl__salted(krbrepl__sha *sha, const uint8_t salt[KRBREPL__SALT], const uint8_t *digest,
                    size_t len, uint8_t out[KRBREPL__SALTED])
{
    static const char label[] = "krbrepl walk 1"; /* counts with its NUL */
    krbrepl_bytes piece[] = {{label, sizeof label}, {salt, KRBREPL__SALT}, {digest, len}};
    uint8_t sum[32];
    int rc = krbrepl__sha_sum(sha, piece, 3, sum);

    memcpy(out, sum, KRBREPL__SALTED);
    return rc;
}
