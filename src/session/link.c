#include "link.h"

int krbrepl__link_send(krbrepl__chan *c, unsigned type, krbrepl_bytes head, krbrepl_bytes rest)
{
    uint8_t frame[KRBREPL__FRAME_HEAD] = {(uint8_t)type, 0, 0, 0, 0, 0, 0, 0};
    int rc;

    krbrepl__put_u32(frame + 4, (uint32_t)(head.len + rest.len));
    rc = c->ops->write(c, frame, sizeof frame);
    if (rc == 0 && head.len != 0)
        rc = c->ops->write(c, head.data, head.len);
    if (rc == 0 && rest.len != 0)
        rc = c->ops->write(c, rest.data, rest.len);
    return rc;
}

int krbrepl__link_next(krbrepl__chan *c, krbrepl__frame *f)
{
    return krbrepl__frame_get(c->in.data, c->in.len, f);
}

void krbrepl__link_drop(krbrepl__chan *c, const krbrepl__frame *f)
{
    krbrepl__buf_consume(&c->in, f->size);
}
