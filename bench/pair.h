/* pair.h: a master and a replica in one process, each in its own thread, with everything real between them:
 * GSS-API, TLS, sockets, two stores. Wants a realm in the environment (bench/run makes one). */
#ifndef KRBREPL_BENCH_PAIR_H
#define KRBREPL_BENCH_PAIR_H

#include <krbrepl/krbrepl.h>

typedef struct pair {
    const char *dir;    /* where the stores are made */
    const char *keytab; /* with the keys of both principals */
    const char *service, *client;
    krbrepl_store *master, *replica;
    krbrepl_node *serving, *following;
    unsigned port;
} pair;

/* All of these end the program when something fails. */
void pair_master(pair *p); /* makes the master's store, does not serve yet */
void pair_serve(pair *p);  /* on a free port of loopback */
void pair_follow(pair *p); /* makes the replica's store and follows */
void pair_stop(pair *p);
void pair_check(int ret, const char *what, const krbrepl_store *s);

/* Waits until the replica's store has the master's commit `seq`: it is durable there, and readers see it. */
void pair_wait(pair *p, uint64_t seq);

#endif
