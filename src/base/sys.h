/* sys.h: the clocks and the randomness, as values, so that a simulation can put its own in their place.
 */
#ifndef KRBREPL__SYS_H
#define KRBREPL__SYS_H

#include <stddef.h>
#include <stdint.h>

typedef struct krbrepl__sys {
    uint64_t (*mono_ms)(void *ctx);                /* never goes back; for all delays */
    int64_t (*wall_us)(void *ctx);                 /* may jump; only for what people read */
    int (*random)(void *ctx, void *out, size_t n); /* 0, or KRBREPL_ERR_IO: no randomness to be had */
    void *ctx;
} krbrepl__sys;

/* The machine's own. Static. */
const krbrepl__sys *krbrepl__sys_default(void);

#endif
