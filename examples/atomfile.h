/* atomfile.h: a file that appears whole or not at all. */
#ifndef KRBREPL_ATOMFILE_H
#define KRBREPL_ATOMFILE_H

#include <stdbool.h>
#include <stdio.h>

#include "keyfile.h"

struct atomfile {
    FILE *f;
    struct keyfile own;     /* unless it is standard output */
    char *name, *temporary; /* NULL: standard output */
};

/* "-" is standard output. The file is for its owner only. False with errno. */
bool atomfile_open(struct atomfile *a, const char *name);
/* Syncs the file, gives it its name, and syncs its directory, so that after a crash of the machine there is
 * the old file or the new one. False with errno; call abort then. */
bool atomfile_commit(struct atomfile *a);
/* Leaves what was there before. */
void atomfile_abort(struct atomfile *a);

#endif
