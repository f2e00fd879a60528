/* sorter.h: brings records into key order on disk, for a load of any size in bounded memory.
 *
 * A private LMDB environment in DIR/load.tmp/, without syncs and locks, since nobody else uses it and
 * nobody wants it back after a crash: its files lose their names as soon as they are open. Keys and values are whatever bytes the store keeps. */
#ifndef KRBREPL__SORTER_H
#define KRBREPL__SORTER_H

#include <krbrepl/error.h>
#include <krbrepl/types.h>

typedef struct krbrepl__sorter krbrepl__sorter;

/* Makes an empty sorter under the store directory `dir`; what a dead one left there is removed. The
 * caller holds load.lock. `ei` is borrowed until close and gets the detail of every failure. */
int krbrepl__sorter_open(krbrepl__sorter **out, const char *dir, krbrepl_errinfo *ei);
/* NULL is fine. Removes the files, except in a forked child. */
void krbrepl__sorter_close(krbrepl__sorter *so);

/* EXISTS (nothing changed, the sorter goes on) when the key is there. NOSPACE, IO. */
int krbrepl__sorter_put(krbrepl__sorter *so, krbrepl_bytes key, krbrepl_bytes value);
uint64_t krbrepl__sorter_count(const krbrepl__sorter *so);

/* Ends the puts; then sorter_next can walk. */
int krbrepl__sorter_finish(krbrepl__sorter *so);
/* Bytes that the same records take in another environment when they are appended in order. */
uint64_t krbrepl__sorter_bytes(const krbrepl__sorter *so);
void krbrepl__sorter_rewind(krbrepl__sorter *so);
/* 1: the next record, borrowed until the sorter is closed; 0: the end; negative: error. */
int krbrepl__sorter_next(krbrepl__sorter *so, krbrepl_bytes *key, krbrepl_bytes *value);

#endif
