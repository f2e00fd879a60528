/* session.h: one end of one connection, without sockets, clocks, threads or files: the native protocol, or a
 * legacy dialect behind the same calls.
 *
 * The owner gives it network bytes and the time, sends what is in `out`, and calls work when told to. What
 * the session needs of the store it asks through a krbrepl__port. docs/protocol.md is the specification of the
 * native protocol, docs/dialects those of the others.
 *
 *   loop:  sess_feed(bytes)  ->  send sess_out  ->  sess_work  ->  send sess_out  ...
 *
 * feed only takes in and answers (an ACK of level received leaves before anything is written);
 * work does the store's work, at most a few milliseconds of it at a time. */
#ifndef KRBREPL__SESSION_H
#define KRBREPL__SESSION_H

#include <krbrepl/status.h>
#include <krbrepl/store.h>

#include "chan.h"
#include "ckey.h"
#include "ftree.h"
#include "logline.h"
#include "pos.h"
#include "wanted.h"

typedef struct krbrepl__sess krbrepl__sess;

/* Unsent bytes in `out` at which a session produces no more. When the owner has sent it down below this, it
 * calls work again. */
#define KRBREPL__SESS_OUT_MAX (256u * 1024u)

/* What a session must know of the store. */
typedef struct krbrepl__local {
    uint8_t database_id[16];
    uint64_t role;
    krbrepl_pos pos;
    uint64_t known_epoch;
    uint64_t journal_first; /* > pos.seq: empty */
    uint64_t records;
    uint64_t cumulative;
    int gives_up; /* an operator said that commits which the master does not have may go */
    int unsure; /* at position 0 a host's database may hold anything: only a copy says what is there */
    /* A copy that was cut off, and is there up to the canonical key `after`; len 0: there is none. */
    krbrepl__ckey after;
    krbrepl_pos partial;       /* the master's position when it began */
    krbrepl_pos partial_upper; /* and one that none of the records there is newer than */
} krbrepl__local;

/* Which protocol a session speaks, and a slot was served in. */
enum krbrepl__dialect {
    KRBREPL__DIALECT_NATIVE = 1,
    KRBREPL__DIALECT_HEIMDAL = 2 /* Heimdal's iprop */
};

/* A legacy dialect counts changes in numbers of its own. The first one of the present history is drawn at random,
 * and again whenever what followed from it holds no more: by a promotion, when the content is replaced as a whole,
 * and before the numbers run out. */
typedef struct krbrepl__numbering {
    uint32_t base;       /* the number that stands for `cumulative` */
    uint64_t cumulative; /* changes in the history when it was drawn */
    uint64_t seq;        /* the last commit then */
} krbrepl__numbering;

/* What a slot remembers of a peer in a legacy dialect. */
typedef struct krbrepl__told {
    uint32_t base;  /* of the numbering that it was served in; 0: none */
    uint32_t last;  /* no number above this was ever sent to it */
    uint32_t acked; /* the last one it has answered for; its log may be ahead of its database */
} krbrepl__told;

/* What the records that a commit puts were before it. */
enum krbrepl__prior {
    KRBREPL__PRIOR_UNKNOWN = 0, /* or some existed and some did not */
    KRBREPL__PRIOR_EXISTED = 1, /* all of them, but for those that the commit removes and puts again */
    KRBREPL__PRIOR_NEW = 2      /* none of them existed */
};

/* What a master compares a repair with: its digest tree at one position, which other sessions may share. The
 * lineage of the position is the one that the store is in now. */
typedef struct krbrepl__snap {
    const krbrepl__ftree *tree;
    krbrepl_pos pos;
    uint64_t cumulative, records; /* at the position */
    uint8_t salt[KRBREPL__SALT];
} krbrepl__snap;

enum krbrepl__copy_mode {
    KRBREPL__COPY_WHOLE = 1,   /* all records, into the other generation */
    KRBREPL__COPY_RESUMED = 2, /* the same, behind the records that an earlier session brought */
    KRBREPL__COPY_REPAIR = 3   /* what differs from the own content */
};

/* What a replica is about to do. */
typedef struct krbrepl__copy_plan {
    int mode;         /* enum krbrepl__copy_mode */
    krbrepl_pos from; /* the master's position when it began */
    const krbrepl__ancestry *ancestry;
    uint64_t cumulative; /* at `from`; not looked at by RESUMED */
    uint64_t bytes;      /* about what is to come; 0: not known */
    uint64_t reason;     /* enum krbrepl_copy_reason */
} krbrepl__copy_plan;

typedef struct krbrepl__port_batch {
    uint64_t next;
    uint64_t count;
    int reset;
} krbrepl__port_batch;

/* The store, as a session sees it. Calls are synchronous and bounded. 0 or KRBREPL_ERR_...; the meaning is
 * that of the functions of the same name in src/store/store.h. */
typedef struct krbrepl__port {
    void *ctx;
    int (*local)(void *ctx, krbrepl__local *out);
    int (*ancestry)(void *ctx, krbrepl__ancestry *out);
    int (*chain_at)(void *ctx, uint64_t seq, uint8_t chain[32]);
    const char *(*error_text)(void *ctx); /* of the last failure; never NULL */

    /* master */
    /* What the peer may do: KRBREPL_ALLOW_... bits; 0 refuses it. */
    int (*authorize)(void *ctx, const char *principal);
    int (*read_commits)(void *ctx, uint64_t from, size_t max, krbrepl__buf *out,
                        krbrepl__port_batch *info);
    int (*copy_slice)(void *ctx, krbrepl__ckey *after, size_t max, krbrepl__buf *out, int *end,
                      krbrepl_pos *at);
    /* A copy of everything (`snap` NULL) or a repair is to begin. 0: it may, and has its place until leave;
     * `*snap` is borrowed as long, and its position is not below `seq`. 1: later; the owner calls
     * krbrepl__sess_again when it is worth asking once more. Negative: an error. */
    int (*enter)(void *ctx, uint64_t seq, const krbrepl__snap **snap);
    void (*leave)(void *ctx);
    /* The digests (16 bytes each) of the records with from <= canonical key < to (an empty `to`: to the end),
     * at most `max` of them. `*next` is where to go on; len 0: the range is done. */
    int (*range)(void *ctx, krbrepl_bytes from, krbrepl_bytes to, size_t max, krbrepl__buf *out,
                 krbrepl__ckey *next, krbrepl_pos *at);
    /* The records of that range whose digests are wanted, as copy_slice appends them, until `max` bytes are
     * reached; `*next` as above. */
    int (*pick)(void *ctx, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted,
                size_t max, krbrepl__buf *out, krbrepl__ckey *next, krbrepl_pos *at);
    /* The journal from `seq` on is needed by `principal`; 0 releases it. */
    void (*hold)(void *ctx, const char *principal, uint64_t seq);

    /* master, in a legacy dialect; NULL where there is none */
    /* The present numbering. `redraw`: the one in `out` is of no use any more. */
    int (*numbering)(void *ctx, int redraw, krbrepl__numbering *out);
    /* What is known of the peer; zeros: nothing. */
    int (*told)(void *ctx, const char *principal, krbrepl__told *out);
    /* Writes it down before it returns: `last` 0, and an `acked` below the one that is known, durably, and what is
     * higher so that it is not lost when this program is killed. A crash of the machine may leave lower ones. */
    int (*tell)(void *ctx, const char *principal, const krbrepl__told *told);
    /* The peer has answered for this number: known from now on, and written down within about a second. */
    void (*answered)(void *ctx, const char *principal, uint32_t version);
    /* What was there before the commit `seq`, which is in the journal. NULL: it is never known. */
    enum krbrepl__prior (*prior)(void *ctx, uint64_t seq);

    /* replica */
    int (*adopt)(void *ctx, const uint8_t database_id[16]);
    int (*learn_epoch)(void *ctx, uint64_t epoch);
    int (*apply)(void *ctx, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out);
    /* 1: an earlier copy is still being cleared away, a piece with each call; call again. */
    int (*copy_begin)(void *ctx, const krbrepl__copy_plan *plan);
    /* The digest tree of the own content, borrowed until the copy is over. 0; 1: later; the owner calls
     * krbrepl__sess_again; negative: there is none to be had, and everything is asked for. */
    int (*own_tree)(void *ctx, const krbrepl__ftree **tree);
    /* Repair: the records of a range of the master's are those that are `wanted`. Own ones are kept, all others
     * in the range go; what an earlier session brought is used. `wanted` has been told of every digest that is
     * there. 1: there is more to do, call again; 0: done. Ranges come in order and do not overlap. */
    int (*copy_range)(void *ctx, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted);
    /* Not in a repair: no record that is put from now on is newer than this position of the master's, which does
     * not go back. It is as durable as these records. */
    int (*copy_at)(void *ctx, const krbrepl_pos *at);
    int (*copy_put)(void *ctx, krbrepl_bytes full_key, krbrepl_bytes value);
    int (*copy_apply)(void *ctx, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out);
    /* 1: there is more to do, call again. */
    int (*copy_switch)(void *ctx, krbrepl_pos *out);
    void (*copy_abort)(void *ctx); /* also after own_tree alone */
    /* Writes the own commits from seq `from` on to evidence, before a copy gives them up. 1: there are more, call
     * again. */
    int (*save_evidence)(void *ctx, uint64_t from);
    /* The store is at `seq` now, and the digest root of its content there is asked for: the owner says
     * it by krbrepl__sess_proved, not from within this call. NULL: it cannot. */
    void (*check)(void *ctx, uint64_t seq);
    /* The master does not have the own commits after `fork`, or after a later one that was noted before:
     * notes that, for an operator to resolve, and writes them to evidence. 1: there are more, call again. */
    int (*forked)(void *ctx, uint64_t fork);
} krbrepl__port;

typedef struct krbrepl__sess_cfg {
    int master;                 /* which end this is */
    krbrepl__chan *chan;        /* taken over by sess_new when it succeeds */
    const krbrepl__port *port;  /* borrowed until free */
    const krbrepl__log *log;    /* borrowed until free; may be NULL */
    const char *name;           /* own node name; copied */
    const char *address;        /* the peer's, for the log; copied */
    const uint8_t *database_id; /* replica: adopt only this one; NULL: the master's */
    uint64_t handshake_ms, missing_ms, gone_ms;
    uint64_t window; /* master: the most it sends ahead; replica: the most it grants */
    uint64_t asks;   /* replica: why it asks for a copy (KRBREPL_COPY_FAILED or _DIFFERS), or 0 */
    int all;         /* replica: a repair has not helped; every record is asked for */
} krbrepl__sess_cfg;

enum krbrepl__sess_phase {
    KRBREPL__SESS_SECURING = 1, /* preface, GSS, TLS */
    KRBREPL__SESS_HELLO = 2,    /* secured; hello is due or under way */
    KRBREPL__SESS_COPYING = 3,
    KRBREPL__SESS_STREAMING = 4,
    KRBREPL__SESS_CLOSED = 5 /* flush `out`, then close the socket */
};

/* What the owner may look at; filled in by the session. */
typedef struct krbrepl__sess_info {
    int phase;             /* enum krbrepl__sess_phase */
    int err;               /* why it is closed: 0 (orderly) or KRBREPL_ERR_... */
    int by_peer;           /* the other end ended it */
    int refused;           /* a refusal: do not come back at once */
    char text[256];        /* the reason in words */
    const char *principal; /* NULL until secured; borrowed until free */
    const char *mechanism;
    char name[256];                      /* the peer's node name, "" until hello */
    uint64_t expires_ms;                 /* mono time at which the authentication ends; 0: not known */
    uint64_t received, durable, applied; /* master: acknowledged; replica: own */
    uint64_t peer_seq;                   /* replica: the master's last seq as last heard */
    uint64_t peer_epoch;
    uint64_t heard_ms; /* mono time of the last bytes from the peer */
    uint64_t commits, bytes_in, bytes_out;
    uint64_t copies;      /* full copies and repairs begun in this session */
    uint32_t copy_reason; /* of the last one */
    int copy_done;        /* the last one is complete */
    int repair;           /* the last one is a repair, in which not everything was asked for */
    uint64_t copy_records,
        copy_bytes;                 /* of the last one: in slices; of its frames in both directions */
    uint64_t copy_asks, copy_trips; /* asks; how often the replica waited for an answer at most */
    int repairs;                    /* both ends can repair */
    uint64_t check_asks;            /* master: how often the replica asked to be compared */
    int checks;                     /* both ends can compare digests */
    uint64_t proved_seq; /* the last position at which both ends had the same digest; 0: none */
    uint64_t proofs;     /* how often that was */
    uint64_t skipped;    /* replica: comparisons that could not be made */
    int differs;         /* the digests differed: that is why it is closed */
    int dialect;         /* enum krbrepl__dialect */
    uint64_t version;    /* in a legacy dialect: its own number for `durable` */
    int store_err;       /* the failure of the store that ended the session, or 0 */
    uint64_t apply_seq;  /* replica: the first commit of the group that it could not apply, or 0 */
} krbrepl__sess_info;

/* What a kind of session does for each of the calls below. Those that may be NULL mean nothing to it. */
typedef struct krbrepl__sess_ops {
    void (*free)(krbrepl__sess *s);
    int (*feed)(krbrepl__sess *s, const uint8_t *p, size_t n, uint64_t now_ms);
    void (*eof)(krbrepl__sess *s, uint64_t now_ms);
    krbrepl__buf *(*out)(krbrepl__sess *s);
    int (*work)(krbrepl__sess *s, uint64_t now_ms);
    uint64_t (*deadline)(const krbrepl__sess *s);
    krbrepl__job *(*take_job)(krbrepl__sess *s);
    void (*job_done)(krbrepl__sess *s, krbrepl__job *j, uint64_t now_ms);
    void (*close)(krbrepl__sess *s, int err, const char *text, uint64_t now_ms);
    const krbrepl__sess_info *(*info)(const krbrepl__sess *s);
    /* These may be NULL: */
    void (*go)(krbrepl__sess *s, uint64_t now_ms);
    void (*again)(krbrepl__sess *s);
    void (*grown)(krbrepl__sess *s, uint64_t seq);
    int (*check)(krbrepl__sess *s, uint64_t seq, const uint8_t root[32]);
    void (*ask_check)(krbrepl__sess *s);
    void (*proved)(krbrepl__sess *s, uint64_t seq, const uint8_t root[32]);
    void (*prompt)(krbrepl__sess *s);
} krbrepl__sess_ops;

/* Every kind of session begins with this, and a pointer to it stands for the whole. */
typedef struct krbrepl__sess_head {
    const krbrepl__sess_ops *ops;
} krbrepl__sess_head;

/* A session of the native protocol; src/dialect has the others. */
int krbrepl__sess_new(krbrepl__sess **out, const krbrepl__sess_cfg *cfg, uint64_t now_ms);
void krbrepl__sess_free(krbrepl__sess *s);

/* Network bytes in. An error is also in the info; the session is then closed. */
int krbrepl__sess_feed(krbrepl__sess *s, const uint8_t *p, size_t n, uint64_t now_ms);
void krbrepl__sess_eof(krbrepl__sess *s, uint64_t now_ms); /* the connection ended */
/* Network bytes out; consume what was sent. */
krbrepl__buf *krbrepl__sess_out(krbrepl__sess *s);
/* Store work and timers. 1: call again without waiting; 0: not before the deadline or an event. */
int krbrepl__sess_work(krbrepl__sess *s, uint64_t now_ms);
uint64_t krbrepl__sess_deadline(const krbrepl__sess *s); /* mono ms; UINT64_MAX: none */

krbrepl__job *krbrepl__sess_take_job(krbrepl__sess *s); /* NULL: none */
void krbrepl__sess_job_done(krbrepl__sess *s, krbrepl__job *j, uint64_t now_ms);

/* Replica: a session that is secured waits for this before it says hello (so that a successor does not
 * apply beside the session that it succeeds). */
void krbrepl__sess_go(krbrepl__sess *s, uint64_t now_ms);
/* What `enter` or `own_tree` said would come later may be there now. */
void krbrepl__sess_again(krbrepl__sess *s);
/* Master: the journal has grown, to `seq`. */
void krbrepl__sess_grown(krbrepl__sess *s, uint64_t seq);
/* Master: without a root, it has begun to compute its digest at `seq`, which is the store's position now;
 * with one, this is what came out. 0: the replica does not hear of it, for it is being copied or is about to be. */
int krbrepl__sess_check(krbrepl__sess *s, uint64_t seq, const uint8_t root[32]);
/* Replica: asks the master to begin a comparison now. A master that does not repair is not asked. */
void krbrepl__sess_ask_check(krbrepl__sess *s);
/* Replica: the own root at `seq`, that the session has asked for; NULL: there is none to be had. */
void krbrepl__sess_proved(krbrepl__sess *s, uint64_t seq, const uint8_t root[32]);
/* Master: somebody waits for what replicas have in memory. This one, which is up, is to acknowledge that as soon as
 * it arrives, until the session ends; else it says so together with what is durable, which costs both ends less. */
void krbrepl__sess_prompt(krbrepl__sess *s);
/* Orderly end: BYE or REFUSE with a reason leaves, then the session is closed. */
void krbrepl__sess_close(krbrepl__sess *s, int err, const char *text, uint64_t now_ms);

const krbrepl__sess_info *krbrepl__sess_info_get(const krbrepl__sess *s);

#endif
