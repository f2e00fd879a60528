/* catch_up: a replica that was away while the master made many commits: from its first connection, authentication
 * included, until it has them all, durably. The commits are made without waiting for the disk, one change of 600
 * bytes each, to 100,000 keys; the master's store is opened anew, with every promise, before the replica connects. The
 * first backlog only fills the stores. Beside it, taking turns, LMDB alone writes as many changes, into as many records,
 * durably, 4,096 in a transaction: as many commits as a replica puts into one.
 *
 *   bench_catch_up --dir DIR --keytab FILE --service PRINC --client PRINC [--commits N] [--rounds N] [--json] */
#include <stdio.h>

#include "bench.h"
#include "pair.h"
#include "plain_lmdb.h"

#define KEYS 100000u
#define GROUP 4096u

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

static double plain_round(plain_lmdb *p, uint64_t *random)
{
    double begin = bench_now();
    uint64_t i;

    for (i = 0; i < commits; i += GROUP)
        plain_commit(p, random, commits - i < GROUP ? (unsigned)(commits - i) : GROUP);
    return bench_now() - begin;
}

int main(int argc, char **argv)
{
    bench_set took = {0}, plain = {0}, ratio = {0};
    uint64_t random = 1, plain_random = 1, i;
    plain_lmdb *beside;
    pair p = {0};
    int json = 0;
    char name[4096];
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
    snprintf(name, sizeof name, "%s/plain", p.dir);
    beside = plain_open(name, KEYS);
    round_of(&p, &random);
    for (i = 0; i < rounds; i++) {
        bench_add(&took, round_of(&p, &random));
        bench_add(&plain, plain_round(beside, &plain_random));
        bench_add(&ratio, took.v[i] / plain.v[i]);
    }
    plain_close(beside);
    bench_begin("catch_up", json);
    snprintf(name, sizeof name, "%llu commits", (unsigned long long)commits);
    bench_case(name);
    bench_value("s", bench_percentile(&took, 50));
    bench_value("commits_per_s", (double)commits / bench_percentile(&took, 50));
    bench_value("worst_commits_per_s", (double)commits / bench_percentile(&took, 100));
    bench_value("lmdb_changes_per_s", (double)commits / bench_percentile(&plain, 50));
    bench_value("ratio_to_lmdb", bench_percentile(&ratio, 50));
    bench_end();
    pair_stop(&p);
    bench_clear(&took);
    bench_clear(&plain);
    bench_clear(&ratio);
    return 0;
}
