/* What goes wrong, and how often. */
#include "world.h"

static uint64_t draw(world *w, uint64_t most)
{
    return rng_chance(&w->rng, 1, 3) ? 0 : rng_below(&w->rng, most);
}

void choose_climate(world *w, climate *c)
{
    c->cut = draw(w, 60);
    c->half = draw(w, 20);
    c->stall = draw(w, 80);
    c->crash = draw(w, 40);
    c->reset = draw(w, 10);
    c->promote = draw(w, 10);
    c->failover = rng_chance(&w->rng, 1, 3) ? draw(w, 10) : 0;
    c->usurp = rng_chance(&w->rng, 1, 3) ? draw(w, 10) : 0;
    c->renew = draw(w, 30);
    c->leap = draw(w, 30);
    c->roll_back = rng_chance(&w->rng, 1, 3) ? draw(w, 15) : 0;
    c->die = draw(w, 40);
    c->power = draw(w, 30);
    c->fill = draw(w, 12);
    c->disk_fail = draw(w, 12);
    c->rot = rng_chance(&w->rng, 1, 3) ? draw(w, 20) : 0;
    if (w->plan.rotten)
        c->rot = 20 + rng_below(&w->rng, 80);
    c->clock = draw(w, 10);
    c->deny = draw(w, 10);
    c->foreign = rng_chance(&w->rng, 1, 4) ? draw(w, 10) : 0;
    /* These write records of their own. */
    if (w->plan.change != NULL)
        c->reset = c->rot = 0;
}

cable *any_link(world *w)
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

static void fault_cut(world *w)
{
    cable *l = any_link(w);

    if (l == NULL)
        return;
    /* What is on its way is lost at one end, and arrives before the end of the connection at the other. */
    krbrepl__buf_reset(&l->at[rng_below(&w->rng, 2)].in);
    l->at[0].eof = l->at[1].eof = 1;
    w->did[DID_CUT]++;
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

static int any_site(world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->sites);

    return w->site[i].store != NULL && w->site[i].foreign_until == 0 ? i : -1;
}

/* Few writes make a commit, and many a copy: both are to be met in the middle. */
static unsigned some_writes(world *w)
{
    return 1 + (unsigned)rng_below(&w->rng, rng_chance(&w->rng, 1, 2) ? 8 : 60);
}

static void fault_die(world *w, int power)
{
    int i = any_site(w);

    if (i >= 0)
        disk_die_in(i, some_writes(w), power);
}

static void fault_fill(world *w)
{
    int i = any_site(w);

    if (i < 0 || w->site[i].room_at != 0)
        return;
    disk_fill(i, rng_below(&w->rng, 100000), rng_chance(&w->rng, 1, 2));
    w->site[i].room_at = w->now + 500 + rng_below(&w->rng, 8000);
    w->did[DID_FILL]++;
    note(w, "the disk of site %d fills up", i);
}

static void fault_disk_fail(world *w)
{
    int i = any_site(w);

    if (i < 0)
        return;
    disk_fail_in(i, some_writes(w), (unsigned)rng_below(&w->rng, 3));
    w->did[DID_DISK_FAIL]++;
}

/* The clock on the wall goes wrong, forwards or backwards; the other one does not. */
static void fault_clock(world *w)
{
    static const int64_t most[] = {1000000, 3600000000, (int64_t)400 * 86400 * 1000000};
    uint64_t far = (uint64_t)most[rng_below(&w->rng, 3)];

    w->wall_off = (int64_t)rng_below(&w->rng, 2 * far) - (int64_t)far;
    w->did[DID_CLOCK]++;
}

static void fault_deny(world *w)
{
    int i = any_site(w);

    if (i < 0 || i == w->master || i == w->old)
        return;
    w->site[i].denied_until = w->now + rng_below(&w->rng, 6000);
    w->site[i].was_denied = 1;
    w->did[DID_DENY]++;
    note(w, "site %d is taken out of the acl", i);
    denied(w, i);
}

/* A replica renews its authentication before it must. */
static void renew(world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->sites);

    if (i != w->master && i != w->old && link_of(w, i, 0) != NULL && link_of(w, i, 1) == NULL)
        site_connect(w, i);
}

void fault(world *w, const climate *c)
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
    if (rng_chance(&w->rng, c->usurp, 10000))
        deed_usurp(w);
    if (rng_chance(&w->rng, c->renew, 10000))
        renew(w);
    if (rng_chance(&w->rng, c->leap, 10000))
        w->now += rng_below(&w->rng, 10000);
    if (rng_chance(&w->rng, c->roll_back * 4, 10000))
        deed_keep(w);
    if (rng_chance(&w->rng, c->roll_back, 10000))
        deed_roll_back(w);
    if (rng_chance(&w->rng, c->die, 10000))
        fault_die(w, 0);
    if (rng_chance(&w->rng, c->power, 10000))
        fault_die(w, 1);
    if (rng_chance(&w->rng, c->fill, 10000))
        fault_fill(w);
    if (rng_chance(&w->rng, c->disk_fail, 10000))
        fault_disk_fail(w);
    if (rng_chance(&w->rng, c->rot, 10000))
        rot_replica(w);
    if (rng_chance(&w->rng, c->rot, 40000))
        rot_master(w);
    if (rng_chance(&w->rng, c->clock, 10000))
        fault_clock(w);
    if (rng_chance(&w->rng, c->deny, 10000))
        fault_deny(w);
    if (rng_chance(&w->rng, c->foreign, 10000))
        deed_foreign(w);
}
