#include "poller_make.h"

#ifdef __linux__

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "mem.h"

static uint32_t events_of(const krbrepl__watch *w)
{
    uint32_t ev = 0;

    if (w->want & KRBREPL__READ)
        ev |= EPOLLIN;
    if (w->want & KRBREPL__WRITE)
        ev |= EPOLLOUT;
    return ev;
}

static int control(krbrepl__poller *p, krbrepl__watch *w, int op)
{
    struct epoll_event ev;

    memset(&ev, 0, sizeof ev);
    ev.events = events_of(w);
    ev.data.ptr = w;
    if (epoll_ctl(p->fd, op, w->fd, &ev) == 0)
        return 0;
    return errno == ENOMEM || errno == ENOSPC ? KRBREPL_ERR_NOMEM : KRBREPL_ERR_IO;
}

static int epoll_add(krbrepl__poller *p, krbrepl__watch *w)
{
    return control(p, w, EPOLL_CTL_ADD);
}

static void epoll_change(krbrepl__poller *p, krbrepl__watch *w)
{
    control(p, w, EPOLL_CTL_MOD);
}

static void epoll_del(krbrepl__poller *p, krbrepl__watch *w)
{
    control(p, w, EPOLL_CTL_DEL);
}

static int epoll_gather(krbrepl__poller *p, int timeout_ms)
{
    struct epoll_event ev[KRBREPL__POLLER_BATCH];
    int i, n;

    n = epoll_wait(p->fd, ev, KRBREPL__POLLER_BATCH, timeout_ms);
    if (n < 0)
        return errno == EINTR ? 0 : KRBREPL_ERR_IO;
    for (i = 0; i < n; i++) {
        unsigned ready = 0;

        if (ev[i].events & EPOLLIN)
            ready |= KRBREPL__READ;
        if (ev[i].events & EPOLLOUT)
            ready |= KRBREPL__WRITE;
        if (ev[i].events & (EPOLLERR | EPOLLHUP))
            ready |= KRBREPL__READ | KRBREPL__WRITE;
        krbrepl__poller_gather(p, ev[i].data.ptr, ready);
    }
    return 0;
}

/* Nothing is taken out of the set: in a forked child that would take it out of the parent's. */
static void epoll_free(krbrepl__poller *p)
{
    close(p->fd);
    krbrepl__free(p, sizeof *p);
}

krbrepl__poller *krbrepl__poller_epoll_new(krbrepl_errinfo *ei)
{
    static const krbrepl__poller_ops ops = {epoll_add, epoll_change, epoll_del, epoll_gather,
                                            epoll_free};
    krbrepl__poller *p = krbrepl__alloc(sizeof *p);

    if (p == NULL) {
        krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
        return NULL;
    }
    p->ops = &ops;
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno,
                          "node: no descriptor for waiting; raise the limit of open files (ulimit -n)");
        krbrepl__free(p, sizeof *p);
        return NULL;
    }
    return p;
}

#else

krbrepl__poller *krbrepl__poller_epoll_new(krbrepl_errinfo *ei)
{
    krbrepl__fail(ei, KRBREPL_ERR_INVALID, "node: this system has no epoll; poll is used in its place");
    return NULL;
}

#endif
