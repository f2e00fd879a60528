/* world.h: a realm in one process: stores on a RAM disk, sessions over a network made of buffers, a clock
 * that the simulation moves, and an oracle that knows what every position must hold. */
#ifndef KRBREPL_SIM_WORLD_H
#define KRBREPL_SIM_WORLD_H

#include <stdio.h>

#include <krbrepl/krbrepl.h>

#include "port.h"
#include "prover.h"
#include "rng.h"
#include "session.h"
#include "store.h"
#include "storecalls.h"

#define MAX_SITES 6
#define MAX_LINKS 24
#define PRINCIPAL_LEN 40

/* ---- the oracle ------------------------------------------------------------------------------ */

/* One position that some master has been at, and the digest root of its content there. */
typedef struct fact {
    krbrepl_pos pos;
    uint8_t root[32];
    uint64_t records;
} fact;

/* ---- network --------------------------------------------------------------------------------- */

/* One end of a connection. */
typedef struct end {
    krbrepl__sess *sess; /* NULL: gone */
    krbrepl__port port;
    krbrepl__node_port np;
    krbrepl__buf in;    /* bytes on their way to it */
    int eof;            /* behind these bytes the connection ends */
    int lost;           /* bytes to it vanish, and it never hears of an end: half open */
    uint64_t stalled;   /* nothing is delivered before this time */
    uint64_t closed_at; /* when the session was seen closed; 0: not yet */
    int went;           /* replica: go was called */
} end;

typedef struct cable {
    int used;
    uint64_t id;
    int site;  /* of the replica */
    end at[2]; /* 0: master, 1: replica */
} cable;

/* ---- nodes ----------------------------------------------------------------------------------- */

typedef struct site {
    char dir[128];
    char principal[PRINCIPAL_LEN];
    krbrepl_store *store;     /* NULL: it is down */
    uint64_t up_at;           /* when it comes back */
    uint64_t retry_at;        /* when it connects next */
    uint64_t acked;           /* the highest durable acknowledgment that the present master has seen */
    krbrepl_pos checked;      /* last position whose content was compared */
    uint64_t hold[MAX_SITES]; /* noted by its sessions as master, not written yet */
    int hold_noted[MAX_SITES];
    krbrepl__prover *prover; /* lives as long as the store is open */
    uint64_t want;           /* the position whose root a session asks for; 0: none */
    krbrepl_pos given_up;    /* from here it may go back */
    int refused;             /* its master refused it for a fork; an operator looks at it */
} site;

typedef struct world {
    uint64_t seed;
    rng rng, store_rng, prove_rng;
    uint64_t now; /* ms */
    uint64_t tick_at;
    krbrepl__sys sys;
    krbrepl__log log;
    char root[96];
    site site[MAX_SITES];
    int sites;
    int master;
    cable links[MAX_LINKS];
    uint64_t next_id;
    uint64_t window;
    uint64_t lifetime_s;
    int calm; /* no more faults */
    int keys; /* how many different records there are */
    fact *facts;
    size_t nfacts, facts_room;
    uint64_t hash; /* of the trace */
    int trace;
    int failed;
    /* What happened, for the summary. */
    uint64_t commits, copies, crashes, cuts, failovers, resets, promotions, forks, rollbacks, resolved;
    uint64_t proofs;
    int kept; /* a copy of the master's file is there, made by this master in this reign */
} world;

int world_init(world *w, uint64_t seed, int trace);
void world_free(world *w);

/* Hashes, and prints if asked for, what happens. */
void note(world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* An invariant is broken: the seed has failed. */
void broken(world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- world.c */
int site_open(world *w, int i);
void site_close(world *w, int i);
void site_crash(world *w, int i);
void site_file(const world *w, int i, char out[192], const char *name);
/* Connects site i to the master. */
void site_connect(world *w, int i);
void link_drop_end(world *w, cable *l, int e);
cable *link_of(world *w, int i, int nth);
/* Moves bytes out of end `e` into the network, at most n. */
void link_pump(world *w, cable *l, int e, size_t n);
/* Delivers at most n bytes to end `e`. */
void link_deliver(world *w, cable *l, int e, size_t n);
int link_work(world *w, cable *l, int e);
/* What owners do after every call: takes closed sessions away, replaces old ones, lets successors go. */
void settle(world *w);
/* Looks whether an end has closed, and whether that is fair. */
void look_at_end(world *w, cable *l, int e);
/* What is done once a second: reconnects, hints, slots, restarts. */
void tick(world *w);
void tell_grown(world *w);

/* ---- deeds.c: what happens to the realm */
void deed_commit(world *w);
void deed_reset(world *w);
void deed_promote(world *w);
void deed_failover(world *w);
/* Keeps a copy of the file of the master's store; puts the last one back, which draws no lineage. */
void deed_keep(world *w);
void deed_roll_back(world *w);
/* The operator says that a refused replica gives up what only it has. */
void resolve(world *w, int i);

/* ---- proofs.c */
/* Some site works on its digest, and some master begins a comparison. Every root that comes out is that of
 * a pass from scratch, and no comparison ever differs. */
void prove(world *w);
void on_check(void *ctx, uint64_t seq);
void on_copied(void *ctx);

/* ---- oracle.c */
/* The root of the content that a master had at a position; NULL: there was none. */
const uint8_t *oracle_root(const world *w, const krbrepl_pos *pos);
void oracle_learn(world *w, int i);
/* The site may go back from where it is: an operator said so. */
void oracle_allow_back(world *w, int i);
/* The site is at a position that was, with the content that was there. */
void oracle_check(world *w, int i);
/* No more was acknowledged to the master than the replica has. */
void oracle_check_acks(world *w, cable *l);
/* Everybody is where the master is. */
int oracle_all_equal(world *w);

#endif
