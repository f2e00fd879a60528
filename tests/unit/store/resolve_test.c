#include "st.h"

/* What an operator says about a fork holds for that fork, and for no other. */

static void put_n(krbrepl_store *s, int n)
{
    while (n-- > 0)
        st_put(s, "k", "v");
}

static int gives_up(krbrepl_store *s)
{
    return (st_info(s).flags & KRBREPL_STORE_GIVES_UP) != 0;
}

/* Answers what is noted now. */
static uint64_t noted(krbrepl_store *r, uint64_t fork)
{
    assert_int_equal(krbrepl__store_note_fork(r, &fork), 0);
    return fork;
}

/* A replica with 7 commits; for the tests the last three count as its own. */
static krbrepl_store *forked(const st *t, krbrepl_store *m)
{
    krbrepl_store *r = st_replica(t, "r", m);

    put_n(m, 6);
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    return r;
}

static void word_holds_for_the_position_at_which_it_was_given(void **state)
{
    krbrepl_store *m = st_master(*state), *r = forked(*state, m);
    krbrepl_pos pos;

    assert_false(gives_up(r));
    assert_int_equal(krbrepl_resolve(r, KRBREPL_RESOLVE_KEEP_MASTER, "op", &pos), 0);
    assert_true(gives_up(r));
    assert_int_equal(pos.seq, 7);
    assert_int_equal(st_info(r).pos.seq, 7);
    assert_int_equal(st_info(r).role, KRBREPL_ROLE_REPLICA);
    krbrepl_store_close(r);
    krbrepl_store_close(m);
}

static void word_is_kept_over_a_restart_and_ends_with_the_next_commit(void **state)
{
    krbrepl_store *m = st_master(*state), *r = forked(*state, m);
    char dir[600];

    snprintf(dir, sizeof dir, "%s", krbrepl_store_dir(r));
    assert_int_equal(krbrepl_resolve(r, KRBREPL_RESOLVE_KEEP_MASTER, NULL, NULL), 0);
    krbrepl_store_close(r);
    r = st_open(dir);
    assert_true(gives_up(r));
    put_n(m, 1);
    assert_int_equal(st_ship(m, r, 8, 9), 0);
    assert_false(gives_up(r));
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void word_ends_when_another_history_takes_the_place(void **state)
{
    static const krbrepl__ancestry none;
    krbrepl_store *m = st_master(*state), *r = forked(*state, m);
    krbrepl__wtxn w;
    krbrepl_pos pos = st_info(r).pos;

    assert_int_equal(krbrepl_resolve(r, KRBREPL_RESOLVE_KEEP_MASTER, NULL, NULL), 0);
    assert_int_equal(noted(r, 4), 4);
    /* Even when that is at the same position. */
    assert_int_equal(krbrepl__wtxn_begin(r, &w), 0);
    assert_int_equal(krbrepl__journal_restart(r, &w, &pos, 7, &none), 0);
    assert_int_equal(krbrepl__wtxn_commit(r, &w), 0);
    assert_false(gives_up(r));
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void master_and_empty_stores_have_nothing_to_give_up(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    assert_int_equal(krbrepl_resolve(m, KRBREPL_RESOLVE_KEEP_MASTER, NULL, NULL), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_resolve(r, KRBREPL_RESOLVE_KEEP_MASTER, NULL, NULL), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_resolve(r, 0, NULL, NULL), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_resolve(r, 3, NULL, NULL), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_resolve(NULL, 1, NULL, NULL), KRBREPL_ERR_INVALID);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static int last_cause(void *ctx, const krbrepl_commit *c)
{
    *(uint64_t *)ctx = c->cause;
    return 0;
}

/* Asserts where the store's history left the lineage before. */
static void assert_left_at(krbrepl_store *s, krbrepl_store *of, uint64_t seq)
{
    krbrepl__ancestry a = {NULL, 0};
    uint8_t chain[32];

    assert_int_equal(krbrepl__store_ancestry(s, &a), 0);
    assert_int_equal(a.n, 1);
    assert_int_equal(a.at[0].seq, seq);
    assert_int_equal(krbrepl__store_chain_at(of, seq, chain), 0);
    assert_memory_equal(a.at[0].chain, chain, 32);
    krbrepl__ancestry_free(&a);
}

static void replica_that_is_kept_reigns_from_where_the_histories_part(void **state)
{
    krbrepl_store *m = st_master(*state), *r = forked(*state, m);
    uint64_t cause = 0, epoch = st_info(r).pos.epoch;
    krbrepl_pos pos;

    assert_int_equal(noted(r, 0), 0);
    assert_int_equal(noted(r, 4), 4);
    /* What is known only grows: a master that moves on can tell less exactly. */
    assert_int_equal(noted(r, 0), 4);
    assert_int_equal(krbrepl_resolve(r, KRBREPL_RESOLVE_KEEP_REPLICA, "op", &pos), 0);
    assert_int_equal(st_info(r).role, KRBREPL_ROLE_MASTER);
    assert_int_equal(pos.seq, 8);
    assert_int_equal(pos.epoch, epoch + 1);
    assert_left_at(r, m, 4);
    assert_int_equal(krbrepl_journal_each(r, 8, 8, last_cause, &cause), 0);
    assert_int_equal(cause, KRBREPL_CAUSE_RESOLVE);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void what_was_known_of_an_earlier_fork_says_nothing_of_a_later_one(void **state)
{
    krbrepl_store *m = st_master(*state), *r = forked(*state, m);

    assert_int_equal(noted(r, 4), 4);
    put_n(m, 1);
    assert_int_equal(st_ship(m, r, 8, 9), 0);
    assert_int_equal(krbrepl_resolve(r, KRBREPL_RESOLVE_KEEP_REPLICA, NULL, NULL), 0);
    assert_left_at(r, m, 8);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(word_holds_for_the_position_at_which_it_was_given),
        T(word_is_kept_over_a_restart_and_ends_with_the_next_commit),
        T(word_ends_when_another_history_takes_the_place),
        T(master_and_empty_stores_have_nothing_to_give_up),
        T(replica_that_is_kept_reigns_from_where_the_histories_part),
        T(what_was_known_of_an_earlier_fork_says_nothing_of_a_later_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
