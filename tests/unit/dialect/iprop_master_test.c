#include "masterworld.h"

/* A master's session with Heimdal's slave: what it is given, when, and that it always comes to the same. */

#include <stdio.h>
#include <string.h>

static made entry(const char *name, uint32_t kvno)
{
    made e = {.name = name, .kvno = kvno};

    return e;
}

static void put(world *w, const char *name, uint32_t kvno)
{
    made e = entry(name, kvno);

    world_put(w, &e);
}

static void meet(world *w)
{
    world_connect(w);
    world_greet(w, w->slave.version);
    world_run(w, UINT32_MAX);
}

static void an_empty_slave_gets_a_complete_database(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    put(&w, "b", 2);
    world_other(&w, "other");
    meet(&w);
    assert_int_equal(w.completes, 1);
    assert_true(world_same(&w));
    assert_int_equal(world_info(&w)->phase, KRBREPL__SESS_STREAMING);
    assert_int_equal(world_info(&w)->copy_reason, KRBREPL_COPY_EMPTY);
    assert_int_equal(world_info(&w)->durable, w.ms.local.pos.seq);
    assert_int_equal(w.told.base, w.num.base);
    assert_int_equal(w.told.last, w.slave.version);
    assert_int_equal(w.told.acked, w.slave.version);
    assert_int_equal(w.ms.held, w.ms.local.pos.seq + 1);
    assert_int_equal(w.ms.entered, 0);
    world_free(&w);
}

/* The records that come of what `change` does. */
static unsigned records_of(world *w, uint32_t versions)
{
    uint32_t before = w->slave.version;

    w->records = 0;
    world_run(w, UINT32_MAX);
    assert_int_equal(w->slave.version, before + versions);
    assert_true(world_same(w));
    return w->records;
}

static void one_record_does_where_it_is_known_what_was_there(void **state)
{
    world w;
    made e = entry("b", 4);

    (void)state;
    world_init(&w);
    put(&w, "a", 2);
    meet(&w);
    put(&w, "a", 4); /* modified */
    assert_int_equal(records_of(&w, 2), 1);
    world_put(&w, &e); /* created */
    assert_int_equal(records_of(&w, 2), 1);
    e.aliases[0] = "nick"; /* over what was there, and a new row: not known which is which */
    world_put(&w, &e);
    assert_int_equal(records_of(&w, 4), 3);
    e.kvno = 6;
    world_put(&w, &e);
    assert_int_equal(records_of(&w, 4), 1);
    world_other(&w, "other"); /* a nop, for the number alone */
    assert_int_equal(records_of(&w, 2), 1);
    world_other(&w, "other");
    world_delete(&w, "a");
    assert_int_equal(records_of(&w, 4), 1);
    e.kvno = 7; /* without a modification */
    world_put(&w, &e);
    assert_int_equal(records_of(&w, 6), 2);
    assert_int_equal(w.completes, 1);
    world_free(&w);
}

static void what_a_modify_does_not_carry_makes_an_entry_anew(void **state)
{
    static const made was[] = {{.name = "a", .kvno = 2, .start = 1},
                               {.name = "a", .kvno = 2},
                               {.name = "a", .kvno = 2, .bare = 1},
                               {.name = "a", .kvno = 2, .creator = 3}};
    const size_t n = sizeof was / sizeof was[0];
    unsigned forgets;
    size_t i, k;
    world w;

    (void)state;
    for (forgets = 0; forgets < 2; forgets++)
        for (i = 0; i < n * n; i++) {
            world_init(&w);
            w.forgets = forgets; /* always, or never */
            world_put(&w, &was[i / n]);
            meet(&w);
            k = i % n;
            world_put(&w, &was[k]);
            world_run(&w, UINT32_MAX);
            assert_true(world_same(&w));
            assert_int_equal(w.completes, 1);
            world_free(&w);
        }
}

static void changes_move_the_version_by_two_each(void **state)
{
    world w;
    uint32_t before;
    made e = entry("a", 8);

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    before = w.slave.version;
    put(&w, "a", 2);
    world_run(&w, UINT32_MAX);
    assert_int_equal(w.slave.version, before + 2);
    e.aliases[0] = "nick";
    world_put(&w, &e); /* the entry, and the row of the alias */
    world_other(&w, "other");
    world_run(&w, UINT32_MAX);
    assert_int_equal(w.slave.version, before + 8);
    assert_true(world_same(&w));
    world_delete(&w, "a");
    world_run(&w, UINT32_MAX);
    assert_true(world_same(&w));
    assert_int_equal(w.slave.rows.n, 0);
    assert_int_equal(w.completes, 1);
    assert_int_equal(world_info(&w)->version, w.slave.version);
    world_free(&w);
}

/* Several changes of one record in a commit, as a batch makes them. */
static void a_record_that_one_commit_changes_twice_is_what_it_is_in_the_end(void **state)
{
    world w;
    made e = entry("d", 1);

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    e.start = 1;
    world_put(&w, &e);
    meet(&w);
    world_gather(&w);
    put(&w, "b", 1);
    put(&w, "b", 2); /* new, and changed at once */
    put(&w, "c", 1);
    world_delete(&w, "c"); /* new, and gone at once */
    world_delete(&w, "d");
    put(&w, "d", 2); /* another one of the name: its start of validity is gone */
    put(&w, "a", 2);
    world_delete(&w, "a");
    world_commit(&w);
    world_run(&w, UINT32_MAX);
    assert_true(world_same(&w));
    assert_int_equal(w.slave.rows.n, 2);
    assert_int_equal(w.completes, 1);
    world_free(&w);
}

static void a_name_may_turn_from_an_entry_into_an_alias_in_one_commit(void **state)
{
    world w;
    made e = entry("e", 2);

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    put(&w, "b", 1);
    put(&w, "e", 1);
    meet(&w);
    e.aliases[0] = "a";
    world_put(&w, &e); /* the row of the alias is written over the entry */
    world_run(&w, UINT32_MAX);
    assert_true(world_same(&w));
    e.aliases[1] = "b";
    world_gather(&w);
    world_delete(&w, "b");
    world_put(&w, &e);
    world_commit(&w);
    world_run(&w, UINT32_MAX);
    assert_true(world_same(&w));
    assert_int_equal(w.completes, 1);
    world_free(&w);
}

static void nothing_is_sent_before_it_is_written_down(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    put(&w, "a", 2);
    put(&w, "b", 3);
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(w.told.last, w.slave.version + 4);
    world_free(&w);
}

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
    unsigned messages;
    uint32_t at;
    world w;

    (void)state;
    for (messages = 1; messages <= 3; messages++) {
        world_init(&w);
        put(&w, "a", 1);
        meet(&w);
        at = w.slave.version;
        put_many(&w);
        assert_int_equal(world_run(&w, messages), messages); /* and answers them */
        assert_true(w.slave.version > at && w.slave.version < at + 1000);
        world_cut(&w);
        w.records = 0;
        meet(&w);
        assert_int_equal(w.completes, 1);
        assert_true(w.records <= 900 - 200 * messages);
        assert_true(world_same(&w));
        world_free(&w);
    }
}

/* What it is sent is in its log before it is in its database. */
static void a_number_that_a_slave_has_not_answered_for_gets_a_complete_database(void **state)
{
    unsigned dies, loses;
    world w;

    (void)state;
    for (dies = 1; dies <= 60; dies++)
        for (loses = 0; loses <= 1; loses++) {
            world_init(&w);
            put(&w, "a", 1);
            meet(&w);
            put_many(&w);
            w.dies_after = dies * 10;
            w.loses = loses;
            world_run(&w, UINT32_MAX);
            assert_null(w.sess);
            assert_true(w.slave.version > w.told.acked);
            meet(&w);
            assert_int_equal(w.completes, 2);
            assert_int_equal(world_info(&w)->copy_reason, KRBREPL_COPY_UNVERIFIABLE);
            assert_true(world_same(&w));
            world_free(&w);
        }
}

static void an_answer_is_remembered_with_the_next_note_and_when_it_is_quiet(void **state)
{
    uint32_t at;
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    put(&w, "a", 2);
    world_run(&w, UINT32_MAX);
    at = w.slave.version;
    assert_int_equal(w.told.acked, at);
    put(&w, "a", 3);
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(w.kept.acked, at);
    world_run(&w, UINT32_MAX);
    world_second(&w);
    world_kill_master(&w);
    meet(&w);
    assert_int_equal(w.completes, 1);
    put(&w, "a", 4);
    world_run(&w, UINT32_MAX);
    world_kill_master(&w); /* before that is written down */
    meet(&w);
    assert_int_equal(w.completes, 2);
    assert_true(world_same(&w));
    world_free(&w);
}

/* It gets once more what it has answered for, and is killed before its database has it. */
static void a_slave_that_was_put_back_is_not_believed_because_of_what_it_had(void **state)
{
    memrecs before = {NULL, 0, 0};
    uint32_t at;
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    at = w.slave.version;
    memrecs_copy(&before, &w.slave.rows);
    put(&w, "a", 2);
    put(&w, "b", 3);
    world_run(&w, UINT32_MAX);
    world_cut(&w);
    memrecs_free(&w.slave.rows);
    w.slave.rows = before;
    w.slave.version = at;
    w.dies_after = 1;
    w.loses = 1;
    world_connect(&w);
    world_greet(&w, at);
    assert_int_equal(w.kept.acked, at); /* before anything is sent */
    world_run(&w, UINT32_MAX);
    assert_null(w.sess);
    meet(&w);
    assert_int_equal(w.completes, 2);
    assert_true(world_same(&w));
    world_free(&w);
}

/* What is said of a small commit depends on what is known, so that nobody can go on in the midst of it. */
static void a_number_within_a_small_commit_gets_a_complete_database(void **state)
{
    world w;
    made e = entry("a", 4);

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    e.aliases[0] = "x";
    e.aliases[1] = "y";
    world_put(&w, &e);
    w.dies_after = 1; /* of two records */
    world_run(&w, UINT32_MAX);
    assert_null(w.sess);
    meet(&w);
    assert_int_equal(w.completes, 2);
    assert_true(world_same(&w));
    world_free(&w);
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
    world w;
    uint32_t at;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    put(&w, "b", 1);
    meet(&w);
    put(&w, "b", 2);
    world_run(&w, UINT32_MAX);
    at = w.slave.version;
    assert_whole(&w, at + 1, KRBREPL_COPY_UNVERIFIABLE);
    assert_whole(&w, 5, KRBREPL_COPY_UNVERIFIABLE);
    assert_whole(&w, 0, KRBREPL_COPY_EMPTY);
    /* Its slot was reset: even the right number means nothing, and it is told another. */
    memset(&w.told, 0, sizeof w.told);
    assert_whole(&w, w.slave.version, KRBREPL_COPY_UNVERIFIABLE);
    /* A number that it has not answered for. */
    w.told.acked = w.slave.version - 1;
    assert_whole(&w, w.slave.version, KRBREPL_COPY_UNVERIFIABLE);
    world_free(&w);
}

static void what_is_not_in_the_journal_any_more_is_copied(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    world_cut(&w);
    put(&w, "a", 2);
    put(&w, "a", 3);
    mem_trim(&w.ms, w.ms.local.pos.seq);
    meet(&w);
    assert_int_equal(world_info(&w)->copy_reason, KRBREPL_COPY_BEHIND);
    assert_true(world_same(&w));
    world_free(&w);
}

static void a_slave_that_died_in_a_complete_database_is_not_believed(void **state)
{
    world w;
    uint32_t at;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    put(&w, "b", 1);
    meet(&w);
    world_cut(&w);
    put(&w, "b", 2);
    mem_trim(&w.ms, w.ms.local.pos.seq + 1);
    at = w.num.base + 2 * (uint32_t)(w.ms.local.cumulative - w.num.cumulative);
    w.told.last = w.told.acked = at; /* of an earlier life of its */
    world_connect(&w);
    world_greet(&w, w.slave.version);
    world_run(&w, 2);
    /* Its log says already what its database is not yet. */
    assert_whole(&w, at, KRBREPL_COPY_UNVERIFIABLE);
    world_free(&w);
}

static void another_lineage_means_other_numbers(void **state)
{
    world w;
    uint32_t base;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    base = w.num.base;
    mem_promote(&w.ms, 9);
    w.ms.local.cumulative = w.cumulative;
    krbrepl__sess_grown(w.sess, w.ms.local.pos.seq);
    world_run(&w, UINT32_MAX);
    assert_int_equal(w.completes, 2);
    assert_true(w.num.base != base);
    assert_int_equal(w.told.base, w.num.base);
    assert_true(world_same(&w));
    world_free(&w);
}

static void the_numbers_never_reach_two_to_the_31(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    w.next_base = 0x7ffffff0u - 1000000u;
    put(&w, "a", 1);
    meet(&w);
    w.next_base = 5;
    for (int i = 2; i < 20; i++) {
        put(&w, "a", (uint32_t)i);
        world_run(&w, UINT32_MAX);
        assert_true(w.slave.version < 0x80000000u);
    }
    assert_int_equal(w.completes, 2);
    assert_true(world_same(&w));
    world_free(&w);
}

static void a_slave_that_cannot_apply_a_record_gets_a_complete_database(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    meet(&w);
    w.slave.stuck = 1;
    put(&w, "a", 2);
    world_run(&w, UINT32_MAX);
    assert_int_equal(w.completes, 2);
    assert_int_equal(world_info(&w)->copy_reason, KRBREPL_COPY_FAILED);
    assert_true(world_same(&w));
    /* Once more, and something is wrong that no copy mends. */
    w.slave.stuck = 1;
    put(&w, "a", 3);
    world_run(&w, UINT32_MAX);
    assert_int_equal(world_info(&w)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_CONFLICT);
    world_free(&w);
}

static void silence_is_asked_about_then_ends_the_session(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    meet(&w);
    w.now += 1999;
    world_run(&w, UINT32_MAX);
    assert_int_equal(w.asked, 0);
    w.now += 1;
    assert_int_equal(krbrepl__sess_deadline(w.sess), w.now);
    krbrepl__sess_work(w.sess, w.now);
    world_run(&w, UINT32_MAX);
    assert_int_equal(w.asked, 1);
    w.now += 2999;
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->phase, KRBREPL__SESS_STREAMING);
    w.now += 1;
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_NET);
    world_free(&w);
}

/* Without its answers it would get a complete database when it comes back. */
static void a_session_ends_with_its_ticket_when_the_slave_has_answered(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    w.lifetime_s = 1;
    put(&w, "a", 1);
    meet(&w);
    put(&w, "a", 2);
    krbrepl__sess_work(w.sess, w.now); /* sends it */
    put(&w, "a", 3);
    w.now += 1000;
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->phase, KRBREPL__SESS_STREAMING);
    assert_int_equal(krbrepl__sess_deadline(w.sess), w.now + 1000);
    world_run(&w, 1);
    assert_true(krbrepl__sess_deadline(w.sess) <= w.now);
    world_run(&w, UINT32_MAX);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_AUTH);
    assert_int_equal(w.told.acked, w.slave.version);
    assert_false(world_same(&w));
    world_cut(&w);
    meet(&w);
    assert_int_equal(w.completes, 1);
    put(&w, "a", 4);
    krbrepl__sess_work(w.sess, w.now);
    w.now += 10999; /* an answer that does not come */
    world_chat(&w);
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->phase, KRBREPL__SESS_STREAMING);
    w.now += 1;
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_AUTH);
    world_free(&w);
}

/* The places for complete databases are few. */
static void a_slave_that_chats_and_takes_nothing_loses_its_place(void **state)
{
    world w;
    int minutes;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    world_connect(&w);
    world_greet(&w, 0);
    for (minutes = 0; minutes < 10; minutes++) {
        krbrepl__sess_work(w.sess, w.now);
        assert_int_equal(w.ms.entered, 1);
        w.now += 60 * 1000;
        world_chat(&w);
    }
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_NET);
    assert_int_equal(w.ms.entered, 0);
    world_free(&w);
}

static void a_slave_that_never_speaks_is_not_waited_for(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    world_connect(&w);
    w.now += 10000;
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_TIMEOUT);
    world_free(&w);
}

static void those_who_may_not_get_nothing(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    w.ms.allow = KRBREPL_ALLOW_REPLICA | KRBREPL_ALLOW_MONITOR;
    world_connect(&w);
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_DENIED);
    world_greet(&w, 0);
    krbrepl__sess_work(w.sess, w.now);
    assert_int_equal(krbrepl__sess_out(w.sess)->len, 0);
    world_free(&w);
}

static void an_answer_that_cannot_be_true_ends_the_session(void **state)
{
    world w;

    (void)state;
    world_init(&w);
    put(&w, "a", 1);
    world_connect(&w);
    world_greet(&w, 0);
    while (w.completes == 0 && krbrepl__sess_work(w.sess, w.now) >= 0 &&
           world_info(&w)->copy_records == 0)
        ;
    krbrepl__sess_work(w.sess, w.now);
    krbrepl__sess_work(w.sess, w.now);
    world_greet(&w, 3); /* not what the database stands for */
    assert_int_equal(world_info(&w)->err, KRBREPL_ERR_PROTO);
    world_free(&w);
}

/* ---- it always comes to the same ------------------------------------------------------------ */

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
        cmocka_unit_test(an_empty_slave_gets_a_complete_database),
        cmocka_unit_test(one_record_does_where_it_is_known_what_was_there),
        cmocka_unit_test(what_a_modify_does_not_carry_makes_an_entry_anew),
        cmocka_unit_test(changes_move_the_version_by_two_each),
        cmocka_unit_test(a_record_that_one_commit_changes_twice_is_what_it_is_in_the_end),
        cmocka_unit_test(a_name_may_turn_from_an_entry_into_an_alias_in_one_commit),
        cmocka_unit_test(nothing_is_sent_before_it_is_written_down),
        cmocka_unit_test(a_slave_that_comes_back_goes_on_in_the_midst_of_a_commit),
        cmocka_unit_test(a_number_that_a_slave_has_not_answered_for_gets_a_complete_database),
        cmocka_unit_test(an_answer_is_remembered_with_the_next_note_and_when_it_is_quiet),
        cmocka_unit_test(a_slave_that_was_put_back_is_not_believed_because_of_what_it_had),
        cmocka_unit_test(a_number_within_a_small_commit_gets_a_complete_database),
        cmocka_unit_test(numbers_that_mean_nothing_here_get_a_complete_database),
        cmocka_unit_test(what_is_not_in_the_journal_any_more_is_copied),
        cmocka_unit_test(a_slave_that_died_in_a_complete_database_is_not_believed),
        cmocka_unit_test(another_lineage_means_other_numbers),
        cmocka_unit_test(the_numbers_never_reach_two_to_the_31),
        cmocka_unit_test(a_slave_that_cannot_apply_a_record_gets_a_complete_database),
        cmocka_unit_test(silence_is_asked_about_then_ends_the_session),
        cmocka_unit_test(a_session_ends_with_its_ticket_when_the_slave_has_answered),
        cmocka_unit_test(a_slave_that_chats_and_takes_nothing_loses_its_place),
        cmocka_unit_test(a_slave_that_never_speaks_is_not_waited_for),
        cmocka_unit_test(those_who_may_not_get_nothing),
        cmocka_unit_test(an_answer_that_cannot_be_true_ends_the_session),
        cmocka_unit_test(whatever_happens_the_slave_becomes_what_the_master_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
