/* full_copy: how long a new replica takes to get N records, from its first connection (authentication
 * included) until the content is live and durable. The content is made by a load, so that the journal does
 * not hold it and the replica has to be copied to. The two ends are processes of their own, so that the peak of
 * the anonymous memory of each can be told: of the master from the moment it serves (after the load), of the replica
 * from its start.
 *
 *   bench_full_copy --dir DIR --keytab FILE --service PRINC --client PRINC [--records N] [--json] */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "anon.h"
#include "bench.h"
#include "pair.h"

/* What the processes tell each other. */
typedef struct between {
    atomic_uint port; /* the master serves; 0: not yet */
    uint64_t seq;     /* what the replica is to reach */
    double copied, anon, peak;
} between;

static void be_replica(pair *p, between *b)
{
    const struct timespec moment = {0, 1000000};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (atomic_load(&b->port) == 0)
        nanosleep(&moment, NULL);
    p->port = atomic_load(&b->port);
    b->anon = anon_now();
    anon_watch();
    b->copied = bench_now();
    pair_follow(p);
    pair_wait(p, b->seq);
    b->copied = bench_now() - b->copied;
    b->peak = anon_peak();
    krbrepl_node_free(p->following);
    krbrepl_store_close(p->replica);
    _exit(0);
}

static pid_t fork_replica(pair *p, between **b)
{
    pid_t pid;

    *b = mmap(NULL, sizeof **b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (*b == MAP_FAILED || (pid = fork()) < 0)
        bench_die("no process can be made");
    if (pid == 0)
        be_replica(p, *b);
    return pid;
}

int main(int argc, char **argv)
{
    uint64_t records = 200000;
    double begin, loaded, before, peak;
    between *b = NULL;
    pair p = {0};
    int json = 0, status = 1;
    char name[64];
    pid_t pid;
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"client", &p.client, NULL, NULL},
        {"records", NULL, &records, NULL},   {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || p.client == NULL)
        bench_die("--dir, --keytab, --service and --client are needed; bench/run gives them");
    pid = fork_replica(&p, &b);
    pair_master(&p);
    begin = bench_now();
    b->seq = pair_fill(&p, records);
    loaded = bench_now() - begin;
    before = anon_now();
    anon_watch();
    pair_serve(&p);
    atomic_store(&b->port, p.port);
    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("the replica ended with %d", status);
    peak = anon_peak();
    bench_begin("full_copy", json);
    snprintf(name, sizeof name, "%llu records", (unsigned long long)records);
    bench_case(name);
    bench_value("load_s", loaded);
    bench_value("copy_s", b->copied);
    bench_value("records_per_s", (double)records / b->copied);
    bench_value("mib_per_s", (double)records * (PAIR_VALUE + 24) / b->copied / (1 << 20));
    bench_value("master_before_mib", before / 1024);
    bench_value("master_peak_mib", peak / 1024);
    bench_value("replica_before_mib", b->anon / 1024);
    bench_value("replica_peak_mib", b->peak / 1024);
    bench_end();
    krbrepl_node_free(p.serving);
    krbrepl_store_close(p.master);
    return 0;
}
