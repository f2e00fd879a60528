/* answer.h: a master answers what a replica asks of its digest tree during a repair. */
#ifndef KRBREPL__ANSWER_H
#define KRBREPL__ANSWER_H

#include "session.h"
#include "walkmsg.h"

#define KRBREPL__ANSWER_ASKS 4u /* that are unanswered at one time; DONE and ALL are not answered */

typedef struct krbrepl__answer {
    const krbrepl__snap *snap;
    krbrepl__sha *sha;
    unsigned number; /* of the COPY_BEGIN in the session */
    int start_due;
    int listing; /* leaves were asked for: it is too late for ALL */
    int over;    /* DONE or ALL was asked */
    krbrepl__buf ask[KRBREPL__ANSWER_ASKS + 1];
    unsigned nask;
    /* How far ask[0] is answered. */
    int open;
    krbrepl__ask now;
    int inside; /* an item of it is answered in part */
    uint32_t leaf;
    krbrepl_bytes digests;
    krbrepl__ckey next;
    size_t listed; /* digests of this leaf */
    krbrepl__buf found;
    int no_memory; /* a record could not be compared */
} krbrepl__answer;

krbrepl__answer *krbrepl__answer_new(const krbrepl__snap *snap, unsigned number); /* NULL: no memory */
void krbrepl__answer_free(krbrepl__answer *a);                                    /* NULL is fine */
/* Takes an ASK in, checked against the tree. 0; PROTO; NOMEM. */
int krbrepl__answer_take(krbrepl__answer *a, const krbrepl__ask *ask);

/* What krbrepl__answer_work says. */
enum krbrepl__answer_said {
    KRBREPL__ANSWER_IDLE = 0,  /* nothing was asked */
    KRBREPL__ANSWER_TREE = 1,  /* a TREE body is in `body` */
    KRBREPL__ANSWER_SLICE = 2, /* records are in `records` */
    KRBREPL__ANSWER_ALL = 3,   /* everything is asked for */
    KRBREPL__ANSWER_DONE = 4,  /* nothing more is */
    KRBREPL__ANSWER_GROWN = 5  /* a leaf has grown too much since the snap */
};

/* Answers a piece; `at` is the position of what was read, if anything was. Negative: `*of_store` says whose
 * failure it is. */
int krbrepl__answer_work(krbrepl__answer *a, const krbrepl__port *port, krbrepl__buf *body,
                         krbrepl__buf *records, krbrepl_pos *at, int *of_store);

#endif
