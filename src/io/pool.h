/* pool.h: a few threads for what blocks: name look-ups and GSS-API.
 *
 * Each queue has threads of its own, so that a KDC that does not answer (initiators) never holds up
 * those who come in (acceptors), nor a name server either. Nobody ever waits for a job: an abandoned
 * one is freed by the thread that runs it once it returns, also after the pool is gone. */
#ifndef KRBREPL__POOL_H
#define KRBREPL__POOL_H

#include <stddef.h>

#include "chan.h"
#include "errinfo.h"

enum krbrepl__queue {
    KRBREPL__QUEUE_NAMES = 0,
    KRBREPL__QUEUE_INITIATOR = 1,
    KRBREPL__QUEUE_ACCEPTOR = 2
};
#define KRBREPL__QUEUES 3
#define KRBREPL__QUEUE_THREADS 2 /* at most, each */

typedef struct krbrepl__pool krbrepl__pool;
typedef struct krbrepl__task krbrepl__task;

/* `queue_max`: jobs that may wait in one queue. Threads begin with the first job. */
int krbrepl__pool_new(krbrepl__pool **out, size_t queue_max, krbrepl_errinfo *ei);
/* Abandons every job and the pool; threads that are idle have ended when this returns, the others end
 * when their job returns. */
void krbrepl__pool_stop(krbrepl__pool *p);
/* In a forked child, where there are no threads and the locks may be in any state: closes, no more. */
void krbrepl__pool_forget(krbrepl__pool *p);

/* Readable when a job is done. */
int krbrepl__pool_fd(const krbrepl__pool *p);
/* Takes `job` over on 0. LOCKED when the queue is full, NOMEM. */
int krbrepl__pool_submit(krbrepl__pool *p, int queue, krbrepl__job *job, void *owner,
                         krbrepl__task **out);
/* The owner is no longer interested. `t` is gone. NULL is fine. */
void krbrepl__pool_abandon(krbrepl__pool *p, krbrepl__task *t);
/* 1: a job that is done, and whose it is; its task is gone, the job belongs to the caller. 0: none. */
int krbrepl__pool_done(krbrepl__pool *p, void **owner, krbrepl__job **job);

#endif
