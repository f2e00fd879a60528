/* kdbdump.h: reads the database that a KDC has today, whatever module keeps it, through the kdb5_util that is
 * installed.
 *
 * The child gets a profile of its own in front of the KDC's: it names the section of [dbmodules] to read, and
 * turns incremental propagation off, so that the update log is not touched either. The dump comes through a pipe
 * and is written here, into a file without a name: a disk that is full is noticed by the one who writes, and
 * no byte of it is left behind by a process that is killed. */
#ifndef KRBREPL_KDBDUMP_H
#define KRBREPL_KDBDUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "keyfile.h"

struct kdbdump {
    char *realm;
    char *util;                  /* kdb5_util; looked for in PATH when it has no slash */
    char *kdc_file;              /* the KDC's profile */
    char *module;                /* the section of [dbmodules] that is read */
    char *library;               /* its db_library */
    char *database;              /* its database_name, or that of the realm; NULL: not said */
    bool no_success, no_lockout; /* what that section says of counting */
};

/* Looks up what the KDC's profile says. `module` NULL: the section that the realm uses. False after a message that is
 * left in `*why`, to be freed. */
bool kdbdump_open(struct kdbdump *d, const char *realm, const char *kdc_file, const char *module,
                  const char *util, char **why);
void kdbdump_close(struct kdbdump *d);

/* The dump of the whole database, rewound, in a file without a name in `dir`. None after a message that is left in
 * `*why`. */
struct keyfile kdbdump_take(const struct kdbdump *d, const char *dir, char **why);

/* A file without a name in `dir`; none with errno. */
struct keyfile kdbdump_nameless(const char *dir);

/* The name by which such a file is opened again from its beginning. */
char *kdbdump_name(const struct keyfile *k);

/* True when the master key of the database can be read with the stash file. */
bool kdbdump_stash_opens(const struct kdbdump *d);

#endif
