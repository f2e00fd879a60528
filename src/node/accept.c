/* accept.c: the door: listeners, and the limits on those who have not proved who they are. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master.h"

/* ---- who is let in -------------------------------------------------------------------------- */

/* The oldest of the fresh ones, from `key` only unless that is NULL. */
static krbrepl__conn *oldest_fresh(krbrepl__master *m, const uint8_t *key, size_t *count)
{
    krbrepl__conn *found = NULL;
    krbrepl__item *l, *after;

    *count = 0;
    KRBREPL__EACH_ITEM(&m->fresh, l, after)
    {
        krbrepl__conn *c = l->self;

        if (key != NULL && memcmp(key, c->key, sizeof c->key) != 0)
            continue;
        ++*count;
        if (found == NULL)
            found = c;
    }
    return found;
}

static void push_out(krbrepl__conn *c, const char *why)
{
    krbrepl_node *n = c->n;

    if (!c->over) {
        n->count.refused++;
        krbrepl__master_turned_away(n, c->address, why);
    }
    krbrepl__conn_kill(c);
}

/* Room for one more. Whoever has had the longest time to authenticate makes room: an honest peer needs
 * milliseconds, and so gets in even while others keep opening connections that say nothing. */
static void make_room(krbrepl_node *n, const uint8_t key[KRBREPL__ADDR_KEY])
{
    krbrepl__master *m = n->master;
    size_t count;
    krbrepl__conn *c = oldest_fresh(m, key, &count);

    if (c != NULL && count >= m->opt.max_per_address)
        push_out(c,
                 "too many connections from its address have not authenticated, and it is the oldest");
    c = oldest_fresh(m, NULL, &count);
    if (c != NULL && count >= m->opt.max_unauth)
        push_out(c, "too many connections have not authenticated, and it is the oldest");
}

static int turn_away(krbrepl_node *n, const krbrepl__addr *peer, int fd, const char *why)
{
    char address[KRBREPL__ADDR_TEXT];

    krbrepl__addr_text(peer, address);
    n->count.refused++;
    krbrepl__master_turned_away(n, address, why);
    krbrepl__sock_close(fd);
    return 0;
}

static void take(krbrepl_node *n, int fd, const krbrepl__addr *peer)
{
    krbrepl__master *m = n->master;
    krbrepl__sec_cfg sec = {0};
    krbrepl__conn_cfg cfg = {0};
    krbrepl_errinfo ei;
    krbrepl__conn *c;
    uint8_t key[KRBREPL__ADDR_KEY];

    krbrepl__addr_key(peer, key);
    make_room(n, key);
    if (n->nconns >= m->opt.max_peers) {
        turn_away(n, peer, fd, "there are as many connections as max_peers allows");
        return;
    }
    sec.self = m->service;
    sec.keytab = m->keytab;
    cfg.inbound = 1;
    cfg.undecided = (m->opt.flags & KRBREPL_MASTER_HEIMDAL) != 0;
    cfg.sec = &sec;
    cfg.handshake_ms = m->opt.handshake_ms;
    cfg.missing_ms = m->opt.missing_ms;
    cfg.gone_ms = m->opt.gone_ms;
    cfg.window = m->opt.window;
    krbrepl__errinfo_clear(&ei);
    if (krbrepl__conn_new(&c, n, fd, peer, &cfg, &ei) != 0) {
        char address[KRBREPL__ADDR_TEXT];

        krbrepl__addr_text(peer, address);
        n->count.refused++;
        krbrepl__master_turned_away(n, address, ei.text);
        return;
    }
    krbrepl__item_push(&m->fresh, &c->fresh, c);
}

/* ---- the listeners -------------------------------------------------------------------------- */

/* Out of descriptors or memory: a listener that stays readable would keep the node spinning. */
static void pause_accepting(krbrepl_node *n, int e)
{
    krbrepl__master *m = n->master;
    char why[96] = "";
    size_t i;

    if (strerror_r(e, why, sizeof why) != 0)
        why[0] = '\0';
    krbrepl__logf(
        &n->log, KRBREPL_LOG_ERROR, "node",
        "no new connection can be accepted (%s); the node goes on with those it has and tries "
        "again within a second; raise the limit of open files (ulimit -n) if it is that",
        why);
    for (i = 0; i < m->nlst; i++)
        krbrepl__poller_want(n->poller, &m->lst[i].watch, 0);
    m->accept_paused = 1;
}

void krbrepl__master_resume(krbrepl_node *n)
{
    krbrepl__master *m = n->master;
    size_t i;

    if (!m->accept_paused)
        return;
    m->accept_paused = 0;
    for (i = 0; i < m->nlst; i++)
        krbrepl__poller_want(n->poller, &m->lst[i].watch, KRBREPL__READ);
}

static void on_accept(void *ctx, unsigned ready)
{
    krbrepl__listener *l = ctx;
    krbrepl__addr peer;
    int i, fd, rc = 0;

    (void)ready;
    for (i = 0; i < KRBREPL__TURN_ACCEPTS && rc == 0; i++) {
        rc = krbrepl__sock_accept(l->fd, &fd, &peer);
        if (rc == 0)
            take(l->n, fd, &peer);
    }
    if (rc < 0)
        pause_accepting(l->n, errno);
}

/* One address. With port 0 the kernel chooses, once for all listeners. */
static int listen_on(krbrepl_node *n, krbrepl__addr *a, krbrepl_errinfo *ei)
{
    krbrepl__master *m = n->master;
    krbrepl__listener *l;
    char text[KRBREPL__ADDR_TEXT];
    int fd, rc;

    if (m->nlst == KRBREPL__LISTENERS)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "node: more than %d addresses to listen on",
                             KRBREPL__LISTENERS);
    if (krbrepl__addr_port(a) == 0 && m->nlst != 0)
        krbrepl__addr_set_port(a, krbrepl__node_tcp_port(n));
    rc = krbrepl__sock_listen(a, &fd, ei);
    if (rc != 0)
        return rc;
    l = &m->lst[m->nlst];
    rc = krbrepl__poller_add(n->poller, &l->watch, fd, KRBREPL__READ, on_accept, l);
    if (rc != 0) {
        close(fd);
        return krbrepl__fail_plain(ei, rc);
    }
    l->n = n;
    l->fd = fd;
    m->nlst++;
    if (krbrepl__sock_bound(fd, a) == 0) {
        krbrepl__addr_text(a, text);
        krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node", "listening on %s", text);
    }
    return 0;
}

/* One "ADDR:PORT". A missing IPv6 or address is told, and no failure while there is another. */
static int listen_item(krbrepl_node *n, const char *s, size_t len)
{
    char host[128], port[32];
    krbrepl__addr a[2];
    krbrepl_errinfo ei;
    int i, count;

    count = krbrepl__hostport_split(s, len, host, sizeof host, port, sizeof port);
    if (count == 0)
        count = krbrepl__addr_parse(host, port[0] != '\0' ? port : KRBREPL__DEFAULT_PORT, a);
    if (count < 0)
        return krbrepl__fail(
            &n->ei, KRBREPL_ERR_INVALID,
            "node: \"%.*s\" is no address to listen on; write ADDR:PORT, [ADDR]:PORT or "
            "*:PORT with a numeric address",
            (int)len, s);
    for (i = 0; i < count; i++) {
        krbrepl__errinfo_clear(&ei);
        if (listen_on(n, &a[i], &ei) == 0)
            continue;
        n->ei = ei;
        if (ei.sys_errno != EAFNOSUPPORT)
            krbrepl__logf(&n->log, KRBREPL_LOG_WARN, "node", "%s", ei.text);
    }
    return 0;
}

int krbrepl__master_listen(krbrepl_node *n, const char *listen)
{
    const char *s = listen != NULL && listen[0] != '\0' ? listen : "*";
    int rc = 0;

    while (rc == 0 && s[0] != '\0') {
        size_t len = strcspn(s, ", ");

        if (len != 0)
            rc = listen_item(n, s, len);
        s += len + (s[len] != '\0');
    }
    if (rc != 0)
        return rc;
    return n->master->nlst != 0 ? 0 : KRBREPL_ERR_NET;
}

void krbrepl__master_close_listeners(krbrepl_node *n)
{
    krbrepl__master *m = n->master;

    while (m->nlst > 0) {
        krbrepl__listener *l = &m->lst[--m->nlst];

        krbrepl__poller_del(n->poller, &l->watch);
        krbrepl__sock_close(l->fd);
    }
}

unsigned krbrepl__node_tcp_port(const krbrepl_node *n)
{
    krbrepl__addr a;

    if (n->master == NULL || n->master->nlst == 0 || krbrepl__sock_bound(n->master->lst[0].fd, &a) != 0)
        return 0;
    return krbrepl__addr_port(&a);
}
