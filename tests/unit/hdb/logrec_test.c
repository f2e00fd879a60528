#include "sample.h"

#include "logrec.h"

/* Reads one record of the sample log. */
static int next(krbrepl__rd *r, krbrepl__hdb_rec *rec)
{
    krbrepl_errinfo ei;

    if (r->left == 0)
        return 0;
    assert_int_equal(krbrepl__hdb_rec_read(r, rec, &ei), 0);
    return 1;
}

static void begin(krbrepl_bytes file, krbrepl__rd *r, krbrepl__hdb_header *h)
{
    assert_int_equal(krbrepl__hdb_header_read(file.data, h), 0);
    krbrepl__rd_init(r, file.data, file.len);
    (void)krbrepl__rd_view(r, KRBREPL__HDB_HEADER_LEN);
}

static void the_log_of_a_real_master_is_read(void **state)
{
    krbrepl_bytes file = sample_read("log");
    uint32_t version = 0;
    size_t kinds[11] = {0};
    krbrepl__hdb_header h;
    krbrepl__hdb_rec rec;
    krbrepl__rd r;

    (void)state;
    begin(file, &r, &h);
    assert_true(h.end == file.len);
    while (next(&r, &rec)) {
        assert_int_equal(rec.version, ++version);
        assert_int_equal(rec.whole.len, rec.payload.len + KRBREPL__HDB_REC_OVERHEAD);
        assert_in_range(rec.op, 0, 10);
        kinds[rec.op]++;
    }
    assert_int_equal(h.version, version);
    assert_int_equal(h.time, rec.time);
    assert_true(kinds[KRBREPL__HDB_OP_CREATE] > 5 && kinds[KRBREPL__HDB_OP_MODIFY] > 10);
    assert_int_equal(kinds[KRBREPL__HDB_OP_RENAME], 1);
    assert_int_equal(kinds[KRBREPL__HDB_OP_DELETE], 1);
    sample_drop(&file);
}

static void write_again(krbrepl__buf *b, const krbrepl__hdb_rec *rec)
{
    switch (rec->op) {
    case KRBREPL__HDB_OP_CREATE:
        krbrepl__hdb_rec_create(b, rec->version, rec->time, rec->der);
        break;
    case KRBREPL__HDB_OP_DELETE:
        krbrepl__hdb_rec_delete(b, rec->version, rec->time, &rec->name);
        break;
    case KRBREPL__HDB_OP_RENAME:
        krbrepl__hdb_rec_rename(b, rec->version, rec->time, &rec->name, rec->der);
        break;
    case KRBREPL__HDB_OP_MODIFY:
        krbrepl__hdb_rec_modify(b, rec->version, rec->time, rec->mask, rec->der);
        break;
    default:
        krbrepl__hdb_rec_nop(b, rec->version, rec->time);
    }
}

static void records_are_written_as_heimdal_writes_them(void **state)
{
    krbrepl_bytes file = sample_read("log");
    krbrepl__hdb_header h;
    krbrepl__hdb_rec rec;
    krbrepl__buf b;
    krbrepl__rd r;

    (void)state;
    krbrepl__buf_init(&b, 0);
    begin(file, &r, &h);
    krbrepl__hdb_header_write(&b, &h);
    while (next(&r, &rec))
        write_again(&b, &rec);
    assert_int_equal(b.len, file.len);
    /* The time in front of the header is that of the log's making. */
    assert_memory_equal(b.data, file.data, 4);
    assert_memory_equal(b.data + 8, (const uint8_t *)file.data + 8, file.len - 8);
    krbrepl__buf_free(&b);
    sample_drop(&file);
}

static void a_nop_has_no_payload(void **state)
{
    static const uint8_t nop[] = {0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 10,
                                  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7};
    krbrepl__hdb_rec rec;
    krbrepl__buf b;
    krbrepl__rd r;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__hdb_rec_nop(&b, 7, 9);
    assert_int_equal(b.len, sizeof nop);
    assert_memory_equal(b.data, nop, b.len);
    krbrepl__rd_init(&r, b.data, b.len);
    assert_true(next(&r, &rec));
    assert_int_equal(rec.op, KRBREPL__HDB_OP_NOP);
    krbrepl__buf_free(&b);
}

/* The first record of this kind in the sample. */
static krbrepl_bytes first_of(krbrepl_bytes file, uint32_t op)
{
    krbrepl__hdb_header h;
    krbrepl__hdb_rec rec;
    krbrepl__rd r;

    begin(file, &r, &h);
    while (next(&r, &rec) && rec.op != op)
        ;
    assert_int_equal(rec.op, op);
    return rec.whole;
}

static void a_record_that_is_cut_anywhere_is_refused(void **state)
{
    static const uint32_t op[] = {KRBREPL__HDB_OP_DELETE, KRBREPL__HDB_OP_CREATE,
                                  KRBREPL__HDB_OP_RENAME, KRBREPL__HDB_OP_MODIFY};
    krbrepl_bytes file = sample_read("log"), whole;
    krbrepl__hdb_rec rec;
    krbrepl_errinfo ei;
    krbrepl__rd r;
    size_t i, n;

    (void)state;
    for (i = 0; i < sizeof op / sizeof op[0]; i++) {
        whole = first_of(file, op[i]);
        for (n = 0; n < whole.len; n++) {
            krbrepl__rd_init(&r, whole.data, n);
            assert_int_equal(krbrepl__hdb_rec_read(&r, &rec, &ei), KRBREPL_ERR_PROTO);
            assert_int_equal(r.left, n);
        }
    }
    sample_drop(&file);
}

/* A copy of a record with one byte changed is refused with this word in the text. */
static void expect_refused(krbrepl_bytes whole, size_t at, uint8_t value, const char *word)
{
    uint8_t *copy = malloc(whole.len);
    krbrepl__hdb_rec rec;
    krbrepl_errinfo ei;
    krbrepl__rd r;

    assert_non_null(copy);
    memcpy(copy, whole.data, whole.len);
    copy[at] = value;
    krbrepl__rd_init(&r, copy, whole.len);
    assert_int_equal(krbrepl__hdb_rec_read(&r, &rec, &ei), KRBREPL_ERR_PROTO);
    assert_non_null(strstr(ei.text, word));
    free(copy);
}

static void a_record_that_is_damaged_is_refused_with_the_reason(void **state)
{
    krbrepl_bytes file = sample_read("log"), whole = first_of(file, KRBREPL__HDB_OP_MODIFY);

    (void)state;
    expect_refused(whole, 11, 9, "operation");
    expect_refused(whole, 0, 1, "does not agree");
    expect_refused(whole, whole.len - 1, 0xff, "does not agree");
    expect_refused(whole, whole.len - 5, 0xff, "does not agree");
    expect_refused(whole, 12, 0xff, "too early");
    expect_refused(whole, 20, 0x31, "entry");
    whole = first_of(file, KRBREPL__HDB_OP_DELETE);
    expect_refused(whole, 20, 0xff, "name");
    sample_drop(&file);
}

static void a_header_is_told_from_an_ordinary_record(void **state)
{
    krbrepl_bytes file = sample_read("log");
    uint8_t copy[KRBREPL__HDB_HEADER_LEN];
    static const size_t at[] = {0, 11, 15, 35, 39};
    krbrepl__hdb_header h;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof at / sizeof at[0]; i++) {
        memcpy(copy, file.data, sizeof copy);
        copy[at[i]] ^= 1;
        assert_int_equal(krbrepl__hdb_header_read(copy, &h), KRBREPL_ERR_PROTO);
    }
    sample_drop(&file);
}

static void the_length_of_a_record_is_bounded(void **state)
{
    uint8_t first[16] = {0};
    size_t len;

    (void)state;
    first[15] = 100;
    assert_int_equal(krbrepl__hdb_rec_len(first, 124, &len), 0);
    assert_int_equal(len, 124);
    assert_int_equal(krbrepl__hdb_rec_len(first, 123, &len), KRBREPL_ERR_PROTO);
    memset(first + 12, 0xff, 4);
    assert_int_equal(krbrepl__hdb_rec_len(first, 1u << 20, &len), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__hdb_rec_len(first, 5, &len), KRBREPL_ERR_PROTO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_of_a_real_master_is_read),
        cmocka_unit_test(records_are_written_as_heimdal_writes_them),
        cmocka_unit_test(a_nop_has_no_payload),
        cmocka_unit_test(a_record_that_is_cut_anywhere_is_refused),
        cmocka_unit_test(a_record_that_is_damaged_is_refused_with_the_reason),
        cmocka_unit_test(a_header_is_told_from_an_ordinary_record),
        cmocka_unit_test(the_length_of_a_record_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
