/* module.c: what Heimdal calls first: the table of the module, and one HDB for each "krbrepl:DIR". */
#include "hdbmod.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what libhdb does not export --------------------------------------------------------------- */

/* The file databases that share those functions, whichever libhdb was built with. */
static const char *const kin[] = {"db3:", "db1:", "lmdb:", "mdb:", "ndbm:", "db:"};

/* hdb_create ends the process for a prefix that it does not know. */
static const char *kin_here(const char *list)
{
    size_t i, len;
    const char *at;

    for (i = 0; i < sizeof kin / sizeof kin[0]; i++) {
        len = strlen(kin[i]);
        for (at = strstr(list, kin[i]); at != NULL; at = strstr(at + len, kin[i]))
            if (at == list || at[-1] == ' ')
                return kin[i];
    }
    return NULL;
}

/* Every such HDB has them in its table; it need not be opened for that. */
static krb5_error_code borrow(krb5_context ctx, krbrepl__hdb_shared *out)
{
    char *list = NULL, name[64] = "";
    const char *prefix = NULL;
    struct HDB *db = NULL;
    krb5_error_code err = hdb_list_builtin(ctx, &list);

    if (err == 0 && (prefix = kin_here(list)) == NULL) {
        err = HDB_ERR_UK_SERROR;
        krb5_set_error_message(ctx, err, "krbrepl: this libhdb has no database in a file, only: %s",
                               list);
    }
    free(list);
    if (err == 0) {
        snprintf(name, sizeof name, "%s/nonexistent/krbrepl", prefix);
        err = hdb_create(ctx, &db, name);
    }
    if (err != 0)
        return err;
    out->fetch = db->hdb_fetch_kvno;
    out->store = db->hdb_store;
    out->remove = db->hdb_remove;
    return db->hdb_destroy(ctx, db);
}

/* ---- birth and death -------------------------------------------------------------------------- */

static void object_free(krbrepl__hdb *h)
{
    if (h == NULL)
        return;
    krbrepl__hdb_release(h);
    krbrepl__hdb_lock_free(h);
    krb5_data_free(&h->fetched);
    krb5_data_free(&h->source);
    free(h->dir);
    free(h);
}

static krb5_error_code destroy(krb5_context ctx, struct HDB *db)
{
    krb5_error_code err = krbrepl__hdb_settle(ctx, db), err2 = hdb_clear_master_key(ctx, db);

    object_free(krbrepl__hdb_of(db));
    free(db->hdb_name);
    free(db);
    return err != 0 ? err : err2;
}

static krbrepl__hdb *object_new(const char *dir)
{
    krbrepl__hdb *h = calloc(1, sizeof *h);

    if (h == NULL)
        return NULL;
    h->lock_fd = -1;
    h->dir = strdup(dir);
    if (h->dir != NULL)
        return h;
    free(h);
    return NULL;
}

/* With the prefix, because programs make the names of other databases out of this one. */
static char *full_name(const char *dir)
{
    size_t room = sizeof KRBREPL__HDB_PREFIX ":" + strlen(dir);
    char *name = malloc(room);

    if (name != NULL)
        snprintf(name, room, "%s:%s", KRBREPL__HDB_PREFIX, dir);
    return name;
}

static void fill(struct HDB *db)
{
    db->hdb_capability_flags = HDB_CAP_F_HANDLE_ENTERPRISE_PRINCIPAL;
    db->hdb_open = krbrepl__hdb_open;
    db->hdb_close = krbrepl__hdb_close;
    db->hdb_fetch_kvno = krbrepl__hdb_fetch;
    db->hdb_store = krbrepl__hdb_store;
    db->hdb_remove = krbrepl__hdb_remove;
    db->hdb_firstkey = krbrepl__hdb_first;
    db->hdb_nextkey = krbrepl__hdb_next;
    db->hdb_lock = krbrepl__hdb_lock;
    db->hdb_unlock = krbrepl__hdb_unlock;
    db->hdb_rename = krbrepl__hdb_rename;
    db->hdb__get = krbrepl__hdb_get;
    db->hdb__put = krbrepl__hdb_put;
    db->hdb__del = krbrepl__hdb_del;
    db->hdb_destroy = destroy;
    db->hdb_set_sync = krbrepl__hdb_set_sync;
}

krb5_error_code krbrepl__hdb_create(krb5_context ctx, struct HDB **out, const char *dir)
{
    struct HDB *db = calloc(1, sizeof *db);
    krbrepl__hdb *h = object_new(dir);
    krb5_error_code err = db != NULL && h != NULL ? 0 : ENOMEM;

    if (err == 0)
        err = borrow(ctx, &h->shared);
    if (err == 0) {
        db->hdb_db = h;
        db->hdb_name = full_name(dir);
        err = db->hdb_name != NULL ? 0 : ENOMEM;
    }
    if (err != 0) {
        object_free(h);
        free(db);
        return err;
    }
    fill(db);
    *out = db;
    return 0;
}

/* ---- the module ------------------------------------------------------------------------------- */

static krb5_error_code init(krb5_context ctx, void **out)
{
    (void)ctx;
    *out = NULL;
    return 0;
}

static void fini(void *p)
{
    (void)p;
}

extern struct hdb_method hdb_krbrepl_interface;

__attribute__((visibility("default"))) struct hdb_method hdb_krbrepl_interface = {
    HDB_INTERFACE_VERSION, init, fini, KRBREPL__HDB_PREFIX, krbrepl__hdb_create};
