/* sim: a realm under faults, replayed from a seed.
 *
 *   sim --seed N [--trace]     one seed
 *   sim --seeds FROM TO        a range; says which ones failed
 *   sim --twice N              one seed twice: the same trace both times
 *
 * Everything that happens is chosen by a seeded generator, so a failure is replayed by its seed. After
 * every step: a replica is at a position that its master was at, with the content of that position, and
 * no more was acknowledged than it has. When the faults stop, all become equal. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define STEPS 5000
#define CALM_MS 120000u

/* How often each kind of fault is drawn, in 10,000 steps; drawn anew for each seed. */
typedef struct climate {
    uint64_t cut, half, stall, crash, reset, promote, failover, renew, leap, roll_back;
} climate;

static uint64_t draw(world *w, uint64_t most)
{
    return rng_chance(&w->rng, 1, 3) ? 0 : rng_below(&w->rng, most);
}

static void choose_climate(world *w, climate *c)
{
    c->cut = draw(w, 60);
    c->half = draw(w, 20);
    c->stall = draw(w, 80);
    c->crash = draw(w, 40);
    c->reset = draw(w, 10);
    c->promote = draw(w, 10);
    c->failover = rng_chance(&w->rng, 1, 3) ? draw(w, 10) : 0;
    c->renew = draw(w, 30);
    c->leap = draw(w, 30);
    c->roll_back = rng_chance(&w->rng, 1, 3) ? draw(w, 15) : 0;
}

static cable *any_link(world *w)
{
    uint64_t n = 0, k;

    for (k = 0; k < MAX_LINKS; k++)
        n += (uint64_t)w->links[k].used;
    if (n == 0)
        return NULL;
    n = rng_below(&w->rng, n);
    for (k = 0; k < MAX_LINKS; k++)
        if (w->links[k].used && n-- == 0)
            return &w->links[k];
    return NULL;
}

/* One byte, a few, a packet, or all. */
static size_t any_size(world *w)
{
    static const size_t most[] = {1, 20, 1500, 1500, 20000, 100000};

    return 1 + rng_below(&w->rng, most[rng_below(&w->rng, 6)]);
}

static void fault_cut(world *w)
{
    cable *l = any_link(w);

    if (l == NULL)
        return;
    /* What is on its way is lost at one end, and arrives before the end of the connection at the other. */
    krbrepl__buf_reset(&l->at[rng_below(&w->rng, 2)].in);
    l->at[0].eof = l->at[1].eof = 1;
    w->cuts++;
    note(w, "link %llu is cut", (unsigned long long)l->id);
    link_deliver(w, l, 0, SIZE_MAX);
    link_deliver(w, l, 0, SIZE_MAX);
    link_deliver(w, l, 1, SIZE_MAX);
    link_deliver(w, l, 1, SIZE_MAX);
}

static void fault_half(world *w)
{
    cable *l = any_link(w);

    if (l == NULL)
        return;
    l->at[rng_below(&w->rng, 2)].lost = 1;
    if (rng_chance(&w->rng, 1, 2))
        l->at[0].lost = l->at[1].lost = 1;
    note(w, "link %llu is half open", (unsigned long long)l->id);
}

static void fault_stall(world *w)
{
    cable *l = any_link(w);

    if (l != NULL)
        l->at[rng_below(&w->rng, 2)].stalled = w->now + rng_below(&w->rng, 8000);
}

static void fault_crash(world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->sites);

    if (w->site[i].store != NULL)
        site_crash(w, i);
}

/* A replica renews its authentication before it must. */
static void renew(world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->sites);

    if (i != w->master && link_of(w, i, 0) != NULL && link_of(w, i, 1) == NULL)
        site_connect(w, i);
}

static void fault(world *w, const climate *c)
{
    if (rng_chance(&w->rng, c->cut, 10000))
        fault_cut(w);
    if (rng_chance(&w->rng, c->half, 10000))
        fault_half(w);
    if (rng_chance(&w->rng, c->stall, 10000))
        fault_stall(w);
    if (rng_chance(&w->rng, c->crash, 10000))
        fault_crash(w);
    if (rng_chance(&w->rng, c->reset, 10000))
        deed_reset(w);
    if (rng_chance(&w->rng, c->promote, 10000))
        deed_promote(w);
    if (rng_chance(&w->rng, c->failover, 10000))
        deed_failover(w);
    if (rng_chance(&w->rng, c->renew, 10000))
        renew(w);
    if (rng_chance(&w->rng, c->leap, 10000))
        w->now += rng_below(&w->rng, 10000);
    if (rng_chance(&w->rng, c->roll_back * 4, 10000))
        deed_keep(w);
    if (rng_chance(&w->rng, c->roll_back, 10000))
        deed_roll_back(w);
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
    for (i = 0; i < w->sites; i++)
        if (w->site[i].up_at > w->now)
            w->site[i].up_at = w->now;
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
        prove(w);
        settle(w);
    }
    if (!w->failed && !oracle_all_equal(w))
        broken(w, "not all are equal %u ms after the last fault", CALM_MS);
    for (i = 0; i < w->sites && !w->failed; i++)
        oracle_check(w, i);
}

/* Of all runs so far. */
static struct {
    uint64_t commits, copies, forks, crashes, cuts, resets, promotions, failovers, rollbacks, resolved,
        proofs;
} total;

static void print_summary(const world *w, int trace)
{
    if (trace)
        printf("sites %d, commits %llu, %llu ms\n", w->sites, (unsigned long long)w->commits,
               (unsigned long long)w->now);
    total.commits += w->commits;
    total.copies += w->copies;
    total.forks += w->forks;
    total.crashes += w->crashes;
    total.cuts += w->cuts;
    total.resets += w->resets;
    total.promotions += w->promotions;
    total.failovers += w->failovers;
    total.proofs += w->proofs;
    total.rollbacks += w->rollbacks;
    total.resolved += w->resolved;
}

static void print_total(void)
{
    printf("commits %llu, copies %llu (sessions with one after a fork %llu), crashes %llu, cuts %llu, "
           "resets %llu, promotions %llu, failovers %llu, files put back %llu, forks resolved %llu, "
           "proved equal %llu times\n",
           (unsigned long long)total.commits, (unsigned long long)total.copies,
           (unsigned long long)total.forks, (unsigned long long)total.crashes,
           (unsigned long long)total.cuts, (unsigned long long)total.resets,
           (unsigned long long)total.promotions, (unsigned long long)total.failovers,
           (unsigned long long)total.rollbacks, (unsigned long long)total.resolved,
           (unsigned long long)total.proofs);
}

static int run(uint64_t seed, int trace, uint64_t *hash)
{
    static world w;
    climate c;
    int n;

    if (world_init(&w, seed, trace) == 0) {
        choose_climate(&w, &c);
        for (n = 0; n < STEPS && !w.failed; n++) {
            tick(&w);
            step(&w);
            fault(&w, &c);
            prove(&w);
            settle(&w);
        }
        calm_down(&w);
    }
    *hash = w.hash;
    world_free(&w);
    print_summary(&w, trace);
    return w.failed;
}

static int range(uint64_t from, uint64_t to)
{
    uint64_t seed, hash;
    int bad = 0;

    for (seed = from; seed <= to; seed++)
        bad += run(seed, 0, &hash);
    print_total();
    printf("%llu seeds, %d failed\n", (unsigned long long)(to - from + 1), bad);
    if (to - from >= 10 && total.proofs == 0) {
        printf("nothing was ever proved equal\n");
        bad++;
    }
    return bad != 0;
}

static int twice(uint64_t seed)
{
    uint64_t a, b;
    int bad = run(seed, 0, &a);

    bad |= run(seed, 0, &b);
    if (a != b)
        printf("seed %llu: two runs differ: %016llx %016llx\n", (unsigned long long)seed,
               (unsigned long long)a, (unsigned long long)b);
    return bad || a != b;
}

int main(int argc, char **argv)
{
    uint64_t hash;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0)
        return run(strtoull(argv[2], NULL, 10), argc > 3 && strcmp(argv[3], "--trace") == 0, &hash);
    if (argc == 4 && strcmp(argv[1], "--seeds") == 0)
        return range(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "--twice") == 0)
        return twice(strtoull(argv[2], NULL, 10));
    fprintf(stderr, "usage: sim --seed N [--trace] | --seeds FROM TO | --twice N\n");
    return 2;
}
