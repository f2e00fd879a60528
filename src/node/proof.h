/* proof.h: when a node computes its digest, and what it does with it.
 *
 * A master says CHECK to its replicas: when one of them was not checked at the store's position yet, after
 * 10 s, after 10,000 commits, and once the store has been quiet for a second. A replica computes its own
 * when it is asked. Both read everything again once in 24 hours.
 *
 * The work is done in the node's turns and not in a thread: a turn that has nothing else to do spends at
 * most KRBREPL__TURN_MS on it, and one that has, a millisecond out of twenty, so that a busy node
 * gets there too. */
#ifndef KRBREPL__PROOF_H
#define KRBREPL__PROOF_H

#include "prover.h"

typedef struct krbrepl__conn krbrepl__conn;
struct krbrepl_node;

typedef struct krbrepl__proofs {
    krbrepl__prover *prover;
    int more;             /* it has something to do */
    uint64_t turn_ms;     /* its last slice */
    uint64_t pause_until; /* after a failure */
    int failing;          /* that was told */
    uint64_t begun_ms;    /* master: the last check */
    uint64_t begun_seq;
    uint64_t moved_ms;   /* when the store's position changed last */
    uint64_t want;       /* replica: the position whose root the session asks for; 0: none */
    uint64_t scrub_debt; /* leaves times milliseconds since the last scrub */
    uint64_t proved_seq; /* what the status shows */
    int64_t proved_us;
    uint64_t proofs, differs;
} krbrepl__proofs;

int krbrepl__proof_start(struct krbrepl_node *n);
void krbrepl__proof_stop(struct krbrepl_node *n);
void krbrepl__proof_forget(struct krbrepl_node *n); /* in a forked child */
/* A slice. `busy`: there is other work. */
void krbrepl__proof_turn(struct krbrepl_node *n, int busy);
/* Whether a turn is wanted at once. */
int krbrepl__proof_due(const struct krbrepl_node *n);
void krbrepl__proof_tick(struct krbrepl_node *n);
/* The store is at another position. */
void krbrepl__proof_moved(struct krbrepl_node *n);
/* A session asks for the root at the store's position, which is `seq`. */
void krbrepl__proof_want(struct krbrepl_node *n, uint64_t seq);
/* A copy has replaced the content. */
void krbrepl__proof_copied(struct krbrepl_node *n);
/* What a session has found out. */
void krbrepl__proof_conn_moved(krbrepl__conn *c);

#endif
