/* conn.h: a socket joined to a session. */
#ifndef KRBREPL__CONN_H
#define KRBREPL__CONN_H

#include "node_impl.h"
#include "port.h"

/* Who gets a job back. First in whatever is handed to the pool as owner. */
typedef struct krbrepl__waiter {
    void (*done)(void *ctx, krbrepl__job *j); /* takes j over */
    void *ctx;
} krbrepl__waiter;

/* What was counted already. */
typedef struct krbrepl__conn_seen {
    uint64_t commits, bytes_in, bytes_out, copies;
    uint64_t done; /* of these, the last one that was counted as complete */
} krbrepl__conn_seen;

struct krbrepl__conn {
    krbrepl_node *n;
    krbrepl__item all, run, heard,
        fresh; /* fresh: has not authenticated yet; dead: `all` is in n->dead */
    uint64_t id;
    int inbound;
    int undecided; /* inbound: the first byte, which tells the dialect, is not there */
    int fd;
    char address[KRBREPL__ADDR_TEXT];
    uint8_t key[KRBREPL__ADDR_KEY];
    krbrepl__watch watch;
    krbrepl__timer timer;
    krbrepl__sess *sess;
    krbrepl__port port;
    krbrepl__node_port store_port;
    krbrepl__log log;
    krbrepl__task *task;
    krbrepl__waiter waiter;

    int phase;   /* that was acted on last */
    int secured; /* has authenticated, and may be here */
    int up;      /* the host knows of it */
    int over;    /* the session is closed; `linger_until` ends the rest */
    int eof, send_failed, shut;
    int superseded; /* closed for a newer session of the same principal */
    uint64_t linger_until;
    uint64_t opened_ms;
    int64_t connected_us, copy_us;
    krbrepl__conn_seen seen;
    uint64_t seen_proofs, seen_asks;
    int64_t proved_us;       /* the last of them */
    int asked_copy;          /* replica: because its content differs */
    int checked;             /* master: it was told of a check at least once */
    int waits;               /* for a tree or for its turn: the session is told when to ask again */
    int entered;             /* master: its copy is one of those that are under way */
    krbrepl__shared *shared; /* master: the tree that its repair compares, or NULL */
    int reset_due;           /* master: its slot is gone, and a legacy dialect has to begin anew */
    size_t slot;             /* master: index of its slot plus one; 0: none yet */
};

typedef struct krbrepl__conn_cfg {
    int inbound;
    int undecided; /* the peer may speak a legacy dialect */
    const krbrepl__sec_cfg *sec;
    const uint8_t *database_id;
    uint64_t handshake_ms, missing_ms, gone_ms, window;
    uint64_t asks; /* outbound: krbrepl__sess_cfg */
    int all;       /* the same */
} krbrepl__conn_cfg;

/* Takes `fd` over in any case. The session's first bytes leave with the next turn. */
int krbrepl__conn_new(krbrepl__conn **out, krbrepl_node *n, int fd, const krbrepl__addr *addr,
                      const krbrepl__conn_cfg *cfg, krbrepl_errinfo *ei);
const krbrepl__sess_info *krbrepl__conn_info(const krbrepl__conn *c);
/* There is work: it gets its turn. */
void krbrepl__conn_wake(krbrepl__conn *c);
/* Reads what has arrived. */
void krbrepl__conn_read(krbrepl__conn *c);
/* One piece of the session's work. */
void krbrepl__conn_work(krbrepl__conn *c);
/* Sends, hands out jobs, acts on what changed, sets the timer. After every call of the session. */
void krbrepl__conn_settle(krbrepl__conn *c);
/* An orderly end with a reason; the last words may linger. */
void krbrepl__conn_close(krbrepl__conn *c, int err, const char *text);
/* Ends it now; freed by the next reap. */
void krbrepl__conn_kill(krbrepl__conn *c);
void krbrepl__conn_reap(krbrepl_node *n);
/* In a forked child. */
void krbrepl__conn_forget_all(krbrepl_node *n);

void krbrepl__conn_peer(krbrepl__conn *c, krbrepl_peer *out);
void krbrepl__conn_tell_peer(krbrepl__conn *c, int err);

/* What the roles want to know: something about the session changed; it is closed (called once). */
int krbrepl__master_authorize(krbrepl__conn *c, const char *principal);
void krbrepl__master_hold(krbrepl__conn *c, const char *principal, uint64_t seq);
int krbrepl__master_told(krbrepl__conn *c, const char *principal, krbrepl__told *out);
int krbrepl__master_tell(krbrepl__conn *c, const char *principal, const krbrepl__told *told);
void krbrepl__master_answered(krbrepl__conn *c, const char *principal, uint32_t version);
enum krbrepl__prior krbrepl__master_prior(krbrepl_node *n, uint64_t seq);
/* legacy.c: the first bytes are there; from now on the session is one in the dialect that they are of. */
void krbrepl__legacy_decide(krbrepl__conn *c, uint8_t first);
int krbrepl__master_may_log(krbrepl_node *n); /* a line about somebody who is turned away */
void krbrepl__master_conn_moved(krbrepl__conn *c);
void krbrepl__master_conn_over(krbrepl__conn *c);
void krbrepl__replica_conn_moved(krbrepl__conn *c);
void krbrepl__replica_conn_over(krbrepl__conn *c);
uint64_t krbrepl__master_lag_us(krbrepl_node *n, uint64_t durable);

#endif
