/* mitcase.h: what the tests of libkrbrepl-mit share: random records from a seed, dump files out of memory,
 * files in a temporary directory. */
#ifndef MITCASE_H
#define MITCASE_H

#include "test.h"

#include <krbrepl/mit.h>

#include "reader.h"

/* ---- a generator that gives the same on every machine ------------------------------------------ */

typedef struct rnd {
    uint64_t s;
} rnd;

uint32_t rnd_u32(rnd *r);
uint32_t rnd_below(rnd *r, uint32_t n);

/* ---- random records -------------------------------------------------------------------------- */

/* Everything lives in the struct; the record points into it. */
typedef struct any_principal {
    krbrepl_mit_principal p;
    krbrepl_mit_item tl[12];
    krbrepl_mit_key keys[60];
    uint8_t bytes[65536];
} any_principal;

typedef struct any_policy {
    krbrepl_mit_policy p;
    krbrepl_mit_item tl[4];
    uint8_t bytes[1024];
} any_policy;

void any_principal_make(any_principal *a, rnd *r);
void any_policy_make(any_policy *a, rnd *r);

/* ---- dump files ------------------------------------------------------------------------------ */

/* A text that is read in pieces of at most `piece` bytes (0: as much as asked for). */
typedef struct text_file {
    const char *text;
    size_t len, at, piece;
} text_file;

ssize_t text_read(void *ctx, void *buf, size_t n);

/* Reads a whole text. The first `room` entries are copied to `out` (may be NULL); returns their number, or
 * the error, with its text in `ei`. */
typedef struct entry {
    char table[16];
    uint8_t *key, *value;
    size_t key_len, value_len;
    krbrepl_mit_lockout lockout;
    uint64_t line;
} entry;

int text_parse(const char *text, size_t len, size_t piece, entry *out, size_t room,
               krbrepl_errinfo *ei);
void entries_free(entry *e, size_t n);
krbrepl_bytes entry_key(const entry *e);
krbrepl_bytes entry_value(const entry *e);

/* ---- golden lines ---------------------------------------------------------------------------- */

#define V7 "kdb5_util load_dump version 7\n"

/* Lines that kdb5_util 1.20 wrote, and lines with every odd case that the format has. */
extern const char *const golden_line[];
extern const size_t golden_count;

#endif
