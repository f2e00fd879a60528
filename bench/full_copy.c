/* full_copy: how long a new replica takes to get N records, from its first connection (authentication
 * included) until the content is live and durable. The content is made by a load, so that the journal does
 * not hold it and the replica has to be copied to. Each size takes a realm of its own directory.
 *
 *   bench_full_copy --dir DIR --keytab FILE --service PRINC --client PRINC [--records N] [--json] */
#include <stdio.h>

#include "bench.h"
#include "pair.h"

#define VALUE_LEN 600u

static uint64_t fill(pair *p, uint64_t records)
{
    unsigned char value[VALUE_LEN];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_load_result result;
    krbrepl_load *load = NULL;
    char key[64];
    uint64_t i;

    pair_check(krbrepl_load_begin(p->master, &load, NULL), "load", p->master);
    for (i = 0; i < records; i++) {
        k.len = (size_t)snprintf(key, sizeof key, "user%08llu@EXAMPLE.COM", (unsigned long long)i);
        k.data = key;
        bench_fill(value, sizeof value, i);
        pair_check(krbrepl_load_put(load, "principal", k, v), "load", p->master);
    }
    KRBREPL_INIT(&result);
    pair_check(krbrepl_load_commit(load, &result), "load", p->master);
    return result.pos.seq;
}

int main(int argc, char **argv)
{
    uint64_t records = 200000, seq;
    double begin, loaded, copied;
    pair p = {0};
    int json = 0;
    char name[64];
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"client", &p.client, NULL, NULL},
        {"records", NULL, &records, NULL},   {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || p.client == NULL)
        bench_die("--dir, --keytab, --service and --client are needed; bench/run gives them");
    pair_master(&p);
    begin = bench_now();
    seq = fill(&p, records);
    loaded = bench_now() - begin;
    pair_serve(&p);
    begin = bench_now();
    pair_follow(&p);
    pair_wait(&p, seq);
    copied = bench_now() - begin;
    bench_begin("full_copy", json);
    snprintf(name, sizeof name, "%llu records", (unsigned long long)records);
    bench_case(name);
    bench_value("load_s", loaded);
    bench_value("copy_s", copied);
    bench_value("records_per_s", (double)records / copied);
    bench_value("mib_per_s", (double)records * (VALUE_LEN + 24) / copied / (1 << 20));
    bench_end();
    pair_stop(&p);
    return 0;
}
