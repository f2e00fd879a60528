#include "plainchan.h"

#include <string.h>

#include "errinfo.h"
#include "mem.h"

typedef struct plainchan {
    krbrepl__chan base;
    uint64_t lifetime_s;
    krbrepl__buf held; /* the other end's name, as far as it is there */
} plainchan;

/* name := length:u8 bytes */
static int take_name(plainchan *c)
{
    size_t n;

    if (c->held.len == 0 || c->held.len < 1u + c->held.data[0])
        return 0;
    n = c->held.data[0];
    if (n == 0)
        return krbrepl__fail(&c->base.err, KRBREPL_ERR_AUTH, "plain: the peer has no name");
    c->base.peer = krbrepl__strndup((const char *)c->held.data + 1, n);
    c->base.mechanism = krbrepl__strdup("plain");
    if (c->base.peer == NULL || c->base.mechanism == NULL)
        return KRBREPL_ERR_NOMEM;
    c->base.lifetime_s = c->lifetime_s;
    c->base.state = KRBREPL__CHAN_OPEN;
    krbrepl__buf_bytes(&c->base.in, c->held.data + 1 + n, c->held.len - 1 - n);
    krbrepl__buf_reset(&c->held);
    return c->base.in.err;
}

static int plain_feed(krbrepl__chan *base, const uint8_t *p, size_t n)
{
    plainchan *c = (plainchan *)base;
    int rc;

    if (base->state == KRBREPL__CHAN_FAILED)
        return base->err.code;
    if (base->state == KRBREPL__CHAN_OPEN) {
        krbrepl__buf_bytes(&base->in, p, n);
        return base->in.err;
    }
    krbrepl__buf_bytes(&c->held, p, n);
    rc = c->held.err != 0 ? c->held.err : take_name(c);
    if (rc != 0)
        base->state = KRBREPL__CHAN_FAILED;
    return rc;
}

static int plain_write(krbrepl__chan *base, const void *p, size_t n)
{
    if (base->state != KRBREPL__CHAN_OPEN)
        return KRBREPL_ERR_STATE;
    krbrepl__buf_bytes(&base->out, p, n);
    return base->out.err;
}

static int plain_flush(krbrepl__chan *base)
{
    return base->out.err;
}

static krbrepl__job *plain_take_job(krbrepl__chan *base)
{
    (void)base;
    return NULL;
}

static int plain_job_done(krbrepl__chan *base, krbrepl__job *j)
{
    (void)base;
    (void)j;
    return KRBREPL_ERR_STATE;
}

static void plain_free(krbrepl__chan *base)
{
    plainchan *c = (plainchan *)base;

    krbrepl__buf_free(&base->in);
    krbrepl__buf_free(&base->out);
    krbrepl__buf_free(&c->held);
    krbrepl__strfree(base->peer);
    krbrepl__strfree(base->mechanism);
    krbrepl__free(c, sizeof *c);
}

static const krbrepl__chan_ops plain_ops = {
    .feed = plain_feed,
    .write = plain_write,
    .flush = plain_flush,
    .close = plain_flush,
    .take_job = plain_take_job,
    .job_done = plain_job_done,
    .free = plain_free,
};

krbrepl__chan *plainchan_new(const char *self, uint64_t lifetime_s)
{
    plainchan *c = krbrepl__alloc(sizeof *c);

    if (c == NULL)
        return NULL;
    c->base.ops = &plain_ops;
    c->base.state = KRBREPL__CHAN_HANDSHAKE;
    c->lifetime_s = lifetime_s;
    krbrepl__buf_init(&c->base.in, 0);
    krbrepl__buf_init(&c->base.out, 0);
    krbrepl__buf_init(&c->held, 1u << 20);
    krbrepl__buf_u8(&c->base.out, (unsigned)strlen(self));
    krbrepl__buf_bytes(&c->base.out, self, strlen(self));
    return &c->base;
}
