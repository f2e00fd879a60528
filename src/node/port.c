#include "port.h"

#include <string.h>

#include "errinfo.h"

static krbrepl_store *store_of(void *ctx)
{
    return ((krbrepl__node_port *)ctx)->store;
}

static int port_local(void *ctx, krbrepl__local *out)
{
    krbrepl_store_info i;
    int rc;

    KRBREPL_INIT(&i);
    rc = krbrepl__store_info(store_of(ctx), &i);
    /* What a process left half-written may take a replica's position away. */
    if (rc == 0 && i.role != KRBREPL_ROLE_MASTER && krbrepl__store_hosted(store_of(ctx))) {
        rc = krbrepl__store_settle(store_of(ctx));
        if (rc == 0)
            rc = krbrepl__store_info(store_of(ctx), &i);
    }
    if (rc != 0)
        return rc;
    memcpy(out->database_id, i.database_id, sizeof out->database_id);
    out->role = i.role;
    out->pos = i.pos;
    out->known_epoch = i.known_epoch;
    out->journal_first = i.journal_first;
    out->records = i.records;
    out->cumulative = i.cumulative;
    out->gives_up = (i.flags & KRBREPL_STORE_GIVES_UP) != 0;
    /* Commits from the first on would lead to the master's content too, but for records that are in the host's
     * database and that no commit names: of a life before this one, or of a copy that was cut off by a crash. */
    out->unsure = i.pos.seq == 0 && krbrepl__store_replaces(store_of(ctx));
    rc = krbrepl__copy_partial(store_of(ctx), &out->partial, &out->partial_upper, &out->after);
    if (rc != 0)
        out->after.len = 0;
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

static int port_ancestry(void *ctx, krbrepl__ancestry *out)
{
    return krbrepl__store_ancestry(store_of(ctx), out);
}

static int port_chain_at(void *ctx, uint64_t seq, uint8_t chain[32])
{
    return krbrepl__store_chain_at(store_of(ctx), seq, chain);
}

static const char *port_error_text(void *ctx)
{
    return krbrepl__store_ei(store_of(ctx))->text;
}

/* ---- master --------------------------------------------------------------------------------- */

static int port_authorize(void *ctx, const char *principal)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    return o->authorize != NULL ? o->authorize(o->ctx, principal) : 0;
}

static int port_read_commits(void *ctx, uint64_t from, size_t max, krbrepl__buf *out,
                             krbrepl__port_batch *info)
{
    krbrepl__recent *recent = ((krbrepl__node_port *)ctx)->owner.recent;

    return krbrepl__recent_read(recent, store_of(ctx), from, max, out, info);
}

static int port_copy_slice(void *ctx, krbrepl__ckey *after, size_t max, krbrepl__buf *out, int *end,
                           krbrepl_pos *at)
{
    return krbrepl__store_copy_slice(store_of(ctx), after, max, out, end, at);
}

static int port_range(void *ctx, krbrepl_bytes from, krbrepl_bytes to, size_t max, krbrepl__buf *out,
                      krbrepl__ckey *next, krbrepl_pos *at)
{
    return krbrepl__store_range(store_of(ctx), from, to, max, out, next, at);
}

static int port_pick(void *ctx, krbrepl_bytes from, krbrepl_bytes to, const krbrepl__wanted *wanted,
                     size_t max, krbrepl__buf *out, krbrepl__ckey *next, krbrepl_pos *at)
{
    return krbrepl__store_pick(store_of(ctx), from, to, wanted, max, out, next, at);
}

static int port_enter(void *ctx, uint64_t seq, const krbrepl__snap **snap)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    return o->enter(o->ctx, seq, snap);
}

static void port_leave(void *ctx)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    o->leave(o->ctx);
}

static void port_hold(void *ctx, const char *principal, uint64_t seq)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    if (o->hold != NULL)
        o->hold(o->ctx, principal, seq);
}

static int port_numbering(void *ctx, int redraw, krbrepl__numbering *out)
{
    krbrepl__store_numbers n = {0, 0, 0};
    int rc = krbrepl__store_numbers_get(store_of(ctx), redraw ? out->base : 0, &n);

    out->base = n.base;
    out->cumulative = n.cumulative;
    out->seq = n.seq;
    return rc;
}

static int port_told(void *ctx, const char *principal, krbrepl__told *out)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    return o->told(o->ctx, principal, out);
}

static int port_tell(void *ctx, const char *principal, const krbrepl__told *told)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    return o->tell(o->ctx, principal, told);
}

static void port_answered(void *ctx, const char *principal, uint32_t version)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    o->answered(o->ctx, principal, version);
}

static enum krbrepl__prior port_prior(void *ctx, uint64_t seq)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    return o->prior(o->ctx, seq);
}

/* ---- replica -------------------------------------------------------------------------------- */

static int port_adopt(void *ctx, const uint8_t database_id[16])
{
    return krbrepl__store_adopt(store_of(ctx), database_id);
}

static int port_learn_epoch(void *ctx, uint64_t epoch)
{
    return krbrepl__store_learn_epoch(store_of(ctx), epoch);
}

static int port_apply(void *ctx, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out)
{
    return krbrepl__store_apply(store_of(ctx), commit, n, out);
}

/* What an earlier copy left may be large, and the host must not wait for its end in one call. */
static int begin_whole(krbrepl__node_port *np, const krbrepl__copy_plan *plan, int keep_old)
{
    int rc = krbrepl__copy_forget(np->store);

    if (rc == 0)
        rc = krbrepl__empty_other(np->store);
    return rc != 0 ? rc
                   : krbrepl__copy_begin(np->store, &np->copy, &plan->from, plan->ancestry,
                                         plan->cumulative, plan->bytes, keep_old);
}

static int port_copy_begin(void *ctx, const krbrepl__copy_plan *plan)
{
    krbrepl__node_port *np = ctx;
    /* Nobody can say how the old content came about, so that a person may want to look at it. */
    const int keep_old = plan->reason == KRBREPL_COPY_UNVERIFIABLE;

    np->reason = plan->reason;
    switch (plan->mode) {
    case KRBREPL__COPY_RESUMED:
        return krbrepl__copy_resume(np->store, &np->copy);
    case KRBREPL__COPY_REPAIR:
        return krbrepl__repair_begin(np->store, &np->repair, &plan->from, plan->ancestry,
                                     plan->cumulative, keep_old);
    default:
        return begin_whole(np, plan, keep_old);
    }
}

/* A session asks for nothing of a copy that it has not begun; a mistake there must not crash a host. */
static int no_copy(krbrepl__node_port *np)
{
    return krbrepl__fail(krbrepl__store_ei(np->store), KRBREPL_ERR_STATE, "copy: none was begun");
}

static int port_copy_range(void *ctx, krbrepl_bytes from, krbrepl_bytes to,
                           const krbrepl__wanted *wanted)
{
    krbrepl__node_port *np = ctx;

    return np->repair != NULL ? krbrepl__repair_range(np->repair, from, to, wanted) : no_copy(np);
}

static int port_copy_at(void *ctx, const krbrepl_pos *at)
{
    krbrepl__node_port *np = ctx;

    return np->copy != NULL ? krbrepl__copy_at(np->copy, at) : no_copy(np);
}

static int port_copy_put(void *ctx, krbrepl_bytes full_key, krbrepl_bytes value)
{
    krbrepl__node_port *np = ctx;

    if (np->repair != NULL)
        return krbrepl__repair_put(np->repair, full_key, value);
    return np->copy != NULL ? krbrepl__copy_put(np->copy, full_key, value) : no_copy(np);
}

static int port_copy_apply(void *ctx, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out)
{
    krbrepl__node_port *np = ctx;
    int rc;

    if (np->repair != NULL) {
        rc = krbrepl__repair_apply(np->repair, commit, n);
        *out = *krbrepl__repair_pos(np->repair);
        return rc;
    }
    if (np->copy == NULL)
        return no_copy(np);
    rc = krbrepl__copy_apply(np->copy, commit, n);
    *out = *krbrepl__copy_pos(np->copy);
    return rc;
}

static void over(krbrepl__node_port *np)
{
    if (np->owner.over != NULL)
        np->owner.over(np->owner.ctx);
}

/* Before a repair goes live: what it changes is kept for a person to look at, then told to the owner. */
enum { LISTING = 0, TELLING, FINISHING };

#define TOLD_MAX 10000u

/* The content was not what it should have been, and somebody may want to know in what. */
static int is_listed(uint64_t reason)
{
    return reason == KRBREPL_COPY_DIFFERS || reason == KRBREPL_COPY_FAILED ||
           reason == KRBREPL_COPY_FORK || reason == KRBREPL_COPY_UNVERIFIABLE;
}

static int tell_one(void *ctx, krbrepl_bytes ckey)
{
    const krbrepl__port_owner *o = ctx;

    o->changed(o->ctx, ckey.data, ckey.len);
    return 0;
}

static int tell(krbrepl__node_port *np)
{
    krbrepl__repair_sum sum;

    if (np->owner.changed == NULL)
        return 0;
    krbrepl__repair_sum_get(np->repair, &sum);
    if (sum.entries <= TOLD_MAX)
        return krbrepl__repair_touched(np->repair, tell_one, &np->owner);
    np->owner.changed(np->owner.ctx, NULL, 0);
    return 0;
}

static int repair_step(krbrepl__node_port *np, krbrepl_pos *out)
{
    int rc = 0;

    if (np->stage == LISTING) {
        if (is_listed(np->reason))
            rc = krbrepl__keylist_write(&np->list, np->store, np->repair, np->reason, np->owner.log);
        np->stage += rc == 0;
    }
    if (np->stage == TELLING && rc == 0) {
        rc = tell(np);
        np->stage += rc == 0;
    }
    if (np->stage != FINISHING || rc != 0)
        return rc;
    krbrepl__repair_sum_get(np->repair, &np->sum);
    rc = krbrepl__repair_finish(np->repair, out);
    if (rc != 1)
        np->repair = NULL; /* it was freed */
    return rc;
}

static void forget_repair(krbrepl__node_port *np)
{
    krbrepl__repair_abort(np->repair);
    np->repair = NULL;
    krbrepl__keylist_free(np->list);
    np->list = NULL;
    np->stage = LISTING;
}

static int switch_repair(krbrepl__node_port *np, krbrepl_pos *out)
{
    int rc = repair_step(np, out);

    if (rc != 1)
        forget_repair(np);
    return rc;
}

static int port_copy_switch(void *ctx, krbrepl_pos *out)
{
    krbrepl__node_port *np = ctx;
    krbrepl__copy *c = np->copy;
    int rc;

    if (np->repair == NULL && c == NULL)
        return no_copy(np);
    rc = np->repair != NULL ? switch_repair(np, out) : krbrepl__copy_switch(c, out);
    np->copy = rc == 1 ? c : NULL; /* else the switch has freed it */
    if (rc == 0 && np->owner.copied != NULL)
        np->owner.copied(np->owner.ctx);
    if (rc != 1)
        over(np);
    return rc;
}

static void port_copy_abort(void *ctx)
{
    krbrepl__node_port *np = ctx;

    forget_repair(np);
    krbrepl__copy_abort(np->copy);
    np->copy = NULL;
    over(np);
}

static int port_save_evidence(void *ctx, uint64_t from)
{
    return krbrepl__evidence_save(store_of(ctx), from);
}

static void port_check(void *ctx, uint64_t seq)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    o->check(o->ctx, seq);
}

static int port_own_tree(void *ctx, const krbrepl__ftree **tree)
{
    const krbrepl__port_owner *o = &((krbrepl__node_port *)ctx)->owner;

    return o->own_tree(o->ctx, tree);
}

static int port_forked(void *ctx, uint64_t fork)
{
    int rc = krbrepl__store_note_fork(store_of(ctx), &fork);

    return rc == 0 ? krbrepl__evidence_save(store_of(ctx), fork + 1) : rc;
}

void krbrepl__port_init(krbrepl__port *port, krbrepl__node_port *np, krbrepl_store *store,
                        const krbrepl__port_owner *owner)
{
    memset(np, 0, sizeof *np);
    np->store = store;
    if (owner != NULL)
        np->owner = *owner;
    port->ctx = np;
    port->local = port_local;
    port->ancestry = port_ancestry;
    port->chain_at = port_chain_at;
    port->error_text = port_error_text;
    port->authorize = port_authorize;
    port->read_commits = port_read_commits;
    port->copy_slice = port_copy_slice;
    port->range = port_range;
    port->pick = port_pick;
    port->hold = port_hold;
    port->numbering = port_numbering;
    port->told = np->owner.told != NULL ? port_told : NULL;
    port->answered = np->owner.answered != NULL ? port_answered : NULL;
    port->tell = np->owner.tell != NULL ? port_tell : NULL;
    port->prior = np->owner.prior != NULL ? port_prior : NULL;
    port->adopt = port_adopt;
    port->learn_epoch = port_learn_epoch;
    port->apply = port_apply;
    port->copy_begin = port_copy_begin;
    port->copy_range = port_copy_range;
    port->copy_at = port_copy_at;
    port->copy_put = port_copy_put;
    port->copy_apply = port_copy_apply;
    port->copy_switch = port_copy_switch;
    port->copy_abort = port_copy_abort;
    port->save_evidence = port_save_evidence;
    port->check = np->owner.check != NULL ? port_check : NULL;
    port->forked = port_forked;
    port->enter = np->owner.enter != NULL && np->owner.leave != NULL ? port_enter : NULL;
    port->leave = port->enter != NULL ? port_leave : NULL;
    port->own_tree = np->owner.own_tree != NULL ? port_own_tree : NULL;
}
