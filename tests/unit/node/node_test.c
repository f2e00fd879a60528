/* The life of a node, and who may call what. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keytab.h"
#include "nodeops.h"
#include "poller.h"
#include "site.h"
#include "store.h"

/* ---- stores and nodes ----------------------------------------------------------------------- */

typedef struct bench {
    site at;
    krbrepl_events ev;
    krbrepl_errinfo ei;
    int inside[8]; /* what calls from inside of a callback answered */
    atomic_int states;
    uint64_t last_state;
    int lines; /* in the log */
} bench;

static void count_lines(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    bench *b = ctx;

    (void)area;
    (void)msg;
    b->lines += level == KRBREPL_LOG_ERROR && len > 0;
}

static void make_store_of(bench *b, uint64_t flags)
{
    memset(b, 0, sizeof *b);
    site_make(&b->at, flags);
    site_open(&b->at, NULL);
}

static void make_store(bench *b, int master)
{
    make_store_of(b, master ? KRBREPL_CREATE_MASTER : 0);
}

static void make_node(bench *b)
{
    site_node(&b->at, b->ev.size != 0 ? &b->ev : NULL, b);
}

static void drop(bench *b)
{
    assert_int_equal(site_drop(&b->at), 0);
}

static int start_master(bench *b)
{
    krbrepl_master_options o;
    int rc;

    site_master_options(&b->at, &o);
    rc = krbrepl_master_start(b->at.n, &o);
    b->ei.size = sizeof b->ei;
    assert_int_equal(krbrepl_node_errinfo(b->at.n, &b->ei), 0);
    return rc;
}

/* Follows a port at which nobody listens. */
static int start_replica(bench *b)
{
    krbrepl_replica_options o;
    int rc;

    KRBREPL_INIT(&o);
    o.master = "127.0.0.1:1";
    rc = krbrepl_replica_start(b->at.n, &o);
    b->ei.size = sizeof b->ei;
    assert_int_equal(krbrepl_node_errinfo(b->at.n, &b->ei), 0);
    return rc;
}

static int bounded(int *turns)
{
    struct timespec ts = {0, 5000000};

    nanosleep(&ts, NULL);
    return ++*turns < 12000;
}

static int exists(const bench *b, const char *name, mode_t *mode)
{
    char path[160];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s", b->at.dir, name);
    if (stat(path, &st) != 0)
        return 0;
    *mode = st.st_mode & 0777;
    return S_ISSOCK(st.st_mode);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static void a_node_starts_and_stops_as_often_as_one_likes_in_either_role(void **state)
{
    bench b;
    mode_t mode;
    int i;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    for (i = 0; i < 3; i++) {
        assert_int_equal(start_master(&b), 0);
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
        assert_true(exists(&b, "node.sock", &mode));
        assert_int_equal(mode, 0600);
        assert_true(exists(&b, "wake.sock", &mode));
        assert_int_equal(mode, 0600);
        assert_int_equal(krbrepl_node_stop(b.at.n), 0);
        assert_false(exists(&b, "node.sock", &mode));
        assert_false(exists(&b, "wake.sock", &mode));
    }
    assert_int_equal(krbrepl_demote(b.at.s, NULL, NULL), 0);
    assert_int_equal(start_replica(&b), 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    assert_int_equal(krbrepl_node_stop(b.at.n), 0);
    assert_int_equal(krbrepl_node_stop(b.at.n), 0);
    drop(&b);
}

static void a_start_in_the_wrong_role_names_the_command_that_helps(void **state)
{
    bench b;

    (void)state;
    make_store(&b, 0);
    make_node(&b);
    assert_int_equal(start_master(&b), KRBREPL_ERR_STATE);
    assert_non_null(strstr(b.ei.text, "krbrepl promote"));
    assert_int_equal(krbrepl_promote(b.at.s, NULL, NULL), 0);
    assert_int_equal(start_replica(&b), KRBREPL_ERR_STATE);
    assert_non_null(strstr(b.ei.text, "krbrepl demote"));
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(start_master(&b), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    drop(&b);
}

static void no_node_starts_on_what_its_handle_cannot_reach(void **state)
{
    const uint64_t kept[] = {KRBREPL_CREATE_HOSTED, KRBREPL_CREATE_JOURNALED};
    const char *const names[] = {"host's database", "host's journal"};
    bench b;
    int i, master;

    (void)state;
    for (i = 0; i < 2; i++) {
        for (master = 0; master < 2; master++) {
            make_store_of(&b, kept[i] | (master ? KRBREPL_CREATE_MASTER : 0));
            make_node(&b);
            assert_int_equal(master ? start_master(&b) : start_replica(&b), KRBREPL_ERR_STATE);
            assert_non_null(strstr(b.ei.text, names[i]));
            drop(&b);
        }
    }
}

static void one_node_runs_on_a_store(void **state)
{
    bench b;
    krbrepl_node *first;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    first = b.at.n;
    make_node(&b);
    assert_int_equal(start_master(&b), KRBREPL_ERR_LOCKED);
    assert_int_equal(krbrepl_node_stop(first), 0);
    assert_int_equal(start_master(&b), 0);
    krbrepl_node_free(first);
    drop(&b);
}

static void an_address_that_is_none_or_is_taken_is_told(void **state)
{
    bench b;
    krbrepl_master_options o;
    char taken[64];
    krbrepl_node *first;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    site_master_options(&b.at, &o);
    o.listen = "kdc.example.com:2121";
    assert_int_equal(krbrepl_master_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    o.listen = "127.0.0.1:99999";
    assert_int_equal(krbrepl_master_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    assert_int_equal(start_master(&b), 0);
    snprintf(taken, sizeof taken, "127.0.0.1:%u", krbrepl__node_tcp_port(b.at.n));
    first = b.at.n;
    {
        bench other;

        make_store(&other, 1);
        make_node(&other);
        site_master_options(&other.at, &o);
        o.listen = taken;
        assert_int_equal(krbrepl_master_start(other.at.n, &o), KRBREPL_ERR_NET);
        /* Nothing of the failed start is left. */
        assert_int_equal(start_master(&other), 0);
        drop(&other);
    }
    assert_ptr_equal(first, b.at.n);
    drop(&b);
}

static void a_wildcard_listens_on_every_kind_of_address(void **state)
{
    bench b;
    krbrepl_master_options o;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    site_master_options(&b.at, &o);
    o.listen = "*:0, 127.0.0.1:0";
    assert_int_equal(krbrepl_master_start(b.at.n, &o), 0);
    assert_true(krbrepl__node_tcp_port(b.at.n) != 0);
    drop(&b);
}

static void options_of_a_newer_program_are_not_ignored(void **state)
{
    struct {
        krbrepl_master_options o;
        uint64_t newer;
    } o;
    bench b;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    memset(&o, 0, sizeof o);
    site_master_options(&b.at, &o.o);
    o.o.size = sizeof o;
    o.newer = 1;
    assert_int_equal(krbrepl_master_start(b.at.n, &o.o), KRBREPL_ERR_ABI);
    o.newer = 0;
    assert_int_equal(krbrepl_master_start(b.at.n, &o.o), 0);
    drop(&b);
}

/* What would fail at each connection fails the start, and no KDC is asked. */
static void a_master_without_a_usable_key_does_not_start(void **state)
{
    krbrepl_master_options o;
    bench b;

    (void)state;
    make_store(&b, 1);
    KRBREPL_INIT(&b.ev);
    b.ev.log = count_lines;
    make_node(&b);
    write_keytab_of(b.at.keytab, 23 /* arcfour-hmac */, 16);
    assert_int_equal(start_master(&b), KRBREPL_ERR_AUTH);
    assert_non_null(strstr(b.ei.text, "below the enctype floor"));
    assert_non_null(strstr(b.ei.text, TEST_SERVICE));
    write_keytab(b.at.keytab);
    site_master_options(&b.at, &o);
    o.service = "krbrepl/another@KRBREPL.TEST";
    assert_int_equal(krbrepl_master_start(b.at.n, &o), KRBREPL_ERR_AUTH);
    assert_int_equal(unlink(b.at.keytab), 0);
    assert_int_equal(start_master(&b), KRBREPL_ERR_AUTH);
    assert_non_null(strstr(b.ei.text, "no such keytab"));
    assert_non_null(strstr(b.ei.text, "ktadd"));
    assert_int_equal(b.lines, 3);
    write_keytab(b.at.keytab);
    assert_int_equal(start_master(&b), 0);
    drop(&b);
}

static void a_window_that_nothing_fits_in_is_refused_at_the_start(void **state)
{
    krbrepl_master_options o;
    bench b;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    site_master_options(&b.at, &o);
    o.window = 4095;
    assert_int_equal(krbrepl_master_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    o.window = UINT64_MAX;
    assert_int_equal(krbrepl_master_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    o.window = 4096;
    assert_int_equal(krbrepl_master_start(b.at.n, &o), 0);
    drop(&b);
}

/* ---- driving it ----------------------------------------------------------------------------- */

static void a_host_with_a_loop_needs_a_descriptor_and_a_timeout(void **state)
{
    bench b;
    struct pollfd p;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(krbrepl_node_process(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_timeout(b.at.n), -1);
    assert_int_equal(start_master(&b), 0);
    p.fd = krbrepl_node_fd(b.at.n);
    p.events = POLLIN;
    do {
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
    } while (poll(&p, 1, 0) == 1 || krbrepl_node_timeout(b.at.n) == 0);
    assert_true(krbrepl_node_timeout(b.at.n) > 0);
    assert_int_equal(krbrepl_node_wake(b.at.n), 0);
    assert_int_equal(poll(&p, 1, -1), 1);
    drop(&b);
}

static void on_quit(int sig);
static krbrepl_node *quit_me;

static void on_quit(int sig)
{
    (void)sig;
    krbrepl_node_quit(quit_me);
}

static void run_ends_on_quit_also_from_a_signal_handler(void **state)
{
    bench b;
    struct sigaction sa = {.sa_handler = on_quit}, old;
    timer_t timer;
    struct sigevent sev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec soon = {{0, 0}, {0, 20000000}};

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    quit_me = b.at.n;
    sigaction(SIGUSR1, &sa, &old);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &sev, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &soon, NULL), 0);
    assert_int_equal(krbrepl_node_run(b.at.n), 0);
    timer_delete(timer);
    sigaction(SIGUSR1, &old, NULL);
    /* It can be run again; a quit that came before counts. */
    assert_int_equal(krbrepl_node_quit(b.at.n), 0);
    assert_int_equal(krbrepl_node_run(b.at.n), 0);
    drop(&b);
}

static void a_spawned_node_is_asked_from_another_thread_and_stops(void **state)
{
    bench b;
    krbrepl_status st;
    uint64_t seq;
    int i;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(krbrepl_node_spawn(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_run(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_process(b.at.n), KRBREPL_ERR_STATE);
    for (i = 0; i < 50; i++) {
        seq = site_put(b.at.s, "x");
        KRBREPL_INIT(&st);
        assert_int_equal(krbrepl_node_status(b.at.n, &st), 0);
        assert_int_equal(st.pos.seq, seq);
        assert_int_equal(st.state, KRBREPL_STATE_SERVING);
    }
    assert_int_equal(krbrepl_node_stop(b.at.n), 0);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    drop(&b);
}

static void the_poll_twin_drives_a_node_as_well(void **state)
{
    bench b;
    krbrepl_config cfg;
    krbrepl_events ev;
    krbrepl_status st;
    krbrepl_errinfo ei = {.size = sizeof ei};

    (void)state;
    make_store(&b, 1);
    KRBREPL_INIT(&cfg);
    KRBREPL_INIT(&ev);
    cfg.store = b.at.s;
    assert_int_equal(krbrepl__node_new_on(&b.at.n, &cfg, &ev, KRBREPL__POLLER_POLL, NULL), 0);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_fd(b.at.n), -1);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    KRBREPL_INIT(&st);
    assert_int_equal(krbrepl_status_fetch(b.at.dir, 60000, &st, NULL, NULL, &ei), 0);
    assert_int_equal(st.state, KRBREPL_STATE_SERVING);
    drop(&b);
}

static void *run_it(void *arg)
{
    bench *b = arg;

    return (void *)(intptr_t)krbrepl_node_run(b->at.n);
}

static void a_node_that_a_thread_runs_is_no_other_thread_s_to_touch(void **state)
{
    int turns = 0, rc;
    pthread_t th;
    void *ran;
    bench b;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(pthread_create(&th, NULL, run_it, &b), 0);
    while ((rc = krbrepl_node_process(b.at.n)) == 0 && bounded(&turns))
        continue;
    assert_int_equal(rc, KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_run(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_spawn(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_node_stop(b.at.n), KRBREPL_ERR_STATE);
    b.ei.size = sizeof b.ei;
    assert_int_equal(krbrepl_node_errinfo(b.at.n, &b.ei), 0);
    assert_non_null(strstr(b.ei.text, "krbrepl_node_quit"));
    krbrepl_node_free(b.at.n);
    assert_int_equal(krbrepl_node_quit(b.at.n), 0);
    assert_int_equal(pthread_join(th, &ran), 0);
    assert_int_equal((intptr_t)ran, 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    assert_int_equal(krbrepl_node_stop(b.at.n), 0);
    drop(&b);
}

static pthread_key_t at_thread_end;
static atomic_int threads_ended;

static void end_slowly(void *ctx)
{
    struct timespec ts = {0, 100000000};

    (void)ctx;
    nanosleep(&ts, NULL);
    atomic_fetch_add(&threads_ended, 1);
}

static void mark_thread(void *ctx, uint64_t was, uint64_t is, int err)
{
    bench *b = ctx;

    (void)was;
    (void)err;
    if (is != KRBREPL_STATE_STOPPED)
        return;
    pthread_setspecific(at_thread_end, b);
    atomic_store(&b->states, 1);
}

static void a_thread_that_ended_by_itself_is_gone_when_its_node_is_freed(void **state)
{
    int turns = 0;
    bench b;

    (void)state;
    assert_int_equal(pthread_key_create(&at_thread_end, end_slowly), 0);
    make_store(&b, 1);
    KRBREPL_INIT(&b.ev);
    b.ev.state = mark_thread;
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    assert_int_equal(krbrepl_demote(b.at.s, NULL, NULL), 0);
    while (atomic_load(&b.states) == 0 && bounded(&turns))
        continue;
    krbrepl_node_free(b.at.n);
    b.at.n = NULL;
    assert_int_equal(atomic_load(&threads_ended), 1);
    drop(&b);
    pthread_key_delete(at_thread_end);
}

/* ---- other processes ------------------------------------------------------------------------ */

static void a_commit_of_another_process_wakes_the_node(void **state)
{
    bench b;
    struct pollfd p;
    krbrepl_store *s;
    pid_t child;
    int status;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    p.fd = krbrepl_node_fd(b.at.n);
    p.events = POLLIN;
    do {
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
    } while (poll(&p, 1, 0) == 1);
    child = fork();
    if (child == 0) {
        krbrepl_txn *t;
        krbrepl_bytes k = {"k", 1};

        if (krbrepl_store_open(&s, b.at.dir, NULL, NULL) != 0 || krbrepl_txn_begin(s, &t, NULL) != 0 ||
            krbrepl_txn_put(t, "principal", k, k) != 0 || krbrepl_txn_commit(t, NULL) != 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* Nobody has called process, so no timer of the node did this. */
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    drop(&b);
}

static void a_master_that_is_demoted_by_another_process_stops_by_itself(void **state)
{
    bench b;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_demote(b.at.s, NULL, NULL), 0);
    assert_int_equal(krbrepl_node_run(b.at.n), KRBREPL_ERR_NOT_MASTER);
    b.ei.size = sizeof b.ei;
    assert_int_equal(krbrepl_node_errinfo(b.at.n, &b.ei), 0);
    assert_non_null(strstr(b.ei.text, "demoted"));
    assert_int_equal(krbrepl_node_process(b.at.n), KRBREPL_ERR_STATE);
    assert_int_equal(start_replica(&b), 0);
    assert_int_equal(krbrepl_promote(b.at.s, NULL, NULL), 0);
    assert_int_equal(krbrepl_node_run(b.at.n), KRBREPL_ERR_STATE);
    drop(&b);
}

static void a_master_that_is_fenced_stops_by_itself(void **state)
{
    bench b;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl__store_learn_epoch(b.at.s, 9), 0);
    assert_int_equal(krbrepl_node_run(b.at.n), KRBREPL_ERR_FENCED);
    drop(&b);
}

/* Copies a file, into a new one or over the bytes of one that is there. */
static void copy_file(const char *from, const char *to)
{
    char buf[65536];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0600);
    ssize_t n;

    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof buf)) > 0)
        assert_int_equal(write(out, buf, (size_t)n), n);
    assert_int_equal(n, 0);
    close(in);
    close(out);
}

static void a_node_ends_when_another_database_is_put_in_the_place_of_its_own(void **state)
{
    char data[160], other[160];
    bench b;
    int master;

    (void)state;
    for (master = 0; master < 2; master++) {
        make_store(&b, master);
        make_node(&b);
        assert_int_equal(master ? start_master(&b) : start_replica(&b), 0);
        snprintf(data, sizeof data, "%s/data.mdb", b.at.dir);
        snprintf(other, sizeof other, "%s/other.mdb", b.at.top);
        copy_file(data, other);
        assert_int_equal(rename(other, data), 0);
        assert_int_equal(krbrepl_node_run(b.at.n), KRBREPL_ERR_CONFLICT);
        b.ei.size = sizeof b.ei;
        assert_int_equal(krbrepl_node_errinfo(b.at.n, &b.ei), 0);
        assert_non_null(strstr(b.ei.text, "another database was put in the place"));
        drop(&b);
    }
}

static void ends_with_another_history(bench *b)
{
    assert_int_equal(krbrepl_node_run(b->at.n), KRBREPL_ERR_CONFLICT);
    b->ei.size = sizeof b->ei;
    assert_int_equal(krbrepl_node_errinfo(b->at.n, &b->ei), 0);
    assert_non_null(strstr(b->ei.text, "the history of the store"));
}

static void a_master_ends_when_an_old_copy_is_written_over_its_file(void **state)
{
    char data[160], other[160];
    bench b;
    krbrepl_txn *t;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    site_put(b.at.s, "first");
    snprintf(data, sizeof data, "%s/data.mdb", b.at.dir);
    snprintf(other, sizeof other, "%s/other.mdb", b.at.top);
    copy_file(data, other);
    site_put(b.at.s, "two");
    site_put(b.at.s, "three");
    site_put(b.at.s, "four");
    assert_int_equal(start_master(&b), 0);
    copy_file(other, data);
    /* Nothing is written into a file that does not belong to its lock. */
    assert_int_equal(krbrepl_txn_begin(b.at.s, &t, NULL), KRBREPL_ERR_CONFLICT);
    ends_with_another_history(&b);
    drop(&b);
}

static void a_master_ends_when_its_history_becomes_another_one(void **state)
{
    char data[160], twin[96], twin_data[160];
    krbrepl_store *s;
    bench b;
    int more;

    (void)state;
    /* As long as its own, and longer. */
    for (more = 0; more < 2; more++) {
        make_store(&b, 1);
        make_node(&b);
        snprintf(data, sizeof data, "%s/data.mdb", b.at.dir);
        snprintf(twin, sizeof twin, "%s/twin", b.at.top);
        snprintf(twin_data, sizeof twin_data, "%s/data.mdb", twin);
        assert_int_equal(mkdir(twin, 0700), 0);
        copy_file(data, twin_data);
        assert_int_equal(krbrepl_store_open(&s, twin, NULL, NULL), 0);
        assert_int_equal(site_put(b.at.s, "one"), site_put(s, "another"));
        krbrepl_store_close(s);
        assert_int_equal(start_master(&b), 0);
        copy_file(twin_data, data);
        if (more)
            site_put(b.at.s, "and one more");
        ends_with_another_history(&b);
        drop(&b);
    }
}

static void a_node_goes_on_while_its_directory_is_somewhere_else(void **state)
{
    char moved[160];
    bench b;
    int turns = 0;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    snprintf(moved, sizeof moved, "%s/moved", b.at.top);
    assert_int_equal(rename(b.at.dir, moved), 0);
    while (turns < 400) {
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
        assert_true(bounded(&turns));
    }
    assert_int_equal(rename(moved, b.at.dir), 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    drop(&b);
}

/* Commits are not held up, the processor is not burnt, and there is a way back. */
static void a_node_without_descriptors_goes_on_and_accepts_later(void **state)
{
    bench b;
    krbrepl_status st;
    struct rlimit was, none;
    struct sockaddr_in sin = {.sin_family = AF_INET};
    int fd, turns = 0, i;

    (void)state;
    make_store(&b, 1);
    KRBREPL_INIT(&b.ev);
    b.ev.log = count_lines;
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sin.sin_port = htons((uint16_t)krbrepl__node_tcp_port(b.at.n));
    assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof sin), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    none = was;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    b.lines = 0;
    for (i = 0; i < 100; i++)
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    assert_true(b.lines >= 1 && b.lines < 10);
    do {
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
        KRBREPL_INIT(&st);
        assert_int_equal(krbrepl_node_status(b.at.n, &st), 0);
    } while (st.unauth == 0 && bounded(&turns));
    assert_int_equal(st.unauth, 1);
    close(fd);
    drop(&b);
}

static void a_child_can_only_free_its_copy_and_does_no_harm(void **state)
{
    bench b;
    krbrepl_status st;
    krbrepl_errinfo ei = {.size = sizeof ei};
    pid_t child;
    int status;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    child = fork();
    if (child == 0) {
        int bad = krbrepl_node_process(b.at.n) != KRBREPL_ERR_FORKED;

        KRBREPL_INIT(&st);
        bad += krbrepl_node_wake(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_quit(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_reauthorize(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_status(b.at.n, &st) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_stop(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_fd(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_run(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_node_spawn(b.at.n) != KRBREPL_ERR_FORKED;
        bad += krbrepl_master_start(b.at.n, NULL) != KRBREPL_ERR_FORKED;
        bad += krbrepl_replica_start(b.at.n, NULL) != KRBREPL_ERR_FORKED;
        krbrepl_node_free(b.at.n);
        krbrepl_store_close(b.at.s);
        _exit(bad);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    /* The parent serves on: its sockets are watched, named and locked as before. */
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    KRBREPL_INIT(&st);
    assert_int_equal(krbrepl_status_fetch(b.at.dir, 60000, &st, NULL, NULL, &ei), 0);
    assert_int_equal(st.pid, getpid());
    drop(&b);
}

static void a_child_of_a_spawned_node_frees_it_without_harm(void **state)
{
    bench b;
    pid_t child;
    int status, i;

    (void)state;
    make_store(&b, 1);
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    for (i = 0; i < 5; i++) {
        child = fork();
        if (child == 0) {
            krbrepl_node_free(b.at.n);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    drop(&b);
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static void call_everything(void *ctx, uint64_t was, uint64_t is, int err)
{
    bench *b = ctx;
    krbrepl_status st;

    (void)was;
    (void)err;
    KRBREPL_INIT(&st);
    b->ei.size = sizeof b->ei;
    b->inside[0] = krbrepl_node_process(b->at.n);
    b->inside[1] = krbrepl_node_stop(b->at.n);
    b->inside[2] = krbrepl_master_start(b->at.n, NULL);
    b->inside[3] = krbrepl_node_run(b->at.n);
    b->inside[4] = krbrepl_node_spawn(b->at.n);
    b->inside[5] = krbrepl_node_wake(b->at.n);
    b->inside[6] = krbrepl_node_status(b->at.n, &st);
    b->inside[7] = krbrepl_node_errinfo(b->at.n, &b->ei);
    krbrepl_node_free(b->at.n);
    b->last_state = is;
    assert_int_equal(st.state, is);
    atomic_fetch_add(&b->states, 1);
}

static void from_inside_a_callback_only_the_allowed_calls_work(void **state)
{
    bench b;
    int i;

    (void)state;
    make_store(&b, 1);
    KRBREPL_INIT(&b.ev);
    b.ev.state = call_everything;
    make_node(&b);
    assert_int_equal(start_master(&b), 0);
    assert_int_equal(atomic_load(&b.states), 1);
    for (i = 0; i < 5; i++)
        assert_int_equal(b.inside[i], KRBREPL_ERR_STATE);
    for (; i < 8; i++)
        assert_int_equal(b.inside[i], 0);
    assert_int_equal(krbrepl_node_stop(b.at.n), 0);
    assert_int_equal(atomic_load(&b.states), 2);
    assert_int_equal(b.last_state, KRBREPL_STATE_STOPPED);
    drop(&b);
}

/* ---- a replica without a master ------------------------------------------------------------- */

static void a_master_that_is_not_there_is_no_failure(void **state)
{
    bench b;
    krbrepl_status st;
    int turns = 0;

    (void)state;
    make_store(&b, 0);
    make_node(&b);
    assert_int_equal(start_replica(&b), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    do {
        KRBREPL_INIT(&st);
        assert_int_equal(krbrepl_node_status(b.at.n, &st), 0);
    } while (st.last_err == 0 && bounded(&turns));
    assert_int_equal(st.last_err, KRBREPL_ERR_NET);
    assert_int_equal(st.state, KRBREPL_STATE_CONNECTING);
    assert_true(st.last_error[0] != '\0');
    assert_true(st.lag_us > 0);
    drop(&b);
}

/* A host that writes the largest number means "never", and must not get "at once". */
static void the_longest_time_is_not_over_at_once(void **state)
{
    bench b;
    krbrepl_status st;
    krbrepl_replica_options o;
    int turns = 0;

    (void)state;
    make_store(&b, 0);
    make_node(&b);
    KRBREPL_INIT(&o);
    o.master = "127.0.0.1:1";
    o.retry_min_ms = o.retry_max_ms = o.handshake_ms = o.missing_ms = o.lost_ms = UINT64_MAX;
    assert_int_equal(krbrepl_replica_start(b.at.n, &o), 0);
    assert_int_equal(krbrepl_node_spawn(b.at.n), 0);
    do {
        KRBREPL_INIT(&st);
        assert_int_equal(krbrepl_node_status(b.at.n, &st), 0);
    } while (st.last_err == 0 && bounded(&turns));
    assert_int_equal(st.last_err, KRBREPL_ERR_NET);
    assert_non_null(strstr(st.last_error, "127.0.0.1:1"));
    drop(&b);
}

static void a_master_without_a_name_is_refused(void **state)
{
    bench b;
    krbrepl_replica_options o;

    (void)state;
    make_store(&b, 0);
    make_node(&b);
    KRBREPL_INIT(&o);
    assert_int_equal(krbrepl_replica_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    o.master = ":2121";
    assert_int_equal(krbrepl_replica_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    o.master = "host:";
    assert_int_equal(krbrepl_replica_start(b.at.n, &o), KRBREPL_ERR_INVALID);
    assert_int_equal(start_replica(&b), 0);
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_starts_and_stops_as_often_as_one_likes_in_either_role),
        cmocka_unit_test(a_start_in_the_wrong_role_names_the_command_that_helps),
        cmocka_unit_test(no_node_starts_on_what_its_handle_cannot_reach),
        cmocka_unit_test(one_node_runs_on_a_store),
        cmocka_unit_test(an_address_that_is_none_or_is_taken_is_told),
        cmocka_unit_test(a_wildcard_listens_on_every_kind_of_address),
        cmocka_unit_test(options_of_a_newer_program_are_not_ignored),
        cmocka_unit_test(a_master_without_a_usable_key_does_not_start),
        cmocka_unit_test(a_window_that_nothing_fits_in_is_refused_at_the_start),
        cmocka_unit_test(a_host_with_a_loop_needs_a_descriptor_and_a_timeout),
        cmocka_unit_test(run_ends_on_quit_also_from_a_signal_handler),
        cmocka_unit_test(a_spawned_node_is_asked_from_another_thread_and_stops),
        cmocka_unit_test(a_node_that_a_thread_runs_is_no_other_thread_s_to_touch),
        cmocka_unit_test(a_thread_that_ended_by_itself_is_gone_when_its_node_is_freed),
        cmocka_unit_test(the_poll_twin_drives_a_node_as_well),
        cmocka_unit_test(a_commit_of_another_process_wakes_the_node),
        cmocka_unit_test(a_master_that_is_demoted_by_another_process_stops_by_itself),
        cmocka_unit_test(a_master_that_is_fenced_stops_by_itself),
        cmocka_unit_test(a_node_ends_when_another_database_is_put_in_the_place_of_its_own),
        cmocka_unit_test(a_master_ends_when_an_old_copy_is_written_over_its_file),
        cmocka_unit_test(a_master_ends_when_its_history_becomes_another_one),
        cmocka_unit_test(a_node_goes_on_while_its_directory_is_somewhere_else),
        cmocka_unit_test(a_node_without_descriptors_goes_on_and_accepts_later),
        cmocka_unit_test(a_child_can_only_free_its_copy_and_does_no_harm),
        cmocka_unit_test(a_child_of_a_spawned_node_frees_it_without_harm),
        cmocka_unit_test(from_inside_a_callback_only_the_allowed_calls_work),
        cmocka_unit_test(a_master_that_is_not_there_is_no_failure),
        cmocka_unit_test(the_longest_time_is_not_over_at_once),
        cmocka_unit_test(a_master_without_a_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
