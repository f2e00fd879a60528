/* status.h: what a running node knows about itself and its peers, asked from any process. */
#ifndef KRBREPL_STATUS_H
#define KRBREPL_STATUS_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum krbrepl_state {
    KRBREPL_STATE_STOPPED = 0,
    KRBREPL_STATE_SERVING = 1,    /* master: listening */
    KRBREPL_STATE_CONNECTING = 2, /* replica: no session, trying */
    KRBREPL_STATE_COPYING = 3,    /* a full copy is under way */
    KRBREPL_STATE_STREAMING = 4,  /* commits arrive as they are made */
    KRBREPL_STATE_REFUSED = 5     /* the other side refuses this node; see the last error */
};
KRBREPL_API const char *krbrepl_state_name(uint64_t state);

/* What a session speaks. */
enum krbrepl_dialect {
    KRBREPL_DIALECT_NATIVE = 1, /* docs/protocol.md */
    KRBREPL_DIALECT_HEIMDAL = 2 /* iprop, as Heimdal's ipropd-master and ipropd-slave speak it */
};

/* "native", "heimdal"; "unknown" for any other number. Static. */
KRBREPL_API const char *krbrepl_dialect_name(uint64_t dialect);

/* Why a full copy or a repair was made. */
enum krbrepl_copy_reason {
    KRBREPL_COPY_NONE = 0,
    KRBREPL_COPY_EMPTY = 1,        /* the replica held nothing, and commits would not do */
    KRBREPL_COPY_BEHIND = 2,       /* the journal no longer reached back to the replica's position */
    KRBREPL_COPY_RESET = 3,        /* the master's content was replaced as a whole */
    KRBREPL_COPY_FORK = 4,         /* a recorded promotion or restore explains the difference */
    KRBREPL_COPY_UNVERIFIABLE = 5, /* nothing comparable was left in both histories */
    KRBREPL_COPY_FAILED = 6,       /* applying a commit failed */
    KRBREPL_COPY_DIFFERS = 7       /* the content differed from the master's at the same position */
};
KRBREPL_API const char *krbrepl_copy_reason_name(uint64_t reason);

/* More reasons than there will ever be: the length of a table of counters. Frozen. */
#define KRBREPL_COPY_REASONS 16

/* A peer of a node. Times are microseconds of wall clock since 1970, 0: never. */
typedef struct krbrepl_peer {
    size_t size;
    uint64_t id;           /* of the session; never used twice by one node */
    const char *principal; /* never NULL */
    const char *address;   /* "ADDR:PORT"; never NULL */
    const char *name;      /* how the peer calls itself; never NULL */
    uint64_t state;        /* enum krbrepl_state */
    int64_t last_err;      /* 0 or a KRBREPL_ERR_... */
    uint64_t received;     /* seq acknowledged at each level */
    uint64_t durable;
    uint64_t applied;
    uint64_t lag_commits; /* gauge: commits that are not durable there yet */
    uint64_t lag_us;      /* gauge: age of the oldest of these */
    int64_t connected_us;
    int64_t last_seen_us;
    int64_t last_copy_us;
    uint64_t last_copy_reason; /* enum krbrepl_copy_reason */
    uint64_t bytes_out;        /* counter: sent to this peer in this session */
    uint64_t bytes_in;         /* counter */
    uint64_t proved_seq; /* the last position at which the content was proved equal here and there */
    int64_t proved_us;   /* and when that was */
    uint64_t dialect;    /* enum krbrepl_dialect */
    uint64_t version;    /* legacy dialect: the number that stands for `durable` there */
} krbrepl_peer;

typedef struct krbrepl_status {
    size_t size;
    uint8_t database_id[16];
    uint64_t role;  /* enum krbrepl_role */
    uint64_t state; /* enum krbrepl_state */
    uint64_t flags; /* KRBREPL_STORE_NOSYNC, KRBREPL_STORE_GIVES_UP, KRBREPL_STORE_OLD */
    int64_t last_err;
    krbrepl_pos pos;
    uint64_t known_epoch;
    uint64_t records;
    uint64_t journal_first;
    uint64_t journal_last;
    uint64_t journal_bytes;
    uint64_t peers;        /* gauge: live sessions */
    uint64_t upstream_seq; /* replica: the master's last known seq */
    uint64_t lag_commits;  /* replica, gauge */
    uint64_t lag_us;       /* replica, gauge; counts on while the master is out of reach */
    int64_t last_heard_us; /* replica: when the master was last heard */
    uint64_t commits_in;   /* counter */
    uint64_t commits_out;  /* counter */
    uint64_t bytes_in;     /* counter */
    uint64_t bytes_out;    /* counter */
    uint64_t copies_in;    /* counter: full copies and repairs received */
    uint64_t copies_out;   /* counter */
    uint64_t refused;      /* counter: connections refused, for any reason */
    uint64_t unauth;       /* gauge: connections that have not authenticated yet */
    int64_t last_copy_us;  /* replica */
    uint64_t last_copy_reason;
    int64_t started_us;
    int64_t pid;
    char last_error[248]; /* text of last_err, or "" */
    /* The digest of the content is compared between master and replica at the same position. */
    uint64_t proved_seq; /* the last position at which it was equal; on a master, with any replica */
    int64_t proved_us;
    uint64_t proofs;  /* counter: comparisons that came out equal */
    uint64_t differs; /* counter: comparisons that did not, and records altered outside of a commit */
    /* counters: full copies and repairs begun, by enum krbrepl_copy_reason */
    uint64_t copies_by_reason[KRBREPL_COPY_REASONS];
    /* Master: how far the replicas that it remembers hold its journal back (krbrepl_slot_each). */
    uint64_t slots;            /* gauge: replicas that are remembered */
    uint64_t slots_cut;        /* gauge: those of them that need commits which are not kept any more */
    uint64_t held_from;        /* gauge: first seq that another one still needs; 0: none */
    uint64_t held_commits;     /* gauge: commits from there on */
    uint64_t held_bytes;       /* gauge: their length; in proportion where the journal begins earlier */
    uint64_t hard_cap;         /* length of the journal up to which it is held back */
    uint64_t headroom_commits; /* gauge: commits of the present mean length until then */
    /* Of the copies, those that were repairs, in which only what differs travels, and have gone live. */
    uint64_t repairs_by_reason[KRBREPL_COPY_REASONS]; /* counters */
    uint64_t repair_records; /* counter: records put and deleted; on a master: sent */
    uint64_t repair_bytes;   /* counter: what they took on the wire, in both directions */
    /* A node that follows a master of another kind: what it speaks with it (enum krbrepl_dialect; 0: it
     * follows none), and the master's own number for the content here; 0: there is no whole content yet. */
    uint64_t upstream_dialect;
    uint64_t upstream_version;
} krbrepl_status;

/* Answer 0 to go on. `peer` is borrowed until it returns. */
typedef int krbrepl_peer_fn(void *ctx, const krbrepl_peer *peer);

/* Asks the node that runs on the store in `dir`, through its socket there. Waits at most `timeout_ms`.
 * NOTFOUND when no node runs, TIMEOUT, DENIED (file permissions). `each` may be NULL. Not in the thread that drives that
 * node, which would wait for itself: krbrepl_node_status and krbrepl_node_peers tell the same there. */
KRBREPL_API int krbrepl_status_fetch(const char *dir, uint64_t timeout_ms, krbrepl_status *out,
                                     krbrepl_peer_fn *each, void *ctx, krbrepl_errinfo *ei);

typedef struct krbrepl_wait_options {
    size_t size;
    uint64_t seq;        /* the commit to wait for; 0: the last one there is now */
    uint64_t replicas;   /* how many replicas must have it; 0: one. On a replica's store: waits for this
                        * replica itself to have it */
    uint64_t level;      /* enum krbrepl_level; 0: KRBREPL_LEVEL_DURABLE */
    uint64_t timeout_ms; /* 0: do not wait, only look */
} krbrepl_wait_options;

/* Waits until enough replicas have a commit, by asking the node that runs on the store in `dir`. Any
 * process, any thread but the one that drives that node, which would wait for itself (krbrepl_node_peers tells it what
 * each replica has). `have` (may be NULL) is how many had it at the end. 0; TIMEOUT, 2 s later when the node does not
 * answer at all; NOTFOUND when no node runs (within the timeout). */
KRBREPL_API int krbrepl_wait(const char *dir, const krbrepl_wait_options *opt, uint64_t *have,
                             krbrepl_errinfo *ei);

typedef struct krbrepl_prove_options {
    size_t size;
    uint64_t timeout_ms; /* 0: an hour */
    /* May be NULL. Called now and then while it goes on; `total` 0: not known yet. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    void *progress_ctx;
} krbrepl_prove_options;

typedef struct krbrepl_proved {
    size_t size;
    uint64_t seq;     /* where the store was at the end */
    uint64_t records; /* how many it has */
    uint64_t
        compared; /* peers whose content was proved equal: the master, or the replicas that are connected */
    uint64_t
        differed; /* 1: something differed; a replica has repaired it by now, and evidence/ lists it */
} krbrepl_proved;

/* Has the node that runs on the store in `dir` read every record again, from the disk, and compare its content with
 * that of its master, or of its replicas, without stopping anything. A replica that differs is repaired, and compared
 * again. The values that are in a host's database are read too, and the commits that are in a host's journal, in the
 * turns of its node. Any process, any thread. 0: all is equal now; CORRUPT: a master's own records are damaged, or a
 * commit in the host's journal, which the text names; HOST: the host's journal cannot be read; TIMEOUT: not done in
 * time, for which a replica without a connection to its master is one reason; NOTFOUND: no node runs. */
KRBREPL_API int krbrepl_prove(const char *dir, const krbrepl_prove_options *opt, krbrepl_proved *out,
                              krbrepl_errinfo *ei);

#ifdef __cplusplus
}
#endif

#endif
