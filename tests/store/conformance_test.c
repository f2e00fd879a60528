#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include <krbrepl/testing.h>

#include "memhost.h"
#include "memjournal.h"
#ifdef KRBREPL_TEST_SQLITE
#include "sqlite-host.h"
#endif

/* Every kind of store keeps every promise, and a store that breaks one is told so by name. */

static char dir[256];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/krbrepl-conform-XXXXXX",
             getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(dir); /* the kit leaves nothing behind */
}

static char broken[64];

/* Every promise that the kit has, and whether a store of this file was told by its name that it breaks it. */
static struct {
    char name[64];
    int named;
} promises[32];

static void remember(const char *promise, int named)
{
    size_t i;

    for (i = 0; promises[i].name[0] != '\0' && strcmp(promises[i].name, promise) != 0; i++)
        assert_true(i + 2 < sizeof promises / sizeof promises[0]);
    snprintf(promises[i].name, sizeof promises[i].name, "%s", promise);
    promises[i].named |= named;
}

static int was_named(const char *promise)
{
    size_t i;

    for (i = 0; promises[i].name[0] != '\0'; i++)
        if (strcmp(promises[i].name, promise) == 0)
            return promises[i].named;
    return 0;
}

static void report(void *ctx, const char *promise, int kept, const char *why)
{
    (void)ctx;
    remember(promise, !kept);
    if (kept)
        return;
    if (broken[0] == '\0')
        snprintf(broken, sizeof broken, "%s", promise);
    print_message("%s: %s\n", promise, why);
}

static int conform_both(const krbrepl_host_ops *ops, const krbrepl_journal_ops *journal,
                        void *(*fresh)(void *, int), void *(*again)(void *, int, void *),
                        void (*gone)(void *, int, void *))
{
    krbrepl_testing_store s;

    KRBREPL_INIT(&s);
    s.dir = dir;
    s.host = ops;
    s.journal = journal;
    s.fresh = fresh;
    s.again = again;
    s.gone = gone;
    s.ctx = dir;
    broken[0] = '\0';
    return krbrepl_testing_conform(&s, report, NULL);
}

static int conform(const krbrepl_host_ops *ops, void *(*fresh)(void *, int),
                   void *(*again)(void *, int, void *), void (*gone)(void *, int, void *))
{
    return conform_both(ops, NULL, fresh, again, gone);
}

static void *mem_fresh(void *ctx, int which)
{
    (void)ctx;
    (void)which;
    return memhost_new();
}

static void mem_gone(void *ctx, int which, void *host)
{
    (void)ctx;
    (void)which;
    memhost_free(host);
}

static void the_library_s_own_store_keeps_every_promise(void **state)
{
    (void)state;
    assert_int_equal(conform(NULL, NULL, NULL, NULL), 0);
}

static void a_store_in_memory_keeps_every_promise(void **state)
{
    krbrepl_host_ops ops = memhost_ops(1);

    (void)state;
    assert_int_equal(conform(&ops, mem_fresh, NULL, mem_gone), 0);
    ops = memhost_ops(0);
    assert_int_equal(conform(&ops, mem_fresh, NULL, mem_gone), 0);
}

static memjournal *made; /* the last one */
static memjournal as;    /* what it is made to do wrong */

static void *journal_fresh(void *ctx, int which)
{
    (void)ctx;
    (void)which;
    made = memjournal_new();
    if (made != NULL) {
        made->forgetful = as.forgetful;
        made->stubborn = as.stubborn;
        made->confused = as.confused;
    }
    return made;
}

static void journal_gone(void *ctx, int which, void *j)
{
    (void)ctx;
    (void)which;
    memjournal_free(j);
}

static int journal_conform(const krbrepl_journal_ops *ops)
{
    return conform_both(NULL, ops, journal_fresh, NULL, journal_gone);
}

static void a_journal_in_memory_keeps_every_promise(void **state)
{
    const krbrepl_journal_ops ops = memjournal_ops();

    (void)state;
    assert_int_equal(journal_conform(&ops), 0);
}

/* ---- stores that break a promise ------------------------------------------------------------ */

static int cut_nothing(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx;
    (void)from;
    (void)to;
    return 0;
}

static void a_broken_promise_of_a_journal_is_named(void **state)
{
    krbrepl_journal_ops ops = memjournal_ops();

    (void)state;
    as.forgetful = 1;
    assert_true(journal_conform(&ops) > 0);
    assert_string_equal(broken, "the_journal_has_every_commit");
    as.forgetful = 0;
    as.confused = 1;
    assert_true(journal_conform(&ops) > 0);
    assert_string_equal(broken, "the_journal_has_every_commit");
    as.confused = 0;
    as.stubborn = 1;
    assert_true(journal_conform(&ops) > 0);
    assert_string_equal(broken, "a_commit_that_came_to_nothing_gives_way");
    as.stubborn = 0;
    ops.cut = cut_nothing;
    assert_true(journal_conform(&ops) > 0);
    assert_string_equal(broken, "what_is_cut_from_the_journal_is_gone");
}

static krbrepl_host_ops right;

static int apply_backwards(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    int rc = 0;

    while (rc == 0 && n-- > 0)
        rc = right.apply(ctx, &c[n], 1, to);
    return rc;
}

static int apply_without_deletes(void *ctx, const krbrepl_change *const *c, size_t n,
                                 const krbrepl_pos *to)
{
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < n; i++)
        if (c[i]->op == KRBREPL_PUT)
            rc = right.apply(ctx, &c[i], 1, to);
    return rc;
}

static int get_from_any_table(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    const int rc = right.get(ctx, "policy", key, value);

    return rc == 0 ? 0 : right.get(ctx, table, key, value);
}

static int import_at_once(void *ctx, const krbrepl_change *c)
{
    return right.apply(ctx, &c, 1, NULL);
}

static int import_done(void *ctx, const krbrepl_pos *to)
{
    (void)ctx;
    (void)to;
    return 0;
}

static void a_broken_promise_is_named(void **state)
{
    krbrepl_host_ops ops = memhost_ops(1);

    (void)state;
    right = ops;
    ops.apply = apply_backwards;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_string_equal(broken, "changes_are_made_in_their_order");
    ops = right;
    ops.apply = apply_without_deletes;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_string_equal(broken, "what_is_deleted_is_gone");
    ops = right;
    ops.get = get_from_any_table;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_string_equal(broken, "tables_are_apart");
    ops = right;
    ops.import_change = import_at_once;
    ops.import_commit = import_done;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_string_equal(broken, "a_full_copy_replaces_everything");
}

/* As a store in a file that is never written to. */
static void *mem_again(void *ctx, int which, void *host)
{
    mem_gone(ctx, which, host);
    return mem_fresh(ctx, which);
}

static void *journal_again(void *ctx, int which, void *j)
{
    journal_gone(ctx, which, j);
    return journal_fresh(ctx, which);
}

static void what_is_not_kept_is_missed_after_a_restart(void **state)
{
    krbrepl_host_ops ops = memhost_ops(1);
    const krbrepl_journal_ops journal = memjournal_ops();

    (void)state;
    assert_true(conform(&ops, mem_fresh, mem_again, mem_gone) > 0);
    assert_string_equal(broken, "what_was_committed_is_there_after_a_restart");
    assert_true(conform_both(NULL, &journal, journal_fresh, journal_again, journal_gone) > 0);
    assert_string_equal(broken, "the_journal_has_every_commit_after_a_restart");
}

/* Values are strings here, which end at a zero. */
static int get_strings(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    const int rc = right.get(ctx, table, key, value);

    if (rc == 0)
        value->len = strnlen(value->data, value->len);
    return rc;
}

#define SHORT 255

static int get_short(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    key.len = key.len < SHORT ? key.len : SHORT;
    return right.get(ctx, table, key, value);
}

static int apply_short(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    size_t i;
    int rc = 0;

    for (i = 0; rc == 0 && i < n; i++) {
        krbrepl_change one = *c[i];
        const krbrepl_change *p = &one;

        one.key.len = one.key.len < SHORT ? one.key.len : SHORT;
        rc = right.apply(ctx, &p, 1, to);
    }
    return rc;
}

static void what_a_host_cuts_off_is_missed(void **state)
{
    krbrepl_host_ops ops = memhost_ops(1);

    (void)state;
    right = ops;
    ops.get = get_strings;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_string_equal(broken, "what_is_put_comes_back");
    ops = right;
    ops.get = get_short;
    ops.apply = apply_short;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_string_equal(broken, "long_keys_and_large_values_come_back");
}

/* A table of a database with a constraint. */
static int apply_once(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    krbrepl_bytes got;
    size_t i;

    for (i = 0; to == NULL && i < n; i++)
        if ((right.get(ctx, c[i]->table, c[i]->key, &got) == 0) != (c[i]->op == KRBREPL_DELETE))
            return 19;
    return right.apply(ctx, c, n, to);
}

/* Of what comes from a master, which is several commits at once, only the first is made. */
static int apply_one(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    return right.apply(ctx, c, n > 2 ? 1 : n, to);
}

static void what_a_host_does_with_changes_that_arrive_is_looked_at(void **state)
{
    krbrepl_host_ops ops = memhost_ops(1);

    (void)state;
    right = ops;
    ops.apply = apply_once;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_true(was_named("applying_twice_is_harmless"));
    ops = right;
    ops.apply = apply_one;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    assert_true(was_named("a_replica_has_what_its_master_has"));
}

static int apply_nothing(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    (void)ctx;
    (void)c;
    (void)n;
    (void)to;
    return 0;
}

static void no_promise_is_one_that_every_store_keeps(void **state)
{
    krbrepl_host_ops ops = memhost_ops(1);
    size_t i;

    (void)state;
    ops.apply = apply_nothing;
    assert_true(conform(&ops, mem_fresh, NULL, mem_gone) > 0);
    for (i = 0; promises[i].name[0] != '\0'; i++)
        if (!promises[i].named)
            fail_msg("no store of this file breaks %s", promises[i].name);
    assert_true(i > 10);
}

#ifdef KRBREPL_TEST_SQLITE
static void sql_remove(const char *path)
{
    char commits[320];

    snprintf(commits, sizeof commits, "%s.commits", path);
    unlink(path);
    unlink(commits);
}

static void *sql_fresh(void *ctx, int which)
{
    char path[300];

    snprintf(path, sizeof path, "%s/host%d.db", (const char *)ctx, which);
    sql_remove(path);
    return sqlite_host_open(path);
}

static void *sql_again(void *ctx, int which, void *host)
{
    char path[300];

    snprintf(path, sizeof path, "%s/host%d.db", (const char *)ctx, which);
    sqlite_host_close(host);
    return sqlite_host_open(path);
}

static void sql_gone(void *ctx, int which, void *host)
{
    char path[300];

    snprintf(path, sizeof path, "%s/host%d.db", (const char *)ctx, which);
    sqlite_host_close(host);
    sql_remove(path);
}

static void a_store_in_sqlite_keeps_every_promise(void **state)
{

    (void)state;
    assert_int_equal(conform(&sqlite_host_ops, sql_fresh, sql_again, sql_gone), 0);
}

static void a_journal_in_sqlite_keeps_every_promise_with_records_and_without(void **state)
{
    (void)state;
    assert_int_equal(
        conform_both(&sqlite_host_ops, &sqlite_journal_ops, sql_fresh, sql_again, sql_gone), 0);
    assert_int_equal(conform_both(NULL, &sqlite_journal_ops, sql_fresh, sql_again, sql_gone), 0);
}
#endif

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_library_s_own_store_keeps_every_promise),
        T(a_store_in_memory_keeps_every_promise),
        T(a_broken_promise_is_named),
        T(a_journal_in_memory_keeps_every_promise),
        T(a_broken_promise_of_a_journal_is_named),
        T(what_is_not_kept_is_missed_after_a_restart),
        T(what_a_host_cuts_off_is_missed),
        T(what_a_host_does_with_changes_that_arrive_is_looked_at),
        T(no_promise_is_one_that_every_store_keeps),
#ifdef KRBREPL_TEST_SQLITE
        T(a_store_in_sqlite_keeps_every_promise),
        T(a_journal_in_sqlite_keeps_every_promise_with_records_and_without),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
