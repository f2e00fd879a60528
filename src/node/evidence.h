/* evidence.h: what is kept for a person to look at, in evidence/ beside the store. */
#ifndef KRBREPL__EVIDENCE_H
#define KRBREPL__EVIDENCE_H

#include "logline.h"
#include "store.h"

/* Writes the store's own commits from seq `from` on, in the form in which they travel, to a new file, a bounded
 * piece with each call, synced with its directory before this returns. 1: there is more, call again; 0: all is
 * there. What is there already is not written again; what was begun is gone on with, also by another process. 0
 * also when there are none. */
int krbrepl__evidence_save(krbrepl_store *s, uint64_t from);

/* The list of the records that a repair puts and deletes, without their values. */
typedef struct krbrepl__keylist krbrepl__keylist;

/* A piece of it; `*k` is NULL in the beginning. 1: there is more, call again; 0: it is on disk, and the first ones
 * are in the log. A repair that changes nothing leaves none. */
int krbrepl__keylist_write(krbrepl__keylist **k, krbrepl_store *s, krbrepl__repair *r, uint64_t reason,
                           const krbrepl__log *log);
void krbrepl__keylist_free(krbrepl__keylist *k); /* NULL is fine; what is unfinished is thrown away */

/* Parts of both. The descriptor of the directory, which is made if need be; -1. */
int krbrepl__evidence_open(krbrepl_store *s);
int krbrepl__evidence_write(int fd, const void *data, size_t n); /* all of it, or -1 */
int krbrepl__evidence_fail(krbrepl_store *s, const char *what);  /* by errno */

#endif
