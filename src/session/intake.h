/* intake.h: a stream of items, each of one or two vec32, that arrives in pieces cut anywhere.
 *
 * Bytes are gathered as they really come; a length that an item claims allocates nothing. The intake also
 * keeps the account of the flow control: a byte is processed when the item it belongs to was taken out,
 * or is about to be; or, so that an item may be larger than the window, when it is part of an unfinished item that nothing
 * waits before. */
#ifndef KRBREPL__INTAKE_H
#define KRBREPL__INTAKE_H

#include "buf.h"

typedef struct krbrepl__intake {
    krbrepl__buf b;
    int parts;       /* vec32 in an item: 1 or 2 */
    size_t limit[2]; /* the most bytes in each */
    size_t whole;    /* bytes of finished items at the front of b */
    uint64_t items;  /* finished items there */
    size_t credited; /* bytes at the front of b that count as processed already */
} krbrepl__intake;

void krbrepl__intake_init(krbrepl__intake *in, int parts, size_t limit0, size_t limit1, size_t window);
void krbrepl__intake_free(krbrepl__intake *in);
/* Takes bytes in. PROTO (an item is longer than the limit, or an empty first part), TOOBIG, NOMEM. */
int krbrepl__intake_add(krbrepl__intake *in, const void *p, size_t n);
/* The finished item at offset *at, which moves behind it; 0 when there is none. Borrowed until the next
 * add, drop or keep. */
int krbrepl__intake_item(const krbrepl__intake *in, size_t *at, krbrepl_bytes part[2]);
/* Drops finished items from the front: `n` items in `bytes` bytes. Answers how many bytes are newly
 * processed. */
size_t krbrepl__intake_drop(krbrepl__intake *in, uint64_t n, size_t bytes);
/* Drops everything behind the first `n` items in `bytes` bytes; answers as drop does. */
size_t krbrepl__intake_keep(krbrepl__intake *in, uint64_t n, size_t bytes);
/* Credits the first `bytes` bytes, whose items are about to be taken out; answers how many were not credited yet. */
size_t krbrepl__intake_advance(krbrepl__intake *in, size_t bytes);
/* Credits the bytes of an unfinished item that nothing waits before; answers how many. */
size_t krbrepl__intake_credit(krbrepl__intake *in);

#endif
