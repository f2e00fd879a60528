/* repairs.h: the digest trees that a node's copies and repairs compare.
 *
 * A master lets only so many copies and repairs run at a time, and shares the tree of one position among the
 * replicas that ask while it is fresh. A replica has the tree of its own content, and after a repair tells the
 * keeper of the tree what has changed, so that it need not be built anew. */
#ifndef KRBREPL__REPAIRS_H
#define KRBREPL__REPAIRS_H

#include "prover.h"
#include "session.h"

typedef struct krbrepl__conn krbrepl__conn;
struct krbrepl_node;

/* A tree that sessions share. */
typedef struct krbrepl__shared {
    size_t refs;
    krbrepl__ftree *tree;
    krbrepl__snap snap;
} krbrepl__shared;

typedef struct krbrepl__repairs {
    int asked; /* a tree is asked for and not there yet */

    /* master */
    size_t under_way;        /* copies and repairs */
    krbrepl__shared *shared; /* the last tree, or NULL */
    uint64_t shared_ms;      /* when a session last used it */

    /* replica */
    krbrepl__ftree *own;
    krbrepl_pos own_pos;
    int none;             /* there was no tree to be had */
    int distrust;         /* something was altered: the tree is built anew before it is used */
    krbrepl__buf changed; /* canonical keys (vec16) that a repair changes */
    int lost;             /* not all of them could be remembered */
} krbrepl__repairs;

void krbrepl__repairs_init(struct krbrepl_node *n);
void krbrepl__repairs_free(struct krbrepl_node *n); /* no session holds a tree any more */
void krbrepl__repairs_tick(struct krbrepl_node *n);
/* A tree that was asked for; taken over. */
void krbrepl__repairs_frozen(struct krbrepl_node *n, krbrepl__proof *proof);
/* It cannot be had for now. */
void krbrepl__repairs_failed(struct krbrepl_node *n);

/* As in krbrepl__port. */
int krbrepl__repairs_enter(krbrepl__conn *c, uint64_t seq, const krbrepl__snap **snap);
void krbrepl__repairs_leave(krbrepl__conn *c);
int krbrepl__repairs_own_tree(krbrepl__conn *c, const krbrepl__ftree **tree);
/* The own tree is not looked at any more. */
void krbrepl__repairs_own_done(krbrepl__conn *c);
void krbrepl__repairs_changed(struct krbrepl_node *n, const void *ckey, size_t len);
/* A copy or a repair has gone live. */
void krbrepl__repairs_copied(struct krbrepl_node *n);
/* The session is over. */
void krbrepl__repairs_over(krbrepl__conn *c);

#endif
