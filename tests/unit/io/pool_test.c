#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "lookup.h"
#include "pool.h"

/* A job that blocks until the gate opens. */
typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int open;
} gate;

static gate the_gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
static atomic_int running, freed, signals_blocked;

static void set_gate(int open)
{
    pthread_mutex_lock(&the_gate.lock);
    the_gate.open = open;
    pthread_cond_broadcast(&the_gate.changed);
    pthread_mutex_unlock(&the_gate.lock);
}

static void run_stuck(krbrepl__job *j)
{
    sigset_t now;

    (void)j;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    atomic_store(&signals_blocked, sigismember(&now, SIGTERM) && sigismember(&now, SIGHUP));
    atomic_fetch_add(&running, 1);
    pthread_mutex_lock(&the_gate.lock);
    while (!the_gate.open)
        pthread_cond_wait(&the_gate.changed, &the_gate.lock);
    pthread_mutex_unlock(&the_gate.lock);
}

static void run_quick(krbrepl__job *j)
{
    (void)j;
}

static void free_job(krbrepl__job *j)
{
    atomic_fetch_add(&freed, 1);
    free(j);
}

static krbrepl__job *job(void (*run)(krbrepl__job *))
{
    krbrepl__job *j = calloc(1, sizeof *j);

    j->run = run;
    j->free = free_job;
    return j;
}

static void await(atomic_int *what, int at_least)
{
    while (atomic_load(what) < at_least)
        sched_yield();
}

static krbrepl__pool *make(size_t max)
{
    krbrepl__pool *p;

    atomic_store(&running, 0);
    atomic_store(&freed, 0);
    set_gate(0);
    assert_int_equal(krbrepl__pool_new(&p, max, NULL), 0);
    return p;
}

static krbrepl__task *submit(krbrepl__pool *p, int queue, void (*run)(krbrepl__job *), void *owner)
{
    krbrepl__task *t;

    assert_int_equal(krbrepl__pool_submit(p, queue, job(run), owner, &t), 0);
    return t;
}

static void *next_done(krbrepl__pool *p)
{
    struct pollfd pfd = {krbrepl__pool_fd(p), POLLIN, 0};
    krbrepl__job *j;
    void *owner;

    while (!krbrepl__pool_done(p, &owner, &j))
        poll(&pfd, 1, -1);
    j->free(j);
    return owner;
}

static void a_job_that_is_done_comes_back_to_its_owner(void **state)
{
    krbrepl__pool *p = make(10);
    int a, b;

    (void)state;
    submit(p, KRBREPL__QUEUE_ACCEPTOR, run_quick, &a);
    assert_ptr_equal(next_done(p), &a);
    submit(p, KRBREPL__QUEUE_NAMES, run_quick, &b);
    assert_ptr_equal(next_done(p), &b);
    assert_int_equal(atomic_load(&freed), 2);
    krbrepl__pool_stop(p);
}

static void stuck_initiators_do_not_hold_up_acceptors_or_look_ups(void **state)
{
    krbrepl__pool *p = make(100);
    int a, b, stuck, i;

    (void)state;
    for (i = 0; i < 10; i++)
        submit(p, KRBREPL__QUEUE_INITIATOR, run_stuck, &stuck);
    await(&running, KRBREPL__QUEUE_THREADS);
    submit(p, KRBREPL__QUEUE_ACCEPTOR, run_quick, &a);
    assert_ptr_equal(next_done(p), &a);
    submit(p, KRBREPL__QUEUE_NAMES, run_quick, &b);
    assert_ptr_equal(next_done(p), &b);
    set_gate(1);
    krbrepl__pool_stop(p);
    await(&freed, 12);
}

static void stopping_does_not_wait_for_a_stuck_job(void **state)
{
    krbrepl__pool *p = make(100);
    int owner;

    (void)state;
    submit(p, KRBREPL__QUEUE_INITIATOR, run_stuck, &owner);
    submit(p, KRBREPL__QUEUE_INITIATOR, run_stuck, &owner);
    submit(p, KRBREPL__QUEUE_INITIATOR, run_stuck, &owner);
    await(&running, 2);
    krbrepl__pool_stop(p);
    /* The one that waited is gone; those that run are freed by their threads. */
    assert_int_equal(atomic_load(&freed), 1);
    set_gate(1);
    await(&freed, 3);
}

static void an_abandoned_job_is_freed_wherever_it_was(void **state)
{
    krbrepl__pool *p = make(100);
    krbrepl__task *t[3];
    int owner;

    (void)state;
    t[0] = submit(p, KRBREPL__QUEUE_NAMES, run_stuck, &owner);
    t[1] = submit(p, KRBREPL__QUEUE_NAMES, run_stuck, &owner);
    t[2] = submit(p, KRBREPL__QUEUE_NAMES, run_stuck, &owner);
    await(&running, 2);
    krbrepl__pool_abandon(p, t[2]);
    assert_int_equal(atomic_load(&freed), 1);
    krbrepl__pool_abandon(p, t[0]);
    assert_int_equal(atomic_load(&freed), 1);
    set_gate(1);
    await(&freed, 2);
    assert_ptr_equal(next_done(p), &owner);
    /* Done, and not taken yet. */
    t[0] = submit(p, KRBREPL__QUEUE_NAMES, run_quick, &owner);
    {
        struct pollfd pfd = {krbrepl__pool_fd(p), POLLIN, 0};

        assert_int_equal(poll(&pfd, 1, -1), 1);
    }
    krbrepl__pool_abandon(p, t[0]);
    assert_int_equal(atomic_load(&freed), 4);
    krbrepl__pool_stop(p);
}

static void a_full_queue_refuses_and_leaves_the_job_to_its_maker(void **state)
{
    krbrepl__pool *p = make(2);
    krbrepl__task *t;
    krbrepl__job *j;
    int owner;

    (void)state;
    submit(p, KRBREPL__QUEUE_ACCEPTOR, run_stuck, &owner);
    submit(p, KRBREPL__QUEUE_ACCEPTOR, run_stuck, &owner);
    await(&running, 2);
    submit(p, KRBREPL__QUEUE_ACCEPTOR, run_stuck, &owner);
    submit(p, KRBREPL__QUEUE_ACCEPTOR, run_stuck, &owner);
    j = job(run_quick);
    assert_int_equal(krbrepl__pool_submit(p, KRBREPL__QUEUE_ACCEPTOR, j, &owner, &t),
                     KRBREPL_ERR_LOCKED);
    assert_null(t);
    j->free(j);
    set_gate(1);
    krbrepl__pool_stop(p);
    await(&freed, 5);
}

static void signals_are_not_delivered_to_the_threads(void **state)
{
    krbrepl__pool *p = make(2);
    int owner;

    (void)state;
    set_gate(1);
    submit(p, KRBREPL__QUEUE_NAMES, run_stuck, &owner);
    next_done(p);
    assert_int_equal(atomic_load(&signals_blocked), 1);
    krbrepl__pool_stop(p);
}

static void a_look_up_gives_addresses_or_says_why_not(void **state)
{
    krbrepl__lookup *l = krbrepl__lookup_new("127.0.0.1", "2121");
    char text[KRBREPL__ADDR_TEXT];

    (void)state;
    l->job.run(&l->job);
    assert_int_equal(l->n, 1);
    krbrepl__addr_text(&l->addr[0], text);
    assert_string_equal(text, "127.0.0.1:2121");
    l->job.free(&l->job);
    /* No name server is asked: such a name is not well-formed. */
    l = krbrepl__lookup_new("127.0.0.1.2.3.4:5", "2121");
    l->job.run(&l->job);
    assert_int_equal(l->n, 0);
    assert_true(l->text[0] != '\0');
    l->job.free(&l->job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_that_is_done_comes_back_to_its_owner),
        cmocka_unit_test(stuck_initiators_do_not_hold_up_acceptors_or_look_ups),
        cmocka_unit_test(stopping_does_not_wait_for_a_stuck_job),
        cmocka_unit_test(an_abandoned_job_is_freed_wherever_it_was),
        cmocka_unit_test(a_full_queue_refuses_and_leaves_the_job_to_its_maker),
        cmocka_unit_test(signals_are_not_delivered_to_the_threads),
        cmocka_unit_test(a_look_up_gives_addresses_or_says_why_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
