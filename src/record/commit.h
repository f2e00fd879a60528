/* commit.h: the encoding of a commit, in the journal and on the wire alike.
 *
 *   commit  := version:u8 (1)  kind:u8  flags:u16 (0)
 *              seq:u64  epoch:u64  lineage[16]  time_us:u64  cumulative:u64
 *              who:vec16  why:vec16
 *              body
 *   body    := changes: count:u32, count x change                      kind 1
 *            | reset:   records:u64 root[32]                           kind 2
 *            | lineage: cause:u8                                       kind 3
 *   change  := op:u8  table_len:u8 table  key:vec16  value:vec32       (no value for a delete)
 *
 * `lineage` and `epoch` are those after the commit. A lineage commit that draws a new lineage therefore
 * ends the one of the position before it, which goes into the ancestry. Integers are big-endian.
 * `cumulative` counts the changes of the history up to and including this commit. */
#ifndef KRBREPL__COMMIT_H
#define KRBREPL__COMMIT_H

#include <krbrepl/types.h>

#include "buf.h"

#define KRBREPL__COMMIT_VERSION 1u
#define KRBREPL__MAX_ORIGIN 1024u /* bytes of who, and of why */

typedef struct krbrepl__commit {
    uint8_t kind;
    uint64_t seq;
    uint64_t epoch;
    uint8_t lineage[16];
    int64_t time_us;
    uint64_t cumulative;
    krbrepl_bytes who, why;
    uint32_t nchanges;     /* changes */
    krbrepl_bytes body;    /* changes: the encoded changes, for krbrepl__commit_next */
    uint64_t records;      /* reset */
    uint8_t root[32];      /* reset */
    uint8_t cause;         /* lineage */
    krbrepl_bytes encoded; /* decode: the whole input */
} krbrepl__commit;

/* Appends one change in its encoding; `c` was checked. */
void krbrepl__change_put(krbrepl__buf *b, const krbrepl_change *c);

/* Appends a whole commit. For kind changes, `body` holds nchanges encoded changes. */
void krbrepl__commit_put(krbrepl__buf *b, const krbrepl__commit *c);

/* Takes a commit apart; everything is borrowed from `in`. Checks every length and every change, so that
 * krbrepl__commit_next cannot fail afterwards. PROTO (malformed), TOOBIG, FORMAT (a newer version, an
 * unknown kind or flag). */
int krbrepl__commit_decode(krbrepl_bytes in, krbrepl__commit *c);

typedef struct krbrepl__change_it {
    krbrepl__rd rd;
    uint32_t left;
} krbrepl__change_it;

typedef struct krbrepl__change_view {
    uint8_t op;
    char table[KRBREPL_MAX_TABLE + 1];
    size_t table_len;
    krbrepl_bytes key, value; /* borrowed from the commit */
} krbrepl__change_view;

void krbrepl__commit_each(const krbrepl__commit *c, krbrepl__change_it *it);
/* 1: `out` is filled; 0: the end; negative: malformed. */
int krbrepl__commit_next(krbrepl__change_it *it, krbrepl__change_view *out);

#endif
