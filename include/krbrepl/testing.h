/* testing.h: libkrbrepl-testing, for whoever brings a database of their own.
 *
 * The promises that a store must keep, as tests. A static library that goes with the static libkrbrepl
 * (`pkg-config --libs krbrepl-testing`), for test programs only; no promise is made about its ABI. */
#ifndef KRBREPL_TESTING_H
#define KRBREPL_TESTING_H

#include <krbrepl/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The database under test. The kit works with two at a time: one of a master (0), one of a replica (1). */
typedef struct krbrepl_testing_store {
    size_t size;
    const char *dir; /* an existing empty directory for the kit's stores; stays the caller's */
    const krbrepl_host_ops *host; /* NULL: the library's own store is tested */
    /* Makes database `which` new and empty, and answers what `host` is to be called with. NULL on failure. Not
     * needed when `host` is NULL. */
    void *(*fresh)(void *ctx, int which);
    /* As if the process had ended and begun again: answers what `host` is to be called with from now on. What
     * was not durable may be gone. Optional. */
    void *(*again)(void *ctx, int which, void *host_ctx);
    void (*gone)(void *ctx, int which, void *host_ctx); /* is not used any more; optional */
    void *ctx;
} krbrepl_testing_store;

/* Told once for each promise, in the order of the kit. `why` is "" when it is kept. */
typedef void krbrepl_testing_report_fn(void *ctx, const char *promise, int kept, const char *why);

/* Tests every promise; one that is broken does not keep the others from being tested. Answers how many are
 * broken. `report` may be NULL. */
int krbrepl_testing_conform(const krbrepl_testing_store *store, krbrepl_testing_report_fn *report,
                            void *report_ctx);

#ifdef __cplusplus
}
#endif

#endif
