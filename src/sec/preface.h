/* preface.h: what travels in the clear before TLS: the preface, and frames that carry GSS tokens.
 *
 *   preface   "KRBREPL\n", u16 lowest version, u16 highest version, u32 flags (0; ignored when received)
 *   frame     u8 type, u32 length, body
 *     1 token   a GSS token, 1 to KRBREPL__MAX_TOKEN bytes
 *     2 refuse  u16 reason, u16 length, text: the sender is about to close; unauthenticated
 *
 * The initiator offers a range of versions; the acceptor answers with the one it chose in both fields. */
#ifndef KRBREPL__PREFACE_H
#define KRBREPL__PREFACE_H

#include "buf.h"

#define KRBREPL__PREFACE_LEN 16u
#define KRBREPL__PROTOCOL_LOW 1u
#define KRBREPL__PROTOCOL_HIGH 1u

enum krbrepl__clear_type { KRBREPL__CLEAR_TOKEN = 1, KRBREPL__CLEAR_REFUSE = 2 };

typedef struct krbrepl__clear {
    unsigned type;      /* enum krbrepl__clear_type */
    krbrepl_bytes body; /* borrowed from the input */
    size_t size;        /* of the frame with its head */
} krbrepl__clear;

void krbrepl__preface_make(uint8_t out[KRBREPL__PREFACE_LEN], unsigned low, unsigned high);
/* Can a preface begin with these n bytes? Tells a stranger before the whole preface is there. */
int krbrepl__preface_may_be(const uint8_t *p, size_t n);
/* 0 or KRBREPL_ERR_PROTO. */
int krbrepl__preface_get(const uint8_t p[KRBREPL__PREFACE_LEN], unsigned *low, unsigned *high);
/* The version an acceptor chooses from an offer: the highest that both have; 0: none. */
unsigned krbrepl__preface_choose(unsigned low, unsigned high);

void krbrepl__clear_put(krbrepl__buf *b, unsigned type, const void *p, size_t n);
/* 1: `out` is the first frame in p; 0: its end is not there yet; or KRBREPL_ERR_PROTO, which is known as
 * soon as the head is there. */
int krbrepl__clear_get(krbrepl__clear *out, const uint8_t *p, size_t n);

/* A refuse frame. `reason` is a KRBREPL_ERR_...; the peer learns no more than its coarse class. */
void krbrepl__refuse_put(krbrepl__buf *b, int reason);
/* Takes the body of one apart. `text` becomes printable. 0 or KRBREPL_ERR_PROTO. */
#define KRBREPL__REFUSE_TEXT 80u
int krbrepl__refuse_get(krbrepl_bytes body, int *reason, char text[KRBREPL__REFUSE_TEXT + 1]);

#endif
