/* iprop_masterint.h: the inside of a master's session with an ipropd-slave, shared by its files. */
#ifndef KRBREPL__IPROP_MASTERINT_H
#define KRBREPL__IPROP_MASTERINT_H

#include "iprop.h"
#include "iprop_emit.h"

#define KRBREPL__IPROP_MARKS 8u     /* messages that a slave may owe an answer for */
#define KRBREPL__IPROP_BATCH 200u   /* records in one message */
#define KRBREPL__IPROP_BYTES 65536u /* and about so many bytes */
/* A commit that is not larger goes in one message, so that no slave stands in the midst of it; what is said of it
 * may then depend on what is known, and not on the commit alone. */
#define KRBREPL__IPROP_SMALL 25u          /* changes */
#define KRBREPL__IPROP_SMALL_BYTES 65536u /* of its encoding */
#define KRBREPL__IPROP_LAST_NUMBER (UINT32_C(1) << 31)

/* A message that the slave answers with I_HAVE. */
typedef struct krbrepl__iprop_mark {
    uint32_t version; /* that it then has */
    uint64_t seq;     /* the last commit that is whole then */
    int whole;        /* the end of a complete database */
} krbrepl__iprop_mark;

typedef struct krbrepl__iprop_master {
    krbrepl__sess_head head; /* first */
    krbrepl__chan *chan;
    const krbrepl__port *port;
    const krbrepl__log *log;
    char *address;
    uint64_t handshake_ms, missing_ms, gone_ms;
    uint64_t now;
    uint64_t hurry;    /* when the handshake must be done; UINT64_MAX: it is */
    uint64_t asked_ms; /* last ARE_YOU_THERE; 0: none since the slave was heard */
    krbrepl__sess_info info;

    krbrepl__numbering num;
    uint8_t lineage[16]; /* that it belongs to */
    krbrepl__told told;
    int greeted;      /* the first I_HAVE is there */
    uint32_t has;     /* what the slave said then */
    uint32_t seal;    /* that it is to get: all that was sent is before it */
    uint32_t version; /* the last one sent */
    uint32_t acked;
    int said_last; /* and it was told that there is no more */
    uint64_t next; /* the next commit to read */
    uint64_t tip;  /* the last one there is, as far as is known */
    uint64_t tip_cumulative;

    krbrepl__buf pend; /* commits, or records of a complete database, that were read */
    krbrepl__iprop_emit emit;
    int emitting;    /* the commit that `pend` begins with */
    uint32_t before; /* the number before its first one */
    uint64_t skip;   /* numbers of the next commit that the slave has */
    uint64_t whole;  /* the last commit that was sent to its end */
    uint32_t whole_time;
    krbrepl__buf msg;
    krbrepl__iprop_mark mark[KRBREPL__IPROP_MARKS];
    size_t first_mark, nmarks;

    int copy_due, may_ask, entered, copying, confirm;
    uint64_t reason;
    unsigned failed; /* complete databases because of what the slave could not apply */
    int deaf;        /* answers to what was sent before the complete database do not count */
    krbrepl_pos begin;
    uint32_t copy_version, copy_seal; /* the number for it, and that of the place where it begins */
    /* What a complete database holds is of its begin or newer: up to here what a record was before says nothing of
     * the slave, and until the slave has this number it is not believed when it comes back. */
    uint64_t settle_seq;
    uint32_t settle_version;
    int unsettled;
    krbrepl__ckey after;
    uint64_t moved_ms; /* the last sign that the slave takes something of it */
    size_t unsent;     /* at that time */
    uint64_t odd;      /* changes that no slave can hold */
} krbrepl__iprop_master;

/* iprop_master.c: ends the session. Answers `err`. */
int krbrepl__iprop_end(krbrepl__iprop_master *s, int err, const char *fmt, ...) KRBREPL__PRINTF(3, 4);
int krbrepl__iprop_port_failed(krbrepl__iprop_master *s, int err, const char *what);
int krbrepl__iprop_say(krbrepl__iprop_master *s, uint32_t op, krbrepl_bytes body);
/* A message is out that the slave will answer. */
void krbrepl__iprop_mark_add(krbrepl__iprop_master *s, uint32_t version, uint64_t seq, int whole);

/* iprop_stream.c: the number that stands for so many changes. */
uint64_t krbrepl__iprop_number(const krbrepl__iprop_master *s, uint64_t cumulative);
/* A commit of which a slave has either nothing or all. */
int krbrepl__iprop_is_small(const krbrepl__commit *c);
/* The slave has everything up to this commit, but for a seal. 0 or ended. */
int krbrepl__iprop_stand(krbrepl__iprop_master *s, uint64_t seq, uint32_t seal);
/* Decides what the slave gets that says it is at s->has. 0 or ended. */
int krbrepl__iprop_start(krbrepl__iprop_master *s);
/* A piece of the stream. 1: something was done; 0: it waits; negative: ended. */
int krbrepl__iprop_stream(krbrepl__iprop_master *s);
/* Writes down, before it is true, that the slave may have numbers up to the present one. */
int krbrepl__iprop_note(krbrepl__iprop_master *s, uint32_t last);
/* The slave has answered for this number. */
void krbrepl__iprop_answered(krbrepl__iprop_master *s, uint32_t version);

/* iprop_whole.c */
void krbrepl__iprop_whole(krbrepl__iprop_master *s, uint64_t reason);
int krbrepl__iprop_whole_work(krbrepl__iprop_master *s); /* as the stream */
/* The slave says that it has it. */
int krbrepl__iprop_whole_done(krbrepl__iprop_master *s);
/* It says that it has a number. */
int krbrepl__iprop_settle(krbrepl__iprop_master *s, uint32_t version);
void krbrepl__iprop_leave(krbrepl__iprop_master *s);

#endif
