/* princ.c: principals: get, put, delete, iterate. */
#include "kdbmod.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <kadm5/admin.h>

#include "mem.h"
#include "tagged.h"

/* A modifier that is noted in an entry made this change only when the note is as fresh as this. */
#define FRESH_S 5

krb5_error_code krbrepl__kdb_get_principal(krb5_context ctx, krb5_const_principal name,
                                           unsigned int flags, krb5_db_entry **out)
{
    krbrepl_mit_lockout local = {0, 0, 0};
    krbrepl__kdb *h;
    char *text = NULL;
    void *value = NULL;
    size_t len = 0;
    krb5_error_code err;

    (void)flags; /* there are neither referrals nor aliases to other realms */
    *out = NULL;
    err = krbrepl__kdb_ready(ctx, &h);
    if (err == 0)
        err = krb5_unparse_name(ctx, name, &text);
    if (err == 0)
        err = krbrepl__kdb_read(ctx, h, KRBREPL_MIT_TABLE_PRINCIPAL, krbrepl__kdb_text(text), &value,
                                &len);
    if (err == 0) {
        krbrepl__kdb_local_get(h, krbrepl__kdb_text(text), &local);
        err = krbrepl__kdb_entry_make(ctx, krbrepl__kdb_text(text), (krbrepl_bytes){value, len}, &local,
                                      out);
        krbrepl__free(value, len);
    }
    krb5_free_unparsed_name(ctx, text);
    return err;
}

/* ---- put -------------------------------------------------------------------------------------- */

/* The administrator of this change, as libkadm5 notes it in the entry. "" when it is somebody else's. */
static void modifier(const krb5_db_entry *e, char *out, size_t room)
{
    krbrepl_mit_principal p;
    krbrepl_mit_item *tl = NULL;
    krbrepl_bytes who;
    uint32_t when = 0;

    out[0] = '\0';
    if (krbrepl__kdb_tl_items(e->tl_data, e->n_tl_data, &tl) != 0)
        return;
    KRBREPL_INIT(&p);
    p.tl = tl;
    p.ntl = (size_t)e->n_tl_data;
    if (krbrepl__mit_modified(&p, &when, &who) && who.len != 0 && who.len < room &&
        (uint32_t)time(NULL) - when <= FRESH_S) {
        memcpy(out, who.data, who.len);
        out[who.len] = '\0';
    }
    krbrepl__free(tl, p.ntl * sizeof *tl);
}

static const char *operation(const krb5_db_entry *e, int there)
{
    if (!there)
        return "create principal";
    if ((e->mask & KADM5_KEY_DATA) != 0)
        return "change keys of";
    if ((e->mask & KADM5_FAIL_AUTH_COUNT) != 0)
        return "unlock";
    if ((e->mask & (KADM5_POLICY | KADM5_POLICY_CLR)) != 0)
        return "change policy of";
    return "modify principal";
}

static krb5_error_code put_entry(krb5_context ctx, krbrepl__kdb *h, const krb5_db_entry *e,
                                 krbrepl_bytes key, krbrepl_bytes value)
{
    char who[512], why[768];
    krbrepl__kdb_write w;
    krb5_error_code err;
    void *old = NULL;
    size_t len = 0;
    int there = 0;

    if (h->load == NULL) {
        there = krbrepl__kdb_read(ctx, h, KRBREPL_MIT_TABLE_PRINCIPAL, key, &old, &len) == 0;
        krbrepl__free(old, len);
    }
    modifier(e, who, sizeof who);
    snprintf(why, sizeof why, "%s %.*s", operation(e, there), (int)(key.len < 600 ? key.len : 600),
             (const char *)key.data);
    err = krbrepl__kdb_write_begin(ctx, h, who[0] != '\0' ? who : NULL, why, &w);
    if (err != 0)
        return err;
    err = krbrepl__kdb_write_put(ctx, h, &w, KRBREPL_MIT_TABLE_PRINCIPAL, key, value);
    if (err == 0 && (h->load != NULL || w.grouped))
        err = krbrepl__kdb_spool(ctx, h, key, e);
    err = krbrepl__kdb_write_end(ctx, h, &w, err);
    if (err == 0 && h->load == NULL && !w.grouped)
        krbrepl__kdb_local_put(h, key, e);
    return err;
}

krb5_error_code krbrepl__kdb_put_principal(krb5_context ctx, krb5_db_entry *e, char **db_args)
{
    krbrepl__kdb *h;
    char *text = NULL;
    void *value = NULL;
    size_t len = 0;
    krb5_error_code err;

    if (db_args != NULL && *db_args != NULL) {
        krb5_set_error_message(ctx, EINVAL, "Unsupported argument \"%s\" for krbrepl", *db_args);
        return EINVAL;
    }
    err = krbrepl__kdb_ready(ctx, &h);
    if (err == 0)
        err = krb5_unparse_name(ctx, e->princ, &text);
    if (err == 0)
        err = krbrepl__kdb_entry_encode(ctx, e, &value, &len);
    if (err == 0)
        err = put_entry(ctx, h, e, krbrepl__kdb_text(text), (krbrepl_bytes){value, len});
    krbrepl_mit_free(value, len);
    krb5_free_unparsed_name(ctx, text);
    return err;
}

/* ---- delete ----------------------------------------------------------------------------------- */

krb5_error_code krbrepl__kdb_delete_principal(krb5_context ctx, krb5_const_principal name)
{
    krbrepl__kdb *h;
    krbrepl__kdb_write w;
    char *text = NULL, why[768];
    krb5_error_code err;
    int rc;

    err = krbrepl__kdb_ready(ctx, &h);
    if (err == 0 && h->load != NULL)
        err = KRB5_PLUGIN_OP_NOTSUPP;
    if (err == 0)
        err = krb5_unparse_name(ctx, name, &text);
    if (err != 0)
        return err;
    snprintf(why, sizeof why, "delete principal %.600s", text);
    err = krbrepl__kdb_write_begin(ctx, h, NULL, why, &w);
    if (err == 0) {
        rc = krbrepl_txn_delete(w.txn, KRBREPL_MIT_TABLE_PRINCIPAL, krbrepl__kdb_text(text));
        err = rc == KRBREPL_ERR_NOTFOUND ? KRB5_KDB_NOENTRY
              : rc != 0                  ? krbrepl__kdb_fail(ctx, h, rc, "deleting")
                                         : 0;
        err = krbrepl__kdb_write_end(ctx, h, &w, err);
    }
    krb5_free_unparsed_name(ctx, text);
    return err;
}

/* ---- iterate ---------------------------------------------------------------------------------- */

struct visit {
    int (*fn)(krb5_pointer, krb5_db_entry *);
    krb5_pointer arg;
};

static krb5_error_code visit_one(krb5_context ctx, krbrepl__kdb *h, void *arg, krbrepl_bytes key,
                                 krbrepl_bytes value)
{
    krbrepl_mit_lockout local;
    const struct visit *v = arg;
    krb5_db_entry *e;
    krb5_error_code err;

    krbrepl__kdb_local_get(h, key, &local);
    err = krbrepl__kdb_entry_make(ctx, key, value, &local, &e);
    if (err != 0)
        return err;
    err = v->fn(v->arg, e);
    krb5_db_free_principal(ctx, e);
    return err;
}

krb5_error_code krbrepl__kdb_iterate(krb5_context ctx, char *match,
                                     int (*fn)(krb5_pointer, krb5_db_entry *), krb5_pointer arg,
                                     krb5_flags flags)
{
    struct visit v = {fn, arg};
    krbrepl__kdb *h;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);

    (void)match; /* callers look at the names themselves */
    if (err != 0)
        return err;
    return krbrepl__kdb_each(ctx, h, KRBREPL_MIT_TABLE_PRINCIPAL, (flags & KRB5_DB_ITER_REV) != 0,
                             (flags & KRB5_DB_ITER_WRITE) != 0, visit_one, &v);
}
