/* prog.h: what all programs have in common: exit codes, messages, small conversions. */
#ifndef KRBREPL_PROG_H
#define KRBREPL_PROG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <krbrepl/krbrepl.h>

#define PROG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Exit codes of every program. */
enum prog_exit {
    PROG_OK = 0,
    PROG_FAILED = 1, /* the work was not done; a message says why */
    PROG_USAGE = 2,  /* the command line is wrong; nothing was tried */
    PROG_CHECK = 3   /* a check said no: too much lag, stores that differ, time that ran out */
};

/* Names the program in its messages (borrowed for ever) and keeps its memory out of core files. */
void prog_init(const char *name);
const char *prog_name(void);

/* "NAME: text" and a newline on standard error. */
void prog_say(const char *fmt, ...) PROG_PRINTF(1, 2);

/* What a person can do about an error of the library; "" where its own text says all there is. */
const char *prog_hint(int err);

/* Prints name and version of the program and of the library. */
void prog_version(void);

/* True when everything written to standard output arrived; says so when not. */
bool prog_flushed(void);

/* Memory, or the end of the program: none of them can go on without. */
void *prog_alloc(size_t n);
void *prog_grow(void *p, size_t n);
char *prog_dup(const char *text);
char *prog_format(const char *fmt, ...) PROG_PRINTF(1, 2);
/* Overwrites `n` bytes, then frees. NULL is fine. */
void prog_wipe_free(void *p, size_t n);

/* `out` has room for 2 * n + 1 characters. */
void prog_hex(char *out, const void *data, size_t n);
int prog_hexdigit(char c); /* 0 to 15; -1: none */
/* Exactly `n` bytes out of 2 * n hexadecimal digits. */
bool prog_unhex(uint8_t *out, size_t n, const char *text);

#endif
