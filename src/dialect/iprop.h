/* iprop.h: the messages of Heimdal's iprop, and its two ends as sessions (session.h).
 *
 * A message is u32 opcode and what belongs to it; bytes behind that are not looked at. In the channel's
 * plaintext each stands behind its length (propchan.h). docs/dialects/heimdal-iprop.md has the whole of it. */
#ifndef KRBREPL__IPROP_H
#define KRBREPL__IPROP_H

#include "chan.h"
#include "session.h"

enum krbrepl__iprop_op {
    KRBREPL__IPROP_I_HAVE = 1,               /* slave: u32 version of its database; 0: it has none */
    KRBREPL__IPROP_FOR_YOU = 2,              /* master: log records, one behind the other */
    KRBREPL__IPROP_TELL_YOU_EVERYTHING = 3,  /* master: a whole database follows */
    KRBREPL__IPROP_ONE_PRINC = 4,            /* master: one entry of it */
    KRBREPL__IPROP_NOW_YOU_HAVE = 5,         /* master: its end; u32 version that it stands for */
    KRBREPL__IPROP_ARE_YOU_THERE = 6,        /* master */
    KRBREPL__IPROP_I_AM_HERE = 7,            /* slave */
    KRBREPL__IPROP_YOU_HAVE_LAST_VERSION = 8 /* master */
};

/* One that was read; borrowed from the channel until krbrepl__iprop_drop. */
typedef struct krbrepl__iprop_msg {
    uint32_t op;
    krbrepl_bytes body;
    size_t size; /* in the plaintext */
} krbrepl__iprop_msg;

/* 1: the next message; 0: its end is not there yet; PROTO when it has no opcode. */
int krbrepl__iprop_next(krbrepl__chan *c, krbrepl__iprop_msg *m);
void krbrepl__iprop_drop(krbrepl__chan *c, const krbrepl__iprop_msg *m);
/* Writes one and flushes it into the channel's `out`. 0 or the channel's error. */
int krbrepl__iprop_send(krbrepl__chan *c, uint32_t op, krbrepl_bytes body);
int krbrepl__iprop_send_u32(krbrepl__chan *c, uint32_t op, uint32_t value); /* with one number */
const char *krbrepl__iprop_op_name(uint32_t op);                            /* static */

/* A master that serves an unmodified ipropd-slave. As krbrepl__sess_new; of cfg, what concerns a native session
 * alone is not looked at. */
int krbrepl__iprop_master_new(krbrepl__sess **out, const krbrepl__sess_cfg *cfg, uint64_t now_ms);

#endif
