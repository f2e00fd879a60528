/* outfile.h: where a dump goes. A file with a name appears whole or not at all: it is written as FILE.tmp, synced,
 * renamed to FILE, and the directory is synced, so that a crash leaves the old file or the new one. What exists and
 * is no regular file (a terminal, a pipe) is written to as it is. */
#ifndef KRBREPL__HEIM_OUTFILE_H
#define KRBREPL__HEIM_OUTFILE_H

#include "buf.h"
#include "errinfo.h"

typedef struct krbrepl__heim_out {
    const char *file;
    int fd, own_fd;
    char *tmp; /* NULL: the file is written to as it is */
    krbrepl__buf buf;
    uint64_t bytes;
    krbrepl_errinfo *ei;
} krbrepl__heim_out;

/* "-" is standard output. IO, NOMEM. Closed in any case by _close. */
int krbrepl__heim_out_open(krbrepl__heim_out *o, const char *file, krbrepl_errinfo *ei);
/* Hands out what is in o->buf when that is enough to be worth it, or in any case. */
int krbrepl__heim_out_flush(krbrepl__heim_out *o, int in_any_case);
/* The dump is whole: makes it so on disk. */
int krbrepl__heim_out_finish(krbrepl__heim_out *o);
/* Closes; what was not finished is taken away. */
void krbrepl__heim_out_close(krbrepl__heim_out *o);

#endif
