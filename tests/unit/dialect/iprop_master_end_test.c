#include "mastercase.h"

/* What ends a master's session with Heimdal's slave: silence, a ticket, a lie, and who may not have one. */

static void silence_is_asked_about_then_ends_the_session(void **state)
{
    world *w = *state;

    meet(w);
    w->now += 1999;
    world_run(w, UINT32_MAX);
    assert_int_equal(w->asked, 0);
    w->now += 1;
    assert_int_equal(krbrepl__sess_deadline(w->sess), w->now);
    krbrepl__sess_work(w->sess, w->now);
    world_run(w, UINT32_MAX);
    assert_int_equal(w->asked, 1);
    w->now += 2999;
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->phase, KRBREPL__SESS_STREAMING);
    w->now += 1;
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_NET);
}

/* Without its answers it would get a complete database when it comes back. */
static void a_session_ends_with_its_ticket_when_the_slave_has_answered(void **state)
{
    world *w = *state;

    w->lifetime_s = 1;
    put(w, "a", 1);
    meet(w);
    put(w, "a", 2);
    krbrepl__sess_work(w->sess, w->now); /* sends it */
    put(w, "a", 3);
    w->now += 1000;
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->phase, KRBREPL__SESS_STREAMING);
    assert_int_equal(krbrepl__sess_deadline(w->sess), w->now + 1000);
    world_run(w, 2);
    assert_true(krbrepl__sess_deadline(w->sess) <= w->now);
    world_run(w, UINT32_MAX);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_AUTH);
    assert_int_equal(w->told.acked, w->slave.version);
    assert_false(world_same(w));
    world_cut(w);
    meet(w);
    assert_int_equal(w->completes, 1);
    put(w, "a", 4);
    krbrepl__sess_work(w->sess, w->now);
    w->now += 10999; /* an answer that does not come */
    world_chat(w);
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->phase, KRBREPL__SESS_STREAMING);
    w->now += 1;
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_AUTH);
}

/* The places for complete databases are few. */
static void a_slave_that_chats_and_takes_nothing_loses_its_place(void **state)
{
    world *w = *state;
    int minutes;

    put(w, "a", 1);
    world_connect(w);
    world_greet(w, 0);
    for (minutes = 0; minutes < 10; minutes++) {
        krbrepl__sess_work(w->sess, w->now);
        assert_int_equal(w->ms.entered, 1);
        w->now += 60 * 1000;
        world_chat(w);
    }
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_NET);
    assert_int_equal(w->ms.entered, 0);
}

static void a_slave_that_never_speaks_is_not_waited_for(void **state)
{
    world *w = *state;

    world_connect(w);
    w->now += 10000;
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_TIMEOUT);
}

static void those_who_may_not_get_nothing(void **state)
{
    world *w = *state;

    put(w, "a", 1);
    w->ms.allow = KRBREPL_ALLOW_REPLICA | KRBREPL_ALLOW_MONITOR;
    world_connect(w);
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_DENIED);
    world_greet(w, 0);
    krbrepl__sess_work(w->sess, w->now);
    assert_int_equal(krbrepl__sess_out(w->sess)->len, 0);
}

static void an_answer_that_cannot_be_true_ends_the_session(void **state)
{
    world *w = *state;

    put(w, "a", 1);
    world_connect(w);
    world_greet(w, 0);
    while (w->completes == 0 && krbrepl__sess_work(w->sess, w->now) >= 0 &&
           world_info(w)->copy_records == 0)
        ;
    krbrepl__sess_work(w->sess, w->now);
    krbrepl__sess_work(w->sess, w->now);
    world_greet(w, 3); /* not what the database stands for */
    assert_int_equal(world_info(w)->err, KRBREPL_ERR_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AT_FIRST(silence_is_asked_about_then_ends_the_session),
        AT_FIRST(a_session_ends_with_its_ticket_when_the_slave_has_answered),
        AT_FIRST(a_slave_that_chats_and_takes_nothing_loses_its_place),
        AT_FIRST(a_slave_that_never_speaks_is_not_waited_for),
        AT_FIRST(those_who_may_not_get_nothing),
        AT_FIRST(an_answer_that_cannot_be_true_ends_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
