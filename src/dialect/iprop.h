/* iprop.h: the messages of Heimdal's iprop, as they lie in the plaintext of its channel (propchan.h).
 *
 * Each is u32 length, u32 opcode, and what belongs to the opcode; bytes behind that are ignored, as both of
 * Heimdal's daemons do. docs/dialects/heimdal-iprop.md is the specification. */
#ifndef KRBREPL__IPROP_H
#define KRBREPL__IPROP_H

#include "chan.h"

enum krbrepl__iprop_op {
    KRBREPL__IPROP_I_HAVE = 1,                /* slave: version */
    KRBREPL__IPROP_FOR_YOU = 2,               /* master: records of the log */
    KRBREPL__IPROP_TELL_YOU_EVERYTHING = 3,   /* master: a whole database follows */
    KRBREPL__IPROP_ONE_PRINC = 4,             /* master: an entry */
    KRBREPL__IPROP_NOW_YOU_HAVE = 5,          /* master: version, the database is complete */
    KRBREPL__IPROP_ARE_YOU_THERE = 6,         /* master */
    KRBREPL__IPROP_I_AM_HERE = 7,             /* slave */
    KRBREPL__IPROP_YOU_HAVE_LAST_VERSION = 8, /* master */
};

typedef struct krbrepl__iprop_msg {
    uint32_t op;        /* any number: what is not known is for the receiver to ignore */
    uint32_t version;   /* of I_HAVE and NOW_YOU_HAVE */
    krbrepl_bytes body; /* of FOR_YOU and ONE_PRINC; borrowed from the input */
    size_t size;        /* with its length: what to consume */
} krbrepl__iprop_msg;

/* The next message in a channel's plaintext. 1: a whole one lies there; 0: more bytes are needed; PROTO: it is
 * longer than `max`, or shorter than its opcode says. */
int krbrepl__iprop_next(const krbrepl__buf *in, size_t max, krbrepl__iprop_msg *out);

/* Writes one into the channel; 0 or the channel's error. */
int krbrepl__iprop_send(krbrepl__chan *c, uint32_t op);
int krbrepl__iprop_send_version(krbrepl__chan *c, uint32_t op, uint32_t version);
int krbrepl__iprop_send_body(krbrepl__chan *c, uint32_t op, krbrepl_bytes body);

/* "I_HAVE" ...; "UNKNOWN". Static. */
const char *krbrepl__iprop_name(uint32_t op);

#endif
