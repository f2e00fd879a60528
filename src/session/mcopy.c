/* The master's end of a copy: everything, what is still missing of one that was cut off, or a repair, in which
 * the replica asks for what differs. */
#include <string.h>

#include <krbrepl/node.h>

#include "sessint.h"

void krbrepl__master_copy(krbrepl__sess *s, uint64_t reason, uint64_t fork, uint64_t least)
{
    krbrepl__sess_master *m = &s->m;

    m->begin_due = m->may_ask = m->confirm = 1;
    m->reason = reason;
    m->copy_fork = fork;
    m->least = least;
    m->resume = 0;
    m->check = 0;
    m->begins++;
}

void krbrepl__master_leave(krbrepl__sess *s)
{
    krbrepl__answer_free(s->m.answer);
    s->m.answer = NULL;
    if (s->m.entered)
        s->port->leave(s->port->ctx);
    s->m.entered = 0;
}

/* ---- beginning ------------------------------------------------------------------------------ */

static int send_copy_begin(krbrepl__sess *s, const krbrepl__local *local,
                           const krbrepl__ancestry *ancestry, const krbrepl__snap *snap)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__copy_start c;
    int rc;

    memset(&c, 0, sizeof c);
    c.pos = m->begin;
    c.ancestry = *ancestry; /* borrowed; not freed with `c` */
    c.reason = m->reason;
    c.fork = m->copy_fork;
    c.cumulative = snap != NULL ? snap->cumulative : local->cumulative;
    c.records = snap != NULL ? snap->records : local->records;
    if (m->reason == KRBREPL_COPY_FORK)
        c.has |= KRBREPL__HAS(KRBREPL__TAG_FORK);
    if (m->resume)
        c.has |= KRBREPL__HAS(KRBREPL__TAG_AFTER);
    c.after = m->after;
    if (snap != NULL) {
        c.has |= KRBREPL__HAS(KRBREPL__TAG_LEVELS) | KRBREPL__HAS(KRBREPL__TAG_SALT);
        c.levels = krbrepl__ftree_levels(snap->tree);
        memcpy(c.salt, snap->salt, sizeof c.salt);
    }
    s->info.copy_bytes = 0;
    rc = krbrepl__sess_send(s, KRBREPL__FRAME_COPY_BEGIN, &c);
    krbrepl__sess_count(s, s->body.len);
    return rc;
}

static void begun(krbrepl__sess *s, const krbrepl__snap *snap, uint64_t records)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__sess_info *i = &s->info;
    char who[512];

    m->next = m->begin.seq + 1;
    m->end = m->begin;
    m->told = m->begin.seq;
    m->records = 0;
    m->begin_due = m->end_due = 0;
    m->copying = 1;
    m->moved_ms = s->now;
    m->pend_type = KRBREPL__FRAME_COPY_SLICE;
    i->phase = KRBREPL__SESS_COPYING;
    i->copies++;
    i->copy_reason = (uint32_t)m->reason;
    i->copy_done = 0;
    i->repair = snap != NULL;
    i->copy_records = i->copy_asks = i->copy_trips = 0;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "session", "%s: %s %s at %llu, %llu records: %s",
                  krbrepl__sess_who(s, who), snap != NULL ? "repair" : "full copy",
                  m->resume ? "goes on" : "begins", (unsigned long long)m->begin.seq,
                  (unsigned long long)records, krbrepl_copy_reason_name(m->reason));
}

/* Begins it at a position that is read now, or at that of the snap. */
static int begin_at(krbrepl__sess *s, const krbrepl__snap *snap)
{
    krbrepl__ancestry ancestry = {NULL, 0};
    krbrepl__sess_master *m = &s->m;
    krbrepl__local local;
    int rc = krbrepl__sess_place(s->port, &local, &ancestry);

    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the position");
    if (!m->resume) {
        m->begin = snap != NULL ? snap->pos : local.pos;
        m->after.len = 0;
    }
    if (memcmp(m->begin.lineage, local.pos.lineage, sizeof local.pos.lineage) != 0) {
        /* A promotion came between; the ancestry would not be that of this position. */
        krbrepl__ancestry_free(&ancestry);
        return krbrepl__sess_end(s, KRBREPL_ERR_CONFLICT, "the history has changed its lineage");
    }
    if (snap != NULL)
        m->answer = krbrepl__answer_new(snap, m->begins);
    /* Held before the first record is read: what comes after this position is replayed. */
    s->port->hold(s->port->ctx, s->info.principal, m->begin.seq + 1);
    rc = send_copy_begin(s, &local, &ancestry, snap);
    krbrepl__ancestry_free(&ancestry);
    if (rc == 0 && snap != NULL && m->answer == NULL)
        rc = krbrepl__sess_end(s, KRBREPL_ERR_NOMEM, "beginning a repair");
    if (rc != 0)
        return rc;
    begun(s, snap, snap != NULL ? snap->records : local.records);
    return 1;
}

/* Begins a copy, or begins it anew, once the owner lets it. */
static int begin_copy(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    const krbrepl__snap *snap = NULL;
    int repair = m->can_repair && !m->resume && (m->had_content || s->info.durable != 0);
    int rc;

    krbrepl__master_leave(s);
    if (s->port->enter == NULL)
        return begin_at(s, NULL);
    if (!m->may_ask)
        return 0;
    rc = s->port->enter(s->port->ctx, repair ? m->least : 0, repair ? &snap : NULL);
    m->may_ask = 0;
    if (rc < 0)
        return krbrepl__sess_port_failed(s, rc, "beginning a copy");
    if (rc == 1)
        return 0;
    m->entered = 1;
    return begin_at(s, snap);
}

/* ---- sending -------------------------------------------------------------------------------- */

static uint64_t count_records(const krbrepl__buf *b)
{
    krbrepl__rd r;
    uint64_t n = 0;

    krbrepl__rd_init(&r, b->data, b->len);
    while (r.err == 0 && r.left != 0) {
        krbrepl__rd_vec32(&r);
        krbrepl__rd_vec32(&r);
        n++;
    }
    return n;
}

static void count_slice(krbrepl__sess *s)
{
    s->m.records += count_records(&s->m.pend);
    s->info.copy_records = s->m.records;
}

/* The replica hears of a position before it gets what was read there. Whoever goes on with the copy after it was
 * cut off knows by that whether its own history leads there. */
static int tell_position(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__ping p = {.has = KRBREPL__HAS(KRBREPL__TAG_POS), .pos = m->end};

    if (!m->tells || m->end.seq <= m->told)
        return 0;
    m->told = m->end.seq;
    return krbrepl__sess_send(s, KRBREPL__FRAME_PING, &p);
}

static int read_slice(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    int end = 0;
    int rc = s->port->copy_slice(s->port->ctx, &m->after, KRBREPL__FRAME_DATA, &m->pend, &end, &m->end);

    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading records");
    rc = tell_position(s);
    if (rc != 0)
        return rc;
    if (KRBREPL__MUTANT(forget_slice) && m->resume && m->records == 0)
        krbrepl__buf_reset(&m->pend);
    count_slice(s);
    if (end) {
        m->copying = 0;
        m->end_due = 1;
    }
    return 1;
}

static int send_copy_end(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__copy_end e = {0};
    int rc;

    krbrepl__master_leave(s);
    e.pos = KRBREPL__MUTANT(stale_position) ? m->begin : m->end;
    e.records = m->records;
    m->end_due = 0;
    m->pend_type = KRBREPL__FRAME_COMMITS;
    if (m->tip < m->end.seq)
        m->tip = m->end.seq;
    if (m->top < m->begin.seq)
        m->top = m->begin.seq;
    rc = krbrepl__sess_send(s, KRBREPL__FRAME_COPY_END, &e);
    krbrepl__sess_count(s, s->body.len);
    return rc == 0 ? 1 : rc;
}

/* ---- repairs -------------------------------------------------------------------------------- */

/* A leaf holds so much more than it did that listing it is of no use; a newer tree has it as many leaves. */
static int begin_anew(krbrepl__sess *s)
{
    krbrepl__local local;
    int rc = s->port->local(s->port->ctx, &local);

    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the position");
    s->m.copying = 0;
    krbrepl__master_copy(s, s->m.reason, s->m.copy_fork, local.pos.seq);
    return 1;
}

static int send_tree(krbrepl__sess *s)
{
    krbrepl_bytes none = {NULL, 0}, body = {s->body.data, s->body.len};
    int rc = krbrepl__link_send(s->chan, KRBREPL__FRAME_TREE, body, none);

    if (rc != 0)
        return krbrepl__sess_end(s, rc, "sending");
    krbrepl__sess_count(s, body.len);
    return 1;
}

/* What the answer that was just made asks of the session. */
static int go_on(krbrepl__sess *s, int said)
{
    krbrepl__sess_master *m = &s->m;

    switch (said) {
    case KRBREPL__ANSWER_TREE:
        return send_tree(s);
    case KRBREPL__ANSWER_SLICE:
        count_slice(s);
        return 1;
    case KRBREPL__ANSWER_GROWN:
        return begin_anew(s);
    case KRBREPL__ANSWER_ALL:
        krbrepl__answer_free(m->answer);
        m->answer = NULL;
        s->info.repair = 0;
        return 1;
    case KRBREPL__ANSWER_DONE:
        krbrepl__answer_free(m->answer);
        m->answer = NULL;
        m->copying = 0;
        m->end_due = 1;
        return 1;
    default:
        return 0;
    }
}

static int answer(krbrepl__sess *s)
{
    krbrepl__sess_master *m = &s->m;
    int said, of_store;

    if (s->chan->out.len >= KRBREPL__SESS_OUT_MAX)
        return 0;
    krbrepl__buf_reset(&s->body);
    said = krbrepl__answer_work(m->answer, s->port, &s->body, &m->pend, &m->end, &of_store);
    if (said < 0)
        return of_store ? krbrepl__sess_port_failed(s, said, "reading records")
                        : krbrepl__sess_end(s, said, "answering");
    return go_on(s, said);
}

int krbrepl__master_copy_work(krbrepl__sess *s)
{
    if (s->m.begin_due)
        return begin_copy(s);
    if (s->m.end_due)
        return send_copy_end(s);
    return s->m.answer != NULL ? answer(s) : read_slice(s);
}

int krbrepl__master_ask(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_master *m = &s->m;
    krbrepl__ask ask;
    int rc = krbrepl__ask_open(f->body, &ask);

    if (!m->can_repair || m->begins == 0 || rc != 0)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO,
                                 m->can_repair && m->begins != 0 ? "malformed ASK message"
                                                                 : "an ASK message was not expected");
    if (ask.walk != (m->begins & 0xff))
        return 0; /* of a repair that was begun anew meanwhile */
    if (m->answer == NULL)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "an ASK message was not expected");
    s->info.copy_trips += m->answer->nask == 0;
    s->info.copy_asks++;
    m->moved_ms = s->now;
    krbrepl__sess_count(s, f->body.len);
    rc = krbrepl__answer_take(m->answer, &ask);
    return rc == 0 ? 0 : krbrepl__sess_end(s, rc, "an ASK message asks for what is not there");
}
