/* replica.h: what a node has while it follows. */
#ifndef KRBREPL__REPLICA_H
#define KRBREPL__REPLICA_H

#include "dial.h"

#define KRBREPL__REPLICA_WINDOW (4u << 20)

struct krbrepl__replica {
    krbrepl_node *n;
    krbrepl_replica_options opt; /* with the defaults filled in; strings below */
    char *host, *port, *service, *principal, *keytab;
    uint8_t database_id[16];
    int has_id;
    krbrepl__dial dial;
    krbrepl__conn *cur;   /* the session that is followed */
    krbrepl__conn *next;  /* a successor that is authenticating */
    krbrepl__timer retry; /* to dial again, or to renew */
    unsigned fails;       /* in a row */
    int differs;          /* the content was found to differ from the master's: it is copied next */
    uint64_t differed_ms; /* when that was found last; 0: never */
    int repaired;         /* the last copy for that was a repair, and nothing was proved equal since */
    int repair_failed;    /* the store was to blame for that: the next copy is a full one */
    unsigned unreachable; /* times in a row; not each has a line in the log */

    uint64_t upstream_seq;
    uint64_t even_ms; /* when this replica last had all there is; 0: not yet */
    int64_t heard_us; /* when the master was last heard */
    uint64_t heard_ms;
    int64_t copy_us;
    uint32_t copy_reason;
    uint64_t applied; /* own seq as last looked at */
    int gives_up;     /* the store's own commits may be given up, as last looked at */

    /* A commit that could not be applied: its seq; how often it was tried; how often of these it failed for
     * a reason that a copy may mend; and how often the copy that was asked for has failed too. */
    uint64_t apply_seq;
    unsigned apply_tries, apply_fails, copy_fails;
};

/* mend.c: what is done about a store that does not take a commit. */

/* A session is over: counts, and raises the alarm. True when the store was to blame. */
int krbrepl__mend_over(krbrepl_node *n, const krbrepl__sess_info *i);
/* The store has moved on. */
void krbrepl__mend_moved(krbrepl_node *n, uint64_t applied);
/* What the next session asks for: enum krbrepl_copy_reason. */
uint64_t krbrepl__mend_asks(const krbrepl_node *n);

#endif
