/* Memory that runs out, at each allocation in turn: a clear error, nothing leaked, nothing half done.
 *
 * The linker sends the library's calloc and malloc through here (--wrap), so it is the real code that runs
 * out. */
#include "mitcase.h"

#include "seen.h"
#include "writer.h"

void *__real_calloc(size_t n, size_t each);
void *__real_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_malloc(size_t n);

static long left = -1; /* allocations that still succeed; -1: all */

static int allowed(void)
{
    if (left == 0)
        return 0;
    if (left > 0)
        left--;
    return 1;
}

void *__wrap_calloc(size_t n, size_t each)
{
    return allowed() ? __real_calloc(n, each) : NULL;
}

void *__wrap_malloc(size_t n)
{
    return allowed() ? __real_malloc(n) : NULL;
}

/* Runs `step` with 0, 1, 2 ... allocations until it succeeds. */
static void until_it_succeeds(int (*step)(void *ctx), void *ctx)
{
    long n;
    int rc;

    for (n = 0; n < 1000; n++) {
        left = n;
        rc = step(ctx);
        left = -1;
        if (rc == 0)
            break;
        assert_int_equal(rc, KRBREPL_ERR_NOMEM);
    }
    assert_in_range(n, 1, 999);
}

static char all_lines[16384];

static int read_all(void *ctx)
{
    text_file f = {all_lines, strlen(all_lines), 0, 0};
    krbrepl__mit_reader *r = krbrepl__mit_reader_new("FILE", text_read, &f);
    krbrepl__mit_entry e;
    krbrepl_errinfo ei = {.size = sizeof ei};
    int rc;

    (void)ctx;
    if (r == NULL)
        return KRBREPL_ERR_NOMEM;
    rc = krbrepl__mit_reader_begin(r, &ei);
    while (rc == 0 && (rc = krbrepl__mit_reader_next(r, &e, &ei)) == 1)
        rc = 0;
    krbrepl__mit_reader_free(r);
    return rc;
}

static void reading_a_file_without_memory_fails_cleanly(void **state)
{
    size_t i;

    (void)state;
    strcpy(all_lines, V7);
    for (i = 0; i < golden_count; i++)
        strcat(all_lines, golden_line[i]);
    until_it_succeeds(read_all, NULL);
}

static int through(void *ctx)
{
    const entry *e = ctx;
    krbrepl_mit_principal *p = NULL;
    void *out = NULL;
    size_t len = 0;
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    if ((rc = krbrepl_mit_principal_decode(entry_value(e), &p, NULL)) == 0 &&
        (rc = krbrepl_mit_principal_encode(p, &out, &len, NULL)) == 0)
        rc = krbrepl__mit_write_principal(&b, entry_key(e), entry_value(e), &e->lockout, NULL);
    if (rc != 0)
        assert_int_equal(b.len, 0);
    krbrepl_mit_principal_free(p);
    krbrepl_mit_free(out, len);
    krbrepl__buf_free(&b);
    return rc;
}

static int describe(void *ctx)
{
    const entry *e = ctx;
    char line[256];
    int n = krbrepl_mit_describe(e->table, entry_key(e), entry_value(e), line, sizeof line);

    return n < 0 ? n : 0;
}

static void records_without_memory_fail_cleanly(void **state)
{
    char text[4096];
    krbrepl_errinfo ei = {.size = sizeof ei};
    entry e;

    (void)state;
    snprintf(text, sizeof text, "%s%s", V7, golden_line[1]);
    assert_int_equal(text_parse(text, strlen(text), 0, &e, 1, &ei), 1);
    until_it_succeeds(through, &e);
    until_it_succeeds(describe, &e);
    entries_free(&e, 1);
}

static int see_many(void *ctx)
{
    krbrepl__mit_seen *s = krbrepl__mit_seen_new();
    uint64_t i;
    int rc = s != NULL ? 0 : KRBREPL_ERR_NOMEM;

    (void)ctx;
    for (i = 0; i < 3000 && rc == 0; i++)
        rc = krbrepl__mit_seen_add(s, "principal", (krbrepl_bytes){&i, sizeof i}, i);
    krbrepl__mit_seen_free(s);
    return rc;
}

static void looking_for_duplicates_without_memory_fails_cleanly(void **state)
{
    (void)state;
    until_it_succeeds(see_many, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_a_file_without_memory_fails_cleanly),
        cmocka_unit_test(records_without_memory_fail_cleanly),
        cmocka_unit_test(looking_for_duplicates_without_memory_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
