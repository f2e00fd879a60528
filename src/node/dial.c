/* dial.c: from the master's name to a connected socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "replica.h"

static void try_next(krbrepl_node *n, const char *why);

static void close_socket(krbrepl_node *n)
{
    krbrepl__dial *d = &n->replica->dial;

    krbrepl__poller_del(n->poller, &d->watch);
    krbrepl__timer_unset(&n->timers, &d->limit);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

void krbrepl__dial_end(krbrepl_node *n)
{
    krbrepl__dial *d = &n->replica->dial;

    close_socket(n);
    krbrepl__pool_abandon(n->pool, d->task);
    d->task = NULL;
    d->state = KRBREPL__DIAL_IDLE;
}

static void failed(krbrepl_node *n, const char *why)
{
    krbrepl__dial_end(n);
    krbrepl__replica_unreachable(n, why);
}

static void connected(krbrepl_node *n)
{
    krbrepl__dial *d = &n->replica->dial;
    krbrepl__addr addr = d->addr[d->next];
    int fd = d->fd;

    d->fd = -1;
    close_socket(n);
    d->state = KRBREPL__DIAL_IDLE;
    /* Should the session fail, the next dial begins with the next address. */
    d->start = d->next + 1;
    krbrepl__replica_connected(n, fd, &addr);
}

static void say_error(krbrepl_node *n, int e, char *out, size_t room)
{
    krbrepl__dial *d = &n->replica->dial;
    char address[KRBREPL__ADDR_TEXT], why[96] = "";

    krbrepl__addr_text(&d->addr[d->next], address);
    if (strerror_r(e, why, sizeof why) != 0)
        why[0] = '\0';
    snprintf(out, room, "%s: %s", address, why);
}

static void on_decided(void *ctx, unsigned ready)
{
    krbrepl_node *n = ctx;
    krbrepl__dial *d = &n->replica->dial;
    char why[200];
    int e;

    (void)ready;
    e = krbrepl__sock_error(d->fd);
    krbrepl__poller_del(n->poller, &d->watch);
    if (e == 0) {
        connected(n);
        return;
    }
    say_error(n, e, why, sizeof why);
    try_next(n, why);
}

static void on_limit(void *ctx)
{
    krbrepl_node *n = ctx;
    char why[200];

    if (n->replica->dial.state == KRBREPL__DIAL_LOOKUP) {
        failed(n, "the name server does not answer");
        return;
    }
    say_error(n, ETIMEDOUT, why, sizeof why);
    try_next(n, why);
}

/* Connects to the next address that was not tried yet. */
static void try_next(krbrepl_node *n, const char *why)
{
    krbrepl__replica *r = n->replica;
    krbrepl__dial *d = &r->dial;
    krbrepl_errinfo ei;
    int rc = KRBREPL_ERR_NET;

    close_socket(n);
    krbrepl__errinfo_clear(&ei);
    while (d->tried < d->n && rc != 0) {
        d->next = (d->start + d->tried++) % d->n;
        rc = krbrepl__sock_connect(&d->addr[d->next], &d->fd, &ei);
        why = rc != 0 ? ei.text : why;
    }
    if (rc == 0)
        rc = krbrepl__poller_add(n->poller, &d->watch, d->fd, KRBREPL__WRITE, on_decided, n);
    if (rc != 0) {
        failed(n, why);
        return;
    }
    d->state = KRBREPL__DIAL_CONNECT;
    krbrepl__timer_set(&n->timers, &d->limit, n->now + r->opt.handshake_ms);
}

static void on_lookup(void *ctx, krbrepl__job *j)
{
    krbrepl_node *n = ctx;
    krbrepl__dial *d = &n->replica->dial;
    krbrepl__lookup *l = (krbrepl__lookup *)j;
    char why[300];

    d->task = NULL;
    d->n = l->n;
    d->tried = 0;
    memcpy(d->addr, l->addr, sizeof d->addr);
    snprintf(why, sizeof why, "%s cannot be found: %s", l->host, l->text);
    j->free(j);
    if (d->n == 0)
        failed(n, why);
    else
        try_next(n, why);
}

int krbrepl__dial_begin(krbrepl_node *n)
{
    krbrepl__replica *r = n->replica;
    krbrepl__dial *d = &r->dial;
    krbrepl__lookup *l;
    int rc = KRBREPL_ERR_NOMEM;

    if (d->state != KRBREPL__DIAL_IDLE)
        return 0;
    d->limit.fn = on_limit;
    d->waiter.done = on_lookup;
    d->limit.ctx = d->waiter.ctx = n;
    l = krbrepl__lookup_new(r->host, r->port);
    if (l != NULL)
        rc = krbrepl__pool_submit(n->pool, KRBREPL__QUEUE_NAMES, &l->job, &d->waiter, &d->task);
    if (rc != 0) {
        if (l != NULL)
            l->job.free(&l->job);
        failed(n, krbrepl_strerror(rc));
        return rc;
    }
    d->state = KRBREPL__DIAL_LOOKUP;
    krbrepl__timer_set(&n->timers, &d->limit, n->now + r->opt.handshake_ms);
    return 0;
}
