/* The tree that is kept, against the root that is computed from scratch. */
#include "test.h"

#include "digest.h"
#include "dtree.h"

#define MOST 4000u

typedef struct rec {
    uint8_t key[KRBREPL__CKEY_MAX];
    size_t len;
    uint8_t rd[KRBREPL__RDIGEST];
} rec;

/* Records in order, and a walk over them. */
typedef struct set {
    rec *at;
    size_t n;
    size_t here;
    size_t reads, seeks;
    size_t fail_at; /* this read fails; 0: none */
} set;

static const uint8_t id[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
static uint64_t state;

static uint64_t chance(uint64_t below)
{
    state += 0x9e3779b97f4a7c15u;
    {
        uint64_t z = state;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return (z ^ (z >> 31)) % below;
    }
}

static size_t find(const set *s, const void *key, size_t len)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (krbrepl__bytes_cmp(s->at[mid].key, s->at[mid].len, key, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int seek(void *ctx, const void *from, size_t len)
{
    set *s = ctx;

    s->here = len == 0 ? 0 : find(s, from, len);
    s->seeks++;
    return 0;
}

static int next(void *ctx, krbrepl_bytes *ckey, const uint8_t **rdigest)
{
    set *s = ctx;

    s->reads++;
    if (s->fail_at != 0 && s->reads == s->fail_at)
        return KRBREPL_ERR_IO;
    if (s->here == s->n)
        return 0;
    ckey->data = s->at[s->here].key;
    ckey->len = s->at[s->here].len;
    *rdigest = s->at[s->here++].rd;
    return 1;
}

static krbrepl__dtree_source source(set *s)
{
    krbrepl__dtree_source src = {s, seek, next};

    return src;
}

static void set_init(set *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->at = calloc(MOST, sizeof *s->at);
    assert_non_null(s->at);
    state = seed;
}

/* Puts a record with a new value, or deletes it. */
static void put(set *s, const void *key, size_t len)
{
    size_t i = find(s, key, len), k;

    if (i == s->n || krbrepl__bytes_cmp(s->at[i].key, s->at[i].len, key, len) != 0) {
        assert_true(s->n < MOST);
        memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof *s->at);
        memcpy(s->at[i].key, key, len);
        s->at[i].len = len;
        s->n++;
    }
    for (k = 0; k < KRBREPL__RDIGEST; k++)
        s->at[i].rd[k] = (uint8_t)chance(256);
}

static void del(set *s, size_t i)
{
    memmove(s->at + i, s->at + i + 1, (s->n - i - 1) * sizeof *s->at);
    s->n--;
}

static void scratch_root(const set *s, uint8_t root[32])
{
    krbrepl__digest *d = krbrepl__digest_new(id);
    size_t i;

    assert_non_null(d);
    for (i = 0; i < s->n; i++)
        assert_int_equal(krbrepl__digest_add(d, s->at[i].key, s->at[i].len, s->at[i].rd), 0);
    assert_int_equal(krbrepl__digest_root(d, root), 0);
    krbrepl__digest_free(d);
}

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

static void rehash_all(krbrepl__dtree *t, set *s)
{
    krbrepl__dtree_source src = source(s);

    while (krbrepl__dtree_rehash(t, &src, 1 + chance(300)) == 1)
        ;
}

/* How the keys of a round are chosen. */
typedef struct way {
    int range;   /* how many different ones */
    int tame;    /* only keys that begin no leaf, so that the cap cuts */
    int longest; /* bytes appended to some */
} way;

static size_t draw_key(krbrepl__sha *h, const way *w, uint8_t key[KRBREPL__CKEY_MAX])
{
    uint64_t bound;
    size_t len;

    do {
        len = (size_t)sprintf((char *)key, "k%05u", (unsigned)chance((uint64_t)w->range));
        if (w->longest != 0 && chance(8) == 0) {
            size_t more = 1 + (size_t)chance((uint64_t)w->longest);

            memset(key + len, 'x', more);
            len += more;
        }
        assert_int_equal(krbrepl__digest_bound(h, id, key, len, &bound), 0);
    } while (w->tame && krbrepl__digest_begins_leaf(bound) && chance(200) != 0);
    return len;
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
    krbrepl__dtree *t = krbrepl__dtree_new(id);
    krbrepl__dtree_source src;
    set s, late;
    unsigned i, k, many;

    set_init(&late, seed);
    set_init(&s, seed);
    src = source(&s);
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

static void fill(krbrepl__sha *h, set *s, unsigned n)
{
    const way w = {100000, 0, 0};
    uint8_t key[KRBREPL__CKEY_MAX];

    while (s->n < n)
        put(s, key, draw_key(h, &w, key));
}

static void one_change_reads_one_leaf(void **state_)
{
    krbrepl__sha *h = krbrepl__sha_new();
    krbrepl__dtree *t = krbrepl__dtree_new(id);
    set s;

    (void)state_;
    set_init(&s, 5);
    fill(h, &s, 3000);
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
    krbrepl__dtree *t = krbrepl__dtree_new(id);
    krbrepl__dtree_source src;
    krbrepl_bytes first;
    unsigned found = 0, round;
    size_t i;
    set s;

    (void)state_;
    set_init(&s, 6);
    src = source(&s);
    fill(h, &s, 2000);
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
    krbrepl__dtree *t = krbrepl__dtree_new(id);
    const way w = {500, 0, 0};
    krbrepl__dtree_source src;
    unsigned i, k;
    set s;

    (void)state_;
    set_init(&s, 8);
    src = source(&s);
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
