/* The tree that is kept, against the root that is computed from scratch. */
#include "recordset.h"

static const way any = {100000, 0, 0};

static void assert_root(krbrepl__dtree *t, const set *s)
{
    uint8_t is[32], want[32];

    int rc;

    assert_int_equal(krbrepl__dtree_dirty(t), 0);
    while ((rc = krbrepl__dtree_root(t, 1 + chance(500), is)) == 1)
        continue;
    assert_int_equal(rc, 0);
    scratch_root(s, want);
    assert_memory_equal(is, want, 32);
}

/* Changes a record and tells the tree, now or (in `late`) later. */
static void change(krbrepl__sha *h, krbrepl__dtree *t, set *s, const way *w, set *late)
{
    uint8_t key[KRBREPL__CKEY_MAX];
    size_t len, i;

    if (s->n != 0 && (chance(5) < 2 || s->n == MOST - 1)) {
        i = (size_t)chance(s->n);
        len = s->at[i].len;
        memcpy(key, s->at[i].key, len);
        del(s, i);
    } else {
        len = draw_key(h, w, key);
        put(s, key, len);
    }
    if (late != NULL && late->n < MOST - 1)
        put(late, key, len);
    else
        krbrepl__dtree_touch(t, key, len);
}

static void tell_late(krbrepl__dtree *t, set *late)
{
    size_t i;

    for (i = 0; i < late->n; i++)
        krbrepl__dtree_touch(t, late->at[i].key, late->at[i].len);
    late->n = 0;
}

/* Rounds of changes, each followed by a comparison. With `late`, the tree is read in pieces between the
 * changes, and hears of them only afterwards. */
static void rounds(uint64_t seed, const way *w, unsigned n, int with_late)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    krbrepl__dtree_source src;
    set s, late;
    unsigned i, k, many;

    set_init(&late, seed);
    set_init(&s, seed);
    src = set_source(&s);
    for (i = 0; i < n; i++) {
        many = chance(10) == 0 ? (unsigned)chance(400) : (unsigned)chance(8);
        for (k = 0; k < many; k++) {
            change(h, t, &s, w, with_late ? &late : NULL);
            if (with_late && chance(3) == 0)
                assert_true(krbrepl__dtree_rehash(t, &src, 1 + chance(100)) >= 0);
        }
        if (chance(400) == 0)
            while (s.n != 0) { /* everything goes */
                krbrepl__dtree_touch(t, s.at[0].key, s.at[0].len);
                del(&s, 0);
            }
        tell_late(t, &late);
        rehash_all(t, &s);
        assert_root(t, &s);
    }
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
    free(late.at);
}

static void the_kept_root_is_that_of_a_pass_from_scratch(void **state_)
{
    const way few = {60, 0, 0}, many = {90000, 0, 0};
    uint64_t seed;

    (void)state_;
    for (seed = 1; seed <= 4; seed++) {
        rounds(seed, &few, 400, 0);
        rounds(seed, &many, 300, 0);
    }
}

static void long_keys_are_kept_too(void **state_)
{
    const way w = {4000, 0, (int)KRBREPL__CKEY_MAX - 6};

    (void)state_;
    rounds(77, &w, 300, 0);
}

static void leaves_that_only_the_cap_cuts_are_cut_where_the_definition_says(void **state_)
{
    const way w = {20000, 1, 0};
    uint64_t seed;

    (void)state_;
    for (seed = 1; seed <= 3; seed++)
        rounds(seed, &w, 250, 0);
}

static void changes_that_are_told_after_they_were_read_do_no_harm(void **state_)
{
    const way plain = {3000, 0, 0}, tame = {20000, 1, 40};
    uint64_t seed;

    (void)state_;
    for (seed = 1; seed <= 3; seed++) {
        rounds(seed, &plain, 300, 1);
        rounds(seed, &tame, 200, 1);
    }
}

static void one_change_reads_one_leaf(void **state_)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    set s;

    (void)state_;
    set_init(&s, 5);
    fill(h, &s, &any, 3000);
    rehash_all(t, &s);
    assert_root(t, &s);
    s.reads = 0;
    s.at[1500].rd[0] ^= 1;
    krbrepl__dtree_touch(t, s.at[1500].key, s.at[1500].len);
    rehash_all(t, &s);
    assert_true(s.reads <= 2 * (KRBREPL__LEAF_MAX + 1));
    assert_root(t, &s);
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
}

static void a_record_altered_behind_its_back_is_found_by_a_recheck(void **state_)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    krbrepl__dtree_source src;
    krbrepl_bytes first;
    unsigned found = 0, round;
    size_t i;
    set s;

    (void)state_;
    set_init(&s, 6);
    src = set_source(&s);
    fill(h, &s, &any, 2000);
    rehash_all(t, &s);
    for (i = 0; i < krbrepl__dtree_leaves(t); i++)
        assert_int_equal(krbrepl__dtree_recheck(t, &src, i, &first), 0);
    for (round = 0; round < 200; round++) {
        size_t k = (size_t)chance(s.n);

        if (round % 2 == 0)
            s.at[k].rd[7] ^= 1;
        else
            del(&s, k);
        for (i = found = 0; i < krbrepl__dtree_leaves(t); i++)
            found += krbrepl__dtree_recheck(t, &src, i, &first) == 1;
        assert_true(found >= 1 && found <= 2);
        rehash_all(t, &s);
        /* A leaf that lost its first record may have to join the one before. */
        while (found != 0)
            for (i = found = 0; i < krbrepl__dtree_leaves(t); i++)
                found += krbrepl__dtree_recheck(t, &src, i, &first) == 1, rehash_all(t, &s);
        assert_root(t, &s);
    }
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
}

static void a_failing_read_leaves_the_tree_sound(void **state_)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    const way w = {500, 0, 0};
    krbrepl__dtree_source src;
    unsigned i, k;
    set s;

    (void)state_;
    set_init(&s, 8);
    src = set_source(&s);
    for (i = 0; i < 300; i++) {
        for (k = 0; k < 20; k++)
            change(h, t, &s, &w, NULL);
        s.reads = 0;
        s.fail_at = 1 + chance(30);
        assert_true(krbrepl__dtree_rehash(t, &src, SIZE_MAX) <= 0);
        s.fail_at = 0;
        rehash_all(t, &s);
        assert_root(t, &s);
    }
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kept_root_is_that_of_a_pass_from_scratch),
        cmocka_unit_test(long_keys_are_kept_too),
        cmocka_unit_test(leaves_that_only_the_cap_cuts_are_cut_where_the_definition_says),
        cmocka_unit_test(changes_that_are_told_after_they_were_read_do_no_harm),
        cmocka_unit_test(one_change_reads_one_leaf),
        cmocka_unit_test(a_record_altered_behind_its_back_is_found_by_a_recheck),
        cmocka_unit_test(a_failing_read_leaves_the_tree_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
