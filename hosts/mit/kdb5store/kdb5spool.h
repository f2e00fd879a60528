/* kdb5spool.h: what an import brings in, kept until all of it is there; for databases that cannot take it in beside what they
 * have (kldap), or not from the process that reads them (klmdb).
 *
 * It is in a file without a name. Names of records are in a list beside it. */
#ifndef KRBREPL__KDB5_SPOOL_H
#define KRBREPL__KDB5_SPOOL_H

#include "kdb5store.h"

#include "buf.h"

typedef struct krbrepl__kdb5_name {
    int table;   /* for krbrepl__kdb5_table_name */
    int wanted;  /* kldap: the new content has it; klmdb: it is as it came */
    uint64_t at; /* klmdb: the number of the change that deletes it */
    char *text;
} krbrepl__kdb5_name;

typedef struct krbrepl__kdb5_names {
    krbrepl__kdb5_name *name;
    size_t n, room;
} krbrepl__kdb5_names;

typedef struct krbrepl__kdb5_spool {
    FILE *file;
    krbrepl__buf buf;          /* the change that was read last */
    uint64_t changes;          /* kept */
    uint64_t at;               /* the number of the change that is read next, from 0 */
    int stage;                 /* of the one who takes them over */
    size_t done;               /* names that were seen to */
    krbrepl__kdb5_names names; /* kldap: what the directory has; klmdb: what is deleted */
    krbrepl__kdb5_names late;  /* klmdb: what was not as it came, at first sight */
} krbrepl__kdb5_spool;

/* ---- names ------------------------------------------------------------------------------------- */

const char *krbrepl__kdb5_table_name(int table);
int krbrepl__kdb5_table_of(const char *name);
/* ENOMEM. */
krb5_error_code krbrepl__kdb5_names_add(krbrepl__kdb5_names *s, int table, krbrepl_bytes text,
                                        uint64_t at);
/* By table, name and number, as krbrepl__kdb5_names_find needs it. */
void krbrepl__kdb5_names_sort(krbrepl__kdb5_names *s);
/* The last one of this name; *found is NULL when there is none. ENOMEM. */
krb5_error_code krbrepl__kdb5_names_find(const krbrepl__kdb5_names *s, const krbrepl_change *c,
                                         krbrepl__kdb5_name **found);

/* ---- the file ---------------------------------------------------------------------------------- */

int krbrepl__kdb5_spool_begin(void *ctx);
/* An import is under way. A write ends that of klmdb. */
krb5_error_code krbrepl__kdb5_spool_there(krbrepl_kdb5 *db);
int krbrepl__kdb5_spool_change(void *ctx, const krbrepl_change *c);
krb5_error_code krbrepl__kdb5_spool_rewind(krbrepl_kdb5 *db);
/* The next change, borrowed until the next call. *end: there is none. */
krb5_error_code krbrepl__kdb5_spool_next(krbrepl_kdb5 *db, krbrepl_change *c, int *end);
void krbrepl__kdb5_spool_free(krbrepl_kdb5 *db);

/* ---- taking over ------------------------------------------------------------------------------- */

/* A stage, piece by piece, as long as a step may last; behind its last piece the stage is the next one. `one` does a
 * piece, and says by its number whether there was none left. */
krb5_error_code krbrepl__kdb5_spool_some(krbrepl_kdb5 *db,
                                         krb5_error_code (*one)(krbrepl_kdb5 *db, int *over));
/* All steps that are left. */
krb5_error_code krbrepl__kdb5_spool_all(void *ctx, int (*step)(void *ctx, int *more));

#endif
