/* adopt.h: what `krbrepl adopt` knows while it works: the command in cmd_adopt.c, the store's side in adopt_store.c. */
#ifndef KRBREPL_ADOPT_H
#define KRBREPL_ADOPT_H

#include "cli.h"
#include "conf.h"
#include "dumpset.h"
#include "kdbdump.h"
#include "mitglue.h"

/* What the commits of an adoption begin with in the journal. */
#define ADOPT_WHY "adopt "

/* Keys that the store's own commits have changed since the last adoption. */
struct adopt_own {
    bool everything; /* the content was replaced, or the journal does not reach back */
    uint64_t seq;    /* the last of these commits; 0: none */
    char *who, *why;
    char **names; /* "policy NAME" or "principal NAME", sorted */
    size_t n, room;
};

struct adopt {
    struct cli c;
    char *realm, *kdc_file, *module, *util; /* options */
    bool final, compare, over;
    const char *dir;
    struct conf *conf;
    struct kdbdump old;
    char *scratch; /* where temporary files are made */
    int lock;
    bool made; /* the store was made by this run */
    struct mitglue_result r;
};

/* Where a dump can be kept while there is no store yet: beside it. */
void adopt_store_scratch(struct adopt *a);
/* Makes the store when there is none (not for a comparison), opens it, and sees that it is a master's. Done once. */
int adopt_store_open(struct adopt *a);
/* Keeps kadmin and kdb5_util, where they use the store already, from writing; and lets them again. */
int adopt_store_lock(struct adopt *a);
void adopt_store_unlock(struct adopt *a);

/* What stands in the store. */
int adopt_store_set(struct adopt *a, struct dumpset *out);

/* What was written since the last adoption by others. */
int adopt_store_own(struct adopt *a, struct adopt_own *out);
bool adopt_own_has(const struct adopt_own *own, const struct dumpset_entry *e);
void adopt_own_free(struct adopt_own *own);

#endif
