/* Repairs: only what differs travels, and both ends are equal afterwards. */
#include "twins.h"

/* ---- what travels ---------------------------------------------------------------------------- */

static void ten_of_a_hundred_thousand_cost_few_bytes_and_round_trips(void **state)
{
    pair *p = *state;
    unsigned i;

    twins(p, 100000);
    for (i = 0; i < 10; i++)
        mem_alter(&p->rs, 37 + i * 9973, "forged");
    pair_meet(p);
    assert_repaired(p, 10);
    assert_int_equal(p->rs.puts, 10);
    assert_true(info(p->r)->copy_bytes <= 20000);
    assert_true(info(p->r)->copy_trips <= 5); /* and one for HELLO */
    assert_int_equal(info(p->r)->copy_trips, info(p->m)->copy_trips);
    assert_int_equal(p->rs.removed, 10);
}

static void equal_content_brings_no_record(void **state)
{
    pair *p = *state;

    twins(p, 5000);
    pair_meet(p);
    assert_repaired(p, 0);
    assert_int_equal(p->rs.ranges, 0);
    assert_int_equal(info(p->r)->copy_asks, 1); /* DONE */
    assert_true(info(p->r)->copy_bytes < 4000);
}

static void one_record_whose_content_alone_differs_is_found(void **state)
{
    pair *p = *state;
    size_t i;

    for (i = 0; i < 3000; i += 211) {
        pair_anew(p);
        twins(p, 3000);
        mem_alter(&p->rs, i, "secret");
        pair_meet(p);
        assert_repaired(p, 1);
        assert_int_equal(p->rs.removed, 1);
    }
}

static void records_that_the_replica_has_lost_come_back(void **state)
{
    pair *p = *state;
    unsigned i;

    twins(p, 3000);
    for (i = 0; i < 20; i++)
        lose(&p->rs, 2900 - i * 140);
    pair_meet(p);
    assert_repaired(p, 20);
}

/* Each record in turn, so that those with which leaves and higher nodes begin are among them. */
static void a_record_that_only_the_replica_has_goes_wherever_it_stands(void **state)
{
    pair *p = *state;
    unsigned i;

    for (i = 0; i < 300; i++) {
        pair_anew(p);
        twins(p, 300);
        add_foreign(p, i * 10 + 5);
        pair_meet(p);
        assert_repaired(p, 0);
        assert_int_equal(p->rs.removed, 1);
    }
}

static void a_record_that_the_master_deleted_goes_wherever_a_leaf_began(void **state)
{
    pair *p = *state;
    size_t i;

    for (i = 0; i < 300; i++) {
        pair_anew(p);
        twins(p, 300);
        lose(&p->ms, i);
        pair_meet(p);
        assert_repaired(p, 0);
        assert_int_equal(p->rs.removed, 1);
    }
}

static void content_that_differs_everywhere_is_replaced(void **state)
{
    pair *p = *state;
    size_t i;

    twins(p, 3000);
    for (i = 0; i < p->rs.live.n; i++)
        mem_alter(&p->rs, i, "forged");
    pair_meet(p);
    assert_repaired(p, 3000);
}

static void content_without_a_common_key_is_replaced(void **state)
{
    pair *p = *state;
    unsigned i;

    twins(p, 2000);
    memrecs_free(&p->rs.live);
    for (i = 0; i < 3000; i++)
        add_foreign(p, i * 7 + (i * 7 % 10 == 0));
    pair_meet(p);
    assert_equal(p);
    assert_true(info(p->r)->repair);
}

static void a_replica_without_records_asks_for_all(void **state)
{
    pair *p = *state;

    twins(p, 2000);
    memrecs_free(&p->rs.live);
    p->rs.local.records = 0;
    pair_meet(p);
    assert_copied_whole(p);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_WHOLE);
}

static void a_master_without_records_empties_the_replica(void **state)
{
    pair *p = *state;

    twins(p, 2000);
    memrecs_free(&p->ms.live);
    p->ms.local.records = 0;
    pair_meet(p);
    assert_repaired(p, 0);
    assert_int_equal(p->rs.removed, 2000);
    assert_int_equal(p->rs.live.n, 0);
}

static void trees_of_different_heights_are_compared(void **state)
{
    pair *p = *state;
    static const unsigned few[] = {1, 3, 40, 300};
    size_t i;

    for (i = 0; i < sizeof few / sizeof few[0]; i++) {
        pair_anew(p);
        twins(p, 6000); /* the replica keeps its first few */
        while (p->rs.live.n > few[i])
            lose(&p->rs, p->rs.live.n - 1);
        pair_meet(p);
        assert_repaired(p, 6000 - few[i]);
        if (few[i] == 300) /* most leaves were not even looked at */
            assert_true(p->rs.kept < 150);
        pair_anew(p);
        twins(p, 6000); /* the master does */
        while (p->ms.live.n > few[i])
            lose(&p->ms, p->ms.live.n - 1);
        pair_meet(p);
        assert_repaired(p, 0);
        assert_true(info(p->r)->copy_bytes < 20000);
    }
}

/* The replica's whole tree is one leaf, and the master begins above it. For one number of records that leaf is the
 * master's first, and then it is not looked at any further. */
static void an_own_top_below_the_beginning_is_compared_too(void **state)
{
    pair *p = *state;
    unsigned few, met = 0;

    for (few = 1; few <= 64 && met == 0; few++) {
        pair_anew(p);
        twins(p, 5000);
        while (p->rs.live.n > few)
            lose(&p->rs, p->rs.live.n - 1);
        pair_meet(p);
        assert_repaired(p, 5000 - few);
        met = p->rs.kept == 0;
    }
    assert_true(met);
}

static void long_keys_and_large_values_travel_whole(void **state)
{
    pair *p = *state;
    char key[3000], *value = test_malloc(1000000);
    unsigned i;

    memset(value, 'v', 1000000);
    memset(key, 'k', sizeof key);

    for (i = 0; i < 100; i++) {
        key[400 + i * 20] = (char)('a' + i % 20);
        key[480 + i * 20] = '\0';
        mem_commit(&p->ms, key, value, i * 10000);
        key[480 + i * 20] = 'k';
    }
    mem_free(&p->rs);
    mem_copy(&p->rs, &p->ms);
    p->rs.local.role = KRBREPL_ROLE_REPLICA;
    p->asks = KRBREPL_COPY_DIFFERS;
    for (i = 0; i < 90; i += 9)
        mem_alter(&p->rs, i, "forged");
    p->window = 8192;
    p->piece = 5000;
    pair_meet(p);
    assert_repaired(p, 10);
    test_free(value);
}

/* ---- what a repair waits for ----------------------------------------------------------------- */

static void a_repair_waits_for_its_place_and_for_the_own_tree(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    p->ms.enter_later = 2;
    p->rs.tree_later = 2;
    pair_meet(p);
    assert_int_equal(p->ms.enter_later, 1);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_STREAMING);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_COPYING);
    assert_false(krbrepl__sess_work(p->m, p->now)); /* it is not asked again before it is time */
    assert_int_equal(p->ms.enter_later, 1);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_int_equal(p->ms.enter_later, 0);
    /* Meanwhile both ends live. */
    p->now += 11000;
    pair_run(p);
    assert_int_equal(info(p->r)->heard_ms, p->now);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_COPYING);
    assert_int_equal(p->rs.tree_later, 1);
    krbrepl__sess_again(p->r);
    pair_run(p);
    krbrepl__sess_again(p->r);
    pair_run(p);
    assert_repaired(p, 1);
}

static void a_store_that_works_in_pieces_is_called_again(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    forge(p, 50, 20);
    p->rs.begin_later = 3;
    p->rs.range_later = 2;
    p->rs.switch_later = 4;
    pair_meet(p);
    assert_repaired(p, 50);
}

/* ---- when it is no repair -------------------------------------------------------------------- */

static void ends_without_the_feature_copy_in_full(void **state)
{
    pair *p = *state;
    int who;

    for (who = 0; who < 3; who++) {
        pair_anew(p);
        twins(p, 1000);
        mem_alter(&p->rs, 100, "forged");
        if (who != 1)
            p->rp.own_tree = NULL;
        if (who != 0)
            p->mp.enter = NULL;
        pair_meet(p);
        assert_copied_whole(p);
        assert_false(info(p->m)->repairs || info(p->r)->repairs);
    }
}

static void a_replica_without_a_tree_asks_for_all(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    p->rs.no_tree = 1;
    pair_meet(p);
    assert_copied_whole(p);
}

static void a_replica_that_a_repair_has_not_helped_asks_for_all(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    p->all = 1;
    pair_meet(p);
    assert_copied_whole(p);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_DIFFERS);
    assert_int_equal(info(p->r)->copy_asks, 1);
}

static void every_reason_for_a_copy_is_a_repair_of_what_is_there(void **state)
{
    pair *p = *state;

    /* Behind the journal. */
    twins(p, 2000);
    p->asks = 0;
    fill(&p->ms, 1000, 20, 10, "newer");
    mem_trim(&p->ms, 2015);
    pair_meet(p);
    assert_repaired(p, 20);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_BEHIND);
    pair_drop(p);
    /* Its own commits, left by a promotion that the master knows of. */
    put_one(&p->rs, 7, "lost");
    mem_promote(&p->ms, 3);
    put_one(&p->ms, 8, "kept");
    pair_meet(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_FORK);
    assert_int_equal(p->rs.evidence, 2022);
    /* A reset in the stream. */
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    grown(p);
    pair_run(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_RESET);
    pair_drop(p);
    /* It cannot apply what follows. */
    p->asks = KRBREPL_COPY_FAILED;
    put_one(&p->ms, 9, "newer");
    pair_meet(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_FAILED);
}

static void a_walk_does_not_go_behind_what_the_replica_had(void **state)
{
    pair *p = *state;

    twins(p, 100);
    pair_meet(p);
    assert_repaired(p, 0);
    assert_int_equal(p->ms.least, p->rs.local.pos.seq);
}

/* ---- asking to be compared ------------------------------------------------------------------- */

static void a_replica_asks_to_be_compared_and_the_owner_hears_of_it(void **state)
{
    pair *p = *state;

    twins(p, 100);
    p->asks = 0;
    pair_meet(p);
    krbrepl__sess_ask_check(p->r);
    krbrepl__sess_ask_check(p->m); /* nobody to ask */
    pair_run(p);
    assert_int_equal(info(p->m)->check_asks, 1);
    assert_up(p);
    pair_drop(p);
    /* A master that does not know of it is not asked. */
    p->mp.enter = NULL;
    pair_meet(p);
    krbrepl__sess_ask_check(p->r);
    pair_run(p);
    assert_int_equal(info(p->m)->check_asks, 0);
    assert_up(p);
}

/* Else the master would take it for checked, and come back to it after a long while only. */
static void the_master_knows_that_a_replica_did_not_hear_of_a_comparison(void **state)
{
    pair *p = *state;

    twins(p, 100);
    p->ms.enter_later = 1;
    pair_meet(p);
    assert_int_equal(p->ms.enter_later, 0);
    assert_int_equal(krbrepl__sess_check(p->m, p->ms.local.pos.seq, NULL), 0);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_up(p);
    assert_int_equal(p->rs.checks, 0);
    assert_int_equal(krbrepl__sess_check(p->m, p->ms.local.pos.seq, NULL), 1);
    pair_run(p);
    assert_int_equal(p->rs.checks, 1);
    assert_int_equal(krbrepl__sess_check(p->r, p->ms.local.pos.seq, NULL), 0); /* it tells nobody */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(ten_of_a_hundred_thousand_cost_few_bytes_and_round_trips),
        PAIR(equal_content_brings_no_record),
        PAIR(one_record_whose_content_alone_differs_is_found),
        PAIR(records_that_the_replica_has_lost_come_back),
        PAIR(a_record_that_only_the_replica_has_goes_wherever_it_stands),
        PAIR(a_record_that_the_master_deleted_goes_wherever_a_leaf_began),
        PAIR(content_that_differs_everywhere_is_replaced),
        PAIR(content_without_a_common_key_is_replaced),
        PAIR(a_replica_without_records_asks_for_all),
        PAIR(a_master_without_records_empties_the_replica),
        PAIR(trees_of_different_heights_are_compared),
        PAIR(an_own_top_below_the_beginning_is_compared_too),
        PAIR(long_keys_and_large_values_travel_whole),
        PAIR(a_repair_waits_for_its_place_and_for_the_own_tree),
        PAIR(a_store_that_works_in_pieces_is_called_again),
        PAIR(ends_without_the_feature_copy_in_full),
        PAIR(a_replica_without_a_tree_asks_for_all),
        PAIR(a_replica_that_a_repair_has_not_helped_asks_for_all),
        PAIR(every_reason_for_a_copy_is_a_repair_of_what_is_there),
        PAIR(a_walk_does_not_go_behind_what_the_replica_had),
        PAIR(a_replica_asks_to_be_compared_and_the_owner_hears_of_it),
        PAIR(the_master_knows_that_a_replica_did_not_hear_of_a_comparison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
