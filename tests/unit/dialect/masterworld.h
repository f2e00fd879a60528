/* masterworld.h: a master's session with a model of Heimdal's slave, and a store in memory that the test changes
 * as a host would. */
#ifndef KRBREPL_TEST_MASTERWORLD_H
#define KRBREPL_TEST_MASTERWORLD_H

#include "test.h"

#include "iprop.h"
#include "made.h"
#include "memport.h"
#include "plainchan.h"
#include "slavemodel.h"

#define SLAVE_NAME "iprop/slave@EXAMPLE.ORG"

typedef struct world {
    memstore ms;
    krbrepl__port port;
    krbrepl__sess *sess; /* NULL: not connected */
    krbrepl__log log;
    uint64_t now, cumulative;
    uint64_t lifetime_s; /* of the ticket; 0: for ever */
    krbrepl__numbering num;
    uint8_t num_lineage[16];
    uint32_t next_base;
    krbrepl__told told, kept; /* as the master knows it, and as it is written down */
    unsigned tells;
    slavemodel slave, fresh; /* what it has; a complete database that is under way */
    int taking;              /* in the midst of one */
    uint32_t rng;
    void (*between)(struct world *w); /* called between two pieces of a complete database */
    unsigned asked, last_told, completes;
    uint32_t whole_version; /* of the last complete database */
    unsigned dies_after;    /* so many records, the slave is killed; 0: not */
    unsigned loses;         /* so often is what its log has not in its database yet; 0: never */
    int dies_in_whole; /* between writing the number of a complete database and putting it in place */
    int torn;          /* its database is not of the version that its log says */
    int gathers;       /* what is changed waits for one commit */
    krbrepl__buf gathered;
    uint32_t ngathered;
    uint8_t prior[1024]; /* of each commit, as a node that looked on knows it */
    unsigned forgets;    /* every so many times it is not known; 0: never */
    unsigned records;    /* that the slave was sent */
    int unheard;         /* what it says gets lost */
    unsigned drops;      /* so many of the next messages of records somebody on the way takes out */
} world;

void world_init(world *w);
void world_free(world *w);
uint32_t world_random(world *w, uint32_t below);

/* One commit: the entry, and the rows of its aliases, in the order in which Heimdal's functions write them: the rows
 * that go, the entry, the rows that come. */
void world_put(world *w, const made *e);
void world_delete(world *w, const char *name);
int world_has(const world *w, const char *name);
/* A commit of a change that is no entry. */
void world_other(world *w, const char *table);

/* Several of these in one commit. What they find is what was there before it. */
void world_gather(world *w);
void world_commit(world *w);
/* The same, in any order, as an update file of somebody may have it; of each record the last change alone. */
void world_commit_shuffled(world *w);

void world_connect(world *w);
void world_cut(world *w);
/* The master writes down what it knows of the slave; it is killed, and knows what it has written down. */
void world_second(world *w);
void world_kill_master(world *w);
/* The slave says what it has. */
void world_greet(world *w, uint32_t version);
/* The slave says that it is there. */
void world_chat(world *w);
/* Lets the master work, and takes at most `max` messages. How many there were. */
unsigned world_run(world *w, unsigned max);
/* The same of what is there already, and the answers get lost: the master or the network is gone. */
void world_run_unheard(world *w, unsigned max);
/* Until nothing happens any more, connecting as often as it takes. */
void world_settle(world *w);
const krbrepl__sess_info *world_info(const world *w);
/* Everything that the master has in table `hdb` is there, and nothing else. */
int world_same(const world *w);

#endif
