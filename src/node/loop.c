/* loop.c: who may be inside a node, its turn, and the three ways to drive it. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "conn.h"
#include "control.h"

int krbrepl__node_check_pid(const krbrepl_node *n)
{
    return n->pid == getpid() ? 0 : KRBREPL_ERR_FORKED;
}

int krbrepl__node_enter(krbrepl_node *n, int inside)
{
    int rc = krbrepl__node_check_pid(n);

    if (rc != 0)
        return rc;
    pthread_mutex_lock(&n->lock);
    if (n->depth > 0 && !inside) {
        pthread_mutex_unlock(&n->lock);
        return KRBREPL_ERR_STATE;
    }
    n->depth++;
    return 0;
}

void krbrepl__node_leave(krbrepl_node *n)
{
    n->depth--;
    pthread_mutex_unlock(&n->lock);
}

/* ---- one turn ------------------------------------------------------------------------------- */

static void do_work(krbrepl_node *n, uint64_t end)
{
    krbrepl__conn *c;

    while ((c = krbrepl__list_first(&n->run)) != NULL) {
        krbrepl__conn_work(c);
        if (krbrepl__node_now(n) >= end)
            break;
    }
    krbrepl__recent_forget(&n->recent);
}

/* After the work, so that a new commit leaves for all replicas before what they say of it is read; but never
 * without a time of its own, for a copy always has work. */
static void do_heard(krbrepl_node *n, uint64_t end)
{
    uint64_t least = krbrepl__node_now(n) + KRBREPL__TURN_HEARD_MS;
    krbrepl__conn *c;

    if (end < least)
        end = least;
    while ((c = krbrepl__list_first(&n->heard)) != NULL) {
        krbrepl__conn_read(c);
        if (krbrepl__node_now(n) >= end)
            break;
    }
}

static void do_wishes(krbrepl_node *n)
{
    if (atomic_exchange(&n->wants_reauthorize, 0) != 0 && n->master != NULL)
        krbrepl__master_reauthorize(n);
    if (atomic_exchange(&n->wants_wake, 0) != 0)
        krbrepl__node_look(n);
}

/* What happened decided that the node is at its end. */
static int end_by_itself(krbrepl_node *n)
{
    int err = n->ended;

    krbrepl__node_end(n);
    krbrepl__node_state(n, KRBREPL_STATE_STOPPED, err);
    return err;
}

static int process(krbrepl_node *n)
{
    uint64_t end;

    if (!n->running)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_STATE, "node: it is not running; start it first");
    krbrepl__node_now(n);
    if (krbrepl__poller_wait(n->poller, 0) < 0)
        krbrepl__node_give_up(n, KRBREPL_ERR_IO, "waiting for descriptors failed");
    krbrepl__poller_dispatch(n->poller);
    do_wishes(n);
    krbrepl__timers_run(&n->timers, krbrepl__node_now(n));
    end = krbrepl__node_now(n) + KRBREPL__TURN_MS;
    do_work(n, end);
    do_heard(n, end);
    krbrepl__conn_reap(n);
    krbrepl__control_settle(n);
    return n->ended != 0 ? end_by_itself(n) : 0;
}

/* Whoever drives the node waits for descriptors without the lock, so no other thread may touch them. */
static int already_driven(krbrepl_node *n)
{
    if (n->spawned)
        return krbrepl__fail(
            &n->ei, KRBREPL_ERR_STATE,
            "node: a thread of its own drives it already; call krbrepl_node_stop first");
    return krbrepl__fail(
        &n->ei, KRBREPL_ERR_STATE,
        "node: another thread is in krbrepl_node_run; end that with krbrepl_node_quit");
}

int krbrepl__node_process(krbrepl_node *n)
{
    return n->driven ? already_driven(n) : process(n);
}

int krbrepl__node_fd(const krbrepl_node *n)
{
    return krbrepl__poller_fd(n->poller);
}

static int timeout(const krbrepl_node *n)
{
    uint64_t at, now;

    if (!n->running)
        return -1;
    if (!krbrepl__list_empty(&n->run) || !krbrepl__list_empty(&n->heard) ||
        krbrepl__poller_pending(n->poller) || n->ended != 0 || atomic_load(&n->wants_wake) != 0 ||
        atomic_load(&n->wants_reauthorize) != 0)
        return 0;
    at = krbrepl__timers_next(&n->timers);
    now = n->sys->mono_ms(n->sys->ctx);
    if (at <= now)
        return 0;
    return at - now > INT_MAX ? INT_MAX : (int)(at - now);
}

/* Whoever drives the node looks after its time, and waits in the poller without the lock. */
int krbrepl__node_due(const krbrepl_node *n)
{
    return n->driven ? -1 : timeout(n);
}

/* ---- the loops ------------------------------------------------------------------------------ */

/* Waits outside of the lock, so that others can ask for the status meanwhile. */
static int turn(krbrepl_node *n, int wait_ms, int *next_wait)
{
    int rc;

    if (krbrepl__poller_wait(n->poller, wait_ms) < 0)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_IO, "node: waiting for descriptors failed");
    rc = krbrepl__node_enter(n, 0);
    if (rc != 0)
        return rc;
    rc = process(n);
    *next_wait = rc == 0 ? timeout(n) : 0;
    krbrepl__node_leave(n);
    return rc;
}

static int loop(krbrepl_node *n)
{
    int rc = 0, wait_ms = 0;

    while (rc == 0 && atomic_load(&n->wants_quit) == 0)
        rc = turn(n, wait_ms, &wait_ms);
    return rc;
}

/* Takes the node for this thread to drive. */
static int claim(krbrepl_node *n)
{
    int rc = krbrepl__node_enter(n, 0);

    if (rc != 0)
        return rc;
    if (n->driven)
        rc = already_driven(n);
    else if (!n->running)
        rc = krbrepl__fail(&n->ei, KRBREPL_ERR_STATE, "node: it is not running; start it first");
    else
        n->driven = 1;
    krbrepl__node_leave(n);
    return rc;
}

static void let_go(krbrepl_node *n)
{
    pthread_mutex_lock(&n->lock);
    n->driven = n->spawned = 0;
    pthread_mutex_unlock(&n->lock);
}

int krbrepl__node_run(krbrepl_node *n)
{
    int rc = claim(n);

    if (rc != 0)
        return rc;
    rc = loop(n);
    if (rc == 0)
        atomic_store(&n->wants_quit, 0);
    let_go(n);
    return rc;
}

static void *thread_main(void *arg)
{
    krbrepl_node *n = arg;

    n->thread_rc = loop(n);
    return NULL;
}

int krbrepl__node_spawn(krbrepl_node *n)
{
    sigset_t all, before;
    int rc = claim(n), e;

    if (rc != 0)
        return rc;
    n->spawned = 1;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&n->thread, NULL, thread_main, n);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e == 0)
        return 0;
    let_go(n);
    return krbrepl__fail_sys(&n->ei, KRBREPL_ERR_NOMEM, e, "node: no thread to be had");
}

/* The thread is let out of its loop and joined without the lock, which it may want. */
static void end_thread(krbrepl_node *n)
{
    atomic_store(&n->wants_quit, 1);
    krbrepl__wakefd_set(&n->wake);
    pthread_join(n->thread, NULL);
    let_go(n);
    atomic_store(&n->wants_quit, 0);
}

int krbrepl__node_stop(krbrepl_node *n)
{
    int spawned, rc = krbrepl__node_enter(n, 0);

    if (rc != 0)
        return rc;
    spawned = n->spawned;
    if (n->driven && !spawned)
        rc = already_driven(n);
    krbrepl__node_leave(n);
    if (rc != 0)
        return rc;
    if (spawned)
        end_thread(n);
    rc = krbrepl__node_enter(n, 0);
    if (rc != 0)
        return rc;
    if (n->running) {
        krbrepl__node_now(n);
        krbrepl__node_end(n);
        krbrepl__node_state(n, KRBREPL_STATE_STOPPED, 0);
    }
    krbrepl__node_leave(n);
    return 0;
}

/* ---- from any thread, and from signal handlers ---------------------------------------------- */

static int wish(krbrepl_node *n, atomic_int *what)
{
    int rc = krbrepl__node_check_pid(n);

    if (rc != 0)
        return rc;
    atomic_store(what, 1);
    krbrepl__wakefd_set(&n->wake);
    return 0;
}

int krbrepl__node_wake(krbrepl_node *n)
{
    return wish(n, &n->wants_wake);
}

int krbrepl__node_quit(krbrepl_node *n)
{
    return wish(n, &n->wants_quit);
}

int krbrepl__node_reauthorize(krbrepl_node *n)
{
    return wish(n, &n->wants_reauthorize);
}
