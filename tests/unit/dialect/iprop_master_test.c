#include "mastercase.h"

/* A master's session with Heimdal's slave: what it is given, under which numbers. */

static void an_empty_slave_gets_a_complete_database(void **state)
{
    world *w = *state;

    put(w, "a", 1);
    put(w, "b", 2);
    world_other(w, "other");
    meet(w);
    assert_int_equal(w->completes, 1);
    assert_true(world_same(w));
    assert_int_equal(world_info(w)->phase, KRBREPL__SESS_STREAMING);
    assert_int_equal(world_info(w)->copy_reason, KRBREPL_COPY_EMPTY);
    assert_int_equal(world_info(w)->durable, w->ms.local.pos.seq);
    assert_int_equal(w->told.base, w->num.base);
    assert_int_equal(w->told.last, w->slave.version);
    assert_int_equal(w->told.acked, w->slave.version);
    assert_int_equal(w->ms.held, w->ms.local.pos.seq + 1);
    assert_int_equal(w->ms.entered, 0);
}

/* The records that come of a change, without the seal. */
static unsigned records_of(world *w, uint32_t versions)
{
    uint32_t before = w->slave.version;

    w->records = 0;
    world_run(w, UINT32_MAX);
    assert_int_equal(w->slave.version, before + versions);
    assert_true(world_same(w));
    return w->records - 1;
}

static void one_record_does_where_it_is_known_what_was_there(void **state)
{
    world *w = *state;
    made e = entry("b", 4);

    put(w, "a", 2);
    meet(w);
    put(w, "a", 4); /* modified */
    assert_int_equal(records_of(w, 3), 1);
    world_put(w, &e); /* created */
    assert_int_equal(records_of(w, 3), 1);
    e.aliases[0] = "nick"; /* over what was there, and a new row: not known which is which */
    world_put(w, &e);
    assert_int_equal(records_of(w, 6), 3);
    e.kvno = 6;
    world_put(w, &e);
    assert_int_equal(records_of(w, 6), 1);
    world_other(w, "other"); /* the seal alone */
    assert_int_equal(records_of(w, 3), 0);
    world_other(w, "other");
    world_delete(w, "a");
    assert_int_equal(records_of(w, 6), 1);
    e.kvno = 7; /* without a modification */
    world_put(w, &e);
    assert_int_equal(records_of(w, 9), 2);
    assert_int_equal(w->completes, 1);
}

static void what_a_modify_does_not_carry_makes_an_entry_anew(void **state)
{
    world *w = *state;
    static const made was[] = {{.name = "a", .kvno = 2, .start = 1},
                               {.name = "a", .kvno = 2},
                               {.name = "a", .kvno = 2, .bare = 1},
                               {.name = "a", .kvno = 2, .creator = 3}};
    const size_t n = sizeof was / sizeof was[0];
    unsigned forgets;
    size_t i, k;

    for (forgets = 0; forgets < 2; forgets++)
        for (i = 0; i < n * n; i++) {
            at_first_anew(w);
            w->forgets = forgets; /* always, or never */
            world_put(w, &was[i / n]);
            meet(w);
            k = i % n;
            world_put(w, &was[k]);
            world_run(w, UINT32_MAX);
            assert_true(world_same(w));
            assert_int_equal(w->completes, 1);
        }
}

static void changes_move_the_version_by_three_each(void **state)
{
    world *w = *state;
    uint32_t before;
    made e = entry("a", 8);

    before = w->slave.version;
    put(w, "a", 2);
    world_run(w, UINT32_MAX);
    assert_int_equal(w->slave.version, before + 3);
    e.aliases[0] = "nick";
    world_put(w, &e); /* the entry, and the row of the alias */
    world_other(w, "other");
    world_run(w, UINT32_MAX);
    assert_int_equal(w->slave.version, before + 12);
    assert_true(world_same(w));
    world_delete(w, "a");
    world_run(w, UINT32_MAX);
    assert_true(world_same(w));
    assert_int_equal(w->slave.rows.n, 0);
    assert_int_equal(w->completes, 1);
    assert_int_equal(world_info(w)->version, w->slave.version);
}

/* Several changes of one record in a commit, as a batch makes them. */
static void a_record_that_one_commit_changes_twice_is_what_it_is_in_the_end(void **state)
{
    world *w = *state;
    made e = entry("d", 1);

    put(w, "a", 1);
    e.start = 1;
    world_put(w, &e);
    meet(w);
    world_gather(w);
    put(w, "b", 1);
    put(w, "b", 2); /* new, and changed at once */
    put(w, "c", 1);
    world_delete(w, "c"); /* new, and gone at once */
    world_delete(w, "d");
    put(w, "d", 2); /* another one of the name: its start of validity is gone */
    put(w, "a", 2);
    world_delete(w, "a");
    world_commit(w);
    world_run(w, UINT32_MAX);
    assert_true(world_same(w));
    assert_int_equal(w->slave.rows.n, 2);
    assert_int_equal(w->completes, 1);
}

static void a_name_may_turn_from_an_entry_into_an_alias_in_one_commit(void **state)
{
    world *w = *state;
    made e = entry("e", 2);

    put(w, "a", 1);
    put(w, "b", 1);
    put(w, "e", 1);
    meet(w);
    e.aliases[0] = "a";
    world_put(w, &e); /* the row of the alias is written over the entry */
    world_run(w, UINT32_MAX);
    assert_true(world_same(w));
    e.aliases[1] = "b";
    world_gather(w);
    world_delete(w, "b");
    world_put(w, &e);
    world_commit(w);
    world_run(w, UINT32_MAX);
    assert_true(world_same(w));
    assert_int_equal(w->completes, 1);
}

static void nothing_is_sent_before_it_is_written_down(void **state)
{
    world *w = *state;

    put(w, "a", 2);
    put(w, "b", 3);
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(w->told.last, w->slave.version + 6);
}

static void another_lineage_means_other_numbers(void **state)
{
    world *w = *state;
    uint32_t base;

    base = w->num.base;
    mem_promote(&w->ms, 9);
    w->ms.local.cumulative = w->cumulative;
    krbrepl__sess_grown(w->sess, w->ms.local.pos.seq);
    world_run(w, UINT32_MAX);
    assert_int_equal(w->completes, 2);
    assert_true(w->num.base != base);
    assert_int_equal(w->told.base, w->num.base);
    assert_true(world_same(w));
}

static void the_numbers_never_reach_two_to_the_31(void **state)
{
    world *w = *state;

    w->next_base = 0x7ffffff0u - 1000000u;
    put(w, "a", 1);
    meet(w);
    w->next_base = 5;
    for (int i = 2; i < 20; i++) {
        put(w, "a", (uint32_t)i);
        world_run(w, UINT32_MAX);
        assert_true(w->slave.version < 0x80000000u);
    }
    assert_int_equal(w->completes, 2);
    assert_true(world_same(w));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_FIRST(an_empty_slave_gets_a_complete_database),
        AT_FIRST(one_record_does_where_it_is_known_what_was_there),
        AT_FIRST(what_a_modify_does_not_carry_makes_an_entry_anew),
        IN_STEP(changes_move_the_version_by_three_each),
        AT_FIRST(a_record_that_one_commit_changes_twice_is_what_it_is_in_the_end),
        AT_FIRST(a_name_may_turn_from_an_entry_into_an_alias_in_one_commit),
        IN_STEP(nothing_is_sent_before_it_is_written_down),
        IN_STEP(another_lineage_means_other_numbers),
        AT_FIRST(the_numbers_never_reach_two_to_the_31),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
