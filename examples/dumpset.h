/* dumpset.h: the records of a dump file as a sorted list of names and digests, and what differs between two. */
#ifndef KRBREPL_DUMPSET_H
#define KRBREPL_DUMPSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct dumpset_entry {
    bool policy;
    char *name;
    uint8_t all[32];     /* digest of the line */
    uint8_t content[32]; /* the same without what each KDC counts for itself */
};

struct dumpset {
    struct dumpset_entry *entries;
    size_t n, room;
    uint64_t principals, policies;
};

/* Reads a file of `kdb5_util dump` to its end, of which `f` is a keyfile.h's. Numbers that releases of krb5 write with another sign are the same
 * here. False after a message that is left in `*why`. */
bool dumpset_read(struct dumpset *s, FILE *f, char **why);
void dumpset_free(struct dumpset *s);

enum dumpset_what { DUMPSET_ADDED, DUMPSET_CHANGED, DUMPSET_COUNTED, DUMPSET_DELETED };

/* COUNTED: only counters of logins differ. `entry` stands in `after`, or in `before` when it is deleted. */
typedef void dumpset_fn(void *ctx, enum dumpset_what what, const struct dumpset_entry *entry);

void dumpset_compare(const struct dumpset *before, const struct dumpset *after, dumpset_fn *fn,
                     void *ctx);

/* One digest of all records, whatever order they were in. */
void dumpset_digest(const struct dumpset *s, uint8_t out[32]);

#endif
