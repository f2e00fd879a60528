/* propagation: the time from a commit that has returned on the master, and from the call that begins it, until it is
 * durable, and visible to readers, at a replica; and beside it what such a commit, durable, takes on the master. With
 * --attack the rounds take turns between peace and an attacker, a program that is started with the master's port as its
 * last argument, and the ratio of the two is reported.
 *
 * Without it rounds of two kinds take turns. In `peace` the one who waits looks every 20 microseconds, for which he has
 * one of the processors much of the time. In `asleep` he sleeps until something was committed at the replica, and looks
 * then: as on a host where nobody waits, a processor with nothing to do is idle.
 *
 *   bench_propagation --dir DIR --keytab FILE --service PRINC --client PRINC [--commits N] [--rounds N]
 *                     [--batch N] [--attack NAME --attacker "PROGRAM ARG..."] [--json] */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lmdb.h>

#include "bench.h"
#include "pair.h"

#define PATIENCE_S 120
#define VALUE_LEN 600u
#define MAX_ARGS 16

extern char **environ;

static uint64_t commits = 500, rounds = 5, batch = 1;
static const char *attack, *attacker;

/* ---- asleep --------------------------------------------------------------------------------- */

static struct {
    pthread_t main;
    sem_t done; /* a node has committed something */
} sleeper;

/* The linker puts this in the place of mdb_txn_commit. */
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int rc = __real_mdb_txn_commit(txn);

    if (!pthread_equal(pthread_self(), sleeper.main))
        sem_post(&sleeper.done);
    return rc;
}

static void asleep_until(pair *p, uint64_t seq)
{
    krbrepl_store_info info;
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    for (;;) {
        KRBREPL_INIT(&info);
        pair_check(krbrepl_store_info_get(p->replica, &info), "replica", p->replica);
        if (info.pos.seq >= seq)
            return;
        while (sem_timedwait(&sleeper.done, &end) != 0)
            if (errno != EINTR)
                bench_die("the replica does not reach %llu", (unsigned long long)seq);
    }
}

/* ---- commits -------------------------------------------------------------------------------- */

static uint64_t commit_one(pair *p, uint64_t *random)
{
    unsigned char value[VALUE_LEN];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_txn *t = NULL;
    krbrepl_pos pos;
    char key[64];
    uint64_t i;

    pair_check(krbrepl_txn_begin(p->master, &t, NULL), "begin", p->master);
    for (i = 0; i < batch; i++) {
        k.len = (size_t)snprintf(key, sizeof key, "user%06llu@EXAMPLE.COM",
                                 (unsigned long long)(bench_random(random) % 100000));
        k.data = key;
        bench_fill(value, sizeof value, *random);
        pair_check(krbrepl_txn_put(t, "principal", k, v), "put", p->master);
    }
    pair_check(krbrepl_txn_commit(t, &pos), "commit", p->master);
    return pos.seq;
}

typedef struct times {
    /* ms: from the call of begin to the return of commit; from there to the replica; both */
    bench_set commit, spread, whole;
} times;

static double round_of(pair *p, uint64_t *random, times *all, int asleep)
{
    const struct timespec pause = {0, 500000};
    bench_set mine = {0};
    double called, returned, arrived, took;
    uint64_t i, seq;

    for (i = 0; i < commits; i++) {
        called = bench_now();
        seq = commit_one(p, random);
        returned = bench_now();
        if (asleep)
            asleep_until(p, seq);
        else
            pair_wait(p, seq);
        arrived = bench_now();
        took = (arrived - returned) * 1000;
        bench_add(&all->whole, (arrived - called) * 1000);
        bench_add(&all->commit, (returned - called) * 1000);
        bench_add(&all->spread, took);
        bench_add(&mine, took);
        nanosleep(&pause, NULL);
    }
    took = bench_percentile(&mine, 50);
    bench_clear(&mine);
    return took;
}

static pid_t begin_attack(unsigned port)
{
    char *argv[MAX_ARGS + 2], text[16], *copy = strdup(attacker), *at = copy;
    const struct timespec settle = {0, 500000000};
    int n = 0;
    pid_t pid;

    while (n < MAX_ARGS && at != NULL && *at != '\0') {
        argv[n++] = at;
        at = strchr(at, ' ');
        if (at != NULL)
            *at++ = '\0';
    }
    snprintf(text, sizeof text, "%u", port);
    argv[n++] = text;
    argv[n] = NULL;
    if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
        bench_die("%s cannot be started", argv[0]);
    free(copy);
    nanosleep(&settle, NULL);
    return pid;
}

static void end_attack(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, WNOHANG) == pid)
        bench_die("the attacker ended by itself, with status %d", status);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static void report(const char *name, times *t)
{
    double commit = bench_percentile(&t->commit, 50), spread = bench_percentile(&t->spread, 50);

    bench_case(name);
    bench_value("p50_ms", spread);
    bench_value("p99_ms", bench_percentile(&t->spread, 99));
    bench_value("from_call_p50_ms", bench_percentile(&t->whole, 50));
    bench_value("from_call_p99_ms", bench_percentile(&t->whole, 99));
    bench_value("commit_p50_ms", commit);
    bench_value("ratio_to_commit", spread / commit);
    bench_value("commits", (double)t->spread.n);
}

static void forget(times *t)
{
    bench_clear(&t->commit);
    bench_clear(&t->spread);
    bench_clear(&t->whole);
}

static void measure(pair *p)
{
    times peace = {{0}, {0}, {0}}, asleep = peace, war = peace;
    bench_set ratio = {0};
    uint64_t random = 1, i;
    double calm, busy;
    pid_t pid;

    for (i = 0; i < rounds; i++) {
        calm = round_of(p, &random, &peace, 0);
        if (attacker == NULL) {
            round_of(p, &random, &asleep, 1);
            continue;
        }
        pid = begin_attack(p->port);
        busy = round_of(p, &random, &war, 0);
        end_attack(pid);
        bench_add(&ratio, busy / calm);
    }
    report("peace", &peace);
    if (attacker == NULL)
        report("asleep", &asleep);
    if (attacker != NULL) {
        report(attack, &war);
        bench_value("ratio_p50", bench_percentile(&ratio, 50));
        bench_value("ratio_p99",
                    bench_percentile(&war.spread, 99) / bench_percentile(&peace.spread, 99));
    }
    forget(&peace);
    forget(&asleep);
    forget(&war);
    bench_clear(&ratio);
}

int main(int argc, char **argv)
{
    pair p = {0};
    int json = 0;
    uint64_t warm = 1;
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"client", &p.client, NULL, NULL},
        {"commits", NULL, &commits, NULL},   {"rounds", NULL, &rounds, NULL},
        {"batch", NULL, &batch, NULL},       {"attack", &attack, NULL, NULL},
        {"attacker", &attacker, NULL, NULL}, {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || p.client == NULL)
        bench_die("--dir, --keytab, --service and --client are needed; bench/run gives them");
    sleeper.main = pthread_self();
    if (sem_init(&sleeper.done, 0, 0) != 0)
        bench_die("no semaphore");
    pair_master(&p);
    pair_serve(&p);
    pair_follow(&p);
    pair_wait(&p, commit_one(&p, &warm));
    bench_begin("propagation", json);
    measure(&p);
    bench_end();
    pair_stop(&p);
    return 0;
}
