/* A run. */
#include "world.h"

#define CALM_MS 120000u

const char *const deed_name[DID_LAST] = {
    [DID_COMMIT] = "commits",
    [DID_PROMPT] = "waits for what is received",
    [DID_COPY] = "copies",
    [DID_WHOLE] = "full copies begun",
    [DID_RESUME] = "full copies gone on with",
    [DID_REPAIR] = "repairs begun",
    [DID_COPIED] = "full copies that went live",
    [DID_REPAIRED] = "repairs that went live",
    [DID_LARGE] = "of those begun by the other generation",
    [DID_SHARE] = "repairs with a tree that another had",
    [DID_WAIT] = "copies that waited for a place",
    [DID_FORK] = "sessions with a copy after a fork",
    [DID_CRASH] = "crashes",
    [DID_DIE] = "deaths within a write",
    [DID_DIE_COPYING] = "of them in a copy",
    [DID_POWER] = "losses of power",
    [DID_DOUBT] = "commits that were there though nobody was told",
    [DID_CUT] = "cuts",
    [DID_RESET] = "resets",
    [DID_PROMOTE] = "promotions",
    [DID_FAILOVER] = "failovers",
    [DID_USURP] = "masters that did not hear of their end",
    [DID_FENCE] = "sessions refused for a lower epoch",
    [DID_ROLL_BACK] = "files put back",
    [DID_RESOLVE] = "forks resolved",
    [DID_PROVE] = "proofs of equality",
    [DID_FILL] = "full disks",
    [DID_DISK_FAIL] = "failing disks",
    [DID_ROT] = "bits that flipped",
    [DID_ROT_FOUND] = "of them found by their replica",
    [DID_ROT_MASTER] = "bits that flipped at the master",
    [DID_CLOCK] = "clocks set wrong",
    [DID_DENY] = "changes of the acl",
    [DID_FOREIGN] = "foreign stores turned away",
    [DID_EVIDENCE] = "forks kept as evidence",
};

/* One byte, a few, a packet, or all. */
static size_t any_size(world *w)
{
    static const size_t most[] = {1, 20, 1500, 1500, 20000, 100000};

    return 1 + rng_below(&w->rng, most[rng_below(&w->rng, 6)]);
}

/* Something small happens somewhere. */
static void step(world *w)
{
    uint64_t what = rng_below(&w->rng, 100);
    cable *l = any_link(w);
    int e = (int)rng_below(&w->rng, 2);

    w->now += rng_below(&w->rng, 8);
    if (what < 8) {
        deed_commit(w);
    } else if (l == NULL) {
        w->now += 50;
    } else if (what < 40) {
        link_work(w, l, e);
    } else if (what < 70) {
        link_pump(w, l, e, any_size(w));
    } else {
        link_deliver(w, l, e, any_size(w));
    }
}

/* Without faults everybody must become equal, and soon. */
static void calm_down(world *w)
{
    uint64_t until = w->now + CALM_MS;
    int k, i;

    w->calm = 1;
    w->old_until = w->now;
    for (i = 0; i < w->sites; i++) {
        site_heal(w, i);
        if (w->site[i].up_at > w->now)
            w->site[i].up_at = w->now;
        if (w->site[i].foreign_until > w->now)
            w->site[i].foreign_until = w->now + 5000;
    }
    while (!w->failed && w->now < until && !oracle_all_equal(w)) {
        w->now += 5;
        tick(w);
        for (k = 0; k < MAX_LINKS; k++) {
            cable *l = &w->links[k];

            for (i = 0; i < 2 && l->used; i++) {
                link_pump(w, l, i, SIZE_MAX);
                link_deliver(w, l, !i, SIZE_MAX);
                link_work(w, l, i);
            }
        }
        scrub_all(w);
        prove(w);
        settle(w);
    }
    if (!w->failed && !oracle_all_equal(w))
        broken(w, "not all are equal %u ms after the last fault", CALM_MS);
    for (i = 0; i < w->sites && !w->failed; i++) {
        oracle_recheck(w, i);
        evidence_check(w, i);
    }
}

void world_run(world *w)
{
    climate c;
    uint64_t n;

    choose_climate(w, &c);
    for (n = 0; n < w->plan.steps && !w->failed; n++) {
        tick(w);
        step(w);
        fault(w, &c);
        prove(w);
        settle(w);
    }
    calm_down(w);
}
