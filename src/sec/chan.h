/* chan.h: a channel carries plaintext between two authenticated ends over any byte stream.
 *
 * It does no I/O: network bytes go in with feed and come out of `out`; plaintext goes in with write and
 * comes out of `in`. The secure channel (secchan.h) is the only one that a product ever uses; a
 * simulation has a plain, deterministic one behind the same calls. */
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

enum krbrepl__chan_state {
    KRBREPL__CHAN_HANDSHAKE = 1,
    KRBREPL__CHAN_OPEN = 2, /* both ends have proved who they are */
    KRBREPL__CHAN_FAILED = 3
};

typedef struct krbrepl__chan krbrepl__chan;

typedef struct krbrepl__chan_ops {
    /* All n bytes are taken. 0, or what ended the channel (AUTH, PROTO, NOMEM). */
    int (*feed)(krbrepl__chan *c, const uint8_t *p, size_t n);
    /* Encrypts into `out`. STATE before the channel is open. */
    int (*write)(krbrepl__chan *c, const void *p, size_t n);
    /* A job to be run elsewhere, or NULL. Once handed out, the caller gives it back with job_done, or
     * abandons it. Nothing is fed meanwhile that is not buffered within bounds. */
    krbrepl__job *(*take_job)(krbrepl__chan *c);
    int (*job_done)(krbrepl__chan *c, krbrepl__job *j); /* frees j */
    void (*free)(krbrepl__chan *c);
} krbrepl__chan_ops;

/* Every kind of channel begins with this. */
struct krbrepl__chan {
    const krbrepl__chan_ops *ops;
    int state; /* enum krbrepl__chan_state */
    krbrepl__buf out; /* for the network; the owner consumes */
    krbrepl__buf in;  /* plaintext; the owner consumes */
    /* Set when open: */
    char *peer;           /* the other end's principal with realm */
    uint64_t lifetime_s;  /* how long its authentication is good for, counted from when it opened */
    char *mechanism;      /* for the log: cipher suite, group, enctype */
    krbrepl_errinfo err;  /* what went wrong; for the log, not for the peer */
};

#endif
