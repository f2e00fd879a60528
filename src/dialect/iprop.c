#include "iprop.h"

int krbrepl__iprop_next(const krbrepl__buf *in, size_t max, krbrepl__iprop_msg *out)
{
    krbrepl_bytes inner;
    krbrepl__rd r;

    *out = (krbrepl__iprop_msg){0};
    if (in->len < 4)
        return 0;
    if (krbrepl__get_u32(in->data) > max)
        return KRBREPL_ERR_PROTO;
    krbrepl__rd_init(&r, in->data, in->len);
    inner = krbrepl__rd_vec32(&r);
    if (r.err != 0)
        return 0;
    out->size = inner.len + 4;
    krbrepl__rd_init(&r, inner.data, inner.len);
    out->op = krbrepl__rd_u32(&r);
    if (out->op == KRBREPL__IPROP_I_HAVE || out->op == KRBREPL__IPROP_NOW_YOU_HAVE)
        out->version = krbrepl__rd_u32(&r);
    else
        out->body = krbrepl__rd_view(&r, r.left);
    return r.err != 0 ? KRBREPL_ERR_PROTO : 1;
}

static int send_head(krbrepl__chan *c, uint32_t op, size_t rest)
{
    uint8_t head[8];

    krbrepl__put_u32(head, (uint32_t)(4 + rest));
    krbrepl__put_u32(head + 4, op);
    return c->ops->write(c, head, sizeof head);
}

int krbrepl__iprop_send(krbrepl__chan *c, uint32_t op)
{
    return send_head(c, op, 0);
}

int krbrepl__iprop_send_body(krbrepl__chan *c, uint32_t op, krbrepl_bytes body)
{
    int rc = body.len > UINT32_MAX - 4 ? KRBREPL_ERR_TOOBIG : send_head(c, op, body.len);

    return rc == 0 && body.len != 0 ? c->ops->write(c, body.data, body.len) : rc;
}

int krbrepl__iprop_send_version(krbrepl__chan *c, uint32_t op, uint32_t version)
{
    uint8_t v[4];

    krbrepl__put_u32(v, version);
    return krbrepl__iprop_send_body(c, op, (krbrepl_bytes){v, sizeof v});
}

const char *krbrepl__iprop_name(uint32_t op)
{
    static const char *const name[] = {
        "UNKNOWN",      "I_HAVE",        "FOR_YOU",   "TELL_YOU_EVERYTHING",  "ONE_PRINC",
        "NOW_YOU_HAVE", "ARE_YOU_THERE", "I_AM_HERE", "YOU_HAVE_LAST_VERSION"};

    return op < sizeof name / sizeof name[0] ? name[op] : name[0];
}
