/* digest: how long the tree of a store takes to build, how much memory it wants, and what a proof costs
 * afterwards. The store is made in the directory given; it need not be on a disk, for nothing is synced. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/krbrepl.h>

#include "bench.h"
#include "prover.h"

#define SLICE 256u /* as a node's */

static uint64_t records = 1000000, value_size = 600;

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
    return now - begin;
}

static void report(const char *name, krbrepl__prover *p)
{
    double longest, all = work(p, &longest);

    bench_case(name);
    bench_value("ms", all * 1e3);
    bench_value("longest_slice_ms", longest * 1e3);
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
        {"dir", &dir, NULL, NULL},
        {"records", NULL, &records, NULL},
        {"value", NULL, &value_size, NULL},
        {"json", NULL, NULL, &json},
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
    bench_end();
    krbrepl__prover_free(p);
    krbrepl_store_close(s);
    return 0;
}
