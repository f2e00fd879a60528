/* reader.h: takes the file of `kdb5_util dump` apart, one record at a time.
 *
 * The format (docs/records-mit.md has it in full): one record a line, fields separated by one TAB. The
 * first line tells the version, and with it how many fields a policy has.
 *
 *   princ   base_length name_length ntl nkeys extra_length name attributes max_life max_renewable_life
 *           expiration pw_expiration last_success last_failed failures
 *           ntl x (type length hex)  nkeys x (version kvno version x (type length hex))  hex;
 *   policy  name min_life max_life min_length min_classes history references
 *           max_failures failure_interval lockout_duration                              (6, 7, ipropx)
 *           attributes max_life max_renewable_life keysalts ntl ntl x (type length hex) (7, ipropx)
 *
 * No more than one record is in memory. A line that is not exactly of this form is refused. */
#ifndef KRBREPL__MIT_READER_H
#define KRBREPL__MIT_READER_H

#include <krbrepl/mit.h>

#include "buf.h"
#include "input.h"

typedef struct krbrepl__mit_entry {
    const char *table; /* of principals or of policies; static */
    krbrepl_bytes key; /* borrowed until the next call, as is the value */
    krbrepl_bytes value;
    krbrepl_mit_lockout lockout; /* principals */
    uint64_t line;
} krbrepl__mit_entry;

typedef struct krbrepl__mit_reader {
    krbrepl__mit_input in;
    const char *name;                   /* of the file, for messages; borrowed */
    unsigned version;                   /* 4 to 7; 0: iprop, with `policy_fields` telling which */
    unsigned policy_least, policy_most; /* fields that a policy may have */
    uint64_t line;                      /* of the record that is being read */
    krbrepl__buf key, value;
    krbrepl_errinfo *ei;
} krbrepl__mit_reader;

/* NULL: out of memory. `name` is borrowed. */
krbrepl__mit_reader *krbrepl__mit_reader_new(const char *name, krbrepl__mit_read_fn *read, void *ctx);
void krbrepl__mit_reader_free(krbrepl__mit_reader *r);
/* Reads the first line. FORMAT when it names a format that is not read; INPUT; IO. */
int krbrepl__mit_reader_begin(krbrepl__mit_reader *r, krbrepl_errinfo *ei);
/* 1: `out` is filled; 0: the file ends, behind a whole record; negative: INPUT, IO, NOMEM. */
int krbrepl__mit_reader_next(krbrepl__mit_reader *r, krbrepl__mit_entry *out, krbrepl_errinfo *ei);
/* A failure at line `line` of the file: "FILE:LINE: reason". */
int krbrepl__mit_reader_fail(krbrepl__mit_reader *r, uint64_t line, krbrepl_errinfo *ei, int code,
                             const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
