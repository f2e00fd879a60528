#include "frame.h"

#include <krbrepl/error.h>

/* Indexed by type. A limit of the messages made of fields leaves room for fields of later versions. */
static const struct {
    const char *name;
    size_t limit;
} frame_type[] = {
    {"UNKNOWN", KRBREPL__FRAME_MAX},
    {"HELLO", 32u * 1024u},
    {"WELCOME", 32u * 1024u},
    {"REFUSE", 4u * 1024u},
    {"COMMITS", KRBREPL__FRAME_DATA},
    {"COPY_BEGIN", 32u * 1024u},
    {"COPY_SLICE", KRBREPL__FRAME_DATA},
    {"COPY_END", 4u * 1024u},
    {"ACK", 4u * 1024u},
    {"PING", 4u * 1024u},
    {"PONG", 4u * 1024u},
    {"BYE", 4u * 1024u},
    {"CHECK", 4u * 1024u},
    {"ASK", KRBREPL__FRAME_ASK_MAX},
    {"TREE", KRBREPL__FRAME_DATA},
};

static unsigned known(unsigned type)
{
    return type < sizeof frame_type / sizeof frame_type[0] ? type : 0;
}

const char *krbrepl__frame_name(unsigned type)
{
    return frame_type[known(type)].name;
}

size_t krbrepl__frame_limit(unsigned type)
{
    return frame_type[known(type)].limit;
}

void krbrepl__frame_put(krbrepl__buf *b, unsigned type, unsigned flags, const void *body, size_t n)
{
    krbrepl__buf_u8(b, type);
    krbrepl__buf_u8(b, flags);
    krbrepl__buf_u16(b, 0);
    krbrepl__buf_vec32(b, body, n);
}

int krbrepl__frame_get(const uint8_t *p, size_t n, krbrepl__frame *out)
{
    unsigned reserved;
    uint32_t len;
    krbrepl__rd r;

    out->size = 0;
    if (n < KRBREPL__FRAME_HEAD)
        return 0;
    krbrepl__rd_init(&r, p, n);
    out->type = krbrepl__rd_u8(&r);
    out->flags = krbrepl__rd_u8(&r);
    reserved = krbrepl__rd_u16(&r);
    len = krbrepl__rd_u32(&r);
    if (reserved != 0 || (out->flags & ~KRBREPL__FRAME_OPTIONAL) != 0 ||
        len > krbrepl__frame_limit(out->type))
        return KRBREPL_ERR_PROTO;
    if (known(out->type) == 0 && (out->flags & KRBREPL__FRAME_OPTIONAL) == 0)
        return KRBREPL_ERR_FORMAT;
    if (r.left < len)
        return 0;
    out->body = krbrepl__rd_view(&r, len);
    out->size = KRBREPL__FRAME_HEAD + len;
    return 1;
}
