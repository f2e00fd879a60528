/* textout.c: the writing half of text.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

/* An entry that is being written; what is malformed in it leaves an error in `bad`. */
typedef struct work {
    const krbrepl__hdb_entry *e;
    krbrepl__buf *out;
    int bad, lost;
} work;

static void text(work *w, const char *s)
{
    krbrepl__buf_bytes(w->out, s, strlen(s));
}

static void number(work *w, int64_t v)
{
    char s[24];

    snprintf(s, sizeof s, "%" PRId64, v);
    text(w, s);
}

static int is_plain(unsigned c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.';
}

/* In quotation marks when all of it is plain, else hexadecimal. */
static void octets(work *w, krbrepl_bytes v)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *p = v.data;
    size_t i, plain = 0;

    while (plain < v.len && is_plain(p[plain]))
        plain++;
    if (plain == v.len) {
        text(w, "\"");
        krbrepl__buf_bytes(w->out, v.data, v.len);
        text(w, "\"");
        return;
    }
    for (i = 0; i < v.len; i++) {
        krbrepl__buf_u8(w->out, (unsigned char)digits[p[i] >> 4]);
        krbrepl__buf_u8(w->out, (unsigned char)digits[p[i] & 15]);
    }
}

/* Opens field [n]; 0 after writing "-" when there is none. */
static int open_field(work *w, unsigned n, krbrepl__rd *r)
{
    krbrepl__rd whole;

    if (w->e->field[n].data == NULL) {
        text(w, "-");
        return 0;
    }
    krbrepl__rd_init(&whole, w->e->field[n].data, w->e->field[n].len);
    krbrepl__der_enter(&whole, KRBREPL__DER_CTX(n), r);
    return 1;
}

static void close_field(work *w, const krbrepl__rd *r)
{
    if (krbrepl__rd_end(r) != 0)
        w->bad = 1;
}

static void time_of(work *w, krbrepl__rd *r)
{
    krbrepl_bytes v = krbrepl__der_get(r, KRBREPL__DER_TIME);
    const char *p = v.data;
    size_t i;

    for (i = 0; i + 1 < v.len; i++)
        if (p[i] < '0' || p[i] > '9')
            w->bad = 1;
    if (v.len != 15 || p[14] != 'Z')
        w->bad = 1;
    else
        krbrepl__buf_bytes(w->out, p, 14);
}

/* ---- the fields ----------------------------------------------------------------------------- */

static void salt(work *w, krbrepl_bytes whole)
{
    krbrepl__rd r, field, in;

    if (whole.data == NULL) {
        text(w, "-");
        return;
    }
    krbrepl__rd_init(&r, whole.data, whole.len);
    krbrepl__der_enter(&r, KRBREPL__DER_CTX(2), &field);
    krbrepl__der_enter(&field, KRBREPL__DER_SEQUENCE, &in);
    number(w, krbrepl__der_ctx_u32(&in, 0));
    text(w, "/");
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(1), &field);
    octets(w, krbrepl__der_get(&field, KRBREPL__DER_OCTET_STRING));
    if (field.err != 0 || in.err != 0)
        w->bad = 1;
    else if (in.left != 0)
        w->lost = 1; /* the opaque part */
}

static void keys(work *w)
{
    krbrepl__hdb_keyrec k;
    krbrepl__rd r;

    number(w, w->e->kvno);
    krbrepl__hdb_keys(w->e, &r);
    while (krbrepl__hdb_key_next(&r, &k)) {
        text(w, ":");
        if (k.sealed)
            number(w, k.mkvno);
        text(w, ":");
        number(w, k.etype);
        text(w, ":");
        octets(w, k.octets);
        text(w, ":");
        salt(w, k.salt);
    }
    close_field(w, &r);
}

static void event(work *w, unsigned n)
{
    krbrepl__hdb_princ p;
    krbrepl__rd r, in, field;

    if (!open_field(w, n, &r))
        return;
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(0), &field);
    time_of(w, &field);
    text(w, ":");
    if (in.left == 0) {
        text(w, "UNKNOWN");
    } else {
        krbrepl__der_enter(&in, KRBREPL__DER_CTX(1), &field);
        krbrepl__hdb_princ_read(&field, &p);
        krbrepl__hdb_princ_text(w->out, &p);
        close_field(w, &field);
    }
    close_field(w, &in);
    close_field(w, &r);
}

static void time_field(work *w, unsigned n)
{
    krbrepl__rd r;

    if (!open_field(w, n, &r))
        return;
    time_of(w, &r);
    close_field(w, &r);
}

static void number_field(work *w, unsigned n)
{
    krbrepl__rd r;

    if (!open_field(w, n, &r))
        return;
    number(w, krbrepl__der_u32(&r));
    close_field(w, &r);
}

static void generation(work *w)
{
    krbrepl__rd r, in, field;

    if (!open_field(w, KRBREPL__HDB_GENERATION, &r))
        return;
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(0), &field);
    time_of(w, &field);
    text(w, ":");
    number(w, krbrepl__der_ctx_u32(&in, 1));
    text(w, ":");
    number(w, krbrepl__der_ctx_u32(&in, 2));
    close_field(w, &in);
    close_field(w, &r);
}

static void extensions(work *w)
{
    krbrepl__hdb_ext x;
    krbrepl__rd r;
    int n = 0;

    krbrepl__hdb_exts(w->e, &r);
    for (; krbrepl__hdb_ext_next(&r, &x); n++) {
        if (n != 0)
            text(w, ":");
        octets(w, x.whole);
    }
    if (n == 0)
        text(w, "-");
    close_field(w, &r);
}

int krbrepl__heim_text_write(krbrepl__buf *out, const krbrepl__hdb_entry *e, int *lost,
                             krbrepl_errinfo *ei)
{
    work w = {e, out, 0, 0};
    unsigned n;

    krbrepl__hdb_princ_text(out, &e->princ);
    text(&w, " ");
    keys(&w);
    text(&w, " ");
    event(&w, KRBREPL__HDB_CREATED_BY);
    text(&w, " ");
    event(&w, KRBREPL__HDB_MODIFIED_BY);
    for (n = KRBREPL__HDB_VALID_START; n <= KRBREPL__HDB_PW_END; n++) {
        text(&w, " ");
        time_field(&w, n);
    }
    for (n = KRBREPL__HDB_MAX_LIFE; n <= KRBREPL__HDB_MAX_RENEW; n++) {
        text(&w, " ");
        number_field(&w, n);
    }
    text(&w, " ");
    number(&w, (int32_t)e->flags); /* kadmin prints bit 31 as the sign */
    text(&w, " ");
    generation(&w);
    text(&w, " ");
    extensions(&w);
    text(&w, "\n");
    *lost = w.lost || e->field[KRBREPL__HDB_ETYPES].data != NULL || e->rest.len != 0;
    if (out->err != 0)
        return krbrepl__fail_plain(ei, out->err);
    if (w.bad)
        return krbrepl__fail(ei, KRBREPL_ERR_CORRUPT, "an entry of the table is malformed");
    return 0;
}
