/* dial.c: from the master's name to a connected socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dial.h"

static void try_next(krbrepl__dial *d, const char *why);

static void close_socket(krbrepl__dial *d)
{

    krbrepl__poller_del(d->n->poller, &d->watch);
    krbrepl__timer_unset(&d->n->timers, &d->limit);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void krbrepl__dial_end(krbrepl__dial *d)
{

    close_socket(d);
    krbrepl__pool_abandon(d->n->pool, d->task);
    d->task = NULL;
    d->state = KRBREPL__DIAL_IDLE;
}

static void failed(krbrepl__dial *d, const char *why)
{
    krbrepl__dial_end(d);
    d->unreachable(d->n, why);
}

static void connected(krbrepl__dial *d)
{
    krbrepl__addr addr = d->addr[d->next];
    int fd = d->fd;

    d->fd = -1;
    close_socket(d);
    d->state = KRBREPL__DIAL_IDLE;
    /* Should the session fail, the next dial begins with the next address. */
    d->start = d->next + 1;
    d->connected(d->n, fd, &addr);
}

static void say_error(krbrepl__dial *d, int e, char *out, size_t room)
{
    char address[KRBREPL__ADDR_TEXT], why[96] = "";

    krbrepl__addr_text(&d->addr[d->next], address);
    if (strerror_r(e, why, sizeof why) != 0)
        why[0] = '\0';
    snprintf(out, room, "%s: %s", address, why);
}

static void on_decided(void *ctx, unsigned ready)
{
    krbrepl__dial *d = ctx;
    char why[200];
    int e;

    (void)ready;
    e = krbrepl__sock_error(d->fd);
    krbrepl__poller_del(d->n->poller, &d->watch);
    if (e == 0) {
        connected(d);
        return;
    }
    say_error(d, e, why, sizeof why);
    try_next(d, why);
}

static void on_limit(void *ctx)
{
    krbrepl__dial *d = ctx;
    char why[200];

    if (d->state == KRBREPL__DIAL_LOOKUP) {
        failed(d, "the name server does not answer");
        return;
    }
    say_error(d, ETIMEDOUT, why, sizeof why);
    try_next(d, why);
}

/* Connects to the next address that was not tried yet. */
static void try_next(krbrepl__dial *d, const char *why)
{
    krbrepl_errinfo ei;
    int rc = KRBREPL_ERR_NET;

    close_socket(d);
    krbrepl__errinfo_clear(&ei);
    while (d->tried < d->count && rc != 0) {
        d->next = (d->start + d->tried++) % d->count;
        rc = krbrepl__sock_connect(&d->addr[d->next], &d->fd, &ei);
        why = rc != 0 ? ei.text : why;
    }
    if (rc == 0)
        rc = krbrepl__poller_add(d->n->poller, &d->watch, d->fd, KRBREPL__WRITE, on_decided, d);
    if (rc != 0) {
        failed(d, why);
        return;
    }
    d->state = KRBREPL__DIAL_CONNECT;
    krbrepl__timer_set(&d->n->timers, &d->limit, d->n->now + d->limit_ms);
}

static void on_lookup(void *ctx, krbrepl__job *j)
{
    krbrepl__dial *d = ctx;
    krbrepl__lookup *l = (krbrepl__lookup *)j;
    char why[300];

    d->task = NULL;
    d->count = l->n;
    d->tried = 0;
    memcpy(d->addr, l->addr, sizeof d->addr);
    snprintf(why, sizeof why, "%s cannot be found: %s", l->host, l->text);
    j->free(j);
    if (d->count == 0)
        failed(d, why);
    else
        try_next(d, why);
}

int krbrepl__dial_begin(krbrepl__dial *d)
{
    krbrepl__lookup *l;
    int rc = KRBREPL_ERR_NOMEM;

    if (d->state != KRBREPL__DIAL_IDLE)
        return 0;
    d->limit.fn = on_limit;
    d->waiter.done = on_lookup;
    d->limit.ctx = d->waiter.ctx = d;
    l = krbrepl__lookup_new(d->host, d->port);
    if (l != NULL)
        rc = krbrepl__pool_submit(d->n->pool, KRBREPL__QUEUE_NAMES, &l->job, &d->waiter, &d->task);
    if (rc != 0) {
        if (l != NULL)
            l->job.free(&l->job);
        failed(d, krbrepl_strerror(rc));
        return rc;
    }
    d->state = KRBREPL__DIAL_LOOKUP;
    krbrepl__timer_set(&d->n->timers, &d->limit, d->n->now + d->limit_ms);
    return 0;
}
