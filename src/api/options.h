/* options.h: widens a caller's struct, of whatever age, into today's shape. Nothing below this layer ever
 * sees another size. */
#ifndef KRBREPL__OPTIONS_H
#define KRBREPL__OPTIONS_H

#include <stddef.h>

/* Copies `in` (a struct that starts with its size; NULL: all defaults) to `out` of `now` bytes, zero-filled
 * behind the caller's end. ABI when `in` is longer and its tail is not zero, or when it claims more than
 * 4,096 bytes; INVALID when its size is less than a size. */
int krbrepl__widen(void *out, size_t now, const void *in);
/* The way back: fills min(out's size, now) of the caller's struct and keeps its size. */
int krbrepl__narrow(void *out, const void *in, size_t now);

#endif
