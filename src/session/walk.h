/* walk.h: a replica finds out what differs from its master, by walking down both digest trees. No session, no
 * store: answers of the master go in, asks and ranges come out.
 *
 * Nodes are matched by digest alone. A node of the master's that this replica has too needs no more thought,
 * wherever it stands, and neither does the own node; the children of the others are compared with each other,
 * level by level, down to the leaves. A leaf of the master's that is not here is a range of keys, of which
 * the records are listed by digest: own ones that are not listed go, listed ones that are not here are asked
 * for. An own leaf that the master does not have goes where no range of the master's covers it: what it
 * held there, the master has not.
 *
 *   loop:  walk_take(answer) ...  walk_work  walk_ask -> send  walk_range -> copy_range -> walk_ranged */
#ifndef KRBREPL__WALK_H
#define KRBREPL__WALK_H

#include "ftree.h"
#include "wanted.h"

#include "buf.h"

typedef struct krbrepl__walk krbrepl__walk;

/* Of a master's tree of `levels` levels; `number` is that of its COPY_BEGIN in the session. NULL: no memory. */
krbrepl__walk *krbrepl__walk_new(unsigned levels, const uint8_t salt[KRBREPL__SALT], unsigned number);
void krbrepl__walk_free(krbrepl__walk *w); /* NULL is fine */
/* The own tree; borrowed as long as the walk is worked on. */
void krbrepl__walk_own(krbrepl__walk *w, const krbrepl__ftree *own);

/* A TREE body has come, after `records` records in all. 0; PROTO: it is malformed, or answers nothing that was
 * asked; NOMEM. */
int krbrepl__walk_take(krbrepl__walk *w, krbrepl_bytes body, uint64_t records);
/* Compares, a few milliseconds of it. 1: call again; 0: nothing to do; NOMEM. */
int krbrepl__walk_work(krbrepl__walk *w);
/* The next ASK. 1: it is in `body`; 0: none now; NOMEM. */
int krbrepl__walk_ask(krbrepl__walk *w, krbrepl__buf *body);
/* The next range of keys whose records are those that walk_wanted knows; borrowed until walk_ranged. 1 or 0. */
int krbrepl__walk_range(krbrepl__walk *w, krbrepl_bytes *from, krbrepl_bytes *to);
const krbrepl__wanted *krbrepl__walk_wanted(const krbrepl__walk *w);
int krbrepl__walk_ranged(krbrepl__walk *w); /* it is done; NOMEM */
/* A record that was sent. PROTO: it was not asked for, or out of order. */
int krbrepl__walk_record(krbrepl__walk *w, krbrepl_bytes full_key, krbrepl_bytes value);

unsigned krbrepl__walk_unanswered(const krbrepl__walk *w);
int krbrepl__walk_awaits_records(const krbrepl__walk *w); /* records were asked for */
/* So much differs that a walk is of no use: everything is to be asked for. Nothing was put out yet. */
int krbrepl__walk_too_wide(const krbrepl__walk *w);
int krbrepl__walk_over(const krbrepl__walk *w); /* DONE was asked, and everything is answered */

#endif
