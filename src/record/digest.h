/* digest.h: the root of the digest tree, computed in one pass over the records in key order.
 *
 * A history-independent Merkle tree, the same on every node and in every store. Each record has a
 * boundary hash
 *     h := first 8 bytes, as a big-endian integer, of
 *          SHA-256("krbrepl bound 1" 0x00 || database id || canonical key)
 * A record begins a new leaf when the low 4 bits of h are zero, or when its leaf holds 128 records. A
 * node of level n (leaves are level 0) begins a new node of level n+1 when the low 4*(n+2) bits of the
 * h of its first record are zero, or when its parent holds 128 nodes; where 4*(n+2) is more than 64,
 * only the 128 counts, so that every set of records has a root.
 *
 *     leaf := SHA-256("krbrepl leaf 1" 0x00 || its record digests, 16 bytes each)
 *     node := SHA-256("krbrepl node 1" 0x00 || level:u8 || its children's digests, 32 bytes each)
 *
 * The root is the one digest of the lowest level that has one node only (level 0 included); the root
 * of no records is 32 zero bytes. */
#ifndef KRBREPL__DIGEST_H
#define KRBREPL__DIGEST_H

#include <krbrepl/types.h>

#include "ckey.h"
#include "sha.h"

typedef struct krbrepl__digest krbrepl__digest;

krbrepl__digest *krbrepl__digest_new(const uint8_t database_id[16]); /* NULL: out of memory */
void krbrepl__digest_free(krbrepl__digest *d);
/* Records in the order of their canonical keys; INVALID when one is not above the last. */
int krbrepl__digest_add(krbrepl__digest *d, const void *ckey, size_t len,
                        const uint8_t rdigest[KRBREPL__RDIGEST]);
int krbrepl__digest_root(krbrepl__digest *d, uint8_t root[32]); /* once, at the end */

/* The parts, for whoever keeps the leaves. */
#define KRBREPL__LEAF_MAX 128u              /* records in a leaf */
#define KRBREPL__NODE_MAX KRBREPL__LEAF_MAX /* children of a node */
/* The boundary hash of a record. */
int krbrepl__digest_bound(krbrepl__sha *h, const uint8_t database_id[16], const void *ckey, size_t len,
                          uint64_t *out);
/* Whether a record with this boundary hash begins a leaf wherever it stands. */
int krbrepl__digest_begins_leaf(uint64_t bound);
/* The digest of a leaf of `n` records. */
int krbrepl__digest_leaf(krbrepl__sha *h, const uint8_t *rdigests, size_t n, uint8_t out[32]);
/* Whether a node of the level below, whose first record has this boundary hash, begins a node of `level` wherever
 * it stands; level 1 or above. */
int krbrepl__digest_begins_node(unsigned level, uint64_t bound);
/* The digest of a node of level 1 or above with `count` children. */
int krbrepl__digest_node(krbrepl__sha *h, unsigned level, const uint8_t *children, size_t count,
                         uint8_t out[32]);
/* A whole leaf in place of its records, in their order; `bound` is that of its first record. A digest is
 * made of records or of leaves, never of both. */
int krbrepl__digest_add_leaf(krbrepl__digest *d, uint64_t bound, const uint8_t leaf[32]);

#endif
