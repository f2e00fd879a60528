/* dtree.h: the digest tree of digest.h, kept in memory while the records change.
 *
 * It holds the leaves; each knows the canonical key of its first record, its digest, and whether a record
 * in its range was changed since (it is dirty then). A leaf's range goes from its first key to that of the
 * next leaf, and the first leaf's from the beginning: so every key that can be has one leaf. What it does
 * not know it reads again: a new tree is one dirty leaf. Reading a leaf again ends where the definition
 * ends it; what lies behind that, up to the next leaf that is known, becomes a dirty leaf, so that nothing
 * but the array of leaves says how far the work has come, and it can be left off after any leaf.
 *
 * The records may be read at a later position than that up to which changes were told by touch. Once all
 * changes up to the position of the last reading were told and no leaf is dirty, the tree is that of this
 * position, whatever happened between. */
#ifndef KRBREPL__DTREE_H
#define KRBREPL__DTREE_H

#include <krbrepl/types.h>

#include "ckey.h"

typedef struct krbrepl__dtree krbrepl__dtree;

/* The records, in the order of their canonical keys. */
typedef struct krbrepl__dtree_source {
    void *ctx;
    /* Goes before the first record whose canonical key is not below `from`; len 0: before all. */
    int (*seek)(void *ctx, const void *from, size_t len);
    /* 1: a record, borrowed until the next call; 0: the end; negative: an error. */
    int (*next)(void *ctx, krbrepl_bytes *ckey, const uint8_t **rdigest);
} krbrepl__dtree_source;

krbrepl__dtree *krbrepl__dtree_new(const uint8_t database_id[16]); /* NULL: out of memory */
void krbrepl__dtree_free(krbrepl__dtree *t);

/* The record with this canonical key was put or deleted. */
void krbrepl__dtree_touch(krbrepl__dtree *t, const void *ckey, size_t len);
size_t krbrepl__dtree_dirty(const krbrepl__dtree *t);  /* leaves */
size_t krbrepl__dtree_leaves(const krbrepl__dtree *t); /* in all */
/* The leaf in whose range a canonical key lies. */
size_t krbrepl__dtree_find(const krbrepl__dtree *t, const void *ckey, size_t len);
size_t krbrepl__dtree_memory(const krbrepl__dtree *t); /* bytes, about */

/* What is known of a leaf. Borrowed until the tree changes. */
typedef struct krbrepl__dtree_leaf {
    krbrepl_bytes key;     /* of its first record, when it was read last */
    uint64_t bound;        /* the boundary hash of that */
    const uint8_t *digest; /* of no meaning while it is dirty or has no records */
    unsigned records;
} krbrepl__dtree_leaf;

void krbrepl__dtree_leaf_at(const krbrepl__dtree *t, size_t i, krbrepl__dtree_leaf *out);

/* Reads dirty leaves until about `records` records were read. 1: some are dirty yet; 0: none is; negative:
 * of the source, or NOMEM; the tree is sound then, and the leaf is dirty still. */
int krbrepl__dtree_rehash(krbrepl__dtree *t, const krbrepl__dtree_source *src, size_t records);

/* Reads leaf `i` once more. 0: it is as it was, or dirty; 1: its records are others than they were, and
 * it is dirty now; `first` is then its first key, borrowed. The source must be at the tree's position. */
int krbrepl__dtree_recheck(krbrepl__dtree *t, const krbrepl__dtree_source *src, size_t i,
                           krbrepl_bytes *first);

/* The root, as of digest.h, from about `leaves` leaves in one call. 1: there is more to do, call again; a
 * change meanwhile begins it anew; 0: `root` is filled in; STATE while a leaf is dirty. */
int krbrepl__dtree_root(krbrepl__dtree *t, size_t leaves, uint8_t root[32]);

#endif
