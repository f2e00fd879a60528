/* calls.h: every public function that takes a handle, in one table: how it is called, and what it answers
 * where it is not to be called. A function that is missing here fails the test. */
#ifndef CALLS_H
#define CALLS_H

#include "test.h"

/* One handle of each kind, all open on one store that is master. NULL: not opened. */
typedef struct rig {
    char top[64], dir[96], keytab[96];
    krbrepl_store *s;
    krbrepl_txn *t;
    krbrepl_view *v;
    krbrepl_load *l;
    krbrepl_node *n;
} rig;

enum { ANY = 1 }; /* whatever it answers, but neither STATE nor FORKED */

typedef struct call {
    const char *name;
    char kind;         /* s, t, v, l, n: the handle it takes */
    int (*go)(rig *r); /* with arguments that are right; 0 for a function that answers nothing */
    int null;          /* with no handle */
    int forked;        /* in a child; 0 where it only frees */
    int crossed;       /* while another thread is inside of the store, or drives the node */
    int inside;        /* from inside a callback of the very handle */
    int ends;          /* it ends its handle where it works */
} call;

extern const call calls[];
extern const size_t ncalls;

#endif
