/* mutant.h: mistakes that the simulator must find.
 *
 * KRBREPL__MUTANT(name) is 0, and what hangs on it is not there, but in the programs of tests/sim that are
 * compiled with -DKRBREPL_MUTANT=name: each of them has one mistake, and a seed that shows it. So it is known
 * that the simulator would see such a mistake if somebody made it. */
#ifndef KRBREPL__MUTANT_H
#define KRBREPL__MUTANT_H

enum {
    KRBREPL__MUTANT_none,
    KRBREPL__MUTANT_skip_delete, /* a repair leaves a record there that the master does not have */
    KRBREPL__MUTANT_ack_before_durable, /* a commit is said to be on the disk before it is */
    KRBREPL__MUTANT_leave_leaf_dirty,   /* a leaf of the digest tree is not read again */
    KRBREPL__MUTANT_accept_lower_epoch, /* a master that was replaced is followed */
    KRBREPL__MUTANT_stale_position, /* a copy says the position at which it began, not that of its content */
    KRBREPL__MUTANT_out_of_order, /* of several commits, the first one is applied last */
    KRBREPL__MUTANT_forget_slice  /* a copy that is gone on with leaves out what comes next */
};

#ifndef KRBREPL_MUTANT
#define KRBREPL_MUTANT none
#endif
#define KRBREPL__MUTANT_PASTE(a, b) a##b
#define KRBREPL__MUTANT_OF(name) KRBREPL__MUTANT_PASTE(KRBREPL__MUTANT_, name)
#define KRBREPL__MUTANT(name) (KRBREPL__MUTANT_OF(KRBREPL_MUTANT) == KRBREPL__MUTANT_##name)

#endif
