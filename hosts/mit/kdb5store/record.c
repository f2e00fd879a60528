/* record.c: one record, read from a database and written to it.
 *
 * What was written is read again, while the database is still locked: a back end that would give back other bytes
 * (it sorts keys by their version, or has no room for a field) shows here, and not as damage at some later time. */
#include "ldap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <kadm5/admin.h>

#include "mem.h"

/* What kdb5_util says of an entry that it loads: everything is set. */
#define WHOLE                                                                             \
    (KADM5_LOAD | KADM5_PRINCIPAL | KADM5_ATTRIBUTES | KADM5_MAX_LIFE | KADM5_MAX_RLIFE | \
     KADM5_PRINC_EXPIRE_TIME | KADM5_PW_EXPIRATION | KADM5_TL_DATA | KADM5_KEY_DATA |     \
     KADM5_LAST_SUCCESS | KADM5_LAST_FAILED | KADM5_FAIL_AUTH_COUNT)

/* Tagged data with this type are arguments for the back end in krb5 and never reach the database. */
#define DB_ARGS_TYPE 0x7fff
/* An entry that stands for another one, since krb5 1.22: libkdb5 answers with the other. */
#define ALIAS_TYPE 12
/* A longer name does not fit into a page of db2's tree, which then finds neither this nor other entries. */
#define DB2_LONGEST 2000u
/* Nor may a key of LMDB be longer. */
#define LMDB_LONGEST 511u

/* What kdb5_util sets of an entry that is there, where the counters are kept apart. */
#define BUT_COUNTERS \
    (WHOLE & ~(KADM5_PRINCIPAL | KADM5_LAST_SUCCESS | KADM5_LAST_FAILED | KADM5_FAIL_AUTH_COUNT))

static int is_policy(const char *table)
{
    return strcmp(table, KRBREPL_MIT_TABLE_POLICY) == 0;
}

static int is_principal(const char *table)
{
    return strcmp(table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0;
}

/* ---- names ------------------------------------------------------------------------------------ */

static int same_text(const char *text, krbrepl_bytes key)
{
    return strlen(text) == key.len && memcmp(text, key.data, key.len) == 0;
}

/* KRB5_KDB_NOENTRY without a message: the key is no name as krb5 writes it, so there is nothing under it. */
static krb5_error_code name_parse(krb5_context ctx, krbrepl_bytes key, krb5_principal *out)
{
    char *text = krbrepl__strndup(key.data, key.len), *back = NULL;
    krb5_error_code err;

    *out = NULL;
    if (text == NULL)
        return ENOMEM;
    err = memchr(key.data != NULL ? key.data : "", '\0', key.len) != NULL || key.len == 0
              ? KRB5_KDB_NOENTRY
              : krb5_parse_name_flags(ctx, text, KRB5_PRINCIPAL_PARSE_REQUIRE_REALM, out);
    if (err == 0)
        err = krb5_unparse_name(ctx, *out, &back);
    if (err == 0 && !same_text(back, key))
        err = KRB5_KDB_NOENTRY;
    if (err != 0 && err != ENOMEM) {
        krb5_clear_error_message(ctx);
        err = KRB5_KDB_NOENTRY;
    }
    if (err != 0) {
        krb5_free_principal(ctx, *out);
        *out = NULL;
    }
    krb5_free_unparsed_name(ctx, back);
    krbrepl__strfree(text);
    return err;
}

static krb5_error_code policy_name(krbrepl_bytes key, char **out)
{
    *out = NULL;
    if (key.len == 0 || memchr(key.data, '\0', key.len) != NULL)
        return KRB5_KDB_NOENTRY;
    *out = krbrepl__strndup(key.data, key.len);
    return *out != NULL ? 0 : ENOMEM;
}

/* ---- reading ---------------------------------------------------------------------------------- */

static krb5_error_code principal_get(const krbrepl_kdb5 *db, krb5_context ctx, krb5_principal name,
                                     void **value, size_t *len, krbrepl_mit_lockout *local)
{
    krb5_db_entry *e = NULL;
    krb5_error_code err = krb5_db_get_principal(ctx, name, 0, &e);
    int named = 1;

    if (err != 0)
        return err;
    if (db->is_ldap)
        err = krbrepl__kdb5_ldap_named(ctx, e, &named);
    if (err == 0 && (!named || !krb5_principal_compare(ctx, name, e->princ)))
        err = KRB5_KDB_NOENTRY; /* found by another name */
    if (err == 0 && db->is_ldap && !krbrepl__kdb5_ldap_ours(db, e))
        err = KRB5_KDB_NOENTRY;
    if (err == 0 && value != NULL)
        err = db->is_ldap ? krbrepl__kdb5_form_read(ctx, e, value, len)
                          : krbrepl__kdb_entry_encode(ctx, e, value, len);
    if (err == 0 && local != NULL) {
        local->last_success = (uint32_t)e->last_success;
        local->last_failed = (uint32_t)e->last_failed;
        local->failures = e->fail_auth_count;
    }
    krb5_db_free_principal(ctx, e);
    return err;
}

static krb5_error_code policy_get(const krbrepl_kdb5 *db, krb5_context ctx, char *name, void **value,
                                  size_t *len)
{
    osa_policy_ent_t p = NULL;
    krb5_error_code err = krb5_db_get_policy(ctx, name, &p);

    if (err == 0 && p == NULL)
        err = KRB5_KDB_NOENTRY;
    if (err == 0 && db->is_ldap)
        err = krbrepl__kdb5_ldap_spelled(ctx, name);
    if (err == 0 && value != NULL)
        err = krbrepl__kdb_policy_encode(ctx, p, value, len);
    if (p != NULL)
        krb5_db_free_policy(ctx, p);
    return err;
}

krb5_error_code krbrepl__kdb5_read(const krbrepl_kdb5 *db, krb5_context ctx, const char *table,
                                   krbrepl_bytes key, void **value, size_t *len,
                                   krbrepl_mit_lockout *local)
{
    krb5_principal name = NULL;
    char *policy = NULL;
    krb5_error_code err = KRB5_KDB_NOENTRY;

    if (db->is_lmdb && key.len > LMDB_LONGEST)
        return err;
    if (is_principal(table) && (err = name_parse(ctx, key, &name)) == 0)
        err = principal_get(db, ctx, name, value, len, local);
    else if (is_policy(table) && (err = policy_name(key, &policy)) == 0)
        err = policy_get(db, ctx, policy, value, len);
    krb5_free_principal(ctx, name);
    krbrepl__strfree(policy);
    return err;
}

/* ---- writing ---------------------------------------------------------------------------------- */

/* What was put is there, byte for byte. */
static krb5_error_code compare(const krbrepl_kdb5 *db, krb5_context ctx, const krbrepl_change *c)
{
    void *back = NULL;
    size_t len = 0;
    krb5_error_code err;

    if (db->is_lmdb && ctx == db->temp) /* the present content is read until the load is over */
        return 0;
    err = krbrepl__kdb5_read(db, ctx, c->table, c->key, &back, &len, NULL);

    if (err == 0 && (len != c->value.len || memcmp(back, c->value.data, len) != 0))
        err =
            krbrepl__kdb5_refuse(ctx, "this database does not give the record back as it was written; "
                                      "change it on the master");
    krbrepl_mit_free(back, len);
    return err;
}

/* Before anything is written: what is known not to come back. */
static krb5_error_code entry_check(krb5_context ctx, const krb5_db_entry *e)
{
    const krb5_tl_data *tl;
    int i;

    /* db2 ends the process when it meets another one. */
    if (e->len != KRB5_KDB_V1_BASE_LENGTH)
        return krbrepl__kdb5_refuse(ctx, "its base length is %u, and databases have %u",
                                    (unsigned)e->len, (unsigned)KRB5_KDB_V1_BASE_LENGTH);
    if (e->e_length != 0)
        return krbrepl__kdb5_refuse(ctx, "it has data of another back end, of %u bytes",
                                    (unsigned)e->e_length);
    for (tl = e->tl_data; tl != NULL; tl = tl->tl_data_next) {
        if (tl->tl_data_type == DB_ARGS_TYPE)
            return krbrepl__kdb5_refuse(ctx, "tagged data of type %d are arguments, not content",
                                        DB_ARGS_TYPE);
        if (tl->tl_data_type == ALIAS_TYPE)
            return krbrepl__kdb5_refuse(ctx,
                                        "an alias cannot be kept in a database that is written through "
                                        "libkdb5; use the KDB module on this host");
    }
    for (i = 1; i < e->n_key_data; i++)
        if (e->key_data[i - 1].key_data_kvno < e->key_data[i].key_data_kvno)
            return krbrepl__kdb5_refuse(
                ctx, "its keys are not in the order of their versions, newest first; "
                     "change the keys of this principal on the master");
    return 0;
}

static krb5_error_code principal_put(const krbrepl_kdb5 *db, krb5_context ctx, const krbrepl_change *c,
                                     int fresh)
{
    krbrepl_mit_lockout local = {0, 0, 0};
    krb5_principal name = NULL;
    krb5_db_entry *e = NULL;
    krb5_error_code err = name_parse(ctx, c->key, &name);
    int there = 0;

    if (err == KRB5_KDB_NOENTRY)
        err = krbrepl__kdb5_refuse(ctx, "its name is not written as krb5 writes names");
    if (err == 0 && !fresh && !db->is_ldap) {
        err = principal_get(db, ctx, name, NULL, NULL, &local);
        there = err == 0;
    }
    if (err == KRB5_KDB_NOENTRY)
        err = 0;
    if (err == 0)
        err = krbrepl__kdb_entry_make(ctx, c->key, c->value, &local, &e);
    if (err == 0)
        err = entry_check(ctx, e);
    if (err == 0 && db->is_ldap) {
        err = krbrepl__kdb5_ldap_principal(db, ctx, e, c);
    } else if (err == 0) {
        /* klmdb has no lock that would keep the KDC from counting, and leaves out what the mask does not name. Who
         * was not there does not inherit what was counted for an earlier one of this name. */
        e->mask = db->is_lmdb && there ? BUT_COUNTERS : WHOLE;
        err = krb5_db_put_principal(ctx, e);
    }
    if (err == 0)
        err = compare(db, ctx, c);
    krb5_db_free_principal(ctx, e);
    krb5_free_principal(ctx, name);
    return err;
}

static krb5_error_code policy_check(const krbrepl_kdb5 *db, krb5_context ctx,
                                    const osa_policy_ent_rec *p)
{
    const krb5_tl_data *tl;

    if (!db->is_db2 && p->policy_refcnt != 0)
        return krbrepl__kdb5_refuse(ctx,
                                    "%s does not keep the number of references to a policy, which "
                                    "krb5 has not used since 1.12; delete the policy on the master "
                                    "and make it anew",
                                    db->library);
    for (tl = p->tl_data; tl != NULL; tl = tl->tl_data_next)
        if (tl->tl_data_type < 0)
            return krbrepl__kdb5_refuse(
                ctx, "libkadm5 does not keep tagged data of a policy with a negative type, such as %d",
                tl->tl_data_type);
    return 0;
}

/* db2 gives the tagged data of a policy back in the opposite order. */
static void tagged_reverse(osa_policy_ent_t p)
{
    krb5_tl_data *tl = p->tl_data, *next, *done = NULL;

    for (; tl != NULL; tl = next) {
        next = tl->tl_data_next;
        tl->tl_data_next = done;
        done = tl;
    }
    p->tl_data = done;
}

static krb5_error_code policy_write(const krbrepl_kdb5 *db, krb5_context ctx, char *name,
                                    osa_policy_ent_t p)
{
    krb5_error_code err;

    if (db->is_lmdb && ctx == db->temp) {
        err = krb5_db_create_policy(ctx, p);
        return err == KRB5_KDB_INUSE ? krb5_db_put_policy(ctx, p) : err;
    }
    err = policy_get(db, ctx, name, NULL, NULL);
    if (err == KRB5_KDB_NOENTRY)
        return krb5_db_create_policy(ctx, p);
    return err == 0 ? krb5_db_put_policy(ctx, p) : err;
}

static krb5_error_code policy_put(const krbrepl_kdb5 *db, krb5_context ctx, const krbrepl_change *c)
{
    osa_policy_ent_t p = NULL;
    char *name = NULL;
    krb5_error_code err = policy_name(c->key, &name);

    if (err == KRB5_KDB_NOENTRY)
        err = krbrepl__kdb5_refuse(ctx, "its name is empty, or has a NUL in it");
    if (err == 0)
        err = krbrepl__kdb_policy_make(ctx, c->key, c->value, &p);
    if (err == 0)
        err = policy_check(db, ctx, p);
    if (err == 0 && db->is_db2)
        tagged_reverse(p);
    if (err == 0)
        err = db->is_ldap ? krbrepl__kdb5_ldap_policy(ctx, p) : policy_write(db, ctx, name, p);
    if (err == 0)
        err = compare(db, ctx, c);
    if (p != NULL)
        krb5_db_free_policy(ctx, p);
    krbrepl__strfree(name);
    return err;
}

static krb5_error_code record_delete(const krbrepl_kdb5 *db, krb5_context ctx, const krbrepl_change *c)
{
    krb5_principal name = NULL;
    char *policy = NULL;
    krb5_error_code err;

    if (is_policy(c->table)) {
        err = policy_name(c->key, &policy);
        if (err == 0)
            err = policy_get(db, ctx, policy, NULL, NULL);
        if (err == 0)
            err = krb5_db_delete_policy(ctx, policy);
    } else {
        err = name_parse(ctx, c->key, &name);
        /* kldap deletes a principal by any name that the directory has for it. */
        if (err == 0 && db->is_ldap)
            err = principal_get(db, ctx, name, NULL, NULL, NULL);
        if (err == 0)
            err = krb5_db_delete_principal(ctx, name);
    }
    krb5_free_principal(ctx, name);
    krbrepl__strfree(policy);
    return err == KRB5_KDB_NOENTRY ? 0 : err;
}

krb5_error_code krbrepl__kdb5_change(const krbrepl_kdb5 *db, krb5_context ctx, const krbrepl_change *c,
                                     int fresh)
{
    krb5_clear_error_message(ctx);
    if (db->is_db2 && c->key.len > DB2_LONGEST && c->op == KRBREPL_PUT)
        return krbrepl__kdb5_refuse(ctx, "db2 loses records when a name is longer than %u bytes",
                                    DB2_LONGEST);
    if (db->is_lmdb && c->key.len > LMDB_LONGEST)
        return c->op != KRBREPL_PUT
                   ? 0
                   : krbrepl__kdb5_refuse(ctx, "klmdb has no room for a name of more than %u bytes",
                                          LMDB_LONGEST);
    if (!is_policy(c->table) && !is_principal(c->table))
        return krbrepl__kdb5_refuse(ctx, "an MIT database has no table %s", c->table);
    if (c->op != KRBREPL_PUT)
        return record_delete(db, ctx, c);
    return is_policy(c->table) ? policy_put(db, ctx, c) : principal_put(db, ctx, c, fresh);
}
