/* read.c: rows out of the store. */
#include "hdbmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one row ---------------------------------------------------------------------------------- */

static int get_row(krbrepl__hdb *h, krbrepl_bytes key, krb5_data *out)
{
    krbrepl_view *v = NULL;
    krbrepl_bytes value;
    int rc;

    /* A transaction sees what it has changed; a walk goes on with the state that it began with. */
    if (h->txn != NULL)
        rc = krbrepl_txn_get(h->txn, KRBREPL__HDB_TABLE, key, &value);
    else {
        rc = krbrepl_view_open(h->store, &v);
        if (rc == 0)
            rc = krbrepl_view_get(v, KRBREPL__HDB_TABLE, key, &value);
    }
    if (rc == 0 && krb5_data_copy(out, value.data, value.len) != 0)
        rc = KRBREPL_ERR_NOMEM;
    krbrepl_view_close(v);
    return rc;
}

krb5_error_code krbrepl__hdb_get(krb5_context ctx, struct HDB *db, krb5_data key, krb5_data *out)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    int rc;

    krb5_data_zero(out);
    if (h->mode == KRBREPL__HDB_SHUT)
        return HDB_ERR_MISUSE;
    /* What a load replaces is not what the loaded entries are checked against. */
    if (h->mode == KRBREPL__HDB_LOAD)
        return HDB_ERR_NOENTRY;
    rc = get_row(h, krbrepl__hdb_bytes(key), out);
    if (rc == KRBREPL_ERR_NOTFOUND)
        return HDB_ERR_NOENTRY;
    return rc != 0 ? krbrepl__hdb_fail(ctx, h->store, rc, "reading") : 0;
}

krb5_error_code krbrepl__hdb_fetch(krb5_context ctx, struct HDB *db, krb5_const_principal who,
                                   unsigned flags, krb5_kvno kvno, hdb_entry_ex *entry)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = krbrepl__hdb_settle(ctx, db);

    krb5_data_free(&h->fetched);
    if (err == 0)
        err = h->shared.fetch(ctx, db, who, flags, kvno, entry);
    if (err == 0 && h->mode == KRBREPL__HDB_WRITE)
        err = hdb_principal2key(ctx, who, &h->fetched);
    return err;
}

/* ---- a walk ----------------------------------------------------------------------------------- */

struct step {
    const krb5_data *after; /* length 0: the first row */
    krb5_data key, value;
    int err;
};

static int take_row(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct step *s = ctx;

    (void)table;
    if (s->after->length > 0 && key.len == s->after->length &&
        memcmp(key.data, s->after->data, key.len) == 0)
        return 0;
    s->err = krb5_data_copy(&s->key, key.data, key.len);
    if (s->err == 0)
        s->err = krb5_data_copy(&s->value, value.data, value.len);
    return 1;
}

/* The next row, which becomes h->at. HDB_ERR_NOENTRY at the end. */
static krb5_error_code next_row(krb5_context ctx, krbrepl__hdb *h, krb5_data *value)
{
    krbrepl_bytes from = krbrepl__hdb_bytes(h->at);
    struct step s = {&h->at, {0, NULL}, {0, NULL}, 0};
    int rc = krbrepl_view_each(h->view, KRBREPL__HDB_TABLE, h->at.length > 0 ? &from : NULL, NULL, 0,
                               take_row, &s);

    if (rc == 1 && s.err == 0) {
        krb5_data_free(&h->at);
        h->at = s.key;
        *value = s.value;
        return 0;
    }
    krb5_data_free(&s.key);
    krbrepl__hdb_wipe(&s.value);
    if (rc == 1)
        return s.err;
    return rc == 0 ? HDB_ERR_NOENTRY : krbrepl__hdb_fail(ctx, h->store, rc, "reading");
}

/* Entries of old databases have their name in the key alone. */
static krb5_error_code name_entry(krb5_context ctx, krb5_data *key, hdb_entry_ex *entry)
{
    krb5_error_code err;

    if (entry->entry.principal != NULL)
        return 0;
    entry->entry.principal = calloc(1, sizeof *entry->entry.principal);
    err = entry->entry.principal == NULL ? ENOMEM : hdb_key2principal(ctx, key, entry->entry.principal);
    return err;
}

static krb5_error_code open_entry(krb5_context ctx, struct HDB *db, unsigned flags, hdb_entry_ex *entry)
{
    krb5_error_code err = 0;

    if (db->hdb_master_key_set && (flags & HDB_F_DECRYPT) != 0)
        err = hdb_unseal_keys(ctx, db, &entry->entry);
    if (err == 0)
        err = name_entry(ctx, &krbrepl__hdb_of(db)->at, entry);
    if (err != 0)
        hdb_free_entry(ctx, entry);
    return err;
}

krb5_error_code krbrepl__hdb_next(krb5_context ctx, struct HDB *db, unsigned flags, hdb_entry_ex *entry)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = HDB_ERR_NOENTRY;
    krb5_data value;
    int is_entry = 0;

    if (h->view == NULL)
        return HDB_ERR_NOENTRY;
    /* Rows of aliases are passed over, for the entry itself lists them. */
    while (!is_entry && (err = next_row(ctx, h, &value)) == 0) {
        memset(entry, 0, sizeof *entry);
        is_entry = hdb_value2entry(ctx, &value, &entry->entry) == 0;
        krbrepl__hdb_wipe(&value);
    }
    if (err == 0)
        return open_entry(ctx, db, flags, entry);
    krbrepl__hdb_walk_end(h);
    return err;
}

krb5_error_code krbrepl__hdb_first(krb5_context ctx, struct HDB *db, unsigned flags,
                                   hdb_entry_ex *entry)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = krbrepl__hdb_settle(ctx, db);
    int rc;

    if (err != 0)
        return err;
    if (h->mode == KRBREPL__HDB_SHUT)
        return HDB_ERR_MISUSE;
    krbrepl__hdb_walk_end(h);
    rc = krbrepl_view_open(h->store, &h->view);
    return rc != 0 ? krbrepl__hdb_fail(ctx, h->store, rc, "reading")
                   : krbrepl__hdb_next(ctx, db, flags, entry);
}

void krbrepl__hdb_walk_end(krbrepl__hdb *h)
{
    krbrepl_view_close(h->view);
    h->view = NULL;
    krb5_data_free(&h->at);
}
