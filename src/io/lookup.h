/* lookup.h: a name look-up as a job, for it can block as long as the resolver likes. */
#ifndef KRBREPL__LOOKUP_H
#define KRBREPL__LOOKUP_H

#include "chan.h"
#include "sock.h"

#define KRBREPL__LOOKUP_MAX 16u

typedef struct krbrepl__lookup {
    krbrepl__job job; /* first */
    char *host, *port;
    krbrepl__addr addr[KRBREPL__LOOKUP_MAX]; /* in the order to try them */
    size_t n;
    char text[160]; /* why there is none */
} krbrepl__lookup;

/* Copies both. NULL: out of memory. Given back with job.free. */
krbrepl__lookup *krbrepl__lookup_new(const char *host, const char *port);

#endif
