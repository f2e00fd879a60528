#include "mastercase.h"

/* Random lives of a master and a slave of Heimdal's: the two always come to the same. */

/* Names p0 to p5; p4 never has extensions, p5 always a start of validity. Aliases a0 to a3 belong to whoever took
 * them first. */
static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5"};
static const char *const aliases[] = {"a0", "a1", "a2", "a3"};
static int owner[4]; /* of each alias; -1: nobody */

static void change_of(world *w, uint32_t who)
{
    uint32_t i, n = 0;
    made e = entry(names[who], 1 + world_random(w, 200));

    if (world_random(w, 5) == 0) {
        if (!world_has(w, names[who]))
            return;
        world_delete(w, names[who]);
        for (i = 0; i < 4; i++)
            owner[i] = owner[i] == (int)who ? -1 : owner[i];
        return;
    }
    e.bare = who == 4 || world_random(w, 8) == 0;
    e.start = who == 5 || world_random(w, 8) == 0;
    e.creator = world_random(w, 8) == 0 ? world_random(w, 3) : 0;
    for (i = 0; i < 4 && !e.bare; i++) {
        if (owner[i] != -1 && owner[i] != (int)who)
            continue;
        owner[i] = world_random(w, 3) == 0 ? (int)who : -1;
        if (owner[i] != -1)
            e.aliases[n++ % 3] = aliases[i];
        if (n == 3)
            break;
    }
    world_put(w, &e);
}

static void change(world *w)
{
    change_of(w, world_random(w, 6));
}

static void change_several(world *w)
{
    uint32_t who, how = world_random(w, 2);

    world_gather(w);
    for (who = 0; who < 6; who++)
        if (world_random(w, 2) == 0)
            change_of(w, who);
    if (how == 0)
        world_commit(w);
    else
        world_commit_shuffled(w);
}

static void sometimes(world *w)
{
    if (world_random(w, 3) == 0)
        change(w);
}

/* A state of the slave's, to which it is put back later. Not one that its log tells lies of, nor one of which nobody
 * knows how much newer it is than its number says. */
static void save(world *w, slavemodel *saved)
{
    if (w->torn || w->told.last == 0 || w->slave.stuck)
        return;
    slave_clear(saved);
    memrecs_copy(&saved->rows, &w->slave.rows);
    saved->version = w->slave.version;
}

static void put_back(world *w, const slavemodel *saved)
{
    world_cut(w);
    slave_clear(&w->slave);
    memrecs_copy(&w->slave.rows, &saved->rows);
    w->slave.version = saved->version;
    w->torn = 0;
}

/* What happens to the two now and then. */
static void happen(world *w, slavemodel *saved)
{
    uint32_t what = world_random(w, 40);

    if (what < 10)
        world_second(w);
    else if (what == 10)
        world_kill_master(w);
    else if (what < 14)
        save(w, saved);
    else if (what == 14 && saved->version != 0)
        put_back(w, saved);
}

static void one_life(uint32_t seed)
{
    slavemodel saved = {{NULL, 0, 0}, 0, 0};
    world w;
    unsigned i;

    world_init(&w);
    w.rng = seed;
    w.forgets = seed % 4; /* never, always, now and then */
    w.between = sometimes;
    w.loses = 2;
    for (i = 0; i < 4; i++)
        owner[i] = -1;
    for (i = 0; i < 60; i++) {
        uint32_t what = world_random(&w, 9);

        if (what < 4)
            change(&w);
        else if (what == 4)
            world_cut(&w);
        else if (what == 5)
            world_other(&w, "other");
        else if (what == 8)
            change_several(&w);
        happen(&w, &saved);
        if (w.sess == NULL && what > 5) {
            world_connect(&w);
            world_greet(&w, w.slave.version);
        }
        w.dies_after = world_random(&w, 10) == 0 ? 1 + world_random(&w, 9) : 0;
        w.dies_in_whole = world_random(&w, 10) == 0;
        if (w.sess != NULL)
            world_run(&w, 1 + world_random(&w, 6));
    }
    w.between = NULL;
    w.dies_after = 0;
    w.dies_in_whole = 0;
    world_settle(&w);
    if (!world_same(&w))
        fail_msg("seed %u: the slave is not what the master is", seed);
    slave_free(&saved);
    world_free(&w);
}

static void whatever_happens_the_slave_becomes_what_the_master_is(void **state)
{
    uint32_t seed;

    (void)state;
    for (seed = 1; seed <= 2000; seed++)
        one_life(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_the_slave_becomes_what_the_master_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
