/* memhost.h: a host's database in memory that is shared with child processes, so that one of them can die in
 * the middle of a callback and the parent sees what was written. */
#ifndef KRBREPL_TEST_MEMHOST_H
#define KRBREPL_TEST_MEMHOST_H

#include <krbrepl/host.h>

#define MEMHOST_RECORDS 256
#define MEMHOST_KEY 2048
#define MEMHOST_VALUE (1u << 20)

typedef struct memhost_record {
    int used;
    char table[KRBREPL_MAX_TABLE + 1];
    size_t klen, vlen;
    unsigned char key[MEMHOST_KEY], value[MEMHOST_VALUE]; /* untouched pages cost nothing */
} memhost_record;

typedef struct memhost {
    memhost_record at[MEMHOST_RECORDS], import[MEMHOST_RECORDS];
    krbrepl_pos to; /* as last told */
    int applies, imports, importing;
    int fail_with; /* what apply answers after `whole` changes; 0: it does not fail */
    int die_after; /* the process ends after so many changes of an apply, or at import_commit; -1: it lives */
    int die_at_end; /* the process ends in an apply or import_commit that has a position, before anything is done */
    int whole; /* changes that are made before it fails */
    int steps; /* of an import, each of which takes over the next place of `import` */
} memhost;

memhost *memhost_new(void);
void memhost_free(memhost *h);
/* `import`: with the four calls of an import, 2: and with import_step, which changes the present content in its course. */
krbrepl_host_ops memhost_ops(int import);
/* NULL: there is no such record; else the value as a string, static. */
const char *memhost_value(memhost *h, const char *table, const char *key);
void memhost_set(memhost *h, const char *table, const char *key, const char *value); /* NULL: delete */
size_t memhost_count(const memhost *h);

#endif
