/* legacy.c: a connection whose first byte says that the peer speaks a legacy dialect. */
#include <netinet/in.h>
#include <string.h>

#include "iprop.h"
#include "master.h"
#include "propchan.h"

/* An IPv4 address counts as one also where the socket is of both families. */
static krbrepl_bytes raw_address(const krbrepl__addr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)&a->ss;
    krbrepl_bytes out = {NULL, 0};

    if (a->ss.ss_family == AF_INET) {
        out.data = &((const struct sockaddr_in *)(const void *)&a->ss)->sin_addr;
        out.len = 4;
    } else if (a->ss.ss_family == AF_INET6) {
        out.data = six->sin6_addr.s6_addr;
        out.len = 16;
        if (memcmp(six->sin6_addr.s6_addr, mapped, sizeof mapped) == 0) {
            out.data = six->sin6_addr.s6_addr + 12;
            out.len = 4;
        }
    }
    return out;
}

static int open_heimdal(krbrepl__conn *c, krbrepl__sess **out, krbrepl_errinfo *ei)
{
    const krbrepl__master *m = c->n->master;
    krbrepl__propchan_cfg pc = {.self = m->heimdal_service, .sys = c->n->sys};
    krbrepl__sess_cfg sc;
    krbrepl__chan *chan;
    krbrepl__addr local, peer;
    int rc;

    pc.keytab = m->heimdal_keytab != NULL ? m->heimdal_keytab : m->keytab;
    peer.len = sizeof peer.ss;
    if (krbrepl__sock_bound(c->fd, &local) == 0)
        pc.local = raw_address(&local);
    if (getpeername(c->fd, (struct sockaddr *)&peer.ss, &peer.len) == 0)
        pc.peer = raw_address(&peer);
    rc = krbrepl__propchan_new(&chan, &pc, ei);
    if (rc != 0)
        return rc;
    memset(&sc, 0, sizeof sc);
    sc.master = 1;
    sc.chan = chan;
    sc.port = &c->port;
    sc.log = &c->log;
    sc.address = c->address;
    sc.handshake_ms = m->opt.handshake_ms;
    sc.missing_ms = m->opt.heimdal_missing_ms;
    sc.gone_ms = m->opt.heimdal_gone_ms;
    rc = krbrepl__iprop_master_new(out, &sc, c->opened_ms);
    if (rc != 0)
        chan->ops->free(chan);
    return rc;
}

void krbrepl__legacy_decide(krbrepl__conn *c, uint8_t first)
{
    krbrepl__sess *s;
    krbrepl_errinfo ei;

    c->undecided = 0;
    if (first != KRBREPL__PROP_FIRST)
        return;
    krbrepl__errinfo_clear(&ei);
    /* Should that fail, the native session refuses what it does not understand. */
    if (open_heimdal(c, &s, &ei) != 0)
        return;
    krbrepl__sess_free(c->sess);
    c->sess = s;
}
