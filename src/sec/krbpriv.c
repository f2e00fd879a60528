#include "krbpriv.h"

#include <stdio.h>
#include <string.h>

#include "der.h"

#define PVNO 5
#define MSG_ERROR 30
#define MSG_PRIV 21
#define APP_PRIV_PART 28
#define USAGE_PRIV 13
#define TYPE_IPV4 2
#define TYPE_IPV6 24
#define SECOND 1000000

/* ---- times ---------------------------------------------------------------------------------- */

/* Days since 1970 of a date in the Gregorian calendar (years count from March, so that the leap day is last). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year, era = y / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468, era = z / 146097, in_era = z - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;

    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

void krbrepl__krbtime_put(char out[16], int64_t seconds)
{
    int64_t s = seconds < 0 ? 0 : seconds > INT64_C(253402300799) ? INT64_C(253402300799) : seconds;
    int64_t of_day = s % 86400;
    int year, month, day, i;
    char text[32];

    date_of(s / 86400, &year, &month, &day);
    snprintf(text, sizeof text, "%04d%02d%02d%02d%02d%02dZ", year % 10000, month % 100, day % 100,
             (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
    for (i = 0; i < 15; i++)
        out[i] = text[i];
    out[15] = '\0';
}

int krbrepl__krbtime_get(krbrepl_bytes text, int64_t *seconds)
{
    static const uint8_t width[] = {4, 2, 2, 2, 2, 2};
    const uint8_t *p = text.data;
    int64_t v[6];
    size_t i, k;

    if (text.len != 15 || p[14] != 'Z')
        return KRBREPL_ERR_PROTO;
    for (i = 0; i < 6; i++) {
        v[i] = 0;
        for (k = 0; k < width[i]; k++, p++) {
            if (*p < '0' || *p > '9')
                return KRBREPL_ERR_PROTO;
            v[i] = v[i] * 10 + (*p - '0');
        }
    }
    if (v[0] < 1970 || v[1] < 1 || v[1] > 12 || v[2] < 1 || v[2] > 31 || v[3] > 23 || v[4] > 59 ||
        v[5] > 60)
        return KRBREPL_ERR_PROTO;
    *seconds = days_of(v[0], v[1], v[2]) * 86400 + v[3] * 3600 + v[4] * 60 + v[5];
    return 0;
}

/* ---- pieces --------------------------------------------------------------------------------- */

static krbrepl_bytes bytes_of(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static void put_ctx(krbrepl__buf *b, unsigned n, unsigned tag, krbrepl_bytes content)
{
    size_t at = krbrepl__der_open(b, KRBREPL__DER_CTX(n));

    krbrepl__der_put(b, tag, content);
    krbrepl__der_close(b, at);
}

static void put_time(krbrepl__buf *b, unsigned n, int64_t time_us)
{
    char text[16];
    krbrepl_bytes v = {text, 15};

    krbrepl__krbtime_put(text, time_us / SECOND);
    put_ctx(b, n, KRBREPL__DER_TIME, v);
    krbrepl__der_put_ctx_int(b, n + 1, time_us % SECOND);
}

static void put_address(krbrepl__buf *b, unsigned n, krbrepl_bytes address)
{
    size_t outer, inner;

    if (address.len == 0)
        return;
    outer = krbrepl__der_open(b, KRBREPL__DER_CTX(n));
    inner = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(b, 0, address.len == 4 ? TYPE_IPV4 : TYPE_IPV6);
    put_ctx(b, 1, KRBREPL__DER_OCTET_STRING, address);
    krbrepl__der_close(b, inner);
    krbrepl__der_close(b, outer);
}

/* The value of [n] of a type, if [n] comes next; an empty one otherwise. */
static krbrepl_bytes get_ctx(krbrepl__rd *r, unsigned n, unsigned tag)
{
    krbrepl_bytes none = {NULL, 0}, v;
    krbrepl__rd in;

    if (krbrepl__der_peek(r) != KRBREPL__DER_CTX(n))
        return none;
    krbrepl__der_enter(r, KRBREPL__DER_CTX(n), &in);
    v = krbrepl__der_get(&in, tag);
    if (krbrepl__rd_end(&in) != 0)
        r->err = KRBREPL_ERR_PROTO;
    return v;
}

/* [n] INTEGER, if it comes next. */
static int64_t get_int(krbrepl__rd *r, unsigned n, int64_t otherwise)
{
    krbrepl__rd in;
    int64_t v;

    if (krbrepl__der_peek(r) != KRBREPL__DER_CTX(n))
        return otherwise;
    krbrepl__der_enter(r, KRBREPL__DER_CTX(n), &in);
    v = krbrepl__der_int(&in);
    if (krbrepl__rd_end(&in) != 0)
        r->err = KRBREPL_ERR_PROTO;
    return v;
}

/* An address of a kind that is not known is as if it were not there. */
static krbrepl_bytes get_address(krbrepl__rd *r, unsigned n)
{
    krbrepl_bytes none = {NULL, 0}, v;
    krbrepl__rd outer, in;
    int64_t type;

    if (krbrepl__der_peek(r) != KRBREPL__DER_CTX(n))
        return none;
    krbrepl__der_enter(r, KRBREPL__DER_CTX(n), &outer);
    krbrepl__der_enter(&outer, KRBREPL__DER_SEQUENCE, &in);
    type = get_int(&in, 0, -1);
    v = get_ctx(&in, 1, KRBREPL__DER_OCTET_STRING);
    if (in.err != 0 || krbrepl__rd_end(&outer) != 0)
        r->err = KRBREPL_ERR_PROTO;
    return (type == TYPE_IPV4 && v.len == 4) || (type == TYPE_IPV6 && v.len == 16) ? v : none;
}

/* ---- KRB-PRIV ------------------------------------------------------------------------------- */

static void put_part(krbrepl__buf *b, const krbrepl__priv *p)
{
    size_t app = krbrepl__der_open(b, KRBREPL__DER_APP(APP_PRIV_PART));
    size_t seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);

    put_ctx(b, 0, KRBREPL__DER_OCTET_STRING, p->data);
    put_time(b, 1, p->time_us);
    put_address(b, 4, p->from);
    put_address(b, 5, p->to);
    krbrepl__der_close(b, seq);
    krbrepl__der_close(b, app);
}

static void put_message(krbrepl__buf *out, long enctype, krbrepl_bytes cipher)
{
    size_t app = krbrepl__der_open(out, KRBREPL__DER_APP(MSG_PRIV));
    size_t seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE), part, enc;

    krbrepl__der_put_ctx_int(out, 0, PVNO);
    krbrepl__der_put_ctx_int(out, 1, MSG_PRIV);
    part = krbrepl__der_open(out, KRBREPL__DER_CTX(3));
    enc = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(out, 0, enctype);
    put_ctx(out, 2, KRBREPL__DER_OCTET_STRING, cipher);
    krbrepl__der_close(out, enc);
    krbrepl__der_close(out, part);
    krbrepl__der_close(out, seq);
    krbrepl__der_close(out, app);
}

int krbrepl__priv_put(krbrepl__buf *out, krbrepl__privkey *k, const krbrepl__priv *p)
{
    krbrepl__buf part, cipher;
    int rc;

    krbrepl__buf_init(&part, 0);
    krbrepl__buf_init(&cipher, 0);
    put_part(&part, p);
    rc = part.err;
    if (rc == 0)
        rc = krbrepl__privkey_seal(k, USAGE_PRIV, bytes_of(&part), &cipher);
    if (rc == 0) {
        put_message(out, krbrepl__privkey_enctype(k), bytes_of(&cipher));
        rc = out->err;
    }
    krbrepl__buf_free(&part);
    krbrepl__buf_free(&cipher);
    return rc;
}

static int get_cipher(krbrepl_bytes der, int64_t *enctype, krbrepl_bytes *cipher)
{
    krbrepl__rd r, app, seq, part, enc;

    krbrepl__rd_init(&r, der.data, der.len);
    krbrepl__der_enter(&r, KRBREPL__DER_APP(MSG_PRIV), &app);
    krbrepl__der_enter(&app, KRBREPL__DER_SEQUENCE, &seq);
    if (get_int(&seq, 0, 0) != PVNO || get_int(&seq, 1, 0) != MSG_PRIV)
        return KRBREPL_ERR_PROTO;
    krbrepl__der_enter(&seq, KRBREPL__DER_CTX(3), &part);
    krbrepl__der_enter(&part, KRBREPL__DER_SEQUENCE, &enc);
    *enctype = get_int(&enc, 0, 0);
    get_int(&enc, 1, 0); /* kvno */
    *cipher = get_ctx(&enc, 2, KRBREPL__DER_OCTET_STRING);
    if (r.err != 0 || krbrepl__rd_end(&r) != 0 || enc.err != 0 || cipher->len == 0)
        return KRBREPL_ERR_PROTO;
    return 0;
}

/* A message without a time cannot be told from an old one. */
static int get_part(krbrepl__priv *p, krbrepl_bytes plain)
{
    krbrepl__rd r, app, seq;
    krbrepl_bytes time;
    int64_t seconds, usec;

    krbrepl__rd_init(&r, plain.data, plain.len);
    krbrepl__der_enter(&r, KRBREPL__DER_APP(APP_PRIV_PART), &app);
    krbrepl__der_enter(&app, KRBREPL__DER_SEQUENCE, &seq);
    if (krbrepl__der_peek(&seq) != KRBREPL__DER_CTX(0))
        return KRBREPL_ERR_PROTO;
    p->data = get_ctx(&seq, 0, KRBREPL__DER_OCTET_STRING);
    time = get_ctx(&seq, 1, KRBREPL__DER_TIME);
    usec = get_int(&seq, 2, 0);
    get_int(&seq, 3, 0); /* sequence number */
    p->from = get_address(&seq, 4);
    p->to = get_address(&seq, 5);
    if (seq.err != 0 || usec < 0 || usec >= SECOND || krbrepl__krbtime_get(time, &seconds) != 0)
        return KRBREPL_ERR_PROTO;
    p->time_us = seconds * SECOND + usec;
    return 0;
}

int krbrepl__priv_get(krbrepl__priv *p, krbrepl__buf *plain, krbrepl__privkey *k, krbrepl_bytes der)
{
    krbrepl_bytes cipher;
    int64_t enctype;
    int rc = get_cipher(der, &enctype, &cipher);

    memset(p, 0, sizeof *p);
    krbrepl__buf_reset(plain);
    if (rc != 0)
        return rc;
    if (enctype != krbrepl__privkey_enctype(k))
        return KRBREPL_ERR_AUTH;
    rc = krbrepl__privkey_open(k, USAGE_PRIV, cipher, plain);
    return rc != 0 ? rc : get_part(p, bytes_of(plain));
}

/* ---- KRB-ERROR ------------------------------------------------------------------------------ */

static void put_name(krbrepl__buf *b, unsigned n, const char *service)
{
    size_t outer = krbrepl__der_open(b, KRBREPL__DER_CTX(n));
    size_t name = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE), list, seq, len;

    krbrepl__der_put_ctx_int(b, 0, 1);
    list = krbrepl__der_open(b, KRBREPL__DER_CTX(1));
    seq = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    for (;;) {
        krbrepl_bytes part = {service, len = strcspn(service, "/@")};

        krbrepl__der_put(b, KRBREPL__DER_STRING, part);
        service += len;
        if (*service != '/')
            break;
        service++;
    }
    krbrepl__der_close(b, seq);
    krbrepl__der_close(b, list);
    krbrepl__der_close(b, name);
    krbrepl__der_close(b, outer);
}

void krbrepl__krberr_put(krbrepl__buf *out, unsigned code, const char *service, int64_t time_us,
                         const char *text)
{
    const char *realm = strrchr(service, '@');
    krbrepl_bytes r = {realm != NULL ? realm + 1 : "", realm != NULL ? strlen(realm + 1) : 0};
    krbrepl_bytes t = {text, strlen(text)};
    size_t app = krbrepl__der_open(out, KRBREPL__DER_APP(MSG_ERROR));
    size_t seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);

    krbrepl__der_put_ctx_int(out, 0, PVNO);
    krbrepl__der_put_ctx_int(out, 1, MSG_ERROR);
    put_time(out, 4, time_us);
    krbrepl__der_put_ctx_int(out, 6, code);
    put_ctx(out, 9, KRBREPL__DER_STRING, r);
    put_name(out, 10, service);
    put_ctx(out, 11, KRBREPL__DER_STRING, t);
    krbrepl__der_close(out, seq);
    krbrepl__der_close(out, app);
}

static void copy_text(char out[KRBREPL__KRBERR_TEXT + 1], krbrepl_bytes text)
{
    const uint8_t *p = text.data;
    size_t i, n = text.len < KRBREPL__KRBERR_TEXT ? text.len : KRBREPL__KRBERR_TEXT;

    for (i = 0; i < n; i++)
        out[i] = (char)(p[i] >= 0x20 && p[i] < 0x7f ? p[i] : '?');
    out[n] = '\0';
}

int krbrepl__krberr_get(krbrepl_bytes der, unsigned *code, char text[KRBREPL__KRBERR_TEXT + 1])
{
    krbrepl__rd r, app, seq;
    int64_t v = -1;

    text[0] = '\0';
    krbrepl__rd_init(&r, der.data, der.len);
    krbrepl__der_enter(&r, KRBREPL__DER_APP(MSG_ERROR), &app);
    krbrepl__der_enter(&app, KRBREPL__DER_SEQUENCE, &seq);
    while (seq.err == 0 && seq.left != 0) {
        switch (krbrepl__der_peek(&seq)) {
        case KRBREPL__DER_CTX(6):
            v = get_int(&seq, 6, -1);
            break;
        case KRBREPL__DER_CTX(11):
            copy_text(text, get_ctx(&seq, 11, KRBREPL__DER_STRING));
            break;
        default:
            (void)krbrepl__der_whole(&seq);
        }
    }
    if (seq.err != 0 || v < 0 || v > 255)
        return KRBREPL_ERR_PROTO;
    *code = (unsigned)v;
    return 0;
}
