/* poller_make.h: what a make of poller offers to poller.c. */
#ifndef KRBREPL__POLLER_MAKE_H
#define KRBREPL__POLLER_MAKE_H

#include "poller.h"

#define KRBREPL__POLLER_BATCH 64

typedef struct krbrepl__poller_ops {
    int (*add)(krbrepl__poller *p, krbrepl__watch *w);
    void (*change)(krbrepl__poller *p, krbrepl__watch *w);
    void (*del)(krbrepl__poller *p, krbrepl__watch *w);
    int (*wait)(krbrepl__poller *p, int timeout_ms); /* fills the batch with krbrepl__poller_gather */
    void (*free)(krbrepl__poller *p);
} krbrepl__poller_ops;

typedef struct krbrepl__poller_due {
    krbrepl__watch *w; /* NULL: deleted meanwhile */
    unsigned ready;
} krbrepl__poller_due;

/* Every make begins with this. */
struct krbrepl__poller {
    const krbrepl__poller_ops *ops;
    int fd; /* -1: none */
    krbrepl__poller_due due[KRBREPL__POLLER_BATCH];
    size_t ndue, next;
};

void krbrepl__poller_gather(krbrepl__poller *p, krbrepl__watch *w, unsigned ready);
krbrepl__poller *krbrepl__poller_epoll_new(krbrepl_errinfo *ei); /* NULL: see ei */
krbrepl__poller *krbrepl__poller_poll_new(krbrepl_errinfo *ei);

#endif
