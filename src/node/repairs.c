#include "repairs.h"

#include <string.h>

#include "conn.h"
#include "master.h"
#include "mem.h"
#include "replica.h"

#define FRESH_COMMITS 1000u    /* that a repair may have to replay because its tree is older */
#define KEEP_MS 10000u         /* a tree that nobody uses */
#define NO_TREE_MS 1000u       /* after a tree came to nothing */
#define CHANGED_MAX (4u << 20) /* bytes of keys; with more, building the tree anew is no dearer */

/* ---- those who wait ------------------------------------------------------------------------- */

static void wake_waiting(krbrepl_node *n)
{
    krbrepl__item *l, *after;

    KRBREPL__EACH_ITEM(&n->conns, l, after)
    {
        krbrepl__conn *c = l->self;

        if (!c->waits || c->over)
            continue;
        c->waits = 0;
        krbrepl__sess_again(c->sess);
        krbrepl__conn_wake(c);
    }
}

static int fail(krbrepl_node *n, int rc, const char *text)
{
    return krbrepl__fail(krbrepl__store_ei(n->store), rc, "repair: %s", text);
}

static void ask(krbrepl_node *n)
{
    if (!n->repairs.asked)
        krbrepl__worker_freeze(n->proof.worker);
    n->repairs.asked = 1;
}

/* ---- master --------------------------------------------------------------------------------- */

static void unref(krbrepl__shared *s)
{
    if (s == NULL || --s->refs != 0)
        return;
    krbrepl__ftree_unref(s->tree);
    krbrepl__free(s, sizeof *s);
}

/* Whether the tree that is there will do: of this lineage, not below `seq`, and with little to replay. */
static int is_fresh(krbrepl_node *n, uint64_t seq)
{
    const krbrepl__shared *s = n->repairs.shared;
    krbrepl_store_info i;
    int rc;

    KRBREPL_INIT(&i);
    rc = krbrepl__store_info(n->store, &i);
    if (rc != 0)
        return rc;
    if (seq > i.pos.seq)
        return fail(n, KRBREPL_ERR_STATE, "the store is not where the replica is");
    return s != NULL && memcmp(s->snap.pos.lineage, i.pos.lineage, sizeof i.pos.lineage) == 0 &&
           s->snap.pos.seq >= seq && s->snap.pos.seq <= i.pos.seq &&
           i.pos.seq - s->snap.pos.seq <= FRESH_COMMITS && s->snap.pos.seq + 1 >= i.journal_first;
}

/* 0: `*snap` is there, or is NULL where there is none to be had, and everything is copied; 1: later. */
static int give_snap(krbrepl__conn *c, uint64_t seq, const krbrepl__snap **snap)
{
    krbrepl_node *n = c->n;
    krbrepl__repairs *r = &n->repairs;
    int rc = is_fresh(n, seq);

    *snap = NULL;
    if (rc < 0)
        return rc;
    if (rc == 0 && n->now < n->proof.pause_until)
        return 0;
    if (rc == 0) {
        ask(n);
        return 1;
    }
    r->shared->refs++;
    r->shared_ms = n->now;
    c->shared = r->shared;
    *snap = &c->shared->snap;
    return 0;
}

int krbrepl__repairs_enter(krbrepl__conn *c, uint64_t seq, const krbrepl__snap **snap)
{
    krbrepl__repairs *r = &c->n->repairs;
    int rc = 0;

    if (c->n->master == NULL)
        return fail(c->n, KRBREPL_ERR_STATE, "the node serves nobody");
    c->waits = 1;
    if (r->under_way >= c->n->master->opt.repairs_max)
        return 1;
    if (snap != NULL)
        rc = give_snap(c, seq, snap);
    if (rc != 0)
        return rc;
    c->waits = 0;
    c->entered = 1;
    r->under_way++;
    return 0;
}

void krbrepl__repairs_leave(krbrepl__conn *c)
{
    krbrepl_node *n = c->n;

    if (!c->entered)
        return;
    c->entered = 0;
    n->repairs.under_way--;
    n->repairs.shared_ms = n->now;
    unref(c->shared);
    c->shared = NULL;
    wake_waiting(n);
}

static void share(krbrepl_node *n, krbrepl__proof *proof)
{
    krbrepl__repairs *r = &n->repairs;
    krbrepl__shared *s = NULL;

    if (proof->tree != NULL)
        s = krbrepl__alloc(sizeof *s);
    /* A salt that somebody could foresee would let him prepare records whose digests collide. */
    if (s == NULL || n->sys->random(n->sys->ctx, s->snap.salt, sizeof s->snap.salt) != 0) {
        krbrepl__ftree_unref(proof->tree);
        krbrepl__free(s, sizeof *s);
        /* Those who wait would ask again at once, and so without end: for a while everything is copied. */
        n->proof.pause_until = n->now + NO_TREE_MS;
        return;
    }
    s->refs = 1;
    s->tree = proof->tree;
    s->snap.tree = proof->tree;
    s->snap.pos = proof->pos;
    s->snap.cumulative = proof->cumulative;
    s->snap.records = proof->records;
    unref(r->shared);
    r->shared = s;
    r->shared_ms = n->now;
}

/* ---- replica -------------------------------------------------------------------------------- */

static void drop_own(krbrepl__repairs *r)
{
    krbrepl__ftree_unref(r->own);
    r->own = NULL;
    krbrepl__buf_free(&r->changed);
    r->lost = 0;
}

static int is_own(krbrepl_node *n)
{
    krbrepl__repairs *r = &n->repairs;
    krbrepl_store_info i;
    int rc;

    if (r->own == NULL || r->distrust)
        return 0;
    KRBREPL_INIT(&i);
    rc = krbrepl__store_info(n->store, &i);
    return rc != 0 ? rc : krbrepl__pos_equal(&i.pos, &r->own_pos);
}

int krbrepl__repairs_own_tree(krbrepl__conn *c, const krbrepl__ftree **tree)
{
    krbrepl_node *n = c->n;
    krbrepl__repairs *r = &n->repairs;
    int rc = is_own(n);

    if (rc < 0)
        return rc;
    if (rc == 1) {
        *tree = r->own;
        return 0;
    }
    drop_own(r);
    if (r->none || n->now < n->proof.pause_until) {
        r->none = 0;
        return fail(n, KRBREPL_ERR_NOTFOUND, "the own content has no digest tree");
    }
    c->waits = 1;
    if (r->distrust) {
        krbrepl__worker_reset(n->proof.worker);
        r->distrust = 0;
    }
    ask(n);
    return 1;
}

void krbrepl__repairs_changed(krbrepl_node *n, const void *ckey, size_t len)
{
    krbrepl__repairs *r = &n->repairs;

    if (len == 0 || r->changed.len + len > CHANGED_MAX)
        r->lost = 1;
    if (r->lost)
        return;
    krbrepl__buf_vec16(&r->changed, ckey, len);
    r->lost = r->changed.err != 0;
}

void krbrepl__repairs_copied(krbrepl_node *n)
{
    krbrepl__repairs *r = &n->repairs;
    krbrepl_store_info i;

    KRBREPL_INIT(&i);
    if (r->own != NULL && !r->lost && !r->distrust && krbrepl__store_info(n->store, &i) == 0)
        krbrepl__worker_moved(n->proof.worker, &r->changed, &r->own_pos, &i.pos);
    else
        krbrepl__worker_reset(n->proof.worker);
    r->distrust = 0;
    drop_own(r);
}

void krbrepl__repairs_own_done(krbrepl__conn *c)
{
    drop_own(&c->n->repairs);
}

void krbrepl__repairs_over(krbrepl__conn *c)
{
    c->waits = 0;
}

/* ---- both ----------------------------------------------------------------------------------- */

void krbrepl__repairs_frozen(krbrepl_node *n, krbrepl__proof *proof)
{
    krbrepl__repairs *r = &n->repairs;

    r->asked = 0;
    if (n->master != NULL) {
        share(n, proof);
    } else {
        drop_own(r);
        r->own = proof->tree;
        r->own_pos = proof->pos;
        r->none = proof->tree == NULL;
    }
    proof->tree = NULL;
    wake_waiting(n);
}

void krbrepl__repairs_failed(krbrepl_node *n)
{
    n->repairs.asked = 0;
    wake_waiting(n);
}

void krbrepl__repairs_tick(krbrepl_node *n)
{
    krbrepl__repairs *r = &n->repairs;

    if (r->own != NULL && (n->replica->cur == NULL ||
                           krbrepl__conn_info(n->replica->cur)->phase != KRBREPL__SESS_COPYING))
        drop_own(r);
    if (r->shared == NULL || r->shared->refs > 1 || n->now - r->shared_ms < KEEP_MS)
        return;
    unref(r->shared);
    r->shared = NULL;
}

void krbrepl__repairs_init(krbrepl_node *n)
{
    memset(&n->repairs, 0, sizeof n->repairs);
    krbrepl__buf_init(&n->repairs.changed, 0);
}

void krbrepl__repairs_free(krbrepl_node *n)
{
    unref(n->repairs.shared);
    n->repairs.shared = NULL;
    drop_own(&n->repairs);
}
