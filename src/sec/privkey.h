/* privkey.h: one key of an AP exchange, and Kerberos encryption with it. The one place of the protected channel
 * that knows whose libkrb5 it is. */
#ifndef KRBREPL__PRIVKEY_H
#define KRBREPL__PRIVKEY_H

#include <krb5.h>

#include "buf.h"
#include "errinfo.h"

typedef struct krbrepl__privkey krbrepl__privkey; /* one thread at a time; borrows the context */

/* AUTH when the key is below the enctype floor; NOMEM. The key is copied. */
int krbrepl__privkey_new(krbrepl__privkey **out, krb5_context ctx, const krb5_keyblock *key,
                         krbrepl_errinfo *ei);
void krbrepl__privkey_free(krbrepl__privkey *k); /* NULL is fine */
long krbrepl__privkey_enctype(const krbrepl__privkey *k);
/* Appends `in` encrypted, or decrypted. AUTH when it was not encrypted with this key; NOMEM, TOOBIG. */
int krbrepl__privkey_seal(krbrepl__privkey *k, int usage, krbrepl_bytes in, krbrepl__buf *out);
int krbrepl__privkey_open(krbrepl__privkey *k, int usage, krbrepl_bytes in, krbrepl__buf *out);

#endif
