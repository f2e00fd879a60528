/* The digest tree against a recomputation that follows the text of digest.h word by word and shares no
 * code with it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include <krbrepl/error.h>

#include "digest.h"

#define MANY 20000u

typedef struct rec {
    char key[32];
    size_t len;
    uint64_t h;
    uint8_t rd[KRBREPL__RDIGEST];
} rec;

static const uint8_t id[16] = {0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8};

/* ---- the naive recomputation ---------------------------------------------------------------- */

typedef struct node {
    size_t first; /* index of its first record */
    uint8_t sum[32];
} node;

static uint64_t naive_bound(const uint8_t dbid[16], const char *key, size_t len)
{
    uint8_t in[16 + 16 + 64], sum[32];
    uint64_t h = 0;
    int i;

    memcpy(in, "krbrepl bound 1", 16);
    memcpy(in + 16, dbid, 16);
    memcpy(in + 32, key, len);
    SHA256(in, 32 + len, sum);
    for (i = 0; i < 8; i++)
        h = h << 8 | sum[i];
    return h;
}

static int low_bits_zero(uint64_t h, unsigned bits)
{
    while (bits-- > 0) {
        if (h & 1)
            return 0;
        h >>= 1;
    }
    return 1;
}

static void naive_leaf(const rec *r, size_t n, uint8_t sum[32])
{
    uint8_t in[15 + 128 * 16];
    size_t i;

    memcpy(in, "krbrepl leaf 1", 15);
    for (i = 0; i < n; i++)
        memcpy(in + 15 + 16 * i, r[i].rd, 16);
    SHA256(in, 15 + 16 * n, sum);
}

static void naive_node(unsigned level, const node *child, size_t n, uint8_t sum[32])
{
    uint8_t in[15 + 1 + 128 * 32];
    size_t i;

    memcpy(in, "krbrepl node 1", 15);
    in[15] = (uint8_t)level;
    for (i = 0; i < n; i++)
        memcpy(in + 16 + 32 * i, child[i].sum, 32);
    SHA256(in, 16 + 32 * n, sum);
}

static size_t naive_leaves(const rec *r, size_t n, node *out)
{
    size_t i, from = 0, made = 0;

    for (i = 1; i <= n; i++) {
        if (i < n && i - from < 128 && !low_bits_zero(r[i].h, 4))
            continue;
        out[made].first = from;
        naive_leaf(r + from, i - from, out[made++].sum);
        from = i;
    }
    return made;
}

/* `level` is the level of the nodes in `in`; answers the level above. */
static size_t naive_up(const rec *r, unsigned level, const node *in, size_t n, node *out)
{
    size_t i, from = 0, made = 0;

    for (i = 1; i <= n; i++) {
        if (i < n && i - from < 128 && !low_bits_zero(r[in[i].first].h, 4 * (level + 2)))
            continue;
        out[made].first = in[from].first;
        naive_node(level + 1, in + from, i - from, out[made++].sum);
        from = i;
    }
    return made;
}

/* Fills `count` with the number of nodes of each level and answers the number of levels. */
static unsigned naive_root(const rec *r, size_t n, uint8_t root[32], size_t count[16])
{
    node *a, *b, *t;
    unsigned level = 0;
    size_t m;

    memset(root, 0, 32);
    if (n == 0)
        return 0;
    a = calloc(n, sizeof *a);
    b = calloc(n, sizeof *b);
    assert_true(a != NULL && b != NULL);
    m = naive_leaves(r, n, a);
    for (count[0] = m; m > 1; count[level] = m) {
        m = naive_up(r, level++, a, m, b);
        t = a, a = b, b = t;
    }
    memcpy(root, a[0].sum, 32);
    free(a);
    free(b);
    return level + 1;
}

/* ---- records -------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const rec *)a)->key, ((const rec *)b)->key);
}

static void make_rec(rec *r, const uint8_t dbid[16], unsigned long n, unsigned version)
{
    unsigned i;

    memset(r, 0, sizeof *r);
    r->len = (size_t)snprintf(r->key, sizeof r->key, "principal%c%lu", '/', n);
    r->h = naive_bound(dbid, r->key, r->len);
    for (i = 0; i < sizeof r->rd; i++)
        r->rd[i] = (uint8_t)(n >> (8 * (i % 4)) ^ version ^ i);
}

static rec *make_many(size_t n)
{
    rec *r = calloc(n + 1, sizeof *r);
    size_t i;

    assert_non_null(r);
    for (i = 0; i < n; i++)
        make_rec(&r[i], id, i, 0);
    qsort(r, n, sizeof *r, by_key);
    return r;
}

static void root_of(const rec *r, size_t n, uint8_t root[32])
{
    krbrepl__digest *d = krbrepl__digest_new(id);
    size_t i;

    assert_non_null(d);
    for (i = 0; i < n; i++)
        assert_int_equal(krbrepl__digest_add(d, r[i].key, r[i].len, r[i].rd), 0);
    assert_int_equal(krbrepl__digest_root(d, root), 0);
    krbrepl__digest_free(d);
}

/* Checks the streamed root and answers the number of levels. */
static unsigned check(const rec *r, size_t n, size_t count[16])
{
    uint8_t expected[32], got[32];
    unsigned levels = naive_root(r, n, expected, count);

    root_of(r, n, got);
    assert_memory_equal(got, expected, 32);
    return levels;
}

/* ---- promises ------------------------------------------------------------------------------- */

static void root_of_no_records_is_zero(void **state)
{
    uint8_t root[32], zero[32] = {0};

    (void)state;
    memset(root, 1, sizeof root);
    root_of(NULL, 0, root);
    assert_memory_equal(root, zero, 32);
}

static void root_of_one_record_is_its_leaf(void **state)
{
    uint8_t root[32], leaf[32];
    rec r;

    (void)state;
    make_rec(&r, id, 7, 0);
    root_of(&r, 1, root);
    naive_leaf(&r, 1, leaf);
    assert_memory_equal(root, leaf, 32);
}

static void root_equals_the_naive_recomputation_at_every_size(void **state)
{
    size_t n, count[16];
    rec *r = make_many(MANY);

    (void)state;
    for (n = 0; n < 600; n++)
        check(r + n % 17, n, count);
    for (n = 600; n < MANY; n += 1931)
        check(r, n, count);
    check(r, MANY, count);
    free(r);
}

static void mean_fan_out_is_sixteen_at_every_level(void **state)
{
    size_t count[16], below = MANY;
    rec *r = make_many(MANY);
    unsigned level, levels = check(r, MANY, count);

    (void)state;
    assert_in_range(levels, 3, 7);
    for (level = 0; level < levels; level++) {
        if (count[level] >= 50)
            assert_in_range(below / count[level], 10, 24);
        below = count[level];
    }
    free(r);
}

static void any_difference_changes_the_root(void **state)
{
    uint8_t whole[32], other[32];
    size_t i, n = 3000;
    rec keep, *r = make_many(n);

    (void)state;
    root_of(r, n, whole);
    for (i = 0; i < n; i += 271) {
        keep = r[i];
        r[i].rd[i % 16] ^= 1; /* another value */
        root_of(r, n, other);
        assert_memory_not_equal(whole, other, 32);
        r[i] = keep;
    }
    root_of(r + 1, n - 1, other); /* one less */
    assert_memory_not_equal(whole, other, 32);
    root_of(r, n - 1, other);
    assert_memory_not_equal(whole, other, 32);
    root_of(r, n, other);
    assert_memory_equal(whole, other, 32);
    free(r);
}

static void another_database_has_another_root(void **state)
{
    uint8_t a[32], b[32], other_id[16] = {0};
    size_t i, n = 500;
    rec *r = make_many(n);
    krbrepl__digest *d = krbrepl__digest_new(other_id);

    (void)state;
    assert_non_null(d);
    for (i = 0; i < n; i++)
        assert_int_equal(krbrepl__digest_add(d, r[i].key, r[i].len, r[i].rd), 0);
    assert_int_equal(krbrepl__digest_root(d, b), 0);
    krbrepl__digest_free(d);
    root_of(r, n, a);
    assert_memory_not_equal(a, b, 32);
    free(r);
}

static void records_out_of_order_are_refused(void **state)
{
    krbrepl__digest *d = krbrepl__digest_new(id);
    uint8_t rd[KRBREPL__RDIGEST] = {0}, big[KRBREPL__CKEY_MAX + 1] = {'z'};

    (void)state;
    assert_non_null(d);
    assert_int_equal(krbrepl__digest_add(d, "", 0, rd), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__digest_add(d, "b", 1, rd), 0);
    assert_int_equal(krbrepl__digest_add(d, "b", 1, rd), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__digest_add(d, "a", 1, rd), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__digest_add(d, "ba", 2, rd), 0);
    assert_int_equal(krbrepl__digest_add(d, "b", 1, rd), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__digest_add(d, big, sizeof big, rd), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__digest_add(d, big, sizeof big - 1, rd), 0);
    krbrepl__digest_free(d);
    krbrepl__digest_free(NULL);
}

/* Collects n records whose hash has `bits` low zero bits, and not `above` of them. */
static rec *make_crafted(size_t n, unsigned bits, unsigned above)
{
    rec *r = calloc(n, sizeof *r);
    unsigned long k;
    size_t made = 0;

    assert_non_null(r);
    for (k = 0; made < n; k++) {
        make_rec(&r[made], id, k, 0);
        if (low_bits_zero(r[made].h, bits) && !low_bits_zero(r[made].h, above))
            made++;
    }
    qsort(r, n, sizeof *r, by_key);
    return r;
}

static void leaf_is_cut_at_128_records_without_a_boundary(void **state)
{
    size_t count[16], n = 300;
    rec *r = make_crafted(n, 0, 4);

    (void)state;
    assert_int_equal(check(r, n, count), 2);
    assert_int_equal(count[0], 3);
    assert_int_equal(check(r, 128, count), 1);
    assert_int_equal(check(r, 129, count), 2);
    free(r);
}

static void node_is_cut_at_128_children_without_a_boundary(void **state)
{
    size_t count[16], n = 300;
    rec *r = make_crafted(n, 4, 8);

    (void)state;
    assert_int_equal(check(r, n, count), 3);
    assert_int_equal(count[0], 300);
    assert_int_equal(count[1], 3);
    assert_int_equal(check(r, 128, count), 2);
    assert_int_equal(check(r, 129, count), 3);
    free(r);
}

static void records_that_are_all_boundaries_still_have_a_root(void **state)
{
    size_t count[16], n = 40;
    rec *r = make_crafted(n, 12, 64);

    (void)state;
    assert_true(check(r, n, count) >= 4);
    assert_int_equal(count[0], 40);
    assert_int_equal(count[1], 40);
    free(r);
}

/* Fixed for ever: a second implementation has to get this. */
static void root_of_the_test_vector_is_the_documented_one(void **state)
{
    static const char expected[] = "bf708c436715faa256b8b71a39a0c73b378f24ed4e1354c3f7459e48272e194f";
    uint8_t root[32];
    char hex[65];
    size_t i, n = 1000;
    rec *r = make_many(n);

    (void)state;
    root_of(r, n, root);
    for (i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", root[i]);
    assert_string_equal(hex, expected);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_of_no_records_is_zero),
        cmocka_unit_test(root_of_one_record_is_its_leaf),
        cmocka_unit_test(root_equals_the_naive_recomputation_at_every_size),
        cmocka_unit_test(mean_fan_out_is_sixteen_at_every_level),
        cmocka_unit_test(any_difference_changes_the_root),
        cmocka_unit_test(another_database_has_another_root),
        cmocka_unit_test(records_out_of_order_are_refused),
        cmocka_unit_test(leaf_is_cut_at_128_records_without_a_boundary),
        cmocka_unit_test(node_is_cut_at_128_children_without_a_boundary),
        cmocka_unit_test(records_that_are_all_boundaries_still_have_a_root),
        cmocka_unit_test(root_of_the_test_vector_is_the_documented_one),
    };
    return cmocka_run_group_tests_name("record/digest", tests, NULL, NULL);
}
