/* node_impl.h: the node's own structures. One thread at a time is inside a node; krbrepl__node_enter sees
 * to that. */
#ifndef KRBREPL__NODE_IMPL_H
#define KRBREPL__NODE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <krbrepl/node.h>

#include "list.h"
#include "logline.h"
#include "lookup.h"
#include "nodeops.h"
#include "poller.h"
#include "pool.h"
#include "proof.h"
#include "recent.h"
#include "repairs.h"
#include "secchan.h"
#include "session.h"
#include "sock.h"
#include "store.h"
#include "timer.h"
#include "wakefd.h"

#define KRBREPL__DEFAULT_PORT "2121"
#define KRBREPL__TURN_BYTES 65536u /* read from one connection at a time */
#define KRBREPL__TURN_READS 32     /* in one turn, from the master */
#define KRBREPL__TURN_MS 5u        /* of store work in one turn */
#define KRBREPL__TURN_HEARD_MS 2u  /* of reading from inbound connections, at least */
#define KRBREPL__TURN_ACCEPTS 16
#define KRBREPL__TICK_MS 1000u
#define KRBREPL__LINGER_MS 1000u      /* how long a closed session may still send its last words */
#define KRBREPL__OUT_PAUSE (1u << 20) /* unsent bytes at which a connection is not read any more */

typedef struct krbrepl__conn krbrepl__conn;
typedef struct krbrepl__master krbrepl__master;
typedef struct krbrepl__replica krbrepl__replica;
typedef struct krbrepl__feed krbrepl__feed;
typedef struct krbrepl__control krbrepl__control;

/* What the sessions of this run have added up to; the status shows it. */
typedef struct krbrepl__counters {
    uint64_t commits_in, commits_out;
    uint64_t bytes_in, bytes_out;
    uint64_t copies_in, copies_out;
    uint64_t refused;
    uint64_t copies_by_reason[KRBREPL_COPY_REASONS];
    uint64_t repairs_by_reason[KRBREPL_COPY_REASONS];
    uint64_t repair_records, repair_bytes;
} krbrepl__counters;

struct krbrepl_node {
    pid_t pid;
    pthread_mutex_t lock; /* recursive */
    int depth;            /* > 0: somebody is inside, and this thread is it */
    krbrepl_errinfo ei;

    krbrepl_store *host_store; /* the host's handle, borrowed */
    krbrepl_events events;
    void *events_ctx;
    char *name;
    krbrepl__log log;
    const krbrepl__sys *sys;

    krbrepl__poller *poller;
    krbrepl__wakefd wake;
    krbrepl__watch wake_watch;
    atomic_int wants_wake, wants_quit, wants_reauthorize;
    krbrepl__timers timers;

    /* From start to stop: */
    int running;
    int stopping;
    int master_side; /* which role it was started in */
    uint64_t state;  /* enum krbrepl_state */
    int ended;       /* why it stops by itself; 0: it goes on */
    krbrepl_store *store;
    int locked;
    krbrepl__sec *sec;
    krbrepl__pool *pool;
    krbrepl__watch pool_watch;
    int wake_sock;
    krbrepl__watch wake_sock_watch;
    krbrepl__timer tick, upkeep;
    unsigned upkeep_waits;   /* for peers, in a row */
    krbrepl_store_info info; /* as of the last look */
    int look_failed;
    krbrepl__master *master;
    krbrepl__replica *replica;
    krbrepl__feed *feed; /* beside `master`: where its records come from; NULL: from here */
    krbrepl__control *control;
    int64_t started_us;
    int last_err;
    char last_error[248];
    krbrepl__counters count;
    krbrepl__proofs proof;
    krbrepl__repairs repairs;

    krbrepl__item conns; /* all connections */
    krbrepl__item run;   /* those with work to do */
    krbrepl__item heard; /* inbound ones that there is something to read from */
    krbrepl__recent recent;
    krbrepl__item dead; /* to be freed at the end of the turn */
    size_t nconns;
    uint64_t next_id;
    uint64_t now;   /* mono ms at the beginning of the turn */
    int acks_moved; /* waiting clients have to be looked at */
    uint8_t in[KRBREPL__TURN_BYTES];

    int driven; /* a thread is in the loop: the node's own when it is spawned, else one of the host's */
    int spawned;
    pthread_t thread;
    int thread_rc;
};

/* ---- node.c --------------------------------------------------------------------------------- */
uint64_t krbrepl__node_now(krbrepl_node *n);
/* A time out of an option: 0 is `preset`, and none is longer than 30 days. */
uint64_t krbrepl__node_ms(uint64_t ms, uint64_t preset);
/* For krbrepl__node_begin: the master's side, whose records come from elsewhere. */
#define KRBREPL__FED 2
/* Prepares what both roles share, up to the lock and the sockets in the store's directory. */
int krbrepl__node_begin(krbrepl_node *n, int master_side);
void krbrepl__node_end(krbrepl_node *n); /* undoes it, from wherever it got to */
/* Reads the store's position and role anew. */
int krbrepl__node_look(krbrepl_node *n);
void krbrepl__node_state(krbrepl_node *n, uint64_t state, int err);
/* Remembers a failure for the status. */
void krbrepl__node_note(krbrepl_node *n, int err, const char *text);
/* The node shall stop by itself, at the end of this turn. */
void krbrepl__node_give_up(krbrepl_node *n, int err, const char *text);
/* The handle's errinfo filled from another. */
int krbrepl__node_fail_from(krbrepl_node *n, const krbrepl_errinfo *from);

/* ---- same.c --------------------------------------------------------------------------------- */
/* Both give up: when another database is where the store was, and when a master's history, which was at `before`,
 * does not lead on from there. */
void krbrepl__node_check_store(krbrepl_node *n);
void krbrepl__node_check_history(krbrepl_node *n, const krbrepl_pos *before);

/* ---- master.c ------------------------------------------------------------------------------- */
void krbrepl__master_stop(krbrepl_node *n); /* closes the listeners, writes the slots, frees */
void krbrepl__master_tick(krbrepl_node *n);
void krbrepl__master_looked(krbrepl_node *n, const krbrepl_store_info *before);
void krbrepl__master_reauthorize(krbrepl_node *n);
void krbrepl__master_forget(krbrepl_node *n); /* in a forked child */

/* ---- replica.c ------------------------------------------------------------------------------ */
void krbrepl__replica_stop(krbrepl_node *n);
void krbrepl__replica_tick(krbrepl_node *n);
void krbrepl__replica_looked(krbrepl_node *n);
uint64_t krbrepl__replica_lag_us(krbrepl_node *n);
uint64_t krbrepl__replica_upstream(krbrepl_node *n); /* the master's last known seq */
void krbrepl__replica_forget(krbrepl_node *n);

/* ---- feed.c --------------------------------------------------------------------------------- */
void krbrepl__feed_stop(krbrepl_node *n);
void krbrepl__feed_tick(krbrepl_node *n);
void krbrepl__feed_looked(krbrepl_node *n);
void krbrepl__feed_status(krbrepl_node *n, krbrepl_status *s);
void krbrepl__feed_forget(krbrepl_node *n);

#endif
