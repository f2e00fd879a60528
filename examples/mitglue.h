/* mitglue.h: the only door of the programs to libkrbrepl-mit, so that they also build without it. */
#ifndef KRBREPL_MITGLUE_H
#define KRBREPL_MITGLUE_H

#include <stdbool.h>
#include <stdio.h>

#include <krbrepl/krbrepl.h>

/* False: this build knows no MIT records; the functions below answer FORMAT. */
bool mitglue_there(void);

/* True for a table whose values hold keys. */
bool mitglue_is_secret(const char *table);

/* One line about a record without its keys. False when there is nothing to say. */
bool mitglue_describe(const char *table, krbrepl_bytes key, krbrepl_bytes value, char *buf,
                      size_t room);

int mitglue_mkey_kvno(krbrepl_store *s, const char *realm, uint64_t *kvno);
int mitglue_stash_kvno(const char *file, const char *realm, uint64_t *kvno);

struct mitglue_result {
    krbrepl_pos pos;
    uint64_t kind, commits, version, principals, policies, added, changed, deleted, bytes;
};

typedef void mitglue_progress_fn(void *ctx, const char *phase, uint64_t done, uint64_t total);

int mitglue_load(krbrepl_store *s, const char *file, bool update, const char *why,
                 mitglue_progress_fn *progress, struct mitglue_result *out, krbrepl_errinfo *ei);
int mitglue_dump(krbrepl_store *s, const char *file, mitglue_progress_fn *progress,
                 struct mitglue_result *out, krbrepl_errinfo *ei);
/* The same into a file that is open. */
int mitglue_dump_stream(krbrepl_store *s, FILE *f, struct mitglue_result *out, krbrepl_errinfo *ei);

#endif
