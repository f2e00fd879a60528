#include "tlsbio.h"

#include <limits.h>
#include <string.h>

static int bio_write(BIO *b, const char *p, int n)
{
    krbrepl__tlsbio *io = BIO_get_data(b);

    BIO_clear_retry_flags(b);
    if (n <= 0)
        return 0;
    krbrepl__buf_bytes(io->out, p, (size_t)n);
    return io->out->err != 0 ? -1 : n;
}

static int bio_read(BIO *b, char *p, int n)
{
    krbrepl__tlsbio *io = BIO_get_data(b);
    size_t part = n > 0 ? (size_t)n : 0;

    BIO_clear_retry_flags(b);
    if (part == 0)
        return 0;
    if (io->left == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    if (part > io->left)
        part = io->left;
    memcpy(p, io->p, part);
    io->p += part;
    io->left -= part;
    return (int)part;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    krbrepl__tlsbio *io = BIO_get_data(b);

    (void)num;
    (void)ptr;
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_PENDING:
        return io->left > LONG_MAX ? LONG_MAX : (long)io->left;
    default:
        return 0;
    }
}

BIO_METHOD *krbrepl__tlsbio_method(void)
{
    /* No number of its own: those are given out once per process and never come back. */
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "krbrepl");

    if (m != NULL && BIO_meth_set_write(m, bio_write) == 1 && BIO_meth_set_read(m, bio_read) == 1 &&
        BIO_meth_set_ctrl(m, bio_ctrl) == 1)
        return m;
    BIO_meth_free(m);
    return NULL;
}

BIO *krbrepl__tlsbio_new(const BIO_METHOD *method, krbrepl__tlsbio *io)
{
    BIO *b = BIO_new(method);

    if (b == NULL)
        return NULL;
    BIO_set_data(b, io);
    BIO_set_init(b, 1);
    return b;
}
