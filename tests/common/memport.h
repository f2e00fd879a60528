/* memport.h: a store that lives in memory, behind the port of a session: for unit tests and fuzzing.
 *
 * It keeps what a session can ask for and nothing else, and it counts. All functions that return nothing
 * abort the program when memory ends. */
#ifndef KRBREPL_TEST_MEMPORT_H
#define KRBREPL_TEST_MEMPORT_H

#include "commit.h"
#include "memrecs.h"
#include "session.h"

typedef struct memcommit {
    krbrepl_bytes bytes;
    uint8_t chain[32];
    int reset;
} memcommit;

typedef struct memstore {
    krbrepl__local local;
    krbrepl__ancestry ancestry;
    memcommit *journal; /* journal[i] is commit i + 1; what was trimmed, or copied past, has no bytes */
    size_t room;
    uint64_t chains_first; /* chains below are not kept */
    memrecs live, build;
    int building;
    krbrepl_pos build_pos, build_from, build_upper;
    krbrepl__ancestry build_ancestry;
    uint64_t build_cumulative;
    krbrepl__sha *sha;
    int allow;            /* what authorize answers */
    int fail;             /* the next call that may fail answers this */
    uint64_t held;        /* last hold */
    uint64_t evidence;    /* last save_evidence; 0: none */
    uint64_t forks, fork; /* calls of forked, and the last one's argument */
    uint64_t applies, puts, switches, aborts, adopted;
    size_t largest_group; /* commits in one apply */
    uint64_t check;       /* the last position whose digest was asked for */
    uint64_t checks;
    /* Copies that are whole, resumed or a repair (memrepair.c). */
    int mode, replayed;
    memrecs stage;                   /* what repairs have received, for the next one */
    memrecs rest;                    /* a full copy that was cut off */
    krbrepl__ancestry rest_ancestry; /* of that */
    uint64_t rest_cumulative;
    krbrepl__ckey ranged; /* where the last range ended */
    int ranged_any, ranged_end;
    krbrepl__ftree *tree, *own; /* lent as a master, and as a replica */
    krbrepl__snap snap;
    unsigned salt;
    int entered, enter_later, tree_later;       /* places taken; how often the answer is yet: later */
    int no_tree;                                /* there is none to be had */
    int begin_later, range_later, switch_later; /* how often each call of these is to be made again */
    int again;                                  /* so often it is yet */
    uint64_t least;                             /* what the last enter asked for */
    uint64_t ranges, kept, revived, removed;
} memstore;

void mem_init(memstore *m);
void mem_free(memstore *m);
/* A new master: commit 1 draws lineage `name` repeated. */
void mem_master(memstore *m, uint8_t id, uint8_t lineage);
void mem_promote(memstore *m, uint8_t lineage);
/* One commit that puts `value` of `n` bytes under table "principal" key `key`. n == SIZE_MAX: deletes. */
void mem_commit(memstore *m, const char *key, const void *value, size_t n);
/* Replaces the whole content by one record and makes a reset commit. */
void mem_reset(memstore *m, const char *key, const char *value);
/* The journal begins at `first` from now on. */
void mem_trim(memstore *m, uint64_t first);
/* Another store with the same content and history. */
void mem_copy(memstore *to, const memstore *from);
/* Same position and same records. */
int mem_equal(const memstore *a, const memstore *b);
/* `m` is at a point of the history of `of`. */
int mem_prefix(const memstore *m, const memstore *of);

/* The digest root of the live content, from scratch. */
void mem_root(memstore *m, uint8_t root[32]);
/* Alters record i behind everybody's back. */
void mem_alter(memstore *m, size_t i, const char *value);

/* The next call that may fail fails so. */
int mem_failing(memstore *m);
/* The digest of a record's content. */
void mem_rdigest(memstore *m, const memrec *r, uint8_t out[KRBREPL__RDIGEST]);
/* `live` is what was built. */
void mem_went_live(memstore *m);
/* The part of a port that copies and repairs. */
void memrepair_init(krbrepl__port *port);

void memport_init(krbrepl__port *port, memstore *m);

#endif
