/* pos.h: positions and ancestry.
 *
 *   position  := lineage[16] epoch:u64 seq:u64 chain[32]                    (64 bytes)
 *   ancestry  := count:u16, count x position, oldest first
 *
 * An entry of the ancestry is the position at which a history left a lineage: the last commit that was
 * made under it. The lineage that a store is in now is in its position, not in its ancestry. */
#ifndef KRBREPL__POS_H
#define KRBREPL__POS_H

#include <krbrepl/types.h>

#include "buf.h"
#include "sha.h"

#define KRBREPL__POS_LEN 64u
#define KRBREPL__MAX_ANCESTORS 256u /* older ones are forgotten */

void krbrepl__pos_put(krbrepl__buf *b, const krbrepl_pos *p);
void krbrepl__pos_get(krbrepl__rd *r, krbrepl_pos *p);
int krbrepl__pos_equal(const krbrepl_pos *a, const krbrepl_pos *b);

/* chain[0] = SHA-256("krbrepl chain 1" 0x00 || database id); chain[n] = SHA-256(chain[n-1] || commit n)
 */
int krbrepl__chain_first(krbrepl__sha *h, const uint8_t database_id[16], uint8_t chain[32]);
int krbrepl__chain_next(krbrepl__sha *h, const uint8_t before[32], krbrepl_bytes commit,
                        uint8_t chain[32]);

typedef struct krbrepl__ancestry {
    krbrepl_pos *at; /* oldest first */
    size_t n;
} krbrepl__ancestry;

void krbrepl__ancestry_free(krbrepl__ancestry *a);
int krbrepl__ancestry_copy(krbrepl__ancestry *to, const krbrepl__ancestry *from);
/* Appends; drops the oldest beyond KRBREPL__MAX_ANCESTORS. */
int krbrepl__ancestry_add(krbrepl__ancestry *a, const krbrepl_pos *p);
void krbrepl__ancestry_put(krbrepl__buf *b, const krbrepl__ancestry *a);
/* PROTO when malformed, NOMEM. */
int krbrepl__ancestry_get(krbrepl__rd *r, krbrepl__ancestry *a);
/* The entry of a lineage, or NULL. */
const krbrepl_pos *krbrepl__ancestry_find(const krbrepl__ancestry *a, const uint8_t lineage[16]);

#endif
