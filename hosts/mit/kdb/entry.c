/* entry.c: a principal as libkdb5 has it, and as a record. */
#include "kdbmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

krbrepl_bytes krbrepl__kdb_text(const char *s)
{
    return (krbrepl_bytes){s, strlen(s)};
}

/* ---- record to entry -------------------------------------------------------------------------- */

static int copy_out(krbrepl_bytes from, krb5_octet **to)
{
    *to = NULL;
    if (from.len == 0)
        return 0;
    *to = malloc(from.len);
    if (*to == NULL)
        return ENOMEM;
    memcpy(*to, from.data, from.len);
    return 0;
}

static int keys_make(const krbrepl_mit_principal *p, krb5_db_entry *e)
{
    krb5_key_data *to;
    size_t i, part;
    int err = 0;

    if (p->nkeys == 0)
        return 0;
    e->key_data = calloc(p->nkeys, sizeof *e->key_data);
    if (e->key_data == NULL)
        return ENOMEM;
    e->n_key_data = (krb5_int16)p->nkeys;
    for (i = 0; i < p->nkeys && err == 0; i++) {
        to = &e->key_data[i];
        to->key_data_ver = (krb5_int16)p->keys[i].version;
        to->key_data_kvno = (krb5_ui_2)p->keys[i].kvno;
        for (part = 0; part < p->keys[i].version && err == 0; part++) {
            to->key_data_type[part] = (krb5_int16)p->keys[i].part[part].type;
            err = copy_out(p->keys[i].part[part].data, &to->key_data_contents[part]);
            if (err == 0)
                to->key_data_length[part] = (krb5_ui_2)p->keys[i].part[part].data.len;
        }
    }
    return err;
}

static int members_make(const krbrepl_mit_principal *p, krb5_db_entry *e)
{
    int err;

    e->magic = (krb5_magic)KRB5_KDB_MAGIC_NUMBER;
    e->len = (krb5_ui_2)p->base_length;
    e->attributes = p->attributes;
    e->max_life = p->max_life;
    e->max_renewable_life = p->max_renewable_life;
    e->expiration = (krb5_timestamp)p->expiration;
    e->pw_expiration = (krb5_timestamp)p->pw_expiration;
    err = krbrepl__kdb_tl_make(p->tl, p->ntl, &e->tl_data);
    if (err == 0)
        e->n_tl_data = (krb5_int16)p->ntl;
    if (err == 0)
        err = keys_make(p, e);
    if (err == 0)
        err = copy_out(p->extra, &e->e_data);
    if (err == 0)
        e->e_length = (krb5_ui_2)p->extra.len;
    return err;
}

static krb5_error_code name_make(krb5_context ctx, krbrepl_bytes key, krb5_principal *out)
{
    char *text = krbrepl__strndup(key.data, key.len);
    krb5_error_code err = text != NULL ? krb5_parse_name(ctx, text, out) : ENOMEM;

    krbrepl__strfree(text);
    return err;
}

krb5_error_code krbrepl__kdb_entry_make(krb5_context ctx, krbrepl_bytes key, krbrepl_bytes value,
                                        const krbrepl_mit_lockout *local, krb5_db_entry **out)
{
    krbrepl_mit_principal *p = NULL;
    krb5_db_entry *e = NULL;
    krbrepl_errinfo ei;
    krb5_error_code err;
    int rc;

    *out = NULL;
    KRBREPL_INIT(&ei);
    rc = krbrepl_mit_principal_decode(value, &p, &ei);
    if (rc != 0)
        return krbrepl__kdb_fail_ei(ctx, rc, &ei, "reading a principal");
    e = calloc(1, sizeof *e);
    err = e == NULL ? ENOMEM : members_make(p, e);
    if (err == 0)
        err = name_make(ctx, key, &e->princ);
    if (err == 0) {
        e->last_success = (krb5_timestamp)local->last_success;
        e->last_failed = (krb5_timestamp)local->last_failed;
        e->fail_auth_count = local->failures;
        *out = e;
    } else if (e != NULL) {
        krb5_db_free_principal(ctx, e);
    }
    krbrepl_mit_principal_free(p);
    return err;
}

/* ---- entry to record -------------------------------------------------------------------------- */

static int keys_items(const krb5_db_entry *e, krbrepl_mit_key **out)
{
    const krb5_key_data *from;
    krbrepl_mit_key *key;
    size_t part, n;
    int i;

    *out = NULL;
    if (e->n_key_data < 0)
        return EINVAL;
    n = (size_t)e->n_key_data;
    key = krbrepl__alloc_array(n, sizeof *key);
    if (key == NULL)
        return ENOMEM;
    for (i = 0; i < e->n_key_data; i++) {
        from = &e->key_data[i];
        key[i].version = (uint64_t)from->key_data_ver;
        key[i].kvno = from->key_data_kvno;
        for (part = 0; part < 2 && part < key[i].version; part++) {
            key[i].part[part].type = from->key_data_type[part];
            key[i].part[part].data =
                (krbrepl_bytes){from->key_data_contents[part], from->key_data_length[part]};
        }
    }
    *out = key;
    return 0;
}

krb5_error_code krbrepl__kdb_entry_encode(krb5_context ctx, const krb5_db_entry *e, void **value,
                                          size_t *len)
{
    krbrepl_mit_principal p;
    krbrepl_mit_item *tl = NULL;
    krbrepl_mit_key *keys = NULL;
    krbrepl_errinfo ei;
    krb5_error_code err;
    int rc;

    KRBREPL_INIT(&p);
    KRBREPL_INIT(&ei);
    p.attributes = e->attributes;
    p.max_life = e->max_life;
    p.max_renewable_life = e->max_renewable_life;
    p.expiration = (uint32_t)e->expiration;
    p.pw_expiration = (uint32_t)e->pw_expiration;
    /* Entries that were not read before have none; db2 cannot load a dump that says anything else. */
    p.base_length = e->len != 0 ? e->len : KRB5_KDB_V1_BASE_LENGTH;
    p.extra = (krbrepl_bytes){e->e_data, e->e_data != NULL ? e->e_length : 0};
    err = krbrepl__kdb_tl_items(e->tl_data, e->n_tl_data, &tl);
    if (err == 0)
        err = keys_items(e, &keys);
    if (err == 0) {
        p.tl = tl;
        p.ntl = (size_t)e->n_tl_data;
        p.keys = keys;
        p.nkeys = (size_t)e->n_key_data;
        rc = krbrepl_mit_principal_encode(&p, value, len, &ei);
        if (rc != 0)
            err = krbrepl__kdb_fail_ei(ctx, rc, &ei, "writing a principal");
    }
    krbrepl__free(tl, p.ntl * sizeof *tl);
    krbrepl__free(keys, p.nkeys * sizeof *keys);
    return err;
}
