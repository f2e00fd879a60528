/* walkmsg.h: the bodies of ASK and TREE, by which a replica finds out what differs.
 *
 *   ask    := kind:u8 walk:u8 item ...                                 replica to master
 *     1 NODES    level:u8 index:u32 ...           the children of these nodes
 *     2 LEAVES   index:u32 ...                    the ranges of these leaves, and the digests of their records
 *     3 RECORDS  (leaf:u32 n:u16 n x digest) ...  these records
 *     4 ALL                                       every record, as in a full copy
 *     5 DONE                                      nothing more
 *   tree   := kind:u8 last:u8 item ...                                 master to replica
 *     1 NODES    (first:u32 n:u8 n x digest) ...  the children of each node that was asked for
 *     2 LEAVES   (leaf:u32 from:vec16 to:vec16 n:u16 n x digest) ...
 *     3 RECORDS                                   the records that were asked for have all been sent
 *     4 START    level:u8 n x digest              all nodes of one level
 *
 * `walk` counts the COPY_BEGINs of the session. A digest has 8 bytes. Indices ascend, and so do the digests of
 * a RECORDS item, byte by byte; whatever does not is malformed. What depends on the tree is checked by the
 * session. */
#ifndef KRBREPL__WALKMSG_H
#define KRBREPL__WALKMSG_H

#include "buf.h"

#define KRBREPL__WALK_DIGEST 8u
#define KRBREPL__WALK_CHILDREN 128u /* of one node */
#define KRBREPL__WALK_PART 128u     /* digests in one item of a LEAVES answer */
#define KRBREPL__WALK_LEAF 4096u    /* digests of one leaf, in all its items */
#define KRBREPL__WALK_START 256u    /* nodes in START */

enum krbrepl__ask_kind {
    KRBREPL__ASK_NODES = 1,
    KRBREPL__ASK_LEAVES = 2,
    KRBREPL__ASK_RECORDS = 3,
    KRBREPL__ASK_ALL = 4,
    KRBREPL__ASK_DONE = 5
};

enum krbrepl__tree_kind {
    KRBREPL__TREE_NODES = 1,
    KRBREPL__TREE_LEAVES = 2,
    KRBREPL__TREE_RECORDS = 3,
    KRBREPL__TREE_START = 4
};

/* ---- ASK ------------------------------------------------------------------------------------- */

/* Begins the body of an ASK; `level` is that of NODES. */
void krbrepl__ask_begin(krbrepl__buf *b, unsigned kind, unsigned walk, unsigned level);
/* An item of RECORDS; those of the other kinds are numbers. */
void krbrepl__ask_put_records(krbrepl__buf *b, uint32_t leaf, const uint8_t *digests, size_t n);

typedef struct krbrepl__ask {
    unsigned kind, walk, level;
    krbrepl__rd rd; /* the items that were not taken yet */
    uint64_t least; /* the lowest index that may come next */
} krbrepl__ask;

/* Takes the head apart; the items are borrowed from `body`. PROTO: the kind is not known, or there are no
 * items, or some where there must not be any. */
int krbrepl__ask_open(krbrepl_bytes body, krbrepl__ask *out);
/* The next item of NODES or LEAVES. 1; 0: there is no more; PROTO. */
int krbrepl__ask_index(krbrepl__ask *a, uint32_t *index);
/* The next item of RECORDS. The same. */
int krbrepl__ask_records(krbrepl__ask *a, uint32_t *leaf, krbrepl_bytes *digests);

/* ---- TREE ------------------------------------------------------------------------------------ */

typedef struct krbrepl__tree_node {
    uint32_t first;
    krbrepl_bytes digests;
} krbrepl__tree_node;

typedef struct krbrepl__tree_part {
    uint32_t leaf;
    krbrepl_bytes from, to; /* canonical keys; an empty `to` is the end */
    krbrepl_bytes digests;
} krbrepl__tree_part;

void krbrepl__tree_put_node(krbrepl__buf *b, const krbrepl__tree_node *n);
void krbrepl__tree_put_part(krbrepl__buf *b, const krbrepl__tree_part *p);

typedef struct krbrepl__tree {
    unsigned kind, last, level;
    krbrepl__rd rd;
} krbrepl__tree;

/* Takes the head apart. START: all digests are in `rd`, at least one and at most WALK_START. PROTO. */
int krbrepl__tree_open(krbrepl_bytes body, krbrepl__tree *out);
/* The next item. 1; 0; PROTO: cut short, no digest in a node, too many digests, keys that are too long, a
 * range that ends before it begins. */
int krbrepl__tree_node_next(krbrepl__tree *t, krbrepl__tree_node *out);
int krbrepl__tree_part_next(krbrepl__tree *t, krbrepl__tree_part *out);

#endif
