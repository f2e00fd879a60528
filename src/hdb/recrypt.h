/* recrypt.h: an entry with its keys put under a master key, or taken out from under it.
 *
 * Where the keys of an entry are is known here; how to encrypt is the caller's (src/sec/hdbseal.h), for this
 * layer has no Kerberos library. */
#ifndef KRBREPL__HDB_RECRYPT_H
#define KRBREPL__HDB_RECRYPT_H

#include "entry.h"

typedef struct krbrepl__hdb_cipher {
    /* Appends `in` encrypted, and says by which master key. NULL: what is in clear stays. */
    int (*seal)(void *ctx, krbrepl_bytes in, krbrepl__buf *out, uint32_t *mkvno, krbrepl_errinfo *ei);
    /* Appends `in` decrypted; `etype` is the type of the key inside, 0 for a password. NULL: what is sealed
     * stays. */
    int (*unseal)(void *ctx, uint32_t mkvno, int64_t etype, krbrepl_bytes in, krbrepl__buf *out,
                  krbrepl_errinfo *ei);
    void *ctx;
} krbrepl__hdb_cipher;

/* Appends the entry to `out`. Keys, keys of the history and the password are treated; one of the two functions
 * is NULL. An entry with nothing to do is appended byte by byte. */
int krbrepl__hdb_recrypt(krbrepl__buf *out, krbrepl_bytes entry, const krbrepl__hdb_cipher *c,
                         krbrepl_errinfo *ei);

#endif
