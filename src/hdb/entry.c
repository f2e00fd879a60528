#include "entry.h"

#include <string.h>

static const char *const field_name[KRBREPL__HDB_NFIELDS] = {
    "principal", "kvno",     "keys",      "created-by", "modified-by", "valid-start", "valid-end",
    "pw-end",    "max-life", "max-renew", "flags",      "etypes",      "generation",  "extensions",
};

static int is_mandatory(unsigned i)
{
    return i == KRBREPL__HDB_PRINCIPAL || i == KRBREPL__HDB_KVNO || i == KRBREPL__HDB_KEYS ||
           i == KRBREPL__HDB_CREATED_BY || i == KRBREPL__HDB_FLAGS;
}

/* ---- keys ----------------------------------------------------------------------------------- */

void krbrepl__hdb_keys(const krbrepl__hdb_entry *e, krbrepl__rd *r)
{
    krbrepl__rd whole, field;

    krbrepl__rd_init(&whole, e->field[KRBREPL__HDB_KEYS].data, e->field[KRBREPL__HDB_KEYS].len);
    krbrepl__der_enter(&whole, KRBREPL__DER_CTX(KRBREPL__HDB_KEYS), &field);
    krbrepl__der_enter(&field, KRBREPL__DER_SEQUENCE, r);
}

/* EncryptionKey: [0] type, [1] octets. */
static void read_key(krbrepl__rd *r, krbrepl__hdb_keyrec *k)
{
    krbrepl__rd key, in, field;

    krbrepl__der_enter(r, KRBREPL__DER_CTX(1), &key);
    krbrepl__der_enter(&key, KRBREPL__DER_SEQUENCE, &in);
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(0), &field);
    k->etype = krbrepl__der_int(&field);
    if (krbrepl__rd_end(&field) != 0)
        r->err = KRBREPL_ERR_PROTO;
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(1), &field);
    k->octets = krbrepl__der_get(&field, KRBREPL__DER_OCTET_STRING);
    if (krbrepl__rd_end(&field) != 0 || krbrepl__rd_end(&in) != 0 || krbrepl__rd_end(&key) != 0)
        r->err = KRBREPL_ERR_PROTO;
}

int krbrepl__hdb_key_next(krbrepl__rd *r, krbrepl__hdb_keyrec *k)
{
    krbrepl__rd in;

    memset(k, 0, sizeof *k);
    if (r->err != 0 || r->left == 0)
        return 0;
    krbrepl__der_enter(r, KRBREPL__DER_SEQUENCE, &in);
    if (krbrepl__der_peek(&in) == KRBREPL__DER_CTX(0)) {
        k->sealed = 1;
        k->mkvno = krbrepl__der_ctx_u32(&in, 0);
    }
    read_key(&in, k);
    if (in.err == 0 && krbrepl__der_peek(&in) == KRBREPL__DER_CTX(2))
        k->salt = krbrepl__der_whole(&in);
    if (krbrepl__rd_end(&in) != 0)
        r->err = KRBREPL_ERR_PROTO;
    return r->err == 0;
}

/* ---- extensions ----------------------------------------------------------------------------- */

void krbrepl__hdb_exts(const krbrepl__hdb_entry *e, krbrepl__rd *r)
{
    krbrepl__rd whole, field;

    krbrepl__rd_init(r, NULL, 0);
    if (e->field[KRBREPL__HDB_EXTENSIONS].data == NULL)
        return;
    krbrepl__rd_init(&whole, e->field[KRBREPL__HDB_EXTENSIONS].data,
                     e->field[KRBREPL__HDB_EXTENSIONS].len);
    krbrepl__der_enter(&whole, KRBREPL__DER_CTX(KRBREPL__HDB_EXTENSIONS), &field);
    krbrepl__der_enter(&field, KRBREPL__DER_SEQUENCE, r);
    if (field.left != 0)
        r->err = KRBREPL_ERR_PROTO;
}

/* The choice in [1]: whatever it is, its first byte and its inside. */
static void read_choice(krbrepl__rd *r, krbrepl__hdb_ext *x)
{
    krbrepl__rd field;

    krbrepl__der_enter(r, KRBREPL__DER_CTX(1), &field);
    x->tag = krbrepl__der_peek(&field);
    /* A number above 30 takes more bytes: such kinds are not known, and carried whole. */
    if ((x->tag & 0x1f) == 0x1f)
        x->data = krbrepl__der_whole(&field);
    else
        x->data = krbrepl__der_get(&field, x->tag);
    if (krbrepl__rd_end(&field) != 0)
        r->err = KRBREPL_ERR_PROTO;
}

int krbrepl__hdb_ext_next(krbrepl__rd *r, krbrepl__hdb_ext *x)
{
    krbrepl__rd whole, in, field;
    krbrepl_bytes flag;

    memset(x, 0, sizeof *x);
    if (r->err != 0 || r->left == 0)
        return 0;
    x->whole = krbrepl__der_whole(r);
    krbrepl__rd_init(&whole, x->whole.data, x->whole.len);
    krbrepl__der_enter(&whole, KRBREPL__DER_SEQUENCE, &in);
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(0), &field);
    flag = krbrepl__der_get(&field, KRBREPL__DER_BOOLEAN);
    if (flag.len != 1 || krbrepl__rd_end(&field) != 0)
        in.err = KRBREPL_ERR_PROTO;
    else
        x->mandatory = *(const uint8_t *)flag.data != 0;
    read_choice(&in, x);
    /* The sequence may have more in later releases. */
    if (in.err != 0)
        r->err = KRBREPL_ERR_PROTO;
    return r->err == 0;
}

/* ---- what is looked for in extensions -------------------------------------------------------- */

/* Aliases: SEQUENCE { [0] BOOLEAN, [1] SEQUENCE OF Principal }. */
static int read_aliases(krbrepl_bytes data, krbrepl_bytes *out)
{
    krbrepl__rd r, in, field;
    krbrepl__hdb_princ one;
    krbrepl_bytes list;

    krbrepl__rd_init(&r, data.data, data.len);
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
    (void)krbrepl__der_get(&in, KRBREPL__DER_CTX(0));
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(1), &field);
    list = krbrepl__der_get(&field, KRBREPL__DER_SEQUENCE);
    if (krbrepl__rd_end(&field) != 0 || in.err != 0 || krbrepl__rd_end(&r) != 0)
        return KRBREPL_ERR_PROTO;
    *out = list;
    krbrepl__rd_init(&r, list.data, list.len);
    while (krbrepl__hdb_alias_next(&r, &one))
        ;
    return r.err;
}

int krbrepl__hdb_alias_next(krbrepl__rd *r, krbrepl__hdb_princ *alias)
{
    if (r->err != 0 || r->left == 0)
        return 0;
    krbrepl__hdb_princ_read(r, alias);
    return r->err == 0;
}

static int count_clear(krbrepl__rd *keys, size_t *n, size_t *clear)
{
    krbrepl__hdb_keyrec k;

    while (krbrepl__hdb_key_next(keys, &k)) {
        *n += 1;
        if (!k.sealed)
            *clear += 1;
    }
    return keys->err;
}

/* SEQUENCE OF { [0] kvno, [1] keys, ... }. */
static int read_history(krbrepl_bytes data, size_t *clear)
{
    krbrepl__rd r, list, set, field, keys;
    size_t n = 0;
    int rc = 0;

    krbrepl__rd_init(&r, data.data, data.len);
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &list);
    while (rc == 0 && list.err == 0 && list.left != 0) {
        krbrepl__der_enter(&list, KRBREPL__DER_SEQUENCE, &set);
        (void)krbrepl__der_ctx_u32(&set, 0);
        krbrepl__der_enter(&set, KRBREPL__DER_CTX(1), &field);
        krbrepl__der_enter(&field, KRBREPL__DER_SEQUENCE, &keys);
        rc = count_clear(&keys, &n, clear);
    }
    return rc != 0 ? rc : krbrepl__rd_end(&list);
}

static int read_password(krbrepl_bytes data, size_t *clear)
{
    krbrepl__rd r, in;

    krbrepl__rd_init(&r, data.data, data.len);
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
    if (krbrepl__der_peek(&in) == KRBREPL__DER_CTX(0))
        (void)krbrepl__der_ctx_u32(&in, 0);
    else
        *clear += 1;
    (void)krbrepl__der_get(&in, KRBREPL__DER_OCTET_STRING);
    return in.err;
}

static int look_into_exts(krbrepl__hdb_entry *e)
{
    krbrepl__hdb_ext x;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__hdb_exts(e, &r);
    while (rc == 0 && krbrepl__hdb_ext_next(&r, &x)) {
        if (x.tag == KRBREPL__DER_CTX(KRBREPL__HDB_EXT_ALIASES) && e->aliases.data == NULL)
            rc = read_aliases(x.data, &e->aliases);
        else if (x.tag == KRBREPL__DER_CTX(KRBREPL__HDB_EXT_HIST_KEYS))
            rc = read_history(x.data, &e->clear);
        else if (x.tag == KRBREPL__DER_CTX(KRBREPL__HDB_EXT_PASSWORD))
            rc = read_password(x.data, &e->clear);
    }
    return rc != 0 ? rc : r.err;
}

/* ---- the entry ------------------------------------------------------------------------------ */

/* Cuts the entry into its fields; they are in the order of their tags. Answers the one that is wrong. */
static const char *cut(krbrepl__hdb_entry *e, krbrepl_bytes der)
{
    krbrepl__rd whole, r;
    unsigned i;

    krbrepl__rd_init(&whole, der.data, der.len);
    krbrepl__der_enter(&whole, KRBREPL__DER_SEQUENCE, &r);
    if (krbrepl__rd_end(&whole) != 0)
        return "whole of it";
    for (i = 0; i < KRBREPL__HDB_NFIELDS; i++) {
        if (krbrepl__der_peek(&r) == KRBREPL__DER_CTX(i))
            e->field[i] = krbrepl__der_whole(&r);
        if (r.err != 0 || (e->field[i].data == NULL && is_mandatory(i)))
            return field_name[i];
    }
    e->rest = krbrepl__rd_view(&r, r.left);
    krbrepl__rd_init(&r, e->rest.data, e->rest.len);
    while (r.err == 0 && r.left != 0) {
        unsigned tag = krbrepl__der_peek(&r);

        if (tag < KRBREPL__DER_CTX(KRBREPL__HDB_NFIELDS) || tag > 0xbf)
            return "order of the fields";
        (void)krbrepl__der_whole(&r);
    }
    return r.err != 0 ? "fields behind the extensions" : NULL;
}

static void enter_field(const krbrepl__hdb_entry *e, unsigned i, krbrepl__rd *r)
{
    krbrepl__rd whole;

    krbrepl__rd_init(&whole, e->field[i].data, e->field[i].len);
    krbrepl__der_enter(&whole, KRBREPL__DER_CTX(i), r);
}

/* Reads what is in the fields that matter here. Answers the one that is wrong. */
static const char *look(krbrepl__hdb_entry *e)
{
    krbrepl__rd r;

    enter_field(e, KRBREPL__HDB_PRINCIPAL, &r);
    krbrepl__hdb_princ_read(&r, &e->princ);
    if (krbrepl__rd_end(&r) != 0)
        return field_name[KRBREPL__HDB_PRINCIPAL];
    enter_field(e, KRBREPL__HDB_KVNO, &r);
    e->kvno = krbrepl__der_u32(&r);
    if (krbrepl__rd_end(&r) != 0)
        return field_name[KRBREPL__HDB_KVNO];
    enter_field(e, KRBREPL__HDB_FLAGS, &r);
    e->flags = krbrepl__der_flags(&r);
    if (krbrepl__rd_end(&r) != 0)
        return field_name[KRBREPL__HDB_FLAGS];
    krbrepl__hdb_keys(e, &r);
    if (count_clear(&r, &e->nkeys, &e->clear) != 0)
        return field_name[KRBREPL__HDB_KEYS];
    return look_into_exts(e) != 0 ? field_name[KRBREPL__HDB_EXTENSIONS] : NULL;
}

int krbrepl__hdb_entry_read(krbrepl__hdb_entry *e, krbrepl_bytes der, krbrepl_errinfo *ei)
{
    const char *wrong;

    memset(e, 0, sizeof *e);
    wrong = cut(e, der);
    if (wrong == NULL)
        wrong = look(e);
    if (wrong == NULL)
        return 0;
    memset(e, 0, sizeof *e);
    return krbrepl__fail(ei, KRBREPL_ERR_PROTO, "hdb: entry of %zu bytes: malformed (%s)", der.len,
                         wrong);
}

void krbrepl__hdb_entry_write(krbrepl__buf *b, const krbrepl__hdb_entry *e)
{
    size_t mark = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    unsigned i;

    for (i = 0; i < KRBREPL__HDB_NFIELDS; i++)
        if (e->field[i].data != NULL)
            krbrepl__buf_bytes(b, e->field[i].data, e->field[i].len);
    krbrepl__buf_bytes(b, e->rest.data, e->rest.len);
    krbrepl__der_close(b, mark);
}

/* ---- aliases -------------------------------------------------------------------------------- */

int krbrepl__hdb_kind(krbrepl_bytes value)
{
    const uint8_t *p = value.data;

    if (value.len == 0)
        return KRBREPL__HDB_NEITHER;
    if (p[0] == KRBREPL__DER_SEQUENCE)
        return KRBREPL__HDB_ENTRY;
    return p[0] == KRBREPL__DER_APP(0) ? KRBREPL__HDB_ALIAS : KRBREPL__HDB_NEITHER;
}

void krbrepl__hdb_alias_write(krbrepl__buf *b, const krbrepl__hdb_princ *target)
{
    size_t app = krbrepl__der_open(b, KRBREPL__DER_APP(0));
    size_t seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    size_t field = krbrepl__der_open(b, KRBREPL__DER_CTX(0));

    krbrepl__hdb_princ_write(b, target);
    krbrepl__der_close(b, field);
    krbrepl__der_close(b, seq);
    krbrepl__der_close(b, app);
}

int krbrepl__hdb_alias_read(krbrepl__hdb_princ *target, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    krbrepl__rd r, app, seq, field;

    krbrepl__rd_init(&r, value.data, value.len);
    krbrepl__der_enter(&r, KRBREPL__DER_APP(0), &app);
    krbrepl__der_enter(&app, KRBREPL__DER_SEQUENCE, &seq);
    krbrepl__der_enter(&seq, KRBREPL__DER_CTX(0), &field);
    krbrepl__hdb_princ_read(&field, target);
    if (krbrepl__rd_end(&field) != 0 || krbrepl__rd_end(&seq) != 0 || krbrepl__rd_end(&app) != 0 ||
        krbrepl__rd_end(&r) != 0)
        return krbrepl__fail(ei, KRBREPL_ERR_PROTO, "hdb: alias of %zu bytes: malformed", value.len);
    return 0;
}
