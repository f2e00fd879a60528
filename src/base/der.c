#include "der.h"

#include <string.h>

#include <krbrepl/error.h>

/* ---- reading -------------------------------------------------------------------------------- */

unsigned krbrepl__der_peek(const krbrepl__rd *r)
{
    return r->err == 0 && r->left != 0 ? r->p[0] : 0;
}

static void fail(krbrepl__rd *r)
{
    r->err = KRBREPL_ERR_PROTO;
}

/* The bytes that say the type: one, or more when the number of the tag is above 30. */
static unsigned take_tag(krbrepl__rd *r)
{
    unsigned first = krbrepl__rd_u8(r), more, n = 0;

    if ((first & 0x1f) != 0x1f)
        return first;
    do {
        more = krbrepl__rd_u8(r);
        /* A leading 0x80 would be a longer way to write the number; four of them are enough for any. */
        if (++n > 4 || (n == 1 && more == 0x80))
            fail(r);
    } while (r->err == 0 && (more & 0x80) != 0);
    return first;
}

static size_t take_length(krbrepl__rd *r)
{
    unsigned first = krbrepl__rd_u8(r), n = first & 0x7f, i;
    size_t len = 0;

    if (first < 0x80)
        return first;
    /* 0x80 alone is the indefinite form. */
    if (n == 0 || n > 4) {
        fail(r);
        return 0;
    }
    for (i = 0; i < n; i++)
        len = len << 8 | krbrepl__rd_u8(r);
    if (len < 0x80 || (n > 1 && len >> (8 * (n - 1)) == 0))
        fail(r);
    return len;
}

static krbrepl_bytes none(void)
{
    krbrepl_bytes v = {NULL, 0};

    return v;
}

krbrepl_bytes krbrepl__der_get(krbrepl__rd *r, unsigned tag)
{
    size_t len;

    if (take_tag(r) != tag)
        fail(r);
    len = take_length(r);
    return r->err == 0 ? krbrepl__rd_view(r, len) : none();
}

krbrepl_bytes krbrepl__der_whole(krbrepl__rd *r)
{
    const uint8_t *at = r->p;
    krbrepl_bytes v = none();
    size_t len;

    (void)take_tag(r);
    len = take_length(r);
    if (r->err != 0)
        return v;
    (void)krbrepl__rd_view(r, len);
    if (r->err == 0) {
        v.data = at;
        v.len = (size_t)(r->p - at);
    }
    return v;
}

void krbrepl__der_enter(krbrepl__rd *r, unsigned tag, krbrepl__rd *inner)
{
    krbrepl_bytes v = krbrepl__der_get(r, tag);

    krbrepl__rd_init(inner, v.data, v.len);
    inner->err = r->err;
}

int64_t krbrepl__der_int(krbrepl__rd *r)
{
    krbrepl_bytes v = krbrepl__der_get(r, KRBREPL__DER_INTEGER);
    const uint8_t *p = v.data;
    uint64_t n;
    size_t i;

    if (r->err != 0 || v.len == 0 || v.len > 8 ||
        (v.len > 1 && (p[0] == 0 || p[0] == 0xff) && (p[0] & 0x80) == (p[1] & 0x80))) {
        fail(r);
        return 0;
    }
    n = (p[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (i = 0; i < v.len; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

uint32_t krbrepl__der_u32(krbrepl__rd *r)
{
    int64_t v = krbrepl__der_int(r);

    if (v < 0 || v > (int64_t)UINT32_MAX) {
        fail(r);
        return 0;
    }
    return (uint32_t)v;
}

uint32_t krbrepl__der_ctx_u32(krbrepl__rd *r, unsigned n)
{
    krbrepl__rd in;
    uint32_t v;

    krbrepl__der_enter(r, KRBREPL__DER_CTX(n), &in);
    v = krbrepl__der_u32(&in);
    if (krbrepl__rd_end(&in) != 0)
        fail(r);
    return v;
}

uint32_t krbrepl__der_flags(krbrepl__rd *r)
{
    krbrepl_bytes v = krbrepl__der_get(r, KRBREPL__DER_BIT_STRING);
    const uint8_t *p = v.data;
    uint32_t flags = 0;
    size_t i;

    if (r->err != 0 || v.len == 0 || v.len > 5 || p[0] > 7 || (v.len == 1 && p[0] != 0)) {
        fail(r);
        return 0;
    }
    for (i = 0; i < 8 * (v.len - 1) - p[0]; i++)
        if ((p[1 + i / 8] & (0x80u >> (i % 8))) != 0)
            flags |= 1u << i;
    return flags;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Length octets; how many there are. */
static size_t length_octets(uint8_t out[5], size_t len)
{
    size_t n = 0, i;

    if (len < 0x80) {
        out[0] = (uint8_t)len;
        return 1;
    }
    while (n < 4 && len >> (8 * n) != 0)
        n++;
    out[0] = (uint8_t)(0x80 | n);
    for (i = 0; i < n; i++)
        out[1 + i] = (uint8_t)(len >> (8 * (n - 1 - i)));
    return 1 + n;
}

void krbrepl__der_put(krbrepl__buf *b, unsigned tag, krbrepl_bytes content)
{
    uint8_t len[5];

    if (content.len > UINT32_MAX && b->err == 0)
        b->err = KRBREPL_ERR_TOOBIG;
    krbrepl__buf_u8(b, tag);
    krbrepl__buf_bytes(b, len, length_octets(len, content.len));
    krbrepl__buf_bytes(b, content.data, content.len);
}

void krbrepl__der_put_int(krbrepl__buf *b, int64_t v)
{
    uint8_t out[8];
    size_t skip = 0;
    krbrepl_bytes content;

    krbrepl__put_u64(out, (uint64_t)v);
    while (skip < 7 && ((out[skip] == 0 && (out[skip + 1] & 0x80) == 0) ||
                        (out[skip] == 0xff && (out[skip + 1] & 0x80) != 0)))
        skip++;
    content.data = out + skip;
    content.len = sizeof out - skip;
    krbrepl__der_put(b, KRBREPL__DER_INTEGER, content);
}

void krbrepl__der_put_ctx_int(krbrepl__buf *b, unsigned n, int64_t v)
{
    size_t mark = krbrepl__der_open(b, KRBREPL__DER_CTX(n));

    krbrepl__der_put_int(b, v);
    krbrepl__der_close(b, mark);
}

void krbrepl__der_put_flags(krbrepl__buf *b, uint32_t flags)
{
    uint8_t out[5] = {0};
    krbrepl_bytes content = {out, 1};
    unsigned i;

    for (i = 0; i < 32; i++) {
        if ((flags >> i & 1) == 0)
            continue;
        out[1 + i / 8] |= (uint8_t)(0x80u >> (i % 8));
        out[0] = (uint8_t)(7 - i % 8);
        content.len = 2 + i / 8;
    }
    krbrepl__der_put(b, KRBREPL__DER_BIT_STRING, content);
}

size_t krbrepl__der_open(krbrepl__buf *b, unsigned tag)
{
    krbrepl__buf_u8(b, tag);
    return b->len;
}

void krbrepl__der_close(krbrepl__buf *b, size_t mark)
{
    uint8_t len[5];
    size_t content, n;

    if (b->err != 0 || mark > b->len)
        return;
    content = b->len - mark;
    if (content > UINT32_MAX) {
        b->err = KRBREPL_ERR_TOOBIG;
        return;
    }
    n = length_octets(len, content);
    if (krbrepl__buf_room(b, n) == NULL)
        return;
    memmove(b->data + mark + n, b->data + mark, content);
    memcpy(b->data + mark, len, n);
}
