/* poller.h: waits for many descriptors at once.
 *
 * Two makes behind one interface: epoll, which has a descriptor of its own that a host can put into any
 * loop, and poll(2), which runs everywhere and has none. Readiness is level-triggered.
 *
 * After a fork the child may only call krbrepl__poller_free, which closes its own copy and takes
 * nothing out of the parent's. */
#ifndef KRBREPL__POLLER_H
#define KRBREPL__POLLER_H

#include <stddef.h>

#include "errinfo.h"

#define KRBREPL__READ 1u
#define KRBREPL__WRITE 2u

enum krbrepl__poller_kind {
    KRBREPL__POLLER_BEST = 0, /* epoll where there is one */
    KRBREPL__POLLER_EPOLL = 1,
    KRBREPL__POLLER_POLL = 2
};

typedef struct krbrepl__poller krbrepl__poller;

/* `ready` holds what was asked for; a descriptor that hung up or failed is told as readable and
 * writable, asked for or not, so that the next read finds the reason. */
typedef void krbrepl__watch_fn(void *ctx, unsigned ready);

/* One descriptor that is watched. Lives in its owner; zeroed means not watched. */
typedef struct krbrepl__watch {
    krbrepl__watch_fn *fn; /* NULL: not watched */
    void *ctx;
    int fd;
    unsigned want;
    size_t slot; /* of the poller's own */
} krbrepl__watch;

/* IO when the kernel gives no descriptor, INVALID when this make is not to be had here, NOMEM. */
int krbrepl__poller_new(krbrepl__poller **out, int kind, krbrepl_errinfo *ei);
void krbrepl__poller_free(krbrepl__poller *p);
/* Readable when something is due; -1 when this make has no such descriptor. */
int krbrepl__poller_fd(const krbrepl__poller *p);

/* `w` stays where it is until krbrepl__poller_del. 0, NOMEM or IO. */
int krbrepl__poller_add(krbrepl__poller *p, krbrepl__watch *w, int fd, unsigned want,
                        krbrepl__watch_fn *fn, void *ctx);
void krbrepl__poller_want(krbrepl__poller *p, krbrepl__watch *w, unsigned want);
/* Before the descriptor is closed. Nothing when it is not watched. What was gathered for it is
 * forgotten. */
void krbrepl__poller_del(krbrepl__poller *p, krbrepl__watch *w);

/* Waits until something is due, at most timeout_ms (-1: for ever), unless something gathered is not
 * dispatched yet. How many are gathered, or IO. A signal ends the wait early. */
int krbrepl__poller_wait(krbrepl__poller *p, int timeout_ms);
int krbrepl__poller_pending(const krbrepl__poller *p);
/* Calls the watches gathered. They may add and delete watches, themselves included. */
void krbrepl__poller_dispatch(krbrepl__poller *p);

#endif
