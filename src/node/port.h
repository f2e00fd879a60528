/* port.h: a store as a session sees it (krbrepl__port in session.h). */
#ifndef KRBREPL__PORT_H
#define KRBREPL__PORT_H

#include "evidence.h"
#include "recent.h"
#include "session.h"
#include "store.h"

/* What the node, or a simulation, adds to the store. */
typedef struct krbrepl__port_owner {
    /* KRBREPL_ALLOW_... bits; NULL: nobody. */
    int (*authorize)(void *ctx, const char *principal);
    /* The journal from `seq` on is needed by `principal`. Called with every durable acknowledgment, so
     * it only takes a note. NULL: nothing is held. */
    void (*hold)(void *ctx, const char *principal, uint64_t seq);
    void *ctx;
    /* The digest root at `seq`, where the store is now, is asked for (krbrepl__sess_proved). NULL: it is
     * not to be had. */
    void (*check)(void *ctx, uint64_t seq);
    /* A copy or a repair has gone live. NULL: nobody wants to know. */
    void (*copied)(void *ctx);
    /* Master, as in krbrepl__port: a copy or a repair may begin, and has its place until `leave`. Both NULL: every
     * copy may, and there is no repair. */
    int (*enter)(void *ctx, uint64_t seq, const krbrepl__snap **snap);
    void (*leave)(void *ctx);
    /* Replica, as in krbrepl__port: the digest tree of the own content. NULL: there are no repairs. */
    int (*own_tree)(void *ctx, const krbrepl__ftree **tree);
    /* A copy or a repair is over, after `copied` or without it: nobody looks at the own tree any more. NULL: nobody
     * wants to know. */
    void (*over)(void *ctx);
    /* A repair that is about to go live makes another one of the record with this canonical key; `copied` follows
     * when all were told, or `over` alone when it did not come to that. len 0: they are too many to be told, and
     * whatever was known of the content is not known any more. NULL: nobody wants to know. */
    void (*changed)(void *ctx, const void *ckey, size_t len);
    const krbrepl__log *log; /* borrowed; may be NULL */
    /* Master, as in krbrepl__port: what the slot of a peer in a legacy dialect says. All NULL: there are none. */
    int (*told)(void *ctx, const char *principal, krbrepl__told *out);
    int (*tell)(void *ctx, const char *principal, const krbrepl__told *told);
    void (*answered)(void *ctx, const char *principal, uint32_t version);
    /* Master, as in krbrepl__port. NULL: it is never known. */
    enum krbrepl__prior (*prior)(void *ctx, uint64_t seq);
    krbrepl__recent *recent; /* master: what was read in this turn; borrowed; may be NULL */
} krbrepl__port_owner;

/* The state behind one port: one for each session. */
typedef struct krbrepl__node_port {
    krbrepl_store *store;    /* borrowed */
    krbrepl__copy *copy;     /* the copy that is being built, or NULL */
    krbrepl__repair *repair; /* the same of a repair; never both */
    uint64_t reason;         /* of either */
    krbrepl__keylist *list;  /* what the repair changes, being written down */
    int stage;               /* of making it live (port.c) */
    krbrepl__repair_sum sum; /* of the last one */
    krbrepl__port_owner owner;
} krbrepl__node_port;

/* Fills in both. `store` is borrowed for as long as the port is used; `owner` is copied, and may be NULL
 * at a replica. A session that is freed leaves no copy behind, so there is nothing to release. */
void krbrepl__port_init(krbrepl__port *port, krbrepl__node_port *np, krbrepl_store *store,
                        const krbrepl__port_owner *owner);

#endif
