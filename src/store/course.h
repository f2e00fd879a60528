/* course.h: where a copy or a repair is in the master's history. Its end becomes that of the store. */
#ifndef KRBREPL__COURSE_H
#define KRBREPL__COURSE_H

#include "impl.h"

typedef struct krbrepl__course {
    krbrepl_store *s;
    const char *what; /* "copy" or "repair", for texts */
    krbrepl_pos pos;
    krbrepl__ancestry ancestry;
    uint64_t cumulative;
} krbrepl__course;

/* Copies the ancestry. PROTO when there is no such position. */
int krbrepl__course_init(krbrepl__course *c, krbrepl_store *s, const char *what,
                         const krbrepl_pos *from, const krbrepl__ancestry *ancestry,
                         uint64_t cumulative);
void krbrepl__course_free(krbrepl__course *c);
/* 0 while the store follows somebody and knows of no higher epoch; STATE, FENCED. */
int krbrepl__course_check(const krbrepl__course *c, const krbrepl__wtxn *w);
/* Takes a commit apart and judges it by the rules of a store that applies it. A reset answers TRIMMED. */
int krbrepl__course_read(const krbrepl__course *c, krbrepl_bytes encoded, krbrepl__commit *m);
/* Moves over a commit that was read. */
int krbrepl__course_move(krbrepl__course *c, const krbrepl__commit *m);
/* In the transaction that makes the content live: the history of the store is the one that led here, and what
 * was kept of unfinished copies and repairs is of no more use. */
int krbrepl__course_end(krbrepl__course *c, krbrepl__wtxn *w);

#endif
