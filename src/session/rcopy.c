/* The replica's end of a copy: takes in what comes, builds it beside what readers see, makes it live. In a
 * repair it first finds out what differs (walk.h), and asks for that. */
#include <string.h>

#include <krbrepl/node.h>

#include "sessint.h"

#define RANGES 8 /* ranges of a repair in one call of work, each of them up to 256 KiB of rows */

/* ---- taking in ------------------------------------------------------------------------------ */

void krbrepl__replica_copy_abort(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;

    if (r->begun || r->treed)
        s->port->copy_abort(s->port->ctx);
    r->begun = r->treed = r->abort_due = 0;
}

/* What was received of a copy that is begun anew is of no use any more. */
static void drop_copy(krbrepl__sess_replica *r)
{
    r->processed += krbrepl__intake_keep(&r->commits, r->before, r->before_bytes);
    r->processed += krbrepl__intake_keep(&r->records, 0, 0);
    r->abort_due = r->begun || r->treed;
    krbrepl__walk_free(r->walk);
    r->walk = NULL;
    krbrepl__msg_free(KRBREPL__FRAME_COPY_BEGIN, &r->start);
}

static int same_key(const krbrepl__ckey *a, const krbrepl__ckey *b)
{
    return a->len == b->len && memcmp(a->b, b->b, a->len) == 0;
}

void krbrepl__replica_copy_heard(krbrepl__sess *s, const krbrepl_pos *at)
{
    krbrepl__sess_replica *r = &s->r;

    if (!r->copying || at->seq <= r->at.seq)
        return;
    r->at = *at;
    r->at_due = 1;
}

/* What a copy of this session may be: whole, a repair if this end can, resumed where this end said. */
static int check_start(krbrepl__sess *s)
{
    const krbrepl__sess_replica *r = &s->r;
    const krbrepl__copy_start *c = &r->start;
    int after = (c->has & KRBREPL__HAS(KRBREPL__TAG_AFTER)) != 0;
    int levels = (c->has & KRBREPL__HAS(KRBREPL__TAG_LEVELS)) != 0;
    int salt = (c->has & KRBREPL__HAS(KRBREPL__TAG_SALT)) != 0;

    if (levels != salt || (levels && after) || (levels && !s->info.repairs) ||
        (levels && (c->levels == 0 || c->levels > KRBREPL__LEVELS_MAX)) ||
        (after && (!r->has_partial || !same_key(&c->after, &r->partial.after) ||
                   !krbrepl__pos_equal(&c->pos, &r->partial.pos))))
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO,
                                 "the beginning of the copy fits nothing that was asked");
    return 0;
}

static int start(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    krbrepl__sess_info *i = &s->info;
    int rc = check_start(s);

    if (rc != 0)
        return rc;
    r->copying = 1;
    r->ended = r->saved = r->everything = r->asked_all = r->later = 0;
    r->has_partial = r->has_partial && (r->start.has & KRBREPL__HAS(KRBREPL__TAG_AFTER)) != 0;
    r->taken = 0;
    r->at = r->start.pos;
    r->seq = r->start.pos.seq;
    i->phase = KRBREPL__SESS_COPYING;
    i->copies++;
    i->copy_reason = (uint32_t)r->start.reason;
    i->copy_done = 0;
    i->repair = r->start.levels != 0;
    i->copy_records = i->copy_asks = i->copy_trips = 0;
    if (r->start.pos.seq > i->peer_seq)
        i->peer_seq = r->start.pos.seq;
    if (!i->repair)
        return 0;
    r->walk = krbrepl__walk_new((unsigned)r->start.levels, r->start.salt, (unsigned)i->copies);
    return r->walk != NULL ? 0 : krbrepl__sess_end(s, KRBREPL_ERR_NOMEM, "beginning a repair");
}

int krbrepl__replica_copy_begin(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_replica *r = &s->r;
    int rc;

    if (!r->copying && r->commits.whole != r->commits.b.len)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a copy begins inside of a commit");
    if (r->copying) {
        drop_copy(r);
    } else {
        r->before = r->commits.items;
        r->before_bytes = r->commits.whole;
    }
    r->copying = 0;
    krbrepl__replica_drop_check(s);
    rc = krbrepl__sess_read(s, f, &r->start);
    if (rc != 0)
        return rc;
    s->info.copy_bytes = 0;
    krbrepl__sess_count(s, f->body.len);
    return start(s);
}

/* Whether records may come: nothing else than what was asked for, in a repair. */
static int may_come(const krbrepl__sess_replica *r)
{
    if (!r->copying || r->ended)
        return 0;
    return r->start.levels == 0 || r->asked_all ||
           (r->walk != NULL && krbrepl__walk_awaits_records(r->walk));
}

int krbrepl__replica_slice(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_replica *r = &s->r;
    uint64_t before = r->records.items;
    int rc;

    if (!may_come(r))
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a COPY_SLICE message was not expected");
    krbrepl__sess_count(s, f->body.len);
    rc = krbrepl__replica_take_bytes(s, &r->records, f->body.data, f->body.len);
    r->taken += r->records.items - before;
    s->info.copy_records = r->taken;
    return rc;
}

int krbrepl__replica_tree(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_replica *r = &s->r;
    int rc;

    if (!r->copying || r->ended || r->walk == NULL || r->records.whole != r->records.b.len)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a TREE message was not expected");
    krbrepl__sess_count(s, f->body.len);
    rc = krbrepl__walk_take(r->walk, f->body, r->taken);
    if (rc == KRBREPL_ERR_PROTO)
        return krbrepl__sess_end(s, rc, "a TREE message does not answer what was asked");
    return rc == 0 ? 0 : krbrepl__sess_end(s, rc, "repairing");
}

/* Whether nothing is missing before the end. */
static int may_end(const krbrepl__sess_replica *r)
{
    if (r->start.levels == 0 || r->asked_all)
        return 1;
    return r->walk != NULL && krbrepl__walk_over(r->walk);
}

int krbrepl__replica_copy_end(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__sess_replica *r = &s->r;
    int rc = krbrepl__sess_read(s, f, &r->end);

    if (rc != 0)
        return rc;
    if (!r->copying || r->ended || r->records.whole != r->records.b.len || r->end.records != r->taken ||
        r->end.pos.seq < r->start.pos.seq || !may_end(r))
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO,
                                 "the end of the copy does not fit what came before");
    krbrepl__sess_count(s, f->body.len);
    krbrepl__replica_copy_heard(s, &r->end.pos);
    r->ended = 1;
    return 0;
}

/* ---- beginning ------------------------------------------------------------------------------ */

static int send_ask(krbrepl__sess *s)
{
    krbrepl_bytes none = {NULL, 0}, body = {s->body.data, s->body.len};
    int rc = krbrepl__link_send(s->chan, KRBREPL__FRAME_ASK, body, none);

    if (rc != 0)
        return krbrepl__sess_end(s, rc, "sending");
    s->info.copy_asks++;
    krbrepl__sess_count(s, body.len);
    return 0;
}

static int ask_all(krbrepl__sess *s)
{
    krbrepl__buf_reset(&s->body);
    krbrepl__ask_begin(&s->body, KRBREPL__ASK_ALL, (unsigned)s->info.copies, 0);
    if (s->body.err != 0)
        return krbrepl__sess_end(s, s->body.err, "asking");
    s->r.asked_all = 1;
    s->info.copy_trips++;
    s->info.repair = 0;
    return send_ask(s);
}

/* Whether there is something to compare, and the tree to do it with. 1: not yet; 0: it is decided. */
static int prepare_repair(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    const krbrepl__ftree *own = NULL;
    krbrepl__local local;
    int rc;

    if (r->start.levels == 0 || r->everything || r->treed)
        return 0;
    memset(&local, 0, sizeof local);
    rc = s->port->local(s->port->ctx, &local);
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "reading the position");
    if (local.records == 0 || s->all) {
        r->everything = 1;
        return 0;
    }
    rc = s->port->own_tree(s->port->ctx, &own);
    if (rc == 1) {
        r->later = 1;
        return 1;
    }
    r->everything = rc < 0;
    r->treed = rc == 0;
    if (r->treed)
        krbrepl__walk_own(r->walk, own);
    return 0;
}

static int mode_of(const krbrepl__sess_replica *r)
{
    if (r->start.levels != 0 && !r->everything)
        return KRBREPL__COPY_REPAIR;
    return (r->start.has & KRBREPL__HAS(KRBREPL__TAG_AFTER)) != 0 ? KRBREPL__COPY_RESUMED
                                                                  : KRBREPL__COPY_WHOLE;
}

static const char *const mode_name[] = {"", "full copy begins", "full copy goes on", "repair begins"};

/* Tells the store. 1: again. */
static int begin_in_store(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    krbrepl__copy_plan plan = {.mode = mode_of(r),
                               .from = r->start.pos,
                               .ancestry = &r->start.ancestry,
                               .cumulative = r->start.cumulative,
                               .reason = r->start.reason};
    char who[512];
    int rc = s->port->copy_begin(s->port->ctx, &plan);

    if (rc == 1)
        return 1;
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "beginning a copy");
    r->begun = 1;
    r->build = r->start.pos;
    r->whole = plan.mode != KRBREPL__COPY_REPAIR;
    r->at_due = r->at.seq != r->start.pos.seq; /* heard while the store was not ready */
    krbrepl__logf(s->log,
                  r->start.reason == KRBREPL_COPY_UNVERIFIABLE ? KRBREPL_LOG_WARN : KRBREPL_LOG_NOTICE,
                  "session", "%s: %s at %llu, %llu records: %s", krbrepl__sess_who(s, who),
                  mode_name[plan.mode], (unsigned long long)r->start.pos.seq,
                  (unsigned long long)r->start.records, krbrepl_copy_reason_name(r->start.reason));
    if (r->everything && (rc = ask_all(s)) != 0)
        return rc;
    return 1;
}

/* Before the store hears of it, what the copy gives up is saved. */
static int begin(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    int rc = 0;

    if (r->later)
        return 0;
    if (!r->saved)
        rc = krbrepl__replica_save_given_up(s);
    if (rc != 0)
        return rc;
    r->saved = 1;
    rc = prepare_repair(s);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return begin_in_store(s);
}

/* ---- repairing ------------------------------------------------------------------------------ */

/* The walk would be longer than the copy: everything is asked for. */
static void give_up_walk(krbrepl__sess_replica *r)
{
    krbrepl__walk_free(r->walk);
    r->walk = NULL;
    r->everything = 1;
    r->abort_due = 1;
}

static int ask(krbrepl__sess *s)
{
    int rc, did = 0;

    for (;;) {
        int trip = krbrepl__walk_unanswered(s->r.walk) == 0;

        krbrepl__buf_reset(&s->body);
        rc = krbrepl__walk_ask(s->r.walk, &s->body);
        if (rc < 0)
            return krbrepl__sess_end(s, rc, "asking");
        if (rc == 0)
            return did;
        s->info.copy_trips += (uint64_t)trip;
        rc = send_ask(s);
        if (rc != 0)
            return rc;
        did = 1;
    }
}

static int compare_ranges(krbrepl__sess *s)
{
    krbrepl__walk *w = s->r.walk;
    krbrepl_bytes from, to;
    int i, rc;

    for (i = 0; i < RANGES && krbrepl__walk_range(w, &from, &to); i++) {
        rc = s->port->copy_range(s->port->ctx, from, to, krbrepl__walk_wanted(w));
        if (rc == 1)
            return 1;
        if (rc != 0)
            return krbrepl__sess_port_failed(s, rc, "comparing records");
        rc = krbrepl__walk_ranged(w);
        if (rc != 0)
            return krbrepl__sess_end(s, rc, "comparing records");
    }
    return i != 0;
}

/* 1: something was done. */
static int walk_on(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    int did, rc = krbrepl__walk_work(r->walk);

    if (rc < 0)
        return krbrepl__sess_end(s, rc, "comparing");
    if (krbrepl__walk_too_wide(r->walk)) {
        give_up_walk(r);
        return 1;
    }
    did = rc;
    rc = compare_ranges(s);
    if (rc >= 0) {
        did |= rc;
        rc = ask(s);
    }
    return rc < 0 ? rc : did | rc;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int put_record(krbrepl__sess *s, krbrepl_bytes full_key, krbrepl_bytes value)
{
    krbrepl__sess_replica *r = &s->r;
    int rc = 0;

    if (r->walk != NULL && !r->everything)
        rc = krbrepl__walk_record(r->walk, full_key, value);
    if (rc == KRBREPL_ERR_NOMEM)
        return krbrepl__sess_end(s, rc, "comparing records");
    if (rc != 0)
        return krbrepl__sess_end(s, KRBREPL_ERR_PROTO, "a record was not asked for");
    rc = s->port->copy_put(s->port->ctx, full_key, value);
    return rc == 0 ? 0 : krbrepl__sess_port_failed(s, rc, "writing the copy");
}

/* Before the store gets records, or commits that came after the last of them. */
static int tell_store(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    int rc;

    if (!r->whole || !r->at_due)
        return 0;
    r->at_due = 0;
    rc = s->port->copy_at(s->port->ctx, &r->at);
    return rc == 0 ? 0 : krbrepl__sess_port_failed(s, rc, "writing the copy");
}

static int put_records(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    krbrepl_bytes part[2];
    size_t at = 0;
    uint64_t n = 0;
    int rc = tell_store(s);

    while (rc == 0 && at < KRBREPL__SESS_PUT_BYTES && krbrepl__intake_item(&r->records, &at, part)) {
        rc = put_record(s, part[0], part[1]);
        n++;
    }
    if (rc != 0)
        return rc;
    r->processed += krbrepl__intake_drop(&r->records, n, at);
    return 1;
}

/* The copy is complete and at the position of its last slice: it goes live. */
static int go_live(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    krbrepl__sess_info *i = &s->info;
    char who[512];
    int rc;

    if (memcmp(r->build.chain, r->end.pos.chain, sizeof r->build.chain) != 0)
        return krbrepl__sess_end(s, KRBREPL_ERR_DIVERGED,
                                 "the copy does not end in the master's history");
    rc = s->port->copy_switch(s->port->ctx, &r->pos);
    if (rc == 1)
        return 1;
    r->begun = r->treed = 0;
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "making the copy live");
    r->copying = 0;
    krbrepl__walk_free(r->walk);
    r->walk = NULL;
    krbrepl__msg_free(KRBREPL__FRAME_COPY_BEGIN, &r->start);
    i->phase = KRBREPL__SESS_STREAMING;
    i->copy_done = 1;
    i->received = r->seq;
    krbrepl__replica_moved(s);
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "session",
                  "%s: %s is live at %llu, %llu records received, %llu bytes in %llu round trips",
                  krbrepl__sess_who(s, who), i->repair ? "repair" : "full copy",
                  (unsigned long long)r->pos.seq, (unsigned long long)r->taken,
                  (unsigned long long)i->copy_bytes, (unsigned long long)i->copy_trips);
    return 1;
}

/* Brings the copy to the position of its last slice. */
static int replay(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    size_t bytes, n;
    int rc;

    if (r->build.seq == r->end.pos.seq)
        return go_live(s);
    n = krbrepl__replica_gather(r, r->end.pos.seq - r->build.seq, &bytes);
    if (n == 0)
        return 0;
    rc = tell_store(s);
    if (rc != 0)
        return rc;
    rc = s->port->copy_apply(s->port->ctx, r->group, n, &r->build);
    if (rc != 0)
        return krbrepl__sess_port_failed(s, rc, "applying commits to the copy");
    krbrepl__replica_drop_group(s, n, bytes);
    return 1;
}

int krbrepl__replica_copy_work(krbrepl__sess *s)
{
    krbrepl__sess_replica *r = &s->r;
    int did = 0;

    if (r->abort_due) {
        s->port->copy_abort(s->port->ctx);
        r->abort_due = r->begun = r->treed = 0;
        return 1;
    }
    if (!r->begun)
        return begin(s);
    if (r->walk != NULL && !r->everything && (did = walk_on(s)) < 0)
        return did;
    if (r->records.items != 0)
        return put_records(s);
    return did == 0 && r->ended ? replay(s) : did;
}
