/* Two running ends that say they are equal are equal, and a difference is found. */
#include "pair.h"

static void fill(pair *p, int n)
{
    char key[32];
    int i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "user%05d@EXAMPLE.ORG", i);
        mem_commit(&p->ms, key, "secret", 6);
    }
}

/* What the owners of both ends do: each computes its root where it is asked to. */
static void master_begins(pair *p)
{
    krbrepl__sess_check(p->m, p->ms.local.pos.seq, NULL);
}

static void master_says(pair *p, uint64_t seq, const uint8_t root[32])
{
    krbrepl__sess_check(p->m, seq, root);
    pair_run(p);
}

static void replica_says(pair *p)
{
    uint8_t root[32];

    mem_root(&p->rs, root);
    krbrepl__sess_proved(p->r, p->rs.check, root);
    pair_run(p);
}

static void meet(pair *p, int n)
{
    pair_init(p);
    fill(p, n);
    pair_meet(p);
    assert_up(p);
    assert_true(info(p->m)->checks && info(p->r)->checks);
}

static void assert_proved(pair *p, uint64_t seq, uint64_t proofs)
{
    assert_up(p);
    assert_int_equal(info(p->m)->proved_seq, seq);
    assert_int_equal(info(p->r)->proved_seq, seq);
    assert_int_equal(info(p->m)->proofs, proofs);
    assert_int_equal(info(p->r)->proofs, proofs);
}

static void equal_content_is_proved_at_both_ends(void **state)
{
    uint8_t root[32];
    uint64_t seq;
    pair p;
    int master_first;

    (void)state;
    for (master_first = 0; master_first < 2; master_first++) {
        meet(&p, 100);
        seq = p.ms.local.pos.seq;
        mem_root(&p.ms, root);
        master_begins(&p);
        pair_run(&p);
        assert_int_equal(p.rs.check, seq);
        if (master_first)
            master_says(&p, seq, root);
        replica_says(&p);
        if (!master_first)
            master_says(&p, seq, root);
        assert_proved(&p, seq, 1);
        pair_free(&p);
    }
}

static void the_replica_ends_its_group_at_the_position_that_is_compared(void **state)
{
    uint8_t root[32];
    uint64_t seq;
    pair p;

    (void)state;
    meet(&p, 10);
    pair_commit(&p, "a@EXAMPLE.ORG", "1");
    pair_commit(&p, "b@EXAMPLE.ORG", "2");
    seq = p.ms.local.pos.seq;
    mem_root(&p.ms, root);
    master_begins(&p);
    pair_commit(&p, "c@EXAMPLE.ORG", "3");
    pair_commit(&p, "a@EXAMPLE.ORG", "4");
    p.rs.check = 0;
    while (p.rs.check == 0)
        assert_true(pair_move(&p, 1, 7) + pair_move(&p, 0, SIZE_MAX) != 0 ||
                    krbrepl__sess_work(p.m, p.now) + krbrepl__sess_work(p.r, p.now) != 0 ||
                    krbrepl__sess_out(p.m)->len != 0);
    assert_int_equal(p.rs.local.pos.seq, seq);
    replica_says(&p);
    master_says(&p, seq, root);
    assert_proved(&p, seq, 1);
    pair_free(&p);
}

static void a_difference_ends_the_session_loudly_and_is_copied_away(void **state)
{
    uint8_t root[32];
    uint64_t seq;
    pair p;

    (void)state;
    meet(&p, 100);
    seq = p.ms.local.pos.seq;
    mem_alter(&p.rs, 50, "forged");
    mem_root(&p.ms, root);
    master_begins(&p);
    pair_run(&p);
    replica_says(&p);
    master_says(&p, seq, root);
    assert_refused(&p, KRBREPL_ERR_DIVERGED, 0);
    assert_int_equal(p.worst_level, KRBREPL_LOG_ERROR);
    assert_non_null(strstr(info(p.m)->text, "differs"));
    assert_true(info(p.r)->differs);
    assert_int_equal(info(p.m)->proofs, 0);

    p.asks = KRBREPL_COPY_DIFFERS;
    pair_meet(&p);
    assert_up(&p);
    assert_int_equal(info(p.r)->copy_reason, KRBREPL_COPY_DIFFERS);
    assert_int_equal(info(p.m)->copy_reason, KRBREPL_COPY_DIFFERS);
    assert_int_equal(info(p.r)->copies, 1);
    assert_int_equal(p.rs.evidence, 0);
    master_begins(&p);
    pair_run(&p);
    replica_says(&p);
    master_says(&p, seq, root);
    assert_proved(&p, seq, 1);
    pair_free(&p);
}

static void a_root_that_the_replica_made_up_is_found_by_the_master(void **state)
{
    krbrepl__check c = {0};
    uint8_t root[32];
    pair p;

    (void)state;
    meet(&p, 5);
    mem_root(&p.ms, root);
    master_begins(&p);
    krbrepl__sess_check(p.m, p.ms.local.pos.seq, root);
    c.has = KRBREPL__HAS(KRBREPL__TAG_ROOT);
    c.seq = p.ms.local.pos.seq;
    say(&p, p.m, KRBREPL__FRAME_CHECK, &c);
    assert_int_equal(info(p.m)->err, KRBREPL_ERR_DIVERGED);
    assert_true(info(p.m)->differs);
    pair_free(&p);
}

static void a_position_that_cannot_be_compared_is_skipped_and_counted(void **state)
{
    uint8_t root[32];
    uint64_t seq;
    pair p;

    (void)state;
    meet(&p, 10);
    seq = p.ms.local.pos.seq;
    mem_root(&p.ms, root);
    master_begins(&p);
    pair_run(&p);
    krbrepl__sess_proved(p.r, seq, NULL);
    master_says(&p, seq, root);
    assert_int_equal(info(p.r)->skipped, 1);
    /* A later one takes the place of one that is not finished. */
    master_begins(&p);
    pair_commit(&p, "a@EXAMPLE.ORG", "1");
    master_begins(&p);
    pair_run(&p);
    krbrepl__sess_proved(p.r, seq, root);
    assert_int_equal(info(p.r)->skipped, 2);
    assert_proved(&p, 0, 0);
    seq = p.ms.local.pos.seq;
    mem_root(&p.ms, root);
    replica_says(&p);
    master_says(&p, seq, root);
    assert_proved(&p, seq, 1);
    pair_free(&p);
}

static void a_passed_position_is_not_asked_for(void **state)
{
    krbrepl__check c = {0};
    uint64_t seq;
    pair p;

    (void)state;
    meet(&p, 10);
    seq = p.ms.local.pos.seq;
    /* The master does not say what it has sent beyond. */
    krbrepl__sess_check(p.m, seq - 1, NULL);
    pair_run(&p);
    assert_int_equal(p.rs.checks, 0);
    /* If one does, the replica passes over it. */
    c.seq = seq - 1;
    assert_int_equal(say(&p, p.r, KRBREPL__FRAME_CHECK, &c), 0);
    assert_int_equal(p.rs.checks, 0);
    assert_int_equal(info(p.r)->skipped, 1);
    assert_up(&p);
    pair_free(&p);
}

static void a_peer_without_the_feature_is_never_asked(void **state)
{
    uint8_t root[32] = {0};
    pair p;

    (void)state;
    pair_init(&p);
    p.rp.check = NULL;
    fill(&p, 10);
    pair_meet(&p);
    assert_up(&p);
    assert_false(info(p.m)->checks || info(p.r)->checks);
    master_begins(&p);
    master_says(&p, p.ms.local.pos.seq, root);
    assert_up(&p);
    pair_free(&p);
}

static void a_check_that_nobody_agreed_on_is_refused(void **state)
{
    krbrepl__check c = {0};
    pair p;

    (void)state;
    pair_init(&p);
    p.rp.check = NULL;
    pair_meet(&p);
    c.seq = p.ms.local.pos.seq;
    assert_int_equal(say(&p, p.r, KRBREPL__FRAME_CHECK, &c), KRBREPL_ERR_PROTO);
    pair_meet(&p);
    assert_int_equal(say(&p, p.m, KRBREPL__FRAME_CHECK, &c), KRBREPL_ERR_PROTO);
    pair_free(&p);
}

static void a_copy_ends_a_comparison(void **state)
{
    uint8_t root[32];
    uint64_t seq;
    pair p;

    (void)state;
    meet(&p, 10);
    seq = p.ms.local.pos.seq;
    mem_root(&p.ms, root);
    master_begins(&p);
    pair_run(&p);
    mem_reset(&p.ms, "only@EXAMPLE.ORG", "1");
    krbrepl__sess_grown(p.m, p.ms.local.pos.seq);
    pair_run(&p);
    assert_up(&p);
    krbrepl__sess_proved(p.r, seq, root);
    master_says(&p, seq, root);
    assert_int_equal(info(p.r)->skipped, 1);
    assert_proved(&p, 0, 0);
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_content_is_proved_at_both_ends),
        cmocka_unit_test(the_replica_ends_its_group_at_the_position_that_is_compared),
        cmocka_unit_test(a_difference_ends_the_session_loudly_and_is_copied_away),
        cmocka_unit_test(a_root_that_the_replica_made_up_is_found_by_the_master),
        cmocka_unit_test(a_position_that_cannot_be_compared_is_skipped_and_counted),
        cmocka_unit_test(a_passed_position_is_not_asked_for),
        cmocka_unit_test(a_peer_without_the_feature_is_never_asked),
        cmocka_unit_test(a_check_that_nobody_agreed_on_is_refused),
        cmocka_unit_test(a_copy_ends_a_comparison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
