/* import.c: a whole new content for db2, loaded into a "temporary" database that then takes the place of the live one, as
 * `kdb5_util load` does it. The KDC answers from the old content until then. */
#include "kdb5store.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static const krbrepl_bytes none = {NULL, 0};

void krbrepl__kdb5_temp_end(krbrepl_kdb5 *db)
{
    if (db->temp == NULL)
        return;
    (void)krb5_db_fini(db->temp);
    krb5_free_context(db->temp);
    db->temp = NULL;
}

int krbrepl__kdb5_import_begin(void *ctx)
{
    krbrepl_kdb5 *db = ctx;
    krb5_error_code err;

    krbrepl__kdb5_import_abort(db);
    err = krbrepl__kdb5_context(db->realm, &db->temp);
    if (err != 0)
        return krbrepl__kdb5_failed(db, db->live, err, "preparing a full copy", none);
    err = krb5_db_create(db->temp, db->temp_args);
    if (err == 0)
        return 0;
    (void)krbrepl__kdb5_failed(db, db->temp, err, "making a temporary database", none);
    krbrepl__kdb5_temp_end(db);
    return err;
}

int krbrepl__kdb5_import_change(void *ctx, const krbrepl_change *c)
{
    krbrepl_kdb5 *db = ctx;

    return krbrepl__kdb5_failed(db, db->temp, krbrepl__kdb5_change(db, db->temp, c, 1), "loading",
                                c->key);
}

/* The new file's name is durable, too. */
static krb5_error_code folder_sync(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;

    if (fd < 0 || fsync(fd) != 0)
        err = errno;
    if (fd >= 0)
        close(fd);
    return err;
}

/* db2 gives the temporary file its new name while pages of it are still in the memory of this process alone, among
 * them its root: a process that dies then leaves a KDC without a database, and a file that nobody can open, and so
 * nobody can replace. It is written and synced when the lock is given back, and only then promoted. */
static krb5_error_code temp_write(krbrepl_kdb5 *db)
{
    krb5_error_code err = krbrepl__kdb5_room(db, db->temp, 0);

    if (err == 0)
        err = krb5_db_unlock(db->temp);
    if (err == 0)
        err = krb5_db_lock(db->temp, KRB5_DB_LOCKMODE_EXCLUSIVE);
    return err;
}

int krbrepl__kdb5_import_commit(void *ctx, const krbrepl_pos *to)
{
    krbrepl_kdb5 *db = ctx;
    krb5_error_code err = temp_write(db);

    if (err == 0)
        err = krb5_db_promote(db->temp, db->temp_args);
    (void)to; /* the store remembers it */
    (void)krbrepl__kdb5_failed(db, db->temp, err, "putting a full copy in the place of the database",
                               none);
    if (err != 0)
        return err;
    krbrepl__kdb5_temp_end(db);
    if (db->folder != NULL)
        err = krbrepl__kdb5_failed(db, db->live, folder_sync(db->folder), "syncing", none);
    return err;
}

void krbrepl__kdb5_import_abort(void *ctx)
{
    krbrepl_kdb5 *db = ctx;

    if (db->temp != NULL) {
        (void)krb5_db_unlock(db->temp); /* which closes the file; the end of the context does not */
        (void)krb5_db_destroy(db->temp, db->temp_args);
    }
    krbrepl__kdb5_temp_end(db);
}
