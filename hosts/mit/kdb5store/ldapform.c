/* ldapform.c: the form of a record, by which an entry of kldap becomes the same bytes again (ldap.h).
 *
 * It is a record of a principal (docs/records-mit.md) in which only this counts: the number of keys and their
 * versions, and the types of the tagged data in their order. Items that kldap has no place for are in it whole, kadmin's
 * data with zeros for the old keys. */
#include "ldap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define LONGEST 65535u

/* ---- tagged data ------------------------------------------------------------------------------ */

const krb5_tl_data *krbrepl__kdb5_tl_find(const krb5_db_entry *e, int type)
{
    const krb5_tl_data *tl;

    for (tl = e->tl_data; tl != NULL; tl = tl->tl_data_next)
        if (tl->tl_data_type == type)
            return tl;
    return NULL;
}

krb5_error_code krbrepl__kdb5_tl_add(krb5_db_entry *e, int type, const void *data, size_t len)
{
    krb5_tl_data *tl = calloc(1, sizeof *tl);

    if (tl == NULL || (tl->tl_data_contents = malloc(len + 1)) == NULL) {
        free(tl);
        return ENOMEM;
    }
    memcpy(tl->tl_data_contents, data, len);
    tl->tl_data_type = (krb5_int16)type;
    tl->tl_data_length = (krb5_ui_2)len;
    tl->tl_data_next = e->tl_data;
    e->tl_data = tl;
    e->n_tl_data++;
    return 0;
}

static int is_zero(krbrepl_bytes b)
{
    const uint8_t *p = b.data;
    size_t i;

    for (i = 0; i < b.len; i++)
        if (p[i] != 0)
            return 0;
    return 1;
}

/* What kldap would take for its own, keeps in attributes that it does not write, or leaves out. */
static int has_no_place(int64_t type, krbrepl_bytes data)
{
    return type == KRBREPL__KDB5_USER_INFO || type == KRBREPL__KDB5_FORM ||
           type == KRB5_TL_CONSTRAINED_DELEGATION_ACL ||
           (type == KRB5_TL_LAST_ADMIN_UNLOCK && data.len != 0 && is_zero(data));
}

static krbrepl_bytes content(const krb5_tl_data *tl)
{
    return (krbrepl_bytes){tl->tl_data_contents, tl->tl_data_length};
}

static void tl_take_out(krb5_db_entry *e)
{
    krb5_tl_data **at = &e->tl_data, *tl;

    while ((tl = *at) != NULL) {
        if (!has_no_place(tl->tl_data_type, content(tl))) {
            at = &tl->tl_data_next;
            continue;
        }
        *at = tl->tl_data_next;
        e->n_tl_data--;
        free(tl->tl_data_contents);
        free(tl);
    }
}

/* ---- the form of a record --------------------------------------------------------------------- */

struct form {
    krbrepl_mit_item *tl;
    size_t ntl;
    krbrepl_mit_key *keys;
    size_t nkeys;
    uint8_t *kadm; /* kadmin's data, changed */
    size_t kadm_len;
};

static void form_free(struct form *f)
{
    krbrepl__free(f->tl, f->ntl * sizeof *f->tl);
    krbrepl__free(f->keys, f->nkeys * sizeof *f->keys);
    krbrepl__free(f->kadm, f->kadm_len);
}

static int form_room(struct form *f, const krbrepl_mit_principal *p)
{
    memset(f, 0, sizeof *f);
    f->tl = krbrepl__alloc_array(p->ntl, sizeof *f->tl);
    f->keys = krbrepl__alloc_array(p->nkeys, sizeof *f->keys);
    if (f->tl == NULL || f->keys == NULL)
        return ENOMEM;
    f->ntl = p->ntl;
    f->nkeys = p->nkeys;
    return 0;
}

static int kadm_room(struct form *f, size_t len)
{
    if (f->kadm != NULL)
        return EINVAL;
    f->kadm = krbrepl__alloc(len + 1);
    f->kadm_len = len + 1;
    return f->kadm != NULL ? 0 : ENOMEM;
}

static krb5_error_code item_form(krb5_context ctx, struct form *f, const krbrepl_mit_item *from,
                                 krbrepl_mit_item *to)
{
    int err;

    to->type = from->type;
    if (has_no_place(from->type, from->data))
        to->data = from->data;
    if (from->type != KRB5_TL_KADM_DATA)
        return 0;
    err = kadm_room(f, from->data.len);
    if (err == 0)
        err = krbrepl__kdb5_kadm_blank(from->data, f->kadm);
    if (err == EINVAL)
        return krbrepl__kdb5_refuse(ctx,
                                    "kldap does not keep its tagged data of type %d (policy and "
                                    "old keys): they are not as kadmin writes them, or two of "
                                    "the old passwords have one version",
                                    KRB5_TL_KADM_DATA);
    to->data = (krbrepl_bytes){f->kadm, from->data.len};
    return err;
}

static krb5_error_code items_form(krb5_context ctx, struct form *f, const krbrepl_mit_principal *p)
{
    krb5_error_code err = 0;
    size_t i, j;

    for (i = 0; i < p->ntl && err == 0; i++) {
        for (j = 0; j < i && !has_no_place(p->tl[i].type, p->tl[i].data); j++)
            if (p->tl[j].type == p->tl[i].type)
                return krbrepl__kdb5_refuse(
                    ctx, "kldap keeps one item of tagged data of each type, and it has two of type %d",
                    (int)p->tl[i].type);
        err = item_form(ctx, f, &p->tl[i], &f->tl[i]);
    }
    return err;
}

static krb5_error_code form_make(krb5_context ctx, const krbrepl_mit_principal *p, struct form *f,
                                 void **out, size_t *len)
{
    krbrepl_mit_principal form;
    krb5_error_code err = form_room(f, p);
    size_t i;

    KRBREPL_INIT(&form);
    if (err == 0)
        err = items_form(ctx, f, p);
    if (err != 0)
        return err;
    for (i = 0; i < p->nkeys; i++)
        f->keys[i].version = p->keys[i].version;
    form.base_length = p->base_length;
    form.tl = f->tl;
    form.ntl = f->ntl;
    form.keys = f->keys;
    form.nkeys = f->nkeys;
    if (krbrepl_mit_principal_encode(&form, out, len, NULL) != 0)
        return ENOMEM;
    if (*len > LONGEST)
        return krbrepl__kdb5_refuse(ctx, "its keys and tagged data are too many to be kept in a "
                                         "directory");
    return 0;
}

krb5_error_code krbrepl__kdb5_form_add(krb5_context ctx, krb5_db_entry *e, krbrepl_bytes value)
{
    krbrepl_mit_principal *p = NULL;
    struct form f = {0};
    void *form = NULL;
    size_t len = 0;
    krb5_error_code err = krbrepl_mit_principal_decode(value, &p, NULL) == 0 ? 0 : ENOMEM;

    if (err == 0)
        err = form_make(ctx, p, &f, &form, &len);
    if (err == 0) {
        tl_take_out(e);
        err = krbrepl__kdb5_tl_add(e, KRBREPL__KDB5_FORM, form, len);
    }
    krbrepl_mit_free(form, len);
    form_free(&f);
    krbrepl_mit_principal_free(p);
    return err;
}

/* ---- the record of an entry ------------------------------------------------------------------- */

/* What kldap adds by itself to an entry whose record has none of it. */
static int is_added(const krb5_tl_data *tl)
{
    return tl->tl_data_type == KRBREPL__KDB5_USER_INFO || tl->tl_data_type == KRBREPL__KDB5_FORM ||
           tl->tl_data_type == KRB5_TL_CONSTRAINED_DELEGATION_ACL ||
           tl->tl_data_type == KRB5_TL_LAST_PWD_CHANGE || tl->tl_data_type == KRB5_TL_MKVNO;
}

static int is_in(const krbrepl_mit_principal *form, int type)
{
    size_t i;

    for (i = 0; i < form->ntl; i++)
        if (form->tl[i].type == type)
            return 1;
    return 0;
}

/* Whether somebody has put tagged data into the entry since. */
static int has_more(const krb5_db_entry *e, const krbrepl_mit_principal *form)
{
    const krb5_tl_data *tl;

    for (tl = e->tl_data; tl != NULL; tl = tl->tl_data_next)
        if (!is_added(tl) && !is_in(form, tl->tl_data_type))
            return 1;
    return 0;
}

static int item_restore(struct form *f, const krb5_db_entry *e, const krbrepl_mit_item *from,
                        krbrepl_mit_item *to)
{
    const krb5_tl_data *tl;
    int err;

    *to = *from;
    if (has_no_place(from->type, from->data))
        return 0;
    tl = krbrepl__kdb5_tl_find(e, (int)from->type);
    if (from->type != KRB5_TL_KADM_DATA) {
        if (tl != NULL)
            to->data = content(tl);
        return tl != NULL ? 0 : EINVAL;
    }
    err = kadm_room(f, from->data.len);
    if (err == 0)
        err = krbrepl__kdb5_kadm_fill(from->data, tl != NULL ? content(tl) : (krbrepl_bytes){NULL, 0},
                                      f->kadm);
    to->data = (krbrepl_bytes){f->kadm, from->data.len};
    return err;
}

static void key_restore(const krb5_key_data *from, uint64_t version, krbrepl_mit_key *to)
{
    size_t part;

    to->version = (uint64_t)from->key_data_ver;
    if (version == 1 && from->key_data_ver == 2 && from->key_data_type[1] == 0 &&
        from->key_data_length[1] == 0)
        to->version = 1;
    to->kvno = from->key_data_kvno;
    for (part = 0; part < 2 && part < to->version; part++) {
        to->part[part].type = from->key_data_type[part];
        to->part[part].data =
            (krbrepl_bytes){from->key_data_contents[part], from->key_data_length[part]};
    }
}

static int restore(struct form *f, const krb5_db_entry *e, const krbrepl_mit_principal *form)
{
    int err = form_room(f, form);
    size_t i;

    if (err == 0 && (e->n_key_data < 0 || (size_t)e->n_key_data != form->nkeys || has_more(e, form)))
        err = EINVAL;
    for (i = 0; err == 0 && i < form->nkeys; i++)
        key_restore(&e->key_data[i], form->keys[i].version, &f->keys[i]);
    for (i = 0; err == 0 && i < form->ntl; i++)
        err = item_restore(f, e, &form->tl[i], &f->tl[i]);
    return err;
}

static int encode(const krb5_db_entry *e, const struct form *f, void **value, size_t *len)
{
    krbrepl_mit_principal p;

    KRBREPL_INIT(&p);
    p.attributes = e->attributes;
    p.max_life = e->max_life;
    p.max_renewable_life = e->max_renewable_life;
    p.expiration = (uint32_t)e->expiration;
    p.pw_expiration = (uint32_t)e->pw_expiration;
    p.base_length = e->len;
    p.tl = f->tl;
    p.ntl = f->ntl;
    p.keys = f->keys;
    p.nkeys = f->nkeys;
    return krbrepl_mit_principal_encode(&p, value, len, NULL);
}

/* EINVAL: the entry is no more as its form says. */
static int by_form(const krb5_db_entry *e, void **value, size_t *len)
{
    const krb5_tl_data *tl = krbrepl__kdb5_tl_find(e, KRBREPL__KDB5_FORM);
    krbrepl_mit_principal *form = NULL;
    struct form f = {0};
    int err, rc;

    if (tl == NULL)
        return EINVAL;
    rc = krbrepl_mit_principal_decode(content(tl), &form, NULL);
    if (rc != 0)
        return rc == KRBREPL_ERR_NOMEM ? ENOMEM : EINVAL;
    err = restore(&f, e, form);
    if (err == 0 && (rc = encode(e, &f, value, len)) != 0)
        err = rc == KRBREPL_ERR_NOMEM ? ENOMEM : EINVAL;
    form_free(&f);
    krbrepl_mit_principal_free(form);
    return err;
}

krb5_error_code krbrepl__kdb5_form_read(krb5_context ctx, const krb5_db_entry *e, void **value,
                                        size_t *len)
{
    const int err = by_form(e, value, len);

    /* Somebody else wrote it: as it is, it is no record of ours, which a comparison has to find. */
    return err == EINVAL ? krbrepl__kdb_entry_encode(ctx, e, value, len) : err;
}
