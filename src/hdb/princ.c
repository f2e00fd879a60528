#include "princ.h"

#include <string.h>

/* What text has a backslash before, and what stands there then. */
static const char quoted[] = " \n\t\b\\/@";
static const char shown[] = " ntb\\/@";

/* ---- reading -------------------------------------------------------------------------------- */

/* Heimdal has names as C strings: one with a NUL in it would be cut, and then be another name. */
static krbrepl_bytes checked(krbrepl__rd *r, krbrepl_bytes v)
{
    if (v.len != 0 && memchr(v.data, '\0', v.len) != NULL)
        r->err = KRBREPL_ERR_PROTO;
    return v;
}

static void add(krbrepl__rd *r, krbrepl__hdb_princ *p, krbrepl_bytes comp)
{
    if (p->n == KRBREPL__HDB_MAX_COMP)
        r->err = KRBREPL_ERR_PROTO;
    else
        p->comp[p->n++] = checked(r, comp);
}

/* PrincipalName: [0] type, [1] SEQUENCE OF string. */
static void read_name(krbrepl__rd *r, krbrepl__hdb_princ *p)
{
    krbrepl__rd name, field, list;
    int64_t type;

    krbrepl__der_enter(r, KRBREPL__DER_SEQUENCE, &name);
    krbrepl__der_enter(&name, KRBREPL__DER_CTX(0), &field);
    type = krbrepl__der_int(&field);
    if (type < INT32_MIN || type > (int64_t)INT32_MAX || krbrepl__rd_end(&field) != 0)
        r->err = KRBREPL_ERR_PROTO;
    p->type = (uint32_t)type;
    krbrepl__der_enter(&name, KRBREPL__DER_CTX(1), &field);
    krbrepl__der_enter(&field, KRBREPL__DER_SEQUENCE, &list);
    while (list.err == 0 && list.left != 0)
        add(&list, p, krbrepl__der_get(&list, KRBREPL__DER_STRING));
    if (list.err != 0 || krbrepl__rd_end(&field) != 0 || krbrepl__rd_end(&name) != 0)
        r->err = KRBREPL_ERR_PROTO;
}

void krbrepl__hdb_princ_read(krbrepl__rd *r, krbrepl__hdb_princ *p)
{
    krbrepl__rd in, field;

    memset(p, 0, sizeof *p);
    krbrepl__der_enter(r, KRBREPL__DER_SEQUENCE, &in);
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(0), &field);
    read_name(&field, p);
    if (krbrepl__rd_end(&field) != 0)
        in.err = KRBREPL_ERR_PROTO;
    krbrepl__der_enter(&in, KRBREPL__DER_CTX(1), &field);
    p->realm = checked(&field, krbrepl__der_get(&field, KRBREPL__DER_STRING));
    /* Later releases have attributes of the name behind the realm; they are no part of a key. */
    if (krbrepl__rd_end(&field) != 0 || in.err != 0)
        r->err = KRBREPL_ERR_PROTO;
    if (r->err != 0)
        memset(p, 0, sizeof *p);
}

void krbrepl__hdb_princ_log_read(krbrepl__rd *r, krbrepl__hdb_princ *p)
{
    uint32_t n, i;

    memset(p, 0, sizeof *p);
    p->type = krbrepl__rd_u32(r);
    n = krbrepl__rd_u32(r);
    p->realm = checked(r, krbrepl__rd_vec32(r));
    for (i = 0; i < n && r->err == 0; i++)
        add(r, p, krbrepl__rd_vec32(r));
    if (r->err != 0)
        memset(p, 0, sizeof *p);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_as(krbrepl__buf *b, const krbrepl__hdb_princ *p, int32_t type)
{
    size_t whole, name, inner, list, seq, realm, i;

    whole = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    name = krbrepl__der_open(b, KRBREPL__DER_CTX(0));
    inner = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(b, 0, type);
    list = krbrepl__der_open(b, KRBREPL__DER_CTX(1));
    seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    for (i = 0; i < p->n; i++)
        krbrepl__der_put(b, KRBREPL__DER_STRING, p->comp[i]);
    krbrepl__der_close(b, seq);
    krbrepl__der_close(b, list);
    krbrepl__der_close(b, inner);
    krbrepl__der_close(b, name);
    realm = krbrepl__der_open(b, KRBREPL__DER_CTX(1));
    krbrepl__der_put(b, KRBREPL__DER_STRING, p->realm);
    krbrepl__der_close(b, realm);
    krbrepl__der_close(b, whole);
}

void krbrepl__hdb_princ_write(krbrepl__buf *b, const krbrepl__hdb_princ *p)
{
    write_as(b, p, (int32_t)p->type);
}

void krbrepl__hdb_key(krbrepl__buf *b, const krbrepl__hdb_princ *p)
{
    write_as(b, p, 0);
}

void krbrepl__hdb_princ_log_write(krbrepl__buf *b, const krbrepl__hdb_princ *p)
{
    size_t i;

    krbrepl__buf_u32(b, p->type);
    krbrepl__buf_u32(b, (uint32_t)p->n);
    krbrepl__buf_vec32(b, p->realm.data, p->realm.len);
    for (i = 0; i < p->n; i++)
        krbrepl__buf_vec32(b, p->comp[i].data, p->comp[i].len);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void show(krbrepl__buf *b, krbrepl_bytes v)
{
    const uint8_t *p = v.data;
    size_t i;

    for (i = 0; i < v.len; i++) {
        const char *at = strchr(quoted, p[i]);

        if (at != NULL)
            krbrepl__buf_u8(b, '\\');
        krbrepl__buf_u8(b, at != NULL ? (unsigned char)shown[at - quoted] : p[i]);
    }
}

void krbrepl__hdb_princ_text(krbrepl__buf *b, const krbrepl__hdb_princ *p)
{
    size_t i;

    for (i = 0; i < p->n; i++) {
        if (i != 0)
            krbrepl__buf_u8(b, '/');
        show(b, p->comp[i]);
    }
    krbrepl__buf_u8(b, '@');
    show(b, p->realm);
}

/* The byte that stands behind a backslash. */
static unsigned unquote(char c)
{
    const char *at = c != '\0' ? strchr(shown, c) : NULL;

    return at != NULL ? (unsigned char)quoted[at - shown] : (unsigned char)c;
}

/* Copies one part of the text to `hold`, up to what ends it; returns where that is, NULL for a text that
 * ends with a backslash. */
static const char *take_part(const char *s, int in_realm, krbrepl__buf *hold)
{
    for (; *s != '\0' && *s != '@' && (in_realm || *s != '/'); s++) {
        if (*s != '\\') {
            krbrepl__buf_u8(hold, (unsigned char)*s);
            continue;
        }
        if (*++s == '\0')
            return NULL;
        krbrepl__buf_u8(hold, unquote(*s));
    }
    return s;
}

/* Takes the parts of the text apart. `end` has the offset behind each in `hold`; the last part is the realm. */
static int split(const char *text, const char *realm, krbrepl__buf *hold, size_t *end, size_t *n)
{
    const char *s = text;
    int in_realm = 0;

    for (*n = 0;; s++) {
        s = take_part(s, in_realm, hold);
        if (s == NULL || *n > KRBREPL__HDB_MAX_COMP)
            return KRBREPL_ERR_INVALID;
        end[(*n)++] = hold->len;
        if (in_realm || *s == '\0')
            break;
        in_realm = *s == '@';
        if (in_realm && *n > KRBREPL__HDB_MAX_COMP)
            return KRBREPL_ERR_INVALID;
    }
    if (*s != '\0' || (!in_realm && (realm == NULL || *n > KRBREPL__HDB_MAX_COMP)))
        return KRBREPL_ERR_INVALID;
    if (!in_realm) {
        krbrepl__buf_bytes(hold, realm, strlen(realm));
        end[(*n)++] = hold->len;
    }
    return hold->err;
}

static int is(krbrepl_bytes v, const char *text)
{
    return v.len == strlen(text) && memcmp(v.data, text, v.len) == 0;
}

/* Text does not say the type. Heimdal guesses it by these rules, so that a name has the same one wherever it was
 * read from text. */
static uint32_t guess_type(const krbrepl__hdb_princ *p)
{
    if (p->n > 1 && is(p->comp[0], "krbtgt"))
        return 2; /* service and instance */
    if (p->n > 1 && (is(p->comp[0], "host") || is(p->comp[0], "kca_service")))
        return 3; /* service and host */
    if (p->n == 2 && is(p->comp[0], "WELLKNOWN"))
        return 11;
    if (p->n == 1 && p->comp[0].len != 0 && memchr(p->comp[0].data, '@', p->comp[0].len) != NULL)
        return 7; /* a mail address */
    return 1;
}

int krbrepl__hdb_princ_parse(krbrepl__hdb_princ *p, const char *text, const char *realm,
                             krbrepl__buf *hold, krbrepl_errinfo *ei)
{
    size_t end[KRBREPL__HDB_MAX_COMP + 2], n, i, from;
    int rc;

    memset(p, 0, sizeof *p);
    krbrepl__buf_reset(hold);
    rc = split(text, realm, hold, end, &n);
    if (rc == KRBREPL_ERR_INVALID)
        return krbrepl__fail(ei, rc, "hdb: \"%.100s\" is no name of a principal", text);
    if (rc != 0)
        return krbrepl__fail_plain(ei, rc);
    for (i = 0, from = 0; i < n; from = end[i], i++) {
        krbrepl_bytes *out = i + 1 < n ? &p->comp[p->n++] : &p->realm;

        out->data = hold->len != 0 ? (const char *)hold->data + from : ""; /* "@" has no byte at all */
        out->len = end[i] - from;
    }
    p->type = guess_type(p);
    return 0;
}

static int same(krbrepl_bytes a, krbrepl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int krbrepl__hdb_princ_equal(const krbrepl__hdb_princ *a, const krbrepl__hdb_princ *b)
{
    size_t i;

    if (a->n != b->n || !same(a->realm, b->realm))
        return 0;
    for (i = 0; i < a->n; i++)
        if (!same(a->comp[i], b->comp[i]))
            return 0;
    return 1;
}
