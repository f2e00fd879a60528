/* reader.h: takes a file of kadmin or hprop apart, one entry at a time.
 *
 * hprop: u32 length, entry in DER, and so on; a length of 0 or the end of the file ends it. */
#ifndef KRBREPL__HEIM_READER_H
#define KRBREPL__HEIM_READER_H

#include <stdio.h>

#include <krbrepl/heimdal.h>

#include "entry.h"

typedef struct krbrepl__heim_reader {
    FILE *f;
    int own_f;
    char *room; /* of `f`: keys pass through it */
    const char *name;
    uint64_t format;
    uint64_t place;     /* the line, or the offset, of the entry at hand */
    uint64_t offset;    /* bytes taken */
    krbrepl__buf line;  /* as it stands in the file */
    krbrepl__buf entry; /* in DER */
    krbrepl_errinfo *ei;
} krbrepl__heim_reader;

/* `format` 0: what the file is. "-" is standard input. INPUT, IO, NOMEM. Closed in any case by _close. */
int krbrepl__heim_reader_open(krbrepl__heim_reader *r, const char *file, uint64_t format,
                              krbrepl_errinfo *ei);
void krbrepl__heim_reader_close(krbrepl__heim_reader *r);
/* 1: the next entry, borrowed until the next call; 0: the file ends, behind a whole entry; negative: an error. */
int krbrepl__heim_reader_next(krbrepl__heim_reader *r, krbrepl_bytes *entry);
/* Back to the beginning. INVALID when the file is a pipe. */
int krbrepl__heim_reader_again(krbrepl__heim_reader *r);
/* A failure at the entry at hand: "FILE:LINE: reason", or "FILE: offset N: reason". */
int krbrepl__heim_reader_fail(krbrepl__heim_reader *r, int code, const char *why);

#endif
