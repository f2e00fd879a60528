/* frame.h: frames of krbrepl/1, as they travel inside the secure channel.
 *
 *   frame := type:u8 flags:u8 reserved:u16 (0) length:u32 body[length]
 *
 * The length is checked against the limit of its type before anything is allocated. Integers are
 * big-endian. docs/protocol.md is the specification. */
#ifndef KRBREPL__FRAME_H
#define KRBREPL__FRAME_H

#include "buf.h"

#define KRBREPL__FRAME_HEAD 8u
#define KRBREPL__FRAME_MAX (256u * 1024u)    /* body, of any type */
#define KRBREPL__FRAME_DATA (64u * 1024u)    /* body of COMMITS, COPY_SLICE and TREE */
#define KRBREPL__FRAME_ASK_MAX (16u * 1024u) /* body of ASK */

/* Whoever does not know the type skips the frame. Without it, an unknown type ends the session. */
#define KRBREPL__FRAME_OPTIONAL 1u

enum krbrepl__frame_type {
    KRBREPL__FRAME_HELLO = 1,
    KRBREPL__FRAME_WELCOME = 2,
    KRBREPL__FRAME_REFUSE = 3,
    KRBREPL__FRAME_COMMITS = 4,
    KRBREPL__FRAME_COPY_BEGIN = 5,
    KRBREPL__FRAME_COPY_SLICE = 6,
    KRBREPL__FRAME_COPY_END = 7,
    KRBREPL__FRAME_ACK = 8,
    KRBREPL__FRAME_PING = 9,
    KRBREPL__FRAME_PONG = 10,
    KRBREPL__FRAME_BYE = 11,
    KRBREPL__FRAME_CHECK = 12,
    KRBREPL__FRAME_ASK = 13,
    KRBREPL__FRAME_TREE = 14
};

typedef struct krbrepl__frame {
    unsigned type; /* known, or unknown with KRBREPL__FRAME_OPTIONAL */
    unsigned flags;
    krbrepl_bytes body; /* borrowed from the input */
    size_t size;        /* with its head: what to consume */
} krbrepl__frame;

void krbrepl__frame_put(krbrepl__buf *b, unsigned type, unsigned flags, const void *body, size_t n);

/* 1: a whole frame lies at `p`; 0: more bytes are needed; PROTO: malformed or too long for its type;
 * FORMAT: a type that is not known and not optional (out->type is filled in). */
int krbrepl__frame_get(const uint8_t *p, size_t n, krbrepl__frame *out);

/* "HELLO" ...; "UNKNOWN". Static. */
const char *krbrepl__frame_name(unsigned type);
/* The largest body of a type. */
size_t krbrepl__frame_limit(unsigned type);

#endif
