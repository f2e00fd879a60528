#include "input.h"

#include <errno.h>
#include <unistd.h>

#include "mem.h"

void krbrepl__mit_input_init(krbrepl__mit_input *in, krbrepl__mit_read_fn *read_fn, void *ctx)
{
    in->read = read_fn;
    in->ctx = ctx;
    in->line = 1;
    in->offset = 0;
    in->error = 0;
    in->ended = 0;
    in->at = in->end = 0;
}

void krbrepl__mit_input_wipe(krbrepl__mit_input *in)
{
    krbrepl__wipe(in->room, sizeof in->room);
    in->at = in->end = 0;
}

/* Fills the room; false at the end. */
static int refill(krbrepl__mit_input *in)
{
    ssize_t n;

    if (in->ended)
        return 0;
    n = in->read(in->ctx, in->room, sizeof in->room);
    if (n < 0)
        in->error = errno != 0 ? errno : EIO;
    in->at = 0;
    in->end = n > 0 ? (size_t)n : 0;
    in->ended = n <= 0;
    return n > 0;
}

int krbrepl__mit_input_get(krbrepl__mit_input *in)
{
    uint8_t c;

    if (in->at == in->end && !refill(in))
        return KRBREPL__MIT_EOF;
    c = in->room[in->at++];
    in->offset++;
    if (c == '\n')
        in->line++;
    return c;
}

ssize_t krbrepl__mit_read_fd(void *ctx, void *buf, size_t n)
{
    const int *fd = ctx;
    ssize_t got;

    do
        got = read(*fd, buf, n);
    while (got < 0 && errno == EINTR);
    return got;
}
