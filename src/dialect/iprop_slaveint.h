/* iprop_slaveint.h: the inside of a slave's session. */
#ifndef KRBREPL__IPROP_SLAVEINT_H
#define KRBREPL__IPROP_SLAVEINT_H

#include "iprop_slave.h"
#include "sha.h"

typedef struct krbrepl__islave {
    krbrepl__sess_head head; /* first */
    krbrepl__chan *chan;
    const krbrepl__islave_port *port;
    const krbrepl__log *log;
    krbrepl__sha *sha;
    char *address;
    krbrepl__sess_info info;
    krbrepl__islave_state st; /* as committed */
    krbrepl_errinfo ei;
    uint64_t now, opened, handshake_ms, lost_ms, renew_ms;
    int whole;         /* a whole database is asked for */
    int learn;         /* so is the record of a version without a mark */
    int have;          /* the content is one of this master's */
    int check_mark;    /* the first record to come is the one that is held already */
    int loading;       /* a whole database is coming in */
    krbrepl__job *job; /* to be handed out: puts it in the place of the old one */
    int job_out;       /* it was */
    uint32_t
        stop_at; /* the record that could not be applied; what came before it is committed first. 0: none */
    int told_clear;
    krbrepl__islave_news news;
} krbrepl__islave;

/* iprop_slave.c: the session is over; all answer `err`, or what it is over for. */
int krbrepl__islave_end(krbrepl__islave *s, int err, const char *fmt, ...);
/* What was told does not go on from what is held: the next session asks for everything. */
int krbrepl__islave_end_for_whole(krbrepl__islave *s, const char *why);
int krbrepl__islave_store_failed(krbrepl__islave *s, int err, const char *what);
int krbrepl__islave_say_have(krbrepl__islave *s, uint32_t version);

/* iprop_intake.c: what a message does. 1: it is done; 0: call again with the same; negative: the session is over. */
int krbrepl__islave_take_records(krbrepl__islave *s, krbrepl_bytes body);
int krbrepl__islave_begin_whole(krbrepl__islave *s);
int krbrepl__islave_take_entry(krbrepl__islave *s, krbrepl_bytes entry);
int krbrepl__islave_end_whole(krbrepl__islave *s, krbrepl_bytes body);
/* The job has come back. */
void krbrepl__islave_whole_done(krbrepl__islave *s, krbrepl__job *j);
/* The content is not newer than its version any more. 0, or negative. */
int krbrepl__islave_settled(krbrepl__islave *s);

#endif
