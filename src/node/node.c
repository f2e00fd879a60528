#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "master.h"
#include "mem.h"
#include "usock.h"

#define QUEUE_MAX 1024
#define TURN_JOBS 16     /* given back in one turn */
#define UPKEEP_MS 20u    /* between two pieces of upkeep, so that writers get in */
#define UPKEEP_WAITS 50u /* pieces that peers can put off in a row */
#define LONGEST_MS (UINT64_C(30) * 86400000)

uint64_t krbrepl__node_now(krbrepl_node *n)
{
    return n->now = n->sys->mono_ms(n->sys->ctx);
}

krbrepl_errinfo *krbrepl__node_ei(krbrepl_node *n)
{
    return &n->ei;
}

int krbrepl__node_fail_from(krbrepl_node *n, const krbrepl_errinfo *from)
{
    n->ei = *from;
    n->ei.size = sizeof n->ei;
    return n->ei.code;
}

/* Sums with these times must not overflow, so "for ever" is a month. */
uint64_t krbrepl__node_ms(uint64_t ms, uint64_t preset)
{
    if (ms == 0)
        return preset;
    return ms < LONGEST_MS ? ms : LONGEST_MS;
}

/* ---- what the host and the operator hear ---------------------------------------------------- */

void krbrepl__node_note(krbrepl_node *n, int err, const char *text)
{
    n->last_err = err;
    snprintf(n->last_error, sizeof n->last_error, "%s", text);
}

void krbrepl__node_state(krbrepl_node *n, uint64_t state, int err)
{
    uint64_t was = n->state;

    if (was == state)
        return;
    n->state = state;
    krbrepl__logf(&n->log, KRBREPL_LOG_INFO, "node", "state is %s, was %s", krbrepl_state_name(state),
                  krbrepl_state_name(was));
    if (n->events.state != NULL)
        n->events.state(n->events_ctx, was, state, err);
}

void krbrepl__node_give_up(krbrepl_node *n, int err, const char *text)
{
    if (n->ended != 0)
        return;
    n->ended = err;
    krbrepl__fail(&n->ei, err, "node: %s", text);
    krbrepl__node_note(n, err, text);
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node", "the node stops: %s", text);
}

/* ---- the store ------------------------------------------------------------------------------ */

static void look_failed(krbrepl_node *n, int rc)
{
    const krbrepl_errinfo *ei = krbrepl__store_ei(n->store);

    krbrepl__node_note(n, rc, ei->text);
    if (!n->look_failed)
        krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node",
                      "the store in %s cannot be read (%s); the node goes on trying every second",
                      krbrepl_store_dir(n->store), ei->text);
    n->look_failed = 1;
}

int krbrepl__node_look(krbrepl_node *n)
{
    krbrepl_store_info before = n->info;
    krbrepl_store_info now;
    int rc;

    memset(&now, 0, sizeof now);
    now.size = sizeof now;
    rc = krbrepl__store_info(n->store, &now);
    if (rc != 0) {
        look_failed(n, rc);
        return rc;
    }
    if (n->look_failed)
        krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node", "the store in %s can be read again",
                      krbrepl_store_dir(n->store));
    n->look_failed = 0;
    n->info = now;
    krbrepl__node_check_history(n, &before.pos);
    if (n->ended != 0)
        return n->ended;
    if (now.pos.seq != before.pos.seq)
        krbrepl__proof_moved(n);
    if (n->master != NULL)
        krbrepl__master_looked(n, &before);
    if (n->replica != NULL)
        krbrepl__replica_looked(n);
    if (n->feed != NULL)
        krbrepl__feed_looked(n);
    return 0;
}

static void on_upkeep(void *ctx)
{
    krbrepl_node *n = ctx;
    int rc = 0, slots;

    /* Peers come first: while they have work, tidying up waits. Not for ever, for without it the file grows. */
    if (krbrepl__list_empty(&n->run) || ++n->upkeep_waits >= UPKEEP_WAITS) {
        n->upkeep_waits = 0;
        rc = krbrepl__store_upkeep(n->store);
    } else {
        rc = 1;
    }
    /* A store that was master once may still remember replicas. */
    if (rc == 0 || rc == KRBREPL_ERR_HOST) {
        slots = krbrepl__store_slots_expire(n->store, krbrepl__slot_may_expire, n);
        rc = slots != 0 ? slots : rc;
    }
    if (rc < 0)
        krbrepl__logf(&n->log, KRBREPL_LOG_WARN, "store",
                      "tidying the store up failed (%s); it is tried again within a second",
                      krbrepl__store_ei(n->store)->text);
    if (rc == 1)
        krbrepl__timer_set(&n->timers, &n->upkeep, n->now + UPKEEP_MS);
}

static void on_tick(void *ctx)
{
    krbrepl_node *n = ctx;

    krbrepl__timer_set(&n->timers, &n->tick, n->now + KRBREPL__TICK_MS);
    krbrepl__node_check_store(n);
    if (n->ended != 0)
        return;
    krbrepl__node_look(n);
    if (n->ended != 0)
        return;
    if (n->master != NULL)
        krbrepl__master_tick(n);
    if (n->replica != NULL)
        krbrepl__replica_tick(n);
    if (n->feed != NULL)
        krbrepl__feed_tick(n);
    krbrepl__proof_tick(n);
    if (n->upkeep.slot == 0)
        krbrepl__timer_set(&n->timers, &n->upkeep, n->now);
}

/* ---- what wakes the node -------------------------------------------------------------------- */

static void on_wake(void *ctx, unsigned ready)
{
    krbrepl_node *n = ctx;

    (void)ready;
    krbrepl__wakefd_clear(&n->wake);
    atomic_store(&n->wants_wake, 1);
}

/* The datagrams say that it is worth looking, no more, or which record somebody has found altered. */
static void on_hint(void *ctx, unsigned ready)
{
    krbrepl_node *n = ctx;
    char hint[1 + KRBREPL__CKEY_MAX];
    ssize_t got;
    int i;

    (void)ready;
    for (i = 0; i < 1024; i++) {
        got = recv(n->wake_sock, hint, sizeof hint, MSG_DONTWAIT);
        if (got < 0)
            break;
        if (got > 1 && hint[0] == KRBREPL__HINT_DAMAGE)
            krbrepl__proof_suspect(n, hint + 1, (size_t)got - 1);
    }
    krbrepl__node_look(n);
}

static void on_jobs(void *ctx, unsigned ready)
{
    krbrepl_node *n = ctx;
    void *owner;
    krbrepl__job *j;
    int i;

    (void)ready;
    for (i = 0; i < TURN_JOBS && krbrepl__pool_done(n->pool, &owner, &j); i++) {
        const krbrepl__waiter *w = owner;

        w->done(w->ctx, j);
    }
}

/* ---- birth ---------------------------------------------------------------------------------- */

static int init_lock(krbrepl_node *n)
{
    pthread_mutexattr_t attr;
    int rc;

    if (pthread_mutexattr_init(&attr) != 0)
        return KRBREPL_ERR_NOMEM;
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    rc = pthread_mutex_init(&n->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    return rc == 0 ? 0 : KRBREPL_ERR_NOMEM;
}

static int own_name(krbrepl_node *n, const char *name)
{
    char host[256] = "";

    if (name == NULL && (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0'))
        snprintf(host, sizeof host, "unnamed");
    n->name = krbrepl__strdup(name != NULL ? name : host);
    return n->name != NULL ? 0 : KRBREPL_ERR_NOMEM;
}

static void fill(krbrepl_node *n, const krbrepl_config *cfg, const krbrepl_events *events)
{
    n->pid = getpid();
    n->host_store = cfg->store;
    n->events = *events;
    n->events_ctx = cfg->events_ctx;
    n->sys = krbrepl__sys_default();
    n->log.fn = events->log;
    n->log.ctx = cfg->events_ctx;
    n->log.level = cfg->log_level != 0 ? (int)cfg->log_level : KRBREPL_LOG_INFO;
    n->wake.rd = n->wake.wr = n->wake_sock = -1;
    n->tick.fn = on_tick;
    n->upkeep.fn = on_upkeep;
    n->tick.ctx = n->upkeep.ctx = n;
    krbrepl__list_init(&n->conns);
    krbrepl__list_init(&n->run);
    krbrepl__list_init(&n->heard);
    krbrepl__recent_init(&n->recent);
    krbrepl__list_init(&n->dead);
    krbrepl__errinfo_clear(&n->ei);
}

int krbrepl__node_new_on(krbrepl_node **out, const krbrepl_config *cfg, const krbrepl_events *events,
                         int poller_kind, krbrepl_errinfo *ei)
{
    krbrepl_node *n = krbrepl__alloc(sizeof *n);
    int rc;

    *out = NULL;
    if (n == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    rc = init_lock(n);
    if (rc != 0) {
        krbrepl__free(n, sizeof *n);
        return krbrepl__fail_plain(ei, rc);
    }
    fill(n, cfg, events);
    rc = own_name(n, cfg->name);
    if (rc != 0)
        krbrepl__fail_plain(ei, rc);
    if (rc == 0)
        rc = krbrepl__poller_new(&n->poller, poller_kind, ei);
    if (rc == 0)
        rc = krbrepl__wakefd_open(&n->wake, ei);
    if (rc == 0) {
        rc = krbrepl__poller_add(n->poller, &n->wake_watch, n->wake.rd, KRBREPL__READ, on_wake, n);
        if (rc != 0)
            krbrepl__fail_plain(ei, rc);
    }
    if (rc != 0)
        krbrepl__node_free(n);
    else
        *out = n;
    return rc;
}

int krbrepl__node_new(krbrepl_node **out, const krbrepl_config *cfg, const krbrepl_events *events,
                      krbrepl_errinfo *ei)
{
    return krbrepl__node_new_on(out, cfg, events, KRBREPL__POLLER_BEST, ei);
}

/* ---- start ---------------------------------------------------------------------------------- */

static int open_store(krbrepl_node *n)
{
    krbrepl_errinfo ei;
    int rc;

    krbrepl__errinfo_clear(&ei);
    if (krbrepl__store_forked(n->host_store))
        return krbrepl__fail(
            &n->ei, KRBREPL_ERR_FORKED,
            "node: the store was opened by another process; open it again in this one");
    rc = krbrepl__store_dup(n->host_store, &n->store, &ei);
    if (rc != 0)
        return krbrepl__node_fail_from(n, &ei);
    n->info.size = sizeof n->info;
    rc = krbrepl__store_node_lock(n->store);
    if (rc == 0) {
        n->locked = 1;
        rc = krbrepl__store_info(n->store, &n->info);
    }
    /* Else each session would end with the first copy, or the first commit. */
    if (rc == 0)
        rc = krbrepl__store_reaches(n->store);
    return rc == 0 ? 0 : krbrepl__node_fail_from(n, krbrepl__store_ei(n->store));
}

/* One node per store, and of the right role. */
static int check_role(krbrepl_node *n, int master_side)
{
    const char *dir = krbrepl_store_dir(n->store);

    if (master_side == KRBREPL__FED && n->info.role == KRBREPL_ROLE_UNSET)
        return 0;
    if (master_side && n->info.role != KRBREPL_ROLE_MASTER)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_STATE,
                             "node: the store in %s is %s, not master; if it shall be the master, run "
                             "`krbrepl promote %s`, else start a replica on it",
                             dir, krbrepl_role_name(n->info.role), dir);
    if (!master_side && n->info.role == KRBREPL_ROLE_MASTER)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_STATE,
                             "node: the store in %s is master and follows nobody; if it shall be a "
                             "replica, run `krbrepl demote %s`, else start a master on it",
                             dir, dir);
    return 0;
}

static int open_hint_socket(krbrepl_node *n)
{
    int rc = krbrepl__usock_bind(krbrepl__store_dirfd(n->store), KRBREPL__WAKE_SOCKET, SOCK_DGRAM,
                                 &n->wake_sock, &n->ei);

    if (rc != 0)
        return rc;
    rc = krbrepl__poller_add(n->poller, &n->wake_sock_watch, n->wake_sock, KRBREPL__READ, on_hint, n);
    return rc == 0 ? 0 : krbrepl__fail_plain(&n->ei, rc);
}

static int open_pool(krbrepl_node *n)
{
    int rc = krbrepl__pool_new(&n->pool, QUEUE_MAX, &n->ei);

    if (rc != 0)
        return rc;
    rc = krbrepl__poller_add(n->poller, &n->pool_watch, krbrepl__pool_fd(n->pool), KRBREPL__READ,
                             on_jobs, n);
    return rc == 0 ? 0 : krbrepl__fail_plain(&n->ei, rc);
}

int krbrepl__node_begin(krbrepl_node *n, int master_side)
{
    int rc;

    if (n->running || n->driven)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_STATE,
                             "node: it is running already; call krbrepl_node_stop first");
    krbrepl__errinfo_clear(&n->ei);
    krbrepl__node_now(n);
    n->master_side = master_side;
    n->started_us = n->sys->wall_us(n->sys->ctx);
    n->ended = n->last_err = n->look_failed = 0;
    n->last_error[0] = '\0';
    memset(&n->count, 0, sizeof n->count);
    atomic_store(&n->wants_quit, 0);
    rc = open_store(n);
    if (rc == 0)
        rc = check_role(n, master_side);
    if (rc == 0 && krbrepl__timers_reserve(&n->timers, 256) != 0)
        rc = krbrepl__fail_plain(&n->ei, KRBREPL_ERR_NOMEM);
    if (rc == 0)
        rc = krbrepl__sec_new(&n->sec, &n->ei);
    if (rc == 0)
        rc = open_pool(n);
    if (rc == 0)
        rc = open_hint_socket(n);
    if (rc == 0)
        rc = krbrepl__control_open(n);
    if (rc == 0)
        rc = krbrepl__proof_start(n);
    if (rc != 0) {
        krbrepl__node_end(n);
        return rc;
    }
    n->running = 1;
    krbrepl__timer_set(&n->timers, &n->tick, n->now);
    return 0;
}

/* ---- stop ----------------------------------------------------------------------------------- */

static void say_goodbye(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        krbrepl__conn_close(c, 0, n->ended != 0 ? n->last_error : "this node is being stopped");
        krbrepl__conn_kill(c);
    }
    krbrepl__conn_reap(n);
}

static void close_store(krbrepl_node *n)
{
    if (n->store == NULL)
        return;
    if (n->locked)
        krbrepl__store_node_unlock(n->store);
    n->locked = 0;
    krbrepl_store_close(n->store);
    n->store = NULL;
}

void krbrepl__node_end(krbrepl_node *n)
{
    n->stopping = 1;
    say_goodbye(n);
    krbrepl__feed_stop(n);
    krbrepl__master_stop(n);
    krbrepl__replica_stop(n);
    krbrepl__control_close(n);
    krbrepl__poller_del(n->poller, &n->wake_sock_watch);
    if (n->wake_sock >= 0)
        krbrepl__usock_unbind(krbrepl__store_dirfd(n->store), KRBREPL__WAKE_SOCKET, n->wake_sock);
    n->wake_sock = -1;
    krbrepl__timer_unset(&n->timers, &n->tick);
    krbrepl__timer_unset(&n->timers, &n->upkeep);
    krbrepl__poller_del(n->poller, &n->pool_watch);
    krbrepl__pool_stop(n->pool);
    n->pool = NULL;
    if (n->sec != NULL)
        krbrepl__sec_free(n->sec);
    n->sec = NULL;
    krbrepl__proof_stop(n);
    close_store(n);
    n->running = n->stopping = 0;
}

static void free_rest(krbrepl_node *n)
{
    krbrepl__wakefd_close(&n->wake);
    krbrepl__poller_free(n->poller);
    krbrepl__timers_free(&n->timers);
    krbrepl__strfree(n->name);
    krbrepl__free(n, sizeof *n);
}

void krbrepl__node_free(krbrepl_node *n)
{
    if (n == NULL)
        return;
    /* A thread that has ended by itself is still to be joined: it may be on its last steps in here. */
    if ((n->running || n->driven) && krbrepl__node_stop(n) != 0)
        return; /* another thread is at work in it */
    if (n->poller != NULL)
        krbrepl__poller_del(n->poller, &n->wake_watch);
    pthread_mutex_destroy(&n->lock);
    free_rest(n);
}

/* A child has copies of the descriptors and of the memory, and none of the threads. What the sessions hold
 * of the store and of OpenSSL is the parent's work under way: it is not even freed. Where a thread was
 * at work in the parent, no memory is touched, for it may be in any state. */
void krbrepl__node_free_forked(krbrepl_node *n)
{
    if (n == NULL || n->driven)
        return;
    krbrepl__conn_forget_all(n);
    krbrepl__master_forget(n);
    krbrepl__replica_forget(n);
    krbrepl__feed_forget(n);
    krbrepl__control_forget(n);
    krbrepl__proof_forget(n);
    if (n->wake_sock >= 0)
        close(n->wake_sock);
    krbrepl__pool_forget(n->pool);
    krbrepl_store_close(n->store);
    free_rest(n);
}
