/* What a node does for repairs, and the simulation in its place: masters lend digest trees that several
 * sessions share, replicas lend their own. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* ---- masters -------------------------------------------------------------------------------- */

static void shot_drop(shot *t)
{
    if (t == NULL || --t->refs != 0)
        return;
    krbrepl__ftree_unref(t->tree);
    krbrepl__free(t, sizeof *t);
}

/* Whether what came after it can be replayed yet. */
static int is_of_use(const site *s, uint64_t seq)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    return s->shot != NULL && s->shot->snap.pos.seq >= seq &&
           krbrepl__store_info(s->store, &info) == 0 &&
           memcmp(info.pos.lineage, s->shot->snap.pos.lineage, 16) == 0 &&
           info.journal_first <= s->shot->snap.pos.seq + 1;
}

static int places_taken(const world *w, int m)
{
    int k, n = 0;

    for (k = 0; k < MAX_LINKS; k++)
        n += w->links[k].used && w->links[k].master == m && w->links[k].at[0].entered;
    return n;
}

static int enter(void *ctx, uint64_t seq, const krbrepl__snap **snap)
{
    end *x = ctx;
    site *s = x->site;
    world *w = s->w;

    x->waiting = 1;
    if (places_taken(w, s->index) >= w->repairs_max) {
        w->did[DID_WAIT]++;
        return 1;
    }
    if (snap != NULL && !is_of_use(s, seq)) {
        krbrepl__prover_freeze(s->prover);
        return 1;
    }
    x->waiting = 0;
    x->entered = 1;
    if (snap == NULL)
        return 0;
    x->shot = s->shot;
    w->did[DID_SHARE] += x->shot->refs > 1;
    x->shot->refs++;
    *snap = &x->shot->snap;
    return 0;
}

static void leave(void *ctx)
{
    end *x = ctx;

    shot_drop(x->shot);
    x->shot = NULL;
    x->entered = 0;
    x->site->w->wake = 1;
}

/* ---- replicas ------------------------------------------------------------------------------- */

static int own_tree(void *ctx, const krbrepl__ftree **tree)
{
    end *x = ctx;

    /* It was built before the damage was noticed. */
    if (x->own != NULL && x->site->own_stale) {
        krbrepl__ftree_unref(x->own);
        x->own = NULL;
    }
    if (x->own == NULL) {
        x->site->own_stale = 0;
        x->waiting = 1;
        krbrepl__prover_freeze(x->site->prover);
        return 1;
    }
    *tree = x->own;
    return 0;
}

static void over(void *ctx)
{
    end *x = ctx;

    krbrepl__ftree_unref(x->own);
    x->own = NULL;
}

/* A repair goes by a tree that may be older than the damage, whose record it then takes for equal and leaves alone: who
 * builds the next tree, or scrubs, finds it. What the tree knew of, and what is copied in full, is right afterwards. */
static int is_left_rotten(const end *x)
{
    const site *s = x->site;
    krbrepl_pos pos;
    uint8_t root[32];

    if (!s->rotten || oracle_read(s->w, s->index, &pos, root) != KRBREPL_ERR_CORRUPT)
        return 0;
    if (!s->unseen || x->mode != KRBREPL__COPY_REPAIR)
        broken(s->w, "site %d: a record that was damaged is so after the copy", s->index);
    return 1;
}

static void copied(void *ctx)
{
    end *x = ctx;
    site *s = x->site;

    krbrepl__prover_reset(s->prover);
    s->rotten = is_left_rotten(x);
    s->unseen = 0;
    s->asks = 0;
    s->all = 0;
    s->repaired = x->mode == KRBREPL__COPY_REPAIR;
}

static const int deed_of_mode[] = {DID_COPY, DID_WHOLE, DID_RESUME, DID_REPAIR};

static int copy_begin(void *ctx, const krbrepl__copy_plan *asked)
{
    end *x = (end *)((char *)ctx - offsetof(end, np));
    world *w = x->site->w;
    krbrepl__copy_plan changed = *asked;
    int rc;

    /* Then the store goes by the other generation, as it does when much differs. */
    if (x->large)
        changed.reason = KRBREPL_COPY_UNVERIFIABLE;
    rc = x->real.copy_begin(ctx, &changed);
    if (rc == 0) {
        w->did[DID_LARGE] += asked->mode == KRBREPL__COPY_REPAIR && x->large;
        x->mode = asked->mode;
        x->site->w->did[deed_of_mode[asked->mode]]++;
        note(x->site->w, "site %d: copy mode %d from %llu", x->site->index, asked->mode,
             (unsigned long long)asked->from.seq);
    }
    return rc;
}

static int copy_switch(void *ctx, krbrepl_pos *out)
{
    end *x = (end *)((char *)ctx - offsetof(end, np));
    int rc = x->real.copy_switch(ctx, out);

    if (rc == 0)
        x->site->w->did[x->mode == KRBREPL__COPY_REPAIR ? DID_REPAIRED : DID_COPIED]++;
    return rc;
}

/* The files of evidence are there for good once the store says so. */
static int save_evidence(void *ctx, uint64_t from)
{
    end *x = (end *)((char *)ctx - offsetof(end, np));
    int rc = x->real.save_evidence(ctx, from);

    x->saved |= rc == 0;
    return rc;
}

static int forked(void *ctx, uint64_t fork)
{
    end *x = (end *)((char *)ctx - offsetof(end, np));
    int rc = x->real.forked(ctx, fork);

    x->saved |= rc == 0;
    return rc;
}

/* ---- both ----------------------------------------------------------------------------------- */

void repairs_init(end *x, int master, krbrepl__port_owner *owner)
{
    owner->check = on_check;
    owner->copied = copied;
    owner->over = over;
    if (!x->site->w->repairs_max)
        return;
    owner->enter = master ? enter : NULL;
    owner->leave = master ? leave : NULL;
    owner->own_tree = master ? NULL : own_tree;
}

void repairs_watch(end *x)
{
    x->large = rng_chance(&x->site->w->rng, 1, 4);
    x->real = x->port;
    x->port.save_evidence = save_evidence;
    x->port.forked = forked;
    x->port.copy_begin = copy_begin;
    x->port.copy_switch = copy_switch;
}

static void wake_ends(world *w, int i)
{
    int k, e;

    for (k = 0; k < MAX_LINKS; k++) {
        cable *l = &w->links[k];

        for (e = 0; e < 2; e++)
            if (l->used && (e == 0 ? l->master : l->site) == i && l->at[e].sess != NULL &&
                l->at[e].waiting) {
                l->at[e].waiting = 0;
                krbrepl__sess_again(l->at[e].sess);
            }
    }
}

/* Somebody has left: all who wait for a place may ask once more. */
void repairs_wake(world *w)
{
    int i;

    for (i = 0; w->wake && i < w->sites; i++)
        wake_ends(w, i);
    w->wake = 0;
}

/* Lends the tree to the sessions of a replica that wait for it. */
static void lend_own(world *w, int i, krbrepl__ftree *tree)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        end *x = &w->links[k].at[1];

        if (!w->links[k].used || w->links[k].site != i || x->sess == NULL || !x->waiting)
            continue;
        krbrepl__ftree_unref(x->own);
        x->own = krbrepl__ftree_ref(tree);
    }
}

static void take_shot(world *w, site *s, const krbrepl__proof *p)
{
    shot *t = krbrepl__alloc(sizeof *t);
    const uint8_t *want = oracle_root(w, &p->pos);
    uint8_t root[32];
    size_t i;

    if (t == NULL) {
        broken(w, "out of memory");
        return;
    }
    krbrepl__ftree_root(p->tree, root);
    if (want == NULL || memcmp(want, root, sizeof root) != 0)
        broken(w, "site %d: the tree that it lends is not that of its content", s->index);
    t->refs = 1;
    t->tree = krbrepl__ftree_ref(p->tree);
    t->snap.tree = t->tree;
    t->snap.pos = p->pos;
    t->snap.cumulative = p->cumulative;
    t->snap.records = p->records;
    for (i = 0; i < sizeof t->snap.salt; i++)
        t->snap.salt[i] = (uint8_t)rng_next(&w->prove_rng);
    shot_drop(s->shot);
    s->shot = t;
}

void repairs_frozen(world *w, int i, krbrepl__proof *p)
{
    site *s = &w->site[i];

    if (p->tree != NULL && (i == w->master || i == w->old))
        take_shot(w, s, p);
    else if (p->tree != NULL)
        lend_own(w, i, p->tree);
    krbrepl__ftree_unref(p->tree);
    wake_ends(w, i);
}

/* No tree was made of content that cannot be read: whoever waits for one asks for it once more. */
void repairs_failed(world *w, int i)
{
    wake_ends(w, i);
}

void repairs_forget(site *s)
{
    shot_drop(s->shot);
    s->shot = NULL;
}
