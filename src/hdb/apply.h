/* apply.h: what a record of Heimdal's log does to the content, in records of table `hdb`.
 *
 * The rules are Heimdal's own, for master and slaves apply the log by the same code. A create does not replace
 * what is there; a delete, a modify of what is not there have no effect; a rename to a name that is there has
 * none. The aliases of an entry are records of their own, and are kept as the alias extension says. */
#ifndef KRBREPL__HDB_APPLY_H
#define KRBREPL__HDB_APPLY_H

#include "logrec.h"

/* Where the records are. Each answers 0 or an error, which ends the work and is its result. */
typedef struct krbrepl__hdb_rows {
    /* The value, borrowed until the next call of any of these. NOTFOUND. */
    int (*get)(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei);
    int (*put)(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei);
    /* Of a record that is there. */
    int (*del)(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei);
    /* Appends the entry to `out` with all its keys sealed. NULL: entries are put as they are. */
    int (*seal)(void *ctx, krbrepl_bytes entry, krbrepl__buf *out, krbrepl_errinfo *ei);
    void *ctx;
    /* The records may have been applied before: what a rename finds under the new name is then its own outcome,
     * and it takes the place of that. Otherwise the old name, made anew by an earlier record, would stay. */
    int again;
} krbrepl__hdb_rows;

/* Applies one record. `effect` (may be NULL) says whether it changed anything. */
int krbrepl__hdb_apply(const krbrepl__hdb_rows *rows, const krbrepl__hdb_rec *rec, int *effect,
                       krbrepl_errinfo *ei);
/* Puts an entry and its aliases in the place of what has its name, as a store with "replace" does. EXISTS
 * when an alias of it belongs to another entry. The value is put as given, but for sealing. */
int krbrepl__hdb_put_entry(const krbrepl__hdb_rows *rows, krbrepl_bytes entry, krbrepl_errinfo *ei);
/* Removes an entry and its aliases. NOTFOUND when there is none of that name (an alias is none). */
int krbrepl__hdb_del_entry(const krbrepl__hdb_rows *rows, const krbrepl__hdb_princ *name,
                           krbrepl_errinfo *ei);

/* A modify: `old` with the fields of `change` that the mask selects. The generation is counted up, where `old`
 * has one. What a modify does not carry stays: valid-start, created-by, etypes, and all extensions when `change`
 * has none. */
int krbrepl__hdb_merge(krbrepl__buf *out, krbrepl_bytes old, const krbrepl__hdb_entry *change,
                       uint32_t mask, krbrepl_errinfo *ei);

#endif
