/* kdbmod.h: the KDB module krbrepl.so, by which krb5kdc, kadmind, kadmin.local and kdb5_util of MIT krb5 use
 * a krbrepl store as their database (docs/kdb-module.md).
 *
 * The module holds no state but what hangs on a krb5_context, starts no thread and leaves the replication
 * to the daemon on the same store. libkdb5 loads and unloads it at will, so nothing may outlive
 * fini_library. A handle knows the process that opened it, and is opened anew in a forked child. */
#ifndef KRBREPL__KDB_MODULE_H
#define KRBREPL__KDB_MODULE_H

#include <sys/stat.h>
#include <sys/types.h>

#include <krb5.h>

#include <kdb.h>

#include <krbrepl/krbrepl.h>
#include <krbrepl/mit.h>

#include "spool.h"

#if KRB5_KDB_DAL_MAJOR_VERSION < 8 || KRB5_KDB_DAL_MAJOR_VERSION > 9
#error "This module knows the database interface of krb5 1.18 to 1.22 (DAL 8 and 9)."
#endif

/* ---- options (options of [dbmodules], and database arguments) -------------------------------- */

typedef struct krbrepl__kdb_conf {
    char *dir; /* database_name */
    uint64_t map_size;
    uint64_t max_readers;
    int nosync;
    int disable_last_success;
    int disable_lockout;
    uint64_t sync_replicas; /* 0: a write does not wait for replicas */
    uint64_t sync_timeout_ms;
    uint64_t sync_level;
    int temporary; /* the arguments of a load */
    int merge_nra;
} krbrepl__kdb_conf;

/* Reads section `section` of [dbmodules], then the arguments. 0, ENOMEM, or EINVAL with a message. */
krb5_error_code krbrepl__kdb_conf_read(krb5_context ctx, const char *section, char **db_args,
                                       krbrepl__kdb_conf *out);
void krbrepl__kdb_conf_free(krbrepl__kdb_conf *c);

/* ---- the database object of a context --------------------------------------------------------- */

typedef struct krbrepl__kdb {
    krbrepl__kdb_conf conf;
    krbrepl_store *store; /* NULL: could not be opened again */
    pid_t pid;            /* who opened it */
    dev_t dev;            /* which data.mdb was opened: another one may be put in its place */
    ino_t ino;
    int creating;     /* kdb5_util create: nobody to wait for yet */
    char program[32]; /* the name of this process, once it was asked for */

    krbrepl_view *view; /* under a shared lock: everything is read at one position */
    int lock_fd;        /* kdb.lock, -1: not opened yet */
    int lock_mode;      /* 0, or KRB5_DB_LOCKMODE_... as it is held */
    unsigned lock_depth;
    int in_slice; /* a walk that writes holds the lock for a slice of it */

    krbrepl_load *load;         /* a "temporary" database */
    krbrepl_txn *group;         /* load -update: the commit that is being filled */
    uint64_t group_changes;     /* in it */
    uint64_t group_bytes;       /* in it */
    krb5_error_code group_lost; /* why an earlier group could not be committed */
    krbrepl__mit_spool *spool;  /* lockout values that are set when load or group are committed */
    krbrepl_pos written;        /* the last commit of this object */
    int unsynced;               /* `written` was not waited for yet */
} krbrepl__kdb;

/* Opens the store (`create`: makes one that is master when there is none) and hangs the object on the
 * context. `out` may be NULL. */
krb5_error_code krbrepl__kdb_open(krb5_context ctx, krbrepl__kdb_conf *conf, int create,
                                  krbrepl__kdb **out);
/* Takes the object off the context and frees it. A load that was not promoted changes nothing. */
void krbrepl__kdb_close(krb5_context ctx);
/* The object of a context, opened again when this is another process, or when another database was put in
 * its place. */
krb5_error_code krbrepl__kdb_ready(krb5_context ctx, krbrepl__kdb **out);
/* Closes the store and opens it again. */
krb5_error_code krbrepl__kdb_reopen(krb5_context ctx, krbrepl__kdb *h);

/* ---- failures --------------------------------------------------------------------------------- */

/* Turns an error of the library into one of krb5, and leaves "what: text" in the context. */
krb5_error_code krbrepl__kdb_fail(krb5_context ctx, krbrepl__kdb *h, int rc, const char *what);
/* The same with a detail that is on no handle. */
krb5_error_code krbrepl__kdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what);
/* A write or load that the role of the store forbids: says who the master is, and logs it. */
krb5_error_code krbrepl__kdb_refused(krb5_context ctx, krbrepl__kdb *h, int rc);
/* One line to where this program writes its log, as [logging] says. */
void krbrepl__kdb_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- records ---------------------------------------------------------------------------------- */

/* Names and records. The entry is freed by libkdb5, so it is made of blocks of malloc. */
krb5_error_code krbrepl__kdb_entry_make(krb5_context ctx, krbrepl_bytes key, krbrepl_bytes value,
                                        const krbrepl_mit_lockout *local, krb5_db_entry **out);
krb5_error_code krbrepl__kdb_entry_encode(krb5_context ctx, const krb5_db_entry *e, void **value,
                                          size_t *len);
krb5_error_code krbrepl__kdb_policy_make(krb5_context ctx, krbrepl_bytes key, krbrepl_bytes value,
                                         osa_policy_ent_t *out);
krb5_error_code krbrepl__kdb_policy_encode(krb5_context ctx, const osa_policy_ent_rec *p, void **value,
                                           size_t *len);
/* The bytes of a name: a string of krb5_unparse_name, to be given back with krb5_free_unparsed_name. */
krbrepl_bytes krbrepl__kdb_text(const char *s);
/* Tagged data <-> the items of a record. The list is of malloc; the array is to be freed with
 * krbrepl__free. Both answer 0, ENOMEM, or EINVAL when the list is shorter than `n`. */
int krbrepl__kdb_tl_make(const krbrepl_mit_item *item, size_t n, krb5_tl_data **out);
int krbrepl__kdb_tl_items(const krb5_tl_data *tl, krb5_int16 n, krbrepl_mit_item **out);

/* ---- reading ---------------------------------------------------------------------------------- */

/* Copies one record: 0, or an error; KRB5_KDB_NOENTRY leaves no message. `*value` is to be freed with
 * krbrepl__free. */
krb5_error_code krbrepl__kdb_read(krb5_context ctx, krbrepl__kdb *h, const char *table,
                                  krbrepl_bytes key, void **value, size_t *len);
/* Calls `fn` with a copy of each record of a table. `live`: the callback may write, so that no view is
 * kept open, and each record is read as it is when its turn comes. */
typedef krb5_error_code krbrepl__kdb_each_fn(krb5_context ctx, krbrepl__kdb *h, void *arg,
                                             krbrepl_bytes key, krbrepl_bytes value);
krb5_error_code krbrepl__kdb_each(krb5_context ctx, krbrepl__kdb *h, const char *table, int reverse,
                                  int live, krbrepl__kdb_each_fn *fn, void *arg);

/* ---- writing ---------------------------------------------------------------------------------- */

typedef struct krbrepl__kdb_write {
    krbrepl_txn *txn; /* NULL: into a load */
    int grouped;      /* the transaction is h->group and stays open */
} krbrepl__kdb_write;

/* `who` NULL: this process. `why`: what is done; the name of the program is put before it. */
krb5_error_code krbrepl__kdb_write_begin(krb5_context ctx, krbrepl__kdb *h, const char *who,
                                         const char *why, krbrepl__kdb_write *w);
krb5_error_code krbrepl__kdb_write_put(krb5_context ctx, krbrepl__kdb *h, krbrepl__kdb_write *w,
                                       const char *table, krbrepl_bytes key, krbrepl_bytes value);
/* Commits (rc 0) or takes back, and returns rc or why the commit failed. */
krb5_error_code krbrepl__kdb_write_end(krb5_context ctx, krbrepl__kdb *h, krbrepl__kdb_write *w,
                                       krb5_error_code rc);
/* Whether there is such a record, as seen from inside of the write. */
int krbrepl__kdb_write_has(krbrepl__kdb_write *w, const char *table, krbrepl_bytes key);
/* Commits the group, sets the lockout values that came with it. */
krb5_error_code krbrepl__kdb_group_end(krb5_context ctx, krbrepl__kdb *h);
/* Waits for the replicas as sync_replicas says. */
void krbrepl__kdb_sync(krbrepl__kdb *h);
/* What is done, for the journal: "PROGRAM: WHAT". */
void krbrepl__kdb_self(krbrepl__kdb *h, char *out, size_t room, const char *what);

/* ---- lockout ---------------------------------------------------------------------------------- */

void krbrepl__kdb_local_get(krbrepl__kdb *h, krbrepl_bytes key, krbrepl_mit_lockout *out);
/* After an entry was put: takes over what its mask says. */
void krbrepl__kdb_local_put(krbrepl__kdb *h, krbrepl_bytes key, const krb5_db_entry *e);
/* Sets the values that were gathered while a load or a group was read. */
krb5_error_code krbrepl__kdb_local_spooled(krb5_context ctx, krbrepl__kdb *h);
krb5_error_code krbrepl__kdb_spool(krb5_context ctx, krbrepl__kdb *h, krbrepl_bytes key,
                                   const krb5_db_entry *e);
krb5_error_code krbrepl__kdb_check_policy_as(krb5_context ctx, krb5_kdc_req *request,
                                             krb5_db_entry *client, krb5_db_entry *server,
                                             krb5_timestamp now, const char **status,
                                             krb5_pa_data ***e_data);
void krbrepl__kdb_audit_as_req(krb5_context ctx, krb5_kdc_req *request, const krb5_address *local,
                               const krb5_address *remote, krb5_db_entry *client, krb5_db_entry *server,
                               krb5_timestamp when, krb5_error_code err);

/* ---- locks ------------------------------------------------------------------------------------ */

krb5_error_code krbrepl__kdb_lock(krb5_context ctx, int mode);
krb5_error_code krbrepl__kdb_unlock(krb5_context ctx);
void krbrepl__kdb_lock_free(krbrepl__kdb *h);
/* Around a write: waits for who has locked the database exclusively. */
krb5_error_code krbrepl__kdb_lock_write(krb5_context ctx, krbrepl__kdb *h);
void krbrepl__kdb_unlock_write(krbrepl__kdb *h);
/* Around a slice of a walk whose callback may write. */
krb5_error_code krbrepl__kdb_lock_slice(krb5_context ctx, krbrepl__kdb *h);
void krbrepl__kdb_unlock_slice(krbrepl__kdb *h);
/* Around reading and writing a principal's counters: -1 or a descriptor for the second. */
int krbrepl__kdb_count_lock(krbrepl__kdb *h);
void krbrepl__kdb_count_unlock(int fd);

/* ---- the methods ------------------------------------------------------------------------------ */

krb5_error_code krbrepl__kdb_get_principal(krb5_context ctx, krb5_const_principal name,
                                           unsigned int flags, krb5_db_entry **out);
krb5_error_code krbrepl__kdb_put_principal(krb5_context ctx, krb5_db_entry *e, char **db_args);
krb5_error_code krbrepl__kdb_delete_principal(krb5_context ctx, krb5_const_principal name);
krb5_error_code krbrepl__kdb_iterate(krb5_context ctx, char *match,
                                     int (*fn)(krb5_pointer, krb5_db_entry *), krb5_pointer arg,
                                     krb5_flags flags);
krb5_error_code krbrepl__kdb_create_policy(krb5_context ctx, osa_policy_ent_t p);
krb5_error_code krbrepl__kdb_get_policy(krb5_context ctx, char *name, osa_policy_ent_t *out);
krb5_error_code krbrepl__kdb_put_policy(krb5_context ctx, osa_policy_ent_t p);
krb5_error_code krbrepl__kdb_iter_policy(krb5_context ctx, char *match, osa_adb_iter_policy_func fn,
                                         void *arg);
krb5_error_code krbrepl__kdb_delete_policy(krb5_context ctx, char *name);
krb5_error_code krbrepl__kdb_create(krb5_context ctx, char *section, char **db_args);
krb5_error_code krbrepl__kdb_destroy(krb5_context ctx, char *section, char **db_args);
krb5_error_code krbrepl__kdb_promote_db(krb5_context ctx, char *section, char **db_args);

#endif
