/* bench.h: what the benchmarks share: time, numbers, and output as text or JSON. */
#ifndef KRBREPL_BENCH_H
#define KRBREPL_BENCH_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define BENCH_NORETURN __attribute__((noreturn, format(printf, 1, 2)))
#else
#define BENCH_NORETURN
#endif

/* Ends the program with a message; a benchmark has nobody to report to. */
void bench_die(const char *format, ...) BENCH_NORETURN;

double bench_now(void); /* seconds, monotonic */

/* A set of measurements. */
typedef struct bench_set {
    double *v;
    size_t n, room;
    int sorted;
} bench_set;

void bench_add(bench_set *s, double v);
double bench_percentile(bench_set *s, double p); /* p from 0 to 100; 0 when empty */
void bench_clear(bench_set *s);

/* Output: one line (or JSON object) a case, with its values in order. */
void bench_begin(const char *name, int json);
void bench_case(const char *name);
void bench_value(const char *name, double value);
void bench_end(void);

/* Options of the form --name value; what is left over ends the program. */
typedef struct bench_option {
    const char *name;
    const char **text; /* set when not NULL */
    uint64_t *number;  /* set when not NULL */
    int *flag;         /* set when not NULL; takes no value */
} bench_option;

void bench_options(int argc, char **argv, const bench_option *options, size_t n);

/* Deterministic, so that all sides write the same bytes. */
uint64_t bench_random(uint64_t *state);
void bench_fill(void *p, size_t n, uint64_t seed);

#endif
