/* A prover over real stores: its roots, what it follows, what it finds. */
#include "../store/st.h"

#include "prover.h"

static krbrepl__prover *make(krbrepl_store *s)
{
    krbrepl__prover *p = NULL;

    assert_int_equal(krbrepl__prover_new(&p, s), 0);
    return p;
}

/* Works until there is nothing more to do: the last news. */
static int work(krbrepl__prover *p, size_t records, krbrepl__proof *out)
{
    int rc;

    do
        rc = krbrepl__prover_work(p, records, out);
    while (rc == KRBREPL__PROVER_MORE);
    return rc;
}

static void build(krbrepl__prover *p)
{
    krbrepl__proof proof;

    assert_int_equal(work(p, 50, &proof), KRBREPL__PROVER_IDLE);
    assert_true(krbrepl__prover_ready(p));
}

static void assert_true_root(krbrepl_store *s, krbrepl__prover *p)
{
    krbrepl_view *v = NULL;
    krbrepl__proof proof;
    krbrepl_pos at, pos;
    uint8_t root[32];

    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_pos(v, &pos), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
    assert_int_equal(krbrepl__prover_begin(p, &at), 0);
    assert_true(krbrepl__pos_equal(&at, &pos));
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_PROVED);
    assert_true(krbrepl__pos_equal(&proof.pos, &pos));
    assert_memory_equal(proof.root, root, 32);
    assert_false(krbrepl__prover_running(p));
}

static void put_some(krbrepl_store *s, int from, int n, const char *value)
{
    char key[32];

    for (; n > 0; n--, from++) {
        snprintf(key, sizeof key, "user%04d", from);
        st_put(s, key, value);
    }
}

/* Writes a record as it would be if a commit had: only that there is none. */
static void alter(krbrepl_store *s, const char *key, const char *value)
{
    krbrepl__rkey k;
    krbrepl__wtxn w;

    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), &k), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    assert_int_equal(
        krbrepl__row_put(s, w.txn, krbrepl__gen(s, w.st.live), &k, st_bytes(value), 0, NULL), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
}

static void the_root_is_that_of_the_store_at_each_position(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl_pos at;
    int i;

    assert_int_equal(krbrepl__prover_begin(p, &at), KRBREPL_ERR_STATE);
    put_some(s, 0, 300, "a");
    build(p);
    assert_true_root(s, p);
    for (i = 0; i < 20; i++) {
        put_some(s, i * 10, 13, "b");
        put_some(s, 1000 + i, 1, "c");
        if (i % 3 == 0)
            st_delete(s, i % 2 ? "user0007" : "user0100");
        assert_true_root(s, p);
        if (i % 3 == 0)
            put_some(s, i % 2 ? 7 : 100, 1, "again");
    }
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void a_proof_is_of_the_position_at_which_it_began(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    uint8_t root[32];
    krbrepl_view *v = NULL;
    krbrepl__proof proof;
    krbrepl_pos at;

    put_some(s, 0, 300, "a");
    build(p);
    put_some(s, 50, 100, "b");
    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
    assert_int_equal(krbrepl__prover_begin(p, &at), 0);
    do {
        put_some(s, 10, 3, "later");
        put_some(s, 2000 + (int)st_info(s).pos.seq, 1, "later");
    } while (krbrepl__prover_work(p, 20, &proof) == KRBREPL__PROVER_MORE);
    assert_true(krbrepl__pos_equal(&proof.pos, &at));
    assert_memory_equal(proof.root, root, 32);
    assert_true_root(s, p);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void a_tree_is_built_while_commits_are_made(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__proof proof;
    int i;

    put_some(s, 0, 400, "a");
    for (i = 0; krbrepl__prover_work(p, 30, &proof) == KRBREPL__PROVER_MORE; i++)
        if (i < 60)
            put_some(s, i * 7 % 400, 2, "b");
    assert_true(krbrepl__prover_ready(p));
    assert_true_root(s, p);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void a_journal_that_does_not_reach_back_means_a_new_tree(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl_retention keep;
    krbrepl__proof proof;
    krbrepl_pos at;

    put_some(s, 0, 50, "a");
    build(p);
    KRBREPL_INIT(&keep);
    keep.entries = 5;
    assert_int_equal(krbrepl__store_set_retention(s, &keep), 0);
    put_some(s, 20, 60, "b");
    while (krbrepl__store_upkeep(s) == 1)
        ;
    assert_true(st_info(s).journal_first > 60);
    assert_int_equal(krbrepl__prover_begin(p, &at), 0);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    assert_true_root(s, p);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void a_scrub_finds_a_record_that_was_altered_and_names_its_place(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__proof proof;

    put_some(s, 0, 200, "a");
    build(p);
    krbrepl__prover_scrub(p, krbrepl__prover_leaves(p));
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    /* A commit is no alteration. */
    put_some(s, 40, 5, "b");
    krbrepl__prover_scrub(p, krbrepl__prover_leaves(p));
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    alter(s, "user0123", "forged");
    krbrepl__prover_scrub(p, krbrepl__prover_leaves(p));
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_ALTERED);
    assert_non_null(strstr(proof.text, "principal user0"));
    /* It was told once; and what is there now is what a comparison will see. */
    krbrepl__prover_scrub(p, krbrepl__prover_leaves(p));
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    assert_true_root(s, p);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ST(name) cmocka_unit_test_setup_teardown(name, st_setup, st_teardown)
        ST(the_root_is_that_of_the_store_at_each_position),
        ST(a_proof_is_of_the_position_at_which_it_began),
        ST(a_tree_is_built_while_commits_are_made),
        ST(a_journal_that_does_not_reach_back_means_a_new_tree),
        ST(a_scrub_finds_a_record_that_was_altered_and_names_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
