/* outfile.h: where a dump goes. A file with a name appears whole or not at all, in the way in which
 * kdb5_util makes one, so that kprop takes it:
 *
 *   1. FILE.dump_ok is locked (fcntl, exclusively) and emptied: whoever looks now sees a dump under way;
 *   2. the dump is written to FILE.tmp, synced and renamed to FILE, and the directory is synced;
 *   3. one NUL is written to FILE.dump_ok, which makes it newer than FILE: kprop wants that.
 *
 * What exists and is no regular file (a terminal, a pipe, /dev/null) is written to as it is. */
#ifndef KRBREPL__MIT_OUTFILE_H
#define KRBREPL__MIT_OUTFILE_H

#include <krbrepl/mit.h>

#include "buf.h"

typedef struct krbrepl__mit_out {
    int (*write)(void *ctx, const void *data, size_t len); /* the host's; NULL: fd */
    void *ctx;
    int fd, own_fd;
    int ok_fd;        /* FILE.dump_ok, locked; -1: none */
    const char *file; /* NULL: no file with a name */
    char *tmp, *ok;   /* names */
    krbrepl__buf buf;
    uint64_t bytes;
    krbrepl_errinfo *ei;
} krbrepl__mit_out;

int krbrepl__mit_out_open(krbrepl__mit_out *o, const char *file, krbrepl_errinfo *ei);
/* Hands out what is in o->buf when that is enough to be worth it, or in any case. */
int krbrepl__mit_out_flush(krbrepl__mit_out *o, int in_any_case);
/* The dump is whole: makes it so on disk. */
int krbrepl__mit_out_finish(krbrepl__mit_out *o);
/* Closes; what was not finished is taken away. */
void krbrepl__mit_out_close(krbrepl__mit_out *o);

#endif
