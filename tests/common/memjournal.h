/* memjournal.h: a host's journal in memory that is shared with child processes, as memhost.h is a database. */
#ifndef KRBREPL_TEST_MEMJOURNAL_H
#define KRBREPL_TEST_MEMJOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include <krbrepl/host.h>

#define MEMJOURNAL_COMMITS 512 /* in a row; the place of a commit is its seq modulo this */
#define MEMJOURNAL_BYTES ((1u << 20) + 65536)

typedef struct memjournal_commit {
    uint64_t seq; /* 0: none */
    size_t len;
    unsigned char bytes[MEMJOURNAL_BYTES]; /* untouched pages cost nothing */
} memjournal_commit;

typedef struct memjournal {
    memjournal_commit at[MEMJOURNAL_COMMITS];
    int appends, reads, cuts;             /* calls */
    int fail_append, fail_read, fail_cut; /* what these answer, doing nothing */
    int die_after; /* the process ends when an append has taken so many commits; -1: it lives */
    int forgetful; /* append answers 0 and takes nothing */
    int stubborn;  /* append leaves what is there already */
    int confused;  /* read answers the commit before */
} memjournal;

memjournal *memjournal_new(void);
void memjournal_free(memjournal *j);
krbrepl_journal_ops memjournal_ops(void);
size_t memjournal_count(const memjournal *j);
/* NULL: there is no such commit. */
memjournal_commit *memjournal_find(memjournal *j, uint64_t seq);

#endif
