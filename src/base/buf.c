#include "buf.h"

#include <string.h>

#include <krbrepl/error.h>

#include "mem.h"

/* ---- integers ------------------------------------------------------------------------------- */

void krbrepl__put_u32(uint8_t p[4], uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void krbrepl__put_u64(uint8_t p[8], uint64_t v)
{
    krbrepl__put_u32(p, (uint32_t)(v >> 32));
    krbrepl__put_u32(p + 4, (uint32_t)v);
}

uint32_t krbrepl__get_u32(const uint8_t p[4])
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

uint64_t krbrepl__get_u64(const uint8_t p[8])
{
    return (uint64_t)krbrepl__get_u32(p) << 32 | krbrepl__get_u32(p + 4);
}

void krbrepl__hex(char *out, const void *p, size_t n)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *in = p;
    size_t i;

    for (i = 0; i < n; i++) {
        out[2 * i] = digit[in[i] >> 4];
        out[2 * i + 1] = digit[in[i] & 15];
    }
    out[2 * n] = '\0';
}

/* ---- the builder ---------------------------------------------------------------------------- */

void krbrepl__buf_init(krbrepl__buf *b, size_t max)
{
    memset(b, 0, sizeof *b);
    b->max = max;
}

/* Only what is there has to be wiped: what was consumed or cut was wiped then, and nothing is ever written behind
 * data + len. */
static void drop_block(krbrepl__buf *b)
{
    krbrepl__wipe(b->data, b->len);
    krbrepl__free(b->base, 0);
}

void krbrepl__buf_free(krbrepl__buf *b)
{
    size_t max = b->max;

    drop_block(b);
    krbrepl__buf_init(b, max);
}

void krbrepl__buf_reset(krbrepl__buf *b)
{
    krbrepl__wipe(b->data, b->len);
    b->data = b->base;
    b->len = 0;
    b->err = 0;
}

void krbrepl__buf_consume(krbrepl__buf *b, size_t n)
{
    if (n > b->len)
        n = b->len;
    krbrepl__wipe(b->data, n);
    b->len -= n;
    b->data = b->len == 0 ? b->base : b->data + n;
}

void krbrepl__buf_cut(krbrepl__buf *b, size_t len)
{
    if (len >= b->len)
        return;
    krbrepl__wipe(b->data + len, b->len - len);
    b->len = len;
}

/* Makes room for n more bytes behind data + len. */
static int buf_reserve(krbrepl__buf *b, size_t n)
{
    size_t used = b->base != NULL ? (size_t)(b->data - b->base) : 0;
    size_t cap;
    uint8_t *block;

    if (b->err != 0)
        return b->err;
    if (n > SIZE_MAX / 4 || (b->max != 0 && (n > b->max || b->len > b->max - n)))
        return b->err = KRBREPL_ERR_TOOBIG;
    if (b->cap - used >= b->len + n && b->base != NULL)
        return 0;
    /* Taking back the consumed room costs a move of len bytes, so only when that is the smaller part.
     */
    if (b->base != NULL && b->cap >= b->len + n && used >= b->len) {
        memmove(b->base, b->data, b->len);
        krbrepl__wipe(b->base + b->len, used);
        b->data = b->base;
        return 0;
    }
    cap = b->cap < 64 ? 64 : b->cap;
    while (cap < b->len + n)
        cap *= 2;
    if (cap == b->cap)
        cap *= 2;
    block = krbrepl__alloc(cap);
    if (block == NULL)
        return b->err = KRBREPL_ERR_NOMEM;
    if (b->len != 0)
        memcpy(block, b->data, b->len);
    drop_block(b);
    b->base = b->data = block;
    b->cap = cap;
    return 0;
}

uint8_t *krbrepl__buf_room(krbrepl__buf *b, size_t n)
{
    uint8_t *at;

    if (buf_reserve(b, n) != 0)
        return NULL;
    at = b->data + b->len;
    b->len += n;
    return at;
}

void krbrepl__buf_bytes(krbrepl__buf *b, const void *p, size_t n)
{
    uint8_t *at = krbrepl__buf_room(b, n);

    if (at != NULL && n != 0)
        memcpy(at, p, n);
}

void krbrepl__buf_u8(krbrepl__buf *b, unsigned v)
{
    uint8_t *at = krbrepl__buf_room(b, 1);

    if (at != NULL)
        at[0] = (uint8_t)v;
}

void krbrepl__buf_u16(krbrepl__buf *b, unsigned v)
{
    uint8_t *at = krbrepl__buf_room(b, 2);

    if (at != NULL) {
        at[0] = (uint8_t)(v >> 8);
        at[1] = (uint8_t)v;
    }
}

void krbrepl__buf_u32(krbrepl__buf *b, uint32_t v)
{
    uint8_t *at = krbrepl__buf_room(b, 4);

    if (at != NULL)
        krbrepl__put_u32(at, v);
}

void krbrepl__buf_u64(krbrepl__buf *b, uint64_t v)
{
    uint8_t *at = krbrepl__buf_room(b, 8);

    if (at != NULL)
        krbrepl__put_u64(at, v);
}

void krbrepl__buf_vec16(krbrepl__buf *b, const void *p, size_t n)
{
    if (n > 0xffff && b->err == 0)
        b->err = KRBREPL_ERR_TOOBIG;
    krbrepl__buf_u16(b, (unsigned)n);
    krbrepl__buf_bytes(b, p, n);
}

void krbrepl__buf_vec32(krbrepl__buf *b, const void *p, size_t n)
{
    if (n > 0xffffffffu && b->err == 0)
        b->err = KRBREPL_ERR_TOOBIG;
    krbrepl__buf_u32(b, (uint32_t)n);
    krbrepl__buf_bytes(b, p, n);
}

void krbrepl__buf_str16(krbrepl__buf *b, const char *s)
{
    krbrepl__buf_vec16(b, s, strlen(s));
}

void krbrepl__buf_set_u32(krbrepl__buf *b, size_t at, uint32_t v)
{
    if (b->err == 0 && b->len >= 4 && at <= b->len - 4)
        krbrepl__put_u32(b->data + at, v);
}

/* ---- the reader ----------------------------------------------------------------------------- */

void krbrepl__rd_init(krbrepl__rd *r, const void *p, size_t n)
{
    r->p = p;
    r->left = n;
    r->err = 0;
}

/* Takes n bytes, or NULL when there are not that many. */
static const uint8_t *rd_take(krbrepl__rd *r, size_t n)
{
    const uint8_t *at = r->p;

    if (r->err != 0 || n > r->left) {
        r->err = KRBREPL_ERR_PROTO;
        return NULL;
    }
    if (n != 0)
        r->p += n;
    r->left -= n;
    return at;
}

unsigned krbrepl__rd_u8(krbrepl__rd *r)
{
    const uint8_t *at = rd_take(r, 1);

    return at != NULL ? at[0] : 0;
}

unsigned krbrepl__rd_u16(krbrepl__rd *r)
{
    const uint8_t *at = rd_take(r, 2);

    return at != NULL ? (unsigned)at[0] << 8 | at[1] : 0;
}

uint32_t krbrepl__rd_u32(krbrepl__rd *r)
{
    const uint8_t *at = rd_take(r, 4);

    return at != NULL ? krbrepl__get_u32(at) : 0;
}

uint64_t krbrepl__rd_u64(krbrepl__rd *r)
{
    const uint8_t *at = rd_take(r, 8);

    return at != NULL ? krbrepl__get_u64(at) : 0;
}

void krbrepl__rd_copy(krbrepl__rd *r, void *out, size_t n)
{
    const uint8_t *at = rd_take(r, n);

    if (n == 0)
        return;
    if (at != NULL)
        memcpy(out, at, n);
    else
        memset(out, 0, n);
}

krbrepl_bytes krbrepl__rd_view(krbrepl__rd *r, size_t n)
{
    const uint8_t *at = rd_take(r, n);
    krbrepl_bytes v = {at, r->err == 0 ? n : 0};

    return v;
}

krbrepl_bytes krbrepl__rd_vec16(krbrepl__rd *r)
{
    return krbrepl__rd_view(r, krbrepl__rd_u16(r));
}

krbrepl_bytes krbrepl__rd_vec32(krbrepl__rd *r)
{
    return krbrepl__rd_view(r, krbrepl__rd_u32(r));
}

void krbrepl__rd_str16(krbrepl__rd *r, char *out, size_t max)
{
    krbrepl_bytes v = krbrepl__rd_vec16(r);

    out[0] = '\0';
    if (r->err != 0)
        return;
    if (v.len > max || memchr(v.data, '\0', v.len) != NULL) {
        r->err = KRBREPL_ERR_PROTO;
        return;
    }
    if (v.len != 0)
        memcpy(out, v.data, v.len);
    out[v.len] = '\0';
}

int krbrepl__rd_end(const krbrepl__rd *r)
{
    return r->err != 0 || r->left != 0 ? KRBREPL_ERR_PROTO : 0;
}
