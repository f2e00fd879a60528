/* worker.h: the thread in which a node computes its digest.
 *
 * It owns a prover with a store handle of its own, so that neither a disk that is slow nor a tree that is large
 * holds up a turn of the node. What the node wants it says by the calls below, which never wait for a slice; what
 * came out is taken when the descriptor is readable. The thread ends within a slice when it is stopped, and a
 * forked child has none. */
#ifndef KRBREPL__WORKER_H
#define KRBREPL__WORKER_H

#include "errinfo.h"
#include "prover.h"

typedef struct krbrepl__worker krbrepl__worker;

/* `as_found`: see prover.h. */
int krbrepl__worker_new(krbrepl__worker **out, krbrepl_store *s, int as_found, krbrepl_errinfo *ei);
void krbrepl__worker_stop(krbrepl__worker *w); /* ends the thread and frees; NULL is fine */
/* In a forked child: closes the descriptors. The rest may be in any state, and stays. */
void krbrepl__worker_forget(krbrepl__worker *w);
int krbrepl__worker_fd(const krbrepl__worker *w); /* readable: there is news */

/* How it stands. */
typedef struct krbrepl__worker_state {
    int ready;   /* the tree is built */
    int proving; /* a proof is asked for or under way */
    size_t leaves, memory;
    size_t scrub; /* leaves that are still to be read again */
} krbrepl__worker_state;
void krbrepl__worker_look(krbrepl__worker *w, krbrepl__worker_state *out);

/* What was read is not to be trusted, or the content was replaced: the tree is built anew. What was asked for and
 * has not been answered is given up, but for a freeze, which is of the new tree then. */
void krbrepl__worker_reset(krbrepl__worker *w);
/* Proves what `scan` reads, which is taken over in any case. An earlier proof is given up, and this one when the
 * tree is not ready. */
void krbrepl__worker_prove(krbrepl__worker *w, krbrepl__scan *scan, const krbrepl__scan_at *at);
/* There may be something to do, for the store has moved on. */
void krbrepl__worker_go_on(krbrepl__worker *w);
/* The rest as in prover.h. */
void krbrepl__worker_freeze(krbrepl__worker *w);
void krbrepl__worker_scrub(krbrepl__worker *w, size_t leaves);
void krbrepl__worker_suspect(krbrepl__worker *w, const void *ckey, size_t len);
/* A repair has changed the records whose canonical keys (vec16) are in `keys`, which is emptied. */
void krbrepl__worker_moved(krbrepl__worker *w, krbrepl__buf *keys, const krbrepl_pos *from,
                           const krbrepl_pos *to);

/* What it has to tell: news of the prover, or one of these. */
enum krbrepl__worker_news {
    KRBREPL__WORKER_NONE = 0,
    KRBREPL__WORKER_READY = 100 /* the tree is built */
};

/* The next of its news; negative: work failed, `out->text` says how, and nothing but what is asked for from now on
 * is done for a minute. */
int krbrepl__worker_next(krbrepl__worker *w, krbrepl__proof *out);

#endif
