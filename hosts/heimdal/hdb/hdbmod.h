/* hdbmod.h: the inside of the HDB module: one object for each HDB that Heimdal makes of "krbrepl:DIR".
 *
 * What an entry is, how its keys are sealed and which rows its aliases have is Heimdal's own code: the functions
 * that all its file databases share are borrowed, and call back here for single rows. Here is what krbrepl adds:
 * rows come from the store, and the rows that one operation changes are one commit. */
#ifndef KRBREPL__HDBMOD_H
#define KRBREPL__HDBMOD_H

#include <string.h>
#include <sys/types.h>

#include <krb5.h>

#include <hdb.h>

#include <krbrepl/krbrepl.h>

#define KRBREPL__HDB_PREFIX "krbrepl"
#define KRBREPL__HDB_TABLE "hdb"

/* What the file databases of libhdb share, and libhdb does not export. */
typedef struct krbrepl__hdb_shared {
    krb5_error_code (*fetch)(krb5_context, struct HDB *, krb5_const_principal, unsigned, krb5_kvno,
                             hdb_entry_ex *);
    krb5_error_code (*store)(krb5_context, struct HDB *, unsigned, hdb_entry_ex *);
    krb5_error_code (*remove)(krb5_context, struct HDB *, unsigned, krb5_const_principal);
} krbrepl__hdb_shared;

enum krbrepl__hdb_mode {
    KRBREPL__HDB_SHUT,
    KRBREPL__HDB_READ,
    KRBREPL__HDB_WRITE,
    KRBREPL__HDB_LOAD /* opened with O_TRUNC: what is stored becomes the whole content at the end */
};

typedef struct krbrepl__hdb {
    krbrepl__hdb_shared shared;
    char *dir;
    enum krbrepl__hdb_mode mode;

    /* Stays open while the HDB is closed: a KDC opens and closes it for each request. */
    krbrepl_store *store;
    pid_t pid;
    dev_t dev;
    ino_t ino;

    /* A walk: the view, and the key of the last row. */
    krbrepl_view *view;
    krb5_data at;

    krbrepl_load *load;
    krbrepl_txn *txn;
    int nosync;             /* hdb_set_sync(0): operations are gathered into larger commits */
    size_t changes, bytes;  /* of txn so far */
    krb5_error_code broken; /* of a load or a gathered commit: nothing more is taken */

    /* A rename comes as the store of the new entry and the removal of the old one. The first waits in txn for the
     * second, as one commit. */
    krb5_data fetched; /* the key that was fetched last, while the HDB is open for writing */
    krb5_data source;  /* of the rename whose first half is in txn */

    int lock_fd;
} krbrepl__hdb;

/* The object of an HDB. */
static inline krbrepl__hdb *krbrepl__hdb_of(const struct HDB *db)
{
    return db->hdb_db;
}

/* What may hold keys is overwritten before it is freed. */
static inline void krbrepl__hdb_wipe(krb5_data *d)
{
    if (d->data != NULL)
        explicit_bzero(d->data, d->length);
    krb5_data_free(d);
}

static inline krbrepl_bytes krbrepl__hdb_bytes(krb5_data d)
{
    return (krbrepl_bytes){d.data, d.length};
}

/* ---- module.c */
krb5_error_code krbrepl__hdb_create(krb5_context ctx, struct HDB **out, const char *name);

/* ---- handle.c */
krb5_error_code krbrepl__hdb_open(krb5_context ctx, struct HDB *db, int flags, mode_t mode);
krb5_error_code krbrepl__hdb_close(krb5_context ctx, struct HDB *db);
krb5_error_code krbrepl__hdb_rename(krb5_context ctx, struct HDB *db, const char *name);
/* Opens the store in `dir`; NULL after a failure, which ctx has the text of. */
krb5_error_code krbrepl__hdb_store_open(krb5_context ctx, const char *dir, int readonly,
                                        krbrepl_store **out);
/* Lets go of everything. Legal in a forked child. */
void krbrepl__hdb_release(krbrepl__hdb *h);

/* ---- lock.c */
krb5_error_code krbrepl__hdb_lock(krb5_context ctx, struct HDB *db, int operation);
krb5_error_code krbrepl__hdb_unlock(krb5_context ctx, struct HDB *db);
/* While the database is open for writing: waits for whoever has locked it, up to three seconds. */
krb5_error_code krbrepl__hdb_write_enter(krb5_context ctx, krbrepl__hdb *h);
void krbrepl__hdb_write_leave(krbrepl__hdb *h);
void krbrepl__hdb_lock_free(krbrepl__hdb *h);

/* ---- read.c */
krb5_error_code krbrepl__hdb_fetch(krb5_context ctx, struct HDB *db, krb5_const_principal who,
                                   unsigned flags, krb5_kvno kvno, hdb_entry_ex *entry);
krb5_error_code krbrepl__hdb_first(krb5_context ctx, struct HDB *db, unsigned flags,
                                   hdb_entry_ex *entry);
krb5_error_code krbrepl__hdb_next(krb5_context ctx, struct HDB *db, unsigned flags,
                                  hdb_entry_ex *entry);
krb5_error_code krbrepl__hdb_get(krb5_context ctx, struct HDB *db, krb5_data key, krb5_data *out);
void krbrepl__hdb_walk_end(krbrepl__hdb *h);

/* ---- write.c */
krb5_error_code krbrepl__hdb_store(krb5_context ctx, struct HDB *db, unsigned flags,
                                   hdb_entry_ex *entry);
krb5_error_code krbrepl__hdb_remove(krb5_context ctx, struct HDB *db, unsigned flags,
                                    krb5_const_principal who);
krb5_error_code krbrepl__hdb_put(krb5_context ctx, struct HDB *db, int replace, krb5_data key,
                                 krb5_data value);
krb5_error_code krbrepl__hdb_del(krb5_context ctx, struct HDB *db, krb5_data key);
krb5_error_code krbrepl__hdb_set_sync(krb5_context ctx, struct HDB *db, int on);
/* Commits what is waiting: the first half of a rename that does not go on, a gathered commit. */
krb5_error_code krbrepl__hdb_settle(krb5_context ctx, struct HDB *db);
/* "kadmin: what" as far as it fits. */
void krbrepl__hdb_why(char *out, size_t room, const char *what);

/* ---- load.c */
krb5_error_code krbrepl__hdb_load_begin(krb5_context ctx, krbrepl__hdb *h);
krb5_error_code krbrepl__hdb_load_put(krb5_context ctx, krbrepl__hdb *h, krb5_data key,
                                      krb5_data value);
/* Puts what was stored in the place of the content. Without a load: nothing. */
krb5_error_code krbrepl__hdb_load_end(krb5_context ctx, krbrepl__hdb *h);
/* The content of the store in `from` becomes that of the store in `to`, and `from` is removed. */
krb5_error_code krbrepl__hdb_load_move(krb5_context ctx, const char *from, const char *to);

/* ---- fail.c */
/* A code of Heimdal's for `rc`, with the text of `s` (may be NULL) in ctx. */
krb5_error_code krbrepl__hdb_fail(krb5_context ctx, krbrepl_store *s, int rc, const char *what);
krb5_error_code krbrepl__hdb_fail_ei(krb5_context ctx, int rc, const krbrepl_errinfo *ei,
                                     const char *what);
/* 0 when the store takes changes; else EROFS, and ctx says who its master is. */
krb5_error_code krbrepl__hdb_is_master(krb5_context ctx, krbrepl_store *s);

#endif
