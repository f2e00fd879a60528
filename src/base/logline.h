/* logline.h: one finished line of text to the host's log callback. */
#ifndef KRBREPL__LOGLINE_H
#define KRBREPL__LOGLINE_H

#include <stddef.h>

#include "errinfo.h"

typedef struct krbrepl__log {
    void (*fn)(void *ctx, int level, const char *area, const char *msg, size_t len);
    void *ctx;
    int level; /* lines above this are not made */
} krbrepl__log;

/* `log` may be NULL. Control characters from a peer are replaced, so that a line stays a line. */
void krbrepl__logf(const krbrepl__log *log, int level, const char *area, const char *fmt, ...)
    KRBREPL__PRINTF(4, 5);

#endif
