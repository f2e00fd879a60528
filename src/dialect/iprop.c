#include "iprop.h"

int krbrepl__iprop_next(krbrepl__chan *c, krbrepl__iprop_msg *m)
{
    krbrepl__rd r;
    krbrepl_bytes whole;

    krbrepl__rd_init(&r, c->in.data, c->in.len);
    whole = krbrepl__rd_vec32(&r);
    if (r.err != 0)
        return 0;
    m->size = 4 + whole.len;
    krbrepl__rd_init(&r, whole.data, whole.len);
    m->op = krbrepl__rd_u32(&r);
    m->body = krbrepl__rd_view(&r, r.left);
    return r.err != 0 ? KRBREPL_ERR_PROTO : 1;
}

void krbrepl__iprop_drop(krbrepl__chan *c, const krbrepl__iprop_msg *m)
{
    krbrepl__buf_consume(&c->in, m->size);
}

int krbrepl__iprop_send(krbrepl__chan *c, uint32_t op, krbrepl_bytes body)
{
    uint8_t head[8];
    int rc;

    if (body.len > UINT32_MAX - 4)
        return KRBREPL_ERR_TOOBIG;
    krbrepl__put_u32(head, (uint32_t)body.len + 4);
    krbrepl__put_u32(head + 4, op);
    rc = c->ops->write(c, head, sizeof head);
    if (rc == 0 && body.len != 0)
        rc = c->ops->write(c, body.data, body.len);
    return rc != 0 ? rc : c->ops->flush(c);
}

int krbrepl__iprop_send_u32(krbrepl__chan *c, uint32_t op, uint32_t value)
{
    uint8_t v[4];
    krbrepl_bytes body = {v, sizeof v};

    krbrepl__put_u32(v, value);
    return krbrepl__iprop_send(c, op, body);
}

const char *krbrepl__iprop_op_name(uint32_t op)
{
    static const char *const name[] = {
        "unknown",      "I_HAVE",        "FOR_YOU",   "TELL_YOU_EVERYTHING",  "ONE_PRINC",
        "NOW_YOU_HAVE", "ARE_YOU_THERE", "I_AM_HERE", "YOU_HAVE_LAST_VERSION"};

    return name[op < sizeof name / sizeof name[0] ? op : 0];
}
