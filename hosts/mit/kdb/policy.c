/* policy.c: policies: create, get, put, iterate, delete. */
#include "kdbmod.h"

#include <stdio.h>

#include "mem.h"

krb5_error_code krbrepl__kdb_get_policy(krb5_context ctx, char *name, osa_policy_ent_t *out)
{
    krbrepl__kdb *h;
    void *value = NULL;
    size_t len = 0;
    krb5_error_code err;

    *out = NULL;
    err = krbrepl__kdb_ready(ctx, &h);
    if (err == 0)
        err =
            krbrepl__kdb_read(ctx, h, KRBREPL_MIT_TABLE_POLICY, krbrepl__kdb_text(name), &value, &len);
    if (err != 0)
        return err;
    err = krbrepl__kdb_policy_make(ctx, krbrepl__kdb_text(name), (krbrepl_bytes){value, len}, out);
    krbrepl__free(value, len);
    return err;
}

enum how { CREATE, REPLACE };

static krb5_error_code store(krb5_context ctx, krbrepl__kdb *h, krbrepl_bytes name, krbrepl_bytes value,
                             enum how how)
{
    krbrepl__kdb_write w;
    krb5_error_code err;
    char why[768];
    int there;

    snprintf(why, sizeof why, "%s policy %.*s", how == CREATE ? "create" : "modify",
             (int)(name.len < 600 ? name.len : 600), (const char *)name.data);
    err = krbrepl__kdb_write_begin(ctx, h, NULL, why, &w);
    if (err != 0)
        return err;
    there = krbrepl__kdb_write_has(&w, KRBREPL_MIT_TABLE_POLICY, name);
    if (h->load == NULL && how == CREATE && there)
        err = KRB5_KDB_INUSE;
    else if (h->load == NULL && how == REPLACE && !there)
        err = KRB5_KDB_NOENTRY;
    else
        err = krbrepl__kdb_write_put(ctx, h, &w, KRBREPL_MIT_TABLE_POLICY, name, value);
    return krbrepl__kdb_write_end(ctx, h, &w, err);
}

static krb5_error_code write_policy(krb5_context ctx, osa_policy_ent_t p, enum how how)
{
    krbrepl__kdb *h;
    void *value = NULL;
    size_t len = 0;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);

    if (err == 0)
        err = krbrepl__kdb_policy_encode(ctx, p, &value, &len);
    if (err == 0)
        err = store(ctx, h, krbrepl__kdb_text(p->name), (krbrepl_bytes){value, len}, how);
    krbrepl_mit_free(value, len);
    return err;
}

krb5_error_code krbrepl__kdb_create_policy(krb5_context ctx, osa_policy_ent_t p)
{
    return write_policy(ctx, p, CREATE);
}

krb5_error_code krbrepl__kdb_put_policy(krb5_context ctx, osa_policy_ent_t p)
{
    return write_policy(ctx, p, REPLACE);
}

krb5_error_code krbrepl__kdb_delete_policy(krb5_context ctx, char *name)
{
    krbrepl__kdb *h;
    krbrepl__kdb_write w;
    krb5_error_code err;
    char why[768];
    int rc;

    err = krbrepl__kdb_ready(ctx, &h);
    if (err == 0 && h->load != NULL)
        err = KRB5_PLUGIN_OP_NOTSUPP;
    if (err != 0)
        return err;
    snprintf(why, sizeof why, "delete policy %.600s", name);
    err = krbrepl__kdb_write_begin(ctx, h, NULL, why, &w);
    if (err != 0)
        return err;
    rc = krbrepl_txn_delete(w.txn, KRBREPL_MIT_TABLE_POLICY, krbrepl__kdb_text(name));
    err = rc == KRBREPL_ERR_NOTFOUND ? KRB5_KDB_NOENTRY
          : rc != 0                  ? krbrepl__kdb_fail(ctx, h, rc, "deleting")
                                     : 0;
    return krbrepl__kdb_write_end(ctx, h, &w, err);
}

struct visit {
    osa_adb_iter_policy_func fn;
    void *arg;
};

static krb5_error_code visit_one(krb5_context ctx, krbrepl__kdb *h, void *arg, krbrepl_bytes key,
                                 krbrepl_bytes value)
{
    const struct visit *v = arg;
    osa_policy_ent_t p;
    krb5_error_code err = krbrepl__kdb_policy_make(ctx, key, value, &p);

    (void)h;
    if (err != 0)
        return err;
    v->fn(v->arg, p);
    krb5_db_free_policy(ctx, p);
    return 0;
}

krb5_error_code krbrepl__kdb_iter_policy(krb5_context ctx, char *match, osa_adb_iter_policy_func fn,
                                         void *arg)
{
    struct visit v = {fn, arg};
    krbrepl__kdb *h;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);

    (void)match; /* callers look at the names themselves */
    return err != 0 ? err : krbrepl__kdb_each(ctx, h, KRBREPL_MIT_TABLE_POLICY, 0, 0, visit_one, &v);
}
