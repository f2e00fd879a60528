#include "poller.h"

#include <string.h>

#include "poller_make.h"

int krbrepl__poller_new(krbrepl__poller **out, int kind, krbrepl_errinfo *ei)
{
    krbrepl_errinfo own;

    krbrepl__errinfo_clear(&own);
    if (kind == KRBREPL__POLLER_POLL)
        *out = krbrepl__poller_poll_new(&own);
    else
        *out = krbrepl__poller_epoll_new(&own);
    if (*out == NULL && kind == KRBREPL__POLLER_BEST && own.code == KRBREPL_ERR_INVALID)
        *out = krbrepl__poller_poll_new(&own);
    if (*out != NULL)
        return 0;
    if (ei != NULL)
        *ei = own;
    return own.code;
}

void krbrepl__poller_free(krbrepl__poller *p)
{
    if (p != NULL)
        p->ops->free(p);
}

int krbrepl__poller_fd(const krbrepl__poller *p)
{
    return p->fd;
}

int krbrepl__poller_add(krbrepl__poller *p, krbrepl__watch *w, int fd, unsigned want,
                        krbrepl__watch_fn *fn, void *ctx)
{
    int rc;

    w->fd = fd;
    w->want = want;
    w->fn = fn;
    w->ctx = ctx;
    rc = p->ops->add(p, w);
    if (rc != 0)
        memset(w, 0, sizeof *w);
    return rc;
}

void krbrepl__poller_want(krbrepl__poller *p, krbrepl__watch *w, unsigned want)
{
    if (w->fn == NULL || w->want == want)
        return;
    w->want = want;
    p->ops->change(p, w);
}

void krbrepl__poller_del(krbrepl__poller *p, krbrepl__watch *w)
{
    size_t i;

    if (w->fn == NULL)
        return;
    p->ops->del(p, w);
    for (i = p->next; i < p->ndue; i++)
        if (p->due[i].w == w)
            p->due[i].w = NULL;
    memset(w, 0, sizeof *w);
}

int krbrepl__poller_wait(krbrepl__poller *p, int timeout_ms)
{
    int rc;

    if (p->next == p->ndue) {
        p->next = p->ndue = 0;
        rc = p->ops->wait(p, timeout_ms);
        if (rc < 0)
            return rc;
    }
    return (int)(p->ndue - p->next);
}

int krbrepl__poller_pending(const krbrepl__poller *p)
{
    return p->next < p->ndue;
}

void krbrepl__poller_gather(krbrepl__poller *p, krbrepl__watch *w, unsigned ready)
{
    if (p->ndue == KRBREPL__POLLER_BATCH)
        return;
    p->due[p->ndue].w = w;
    p->due[p->ndue++].ready = ready;
}

void krbrepl__poller_dispatch(krbrepl__poller *p)
{
    while (p->next < p->ndue) {
        krbrepl__poller_due *d = &p->due[p->next++];

        if (d->w != NULL)
            d->w->fn(d->w->ctx, d->ready);
    }
}
