/* Full copies: when they are made, that they end at one position whole, and what happens meanwhile. */
#include "pair.h"

static void fill(pair *p, int from, int n, size_t len)
{
    char key[32], *value = test_malloc(len + 1);
    int i;

    memset(value, 'v', len);
    for (i = from; i < from + n; i++) {
        snprintf(key, sizeof key, "user%05d@EXAMPLE.ORG", i);
        mem_commit(&p->ms, key, value, len);
    }
    if (p->m != NULL)
        krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
    test_free(value);
}

static void assert_copied(pair *p, uint64_t reason, uint64_t copies)
{
    assert_up(p);
    assert_int_equal(info(p->r)->copies, copies);
    assert_int_equal(info(p->m)->copies, copies);
    assert_int_equal(info(p->r)->copy_reason, reason);
    assert_int_equal(info(p->m)->copy_reason, reason);
    assert_true(info(p->r)->copy_done && info(p->m)->copy_done);
    assert_int_equal(p->ms.held, p->ms.local.pos.seq + 1);
    assert_false(p->rs.building);
}

static void empty_replica_is_copied_when_the_journal_begins_later(void **state)
{
    pair *p = *state;

    fill(p, 0, 500, 100);
    mem_trim(&p->ms, 400);
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
    assert_int_equal(p->rs.puts, 500);
}

static void
replica_that_cannot_vouch_for_what_it_has_is_copied_although_all_commits_are_there(void **state)
{
    pair *p = *state;

    fill(p, 0, 100, 100);
    p->rs.local.unsure = 1;
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
    assert_int_equal(p->rs.puts, 100);
}

static void replica_that_has_a_position_is_not_copied_for_having_been_unsure(void **state)
{
    pair *p = *state;

    fill(p, 0, 100, 100);
    pair_meet(p);
    p->asks = KRBREPL_COPY_EMPTY;
    fill(p, 0, 10, 50);
    pair_meet(p);
    assert_up(p);
    assert_int_equal(info(p->r)->copies, 0);
}

static void replica_that_is_behind_the_journal_is_copied(void **state)
{
    pair *p = *state;

    fill(p, 0, 100, 100);
    pair_meet(p);
    pair_drop(p);
    fill(p, 50, 100, 100);
    mem_trim(&p->ms, 150);
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_BEHIND, 1);
}

static void replica_at_the_master_needs_no_journal(void **state)
{
    pair *p = *state;

    fill(p, 0, 100, 100);
    pair_meet(p);
    mem_trim(&p->ms, p->ms.local.pos.seq + 1);
    pair_meet(p);
    assert_up(p);
    assert_int_equal(info(p->r)->copies, 0);
}

static void replaced_content_is_copied_in_the_stream(void **state)
{
    pair *p = *state;

    fill(p, 0, 100, 100);
    pair_meet(p);
    fill(p, 0, 10, 50); /* these come before the reset, and are applied */
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
    fill(p, 0, 10, 20);
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_RESET, 1);
    assert_int_equal(p->rs.live.n, 11);
}

static void empty_replica_before_a_reset_is_copied_because_it_is_empty(void **state)
{
    pair *p = *state;

    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
}

static void commits_during_a_copy_are_in_it_once_it_is_live(void **state)
{
    pair *p = *state;
    uint64_t begun;
    int i;

    fill(p, 0, 3000, 100);
    mem_trim(&p->ms, 3000);
    p->window = 30000;
    p->piece = 5000;
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    for (i = 0; i < 4000 && info(p->r)->phase != KRBREPL__SESS_STREAMING; i++) {
        pair_move(p, 1, 5000);
        pair_move(p, 0, 5000);
        krbrepl__sess_work(p->m, p->now);
        krbrepl__sess_work(p->r, p->now);
        if (i % 8 == 0)
            fill(p, i % 3500, 1, 60);
        if (info(p->r)->phase != KRBREPL__SESS_STREAMING)
            assert_int_equal(p->rs.local.pos.seq, 0); /* readers see nothing of it */
    }
    begun = p->rs.local.pos.seq;
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_STREAMING);
    assert_true(begun > 3001);
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
}

static void reset_during_a_copy_begins_it_anew(void **state)
{
    pair *p = *state;
    int i;

    fill(p, 0, 3000, 100);
    mem_trim(&p->ms, 3000);
    p->window = 30000;
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    for (i = 0; i < 20; i++) {
        pair_move(p, 1, 5000);
        pair_move(p, 0, 5000);
        krbrepl__sess_work(p->m, p->now);
        krbrepl__sess_work(p->r, p->now);
    }
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_COPYING);
    assert_true(p->rs.puts > 0 && p->rs.puts < 3000);
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
    fill(p, 0, 10, 20);
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_RESET, 2);
    assert_int_equal(p->rs.aborts, 1);
}

static void journal_trimmed_during_a_copy_begins_it_anew(void **state)
{
    pair *p = *state;
    int i;

    fill(p, 0, 3000, 100);
    mem_trim(&p->ms, 3000);
    p->window = 30000;
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    for (i = 0; i < 20; i++) {
        pair_move(p, 1, 5000);
        pair_move(p, 0, 5000);
        krbrepl__sess_work(p->m, p->now);
        krbrepl__sess_work(p->r, p->now);
    }
    assert_int_equal(p->ms.held, 3002);
    fill(p, 10, 50, 20);
    mem_trim(&p->ms, 3040); /* the hard cap has come */
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_BEHIND, 2);
}

static void copy_that_is_cut_leaves_the_old_content(void **state)
{
    pair *p = *state;
    memstore before;
    int i;

    fill(p, 0, 1000, 100);
    pair_meet(p);
    pair_drop(p);
    mem_copy(&before, &p->rs);
    fill(p, 0, 2000, 150);
    mem_trim(&p->ms, 2000);
    p->window = 30000;
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    for (i = 0; i < 20; i++) {
        pair_move(p, 1, 5000);
        pair_move(p, 0, 5000);
        krbrepl__sess_work(p->m, p->now);
        krbrepl__sess_work(p->r, p->now);
    }
    assert_true(p->rs.building);
    krbrepl__sess_eof(p->r, p->now);
    assert_false(p->rs.building);
    assert_true(mem_equal(&before, &p->rs));
    p->window = 1u << 20;
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_BEHIND, 1);
    mem_free(&before);
}

static void large_record_is_cut_over_frames_and_arrives_whole(void **state)
{
    pair *p = *state;

    fill(p, 0, 1, 3u << 20);
    fill(p, 1, 1, 0);
    fill(p, 2, 1, 70000);
    mem_trim(&p->ms, 4);
    p->window = 8192;
    p->piece = 3000;
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
}

static void copy_of_an_empty_database_is_complete(void **state)
{
    pair *p = *state;

    fill(p, 0, 1, 10);
    mem_commit(&p->ms, "user00000@EXAMPLE.ORG", NULL, SIZE_MAX);
    mem_trim(&p->ms, 3);
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
    assert_int_equal(p->rs.live.n, 0);
}

static void levels_are_never_acknowledged_for_content_that_is_being_replaced(void **state)
{
    pair *p = *state;

    fill(p, 0, 50, 10);
    pair_meet(p);
    pair_drop(p);
    /* The replica was promoted by mistake, made commits, and was told to follow again. */
    mem_promote(&p->rs, 9);
    p->rs.local.role = KRBREPL_ROLE_REPLICA;
    mem_commit(&p->rs, "lost@EXAMPLE.ORG", "1", 1);
    mem_promote(&p->ms, 3);
    mem_promote(&p->ms, 4);
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    while (info(p->m)->phase != KRBREPL__SESS_COPYING) {
        pair_move(p, 0, SIZE_MAX);
        pair_move(p, 1, SIZE_MAX);
    }
    assert_int_equal(info(p->m)->durable, 0);
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_FORK, 1);
    assert_int_equal(p->rs.evidence, 52);
}

static void evidence_that_cannot_be_saved_stops_the_copy(void **state)
{
    pair *p = *state;

    fill(p, 0, 50, 10);
    pair_meet(p);
    pair_drop(p);
    mem_commit(&p->rs, "lost@EXAMPLE.ORG", "1", 1);
    mem_promote(&p->ms, 3);
    fill(p, 0, 5, 11);
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    while (info(p->r)->phase != KRBREPL__SESS_COPYING) {
        pair_move(p, 0, SIZE_MAX);
        krbrepl__sess_work(p->m, p->now);
        pair_move(p, 1, SIZE_MAX);
    }
    p->rs.fail = KRBREPL_ERR_NOSPACE;
    pair_run(p);
    assert_int_equal(info(p->r)->err, KRBREPL_ERR_NOSPACE);
    assert_int_equal(p->rs.puts, 0);
    assert_int_equal(p->rs.switches, 0);
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_FORK, 1);
    assert_int_equal(p->rs.evidence, 52);
}

static void copy_passes_a_master_that_sends_less_ahead_than_the_replica_grants(void **state)
{
    pair *p = *state;

    p->master_window = 8192;
    fill(p, 0, 500, 100);
    mem_trim(&p->ms, 400);
    pair_meet(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
}

/* The copy that was begun for the fork is begun anew for another reason before the replica has worked on it. */
static void commits_are_kept_as_evidence_whatever_reason_replaces_the_fork(void **state)
{
    pair *p = *state;

    fill(p, 0, 50, 10);
    pair_meet(p);
    pair_drop(p);
    mem_commit(&p->rs, "lost@EXAMPLE.ORG", "x", 1);
    mem_promote(&p->ms, 3);
    fill(p, 0, 5, 10);
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    while (info(p->m)->phase != KRBREPL__SESS_COPYING) {
        pair_move(p, 0, SIZE_MAX);
        pair_move(p, 1, SIZE_MAX);
    }
    while (krbrepl__sess_work(p->m, p->now) != 0)
        continue;
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "y");
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
    while (krbrepl__sess_work(p->m, p->now) != 0)
        continue;
    while (pair_move(p, 1, SIZE_MAX) != 0)
        continue;
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_RESET, 2);
    assert_int_equal(p->rs.evidence, 52);
}

static void copy_waits_until_an_earlier_one_is_cleared_away(void **state)
{
    pair *p = *state;

    fill(p, 0, 500, 100);
    mem_trim(&p->ms, 400);
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    while (info(p->r)->phase != KRBREPL__SESS_COPYING) {
        pair_move(p, 0, SIZE_MAX);
        pair_move(p, 1, SIZE_MAX);
    }
    krbrepl__sess_work(p->m, p->now);
    pair_move(p, 1, SIZE_MAX);
    p->rs.fail = 1; /* what the store answers next: not yet */
    assert_int_equal(krbrepl__sess_work(p->r, p->now), 1);
    assert_false(p->rs.building);
    assert_int_equal(p->rs.fail, 0);
    pair_run(p);
    assert_copied(p, KRBREPL_COPY_EMPTY, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(empty_replica_is_copied_when_the_journal_begins_later),
        PAIR(replica_that_cannot_vouch_for_what_it_has_is_copied_although_all_commits_are_there),
        PAIR(replica_that_has_a_position_is_not_copied_for_having_been_unsure),
        PAIR(replica_that_is_behind_the_journal_is_copied),
        PAIR(replica_at_the_master_needs_no_journal),
        PAIR(replaced_content_is_copied_in_the_stream),
        PAIR(empty_replica_before_a_reset_is_copied_because_it_is_empty),
        PAIR(commits_during_a_copy_are_in_it_once_it_is_live),
        PAIR(reset_during_a_copy_begins_it_anew),
        PAIR(journal_trimmed_during_a_copy_begins_it_anew),
        PAIR(copy_that_is_cut_leaves_the_old_content),
        PAIR(large_record_is_cut_over_frames_and_arrives_whole),
        PAIR(copy_of_an_empty_database_is_complete),
        PAIR(levels_are_never_acknowledged_for_content_that_is_being_replaced),
        PAIR(evidence_that_cannot_be_saved_stops_the_copy),
        PAIR(copy_waits_until_an_earlier_one_is_cleared_away),
        PAIR(copy_passes_a_master_that_sends_less_ahead_than_the_replica_grants),
        PAIR(commits_are_kept_as_evidence_whatever_reason_replaces_the_fork),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
