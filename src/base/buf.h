/* buf.h: the one bounded reader and the one bounded builder.
 *
 * All bytes that come from a peer, a file or a host are taken apart with krbrepl__rd, and all encodings
 * are made with krbrepl__buf; nobody walks a pointer through a message by hand. Integers are
 * big-endian. Both have a sticky error: a sequence of calls is checked once, at its end. */
#ifndef KRBREPL__BUF_H
#define KRBREPL__BUF_H

#include <stddef.h>
#include <stdint.h>

#include <krbrepl/types.h>

/* A growing byte string that wipes what it lets go. Also serves as a queue: append at the end, consume
 * at the front (head moves; the room is taken back when it pays). */
typedef struct krbrepl__buf {
    uint8_t *data; /* the first byte that is there */
    size_t len;
    size_t max;    /* more than this is an error (TOOBIG); 0: no limit */
    uint8_t *base; /* the block; data - base bytes were consumed */
    size_t cap;
    int err; /* 0, KRBREPL_ERR_NOMEM or KRBREPL_ERR_TOOBIG; then nothing is appended any more */
} krbrepl__buf;

void krbrepl__buf_init(krbrepl__buf *b, size_t max);
void krbrepl__buf_free(krbrepl__buf *b);              /* wipes, frees; the buffer is as after init */
void krbrepl__buf_reset(krbrepl__buf *b);             /* wipes, empty, error cleared; keeps the block */
void krbrepl__buf_consume(krbrepl__buf *b, size_t n); /* drops n bytes from the front */
void krbrepl__buf_cut(krbrepl__buf *b, size_t len);   /* drops all behind len */

void krbrepl__buf_u8(krbrepl__buf *b, unsigned v);
void krbrepl__buf_u16(krbrepl__buf *b, unsigned v);
void krbrepl__buf_u32(krbrepl__buf *b, uint32_t v);
void krbrepl__buf_u64(krbrepl__buf *b, uint64_t v);
void krbrepl__buf_bytes(krbrepl__buf *b, const void *p, size_t n);
void krbrepl__buf_vec16(krbrepl__buf *b, const void *p, size_t n); /* u16 length, bytes */
void krbrepl__buf_vec32(krbrepl__buf *b, const void *p, size_t n); /* u32 length, bytes */
void krbrepl__buf_str16(krbrepl__buf *b, const char *s);           /* vec16 of a string */
/* Appends n bytes to be written by the caller at once; NULL on error. */
uint8_t *krbrepl__buf_room(krbrepl__buf *b, size_t n);
/* Overwrites what was appended at offset `at`. */
void krbrepl__buf_set_u32(krbrepl__buf *b, size_t at, uint32_t v);

typedef struct krbrepl__rd {
    const uint8_t *p;
    size_t left;
    int err; /* 0 or KRBREPL_ERR_PROTO: the bytes ended too early; every later read gives zero */
} krbrepl__rd;

void krbrepl__rd_init(krbrepl__rd *r, const void *p, size_t n);
unsigned krbrepl__rd_u8(krbrepl__rd *r);
unsigned krbrepl__rd_u16(krbrepl__rd *r);
uint32_t krbrepl__rd_u32(krbrepl__rd *r);
uint64_t krbrepl__rd_u64(krbrepl__rd *r);
void krbrepl__rd_copy(krbrepl__rd *r, void *out, size_t n); /* zeroes `out` on error */
krbrepl_bytes krbrepl__rd_view(krbrepl__rd *r, size_t n);   /* borrowed from the input */
krbrepl_bytes krbrepl__rd_vec16(krbrepl__rd *r);
krbrepl_bytes krbrepl__rd_vec32(krbrepl__rd *r);
/* A vec16 as a string; an error when it holds a NUL or more than max bytes. `out` has max + 1. */
void krbrepl__rd_str16(krbrepl__rd *r, char *out, size_t max);
/* 0 when everything was read and nothing is left, else KRBREPL_ERR_PROTO. */
int krbrepl__rd_end(const krbrepl__rd *r);

/* For fixed places outside of a message. */
void krbrepl__put_u32(uint8_t p[4], uint32_t v);
void krbrepl__put_u64(uint8_t p[8], uint64_t v);
uint32_t krbrepl__get_u32(const uint8_t p[4]);
uint64_t krbrepl__get_u64(const uint8_t p[8]);

/* Lower-case hex; `out` has 2 * n + 1. */
void krbrepl__hex(char *out, const void *p, size_t n);

#endif
