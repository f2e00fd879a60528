/* status.c: what a node knows about itself and its peers. */
#include <stdio.h>
#include <string.h>

#include "master.h"
#include "replica.h"

/* ---- peers ---------------------------------------------------------------------------------- */

static uint64_t state_of_phase(int phase)
{
    switch (phase) {
    case KRBREPL__SESS_COPYING:
        return KRBREPL_STATE_COPYING;
    case KRBREPL__SESS_STREAMING:
        return KRBREPL_STATE_STREAMING;
    case KRBREPL__SESS_CLOSED:
        return KRBREPL_STATE_STOPPED;
    default:
        return KRBREPL_STATE_CONNECTING;
    }
}

/* The age of the oldest commit that is not durable at a replica. */
uint64_t krbrepl__master_lag_us(krbrepl_node *n, uint64_t durable)
{
    int64_t then, now = n->sys->wall_us(n->sys->ctx);

    if (durable >= n->info.pos.seq)
        return 0;
    if (krbrepl__store_time_at(n->store, durable + 1, &then) != 0 &&
        krbrepl__store_time_at(n->store, n->info.journal_first, &then) != 0)
        return 0;
    /* At least a microsecond, so that 0 always means "has everything". */
    return now > then ? (uint64_t)(now - then) : 1;
}

static void peer_lag(krbrepl_node *n, krbrepl_peer *p)
{
    if (p->durable >= n->info.pos.seq)
        return;
    p->lag_commits = n->info.pos.seq - p->durable;
    p->lag_us = krbrepl__master_lag_us(n, p->durable);
}

/* Mono time of the last bytes, as wall time. */
static int64_t seen_us(krbrepl_node *n, const krbrepl__sess_info *i)
{
    uint64_t now = n->sys->mono_ms(n->sys->ctx);
    uint64_t ago = now > i->heard_ms ? now - i->heard_ms : 0;

    return n->sys->wall_us(n->sys->ctx) - (int64_t)(ago * 1000);
}

void krbrepl__conn_peer(krbrepl__conn *c, krbrepl_peer *p)
{
    const krbrepl__sess_info *i = krbrepl__conn_info(c);

    memset(p, 0, sizeof *p);
    p->size = sizeof *p;
    p->id = c->id;
    p->principal = i->principal != NULL ? i->principal : "";
    p->address = c->address;
    p->name = i->name;
    p->state = state_of_phase(i->phase);
    p->last_err = i->err;
    p->received = i->received;
    p->durable = i->durable;
    p->applied = i->applied;
    p->connected_us = c->connected_us;
    p->last_seen_us = seen_us(c->n, i);
    p->last_copy_us = c->copy_us;
    p->last_copy_reason = c->copy_us != 0 ? i->copy_reason : 0;
    p->bytes_out = i->bytes_out;
    p->bytes_in = i->bytes_in;
    p->proved_seq = i->proved_seq;
    p->proved_us = c->proved_us;
    p->dialect = (uint64_t)i->dialect;
    p->version = i->version;
    if (c->n->master != NULL)
        peer_lag(c->n, p);
}

void krbrepl__conn_tell_peer(krbrepl__conn *c, int err)
{
    krbrepl_peer p;

    if (c->n->events.peer == NULL)
        return;
    krbrepl__conn_peer(c, &p);
    c->n->events.peer(c->n->events_ctx, &p, err);
}

/* A replica that is known and not here. */
static void absent_peer(krbrepl_node *n, const krbrepl__slot *s, krbrepl_peer *p)
{
    memset(p, 0, sizeof *p);
    p->size = sizeof *p;
    p->principal = s->principal;
    p->address = p->name = "";
    p->state = KRBREPL_STATE_STOPPED;
    p->received = p->durable = p->applied = s->durable;
    p->last_seen_us = s->seen_us;
    p->last_copy_us = s->copy_us;
    p->last_copy_reason = s->copy_reason;
    p->dialect = s->dialect;
    p->version = s->last;
    peer_lag(n, p);
}

/* The last copy may have been made in an earlier session. */
static void earlier_copy(krbrepl_node *n, krbrepl_peer *p)
{
    const krbrepl__slot_entry *e;

    if (n->master == NULL || p->last_copy_us != 0)
        return;
    e = krbrepl__slot_find(n, p->principal);
    if (e == NULL)
        return;
    p->last_copy_us = e->s.copy_us;
    p->last_copy_reason = e->s.copy_reason;
}

static int each_live(krbrepl_node *n, krbrepl_peer_fn *each, void *ctx)
{
    krbrepl__item *l, *after;
    int rc = 0;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;
        krbrepl_peer p;

        if (c->over || !c->up)
            continue;
        krbrepl__conn_peer(c, &p);
        earlier_copy(n, &p);
        rc = each(ctx, &p);
        if (rc != 0)
            break;
    }
    return rc;
}

int krbrepl__node_peers(krbrepl_node *n, krbrepl_peer_fn *each, void *ctx)
{
    size_t i;
    int rc;

    if (!n->running)
        return 0;
    rc = each_live(n, each, ctx);
    for (i = 0; rc == 0 && n->master != NULL && i < n->master->nslots; i++) {
        const krbrepl__slot_entry *e = &n->master->slots[i];
        krbrepl_peer p;

        if (e->live != NULL)
            continue;
        absent_peer(n, &e->s, &p);
        rc = each(ctx, &p);
    }
    return rc;
}

/* ---- the node ------------------------------------------------------------------------------- */

static void fill_store(krbrepl_node *n, krbrepl_status *s)
{
    krbrepl_store_info i;

    memset(&i, 0, sizeof i);
    i.size = sizeof i;
    /* When the store cannot be read, what was read last is told, beside the error. */
    if (krbrepl__store_info(n->store, &i) != 0)
        i = n->info;
    memcpy(s->database_id, i.database_id, sizeof s->database_id);
    s->role = i.role;
    s->flags = i.flags;
    s->pos = i.pos;
    s->known_epoch = i.known_epoch;
    s->records = i.records;
    s->journal_first = i.journal_first;
    s->journal_last = i.journal_last;
    s->journal_bytes = i.journal_bytes;
}

static void fill_sessions(krbrepl_node *n, krbrepl_status *s)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        const krbrepl__conn *c = l->self;

        s->peers += c->up && !c->over;
        s->unauth += c->inbound && !c->secured && !c->over;
    }
}

static void fill_replica(krbrepl_node *n, krbrepl_status *s)
{
    const krbrepl__replica *r = n->replica;

    s->upstream_seq = r->upstream_seq > s->pos.seq ? r->upstream_seq : s->pos.seq;
    s->lag_commits = s->upstream_seq - s->pos.seq;
    s->lag_us = krbrepl__replica_lag_us(n);
    s->last_heard_us = r->heard_us;
    s->last_copy_us = r->copy_us;
    s->last_copy_reason = r->copy_reason;
}

int krbrepl__node_status(krbrepl_node *n, krbrepl_status *s)
{
    memset(s, 0, sizeof *s);
    s->size = sizeof *s;
    s->state = n->state;
    s->pid = (int64_t)n->pid;
    s->last_err = n->last_err;
    memcpy(s->last_error, n->last_error, sizeof s->last_error);
    s->commits_in = n->count.commits_in;
    s->commits_out = n->count.commits_out;
    s->bytes_in = n->count.bytes_in;
    s->bytes_out = n->count.bytes_out;
    s->copies_in = n->count.copies_in;
    s->copies_out = n->count.copies_out;
    s->refused = n->count.refused;
    s->proved_seq = n->proof.proved_seq;
    s->proved_us = n->proof.proved_us;
    s->proofs = n->proof.proofs;
    s->differs = n->proof.differs;
    memcpy(s->copies_by_reason, n->count.copies_by_reason, sizeof s->copies_by_reason);
    memcpy(s->repairs_by_reason, n->count.repairs_by_reason, sizeof s->repairs_by_reason);
    s->repair_records = n->count.repair_records;
    s->repair_bytes = n->count.repair_bytes;
    s->started_us = n->started_us;
    if (!n->running)
        return 0;
    fill_store(n, s);
    fill_sessions(n, s);
    if (n->replica != NULL)
        fill_replica(n, s);
    if (n->master != NULL)
        krbrepl__slots_status(n, s);
    if (n->feed != NULL)
        krbrepl__feed_status(n, s);
    return 0;
}
