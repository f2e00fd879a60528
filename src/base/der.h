/* der.h: the distinguished encoding of ASN.1, read within bounds and written.
 *
 * The reader stands on krbrepl__rd and shares its sticky error. It takes definite lengths in their shortest
 * form only, so that there is one encoding of a value and what was read can be kept as bytes. */
#ifndef KRBREPL__DER_H
#define KRBREPL__DER_H

#include "buf.h"

/* First bytes of the types that Kerberos uses. */
enum {
    KRBREPL__DER_BOOLEAN = 0x01,
    KRBREPL__DER_INTEGER = 0x02,
    KRBREPL__DER_BIT_STRING = 0x03,
    KRBREPL__DER_OCTET_STRING = 0x04,
    KRBREPL__DER_UTF8 = 0x0c,
    KRBREPL__DER_TIME = 0x18, /* GeneralizedTime */
    KRBREPL__DER_STRING = 0x1b,
    KRBREPL__DER_SEQUENCE = 0x30
};
/* [n] around another type, and [APPLICATION n]; n < 31. */
#define KRBREPL__DER_CTX(n) (0xa0u | (n))
#define KRBREPL__DER_APP(n) (0x60u | (n))

/* The first byte of what comes next; 0 at the end, or after an error. */
unsigned krbrepl__der_peek(const krbrepl__rd *r);
/* The content of what comes next, which must have this first byte. An error otherwise. */
krbrepl_bytes krbrepl__der_get(krbrepl__rd *r, unsigned tag);
/* What comes next, of whatever type, with its first bytes and its length. */
krbrepl_bytes krbrepl__der_whole(krbrepl__rd *r);
/* Opens what comes next for reading; `inner` has the sticky error when it is something else. */
void krbrepl__der_enter(krbrepl__rd *r, unsigned tag, krbrepl__rd *inner);
/* An INTEGER that fits; an error otherwise. */
int64_t krbrepl__der_int(krbrepl__rd *r);
uint32_t krbrepl__der_u32(krbrepl__rd *r);
/* [n] INTEGER. */
uint32_t krbrepl__der_ctx_u32(krbrepl__rd *r, unsigned n);
/* A BIT STRING of flags: bit 0 of ASN.1, the first one, is 1u << 0 here. More than 32 are an error. */
uint32_t krbrepl__der_flags(krbrepl__rd *r);

/* One value whole. */
void krbrepl__der_put(krbrepl__buf *b, unsigned tag, krbrepl_bytes content);
void krbrepl__der_put_int(krbrepl__buf *b, int64_t v);
void krbrepl__der_put_ctx_int(krbrepl__buf *b, unsigned n, int64_t v);
/* Without trailing zero bits, as Heimdal writes them. */
void krbrepl__der_put_flags(krbrepl__buf *b, uint32_t flags);
/* What is appended between open and close is the content; `open` answers the mark that `close` takes. */
size_t krbrepl__der_open(krbrepl__buf *b, unsigned tag);
void krbrepl__der_close(krbrepl__buf *b, size_t mark);

#endif
