/* timer.h: deadlines in a heap. A timer lives in its owner; zeroed means not set. */
#ifndef KRBREPL__TIMER_H
#define KRBREPL__TIMER_H

#include <stddef.h>
#include <stdint.h>

typedef struct krbrepl__timer {
    uint64_t at; /* mono ms */
    void (*fn)(void *ctx);
    void *ctx;
    size_t slot; /* index in the heap, plus one; 0: not set */
} krbrepl__timer;

typedef struct krbrepl__timers {
    krbrepl__timer **heap;
    size_t n, cap;
} krbrepl__timers;

void krbrepl__timers_free(krbrepl__timers *ts);
/* Makes room for n timers in all, so that setting them cannot fail. 0 or NOMEM. */
int krbrepl__timers_reserve(krbrepl__timers *ts, size_t n);
/* Sets, or sets anew; UINT64_MAX unsets. There must be room. */
void krbrepl__timer_set(krbrepl__timers *ts, krbrepl__timer *t, uint64_t at);
void krbrepl__timer_unset(krbrepl__timers *ts, krbrepl__timer *t);
/* When the first is due; UINT64_MAX: none is set. */
uint64_t krbrepl__timers_next(const krbrepl__timers *ts);
/* Calls what is due at `now`, each at most once: a timer that sets itself to `now` waits for the next
 * call. */
void krbrepl__timers_run(krbrepl__timers *ts, uint64_t now);

#endif
