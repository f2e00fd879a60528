/* verify.h: a node reads all its records again and compares itself with the other end, because somebody asks.
 *
 * First every leaf of the digest tree is read and compared with what is remembered of it; then a replica is compared
 * with its master, and a master with each replica that is connected. What differs is repaired meanwhile as ever.
 *
 * The tree knows nothing of values that are in a host's database. They are read too, in the node's own turns, a little
 * in each; and once more after something was altered there, until all are what they should be. So are the commits in a
 * host's journal. Nothing mends one of these: a proof ends where it finds one that is damaged. */
#ifndef KRBREPL__VERIFY_H
#define KRBREPL__VERIFY_H

#include "node_impl.h"

typedef struct krbrepl__verify {
    int stage;              /* 0: the tree is not there yet; 1: reading; 2: comparing */
    uint64_t leaves, total; /* total: with the records and commits of a host */
    uint64_t host_done;     /* of these, in this pass */
    krbrepl__ckey host_at;  /* behind which the next one is */
    int host_end;           /* all were read */
    int host_found;         /* some were altered, in this pass */
    uint64_t commits;       /* in a host's journal: those up to commits_to are read */
    uint64_t commits_at, commits_to;
    int commits_end;
    uint64_t seq;    /* what is compared is at this position, or later */
    uint64_t proofs; /* as counted when it began */
    uint64_t differs;
    int err; /* the proof has failed, for this reason */
    char text[200];
    krbrepl_proved out;
} krbrepl__verify;

void krbrepl__verify_begin(krbrepl_node *n, krbrepl__verify *v);
/* Looks how far it is. 1: it is done, `out` is filled in, or `err`; 0: not yet. */
int krbrepl__verify_look(krbrepl_node *n, krbrepl__verify *v, uint64_t *done);

#endif
