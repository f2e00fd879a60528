/* Every allocation of the library, and every call of LMDB that can fail, fails in turn: the answer is NOMEM,
 * and the store is as it was; or the call succeeded all the same, and the store is as it should be.
 *
 * The linker puts the __wrap_ functions here and in failing.c in the place of those that the library calls. */
#include "mending.h"

#include <errno.h>
#include <stdlib.h>

#include "failing.h"

/* ---- failing -------------------------------------------------------------------------------- */

int __real_mdb_env_create(MDB_env **env);
int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __real_mdb_txn_commit(MDB_txn *txn);
int __real_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __real_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags);
int __real_mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __real_mdb_drop(MDB_txn *txn, MDB_dbi dbi, int del);
int __real_mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *st);
int __real_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cur);
int __real_mdb_cursor_get(MDB_cursor *cur, MDB_val *k, MDB_val *v, MDB_cursor_op op);

int __wrap_mdb_env_create(MDB_env **env);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags);
int __wrap_mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v);
int __wrap_mdb_drop(MDB_txn *txn, MDB_dbi dbi, int del);
int __wrap_mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *st);
int __wrap_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cur);
int __wrap_mdb_cursor_get(MDB_cursor *cur, MDB_val *k, MDB_val *v, MDB_cursor_op op);

int __wrap_mdb_env_create(MDB_env **env)
{
    return failing_now() ? ENOMEM : __real_mdb_env_create(env);
}

int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    return failing_now() ? ENOMEM : __real_mdb_env_open(env, path, flags, mode);
}

int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn)
{
    return failing_now() ? ENOMEM : __real_mdb_txn_begin(env, parent, flags, txn);
}

/* A commit that fails has freed its transaction. */
int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    if (!failing_now())
        return __real_mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return ENOMEM;
}

int __wrap_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v)
{
    return failing_now() ? ENOMEM : __real_mdb_get(txn, dbi, k, v);
}

int __wrap_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v, unsigned flags)
{
    return failing_now() ? ENOMEM : __real_mdb_put(txn, dbi, k, v, flags);
}

int __wrap_mdb_del(MDB_txn *txn, MDB_dbi dbi, MDB_val *k, MDB_val *v)
{
    return failing_now() ? ENOMEM : __real_mdb_del(txn, dbi, k, v);
}

int __wrap_mdb_drop(MDB_txn *txn, MDB_dbi dbi, int del)
{
    return failing_now() ? ENOMEM : __real_mdb_drop(txn, dbi, del);
}

int __wrap_mdb_stat(MDB_txn *txn, MDB_dbi dbi, MDB_stat *st)
{
    return failing_now() ? ENOMEM : __real_mdb_stat(txn, dbi, st);
}

int __wrap_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cur)
{
    return failing_now() ? ENOMEM : __real_mdb_cursor_open(txn, dbi, cur);
}

int __wrap_mdb_cursor_get(MDB_cursor *cur, MDB_val *k, MDB_val *v, MDB_cursor_op op)
{
    return failing_now() ? ENOMEM : __real_mdb_cursor_get(cur, k, v, op);
}

/* ---- the loop ------------------------------------------------------------------------------- */

typedef struct bench {
    krbrepl_store *m, *r; /* a master, and a replica of it */
    char dir[320];        /* the master's */
    krbrepl_errinfo ei;   /* of calls without a handle */
    unsigned long n;      /* how many tries there were */
    const krbrepl_bytes *commit;
    const krbrepl__ancestry *ancestry;
    struct krbrepl__state master; /* before the call */
} bench;

typedef int op_fn(bench *b);

static int setup(void **state)
{
    static tmpdir t;

    tmpdir_make(&t);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    failing_stop();
    tmpdir_remove(*state);
    return 0;
}

static void bench_make(bench *b, const tmpdir *t)
{
    uint64_t seed = 4711;
    unsigned i;

    memset(b, 0, sizeof *b);
    tmpdir_path(t, "m", b->dir);
    b->m = store_make(t, "m", KRBREPL_CREATE_MASTER);
    b->r = store_make(t, "r", 0);
    OKS(b->r, krbrepl__store_adopt(b->r, bulk_id));
    for (i = 0; i < 20; i++)
        random_commit(b->m, &seed, 50);
    put_one(b->m, "kept", "1", "");
}

/* Runs `op` once, with the n-th thing failing. 1: something failed, and there may be more to fail. */
static int once(bench *b, krbrepl_store *s, op_fn *op, int moves, int forever, unsigned long n)
{
    const content before = store_content(s);
    content after;
    int rc, failed;

    b->n++;
    b->master = store_state(b->m);
    krbrepl__errinfo_clear(&s->ei);
    failing_arm(n, forever);
    rc = op(b);
    failed = failing_stop();
    after = store_content(s);
    if (rc != 0) {
        if (rc != KRBREPL_ERR_NOMEM || s->ei.code != rc)
            fail_msg("failure %lu: %s: %s", n, krbrepl_err_name(rc), s->ei.text);
        assert_true(failed);
        assert_content(s, &before);
    } else {
        assert_int_equal(after.pos.seq - before.pos.seq, moves);
    }
    return failed;
}

static void all_fail(bench *b, krbrepl_store *s, op_fn *op, int moves)
{
    unsigned long n;
    int forever;

    for (forever = 0; forever < 2; forever++)
        for (n = 0; once(b, s, op, moves, forever, n); n++)
            assert_true(n < 20000);
}

/* ---- what is tried -------------------------------------------------------------------------- */

static krbrepl_bytes text(const char *p)
{
    return (krbrepl_bytes){p, strlen(p)};
}

static int one_commit(bench *b)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    krbrepl_bytes v;
    char value[32];
    int rc;

    KRBREPL_INIT(&opt);
    opt.why = "a test";
    snprintf(value, sizeof value, "value %lu", b->n);
    rc = krbrepl__txn_begin(b->m, &t, &opt);
    if (rc == 0)
        rc = krbrepl__txn_put(t, "principal", text("fresh"), text(value));
    if (rc == 0)
        rc = krbrepl__txn_delete(t, "principal", text("fresh"));
    if (rc == 0)
        rc = krbrepl__txn_put(t, "principal", text("kept"), text(value));
    if (rc == 0)
        rc = krbrepl__txn_get(t, "principal", text("kept"), &v);
    if (rc == 0)
        return krbrepl__txn_commit(t, NULL);
    krbrepl__txn_abort(t);
    return rc;
}

static int take(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    (void)ctx, (void)table, (void)key, (void)value;
    return 0;
}

static int one_view(bench *b)
{
    krbrepl_view *v = NULL;
    krbrepl_bytes got;
    uint8_t root[32];
    int rc = krbrepl__view_open(b->m, &v);

    if (rc == 0)
        rc = krbrepl__view_get(v, "principal", text("kept"), &got);
    if (rc == 0)
        rc = krbrepl__view_each(v, NULL, NULL, NULL, 0, take, NULL);
    if (rc == 0)
        rc = krbrepl__view_digest(v, root, NULL);
    krbrepl__view_close(v);
    return rc;
}

static int see(void *ctx, const krbrepl_commit *c)
{
    (void)ctx, (void)c;
    return 0;
}

static int one_journal(bench *b)
{
    return krbrepl__journal_each(b->m, 0, 0, see, NULL);
}

static int load(bench *b, int as_reset)
{
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    char key[32], value[32];
    unsigned i;
    int rc;

    KRBREPL_INIT(&opt);
    snprintf(value, sizeof value, "load %lu", b->n);
    rc = krbrepl__load_begin(b->m, &l, &opt);
    for (i = 0; rc == 0 && i < 20; i++) {
        snprintf(key, sizeof key, "new%u.%lu", i, b->n);
        rc = krbrepl__load_put(l, "principal", text(key), text(value));
    }
    if (rc == 0)
        rc = krbrepl__load_put(l, "principal", text("kept"), text(value));
    if (rc != 0) {
        krbrepl__load_abort(l);
        return rc;
    }
    if (as_reset)
        krbrepl__load_as_reset(l);
    return krbrepl__load_commit(l, NULL);
}

static int one_load(bench *b)
{
    return load(b, 0);
}

static int one_reset(bench *b)
{
    return load(b, 1);
}

static int one_apply(bench *b)
{
    return krbrepl__store_apply(b->r, b->commit, 2, NULL);
}

static int one_copy(bench *b)
{
    krbrepl__copy *c = NULL;
    int rc = krbrepl__copy_begin(b->r, &c, &b->master.pos, b->ancestry, b->master.cumulative, 0, 0);

    if (rc == 0)
        rc = krbrepl__copy_put(c, (krbrepl_bytes){"principal\0a", 11}, text("1"));
    if (rc == 0)
        rc = krbrepl__copy_put(c, (krbrepl_bytes){"principal\0b", 11}, text("2"));
    if (rc == 0)
        rc = krbrepl__copy_apply(c, NULL, 0);
    if (rc == 0)
        return krbrepl__copy_switch(c, NULL);
    krbrepl__copy_abort(c);
    return rc;
}

static int nothing(void *ctx, const uint8_t rdigest[16])
{
    (void)ctx, (void)rdigest;
    return 0;
}

static int see_key(void *ctx, krbrepl_bytes full_key, int put)
{
    (void)ctx, (void)full_key, (void)put;
    return 0;
}

/* All own records go, and two come. */
static int repair(bench *b, int keep_old)
{
    const krbrepl__wanted wanted = {NULL, nothing};
    mending x = {.at = b->master.pos};
    int rc = krbrepl__repair_begin(b->r, &x.repair, &b->master.pos, b->ancestry, b->master.cumulative,
                                   keep_old);

    if (rc == 0)
        do
            rc = krbrepl__repair_range(x.repair, text("principal"), text("principbl"), &wanted);
        while (rc == 1);
    if (rc == 0)
        rc = krbrepl__repair_put(x.repair, (krbrepl_bytes){"principal\0a", 11}, text("1"));
    if (rc == 0)
        rc = krbrepl__repair_put(x.repair, (krbrepl_bytes){"principal\0b", 11}, text("2"));
    if (rc == 0)
        do
            rc = krbrepl__repair_each(x.repair, see_key, NULL);
        while (rc == 1);
    if (rc == 0)
        return mend_finish(&x);
    krbrepl__repair_abort(x.repair);
    return rc;
}

static int one_repair(bench *b)
{
    return repair(b, 0);
}

static int one_merge(bench *b)
{
    return repair(b, 1);
}

static int one_promotion(bench *b)
{
    return krbrepl__promote(b->m, "a test", NULL);
}

/* In a process that has the environment open already. */
static int one_handle(bench *b)
{
    krbrepl_store_options opt;
    krbrepl_store *s = NULL, *d = NULL;
    int rc;

    KRBREPL_INIT(&opt);
    rc = krbrepl__store_open(&s, b->dir, &opt, KRBREPL__EI(b->m));
    if (rc == 0)
        rc = krbrepl__store_dup(s, &d, KRBREPL__EI(b->m));
    krbrepl__store_close(d);
    krbrepl__store_close(s);
    return rc;
}

static int one_local_entry(bench *b)
{
    char got[16];
    size_t len = sizeof got;
    int rc;

    krbrepl__local_close(b->m);
    rc = krbrepl__local_put(b->m, "principal", text("kept"), text("3"));
    if (rc == 0)
        rc = krbrepl__local_get(b->m, "principal", text("kept"), got, &len);
    return rc;
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void try_on_master(void **state, op_fn *op, int moves)
{
    bench b;

    bench_make(&b, *state);
    all_fail(&b, b.m, op, moves);
    krbrepl__store_close(b.m);
    krbrepl__store_close(b.r);
}

static void commit_without_memory_changes_nothing(void **state)
{
    try_on_master(state, one_commit, 1);
}

static void view_without_memory_says_so(void **state)
{
    try_on_master(state, one_view, 0);
}

static void journal_without_memory_says_so(void **state)
{
    try_on_master(state, one_journal, 0);
}

static void load_without_memory_changes_nothing(void **state)
{
    try_on_master(state, one_load, 1);
}

static void reset_without_memory_changes_nothing(void **state)
{
    try_on_master(state, one_reset, 1);
}

/* A caller who goes on after a failure must not end up with a content that lacks records. */
static void load_that_lost_a_record_cannot_be_committed(void **state)
{
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    content before;
    char key[32];
    unsigned i, lost;
    unsigned long n;
    bench b;

    KRBREPL_INIT(&opt);
    bench_make(&b, *state);
    before = store_content(b.m);
    for (n = 0, lost = 1; lost != 0; n++) {
        OKS(b.m, krbrepl__load_begin(b.m, &l, &opt));
        failing_arm(n, 0);
        for (i = 0, lost = 0; i < 5; i++) {
            snprintf(key, sizeof key, "key%u", i);
            lost += krbrepl__load_put(l, "principal", text(key), text("1")) != 0;
        }
        failing_stop();
        if (lost != 0) {
            assert_int_equal(krbrepl__load_commit(l, NULL), KRBREPL_ERR_STATE);
            assert_content(b.m, &before);
        } else {
            krbrepl__load_abort(l);
        }
    }
    assert_true(n > 1);
    krbrepl__store_close(b.m);
    krbrepl__store_close(b.r);
}

static void promotion_without_memory_changes_nothing(void **state)
{
    try_on_master(state, one_promotion, 1);
}

static void handle_without_memory_is_not_had(void **state)
{
    try_on_master(state, one_handle, 0);
}

static void local_entry_without_memory_touches_no_record(void **state)
{
    try_on_master(state, one_local_entry, 0);
}

/* The next two commits for each try. */
static void group_without_memory_is_not_applied_in_part(void **state)
{
    krbrepl_bytes commit[2];
    krbrepl__batch info;
    krbrepl__buf buf;
    krbrepl__rd rd;
    unsigned long n;
    int forever, more;
    bench b;

    bench_make(&b, *state);
    b.commit = commit;
    krbrepl__buf_init(&buf, 0);
    for (forever = 0; forever < 2; forever++)
        for (n = 0, more = 1; more; n++) {
            put_one(b.m, "one", n % 2 != 0 ? "x" : "y", "");
            put_one(b.m, "two", n % 2 != 0 ? "x" : "y", "");
            krbrepl__buf_reset(&buf);
            OKS(b.m, krbrepl__store_read_commits(b.m, store_pos(b.r).seq + 1, 1u << 20, &buf, &info));
            krbrepl__rd_init(&rd, buf.data, buf.len);
            commit[0] = krbrepl__rd_vec32(&rd);
            commit[1] = krbrepl__rd_vec32(&rd);
            more = once(&b, b.r, one_apply, 2, forever, n);
        }
    krbrepl__buf_free(&buf);
    krbrepl__store_close(b.m);
    krbrepl__store_close(b.r);
}

static void replace_without_memory(void **state, op_fn *op)
{
    krbrepl__ancestry a = {0};
    unsigned long n;
    int forever, more, moves;
    bench b;

    bench_make(&b, *state);
    OKS(b.m, krbrepl__store_ancestry(b.m, &a));
    b.ancestry = &a;
    for (forever = 0; forever < 2; forever++)
        for (n = 0, more = 1; more; n++) {
            put_one(b.m, "one", "x", "");
            moves = (int)(store_pos(b.m).seq - store_pos(b.r).seq);
            more = once(&b, b.r, op, moves, forever, n);
            if (store_pos(b.r).seq == store_pos(b.m).seq)
                assert_int_equal(store_content(b.r).records, 2);
        }
    krbrepl__ancestry_free(&a);
    krbrepl__store_close(b.m);
    krbrepl__store_close(b.r);
}

static void copy_without_memory_changes_nothing(void **state)
{
    replace_without_memory(state, one_copy);
}

static void repair_without_memory_changes_nothing(void **state)
{
    replace_without_memory(state, one_repair);
}

static void merge_without_memory_changes_nothing(void **state)
{
    replace_without_memory(state, one_merge);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(commit_without_memory_changes_nothing),
        T(view_without_memory_says_so),
        T(journal_without_memory_says_so),
        T(load_without_memory_changes_nothing),
        T(reset_without_memory_changes_nothing),
        T(load_that_lost_a_record_cannot_be_committed),
        T(promotion_without_memory_changes_nothing),
        T(handle_without_memory_is_not_had),
        T(local_entry_without_memory_touches_no_record),
        T(group_without_memory_is_not_applied_in_part),
        T(copy_without_memory_changes_nothing),
        T(repair_without_memory_changes_nothing),
        T(merge_without_memory_changes_nothing),
    };

    return cmocka_run_group_tests_name("store/nomem", tests, NULL, NULL);
}
