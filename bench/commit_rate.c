/* commit_rate: how many durable commits a second one writer makes, with 1 and with 64 changes each, beside
 * LMDB alone writing the same bytes. The two take turns in one run, so that a disk that is busy with
 * something else slows both; the ratio is the median of the ratios of neighbors.
 *
 *   bench_commit_rate --dir DIR [--records N] [--rounds N] [--round-ms N] [--json] */
#include <stdio.h>
#include <string.h>

#include <krbrepl/krbrepl.h>

#include "bench.h"
#include "plain_lmdb.h"

typedef struct one {
    bench_set rate, latency;
} one;

static uint64_t records = 100000, rounds = 5, round_ms = 2000;

static void check(int ret, const char *what, const krbrepl_store *s)
{
    krbrepl_errinfo ei;

    if (ret == 0)
        return;
    KRBREPL_INIT(&ei);
    if (s != NULL)
        krbrepl_store_errinfo(s, &ei);
    bench_die("%s: %s: %s", what, krbrepl_strerror(ret), ei.text);
}

static krbrepl_store *ours_open(const char *dir)
{
    krbrepl_create_options create;
    unsigned char value[VALUE_LEN];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_store *s = NULL;
    krbrepl_load *load = NULL;
    char key[64];
    uint64_t i;

    KRBREPL_INIT(&create);
    create.flags = KRBREPL_CREATE_MASTER;
    check(krbrepl_store_create(dir, &create, NULL), "create", NULL);
    check(krbrepl_store_open(&s, dir, NULL, NULL), "open", NULL);
    check(krbrepl_load_begin(s, &load, NULL), "load", s);
    for (i = 0; i < records; i++) {
        bench_fill(value, sizeof value, i);
        k.len = key_of(i, key);
        k.data = key;
        check(krbrepl_load_put(load, "principal", k, v), "load", s);
    }
    check(krbrepl_load_commit(load, NULL), "load", s);
    return s;
}

static void ours_commit(krbrepl_store *s, uint64_t *random, unsigned batch)
{
    unsigned char value[VALUE_LEN];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_txn *t = NULL;
    char key[64];
    unsigned i;

    check(krbrepl_txn_begin(s, &t, NULL), "begin", s);
    for (i = 0; i < batch; i++) {
        k.len = key_of(bench_random(random) % records, key);
        k.data = key;
        bench_fill(value, sizeof value, *random);
        check(krbrepl_txn_put(t, "principal", k, v), "put", s);
    }
    check(krbrepl_txn_commit(t, NULL), "commit", s);
}

/* One round of one side; the rate in commits a second. */
static double round_of(one *side, krbrepl_store *s, plain_lmdb *p, uint64_t *random, unsigned batch)
{
    double begin = bench_now(), end = begin + (double)round_ms / 1000, before, now = begin;
    unsigned n = 0;

    while (now < end) {
        before = now;
        if (s != NULL)
            ours_commit(s, random, batch);
        else
            plain_commit(p, random, batch);
        now = bench_now();
        bench_add(&side->latency, (now - before) * 1000);
        n++;
    }
    bench_add(&side->rate, n / (now - begin));
    return n / (now - begin);
}

static void report(const char *name, one *side, unsigned batch)
{
    char text[64];

    snprintf(text, sizeof text, "%s, %u changes", name, batch);
    bench_case(text);
    bench_value("commits_per_s", bench_percentile(&side->rate, 50));
    bench_value("changes_per_s", bench_percentile(&side->rate, 50) * batch);
    bench_value("p50_ms", bench_percentile(&side->latency, 50));
    bench_value("p99_ms", bench_percentile(&side->latency, 99));
}

static void measure(krbrepl_store *s, plain_lmdb *p, unsigned batch)
{
    uint64_t ours_random = batch, plain_random = batch, round;
    one ours = {0}, plain = {0};
    bench_set ratio = {0};

    for (round = 0; round < rounds; round++) {
        double a = round_of(&ours, s, NULL, &ours_random, batch);
        double b = round_of(&plain, NULL, p, &plain_random, batch);

        bench_add(&ratio, a / b);
    }
    report("krbrepl", &ours, batch);
    bench_value("ratio_to_lmdb", bench_percentile(&ratio, 50));
    report("lmdb", &plain, batch);
    bench_clear(&ratio);
    bench_clear(&ours.rate);
    bench_clear(&ours.latency);
    bench_clear(&plain.rate);
    bench_clear(&plain.latency);
}

int main(int argc, char **argv)
{
    char path[4096];
    const char *dir = NULL;
    krbrepl_store *s;
    plain_lmdb *p;
    int json = 0;
    const bench_option options[] = {
        {"dir", &dir, NULL, NULL},       {"records", NULL, &records, NULL},
        {"rounds", NULL, &rounds, NULL}, {"round-ms", NULL, &round_ms, NULL},
        {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (dir == NULL || records == 0)
        bench_die("--dir DIR is needed: an empty directory on the disk to measure");
    snprintf(path, sizeof path, "%s/krbrepl", dir);
    s = ours_open(path);
    snprintf(path, sizeof path, "%s/lmdb", dir);
    p = plain_open(path, records);
    bench_begin("commit_rate", json);
    measure(s, p, 1);
    measure(s, p, 64);
    bench_end();
    krbrepl_store_close(s);
    plain_close(p);
    return 0;
}
