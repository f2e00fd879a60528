#include "mastercase.h"

/* A slave of Heimdal's that comes back: it goes on where its number means what it says, and gets a complete database
 * where that is not known. */

/* One commit of more than a message has room for. */
static void put_many(world *w)
{
    char name[] = "aaa";
    unsigned i;

    world_gather(w);
    for (i = 0; i < 500; i++) {
        name[1] = (char)('a' + i / 26);
        name[2] = (char)('a' + i % 26);
        put(w, i % 7 != 0 ? name : "a", i);
    }
    world_commit(w);
}

static void a_slave_that_comes_back_goes_on_in_the_midst_of_a_commit(void **state)
{
    world *w = *state;
    unsigned messages;
    uint32_t at;

    for (messages = 1; messages <= 6; messages++) { /* and every other one is a seal */
        in_step_anew(w);
        at = w->slave.version;
        put_many(w);
        assert_int_equal(world_run(w, messages), messages); /* and answers them */
        assert_true(w->slave.version > at && w->slave.version < at + 1500);
        world_cut(w);
        w->records = 0;
        meet(w);
        assert_int_equal(w->completes, 1);
        assert_true(w->records <= 910 - 200 * ((messages + 1) / 2));
        assert_true(world_same(w));
    }
}

/* What it is sent is in its log before it is in its database. */
static void a_number_that_a_slave_has_not_answered_for_gets_a_complete_database(void **state)
{
    world *w = *state;
    unsigned dies, loses;

    for (dies = 1; dies <= 60; dies++)
        for (loses = 0; loses <= 1; loses++) {
            in_step_anew(w);
            put_many(w);
            w->dies_after = dies * 10;
            w->loses = loses;
            world_run(w, UINT32_MAX);
            assert_null(w->sess);
            assert_true(w->slave.version > w->told.acked);
            meet(w);
            assert_int_equal(w->completes, 2);
            assert_int_equal(world_info(w)->copy_reason, KRBREPL_COPY_UNVERIFIABLE);
            assert_true(world_same(w));
        }
}

static void an_answer_is_remembered_with_the_next_note_and_when_it_is_quiet(void **state)
{
    world *w = *state;
    uint32_t at;

    put(w, "a", 2);
    world_run(w, UINT32_MAX);
    at = w->slave.version;
    assert_int_equal(w->told.acked, at);
    put(w, "a", 3);
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(w->kept.acked, at);
    world_run(w, 1); /* the seal gets lost */
    world_second(w);
    world_kill_master(w);
    meet(w);
    assert_int_equal(w->completes, 1);
    put(w, "a", 4);
    world_run(w, 1);
    world_kill_master(w); /* before that is written down */
    meet(w);
    assert_int_equal(w->completes, 2);
    assert_true(world_same(w));
}

/* It gets once more what it has answered for, and is killed before its database has it. */
static void a_slave_that_was_put_back_is_not_believed_because_of_what_it_had(void **state)
{
    world *w = *state;
    memrecs before = {NULL, 0, 0};
    uint32_t at;

    at = w->slave.version;
    memrecs_copy(&before, &w->slave.rows);
    put(w, "a", 2);
    put(w, "b", 3);
    world_run(w, UINT32_MAX);
    world_cut(w);
    memrecs_free(&w->slave.rows);
    w->slave.rows = before;
    w->slave.version = at;
    w->dies_after = 1;
    w->loses = 1;
    world_connect(w);
    world_greet(w, at);
    assert_int_equal(w->kept.acked, at); /* before anything is sent */
    world_run(w, UINT32_MAX);
    assert_null(w->sess);
    meet(w);
    assert_int_equal(w->completes, 2);
    assert_true(world_same(w));
}

/* What is said of a small commit depends on what is known, so that nobody can go on in the midst of it. */
static void a_number_within_a_small_commit_gets_a_complete_database(void **state)
{
    world *w = *state;
    made e = entry("a", 4);

    e.aliases[0] = "x";
    e.aliases[1] = "y";
    world_put(w, &e);
    w->dies_after = 1; /* of two records */
    world_run(w, UINT32_MAX);
    assert_null(w->sess);
    meet(w);
    assert_int_equal(w->completes, 2);
    assert_true(world_same(w));
}

static void assert_whole(world *w, uint32_t says, unsigned reason)
{
    unsigned before = w->completes;

    world_cut(w);
    w->slave.version = says;
    meet(w);
    assert_int_equal(w->completes, before + 1);
    assert_int_equal(world_info(w)->copy_reason, reason);
    assert_true(world_same(w));
    assert_true(w->whole_version != says);
}

static void numbers_that_mean_nothing_here_get_a_complete_database(void **state)
{
    world *w = *state;
    uint32_t at;

    put(w, "a", 1);
    put(w, "b", 1);
    meet(w);
    put(w, "b", 2);
    world_run(w, UINT32_MAX);
    at = w->slave.version;
    assert_whole(w, at + 1, KRBREPL_COPY_UNVERIFIABLE);
    assert_whole(w, 5, KRBREPL_COPY_UNVERIFIABLE);
    assert_whole(w, 0, KRBREPL_COPY_EMPTY);
    /* Its slot was reset: even the right number means nothing, and it is told another. */
    memset(&w->told, 0, sizeof w->told);
    assert_whole(w, w->slave.version, KRBREPL_COPY_UNVERIFIABLE);
    /* A number that it has not answered for. */
    w->told.acked = w->slave.version - 2;
    assert_whole(w, w->slave.version - 1, KRBREPL_COPY_UNVERIFIABLE);
}

static void what_is_not_in_the_journal_any_more_is_copied(void **state)
{
    world *w = *state;

    world_cut(w);
    put(w, "a", 2);
    put(w, "a", 3);
    mem_trim(&w->ms, w->ms.local.pos.seq);
    meet(w);
    assert_int_equal(world_info(w)->copy_reason, KRBREPL_COPY_BEHIND);
    assert_true(world_same(w));
}

static void a_slave_that_died_in_a_complete_database_is_not_believed(void **state)
{
    world *w = *state;
    uint32_t at;

    put(w, "a", 1);
    put(w, "b", 1);
    meet(w);
    world_cut(w);
    put(w, "b", 2);
    mem_trim(&w->ms, w->ms.local.pos.seq + 1);
    at = w->num.base + 2 * (uint32_t)(w->ms.local.cumulative - w->num.cumulative);
    w->told.last = w->told.acked = at; /* of an earlier life of its */
    world_connect(w);
    world_greet(w, w->slave.version);
    world_run(w, 2);
    /* Its log says already what its database is not yet. */
    assert_whole(w, at, KRBREPL_COPY_UNVERIFIABLE);
}

static void a_slave_that_cannot_apply_a_record_gets_a_complete_database(void **state)
{
    world *w = *state;

    w->slave.stuck = 1;
    put(w, "a", 2);
    world_run(w, UINT32_MAX);
    assert_int_equal(w->completes, 2);
    assert_int_equal(world_info(w)->copy_reason, KRBREPL_COPY_FAILED);
    assert_true(world_same(w));
    /* Once more, and something is wrong that no copy mends. */
    w->slave.stuck = 1;
    put(w, "a", 3);
    world_run(w, UINT32_MAX);
    assert_int_equal(world_info(w)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_FIRST(a_slave_that_comes_back_goes_on_in_the_midst_of_a_commit),
        AT_FIRST(a_number_that_a_slave_has_not_answered_for_gets_a_complete_database),
        IN_STEP(an_answer_is_remembered_with_the_next_note_and_when_it_is_quiet),
        IN_STEP(a_slave_that_was_put_back_is_not_believed_because_of_what_it_had),
        IN_STEP(a_number_within_a_small_commit_gets_a_complete_database),
        AT_FIRST(numbers_that_mean_nothing_here_get_a_complete_database),
        IN_STEP(what_is_not_in_the_journal_any_more_is_copied),
        AT_FIRST(a_slave_that_died_in_a_complete_database_is_not_believed),
        IN_STEP(a_slave_that_cannot_apply_a_record_gets_a_complete_database),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
