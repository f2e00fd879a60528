/* replace.h: the records of a file in the place of those of some tables, in one commit. */
#ifndef KRBREPL__COMMON_REPLACE_H
#define KRBREPL__COMMON_REPLACE_H

#include <krbrepl/store.h>

typedef struct krbrepl__common_replacement {
    krbrepl_store *store;
    const char *tables[2]; /* the second may be NULL; records of other tables stay */
    const char *who, *why; /* as in krbrepl_load_options, as is what follows */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    void *progress_ctx;
    int (*put)(void *job,
               krbrepl_load *load); /* puts the records of the file; a failure is told in `ei` */
    void *job;
    krbrepl_errinfo *ei;
} krbrepl__common_replacement;

int krbrepl__common_replace(const krbrepl__common_replacement *r, krbrepl_load_result *res);

#endif
