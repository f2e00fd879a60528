/* proof.h: when a node computes its digest, and what it does with it.
 *
 * A master says CHECK to its replicas: when one of them was not checked at the store's position yet, after
 * 10 s, after 10,000 commits, once the store has been quiet for a second, and when one asks for it. A replica
 * computes its own when it is asked. Both read everything again once in 24 hours.
 *
 * The work is done by a thread (worker.h). The read transaction of a proof is begun here, while the store is at
 * the position that is proved, and handed over. */
#ifndef KRBREPL__PROOF_H
#define KRBREPL__PROOF_H

#include "poller.h"
#include "worker.h"

typedef struct krbrepl__conn krbrepl__conn;
struct krbrepl_node;

typedef struct krbrepl__proofs {
    krbrepl__worker *worker;
    krbrepl__watch watch;
    uint64_t pause_until; /* after a failure */
    int failing;          /* that was told */
    uint64_t begun_ms;    /* master: the last check */
    uint64_t begun_seq;
    uint64_t moved_ms;     /* when the store's position changed last */
    uint64_t want;         /* replica: the position whose root the session asks for; 0: none */
    uint64_t host_debt;    /* records times milliseconds since a host's records were read */
    krbrepl__ckey host_at; /* behind which they are read next */
    uint64_t scrub_debt;   /* leaves times milliseconds since the last scrub */
    uint64_t proved_seq;   /* what the status shows */
    int64_t proved_us;
    uint64_t proofs, differs;
} krbrepl__proofs;

int krbrepl__proof_start(struct krbrepl_node *n); /* with the detail on the node */
void krbrepl__proof_stop(struct krbrepl_node *n);
void krbrepl__proof_forget(struct krbrepl_node *n); /* in a forked child */
/* Takes what the thread has found out so far. */
void krbrepl__proof_news(struct krbrepl_node *n);
void krbrepl__proof_tick(struct krbrepl_node *n);
/* The store is at another position. */
void krbrepl__proof_moved(struct krbrepl_node *n);
/* A session asks for the root at the store's position, which is `seq`. */
void krbrepl__proof_want(struct krbrepl_node *n, uint64_t seq);
/* A copy has replaced the content. */
void krbrepl__proof_copied(struct krbrepl_node *n);
/* Somebody has read the record with this canonical key, and it did not match its checksum. */
void krbrepl__proof_suspect(struct krbrepl_node *n, const void *ckey, size_t len);
/* Compares so many records of a host's database with their digests, behind `after`, which moves on; `end`: that was
 * all. This is done here and not in the thread, for the callbacks belong to this one. 1: one was altered, and is
 * being repaired by a replica; 0; an error. */
int krbrepl__proof_read_host(struct krbrepl_node *n, krbrepl__ckey *after, size_t records, int *end);
/* What a session has found out. */
void krbrepl__proof_conn_moved(krbrepl__conn *c);

#endif
