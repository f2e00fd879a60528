#include "worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "wakefd.h"

#define SLICE_RECORDS 256u
#define PAUSE_NS (60 * UINT64_C(1000000000)) /* after a failure */
#define LEISURE 9u                           /* a scrub rests so many times as long as it worked */
#define SUSPECTS 16u

/* What the node wants, until the thread takes it. */
typedef struct orders {
    int reset, freeze, go_on;
    krbrepl__scan *scan; /* to be proved */
    krbrepl__scan_at at;
    size_t scrub;
    int moved;
    krbrepl__buf keys;
    krbrepl_pos from, to;
    krbrepl__ckey suspect[SUSPECTS];
    size_t nsuspects;
} orders;

/* What the thread has to tell, at most one of each kind. */
typedef struct report {
    int ready, failed, altered, proved, frozen;
    char why[KRBREPL__NEWS_TEXT];
    krbrepl__proof alteration, proof, tree;
} report;

struct krbrepl__worker {
    pthread_mutex_t lock; /* for what follows, but not for the prover and its store */
    pthread_cond_t more;
    orders want;
    report told;
    krbrepl__worker_state state;
    krbrepl__wakefd wake;
    atomic_int stop;

    /* The thread's own. */
    pthread_t thread;
    krbrepl_store *store;
    krbrepl__prover *prover;
    orders now;
    int resting;      /* there is nothing to do */
    uint64_t rest_to; /* no work before this time, unless something is asked for */
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static int is_wanted(const orders *o)
{
    return o->reset || o->freeze || o->go_on || o->scan != NULL || o->scrub != 0 || o->moved ||
           o->nsuspects != 0;
}

static void touch_all(krbrepl__prover *p, krbrepl__buf *keys)
{
    krbrepl__rd r;
    krbrepl_bytes k;

    krbrepl__rd_init(&r, keys->data, keys->len);
    while (r.left != 0) {
        k = krbrepl__rd_vec16(&r);
        krbrepl__prover_touch(p, k.data, k.len);
    }
}

static void obey(krbrepl__worker *w)
{
    orders *o = &w->now;
    size_t i;

    if (o->reset)
        krbrepl__prover_reset(w->prover);
    if (o->moved) {
        touch_all(w->prover, &o->keys);
        krbrepl__prover_moved(w->prover, &o->from, &o->to);
    }
    if (o->scan != NULL)
        (void)krbrepl__prover_begin_with(w->prover, o->scan, &o->at);
    if (o->freeze)
        krbrepl__prover_freeze(w->prover);
    if (o->scrub != 0)
        krbrepl__prover_scrub(w->prover, o->scrub);
    for (i = 0; i < o->nsuspects; i++)
        krbrepl__prover_suspect(w->prover, o->suspect[i].b, o->suspect[i].len);
    krbrepl__buf_free(&o->keys);
}

/* Takes what is wanted. With the lock. */
static void take_orders(krbrepl__worker *w)
{
    w->now = w->want;
    if (w->state.scrub < w->now.scrub)
        w->state.scrub = w->now.scrub;
    memset(&w->want, 0, sizeof w->want);
    krbrepl__buf_init(&w->want.keys, 0);
    w->resting = 0;
    w->rest_to = 0;
    if (w->now.reset)
        w->state.ready = w->state.proving = 0;
}

static void take_result(krbrepl__worker *w, int rc, const krbrepl__proof *proof)
{
    report *t = &w->told;

    switch (rc) {
    case KRBREPL__PROVER_PROVED:
        t->proved = 1;
        t->proof = *proof;
        break;
    case KRBREPL__PROVER_FROZEN:
        if (t->frozen)
            krbrepl__ftree_unref(t->tree.tree);
        t->frozen = 1;
        t->tree = *proof;
        break;
    case KRBREPL__PROVER_ALTERED:
        /* The first that nobody has heard of yet. */
        if (!t->altered)
            t->alteration = *proof;
        t->altered = 1;
        break;
    default:
        t->failed = rc;
        snprintf(t->why, sizeof t->why, "%s", krbrepl__store_ei(w->store)->text);
    }
}

/* What is no longer wanted since this slice began is not told. */
static int is_stale(const krbrepl__worker *w, int rc)
{
    return (rc == KRBREPL__PROVER_PROVED || rc == KRBREPL__PROVER_FROZEN) &&
           (w->want.reset || w->want.moved);
}

/* With the lock. */
static void publish(krbrepl__worker *w, int rc, krbrepl__proof *proof)
{
    int was = w->state.ready, tell = 0;

    w->state.ready = krbrepl__prover_ready(w->prover);
    w->state.proving = krbrepl__prover_running(w->prover);
    w->state.leaves = krbrepl__prover_leaves(w->prover);
    w->state.memory = krbrepl__prover_memory(w->prover);
    w->state.scrub = krbrepl__prover_scrubs(w->prover);
    if (is_stale(w, rc)) {
        w->want.freeze |= rc == KRBREPL__PROVER_FROZEN;
        krbrepl__ftree_unref(proof->tree);
    } else if (rc != KRBREPL__PROVER_IDLE && rc != KRBREPL__PROVER_MORE) {
        take_result(w, rc, proof);
        tell = 1;
    }
    if (!was && w->state.ready)
        w->told.ready = tell = 1;
    if (tell)
        krbrepl__wakefd_set(&w->wake);
}

static void wait_for_work(krbrepl__worker *w)
{
    struct timespec t;

    if (w->resting) {
        pthread_cond_wait(&w->more, &w->lock);
        return;
    }
    t.tv_sec = (time_t)(w->rest_to / UINT64_C(1000000000));
    t.tv_nsec = (long)(w->rest_to % UINT64_C(1000000000));
    pthread_cond_timedwait(&w->more, &w->lock, &t);
}

/* One slice, without the lock. */
static int work(krbrepl__worker *w, krbrepl__proof *proof)
{
    uint64_t begin = now_ns(), end;
    int leisure, rc;

    obey(w);
    leisure = krbrepl__prover_at_leisure(w->prover);
    rc = krbrepl__prover_work(w->prover, SLICE_RECORDS, proof);
    end = now_ns();
    w->resting = rc == KRBREPL__PROVER_IDLE;
    if (rc < 0)
        w->rest_to = end + PAUSE_NS;
    else if (leisure)
        w->rest_to = end + (end - begin) * LEISURE;
    return rc;
}

static void *thread_main(void *arg)
{
    krbrepl__worker *w = arg;
    krbrepl__proof proof;
    int rc;

    pthread_mutex_lock(&w->lock);
    while (atomic_load(&w->stop) == 0) {
        if (is_wanted(&w->want)) {
            take_orders(w);
        } else if (w->resting || w->rest_to > now_ns()) {
            wait_for_work(w);
            continue;
        } else {
            memset(&w->now, 0, sizeof w->now);
        }
        pthread_mutex_unlock(&w->lock);
        rc = work(w, &proof);
        pthread_mutex_lock(&w->lock);
        publish(w, rc, &proof);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- birth and end -------------------------------------------------------------------------- */

static int init_locks(krbrepl__worker *w)
{
    pthread_condattr_t attr;
    int rc;

    if (pthread_condattr_init(&attr) != 0)
        return KRBREPL_ERR_NOMEM;
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(&w->more, &attr);
    pthread_condattr_destroy(&attr);
    if (rc != 0)
        return KRBREPL_ERR_NOMEM;
    rc = pthread_mutex_init(&w->lock, NULL);
    if (rc != 0)
        pthread_cond_destroy(&w->more);
    return rc == 0 ? 0 : KRBREPL_ERR_NOMEM;
}

/* Signals are the host's: none is delivered to this thread. */
static int begin_thread(krbrepl__worker *w, krbrepl_errinfo *ei)
{
    sigset_t all, before;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&w->thread, NULL, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e == 0
               ? 0
               : krbrepl__fail_sys(ei, KRBREPL_ERR_NOMEM, e, "node: no thread to be had for digests");
}

static void free_parts(krbrepl__worker *w)
{
    krbrepl__store_scan_close(w->want.scan);
    krbrepl__buf_free(&w->want.keys);
    if (w->told.frozen)
        krbrepl__ftree_unref(w->told.tree.tree);
    krbrepl__prover_free(w->prover);
    if (w->store != NULL)
        krbrepl_store_close(w->store);
    krbrepl__wakefd_close(&w->wake);
    krbrepl__free(w, sizeof *w);
}

int krbrepl__worker_new(krbrepl__worker **out, krbrepl_store *s, int as_found, krbrepl_errinfo *ei)
{
    krbrepl__worker *w = krbrepl__alloc(sizeof *w);
    int rc;

    *out = NULL;
    if (w == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    w->wake.rd = w->wake.wr = -1;
    atomic_init(&w->stop, 0);
    krbrepl__buf_init(&w->want.keys, 0);
    rc = krbrepl__store_dup(s, &w->store, ei);
    if (rc == 0)
        rc = krbrepl__wakefd_open(&w->wake, ei);
    if (rc == 0 && (krbrepl__prover_new(&w->prover, w->store) != 0 || init_locks(w) != 0))
        rc = krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    if (rc == 0) {
        if (as_found)
            krbrepl__prover_as_found(w->prover);
        krbrepl__prover_stop_at(w->prover, &w->stop);
        rc = begin_thread(w, ei);
        if (rc != 0) {
            pthread_mutex_destroy(&w->lock);
            pthread_cond_destroy(&w->more);
        }
    }
    if (rc == 0)
        *out = w;
    else
        free_parts(w);
    return rc;
}

void krbrepl__worker_stop(krbrepl__worker *w)
{
    if (w == NULL)
        return;
    atomic_store(&w->stop, 1);
    pthread_mutex_lock(&w->lock);
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->more);
    free_parts(w);
}

void krbrepl__worker_forget(krbrepl__worker *w)
{
    if (w == NULL)
        return;
    krbrepl__wakefd_close(&w->wake);
    close(krbrepl__store_dirfd(w->store));
}

/* ---- the node's side ------------------------------------------------------------------------ */

int krbrepl__worker_fd(const krbrepl__worker *w)
{
    return w->wake.rd;
}

void krbrepl__worker_look(krbrepl__worker *w, krbrepl__worker_state *out)
{
    pthread_mutex_lock(&w->lock);
    *out = w->state;
    if (out->scrub < w->want.scrub)
        out->scrub = w->want.scrub;
    out->ready = out->ready && !w->want.reset;
    out->proving = (out->proving && !w->want.reset) || w->want.scan != NULL;
    pthread_mutex_unlock(&w->lock);
}

static void done(krbrepl__worker *w)
{
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->lock);
}

/* What was computed of the content before is not told any more. With the lock. */
static void forget_results(krbrepl__worker *w)
{
    krbrepl__store_scan_close(w->want.scan);
    w->want.scan = NULL;
    w->told.proved = w->told.ready = 0;
    if (!w->told.frozen)
        return;
    krbrepl__ftree_unref(w->told.tree.tree);
    w->told.frozen = 0;
    w->want.freeze = 1;
}

void krbrepl__worker_reset(krbrepl__worker *w)
{
    pthread_mutex_lock(&w->lock);
    forget_results(w);
    w->want.reset = 1;
    w->want.moved = 0;
    krbrepl__buf_free(&w->want.keys);
    w->want.nsuspects = w->want.scrub = 0;
    w->told.failed = 0;
    done(w);
}

void krbrepl__worker_moved(krbrepl__worker *w, krbrepl__buf *keys, const krbrepl_pos *from,
                           const krbrepl_pos *to)
{
    pthread_mutex_lock(&w->lock);
    forget_results(w);
    /* Two in a row that the thread has not looked at between are rare: the tree is built anew. */
    w->want.reset |= w->want.moved;
    w->want.moved = !w->want.reset;
    krbrepl__buf_free(&w->want.keys);
    if (w->want.moved)
        w->want.keys = *keys;
    else
        krbrepl__buf_free(keys);
    krbrepl__buf_init(keys, 0);
    w->want.from = *from;
    w->want.to = *to;
    done(w);
}

void krbrepl__worker_prove(krbrepl__worker *w, krbrepl__scan *scan, const krbrepl__scan_at *at)
{
    pthread_mutex_lock(&w->lock);
    krbrepl__store_scan_close(w->want.scan);
    w->want.scan = scan;
    w->want.at = *at;
    w->told.proved = 0;
    done(w);
}

void krbrepl__worker_freeze(krbrepl__worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->want.freeze = 1;
    done(w);
}

void krbrepl__worker_go_on(krbrepl__worker *w)
{
    pthread_mutex_lock(&w->lock);
    w->want.go_on = 1;
    done(w);
}

void krbrepl__worker_scrub(krbrepl__worker *w, size_t leaves)
{
    pthread_mutex_lock(&w->lock);
    w->want.scrub = leaves > SIZE_MAX - w->want.scrub ? SIZE_MAX : w->want.scrub + leaves;
    done(w);
}

void krbrepl__worker_suspect(krbrepl__worker *w, const void *ckey, size_t len)
{
    krbrepl__ckey *k;

    pthread_mutex_lock(&w->lock);
    if (w->want.nsuspects < SUSPECTS && len != 0 && len <= sizeof k->b) {
        k = &w->want.suspect[w->want.nsuspects];
        memcpy(k->b, ckey, len);
        k->len = len;
        w->want.nsuspects++;
    }
    done(w);
}

static int pop(report *t, krbrepl__proof *out)
{
    int rc = t->failed;

    memset(out, 0, sizeof *out);
    if (rc != 0) {
        t->failed = 0;
        memcpy(out->text, t->why, sizeof out->text);
        return rc;
    }
    if (t->altered) {
        t->altered = 0;
        *out = t->alteration;
        return KRBREPL__PROVER_ALTERED;
    }
    if (t->ready) {
        t->ready = 0;
        return KRBREPL__WORKER_READY;
    }
    if (t->proved) {
        t->proved = 0;
        *out = t->proof;
        return KRBREPL__PROVER_PROVED;
    }
    if (t->frozen) {
        t->frozen = 0;
        *out = t->tree;
        return KRBREPL__PROVER_FROZEN;
    }
    return KRBREPL__WORKER_NONE;
}

int krbrepl__worker_next(krbrepl__worker *w, krbrepl__proof *out)
{
    int rc;

    pthread_mutex_lock(&w->lock);
    rc = pop(&w->told, out);
    if (rc == KRBREPL__WORKER_NONE)
        krbrepl__wakefd_clear(&w->wake);
    pthread_mutex_unlock(&w->lock);
    return rc;
}
