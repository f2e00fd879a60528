#include "text.h"

#include <stdlib.h>
#include <string.h>

/* A line that is being taken apart. `wrong` names the first field that is not what it should be. */
typedef struct line {
    krbrepl__rd r;
    krbrepl__buf token; /* the field at hand, with a NUL */
    krbrepl__buf hold;  /* for names */
    krbrepl__buf data;  /* for keys, salts and extensions */
    krbrepl__buf *out;
    const char *wrong;
} line;

static int is_blank(unsigned c)
{
    return c == ' ' || c == '\t';
}

static void refuse(line *l, const char *what)
{
    if (l->wrong == NULL)
        l->wrong = what;
}

/* Empties a buffer of the line. That memory was out is not forgotten: a key that was cut for it would be stored. */
static void reuse(line *l, krbrepl__buf *b)
{
    if (l->out->err == 0)
        l->out->err = b->err;
    krbrepl__buf_reset(b);
}

/* The next field; a blank behind a backslash is part of it. */
static const char *field(line *l, const char *what)
{
    int quoted = 0;

    reuse(l, &l->token);
    while (l->r.left != 0 && is_blank(l->r.p[0]))
        (void)krbrepl__rd_u8(&l->r);
    while (l->r.left != 0 && (quoted || !is_blank(l->r.p[0]))) {
        unsigned c = krbrepl__rd_u8(&l->r);

        quoted = !quoted && c == '\\';
        if (c == '\0')
            refuse(l, what);
        krbrepl__buf_u8(&l->token, c);
    }
    if (l->token.len == 0)
        refuse(l, what);
    krbrepl__buf_u8(&l->token, 0);
    return l->token.err == 0 ? (const char *)l->token.data : "";
}

static int is_none(const char *s)
{
    return strcmp(s, "-") == 0;
}

/* ---- parts of fields ------------------------------------------------------------------------ */

/* A number of at most ten digits, up to a byte that is none. A minus is allowed where `sign` says so. */
static int64_t number(line *l, const char **s, int sign, const char *what)
{
    int minus = sign && **s == '-', digits = 0;
    int64_t v = 0;

    *s += minus;
    for (; **s >= '0' && **s <= '9' && digits < 11; ++*s, digits++)
        v = v * 10 + (**s - '0');
    if (digits == 0 || digits > 10 || v > (int64_t)UINT32_MAX)
        refuse(l, what);
    return minus ? -v : v;
}

static void skip(line *l, const char **s, char c, const char *what)
{
    if (**s != c)
        refuse(l, what);
    else
        ++*s;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Octets, into l->data. */
static krbrepl_bytes octets(line *l, const char **s, const char *what)
{
    krbrepl_bytes v = {NULL, 0};

    reuse(l, &l->data);
    if (**s == '"') {
        for (++*s; **s != '\0' && **s != '"'; ++*s)
            krbrepl__buf_u8(&l->data, (unsigned char)**s);
        skip(l, s, '"', what);
    } else {
        for (; digit((*s)[0]) >= 0 && digit((*s)[1]) >= 0; *s += 2)
            krbrepl__buf_u8(&l->data, (unsigned)digit((*s)[0]) << 4 | (unsigned)digit((*s)[1]));
        if (l->data.len == 0)
            refuse(l, what);
    }
    v.data = l->data.data;
    v.len = l->data.len;
    return v;
}

static void put_octets(krbrepl__buf *b, unsigned n, krbrepl_bytes v)
{
    size_t m = krbrepl__der_open(b, KRBREPL__DER_CTX(n));

    krbrepl__der_put(b, KRBREPL__DER_OCTET_STRING, v);
    krbrepl__der_close(b, m);
}

/* YYYYMMDDhhmmss becomes a GeneralizedTime, which has a Z behind it. */
static void put_time(line *l, const char **s, const char *what)
{
    char text[15];
    krbrepl_bytes v = {text, sizeof text};
    size_t i;

    for (i = 0; i < 14; i++) {
        if (**s < '0' || **s > '9') {
            refuse(l, what);
            return;
        }
        text[i] = *(*s)++;
    }
    text[14] = 'Z';
    krbrepl__der_put(l->out, KRBREPL__DER_TIME, v);
}

static void put_principal(line *l, const char *text, const char *what)
{
    krbrepl__hdb_princ p;
    int rc = krbrepl__hdb_princ_parse(&p, text, NULL, &l->hold, NULL);

    if (rc == 0)
        krbrepl__hdb_princ_write(l->out, &p);
    else if (rc == KRBREPL_ERR_INVALID)
        refuse(l, what);
    else
        l->out->err = rc;
}

/* ---- the fields ----------------------------------------------------------------------------- */

static void read_salt(line *l, const char **s)
{
    size_t field_mark, seq;

    if (**s == '-') {
        ++*s;
        return;
    }
    field_mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(2));
    seq = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(l->out, 0, number(l, s, 0, "salt"));
    skip(l, s, '/', "salt");
    put_octets(l->out, 1, octets(l, s, "salt"));
    krbrepl__der_close(l->out, seq);
    krbrepl__der_close(l->out, field_mark);
}

static void read_key(line *l, const char **s)
{
    size_t whole = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE), key, seq;

    if (**s != ':')
        krbrepl__der_put_ctx_int(l->out, 0, number(l, s, 0, "master key version"));
    skip(l, s, ':', "keys");
    key = krbrepl__der_open(l->out, KRBREPL__DER_CTX(1));
    seq = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(l->out, 0, number(l, s, 1, "encryption type"));
    skip(l, s, ':', "keys");
    put_octets(l->out, 1, octets(l, s, "key"));
    krbrepl__der_close(l->out, seq);
    krbrepl__der_close(l->out, key);
    skip(l, s, ':', "keys");
    read_salt(l, s);
    krbrepl__der_close(l->out, whole);
}

/* kvno and keys are one field of the line and two of the entry. */
static void read_keys(line *l)
{
    const char *s = field(l, "keys");
    size_t mark, seq;

    krbrepl__der_put_ctx_int(l->out, KRBREPL__HDB_KVNO, number(l, &s, 0, "key version"));
    mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(KRBREPL__HDB_KEYS));
    seq = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);
    while (*s == ':' && l->wrong == NULL) {
        s++;
        read_key(l, &s);
    }
    if (*s != '\0')
        refuse(l, "keys");
    krbrepl__der_close(l->out, seq);
    krbrepl__der_close(l->out, mark);
}

static void read_principal(line *l)
{
    size_t mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(KRBREPL__HDB_PRINCIPAL));

    put_principal(l, field(l, "principal"), "principal");
    krbrepl__der_close(l->out, mark);
}

static void read_event(line *l, unsigned n, int needed, const char *what)
{
    const char *s = field(l, what);
    size_t mark, seq, at;

    if (is_none(s)) {
        if (needed)
            refuse(l, what);
        return;
    }
    mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(n));
    seq = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);
    at = krbrepl__der_open(l->out, KRBREPL__DER_CTX(0));
    put_time(l, &s, what);
    krbrepl__der_close(l->out, at);
    skip(l, &s, ':', what);
    if (strcmp(s, "UNKNOWN") != 0) {
        at = krbrepl__der_open(l->out, KRBREPL__DER_CTX(1));
        put_principal(l, s, what);
        krbrepl__der_close(l->out, at);
    }
    krbrepl__der_close(l->out, seq);
    krbrepl__der_close(l->out, mark);
}

static void read_time(line *l, unsigned n, const char *what)
{
    const char *s = field(l, what);
    size_t mark;

    if (is_none(s))
        return;
    mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(n));
    put_time(l, &s, what);
    if (*s != '\0')
        refuse(l, what);
    krbrepl__der_close(l->out, mark);
}

static void read_number(line *l, unsigned n, const char *what)
{
    const char *s = field(l, what);

    if (is_none(s))
        return;
    krbrepl__der_put_ctx_int(l->out, n, number(l, &s, 0, what));
    if (*s != '\0')
        refuse(l, what);
}

static void read_flags(line *l)
{
    const char *s = field(l, "flags");
    size_t mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(KRBREPL__HDB_FLAGS));

    krbrepl__der_put_flags(l->out, (uint32_t)number(l, &s, 1, "flags"));
    krbrepl__der_close(l->out, mark);
    if (*s != '\0')
        refuse(l, "flags");
}

static void read_generation(line *l)
{
    const char *s = field(l, "generation");
    size_t mark, seq, at;

    if (is_none(s))
        return;
    mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(KRBREPL__HDB_GENERATION));
    seq = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);
    at = krbrepl__der_open(l->out, KRBREPL__DER_CTX(0));
    put_time(l, &s, "generation");
    krbrepl__der_close(l->out, at);
    skip(l, &s, ':', "generation");
    krbrepl__der_put_ctx_int(l->out, 1, number(l, &s, 0, "generation"));
    skip(l, &s, ':', "generation");
    krbrepl__der_put_ctx_int(l->out, 2, number(l, &s, 0, "generation"));
    krbrepl__der_close(l->out, seq);
    krbrepl__der_close(l->out, mark);
    if (*s != '\0')
        refuse(l, "generation");
}

static void read_extensions(line *l)
{
    const char *s = field(l, "extensions");
    size_t mark, seq;
    krbrepl_bytes v;

    if (is_none(s))
        return;
    mark = krbrepl__der_open(l->out, KRBREPL__DER_CTX(KRBREPL__HDB_EXTENSIONS));
    seq = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);
    do {
        v = octets(l, &s, "extensions");
        krbrepl__buf_bytes(l->out, v.data, v.len);
    } while (l->wrong == NULL && *s == ':' && *++s != '\0');
    if (*s != '\0')
        refuse(l, "extensions");
    krbrepl__der_close(l->out, seq);
    krbrepl__der_close(l->out, mark);
}

static void read_fields(line *l)
{
    size_t whole = krbrepl__der_open(l->out, KRBREPL__DER_SEQUENCE);

    read_principal(l);
    read_keys(l);
    read_event(l, KRBREPL__HDB_CREATED_BY, 1, "created-by");
    read_event(l, KRBREPL__HDB_MODIFIED_BY, 0, "modified-by");
    read_time(l, KRBREPL__HDB_VALID_START, "valid-start");
    read_time(l, KRBREPL__HDB_VALID_END, "valid-end");
    read_time(l, KRBREPL__HDB_PW_END, "pw-end");
    read_number(l, KRBREPL__HDB_MAX_LIFE, "max-life");
    read_number(l, KRBREPL__HDB_MAX_RENEW, "max-renew");
    read_flags(l);
    read_generation(l);
    read_extensions(l);
    krbrepl__der_close(l->out, whole);
    while (l->r.left != 0 && is_blank(l->r.p[0]))
        (void)krbrepl__rd_u8(&l->r);
    if (l->r.left != 0)
        refuse(l, "number of fields");
}

int krbrepl__heim_text_read(krbrepl_bytes text, krbrepl__buf *out, krbrepl_errinfo *ei)
{
    size_t at = out->len;
    krbrepl__hdb_entry e;
    krbrepl_bytes der;
    line l;
    int rc = 0;

    memset(&l, 0, sizeof l);
    krbrepl__rd_init(&l.r, text.data, text.len);
    krbrepl__buf_init(&l.token, 0);
    krbrepl__buf_init(&l.hold, 0);
    krbrepl__buf_init(&l.data, 0);
    l.out = out;
    read_fields(&l);
    der.data = out->err == 0 ? out->data + at : NULL;
    der.len = out->len - at;
    if (out->err != 0 || l.token.err != 0 || l.data.err != 0)
        rc = krbrepl__fail_plain(ei, out->err != 0 ? out->err : KRBREPL_ERR_NOMEM);
    else if (l.wrong != NULL)
        rc = krbrepl__fail(ei, KRBREPL_ERR_INPUT, "the field \"%s\" is malformed", l.wrong);
    else if (krbrepl__hdb_entry_read(&e, der, NULL) != 0)
        rc = krbrepl__fail(ei, KRBREPL_ERR_INPUT, "the extensions are malformed");
    krbrepl__buf_free(&l.token);
    krbrepl__buf_free(&l.hold);
    krbrepl__buf_free(&l.data);
    return rc;
}
