/* wanted.h: whoever looks for certain records by their digests. */
#ifndef KRBREPL__WANTED_H
#define KRBREPL__WANTED_H

#include <stdint.h>

typedef struct krbrepl__wanted {
    void *ctx;
    /* 1: the record with this digest (16 bytes) is wanted; 0: it is not. */
    int (*is)(void *ctx, const uint8_t rdigest[16]);
} krbrepl__wanted;

#endif
