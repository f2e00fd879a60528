/* Runs a fuzz target without a fuzzer: every file of the given directories as it is, then many seeded
 * mutations of each. Names the file and the mutation that was running when the target crashes.
 *
 *   target_replay MUTATIONS DIR|FILE... */
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define MOST (1u << 20)

static char now_running[512];

/* Only what may be called in a signal handler. */
static void on_crash(int sig)
{
    ssize_t n = write(2, now_running, strlen(now_running));

    (void)n;
    signal(sig, SIG_DFL);
    raise(sig);
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A buffer of the exact size, so that a sanitizer sees any over-read. */
static void run(const uint8_t *p, size_t n)
{
    uint8_t *copy = malloc(n + (n == 0));

    if (copy == NULL)
        return;
    if (n != 0)
        memcpy(copy, p, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

/* One small change: a byte, a length-like word, a piece left out, a piece twice, an early end. */
static size_t mutate_once(uint8_t *p, size_t n, uint64_t *state)
{
    static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff};
    size_t at = (size_t)(next(state) % n), len = 1 + (size_t)(next(state) % 16);

    if (len > n - at)
        len = n - at;
    switch (next(state) % 6) {
    case 0:
        p[at] ^= (uint8_t)(1u << next(state) % 8);
        return n;
    case 1:
        p[at] = odd[next(state) % sizeof odd];
        return n;
    case 2:
        memset(p + at, odd[next(state) % sizeof odd], len);
        return n;
    case 3:
        memmove(p + at, p + at + len, n - at - len);
        return n - len;
    case 4:
        if (n + len > MOST)
            return n;
        memmove(p + at + len, p + at, n - at);
        return n + len;
    default:
        return at;
    }
}

static void run_mutated(const uint8_t *p, size_t n, uint64_t seed)
{
    uint8_t *copy = malloc(MOST);
    uint64_t state = seed;
    size_t len = n, times = 1 + (size_t)(next(&state) % 4);

    if (copy == NULL)
        return;
    memcpy(copy, p, n);
    while (times-- > 0 && len != 0)
        len = mutate_once(copy, len, &state);
    run(copy, len);
    free(copy);
}

static int run_file(const char *path, unsigned long mutations)
{
    uint8_t *p = malloc(MOST);
    FILE *f = fopen(path, "rb");
    unsigned long i;
    size_t n;

    if (p == NULL || f == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        free(p);
        if (f != NULL)
            fclose(f);
        return 1;
    }
    n = fread(p, 1, MOST, f);
    fclose(f);
    snprintf(now_running, sizeof now_running, "while running %s\n", path);
    run(p, n);
    for (i = 0; i < mutations && n != 0; i++) {
        snprintf(now_running, sizeof now_running, "while running %s, mutation %lu\n", path, i);
        run_mutated(p, n, i);
    }
    free(p);
    return 0;
}

static int run_path(const char *path, unsigned long mutations, int *files)
{
    struct dirent *d;
    char name[1024];
    DIR *dir = opendir(path);
    int bad = 0;

    if (dir == NULL) {
        ++*files;
        return run_file(path, mutations);
    }
    while ((d = readdir(dir)) != NULL) {
        if (d->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%.700s/%.255s", path, d->d_name);
        bad |= run_file(name, mutations);
        ++*files;
    }
    closedir(dir);
    return bad;
}

int main(int argc, char **argv)
{
    unsigned long mutations;
    int i, bad = 0, files = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: %s MUTATIONS DIR|FILE...\n", argv[0]);
        return 2;
    }
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    mutations = strtoul(argv[1], NULL, 10);
    for (i = 2; i < argc; i++)
        bad |= run_path(argv[i], mutations, &files);
    printf("%d files, %lu mutations each\n", files, mutations);
    return bad || files == 0;
}
