/* What is written to a database of MIT's own kind comes back byte for byte, or is refused; and what a KDC counts in it
 * stays. */
#include "kdb5case.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <krb5.h>

#include <kdb.h>

#include <kadm5/admin.h>

#include "mitcase.h"

static char dir[256];

static int setup(void **state)
{
    kdb5case_begin(dir);
    *state = kdb5case_open(dir, "principal");
    return 0;
}

static int teardown(void **state)
{
    krbrepl_kdb5_close(*state);
    kdb5case_end(dir);
    return 0;
}

static krbrepl_change change(const char *table, const char *key, krbrepl_bytes value)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.op = KRBREPL_PUT;
    c.table = table;
    c.key = (krbrepl_bytes){key, strlen(key)};
    c.value = value;
    return c;
}

static int put(krbrepl_kdb5 *db, const krbrepl_change *c)
{
    return krbrepl_kdb5_ops(db)->apply(db, &c, 1, NULL);
}

static int same(krbrepl_kdb5 *db, const krbrepl_change *c)
{
    krbrepl_bytes got;

    return krbrepl_kdb5_ops(db)->get(db, c->table, c->key, &got) == 0 && got.len == c->value.len &&
           memcmp(got.data, c->value.data, got.len) == 0;
}

static krbrepl_bytes principal(const krbrepl_mit_principal *p)
{
    krbrepl_bytes v;
    void *out = NULL;

    assert_int_equal(krbrepl_mit_principal_encode(p, &out, &v.len, NULL), 0);
    v.data = out;
    return v;
}

static krbrepl_bytes policy(const krbrepl_mit_policy *p)
{
    krbrepl_bytes v;
    void *out = NULL;

    assert_int_equal(krbrepl_mit_policy_encode(p, &out, &v.len, NULL), 0);
    v.data = out;
    return v;
}

static void drop(krbrepl_bytes v)
{
    krbrepl_mit_free((void *)(uintptr_t)v.data, v.len);
}

/* A principal with one number in it. */
static krbrepl_bytes plain(int32_t max_life)
{
    krbrepl_mit_principal p;

    KRBREPL_INIT(&p);
    p.base_length = 38;
    p.max_life = max_life;
    return principal(&p);
}

static void put_plain(krbrepl_kdb5 *db, const char *key, int32_t max_life)
{
    krbrepl_bytes v = plain(max_life);
    krbrepl_change c = change("principal", key, v);

    if (put(db, &c) != 0)
        fail_msg("%s", kdb5case_noted);
    assert_true(same(db, &c));
    drop(v);
}

static int has_plain(krbrepl_kdb5 *db, const char *key, int32_t max_life)
{
    krbrepl_bytes v = plain(max_life);
    krbrepl_change c = change("principal", key, v);
    const int is = same(db, &c);

    drop(v);
    return is;
}

/* ---- what comes back --------------------------------------------------------------------------- */

/* Random records, without what the next group of tests is about. */
static void within_limits(any_principal *a)
{
    const uint64_t newest = 65535 - (a->keys[0].kvno & 255);
    size_t i;

    a->p.base_length = 38;
    a->p.extra.len = 0;
    for (i = 0; i < a->p.ntl; i++)
        if (a->tl[i].type == 12 || a->tl[i].type == 0x7fff)
            a->tl[i].type = 13;
    for (i = 0; i < a->p.nkeys; i++)
        a->keys[i].kvno = newest - i / 2;
}

static void principals_come_back_byte_for_byte(void **state)
{
    any_principal *a = calloc(1, sizeof *a);
    rnd r = {7};
    int i;

    assert_non_null(a);
    for (i = 0; i < 1500; i++) {
        krbrepl_bytes value;
        krbrepl_change c;
        char key[64];

        snprintf(key, sizeof key, "user%u/a\\/b\\n\xc3\xbc@" KDB5_REALM, rnd_below(&r, 400));
        any_principal_make(a, &r);
        within_limits(a);
        value = principal(&a->p);
        c = change("principal", key, value);
        if (put(*state, &c) != 0)
            fail_msg("%s", kdb5case_noted);
        assert_true(same(*state, &c));
        drop(value);
    }
    free(a);
}

static void policies_come_back_byte_for_byte(void **state)
{
    any_policy a;
    rnd r = {8};
    size_t t;
    int i;

    for (i = 0; i < 1500; i++) {
        krbrepl_bytes value;
        krbrepl_change c;
        char key[64];

        snprintf(key, sizeof key, "policy %u", rnd_below(&r, 100));
        any_policy_make(&a, &r);
        for (t = 0; t < a.p.ntl; t++)
            a.tl[t].type &= 0x7fff;
        if (kdb5case_lmdb())
            a.p.references = 0;
        value = policy(&a.p);
        c = change("policy", key, value);
        if (put(*state, &c) != 0)
            fail_msg("%s", kdb5case_noted);
        assert_true(same(*state, &c));
        drop(value);
    }
}

/* db2 loses entries when it is given a name that it has no room for: everything up to the limit is well. */
static void many_names_of_the_greatest_length_are_found(void **state)
{
    const size_t longest = kdb5case_lmdb() ? 511 : 2000;
    char key[2001];
    int i;

    for (i = 0; i < 200; i++) {
        memset(key, 'n', sizeof key);
        snprintf(key, 9, "%08d", (i * 7919) % 100000);
        key[8] = 'n';
        snprintf(key + longest - strlen("@" KDB5_REALM), 10, "@" KDB5_REALM);
        put_plain(*state, key, i);
        snprintf(key, sizeof key, "short%d@" KDB5_REALM, i);
        put_plain(*state, key, i);
    }
    for (i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "short%d@" KDB5_REALM, i);
        assert_true(has_plain(*state, key, i));
    }
}

/* ---- what is refused --------------------------------------------------------------------------- */

static void refused(krbrepl_kdb5 *db, const char *table, const char *key, krbrepl_bytes v,
                    const char *why)
{
    krbrepl_change c = change(table, key, v);
    krbrepl_bytes got;

    kdb5case_noted[0] = '\0';
    assert_int_not_equal(put(db, &c), 0);
    if (strstr(kdb5case_noted, why) == NULL)
        fail_msg("noted was: %s", kdb5case_noted);
    assert_int_equal(krbrepl_kdb5_ops(db)->get(db, table, c.key, &got), KRBREPL_ERR_NOTFOUND);
    assert_true(has_plain(db, "there@" KDB5_REALM, 77));
    drop(v);
}

static void principals_that_a_database_cannot_hold_are_refused_and_named(void **state)
{
    static const uint8_t bytes[8] = "bytes";
    krbrepl_mit_item item = {0x7fff, {bytes, 5}};
    krbrepl_mit_key keys[2] = {{1, 1, {{18, {bytes, 8}}, {0, {NULL, 0}}}},
                               {1, 2, {{18, {bytes, 8}}, {0, {NULL, 0}}}}};
    krbrepl_mit_principal p;
    char key[2002];

    put_plain(*state, "there@" KDB5_REALM, 77);
    KRBREPL_INIT(&p);
    p.base_length = 39;
    refused(*state, "principal", "a@" KDB5_REALM, principal(&p), "a@" KDB5_REALM ": its base length");
    p.base_length = 38;
    p.extra = item.data;
    refused(*state, "principal", "a@" KDB5_REALM, principal(&p), "another back end");
    p.extra.len = 0;
    p.keys = keys;
    p.nkeys = 2;
    refused(*state, "principal", "a@" KDB5_REALM, principal(&p), "order of their versions");
    p.nkeys = 0;
    p.tl = &item;
    p.ntl = 1;
    refused(*state, "principal", "a@" KDB5_REALM, principal(&p), "arguments");
    item.type = 12;
    refused(*state, "principal", "a@" KDB5_REALM, principal(&p), "alias");
    refused(*state, "principal", "without realm", plain(1), "as krb5 writes names");
    refused(*state, "principal", "a b\\x@" KDB5_REALM, plain(1), "as krb5 writes names");
    memset(key, 'n', 2001);
    snprintf(key + (kdb5case_lmdb() ? 512 : 2001) - strlen("@" KDB5_REALM), 10, "@" KDB5_REALM);
    refused(*state, "principal", key, plain(1), kdb5case_lmdb() ? "more than 511" : "longer than");
    refused(*state, "host", "a@" KDB5_REALM, plain(1), "no table host");
    p.tl = NULL;
    p.ntl = 0;
    refused(*state, "policy", "p", principal(&p), "reading a policy");
}

static void policies_that_a_database_cannot_hold_are_refused_and_named(void **state)
{
    krbrepl_mit_item item = {-5, {"x", 1}};
    krbrepl_mit_policy p;

    put_plain(*state, "there@" KDB5_REALM, 77);
    KRBREPL_INIT(&p);
    p.tl = &item;
    p.ntl = 1;
    refused(*state, "policy", "p", policy(&p), "negative type");
    p.ntl = 0;
    p.references = 1;
    if (kdb5case_lmdb())
        refused(*state, "policy", "p", policy(&p), "klmdb does not keep the number of references");
}

/* Else a record that was refused once would stop the replica for ever. */
static void what_is_refused_may_be_put_right_by_a_later_change(void **state)
{
    krbrepl_mit_principal p;
    krbrepl_bytes right = plain(5);
    krbrepl_change bad, good;
    const krbrepl_change *both[2] = {&bad, &good};

    KRBREPL_INIT(&p);
    p.base_length = 39;
    bad = change("principal", "a@" KDB5_REALM, principal(&p));
    good = change("principal", "a@" KDB5_REALM, right);
    assert_int_equal(krbrepl_kdb5_ops(*state)->apply(*state, both, 2, NULL), 0);
    assert_true(has_plain(*state, "a@" KDB5_REALM, 5));
    drop(bad.value);
    drop(right);
}

/* ---- what a KDC counts ------------------------------------------------------------------------- */

/* What is to be done with the counters of a KDC: written, compared, compared with nothing. */
enum counting { SET, THERE, NONE };

static void counters_here(const char *key, uint32_t at, enum counting how)
{
    char arg[300];
    char *args[] = {arg, NULL};
    krb5_context ctx;
    krb5_principal name;
    krb5_db_entry *e;

    snprintf(arg, sizeof arg, "dbname=%s/principal", dir);
    assert_int_equal(krb5_init_context_profile(NULL, KRB5_INIT_CONTEXT_KDC, &ctx), 0);
    assert_int_equal(krb5_db_open(ctx, args, KRB5_KDB_OPEN_RW), 0);
    assert_int_equal(krb5_parse_name(ctx, key, &name), 0);
    assert_int_equal(krb5_db_get_principal(ctx, name, 0, &e), 0);
    if (how == SET) {
        e->mask = KADM5_LAST_SUCCESS | KADM5_LAST_FAILED | KADM5_FAIL_AUTH_COUNT;
        e->last_success = (krb5_timestamp)at;
        e->last_failed = (krb5_timestamp)(at + 1);
        e->fail_auth_count = 3;
        assert_int_equal(krb5_db_put_principal(ctx, e), 0);
    } else {
        assert_int_equal((uint32_t)e->last_success, at);
        assert_int_equal((uint32_t)e->last_failed, how == THERE ? at + 1 : 0);
        assert_int_equal(e->fail_auth_count, how == THERE ? 3 : 0);
    }
    krb5_db_free_principal(ctx, e);
    krb5_free_principal(ctx, name);
    assert_int_equal(krb5_db_fini(ctx), 0);
    krb5_free_context(ctx);
}

/* As a KDC on the same database does, in a process of its own. */
static void counters(const char *key, uint32_t at, enum counting how)
{
    const pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        counters_here(key, at, how);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void the_counters_of_a_kdc_are_no_part_of_a_record(void **state)
{
    put_plain(*state, "a@" KDB5_REALM, 1);
    counters("a@" KDB5_REALM, 3000000000u, SET);
    assert_true(has_plain(*state, "a@" KDB5_REALM, 1));
}

static void the_counters_of_a_kdc_stay_when_a_record_is_written(void **state)
{
    put_plain(*state, "a@" KDB5_REALM, 1);
    counters("a@" KDB5_REALM, 3000000000u, SET);
    put_plain(*state, "a@" KDB5_REALM, 2);
    counters("a@" KDB5_REALM, 3000000000u, THERE);
}

/* ---- imports ----------------------------------------------------------------------------------- */

static int bring(krbrepl_kdb5 *db, const char *key, int32_t max_life)
{
    krbrepl_bytes v = plain(max_life);
    krbrepl_change c = change("principal", key, v);
    const int rc = krbrepl_kdb5_ops(db)->import_change(db, &c);

    drop(v);
    return rc;
}

static void the_counters_of_a_kdc_stay_in_a_full_copy(void **state)
{
    krbrepl_kdb5 *db = *state;

    put_plain(db, "a@" KDB5_REALM, 1);
    put_plain(db, "b@" KDB5_REALM, 1);
    assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
    assert_int_equal(bring(db, "a@" KDB5_REALM, 2), 0);
    assert_int_equal(bring(db, "c@" KDB5_REALM, 2), 0);
    /* Also what it counts while the copy is brought in. */
    counters("a@" KDB5_REALM, 1000, SET);
    assert_true(has_plain(db, "a@" KDB5_REALM, 1));
    assert_int_equal(krbrepl_kdb5_ops(db)->import_commit(db, NULL), 0);
    assert_true(has_plain(db, "a@" KDB5_REALM, 2));
    assert_true(has_plain(db, "c@" KDB5_REALM, 2));
    assert_false(has_plain(db, "b@" KDB5_REALM, 1));
    counters("a@" KDB5_REALM, 1000, THERE);
}

static void bring_policy(krbrepl_kdb5 *db, const char *key, uint32_t history)
{
    krbrepl_mit_policy p;
    krbrepl_change c;

    KRBREPL_INIT(&p);
    p.history = history;
    c = change("policy", key, policy(&p));
    if (krbrepl_kdb5_ops(db)->import_change(db, &c) != 0)
        fail_msg("%s", kdb5case_noted);
    drop(c.value);
}

static void bring_delete(krbrepl_kdb5 *db, const char *table, const char *key)
{
    krbrepl_change c = change(table, key, (krbrepl_bytes){NULL, 0});

    c.op = KRBREPL_DELETE;
    assert_int_equal(krbrepl_kdb5_ops(db)->import_change(db, &c), 0);
}

static int has_policy(krbrepl_kdb5 *db, const char *key, uint32_t history)
{
    krbrepl_mit_policy p;
    krbrepl_change c;
    int is;

    KRBREPL_INIT(&p);
    p.history = history;
    c = change("policy", key, policy(&p));
    is = same(db, &c);
    drop(c.value);
    return is;
}

/* The commits that were made while the records were on their way. */
static void changes_after_the_records_of_a_full_copy_count(void **state)
{
    krbrepl_kdb5 *db = *state;
    int more = 1;

    put_plain(db, "a@" KDB5_REALM, 1);
    put_plain(db, "old@" KDB5_REALM, 1);
    assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
    bring_policy(db, "p", 1);
    bring_policy(db, "q", 1);
    assert_int_equal(bring(db, "a@" KDB5_REALM, 2), 0);
    assert_int_equal(bring(db, "b@" KDB5_REALM, 2), 0);
    assert_int_equal(bring(db, "c@" KDB5_REALM, 2), 0);
    bring_policy(db, "p", 2);
    bring_delete(db, "policy", "q");
    assert_int_equal(bring(db, "a@" KDB5_REALM, 3), 0);
    bring_delete(db, "principal", "a@" KDB5_REALM);
    assert_int_equal(bring(db, "a@" KDB5_REALM, 4), 0);
    assert_int_equal(bring(db, "b@" KDB5_REALM, 5), 0);
    bring_delete(db, "principal", "c@" KDB5_REALM);
    bring_delete(db, "principal", "never@" KDB5_REALM);
    assert_true(has_plain(db, "a@" KDB5_REALM, 1));
    while (krbrepl_kdb5_ops(db)->import_step != NULL && more)
        assert_int_equal(krbrepl_kdb5_ops(db)->import_step(db, &more), 0);
    if (krbrepl_kdb5_ops(db)->import_commit(db, NULL) != 0)
        fail_msg("%s", kdb5case_noted);
    assert_true(has_plain(db, "a@" KDB5_REALM, 4));
    assert_true(has_plain(db, "b@" KDB5_REALM, 5));
    assert_false(has_plain(db, "c@" KDB5_REALM, 2));
    assert_false(has_plain(db, "old@" KDB5_REALM, 1));
    assert_true(has_policy(db, "p", 2));
    assert_false(has_policy(db, "q", 1));
}

/* And the ones that the next commit makes find the database as it was left. */
static void a_record_that_cannot_be_kept_ends_a_full_copy_with_its_name(void **state)
{
    krbrepl_kdb5 *db = *state;
    krbrepl_mit_principal p;
    krbrepl_change c;
    int rc;

    put_plain(db, "there@" KDB5_REALM, 77);
    KRBREPL_INIT(&p);
    p.base_length = 39;
    c = change("principal", "bad@" KDB5_REALM, principal(&p));
    assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
    assert_int_equal(bring(db, "a@" KDB5_REALM, 2), 0);
    rc = krbrepl_kdb5_ops(db)->import_change(db, &c);
    if (rc == 0)
        rc = krbrepl_kdb5_ops(db)->import_commit(db, NULL);
    assert_int_not_equal(rc, 0);
    assert_non_null(strstr(kdb5case_noted, "bad@" KDB5_REALM ": its base length"));
    krbrepl_kdb5_ops(db)->import_abort(db);
    drop(c.value);
    assert_true(has_plain(db, "there@" KDB5_REALM, 77));
    put_plain(db, "after@" KDB5_REALM, 1);
}

/* Who comes back under his name has not failed yet. */
static void the_counters_of_one_who_was_deleted_are_gone(void **state)
{
    krbrepl_kdb5 *db = *state;
    krbrepl_change c = change("principal", "a@" KDB5_REALM, (krbrepl_bytes){NULL, 0});
    const krbrepl_change *one = &c;

    c.op = KRBREPL_DELETE;
    put_plain(db, "a@" KDB5_REALM, 1);
    counters("a@" KDB5_REALM, 1000, SET);
    assert_int_equal(krbrepl_kdb5_ops(db)->apply(db, &one, 1, NULL), 0);
    put_plain(db, "a@" KDB5_REALM, 1);
    counters("a@" KDB5_REALM, 0, NONE);
    counters("a@" KDB5_REALM, 1000, SET);
    /* A full copy that has him not, and then he comes again. */
    assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
    assert_int_equal(bring(db, "b@" KDB5_REALM, 2), 0);
    assert_int_equal(krbrepl_kdb5_ops(db)->import_commit(db, NULL), 0);
    put_plain(db, "a@" KDB5_REALM, 1);
    counters("a@" KDB5_REALM, 0, NONE);
}

static void an_import_whose_process_died_is_in_nobodys_way(void **state)
{
    krbrepl_kdb5 *db = *state;
    int status;
    pid_t pid;

    put_plain(db, "a@" KDB5_REALM, 1);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        krbrepl_kdb5 *mine = kdb5case_open(dir, "principal");

        _exit(krbrepl_kdb5_ops(mine)->import_begin(mine) == 0 && bring(mine, "x@" KDB5_REALM, 5) == 0
                  ? 0
                  : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(has_plain(db, "a@" KDB5_REALM, 1));
    if (krbrepl_kdb5_ops(db)->import_begin(db) != 0)
        fail_msg("%s", kdb5case_noted);
    assert_int_equal(bring(db, "b@" KDB5_REALM, 2), 0);
    krbrepl_kdb5_ops(db)->import_abort(db);
    assert_true(has_plain(db, "a@" KDB5_REALM, 1));
    assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
    assert_int_equal(bring(db, "b@" KDB5_REALM, 3), 0);
    assert_int_equal(krbrepl_kdb5_ops(db)->import_commit(db, NULL), 0);
    assert_true(has_plain(db, "b@" KDB5_REALM, 3));
    assert_false(has_plain(db, "a@" KDB5_REALM, 1));
    assert_false(has_plain(db, "x@" KDB5_REALM, 5));
}

/* klmdb has one place for a load and a write, and what stands in the database by then is not known. */
static void a_full_copy_goes_no_further_when_a_write_has_ended_its_load(void **state)
{
    krbrepl_kdb5 *db = *state;
    const krbrepl_host_ops *ops = krbrepl_kdb5_ops(db);
    int more = 0;

    if (ops->import_step == NULL)
        return;
    assert_int_equal(ops->import_begin(db), 0);
    assert_int_equal(bring(db, "a@" KDB5_REALM, 1), 0);
    assert_int_equal(ops->import_step(db, &more), 0);
    assert_int_equal(more, 1);
    put_plain(db, "b@" KDB5_REALM, 2);
    assert_int_not_equal(ops->import_step(db, &more), 0);
    assert_non_null(strstr(kdb5case_noted, "was given up"));
    assert_int_not_equal(bring(db, "a@" KDB5_REALM, 1), 0);
    assert_int_not_equal(ops->import_commit(db, NULL), 0);
    ops->import_abort(db);
    assert_true(has_plain(db, "b@" KDB5_REALM, 2));
    assert_false(has_plain(db, "a@" KDB5_REALM, 1));
}

/* More of them than LMDB has places for readers. */
static void programs_that_are_killed_keep_nobody_out(void **state)
{
    int i, status;
    pid_t pid;

    put_plain(*state, "a@" KDB5_REALM, 1);
    for (i = 0; i < 140; i++) {
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            krbrepl_kdb5 *mine = kdb5case_open(dir, "principal");

            _exit(has_plain(mine, "a@" KDB5_REALM, 1) ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
    assert_true(has_plain(*state, "a@" KDB5_REALM, 1));
    put_plain(*state, "a@" KDB5_REALM, 2);
}

static int open_files(void)
{
    int fd, n = 0;

    for (fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static void imports_that_are_given_up_leave_nothing_behind(void **state)
{
    krbrepl_kdb5 *db = *state;
    char path[300];
    int i, before;

    put_plain(db, "a@" KDB5_REALM, 1);
    before = open_files();
    for (i = 0; i < 20; i++) {
        assert_int_equal(krbrepl_kdb5_ops(db)->import_begin(db), 0);
        assert_int_equal(bring(db, "b@" KDB5_REALM, i), 0);
        if (i % 2 == 0)
            krbrepl_kdb5_ops(db)->import_abort(db);
        else
            assert_int_equal(krbrepl_kdb5_ops(db)->import_commit(db, NULL), 0);
    }
    assert_int_equal(open_files(), before);
    snprintf(path, sizeof path, "%s/principal~", dir);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(has_plain(db, "b@" KDB5_REALM, 19));
}

/* ---- opening ----------------------------------------------------------------------------------- */

static void a_database_that_cannot_be_opened_is_told_in_the_words_of_libkrb5(void **state)
{
    static const char *const args[] = {"nonsense=1", NULL};
    krbrepl_kdb5_options o;
    krbrepl_kdb5 *db = NULL;
    krbrepl_errinfo ei;

    (void)state;
    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.db_args = args;
    assert_int_equal(krbrepl_kdb5_open(&db, &o, &ei), KRBREPL_ERR_HOST);
    assert_null(db);
    assert_int_not_equal(ei.host_code, 0);
    assert_non_null(strstr(ei.text, "nonsense"));
    assert_int_equal(krbrepl_kdb5_open(NULL, NULL, &ei), KRBREPL_ERR_INVALID);
}

/* Of a program that was built with a header of fewer members, and of one with more. */
static void options_of_any_length_are_taken(void **state)
{
    char room[sizeof(krbrepl_kdb5_options) + 16] = {0};
    krbrepl_kdb5_options *o = (krbrepl_kdb5_options *)(void *)room;
    krbrepl_kdb5 *db = NULL;

    (void)state;
    o->size = sizeof o->size;
    o->realm = "behind the end";
    assert_int_equal(krbrepl_kdb5_open(&db, o, NULL), 0);
    krbrepl_kdb5_close(db);
    o->size = sizeof room;
    o->realm = KDB5_REALM;
    assert_int_equal(krbrepl_kdb5_open(&db, o, NULL), 0);
    krbrepl_kdb5_close(db);
    room[sizeof room - 1] = 1;
    assert_int_equal(krbrepl_kdb5_open(&db, o, NULL), KRBREPL_ERR_ABI);
    assert_int_equal(krbrepl_kdb5_open(&db, NULL, NULL), 0);
    krbrepl_kdb5_close(db);
}

/* The realm is said to have its database in this module. */
static void refused_module(const char *module, const char *why)
{
    char path[300];
    krbrepl_kdb5 *db = NULL;
    krbrepl_errinfo ei;
    FILE *f;

    snprintf(path, sizeof path, "%s/krb5.conf", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
            "[libdefaults]\n default_realm = %s\n[dbmodules]\n %s = {\n  db_library = %s\n"
            "  database_name = %s/principal\n }\n",
            KDB5_REALM, KDB5_REALM, module, dir);
    assert_int_equal(fclose(f), 0);
    KRBREPL_INIT(&ei);
    assert_int_equal(krbrepl_kdb5_open(&db, NULL, &ei), KRBREPL_ERR_INVALID);
    assert_non_null(strstr(ei.text, why));
}

static void a_krbrepl_store_is_not_taken_for_a_database_of_mits_own(void **state)
{
    (void)state;
    refused_module("krbrepl", "by its directory");
}

static void a_module_that_nobody_has_tried_is_refused(void **state)
{
    (void)state;
    refused_module("other", "it is not known");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(principals_come_back_byte_for_byte),
        T(policies_come_back_byte_for_byte),
        T(many_names_of_the_greatest_length_are_found),
        T(principals_that_a_database_cannot_hold_are_refused_and_named),
        T(policies_that_a_database_cannot_hold_are_refused_and_named),
        T(what_is_refused_may_be_put_right_by_a_later_change),
        T(the_counters_of_a_kdc_are_no_part_of_a_record),
        T(the_counters_of_a_kdc_stay_when_a_record_is_written),
        T(the_counters_of_a_kdc_stay_in_a_full_copy),
        T(the_counters_of_one_who_was_deleted_are_gone),
        T(changes_after_the_records_of_a_full_copy_count),
        T(a_record_that_cannot_be_kept_ends_a_full_copy_with_its_name),
        T(an_import_whose_process_died_is_in_nobodys_way),
        T(a_full_copy_goes_no_further_when_a_write_has_ended_its_load),
        T(programs_that_are_killed_keep_nobody_out),
        T(imports_that_are_given_up_leave_nothing_behind),
        T(a_database_that_cannot_be_opened_is_told_in_the_words_of_libkrb5),
        T(options_of_any_length_are_taken),
        T(a_krbrepl_store_is_not_taken_for_a_database_of_mits_own),
        T(a_module_that_nobody_has_tried_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
