/* keyfile.h: a stream of records. They hold keys, and so does the stream's buffer: it is wiped when it is closed. */
#ifndef KRBREPL_KEYFILE_H
#define KRBREPL_KEYFILE_H

#include <stdbool.h>
#include <stdio.h>

struct keyfile {
    FILE *f; /* NULL: there is none */
    char *room;
};

/* Takes over a stream that nothing was read from or written to yet; NULL is none. */
struct keyfile keyfile_of(FILE *f);
/* False with errno when what was written is not there. A second time is harmless. */
bool keyfile_close(struct keyfile *k);

#endif
