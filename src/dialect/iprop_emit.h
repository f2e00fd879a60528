/* iprop_emit.h: a commit as records of Heimdal's log.
 *
 * A commit says what a record is now, not how it came to be, and Heimdal's slaves do not replace by a create,
 * nor make by a modify. So each change takes two records, and the number of records, and with it every version,
 * follows from the number of changes alone:
 *
 *   an entry       first a modify of everything that a modify carries, then a create: one of the two has an
 *                  effect. Where a modify does not do (see `needs_delete`): first a delete, then a create
 *   a removal      a delete, then a nop
 *   an alias       (which a slave makes from its entry) a delete of what may have the name, then a nop
 *   anything else  two nops
 *
 * A record that one commit changes several times gets what it is in the end: what came before is nops, or with
 * the last create the slave would have what was removed again, or what came first.
 *
 * The first records of all entries come before the removals, these before the names that become aliases, and all
 * of them before the second records: the alias that an entry loses is not removed before the entry is without
 * it, and a name that becomes an alias is free by then. Removals go backwards, since hosts remove the rows of
 * the aliases before their entry, and a slave stops at the removal of a name that is an alias there. */
#ifndef KRBREPL__IPROP_EMIT_H
#define KRBREPL__IPROP_EMIT_H

#include "buf.h"
#include "commit.h"

typedef struct krbrepl__iprop_emit {
    krbrepl__commit c;                /* borrows the encoded commit */
    struct krbrepl__iprop_step *step; /* one for each change */
    uint32_t at;                      /* in this pass */
    int pass;
    uint64_t left; /* records that are still to come */
    uint64_t odd;  /* puts into the table `hdb` that are no entry that a slave could hold */
} krbrepl__iprop_emit;

/* How many records a commit with so many changes takes. */
#define KRBREPL__IPROP_RECORDS(changes) (2u * (uint64_t)(changes))

/* PROTO and the like, as krbrepl__commit_decode; NOMEM. What it was begun with before is given back. */
int krbrepl__iprop_emit_begin(krbrepl__iprop_emit *e, krbrepl_bytes commit);
/* Appends the next record under this version. 1: it did; 0: there is none. An error of `b` stays there. */
int krbrepl__iprop_emit_next(krbrepl__iprop_emit *e, uint32_t version, krbrepl__buf *b);

void krbrepl__iprop_emit_end(krbrepl__iprop_emit *e);

/* Can a slave hold this as an entry, under this key? */
int krbrepl__iprop_is_entry(krbrepl_bytes key, krbrepl_bytes value);

#endif
