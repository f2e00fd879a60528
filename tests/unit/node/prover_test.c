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

/* Turns over a bit of a record's value, as a disk would. */
static void rot(krbrepl_store *s, const char *key)
{
    krbrepl__rkey k;
    krbrepl__wtxn w;
    MDB_val mk, v, changed;
    uint8_t row[1024];

    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), &k), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    mk = (MDB_val){k.ck.len, k.ck.b};
    assert_int_equal(mdb_get(w.txn, krbrepl__gen(s, w.st.live), &mk, &v), 0);
    assert_true(v.mv_size <= sizeof row);
    memcpy(row, v.mv_data, v.mv_size);
    row[v.mv_size - 1] ^= 1;
    changed = (MDB_val){v.mv_size, row};
    assert_int_equal(mdb_put(w.txn, krbrepl__gen(s, w.st.live), &mk, &changed, 0), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
}

/* Scrubs all leaves: whether something was told, by the time that no leaf is left to be read. */
static int is_told_of_a_scrub(krbrepl__prover *p)
{
    krbrepl__proof proof;
    int told = 0;

    krbrepl__prover_scrub(p, krbrepl__prover_leaves(p));
    while (krbrepl__prover_scrubs(p) != 0)
        told |= krbrepl__prover_work(p, 10, &proof) == KRBREPL__PROVER_ALTERED;
    return told;
}

static void a_scrub_is_not_over_before_all_that_it_found_is_told(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *strict = make(s), *p = make(s);
    krbrepl__proof proof;
    char key[32];
    int i;

    /* Some of these are in the leaf that is read last. */
    put_some(s, 0, 64, "a");
    krbrepl__prover_as_found(p);
    build(p);
    build(strict);
    for (i = 0; i < 64; i++) {
        snprintf(key, sizeof key, "user%04d", i);
        rot(s, key);
        assert_true(is_told_of_a_scrub(p));
        alter(s, key, i % 2 ? "a" : "b");
        assert_int_equal(is_told_of_a_scrub(strict), i % 2 == 0);
        /* Both know what is there, and the next round begins with a sound record. */
        (void)is_told_of_a_scrub(p);
        while (krbrepl__prover_work(p, 10, &proof) != KRBREPL__PROVER_IDLE)
            continue;
    }
    krbrepl__prover_free(strict);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

/* Commits between the slices of a scrub: leaves come and go before the one that is next, and all before those in which
 * something was altered, which would else be read anew. */
static void change_some(krbrepl_store *s, int turn)
{
    const int goes = turn % 3 == 2;
    char key[32];
    int i;

    for (i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "a%04d", (goes ? turn - 2 : turn) * 12 + i);
        if (goes)
            st_delete(s, key);
        else
            st_put(s, key, "comes and goes");
    }
}

static void a_scrub_of_all_leaves_no_record_out_whatever_is_committed_meanwhile(void **state)
{
    static const char *const altered[] = {"user0140", "user0180", "user0220", "user0260", "user0299"};
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__proof proof;
    int i, told, turn;

    put_some(s, 0, 300, "a");
    build(p);
    for (i = 0; i < 5; i++) {
        alter(s, altered[i], "forged");
        krbrepl__prover_scrub(p, krbrepl__prover_leaves(p));
        for (told = turn = 0; krbrepl__prover_scrubs(p) != 0;) {
            const size_t left = krbrepl__prover_scrubs(p);

            told |= krbrepl__prover_work(p, 1000, &proof) == KRBREPL__PROVER_ALTERED;
            if (krbrepl__prover_scrubs(p) < left && turn < 40)
                change_some(s, turn++);
        }
        assert_true(told);
        assert_true_root(s, p);
    }
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void suspect(krbrepl_store *s, krbrepl__prover *p, const char *key)
{
    krbrepl__rkey k;

    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), &k), 0);
    krbrepl__prover_suspect(p, k.ck.b, k.ck.len);
}

/* A tree that is asked for: that of the store as it is now, for nobody writes. */
static krbrepl__ftree *freeze(krbrepl_store *s, krbrepl__prover *p)
{
    krbrepl_store_info i = st_info(s);
    krbrepl__proof proof;

    krbrepl__prover_freeze(p);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_FROZEN);
    assert_true(krbrepl__pos_equal(&proof.pos, &i.pos));
    assert_true(proof.records == i.records && proof.cumulative == i.cumulative);
    return proof.tree;
}

static void assert_frozen_root(krbrepl_store *s, krbrepl__prover *p)
{
    krbrepl__ftree *t = freeze(s, p);
    uint8_t root[32], is[32];
    krbrepl_view *v = NULL;

    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
    krbrepl__ftree_root(t, is);
    assert_memory_equal(root, is, 32);
    krbrepl__ftree_unref(t);
}

static void a_tree_that_is_asked_for_is_that_of_one_position(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__proof proof;
    uint8_t root[32], is[32];
    krbrepl_view *v = NULL;
    krbrepl_pos pos;
    int i;

    put_some(s, 0, 400, "a");
    assert_frozen_root(s, p); /* it is built for that */
    assert_frozen_root(s, p);
    put_some(s, 100, 200, "b"); /* in more than one leaf, wherever leaves begin */
    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_pos(v, &pos), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
    krbrepl__prover_freeze(p);
    for (i = 0; krbrepl__prover_work(p, 20, &proof) == KRBREPL__PROVER_MORE; i++)
        put_some(s, 200 + i, 2, "later");
    assert_true(i > 1 && krbrepl__pos_equal(&proof.pos, &pos));
    krbrepl__ftree_root(proof.tree, is);
    assert_memory_equal(root, is, 32);
    krbrepl__ftree_unref(proof.tree);
    assert_true_root(s, p);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void a_proof_and_a_tree_can_be_asked_for_together(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__proof proof;
    krbrepl_pos at;

    put_some(s, 0, 300, "a");
    build(p);
    assert_int_equal(krbrepl__prover_begin(p, &at), 0);
    krbrepl__prover_freeze(p);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_PROVED);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_FROZEN);
    assert_true(krbrepl__pos_equal(&proof.pos, &at));
    krbrepl__ftree_unref(proof.tree);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void an_empty_store_has_no_tree(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t), *r = st_replica(t, "r", s);
    krbrepl__prover *p = make(r);
    krbrepl__proof proof;

    krbrepl__prover_freeze(p);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_FROZEN);
    assert_null(proof.tree);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    krbrepl__prover_free(p);
    krbrepl__store_close(r);
    krbrepl__store_close(s);
}

static void a_walk_that_was_opened_elsewhere_is_proved(void **state)
{
    krbrepl_store *s = st_master(*state), *other = NULL;
    krbrepl__prover *p;
    krbrepl__scan_at at;
    krbrepl__scan *scan;
    krbrepl__proof proof;
    krbrepl_view *v = NULL;
    krbrepl_errinfo ei;
    uint8_t root[32];

    assert_int_equal(krbrepl__store_dup(s, &other, &ei), 0);
    p = make(other);
    put_some(s, 0, 300, "a");
    assert_int_equal(krbrepl__store_scan_open(s, &scan, &at), 0);
    assert_int_equal(krbrepl__prover_begin_with(p, scan, &at), KRBREPL_ERR_STATE);
    build(p);
    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
    assert_int_equal(krbrepl__store_scan_open(s, &scan, &at), 0);
    put_some(s, 20, 100, "b");
    assert_int_equal(krbrepl__prover_begin_with(p, scan, &at), 0);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_PROVED);
    assert_true(krbrepl__pos_equal(&proof.pos, &at.pos));
    assert_memory_equal(proof.root, root, 32);
    krbrepl__prover_free(p);
    krbrepl__store_close(other);
    krbrepl__store_close(s);
}

static void a_record_that_rots_is_found_by_the_hint_and_named(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__ftree *before, *after;
    uint8_t a[32], b[32];
    krbrepl__proof proof;

    put_some(s, 0, 200, "a");
    krbrepl__prover_as_found(p);
    build(p);
    before = freeze(s, p);
    suspect(s, p, "user0123");
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    rot(s, "user0123");
    suspect(s, p, "user0123");
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_ALTERED);
    assert_non_null(strstr(proof.text, "principal user0123"));
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    /* The tree has what is there, so that a walk finds the leaf. */
    krbrepl__prover_freeze(p);
    while (krbrepl__prover_work(p, 10, &proof) != KRBREPL__PROVER_FROZEN)
        continue;
    after = proof.tree;
    krbrepl__ftree_root(before, a);
    krbrepl__ftree_root(after, b);
    assert_memory_not_equal(a, b, 32);
    krbrepl__ftree_unref(before);
    krbrepl__ftree_unref(after);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void what_has_rotted_is_named_while_the_tree_is_built(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *strict = make(s), *p = make(s);
    krbrepl__proof proof;

    put_some(s, 0, 200, "a");
    rot(s, "user0042");
    assert_int_equal(work(strict, 10, &proof), KRBREPL_ERR_CORRUPT);
    krbrepl__prover_as_found(p);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_ALTERED);
    assert_non_null(strstr(proof.text, "principal user0042"));
    while (krbrepl__prover_work(p, 10, &proof) != KRBREPL__PROVER_IDLE)
        continue;
    assert_true(krbrepl__prover_ready(p));
    krbrepl__prover_free(strict);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void a_repair_whose_records_are_told_keeps_the_tree(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl_store_info was, is;
    krbrepl__proof proof;
    krbrepl_pos at;
    krbrepl__rkey k;
    int i;

    put_some(s, 0, 300, "a");
    build(p);
    was = st_info(s);
    alter(s, "user0005", "of a repair");
    alter(s, "user0290", "of a repair");
    put_some(s, 100, 3, "b"); /* stands for the position that the repair brings */
    is = st_info(s);
    for (i = 0; i < 2; i++) {
        assert_int_equal(
            krbrepl__rkey_make(s, "principal", st_bytes(i == 0 ? "user0005" : "user0290"), &k), 0);
        krbrepl__prover_touch(p, k.ck.b, k.ck.len);
    }
    for (i = 100; i < 103; i++) {
        char key[32];

        snprintf(key, sizeof key, "user%04d", i);
        assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), &k), 0);
        krbrepl__prover_touch(p, k.ck.b, k.ck.len);
    }
    krbrepl__prover_moved(p, &was.pos, &is.pos);
    assert_true(krbrepl__prover_ready(p));
    assert_true_root(s, p);
    /* From elsewhere it is not believed. */
    krbrepl__prover_moved(p, &was.pos, &is.pos);
    assert_false(krbrepl__prover_ready(p));
    assert_int_equal(krbrepl__prover_begin(p, &at), KRBREPL_ERR_STATE);
    assert_int_equal(work(p, 10, &proof), KRBREPL__PROVER_IDLE);
    assert_true_root(s, p);
    krbrepl__prover_free(p);
    krbrepl__store_close(s);
}

static void work_that_is_to_stop_stops(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__prover *p = make(s);
    krbrepl__proof proof;
    atomic_int stop;

    put_some(s, 0, 300, "a");
    atomic_init(&stop, 1);
    krbrepl__prover_stop_at(p, &stop);
    assert_int_equal(work(p, 1000, &proof), KRBREPL_ERR_STATE);
    atomic_store(&stop, 0);
    build(p);
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
        ST(a_scrub_is_not_over_before_all_that_it_found_is_told),
        ST(a_scrub_of_all_leaves_no_record_out_whatever_is_committed_meanwhile),
        ST(a_tree_that_is_asked_for_is_that_of_one_position),
        ST(a_proof_and_a_tree_can_be_asked_for_together),
        ST(an_empty_store_has_no_tree),
        ST(a_walk_that_was_opened_elsewhere_is_proved),
        ST(a_record_that_rots_is_found_by_the_hint_and_named),
        ST(what_has_rotted_is_named_while_the_tree_is_built),
        ST(a_repair_whose_records_are_told_keeps_the_tree),
        ST(work_that_is_to_stop_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
