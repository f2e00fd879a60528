/* Connections, and what the owners of sessions do. */
#include "world.h"

#include <stddef.h>
#include <string.h>

#include "mem.h"
#include "plainchan.h"

#define PIPE_BYTES 65536u /* in flight in one direction */
#define LINGER_MS 2000u

/* ---- connections ---------------------------------------------------------------------------- */

static int authorize(void *ctx, const char *principal)
{
    const world *w = ((end *)ctx)->site->w;
    int i = principal[12] - '0';

    if (strncmp(principal, "krbrepl/site", 12) != 0 || i < 0 || i >= w->sites ||
        w->site[i].denied_until != 0)
        return 0;
    return KRBREPL_ALLOW_REPLICA;
}

static void hold(void *ctx, const char *principal, uint64_t seq)
{
    site *s = ((end *)ctx)->site;
    int i = principal[12] - '0';

    s->hold[i] = seq;
    s->hold_noted[i] = 1;
}

static int end_open(world *w, cable *l, int e)
{
    site *self = &w->site[e == 0 ? l->master : l->site];
    krbrepl__port_owner owner = {.authorize = authorize, .hold = hold};
    krbrepl__sess_cfg cfg = {0};
    end *x = &l->at[e];
    int rc;

    memset(&l->at[e], 0, sizeof l->at[e]);
    krbrepl__buf_init(&l->at[e].in, 0);
    x->site = self;
    owner.ctx = x;
    repairs_init(x, e == 0, &owner);
    krbrepl__port_init(&l->at[e].port, &l->at[e].np, self->store, &owner);
    repairs_watch(x);
    cfg.master = e == 0;
    cfg.asks = e == 0 ? 0 : self->asks;
    cfg.all = e == 1 && self->all;
    cfg.chan = plainchan_new(self->principal, w->lifetime_s);
    cfg.port = &l->at[e].port;
    cfg.log = &w->log;
    cfg.name = self->principal;
    cfg.address = w->site[e == 0 ? l->site : l->master].principal;
    cfg.handshake_ms = 5000;
    cfg.missing_ms = 1000;
    cfg.gone_ms = 5000;
    cfg.window = w->window;
    rc = krbrepl__sess_new(&l->at[e].sess, &cfg, w->now);
    if (rc != 0)
        broken(w, "no session: %s", krbrepl_err_name(rc));
    return rc;
}

void site_connect(world *w, int i)
{
    cable *l = NULL;
    int k, m = w->master;

    /* It may not have heard yet who is the master now. */
    if (w->old >= 0 && rng_chance(&w->rng, 1, 4))
        m = w->old;
    for (k = 0; k < MAX_LINKS && l == NULL; k++)
        if (!w->links[k].used)
            l = &w->links[k];
    if (l == NULL || w->site[m].store == NULL || w->site[i].store == NULL)
        return;
    memset(l, 0, sizeof *l);
    l->used = 1;
    l->id = ++w->next_id;
    l->site = i;
    l->master = m;
    l->promotions = w->did[DID_PROMOTE];
    if (end_open(w, l, 0) != 0 || end_open(w, l, 1) != 0)
        return;
    note(w, "link %llu: site %d connects to %d", (unsigned long long)l->id, i, m);
}

/* The n-th link of site i whose replica's end is alive. */
cable *link_of(world *w, int i, int nth)
{
    cable *best = NULL;
    uint64_t above = 0;
    int k;

    /* In the order of their ids. */
    do {
        best = NULL;
        for (k = 0; k < MAX_LINKS; k++) {
            cable *l = &w->links[k];

            if (l->used && l->site == i && l->at[1].sess != NULL && l->id > above &&
                (best == NULL || l->id < best->id))
                best = l;
        }
        if (best != NULL)
            above = best->id;
    } while (best != NULL && nth-- > 0);
    return best;
}

/* Which ends of a session are no surprise. All faults of the network end in NET or TIMEOUT; whatever
 * speaks of histories or of the protocol is a fault of ours, unless it was put there. */
static int is_fair(const world *w, const cable *l, int err)
{
    const site *m = &w->site[l->master], *s = &w->site[l->site];

    switch (err) {
    case 0:
    case KRBREPL_ERR_NET:
    case KRBREPL_ERR_TIMEOUT:
    case KRBREPL_ERR_AUTH:
        return 1;
    case KRBREPL_ERR_NOSPACE:
    case KRBREPL_ERR_IO:
        return disk_failures(s->index) != 0 || disk_failures(m->index) != 0 || disk_dead(s->index) ||
               disk_dead(m->index);
    case KRBREPL_ERR_DENIED:
        return s->was_denied;
    case KRBREPL_ERR_FOREIGN:
        return s->was_foreign;
    case KRBREPL_ERR_FENCED:
        return w->did[DID_USURP] != 0;
    case KRBREPL_ERR_CONFLICT:
        /* A copy that was to go on waited for its place, and its master was promoted once more: the next session is
         * judged by the new lineage. */
        return w->did[DID_PROMOTE] != l->promotions;
    default:
        return 0;
    }
}

/* What comes of files that were put back. */
static int is_fork(int err)
{
    return err == KRBREPL_ERR_AHEAD || err == KRBREPL_ERR_DIVERGED;
}

/* It was found to differ: the next session asks for a repair, and when that has not helped, for everything. */
static void asks_anew(site *s, const krbrepl__sess_info *i)
{
    s->asks = KRBREPL_COPY_DIFFERS;
    s->own_stale = 1;
    s->unseen = 0;
    s->all |= i->differs && s->repaired;
    if (s->prover != NULL)
        krbrepl__prover_reset(s->prover);
}

/* The content of a replica was found to be wrong: by itself, or by its master who told it. */
static int is_damage(world *w, const cable *l, int e, const krbrepl__sess_info *i)
{
    site *s = &w->site[l->site];
    /* Who is turned away at once has another history. */
    int welcome = e == 1 ? !i->by_peer || i->peer_seq != 0 : i->by_peer;

    if (!s->was_rotten || (i->err != KRBREPL_ERR_CORRUPT && i->err != KRBREPL_ERR_DIVERGED))
        return 0;
    if (i->err == KRBREPL_ERR_DIVERGED && !i->differs && !welcome)
        return 0;
    if (e == 1)
        asks_anew(s, i);
    return 1;
}

void look_at_end(world *w, cable *l, int e)
{
    const krbrepl__sess_info *i;
    site *s = &w->site[l->site];

    if (l->at[e].sess == NULL || l->at[e].closed_at != 0)
        return;
    i = krbrepl__sess_info_get(l->at[e].sess);
    if (i->phase != KRBREPL__SESS_CLOSED)
        return;
    l->at[e].closed_at = w->now;
    note(w, "link %llu: end %d closed: %s", (unsigned long long)l->id, e, krbrepl_err_name(i->err));
    if (i->err == KRBREPL_ERR_FOREIGN)
        s->turned_away = 1;
    w->did[DID_FENCE] += i->err == KRBREPL_ERR_FENCED && !i->by_peer;
    if (i->store_err == KRBREPL_ERR_IO)
        w->site[e == 0 ? l->master : l->site].sick = 1;
    if (is_fair(w, l, i->err) || is_damage(w, l, e, i))
        return;
    if (w->did[DID_ROLL_BACK] != 0 && is_fork(i->err) && !i->differs) {
        s->refused = 1;
        return;
    }
    broken(w, "link %llu of site %d: %s %s: %s: %s", (unsigned long long)l->id, l->site,
           e == 0 ? "master" : "replica", i->by_peer ? "was told" : "says", krbrepl_err_name(i->err),
           i->text);
}

void link_drop_end(world *w, cable *l, int e)
{
    end *x = &l->at[e], *y = &l->at[!e];
    const krbrepl__sess_info *i;

    if (!l->used || x->sess == NULL)
        return;
    i = krbrepl__sess_info_get(x->sess);
    if (e == 1) {
        w->did[DID_COPY] += i->copies;
        w->did[DID_PROVE] += i->proofs;
        w->did[DID_FORK] += i->copies != 0 && i->copy_reason == KRBREPL_COPY_FORK;
    }
    krbrepl__sess_free(x->sess);
    x->sess = NULL;
    krbrepl__ftree_unref(x->own);
    x->own = NULL;
    y->eof = 1;
    krbrepl__buf_free(&x->in);
    if (y->sess == NULL)
        l->used = 0;
}

void link_pump(world *w, cable *l, int e, size_t n)
{
    end *to = &l->at[!e];
    krbrepl__buf *out;

    if (l->at[e].sess == NULL)
        return;
    out = krbrepl__sess_out(l->at[e].sess);
    if (n > out->len)
        n = out->len;
    if (to->sess == NULL || to->lost || to->eof) {
        krbrepl__buf_consume(out, n); /* into the void */
        return;
    }
    if (to->in.len >= PIPE_BYTES)
        return;
    if (n > PIPE_BYTES - to->in.len)
        n = PIPE_BYTES - to->in.len;
    krbrepl__buf_bytes(&to->in, out->data, n);
    krbrepl__buf_consume(out, n);
    (void)w;
}

/* What may have happened to the one who was called. 1: it is gone, and the connection with it. */
static int after_call(world *w, cable *l, int e)
{
    uint64_t id = l->id;

    if (site_gone(w, e == 0 ? l->master : l->site))
        return 1;
    look_at_end(w, l, e);
    if (e == 1 && l->at[1].saved) {
        l->at[1].saved = 0;
        evidence_check(w, l->site);
    }
    return !l->used || l->id != id || l->at[e].sess == NULL;
}

void link_deliver(world *w, cable *l, int e, size_t n)
{
    end *x = &l->at[e];
    uint8_t *copy;

    if (x->sess == NULL || x->stalled > w->now || x->lost)
        return;
    if (n > x->in.len)
        n = x->in.len;
    if (n != 0) {
        copy = krbrepl__alloc(n);
        if (copy == NULL)
            return;
        memcpy(copy, x->in.data, n);
        krbrepl__buf_consume(&x->in, n);
        krbrepl__sess_feed(x->sess, copy, n, w->now);
        krbrepl__free(copy, n);
        note(w, "link %llu: %zu bytes to end %d", (unsigned long long)l->id, n, e);
    } else if (x->eof && x->closed_at == 0) {
        krbrepl__sess_eof(x->sess, w->now);
    }
    if (!after_call(w, l, e) && e == 0)
        oracle_check_acks(w, l);
}

int link_work(world *w, cable *l, int e)
{
    int more;

    if (l->at[e].sess == NULL)
        return 0;
    more = krbrepl__sess_work(l->at[e].sess, w->now);
    if (after_call(w, l, e))
        return 0;
    if (e == 1)
        oracle_check(w, l->site);
    return more;
}

/* ---- owners --------------------------------------------------------------------------------- */

/* The master's node: a new session of a principal replaces the old one. */
static void replace_older(world *w, cable *l)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        cable *o = &w->links[k];

        if (o->used && o->site == l->site && o->master == l->master && o->id < l->id &&
            o->at[0].sess != NULL && o->at[0].closed_at == 0) {
            krbrepl__sess_close(o->at[0].sess, 0, "a newer session replaces this one", w->now);
            look_at_end(w, o, 0);
        }
    }
}

/* The acl has changed: who is not in it any more gets no further. */
void denied(world *w, int i)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        cable *l = &w->links[k];

        if (!l->used || l->site != i || l->at[0].sess == NULL || l->at[0].closed_at != 0 ||
            krbrepl__sess_info_get(l->at[0].sess)->phase < KRBREPL__SESS_HELLO)
            continue;
        krbrepl__sess_close(l->at[0].sess, KRBREPL_ERR_DENIED, "it is not authorized any more", w->now);
        look_at_end(w, l, 0);
    }
}

/* The replica's node: the oldest session goes first; a secured successor ends it. */
static void let_go(world *w, cable *l)
{
    cable *first = link_of(w, l->site, 0);

    if (first == l) {
        l->at[1].went = 1;
        krbrepl__sess_go(l->at[1].sess, w->now);
        look_at_end(w, l, 1);
    } else if (first->at[1].closed_at == 0) {
        krbrepl__sess_close(first->at[1].sess, 0, "renewed", w->now);
        look_at_end(w, first, 1);
    }
}

static void settle_end(world *w, cable *l, int e)
{
    end *x = &l->at[e];
    const krbrepl__sess_info *i;

    if (x->sess == NULL)
        return;
    i = krbrepl__sess_info_get(x->sess);
    if (x->closed_at == 0 && i->phase >= KRBREPL__SESS_HELLO && e == 0)
        replace_older(w, l);
    if (x->closed_at == 0 && i->phase == KRBREPL__SESS_HELLO && e == 1 && !x->went)
        let_go(w, l);
    if (x->closed_at == 0)
        return;
    link_pump(w, l, e, SIZE_MAX);
    if (krbrepl__sess_out(x->sess)->len == 0 || w->now >= x->closed_at + LINGER_MS)
        link_drop_end(w, l, e);
}

void settle(world *w)
{
    int k;

    for (k = 0; k < w->sites; k++)
        site_gone(w, k);
    repairs_wake(w);
    for (k = 0; k < MAX_LINKS; k++) {
        if (!w->links[k].used)
            continue;
        settle_end(w, &w->links[k], 0);
        settle_end(w, &w->links[k], 1);
    }
}

static void tell_grown_of(world *w, int m)
{
    krbrepl_store_info info;
    int k;

    KRBREPL_INIT(&info);
    if (w->site[m].store == NULL || krbrepl__store_info(w->site[m].store, &info) != 0)
        return;
    for (k = 0; k < MAX_LINKS; k++) {
        const cable *l = &w->links[k];

        if (!l->used || l->master != m || l->at[0].sess == NULL)
            continue;
        krbrepl__sess_grown(l->at[0].sess, info.pos.seq);
        /* Somebody waits for what is received, at some of the sessions: no draw, or every seed would be another. */
        if (l->id % 3 == 0) {
            krbrepl__sess_prompt(l->at[0].sess);
            w->did[DID_PROMPT]++;
        }
    }
}

void tell_grown(world *w)
{
    tell_grown_of(w, w->master);
    if (w->old >= 0)
        tell_grown_of(w, w->old);
}
