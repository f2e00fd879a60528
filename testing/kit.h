/* kit.h: what the files of the kit share. */
#ifndef KRBREPL__TESTING_KIT_H
#define KRBREPL__TESTING_KIT_H

#include <krbrepl/testing.h>

#include "buf.h"

struct side {
    char dir[512];
    void *host_ctx;
    krbrepl_store *store;
};

struct kit {
    const krbrepl_testing_store *under;
    struct side at[2];
    krbrepl__buf key, value; /* the record that is worked with, as the database takes it */
    char why[300];           /* the first thing that was wrong; "": nothing */
};

/* Each answers 1, or 0 when something was wrong. */
int krbrepl__kit_wrong(struct kit *k, const char *why, int code); /* 0 */
int krbrepl__kit_put(struct kit *k, int from, int to);            /* commits of the master */
int krbrepl__kit_reopen(struct kit *k, int which);

/* conformjournal.c: the promises of a host's journal. */
void krbrepl__kit_journal_has_every_commit(struct kit *k);
void krbrepl__kit_journal_after_a_restart(struct kit *k);
void krbrepl__kit_journal_gives_way(struct kit *k);
void krbrepl__kit_journal_is_cut(struct kit *k);

#endif
