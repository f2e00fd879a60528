/* staging.h: the table `staging`, in which a repair gathers what is to be changed.
 *
 *   key   := canonical key
 *   entry := attempt:u32 op:u8 [row, with a put]
 *
 * Each repair is an attempt with a number of its own. Only entries of the present attempt are to be applied; those
 * of earlier ones are records that need not be sent again if they are still asked for. The value `staging` in
 * `meta` says whether there may be any:
 *
 *   attempt:u32 done:u8 position[64]
 *
 * The entries are rubbish when `done` is 1, and when the store has left the position at which the attempt began. */
#ifndef KRBREPL__STAGING_H
#define KRBREPL__STAGING_H

#include "impl.h"

enum krbrepl__staged_op {
    KRBREPL__STAGED_PUT = 1,
    KRBREPL__STAGED_DELETE = 2,
    KRBREPL__STAGED_REPLAYED_PUT = 3, /* by a commit that the master made meanwhile */
    KRBREPL__STAGED_REPLAYED_DELETE = 4
};

#define KRBREPL__STAGED_HEAD 5u

typedef struct krbrepl__staged {
    uint32_t attempt;
    unsigned op;
    MDB_val row; /* empty for a delete */
} krbrepl__staged;

/* 1; 0: the entry is malformed. */
int krbrepl__staged_read(const MDB_val *data, krbrepl__staged *out);
int krbrepl__staged_is_put(const krbrepl__staged *e);
/* Writes an entry. *was: the one that it replaces, without the bytes of its row; attempt 0: there was none. */
int krbrepl__staged_write(krbrepl_store *s, MDB_txn *txn, krbrepl_bytes ck, const krbrepl__staged *e,
                          krbrepl__staged *was);
MDB_dbi krbrepl__staging(const krbrepl_store *s);

/* The number of the attempt that is to be begun. */
int krbrepl__staging_next(krbrepl_store *s, MDB_txn *txn, uint32_t *attempt);
int krbrepl__staging_begun(krbrepl_store *s, MDB_txn *txn, uint32_t attempt, const krbrepl_pos *pos);
/* What is there is rubbish from now on. */
int krbrepl__staging_done(krbrepl_store *s, MDB_txn *txn);
/* A bounded piece of clearing rubbish away. 1: there is more; 0: done, or nothing to do. */
int krbrepl__staging_clear(krbrepl_store *s);

#endif
