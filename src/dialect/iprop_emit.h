/* iprop_emit.h: a commit as records of Heimdal's log.
 *
 * A commit says what a record is now, and Heimdal's slaves do not replace by a create, nor make by a modify. What it
 * was before is known of commits that came while the node looked on (krbrepl__prior): then an entry takes one record.
 * Else it takes two of which the outcome does not depend on it:
 *
 *   an entry       existed: a modify; is new: a create; not known: a modify of everything that a modify carries,
 *                  then a create. Where a modify does not do (see `needs_delete`), or when the commit removes the
 *                  entry before: a delete, then a create
 *   a removal      a delete
 *   an alias       (which a slave makes from its entry) when it is not known what had the name: a delete of that
 *   anything else  nothing
 *
 * A record that one commit changes several times gets what it is in the end, or with the last create the slave would
 * have what was removed again, or what came first.
 *
 * The first records of all entries come before the removals, these before the names that become aliases, and all
 * of them before the second records: the alias that an entry loses is not removed before the entry is without
 * it, and a name that becomes an alias is free by then. Removals go backwards, since hosts remove the rows of
 * the aliases before their entry, and a slave stops at the removal of a name that is an alias there.
 *
 * Each change has three numbers, of which many are not used: slaves take records whose numbers only rise. Every third
 * is of no record but of a seal, a nop in a message of its own (iprop_stream.c). The n-th record, counted with those
 * that are left out, has the n-th of the other numbers of the commit, and the last record has the last of them. */
#ifndef KRBREPL__IPROP_EMIT_H
#define KRBREPL__IPROP_EMIT_H

#include "buf.h"
#include "commit.h"
#include "session.h"

typedef struct krbrepl__iprop_emit {
    krbrepl__commit c;                /* borrows the encoded commit */
    struct krbrepl__iprop_step *step; /* one for each change */
    enum krbrepl__prior prior;
    uint32_t at; /* in this pass */
    int pass;
    const struct krbrepl__iprop_step *next; /* what the next record is of */
    int what;                               /* and what it is */
    uint64_t place; /* which one it is, the first being 1, with those that are left out */
    uint64_t said;  /* the same of the record before it */
    uint64_t left;  /* records that are still to come */
    uint64_t odd;   /* puts into the table `hdb` that are no entry that a slave could hold */
} krbrepl__iprop_emit;

/* How many numbers a commit with so many changes takes: for each, two records and a seal. */
#define KRBREPL__IPROP_EACH 3u
#define KRBREPL__IPROP_NUMBERS(changes) (KRBREPL__IPROP_EACH * (uint64_t)(changes))

/* PROTO and the like, as krbrepl__commit_decode; NOMEM. What it was begun with before is given back. */
int krbrepl__iprop_emit_begin(krbrepl__iprop_emit *e, krbrepl_bytes commit, enum krbrepl__prior prior);
/* Appends the next record. `before`: the number before the commit's first; `*version`: the record's. 1: it did; 0:
 * there is none. An error of `b` stays there. */
int krbrepl__iprop_emit_next(krbrepl__iprop_emit *e, uint32_t before, uint32_t *version,
                             krbrepl__buf *b);
/* The seal that says that all records up to here are there, counted from the number before the commit's first; 0: there
 * is none for this place. */
uint64_t krbrepl__iprop_emit_seal(const krbrepl__iprop_emit *e);
/* Passes over the records of the first `n` numbers, up to a seal. */
void krbrepl__iprop_emit_skip(krbrepl__iprop_emit *e, uint64_t n);

void krbrepl__iprop_emit_end(krbrepl__iprop_emit *e);

/* The time of a commit as its records have it. */
uint32_t krbrepl__iprop_seconds(int64_t time_us);

/* Can a slave hold this as an entry, under this key? */
int krbrepl__iprop_is_entry(krbrepl_bytes key, krbrepl_bytes value);

#endif
