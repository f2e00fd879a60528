/* walkint.h: the inside of a walk: down the levels (walk.c), and along the leaves (walkleaf.c). */
#ifndef KRBREPL__WALKINT_H
#define KRBREPL__WALKINT_H

#include "ckey.h"
#include "match.h"
#include "walk.h"
#include "walkmsg.h"

#define KRBREPL__WALK_ASKS 4u /* unanswered at one time */

enum krbrepl__walk_stage {
    KRBREPL__WALK_FIRST = 0,    /* START or the own tree is missing */
    KRBREPL__WALK_MATCHING = 1, /* the candidates of a level are hashed */
    KRBREPL__WALK_NODES = 2,    /* children are asked for and compared */
    KRBREPL__WALK_LEAVES = 3,
    KRBREPL__WALK_ENDED = 4
};

/* Records that were asked for, until all that were sent have been written. */
typedef struct krbrepl__walk_want {
    krbrepl__buf items; /* as in the ASK */
    krbrepl__rd rd;     /* those that records may still come from */
    krbrepl_bytes now;  /* the digests of the item before */
    int answered;
    uint64_t upto; /* records had come in all when it was answered */
} krbrepl__walk_want;

/* What is known of the leaves. */
typedef struct krbrepl__walk_leaves {
    krbrepl__buf parts; /* ranges that came and were not looked at yet */
    int open;           /* the leaf front[answered] has begun */
    size_t listed;      /* digests of it */
    krbrepl__ckey to;   /* where the last range that came ends */
    int any, end;       /* one has come; it goes to the end */
    /* The range that is being compared with the own records. */
    int loaded;
    uint32_t leaf;
    krbrepl__ckey from, upto;
    uint8_t digest[KRBREPL__WALK_PART * KRBREPL__WALK_DIGEST];
    uint8_t found[KRBREPL__WALK_PART];
    size_t n;
    /* The range that is due: that one, or own leaves before it. */
    int due; /* 0: none; 1: own leaves only; 2: that one */
    krbrepl__ckey due_from, due_to;
    krbrepl__ckey done; /* everything below is done */
    int done_end;       /* everything */
    size_t loose;       /* the next of the own leaves that the master does not have */
    int trailed;        /* all of them are done */
    unsigned asked;     /* asks of LEAVES that are not answered */
    krbrepl__buf wants; /* items of RECORDS that were not asked for yet */
    krbrepl__walk_want want[KRBREPL__WALK_ASKS];
    unsigned nwant;
    uint64_t put; /* records that were written */
    krbrepl__ckey last;
} krbrepl__walk_leaves;

struct krbrepl__walk {
    unsigned number, levels, level;
    uint8_t salt[KRBREPL__SALT];
    krbrepl__sha *sha;
    const krbrepl__ftree *own;
    krbrepl__wanted wanted;
    enum krbrepl__walk_stage stage;
    uint8_t start[KRBREPL__WALK_START * KRBREPL__WALK_DIGEST];
    size_t nstart; /* 0: not there yet, or used */
    int started;
    krbrepl__list front; /* the master's nodes of `level` that are not here */
    krbrepl__list next;  /* of the level below */
    krbrepl__list loose; /* the own nodes of `level` that the master does not have */
    krbrepl__match match;
    size_t asked, answered; /* of `front` */
    uint64_t child;         /* the lowest number that the next child may have */
    int wide;
    struct {
        unsigned kind;
        size_t end; /* of `front`, for NODES and LEAVES */
    } ask[KRBREPL__WALK_ASKS];
    unsigned nask;
    krbrepl__walk_leaves l;
};

void krbrepl__walk_asked(krbrepl__walk *w, unsigned kind);
void krbrepl__walk_answered(krbrepl__walk *w);
/* Appends at most `max` numbers of `front` that were not asked for yet. */
void krbrepl__walk_put_front(krbrepl__walk *w, krbrepl__buf *body, size_t max);

/* ---- walkleaf.c ------------------------------------------------------------------------------ */

void krbrepl__walk_leaves_init(krbrepl__walk *w);
void krbrepl__walk_leaves_free(krbrepl__walk *w);
int krbrepl__walk_leaves_ask(krbrepl__walk *w, krbrepl__buf *body);
int krbrepl__walk_take_leaves(krbrepl__walk *w, krbrepl__tree *t);
int krbrepl__walk_take_records(krbrepl__walk *w, uint64_t records);

#endif
