/* Records: what is encoded is decoded, and bytes that are no record are refused without harm. */
#include "mitcase.h"

static void assert_item(const krbrepl_mit_item *a, const krbrepl_mit_item *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->data.len, b->data.len);
    if (a->data.len != 0)
        assert_memory_equal(a->data.data, b->data.data, a->data.len);
}

static void assert_principal(const krbrepl_mit_principal *a, const krbrepl_mit_principal *b)
{
    size_t i, part;

    assert_int_equal(a->base_length, b->base_length);
    assert_int_equal(a->attributes, b->attributes);
    assert_int_equal(a->max_life, b->max_life);
    assert_int_equal(a->max_renewable_life, b->max_renewable_life);
    assert_int_equal(a->expiration, b->expiration);
    assert_int_equal(a->pw_expiration, b->pw_expiration);
    assert_int_equal(a->ntl, b->ntl);
    for (i = 0; i < a->ntl; i++)
        assert_item(&a->tl[i], &b->tl[i]);
    assert_int_equal(a->nkeys, b->nkeys);
    for (i = 0; i < a->nkeys; i++) {
        assert_int_equal(a->keys[i].version, b->keys[i].version);
        assert_int_equal(a->keys[i].kvno, b->keys[i].kvno);
        for (part = 0; part < a->keys[i].version; part++)
            assert_item(&a->keys[i].part[part], &b->keys[i].part[part]);
    }
    assert_int_equal(a->extra.len, b->extra.len);
    if (a->extra.len != 0)
        assert_memory_equal(a->extra.data, b->extra.data, a->extra.len);
}

static void any_principal_survives_encoding(void **state)
{
    any_principal *a = malloc(sizeof *a);
    krbrepl_mit_principal *back;
    size_t len, again_len;
    void *value, *again;
    rnd r = {1};
    int i;

    (void)state;
    assert_non_null(a);
    for (i = 0; i < 300; i++) {
        any_principal_make(a, &r);
        assert_int_equal(krbrepl_mit_principal_encode(&a->p, &value, &len, NULL), 0);
        assert_int_equal(krbrepl_mit_principal_decode((krbrepl_bytes){value, len}, &back, NULL), 0);
        assert_principal(&a->p, back);
        assert_int_equal(krbrepl_mit_principal_encode(back, &again, &again_len, NULL), 0);
        assert_int_equal(len, again_len);
        assert_memory_equal(value, again, len);
        krbrepl_mit_principal_free(back);
        krbrepl_mit_free(value, len);
        krbrepl_mit_free(again, again_len);
    }
    free(a);
}

static void any_policy_survives_encoding(void **state)
{
    size_t len, again_len, k;
    krbrepl_mit_policy *back;
    void *value, *again;
    any_policy a;
    rnd r = {2};
    int i;

    (void)state;
    for (i = 0; i < 500; i++) {
        any_policy_make(&a, &r);
        assert_int_equal(krbrepl_mit_policy_encode(&a.p, &value, &len, NULL), 0);
        assert_int_equal(krbrepl_mit_policy_decode((krbrepl_bytes){value, len}, &back, NULL), 0);
        assert_int_equal(back->min_life, a.p.min_life);
        assert_int_equal(back->references, a.p.references);
        assert_int_equal(back->max_renewable_life, a.p.max_renewable_life);
        assert_int_equal(back->keysalts.data != NULL, a.p.keysalts.data != NULL);
        assert_int_equal(back->ntl, a.p.ntl);
        for (k = 0; k < back->ntl; k++)
            assert_item(&back->tl[k], &a.p.tl[k]);
        assert_int_equal(krbrepl_mit_policy_encode(back, &again, &again_len, NULL), 0);
        assert_int_equal(len, again_len);
        assert_memory_equal(value, again, len);
        krbrepl_mit_policy_free(back);
        krbrepl_mit_free(value, len);
        krbrepl_mit_free(again, again_len);
    }
}

/* What docs/records-mit.md gives as an example. */
static void encoding_is_the_documented_one(void **state)
{
    static const uint8_t want[] = {1,    0,    0,    38,   0, 0,    0,    0x80, 0,    1, 0x51, 0x80,
                                   0xff, 0xff, 0xff, 0xff, 0, 0,    0,    0,    0x80, 0, 0,    1,
                                   0,    1,    0xff, 0xff, 0, 2,    0xab, 0xcd, 0,    1, 2,    0,
                                   3,    0,    18,   0,    1, 0x77, 0,    4,    0,    0, 0,    0};
    static const krbrepl_mit_item tl = {-1, {"\xab\xcd", 2}};
    static const krbrepl_mit_key key = {2, 3, {{18, {"\x77", 1}}, {4, {NULL, 0}}}};
    krbrepl_mit_principal p;
    size_t len;
    void *out;

    (void)state;
    KRBREPL_INIT(&p);
    p.base_length = 38;
    p.attributes = 128;
    p.max_life = 86400;
    p.max_renewable_life = -1;
    p.pw_expiration = 0x80000001u;
    p.tl = &tl;
    p.ntl = 1;
    p.keys = &key;
    p.nkeys = 1;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, NULL), 0);
    assert_int_equal(len, sizeof want);
    assert_memory_equal(out, want, sizeof want);
    krbrepl_mit_free(out, len);
}

/* Decoding either refuses, or it has understood every byte: then encoding gives them back. */
static void decode_hostile(const char *table, const uint8_t *bytes, size_t len)
{
    uint8_t *exact = malloc(len != 0 ? len : 1); /* so that a sanitizer sees a read behind the end */
    krbrepl_bytes value = {exact, len};
    krbrepl_mit_principal *princ = NULL;
    krbrepl_mit_policy *policy = NULL;
    char line[256];
    size_t n = 0;
    void *out = NULL;
    int rc;

    assert_non_null(exact);
    if (len != 0)
        memcpy(exact, bytes, len);
    if (strcmp(table, "principal") == 0) {
        rc = krbrepl_mit_principal_decode(value, &princ, NULL);
        if (rc == 0)
            assert_int_equal(krbrepl_mit_principal_encode(princ, &out, &n, NULL), 0);
    } else {
        rc = krbrepl_mit_policy_decode(value, &policy, NULL);
        if (rc == 0)
            assert_int_equal(krbrepl_mit_policy_encode(policy, &out, &n, NULL), 0);
    }
    assert_true(rc == 0 || rc == KRBREPL_ERR_FORMAT);
    if (rc == 0) {
        assert_int_equal(n, len);
        assert_memory_equal(out, exact, n);
    }
    krbrepl_mit_describe(table, BYTES("name"), value, line, sizeof line);
    krbrepl_mit_free(out, n);
    krbrepl_mit_principal_free(princ);
    krbrepl_mit_policy_free(policy);
    free(exact);
}

static void golden_values(entry *e)
{
    char text[16384] = V7;
    krbrepl_errinfo ei = {.size = sizeof ei};
    size_t i;

    for (i = 0; i < golden_count; i++)
        strcat(text, golden_line[i]);
    assert_int_equal(text_parse(text, strlen(text), 0, e, golden_count, &ei), (int)golden_count);
}

static void every_truncation_is_refused(void **state)
{
    entry e[32];
    size_t i, n;
    krbrepl_mit_principal *princ;
    krbrepl_mit_policy *policy;
    int rc;

    (void)state;
    golden_values(e);
    for (i = 0; i < golden_count; i++)
        for (n = 0; n < e[i].value_len; n++) {
            decode_hostile(e[i].table, e[i].value, n);
            rc = strcmp(e[i].table, "policy") == 0
                     ? krbrepl_mit_policy_decode((krbrepl_bytes){e[i].value, n}, &policy, NULL)
                     : krbrepl_mit_principal_decode((krbrepl_bytes){e[i].value, n}, &princ, NULL);
            assert_int_equal(rc, KRBREPL_ERR_FORMAT);
        }
    entries_free(e, golden_count);
}

static void no_changed_byte_does_harm(void **state)
{
    static const uint8_t to[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    entry e[32];
    size_t i, n, k;
    uint8_t was;

    (void)state;
    golden_values(e);
    for (i = 0; i < golden_count; i++)
        for (n = 0; n < e[i].value_len; n++) {
            was = e[i].value[n];
            for (k = 0; k < sizeof to; k++) {
                e[i].value[n] = to[k];
                decode_hostile(e[i].table, e[i].value, e[i].value_len);
            }
            e[i].value[n] = (uint8_t)(was ^ 0x10);
            decode_hostile(e[i].table, e[i].value, e[i].value_len);
            e[i].value[n] = was;
        }
    entries_free(e, golden_count);
}

static void random_bytes_do_no_harm(void **state)
{
    uint8_t bytes[300];
    rnd r = {3};
    size_t i, len;
    int round;

    (void)state;
    for (round = 0; round < 20000; round++) {
        len = rnd_below(&r, sizeof bytes);
        for (i = 0; i < len; i++)
            bytes[i] = (uint8_t)(rnd_below(&r, 2) ? rnd_below(&r, 3) : rnd_u32(&r));
        if (len > 1 && rnd_below(&r, 4) != 0) {
            bytes[0] = 1;
            bytes[1] = (uint8_t)rnd_below(&r, 2);
        }
        decode_hostile(round % 2 ? "principal" : "policy", bytes, len);
    }
}

static void newer_record_is_refused_with_advice(void **state)
{
    static const uint8_t newer[] = {2, 0, 1, 2, 3}, flags[] = {1, 4, 1, 2, 3};
    krbrepl_mit_principal *princ;
    krbrepl_mit_policy *policy;
    krbrepl_errinfo ei = {.size = sizeof ei};

    (void)state;
    assert_int_equal(krbrepl_mit_principal_decode((krbrepl_bytes){newer, sizeof newer}, &princ, &ei),
                     KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "version 2"));
    assert_non_null(strstr(ei.text, "upgrade krbrepl"));
    assert_int_equal(krbrepl_mit_policy_decode((krbrepl_bytes){flags, sizeof flags}, &policy, &ei),
                     KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "flags 4"));
}

static void member_that_does_not_fit_is_named(void **state)
{
    static uint8_t big[65536];
    krbrepl_mit_item item = {0, {big, sizeof big}};
    krbrepl_mit_key key = {3, 1, {{0, {NULL, 0}}, {0, {NULL, 0}}}};
    krbrepl_mit_principal p;
    krbrepl_mit_policy q;
    krbrepl_errinfo ei = {.size = sizeof ei};
    void *out;
    size_t len;

    (void)state;
    KRBREPL_INIT(&p);
    p.base_length = 65536;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "base_length"));
    p.base_length = 38;
    p.tl = &item;
    p.ntl = 1;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "tl"));
    item.data.len = 0;
    item.type = 32768;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    p.ntl = 0;
    p.keys = &key;
    p.nkeys = 1;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "version"));
    key.version = 1;
    key.kvno = 65536;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "kvno"));
    p.nkeys = 32768;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    p.nkeys = 0;
    p.extra = (krbrepl_bytes){big, sizeof big};
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, &len, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "extra"));
    KRBREPL_INIT(&q);
    q.keysalts.data = "";
    assert_int_equal(krbrepl_mit_policy_encode(&q, &out, &len, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, "keysalts"));
}

/* The struct of a caller that was built with an older header ends earlier, in memory too. */
static void shorter_struct_is_read_as_if_zero_filled(void **state)
{
    size_t size = offsetof(krbrepl_mit_policy, keysalts), len;
    uint32_t min_length = 9;
    krbrepl_mit_policy *back;
    unsigned char *old = calloc(1, size);
    void *value;

    (void)state;
    assert_non_null(old);
    memcpy(old, &size, sizeof size);
    memcpy(old + offsetof(krbrepl_mit_policy, min_length), &min_length, sizeof min_length);
    assert_int_equal(krbrepl_mit_policy_encode((const void *)old, &value, &len, NULL), 0);
    assert_int_equal(krbrepl_mit_policy_decode((krbrepl_bytes){value, len}, &back, NULL), 0);
    assert_int_equal(back->min_length, 9);
    assert_null(back->keysalts.data);
    assert_int_equal(back->ntl, 0);
    krbrepl_mit_policy_free(back);
    krbrepl_mit_free(value, len);
    free(old);
}

/* No list of key/salt types has one encoding only: without the flag. */
static void empty_list_of_keysalts_is_refused(void **state)
{
    uint8_t value[2 + 48 + 2 + 2] = {1, 1};
    krbrepl_mit_policy *q;

    (void)state;
    assert_int_equal(krbrepl_mit_policy_decode((krbrepl_bytes){value, sizeof value}, &q, NULL),
                     KRBREPL_ERR_FORMAT);
    value[1] = 0;
    assert_int_equal(krbrepl_mit_policy_decode((krbrepl_bytes){value, sizeof value - 2}, &q, NULL), 0);
    krbrepl_mit_policy_free(q);
}

static void lockout_values_survive_encoding(void **state)
{
    static const uint8_t want[] = {0, 0, 0, 1, 0, 0, 0, 7, 0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    krbrepl_mit_lockout in = {7, 0x80000000u, 0xffffffffu}, out;
    uint8_t bytes[KRBREPL_MIT_LOCKOUT_LEN];
    size_t i;

    (void)state;
    krbrepl_mit_lockout_encode(&in, bytes);
    assert_memory_equal(bytes, want, sizeof want);
    assert_int_equal(krbrepl_mit_lockout_decode((krbrepl_bytes){bytes, sizeof bytes}, &out), 0);
    assert_memory_equal(&in, &out, sizeof in);
    for (i = 0; i < sizeof bytes; i++)
        assert_int_equal(krbrepl_mit_lockout_decode((krbrepl_bytes){bytes, i}, &out),
                         KRBREPL_ERR_FORMAT);
    bytes[3] = 2;
    assert_int_equal(krbrepl_mit_lockout_decode((krbrepl_bytes){bytes, sizeof bytes}, &out),
                     KRBREPL_ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_principal_survives_encoding),
        cmocka_unit_test(any_policy_survives_encoding),
        cmocka_unit_test(encoding_is_the_documented_one),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(no_changed_byte_does_harm),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(newer_record_is_refused_with_advice),
        cmocka_unit_test(member_that_does_not_fit_is_named),
        cmocka_unit_test(shorter_struct_is_read_as_if_zero_filled),
        cmocka_unit_test(empty_list_of_keysalts_is_refused),
        cmocka_unit_test(lockout_values_survive_encoding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
