/* heimglue.h: the only door of the programs to libkrbrepl-heimdal, so that they also build without it. */
#ifndef KRBREPL_HEIMGLUE_H
#define KRBREPL_HEIMGLUE_H

#include <stdbool.h>

#include <krbrepl/krbrepl.h>

enum heimglue_format { HEIMGLUE_ANY = 0, HEIMGLUE_DUMP = 1, HEIMGLUE_HPROP = 2 };

/* What the first bytes of a file say; HEIMGLUE_ANY: nothing of Heimdal's. */
enum heimglue_format heimglue_format_of(const void *first, size_t len);

/* One line about a record of table hdb, without its keys. False when there is nothing to say. */
bool heimglue_describe(krbrepl_bytes key, krbrepl_bytes value, char *buf, size_t room);

struct heimglue_result {
    krbrepl_pos pos;
    uint64_t kind, commits, added, changed, deleted;
    uint64_t entries;                   /* in the file */
    uint64_t records, applied, version; /* of a log */
};

/* The master key file of the database; NULL: keys stay as they are. */
struct mkeyfile;

typedef void heimglue_progress_fn(void *ctx, const char *phase, uint64_t done, uint64_t total);

int heimglue_load(krbrepl_store *s, const char *file, enum heimglue_format format, bool update,
                  const char *why, struct mkeyfile *mkey, heimglue_progress_fn *progress,
                  struct heimglue_result *out, krbrepl_errinfo *ei);
int heimglue_dump(krbrepl_store *s, const char *file, enum heimglue_format format,
                  struct mkeyfile *mkey, heimglue_progress_fn *progress, struct heimglue_result *out,
                  krbrepl_errinfo *ei);

/* A record of a log of Heimdal's; borrowed until the callback returns. */
struct heimglue_record {
    uint64_t version, time, op, mask, offset, length;
    const char *name, *from;
    krbrepl_bytes entry;
};

struct heimglue_log {
    uint64_t version, time, first, records, end, unconfirmed;
    bool old;
};

typedef int heimglue_log_fn(void *ctx, const struct heimglue_record *rec);

/* `fn` may be NULL. */
int heimglue_log(const char *file, uint64_t from, uint64_t to, heimglue_log_fn *fn, void *ctx,
                 struct heimglue_log *out, krbrepl_errinfo *ei);
int heimglue_replay(krbrepl_store *s, const char *file, uint64_t from, uint64_t to, const char *why,
                    struct mkeyfile *mkey, struct heimglue_result *out, krbrepl_errinfo *ei);

#endif
