#include "test.h"

#include "ckey.h"
#include "commit.h"
#include "pos.h"

static krbrepl__sha *sha;

static int setup(void **state)
{
    (void)state;
    sha = krbrepl__sha_new();
    return sha == NULL;
}

static int teardown(void **state)
{
    (void)state;
    krbrepl__sha_free(sha);
    return 0;
}

static krbrepl_change change(uint64_t op, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.op = op;
    c.table = table;
    c.key = key;
    c.value = value;
    return c;
}

/* A commit with a put and a delete. */
static void make_commit(krbrepl__buf *out)
{
    krbrepl_change put = change(KRBREPL_PUT, "principal", BYTES("alice@EXAMPLE.ORG"), BYTES("v1"));
    krbrepl_change del = change(KRBREPL_DELETE, "policy", BYTES("old"), (krbrepl_bytes){NULL, 0});
    krbrepl__buf body;
    krbrepl__commit c;

    memset(&c, 0, sizeof c);
    krbrepl__buf_init(&body, 0);
    krbrepl__change_put(&body, &put);
    krbrepl__change_put(&body, &del);
    c.kind = KRBREPL_COMMIT_CHANGES;
    c.seq = 7;
    c.epoch = 3;
    memset(c.lineage, 0x5a, sizeof c.lineage);
    c.time_us = 1234567890123456;
    c.cumulative = 99;
    c.who = BYTES("admin/admin@EXAMPLE.ORG");
    c.why = BYTES("modprinc");
    c.nchanges = 2;
    c.body = (krbrepl_bytes){body.data, body.len};
    krbrepl__commit_put(out, &c);
    krbrepl__buf_free(&body);
}

static void a_commit_is_read_back_as_it_was_made(void **state)
{
    krbrepl__buf b;
    krbrepl__commit c;
    krbrepl__change_it it;
    krbrepl__change_view v;

    (void)state;
    krbrepl__buf_init(&b, 0);
    make_commit(&b);
    assert_int_equal(krbrepl__commit_decode((krbrepl_bytes){b.data, b.len}, &c), 0);
    assert_true(c.seq == 7 && c.epoch == 3 && c.cumulative == 99 && c.nchanges == 2);
    assert_true(c.time_us == 1234567890123456);
    assert_memory_equal(c.who.data, "admin/admin@EXAMPLE.ORG", c.who.len);
    krbrepl__commit_each(&c, &it);
    assert_int_equal(krbrepl__commit_next(&it, &v), 1);
    assert_int_equal(v.op, KRBREPL_PUT);
    assert_string_equal(v.table, "principal");
    assert_memory_equal(v.value.data, "v1", 2);
    assert_int_equal(krbrepl__commit_next(&it, &v), 1);
    assert_int_equal(v.op, KRBREPL_DELETE);
    assert_string_equal(v.table, "policy");
    assert_int_equal(krbrepl__commit_next(&it, &v), 0);
    krbrepl__buf_free(&b);
}

static void a_commit_cut_anywhere_is_refused(void **state)
{
    krbrepl__buf b;
    krbrepl__commit c;
    size_t n;

    (void)state;
    krbrepl__buf_init(&b, 0);
    make_commit(&b);
    for (n = 0; n < b.len; n++)
        assert_int_not_equal(krbrepl__commit_decode((krbrepl_bytes){b.data, n}, &c), 0);
    krbrepl__buf_u8(&b, 0); /* one byte too many */
    assert_int_equal(krbrepl__commit_decode((krbrepl_bytes){b.data, b.len}, &c), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
}

static void a_commit_of_a_later_version_is_told_from_a_broken_one(void **state)
{
    static const size_t place[] = {0, 1, 3};
    krbrepl__buf b;
    krbrepl__commit c;
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        krbrepl__buf_init(&b, 0);
        make_commit(&b);
        b.data[place[i]] = 9; /* version, kind, flags */
        assert_int_equal(krbrepl__commit_decode((krbrepl_bytes){b.data, b.len}, &c),
                         KRBREPL_ERR_FORMAT);
        krbrepl__buf_free(&b);
    }
}

static void a_changed_byte_never_reads_out_of_bounds(void **state)
{
    krbrepl__buf b;
    krbrepl__commit c;
    size_t at;
    unsigned v;

    (void)state;
    krbrepl__buf_init(&b, 0);
    make_commit(&b);
    for (at = 0; at < b.len; at++)
        for (v = 0; v < 256; v += 5) {
            uint8_t was = b.data[at];
            uint8_t *exact = malloc(b.len); /* so that a sanitizer sees one byte too far */

            b.data[at] = (uint8_t)v;
            memcpy(exact, b.data, b.len);
            (void)krbrepl__commit_decode((krbrepl_bytes){exact, b.len}, &c);
            free(exact);
            b.data[at] = was;
        }
    krbrepl__buf_free(&b);
}

static void nobody_can_choose_a_short_key_that_is_a_shortened_one(void **state)
{
    uint8_t key[600];
    krbrepl__ckey lng, shrt;
    krbrepl_bytes pretend;

    (void)state;
    memset(key, 'a', sizeof key);
    assert_int_equal(krbrepl__ckey_make(sha, "t", 1, (krbrepl_bytes){key, 600}, &lng), 0);
    assert_int_equal(lng.len, KRBREPL__CKEY_MAX);
    /* The full key whose bytes are exactly the canonical key of the long one. */
    pretend = (krbrepl_bytes){lng.b + 2, lng.len - 2};
    assert_int_equal(krbrepl__ckey_make(sha, "t", 1, pretend, &shrt), 0);
    assert_int_equal(shrt.len, KRBREPL__CKEY_MAX);
    assert_memory_not_equal(shrt.b, lng.b, lng.len);
}

static void long_keys_differ_by_their_digest(void **state)
{
    uint8_t key[2000];
    krbrepl__ckey a, b, c;
    uint8_t full[2002] = {'t', 0};

    (void)state;
    memset(key, 'k', sizeof key);
    memcpy(full + 2, key, sizeof key);
    assert_int_equal(krbrepl__ckey_make(sha, "t", 1, (krbrepl_bytes){key, 2000}, &a), 0);
    assert_int_equal(krbrepl__ckey_from_full(sha, (krbrepl_bytes){full, 2002}, &c), 0);
    assert_memory_equal(a.b, c.b, a.len);
    key[1999] = 'x';
    assert_int_equal(krbrepl__ckey_make(sha, "t", 1, (krbrepl_bytes){key, 2000}, &b), 0);
    assert_memory_equal(a.b, b.b, KRBREPL__CKEY_PREFIX);
    assert_memory_not_equal(a.b, b.b, a.len);
    /* The longest full key that is used as it is. */
    assert_int_equal(krbrepl__ckey_make(sha, "t", 1, (krbrepl_bytes){key, 477}, &a), 0);
    assert_int_equal(a.len, 479);
}

static void bad_tables_keys_and_values_are_refused(void **state)
{
    static const char *const bad[] = {"", "Principal", "a b", "x/y",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    krbrepl_change c;
    krbrepl__ckey k;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c = change(KRBREPL_PUT, bad[i], BYTES("k"), BYTES("v"));
        assert_int_equal(krbrepl__change_check(&c), KRBREPL_ERR_INVALID);
    }
    c = change(KRBREPL_PUT, "t", BYTES(""), BYTES("v"));
    assert_int_equal(krbrepl__change_check(&c), KRBREPL_ERR_INVALID);
    c = change(3, "t", BYTES("k"), BYTES("v"));
    assert_int_equal(krbrepl__change_check(&c), KRBREPL_ERR_INVALID);
    c = change(KRBREPL_DELETE, "t", BYTES("k"), BYTES("v"));
    assert_int_equal(krbrepl__change_check(&c), KRBREPL_ERR_INVALID);
    c = change(KRBREPL_PUT, "t", (krbrepl_bytes){"k", KRBREPL_MAX_KEY + 1}, BYTES("v"));
    assert_int_equal(krbrepl__change_check(&c), KRBREPL_ERR_TOOBIG);
    c = change(KRBREPL_PUT, "t", BYTES("k"), (krbrepl_bytes){"v", KRBREPL_MAX_VALUE + 1});
    assert_int_equal(krbrepl__change_check(&c), KRBREPL_ERR_TOOBIG);
    c = change(KRBREPL_PUT, "t", BYTES("k"), BYTES(""));
    assert_int_equal(krbrepl__change_check(&c), 0);
    assert_int_equal(krbrepl__ckey_from_full(sha, BYTES("nonul"), &k), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__ckey_from_full(sha, BYTES("t\0"), &k), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__ckey_from_full(sha, BYTES("\0k"), &k), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__ckey_from_full(sha, BYTES("t\0k"), &k), 0);
}

static void a_record_digest_depends_on_where_the_key_ends(void **state)
{
    uint8_t a[16], b[16];

    (void)state;
    krbrepl__record_digest(sha, "t", 1, BYTES("ab"), BYTES("c"), a);
    krbrepl__record_digest(sha, "t", 1, BYTES("a"), BYTES("bc"), b);
    assert_memory_not_equal(a, b, 16);
}

static void positions_and_ancestries_travel(void **state)
{
    krbrepl__ancestry a = {NULL, 0}, got;
    krbrepl_pos p, q;
    krbrepl__buf b;
    krbrepl__rd r;
    unsigned i;

    (void)state;
    memset(&p, 0, sizeof p);
    for (i = 0; i < KRBREPL__MAX_ANCESTORS + 10; i++) {
        p.lineage[0] = (uint8_t)i;
        p.lineage[1] = (uint8_t)(i >> 8);
        p.seq = i;
        assert_int_equal(krbrepl__ancestry_add(&a, &p), 0);
    }
    assert_int_equal(a.n, KRBREPL__MAX_ANCESTORS);
    assert_int_equal(a.at[0].seq, 10); /* the oldest were dropped */
    assert_true(krbrepl__pos_equal(krbrepl__ancestry_find(&a, p.lineage), &p));
    memset(q.lineage, 0xff, 16);
    assert_null(krbrepl__ancestry_find(&a, q.lineage));
    krbrepl__buf_init(&b, 0);
    krbrepl__ancestry_put(&b, &a);
    krbrepl__rd_init(&r, b.data, b.len);
    assert_int_equal(krbrepl__ancestry_get(&r, &got), 0);
    assert_int_equal(krbrepl__rd_end(&r), 0);
    assert_int_equal(got.n, a.n);
    assert_true(krbrepl__pos_equal(&got.at[5], &a.at[5]));
    krbrepl__ancestry_free(&got);
    krbrepl__rd_init(&r, b.data, b.len - 1); /* claims more than there is */
    assert_int_equal(krbrepl__ancestry_get(&r, &got), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
    krbrepl__ancestry_free(&a);
}

static void the_chain_is_that_of_the_specification(void **state)
{
    static const uint8_t id[16] = {0};
    /* printf 'krbrepl chain 1\0' and 16 zero bytes, through sha256sum */
    static const char expected[] = "1b8a9f46147b1d6e2619e7cdbeb2e446150b28c5d08e97dd3920a93c70396d41";
    uint8_t chain[32], next[32];
    char hex[65];

    (void)state;
    assert_int_equal(krbrepl__chain_first(sha, id, chain), 0);
    krbrepl__hex(hex, chain, 32);
    assert_string_equal(hex, expected);
    assert_int_equal(krbrepl__chain_next(sha, chain, BYTES("x"), next), 0);
    assert_memory_not_equal(chain, next, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_is_read_back_as_it_was_made),
        cmocka_unit_test(a_commit_cut_anywhere_is_refused),
        cmocka_unit_test(a_commit_of_a_later_version_is_told_from_a_broken_one),
        cmocka_unit_test(a_changed_byte_never_reads_out_of_bounds),
        cmocka_unit_test(nobody_can_choose_a_short_key_that_is_a_shortened_one),
        cmocka_unit_test(long_keys_differ_by_their_digest),
        cmocka_unit_test(bad_tables_keys_and_values_are_refused),
        cmocka_unit_test(a_record_digest_depends_on_where_the_key_ends),
        cmocka_unit_test(positions_and_ancestries_travel),
        cmocka_unit_test(the_chain_is_that_of_the_specification),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
