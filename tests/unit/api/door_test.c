/* Handles where they are not to be used: none at all, a child's, another thread's, from inside a callback. One
 * table (calls.c) says what each function answers then, and each is called in each of these places. */
#include "calls.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keytab.h"

/* ---- rigs ----------------------------------------------------------------------------------- */

/* What runs in the callback of a handle; answers what it found wrong. */
static const call *in_callback;
static rig *callback_rig;
static int callback_answer, callbacks;

static void call_inside(void)
{
    if (in_callback == NULL || callbacks++ > 0)
        return;
    callback_answer = in_callback->go(callback_rig);
}

static void on_progress(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)phase;
    (void)done;
    (void)total;
    call_inside();
}

static void on_state(void *ctx, uint64_t was, uint64_t is, int err)
{
    (void)ctx;
    (void)was;
    (void)is;
    (void)err;
    call_inside();
}

static void fill(krbrepl_store *s)
{
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("a"), BYTES("0")), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("b"), BYTES("0")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_local_put(s, "principal", BYTES("a"), BYTES("L")), 0);
}

static void open_node(rig *r)
{
    krbrepl_config cfg;
    krbrepl_events ev;

    KRBREPL_INIT(&cfg);
    KRBREPL_INIT(&ev);
    ev.state = on_state;
    cfg.store = r->s;
    cfg.events = &ev;
    assert_int_equal(krbrepl_node_new(&r->n, &cfg, NULL), 0);
}

static int start(rig *r)
{
    krbrepl_master_options o;

    KRBREPL_INIT(&o);
    o.listen = "127.0.0.1:0";
    o.service = TEST_SERVICE;
    o.keytab = r->keytab;
    return krbrepl_master_start(r->n, &o);
}

/* A store with the handles of `kinds` open on it. */
static void rig_open(rig *r, const char *kinds)
{
    krbrepl_create_options o;
    krbrepl_load_options lo;

    memset(r, 0, sizeof *r);
    in_callback = NULL;
    snprintf(r->top, sizeof r->top, "/tmp/krbrepl-door-XXXXXX");
    assert_non_null(mkdtemp(r->top));
    snprintf(r->dir, sizeof r->dir, "%s/store", r->top);
    snprintf(r->keytab, sizeof r->keytab, "%s/keytab", r->top);
    write_keytab(r->keytab);
    KRBREPL_INIT(&o);
    o.flags = KRBREPL_CREATE_MASTER;
    assert_int_equal(krbrepl_store_create(r->dir, &o, NULL), 0);
    assert_int_equal(krbrepl_store_open(&r->s, r->dir, NULL, NULL), 0);
    fill(r->s);
    KRBREPL_INIT(&lo);
    lo.progress = on_progress;
    if (strchr(kinds, 'l') != NULL)
        assert_int_equal(krbrepl_load_begin(r->s, &r->l, &lo), 0);
    if (strchr(kinds, 'v') != NULL)
        assert_int_equal(krbrepl_view_open(r->s, &r->v), 0);
    if (strchr(kinds, 'n') != NULL)
        open_node(r);
    if (strchr(kinds, 't') != NULL)
        assert_int_equal(krbrepl_txn_begin(r->s, &r->t, NULL), 0);
}

/* Everything that is open works as if nothing had happened, and is closed. */
static void rig_close(rig *r)
{
    krbrepl_bytes got;
    char cmd[128];

    if (r->t != NULL) {
        assert_int_equal(krbrepl_txn_put(r->t, "principal", BYTES("c"), BYTES("2")), 0);
        assert_int_equal(krbrepl_txn_commit(r->t, NULL), 0);
    }
    if (r->v != NULL)
        assert_int_equal(krbrepl_view_get(r->v, "principal", BYTES("b"), &got), 0);
    krbrepl_view_close(r->v);
    if (r->l != NULL)
        assert_int_equal(krbrepl_load_put(r->l, "principal", BYTES("d"), BYTES("3")), 0);
    krbrepl_load_abort(r->l);
    if (r->n != NULL)
        assert_int_equal(krbrepl_node_stop(r->n), 0);
    krbrepl_node_free(r->n);
    krbrepl_store_close(r->s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", r->top);
    assert_int_equal(system(cmd), 0);
}

static const char *kind_of(const call *c)
{
    static char kind[2];

    kind[0] = c->kind;
    return kind;
}

static void expect(const call *c, int want, int got, const char *where)
{
    if (want == ANY ? got != KRBREPL_ERR_STATE && got != KRBREPL_ERR_FORKED : got == want)
        return;
    fail_msg("%s, %s: %s (%d), not %s (%d)", c->name, where, krbrepl_err_name(got), got,
             krbrepl_err_name(want), want);
}

/* ---- the table ------------------------------------------------------------------------------- */

static const char *const public_names[] = {
#define KRBREPL_WITH_HANDLE(function, handle) #function,
#include "handles.inc"
#undef KRBREPL_WITH_HANDLE
};

static int in_table(const char *name)
{
    size_t i;

    for (i = 0; i < ncalls; i++)
        if (strcmp(calls[i].name, name) == 0)
            return 1;
    return 0;
}

static void every_public_function_with_a_handle_is_in_the_table(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < sizeof public_names / sizeof public_names[0]; i++)
        if (!in_table(public_names[i]))
            fail_msg("%s takes a handle: give it a row in tests/unit/api/calls.c", public_names[i]);
    assert_int_equal(ncalls, sizeof public_names / sizeof public_names[0]);
}

/* ---- no handle ------------------------------------------------------------------------------- */

static void no_handle_is_an_invalid_argument_and_nothing_to_free(void **state)
{
    rig none;
    size_t i;

    (void)state;
    memset(&none, 0, sizeof none);
    for (i = 0; i < ncalls; i++)
        expect(&calls[i], calls[i].null, calls[i].go(&none), "without a handle");
}

/* ---- children -------------------------------------------------------------------------------- */

static int in_child(const call *c, rig *r)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(-c->go(r) & 0xff);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("%s: the child was killed by signal %d", c->name, WTERMSIG(status));
    return -WEXITSTATUS(status);
}

static void a_child_is_told_so_by_every_function_and_hurts_nothing(void **state)
{
    rig r;
    size_t i;

    (void)state;
    rig_open(&r, "tvln");
    assert_int_equal(start(&r), 0);
    for (i = 0; i < ncalls; i++)
        expect(&calls[i], calls[i].forked, in_child(&calls[i], &r), "in a child");
    assert_int_equal(krbrepl_node_process(r.n), 0);
    rig_close(&r);
}

/* ---- other threads --------------------------------------------------------------------------- */

/* A thread that stays inside of the handle until it is let out. */
typedef struct guest {
    rig *r;
    sem_t in, out;
    int rc;
    pthread_t thread;
} guest;

static int stay(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    guest *g = ctx;

    (void)table;
    (void)key;
    (void)value;
    sem_post(&g->in);
    while (sem_wait(&g->out) != 0)
        ;
    return 7; /* ends the walk */
}

static void *walk(void *arg)
{
    guest *g = arg;

    g->rc = krbrepl_view_each(g->r->v, NULL, NULL, NULL, 0, stay, g);
    return NULL;
}

static void guest_enters(guest *g, rig *r, void *(*what)(void *))
{
    g->r = r;
    assert_int_equal(sem_init(&g->in, 0, 0), 0);
    assert_int_equal(sem_init(&g->out, 0, 0), 0);
    assert_int_equal(pthread_create(&g->thread, NULL, what, g), 0);
    while (sem_wait(&g->in) != 0)
        ;
}

static void guest_leaves(guest *g)
{
    sem_post(&g->out);
    assert_int_equal(pthread_join(g->thread, NULL), 0);
    sem_destroy(&g->in);
    sem_destroy(&g->out);
}

static void while_another_thread_is_inside_of_a_store_nobody_else_gets_in(void **state)
{
    guest g;
    rig r;
    size_t i;

    (void)state;
    rig_open(&r, "tvl");
    guest_enters(&g, &r, walk);
    for (i = 0; i < ncalls; i++)
        if (calls[i].kind != 'n' && strcmp(calls[i].name, "krbrepl_txn_abort") != 0)
            expect(&calls[i], calls[i].crossed, calls[i].go(&r), "while another thread is inside");
    guest_leaves(&g);
    assert_int_equal(g.rc, 7);
    rig_close(&r);
}

/* Its own thread must always be able to give the writer lock back. */
static void a_transaction_is_aborted_whoever_is_inside_of_the_store(void **state)
{
    krbrepl_txn *t;
    guest g;
    rig r;

    (void)state;
    rig_open(&r, "tv");
    guest_enters(&g, &r, walk);
    krbrepl_txn_abort(r.t);
    guest_leaves(&g);
    assert_int_equal(krbrepl_txn_begin(r.s, &t, NULL), 0);
    r.t = t;
    rig_close(&r);
}

struct errand {
    const call *c;
    rig *r;
    int rc;
};

static void *run_errand(void *arg)
{
    struct errand *e = arg;

    e->rc = e->c->go(e->r);
    return NULL;
}

static void a_transaction_stays_with_the_thread_that_began_it(void **state)
{
    pthread_t thread;
    rig r;
    size_t i;

    (void)state;
    rig_open(&r, "t");
    for (i = 0; i < ncalls; i++) {
        struct errand e = {&calls[i], &r, 0};

        if (calls[i].kind != 't')
            continue;
        assert_int_equal(pthread_create(&thread, NULL, run_errand, &e), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        expect(&calls[i], calls[i].crossed, e.rc, "in another thread than its own");
    }
    rig_close(&r);
}

/* A program that forgets to abort, and closes: its transaction would go on in memory that is gone. */
static void a_store_stays_open_while_something_of_it_is(void **state)
{
    static const char *const kinds[] = {"t", "v", "l"};
    size_t i;
    rig r;

    (void)state;
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        rig_open(&r, kinds[i]);
        krbrepl_store_close(r.s);
        rig_close(&r);
    }
}

static void what_must_be_given_and_is_not_is_told(void **state)
{
    krbrepl_errinfo ei;
    rig r;

    (void)state;
    rig_open(&r, "");
    KRBREPL_INIT(&ei);
    assert_int_equal(krbrepl_view_open(r.s, NULL), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_store_errinfo(r.s, &ei), 0);
    assert_non_null(strstr(ei.text, "NULL"));
    rig_close(&r);
}

static void *drive(void *arg)
{
    guest *g = arg;

    sem_post(&g->in);
    g->rc = krbrepl_node_run(g->r->n);
    return NULL;
}

/* Until the other thread has the node. */
static void until_driven(rig *r)
{
    while (krbrepl_node_process(r->n) == 0)
        usleep(1000);
}

static void a_node_that_another_thread_drives_can_be_asked_and_woken_only(void **state)
{
    guest g;
    rig r;
    size_t i;

    (void)state;
    rig_open(&r, "n");
    assert_int_equal(start(&r), 0);
    guest_enters(&g, &r, drive);
    until_driven(&r);
    for (i = 0; i < ncalls; i++)
        if (calls[i].kind == 'n' && strcmp(calls[i].name, "krbrepl_node_quit") != 0)
            expect(&calls[i], calls[i].crossed, calls[i].go(&r), "while another thread drives it");
    assert_int_equal(krbrepl_node_quit(r.n), 0);
    guest_leaves(&g);
    assert_int_equal(g.rc, 0);
    rig_close(&r);
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static int from_walk(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    (void)ctx;
    (void)table;
    (void)key;
    (void)value;
    call_inside();
    return 0;
}

/* Makes the handle of this kind call back. */
static void call_back(rig *r, char kind)
{
    char key[16];
    int i;

    if (kind == 'n') {
        assert_int_equal(start(r), 0);
        return;
    }
    for (i = 0; kind == 'l' && i < 1000; i++) {
        krbrepl_bytes k = {key, (size_t)snprintf(key, sizeof key, "%d", i)};

        assert_int_equal(krbrepl_load_put(r->l, "principal", k, k), 0);
    }
    if (kind != 'l')
        assert_int_equal(krbrepl_view_each(r->v, NULL, NULL, NULL, 0, from_walk, NULL), 0);
}

static void a_callback_cannot_pull_the_ground_from_under_its_handle(void **state)
{
    size_t i;
    rig r;

    (void)state;
    for (i = 0; i < ncalls; i++) {
        const call *c = &calls[i];

        rig_open(&r, c->kind == 's' || c->kind == 't' ? (c->kind == 's' ? "v" : "tv") : kind_of(c));
        callback_rig = &r;
        in_callback = c;
        callbacks = 0;
        call_back(&r, c->kind);
        in_callback = NULL;
        assert_true(callbacks > 0);
        expect(c, c->inside, callback_answer, "from inside a callback");
        /* A transaction has no callbacks, so there it worked. */
        if (c->kind == 't' && c->ends)
            r.t = NULL;
        else if (c->kind == 't' && c->inside != 0) {
            krbrepl_txn_abort(r.t);
            r.t = NULL;
        }
        rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_function_with_a_handle_is_in_the_table),
        cmocka_unit_test(no_handle_is_an_invalid_argument_and_nothing_to_free),
        cmocka_unit_test(a_child_is_told_so_by_every_function_and_hurts_nothing),
        cmocka_unit_test(while_another_thread_is_inside_of_a_store_nobody_else_gets_in),
        cmocka_unit_test(a_transaction_is_aborted_whoever_is_inside_of_the_store),
        cmocka_unit_test(a_transaction_stays_with_the_thread_that_began_it),
        cmocka_unit_test(a_store_stays_open_while_something_of_it_is),
        cmocka_unit_test(what_must_be_given_and_is_not_is_told),
        cmocka_unit_test(a_node_that_another_thread_drives_can_be_asked_and_woken_only),
        cmocka_unit_test(a_callback_cannot_pull_the_ground_from_under_its_handle),
    };

    return cmocka_run_group_tests_name("door", tests, NULL, NULL);
}
