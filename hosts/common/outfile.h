/* outfile.h: where a dump goes. A file with a name appears whole or not at all: it is written as FILE.tmp, synced,
 * renamed to FILE, and the directory is synced, so that a crash leaves the old file or the new one.
 *
 * A marked one is made in the way in which kdb5_util makes one, so that kprop takes it: FILE.dump_ok is locked (fcntl,
 * exclusively) and emptied before, so that whoever looks sees a dump under way; one NUL is written to it after the
 * rename, which makes it newer than FILE.
 *
 * What exists and is no regular file (a terminal, a pipe, /dev/null) is written to as it is. */
#ifndef KRBREPL__COMMON_OUTFILE_H
#define KRBREPL__COMMON_OUTFILE_H

#include "buf.h"
#include "errinfo.h"

typedef struct krbrepl__common_out {
    int (*write)(void *ctx, const void *data, size_t len); /* the host's; NULL: fd */
    void *ctx;
    int marked; /* with FILE.dump_ok */
    int fd, own_fd;
    int ok_fd;        /* FILE.dump_ok, locked; -1: none */
    const char *file; /* NULL: no file with a name */
    char *tmp, *ok;   /* names */
    krbrepl__buf buf;
    uint64_t bytes;
    krbrepl_errinfo *ei;
} krbrepl__common_out;

/* The caller has set `write`, `ctx` and `marked`, and the rest to zero. `file`: "-" is standard output; NULL: the bytes go
 * to `write`. INVALID, IO, LOCKED, NOMEM. Closed in any case by _close. */
int krbrepl__common_out_open(krbrepl__common_out *o, const char *file, krbrepl_errinfo *ei);
/* Hands out what is in o->buf when that is enough to be worth it, or in any case. */
int krbrepl__common_out_flush(krbrepl__common_out *o, int in_any_case);
/* The dump is whole: makes it so on disk. */
int krbrepl__common_out_finish(krbrepl__common_out *o);
/* Closes; what was not finished is taken away. */
void krbrepl__common_out_close(krbrepl__common_out *o);

#endif
