/* The replica's end: takes commits and copies in, applies them, acknowledges. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

#include "errinfo.h"
#include "mem.h"
#include "sessint.h"

#define TIP_LEN 8u /* what stands before the commits in a COMMITS body */
#define MARK_EVERY 1024u

/* ---- hello ---------------------------------------------------------------------------------- */

static int is_zero(const uint8_t id[16])
{
    static const uint8_t zero[16];

    return memcmp(id, zero, sizeof zero) == 0;
}

/* The newest chain checkpoints that are kept. */
static int get_marks(const krbrepl__port *port, uint64_t seq, krbrepl__marks *m)
{
    int rc = 0;

    for (seq -= seq % MARK_EVERY; seq != 0 && m->n < KRBREPL__MAX_MARKS; seq -= MARK_EVERY) {
        rc = port->chain_at(port->ctx, seq, m->at[m->n].chain);
        if (rc != 0)
            break;
        m->at[m->n++].seq = seq;
    }
    return rc == KRBREPL_ERR_NOTFOUND || rc == KRBREPL_ERR_TRIMMED ? 0 : rc;
}

static int send_hello(krbrepl__sess *s, const krbrepl__local *local, krbrepl__hello *h)
{
    h->version = KRBREPL__PROTOCOL;
    h->features = (s->port->check != NULL ? KRBREPL__FEATURE_CHECK : 0) |
                  (s->port->own_tree != NULL ? KRBREPL__FEATURE_REPAIR : 0);
    memcpy(h->database_id, local->database_id, sizeof h->database_id);
    if (!is_zero(s->want_id))
        h->has |= KRBREPL__HAS(KRBREPL__TAG_EXPECTED);
    memcpy(h->expected_id, s->want_id, sizeof h->expected_id);
    snprintf(h->name, sizeof h->name, "%s", s->name);
    h->role = local->role;
    h->epoch = local->known_epoch;
    h->pos = local->pos;
    h->window = s->window;
    h->asks = s->asks;
    if (local->gives_up)
        h->asks = KRBREPL_COPY_FORK;
    else if (local->unsure)
        h->asks = KRBREPL_COPY_EMPTY;
    if (h->asks != 0)
        h->has |= KRBREPL__HAS(KRBREPL__TAG_ASKS);
    s->r.has_partial = local->after.len != 0;
    if (s->r.has_partial)
        h->has |= KRBREPL__HAS(KRBREPL__TAG_PARTIAL);
    h->partial.pos = local->partial;
    h->partial.upper = local->partial_upper;
    h->partial.after = local->after;
    s->r.partial = h->partial;
    return krbrepl__sess_send(s, KRBREPL__FRAME_HELLO, h);
}

int krbrepl__replica_hello(krbrepl__sess *s)
{
    krbrepl__local local;
    krbrepl__hello h;
    int rc;

    memset(&h, 0, sizeof h);
    rc = krbrepl__sess_place(s->port, &local, &h.ancestry);
    if (rc == 0)
        rc = get_marks(s->port, local.pos.seq, &h.marks);
    if (rc != 0)
        rc = krbrepl__sess_port_failed(s, rc, "reading the position");
    else if (local.role == KRBREPL_ROLE_MASTER)
        rc = krbrepl__sess_end(s, KRBREPL_ERR_STATE,
                               "this store is a master; demote it before it follows");
    else
        rc = send_hello(s, &local, &h);
    s->r.pos = local.pos;
    krbrepl__msg_free(KRBREPL__FRAME_HELLO, &h);
    return rc;
}

/* ---- welcome -------------------------------------------------------------------------------- */

static int check_database(krbrepl__sess *s, const krbrepl__welcome *w, const krbrepl__local *local)
{
    if (is_zero(w->database_id))
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "the master names no database");
    if ((!is_zero(local->database_id) && memcmp(local->database_id, w->database_id, 16) != 0) ||
        (!is_zero(s->want_id) && memcmp(s->want_id, w->database_id, 16) != 0))
        return krbrepl__sess_end(s, KRBREPL_ERR_FOREIGN,
                                 "the master serves another database; point this replica to its own "
                                 "master, or give it an empty store");
    return 0;
}

static int check_epoch(krbrepl__sess *s, const krbrepl__welcome *w, const krbrepl__local *local)
{
    int rc;

    if ((w->pos.epoch < local->known_epoch || w->epoch < local->known_epoch) &&
        !KRBREPL__MUTANT(accept_lower_epoch))
        return krbrepl__sess_end(
            s, KRBREPL_ERR_FENCED,
            "the master is of epoch %llu, but epoch %llu is known; follow the newer "
            "master, or promote this one again if it is the right one",
            (unsigned long long)w->pos.epoch, (unsigned long long)local->known_epoch);
    if (w->epoch == local->known_epoch)
        return 0;
    rc = s->port->learn_epoch(s->port->ctx, w->epoch);
    return rc != 0 ? krbrepl__sess_port_failed(s, rc, "learning the epoch") : 0;
}

/* Commits are given up only where the master's ancestry explains it, or an operator said so, whatever the
 * master says. */
static int check_follows(krbrepl__sess *s, const krbrepl__welcome *w, const krbrepl__local *local)
{
    krbrepl__ancestry ours = {NULL, 0};
    uint64_t fork = 0;
    int rc, ok;

    if (w->follows == KRBREPL__FOLLOWS_STREAM && w->from == local->pos.seq + 1 &&
        w->pos.seq >= local->pos.seq &&
        (w->pos.seq != local->pos.seq || memcmp(w->pos.chain, local->pos.chain, 32) == 0))
        return 0;
    if (w->follows != KRBREPL__FOLLOWS_COPY || w->reason == 0)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO,
                                 "the master's answer does not fit this position");
    if (w->reason != KRBREPL_COPY_FORK && w->pos.seq >= local->pos.seq)
        return 0;
    rc = s->port->ancestry(s->port->ctx, &ours);
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the ancestry");
    ok = krbrepl__sess_explained(&local->pos, &ours, &w->pos, &w->ancestry, &fork) && fork == w->fork;
    krbrepl__ancestry_free(&ours);
    return ok || local->gives_up ? 0 : krbrepl__replica_not_explained(s, local->pos.seq);
}

static int accept_welcome(krbrepl__sess *s, const krbrepl__welcome *w)
{
    krbrepl__local local;
    char who[512];
    int rc = s->port->local(s->port->ctx, &local);

    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the position");
    if (w->version != KRBREPL__PROTOCOL)
        return krbrepl__sess_end(s, KRBREPL_ERR_FORMAT,
                                 "version %llu of the protocol is not spoken here",
                                 (unsigned long long)w->version);
    if ((rc = check_database(s, w, &local)) != 0 || (rc = check_epoch(s, w, &local)) != 0 ||
        (rc = check_follows(s, w, &local)) != 0)
        return rc;
    rc = s->port->adopt(s->port->ctx, w->database_id);
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "adopting the database");
    s->r.pos = local.pos;
    s->r.resolving = w->follows == KRBREPL__FOLLOWS_COPY && w->reason == KRBREPL_COPY_FORK;
    s->r.fork = (w->has & KRBREPL__HAS(KRBREPL__TAG_FORK)) != 0 ? w->fork : 0;
    s->r.seq = s->r.told_received = local.pos.seq;
    s->info.received = s->info.durable = s->info.applied = local.pos.seq;
    s->info.peer_seq = w->pos.seq;
    s->info.peer_epoch = w->epoch;
    s->info.checks = s->port->check != NULL && (w->features & KRBREPL__FEATURE_CHECK) != 0;
    s->info.repairs = s->port->own_tree != NULL && (w->features & KRBREPL__FEATURE_REPAIR) != 0;
    snprintf(s->info.name, sizeof s->info.name, "%s", w->name);
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "session",
                  "%s: master \"%s\" at %llu, this replica at %llu: %s", krbrepl__sess_who(s, who),
                  s->info.name, (unsigned long long)w->pos.seq, (unsigned long long)local.pos.seq,
                  w->follows == KRBREPL__FOLLOWS_STREAM ? "streaming" : "to be copied");
    krbrepl__sess_up(s, w->follows == KRBREPL__FOLLOWS_STREAM ? KRBREPL__SESS_STREAMING
                                                              : KRBREPL__SESS_COPYING);
    return 0;
}

static int take_welcome(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__welcome w;
    int rc = krbrepl__sess_read(s, f, &w);

    if (rc != 0)
        return rc;
    rc = accept_welcome(s, &w);
    krbrepl__msg_free(f->type, &w);
    return rc;
}

/* ---- taking in ------------------------------------------------------------------------------ */

int krbrepl__replica_take_bytes(krbrepl__sess *s, krbrepl__intake *in, const void *p, size_t n)
{
    krbrepl__sess_replica *r = &s->r;
    int rc;

    r->got += n;
    if (r->got - r->processed > s->window)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "the master sent more than the window allows");
    rc = krbrepl__intake_add(in, p, n);
    if (rc == KRBREPL_ERR_PROTO)
        return krbrepl__sess_end(s, rc, "a commit or record is longer than the limit");
    if (rc != 0)
        return krbrepl__sess_end(s, rc, "taking in");
    r->processed += krbrepl__intake_credit(in);
    return 0;
}

static int take_commits(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_replica *r = &s->r;
    uint64_t before = r->commits.items, tip;
    krbrepl_bytes bytes;
    krbrepl__rd rd;
    int rc;

    krbrepl__rd_init(&rd, f->body.data, f->body.len);
    tip = krbrepl__rd_u64(&rd);
    bytes = krbrepl__rd_view(&rd, rd.left);
    if (rd.err != 0 || (r->copying ? !r->ended : s->info.phase != KRBREPL__SESS_STREAMING))
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a COMMITS message was not expected");
    if (tip > s->info.peer_seq)
        s->info.peer_seq = tip;
    rc = krbrepl__replica_take_bytes(s, &r->commits, bytes.data, bytes.len);
    if (rc != 0)
        return rc;
    r->seq += r->commits.items - before;
    if (!r->copying)
        s->info.received = r->seq;
    return 0;
}

/* PING and PONG of a master carry its position, made when it was sent: nothing that comes later is older. */
static int take_ping(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__ping p;
    int rc = krbrepl__sess_read(s, f, &p);

    if (rc == 0 && p.prompt != 0)
        s->r.prompt = 1;
    if (rc != 0 || (p.has & KRBREPL__HAS(KRBREPL__TAG_POS)) == 0)
        return rc;
    if (p.pos.seq > s->info.peer_seq)
        s->info.peer_seq = p.pos.seq;
    s->info.peer_epoch = p.pos.epoch;
    krbrepl__replica_copy_heard(s, &p.pos);
    if (!s->r.copying && s->info.phase == KRBREPL__SESS_STREAMING && p.pos.seq == s->r.pos.seq &&
        memcmp(p.pos.chain, s->r.pos.chain, sizeof p.pos.chain) != 0)
        return krbrepl__sess_end(
            s, KRBREPL_ERR_DIVERGED,
            "the master has another history at %llu; keep both stores for examination",
            (unsigned long long)p.pos.seq);
    return 0;
}

int krbrepl__replica_frame(krbrepl__sess *s, const krbrepl__frame *f)
{
    if (s->info.phase == KRBREPL__SESS_HELLO && s->went && f->type == KRBREPL__FRAME_WELCOME)
        return take_welcome(s, f);
    if (s->info.phase != KRBREPL__SESS_HELLO) {
        switch (f->type) {
        case KRBREPL__FRAME_COMMITS:
            return take_commits(s, f);
        case KRBREPL__FRAME_COPY_BEGIN:
            return krbrepl__replica_copy_begin(s, f);
        case KRBREPL__FRAME_COPY_SLICE:
            return krbrepl__replica_slice(s, f);
        case KRBREPL__FRAME_COPY_END:
            return krbrepl__replica_copy_end(s, f);
        case KRBREPL__FRAME_TREE:
            return krbrepl__replica_tree(s, f);
        case KRBREPL__FRAME_PING:
        case KRBREPL__FRAME_PONG:
            return take_ping(s, f);
        case KRBREPL__FRAME_CHECK:
            return krbrepl__replica_check(s, f);
        default:
            break;
        }
    }
    return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a %s message was not expected",
                             krbrepl__frame_name(f->type));
}

/* ---- acknowledging -------------------------------------------------------------------------- */

/* Whether the master must hear what was processed. It may send less ahead than is granted here, so that it may
 * be waiting although little was processed: when nothing of what came is left, it is told in any case. */
static int credit_due(const krbrepl__sess *s)
{
    const krbrepl__sess_replica *r = &s->r;
    uint64_t untold = r->processed - r->told;

    return untold >= s->window / 8 || (untold != 0 && r->processed == r->got);
}

/* What has arrived is told together with what comes of it, in one message instead of two, unless the master wants to
 * know at once, or nothing comes of it. */
static int received_due(const krbrepl__sess *s)
{
    const krbrepl__sess_replica *r = &s->r;

    return s->info.received != r->told_received && (r->prompt || r->commits.items == 0);
}

/* Levels are left out during a copy: what they would say belongs to the content that is being replaced. */
int krbrepl__replica_settle(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    int levels =
        !r->copying && s->info.phase == KRBREPL__SESS_STREAMING && (r->ack_levels || received_due(s));
    krbrepl__ack a = {0};

    if (!levels && !credit_due(s))
        return 0;
    a.processed = r->told = r->processed;
    if (levels) {
        a.has = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_DURABLE) |
                KRBREPL__HAS(KRBREPL__TAG_APPLIED) | KRBREPL__HAS(KRBREPL__TAG_CHAIN);
        a.received = r->told_received = s->info.received;
        a.durable = s->info.durable;
        a.applied = s->info.applied;
        memcpy(a.chain, r->pos.chain, sizeof a.chain);
        r->ack_levels = 0;
    }
    return krbrepl__sess_send(s, KRBREPL__FRAME_ACK, &a);
}

void krbrepl__replica_moved(krbrepl__sess *s)
{
    s->info.durable = s->info.applied = s->r.pos.seq;
    s->r.ack_levels = 1;
}

/* ---- work ----------------------------------------------------------------------------------- */

size_t krbrepl__replica_gather(krbrepl__sess_replica *r, uint64_t max, size_t *bytes)
{
    krbrepl_bytes part[2];
    size_t at = 0, n = 0;

    if (max > KRBREPL__SESS_GROUP)
        max = KRBREPL__SESS_GROUP;
    while (n < max && at < KRBREPL__SESS_GROUP_BYTES && krbrepl__intake_item(&r->commits, &at, part))
        r->group[n++] = part[0];
    *bytes = at;
    return n;
}

void krbrepl__replica_drop_group(krbrepl__sess *s, size_t n, size_t bytes)
{
    s->r.processed += krbrepl__intake_drop(&s->r.commits, n, bytes);
    s->info.commits += n;
}

/* A large group takes a while, in which the master may send as much again: it is told so first. Else it would send only
 * what is left of the window, and the next group would be small. */
static int room_is_told(krbrepl__sess *s, size_t bytes)
{
    size_t more = 0;

    if (bytes >= s->window / 8)
        more = krbrepl__intake_advance(&s->r.commits, bytes);
    s->r.processed += more;
    return more >= s->window / 8;
}

static int apply_live(krbrepl__sess *s, uint64_t max)
{
    krbrepl__sess_replica *r = &s->r;
    size_t bytes, n = krbrepl__replica_gather(r, krbrepl__replica_until_check(s, max), &bytes);
    int rc;

    if (room_is_told(s, bytes))
        return 1;
    rc = s->port->apply(s->port->ctx, r->group, n, &r->pos);
    if (rc != 0)
        s->info.apply_seq = r->pos.seq + 1;
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "applying commits");
    krbrepl__replica_drop_group(s, n, bytes);
    if (r->before != 0) {
        r->before -= n;
        r->before_bytes -= bytes;
    }
    krbrepl__replica_moved(s);
    krbrepl__replica_ask_check(s);
    return 1;
}

int krbrepl__replica_work(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    int rc = 0;

    if (r->before != 0)
        rc = apply_live(s, r->before);
    else if (r->copying)
        rc = krbrepl__replica_copy_work(s);
    else if (r->commits.items != 0)
        rc = apply_live(s, KRBREPL__SESS_GROUP);
    if (rc >= 0) {
        r->processed += krbrepl__intake_credit(&r->commits);
        r->processed += krbrepl__intake_credit(&r->records);
    }
    return rc;
}
