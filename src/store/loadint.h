/* loadint.h: a load under way, between the file that takes the records in and commits them (load.c) and the one that
 * compares them with what is live (loadcompare.c). */
#ifndef KRBREPL__LOADINT_H
#define KRBREPL__LOADINT_H

#include "build.h"
#include "sorter.h"

/* Records between two calls of the progress callback. */
#define KRBREPL__LOAD_PROGRESS 1000u

struct krbrepl_load {
    krbrepl_store *s;
    int lock; /* load.lock */
    krbrepl__sorter *sorter;
    int failed;        /* the code with which a record was lost: only abort is left */
    krbrepl_pos start; /* the position when the load began */
    char *who, *why;
    char who_room[32];
    krbrepl_load_options opt;
    krbrepl__source *source; /* noted with the commit; NULL: nothing is */
    int telling;             /* the host's progress callback runs */
    krbrepl_load_result res;
    uint64_t remade;    /* deletes before puts in the delta (krbrepl__is_remade) */
    krbrepl__buf row;   /* the row being put */
    krbrepl__buf delta; /* the changes, encoded; its error TOOBIG: they do not fit into one commit */
    /* Those that come before and behind it in the end: aliases of Heimdal's that go, and entries in their place. */
    krbrepl__buf early, late;
    krbrepl__buf added; /* canonical keys, as krbrepl__local_forget wants them */
    krbrepl__buf deleted;
    uint64_t compared, to_compare;
    uint8_t root[32];
};

void krbrepl__load_progress(krbrepl_load *l, const char *phase, uint64_t done, uint64_t total);

/* ---- loadcompare.c --------------------------------------------------------------------------- */

/* A load may go on while the store is master and where it was; else CONFLICT, naming the commits, or what the role
 * forbids. `ctx` is the load. */
int krbrepl__load_check(void *ctx, const krbrepl__wtxn *w);
/* Walks both in key order, counts what differs in `res`, and gathers it in `delta`, `added` and `deleted`. */
int krbrepl__load_compare(krbrepl_load *l);
/* The next record of the sorter. */
int krbrepl__load_next(krbrepl_load *l, MDB_val *k, MDB_val *v, int *end);

#endif
