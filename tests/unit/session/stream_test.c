/* The stream: commits arrive whole, in order, within the window, and are acknowledged truthfully. */
#include "pair.h"
#include "sessint.h"

static void fill(pair *p, int n, const char *value)
{
    char key[32];
    int i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "user%d@EXAMPLE.ORG", i % 97);
        pair_commit(p, key, value);
    }
}

static void empty_replica_follows_from_the_first_commit(void **state)
{
    pair *p = *state;

    mem_commit(&p->ms, "a@EXAMPLE.ORG", "1", 1);
    pair_meet(p);
    assert_up(p);
    assert_int_equal(p->rs.adopted, 1);
    assert_int_equal(info(p->r)->copies, 0);
    assert_string_equal(info(p->m)->name, "replica");
    assert_string_equal(info(p->r)->name, "master");
    assert_string_equal(info(p->m)->principal, REPLICA_NAME);
}

static void commits_are_pushed_as_they_are_made(void **state)
{
    pair *p = *state;

    pair_meet(p);
    pair_commit(p, "a@EXAMPLE.ORG", "1");
    pair_run(p);
    assert_up(p);
    pair_commit(p, "a@EXAMPLE.ORG", NULL);
    pair_run(p);
    assert_up(p);
    assert_int_equal(p->rs.live.n, 0);
    assert_int_equal(p->ms.held, p->ms.local.pos.seq + 1);
}

static void any_cutting_of_the_bytes_gives_the_same_result(void **state)
{
    static const size_t piece[] = {1, 2, 7, 1000, 70000};
    size_t i;
    pair p;

    (void)state;
    for (i = 0; i < sizeof piece / sizeof piece[0]; i++) {
        pair_init(&p);
        p.piece = piece[i];
        pair_open(&p);
        fill(&p, 200, "some value");
        krbrepl__sess_go(p.r, p.now);
        pair_run(&p);
        assert_up(&p);
        pair_free(&p);
    }
}

static void backlog_is_applied_in_groups(void **state)
{
    pair *p = *state;

    pair_open(p);
    fill(p, 6000, "v");
    krbrepl__sess_go(p->r, p->now);
    pair_run(p);
    assert_up(p);
    assert_true(p->rs.largest_group > 100);
    assert_true(p->rs.largest_group <= 4096);
}

static void the_master_may_send_a_window_more_while_a_large_group_is_written(void **state)
{
    pair *p = *state;
    krbrepl__frame f;
    krbrepl__ack a = {0};
    unsigned tag;

    p->window = 10000;
    pair_meet(p);
    fill(p, 100, "a value of some length");
    krbrepl__sess_work(p->m, p->now);
    pair_move(p, 1, SIZE_MAX);
    krbrepl__sess_work(p->r, p->now);
    assert_int_equal(hear(p->r, &f), 1);
    assert_int_equal(f.type, KRBREPL__FRAME_ACK);
    assert_int_equal(krbrepl__msg_get(f.body, f.type, &a, &tag), 0);
    /* Nothing is applied yet, and it does not say so. */
    assert_in_range(a.processed, 5000, 10000);
    assert_int_equal(info(p->r)->durable, 1);
    assert_true((a.has & KRBREPL__HAS(KRBREPL__TAG_DURABLE)) == 0 || a.durable == 1);
    pair_run(p);
    assert_up(p);
    assert_true(p->rs.largest_group > 30);
}

static void a_commit_costs_one_acknowledgment(void **state)
{
    pair *p = *state;
    krbrepl__frame f;
    unsigned acks = 0;

    pair_meet(p);
    pair_commit(p, "a@EXAMPLE.ORG", "1");
    krbrepl__sess_work(p->m, p->now);
    pair_move(p, 1, SIZE_MAX);
    assert_int_equal(info(p->r)->received, 2);
    assert_int_equal(krbrepl__sess_out(p->r)->len, 0);
    krbrepl__sess_work(p->r, p->now);
    while (hear(p->r, &f)) {
        acks += f.type == KRBREPL__FRAME_ACK;
        drop(p->r, &f);
    }
    assert_int_equal(acks, 1);
}

static void received_is_acknowledged_before_anything_is_written_once_the_master_asks(void **state)
{
    pair *p = *state;

    pair_meet(p);
    krbrepl__sess_prompt(p->m);
    pair_run(p);
    pair_commit(p, "a@EXAMPLE.ORG", "1");
    krbrepl__sess_work(p->m, p->now);
    pair_move(p, 1, SIZE_MAX);
    /* The replica has not been given the chance to work. */
    pair_move(p, 0, SIZE_MAX);
    assert_int_equal(info(p->m)->received, 2);
    assert_int_equal(info(p->m)->durable, 1);
    assert_int_equal(p->rs.local.pos.seq, 1);
    pair_run(p);
    assert_up(p);
}

static void master_sends_no_more_than_the_window(void **state)
{
    pair *p = *state;
    char value[1000];
    int i;

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';

    p->window = 10000;
    pair_meet(p);
    fill(p, 100, value);
    for (i = 0; i < 10; i++)
        krbrepl__sess_work(p->m, p->now);
    /* Frame heads come on top of the window. */
    assert_in_range(krbrepl__sess_out(p->m)->len, 5000, 11000);
    pair_run(p);
    assert_up(p);
}

static void master_produces_nothing_while_its_output_is_full(void **state)
{
    char *value = test_malloc(100001);
    pair p;
    int i;

    (void)state;
    memset(value, 'x', 100000);
    value[100000] = '\0';
    pair_init(&p);
    p.window = 64u << 20;
    pair_meet(&p);
    fill(&p, 50, value);
    for (i = 0; i < 50; i++)
        krbrepl__sess_work(p.m, p.now);
    assert_in_range(krbrepl__sess_out(p.m)->len, 200000, 400000);
    pair_run(&p);
    assert_up(&p);
    pair_free(&p);
    test_free(value);
}

static void commit_larger_than_window_and_frame_is_applied_whole(void **state)
{
    size_t n = 5u << 20, applied;
    char *value = test_malloc(n);
    pair p;

    (void)state;
    memset(value, 'y', n);
    pair_init(&p);
    p.window = 20000;
    p.piece = 9000;
    pair_meet(&p);
    applied = p.rs.applies;
    mem_commit(&p.ms, "big@EXAMPLE.ORG", value, n);
    krbrepl__sess_grown(p.m, p.ms.local.pos.seq);
    pair_run(&p);
    assert_up(&p);
    assert_int_equal(p.rs.applies, applied + 1);
    pair_free(&p);
    test_free(value);
}

/* Ends choose their limits apart: an eighth of what the replica grants may be more than the master ever sends
 * ahead. */
static void commit_passes_a_master_that_sends_less_ahead_than_the_replica_grants(void **state)
{
    size_t n = 300000;
    char *value = test_malloc(n);
    pair p;

    (void)state;
    memset(value, 'y', n);
    pair_init(&p);
    p.master_window = 8192;
    pair_meet(&p);
    mem_commit(&p.ms, "big@EXAMPLE.ORG", value, n);
    krbrepl__sess_grown(p.m, p.ms.local.pos.seq);
    pair_run(&p);
    assert_up(&p);
    pair_free(&p);
    test_free(value);
}

/* Ten thousand replicas that have all there is must not cost ten thousand buffers. */
static void session_without_work_holds_no_large_buffer(void **state)
{
    pair *p = *state;
    char value[1000];

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';

    pair_meet(p);
    fill(p, 3000, value);
    pair_run(p);
    assert_up(p);
    assert_true(krbrepl__sess_out(p->m)->cap <= 16384);
    assert_true(p->m->m.pend.cap <= 16384);
    assert_true(sizeof *p->m <= 4096);
}

static void replica_resumes_where_it_was(void **state)
{
    pair *p = *state;

    pair_meet(p);
    fill(p, 50, "1");
    pair_run(p);
    fill(p, 5, "2");
    krbrepl__sess_work(p->m, p->now);
    pair_drop(p); /* what was under way is lost */
    pair_meet(p);
    assert_up(p);
    assert_int_equal(info(p->r)->commits, 5);
    assert_int_equal(info(p->r)->copies, 0);
}

static void promotion_of_the_master_travels_in_the_stream(void **state)
{
    pair *p = *state;

    pair_meet(p);
    mem_promote(&p->ms, 2);
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
    pair_commit(p, "a@EXAMPLE.ORG", "1");
    pair_run(p);
    assert_up(p);
    assert_int_equal(p->rs.local.pos.epoch, 2);
    assert_int_equal(p->rs.ancestry.n, 1);
}

/* ---- time ----------------------------------------------------------------------------------- */

static void silence_is_answered_by_a_ping_and_ends_the_session(void **state)
{
    pair *p = *state;

    pair_meet(p);
    assert_int_equal(krbrepl__sess_deadline(p->m), 11000);
    p->now = 11000;
    pair_run(p);
    assert_int_equal(info(p->m)->heard_ms, 11000);
    assert_up(p);
    p->cut = 1;
    p->now = 30000;
    pair_run(p);
    assert_up(p);
    p->now = 71000;
    pair_run(p);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_NET);
    assert_false(info(p->m)->refused);
    assert_int_equal(krbrepl__sess_deadline(p->m), UINT64_MAX);
}

static void handshake_has_a_deadline_at_both_ends(void **state)
{
    pair *p = *state;

    pair_open(p);
    p->now = 6000;
    krbrepl__sess_work(p->m, p->now);
    krbrepl__sess_work(p->r, p->now);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_TIMEOUT);
    assert_int_equal(info(p->r)->err, KRBREPL_ERR_TIMEOUT);
    /* One that never says hello, though secured. */
    pair_open(p);
    pair_run(p);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_HELLO);
    p->now = 11000;
    krbrepl__sess_work(p->r, p->now);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_HELLO);
    krbrepl__sess_work(p->m, p->now);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_TIMEOUT);
}

static void session_ends_when_its_authentication_does(void **state)
{
    pair *p = *state;

    p->lifetime_s = 8;
    pair_meet(p);
    assert_int_equal(info(p->m)->expires_ms, 9000);
    assert_int_equal(krbrepl__sess_deadline(p->m), 9000);
    p->now = 9000;
    krbrepl__sess_work(p->m, p->now);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_AUTH);
    pair_move(p, 1, SIZE_MAX);
    assert_int_equal(info(p->r)->err, KRBREPL_ERR_AUTH);
    assert_true(info(p->r)->by_peer);
    assert_false(info(p->r)->refused);
}

static void successor_waits_for_its_turn(void **state)
{
    pair *p = *state;

    pair_open(p);
    pair_run(p);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_HELLO);
    assert_int_equal(krbrepl__sess_deadline(p->r), UINT64_MAX);
    krbrepl__sess_go(p->r, p->now);
    pair_run(p);
    assert_up(p);
}

static void orderly_end_gives_its_reason_to_the_peer(void **state)
{
    pair *p = *state;

    pair_meet(p);
    krbrepl__sess_close(p->m, 0, "the node stops", p->now);
    pair_move(p, 1, SIZE_MAX);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(p->r)->err, 0);
    assert_int_equal(info(p->r)->by_peer, 1);
    assert_int_equal(info(p->r)->refused, 0);
    assert_string_equal(info(p->r)->text, "the node stops");
    /* What comes afterwards is of no consequence. */
    krbrepl__sess_eof(p->r, p->now);
    krbrepl__sess_feed(p->r, (const uint8_t *)"x", 1, p->now);
    assert_int_equal(krbrepl__sess_work(p->r, p->now), 0);
    assert_string_equal(info(p->r)->text, "the node stops");
}

static void end_of_the_connection_ends_the_session(void **state)
{
    pair *p = *state;

    pair_meet(p);
    krbrepl__sess_eof(p->m, p->now);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_NET);
    assert_int_equal(krbrepl__sess_out(p->m)->len, 0);
}

/* ---- failures of a store -------------------------------------------------------------------- */

static void replica_that_cannot_write_says_so_and_acknowledges_nothing(void **state)
{
    pair *p = *state;

    pair_meet(p);
    p->rs.fail = KRBREPL_ERR_NOSPACE;
    pair_commit(p, "a@EXAMPLE.ORG", "1");
    pair_run(p);
    assert_int_equal(info(p->r)->err, KRBREPL_ERR_NOSPACE);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_NOSPACE);
    assert_true(info(p->m)->by_peer);
    assert_false(info(p->m)->refused);
    assert_int_equal(info(p->m)->durable, 1);
    assert_int_equal(p->worst_level, KRBREPL_LOG_ERROR);
    pair_meet(p);
    assert_up(p);
}

static void corrupt_journal_is_never_served(void **state)
{
    pair *p = *state;

    pair_meet(p);
    p->ms.fail = KRBREPL_ERR_CORRUPT;
    pair_commit(p, "a@EXAMPLE.ORG", "1");
    pair_run(p);
    assert_int_equal(info(p->m)->err, KRBREPL_ERR_CORRUPT);
    assert_int_equal(info(p->r)->err, KRBREPL_ERR_CORRUPT);
    assert_int_equal(p->rs.local.pos.seq, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(empty_replica_follows_from_the_first_commit),
        PAIR(commits_are_pushed_as_they_are_made),
        cmocka_unit_test(any_cutting_of_the_bytes_gives_the_same_result),
        PAIR(backlog_is_applied_in_groups),
        PAIR(the_master_may_send_a_window_more_while_a_large_group_is_written),
        PAIR(a_commit_costs_one_acknowledgment),
        PAIR(received_is_acknowledged_before_anything_is_written_once_the_master_asks),
        PAIR(master_sends_no_more_than_the_window),
        cmocka_unit_test(master_produces_nothing_while_its_output_is_full),
        cmocka_unit_test(commit_larger_than_window_and_frame_is_applied_whole),
        cmocka_unit_test(commit_passes_a_master_that_sends_less_ahead_than_the_replica_grants),
        PAIR(session_without_work_holds_no_large_buffer),
        PAIR(replica_resumes_where_it_was),
        PAIR(promotion_of_the_master_travels_in_the_stream),
        PAIR(silence_is_answered_by_a_ping_and_ends_the_session),
        PAIR(handshake_has_a_deadline_at_both_ends),
        PAIR(session_ends_when_its_authentication_does),
        PAIR(successor_waits_for_its_turn),
        PAIR(orderly_end_gives_its_reason_to_the_peer),
        PAIR(end_of_the_connection_ends_the_session),
        PAIR(replica_that_cannot_write_says_so_and_acknowledges_nothing),
        PAIR(corrupt_journal_is_never_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
