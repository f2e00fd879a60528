/* repair.h: what the files of a repair share. */
#ifndef KRBREPL__REPAIR_H
#define KRBREPL__REPAIR_H

#include "build.h"
#include "course.h"
#include "staging.h"

enum krbrepl__repair_stage {
    KRBREPL__REPAIR_GATHER = 0,
    KRBREPL__REPAIR_PRUNE, /* removing what earlier attempts left */
    KRBREPL__REPAIR_EMPTY, /* the second rule, from here on: making room in the other generation */
    KRBREPL__REPAIR_MERGE,
    KRBREPL__REPAIR_SWITCH
};

struct krbrepl__repair {
    krbrepl_store *s;
    int lock; /* load.lock */
    krbrepl__course course;
    krbrepl_pos start; /* of the store, which stands still meanwhile */
    int keep_old;
    uint32_t attempt;
    int noted; /* the attempt is in meta */
    int applying, broken;
    int stage;

    /* Short transactions: on `staging`, and from EMPTY on, when it is begun, on the other generation. */
    krbrepl__build build;
    krbrepl__buf pending;    /* not written yet: op u8, canonical key vec16, row vec32 */
    uint64_t written_ms;     /* when that was done last */
    krbrepl__ckey at;        /* where a walk goes on; len 0: at the beginning */
    int walking;             /* it has begun */
    uint64_t entries, bytes; /* of this attempt, in the table */
    krbrepl__repair_sum sum;
    krbrepl__touched touched;
};

/* Whether the repair may go on, in any transaction. */
int krbrepl__repair_check(const krbrepl__repair *r, const krbrepl__wtxn *w);
int krbrepl__repair_flush(krbrepl__repair *r);
void krbrepl__repair_free(krbrepl__repair *r);

#endif
