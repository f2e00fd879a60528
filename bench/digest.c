/* digest: how long the tree of a store takes to build, how much memory it wants, what a proof, and a whole tree of
 * one position, cost afterwards, and what the thread that keeps the tree costs a writer.
 *
 * The first part syncs nothing. The second makes durable commits; writers with and without the thread take turns
 * in one run, and `ratio` is the median of the ratios of neighbors. With it, a root is asked for every two seconds,
 * which is five times as often as a node does.
 *
 *   bench_digest --dir DIR [--records N] [--value BYTES] [--rounds N] [--round-ms N] [--json] */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <krbrepl/krbrepl.h>

#include "bench.h"
#include "worker.h"

#define SLICE 256u /* as a node's */

#define PROVE_S 2.0

static uint64_t records = 1000000, value_size = 600, rounds = 9, round_ms = 2000;

static krbrepl_store *filled(const char *path)
{
    krbrepl_create_options co;
    krbrepl_store_options so;
    krbrepl_store *s = NULL;
    krbrepl_load *l = NULL;
    char value[4096], key[64];
    uint64_t i;

    KRBREPL_INIT(&co);
    KRBREPL_INIT(&so);
    co.flags = KRBREPL_CREATE_MASTER;
    so.flags = KRBREPL_STORE_NOSYNC;
    if (krbrepl_store_create(path, &co, NULL) != 0 || krbrepl_store_open(&s, path, &so, NULL) != 0 ||
        krbrepl_load_begin(s, &l, NULL) != 0)
        bench_die("cannot make a store in %s", path);
    bench_fill(value, sizeof value, 1);
    for (i = 0; i < records; i++) {
        krbrepl_bytes k = {key, 0}, v = {value, (size_t)value_size};

        k.len = (size_t)snprintf(key, sizeof key, "user%08llu@EXAMPLE.ORG", (unsigned long long)i);
        if (krbrepl_load_put(l, "principal", k, v) != 0)
            bench_die("cannot load");
    }
    if (krbrepl_load_commit(l, NULL) != 0)
        bench_die("cannot finish the load");
    return s;
}

static void change(krbrepl_store *s, uint64_t n, uint64_t *random)
{
    krbrepl_bytes k, v = {"changed", 7};
    krbrepl_txn *t = NULL;
    char key[64];

    k.data = key;
    for (; n > 0; n--) {
        k.len = (size_t)snprintf(key, sizeof key, "user%08llu@EXAMPLE.ORG",
                                 (unsigned long long)(bench_random(random) % records));
        if (krbrepl_txn_begin(s, &t, NULL) != 0 || krbrepl_txn_put(t, "principal", k, v) != 0 ||
            krbrepl_txn_commit(t, NULL) != 0)
            bench_die("cannot commit");
    }
}

static size_t frozen_memory;

/* Works until the prover has no more to do; the longest slice in milliseconds. */
static double work(krbrepl__prover *p, double *longest)
{
    double begin = bench_now(), was = begin, now;
    krbrepl__proof proof;
    int rc;

    *longest = 0;
    do {
        rc = krbrepl__prover_work(p, SLICE, &proof);
        now = bench_now();
        if (now - was > *longest)
            *longest = now - was;
        was = now;
    } while (rc == KRBREPL__PROVER_MORE);
    if (rc < 0)
        bench_die("%s", krbrepl_strerror(rc));
    if (rc == KRBREPL__PROVER_FROZEN)
        frozen_memory = krbrepl__ftree_memory(proof.tree);
    krbrepl__ftree_unref(proof.tree);
    return now - begin;
}

static void report(const char *name, krbrepl__prover *p)
{
    double longest, all = work(p, &longest);

    bench_case(name);
    bench_value("ms", all * 1e3);
    bench_value("longest_slice_ms", longest * 1e3);
}

/* ---- what it costs a writer ------------------------------------------------------------------ */

static void prove(krbrepl__worker *w, krbrepl_store *s)
{
    krbrepl__scan_at at;
    krbrepl__scan *scan;

    if (krbrepl__store_scan_open(s, &scan, &at) != 0)
        bench_die("cannot read");
    krbrepl__worker_prove(w, scan, &at);
}

static unsigned take_news(krbrepl__worker *w)
{
    krbrepl__proof proof;
    unsigned proofs = 0;
    int what;

    while ((what = krbrepl__worker_next(w, &proof)) != KRBREPL__WORKER_NONE)
        proofs += what == KRBREPL__PROVER_PROVED;
    return proofs;
}

/* Commits a second; `w` NULL: without. */
static double round_of(krbrepl_store *s, krbrepl__worker *w, uint64_t *random, unsigned *proofs)
{
    double begin = bench_now(), end = begin + (double)round_ms / 1000, next = begin, now = begin;
    unsigned n = 0;

    for (; now < end; now = bench_now(), n++) {
        change(s, 1, random);
        if (w == NULL)
            continue;
        *proofs += take_news(w);
        if (now >= next) {
            prove(w, s);
            next = now + PROVE_S;
        }
    }
    return n / (now - begin);
}

static void await_ready(krbrepl__worker *w)
{
    struct pollfd p = {.fd = krbrepl__worker_fd(w), .events = POLLIN};
    krbrepl__worker_state how;

    do {
        (void)poll(&p, 1, 10);
        (void)take_news(w);
        krbrepl__worker_look(w, &how);
    } while (!how.ready);
}

static void measure_writer(krbrepl_store *s, uint64_t *random)
{
    bench_set ratio = {0}, with = {0}, without = {0};
    krbrepl__worker *w = NULL;
    krbrepl_errinfo ei;
    unsigned proofs = 0;
    uint64_t round;
    double a, b;

    if (krbrepl__worker_new(&w, s, 0, &ei) != 0)
        bench_die("%s", ei.text);
    await_ready(w);
    for (round = 0; round < rounds; round++) {
        a = round_of(s, w, random, &proofs);
        b = round_of(s, NULL, random, &proofs);
        bench_add(&with, a);
        bench_add(&without, b);
        bench_add(&ratio, a / b);
    }
    krbrepl__worker_stop(w);
    bench_case("commits beside it");
    bench_value("with_per_s", bench_percentile(&with, 50));
    bench_value("without_per_s", bench_percentile(&without, 50));
    bench_value("ratio", bench_percentile(&ratio, 50));
    bench_value("proofs", proofs);
    bench_clear(&ratio);
    bench_clear(&with);
    bench_clear(&without);
}

int main(int argc, char **argv)
{
    const char *dir = NULL;
    uint64_t random = 7;
    krbrepl__prover *p;
    krbrepl_store *s;
    krbrepl_pos at;
    char path[4096];
    int json = 0;
    const bench_option options[] = {
        {"dir", &dir, NULL, NULL},           {"records", NULL, &records, NULL},
        {"value", NULL, &value_size, NULL},  {"rounds", NULL, &rounds, NULL},
        {"round-ms", NULL, &round_ms, NULL}, {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (dir == NULL || records == 0 || value_size > 4096)
        bench_die("--dir DIR is needed: an empty directory");
    snprintf(path, sizeof path, "%s/store", dir);
    s = filled(path);
    if (krbrepl__prover_new(&p, s) != 0)
        bench_die("out of memory");
    bench_begin("digest", json);
    report("build", p);
    bench_value("memory_bytes", (double)krbrepl__prover_memory(p));
    bench_value("leaves", (double)krbrepl__prover_leaves(p));
    krbrepl__prover_begin(p, &at);
    report("proof with nothing changed", p);
    change(s, 1, &random);
    krbrepl__prover_begin(p, &at);
    report("proof after 1 commit", p);
    change(s, 10000, &random);
    krbrepl__prover_begin(p, &at);
    report("proof after 10000 commits", p);
    krbrepl__prover_freeze(p);
    report("whole tree of one position", p);
    bench_value("memory_bytes", (double)frozen_memory);
    krbrepl__prover_free(p);
    krbrepl_store_close(s);
    s = NULL;
    if (krbrepl_store_open(&s, path, NULL, NULL) != 0)
        bench_die("cannot open the store again");
    measure_writer(s, &random);
    bench_end();
    krbrepl_store_close(s);
    return 0;
}
