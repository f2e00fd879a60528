/* The writer of dump files gives back every byte that the reader took. */
#include "mitcase.h"

#include "writer.h"

static int write_entry(krbrepl__buf *b, const entry *e, krbrepl_errinfo *ei)
{
    if (strcmp(e->table, "policy") == 0)
        return krbrepl__mit_write_policy(b, entry_key(e), entry_value(e), ei);
    return krbrepl__mit_write_principal(b, entry_key(e), entry_value(e), &e->lockout, ei);
}

static void lines_are_written_byte_for_byte(void **state)
{
    char text[8192];
    krbrepl_errinfo ei;
    krbrepl__buf b;
    size_t i;
    entry e;

    (void)state;
    krbrepl__buf_init(&b, 0);
    for (i = 0; i < golden_count; i++) {
        snprintf(text, sizeof text, "%s%s", V7, golden_line[i]);
        assert_int_equal(text_parse(text, strlen(text), 0, &e, 1, &ei), 1);
        assert_int_equal(write_entry(&b, &e, &ei), 0);
        assert_int_equal(b.len, strlen(golden_line[i]));
        assert_memory_equal(b.data, golden_line[i], b.len);
        krbrepl__buf_reset(&b);
        entries_free(&e, 1);
    }
    krbrepl__buf_free(&b);
}

/* A name of up to 700 bytes; all bytes are possible but NUL and the newline. */
static size_t any_name(rnd *r, char *name)
{
    size_t i, n = 1 + rnd_below(r, rnd_below(r, 5) == 0 ? 700 : 30);

    for (i = 0; i < n; i++) {
        do
            name[i] = (char)(rnd_below(r, 3) == 0 ? rnd_u32(r) : 'a' + rnd_below(r, 26));
        while (name[i] == '\0' || name[i] == '\n' || name[i] == '\t');
    }
    return n;
}

/* Parses what was written for one record and compares. */
static void assert_reads_back(const krbrepl__buf *b, krbrepl_bytes key, const void *value, size_t len,
                              const krbrepl_mit_lockout *l)
{
    char *text = malloc(b->len + 64);
    krbrepl_errinfo ei;
    entry e;

    assert_non_null(text);
    memcpy(text, V7, sizeof V7 - 1);
    memcpy(text + sizeof V7 - 1, b->data, b->len);
    assert_int_equal(text_parse(text, sizeof V7 - 1 + b->len, 0, &e, 1, &ei), 1);
    assert_int_equal(e.key_len, key.len);
    assert_memory_equal(e.key, key.data, key.len);
    assert_int_equal(e.value_len, len);
    assert_memory_equal(e.value, value, len);
    if (l != NULL)
        assert_memory_equal(&e.lockout, l, sizeof *l);
    entries_free(&e, 1);
    free(text);
}

static void any_principal_survives_the_file(void **state)
{
    any_principal *a = malloc(sizeof *a);
    krbrepl_mit_lockout l;
    char name[1024];
    krbrepl__buf b;
    rnd r = {5};
    void *value;
    size_t len;
    krbrepl_bytes key;
    int i;

    (void)state;
    assert_non_null(a);
    krbrepl__buf_init(&b, 0);
    for (i = 0; i < 200; i++) {
        any_principal_make(a, &r);
        key = (krbrepl_bytes){name, any_name(&r, name)};
        l = (krbrepl_mit_lockout){rnd_u32(&r), rnd_u32(&r), rnd_u32(&r)};
        assert_int_equal(krbrepl_mit_principal_encode(&a->p, &value, &len, NULL), 0);
        assert_int_equal(krbrepl__mit_write_principal(&b, key, (krbrepl_bytes){value, len}, &l, NULL),
                         0);
        assert_reads_back(&b, key, value, len, &l);
        krbrepl__buf_reset(&b);
        krbrepl_mit_free(value, len);
    }
    krbrepl__buf_free(&b);
    free(a);
}

static void any_policy_survives_the_file(void **state)
{
    char name[1024];
    krbrepl__buf b;
    any_policy a;
    rnd r = {6};
    void *value;
    size_t len;
    krbrepl_bytes key;
    int i;

    (void)state;
    krbrepl__buf_init(&b, 0);
    for (i = 0; i < 500; i++) {
        any_policy_make(&a, &r);
        key = (krbrepl_bytes){name, any_name(&r, name)};
        assert_int_equal(krbrepl_mit_policy_encode(&a.p, &value, &len, NULL), 0);
        assert_int_equal(krbrepl__mit_write_policy(&b, key, (krbrepl_bytes){value, len}, NULL), 0);
        assert_reads_back(&b, key, value, len, NULL);
        krbrepl__buf_reset(&b);
        krbrepl_mit_free(value, len);
    }
    krbrepl__buf_free(&b);
}

/* Another line could be smuggled into the dump by a name that holds a newline. */
static void name_that_would_break_the_line_is_not_written(void **state)
{
    static const char good[] = V7 "princ\t38\t3\t0\t0\t0\tx@Y\t0\t0\t0\t0\t0\t0\t0\t0\t-1;\n";
    static const krbrepl_mit_lockout none = {0, 0, 0};
    krbrepl_mit_policy q;
    krbrepl_errinfo ei;
    krbrepl__buf b;
    size_t len;
    void *value;
    entry e;

    (void)state;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_bytes(&b, "before", 6);
    assert_int_equal(text_parse(good, sizeof good - 1, 0, &e, 1, &ei), 1);
    assert_int_equal(
        krbrepl__mit_write_principal(&b, BYTES("a\nprinc\t38"), entry_value(&e), &none, &ei),
        KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "the name of a principal"));
    assert_int_equal(krbrepl__mit_write_principal(&b, BYTES("a\0b"), entry_value(&e), &none, &ei),
                     KRBREPL_ERR_FORMAT);
    assert_int_equal(krbrepl__mit_write_principal(&b, BYTES("a"), BYTES("rubbish"), &none, &ei),
                     KRBREPL_ERR_FORMAT);
    KRBREPL_INIT(&q);
    q.keysalts = BYTES("a\tb");
    assert_int_equal(krbrepl_mit_policy_encode(&q, &value, &len, NULL), 0);
    assert_int_equal(krbrepl__mit_write_policy(&b, BYTES("p"), (krbrepl_bytes){value, len}, &ei),
                     KRBREPL_ERR_FORMAT);
    assert_non_null(strstr(ei.text, "key/salt types"));
    krbrepl_mit_free(value, len);
    assert_int_equal(b.len, 6);
    krbrepl__buf_free(&b);
    entries_free(&e, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_written_byte_for_byte),
        cmocka_unit_test(any_principal_survives_the_file),
        cmocka_unit_test(any_policy_survives_the_file),
        cmocka_unit_test(name_that_would_break_the_line_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
