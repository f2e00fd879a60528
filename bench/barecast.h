/* barecast.h: the limit of one change to many: a loop that writes the same bytes to as many TLS sessions. */
#ifndef KRBREPL_BENCH_BARECAST_H
#define KRBREPL_BENCH_BARECAST_H

#include "crowd.h"

typedef struct barecast {
    crowd *crowd;
    SSL_CTX *ctx;
    SSL **to;
    unsigned n, room;
    int listener;
} barecast;

void barecast_begin(barecast *b, crowd *c, unsigned room);
void barecast_grow(barecast *b, unsigned n); /* until there are n receivers */
void barecast_send(barecast *b, const void *p, size_t n);

#endif
