/* ckey.h: canonical keys and record digests.
 *
 *   full key       := table 0x00 key
 *   canonical key  := the full key when it has fewer than 480 bytes,
 *                     else its first 448 bytes || SHA-256(full key)             (480 bytes)
 *   record digest  := first 16 bytes of
 *                     SHA-256("krbrepl record 1" 0x00 || u32 length of full key || full key || value)
 *
 * A canonical key of 480 bytes is therefore always a shortened one, so that nobody can choose a short
 * key that collides with a long one. Records are ordered by canonical key, byte by byte, on every node.
 */
#ifndef KRBREPL__CKEY_H
#define KRBREPL__CKEY_H

#include <krbrepl/types.h>

#include "sha.h"

#define KRBREPL__CKEY_MAX 480u
#define KRBREPL__CKEY_PREFIX 448u
#define KRBREPL__FULLKEY_MAX (KRBREPL_MAX_TABLE + 1u + KRBREPL_MAX_KEY)
#define KRBREPL__RDIGEST 16u

typedef struct krbrepl__ckey {
    uint8_t b[KRBREPL__CKEY_MAX];
    size_t len; /* KRBREPL__CKEY_MAX: shortened */
} krbrepl__ckey;

/* INVALID for a table name that is not 1 to 32 of [a-z0-9_-]. */
int krbrepl__table_check(const char *table, size_t len);
/* 0, INVALID (table, empty key, unknown op) or TOOBIG (key, value). */
int krbrepl__change_check(const krbrepl_change *c);

int krbrepl__ckey_make(krbrepl__sha *h, const char *table, size_t table_len, krbrepl_bytes key,
                       krbrepl__ckey *out);
/* The same from a full key. INVALID when it is not one. */
int krbrepl__ckey_from_full(krbrepl__sha *h, krbrepl_bytes full, krbrepl__ckey *out);
/* Splits a full key: the table's length, or 0 when it is malformed. */
size_t krbrepl__fullkey_table(krbrepl_bytes full);
/* As memcmp, then by length. */
int krbrepl__bytes_cmp(const void *a, size_t alen, const void *b, size_t blen);

/* The record digest; `table`/`key` as in ckey_make. */
int krbrepl__record_digest(krbrepl__sha *h, const char *table, size_t table_len, krbrepl_bytes key,
                           krbrepl_bytes value, uint8_t out[KRBREPL__RDIGEST]);

#endif
