/* sessint.h: the inside of a session, shared by the files of this folder. */
#ifndef KRBREPL__SESSINT_H
#define KRBREPL__SESSINT_H

#include "answer.h"
#include "intake.h"
#include "link.h"
#include "msg.h"
#include "mutant.h"
#include "session.h"
#include "walk.h"

#define KRBREPL__SESS_WINDOW_MIN 4096u /* a smaller window is refused */
/* Commits in one apply. The more there are, the more of them fall on the same pages; with twice as many the pages
 * that one transaction holds in memory would be 32 MiB. */
#define KRBREPL__SESS_GROUP 4096u
#define KRBREPL__SESS_GROUP_BYTES (4u << 20)
#define KRBREPL__SESS_PUT_BYTES (1u << 20) /* records of a copy in one call of work */
#define KRBREPL__SESS_KEEP 16384u          /* an empty buffer that is larger is given back */
/* A replica that neither asks for nor takes anything of a copy for so long loses its place to others. It may have
 * to build its own tree of everything first. */
#define KRBREPL__SESS_STALL_MS (10u * 60u * 1000u)
#define KRBREPL__NEVER UINT64_MAX

/* The master's end. */
typedef struct krbrepl__sess_master {
    krbrepl__buf pend;  /* commits or records that were read and are not framed yet */
    unsigned pend_type; /* the type of frame that they travel in */
    uint64_t next;      /* the next commit to read */
    uint64_t tip;       /* the last commit there is, as far as is known */
    uint64_t top;       /* the last commit that the replica can have from this session */
    uint64_t window, sent, processed;
    /* A copy is to begin, for this reason, not before this position of the master's. */
    int begin_due, may_ask;
    uint64_t reason, copy_fork, least;
    int resume;              /* behind `after`, from `begin` on, as the replica asked */
    int entered;             /* the owner has given it a place */
    int can_repair;          /* so can the replica */
    int had_content;         /* the replica held something at hello */
    unsigned begins;         /* copies that were to begin in this session */
    int copying;             /* slices are being read */
    uint64_t moved_ms;       /* the last sign that the replica goes on with the copy */
    krbrepl__answer *answer; /* a repair: not before the replica says so */
    int end_due;             /* COPY_END follows when `pend` is empty */
    int confirm;             /* the replica has not confirmed the last copy yet */
    int was_empty;           /* the replica held nothing at hello */
    uint64_t hello_tip;      /* the last commit there was at hello */
    krbrepl__ckey after;     /* the last record read */
    uint64_t records;        /* of the copy, read so far */
    krbrepl_pos begin, end;
    int tells;      /* the replica is told at which positions records are read */
    uint64_t told;  /* the last one that it was told of in this copy */
    uint64_t check; /* the last position that a CHECK named; 0: none */
    int has_root;   /* and what the digest is there */
    uint8_t root[32];
    uint64_t asked_ms; /* when the replica last asked to be compared; 0: never */
    int prompt;        /* the replica was told that RECEIVED matters */
    /* What a refusal says about a fork. */
    int forked;
    uint64_t fork;
    krbrepl_pos pos;
} krbrepl__sess_master;

/* The replica's end. */
typedef struct krbrepl__sess_replica {
    krbrepl_pos pos; /* the store's */
    krbrepl__intake commits;
    krbrepl__intake records;
    uint64_t seq;       /* of the last commit received whole */
    uint64_t got;       /* bytes of commits and records */
    uint64_t processed; /* of these */
    uint64_t told;      /* `processed` as last acknowledged */
    int ack_levels;     /* an ACK with levels is due */
    uint64_t told_received;
    int prompt;      /* the master wants that at once */
    int copying;     /* from COPY_BEGIN to the switch */
    int begun;       /* the store knows of the copy */
    int abort_due;   /* what the store has begun is superseded */
    int ended;       /* COPY_END is there */
    uint64_t before; /* commits that came before COPY_BEGIN and are to be applied first */
    size_t before_bytes;
    krbrepl_pos at; /* the last position of the master's that was heard in this copy */
    int at_due;     /* and the store does not know it */
    int whole;      /* the store builds everything; no repair */
    uint64_t taken; /* records of the copy, received */
    int saved;      /* what the copy gives up is evidence */
    int treed;      /* the owner has lent its tree */
    int later;      /* and not yet: it calls again */
    int everything; /* a repair: all records are asked for */
    int asked_all;  /* and that was said */
    krbrepl__walk *walk;
    krbrepl__partial partial; /* what HELLO said of a copy that was cut off */
    int has_partial;
    krbrepl__copy_start start;
    krbrepl__copy_end end;
    krbrepl_pos build; /* position of the copy that is being built */
    uint64_t check;    /* the position that is being compared; 0: none */
    int check_asked;   /* the owner knows of it */
    int has_theirs, has_ours;
    uint8_t theirs[32], ours[32];
    int resolving; /* WELCOME announced a copy for a fork */
    uint64_t fork; /* the last seq that both have, by that WELCOME; 0: none known */
    krbrepl_bytes
        *group; /* KRBREPL__SESS_GROUP of them; a master, who may have many sessions, has none */
} krbrepl__sess_replica;

struct krbrepl__sess {
    krbrepl__sess_head head; /* first */
    krbrepl__chan *chan;
    const krbrepl__port *port;
    const krbrepl__log *log;
    int master;
    char *name, *address;
    uint8_t want_id[16]; /* zero: any */
    uint64_t handshake_ms, missing_ms, gone_ms, window, asks;
    int all; /* replica: no repair */
    uint64_t now;
    uint64_t hurry;     /* when the handshake must be done; NEVER: no handshake under way */
    uint64_t pinged_ms; /* last PING; 0: none since the peer was heard */
    int pong_due;
    int went; /* replica: hello may be said */
    krbrepl__sess_info info;
    krbrepl__buf body; /* the message being made */
    krbrepl__sess_master m;
    krbrepl__sess_replica r;
};

/* ---- session.c ------------------------------------------------------------------------------- */

/* Ends the session: tells the peer (REFUSE for what does not pass by itself, else BYE), logs, closes.
 * Answers `err`. */
int krbrepl__sess_end(krbrepl__sess *s, int err, const char *fmt, ...) KRBREPL__PRINTF(3, 4);
/* Ends it for a failure of the store. */
int krbrepl__sess_port_failed(krbrepl__sess *s, int err, const char *what);
/* Sends a message made of fields. */
int krbrepl__sess_send(krbrepl__sess *s, unsigned type, const void *msg);
/* Takes a message apart; an error has ended the session. */
int krbrepl__sess_read(krbrepl__sess *s, const krbrepl__frame *f, void *msg);
/* The handshake is over. */
void krbrepl__sess_up(krbrepl__sess *s, int phase);
/* Counts a frame of a copy with a body of so many bytes. */
void krbrepl__sess_count(krbrepl__sess *s, size_t body);
/* "PRINCIPAL (ADDRESS)" for the log; borrowed until the next call. */
const char *krbrepl__sess_who(const krbrepl__sess *s, char out[512]);
/* What does not pass by itself: coming back at once would be useless. */
int krbrepl__sess_is_refusal(int err);
int krbrepl__sess_log_level(int err); /* of the line about an end for this reason */

/* ---- judge.c --------------------------------------------------------------------------------- */

/* What a master answers to a position. */
typedef struct krbrepl__verdict {
    int err;         /* 0, DIVERGED, AHEAD, or a failure of the store */
    uint64_t reason; /* 0: stream; else enum krbrepl_copy_reason */
    uint64_t fork;   /* FORK, DIVERGED, AHEAD: the last seq that both are known to have */
} krbrepl__verdict;

void krbrepl__sess_judge(const krbrepl__port *port, const krbrepl__local *local,
                         const krbrepl__ancestry *ours, const krbrepl__hello *h, krbrepl__verdict *v);
/* Whether a recorded promotion or restore explains that `mine` is no part of the history that leads to
 * `theirs`; `*fork` is then the last seq that both have. */
int krbrepl__sess_explained(const krbrepl_pos *mine, const krbrepl__ancestry *mine_before,
                            const krbrepl_pos *theirs, const krbrepl__ancestry *theirs_before,
                            uint64_t *fork);
/* An ancestry and the position that it belongs to. */
int krbrepl__sess_place(const krbrepl__port *port, krbrepl__local *local, krbrepl__ancestry *a);

/* ---- check.c --------------------------------------------------------------------------------- */

/* As krbrepl__sess_check and krbrepl__sess_proved. */
int krbrepl__master_say_check(krbrepl__sess *s, uint64_t seq, const uint8_t *root);
void krbrepl__replica_take_root(krbrepl__sess *s, uint64_t seq, const uint8_t *root);
/* As krbrepl__sess_ask_check. */
void krbrepl__replica_say_check(krbrepl__sess *s);
/* CHECK arrived. */
int krbrepl__master_check(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__replica_check(krbrepl__sess *s, const krbrepl__frame *f);
/* How many of `max` commits may be applied before a position that is to be compared. */
uint64_t krbrepl__replica_until_check(krbrepl__sess *s, uint64_t max);
/* The replica has moved: asks its owner for the digest when it is due. */
void krbrepl__replica_ask_check(krbrepl__sess *s);
/* What was being compared is of no use any more. */
void krbrepl__replica_drop_check(krbrepl__sess *s);

/* ---- mcopy.c --------------------------------------------------------------------------------- */

/* A copy is to begin, at `least` or later. `pend` is empty. */
void krbrepl__master_copy(krbrepl__sess *s, uint64_t reason, uint64_t fork, uint64_t least);
/* A piece of it. 1: something was done; 0: it waits; negative: ended. */
int krbrepl__master_copy_work(krbrepl__sess *s);
/* ASK arrived. */
int krbrepl__master_ask(krbrepl__sess *s, const krbrepl__frame *f);
/* Gives back what the owner has lent for a copy. */
void krbrepl__master_leave(krbrepl__sess *s);

/* ---- rcopy.c --------------------------------------------------------------------------------- */

int krbrepl__replica_copy_begin(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__replica_slice(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__replica_tree(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__replica_copy_end(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__replica_copy_work(krbrepl__sess *s);
/* The master is at this position: what it reads of a copy from now on may be of it. */
void krbrepl__replica_copy_heard(krbrepl__sess *s, const krbrepl_pos *at);
/* The store forgets the copy that it has begun, and what it has lent. */
void krbrepl__replica_copy_abort(krbrepl__sess *s);

/* ---- master.c, replica.c --------------------------------------------------------------------- */

int krbrepl__master_secured(krbrepl__sess *s);
int krbrepl__master_frame(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__master_work(krbrepl__sess *s); /* 1: there is more; 0; negative: ended */

int krbrepl__replica_hello(krbrepl__sess *s);
int krbrepl__replica_frame(krbrepl__sess *s, const krbrepl__frame *f);
int krbrepl__replica_work(krbrepl__sess *s);
/* forked.c: ends the session, for the master wants to replace commits that nothing explains. */
int krbrepl__replica_not_explained(krbrepl__sess *s, uint64_t seq);
/* Saves what a copy gives up as evidence, before it begins; refuses where nothing explains it. */
int krbrepl__replica_save_given_up(krbrepl__sess *s);
/* The master has refused this replica for a fork that nothing explains. */
void krbrepl__replica_forked(krbrepl__sess *s, const krbrepl__parting *p);
/* Sends the ACK that is due, if any. */
int krbrepl__replica_settle(krbrepl__sess *s);
/* Takes bytes of commits or records in; an error has ended the session. */
int krbrepl__replica_take_bytes(krbrepl__sess *s, krbrepl__intake *in, const void *p, size_t n);
/* Gathers at most `max` finished commits in r.group; answers how many and their length. */
size_t krbrepl__replica_gather(krbrepl__sess_replica *r, uint64_t max, size_t *bytes);
void krbrepl__replica_drop_group(krbrepl__sess *s, size_t n, size_t bytes);
/* The store is at a new position, durably. */
void krbrepl__replica_moved(krbrepl__sess *s);

#endif
