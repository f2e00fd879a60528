/* peers.c: the sessions of a master: who may have one, and what becomes of its slot. */
#include <stdio.h>
#include <string.h>

#include "master.h"
#include "sent.h"

static int ask(krbrepl_node *n, const char *principal, const char *address)
{
    if (n->events.authorize == NULL)
        return 0;
    return n->events.authorize(n->events_ctx, principal, address);
}

static int allows(int allow, uint32_t dialect)
{
    const int wanted =
        dialect == KRBREPL_DIALECT_HEIMDAL ? KRBREPL_ALLOW_HEIMDAL : KRBREPL_ALLOW_REPLICA;

    return allow > 0 && (allow & wanted) != 0;
}

/* A replica that has once spoken the native protocol is not talked down to another, whose channel keeps less.
 * The slot that says so is left alone. */
static int is_downgrade(krbrepl__conn *c, const char *principal)
{
    const krbrepl__slot_entry *e = krbrepl__slot_find(c->n, principal);

    if (krbrepl__conn_info(c)->dialect == KRBREPL_DIALECT_NATIVE || e == NULL ||
        e->s.dialect != KRBREPL_DIALECT_NATIVE)
        return 0;
    if (krbrepl__master_may_log(c->n))
        krbrepl__logf(
            &c->n->log, KRBREPL_LOG_WARN, "node",
            "%s: %s is known as a native replica and is not served in a legacy dialect; if it "
            "shall be, drop its slot: krbrepl slot drop",
            c->address, principal);
    return 1;
}

static int may_follow(krbrepl__conn *c, const char *principal, int *allow)
{
    *allow = ask(c->n, principal, c->address);
    if (is_downgrade(c, principal)) {
        *allow = 0;
        return 0;
    }
    if (allows(*allow, (uint32_t)krbrepl__conn_info(c)->dialect))
        return 1;
    /* One that may not come back must not hold the journal back for ever. */
    if (!allows(*allow, KRBREPL_DIALECT_NATIVE))
        krbrepl__slot_forget(c->n, principal);
    return 0;
}

/* The slot has room for such names, as everything that tells names apart must. */
static int is_too_long(const char *principal)
{
    return strlen(principal) >= sizeof((krbrepl__slot *)NULL)->principal;
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* The slot of a session's principal, found at once where it was the last time. */
static krbrepl__slot_entry *slot_for(krbrepl__conn *c, const char *principal)
{
    krbrepl__master *m = c->n->master;
    const uint32_t dialect = (uint32_t)krbrepl__conn_info(c)->dialect;
    krbrepl__slot_entry *e;

    if (c->reset_due)
        return NULL;
    if (c->slot != 0 && c->slot <= m->nslots &&
        strcmp(m->slots[c->slot - 1].s.principal, principal) == 0)
        return &m->slots[c->slot - 1];
    e = krbrepl__slot_of(c->n, principal);
    c->slot = e != NULL ? (size_t)(e - m->slots) + 1 : 0;
    if (e != NULL && e->s.dialect != dialect) {
        e->s.dialect = dialect;
        e->s.base = e->s.last = e->s.acked = 0;
        e->dirty = 1;
    }
    return e;
}

int krbrepl__master_told(krbrepl__conn *c, const char *principal, krbrepl__told *out)
{
    const krbrepl__slot_entry *e = slot_for(c, principal);

    out->base = e != NULL ? e->s.base : 0;
    out->last = e != NULL ? e->s.last : 0;
    out->acked = e != NULL ? e->s.acked : 0;
    return 0;
}

/* All slaves of the same numbers that are here get the same records at about the same time: what one of them is
 * about to be sent is noted for all, so that there is one write for all. That is no lie: nothing that is noted
 * is above what the master has. One whose content is not known (last 0) is left out. */
static void tell_others(krbrepl_node *n, const krbrepl__told *told)
{
    krbrepl__master *m = n->master;
    size_t i;

    for (i = 0; i < m->nslots; i++) {
        krbrepl__slot_entry *e = &m->slots[i];

        if (e->live == NULL || e->s.dialect != KRBREPL_DIALECT_HEIMDAL || e->s.base != told->base ||
            e->s.last == 0 || e->s.last >= told->last)
            continue;
        e->s.last = told->last;
        e->dirty = 1;
    }
}

/* What is lower and was not written down stays as it was: else the session would take it for written when the slave
 * comes back, which has got nothing meanwhile. */
static void keep_higher(krbrepl_node *n, const krbrepl__slot *was)
{
    krbrepl__slot_entry *e = krbrepl__slot_find(n, was->principal);

    if (e == NULL)
        return;
    e->s.base = was->base;
    e->s.last = was->last;
    e->s.acked = was->acked;
    e->dirty = 1;
}

int krbrepl__master_tell(krbrepl__conn *c, const char *principal, const krbrepl__told *told)
{
    krbrepl_node *n = c->n;
    krbrepl__slot_entry *e = slot_for(c, principal);
    krbrepl__slot was;
    int raises, less;

    if (e == NULL)
        return c->reset_due ? KRBREPL_ERR_STATE : KRBREPL_ERR_NOMEM;
    e->live = c;
    less = told->last == 0 || told->acked < e->s.acked;
    raises = !less && e->stored_last != 0 && e->stored_base == told->base && e->s.base == told->base;
    /* Noted for it already, when another slave was about to get the same. */
    if (raises && e->s.last >= told->last && e->s.acked == told->acked)
        return 0;
    if (less && krbrepl__sent_forget(n) != 0)
        return KRBREPL_ERR_IO;
    was = e->s;
    e->s.base = told->base;
    e->s.last = told->last;
    e->s.acked = told->acked;
    e->s.seen_us = n->sys->wall_us(n->sys->ctx);
    e->dirty = 1;
    if (told->last != 0)
        tell_others(n, told);
    /* The store gets it within the second. */
    if (!less && krbrepl__sent_note(n, told->base) == 0 && raises)
        return 0;
    krbrepl__slots_flush(n);
    if (c->reset_due)
        return KRBREPL_ERR_STATE;
    if (!less || !n->master->slots_failed)
        return 0;
    /* A number that is too low costs a complete database; one that is too high would cost the truth. */
    keep_higher(n, &was);
    return KRBREPL_ERR_IO;
}

/* Too low a number costs a complete database, after a crash of this node, so that this can wait for the next note
 * or the next second. */
void krbrepl__master_answered(krbrepl__conn *c, const char *principal, uint32_t version)
{
    krbrepl__slot_entry *e = slot_for(c, principal);

    if (e == NULL || e->s.acked == version)
        return;
    e->s.acked = version;
    e->dirty = 1;
}

enum krbrepl__prior krbrepl__master_prior(krbrepl_node *n, uint64_t seq)
{
    const krbrepl__priors *p = n->master->priors;

    return p != NULL ? krbrepl__priors_get(p, seq) : KRBREPL__PRIOR_UNKNOWN;
}

void krbrepl__master_hold(krbrepl__conn *c, const char *principal, uint64_t seq)
{
    krbrepl_node *n = c->n;
    krbrepl__slot_entry *e = slot_for(c, principal);
    uint64_t was;

    if (e == NULL)
        return;
    was = e->s.hold;
    if (was == seq)
        return;
    e->s.hold = seq;
    e->s.seen_us = n->sys->wall_us(n->sys->ctx);
    e->dirty = 1;
    /* What is needed from now on must not be trimmed before the next second; what is not needed any more
     * can wait. */
    if (seq != 0 && (was == 0 || seq < was))
        krbrepl__slots_flush(n);
}

static void keep_slot(krbrepl__conn *c, const krbrepl__sess_info *i)
{
    krbrepl_node *n = c->n;
    krbrepl__slot_entry *e;

    if (i->phase != KRBREPL__SESS_COPYING && i->phase != KRBREPL__SESS_STREAMING)
        return;
    e = slot_for(c, i->principal);
    if (e == NULL)
        return;
    e->live = c;
    if (e->s.durable != i->durable || (c->copy_us != 0 && e->s.copy_us != c->copy_us))
        e->dirty = 1;
    e->s.durable = i->durable;
    if (c->copy_us != 0) {
        e->s.copy_us = c->copy_us;
        e->s.copy_reason = i->copy_reason;
    }
    e->s.seen_us = n->sys->wall_us(n->sys->ctx);
}

/* ---- sessions ------------------------------------------------------------------------------- */

static void supersede_others(krbrepl__conn *c, const char *principal)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&c->n->conns, l, after)
    {
        krbrepl__conn *o = l->self;

        if (o == c || o->over || !o->secured ||
            strcmp(krbrepl__conn_info(o)->principal, principal) != 0)
            continue;
        o->superseded = 1;
        krbrepl__conn_close(o, 0, "a newer session of the same replica takes its place");
    }
}

/* Before the session says anything: the one that it takes the place of is over by then. */
static void welcome(krbrepl__conn *c, const char *principal)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);

    c->secured = 1;
    krbrepl__item_drop(&c->fresh);
    krbrepl__logf(&c->n->log, KRBREPL_LOG_INFO, "node", "%s: %s has authenticated (%s)", c->address,
                  principal, i->mechanism != NULL ? i->mechanism : "");
    supersede_others(c, principal);
}

int krbrepl__master_authorize(krbrepl__conn *c, const char *principal)
{
    int allow;

    if (is_too_long(principal))
        return 0;
    if (may_follow(c, principal, &allow) && !c->secured)
        welcome(c, principal);
    return allow;
}

void krbrepl__master_conn_moved(krbrepl__conn *c)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);

    keep_slot(c, i);
    if (!c->up && i->phase >= KRBREPL__SESS_COPYING) {
        c->up = 1;
        if (c->n->master->prompt)
            krbrepl__sess_prompt(c->sess);
        krbrepl__conn_tell_peer(c, 0);
    }
    c->n->acks_moved = 1;
}

void krbrepl__master_conn_over(krbrepl__conn *c)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);
    krbrepl_node *n = c->n;
    krbrepl__slot_entry *e;

    if (!c->up && i->err != 0)
        n->count.refused++;
    if (i->err != 0 && c->up)
        krbrepl__node_note(n, i->err, i->text);
    if (c->secured) {
        e = krbrepl__slot_find(n, i->principal);
        if (e != NULL && e->live == c) {
            e->live = NULL;
            e->dirty = 1;
        }
    }
    if (c->up)
        krbrepl__conn_tell_peer(c, i->err);
    n->acks_moved = 1;
}

/* One that is not here and may not come back neither holds the journal nor counts for those who wait. */
static void ask_for_absent(krbrepl_node *n)
{
    krbrepl__master *m = n->master;
    size_t i = m->nslots;

    while (i-- > 0) {
        if (m->slots[i].live == NULL &&
            !allows(ask(n, m->slots[i].s.principal, ""), m->slots[i].s.dialect))
            krbrepl__slot_forget(n, m->slots[i].s.principal);
    }
}

void krbrepl__master_reauthorize(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    krbrepl__logf(&n->log, KRBREPL_LOG_INFO, "node", "every session is authorized anew");
    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;
        int allow;

        if (c->over || !c->secured)
            continue;
        if (!may_follow(c, krbrepl__conn_info(c)->principal, &allow))
            krbrepl__conn_close(c, KRBREPL_ERR_DENIED,
                                "it is not authorized any more; add it to the acl of the master, or to "
                                "whom its authorize callback allows");
    }
    ask_for_absent(n);
    n->acks_moved = 1;
}
