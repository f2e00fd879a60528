/* chan.h: a channel carries plaintext between two authenticated ends over any byte stream.
 *
 * It does no I/O: network bytes go in with feed and come out of `out`; plaintext goes in with write and
 * comes out of `in`. An end that is closed in order sets `eof` at the other one; a connection that ends
 * without it was cut, and what it carried may be incomplete. The secure channel (secchan.h) is the only one
 * that a product ever uses; a simulation has a plain, deterministic one behind the same calls. */
#ifndef KRBREPL__CHAN_H
#define KRBREPL__CHAN_H

#include <krbrepl/error.h>

#include "buf.h"

/* A piece of GSS-API work that may block on a KDC or a keytab. It owns all it touches, so that it can run
 * in another thread, and can be abandoned: whoever drops it calls free once run has returned. */
typedef struct krbrepl__job {
    void (*run)(struct krbrepl__job *j);
    void (*free)(struct krbrepl__job *j);
    int initiator; /* which queue it belongs in */
} krbrepl__job;

#define KRBREPL__CHAN_FEED 65536u

enum krbrepl__chan_state {
    KRBREPL__CHAN_HANDSHAKE = 1,
    KRBREPL__CHAN_OPEN = 2, /* both ends have proved who they are */
    KRBREPL__CHAN_FAILED = 3
};

typedef struct krbrepl__chan krbrepl__chan;

typedef struct krbrepl__chan_ops {
    /* All n bytes are taken; at most KRBREPL__CHAN_FEED at a time. 0, or what ended the channel (AUTH,
     * PROTO, NOMEM), which every later call answers too. May fill `in` and `out`, also when it fails (an
     * alert for the peer). */
    int (*feed)(krbrepl__chan *c, const uint8_t *p, size_t n);
    /* Gathers plaintext; every 16 KiB of it go to `out` as one record. STATE before the channel is open. */
    int (*write)(krbrepl__chan *c, const void *p, size_t n);
    /* What write still holds goes to `out`: once per turn of the owner's loop, not after each message.
     * Nothing to do (also before the channel is open) is no error. */
    int (*flush)(krbrepl__chan *c);
    /* Flushes, then says that nothing follows. Later writes answer STATE. */
    int (*close)(krbrepl__chan *c);
    /* A job to be run elsewhere, or NULL; to be asked for after new, feed and job_done. Once handed out,
     * the caller gives it back with job_done when run has returned, or abandons it (then frees it itself)
     * and frees the channel. What is fed meanwhile is kept, within bounds. */
    krbrepl__job *(*take_job)(krbrepl__chan *c);
    int (*job_done)(krbrepl__chan *c, krbrepl__job *j); /* frees j */
    void (*free)(krbrepl__chan *c);
} krbrepl__chan_ops;

/* Every kind of channel begins with this. */
struct krbrepl__chan {
    const krbrepl__chan_ops *ops;
    int state; /* enum krbrepl__chan_state */
    int eof;   /* the other end said that nothing follows; `in` may still hold what came before */
    krbrepl__buf out; /* for the network; the owner consumes */
    krbrepl__buf in;  /* plaintext; the owner consumes */
    /* Set when open: */
    char *peer;          /* the other end's principal with realm */
    uint64_t lifetime_s; /* how long its authentication is good for, counted from when it opened */
    char *mechanism;     /* for the log: cipher suite, group, enctype */
    krbrepl_errinfo err; /* what went wrong; for the log, not for the peer */
};

#endif
