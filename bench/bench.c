#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct {
    int json;
    unsigned cases, values;
} out;

void bench_die(const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

double bench_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

void bench_add(bench_set *s, double v)
{
    if (s->n == s->room) {
        s->room = s->room == 0 ? 1024 : s->room * 2;
        s->v = realloc(s->v, s->room * sizeof *s->v);
        if (s->v == NULL)
            bench_die("out of memory");
    }
    s->v[s->n++] = v;
    s->sorted = 0;
}

static int compare(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

double bench_percentile(bench_set *s, double p)
{
    size_t at;

    if (s->n == 0)
        return 0;
    if (!s->sorted)
        qsort(s->v, s->n, sizeof *s->v, compare);
    s->sorted = 1;
    at = (size_t)((double)(s->n - 1) * p / 100.0 + 0.5);
    return s->v[at];
}

void bench_clear(bench_set *s)
{
    free(s->v);
    memset(s, 0, sizeof *s);
}

void bench_begin(const char *name, int json)
{
    out.json = json;
    printf(json ? "{\"bench\": \"%s\", \"cases\": [" : "%s\n", name);
}

void bench_case(const char *name)
{
    if (out.json)
        printf("%s{\"name\": \"%s\"", out.cases > 0 ? "}, " : "", name);
    else
        printf("%s  %-28s", out.cases > 0 ? "\n" : "", name);
    out.cases++;
}

void bench_value(const char *name, double value)
{
    const char *form = value >= 100 ? "%.0f" : value >= 1 ? "%.2f" : "%.4f";

    printf(out.json ? ", \"%s\": " : "  %s ", name);
    printf(form, value);
    fflush(stdout);
}

void bench_end(void)
{
    puts(out.json ? "}]}" : "");
}

static void take(const bench_option *o, const char *value)
{
    char *end = NULL;

    if (o->text != NULL)
        *o->text = value;
    if (o->number == NULL)
        return;
    errno = 0;
    *o->number = strtoull(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0')
        bench_die("--%s: %s is not a number", o->name, value);
}

void bench_options(int argc, char **argv, const bench_option *options, size_t n)
{
    size_t o;
    int i;

    for (i = 1; i < argc; i++) {
        for (o = 0; o < n; o++)
            if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, options[o].name) == 0)
                break;
        if (o == n)
            bench_die("unknown option %s", argv[i]);
        if (options[o].flag != NULL)
            *options[o].flag = 1;
        else if (++i == argc)
            bench_die("--%s needs a value", options[o].name);
        else
            take(&options[o], argv[i]);
    }
}

/* splitmix64 */
uint64_t bench_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void bench_fill(void *p, size_t n, uint64_t seed)
{
    unsigned char *at = p;
    uint64_t word = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        if (i % sizeof word == 0)
            word = bench_random(&seed);
        at[i] = (unsigned char)(word >> (8 * (i % sizeof word)));
    }
}
