/* describe.c: one line for people about a record. */
#include <inttypes.h>
#include <string.h>

#include <krbrepl/heimdal.h>

#include "apply.h"
#include "line.h"

static void put_name(krbrepl__buf *b, const krbrepl__hdb_princ *p)
{
    krbrepl__buf text;

    krbrepl__buf_init(&text, 0);
    krbrepl__hdb_princ_text(&text, p);
    krbrepl__line_text(b, text.data, text.len);
    krbrepl__buf_free(&text);
}

static void put_keys(krbrepl__buf *b, const krbrepl__hdb_entry *e)
{
    krbrepl__hdb_keyrec k;
    krbrepl__rd r;
    size_t n = 0;

    krbrepl__line_put(b, "kvno %" PRIu32 " (", e->kvno);
    krbrepl__hdb_keys(e, &r);
    for (; krbrepl__hdb_key_next(&r, &k) && n < 8; n++) {
        krbrepl__line_put(b, "%s", n != 0 ? ", " : "");
        krbrepl__line_enctype(b, k.etype);
    }
    krbrepl__line_put(b, "%s)", n == 0 ? "no keys" : "");
    if (e->clear != 0)
        krbrepl__line_put(b, ", %zu keys in clear", e->clear);
}

/* YYYYMMDDhhmmssZ as 2031-02-03T23:59:59Z. */
static void put_time(krbrepl__buf *b, krbrepl__rd *r)
{
    krbrepl_bytes v = krbrepl__der_get(r, KRBREPL__DER_TIME);
    const char *p = v.data;
    size_t i;

    for (i = 0; i < v.len && i < 14 && p[i] >= '0' && p[i] <= '9'; i++)
        ;
    if (v.len == 15 && i == 14)
        krbrepl__line_put(b, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", p, p + 4, p + 6, p + 8, p + 10, p + 12);
}

static int open_field(const krbrepl__hdb_entry *e, unsigned n, krbrepl__rd *r)
{
    krbrepl__rd whole;

    krbrepl__rd_init(&whole, e->field[n].data, e->field[n].len);
    krbrepl__der_enter(&whole, KRBREPL__DER_CTX(n), r);
    return e->field[n].data != NULL;
}

static void put_time_field(krbrepl__buf *b, const krbrepl__hdb_entry *e, unsigned n, const char *what)
{
    krbrepl__rd r;

    if (!open_field(e, n, &r))
        return;
    krbrepl__line_put(b, ", %s ", what);
    put_time(b, &r);
}

static void put_modified(krbrepl__buf *b, const krbrepl__hdb_entry *e)
{
    krbrepl__rd r, in, field;
    krbrepl__hdb_princ p;

    if (!open_field(e, KRBREPL__HDB_MODIFIED_BY, &r))
        return;
    krbrepl__line_put(b, ", modified ");
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(0), &field);
    put_time(b, &field);
    if (in.left == 0)
        return;
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(1), &field);
    krbrepl__hdb_princ_read(&field, &p);
    if (field.err == 0) {
        krbrepl__line_put(b, " by ");
        put_name(b, &p);
    }
}

static void put_aliases(krbrepl__buf *b, const krbrepl__hdb_entry *e)
{
    krbrepl__hdb_princ p;
    krbrepl__rd r;
    size_t n = 0;

    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    for (; krbrepl__hdb_alias_next(&r, &p) && n < 8; n++) {
        krbrepl__line_put(b, n == 0 ? ", aliases " : " ");
        put_name(b, &p);
    }
}

static void put_entry(krbrepl__buf *b, const krbrepl__hdb_entry *e)
{
    put_name(b, &e->princ);
    krbrepl__line_put(b, ": ");
    put_keys(b, e);
    if (e->flags != 0)
        krbrepl__line_put(b, ", flags 0x%" PRIx32, e->flags);
    put_time_field(b, e, KRBREPL__HDB_VALID_START, "valid from");
    put_time_field(b, e, KRBREPL__HDB_VALID_END, "expires");
    put_time_field(b, e, KRBREPL__HDB_PW_END, "password expires");
    put_aliases(b, e);
    put_modified(b, e);
}

static int put_alias(krbrepl__buf *b, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl__hdb_princ name, target;
    krbrepl__rd r;
    int rc = krbrepl__hdb_alias_read(&target, value, NULL);

    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, key.data, key.len);
    krbrepl__hdb_princ_read(&r, &name);
    put_name(b, &name);
    krbrepl__line_put(b, ": alias of ");
    put_name(b, &target);
    return 0;
}

int krbrepl_heimdal_describe(krbrepl_bytes key, krbrepl_bytes value, char *buf, size_t room)
{
    krbrepl__hdb_entry e;
    krbrepl__buf b;
    int rc, n;

    if (buf == NULL && room != 0)
        return KRBREPL_ERR_INVALID;
    krbrepl__buf_init(&b, 0);
    if (krbrepl__hdb_kind(value) == KRBREPL__HDB_ALIAS) {
        rc = put_alias(&b, key, value);
    } else {
        rc = krbrepl__hdb_entry_read(&e, value, NULL);
        if (rc == 0)
            put_entry(&b, &e);
    }
    if (rc != 0)
        krbrepl__line_put(&b, "not a record that can be read");
    n = krbrepl__line_out(&b, buf, room);
    krbrepl__buf_free(&b);
    return rc != 0 ? KRBREPL_ERR_FORMAT : n;
}
