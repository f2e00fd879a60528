/* prover.h: a store's digest tree, kept up with the journal, and the digest root at one position.
 *
 * Nothing here is on the way of a commit: what changed is read from the journal, when a root is asked for
 * or a slice of time is to spare. All work is done in slices by whoever owns the prover, for the session
 * and the store are not to be touched from two threads and a slice is short; none waits for anything.
 *
 * While the tree is built, each slice reads at whatever position the store is by then, so that no read
 * transaction lives long. For a proof one read transaction is kept from begin to end, a few milliseconds
 * for what ten thousand commits change. */
#ifndef KRBREPL__PROVER_H
#define KRBREPL__PROVER_H

#include "dtree.h"
#include "store.h"

typedef struct krbrepl__prover krbrepl__prover;

int krbrepl__prover_new(krbrepl__prover **out, krbrepl_store *s); /* `s` is borrowed */
void krbrepl__prover_free(krbrepl__prover *p);
/* The content was replaced, or what was read of it is not to be trusted: the tree is built anew. */
void krbrepl__prover_reset(krbrepl__prover *p);

/* The tree has been built, so that a proof can begin. */
int krbrepl__prover_ready(const krbrepl__prover *p);
/* Begins a proof of the position at which the store is now; the one before it is given up. STATE when it
 * is not ready. */
int krbrepl__prover_begin(krbrepl__prover *p, krbrepl_pos *at);
int krbrepl__prover_running(const krbrepl__prover *p);
/* Asks for `leaves` more leaves to be read again and compared with what is remembered of them. */
void krbrepl__prover_scrub(krbrepl__prover *p, size_t leaves);
size_t krbrepl__prover_leaves(const krbrepl__prover *p);

enum krbrepl__prover_news {
    KRBREPL__PROVER_MORE = 1,    /* there is more to do */
    KRBREPL__PROVER_PROVED = 2,  /* the proof is finished: `root` is that of its position */
    KRBREPL__PROVER_ALTERED = 3, /* a record was altered without a commit: `text` says which */
    KRBREPL__PROVER_IDLE = 0
};

typedef struct krbrepl__proof {
    krbrepl_pos pos;
    uint8_t root[32];
    char text[200];
} krbrepl__proof;

/* A slice: about `records` records, or a piece of the journal. One of the news, or a failure of the store
 * (CORRUPT: a record does not match its checksum); then a proof under way is given up. */
int krbrepl__prover_work(krbrepl__prover *p, size_t records, krbrepl__proof *out);
size_t krbrepl__prover_memory(const krbrepl__prover *p);

#endif
