/* load.h: what the two ways of loading a dump file share. */
#ifndef KRBREPL__MIT_LOAD_H
#define KRBREPL__MIT_LOAD_H

#include <krbrepl/mit.h>

#include "reader.h"
#include "spool.h"

typedef struct krbrepl__mit_job {
    krbrepl_store *store;
    const char *file; /* for messages */
    int fd, own_fd;
    uint64_t size; /* of the file; 0: not known */
    krbrepl__mit_reader *reader;
    krbrepl_mit_load_options opt;
    char why[256];
    krbrepl_mit_load_result res;
    krbrepl__mit_spool *spool; /* NULL: the file has no lockout values */
    int has_mkey;              /* a principal K/M came by */
    uint64_t shown;            /* how far progress was told */
    krbrepl_errinfo *ei;
} krbrepl__mit_job;

/* Starts reading at the beginning of the file. */
int krbrepl__mit_job_begin(krbrepl__mit_job *j);
/* As krbrepl__mit_reader_next, counting what comes by and telling how far it is. */
int krbrepl__mit_job_next(krbrepl__mit_job *j, const char *phase, krbrepl__mit_entry *e);
/* Goes back to the beginning: 0, or INVALID when the file is a pipe. */
int krbrepl__mit_job_again(krbrepl__mit_job *j);
void krbrepl__mit_job_note(krbrepl__mit_job *j, const char *text);
/* `second` names the record that an earlier line has named. */
int krbrepl__mit_job_twice(krbrepl__mit_job *j, uint64_t first, uint64_t second);

/* The two ways. Each leaves the lockout values of all principals in the spool. */
int krbrepl__mit_load_whole(krbrepl__mit_job *j);
int krbrepl__mit_load_update(krbrepl__mit_job *j);

#endif
