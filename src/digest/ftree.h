/* ftree.h: the digest tree of one position, whole and unchanging: what a walk compares.
 *
 * dtree.h keeps the leaves while records change; this is what they were at one position, with all levels
 * above them. Level 0 are the leaves; the highest level has one node. A tree of no records is one leaf
 * without records. Trees are counted, so that several walks share one; the counter is not locked: one
 * thread at a time. */
#ifndef KRBREPL__FTREE_H
#define KRBREPL__FTREE_H

#include <krbrepl/types.h>

#include "dtree.h"

#define KRBREPL__SALT 16u  /* bytes of a walk's salt */
#define KRBREPL__SALTED 8u /* bytes of a digest as it travels */
#define KRBREPL__LEVELS_MAX 17u

typedef struct krbrepl__ftree krbrepl__ftree;

/* Of a tree in which no leaf is dirty (STATE else). NOMEM. */
int krbrepl__dtree_freeze(krbrepl__dtree *t, krbrepl__ftree **out);
krbrepl__ftree *krbrepl__ftree_ref(krbrepl__ftree *t);
void krbrepl__ftree_unref(krbrepl__ftree *t); /* NULL is fine */

unsigned krbrepl__ftree_levels(const krbrepl__ftree *t);                /* at least 1 */
uint32_t krbrepl__ftree_count(const krbrepl__ftree *t, unsigned level); /* nodes; 0 above the top */
const uint8_t *krbrepl__ftree_digest(const krbrepl__ftree *t, unsigned level,
                                     uint32_t i); /* 32 bytes */
/* The children of a node of level 1 or above: `n` nodes of the level below, from `first` on. */
void krbrepl__ftree_children(const krbrepl__ftree *t, unsigned level, uint32_t i, uint32_t *first,
                             uint32_t *n);
/* A leaf's range: from its first canonical key, which is empty for the first leaf, up to and without the
 * first key of the next leaf, empty for the last. Borrowed. */
void krbrepl__ftree_range(const krbrepl__ftree *t, uint32_t leaf, krbrepl_bytes *from,
                          krbrepl_bytes *to);
size_t krbrepl__ftree_memory(const krbrepl__ftree *t);
void krbrepl__ftree_root(const krbrepl__ftree *t, uint8_t root[32]);

/* A digest as it travels in a walk: the first 8 bytes of SHA-256("krbrepl walk 1" 0 ‖ salt ‖ digest). Cut so
 * short it is safe only because nobody can choose content against a salt that is drawn for the walk. */
int krbrepl__salted(krbrepl__sha *sha, const uint8_t salt[KRBREPL__SALT], const uint8_t *digest,
                    size_t len, uint8_t out[KRBREPL__SALTED]);

#endif
