/* kdb5store.h: the inside of libkrbrepl-kdb5, records in an MIT KDC's own database (<krbrepl/kdb5.h>).
 *
 * Two contexts of libkrb5: `live` is the database that the KDC has open, `temp` the "temporary" one that an import
 * fills, and that takes the place of the live one when it is promoted, as with `kdb5_util load`. Entries are made
 * and taken apart by the code of the KDB module (../kdb), so that a record is the same bytes everywhere. */
#ifndef KRBREPL__KDB5STORE_H
#define KRBREPL__KDB5STORE_H

#include <stdio.h>

#include <krbrepl/kdb5.h>

#include "kdbmod.h"

struct krbrepl_kdb5 {
    krbrepl_host_ops ops;
    char *realm;
    char *library; /* db_library of the realm */
    char **args;   /* database arguments */
    char **temp_args;
    size_t nargs;
    int is_db2;
    int is_ldap;  /* kldap: no locks, no second content beside the first (ldap.h) */
    int is_lmdb;  /* klmdb: one open database in a process (reload.c) */
    char *file;   /* the name of the database that is configured, NULL: none, or a directory */
    char *folder; /* where db2 has its files; NULL: not known */
    krb5_context live;
    int is_open;                       /* the database is open in `live` */
    krb5_context temp;                 /* NULL: no import */
    struct krbrepl__kdb5_spool *spool; /* what an import is to bring in (kdb5spool.h); NULL: none */
    void *value;                       /* lent by `get` until its next call */
    size_t len;
    void (*note)(void *ctx, const char *text);
    void *note_ctx;
};

/* ---- open.c ---------------------------------------------------------------------------------- */

/* A context of this realm, with the configuration of a KDC. */
krb5_error_code krbrepl__kdb5_context(const char *realm, krb5_context *out);
/* Opens the database in `live`, unless it is, and closes it. */
krb5_error_code krbrepl__kdb5_live_open(krbrepl_kdb5 *db);
void krbrepl__kdb5_live_close(krbrepl_kdb5 *db);

/* ---- fail.c ---------------------------------------------------------------------------------- */

/* "WHAT: what libkrb5 says" to the log. Answers `code`. */
krb5_error_code krbrepl__kdb5_failed(krbrepl_kdb5 *db, krb5_context ctx, krb5_error_code code,
                                     const char *what, krbrepl_bytes name);
/* A record that cannot be kept: leaves the reason in the context and answers EINVAL. */
krb5_error_code krbrepl__kdb5_refuse(krb5_context ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- record.c -------------------------------------------------------------------------------- */

/* The value of a record as the database has it; to be freed with krbrepl_mit_free. KRB5_KDB_NOENTRY. `local` may be
 * NULL; it gets a principal's counters. */
krb5_error_code krbrepl__kdb5_read(const krbrepl_kdb5 *db, krb5_context ctx, const char *table,
                                   krbrepl_bytes key, void **value, size_t *len,
                                   krbrepl_mit_lockout *local);
/* Makes one change in the database of `ctx`. The counters of a principal that is there stay. `fresh`: it is known
 * that there is none. */
krb5_error_code krbrepl__kdb5_change(const krbrepl_kdb5 *db, krb5_context ctx, const krbrepl_change *c,
                                     int fresh);

/* ---- import.c -------------------------------------------------------------------------------- */

/* Closes `temp`, and drops what was not promoted but for db2's files. */
void krbrepl__kdb5_temp_end(krbrepl_kdb5 *db);
int krbrepl__kdb5_import_begin(void *ctx);
int krbrepl__kdb5_import_change(void *ctx, const krbrepl_change *c);
int krbrepl__kdb5_import_commit(void *ctx, const krbrepl_pos *to);
void krbrepl__kdb5_import_abort(void *ctx);

/* ---- replace.c ------------------------------------------------------------------------------- */

/* The same for a database that holds one content alone, after kdb5spool.c has kept the changes. */
int krbrepl__kdb5_replace_step(void *ctx, int *more);
int krbrepl__kdb5_replace_commit(void *ctx, const krbrepl_pos *to);
void krbrepl__kdb5_replace_abort(void *ctx);

/* ---- readers.c ------------------------------------------------------------------------------- */

/* Of klmdb's database, while it is not open here: forgets readers whose processes are dead. */
void krbrepl__kdb5_readers_clear(const krbrepl_kdb5 *db);

/* ---- reload.c -------------------------------------------------------------------------------- */

/* And for klmdb. */
int krbrepl__kdb5_reload_step(void *ctx, int *more);
int krbrepl__kdb5_reload_commit(void *ctx, const krbrepl_pos *to);
void krbrepl__kdb5_reload_abort(void *ctx);

/* ---- apply.c --------------------------------------------------------------------------------- */

int krbrepl__kdb5_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
/* ENOSPC when there is less room on disk than so many bytes of changes may take. */
krb5_error_code krbrepl__kdb5_room(krbrepl_kdb5 *db, krb5_context ctx, size_t bytes);
int krbrepl__kdb5_apply(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to);

#endif
