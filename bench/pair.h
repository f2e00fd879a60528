/* pair.h: a master and a replica in one process, each in its own thread, with everything real between them:
 * GSS-API, TLS, sockets, two stores. Wants a realm in the environment (bench/run makes one). */
#ifndef KRBREPL_BENCH_PAIR_H
#define KRBREPL_BENCH_PAIR_H

#include <stdatomic.h>

#include <krbrepl/krbrepl.h>

struct pair;

/* One node of the two, as its callbacks know it. */
typedef struct pair_side {
    struct pair *p;
    int follows;
} pair_side;

typedef struct pair {
    const char *dir;    /* where the stores are made */
    const char *keytab; /* with the keys of both principals */
    const char *service, *client;
    krbrepl_store *master, *replica;
    krbrepl_node *serving, *following;
    unsigned port;
    atomic_int closed; /* the master lets nobody in */
    /* NULL, or what hears the replica's log from notices on, in the thread of its node. */
    void (*hears)(struct pair *p, const char *line);
    pair_side sides[2];
} pair;

/* All of these end the program when something fails. */
void pair_master(pair *p);                        /* makes the master's store, does not serve yet */
void pair_master_reopen(pair *p, uint64_t flags); /* KRBREPL_STORE_...; while it does not serve */
void pair_serve(pair *p);                         /* on a free port of loopback */
void pair_follow(pair *p);                        /* makes the replica's store and follows */
void pair_join(pair *p);                          /* follows with the store that is there */
void pair_part(pair *p);                          /* ends both nodes; the stores stay open */
void pair_stop(pair *p);
void pair_check(int ret, const char *what, const krbrepl_store *s);

#define PAIR_VALUE 600u                    /* bytes of a record: a principal with a few keys */
size_t pair_key(uint64_t i, char key[64]); /* of record i; its length */
/* Loads so many records into the master's store, which its journal does not hold. The seq of the load. */
uint64_t pair_fill(pair *p, uint64_t records);

/* Waits until the replica's store has the master's commit `seq`: it is durable there, and readers see it. */
void pair_wait(pair *p, uint64_t seq);

#endif
