/* idle: anonymous memory at the master for each replica that is connected and has nothing to get. The replicas are
 * in another process (crowd.h). Beside it the same for sessions of bare TLS, in a process that has nothing else.
 *
 *   bench_idle --dir DIR --keytab FILE --service PRINC --members "krbrepl/r%04u@REALM" [--most N] [--json] */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "anon.h"
#include "barecast.h"
#include "bench.h"
#include "pair.h"

#define FIRST 20u /* what the first ones cost is not counted: it is there once */

static uint64_t most = 1000;

static void settle(void)
{
    const struct timespec until_all_is_written = {2, 0};

    nanosleep(&until_all_is_written, NULL);
}

static double each(double before)
{
    return (anon_now() - before) / (double)(most - FIRST);
}

static void measure_bare(double *kib)
{
    const crowd_who plain = {0};
    barecast b = {0};
    double before;

    barecast_begin(&b, crowd_fork(&plain), (unsigned)most);
    barecast_grow(&b, FIRST);
    settle();
    before = anon_now();
    barecast_grow(&b, (unsigned)most);
    settle();
    *kib = each(before);
}

/* In a process of its own: what it frees must not serve the sessions that are measured after it. */
static double bare_in_child(void)
{
    double *kib = mmap(NULL, sizeof *kib, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 1;
    pid_t pid;

    if (kib == MAP_FAILED || (pid = fork()) < 0)
        bench_die("no process can be made");
    if (pid == 0) {
        measure_bare(kib);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || status != 0)
        bench_die("the bare sessions could not be measured");
    return *kib;
}

static double measure_real(pair *p, crowd *c)
{
    double before;

    pair_master(p);
    pair_serve(p);
    atomic_store(&c->port, p->port);
    atomic_store(&c->wanted, FIRST);
    crowd_wait_there(c);
    settle();
    before = anon_now();
    atomic_store(&c->wanted, (unsigned)most);
    crowd_wait_there(c);
    settle();
    return each(before);
}

int main(int argc, char **argv)
{
    crowd_who real = {0};
    double bare, kib;
    pair p = {0};
    int json = 0;
    char name[64];
    const bench_option options[] = {
        {"dir", &p.dir, NULL, NULL},         {"keytab", &p.keytab, NULL, NULL},
        {"service", &p.service, NULL, NULL}, {"members", &real.members, NULL, NULL},
        {"most", NULL, &most, NULL},         {"json", NULL, NULL, &json},
    };

    bench_options(argc, argv, options, sizeof options / sizeof options[0]);
    if (p.dir == NULL || p.keytab == NULL || p.service == NULL || real.members == NULL || most <= FIRST)
        bench_die("--dir, --keytab, --service and --members are needed; bench/run gives them");
    bare = bare_in_child();
    real.keytab = p.keytab;
    real.service = p.service;
    kib = measure_real(&p, crowd_fork(&real));
    bench_begin("idle", json);
    snprintf(name, sizeof name, "%llu replicas", (unsigned long long)most);
    bench_case(name);
    bench_value("kib_each", kib);
    bench_value("bare_tls_kib_each", bare);
    bench_value("ratio_to_bare", kib / bare);
    bench_end();
    fflush(stdout);
    return 0;
}
