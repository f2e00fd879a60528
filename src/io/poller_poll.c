#include <errno.h>
#include <poll.h>
#include <string.h>

#include "mem.h"
#include "poller_make.h"

/* Slot i of both arrays belongs together; watches move when one before the end is deleted. */
struct poll_poller {
    krbrepl__poller base;
    struct pollfd *fds;
    krbrepl__watch **watch;
    size_t n, cap;
    size_t turn; /* where the next gathering begins, so that none is passed over for ever */
};

static struct poll_poller *of(krbrepl__poller *p)
{
    return (struct poll_poller *)p;
}

static int more_room(struct poll_poller *p)
{
    size_t cap = p->cap != 0 ? p->cap * 2 : 16;
    struct pollfd *fds = krbrepl__alloc_array(cap, sizeof *fds);
    krbrepl__watch **watch = krbrepl__alloc_array(cap, sizeof(krbrepl__watch *));

    if (fds == NULL || watch == NULL) {
        krbrepl__free(fds, 0);
        krbrepl__free(watch, 0);
        return KRBREPL_ERR_NOMEM;
    }
    if (p->n != 0) {
        memcpy(fds, p->fds, p->n * sizeof *fds);
        memcpy(watch, p->watch, p->n * sizeof(krbrepl__watch *));
    }
    krbrepl__free(p->fds, 0);
    krbrepl__free(p->watch, 0);
    p->fds = fds;
    p->watch = watch;
    p->cap = cap;
    return 0;
}

static void poll_change(krbrepl__poller *base, krbrepl__watch *w)
{
    short ev = 0;

    if (w->want & KRBREPL__READ)
        ev |= POLLIN;
    if (w->want & KRBREPL__WRITE)
        ev |= POLLOUT;
    of(base)->fds[w->slot].events = ev;
}

static int poll_add(krbrepl__poller *base, krbrepl__watch *w)
{
    struct poll_poller *p = of(base);

    if (p->n == p->cap && more_room(p) != 0)
        return KRBREPL_ERR_NOMEM;
    w->slot = p->n++;
    p->fds[w->slot].fd = w->fd;
    p->fds[w->slot].revents = 0;
    p->watch[w->slot] = w;
    poll_change(base, w);
    return 0;
}

static void poll_del(krbrepl__poller *base, krbrepl__watch *w)
{
    struct poll_poller *p = of(base);
    size_t last = --p->n;

    p->fds[w->slot] = p->fds[last];
    p->watch[w->slot] = p->watch[last];
    p->watch[w->slot]->slot = w->slot;
}

static void gather_slot(struct poll_poller *p, size_t i)
{
    short ev = p->fds[i].revents;
    unsigned ready = 0;

    if (ev & POLLIN)
        ready |= KRBREPL__READ;
    if (ev & POLLOUT)
        ready |= KRBREPL__WRITE;
    if (ev & (POLLERR | POLLHUP | POLLNVAL))
        ready |= KRBREPL__READ | KRBREPL__WRITE;
    if (ready != 0)
        krbrepl__poller_gather(&p->base, p->watch[i], ready);
}

static int poll_gather(krbrepl__poller *base, int timeout_ms)
{
    struct poll_poller *p = of(base);
    size_t i;
    int n = poll(p->fds, (nfds_t)p->n, timeout_ms);

    if (n < 0)
        return errno == EINTR ? 0 : KRBREPL_ERR_IO;
    for (i = 0; n > 0 && i < p->n && base->ndue < KRBREPL__POLLER_BATCH; i++)
        gather_slot(p, (p->turn + i) % p->n);
    if (p->n != 0)
        p->turn = (p->turn + i) % p->n;
    return 0;
}

static void poll_free(krbrepl__poller *base)
{
    struct poll_poller *p = of(base);

    krbrepl__free(p->fds, 0);
    krbrepl__free(p->watch, 0);
    krbrepl__free(p, sizeof *p);
}

krbrepl__poller *krbrepl__poller_poll_new(krbrepl_errinfo *ei)
{
    static const krbrepl__poller_ops ops = {poll_add, poll_change, poll_del, poll_gather, poll_free};
    struct poll_poller *p = krbrepl__alloc(sizeof *p);

    if (p == NULL) {
        krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
        return NULL;
    }
    p->base.ops = &ops;
    p->base.fd = -1;
    return &p->base;
}
