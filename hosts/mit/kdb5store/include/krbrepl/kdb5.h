/* kdb5.h: a store whose records stay in an MIT KDC's own database.
 *
 * The callbacks of <krbrepl/host.h> over libkdb5: a replica keeps the database that krb5kdc is configured with (db2,
 * klmdb or kldap), and the KDC goes on with its configuration as it is. Records are those of <krbrepl/mit.h>, in the
 * tables `principal` and `policy`. What a KDC counts for itself (last success, last failure, failed attempts) is no
 * part of them and stays as that KDC has it.
 *
 *     krbrepl_kdb5_open(&db, NULL, &ei);
 *     opt.host = krbrepl_kdb5_ops(db);
 *     opt.host_ctx = db;
 *     krbrepl_store_open(&store, dir, &opt, &ei);
 *
 * libkdb5 does its work in the calling thread, without threads of its own; one object is for one thread at a time.
 * The object belongs to the process that opened it. */
#ifndef KRBREPL_KDB5_H
#define KRBREPL_KDB5_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/host.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct krbrepl_kdb5 krbrepl_kdb5;

typedef struct krbrepl_kdb5_options {
    size_t size;
    const char *realm; /* NULL: the default realm */
    const char *const
        *db_args; /* database arguments, as kadmin.local takes them with -x; ends with NULL. May be
                                 * NULL */
    /* One line for the log: why a callback failed, in the words of libkrb5. Called in the thread that calls the
     * store. May be NULL. */
    void (*note)(void *ctx, const char *text);
    void *ctx;
} krbrepl_kdb5_options;

/* Opens the database that kdc.conf and krb5.conf name for the realm. Where a back end keeps it in files that are
 * not there yet, an empty one is made. `opt` may be NULL. INVALID: the realm's database is of another kind (such as a
 * krbrepl store, which needs no adapter); HOST: libkdb5 could not open it, and says why; NOMEM; ABI. */
KRBREPL_API int krbrepl_kdb5_open(krbrepl_kdb5 **out, const krbrepl_kdb5_options *opt,
                                  krbrepl_errinfo *ei);
/* An import that was not committed is given up. Close the store first. NULL is fine. */
KRBREPL_API void krbrepl_kdb5_close(krbrepl_kdb5 *db);

/* The callbacks, valid until the close; their `ctx` is the object. They answer codes of libkrb5, or
 * KRBREPL_ERR_CORRUPT for a write that failed within db2 (KRBREPL_HOST_TEARS). A record that the
 * back end would not give back byte for byte is refused by them, and the reason is noted. */
KRBREPL_API const krbrepl_host_ops *krbrepl_kdb5_ops(const krbrepl_kdb5 *db);

#ifdef __cplusplus
}
#endif

#endif
