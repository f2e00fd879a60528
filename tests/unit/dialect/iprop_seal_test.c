#include "mastercase.h"

/* What the end of a session costs a slave of Heimdal's: nothing, unless it was killed while it wrote. */

#include <krbrepl/node.h>

static int is_seal(const world *w)
{
    return w->slave.version >= w->num.base && (w->slave.version - w->num.base) % 3 == 0;
}

static void a_slave_that_is_idle_stands_at_a_seal(void **state)
{
    world *w = *state;

    assert_true(is_seal(w));
    put(w, "b", 1);
    world_run(w, UINT32_MAX);
    assert_true(is_seal(w));
    world_other(w, "other");
    world_run(w, UINT32_MAX);
    assert_true(is_seal(w));
}

/* Its last answers did not come to the master, which does not remember those before either. */
static void a_seal_is_believed_without_an_answer(void **state)
{
    world *w = *state;

    world_second(w);
    put(w, "a", 2);
    krbrepl__sess_work(w->sess, w->now);
    world_run_unheard(w, 2);
    assert_true(is_seal(w) && w->slave.version > w->told.acked);
    world_kill_master(w);
    put(w, "b", 1);
    meet(w);
    assert_int_equal(w->completes, 1);
    assert_true(world_same(w));
}

static void what_stands_before_a_seal_is_not_believed_without_an_answer(void **state)
{
    world *w = *state;

    put(w, "a", 2);
    krbrepl__sess_work(w->sess, w->now);
    world_run_unheard(w, 1);
    assert_false(is_seal(w));
    world_cut(w);
    meet(w);
    assert_int_equal(w->completes, 2);
    assert_true(world_same(w));
}

/* A seal that was never sent, since the slave was not there any more. */
static void a_seal_above_what_was_sent_is_not_believed(void **state)
{
    world *w = *state;

    world_cut(w);
    put(w, "a", 2);
    put(w, "a", 3);
    w->slave.version += 3;
    meet(w);
    assert_int_equal(w->completes, 2);
    assert_true(world_same(w));
}

/* Else a slave that cannot write its answer, since the master is gone, would stop between records and their seal. */
static void no_more_is_sent_before_the_seal_is_answered(void **state)
{
    world *w = *state;
    const uint32_t at = w->slave.version;
    unsigned i;

    for (i = 2; i < 10; i++) {
        put(w, "a", i);
        krbrepl__sess_work(w->sess, w->now);
    }
    world_run_unheard(w, UINT32_MAX);
    assert_int_equal(w->slave.version, at + 3);
    world_kill_master(w);
    meet(w);
    assert_int_equal(w->completes, 1);
    assert_true(world_same(w));
}

/* It says the number of the complete database, or that of the place where it begins. */
static void a_complete_database_that_was_not_put_in_place_is_no_seal(void **state)
{
    world *w = *state;
    unsigned i;

    put(w, "a", 1);
    for (i = 0; i < 4; i++) {
        w->dies_in_whole = 1;
        meet(w);
        assert_null(w->sess);
        assert_false(is_seal(w));
    }
    meet(w);
    assert_int_equal(w->completes, 1);
    assert_true(world_same(w));
}

/* The base stays what it is, for it is that of all slaves. */
static void a_slave_that_is_killed_in_a_complete_database_costs_others_nothing(void **state)
{
    world *w = *state;
    uint32_t base;

    base = w->num.base;
    world_cut(w);
    w->slave.version = 0;
    w->dies_in_whole = 1;
    meet(w);
    meet(w);
    assert_int_equal(w->num.base, base);
    assert_int_equal(w->completes, 2);
}

/* Its seal had no time to be sent. */
static void an_answer_to_a_complete_database_is_followed_by_increments(void **state)
{
    world *w = *state;

    put(w, "a", 1);
    world_connect(w);
    world_greet(w, 0);
    while (w->completes == 0)
        world_run(w, 1);
    world_cut(w);
    assert_false(is_seal(w));
    put(w, "a", 2);
    meet(w);
    assert_int_equal(w->completes, 1);
    assert_true(is_seal(w));
    assert_true(world_same(w));
}

static void change_some(world *w)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    static const char *const nicks[] = {"na", "nb", "nc", "nd"};
    unsigned i, which, n = 1 + world_random(w, 4);
    made e = {0};

    for (i = 0; i < n; i++) {
        which = world_random(w, 4);
        e = (made){.name = names[which], .kvno = 1 + world_random(w, 200)};
        if (world_random(w, 3) == 0)
            e.aliases[0] = nicks[which];
        if (world_random(w, 6) != 0)
            world_put(w, &e);
        else if (world_has(w, names[which]))
            world_delete(w, names[which]);
    }
}

/* One commit, of so much that it takes several messages. */
static void change_much(world *w)
{
    char name[] = "m00";
    unsigned i, n = 30 + world_random(w, 400);

    world_gather(w);
    for (i = 0; i < n; i++) {
        made e = {.name = name, .kvno = 1 + world_random(w, 200)};

        name[1] = (char)('0' + world_random(w, 10));
        name[2] = (char)('0' + world_random(w, 10));
        e.bare = world_random(w, 3) == 0;
        world_put(w, &e);
    }
    world_commit(w);
}

/* Masters are killed and connections are cut, between pairs of a message and its seal; no slave is. */
static void one_life(world *w, uint32_t seed)
{
    unsigned i;

    in_step_anew(w);
    w->rng = seed;
    w->forgets = seed % 3;
    for (i = 0; i < 40; i++) {
        if (world_random(w, 10) == 0)
            change_much(w);
        else
            change_some(w);
        if (world_random(w, 4) == 0)
            world_second(w);
        if (w->sess == NULL) {
            world_connect(w);
            world_greet(w, w->slave.version);
        }
        world_run(w, 2 * world_random(w, 6));
        if (world_random(w, 2) != 0)
            continue;
        krbrepl__sess_work(w->sess, w->now);
        world_run_unheard(w, UINT32_MAX);
        if (world_random(w, 2) == 0)
            world_kill_master(w);
        else
            world_cut(w);
    }
    world_settle(w);
    if (w->completes != 1)
        fail_msg("seed %u: %u complete databases", seed, w->completes);
    if (!world_same(w))
        fail_msg("seed %u: the slave is not what the master is", seed);
}

static void only_a_slave_that_was_killed_gets_a_complete_database(void **state)
{
    uint32_t seed;

    for (seed = 1; seed <= 500; seed++)
        one_life(*state, seed);
}

/* Nothing numbers the messages: somebody on the way takes the records out, lets the seal pass, and cuts the
 * connection. */
static void a_message_that_is_taken_out_on_the_way_is_missed(void **state)
{
    world *w = *state;
    unsigned takes, passes, kvno = 2;

    for (takes = 0; takes < 3; takes++)
        for (passes = 0; passes < 3; passes++) {
            world_cut(w);
            meet(w);
            put(w, "a", kvno++);
            krbrepl__sess_work(w->sess, w->now);
            w->drops = takes;
            world_run_unheard(w, takes + passes);
            w->drops = 0;
            world_cut(w);
            meet(w);
            assert_true(world_same(w));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_STEP(a_slave_that_is_idle_stands_at_a_seal),
        IN_STEP(a_seal_is_believed_without_an_answer),
        IN_STEP(what_stands_before_a_seal_is_not_believed_without_an_answer),
        IN_STEP(a_seal_above_what_was_sent_is_not_believed),
        IN_STEP(a_message_that_is_taken_out_on_the_way_is_missed),
        IN_STEP(no_more_is_sent_before_the_seal_is_answered),
        AT_FIRST(a_complete_database_that_was_not_put_in_place_is_no_seal),
        IN_STEP(a_slave_that_is_killed_in_a_complete_database_costs_others_nothing),
        AT_FIRST(an_answer_to_a_complete_database_is_followed_by_increments),
        AT_FIRST(only_a_slave_that_was_killed_gets_a_complete_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
