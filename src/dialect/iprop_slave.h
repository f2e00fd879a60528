/* iprop_slave.h: a slave of an unmodified ipropd-master, as a session (session.h).
 *
 * What the master tells becomes commits of a store that has a history of its own (source.h of src/store). The
 * session asks for the store through a table of functions. Nothing that the master tells is skipped: what does not
 * fit what was told before, or cannot be applied, ends the session, and the next one asks for a whole database. */
#ifndef KRBREPL__IPROP_SLAVE_H
#define KRBREPL__IPROP_SLAVE_H

#include "apply.h"
#include "iprop.h"

/* The longest message that is taken: a FOR_YOU has up to 50 records. */
#define KRBREPL__ISLAVE_MSG_MAX (32u << 20)

/* How far the master was followed; kept with the content, in the same transaction. */
typedef struct krbrepl__islave_state {
    uint32_t version; /* 0: no whole database was taken yet */
    int settling; /* the content may be newer than the version, until the master has no more to tell */
    int marked;
    uint8_t mark[32]; /* SHA-256 of the record with this version */
} krbrepl__islave_state;

/* The store. 0 or KRBREPL_ERR_...; the text of the last failure is error_text's. */
typedef struct krbrepl__islave_port {
    void *ctx;
    int (*state)(void *ctx, krbrepl__islave_state *out);
    /* A commit: begin, changes by `rows`, and commit or abort. A commit without changes only notes the state. */
    int (*begin)(void *ctx, const char *why);
    int (*commit)(void *ctx, const krbrepl__islave_state *st, krbrepl_pos *out);
    void (*abort)(void *ctx);
    const krbrepl__hdb_rows *rows;
    /* A new content: begin, records by `load_rows`, and then what replaces the old one, as a job to be run in
     * another thread. load_done takes the job back and frees it. load_abort: the old content stays; a job that
     * was not given back owns all it touches. */
    int (*load_begin)(void *ctx, const char *why);
    const krbrepl__hdb_rows *load_rows;
    int (*load_end)(void *ctx, const krbrepl__islave_state *st, krbrepl__job **job);
    int (*load_done)(void *ctx, krbrepl__job *job, krbrepl_pos *out);
    void (*load_abort)(void *ctx);
    const char *(*error_text)(void *ctx); /* never NULL */
} krbrepl__islave_port;

typedef struct krbrepl__islave_cfg {
    krbrepl__chan *chan;              /* taken over when new succeeds */
    const krbrepl__islave_port *port; /* borrowed until free */
    const krbrepl__log *log;          /* borrowed until free; may be NULL */
    const char *address;              /* the master's, for the log; copied */
    uint64_t handshake_ms;            /* to authenticate */
    uint64_t lost_ms;                 /* silence after which the master is lost */
    uint64_t renew_ms; /* after this time the session ends in order, to be followed by another */
    int whole;         /* ask for a whole database */
    int learn; /* have the record of the own version sent once more when it has no mark yet; where the master's log
                * does not reach back to it, that costs a whole database */
} krbrepl__islave_cfg;

int krbrepl__islave_new(krbrepl__sess **out, const krbrepl__islave_cfg *cfg, uint64_t now_ms);

/* What the owner asks beside the info of the session. */
typedef struct krbrepl__islave_news {
    uint32_t version; /* as of the last commit */
    int wants_whole;  /* the session ended because only a whole database helps */
    int lacks;        /* no whole database was taken yet, and the master has none to give */
    int even;         /* the master has said that it has no more */
    int marked;       /* the history of the master is known by its last record */
    int paused;       /* nothing is to be read from the network now */
} krbrepl__islave_news;
void krbrepl__islave_news_get(const krbrepl__sess *s, krbrepl__islave_news *out);

#endif
