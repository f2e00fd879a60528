#include "master.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "propchan.h"
#include "sent.h"

#define LINES_PER_SECOND 20
#define WINDOW_MIN 4096u
#define WINDOW_MAX (UINT64_C(1) << 30)
#define DRAIN_MS 5000u /* at most, for the replicas to take what was committed before the role went */

static void fill_zero(uint64_t *v, uint64_t preset)
{
    if (*v == 0)
        *v = preset;
}

static void set_defaults(krbrepl_master_options *o)
{
    fill_zero(&o->max_peers, 10000);
    fill_zero(&o->max_unauth, 256);
    fill_zero(&o->max_per_address, 64);
    o->handshake_ms = krbrepl__node_ms(o->handshake_ms, 10000);
    o->missing_ms = krbrepl__node_ms(o->missing_ms, 10000);
    o->gone_ms = krbrepl__node_ms(o->gone_ms, 60000);
    fill_zero(&o->window, 4u << 20);
    fill_zero(&o->repairs_max, 4);
    o->heimdal_missing_ms = krbrepl__node_ms(o->heimdal_missing_ms, 120000);
    o->heimdal_gone_ms = krbrepl__node_ms(o->heimdal_gone_ms, 300000);
}

static int keep(char **to, const char *s)
{
    *to = krbrepl__strdup(s);
    return s != NULL && *to == NULL ? KRBREPL_ERR_NOMEM : 0;
}

static int make(krbrepl_node *n, const krbrepl_master_options *opt)
{
    krbrepl__master *m = krbrepl__alloc(sizeof *m);

    if (m == NULL)
        return KRBREPL_ERR_NOMEM;
    n->master = m;
    m->n = n;
    m->sent_fd = -1;
    m->opt = *opt;
    set_defaults(&m->opt);
    krbrepl__list_init(&m->fresh);
    m->opt.listen = m->opt.service = m->opt.keytab = NULL;
    m->opt.heimdal_service = m->opt.heimdal_keytab = NULL;
    if ((m->opt.flags & KRBREPL_MASTER_HEIMDAL) != 0) {
        m->priors = krbrepl__alloc(sizeof *m->priors);
        if (m->priors == NULL)
            return KRBREPL_ERR_NOMEM;
    }
    if (keep(&m->service, opt->service) != 0 || keep(&m->keytab, opt->keytab) != 0 ||
        keep(&m->heimdal_service, opt->heimdal_service) != 0 ||
        keep(&m->heimdal_keytab, opt->heimdal_keytab) != 0)
        return KRBREPL_ERR_NOMEM;
    return 0;
}

static int check_heimdal(krbrepl_node *n)
{
    const krbrepl__master *m = n->master;
    krbrepl__propchan_cfg pc = {.self = m->heimdal_service};
    krbrepl_errinfo ei;

    if ((m->opt.flags & KRBREPL_MASTER_HEIMDAL) == 0)
        return 0;
    pc.keytab = m->heimdal_keytab != NULL ? m->heimdal_keytab : m->keytab;
    krbrepl__errinfo_clear(&ei);
    if (krbrepl__propchan_probe(&pc, &ei) == 0) {
        krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                      "Heimdal's slaves are served too, over a channel without forward secrecy");
        return 0;
    }
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node",
                  "no slave of Heimdal's could authenticate this master: %s", ei.text);
    return krbrepl__node_fail_from(n, &ei);
}

/* What would fail at each connection fails the start: nobody reads the log of a program that runs. The KDC is
 * not asked; it may come up later. */
static int check(krbrepl_node *n)
{
    const krbrepl__master *m = n->master;
    krbrepl__sec_cfg sec = {0};
    krbrepl_errinfo ei;

    if (m->opt.window < WINDOW_MIN || m->opt.window > WINDOW_MAX)
        return krbrepl__fail(&n->ei, KRBREPL_ERR_INVALID,
                             "node: a window of %llu bytes; choose one between 4096 and 2^30",
                             (unsigned long long)m->opt.window);
    sec.self = m->service;
    sec.keytab = m->keytab;
    krbrepl__errinfo_clear(&ei);
    if (krbrepl__sec_probe(&sec, &ei) == 0)
        return check_heimdal(n);
    /* One that serves a realm of Heimdal's alone needs no key of its native name. */
    if ((m->opt.flags & KRBREPL_MASTER_HEIMDAL) != 0) {
        krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                      "no native replica is served, for there is no key for that: %s", ei.text);
        return check_heimdal(n);
    }
    krbrepl__logf(&n->log, KRBREPL_LOG_ERROR, "node", "no replica could authenticate this master: %s",
                  ei.text);
    return krbrepl__node_fail_from(n, &ei);
}

int krbrepl__master_serve(krbrepl_node *n, const krbrepl_master_options *opt)
{
    krbrepl_master_options none = {0};
    int rc = make(n, opt != NULL ? opt : &none);

    if (rc != 0)
        krbrepl__fail_plain(&n->ei, rc);
    if (rc == 0 && opt != NULL)
        rc = check(n);
    if (rc == 0)
        rc = krbrepl__slots_load(n);
    if (rc == 0 && opt != NULL)
        rc = krbrepl__master_listen(n, opt->listen);
    if (rc != 0)
        return rc;
    krbrepl__errinfo_clear(&n->ei);
    if (opt != NULL)
        krbrepl__logf(&n->log, KRBREPL_LOG_NOTICE, "node",
                      "serving the store in %s as master, at commit %llu of epoch %llu",
                      krbrepl_store_dir(n->store), (unsigned long long)n->info.pos.seq,
                      (unsigned long long)n->info.pos.epoch);
    if (opt != NULL && n->events.authorize == NULL)
        krbrepl__logf(&n->log, KRBREPL_LOG_WARN, "node",
                      "no authorize callback is set, so every peer will be refused");
    return 0;
}

int krbrepl__master_start(krbrepl_node *n, const krbrepl_master_options *opt)
{
    int rc = krbrepl__node_begin(n, 1);

    if (rc != 0)
        return rc;
    rc = krbrepl__master_serve(n, opt);
    if (rc != 0) {
        krbrepl__node_end(n);
        return rc;
    }
    krbrepl__node_state(n, KRBREPL_STATE_SERVING, 0);
    return 0;
}

static void forget_names(krbrepl__master *m)
{
    krbrepl__sent_close(m);
    krbrepl__strfree(m->service);
    krbrepl__strfree(m->keytab);
    krbrepl__strfree(m->heimdal_service);
    krbrepl__strfree(m->heimdal_keytab);
    krbrepl__free(m->priors, sizeof *m->priors);
}

void krbrepl__master_stop(krbrepl_node *n)
{
    krbrepl__master *m = n->master;

    if (m == NULL)
        return;
    krbrepl__master_close_listeners(n);
    krbrepl__slots_flush(n);
    krbrepl__slots_free(n);
    forget_names(m);
    krbrepl__free(m, sizeof *m);
    n->master = NULL;
}

void krbrepl__master_forget(krbrepl_node *n)
{
    krbrepl__master *m = n->master;

    if (m == NULL)
        return;
    while (m->nlst > 0)
        close(m->lst[--m->nlst].fd);
    krbrepl__slots_free(n);
    forget_names(m);
    krbrepl__free(m, sizeof *m);
}

/* ---- those who are turned away -------------------------------------------------------------- */

int krbrepl__master_may_log(krbrepl_node *n)
{
    krbrepl__quiet *q = &n->master->quiet;

    if (n->now - q->since >= 1000) {
        if (q->dropped != 0)
            krbrepl__logf(&n->log, KRBREPL_LOG_WARN, "node",
                          "%u more connections were turned away, with no line for each", q->dropped);
        q->since = n->now;
        q->lines = q->dropped = 0;
    }
    if (q->lines < LINES_PER_SECOND) {
        q->lines++;
        return 1;
    }
    q->dropped++;
    return 0;
}

void krbrepl__master_turned_away(krbrepl_node *n, const char *address, const char *why)
{
    if (krbrepl__master_may_log(n))
        krbrepl__logf(&n->log, KRBREPL_LOG_WARN, "node", "%s: turned away: %s", address, why);
}

/* ---- the store moved ------------------------------------------------------------------------ */

static void wake_all(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        if (c->over || !c->secured)
            continue;
        krbrepl__sess_grown(c->sess, n->info.pos.seq);
        krbrepl__conn_wake(c);
    }
}

static void begin_drain(krbrepl_node *n)
{
    krbrepl__master *m = n->master;

    m->drain_err = n->info.role == KRBREPL_ROLE_FENCED ? KRBREPL_ERR_FENCED : KRBREPL_ERR_NOT_MASTER;
    m->drain_until = n->now + DRAIN_MS;
    krbrepl__logf(
        &n->log, KRBREPL_LOG_NOTICE, "node",
        "the store in %s is not master any more, it is %s; the replicas get what was committed "
        "until then, and the node stops",
        krbrepl_store_dir(n->store), krbrepl_role_name(n->info.role));
    krbrepl__master_close_listeners(n);
}

static int all_have(krbrepl_node *n, uint64_t seq)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        if (!c->over && c->secured && krbrepl__conn_info(c)->durable < seq)
            return 0;
    }
    return 1;
}

static void check_drain(krbrepl_node *n)
{
    krbrepl__master *m = n->master;

    if (m->drain_err == 0 || (!all_have(n, n->info.pos.seq) && n->now < m->drain_until))
        return;
    if (m->drain_err == KRBREPL_ERR_FENCED)
        krbrepl__node_give_up(n, m->drain_err,
                              "a master with a higher epoch exists; run this node as its replica, or "
                              "promote it if it is the right master");
    else
        krbrepl__node_give_up(n, m->drain_err,
                              "the store was demoted; run this node as a replica of the new master");
}

void krbrepl__master_looked(krbrepl_node *n, const krbrepl_store_info *before)
{
    if (n->info.role != KRBREPL_ROLE_MASTER && n->master->drain_err == 0)
        begin_drain(n);
    if (n->info.pos.seq != before->pos.seq) {
        if (n->master->priors != NULL)
            krbrepl__priors_moved(n->master->priors, n->store, before, &n->info);
        wake_all(n);
        n->acks_moved = 1;
    }
    check_drain(n);
}

void krbrepl__master_prompt(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    if (n->master->prompt)
        return;
    n->master->prompt = 1;
    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        if (c->over || !c->up)
            continue;
        krbrepl__sess_prompt(c->sess);
        krbrepl__conn_wake(c);
    }
}

void krbrepl__master_tick(krbrepl_node *n)
{
    krbrepl__slots_flush(n);
    krbrepl__master_resume(n);
    if (n->master->quiet.dropped != 0 && n->now - n->master->quiet.since >= 1000)
        krbrepl__master_may_log(n);
}
