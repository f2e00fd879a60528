/* testing.h: libkrbrepl-testing, a realm of stores in one process, under faults that a seed chooses.
 *
 * A master and up to five replicas of it, real stores and real sessions, on a network, a clock and disks that are
 * simulated: connections that are lost, stall and deliver byte by byte; processes that die within a write;
 * machines that lose their power; disks that fill up, fail and rot; clocks that jump; masters that change. After
 * every step a replica is at a position that its master was at, with the records of that position, and has
 * everything that was acknowledged as durable. When the faults stop, all become equal. What a seed did, it does
 * again.
 *
 * A host lets its own code make the commits and look at the records, and so learns whether what it keeps in a
 * store bears being replicated, cut off anywhere and restored.
 *
 * The program that links this library gets write, pwrite, writev, pwritev, fsync, fdatasync, ftruncate, renameat,
 * unlinkat and fstatvfs from it; they are those of the C library for all files but the simulated ones. Linux with
 * a shared C library. One run at a time, in one thread. For tests only. */
#ifndef KRBREPL_TESTING_H
#define KRBREPL_TESTING_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/host.h>
#include <krbrepl/store.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KRBREPL_TESTING_TRACE 1u /* every event is said */

typedef struct krbrepl_testing_options {
    size_t size;
    uint64_t seed;
    uint64_t steps; /* with faults; 0: 5,000 */
    uint64_t flags; /* KRBREPL_TESTING_... */
    const char *
        dir; /* an existing directory, in which the stores are made and removed; NULL: /dev/shm, or where
                      * temporary files go. Best a RAM disk: nothing is really synced */
    void *ctx;
    /* Puts and deletes what is to be one commit. `random` is the seed's choice, and the only thing that the records
     * may depend on besides what is in the store, else the run cannot be replayed. 0 commits; what the
     * krbrepl_txn_... functions answered, returned as it is, aborts: a full disk is part of the run. NULL: records
     * of the library. */
    int (*change)(void *ctx, krbrepl_txn *t, uint64_t random);
    /* Looks at the records of some store of the realm, whenever one is at another position. Not 0: they are not as
     * they must be, and the run fails. NULL: only the library looks. */
    int (*check)(void *ctx, krbrepl_view *v);
    /* Every failure, as a line of text, and every event if they are traced. NULL: to the standard output. */
    void (*say)(void *ctx, const char *line);
} krbrepl_testing_options;

/* What happened, so that it is seen when seeds never come to what matters. */
typedef struct krbrepl_testing_result {
    size_t size;
    uint64_t commits, copies, repairs; /* copies and repairs: that went live */
    uint64_t crashes, power_losses, failovers;
    uint64_t proofs;    /* comparisons of whole contents, all of them equal */
    uint64_t simulated; /* milliseconds */
    char text[256];     /* the first invariant that was broken, or "" */
} krbrepl_testing_result;

/* One run. `out` may be NULL. 0: every invariant held; CONFLICT: one did not; INVALID; IO: no directory. */
KRBREPL_API int krbrepl_testing_run(const krbrepl_testing_options *opt, krbrepl_testing_result *out);

/* ---- the promises of a store ----------------------------------------------------------------- *
 *
 * For whoever brings a database of their own (<krbrepl/host.h>): every promise that a store must keep, tested through
 * the library on top of it. */

/* The database under test. The kit works with two at a time: one of a master (0), one of a replica (1). */
typedef struct krbrepl_testing_store {
    size_t size;
    const char *dir; /* an existing empty directory for the kit's stores; stays the caller's */
    const krbrepl_host_ops *host; /* NULL: the library's own store is tested */
    /* Makes database `which` new and empty, and answers what `host` is to be called with. NULL on failure. Not
     * needed when `host` and `journal` are NULL. */
    void *(*fresh)(void *ctx, int which);
    /* As if the process had ended and begun again: answers what `host` is to be called with from now on. What
     * was not durable may be gone. Optional. */
    void *(*again)(void *ctx, int which, void *host_ctx);
    void (*gone)(void *ctx, int which, void *host_ctx); /* is not used any more; optional */
    void *ctx;
    /* For a database that takes records of its own kind only: makes one out of the kit's, which are any bytes. Other
     * keys must become other keys, and other values other values. `value` is NULL where there is none. What `key` and
     * `value` point to then is borrowed until the next call. 0, or the kit cannot go on. Optional. */
    int (*record)(void *ctx, const char *table, krbrepl_bytes *key, krbrepl_bytes *value);
    /* The host's journal, called with what `fresh` answers, as `host` is. NULL: the library's own. Either of the two
     * may be given without the other. */
    const krbrepl_journal_ops *journal;
} krbrepl_testing_store;

/* Told once for each promise, in the order of the kit. `why` is "" when it is kept. */
typedef void krbrepl_testing_report_fn(void *ctx, const char *promise, int kept, const char *why);

/* Tests every promise; one that is broken does not keep the others from being tested. Answers how many are
 * broken. `report` may be NULL. */
KRBREPL_API int krbrepl_testing_conform(const krbrepl_testing_store *store,
                                        krbrepl_testing_report_fn *report, void *report_ctx);

#ifdef __cplusplus
}
#endif

#endif
