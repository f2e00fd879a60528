/* The master's end: judges the replica's position, then streams commits or copies records. */
#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

#include "mem.h"
#include "sessint.h"

#define READ_BYTES (128u * 1024u) /* commits read at a time */
#define TURNS 8                   /* reads in one call of work */
#define TIP_LEN 8u                /* what stands before the commits in a COMMITS body */

/* ---- hello ---------------------------------------------------------------------------------- */

int krbrepl__master_secured(krbrepl__sess *s)
{
    int allow = s->port->authorize(s->port->ctx, s->info.principal);

    if (allow > 0 && (allow & KRBREPL_ALLOW_REPLICA) != 0)
        return 0;
    return krbrepl__sess_end(s, KRBREPL_ERR_DENIED,
                             "%.90s may not receive this database; add it to the acl of the master, or "
                             "to whom its authorize callback allows",
                             s->info.principal);
}

static int is_zero(const uint8_t id[16])
{
    static const uint8_t zero[16];

    return memcmp(id, zero, sizeof zero) == 0;
}

/* Checks what does not depend on the position. */
static int check_hello(krbrepl__sess *s, const krbrepl__hello *h, const krbrepl__local *local)
{
    if (h->version < KRBREPL__PROTOCOL)
        return krbrepl__sess_end(s, KRBREPL_ERR_FORMAT,
                                 "version %llu of the protocol is not spoken here",
                                 (unsigned long long)h->version);
    if (local->role != KRBREPL_ROLE_MASTER)
        return krbrepl__sess_end(s, KRBREPL_ERR_NOT_MASTER,
                                 "this node is %s; follow the present master",
                                 krbrepl_role_name(local->role));
    if ((!is_zero(h->database_id) && memcmp(h->database_id, local->database_id, 16) != 0) ||
        (!is_zero(h->expected_id) && memcmp(h->expected_id, local->database_id, 16) != 0))
        return krbrepl__sess_end(
            s, KRBREPL_ERR_FOREIGN,
            "the replica belongs to another database; point it to its own master, or "
            "give it an empty store");
    if (h->role == KRBREPL_ROLE_MASTER)
        return krbrepl__sess_end(s, KRBREPL_ERR_STATE,
                                 "the peer is a master itself; demote it before it follows this one");
    if ((h->epoch > local->known_epoch || h->pos.epoch > local->known_epoch) &&
        !KRBREPL__MUTANT(accept_lower_epoch))
        return krbrepl__sess_end(
            s, KRBREPL_ERR_FENCED,
            "the replica has followed a master of epoch %llu, this one is of epoch "
            "%llu; demote this one, or promote it again if it is the right one",
            (unsigned long long)h->epoch, (unsigned long long)local->known_epoch);
    if (h->window < KRBREPL__SESS_WINDOW_MIN)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "the window is smaller than %u bytes",
                                 KRBREPL__SESS_WINDOW_MIN);
    return 0;
}

#define RESOLVE                                                                                \
    "and no promotion explains it; on the replica run `krbrepl resolve --keep-master DIR` or " \
    "`krbrepl resolve --keep-replica DIR`"

static int refuse_position(krbrepl__sess *s, const krbrepl__hello *h, const krbrepl__local *local,
                           const krbrepl__verdict *v)
{
    if (v->err != KRBREPL_ERR_AHEAD && v->err != KRBREPL_ERR_DIVERGED)
        return krbrepl__sess_port_failed(s, v->err, "reading the history");
    s->m.forked = 1;
    s->m.fork = v->fork;
    s->m.pos = local->pos;
    if (v->err == KRBREPL_ERR_AHEAD)
        return krbrepl__sess_end(s, v->err, "replica at %llu, master at %llu, " RESOLVE,
                                 (unsigned long long)h->pos.seq, (unsigned long long)local->pos.seq);
    return krbrepl__sess_end(s, v->err, "the replica has another history at %llu, " RESOLVE,
                             (unsigned long long)h->pos.seq);
}

static int send_welcome(krbrepl__sess *s, const krbrepl__local *local,
                        const krbrepl__ancestry *ancestry, const krbrepl__verdict *v, uint64_t from)
{
    krbrepl__welcome w;

    memset(&w, 0, sizeof w);
    w.version = KRBREPL__PROTOCOL;
    w.features = KRBREPL__FEATURE_CHECK | (s->port->enter != NULL ? KRBREPL__FEATURE_REPAIR : 0);
    memcpy(w.database_id, local->database_id, sizeof w.database_id);
    snprintf(w.name, sizeof w.name, "%s", s->name);
    w.epoch = local->known_epoch;
    w.pos = local->pos;
    w.ancestry = *ancestry; /* borrowed; not freed with `w` */
    w.missing_ms = s->missing_ms;
    w.gone_ms = s->gone_ms;
    w.follows = v->reason == 0 ? KRBREPL__FOLLOWS_STREAM : KRBREPL__FOLLOWS_COPY;
    if (v->reason == 0) {
        w.has |= KRBREPL__HAS(KRBREPL__TAG_FROM);
        w.from = from;
    } else {
        w.has |= KRBREPL__HAS(KRBREPL__TAG_REASON);
        w.reason = v->reason;
    }
    if (v->reason == KRBREPL_COPY_FORK)
        w.has |= KRBREPL__HAS(KRBREPL__TAG_FORK);
    w.fork = v->fork;
    return krbrepl__sess_send(s, KRBREPL__FRAME_WELCOME, &w);
}

/* The levels that the replica starts with: what it has of this history. */
static void set_levels(krbrepl__sess *s, const krbrepl__hello *h, uint64_t reason)
{
    krbrepl__sess_info *i = &s->info;

    i->received = 0;
    if (reason == 0 || reason == KRBREPL_COPY_BEHIND || reason == KRBREPL_COPY_FAILED ||
        reason == KRBREPL_COPY_DIFFERS)
        i->received = h->pos.seq;
    i->durable = i->applied = i->received;
    s->m.top = i->received;
}

/* Whether this is a position of the history that the master has now. */
static int is_ours(krbrepl__sess *s, const krbrepl__local *local, const krbrepl_pos *p)
{
    uint8_t chain[32];

    return p->seq <= local->pos.seq && s->port->chain_at(s->port->ctx, p->seq, chain) == 0 &&
           memcmp(chain, p->chain, sizeof chain) == 0;
}

/* Whether a copy that was cut off may go on where it ended: it began in this history, the journal reaches back
 * to there, and no record was read at a position that the master has lost since, as when older files are put
 * back: nothing would replace what such a commit put there. */
static int may_resume(krbrepl__sess *s, const krbrepl__hello *h, const krbrepl__local *local,
                      uint64_t reason)
{
    const krbrepl_pos *p = &h->partial.pos, *upper = &h->partial.upper;

    if ((h->has & KRBREPL__HAS(KRBREPL__TAG_PARTIAL)) == 0 || !s->m.tells || upper->seq < p->seq ||
        p->seq > local->pos.seq || p->seq + 1 < local->journal_first ||
        (reason != KRBREPL_COPY_FORK && p->seq < h->pos.seq) ||
        memcmp(p->lineage, local->pos.lineage, sizeof p->lineage) != 0)
        return 0;
    return is_ours(s, local, p) && is_ours(s, local, upper);
}

static void start_copy(krbrepl__sess *s, const krbrepl__hello *h, const krbrepl__local *local,
                       const krbrepl__verdict *v)
{
    krbrepl__sess_master *m = &s->m;
    uint64_t least = h->pos.seq < local->pos.seq ? h->pos.seq : local->pos.seq;

    krbrepl__master_copy(s, v->reason, v->fork, least);
    m->resume = may_resume(s, h, local, v->reason);
    if (!m->resume)
        return;
    m->begin = h->partial.pos;
    m->after = h->partial.after;
    s->port->hold(s->port->ctx, s->info.principal, m->begin.seq + 1);
}

static int start(krbrepl__sess *s, const krbrepl__hello *h, const krbrepl__local *local,
                 const krbrepl__ancestry *ancestry)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__verdict v;
    char who[512];
    int rc;

    krbrepl__sess_judge(s->port, local, ancestry, h, &v);
    if (v.err != 0)
        return refuse_position(s, h, local, &v);
    m->window = h->window < s->window ? h->window : s->window;
    m->next = h->pos.seq + 1;
    m->tip = m->hello_tip = local->pos.seq;
    m->was_empty = h->pos.seq == 0;
    m->had_content = !m->was_empty;
    m->can_repair = s->info.repairs;
    m->pend_type = KRBREPL__FRAME_COMMITS;
    set_levels(s, h, v.reason);
    rc = send_welcome(s, local, ancestry, &v, m->next);
    if (rc != 0)
        return rc;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "session", "%s: replica \"%s\" is up, %s from %llu",
                  krbrepl__sess_who(s, who), s->info.name, v.reason == 0 ? "streaming" : "to be copied",
                  (unsigned long long)m->next);
    krbrepl__sess_up(s, KRBREPL__SESS_STREAMING);
    if (v.reason == 0) {
        s->port->hold(s->port->ctx, s->info.principal, m->next);
        return 0;
    }
    start_copy(s, h, local, &v);
    rc = krbrepl__master_copy_work(s);
    return rc < 0 ? rc : 0;
}

static int take_hello(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__ancestry ancestry = {NULL, 0};
    krbrepl__local local;
    krbrepl__hello h;
    int rc = krbrepl__sess_read(s, f, &h);

    if (rc != 0)
        return rc;
    snprintf(s->info.name, sizeof s->info.name, "%s", h.name);
    s->info.peer_epoch = h.epoch;
    s->info.checks = (h.features & KRBREPL__FEATURE_CHECK) != 0;
    s->info.repairs = s->port->enter != NULL && (h.features & KRBREPL__FEATURE_REPAIR) != 0;
    s->m.tells = (h.features & KRBREPL__FEATURE_REPAIR) != 0;
    rc = krbrepl__sess_place(s->port, &local, &ancestry);
    if (rc != 0)
        rc = krbrepl__sess_port_failed(s, rc, "reading the position");
    if (rc == 0)
        rc = check_hello(s, &h, &local);
    if (rc == 0)
        rc = start(s, &h, &local, &ancestry);
    krbrepl__ancestry_free(&ancestry);
    krbrepl__msg_free(f->type, &h);
    return rc;
}

/* ---- acknowledgments ------------------------------------------------------------------------ */

/* The replica's chain at what it says is durable must be ours. */
static int check_chain(krbrepl__sess *s, const krbrepl__ack *a)
{
    uint8_t ours[32];
    int rc = s->port->chain_at(s->port->ctx, a->durable, ours);

    if (rc == KRBREPL_ERR_NOTFOUND || rc == KRBREPL_ERR_TRIMMED)
        return 0;
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the history");
    if (memcmp(ours, a->chain, sizeof ours) != 0)
        return krbrepl__sess_end(s, KRBREPL_ERR_DIVERGED,
                                 "the replica has another history at %llu than it was sent; keep both "
                                 "stores for examination",
                                 (unsigned long long)a->durable);
    return 0;
}

/* The last copy is live at the replica once it has confirmed its end. */
static void confirm_copy(krbrepl__sess *s)
{
    char who[512];

    if (!s->m.confirm || s->m.begin_due || s->m.copying || s->m.end_due ||
        s->info.durable < s->m.end.seq)
        return;
    s->m.confirm = 0;
    s->info.copy_done = 1;
    s->info.phase = KRBREPL__SESS_STREAMING;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "session",
                  "%s: %s is live there at %llu, %llu records sent", krbrepl__sess_who(s, who),
                  s->info.repair ? "repair" : "full copy", (unsigned long long)s->m.end.seq,
                  (unsigned long long)s->m.records);
}

static int take_levels(krbrepl__sess *s, const krbrepl__ack *a)
{
    const uint64_t all = KRBREPL__HAS(KRBREPL__TAG_RECEIVED) | KRBREPL__HAS(KRBREPL__TAG_DURABLE) |
                         KRBREPL__HAS(KRBREPL__TAG_APPLIED);
    krbrepl__sess_info *i = &s->info;
    uint64_t was = i->durable;
    int rc;

    if ((a->has & all) == 0)
        return 0;
    if ((a->has & all) != all || a->received > s->m.top || a->durable > a->received ||
        a->applied > a->durable || a->received < i->received || a->durable < i->durable ||
        a->applied < i->applied)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "an acknowledgment cannot be true");
    if (a->durable != was) {
        if ((a->has & KRBREPL__HAS(KRBREPL__TAG_CHAIN)) == 0)
            return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "an acknowledgment is without its chain");
        rc = check_chain(s, a);
        if (rc != 0)
            return rc;
    }
    i->received = a->received;
    i->durable = a->durable;
    i->applied = a->applied;
    confirm_copy(s);
    if (!s->m.confirm && i->durable != was)
        s->port->hold(s->port->ctx, i->principal, i->durable + 1);
    return 0;
}

static int take_ack(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__ack a;
    int rc = krbrepl__sess_read(s, f, &a);

    if (rc != 0)
        return rc;
    if (a.processed > s->m.sent || a.processed < s->m.processed)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "an acknowledgment cannot be true");
    if (a.processed != s->m.processed)
        s->m.moved_ms = s->now;
    s->m.processed = a.processed;
    return take_levels(s, &a);
}

int krbrepl__master_frame(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__ping p;

    if (s->info.phase == KRBREPL__SESS_HELLO && f->type == KRBREPL__FRAME_HELLO)
        return take_hello(s, f);
    if (s->info.phase != KRBREPL__SESS_HELLO) {
        if (f->type == KRBREPL__FRAME_ACK)
            return take_ack(s, f);
        if (f->type == KRBREPL__FRAME_CHECK)
            return krbrepl__master_check(s, f);
        if (f->type == KRBREPL__FRAME_ASK)
            return krbrepl__master_ask(s, f);
        if (f->type == KRBREPL__FRAME_PING || f->type == KRBREPL__FRAME_PONG)
            return krbrepl__sess_read(s, f, &p);
    }
    return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a %s message was not expected",
                             krbrepl__frame_name(f->type));
}

/* ---- the stream ----------------------------------------------------------------------------- */

/* The journal does not reach back to the next commit any more. */
static int copy_behind(krbrepl__sess *s)
{
    krbrepl__local local;
    int rc = s->port->local(s->port->ctx, &local);

    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the position");
    krbrepl__master_copy(s, KRBREPL_COPY_BEHIND, 0, local.journal_first - 1);
    return 0;
}

static int read_commits(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__port_batch batch = {0, 0, 0};
    uint64_t reason;
    int rc = s->port->read_commits(s->port->ctx, m->next, READ_BYTES, &m->pend, &batch);

    if (rc == KRBREPL_ERR_TRIMMED)
        return copy_behind(s);
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the journal");
    if (batch.count != 0) {
        m->next = batch.next;
        m->top = batch.next - 1;
        s->info.commits += batch.count;
    } else if (batch.reset) {
        /* Who came with nothing, and meets a reset that was there before, is copied for that reason. */
        reason = m->was_empty && m->next <= m->hello_tip ? KRBREPL_COPY_EMPTY : KRBREPL_COPY_RESET;
        krbrepl__master_copy(s, reason, 0, m->next);
    } else {
        m->tip = m->next - 1; /* the hint was wrong */
    }
    return 0;
}

/* Frames what was read. 1: `pend` is empty; 0: the window is used up, or `out` is full; negative: ended. */
static int drain(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    int commits = m->pend_type == KRBREPL__FRAME_COMMITS;
    size_t most = commits ? KRBREPL__FRAME_DATA - TIP_LEN : KRBREPL__FRAME_DATA;

    while (m->pend.len != 0) {
        uint64_t room = m->window - (m->sent - m->processed);
        size_t n = m->pend.len < most ? m->pend.len : most;
        uint8_t tip[TIP_LEN];
        krbrepl_bytes head = {tip, commits ? TIP_LEN : 0}, rest;
        int rc;

        if (s->chan->out.len >= KRBREPL__SESS_OUT_MAX || (room < n && room < m->window / 4))
            return 0;
        krbrepl__put_u64(tip, m->tip);
        rest.data = m->pend.data;
        rest.len = n < room ? n : (size_t)room;
        rc = krbrepl__link_send(s->chan, m->pend_type, head, rest);
        if (rc != 0)
            return krbrepl__sess_end(s, rc, "sending");
        if (!commits)
            krbrepl__sess_count(s, rest.len);
        m->sent += rest.len;
        krbrepl__buf_consume(&m->pend, rest.len);
    }
    /* One large commit must not keep its room for ever. */
    if (m->pend.cap > 4 * READ_BYTES)
        krbrepl__buf_free(&m->pend);
    return 1;
}

int krbrepl__master_work(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    int i, rc;

    for (i = 0; i < TURNS; i++) {
        rc = drain(s);
        if (rc <= 0)
            return rc;
        if (m->begin_due || m->copying || m->end_due) {
            rc = krbrepl__master_copy_work(s);
            if (rc <= 0)
                return rc;
        } else if (m->next <= m->tip) {
            rc = read_commits(s);
            if (rc != 0)
                return rc;
        } else {
            return 0;
        }
        if (m->pend.err != 0)
            return krbrepl__sess_end(s, m->pend.err, "reading");
    }
    return 1;
}
