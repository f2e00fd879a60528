/* fan_out: one change to 1, 10, 100 ... and `most` replicas: the time until all of them have it. The replicas are in one
 * process and driven by one thread; each is the real session over a store in memory (crowd.h). Beside it, taking
 * turns, a bare loop of TLS writes of as many bytes to as many receivers, which say nothing.
 *
 *   bench_fan_out --dir DIR --keytab FILE --service PRINC --members "krbrepl/r%04u@REALM" [--most N]
 *                 [--rounds N] [--json] */
#include <stdio.h>
#include <time.h>

#include "barecast.h"
#include "bench.h"
#include "pair.h"

#define VALUE_LEN 600u
#define OVERHEAD 120u /* what a commit of one change has beside the value, about */

static uint64_t most = 1000, rounds = 30;

typedef struct sets {
    bench_set returned, called, bare, cpu, there, ratio;
} sets;

static double cpu_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static uint64_t position(pair *p)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    pair_check(krbrepl_store_info_get(p->master, &info), "master", p->master);
    return info.pos.seq;
}

static void change(pair *p, uint64_t random)
{
    unsigned char value[VALUE_LEN];
    krbrepl_bytes k = {"user@EXAMPLE.COM", 16}, v = {value, sizeof value};
    krbrepl_txn *t = NULL;

    bench_fill(value, sizeof value, random);
    pair_check(krbrepl_txn_begin(p->master, &t, NULL), "begin", p->master);
    pair_check(krbrepl_txn_put(t, "principal", k, v), "put", p->master);
    pair_check(krbrepl_txn_commit(t, NULL), "commit", p->master);
}

static void settle(void)
{
    const struct timespec while_acks_arrive = {0, 40000000};

    nanosleep(&while_acks_arrive, NULL);
}

static void round_of(pair *p, crowd *c, barecast *b, sets *s)
{
    static const unsigned char bytes[VALUE_LEN + OVERHEAD];
    double called, returned, took, cpu = cpu_now(), bare;
    unsigned long long there = atomic_load(&c->cpu);

    crowd_arm(c, position(p) + 1);
    called = bench_now();
    change(p, (uint64_t)(called * 1e6));
    returned = bench_now();
    took = crowd_wait(c);
    bench_add(&s->called, (took - called) * 1000);
    bench_add(&s->there, (double)(atomic_load(&c->cpu_done) - there) * 1e-6);
    /* A replica may have it before the call has returned. */
    took = took > returned ? (took - returned) * 1000 : 0;
    settle();
    bench_add(&s->returned, took);
    bench_add(&s->cpu, (cpu_now() - cpu) * 1000);
    crowd_arm(b->crowd, 0);
    called = bench_now();
    barecast_send(b, bytes, sizeof bytes);
    bare = (crowd_wait(b->crowd) - called) * 1000;
    settle();
    bench_add(&s->bare, bare);
    bench_add(&s->ratio, took / bare);
}

static void measure(pair *p, crowd *c, barecast *b, unsigned n)
{
    sets s = {{0}, {0}, {0}, {0}, {0}, {0}}, warm = {{0}, {0}, {0}, {0}, {0}, {0}};
    char name[64];
    uint64_t i;

    atomic_store(&c->wanted, n);
    crowd_wait_there(c);
    barecast_grow(b, n);
    round_of(p, c, b, &warm);
    for (i = 0; i < rounds; i++)
        round_of(p, c, b, &s);
    snprintf(name, sizeof name, "%u replicas", n);
    bench_case(name);
    bench_value("p50_ms", bench_percentile(&s.returned, 50));
    bench_value("p90_ms", bench_percentile(&s.returned, 90));
    bench_value("from_call_p50_ms", bench_percentile(&s.called, 50));
    bench_value("master_cpu_p50_ms", bench_percentile(&s.cpu, 50));
    bench_value("replicas_cpu_p50_ms", bench_percentile(&s.there, 50));
    bench_value("bare_p50_ms", bench_percentile(&s.bare, 50));
    bench_value("ratio_to_bare", bench_percentile(&s.ratio, 50));
    bench_clear(&s.returned);
    bench_clear(&s.called);
    bench_clear(&s.bare);
    bench_clear(&s.cpu);
    bench_clear(&s.there);
    bench_clear(&s.ratio);
}

int main(int argc, char **argv)
{
    crowd_who real = {0}, plain = {0};
    barecast b = {0};
    pair p = {0};
    crowd *c, *bare_crowd;
    unsigned n;
    int json = 0;
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"members", &real.members, NULL, NULL},
        {"most", NULL, &most, NULL},         {"rounds", NULL, &rounds, NULL},
        {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || real.members == NULL)
        bench_die("--dir, --keytab, --service and --members are needed; bench/run gives them");
    real.keytab = p.keytab;
    real.service = p.service;
    c = crowd_fork(&real);
    bare_crowd = crowd_fork(&plain);
    pair_master(&p);
    pair_serve(&p);
    atomic_store(&c->port, p.port);
    barecast_begin(&b, bare_crowd, (unsigned)most);
    bench_begin("fan_out", json);
    for (n = 1; n < most; n *= 10)
        measure(&p, c, &b, n);
    measure(&p, c, &b, (unsigned)most);
    bench_end();
    fflush(stdout);
    return 0;
}
