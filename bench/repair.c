/* repair: what it costs to make a replica of a million records equal when 10, or 10,000, of them differ. The
 * replica was the master of another line, to which nobody listens any more: its commits are given up for the
 * reason `fork`. After each case the two stores are equal, and swap their roles for the next.
 *
 * Times are from the arrival of COPY_BEGIN at the replica until the content is live and durable. Warm: both
 * digest trees are kept already, as in nodes that run; cold: both nodes have just been started.
 *
 *   bench_repair --dir DIR --keytab FILE --service PRINC --client PRINC [--records N] [--json] */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "node_impl.h"
#include "pair.h"

#define BATCH 1000u

/* What the replica's log said of a repair. */
static struct {
    double begun, live, start;
    unsigned long long records, bytes, trips;
    uint64_t in, out; /* of the node when it began */
    atomic_int done;
} heard;

static void status_of(krbrepl_node *n, krbrepl_status *s)
{
    KRBREPL_INIT(s);
    if (krbrepl_node_status(n, s) != 0)
        bench_die("no status");
}

static void hears(pair *p, const char *line)
{
    const char *at = strstr(line, "repair is live at ");
    krbrepl_status s;
    unsigned long long seq;

    if (strstr(line, "full copy begins") != NULL)
        heard.records = 0;
    if (strstr(line, "repair begins at ") != NULL) {
        heard.begun = bench_now();
        status_of(p->following, &s);
        heard.in = s.bytes_in;
        heard.out = s.bytes_out;
    }
    if (at == NULL)
        return;
    heard.live = bench_now();
    if (sscanf(at, "repair is live at %llu, %llu records received, %llu bytes in %llu round trips",
               &seq, &heard.records, &heard.bytes, &heard.trips) != 4)
        bench_die("the log reads otherwise: %s", line);
    atomic_store(&heard.done, 1);
}

/* Changes `n` records that lie all over the content. */
static void change(krbrepl_store *s, uint64_t n, uint64_t records, uint64_t seed)
{
    unsigned char value[PAIR_VALUE];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_txn *t = NULL;
    char key[64];
    uint64_t i;

    for (i = 0; i < n; i++) {
        if (t == NULL)
            pair_check(krbrepl_txn_begin(s, &t, NULL), "begin", s);
        k.len = pair_key(i * (records / n) + seed % (records / n), key);
        k.data = key;
        bench_fill(value, sizeof value, seed * records + i);
        pair_check(krbrepl_txn_put(t, "principal", k, v), "put", s);
        if ((i + 1) % BATCH != 0 && i + 1 != n)
            continue;
        pair_check(krbrepl_txn_commit(t, NULL), "commit", s);
        t = NULL;
    }
}

/* The replica is promoted; the old master makes commits of which it knows nothing, and is to follow it. */
static void fork_them(pair *p, uint64_t n, uint64_t records, uint64_t seed)
{
    krbrepl_store *old = p->master;

    pair_check(krbrepl_promote(p->replica, NULL, NULL), "promote", p->replica);
    change(old, n, records, seed);
    pair_check(krbrepl_demote(old, NULL, NULL), "demote", old);
    p->master = p->replica;
    p->replica = old;
}

static void wait_a_moment(void)
{
    const struct timespec moment = {0, 1000000};

    nanosleep(&moment, NULL);
}

static void await_tree(const krbrepl_node *n)
{
    krbrepl__worker_state s;

    do {
        wait_a_moment();
        krbrepl__worker_look(n->proof.worker, &s);
    } while (!s.ready);
}

static void report(pair *p, uint64_t n, int warm)
{
    krbrepl_status s;
    char name[64];

    status_of(p->following, &s);
    snprintf(name, sizeof name, "%llu differ, trees %s", (unsigned long long)n, warm ? "warm" : "cold");
    bench_case(name);
    bench_value("ms", (heard.live - heard.begun) * 1e3);
    bench_value("ms_from_start", (heard.live - heard.start) * 1e3);
    bench_value("records", (double)heard.records);
    bench_value("bytes_in", (double)(s.bytes_in - heard.in));
    bench_value("bytes_out", (double)(s.bytes_out - heard.out));
    bench_value("round_trips", (double)heard.trips);
}

static void measure(pair *p, uint64_t n, uint64_t records, uint64_t seed, int warm)
{
    fork_them(p, n, records, seed);
    atomic_store(&heard.done, 0);
    atomic_store(&p->closed, warm);
    heard.start = bench_now();
    pair_serve(p);
    pair_join(p);
    if (warm) {
        await_tree(p->serving);
        await_tree(p->following);
        heard.start = bench_now();
        atomic_store(&p->closed, 0);
    }
    while (atomic_load(&heard.done) == 0)
        wait_a_moment();
    report(p, n, warm);
    pair_part(p);
}

int main(int argc, char **argv)
{
    uint64_t records = 1000000, seq;
    pair p = {0};
    int json = 0;
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"client", &p.client, NULL, NULL},
        {"records", NULL, &records, NULL},   {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || p.client == NULL || records < 10000)
        bench_die("--dir, --keytab, --service and --client are needed; bench/run gives them");
    p.hears = hears;
    pair_master(&p);
    seq = pair_fill(&p, records);
    pair_serve(&p);
    pair_follow(&p);
    pair_wait(&p, seq);
    pair_part(&p);
    bench_begin("repair", json);
    measure(&p, 10, records, 1, 1);
    measure(&p, 10, records, 2, 0);
    measure(&p, 10000, records, 3, 1);
    measure(&p, 10000, records, 4, 0);
    bench_end();
    pair_stop(&p);
    return 0;
}
