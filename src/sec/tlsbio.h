/* tlsbio.h: the BIO between OpenSSL and our buffers. Records are made straight into the out buffer, and
 * read straight from what was fed; a BIO of memory would copy both and keep its largest size. */
#ifndef KRBREPL__TLSBIO_H
#define KRBREPL__TLSBIO_H

#include <openssl/bio.h>

#include "buf.h"

typedef struct krbrepl__tlsbio {
    krbrepl__buf *out; /* borrowed */
    const uint8_t *p;  /* what was fed and not read yet; borrowed during feed */
    size_t left;
} krbrepl__tlsbio;

BIO_METHOD *krbrepl__tlsbio_method(void); /* NULL: out of memory */
/* `io` is borrowed while the BIO lives. NULL: out of memory. */
BIO *krbrepl__tlsbio_new(const BIO_METHOD *method, krbrepl__tlsbio *io);

#endif
