/* feed.h: a master whose records come from a master of another kind: how it follows that one.
 *
 * It stands beside the serving of replicas (master.h) and shares nothing with it but the store: what comes in is
 * committed, and the commit wakes the node like any other writer's. */
#ifndef KRBREPL__FEED_H
#define KRBREPL__FEED_H

#include "dial.h"
#include "feedport.h"

struct krbrepl__feed {
    krbrepl_node *n;
    krbrepl_replica_options opt; /* with the defaults filled in; strings below */
    char *host, *port, *service, *principal, *keytab;
    krbrepl__feedport store;
    uint8_t lineage[16]; /* of the store when it began; another one: it was promoted */
    krbrepl__dial dial;
    krbrepl__timer retry; /* to dial again */
    krbrepl__timer turn;  /* of the session */

    /* The session; `sess` NULL: there is none. */
    krbrepl__sess *sess;
    int fd;
    krbrepl__watch watch;
    krbrepl__task *task;
    krbrepl__waiter waiter;
    char address[KRBREPL__ADDR_TEXT];
    krbrepl__conn_seen seen;
    int up;
    uint64_t opened_ms;

    unsigned fails;       /* in a row */
    unsigned unreachable; /* times in a row; not each has a line in the log */
    int whole;            /* the next session asks for a whole database */
    uint64_t whole_at;    /* when one was asked for last for want of sense in what was told; 0: never */
    uint64_t wholed_ms;   /* when the last one was complete; 0: not in this run */
    unsigned unmarked;    /* whole databases since the master's history was known by a record */
    int learn;            /* the next session makes it known */
    unsigned denied;      /* sessions in a row that ended right after the authentication */
    uint64_t apply_seq;   /* the record that could not be applied, and how often it was tried */
    unsigned apply_fails;
    uint64_t even_ms; /* when all there is was here last; 0: not yet */
    int even;
    uint64_t heard_ms;
    int64_t heard_us;
    int64_t copy_us;
    uint32_t copy_reason;
};

/* As krbrepl__replica_start, for a master that speaks another dialect. */
int krbrepl__feed_start(krbrepl_node *n, const krbrepl_replica_options *opt);

#endif
