/* dial.h: on the way to a master: name look-up, then one address after the other. */
#ifndef KRBREPL__DIAL_H
#define KRBREPL__DIAL_H

#include "conn.h"

enum krbrepl__dial_state {
    KRBREPL__DIAL_IDLE = 0,
    KRBREPL__DIAL_LOOKUP = 1,
    KRBREPL__DIAL_CONNECT = 2
};

typedef struct krbrepl__dial {
    /* Set by the owner. */
    krbrepl_node *n;
    const char *host, *port; /* borrowed */
    uint64_t limit_ms;       /* for the look-up, and for each address */
    void (*connected)(krbrepl_node *n, int fd, const krbrepl__addr *addr); /* takes fd over */
    void (*unreachable)(krbrepl_node *n, const char *why);
    /* Its own. */
    int state;
    krbrepl__task *task;
    krbrepl__waiter waiter;
    krbrepl__addr addr[KRBREPL__LOOKUP_MAX];
    size_t count, next, tried;
    size_t start; /* where the next dial begins, so that no address is stuck with */
    int fd;       /* -1: none */
    krbrepl__watch watch;
    krbrepl__timer limit;
} krbrepl__dial;

int krbrepl__dial_begin(krbrepl__dial *d); /* nothing when it is on its way already */
void krbrepl__dial_end(krbrepl__dial *d);

#endif
