#include "anon.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "bench.h"

static struct {
    pthread_t thread;
    atomic_int ends;
    double most;
} watch;

double anon_now(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;

    if (f == NULL)
        bench_die("/proc/self/status cannot be read");
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "RssAnon: %lf", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

static void *look(void *unused)
{
    const struct timespec moment = {0, 3000000};

    (void)unused;
    while (!atomic_load(&watch.ends)) {
        double kib = anon_now();

        if (kib > watch.most)
            watch.most = kib;
        nanosleep(&moment, NULL);
    }
    return NULL;
}

void anon_watch(void)
{
    atomic_store(&watch.ends, 0);
    watch.most = 0;
    if (pthread_create(&watch.thread, NULL, look, NULL) != 0)
        bench_die("no thread can be made");
}

double anon_peak(void)
{
    atomic_store(&watch.ends, 1);
    pthread_join(watch.thread, NULL);
    return watch.most;
}
