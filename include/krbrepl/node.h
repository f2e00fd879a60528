/* node.h: a running master or replica.
 *
 * A node joins a store to its peers. Drive it in one of three ways: from your own loop (poll
 * krbrepl_node_fd for reading, no longer than krbrepl_node_timeout, then krbrepl_node_process); by
 * krbrepl_node_run, which is such a loop; or by krbrepl_node_spawn, which runs it in a thread of the
 * library's own.
 *
 * From inside a callback krbrepl_node_wake, _quit, _reauthorize, _fd, _timeout, _status, _peers and
 * _errinfo may be called; anything else answers STATE, and krbrepl_node_free does nothing. */
#ifndef KRBREPL_NODE_H
#define KRBREPL_NODE_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/status.h>
#include <krbrepl/store.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct krbrepl_node krbrepl_node;

enum krbrepl_log_level {
    KRBREPL_LOG_ERROR = 1, /* somebody has to act */
    KRBREPL_LOG_WARN = 2,
    KRBREPL_LOG_NOTICE = 3, /* what an operator wants to read next morning */
    KRBREPL_LOG_INFO = 4,
    KRBREPL_LOG_DEBUG = 5
};

/* What `authorize` may grant: any of these, or'ed. 0 refuses the peer. */
#define KRBREPL_ALLOW_REPLICA 1 /* may receive every record, keys included */
#define KRBREPL_ALLOW_MONITOR 2 /* may ask for the status */
#define KRBREPL_ALLOW_HEIMDAL \
    4 /* may receive every entry as a slave of Heimdal's, over a weaker channel */

/* All optional but `authorize`: without it nobody may connect to a master, for the stream holds every
 * key of a realm. Arguments are borrowed until the callback returns. */
typedef struct krbrepl_events {
    size_t size;
    /* `principal` is the authenticated name with its realm. Called on each connection, and again for
     * every live session by krbrepl_node_reauthorize, which also asks about the replicas that are known and
     * not here: `address` is "" then. */
    int (*authorize)(void *ctx, const char *principal, const char *address);
    /* A session came up (err 0), or went down with its reason. */
    void (*peer)(void *ctx, const krbrepl_peer *peer, int err);
    /* The node's state (enum krbrepl_state) changed. */
    void (*state)(void *ctx, uint64_t was, uint64_t is, int err);
    /* One finished line without newline. Never holds record bytes or key bytes. */
    void (*log)(void *ctx, int level, const char *area, const char *msg, size_t len);
} krbrepl_events;

typedef struct krbrepl_config {
    size_t size;
    krbrepl_store *store;         /* borrowed until free; the node opens a handle of its own on it */
    const krbrepl_events *events; /* copied */
    void *events_ctx;             /* borrowed until free */
    const char *name;             /* how this node calls itself to peers; NULL: the host name */
    uint64_t log_level;           /* least important level handed out; 0: KRBREPL_LOG_INFO */
} krbrepl_config;

/* Times are in milliseconds; zero means the default, and none is longer than 30 days. Strings are copied. */
typedef struct krbrepl_master_options {
    size_t size;
    const char *listen;       /* "ADDR:PORT", comma separated; NULL: every address, the iprop port */
    const char *service;      /* own principal; NULL: krbrepl/HOSTNAME in the default realm */
    const char *keytab;       /* NULL: the default keytab */
    uint64_t max_peers;       /* connections in all; 10,000 */
    uint64_t max_unauth;      /* connections that have not authenticated yet; 256 */
    uint64_t max_per_address; /* of these, from one address; 64 */
    uint64_t handshake_ms;    /* to authenticate; 10,000 */
    uint64_t missing_ms;      /* silence after which a peer is asked for a sign of life; 10,000 */
    uint64_t gone_ms;         /* silence after which a peer is gone; 60,000 */
    uint64_t window;          /* bytes sent ahead of what a replica has processed; 4 MiB */
    uint64_t repairs_max;     /* copies and repairs at a time, the other replicas wait; 4 */
    /* Unmodified slaves of Heimdal's (ipropd-slave) are served too, at the same addresses: those whom `authorize`
     * gives KRBREPL_ALLOW_HEIMDAL, and who have never been replicas in the native protocol. What follows is for
     * them alone. Their channel has no forward secrecy; security.md of the documentation says what that means. */
    uint64_t flags; /* KRBREPL_MASTER_... */
    const char
        *heimdal_service; /* own principal towards them; NULL: iprop/HOSTNAME in the default realm */
    const char *heimdal_keytab;  /* NULL: `keytab` */
    uint64_t heimdal_missing_ms; /* 120,000 */
    uint64_t heimdal_gone_ms;    /* 300,000 */
} krbrepl_master_options;

#define KRBREPL_MASTER_HEIMDAL 1u

typedef struct krbrepl_replica_options {
    size_t size;
    const char *master;         /* "HOST[:PORT]", "[ADDR]:PORT" */
    const char *service;        /* the master's principal; NULL: krbrepl/HOST in the default realm */
    const char *principal;      /* own principal; NULL: krbrepl/HOSTNAME in the default realm */
    const char *keytab;         /* keys of `principal`; NULL: the default keytab */
    const uint8_t *database_id; /* 16 bytes: adopt only this database; NULL: the master's */
    uint64_t retry_min_ms;      /* first wait before connecting again; 100 */
    uint64_t retry_max_ms;      /* longest wait; 30,000 */
    uint64_t handshake_ms;      /* 10,000 */
    uint64_t missing_ms;        /* 10,000 */
    uint64_t lost_ms;           /* silence after which the master is taken for lost; 60,000 */
    /* What the master speaks (enum krbrepl_dialect); 0: native. With KRBREPL_DIALECT_HEIMDAL the node follows an
     * ipropd-master as one of its slaves, and every change there becomes a commit of a history of the store's own:
     * its role is master (one without a role becomes that), nobody else can write to it, and replicas can follow
     * it. `service` is iprop/HOST then, `principal` iprop/HOSTNAME, retry_min_ms 1,000, lost_ms 300,000. What
     * follows is for that dialect alone. */
    uint64_t dialect;
    uint64_t flags; /* KRBREPL_REPLICA_... */
    /* The realm's master key, as a keytab: keys that come unencrypted are encrypted with it. NULL: kept as they come. */
    const char *mkey_file;
    uint64_t
        renew_ms; /* a session ends in order after this time, and the next one looks whether the master's
                        * log is still the one that was followed; 600,000 */
    uint64_t
        whole_ms; /* a whole database is asked for so long after the last one; 0: only when it is needed */
    const krbrepl_master_options
        *serve; /* native replicas are served by the same node; NULL: nobody is */
} krbrepl_replica_options;

/* The store may have records that did not come from this master: they are replaced. */
#define KRBREPL_REPLICA_REPLACE 1u

/* Makes a node that is not running yet. NOMEM, ABI, INVALID. */
KRBREPL_API int krbrepl_node_new(krbrepl_node **out, const krbrepl_config *cfg, krbrepl_errinfo *ei);

/* Serves replicas. The store must be master (STATE names krbrepl_promote otherwise), and have been opened with the
 * callbacks of what is its host's (STATE; <krbrepl/host.h>), as that of a replica must. LOCKED when
 * another node runs on the store; NET when no address can be listened on; AUTH when the keytab holds no
 * usable key of the service (the KDC is not asked). */
KRBREPL_API int krbrepl_master_start(krbrepl_node *n, const krbrepl_master_options *opt);

/* Follows a master. The store must not be master, unless this one speaks another dialect (STATE names krbrepl_demote
 * otherwise). A master or KDC that cannot be reached, or that refuses, is no failure: the node tries again, for ever,
 * and `log` and the status say why. */
KRBREPL_API int krbrepl_replica_start(krbrepl_node *n, const krbrepl_replica_options *opt);

/* Says goodbye to the peers and stops. The node can be started again, in either role. STATE while another
 * thread is in krbrepl_node_run: krbrepl_node_quit ends that first. */
KRBREPL_API int krbrepl_node_stop(krbrepl_node *n);
/* Stops if needed. NULL is fine. Legal in a forked child, where it only frees memory. Nothing happens
 * while another thread is in krbrepl_node_run. */
KRBREPL_API void krbrepl_node_free(krbrepl_node *n);

/* ---- the loop ------------------------------------------------------------------------------- */
/* Readable: call process. The same descriptor from krbrepl_node_new to krbrepl_node_free. */
KRBREPL_API int krbrepl_node_fd(const krbrepl_node *n);
/* Milliseconds until process is due; -1: never, and while krbrepl_node_run or a thread of the library drives it. */
KRBREPL_API int krbrepl_node_timeout(const krbrepl_node *n);
/* Never waits on the network. Anything but 0 says that the node has stopped by itself. It can be started again: as
 * master after STATE, when a replica's store was promoted; as replica after NOT_MASTER, when a master's was
 * demoted, and after FENCED, when there is a master with a higher epoch. */
KRBREPL_API int krbrepl_node_process(krbrepl_node *n);
/* Processes until krbrepl_node_quit, or until the node stops by itself with an error. */
KRBREPL_API int krbrepl_node_run(krbrepl_node *n);
/* Runs the loop in a thread with all signals blocked. Callbacks then come from that thread.
 * krbrepl_node_stop ends it. */
KRBREPL_API int krbrepl_node_spawn(krbrepl_node *n);
/* Both may be called from any thread and from a signal handler. */
KRBREPL_API int krbrepl_node_wake(krbrepl_node *n);
KRBREPL_API int krbrepl_node_quit(krbrepl_node *n);
/* Asks `authorize` about every live session once more, and ends those it refuses; and about every known
 * replica that is not connected: nothing is kept any more for those it refuses. May be called from any
 * thread and from a signal handler; carried out by the next process. */
KRBREPL_API int krbrepl_node_reauthorize(krbrepl_node *n);

KRBREPL_API int krbrepl_node_errinfo(const krbrepl_node *n, krbrepl_errinfo *out);
KRBREPL_API int krbrepl_node_status(krbrepl_node *n, krbrepl_status *out);
KRBREPL_API int krbrepl_node_peers(krbrepl_node *n, krbrepl_peer_fn *each, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
