/* build.h: fills the generation that is not live, a slice at a time.
 *
 * A slice is one write transaction of about 1 MiB or 5 ms, so that other writers get in between. A build
 * holds a flock on load.lock from before its first slice to its end: a generation that is marked as being
 * built, while nobody holds the lock, was left by a process that died, and is emptied. */
#ifndef KRBREPL__BUILD_H
#define KRBREPL__BUILD_H

#include "impl.h"

#define KRBREPL__SLICE_BYTES (1u << 20)
#define KRBREPL__SLICE_MS 5u

typedef struct krbrepl__build {
    krbrepl_store *s;
    krbrepl__wtxn w; /* the slice; w.txn is NULL between slices */
    MDB_dbi dbi;     /* the generation that is built, once begun */
    unsigned which;
    uint8_t as;     /* how it is marked: KRBREPL__OTHER_BUILT or KRBREPL__OTHER_PARTIAL */
    int begun;      /* it is marked */
    int keep;       /* what was built is not given up at the end: it may be gone on with */
    size_t filled;  /* bytes written in this slice */
    uint64_t since; /* when it began, milliseconds */
    /* Asked at the begin of every slice whether the build may go on: 0, or the error. */
    int (*check)(void *ctx, const krbrepl__wtxn *w);
    /* May be NULL: called in the transaction that marks the generation. */
    int (*mark)(void *ctx, krbrepl__wtxn *w);
    void *ctx;
} krbrepl__build;

/* Takes load.lock: LOCKED when a load or copy holds it. */
int krbrepl__build_lock(krbrepl_store *s, int *fd);

/* Whether somebody holds it. */
int krbrepl__build_busy(krbrepl_store *s);

/* Empties what is in the other generation, slice by slice, and marks it. `s`, `as`, `check`, `mark` and `ctx`
 * are set. */
int krbrepl__build_begin(krbrepl__build *b);
/* One slice of that. 1: there is more to do; 0: it is marked. */
int krbrepl__build_begin_step(krbrepl__build *b);
/* Goes on with a generation that is marked `as`: CONFLICT when it is not. */
int krbrepl__build_resume(krbrepl__build *b);
/* Opens a slice when none is open. */
int krbrepl__build_slice(krbrepl__build *b);
/* `n` more bytes were written: commits the slice when that is enough. */
int krbrepl__build_wrote(krbrepl__build *b, size_t n);
/* `n` more bytes were written: whether that is enough for a slice, which the caller then flushes. */
int krbrepl__build_full(krbrepl__build *b, size_t n);
/* Commits the slice that is open, if any. */
int krbrepl__build_flush(krbrepl__build *b);
/* The same for one whose loss nobody notices, because the switch is still to come. */
int krbrepl__build_piece(krbrepl__build *b);
/* Everything was written: 1 while the host's database has more to do before the switch. Opens no slice. */
int krbrepl__build_ready(krbrepl__build *b);
/* In an open slice: makes the new generation the live one, with `records` records. Takes effect with
 * krbrepl__build_flush. */
void krbrepl__build_switch(krbrepl__build *b, uint64_t records);
/* Drops the open slice and gives up what was built, unless it was switched to or is to be kept. */
void krbrepl__build_end(krbrepl__build *b);

/* Empties a table at one stroke when it is small, else deletes from its front until a slice is full. *more: it
 * is not empty yet. */
int krbrepl__empty_some(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const char *what, int *more);

/* NOSPACE, with both numbers, when `need` bytes are more than the file system and the free pages of the
 * store have. */
int krbrepl__room_check(krbrepl_store *s, const char *what, uint64_t need);

#endif
