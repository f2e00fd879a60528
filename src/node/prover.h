/* prover.h: a store's digest tree, kept up with the journal, the digest root at one position, and the whole tree of
 * one position.
 *
 * Nothing here is on the way of a commit: what changed is read from the journal, when a root or a tree is asked
 * for or a slice of time is to spare. All work is done in slices by whoever owns the prover; none waits for
 * anything but the disk. A node gives it to a thread of its own (worker.h), a simulation works in its turns.
 *
 * While the tree is built, each slice reads at whatever position the store is by then, so that no read
 * transaction lives long. For a proof or a freeze one read transaction is kept from begin to end, a few
 * milliseconds for what ten thousand commits change. */
#ifndef KRBREPL__PROVER_H
#define KRBREPL__PROVER_H

#include <stdatomic.h>

#include "ftree.h"
#include "store.h"

typedef struct krbrepl__prover krbrepl__prover;

int krbrepl__prover_new(krbrepl__prover **out, krbrepl_store *s); /* `s` is borrowed */
void krbrepl__prover_free(krbrepl__prover *p);
/* A record that does not match its checksum is no failure: it is told (ALTERED), and the tree has what is there.
 * For a replica, which compares that with its master. */
void krbrepl__prover_as_found(krbrepl__prover *p);
/* Work ends soon, with a failure, when this is not 0. */
void krbrepl__prover_stop_at(krbrepl__prover *p, const atomic_int *stop);
/* The content was replaced, or what was read of it is not to be trusted: the tree is built anew. */
void krbrepl__prover_reset(krbrepl__prover *p);

/* The tree has been built, so that a proof can begin. */
int krbrepl__prover_ready(const krbrepl__prover *p);
/* Begins a proof of the position at which the store is now; the one before it is given up. STATE when it
 * is not ready. */
int krbrepl__prover_begin(krbrepl__prover *p, krbrepl_pos *at);
/* The same with a walk that was opened by another handle on the store, and is taken over in any case. */
int krbrepl__prover_begin_with(krbrepl__prover *p, krbrepl__scan *scan, const krbrepl__scan_at *at);
int krbrepl__prover_running(const krbrepl__prover *p);
/* Nobody waits for what it does next, which is a scrub if anything. */
int krbrepl__prover_at_leisure(const krbrepl__prover *p);
/* Asks for the whole tree at a position at which the store is from now on; work answers with FROZEN when the tree
 * is built and nothing else is under way, or with a failure. */
void krbrepl__prover_freeze(krbrepl__prover *p);
/* Asks for `leaves` more leaves to be read again and compared with what is remembered of them; for all of them, from the
 * first on, also those that come meanwhile, where there are no more than that. */
void krbrepl__prover_scrub(krbrepl__prover *p, size_t leaves);
/* Leaves that are still to be read again; not 0 before everything that was found in the others is told. */
size_t krbrepl__prover_scrubs(const krbrepl__prover *p);
/* The record with this canonical key may have been altered: its leaf is read again soon. */
void krbrepl__prover_suspect(krbrepl__prover *p, const void *ckey, size_t len);
/* A repair put or deleted this record. When all were told, `moved` says from where to where it has taken the
 * store; the tree is kept when it was that of `from`, and built anew else. */
void krbrepl__prover_touch(krbrepl__prover *p, const void *ckey, size_t len);
void krbrepl__prover_moved(krbrepl__prover *p, const krbrepl_pos *from, const krbrepl_pos *to);
size_t krbrepl__prover_leaves(const krbrepl__prover *p);

enum krbrepl__prover_news {
    KRBREPL__PROVER_MORE = 1,    /* there is more to do */
    KRBREPL__PROVER_PROVED = 2,  /* the proof is finished: `root` is that of its position */
    KRBREPL__PROVER_ALTERED = 3, /* a record was altered without a commit: `text` says which */
    KRBREPL__PROVER_FROZEN = 4,  /* `tree` is that of the position `pos` */
    KRBREPL__PROVER_IDLE = 0
};

#define KRBREPL__NEWS_TEXT 256u

typedef struct krbrepl__proof {
    krbrepl_pos pos;
    uint8_t root[32];
    char text[KRBREPL__NEWS_TEXT];
    krbrepl__ftree *tree;         /* the caller's to unref; NULL: the store has no history yet */
    uint64_t cumulative, records; /* FROZEN: at the position */
} krbrepl__proof;

/* A slice: about `records` records, or a piece of the journal. One of the news, or a failure of the store
 * (CORRUPT: a record does not match its checksum); then a proof under way is given up. */
int krbrepl__prover_work(krbrepl__prover *p, size_t records, krbrepl__proof *out);
size_t krbrepl__prover_memory(const krbrepl__prover *p);

#endif
