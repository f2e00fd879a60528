/* The tree of one position, against the root that is computed from scratch and against the tree that is kept. */
#include "recordset.h"

#include "ftree.h"

static krbrepl__ftree *frozen(krbrepl__dtree *t)
{
    krbrepl__ftree *f;

    assert_int_equal(krbrepl__dtree_freeze(t, &f), 0);
    assert_non_null(f);
    return f;
}

/* The children of each level are the nodes of the level below, each once and in order; at most 128 of one. */
static void assert_children_cover(const krbrepl__ftree *f)
{
    unsigned level, levels = krbrepl__ftree_levels(f);
    uint32_t i, first, n, at;

    assert_true(levels >= 1 && levels <= KRBREPL__LEVELS_MAX);
    assert_int_equal(krbrepl__ftree_count(f, levels - 1), 1);
    assert_int_equal(krbrepl__ftree_count(f, levels), 0);
    for (level = 1; level < levels; level++) {
        assert_true(krbrepl__ftree_count(f, level - 1) > 1);
        for (i = at = 0; i < krbrepl__ftree_count(f, level); i++, at += n) {
            krbrepl__ftree_children(f, level, i, &first, &n);
            assert_int_equal(first, at);
            assert_true(n >= 1 && n <= KRBREPL__NODE_MAX);
        }
        assert_int_equal(at, krbrepl__ftree_count(f, level - 1));
    }
}

/* Every node's digest is that of its children. */
static void assert_digests(const krbrepl__ftree *f)
{
    krbrepl__sha *h = krbrepl__sha_new();
    uint32_t i, first, n;
    uint8_t want[32];
    unsigned level;

    for (level = 1; level < krbrepl__ftree_levels(f); level++)
        for (i = 0; i < krbrepl__ftree_count(f, level); i++) {
            krbrepl__ftree_children(f, level, i, &first, &n);
            assert_int_equal(
                krbrepl__digest_node(h, level, krbrepl__ftree_digest(f, level - 1, first), n, want), 0);
            assert_memory_equal(krbrepl__ftree_digest(f, level, i), want, 32);
        }
    krbrepl__sha_free(h);
}

/* The ranges follow each other from the beginning to the end, and each leaf's digest is that of the records in
 * its range. */
static void assert_ranges_cover(const krbrepl__ftree *f, const set *s)
{
    uint8_t sums[KRBREPL__LEAF_MAX * KRBREPL__RDIGEST], want[32];
    uint32_t i, leaves = krbrepl__ftree_count(f, 0);
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl_bytes from, to, last = {NULL, 0};
    size_t at = 0, n;

    for (i = 0; i < leaves; i++) {
        krbrepl__ftree_range(f, i, &from, &to);
        assert_int_equal(krbrepl__bytes_cmp(from.data, from.len, last.data, last.len), 0);
        assert_int_equal(to.len == 0, i + 1 == leaves);
        for (n = 0; at < s->n && (to.len == 0 || krbrepl__bytes_cmp(s->at[at].key, s->at[at].len,
                                                                    to.data, to.len) < 0);
             n++, at++) {
            assert_true(n < KRBREPL__LEAF_MAX);
            memcpy(sums + n * KRBREPL__RDIGEST, s->at[at].rd, KRBREPL__RDIGEST);
        }
        assert_true(n != 0 || (leaves == 1 && s->n == 0));
        assert_int_equal(krbrepl__digest_leaf(h, sums, n, want), 0);
        if (n == 0)
            memset(want, 0, sizeof want);
        assert_memory_equal(krbrepl__ftree_digest(f, 0, i), want, 32);
        last = to;
    }
    assert_int_equal(at, s->n);
    krbrepl__sha_free(h);
}

static void assert_frozen(krbrepl__dtree *t, const set *s)
{
    krbrepl__ftree *f = frozen(t);
    uint8_t is[32], want[32];

    assert_children_cover(f);
    assert_digests(f);
    assert_ranges_cover(f, s);
    krbrepl__ftree_root(f, is);
    scratch_root(s, want);
    assert_memory_equal(is, want, 32);
    while (krbrepl__dtree_root(t, 1 + chance(500), want) == 1)
        continue;
    assert_memory_equal(is, want, 32);
    krbrepl__ftree_unref(f);
}

static void rounds(uint64_t seed, const way *w, unsigned n)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    uint8_t key[KRBREPL__CKEY_MAX];
    unsigned i, k;
    size_t len, at;
    set s;

    set_init(&s, seed);
    for (i = 0; i < n; i++) {
        for (k = chance(6) == 0 ? 600 : (unsigned)chance(10); k > 0; k--) {
            if (s.n != 0 && (s.n == MOST - 1 || chance(3) == 0)) {
                at = (size_t)chance(s.n);
                krbrepl__dtree_touch(t, s.at[at].key, s.at[at].len);
                del(&s, at);
                continue;
            }
            len = draw_key(h, w, key);
            put(&s, key, len);
            krbrepl__dtree_touch(t, key, len);
        }
        rehash_all(t, &s);
        assert_frozen(t, &s);
    }
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
}

static void the_frozen_root_is_that_of_a_pass_from_scratch(void **state)
{
    const way few = {40, 0, 0}, many = {90000, 0, 0}, longer = {9000, 0, (int)KRBREPL__CKEY_MAX - 6};
    uint64_t seed;

    (void)state;
    for (seed = 1; seed <= 4; seed++) {
        rounds(seed, &few, 60);
        rounds(seed, &many, 60);
        rounds(seed, &longer, 30);
    }
}

static void leaves_that_only_the_cap_cuts_are_frozen_where_it_cuts(void **state)
{
    const way w = {20000, 1, 0};
    uint64_t seed;

    (void)state;
    for (seed = 1; seed <= 4; seed++)
        rounds(seed, &w, 60);
}

/* Each record begins a leaf of its own, and few begin a node: so the nodes are full. */
static void nodes_that_only_the_cap_cuts_are_frozen_where_it_cuts(void **state)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    uint64_t bound;
    uint32_t first, n;
    krbrepl__ftree *f;
    char key[32];
    unsigned i;
    set s;

    (void)state;
    set_init(&s, 3);
    for (i = 0; s.n < 700; i++) {
        size_t len = (size_t)sprintf(key, "c%07u", i);

        assert_int_equal(krbrepl__digest_bound(h, set_id, key, len, &bound), 0);
        if (krbrepl__digest_begins_leaf(bound) && !krbrepl__digest_begins_node(1, bound))
            put(&s, key, len);
    }
    rehash_all(t, &s);
    assert_frozen(t, &s);
    f = frozen(t);
    assert_int_equal(krbrepl__ftree_count(f, 0), 700);
    assert_int_equal(krbrepl__ftree_levels(f), 3);
    krbrepl__ftree_children(f, 1, 0, &first, &n);
    assert_int_equal(n, KRBREPL__NODE_MAX);
    krbrepl__ftree_unref(f);
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
}

static void no_records_are_one_leaf_without_records(void **state)
{
    static const uint8_t none[32];
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    krbrepl_bytes from, to;
    krbrepl__ftree *f;
    uint8_t root[32];
    set s;

    (void)state;
    set_init(&s, 1);
    assert_int_equal(krbrepl__dtree_freeze(t, &f), KRBREPL_ERR_STATE);
    assert_null(f);
    rehash_all(t, &s);
    f = frozen(t);
    assert_int_equal(krbrepl__ftree_levels(f), 1);
    assert_int_equal(krbrepl__ftree_count(f, 0), 1);
    krbrepl__ftree_root(f, root);
    assert_memory_equal(root, none, 32);
    krbrepl__ftree_range(f, 0, &from, &to);
    assert_int_equal(from.len, 0);
    assert_int_equal(to.len, 0);
    krbrepl__ftree_unref(f);
    krbrepl__dtree_free(t);
    free(s.at);
}

static void a_tree_with_a_dirty_leaf_is_not_frozen(void **state)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    const way w = {9000, 0, 0};
    krbrepl__ftree *f;
    set s;

    (void)state;
    set_init(&s, 2);
    fill(h, &s, &w, 500);
    rehash_all(t, &s);
    krbrepl__dtree_touch(t, s.at[100].key, s.at[100].len);
    assert_int_equal(krbrepl__dtree_freeze(t, &f), KRBREPL_ERR_STATE);
    rehash_all(t, &s);
    krbrepl__ftree_unref(frozen(t));
    krbrepl__dtree_free(t);
    krbrepl__sha_free(h);
    free(s.at);
}

static void what_was_frozen_stays_when_the_kept_tree_changes_and_goes(void **state)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(set_id);
    const way w = {9000, 0, 0};
    uint8_t root[32], again[32];
    krbrepl__ftree *f, *other;
    unsigned i;
    set s;

    (void)state;
    set_init(&s, 12);
    fill(h, &s, &w, 2000);
    rehash_all(t, &s);
    f = frozen(t);
    krbrepl__ftree_root(f, root);
    other = krbrepl__ftree_ref(f);
    krbrepl__ftree_unref(f);
    for (i = 0; i < 500; i++) {
        krbrepl__dtree_touch(t, s.at[3 * i].key, s.at[3 * i].len);
        del(&s, 3 * i);
    }
    rehash_all(t, &s);
    krbrepl__dtree_free(t);
    krbrepl__ftree_root(other, again);
    assert_memory_equal(root, again, 32);
    assert_children_cover(other);
    assert_digests(other);
    krbrepl__ftree_unref(other);
    krbrepl__ftree_unref(NULL);
    krbrepl__sha_free(h);
    free(s.at);
}

static void a_salt_changes_what_travels_and_a_digest_too(void **state)
{
    krbrepl__sha *h = krbrepl__sha_new();
    uint8_t salt[KRBREPL__SALT] = {1}, digest[32] = {2}, want[32], a[KRBREPL__SALTED],
            b[KRBREPL__SALTED];
    krbrepl_bytes piece[] = {{"krbrepl walk 1", 15}, {salt, sizeof salt}, {digest, 32}};

    (void)state;
    assert_int_equal(krbrepl__salted(h, salt, digest, 32, a), 0);
    assert_int_equal(krbrepl__sha_sum(h, piece, 3, want), 0);
    assert_memory_equal(a, want, KRBREPL__SALTED);
    assert_int_equal(krbrepl__salted(h, salt, digest, 16, b), 0);
    assert_memory_not_equal(a, b, KRBREPL__SALTED);
    salt[15] ^= 1;
    assert_int_equal(krbrepl__salted(h, salt, digest, 32, b), 0);
    assert_memory_not_equal(a, b, KRBREPL__SALTED);
    krbrepl__sha_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_frozen_root_is_that_of_a_pass_from_scratch),
        cmocka_unit_test(leaves_that_only_the_cap_cuts_are_frozen_where_it_cuts),
        cmocka_unit_test(nodes_that_only_the_cap_cuts_are_frozen_where_it_cuts),
        cmocka_unit_test(no_records_are_one_leaf_without_records),
        cmocka_unit_test(a_tree_with_a_dirty_leaf_is_not_frozen),
        cmocka_unit_test(what_was_frozen_stays_when_the_kept_tree_changes_and_goes),
        cmocka_unit_test(a_salt_changes_what_travels_and_a_digest_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
