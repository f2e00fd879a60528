#include "sample.h"

#include "hdbseal.h"

static krbrepl__hdbseal *open_key(void)
{
    krbrepl__hdbseal *s;
    krbrepl_errinfo ei;

    assert_int_equal(krbrepl__hdbseal_open(&s, SAMPLES "/m-key", &ei), 0);
    return s;
}

static krbrepl_bytes view(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static size_t clear_in(krbrepl_bytes entry)
{
    krbrepl__hdb_entry e;

    assert_int_equal(krbrepl__hdb_entry_read(&e, entry, NULL), 0);
    return e.clear;
}

static void keys_that_heimdal_sealed_are_unsealed_and_sealed_again(void **state)
{
    krbrepl_bytes file = sample_read("hprop.out"), entry;
    krbrepl__buf clear, sealed, again;
    krbrepl__hdbseal *s = open_key();
    krbrepl_errinfo ei;
    krbrepl__rd r;

    (void)state;
    krbrepl__buf_init(&clear, 0);
    krbrepl__buf_init(&sealed, 0);
    krbrepl__buf_init(&again, 0);
    krbrepl__rd_init(&r, file.data, file.len);
    while (sample_hprop_next(&r, &entry)) {
        krbrepl__buf_reset(&clear);
        krbrepl__buf_reset(&sealed);
        krbrepl__buf_reset(&again);
        assert_int_equal(clear_in(entry), 0);
        assert_int_equal(krbrepl__hdbseal_unseal(s, entry, &clear, &ei), 0);
        assert_true(clear_in(view(&clear)) >= 3);
        assert_int_equal(krbrepl__hdbseal_seal(s, view(&clear), &sealed, &ei), 0);
        assert_int_equal(clear_in(view(&sealed)), 0);
        assert_int_equal(sealed.len, entry.len);
        assert_memory_not_equal(sealed.data, entry.data, entry.len); /* a confounder of its own */
        assert_int_equal(krbrepl__hdbseal_unseal(s, view(&sealed), &again, &ei), 0);
        assert_int_equal(again.len, clear.len);
        assert_memory_equal(again.data, clear.data, clear.len);
    }
    krbrepl__buf_free(&clear);
    krbrepl__buf_free(&sealed);
    krbrepl__buf_free(&again);
    krbrepl__hdbseal_close(s);
    sample_drop(&file);
}

/* The keys of the decrypted dump of the same database stand in the unsealed entries. */
static void unsealed_keys_are_those_of_the_decrypted_dump(void **state)
{
    krbrepl_bytes file = sample_read("hprop.out"), dump = sample_read("hdb.dump"), entry;
    krbrepl__hdbseal *s = open_key();
    char hex[2 * 64 + 3], *text = malloc(dump.len + 1);
    krbrepl__hdb_entry e;
    krbrepl__hdb_keyrec k;
    krbrepl__rd r, keys;
    krbrepl__buf clear;
    size_t n = 0, i;

    (void)state;
    assert_non_null(text);
    memcpy(text, dump.data, dump.len);
    text[dump.len] = '\0';
    krbrepl__buf_init(&clear, 0);
    krbrepl__rd_init(&r, file.data, file.len);
    while (sample_hprop_next(&r, &entry)) {
        krbrepl__buf_reset(&clear);
        assert_int_equal(krbrepl__hdbseal_unseal(s, entry, &clear, NULL), 0);
        assert_int_equal(krbrepl__hdb_entry_read(&e, view(&clear), NULL), 0);
        krbrepl__hdb_keys(&e, &keys);
        for (; krbrepl__hdb_key_next(&keys, &k); n++) {
            assert_true(k.octets.len <= 64);
            for (i = 0; i < k.octets.len; i++)
                snprintf(hex + 2 * i, 3, "%02X", ((const uint8_t *)k.octets.data)[i]);
            assert_non_null(strstr(text, hex));
        }
    }
    assert_true(n > 30);
    krbrepl__buf_free(&clear);
    krbrepl__hdbseal_close(s);
    sample_drop(&file);
    sample_drop(&dump);
    free(text);
}

static void an_entry_without_keys_in_clear_is_left_alone(void **state)
{
    krbrepl_bytes file = sample_read("hprop.out"), entry;
    krbrepl__hdbseal *s = open_key();
    krbrepl__buf sealed;
    krbrepl__rd r;

    (void)state;
    krbrepl__buf_init(&sealed, 0);
    krbrepl__rd_init(&r, file.data, file.len);
    assert_true(sample_hprop_next(&r, &entry));
    assert_int_equal(krbrepl__hdbseal_seal(s, entry, &sealed, NULL), 0);
    assert_int_equal(sealed.len, entry.len);
    assert_memory_equal(sealed.data, entry.data, entry.len);
    krbrepl__buf_free(&sealed);
    krbrepl__hdbseal_close(s);
    sample_drop(&file);
}

/* A password extension in clear: [13] { { mandatory FALSE, [1] [5] { "p" and its NUL } } }. */
static void a_password_in_clear_is_sealed_too(void **state)
{
    static const char exts[] =
        "\xad\x13\x30\x11\x30\x0f\xa0\x03\x01\x01\x00\xa1\x08\xa5\x06\x30\x04\x04\x02p";
    krbrepl_bytes file = sample_read("hprop.out"), entry;
    krbrepl__hdbseal *s = open_key();
    krbrepl__buf clear, sealed, again;
    krbrepl__hdb_entry e;
    krbrepl__rd r;

    (void)state;
    krbrepl__buf_init(&clear, 0);
    krbrepl__buf_init(&sealed, 0);
    krbrepl__buf_init(&again, 0);
    krbrepl__rd_init(&r, file.data, file.len);
    assert_true(sample_hprop_next(&r, &entry));
    assert_int_equal(krbrepl__hdb_entry_read(&e, entry, NULL), 0);
    e.field[KRBREPL__HDB_EXTENSIONS].data = exts;
    e.field[KRBREPL__HDB_EXTENSIONS].len = sizeof exts;
    krbrepl__hdb_entry_write(&clear, &e);
    assert_int_equal(clear_in(view(&clear)), 1);
    assert_int_equal(krbrepl__hdbseal_seal(s, view(&clear), &sealed, NULL), 0);
    assert_int_equal(clear_in(view(&sealed)), 0);
    assert_int_equal(krbrepl__hdbseal_unseal(s, view(&sealed), &again, NULL), 0);
    assert_int_equal(krbrepl__hdb_entry_read(&e, view(&again), NULL), 0);
    assert_int_equal(e.field[KRBREPL__HDB_EXTENSIONS].len, sizeof exts);
    assert_memory_equal(e.field[KRBREPL__HDB_EXTENSIONS].data, exts, sizeof exts);
    krbrepl__buf_free(&clear);
    krbrepl__buf_free(&sealed);
    krbrepl__buf_free(&again);
    krbrepl__hdbseal_close(s);
    sample_drop(&file);
}

static void a_file_that_holds_no_master_key_is_refused(void **state)
{
    krbrepl__hdbseal *s;
    krbrepl_errinfo ei;

    (void)state;
    assert_int_equal(krbrepl__hdbseal_open(&s, SAMPLES "/nothing", &ei), KRBREPL_ERR_NOTFOUND);
    assert_null(s);
    assert_int_equal(krbrepl__hdbseal_open(&s, SAMPLES "/make.sh", &ei), KRBREPL_ERR_FORMAT);
    assert_null(s);
    assert_non_null(strstr(ei.text, "no keytab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_heimdal_sealed_are_unsealed_and_sealed_again),
        cmocka_unit_test(unsealed_keys_are_those_of_the_decrypted_dump),
        cmocka_unit_test(an_entry_without_keys_in_clear_is_left_alone),
        cmocka_unit_test(a_password_in_clear_is_sealed_too),
        cmocka_unit_test(a_file_that_holds_no_master_key_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
