/* record.h: the encodings of the tables principal and policy, and of a principal's local entry.
 *
 *   principal := version:u8 (1)  flags:u8 (0)
 *                base_length:u16  attributes:u32  max_life:u32  max_renewable_life:u32
 *                expiration:u32  pw_expiration:u32
 *                ntl:u16, ntl x item
 *                nkeys:u16, nkeys x key
 *                extra:vec16
 *   key       := version:u8 (1 or 2)  kvno:u16, version x item
 *   policy    := version:u8 (1)  flags:u8 (bit 0: keysalts is there)
 *                min_life:u32  max_life:u32  min_length:u32  min_classes:u32  history:u32  references:u32
 *                max_failures:u32  failure_interval:u32  lockout_duration:u32
 *                attributes:u32  max_ticket_life:u32  max_renewable_life:u32
 *                keysalts:vec16 (only with bit 0; not empty)
 *                ntl:u16, ntl x item
 *   item      := type:u16 (two's complement)  data:vec16
 *   local     := format:u32 (1)  last_success:u32  last_failed:u32  failures:u32
 *
 * Integers are big-endian, a vec16 is a u16 length and that many bytes; signed values are in two's
 * complement. Counts are at most 32,767. Every value has one encoding: equal records are equal bytes. */
#ifndef KRBREPL__MIT_RECORD_H
#define KRBREPL__MIT_RECORD_H

#include <krbrepl/mit.h>

#include "buf.h"

#define KRBREPL__MIT_RECORD_VERSION 1u
#define KRBREPL__MIT_LOCAL_FORMAT 1u
#define KRBREPL__MIT_MAX_ITEMS 32767u
#define KRBREPL__MIT_MAX_DATA 65535u

/* The pieces of an encoding, in the order in which they stand. Both the encode functions, which have a
 * struct, and the dump reader, which has a line, put them together. */
void krbrepl__mit_put_principal(krbrepl__buf *b, const krbrepl_mit_principal *p); /* up to ntl */
void krbrepl__mit_put_policy(krbrepl__buf *b, const krbrepl_mit_policy *p);       /* up to ntl */
void krbrepl__mit_put_count(krbrepl__buf *b, size_t n);
/* An item, but for its bytes: they are to be written where this points to. NULL on error. */
uint8_t *krbrepl__mit_put_item(krbrepl__buf *b, int64_t type, size_t len);
void krbrepl__mit_put_key(krbrepl__buf *b, uint64_t version, uint64_t kvno); /* then its items */
uint8_t *krbrepl__mit_put_extra(krbrepl__buf *b, size_t len);

#endif
