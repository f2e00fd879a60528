/* partial.h: a full copy that was cut off, which the next one may go on with.
 *
 * The state says that the other generation holds one (KRBREPL__OTHER_PARTIAL); the value `partial` in `meta` has
 * the rest:
 *
 *   position[64] of this store when it began, from[64], upper[64],
 *   cumulative:u64, flags:u8, ancestry
 *
 * It counts while the store stays at that position. */
#ifndef KRBREPL__PARTIAL_H
#define KRBREPL__PARTIAL_H

#include "impl.h"

#define KRBREPL__PARTIAL_KEEP_OLD 1u

typedef struct krbrepl__partial {
    krbrepl_pos own, from;
    krbrepl_pos upper; /* of the master: no record there was read at a later one */
    uint64_t cumulative;
    unsigned flags;
    krbrepl__ancestry ancestry;
} krbrepl__partial;

int krbrepl__partial_put(krbrepl_store *s, MDB_txn *txn, const krbrepl__partial *p);
/* NOTFOUND without a text when there is none that counts. The ancestry is the caller's to free. */
int krbrepl__partial_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                         krbrepl__partial *out);
/* In a transaction: nobody goes on with it. */
int krbrepl__partial_drop(krbrepl_store *s, krbrepl__wtxn *w);

#endif
