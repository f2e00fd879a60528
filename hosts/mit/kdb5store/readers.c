/* readers.c: readers of klmdb's database that are no more.
 *
 * LMDB has a table of those who read, with 126 places, and a process that is killed leaves its place taken, until
 * somebody looks for the dead or all who live have closed the database. klmdb never looks: after so many deaths nobody can
 * open the database of a running KDC any more. */
#include "kdb5store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lmdb.h>

#include "mem.h"

/* The flags are klmdb's. */
static void clear(const char *file, const char *ending)
{
    const size_t room = strlen(file) + strlen(ending) + 1;
    char *path = krbrepl__alloc(room);
    MDB_env *env = NULL;
    int dead = 0;

    if (path == NULL)
        return;
    (void)snprintf(path, room, "%s%s", file, ending);
    if (mdb_env_create(&env) == 0 &&
        mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0600) == 0)
        (void)mdb_reader_check(env, &dead);
    mdb_env_close(env);
    krbrepl__free(path, room);
}

/* Whatever fails here, opening the database will tell. */
void krbrepl__kdb5_readers_clear(const krbrepl_kdb5 *db)
{
    if (db->file == NULL)
        return;
    clear(db->file, ".mdb");
    clear(db->file, ".lockout.mdb");
}
