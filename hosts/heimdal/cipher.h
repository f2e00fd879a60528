/* cipher.h: entries put under the master key, or taken out from under it, by the host's functions. */
#ifndef KRBREPL__HEIM_CIPHER_H
#define KRBREPL__HEIM_CIPHER_H

#include <krbrepl/heimdal.h>

#include "recrypt.h"

/* Takes the caller's struct, of whatever age. ABI, INVALID (a function is missing). `in` NULL: there is none. */
int krbrepl__heim_cipher_take(krbrepl_heimdal_cipher *out, const krbrepl_heimdal_cipher *in,
                              krbrepl_errinfo *ei);
/* Appends the entry with all keys encrypted, or all in clear. */
int krbrepl__heim_seal(const krbrepl_heimdal_cipher *c, krbrepl_bytes entry, krbrepl__buf *out,
                       krbrepl_errinfo *ei);
int krbrepl__heim_unseal(const krbrepl_heimdal_cipher *c, krbrepl_bytes entry, krbrepl__buf *out,
                         krbrepl_errinfo *ei);

/* True when both entries are the same, but for the generation, once all keys are in clear: one key that is encrypted
 * twice is not the same bytes. */
int krbrepl__heim_same_in_clear(const krbrepl_heimdal_cipher *c, krbrepl_bytes a, krbrepl_bytes b);
/* True when both are the same entry but for the generation, or the same bytes. */
int krbrepl__heim_same(krbrepl_bytes a, krbrepl_bytes b);

#endif
