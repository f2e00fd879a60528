#include "preface.h"

#include <string.h>

#include <krbrepl/error.h>

#include "secchan.h"

#define HEAD 5u /* type and length */

static const char magic[8] = {'K', 'R', 'B', 'R', 'E', 'P', 'L', '\n'};

/* What a refusal says on the wire. An unknown number from a newer peer reads as the last row. */
static const struct {
    unsigned wire;
    int reason;
    const char *text;
} reasons[] = {
    {1, KRBREPL_ERR_AUTH, "authentication failed"},
    {2, KRBREPL_ERR_DENIED, "not authorized"},
    {3, KRBREPL_ERR_TIMEOUT, "too slow"},
    {4, KRBREPL_ERR_PROTO, "protocol error"},
    {5, KRBREPL_ERR_NET, "not now"},
};
#define NREASONS (sizeof reasons / sizeof reasons[0])

/* ---- the preface ---------------------------------------------------------------------------- */

void krbrepl__preface_make(uint8_t out[KRBREPL__PREFACE_LEN], unsigned low, unsigned high)
{
    memcpy(out, magic, sizeof magic);
    krbrepl__put_u32(out + 8, (uint32_t)low << 16 | high);
    krbrepl__put_u32(out + 12, 0);
}

int krbrepl__preface_may_be(const uint8_t *p, size_t n)
{
    return n == 0 || memcmp(p, magic, n < sizeof magic ? n : sizeof magic) == 0;
}

int krbrepl__preface_get(const uint8_t p[KRBREPL__PREFACE_LEN], unsigned *low, unsigned *high)
{
    krbrepl__rd r;

    *low = *high = 0;
    if (!krbrepl__preface_may_be(p, KRBREPL__PREFACE_LEN))
        return KRBREPL_ERR_PROTO;
    krbrepl__rd_init(&r, p + sizeof magic, KRBREPL__PREFACE_LEN - sizeof magic);
    *low = krbrepl__rd_u16(&r);
    *high = krbrepl__rd_u16(&r);
    return *low == 0 || *low > *high ? KRBREPL_ERR_PROTO : 0;
}

unsigned krbrepl__preface_choose(unsigned low, unsigned high)
{
    if (low > KRBREPL__PROTOCOL_HIGH || high < KRBREPL__PROTOCOL_LOW)
        return 0;
    return high < KRBREPL__PROTOCOL_HIGH ? high : KRBREPL__PROTOCOL_HIGH;
}

/* ---- frames in the clear -------------------------------------------------------------------- */

void krbrepl__clear_put(krbrepl__buf *b, unsigned type, const void *p, size_t n)
{
    krbrepl__buf_u8(b, type);
    krbrepl__buf_vec32(b, p, n);
}

static size_t longest(unsigned type)
{
    switch (type) {
    case KRBREPL__CLEAR_TOKEN:
        return KRBREPL__MAX_TOKEN;
    case KRBREPL__CLEAR_REFUSE:
        return 4 + KRBREPL__REFUSE_TEXT;
    default:
        return 0;
    }
}

int krbrepl__clear_get(krbrepl__clear *out, const uint8_t *p, size_t n)
{
    krbrepl__rd r;
    uint32_t len;

    memset(out, 0, sizeof *out);
    if (n >= 1 && longest(p[0]) == 0)
        return KRBREPL_ERR_PROTO;
    if (n < HEAD)
        return 0;
    krbrepl__rd_init(&r, p, n);
    out->type = krbrepl__rd_u8(&r);
    len = krbrepl__rd_u32(&r);
    if (len == 0 || len > longest(out->type))
        return KRBREPL_ERR_PROTO;
    if (r.left < len)
        return 0;
    out->body = krbrepl__rd_view(&r, len);
    out->size = HEAD + len;
    return 1;
}

/* ---- refusals ------------------------------------------------------------------------------- */

void krbrepl__refuse_put(krbrepl__buf *b, int reason)
{
    size_t i = 0;
    krbrepl__buf body;

    while (i < NREASONS - 1 && reasons[i].reason != reason)
        i++;
    krbrepl__buf_init(&body, 4 + KRBREPL__REFUSE_TEXT);
    krbrepl__buf_u16(&body, reasons[i].wire);
    krbrepl__buf_str16(&body, reasons[i].text);
    if (body.err == 0)
        krbrepl__clear_put(b, KRBREPL__CLEAR_REFUSE, body.data, body.len);
    krbrepl__buf_free(&body);
}

int krbrepl__refuse_get(krbrepl_bytes body, int *reason, char text[KRBREPL__REFUSE_TEXT + 1])
{
    krbrepl__rd r;
    unsigned wire;
    size_t i = 0;
    char *s;

    krbrepl__rd_init(&r, body.data, body.len);
    wire = krbrepl__rd_u16(&r);
    krbrepl__rd_str16(&r, text, KRBREPL__REFUSE_TEXT);
    for (s = text; *s != '\0'; s++)
        if (*s < ' ' || *s > '~')
            *s = '?';
    while (i < NREASONS - 1 && reasons[i].wire != wire)
        i++;
    *reason = reasons[i].reason;
    return krbrepl__rd_end(&r);
}
