#include "sample.h"

static krbrepl_bytes view(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static void expect_text(const krbrepl__hdb_princ *p, const char *text)
{
    krbrepl__buf b;

    krbrepl__buf_init(&b, 0);
    krbrepl__hdb_princ_text(&b, p);
    krbrepl__buf_u8(&b, 0);
    assert_string_equal((const char *)b.data, text);
    krbrepl__buf_free(&b);
}

/* Finds the entry of this name among the samples. */
static krbrepl_bytes find(krbrepl_bytes file, const char *name, krbrepl__hdb_entry *e)
{
    krbrepl_bytes entry = {NULL, 0};
    krbrepl__hdb_princ p;
    krbrepl__buf hold;
    krbrepl__rd r;

    krbrepl__buf_init(&hold, 0);
    assert_int_equal(krbrepl__hdb_princ_parse(&p, name, NULL, &hold, NULL), 0);
    krbrepl__rd_init(&r, file.data, file.len);
    while (sample_hprop_next(&r, &entry)) {
        assert_int_equal(krbrepl__hdb_entry_read(e, entry, NULL), 0);
        if (krbrepl__hdb_princ_equal(&e->princ, &p))
            break;
        entry.data = NULL;
    }
    assert_non_null(entry.data);
    krbrepl__buf_free(&hold);
    return entry;
}

static void every_entry_of_a_real_database_is_read_and_written_alike(void **state)
{
    krbrepl_bytes file = sample_read("hprop.out"), entry;
    krbrepl__hdb_entry e;
    krbrepl_errinfo ei;
    krbrepl__buf b;
    krbrepl__rd r;
    size_t n = 0;

    (void)state;
    krbrepl__rd_init(&r, file.data, file.len);
    for (; sample_hprop_next(&r, &entry); n++) {
        assert_int_equal(krbrepl__hdb_kind(entry), KRBREPL__HDB_ENTRY);
        assert_int_equal(krbrepl__hdb_entry_read(&e, entry, &ei), 0);
        krbrepl__buf_init(&b, 0);
        krbrepl__hdb_entry_write(&b, &e);
        assert_int_equal(b.len, entry.len);
        assert_memory_equal(b.data, entry.data, entry.len);
        krbrepl__buf_free(&b);
    }
    assert_true(n > 10);
    sample_drop(&file);
}

static void fields_of_an_entry_are_found(void **state)
{
    krbrepl_bytes file = sample_read("hprop.out");
    krbrepl__hdb_entry e;
    krbrepl__hdb_princ p;
    krbrepl__hdb_keyrec k;
    krbrepl__hdb_ext x;
    krbrepl__rd r;
    size_t keys = 0, exts = 0;

    (void)state;
    find(file, "alice@EXAMPLE.ORG", &e);
    expect_text(&e.princ, "alice@EXAMPLE.ORG");
    assert_int_equal(e.kvno, 2);
    assert_int_equal(e.flags, 378); /* as the dump prints them */
    assert_int_equal(e.nkeys, 3);
    assert_int_equal(e.clear, 0);
    krbrepl__rd_init(&r, e.aliases.data, e.aliases.len);
    assert_true(krbrepl__hdb_alias_next(&r, &p));
    expect_text(&p, "alias2@EXAMPLE.ORG");
    assert_false(krbrepl__hdb_alias_next(&r, &p));
    assert_int_equal(r.err, 0);
    krbrepl__hdb_keys(&e, &r);
    while (krbrepl__hdb_key_next(&r, &k)) {
        assert_true(k.sealed);
        assert_int_equal(k.mkvno, 1);
        assert_non_null(k.salt.data);
        keys++;
    }
    assert_int_equal(keys, 3);
    krbrepl__hdb_exts(&e, &r);
    while (krbrepl__hdb_ext_next(&r, &x))
        exts++;
    assert_int_equal(r.err, 0);
    assert_int_equal(exts, 4);
    sample_drop(&file);
}

static void an_entry_that_is_cut_anywhere_is_refused(void **state)
{
    krbrepl_bytes file = sample_read("hprop.out"), entry, part;
    krbrepl__hdb_entry e;
    krbrepl_errinfo ei;

    (void)state;
    entry = find(file, "host/a.example.org@EXAMPLE.ORG", &e);
    part = entry;
    for (part.len = 0; part.len < entry.len; part.len++) {
        assert_int_equal(krbrepl__hdb_entry_read(&e, part, &ei), KRBREPL_ERR_PROTO);
        assert_non_null(strstr(ei.text, "malformed"));
    }
    sample_drop(&file);
}

/* An entry in `b` with one of its fields gone. */
static void without(krbrepl__buf *b, const krbrepl__hdb_entry *e, unsigned field)
{
    krbrepl__hdb_entry less = *e;

    less.field[field].data = NULL;
    krbrepl__buf_reset(b);
    krbrepl__hdb_entry_write(b, &less);
}

static void only_optional_fields_may_be_missing(void **state)
{
    static const unsigned needed[] = {KRBREPL__HDB_PRINCIPAL, KRBREPL__HDB_KVNO, KRBREPL__HDB_KEYS,
                                      KRBREPL__HDB_CREATED_BY, KRBREPL__HDB_FLAGS};
    krbrepl_bytes file = sample_read("hprop.out");
    krbrepl__hdb_entry e, read;
    krbrepl__buf b;
    unsigned i, j;

    (void)state;
    krbrepl__buf_init(&b, 0);
    find(file, "alice@EXAMPLE.ORG", &e);
    for (i = 0; i < KRBREPL__HDB_NFIELDS; i++) {
        for (j = 0; j < sizeof needed / sizeof needed[0] && needed[j] != i; j++)
            ;
        without(&b, &e, i);
        assert_int_equal(krbrepl__hdb_entry_read(&read, view(&b), NULL) == 0,
                         j == sizeof needed / sizeof needed[0]);
    }
    krbrepl__buf_free(&b);
    sample_drop(&file);
}

static void fields_of_later_releases_are_carried_along(void **state)
{
    static const char later[] = "\xae\x03\x02\x01\x05\xaf\x02\x05\x00";
    krbrepl_bytes file = sample_read("hprop.out");
    krbrepl__hdb_entry e, read;
    krbrepl__buf b, again;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&again, 0);
    find(file, "alice@EXAMPLE.ORG", &e);
    e.rest.data = later;
    e.rest.len = sizeof later - 1;
    krbrepl__hdb_entry_write(&b, &e);
    assert_int_equal(krbrepl__hdb_entry_read(&read, view(&b), NULL), 0);
    krbrepl__hdb_entry_write(&again, &read);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.data, b.data, b.len);
    e.rest.len = 3; /* the same, cut */
    krbrepl__buf_reset(&b);
    krbrepl__hdb_entry_write(&b, &e);
    assert_int_equal(krbrepl__hdb_entry_read(&read, view(&b), NULL), KRBREPL_ERR_PROTO);
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&again);
    sample_drop(&file);
}

static void an_alias_leads_to_its_entry(void **state)
{
    /* As libhdb of Heimdal 7.8 stores it. */
    static const char alias[] =
        "\x60\x26\x30\x24\xa0\x22\x30\x20\xa0\x12\x30\x10\xa0\x03\x02\x01\x01\xa1\x09"
        "\x30\x07\x1b\x05"
        "alice\xa1\x0a\x1b\x08"
        "A.EXAMPL";
    krbrepl_bytes value = {alias, sizeof alias - 1};
    krbrepl__hdb_princ p;
    krbrepl__buf b;
    size_t n;

    (void)state;
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__hdb_kind(value), KRBREPL__HDB_ALIAS);
    assert_int_equal(krbrepl__hdb_alias_read(&p, value, NULL), 0);
    expect_text(&p, "alice@A.EXAMPL");
    krbrepl__hdb_alias_write(&b, &p);
    assert_int_equal(b.len, value.len);
    assert_memory_equal(b.data, value.data, value.len);
    for (n = 0; n < sizeof alias - 1; n++) {
        value.len = n;
        assert_int_equal(krbrepl__hdb_alias_read(&p, value, NULL), KRBREPL_ERR_PROTO);
    }
    krbrepl__buf_free(&b);
}

static void names_are_the_same_in_text_and_in_der(void **state)
{
    static const char *const text[] = {
        "alice@EXAMPLE.ORG",
        "host/a.example.org@EXAMPLE.ORG",
        "a\\/b@R",
        "a\\@b/c\\\\d@R",
        "with\\ blank@A\\ B",
        "tab\\tline\\nback\\b@R",
        "@R",
        "/@R",
        "krbtgt/EXAMPLE.ORG@EXAMPLE.ORG",
    };
    krbrepl__hdb_princ p, q;
    krbrepl__buf hold, b;
    krbrepl__rd r;
    size_t i;

    (void)state;
    krbrepl__buf_init(&hold, 0);
    krbrepl__buf_init(&b, 0);
    for (i = 0; i < sizeof text / sizeof text[0]; i++) {
        assert_int_equal(krbrepl__hdb_princ_parse(&p, text[i], NULL, &hold, NULL), 0);
        expect_text(&p, text[i]);
        krbrepl__buf_reset(&b);
        krbrepl__hdb_princ_write(&b, &p);
        krbrepl__rd_init(&r, b.data, b.len);
        krbrepl__hdb_princ_read(&r, &q);
        assert_int_equal(krbrepl__rd_end(&r), 0);
        assert_true(krbrepl__hdb_princ_equal(&p, &q));
        assert_int_equal(p.type, q.type);
        krbrepl__buf_reset(&b);
        krbrepl__hdb_princ_log_write(&b, &p);
        krbrepl__rd_init(&r, b.data, b.len);
        krbrepl__hdb_princ_log_read(&r, &q);
        assert_int_equal(krbrepl__rd_end(&r), 0);
        assert_true(krbrepl__hdb_princ_equal(&p, &q));
    }
    krbrepl__buf_free(&hold);
    krbrepl__buf_free(&b);
}

static void text_that_is_no_name_is_refused(void **state)
{
    static const char many[] = "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/"
                               "t/u/v/w/x/y/z/1/2/3/4/5/6/7/8@R";
    static const char *const text[] = {"no realm", "two@realms@R", "ends\\", many};
    krbrepl__hdb_princ p;
    krbrepl__buf hold;
    size_t i;

    (void)state;
    krbrepl__buf_init(&hold, 0);
    for (i = 0; i < sizeof text / sizeof text[0]; i++)
        assert_int_equal(krbrepl__hdb_princ_parse(&p, text[i], NULL, &hold, NULL), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__hdb_princ_parse(&p, "no realm", "DEFAULT", &hold, NULL), 0);
    expect_text(&p, "no\\ realm@DEFAULT");
    krbrepl__buf_free(&hold);
}

static void a_name_with_a_nul_in_it_is_refused(void **state)
{
    static const char log[] = "\0\0\0\1\0\0\0\1\0\0\0\1R\0\0\0\3a\0b";
    krbrepl__hdb_princ p;
    krbrepl__rd r;

    (void)state;
    krbrepl__rd_init(&r, log, sizeof log - 1);
    krbrepl__hdb_princ_log_read(&r, &p);
    assert_int_equal(r.err, KRBREPL_ERR_PROTO);
    assert_int_equal(p.n, 0);
}

/* The key of `host/b.lab.test@IPROP.TEST` in the databases that kadmin makes. */
static void the_key_of_a_record_has_name_type_zero(void **state)
{
    static const char key[] =
        "\x30\x2f\xa0\x1c\x30\x1a\xa0\x03\x02\x01\x00\xa1\x13\x30\x11\x1b\x04host\x1b\x09"
        "b.lab.tes\xa1\x0f\x1b\x0dTWELVE.LETTER";
    krbrepl__hdb_princ p;
    krbrepl__buf hold, b;

    (void)state;
    krbrepl__buf_init(&hold, 0);
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__hdb_princ_parse(&p, "host/b.lab.tes@TWELVE.LETTER", NULL, &hold, NULL),
                     0);
    p.type = 3;
    krbrepl__hdb_key(&b, &p);
    assert_int_equal(b.len, sizeof key - 1);
    assert_memory_equal(b.data, key, b.len);
    krbrepl__buf_free(&hold);
    krbrepl__buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_of_a_real_database_is_read_and_written_alike),
        cmocka_unit_test(fields_of_an_entry_are_found),
        cmocka_unit_test(an_entry_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(only_optional_fields_may_be_missing),
        cmocka_unit_test(fields_of_later_releases_are_carried_along),
        cmocka_unit_test(an_alias_leads_to_its_entry),
        cmocka_unit_test(names_are_the_same_in_text_and_in_der),
        cmocka_unit_test(text_that_is_no_name_is_refused),
        cmocka_unit_test(a_name_with_a_nul_in_it_is_refused),
        cmocka_unit_test(the_key_of_a_record_has_name_type_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
