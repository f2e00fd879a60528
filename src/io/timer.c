#include "timer.h"

#include <string.h>

#include <krbrepl/error.h>

#include "mem.h"

void krbrepl__timers_free(krbrepl__timers *ts)
{
    krbrepl__free(ts->heap, 0);
    memset(ts, 0, sizeof *ts);
}

int krbrepl__timers_reserve(krbrepl__timers *ts, size_t n)
{
    krbrepl__timer **heap;
    size_t cap = ts->cap != 0 ? ts->cap : 16;

    if (n <= ts->cap)
        return 0;
    while (cap < n)
        cap *= 2;
    heap = krbrepl__alloc_array(cap, sizeof(krbrepl__timer *));
    if (heap == NULL)
        return KRBREPL_ERR_NOMEM;
    if (ts->n != 0)
        memcpy(heap, ts->heap, ts->n * sizeof(krbrepl__timer *));
    krbrepl__free(ts->heap, 0);
    ts->heap = heap;
    ts->cap = cap;
    return 0;
}

static void put(krbrepl__timers *ts, size_t i, krbrepl__timer *t)
{
    ts->heap[i] = t;
    t->slot = i + 1;
}

static void up(krbrepl__timers *ts, size_t i)
{
    krbrepl__timer *t = ts->heap[i];

    while (i > 0 && ts->heap[(i - 1) / 2]->at > t->at) {
        put(ts, i, ts->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(ts, i, t);
}

static void down(krbrepl__timers *ts, size_t i)
{
    krbrepl__timer *t = ts->heap[i];
    size_t kid;

    while ((kid = 2 * i + 1) < ts->n) {
        if (kid + 1 < ts->n && ts->heap[kid + 1]->at < ts->heap[kid]->at)
            kid++;
        if (ts->heap[kid]->at >= t->at)
            break;
        put(ts, i, ts->heap[kid]);
        i = kid;
    }
    put(ts, i, t);
}

void krbrepl__timer_unset(krbrepl__timers *ts, krbrepl__timer *t)
{
    size_t i;
    krbrepl__timer *last;

    if (t->slot == 0)
        return;
    i = t->slot - 1;
    t->slot = 0;
    last = ts->heap[--ts->n];
    if (last == t)
        return;
    put(ts, i, last);
    up(ts, i);
    down(ts, last->slot - 1);
}

void krbrepl__timer_set(krbrepl__timers *ts, krbrepl__timer *t, uint64_t at)
{
    if (t->slot != 0 && t->at == at)
        return;
    krbrepl__timer_unset(ts, t);
    if (at == UINT64_MAX || ts->n == ts->cap)
        return;
    t->at = at;
    put(ts, ts->n, t);
    ts->n++;
    up(ts, ts->n - 1);
}

uint64_t krbrepl__timers_next(const krbrepl__timers *ts)
{
    return ts->n != 0 ? ts->heap[0]->at : UINT64_MAX;
}

/* The due ones are counted first: those that are set again while it runs wait for the next call. */
void krbrepl__timers_run(krbrepl__timers *ts, uint64_t now)
{
    size_t i, due = 0;

    for (i = 0; i < ts->n; i++)
        due += ts->heap[i]->at <= now;
    while (due-- > 0 && ts->n != 0 && ts->heap[0]->at <= now) {
        krbrepl__timer *t = ts->heap[0];

        krbrepl__timer_unset(ts, t);
        t->fn(t->ctx);
    }
}
