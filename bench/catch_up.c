/* catch_up: a replica that was away while the master made many commits: from its first connection, authentication
 * included, until it has them all, durably. The commits are made without waiting for the disk, one change of 600
 * bytes each, to 100,000 keys; the stores are opened anew, with every promise, before the replica connects.
 *
 *   bench_catch_up --dir DIR --keytab FILE --service PRINC --client PRINC [--commits N] [--rounds N] [--json] */
#include <stdio.h>

#include "bench.h"
#include "pair.h"

#define VALUE_LEN 600u
#define KEYS 100000u

static uint64_t commits = 100000, rounds = 3;

static uint64_t commit_all(pair *p, uint64_t *random)
{
    unsigned char value[VALUE_LEN];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_txn *t = NULL;
    krbrepl_pos pos;
    char key[64];
    uint64_t i;

    for (i = 0; i < commits; i++) {
        k.len = (size_t)snprintf(key, sizeof key, "user%06llu@EXAMPLE.COM",
                                 (unsigned long long)(bench_random(random) % KEYS));
        k.data = key;
        bench_fill(value, sizeof value, *random);
        pair_check(krbrepl_txn_begin(p->master, &t, NULL), "begin", p->master);
        pair_check(krbrepl_txn_put(t, "principal", k, v), "put", p->master);
        pair_check(krbrepl_txn_commit(t, &pos), "commit", p->master);
    }
    return pos.seq;
}

static double round_of(pair *p, uint64_t *random)
{
    uint64_t seq;
    double begin;

    pair_master_reopen(p, KRBREPL_STORE_NOSYNC);
    seq = commit_all(p, random);
    pair_master_reopen(p, 0);
    pair_serve(p);
    begin = bench_now();
    pair_join(p);
    pair_wait(p, seq);
    begin = bench_now() - begin;
    pair_part(p);
    return begin;
}

int main(int argc, char **argv)
{
    bench_set took = {0}, rate = {0};
    uint64_t random = 1, i;
    pair p = {0};
    int json = 0;
    char name[64];
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"client", &p.client, NULL, NULL},
        {"commits", NULL, &commits, NULL},   {"rounds", NULL, &rounds, NULL},
        {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || p.client == NULL)
        bench_die("--dir, --keytab, --service and --client are needed; bench/run gives them");
    pair_master(&p);
    pair_serve(&p);
    pair_follow(&p);
    pair_wait(&p, 1);
    pair_part(&p);
    for (i = 0; i < rounds; i++) {
        bench_add(&took, round_of(&p, &random));
        bench_add(&rate, (double)commits / took.v[i]);
    }
    bench_begin("catch_up", json);
    snprintf(name, sizeof name, "%llu commits", (unsigned long long)commits);
    bench_case(name);
    bench_value("s", bench_percentile(&took, 50));
    bench_value("commits_per_s", bench_percentile(&rate, 50));
    bench_value("worst_commits_per_s", bench_percentile(&rate, 0));
    bench_end();
    pair_stop(&p);
    bench_clear(&took);
    bench_clear(&rate);
    return 0;
}
