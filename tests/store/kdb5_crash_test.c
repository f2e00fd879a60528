/* A process that dies at any of the writes to a database of MIT's own kind. */
#include "kdb5case.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <krbrepl/mit.h>

#include "dyingwrites.h"

#define PRINCIPALS 400
#define MOST 1000 /* writes */

static char dir[256];

static int setup(void **state)
{
    (void)state;
    kdb5case_begin(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kdb5case_end(dir);
    return 0;
}

/* A principal of 200 bytes and more with one number in it. */
static void *value_make(int32_t max_life, size_t *len)
{
    static const uint8_t pad[200];
    krbrepl_mit_item item = {300, {pad, sizeof pad}};
    krbrepl_mit_principal p;
    void *out = NULL;

    KRBREPL_INIT(&p);
    p.base_length = 38;
    p.max_life = max_life;
    p.tl = &item;
    p.ntl = 1;
    assert_int_equal(krbrepl_mit_principal_encode(&p, &out, len, NULL), 0);
    return out;
}

static krbrepl_bytes name_make(char name[64], int i)
{
    const int n = snprintf(name, 64, "user%05d@" KDB5_REALM, i);

    return (krbrepl_bytes){name, (size_t)n};
}

/* ---- a full copy ------------------------------------------------------------------------------- */

static int bring(krbrepl_kdb5 *db, int32_t max_life)
{
    const krbrepl_host_ops *ops = krbrepl_kdb5_ops(db);
    int i, rc = ops->import_begin(db);
    krbrepl_change c;
    char name[64];
    size_t len;
    void *v = value_make(max_life, &len);

    KRBREPL_INIT(&c);
    c.op = KRBREPL_PUT;
    c.table = "principal";
    c.value = (krbrepl_bytes){v, len};
    for (i = 0; rc == 0 && i < PRINCIPALS; i++) {
        c.key = name_make(name, i);
        rc = ops->import_change(db, &c);
    }
    krbrepl_mit_free(v, len);
    return rc;
}

static int import_all(krbrepl_kdb5 *db, int32_t max_life)
{
    const int rc = bring(db, max_life);

    return rc != 0 ? rc : krbrepl_kdb5_ops(db)->import_commit(db, NULL);
}

/* How many there are as this. */
static int count(krbrepl_kdb5 *db, int32_t max_life)
{
    krbrepl_bytes got;
    char name[64];
    size_t len;
    void *v = value_make(max_life, &len);
    int i, n = 0;

    for (i = 0; i < PRINCIPALS; i++)
        n += krbrepl_kdb5_ops(db)->get(db, "principal", name_make(name, i), &got) == 0 &&
             got.len == len && memcmp(got.data, v, len) == 0;
    krbrepl_mit_free(v, len);
    return n;
}

/* 1: the process died at this write; 0: there are not so many. */
static int die_promoting(int at)
{
    krbrepl_kdb5 *db;
    int status, rc;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        db = kdb5case_open(dir, "principal");
        rc = bring(db, 2);
        dyingwrites_at("/principal", at);
        _exit(rc != 0 || krbrepl_kdb5_ops(db)->import_commit(db, NULL) != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void a_promotion_that_dies_at_any_write_leaves_the_old_content_or_the_new(void **state)
{
    krbrepl_kdb5 *db = kdb5case_open(dir, "principal");
    int at, died = 1, older = 0;

    (void)state;
    for (at = 1; died; at++) {
        assert_true(at < MOST);
        assert_int_equal(import_all(db, 1), 0);
        krbrepl_kdb5_close(db);
        died = die_promoting(at);
        db = kdb5case_open(dir, "principal");
        older += count(db, 1) == PRINCIPALS;
        if (count(db, 1) != PRINCIPALS && count(db, 2) != PRINCIPALS)
            fail_msg("dead at write %d: %d of the old, %d of the new", at, count(db, 1), count(db, 2));
    }
    assert_int_equal(count(db, 2), PRINCIPALS);
    assert_true(older > 3 && at - older >= 2);
    krbrepl_kdb5_close(db);
}

/* ---- changes ----------------------------------------------------------------------------------- */

#define CHANGES 60

/* New principals beside the hundredth: pages of the tree are split. */
static int apply_all(krbrepl_kdb5 *db)
{
    static char name[CHANGES][64];
    krbrepl_change c[CHANGES];
    const krbrepl_change *at[CHANGES];
    size_t len;
    void *v = value_make(3, &len);
    int i, rc;

    for (i = 0; i < CHANGES; i++) {
        KRBREPL_INIT(&c[i]);
        c[i].op = KRBREPL_PUT;
        c[i].table = "principal";
        c[i].value = (krbrepl_bytes){v, len};
        c[i].key.len =
            (size_t)snprintf(name[i], sizeof name[i], "user%05d-%d@" KDB5_REALM, 100 + i * 7 % 50, i);
        c[i].key.data = name[i];
        at[i] = &c[i];
    }
    rc = krbrepl_kdb5_ops(db)->apply(db, at, CHANGES, NULL);
    krbrepl_mit_free(v, len);
    return rc;
}

static int die_applying(int at)
{
    krbrepl_kdb5 *db;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        db = kdb5case_open(dir, "principal");
        dyingwrites_at("/principal", at);
        _exit(apply_all(db) != 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

/* Doing the changes again does not bring back what a page held that was not written; a full copy does. */
static void changes_that_die_at_any_write_are_mended_by_a_full_copy(void **state)
{
    krbrepl_kdb5 *db = kdb5case_open(dir, "principal");
    int at, died = 1, torn = 0;

    (void)state;
    for (at = 1; died; at++) {
        assert_true(at < MOST);
        assert_int_equal(import_all(db, 1), 0);
        krbrepl_kdb5_close(db);
        died = die_applying(at);
        db = kdb5case_open(dir, "principal");
        if (!died || count(db, 1) == PRINCIPALS)
            continue;
        torn++;
        if (import_all(db, 2) != 0 || count(db, 2) != PRINCIPALS)
            fail_msg("dead at write %d: %d after a full copy; %s", at, count(db, 2), kdb5case_noted);
    }
    assert_int_equal(count(db, 1), PRINCIPALS);
    /* Principals that were none of the changes: so the store has to know. */
    assert_true(torn > 0);
    assert_int_equal(krbrepl_kdb5_ops(db)->flags, KRBREPL_HOST_TEARS);
    krbrepl_kdb5_close(db);
}

/* ---- a full disk ------------------------------------------------------------------------------- */

static void a_full_disk_takes_nothing(void **state)
{
    krbrepl_kdb5 *db = kdb5case_open(dir, "principal");

    (void)state;
    assert_int_equal(import_all(db, 1), 0);
    dyingwrites_full("/principal", 1);
    assert_int_equal(apply_all(db), ENOSPC);
    assert_non_null(strstr(kdb5case_noted, "KiB are free in"));
    assert_int_equal(count(db, 1), PRINCIPALS);
    dyingwrites_full(NULL, 0);
    assert_int_equal(bring(db, 2), 0);
    dyingwrites_full("/principal", 1);
    assert_int_equal(krbrepl_kdb5_ops(db)->import_commit(db, NULL), ENOSPC);
    krbrepl_kdb5_ops(db)->import_abort(db);
    dyingwrites_full(NULL, 0);
    assert_int_equal(count(db, 1), PRINCIPALS);
    assert_int_equal(apply_all(db), 0);
    assert_int_equal(count(db, 1), PRINCIPALS);
    krbrepl_kdb5_close(db);
}

static void a_write_that_fails_half_way_is_told_as_damage(void **state)
{
    krbrepl_kdb5 *db = kdb5case_open(dir, "principal");

    (void)state;
    assert_int_equal(import_all(db, 1), 0);
    dyingwrites_full("/principal", 0);
    assert_int_equal(apply_all(db), KRBREPL_ERR_CORRUPT);
    dyingwrites_full(NULL, 0);
    assert_true(count(db, 1) < PRINCIPALS);
    assert_int_equal(import_all(db, 2), 0);
    assert_int_equal(count(db, 2), PRINCIPALS);
    krbrepl_kdb5_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_promotion_that_dies_at_any_write_leaves_the_old_content_or_the_new, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_that_die_at_any_write_are_mended_by_a_full_copy, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_takes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_that_fails_half_way_is_told_as_damage, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
