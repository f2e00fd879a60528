/* Digests: every site keeps a tree, the master has its replicas compare. */
#include "world.h"

#include <string.h>

#include "errinfo.h"

void on_check(void *ctx, uint64_t seq)
{
    site *s = ((end *)ctx)->site;
    krbrepl_pos at;

    s->want = seq;
    if (krbrepl__prover_ready(s->prover))
        krbrepl__prover_begin(s->prover, &at);
}

void found_damage(world *w, int i, const char *text)
{
    site *s = &w->site[i];
    int k;

    if (s->asks != 0)
        return; /* it is known, and the tree is that of what was found */
    krbrepl__prover_reset(s->prover);
    s->unseen = 0;
    s->own_stale = 1;
    note(w, "site %d: damage is found", i);
    w->did[DID_ROT_FOUND]++;
    s->asks = KRBREPL_COPY_DIFFERS;
    for (k = 0; k < MAX_LINKS; k++) {
        cable *l = &w->links[k];

        if (!l->used || l->site != i || l->at[1].sess == NULL || l->at[1].closed_at != 0)
            continue;
        krbrepl__sess_close(l->at[1].sess, KRBREPL_ERR_DIVERGED, text, w->now);
        look_at_end(w, l, 1);
    }
}

static void tell_master(world *w, uint64_t seq, const uint8_t *root)
{
    int k;

    for (k = 0; k < MAX_LINKS; k++) {
        cable *l = &w->links[k];

        if (!l->used || l->master != w->master || l->at[0].sess == NULL)
            continue;
        krbrepl__sess_check(l->at[0].sess, seq, root);
        look_at_end(w, l, 0);
    }
}

static void tell_replica(world *w, int i, uint64_t seq, const uint8_t *root)
{
    int k;

    w->site[i].want = 0;
    for (k = 0; k < MAX_LINKS; k++) {
        cable *l = &w->links[k];

        if (!l->used || l->site != i || l->at[1].sess == NULL)
            continue;
        krbrepl__sess_proved(l->at[1].sess, seq, root);
        look_at_end(w, l, 1);
    }
}

static void take(world *w, int i, const krbrepl__proof *p)
{
    const uint8_t *want = oracle_root(w, &p->pos);

    if ((want == NULL || memcmp(want, p->root, sizeof p->root) != 0) && !w->site[i].was_rotten)
        broken(w, "site %d: the tree that it keeps has another root at %llu than its content", i,
               (unsigned long long)p->pos.seq);
    if (i == w->master)
        tell_master(w, p->pos.seq, p->root);
    else
        tell_replica(w, i, p->pos.seq, p->root);
}

static void begin(world *w, int i)
{
    site *s = &w->site[i];
    krbrepl_pos at;

    if (!krbrepl__prover_ready(s->prover) || krbrepl__prover_running(s->prover))
        return;
    if (i != w->master) {
        if (s->want != 0 && (krbrepl__prover_begin(s->prover, &at) != 0 || at.seq != s->want))
            tell_replica(w, i, s->want, NULL);
        return;
    }
    if (!rng_chance(&w->prove_rng, 1, 20) || krbrepl__prover_begin(s->prover, &at) != 0)
        return;
    tell_master(w, at.seq, NULL);
}

void prove(world *w)
{
    int i = (int)rng_below(&w->prove_rng, (uint64_t)w->sites);
    site *s = &w->site[i];
    krbrepl__proof proof;
    int rc;

    if (s->store == NULL || w->failed || s->foreign_until != 0 || !rng_chance(&w->prove_rng, 1, 2))
        return;
    begin(w, i);
    if (rng_chance(&w->prove_rng, 1, 50))
        krbrepl__prover_scrub(s->prover, 1 + rng_below(&w->prove_rng, 4));
    rc = krbrepl__prover_work(s->prover, 1 + rng_below(&w->prove_rng, 40), &proof);
    if (rc == KRBREPL__PROVER_PROVED) {
        take(w, i, &proof);
    } else if (rc == KRBREPL__PROVER_FROZEN) {
        repairs_frozen(w, i, &proof);
    } else if (rc == KRBREPL_ERR_CORRUPT || rc == KRBREPL__PROVER_ALTERED) {
        const char *text = rc < 0 ? krbrepl__store_ei(s->store)->text : proof.text;

        if (s->was_rotten)
            found_damage(w, i, "the content of this replica is not what its history says");
        else
            broken(w, "site %d: %s", i, text);
    } else if (rc < 0) {
        site_failed(w, i, "computing the digest", rc);
    }
}

void scrub_all(world *w)
{
    int i;

    for (i = 0; i < w->sites; i++)
        if (w->site[i].store != NULL && w->site[i].rotten)
            krbrepl__prover_scrub(w->site[i].prover, krbrepl__prover_leaves(w->site[i].prover));
}
