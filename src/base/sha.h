/* sha.h: SHA-256 over a few pieces, with the context kept (fetching it for each hash costs as much as
 * the hash of a short record). */
#ifndef KRBREPL__SHA_H
#define KRBREPL__SHA_H

#include <stddef.h>
#include <stdint.h>

#include <krbrepl/types.h>

typedef struct krbrepl__sha krbrepl__sha; /* one thread at a time */

krbrepl__sha *krbrepl__sha_new(void); /* NULL: out of memory */
void krbrepl__sha_free(krbrepl__sha *h);
/* SHA-256 of the pieces one after another. 0 or KRBREPL_ERR_NOMEM. */
int krbrepl__sha_sum(krbrepl__sha *h, const krbrepl_bytes *piece, size_t n, uint8_t out[32]);
/* The same in steps. */
int krbrepl__sha_begin(krbrepl__sha *h);
int krbrepl__sha_add(krbrepl__sha *h, const void *p, size_t n);
int krbrepl__sha_end(krbrepl__sha *h, uint8_t out[32]);

#endif
