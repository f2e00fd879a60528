/* input.h: bytes of a dump file one at a time, with the line they stand in. */
#ifndef KRBREPL__MIT_INPUT_H
#define KRBREPL__MIT_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KRBREPL__MIT_INPUT_ROOM 65536u
#define KRBREPL__MIT_EOF (-1)

/* As read(2): the number of bytes, 0 at the end, -1 with errno. */
typedef ssize_t krbrepl__mit_read_fn(void *ctx, void *buf, size_t n);

typedef struct krbrepl__mit_input {
    krbrepl__mit_read_fn *read;
    void *ctx;
    uint64_t line;   /* of the byte that comes next; the first is 1 */
    uint64_t offset; /* bytes taken so far */
    int error;       /* errno of a failed read; the input then ends */
    int ended;
    size_t at, end;
    uint8_t room[KRBREPL__MIT_INPUT_ROOM];
} krbrepl__mit_input;

void krbrepl__mit_input_init(krbrepl__mit_input *in, krbrepl__mit_read_fn *read, void *ctx);
void krbrepl__mit_input_wipe(krbrepl__mit_input *in);
/* The next byte, or KRBREPL__MIT_EOF. */
int krbrepl__mit_input_get(krbrepl__mit_input *in);
/* Reads from a descriptor, again when a signal interrupts it. `ctx` points to the int. */
ssize_t krbrepl__mit_read_fd(void *ctx, void *buf, size_t n);

#endif
