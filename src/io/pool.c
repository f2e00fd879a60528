#include "pool.h"

#include <pthread.h>
#include <signal.h>

#include "list.h"
#include "mem.h"
#include "wakefd.h"

enum task_state { WAITING, RUNNING, DONE, ABANDONED };

struct krbrepl__task {
    krbrepl__item link; /* in a queue or in done; in neither while it runs */
    krbrepl__job *job;
    void *owner;
    int queue;
    enum task_state state;
};

typedef struct worker {
    krbrepl__pool *pool;
    pthread_t id;
    int queue;
    int busy;
} worker;

typedef struct queue {
    krbrepl__item waiting;
    size_t len, threads, idle;
    pthread_cond_t more;
} queue;

struct krbrepl__pool {
    pthread_mutex_t lock;
    queue q[KRBREPL__QUEUES];
    krbrepl__item done;
    krbrepl__wakefd wake;
    worker w[KRBREPL__QUEUES * KRBREPL__QUEUE_THREADS];
    size_t nworkers;
    size_t refs; /* the owner, and every thread */
    size_t max;
    int stopping;
};

static void task_free(krbrepl__task *t, int with_job)
{
    if (with_job)
        t->job->free(t->job);
    krbrepl__free(t, sizeof *t);
}

static void drain(krbrepl__item *list)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(list, l, after)
    {
        krbrepl__task *t = l->self;

        krbrepl__item_drop(l);
        task_free(t, 1);
    }
}

/* Called with the lock held; gives it back. */
static void unref(krbrepl__pool *p)
{
    int i, last = --p->refs == 0;

    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    for (i = 0; i < KRBREPL__QUEUES; i++)
        pthread_cond_destroy(&p->q[i].more);
    pthread_mutex_destroy(&p->lock);
    krbrepl__wakefd_close(&p->wake);
    krbrepl__free(p, sizeof *p);
}

/* Runs one task without the lock. */
static void run_task(krbrepl__pool *p, worker *w, krbrepl__task *t)
{
    krbrepl__item_drop(&t->link);
    p->q[t->queue].len--;
    t->state = RUNNING;
    w->busy = 1;
    pthread_mutex_unlock(&p->lock);
    t->job->run(t->job);
    pthread_mutex_lock(&p->lock);
    w->busy = 0;
    if (t->state == ABANDONED || p->stopping) {
        task_free(t, 1);
        return;
    }
    t->state = DONE;
    krbrepl__item_push(&p->done, &t->link, t);
    krbrepl__wakefd_set(&p->wake);
}

static void *work(void *arg)
{
    worker *w = arg;
    krbrepl__pool *p = w->pool;
    queue *q = &p->q[w->queue];

    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        krbrepl__task *t = krbrepl__list_first(&q->waiting);

        if (t != NULL) {
            run_task(p, w, t);
            continue;
        }
        q->idle++;
        pthread_cond_wait(&q->more, &p->lock);
        q->idle--;
    }
    unref(p);
    return NULL;
}

int krbrepl__pool_new(krbrepl__pool **out, size_t queue_max, krbrepl_errinfo *ei)
{
    krbrepl__pool *p = krbrepl__alloc(sizeof *p);
    int i, rc;

    *out = NULL;
    if (p == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    rc = krbrepl__wakefd_open(&p->wake, ei);
    if (rc != 0) {
        krbrepl__free(p, sizeof *p);
        return rc;
    }
    pthread_mutex_init(&p->lock, NULL);
    for (i = 0; i < KRBREPL__QUEUES; i++) {
        krbrepl__list_init(&p->q[i].waiting);
        pthread_cond_init(&p->q[i].more, NULL);
    }
    krbrepl__list_init(&p->done);
    p->refs = 1;
    p->max = queue_max;
    *out = p;
    return 0;
}

void krbrepl__pool_stop(krbrepl__pool *p)
{
    pthread_t join[KRBREPL__QUEUES * KRBREPL__QUEUE_THREADS];
    size_t i, n = 0;

    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = 1;
    for (i = 0; i < KRBREPL__QUEUES; i++) {
        drain(&p->q[i].waiting);
        pthread_cond_broadcast(&p->q[i].more);
    }
    drain(&p->done);
    /* A thread without a job can get none any more and ends at once; the others are let go. */
    for (i = 0; i < p->nworkers; i++) {
        if (p->w[i].busy)
            pthread_detach(p->w[i].id);
        else
            join[n++] = p->w[i].id;
    }
    pthread_mutex_unlock(&p->lock);
    while (n > 0)
        pthread_join(join[--n], NULL);
    pthread_mutex_lock(&p->lock);
    unref(p);
}

void krbrepl__pool_forget(krbrepl__pool *p)
{
    if (p != NULL)
        krbrepl__wakefd_close(&p->wake);
}

int krbrepl__pool_fd(const krbrepl__pool *p)
{
    return p->wake.rd;
}

/* With the lock held. Signals are the host's: none is delivered to these threads. */
static int add_worker(krbrepl__pool *p, int queue_no)
{
    worker *w = &p->w[p->nworkers];
    sigset_t all, before;
    int rc;

    w->pool = p;
    w->queue = queue_no;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&w->id, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return KRBREPL_ERR_NOMEM;
    p->nworkers++;
    p->refs++;
    p->q[queue_no].threads++;
    return 0;
}

static int submit_locked(krbrepl__pool *p, krbrepl__task *t)
{
    queue *q = &p->q[t->queue];
    int rc;

    if (q->len >= p->max)
        return KRBREPL_ERR_LOCKED;
    if (q->idle <= q->len && q->threads < KRBREPL__QUEUE_THREADS) {
        rc = add_worker(p, t->queue);
        if (rc != 0 && q->threads == 0)
            return rc;
    }
    krbrepl__item_push(&q->waiting, &t->link, t);
    q->len++;
    pthread_cond_signal(&q->more);
    return 0;
}

int krbrepl__pool_submit(krbrepl__pool *p, int queue_no, krbrepl__job *job, void *owner,
                         krbrepl__task **out)
{
    krbrepl__task *t = krbrepl__alloc(sizeof *t);
    int rc;

    *out = NULL;
    if (t == NULL)
        return KRBREPL_ERR_NOMEM;
    t->job = job;
    t->owner = owner;
    t->queue = queue_no;
    t->state = WAITING;
    pthread_mutex_lock(&p->lock);
    rc = submit_locked(p, t);
    pthread_mutex_unlock(&p->lock);
    if (rc != 0)
        task_free(t, 0);
    else
        *out = t;
    return rc;
}

void krbrepl__pool_abandon(krbrepl__pool *p, krbrepl__task *t)
{
    int ours = 0;

    if (t == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    if (t->state == RUNNING) {
        t->state = ABANDONED;
    } else {
        ours = 1;
        if (t->state == WAITING)
            p->q[t->queue].len--;
        krbrepl__item_drop(&t->link);
    }
    pthread_mutex_unlock(&p->lock);
    if (ours)
        task_free(t, 1);
}

int krbrepl__pool_done(krbrepl__pool *p, void **owner, krbrepl__job **job)
{
    krbrepl__task *t;

    pthread_mutex_lock(&p->lock);
    t = krbrepl__list_first(&p->done);
    if (t != NULL)
        krbrepl__item_drop(&t->link);
    else
        krbrepl__wakefd_clear(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (t == NULL)
        return 0;
    *owner = t->owner;
    *job = t->job;
    task_free(t, 0);
    return 1;
}
