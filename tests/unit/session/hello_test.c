/* Who is served, from where, and who is refused, with a reason that both ends log. */
#include "pair.h"

#include "sessint.h"

/* Both have `n` commits; the sessions are gone. */
static void common_history(pair *p, int n)
{
    pair_init(p);
    while (n-- > 1)
        mem_commit(&p->ms, "a@EXAMPLE.ORG", "1", 1);
    pair_meet(p);
    assert_up(p);
    pair_drop(p);
}

static void peer_that_is_not_authorized_gets_nothing(void **state)
{
    pair p;

    (void)state;
    pair_init(&p);
    p.ms.allow = 0;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_DENIED, 1);
    assert_non_null(strstr(info(p.r)->text, REPLICA_NAME));
    assert_int_equal(p.rs.local.pos.seq, 0);
    p.ms.allow = KRBREPL_ALLOW_MONITOR;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_DENIED, 1);
    /* It hears so without being let go first. */
    pair_open(&p);
    pair_run(&p);
    assert_refused(&p, KRBREPL_ERR_DENIED, 1);
    pair_free(&p);
}

static void store_that_is_no_master_serves_nobody(void **state)
{
    pair p;

    (void)state;
    pair_init(&p);
    p.ms.local.role = KRBREPL_ROLE_FENCED;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_NOT_MASTER, 1);
    pair_free(&p);
}

static void master_does_not_follow(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    p.rs.local.role = KRBREPL_ROLE_MASTER;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_STATE, 0);
    pair_free(&p);
}

static void foreign_database_is_refused(void **state)
{
    uint8_t other[16];
    pair p;

    (void)state;
    memset(other, 8, sizeof other);
    common_history(&p, 5);
    memset(p.rs.local.database_id, 8, 16);
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_FOREIGN, 1);
    assert_int_equal(p.worst_level, KRBREPL_LOG_ERROR);
    pair_free(&p);
    /* An empty replica that was told which database to take. */
    pair_init(&p);
    p.want_id = other;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_FOREIGN, 1);
    assert_int_equal(p.rs.adopted, 0);
    memset(other, 7, sizeof other);
    pair_meet(&p);
    assert_up(&p);
    pair_free(&p);
}

static void replica_of_a_later_epoch_is_not_served(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    p.rs.local.known_epoch = 2;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_FENCED, 1);
    assert_int_equal(p.worst_level, KRBREPL_LOG_ERROR);
    assert_int_equal(p.ms.local.known_epoch, 1);
    pair_free(&p);
}

static void replica_learns_a_later_epoch_from_its_master(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_promote(&p.ms, 2);
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(p.rs.local.known_epoch, 2);
    assert_int_equal(info(p.r)->peer_epoch, 2);
    pair_free(&p);
}

static void replica_ahead_without_a_reason_is_refused(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_AHEAD, 1);
    assert_int_equal(p.worst_level, KRBREPL_LOG_ERROR);
    assert_int_equal(p.rs.local.pos.seq, 6);
    pair_free(&p);
}

static void replaced_chain_is_detected(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "2", 1);
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "3", 1);
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_DIVERGED, 1);
    assert_int_equal(p.rs.local.pos.seq, 6);
    pair_free(&p);
}

/* Both have 5 commits; then the replica has another 6 than the master, which has `more` after it. */
static void forked(pair *p, int more)
{
    common_history(p, 5);
    mem_commit(&p->rs, "b@EXAMPLE.ORG", "1", 1);
    while (more-- > 0)
        mem_commit(&p->ms, "b@EXAMPLE.ORG", "2", 1);
    pair_meet(p);
}

static void refusal_of_a_fork_names_what_resolves_it_and_where_it_is(void **state)
{
    pair p;
    int i;

    (void)state;
    for (i = 0; i < 4; i += 3) {
        forked(&p, i);
        assert_refused(&p, i == 0 ? KRBREPL_ERR_AHEAD : KRBREPL_ERR_DIVERGED, 1);
        assert_non_null(strstr(info(p.r)->text, "krbrepl resolve --keep-master DIR"));
        assert_non_null(strstr(info(p.r)->text, "krbrepl resolve --keep-replica DIR"));
        /* A master whose position the replica had is exact; else only a mark is known, and here is none. */
        assert_int_equal(p.rs.forks, 1);
        assert_int_equal(p.rs.fork, i == 0 ? 5 : 0);
        pair_free(&p);
    }
    common_history(&p, 3000);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "2", 1);
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_DIVERGED, 1);
    assert_int_equal(p.rs.fork, 2048);
    pair_free(&p);
}

static void other_refusals_are_no_fork(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    p.rs.local.known_epoch = 2;
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_FENCED, 1);
    assert_int_equal(p.rs.forks, 0);
    pair_free(&p);
}

static void fork_that_was_resolved_is_copied_and_the_losing_commits_are_kept(void **state)
{
    pair p;
    int i;

    (void)state;
    for (i = 0; i < 4; i += 3) {
        forked(&p, i);
        p.rs.local.gives_up = 1;
        pair_meet(&p);
        assert_up(&p);
        assert_int_equal(info(p.m)->copy_reason, KRBREPL_COPY_FORK);
        assert_int_equal(info(p.r)->copy_reason, KRBREPL_COPY_FORK);
        assert_int_equal(p.rs.forks, 2);
        assert_int_equal(p.rs.fork, i == 0 ? 5 : 0);
        /* The word was for this fork. */
        assert_false(p.rs.local.gives_up);
        pair_drop(&p);
        mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
        pair_meet(&p);
        assert_refused(&p, KRBREPL_ERR_AHEAD, 1);
        pair_free(&p);
    }
}

static void word_about_a_fork_changes_nothing_where_there_is_none(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    p.rs.local.gives_up = 1;
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "2", 1);
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.r)->copies, 0);
    assert_int_equal(p.rs.evidence, 0);
    /* Nor is anything given up by a copy for another reason. */
    pair_drop(&p);
    p.rs.local.gives_up = 1;
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "3", 1);
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "4", 1);
    mem_trim(&p.ms, 8);
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.r)->copy_reason, KRBREPL_COPY_BEHIND);
    assert_int_equal(p.rs.evidence, 0);
    assert_int_equal(p.rs.forks, 0);
    pair_free(&p);
}

/* ---- a store that does not take a commit ---------------------------------------------------- */

static void failed_apply_is_named_and_answered_by_a_copy_when_asked(void **state)
{
    uint64_t at;
    pair p;

    (void)state;
    common_history(&p, 5);
    pair_meet(&p);
    p.rs.fail = KRBREPL_ERR_CORRUPT;
    pair_commit(&p, "b@EXAMPLE.ORG", "1");
    pair_run(&p);
    assert_int_equal(info(p.r)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(p.r)->store_err, KRBREPL_ERR_CORRUPT);
    assert_int_equal(info(p.r)->apply_seq, 6);
    assert_int_equal(p.rs.local.pos.seq, 5);
    p.asks = KRBREPL_COPY_FAILED;
    at = p.rs.switches;
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.m)->copy_reason, KRBREPL_COPY_FAILED);
    assert_int_equal(p.rs.switches, at + 1);
    assert_int_equal(p.rs.evidence, 0);
    assert_int_equal(info(p.r)->store_err, 0);
    /* Asking for it is no way around a fork. */
    pair_drop(&p);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_AHEAD, 1);
    pair_free(&p);
    /* Nor is the very first commit skipped. */
    pair_init(&p);
    p.asks = KRBREPL_COPY_FAILED;
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.r)->copy_reason, KRBREPL_COPY_FAILED);
    pair_free(&p);
}

static void promotion_explains_a_fork_and_the_losing_commits_are_kept(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "2", 1);
    mem_promote(&p.ms, 2);
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.r)->copy_reason, KRBREPL_COPY_FORK);
    assert_int_equal(p.rs.evidence, 6);
    pair_free(&p);
}

static void promotion_explains_nothing_that_was_before_it(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    mem_commit(&p.ms, "b@EXAMPLE.ORG", "2", 1);
    mem_promote(&p.ms, 2); /* it left the lineage at 6, where the replica has another commit */
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_DIVERGED, 1);
    assert_int_equal(p.rs.evidence, 0);
    pair_free(&p);
}

static void two_promotions_of_one_epoch_need_a_third(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_promote(&p.rs, 8);
    p.rs.local.role = KRBREPL_ROLE_FENCED;
    mem_promote(&p.ms, 2);
    pair_meet(&p);
    assert_refused(&p, KRBREPL_ERR_DIVERGED, 1);
    mem_promote(&p.ms, 3);
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(p.rs.evidence, 6);
    pair_free(&p);
}

static void histories_that_cannot_be_compared_are_copied(void **state)
{
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_commit(&p.ms, "a@EXAMPLE.ORG", "2", 1);
    p.ms.chains_first = 6;
    mem_trim(&p.ms, 6);
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.r)->copy_reason, KRBREPL_COPY_UNVERIFIABLE);
    assert_true(p.worst_level <= KRBREPL_LOG_WARN);
    pair_free(&p);
}

static void older_marks_show_a_fork_when_the_position_cannot_be_compared(void **state)
{
    krbrepl__ancestry none = {NULL, 0};
    krbrepl__verdict v;
    krbrepl__hello h;
    pair p;

    (void)state;
    common_history(&p, 2000);
    memset(&h, 0, sizeof h);
    mem_trim(&p.ms, 1500);
    mem_commit(&p.ms, "a@EXAMPLE.ORG", "2", 1);
    h.pos = p.rs.local.pos;
    p.ms.chains_first = 2001;
    krbrepl__sess_judge(&p.mp, &p.ms.local, &none, &h, &v);
    assert_int_equal(v.err, 0);
    assert_int_equal(v.reason, KRBREPL_COPY_UNVERIFIABLE);
    p.ms.chains_first = 1024;
    h.pos.seq = 1023; /* not kept, as if it were between two marks */
    h.marks.at[0].seq = 1024;
    h.marks.n = 1;
    memset(h.marks.at[0].chain, 1, 32);
    krbrepl__sess_judge(&p.mp, &p.ms.local, &none, &h, &v);
    assert_int_equal(v.err, KRBREPL_ERR_DIVERGED);
    memcpy(h.marks.at[0].chain, p.ms.journal[1023].chain, 32);
    krbrepl__sess_judge(&p.mp, &p.ms.local, &none, &h, &v);
    assert_int_equal(v.err, 0);
    assert_int_equal(v.reason, KRBREPL_COPY_BEHIND);
    pair_free(&p);
}

/* ---- a master that the test plays ----------------------------------------------------------- */

/* The replica has said hello; the answer that a master at `of` would give. */
static void greet(pair *p, krbrepl__welcome *w)
{
    krbrepl__frame f;

    pair_open_one(p, 0);
    introduce(p, p->r, MASTER_NAME);
    krbrepl__sess_go(p->r, p->now);
    assert_int_equal(hear(p->r, &f), 1);
    assert_int_equal(f.type, KRBREPL__FRAME_HELLO);
    drop(p->r, &f);
    memset(w, 0, sizeof *w);
    w->version = 1;
    memcpy(w->database_id, p->ms.local.database_id, 16);
    w->epoch = p->ms.local.known_epoch;
    w->pos = p->ms.local.pos;
    w->follows = KRBREPL__FOLLOWS_STREAM;
    w->has = KRBREPL__HAS(KRBREPL__TAG_FROM) | KRBREPL__HAS(KRBREPL__TAG_REASON) |
             KRBREPL__HAS(KRBREPL__TAG_FORK);
    w->from = p->rs.local.pos.seq + 1;
}

static void assert_rejects(pair *p, const krbrepl__welcome *w, int code)
{
    krbrepl__frame f;

    say(p, p->r, KRBREPL__FRAME_WELCOME, w);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(info(p->r)->err, code);
    assert_int_equal(info(p->r)->by_peer, 0);
    assert_int_equal(hear(p->r, &f), 1);
    assert_int_equal(f.type, KRBREPL__FRAME_REFUSE);
    krbrepl__sess_free(p->r);
    p->r = NULL;
}

static void replica_checks_the_welcome_itself(void **state)
{
    krbrepl__welcome w;
    uint8_t seven[16];
    pair p;

    (void)state;
    memset(seven, 7, sizeof seven);
    common_history(&p, 5);
    greet(&p, &w);
    w.version = 2;
    assert_rejects(&p, &w, KRBREPL_ERR_FORMAT);
    greet(&p, &w);
    memset(w.database_id, 9, 16);
    assert_rejects(&p, &w, KRBREPL_ERR_FOREIGN);
    greet(&p, &w);
    memset(w.database_id, 0, 16);
    assert_rejects(&p, &w, KRBREPL_ERR_PROTO);
    greet(&p, &w);
    w.from = 3;
    assert_rejects(&p, &w, KRBREPL_ERR_PROTO);
    greet(&p, &w);
    w.pos.chain[0] ^= 1;
    assert_rejects(&p, &w, KRBREPL_ERR_PROTO);
    greet(&p, &w);
    w.follows = 3;
    assert_rejects(&p, &w, KRBREPL_ERR_PROTO);
    p.rs.local.known_epoch = 4;
    greet(&p, &w);
    assert_rejects(&p, &w, KRBREPL_ERR_FENCED);
    p.rs.local.known_epoch = 1;
    assert_int_equal(p.rs.local.pos.seq, 5);
    pair_free(&p);
}

static void replica_gives_up_no_commits_that_nothing_explains(void **state)
{
    krbrepl__welcome w;
    pair p;

    (void)state;
    common_history(&p, 5);
    mem_commit(&p.rs, "b@EXAMPLE.ORG", "1", 1);
    greet(&p, &w);
    w.follows = KRBREPL__FOLLOWS_COPY;
    w.reason = KRBREPL_COPY_BEHIND;
    assert_rejects(&p, &w, KRBREPL_ERR_DIVERGED);
    greet(&p, &w);
    w.follows = KRBREPL__FOLLOWS_COPY;
    w.reason = KRBREPL_COPY_FORK;
    w.fork = 5;
    assert_rejects(&p, &w, KRBREPL_ERR_DIVERGED);
    assert_int_equal(p.rs.local.pos.seq, 6);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peer_that_is_not_authorized_gets_nothing),
        cmocka_unit_test(store_that_is_no_master_serves_nobody),
        cmocka_unit_test(master_does_not_follow),
        cmocka_unit_test(foreign_database_is_refused),
        cmocka_unit_test(replica_of_a_later_epoch_is_not_served),
        cmocka_unit_test(replica_learns_a_later_epoch_from_its_master),
        cmocka_unit_test(replica_ahead_without_a_reason_is_refused),
        cmocka_unit_test(replaced_chain_is_detected),
        cmocka_unit_test(refusal_of_a_fork_names_what_resolves_it_and_where_it_is),
        cmocka_unit_test(other_refusals_are_no_fork),
        cmocka_unit_test(fork_that_was_resolved_is_copied_and_the_losing_commits_are_kept),
        cmocka_unit_test(word_about_a_fork_changes_nothing_where_there_is_none),
        cmocka_unit_test(failed_apply_is_named_and_answered_by_a_copy_when_asked),
        cmocka_unit_test(promotion_explains_a_fork_and_the_losing_commits_are_kept),
        cmocka_unit_test(promotion_explains_nothing_that_was_before_it),
        cmocka_unit_test(two_promotions_of_one_epoch_need_a_third),
        cmocka_unit_test(histories_that_cannot_be_compared_are_copied),
        cmocka_unit_test(older_marks_show_a_fork_when_the_position_cannot_be_compared),
        cmocka_unit_test(replica_checks_the_welcome_itself),
        cmocka_unit_test(replica_gives_up_no_commits_that_nothing_explains),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
