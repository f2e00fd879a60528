/* dumpset_test.c: what two dump files have in common, whatever their order. */
#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "dumpset.h"
#include "keyfile.h"

#define HEAD "kdb5_util load_dump version 7\n"
#define ALICE "princ\t38\t7\t0\t0\t0\talice@R\t"
#define BOB "princ\t38\t5\t0\t0\t0\tbob@R\t"
#define REST "\t-1;\n"

static bool read_text(struct dumpset *s, const char *text)
{
    char *why = NULL;
    FILE *f = tmpfile();
    bool ok;

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    rewind(f);
    ok = dumpset_read(s, f, &why);
    assert_true(ok == (why == NULL));
    free(why);
    fclose(f);
    return ok;
}

struct seen {
    unsigned n[4];
    char last[64];
};

static void see(void *ctx, enum dumpset_what what, const struct dumpset_entry *e)
{
    struct seen *s = ctx;

    s->n[what]++;
    snprintf(s->last, sizeof s->last, "%s", e->name);
}

static struct seen compare(const char *before, const char *after)
{
    struct dumpset a, b;
    struct seen s = {0};
    uint8_t one[32], two[32];

    assert_true(read_text(&a, before));
    assert_true(read_text(&b, after));
    dumpset_compare(&a, &b, see, &s);
    dumpset_digest(&a, one);
    dumpset_digest(&b, two);
    assert_true((memcmp(one, two, 32) == 0) == (s.n[0] + s.n[1] + s.n[2] + s.n[3] == 0));
    dumpset_free(&a);
    dumpset_free(&b);
    return s;
}

static void the_order_of_lines_makes_no_difference(void **state)
{
    struct seen s = compare(HEAD ALICE "1" REST BOB "2" REST "policy\tp\t1\n",
                            HEAD "policy\tp\t1\n" BOB "2" REST ALICE "1" REST);

    (void)state;
    assert_int_equal(s.n[0] + s.n[1] + s.n[2] + s.n[3], 0);
}

static void signs_that_releases_write_differently_make_no_difference(void **state)
{
    struct seen s =
        compare(HEAD ALICE "-2147483648\t-1" REST, HEAD ALICE "2147483648\t4294967295" REST);

    (void)state;
    assert_int_equal(s.n[DUMPSET_CHANGED], 0);
}

static void what_was_added_changed_and_deleted_is_named(void **state)
{
    struct seen s = compare(HEAD ALICE "1" REST, HEAD ALICE "1" REST BOB "1" REST);

    (void)state;
    assert_int_equal(s.n[DUMPSET_ADDED], 1);
    assert_string_equal(s.last, "bob@R");
    s = compare(HEAD ALICE "1" REST BOB "1" REST, HEAD BOB "2" REST ALICE "1" REST);
    assert_int_equal(s.n[DUMPSET_CHANGED], 1);
    assert_string_equal(s.last, "bob@R");
    s = compare(HEAD ALICE "1" REST BOB "1" REST, HEAD BOB "1" REST);
    assert_int_equal(s.n[DUMPSET_DELETED], 1);
    assert_string_equal(s.last, "alice@R");
    /* A policy and a principal may have one name. */
    s = compare(HEAD "policy\tbob@R\t1\n", HEAD "policy\tbob@R\t1\n" BOB "1" REST);
    assert_int_equal(s.n[DUMPSET_ADDED], 1);
    assert_int_equal(s.n[DUMPSET_CHANGED], 0);
}

static void counters_of_logins_are_told_apart(void **state)
{
    struct seen s = compare(HEAD ALICE "1\t2\t3\t4\t5\t100\t0\t0\t-1" REST,
                            HEAD ALICE "1\t2\t3\t4\t5\t101\t7\t3\t-1" REST);

    (void)state;
    assert_int_equal(s.n[DUMPSET_COUNTED], 1);
    assert_int_equal(s.n[DUMPSET_CHANGED], 0);
    s = compare(HEAD ALICE "1\t2\t3\t4\t5\t0\t0\t0\t8" REST,
                HEAD ALICE "1\t2\t3\t4\t5\t0\t0\t0\t9" REST);
    assert_int_equal(s.n[DUMPSET_COUNTED], 0);
    assert_int_equal(s.n[DUMPSET_CHANGED], 1);
}

static void a_field_that_moves_into_another_is_seen(void **state)
{
    struct seen s = compare(HEAD ALICE "1\t23" REST, HEAD ALICE "12\t3" REST);

    (void)state;
    assert_int_equal(s.n[DUMPSET_CHANGED], 1);
}

static void names_are_taken_by_their_length(void **state)
{
    struct seen s = compare(HEAD, HEAD "princ\t38\t5\t0\t0\t0\ta\tb@R\t1\n");

    (void)state;
    assert_string_equal(s.last, "a\tb@R");
}

static void what_is_no_record_is_refused(void **state)
{
    static const char *const wrong[] = {HEAD "something\telse\n", HEAD ALICE "1" REST "princ\n",
                                        HEAD ALICE "cut off", HEAD "\n"};
    struct dumpset s;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(read_text(&s, wrong[i]));
        dumpset_free(&s);
    }
}

/* ---- keys ----------------------------------------------------------------------------------- */

#define MARK "0123456789abcdef" /* stands for keys; in the heap it never is by itself */
#define MARKS 8000u

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* A dump with one long line, without a copy of it in this process. */
static int write_marked(void)
{
    char name[] = "/tmp/krbrepl-dumpset-XXXXXX";
    int fd = mkstemp(name);
    unsigned i;

    assert_true(fd >= 0);
    unlink(name);
    put(fd, HEAD ALICE);
    for (i = 0; i < MARKS; i++)
        put(fd, MARK);
    put(fd, REST BOB MARK REST);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* How often the mark stands in what malloc has had from the system. */
static unsigned marks_in_heap(void)
{
    static char line[512];
    char *from = NULL, *to = NULL;
    int fd = open("/proc/self/maps", O_RDONLY);
    unsigned found = 0;
    size_t n = 0;

    while (fd >= 0 && read(fd, &line[n], 1) == 1) {
        if (line[n] != '\n') {
            n += n + 1 < sizeof line;
            continue;
        }
        line[n] = '\0';
        if (strstr(line, "[heap]") != NULL)
            from = (char *)(uintptr_t)strtoull(line, &to, 16),
            to = (char *)(uintptr_t)strtoull(to + 1, NULL, 16);
        n = 0;
    }
    if (fd >= 0)
        close(fd);
    for (; from != NULL && from + strlen(MARK) <= to; from++)
        found += memcmp(from, MARK, strlen(MARK)) == 0;
    return found;
}

static void nothing_that_was_read_stays_in_memory(void **state)
{
    struct keyfile k;
    struct dumpset s;
    char *why = NULL, *mine;

    (void)state;
    mine = malloc(64);
    assert_non_null(mine);
    memcpy(mine, MARK, strlen(MARK));
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    print_message(
        "left out: the heap of a sanitizer is elsewhere, so that nothing is found in any case\n");
#else
    assert_int_equal(marks_in_heap(), 1); /* it can be seen */
#endif
    explicit_bzero(mine, 64);
    free(mine);
    k = keyfile_of(fdopen(write_marked(), "r"));
    assert_non_null(k.f);
    assert_true(dumpset_read(&s, k.f, &why));
    assert_int_equal(s.principals, 2);
    assert_true(keyfile_close(&k));
    assert_true(keyfile_close(&k));
    assert_int_equal(marks_in_heap(), 0);
    dumpset_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_lines_makes_no_difference),
        cmocka_unit_test(nothing_that_was_read_stays_in_memory),
        cmocka_unit_test(signs_that_releases_write_differently_make_no_difference),
        cmocka_unit_test(what_was_added_changed_and_deleted_is_named),
        cmocka_unit_test(counters_of_logins_are_told_apart),
        cmocka_unit_test(a_field_that_moves_into_another_is_seen),
        cmocka_unit_test(names_are_taken_by_their_length),
        cmocka_unit_test(what_is_no_record_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
