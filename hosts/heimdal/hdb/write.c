/* write.c: what an operation changes is one commit.
 *
 * An entry and its aliases are several rows, which Heimdal's own databases write one by one; here they are one
 * transaction. A rename is two operations: the store of the new entry, and the removal of the old. It is recognised
 * by what goes before: an entry is fetched, and then another, new one is stored. The transaction of the store then
 * waits for the removal; whatever else comes commits it. While `kadmin lock` keeps the database open that wait could be
 * long, and a rename is two commits. */
#include "hdbmod.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

/* Gathered commits: small enough that other writers and the replicas do not wait for long. */
#define GATHER_CHANGES 1000u
#define GATHER_BYTES (4u << 20)
#define CHANGE_OVERHEAD 64u
#define TEXT_ROOM 1024u

/* ---- who and why ------------------------------------------------------------------------------ */

void krbrepl__hdb_why(char *out, size_t room, const char *what)
{
    char program[64];

    krbrepl__plugin_program(program, sizeof program, "hdb");
    snprintf(out, room, "%s: %s", program, what);
}

/* "store NAME", cut to what fits. */
static void describe(krb5_context ctx, char *out, size_t room, const char *verb,
                     krb5_const_principal who)
{
    char *name = NULL;

    if (who == NULL || krb5_unparse_name(ctx, who, &name) != 0)
        name = NULL;
    snprintf(out, room, "%s %s", verb, name != NULL ? name : "an entry");
    krb5_xfree(name);
}

static void describe_rename(krb5_context ctx, char *out, size_t room, krb5_data *from,
                            krb5_const_principal to)
{
    char from_name[TEXT_ROOM / 2], verb[TEXT_ROOM / 2 + sizeof " to"];
    krb5_principal old = calloc(1, sizeof *old);

    if (old != NULL && hdb_key2principal(ctx, from, old) != 0) {
        free(old);
        old = NULL;
    }
    describe(ctx, from_name, sizeof from_name, "rename", old);
    krb5_free_principal(ctx, old);
    snprintf(verb, sizeof verb, "%s to", from_name);
    describe(ctx, out, room, verb, to);
}

static char *modifier(krb5_context ctx, const hdb_entry_ex *entry)
{
    const Event *by =
        entry->entry.modified_by != NULL ? entry->entry.modified_by : &entry->entry.created_by;
    char *name = NULL;

    if (by->principal == NULL || krb5_unparse_name(ctx, by->principal, &name) != 0)
        return NULL;
    /* What the journal takes; a name may be longer. */
    if (strlen(name) > TEXT_ROOM)
        name[TEXT_ROOM] = '\0';
    return name;
}

/* ---- one commit ------------------------------------------------------------------------------- */

static krb5_error_code begin(krb5_context ctx, struct HDB *db, const char *who, const char *what)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krbrepl_txn_options opt;
    char why[TEXT_ROOM];
    krb5_error_code err;
    int rc;

    KRBREPL_INIT(&opt);
    krbrepl__hdb_why(why, sizeof why, h->nosync ? "many changes" : what);
    opt.who = h->nosync ? NULL : who;
    opt.why = why;
    rc = krbrepl_txn_begin(h->store, &h->txn, &opt);
    h->changes = h->bytes = 0;
    if (rc == 0)
        return 0;
    h->txn = NULL;
    err = krbrepl__hdb_fail(ctx, h->store, rc, "writing");
    /* A store that lost its role since it was opened has more to say than the code. */
    if (rc == KRBREPL_ERR_NOT_MASTER || rc == KRBREPL_ERR_FENCED)
        (void)krbrepl__hdb_is_master(ctx, h->store);
    return err;
}

/* Ends the transaction, and answers `err`, or why it could not be committed. */
static krb5_error_code end(krb5_context ctx, struct HDB *db, krb5_error_code err)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krbrepl_txn *t = h->txn;
    int rc = 0;

    h->txn = NULL;
    krb5_data_free(&h->source);
    if (err != 0 || h->changes == 0)
        krbrepl_txn_abort(t);
    else
        rc = krbrepl_txn_commit(t, NULL);
    return rc != 0 ? krbrepl__hdb_fail(ctx, h->store, rc, "committing") : err;
}

krb5_error_code krbrepl__hdb_settle(krb5_context ctx, struct HDB *db)
{
    return krbrepl__hdb_of(db)->txn != NULL ? end(ctx, db, 0) : 0;
}

/* ---- gathered commits ------------------------------------------------------------------------- */

/* What has failed in the middle cannot be taken out of a transaction again. */
static krb5_error_code spoil(krb5_context ctx, struct HDB *db, krb5_error_code err)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);

    h->broken = err;
    return h->txn != NULL ? end(ctx, db, err) : err;
}

static krb5_error_code gathered_begin(krb5_context ctx, struct HDB *db)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);

    if (h->broken != 0)
        return h->broken;
    return h->txn != NULL ? 0 : begin(ctx, db, NULL, NULL);
}

static krb5_error_code gathered_end(krb5_context ctx, struct HDB *db, size_t before,
                                    krb5_error_code err)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);

    if (err != 0)
        return h->changes != before ? spoil(ctx, db, err) : err;
    if (h->changes >= GATHER_CHANGES || h->bytes >= GATHER_BYTES)
        return end(ctx, db, 0);
    return 0;
}

krb5_error_code krbrepl__hdb_set_sync(krb5_context ctx, struct HDB *db, int on)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err = 0;

    if (on && h->broken != 0) {
        krb5_set_error_message(ctx, h->broken,
                               "krbrepl: not all was stored, for the reason that was told before");
        return h->broken;
    }
    if (on)
        err = krbrepl__hdb_settle(ctx, db);
    if (on && err == 0)
        err = krbrepl__hdb_load_end(ctx, h);
    h->nosync = !on;
    return err;
}

/* ---- the operations --------------------------------------------------------------------------- */

static int same(const krb5_data *a, const krb5_data *b)
{
    return a->length == b->length && a->length > 0 && memcmp(a->data, b->data, a->length) == 0;
}

/* Is the store of this entry the first half of a rename? */
static int begins_rename(const krbrepl__hdb *h, const struct HDB *db, unsigned flags,
                         const krb5_data *key)
{
    return (flags & HDB_F_REPLACE) == 0 && db->lock_count == 0 && h->fetched.length > 0 &&
           !same(&h->fetched, key);
}

static krb5_error_code store_alone(krb5_context ctx, struct HDB *db, unsigned flags,
                                   hdb_entry_ex *entry)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    char what[TEXT_ROOM];
    krb5_data key = {0, NULL};
    char *who = modifier(ctx, entry);
    int renames = 0;
    krb5_error_code err = krbrepl__hdb_settle(ctx, db);

    if (err == 0)
        err = hdb_principal2key(ctx, entry->entry.principal, &key);
    if (err == 0)
        renames = begins_rename(h, db, flags, &key);
    if (renames)
        describe_rename(ctx, what, sizeof what, &h->fetched, entry->entry.principal);
    else
        describe(ctx, what, sizeof what, "store", entry->entry.principal);
    if (err == 0)
        err = begin(ctx, db, who, what);
    if (err == 0) {
        err = h->shared.store(ctx, db, flags, entry);
        if (err == 0 && renames) {
            h->source = h->fetched;
            krb5_data_zero(&h->fetched);
        } else {
            err = end(ctx, db, err);
        }
    }
    krb5_data_free(&h->fetched);
    krb5_data_free(&key);
    krb5_xfree(who);
    return err;
}

krb5_error_code krbrepl__hdb_store(krb5_context ctx, struct HDB *db, unsigned flags,
                                   hdb_entry_ex *entry)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err;
    size_t before;

    if (h->mode != KRBREPL__HDB_WRITE && h->mode != KRBREPL__HDB_LOAD)
        return HDB_ERR_MISUSE;
    if ((flags & HDB_F_PRECHECK) != 0) {
        err = krbrepl__hdb_is_master(ctx, h->store);
        return err != 0 ? err : h->shared.store(ctx, db, flags, entry);
    }
    if (h->mode == KRBREPL__HDB_LOAD) {
        err = h->broken != 0 ? h->broken : h->shared.store(ctx, db, flags, entry);
        h->broken = err;
        return err;
    }
    if (!h->nosync)
        return store_alone(ctx, db, flags, entry);
    err = gathered_begin(ctx, db);
    before = h->changes;
    if (err == 0)
        err = gathered_end(ctx, db, before, h->shared.store(ctx, db, flags, entry));
    return err;
}

static krb5_error_code remove_alone(krb5_context ctx, struct HDB *db, unsigned flags,
                                    krb5_const_principal who)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_data key = {0, NULL};
    char what[TEXT_ROOM];
    krb5_error_code err = hdb_principal2key(ctx, who, &key);

    /* The second half of a rename belongs to the first. */
    if (err == 0 && h->txn != NULL && !same(&h->source, &key))
        err = krbrepl__hdb_settle(ctx, db);
    describe(ctx, what, sizeof what, "remove", who);
    if (err == 0 && h->txn == NULL)
        err = begin(ctx, db, NULL, what);
    krb5_data_free(&key);
    krb5_data_free(&h->fetched);
    return err != 0 ? err : end(ctx, db, h->shared.remove(ctx, db, flags, who));
}

krb5_error_code krbrepl__hdb_remove(krb5_context ctx, struct HDB *db, unsigned flags,
                                    krb5_const_principal who)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err;
    size_t before;

    if (h->mode != KRBREPL__HDB_WRITE)
        return HDB_ERR_MISUSE;
    if ((flags & HDB_F_PRECHECK) != 0) {
        err = krbrepl__hdb_is_master(ctx, h->store);
        return err != 0 ? err : h->shared.remove(ctx, db, flags, who);
    }
    if (!h->nosync)
        return remove_alone(ctx, db, flags, who);
    err = gathered_begin(ctx, db);
    before = h->changes;
    if (err == 0)
        err = gathered_end(ctx, db, before, h->shared.remove(ctx, db, flags, who));
    return err;
}

/* ---- single rows ------------------------------------------------------------------------------ */

static krb5_error_code put_row(krb5_context ctx, krbrepl__hdb *h, int replace, krb5_data key,
                               krb5_data value)
{
    krbrepl_bytes old;
    int rc = 0;

    if (!replace)
        rc = krbrepl_txn_get(h->txn, KRBREPL__HDB_TABLE, krbrepl__hdb_bytes(key), &old);
    if (!replace && rc == 0)
        return HDB_ERR_EXISTS;
    if (replace || rc == KRBREPL_ERR_NOTFOUND)
        rc = krbrepl_txn_put(h->txn, KRBREPL__HDB_TABLE, krbrepl__hdb_bytes(key),
                             krbrepl__hdb_bytes(value));
    if (rc != 0)
        return krbrepl__hdb_fail(ctx, h->store, rc, "writing");
    h->changes++;
    h->bytes += key.length + value.length + CHANGE_OVERHEAD;
    return 0;
}

krb5_error_code krbrepl__hdb_put(krb5_context ctx, struct HDB *db, int replace, krb5_data key,
                                 krb5_data value)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err;

    if (h->mode == KRBREPL__HDB_LOAD)
        return krbrepl__hdb_load_put(ctx, h, key, value);
    if (h->mode != KRBREPL__HDB_WRITE)
        return HDB_ERR_MISUSE;
    if (h->txn != NULL)
        return put_row(ctx, h, replace, key, value);
    err = begin(ctx, db, NULL, "store a row");
    return err != 0 ? err : end(ctx, db, put_row(ctx, h, replace, key, value));
}

static krb5_error_code del_row(krb5_context ctx, krbrepl__hdb *h, krb5_data key)
{
    int rc = krbrepl_txn_delete(h->txn, KRBREPL__HDB_TABLE, krbrepl__hdb_bytes(key));

    if (rc == KRBREPL_ERR_NOTFOUND)
        return HDB_ERR_NOENTRY;
    if (rc != 0)
        return krbrepl__hdb_fail(ctx, h->store, rc, "deleting");
    h->changes++;
    h->bytes += key.length + CHANGE_OVERHEAD;
    return 0;
}

krb5_error_code krbrepl__hdb_del(krb5_context ctx, struct HDB *db, krb5_data key)
{
    krbrepl__hdb *h = krbrepl__hdb_of(db);
    krb5_error_code err;

    if (h->mode != KRBREPL__HDB_WRITE)
        return HDB_ERR_MISUSE;
    if (h->txn != NULL)
        return del_row(ctx, h, key);
    err = begin(ctx, db, NULL, "delete a row");
    return err != 0 ? err : end(ctx, db, del_row(ctx, h, key));
}
