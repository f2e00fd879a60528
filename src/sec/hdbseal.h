/* hdbseal.h: the master key of a Heimdal database.
 *
 * Heimdal keeps keys in its database encrypted under a master key, which is in a keytab of its own (`m-key`),
 * by Kerberos encryption with key usage 0x484442. Log records may carry new keys in clear: whoever stores them
 * seals them first. */
#ifndef KRBREPL__SEC_HDBSEAL_H
#define KRBREPL__SEC_HDBSEAL_H

#include <krbrepl/types.h>

#include "buf.h"
#include "errinfo.h"

typedef struct krbrepl__hdbseal krbrepl__hdbseal; /* one thread at a time */

/* Reads the master keys of a file (a keytab with entries K/M). NOTFOUND, FORMAT, IO, NOMEM. */
int krbrepl__hdbseal_open(krbrepl__hdbseal **out, const char *file, krbrepl_errinfo *ei);
void krbrepl__hdbseal_close(krbrepl__hdbseal *s); /* wipes the keys; NULL is fine */

/* Appends the entry to `out` with all its keys sealed under the newest master key. An entry without keys in
 * clear is appended as it is. */
int krbrepl__hdbseal_seal(krbrepl__hdbseal *s, krbrepl_bytes entry, krbrepl__buf *out,
                          krbrepl_errinfo *ei);
/* The opposite: all keys in clear. NOTFOUND when a key is under a master key that is not in the file. */
int krbrepl__hdbseal_unseal(krbrepl__hdbseal *s, krbrepl_bytes entry, krbrepl__buf *out,
                            krbrepl_errinfo *ei);

#endif
