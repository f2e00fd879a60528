/* keyfile.c: a stream whose buffer is wiped. */
#include "keyfile.h"

#include <errno.h>
#include <stdlib.h>

#include "prog.h"

#define ROOM 65536u

struct keyfile keyfile_of(FILE *f)
{
    struct keyfile k = {f, NULL};

    if (f == NULL)
        return k;
    k.room = prog_alloc(ROOM);
    /* Without it the stream has no buffer at all, which is slow and leaves nothing. */
    if (setvbuf(f, k.room, _IOFBF, ROOM) != 0) {
        free(k.room);
        k.room = NULL;
        (void)setvbuf(f, NULL, _IONBF, 0);
    }
    return k;
}

bool keyfile_close(struct keyfile *k)
{
    const bool ok = k->f == NULL || fclose(k->f) == 0;
    const int saved = errno;

    prog_wipe_free(k->room, k->room != NULL ? ROOM : 0);
    k->f = NULL;
    k->room = NULL;
    errno = saved;
    return ok;
}
