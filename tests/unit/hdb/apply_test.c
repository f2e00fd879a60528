#include "sample.h"

#include "hdbseal.h"

static krbrepl_bytes view(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static int seal(void *ctx, krbrepl_bytes entry, krbrepl__buf *out, krbrepl_errinfo *ei)
{
    return krbrepl__hdbseal_seal(((sample_recs *)ctx)->seal, entry, out, ei);
}

typedef struct place {
    sample_recs recs;
    krbrepl__hdb_rows rows;
} place;

static int apply_log(place *p, krbrepl_bytes file)
{
    krbrepl__hdb_rec rec;
    krbrepl_errinfo ei;
    krbrepl__rd r;
    int effects = 0, one;

    krbrepl__rd_init(&r, file.data, file.len);
    while (r.left != 0) {
        assert_int_equal(krbrepl__hdb_rec_read(&r, &rec, &ei), 0);
        assert_int_equal(krbrepl__hdb_apply(&p->rows, &rec, &one, &ei), 0);
        effects += one;
    }
    return effects;
}

static void begin(place *p)
{
    memset(p, 0, sizeof *p);
    sample_rows(&p->rows, &p->recs);
}

static void expect_same(krbrepl__hdbseal *s, krbrepl_bytes a, krbrepl_bytes b)
{
    krbrepl__buf x, y, clear;

    krbrepl__buf_init(&x, 0);
    krbrepl__buf_init(&y, 0);
    krbrepl__buf_init(&clear, 0);
    assert_int_equal(krbrepl__hdbseal_unseal(s, a, &clear, NULL), 0);
    sample_comparable(view(&clear), &x);
    krbrepl__buf_reset(&clear);
    assert_int_equal(krbrepl__hdbseal_unseal(s, b, &clear, NULL), 0);
    sample_comparable(view(&clear), &y);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    krbrepl__buf_free(&x);
    krbrepl__buf_free(&y);
    krbrepl__buf_free(&clear);
}

/* The database that a real kadmin has made, and the log that it has written meanwhile. */
static void the_log_makes_the_database_of_the_master(void **state)
{
    krbrepl_bytes log = sample_read("log"), file = sample_read("hprop.out"), entry, mine;
    krbrepl__hdbseal *s;
    krbrepl__hdb_entry e;
    krbrepl__buf name;
    krbrepl__rd r;
    size_t n = 0, i, aliases = 0;
    place p;

    (void)state;
    assert_int_equal(krbrepl__hdbseal_open(&s, SAMPLES "/m-key", NULL), 0);
    begin(&p);
    apply_log(&p, log);
    krbrepl__buf_init(&name, 0);
    krbrepl__rd_init(&r, file.data, file.len);
    for (; sample_hprop_next(&r, &entry); n++) {
        assert_int_equal(krbrepl__hdb_entry_read(&e, entry, NULL), 0);
        krbrepl__buf_reset(&name);
        krbrepl__hdb_princ_text(&name, &e.princ);
        krbrepl__buf_u8(&name, 0);
        mine = sample_get(&p.recs, (const char *)name.data);
        assert_non_null(mine.data);
        expect_same(s, mine, entry);
    }
    for (i = 0; i < p.recs.n; i++)
        aliases += krbrepl__hdb_kind(p.recs.value[i]) == KRBREPL__HDB_ALIAS;
    assert_int_equal(aliases, 1);
    assert_int_equal(p.recs.n, n + aliases);
    assert_non_null(sample_get(&p.recs, "alias2@EXAMPLE.ORG").data);
    assert_null(sample_get(&p.recs, "alias1@EXAMPLE.ORG").data);
    krbrepl__buf_free(&name);
    sample_free(&p.recs);
    krbrepl__hdbseal_close(s);
    sample_drop(&log);
    sample_drop(&file);
}

static void no_key_is_stored_in_clear_when_a_master_key_is_there(void **state)
{
    krbrepl_bytes log = sample_read("log");
    krbrepl__hdb_entry e;
    krbrepl__hdbseal *s;
    krbrepl__hdb_rec rec;
    size_t i, clear = 0;
    krbrepl__rd r;
    place p;

    (void)state;
    krbrepl__rd_init(&r, log.data, log.len);
    while (r.left != 0) {
        assert_int_equal(krbrepl__hdb_rec_read(&r, &rec, NULL), 0);
        clear += rec.entry.clear;
    }
    assert_true(clear > 0); /* a real master writes some */
    assert_int_equal(krbrepl__hdbseal_open(&s, SAMPLES "/m-key", NULL), 0);
    begin(&p);
    p.recs.seal = s;
    p.rows.seal = seal;
    apply_log(&p, log);
    for (i = 0; i < p.recs.n; i++) {
        if (krbrepl__hdb_kind(p.recs.value[i]) != KRBREPL__HDB_ENTRY)
            continue;
        assert_int_equal(krbrepl__hdb_entry_read(&e, p.recs.value[i], NULL), 0);
        assert_int_equal(e.clear, 0);
    }
    sample_free(&p.recs);
    krbrepl__hdbseal_close(s);
    sample_drop(&log);
}

/* ---- the rules, record by record ------------------------------------------------------------- */

/* An entry made of the sample, under another name and with other aliases. */
static void make_entry(krbrepl__buf *out, const char *name, uint32_t kvno, const char *alias)
{
    krbrepl_bytes file = sample_read("hprop.out"), entry;
    krbrepl__buf hold, princ, ver, exts;
    krbrepl__hdb_entry e;
    krbrepl__hdb_princ p;
    krbrepl__rd r;
    size_t m[8];

    krbrepl__buf_init(&hold, 0);
    krbrepl__buf_init(&princ, 0);
    krbrepl__buf_init(&ver, 0);
    krbrepl__buf_init(&exts, 0);
    krbrepl__rd_init(&r, file.data, file.len);
    assert_true(sample_hprop_next(&r, &entry));
    assert_int_equal(krbrepl__hdb_entry_read(&e, entry, NULL), 0);
    assert_int_equal(krbrepl__hdb_princ_parse(&p, name, NULL, &hold, NULL), 0);
    m[0] = krbrepl__der_open(&princ, KRBREPL__DER_CTX(KRBREPL__HDB_PRINCIPAL));
    krbrepl__hdb_princ_write(&princ, &p);
    krbrepl__der_close(&princ, m[0]);
    krbrepl__der_put_ctx_int(&ver, KRBREPL__HDB_KVNO, kvno);
    e.field[KRBREPL__HDB_PRINCIPAL] = view(&princ);
    e.field[KRBREPL__HDB_KVNO] = view(&ver);
    e.field[KRBREPL__HDB_EXTENSIONS].data = NULL;
    if (alias != NULL) {
        assert_int_equal(krbrepl__hdb_princ_parse(&p, alias, NULL, &hold, NULL), 0);
        m[0] = krbrepl__der_open(&exts, KRBREPL__DER_CTX(KRBREPL__HDB_EXTENSIONS));
        m[1] = krbrepl__der_open(&exts, KRBREPL__DER_SEQUENCE);
        m[2] = krbrepl__der_open(&exts, KRBREPL__DER_SEQUENCE);
        krbrepl__buf_bytes(&exts, "\xa0\x03\x01\x01\x00", 5);
        m[3] = krbrepl__der_open(&exts, KRBREPL__DER_CTX(1));
        m[4] = krbrepl__der_open(&exts, KRBREPL__DER_CTX(KRBREPL__HDB_EXT_ALIASES));
        m[5] = krbrepl__der_open(&exts, KRBREPL__DER_SEQUENCE);
        krbrepl__buf_bytes(&exts, "\xa0\x03\x01\x01\x00", 5);
        m[6] = krbrepl__der_open(&exts, KRBREPL__DER_CTX(1));
        m[7] = krbrepl__der_open(&exts, KRBREPL__DER_SEQUENCE);
        krbrepl__hdb_princ_write(&exts, &p);
        for (size_t i = 8; i-- > 0;)
            krbrepl__der_close(&exts, m[i]);
        e.field[KRBREPL__HDB_EXTENSIONS] = view(&exts);
    }
    krbrepl__hdb_entry_write(out, &e);
    krbrepl__buf_free(&hold);
    krbrepl__buf_free(&princ);
    krbrepl__buf_free(&ver);
    krbrepl__buf_free(&exts);
    sample_drop(&file);
}

/* Applies one record that is made of an entry; whether it had an effect. */
static int apply_one(place *p, uint32_t op, const char *name, uint32_t kvno, const char *alias,
                     const char *from, uint32_t mask)
{
    krbrepl__buf entry, rec, hold;
    krbrepl__hdb_princ old;
    krbrepl_bytes e;
    int effects;

    krbrepl__buf_init(&entry, 0);
    krbrepl__buf_init(&rec, 0);
    krbrepl__buf_init(&hold, 0);
    make_entry(&entry, name, kvno, alias);
    e = view(&entry);
    assert_int_equal(krbrepl__hdb_princ_parse(&old, from != NULL ? from : name, NULL, &hold, NULL), 0);
    if (op == KRBREPL__HDB_OP_CREATE)
        krbrepl__hdb_rec_create(&rec, 1, 1, e);
    else if (op == KRBREPL__HDB_OP_RENAME)
        krbrepl__hdb_rec_rename(&rec, 1, 1, &old, e);
    else if (op == KRBREPL__HDB_OP_MODIFY)
        krbrepl__hdb_rec_modify(&rec, 1, 1, mask, e);
    else
        krbrepl__hdb_rec_delete(&rec, 1, 1, &old);
    effects = apply_log(p, view(&rec));
    krbrepl__buf_free(&entry);
    krbrepl__buf_free(&rec);
    krbrepl__buf_free(&hold);
    return effects;
}

#define CREATE(p, name, kvno, alias) apply_one(p, KRBREPL__HDB_OP_CREATE, name, kvno, alias, NULL, 0)
#define DELETE(p, name) apply_one(p, KRBREPL__HDB_OP_DELETE, name, 1, NULL, NULL, 0)
#define RENAME(p, from, to, alias) apply_one(p, KRBREPL__HDB_OP_RENAME, to, 1, alias, from, 0)
#define MODIFY(p, name, kvno, alias, mask) \
    apply_one(p, KRBREPL__HDB_OP_MODIFY, name, kvno, alias, NULL, mask)

/* 0: there is none. */
static uint32_t kvno_of(const place *p, const char *name)
{
    krbrepl_bytes v = sample_get(&p->recs, name);
    krbrepl__hdb_entry e;

    if (v.data == NULL)
        return 0;
    assert_int_equal(krbrepl__hdb_entry_read(&e, v, NULL), 0);
    return e.kvno;
}

static int leads_to(const place *p, const char *alias, const char *name)
{
    krbrepl_bytes v = sample_get(&p->recs, alias);
    krbrepl__hdb_princ target, want;
    krbrepl__buf hold;
    int same;

    if (v.data == NULL)
        return 0;
    krbrepl__buf_init(&hold, 0);
    assert_int_equal(krbrepl__hdb_princ_parse(&want, name, NULL, &hold, NULL), 0);
    same = krbrepl__hdb_alias_read(&target, v, NULL) == 0 && krbrepl__hdb_princ_equal(&target, &want);
    krbrepl__buf_free(&hold);
    return same;
}

static void a_create_leaves_alone_what_is_there(void **state)
{
    place p;

    (void)state;
    begin(&p);
    assert_int_equal(CREATE(&p, "a@R", 3, NULL), 1);
    assert_int_equal(CREATE(&p, "a@R", 4, NULL), 0);
    assert_int_equal(kvno_of(&p, "a@R"), 3);
    sample_free(&p.recs);
}

static void what_is_not_there_is_not_deleted_nor_modified(void **state)
{
    place p;

    (void)state;
    begin(&p);
    assert_int_equal(DELETE(&p, "a@R"), 0);
    assert_int_equal(MODIFY(&p, "a@R", 2, NULL, KRBREPL__HDB_MASK_ALL), 0);
    assert_int_equal(p.recs.n, 0);
}

static void a_rename_to_a_name_that_is_there_has_no_effect(void **state)
{
    place p;

    (void)state;
    begin(&p);
    CREATE(&p, "a@R", 3, NULL);
    CREATE(&p, "b@R", 4, NULL);
    assert_int_equal(RENAME(&p, "a@R", "b@R", NULL), 0);
    assert_int_equal(kvno_of(&p, "a@R"), 3);
    assert_int_equal(kvno_of(&p, "b@R"), 4);
    assert_int_equal(RENAME(&p, "a@R", "c@R", NULL), 1);
    assert_int_equal(kvno_of(&p, "a@R"), 0);
    assert_int_equal(kvno_of(&p, "c@R"), 1);
    sample_free(&p.recs);
}

static void aliases_come_and_go_with_their_entry(void **state)
{
    place p;

    (void)state;
    begin(&p);
    CREATE(&p, "a@R", 1, "x@R");
    assert_true(leads_to(&p, "x@R", "a@R"));
    assert_int_equal(MODIFY(&p, "a@R", 1, "y@R", KRBREPL__HDB_MASK_TL_DATA), 1);
    assert_false(leads_to(&p, "x@R", "a@R"));
    assert_true(leads_to(&p, "y@R", "a@R"));
    assert_int_equal(DELETE(&p, "y@R"), 0); /* an alias is no entry */
    assert_int_equal(DELETE(&p, "a@R"), 1);
    assert_int_equal(p.recs.n, 0);
}

static void an_alias_that_is_taken_makes_the_record_void(void **state)
{
    place p;

    (void)state;
    begin(&p);
    CREATE(&p, "a@R", 1, "x@R");
    assert_int_equal(CREATE(&p, "b@R", 1, "x@R"), 0);
    assert_int_equal(CREATE(&p, "b@R", 1, "a@R"), 0);
    assert_int_equal(CREATE(&p, "x@R", 1, NULL), 0);
    assert_int_equal(p.recs.n, 2);
    sample_free(&p.recs);
}

static void a_modify_takes_only_what_the_mask_names(void **state)
{
    place p;

    (void)state;
    begin(&p);
    CREATE(&p, "a@R", 3, "x@R");
    assert_int_equal(MODIFY(&p, "a@R", 9, "y@R", KRBREPL__HDB_MASK_MAX_LIFE), 1);
    assert_int_equal(kvno_of(&p, "a@R"), 3);
    assert_true(leads_to(&p, "x@R", "a@R"));
    assert_int_equal(MODIFY(&p, "a@R", 9, NULL, KRBREPL__HDB_MASK_ALL), 1);
    assert_int_equal(kvno_of(&p, "a@R"), 9);
    assert_true(leads_to(&p, "x@R", "a@R")); /* none in the record: those there stay */
    sample_free(&p.recs);
}

static void a_modify_counts_the_generation_up(void **state)
{
    krbrepl__hdb_entry e;
    const uint8_t *gen;
    place p;

    (void)state;
    begin(&p);
    CREATE(&p, "a@R", 3, NULL);
    assert_int_equal(krbrepl__hdb_entry_read(&e, sample_get(&p.recs, "a@R"), NULL), 0);
    gen = e.field[KRBREPL__HDB_GENERATION].data;
    assert_non_null(gen);
    assert_int_equal(gen[e.field[KRBREPL__HDB_GENERATION].len - 1], 2);
    MODIFY(&p, "a@R", 4, NULL, KRBREPL__HDB_MASK_ALL);
    assert_int_equal(krbrepl__hdb_entry_read(&e, sample_get(&p.recs, "a@R"), NULL), 0);
    gen = e.field[KRBREPL__HDB_GENERATION].data;
    assert_int_equal(gen[e.field[KRBREPL__HDB_GENERATION].len - 1], 3);
    sample_free(&p.recs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_makes_the_database_of_the_master),
        cmocka_unit_test(no_key_is_stored_in_clear_when_a_master_key_is_there),
        cmocka_unit_test(a_create_leaves_alone_what_is_there),
        cmocka_unit_test(what_is_not_there_is_not_deleted_nor_modified),
        cmocka_unit_test(a_rename_to_a_name_that_is_there_has_no_effect),
        cmocka_unit_test(aliases_come_and_go_with_their_entry),
        cmocka_unit_test(an_alias_that_is_taken_makes_the_record_void),
        cmocka_unit_test(a_modify_takes_only_what_the_mask_names),
        cmocka_unit_test(a_modify_counts_the_generation_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
