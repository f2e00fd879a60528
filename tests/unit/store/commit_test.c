#include "st.h"

/* ---- atomic units --------------------------------------------------------------------------- */

static int see_first(void *ctx, const krbrepl_commit *c)
{
    krbrepl_commit *out = ctx;

    *out = *c;
    return 77;
}

static void new_master_begins_with_a_lineage_commit(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info i = st_info(s);
    krbrepl_commit c;

    assert_int_equal(i.role, KRBREPL_ROLE_MASTER);
    assert_int_equal(i.pos.seq, 1);
    assert_int_equal(i.pos.epoch, 1);
    assert_int_equal(i.known_epoch, 1);
    assert_int_equal(i.journal_first, 1);
    assert_int_equal(i.journal_last, 1);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, see_first, &c), 77);
    assert_int_equal(c.kind, KRBREPL_COMMIT_LINEAGE);
    assert_int_equal(c.cause, KRBREPL_CAUSE_CREATE);
    assert_memory_equal(&c.pos, &i.pos, sizeof i.pos);
    krbrepl_store_close(s);
}

static int check_commit(void *ctx, const krbrepl_commit *c)
{
    (void)ctx;
    assert_int_equal(c->kind, KRBREPL_COMMIT_CHANGES);
    assert_string_equal(c->who, "alice/admin@EXAMPLE");
    assert_string_equal(c->why, "rename");
    assert_int_equal(c->nchanges, 2);
    assert_int_equal(c->cumulative, 3);
    assert_int_equal(c->changes[0]->op, KRBREPL_DELETE);
    assert_string_equal(c->changes[0]->table, "principal");
    assert_memory_equal(c->changes[0]->key.data, "old", 3);
    assert_int_equal(c->changes[1]->op, KRBREPL_PUT);
    assert_int_equal(c->changes[1]->key.len, 3);
    assert_memory_equal(c->changes[1]->value.data, "value", 5);
    return 0;
}

static void commit_writes_record_journal_and_position_together(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_txn_options opt;
    krbrepl_txn *t;
    krbrepl_pos pos, view_pos;
    krbrepl_store_info i;
    krbrepl_view *v;

    st_put(s, "old", "value");
    KRBREPL_INIT(&opt);
    opt.who = "alice/admin@EXAMPLE";
    opt.why = "rename";
    assert_int_equal(krbrepl_txn_begin(s, &t, &opt), 0);
    assert_int_equal(krbrepl_txn_delete(t, "principal", BYTES("old")), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("new"), BYTES("value")), 0);
    assert_int_equal(krbrepl_txn_commit(t, &pos), 0);
    assert_int_equal(pos.seq, 3);
    st_expect(s, "old", NULL);
    st_expect(s, "new", "value");
    i = st_info(s);
    assert_memory_equal(&i.pos, &pos, sizeof pos);
    assert_int_equal(i.records, 1);
    assert_int_equal(i.cumulative, 3);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_pos(v, &view_pos), 0);
    assert_memory_equal(&view_pos, &pos, sizeof pos);
    krbrepl_view_close(v);
    assert_int_equal(krbrepl_journal_each(s, 3, 0, check_commit, NULL), 0);
    krbrepl_store_close(s);
    s = st_open(((st *)*state)->dir);
    i = st_info(s);
    assert_memory_equal(&i.pos, &pos, sizeof pos);
    st_expect(s, "new", "value");
    krbrepl_store_close(s);
}

static void aborted_transaction_changes_nothing(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info before = st_info(s), after;
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("a"), BYTES("1")), 0);
    krbrepl_txn_abort(t);
    after = st_info(s);
    assert_memory_equal(&before, &after, sizeof before);
    st_expect(s, "a", NULL);
    krbrepl_txn_abort(NULL);
    krbrepl_store_close(s);
}

static void commit_without_changes_writes_nothing(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info before = st_info(s), after;
    krbrepl_txn *t;
    krbrepl_pos pos;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_commit(t, &pos), 0);
    after = st_info(s);
    assert_memory_equal(&before, &after, sizeof before);
    assert_memory_equal(&pos, &after.pos, sizeof pos);
    krbrepl_store_close(s);
}

static void transaction_sees_its_own_changes_and_readers_do_not(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_txn *t;
    krbrepl_bytes v;

    st_put(s, "a", "1");
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("a"), BYTES("2")), 0);
    assert_int_equal(krbrepl_txn_get(t, "principal", BYTES("a"), &v), 0);
    assert_memory_equal(v.data, "2", 1);
    st_expect(s, "a", "1");
    assert_int_equal(krbrepl_txn_delete(t, "principal", BYTES("a")), 0);
    assert_int_equal(krbrepl_txn_get(t, "principal", BYTES("a"), &v), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    st_expect(s, "a", NULL);
    krbrepl_store_close(s);
}

static void deleting_what_is_not_there_lets_the_transaction_go_on(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_delete(t, "principal", BYTES("none")), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("a"), BYTES("1")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(st_info(s).cumulative, 1);
    st_expect(s, "a", "1");
    krbrepl_store_close(s);
}

static void failed_change_leaves_only_the_abort(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("a"), BYTES("1")), 0);
    assert_int_equal(krbrepl_txn_put(t, "Bad Table", BYTES("a"), BYTES("1")), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("b"), BYTES("1")), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_txn_commit(t, NULL), KRBREPL_ERR_STATE);
    st_expect(s, "a", NULL);
    assert_int_equal(st_info(s).pos.seq, 1);
    st_put(s, "a", "1");
    krbrepl_store_close(s);
}

/* ---- who may write -------------------------------------------------------------------------- */

static void only_a_master_takes_commits(void **state)
{
    krbrepl_store *s = st_master(*state), *r = st_replica(*state, "r", s);

    assert_int_equal(st_try(r, "a", "1"), KRBREPL_ERR_NOT_MASTER);
    assert_non_null(strstr(st_text(r), "replica"));
    assert_int_equal(krbrepl__store_learn_epoch(s, 2), 0);
    assert_int_equal(st_info(s).role, KRBREPL_ROLE_FENCED);
    assert_int_equal(st_try(s, "a", "1"), KRBREPL_ERR_FENCED);
    krbrepl_store_close(s);
    krbrepl_store_close(r);
}

static void role_is_checked_when_the_lock_is_held_not_before(void **state)
{
    krbrepl_store *a = st_master(*state), *b = st_open(((st *)*state)->dir);

    assert_int_equal(krbrepl_demote(a, NULL, NULL), 0);
    assert_int_equal(st_try(b, "a", "1"), KRBREPL_ERR_NOT_MASTER);
    assert_int_equal(krbrepl_promote(b, NULL, NULL), 0);
    st_put(a, "a", "1");
    krbrepl_store_close(a);
    krbrepl_store_close(b);
}

static void second_transaction_of_a_thread_is_refused(void **state)
{
    krbrepl_store *a = st_master(*state), *b = st_open(((st *)*state)->dir);
    krbrepl_txn *t, *u = NULL;

    assert_int_equal(krbrepl_txn_begin(a, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_begin(a, &u, NULL), KRBREPL_ERR_STATE);
    assert_null(u);
    assert_int_equal(krbrepl_txn_begin(b, &u, NULL), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_promote(b, NULL, NULL), KRBREPL_ERR_STATE);
    krbrepl_txn_abort(t);
    st_put(b, "a", "1");
    krbrepl_store_close(a);
    krbrepl_store_close(b);
}

static void read_only_handle_takes_no_commits(void **state)
{
    st *t = *state;
    krbrepl_store *s = st_master(t), *r = NULL;
    krbrepl_store_options opt;

    st_put(s, "a", "1");
    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_STORE_READONLY;
    assert_int_equal(krbrepl_store_open(&r, t->dir, &opt, NULL), 0);
    assert_int_equal(st_try(r, "a", "2"), KRBREPL_ERR_STATE);
    st_expect(r, "a", "1");
    krbrepl_store_close(r);
    krbrepl_store_close(s);
}

/* ---- limits --------------------------------------------------------------------------------- */

static int count_long(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    size_t *n = ctx;

    assert_string_equal(table, "principal");
    assert_int_equal(value.len, sizeof(size_t));
    assert_memory_equal(value.data, &key.len, sizeof(size_t));
    ++*n;
    return 0;
}

static void keys_of_any_length_are_kept_whole(void **state)
{
    static const size_t len[] = {1, 400, 437, 468, 469, 470, 471, 480, 511, 512, 4096, 65535};
    krbrepl_store *s = st_master(*state);
    char *big = malloc(65536);
    krbrepl_view *v;
    krbrepl_txn *t;
    krbrepl_bytes key = {big, 0}, got;
    size_t i, n = 0;

    assert_non_null(big);
    memset(big, 'k', 65536);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    for (i = 0; i < sizeof len / sizeof len[0]; i++) {
        key.len = len[i];
        assert_int_equal(krbrepl_txn_put(t, "principal", key, (krbrepl_bytes){&len[i], sizeof len[i]}),
                         0);
    }
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    for (i = 0; i < sizeof len / sizeof len[0]; i++) {
        key.len = len[i];
        assert_int_equal(krbrepl_view_get(v, "principal", key, &got), 0);
        assert_memory_equal(got.data, &len[i], sizeof len[i]);
    }
    assert_int_equal(krbrepl_view_each(v, "principal", NULL, NULL, 0, count_long, &n), 0);
    assert_int_equal(n, sizeof len / sizeof len[0]);
    krbrepl_view_close(v);
    key.len = 65536;
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", key, BYTES("x")), KRBREPL_ERR_TOOBIG);
    krbrepl_txn_abort(t);
    free(big);
    krbrepl_store_close(s);
}

static void value_of_16_MiB_is_kept_and_a_larger_one_refused(void **state)
{
    krbrepl_store *s = st_master(*state);
    char *big = malloc(KRBREPL_MAX_VALUE + 1);
    krbrepl_bytes value = {big, KRBREPL_MAX_VALUE}, got;
    krbrepl_view *v;
    krbrepl_txn *t;

    assert_non_null(big);
    memset(big, 'v', KRBREPL_MAX_VALUE + 1);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("big"), value), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("big"), &got), 0);
    assert_int_equal(got.len, value.len);
    assert_memory_equal(got.data, big, got.len);
    krbrepl_view_close(v);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    value.len++;
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("big"), value), KRBREPL_ERR_TOOBIG);
    krbrepl_txn_abort(t);
    free(big);
    krbrepl_store_close(s);
}

static void commit_over_64_MiB_is_refused_and_changes_nothing(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info before = st_info(s), after;
    char *big = malloc(KRBREPL_MAX_VALUE), key[2] = "a";
    krbrepl_bytes value = {big, KRBREPL_MAX_VALUE};
    krbrepl_txn *t;
    int rc = 0;

    assert_non_null(big);
    memset(big, 'v', KRBREPL_MAX_VALUE);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    for (; rc == 0 && key[0] < 'e'; key[0]++)
        rc = krbrepl_txn_put(t, "principal", st_bytes(key), value);
    assert_int_equal(rc, KRBREPL_ERR_TOOBIG);
    assert_int_equal(krbrepl_txn_commit(t, NULL), KRBREPL_ERR_STATE);
    after = st_info(s);
    assert_memory_equal(&before, &after, sizeof before);
    free(big);
    krbrepl_store_close(s);
}

static void commit_takes_65536_changes_and_no_more(void **state)
{
    krbrepl_store *s = st_master(*state);
    char key[16];
    krbrepl_txn *t;
    unsigned i;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    for (i = 0; i < KRBREPL_MAX_CHANGES; i++) {
        snprintf(key, sizeof key, "%x", i * 2654435761u);
        assert_int_equal(krbrepl_txn_put(t, "principal", st_bytes(key), BYTES("x")), 0);
    }
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(st_info(s).records, KRBREPL_MAX_CHANGES);
    assert_int_equal(st_info(s).cumulative, KRBREPL_MAX_CHANGES);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    for (i = 0; i < KRBREPL_MAX_CHANGES; i++)
        assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("k"), BYTES("x")), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("k"), BYTES("x")), KRBREPL_ERR_TOOBIG);
    krbrepl_txn_abort(t);
    krbrepl_store_close(s);
}

static void who_and_why_have_a_limit(void **state)
{
    krbrepl_store *s = st_master(*state);
    char text[1026];
    krbrepl_txn_options opt;
    krbrepl_txn *t;

    memset(text, 'w', sizeof text);
    text[1025] = '\0';
    KRBREPL_INIT(&opt);
    opt.who = text;
    assert_int_equal(krbrepl_txn_begin(s, &t, &opt), KRBREPL_ERR_TOOBIG);
    text[1024] = '\0';
    opt.why = text;
    assert_int_equal(krbrepl_txn_begin(s, &t, &opt), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("k"), BYTES("x")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_promote(s, text, NULL), 0);
    krbrepl_store_close(s);
}

static void value_that_was_just_read_can_be_written(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_txn_options opt;
    krbrepl_txn *x = NULL;
    krbrepl_bytes v;

    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl_txn_begin(s, &x, &opt), 0);
    assert_int_equal(krbrepl_txn_put(x, "principal", BYTES("target"), BYTES("short")), 0);
    assert_int_equal(krbrepl_txn_put(x, "principal", BYTES("source"), BYTES("0123456789abcdef")), 0);
    assert_int_equal(krbrepl_txn_get(x, "principal", BYTES("source"), &v), 0);
    assert_int_equal(krbrepl_txn_put(x, "principal", BYTES("target"), v), 0);
    assert_int_equal(krbrepl_txn_commit(x, NULL), 0);
    st_expect(s, "source", "0123456789abcdef");
    st_expect(s, "target", "0123456789abcdef");
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(new_master_begins_with_a_lineage_commit),
        T(commit_writes_record_journal_and_position_together),
        T(aborted_transaction_changes_nothing),
        T(commit_without_changes_writes_nothing),
        T(transaction_sees_its_own_changes_and_readers_do_not),
        T(deleting_what_is_not_there_lets_the_transaction_go_on),
        T(failed_change_leaves_only_the_abort),
        T(only_a_master_takes_commits),
        T(role_is_checked_when_the_lock_is_held_not_before),
        T(second_transaction_of_a_thread_is_refused),
        T(read_only_handle_takes_no_commits),
        T(keys_of_any_length_are_kept_whole),
        T(value_of_16_MiB_is_kept_and_a_larger_one_refused),
        T(commit_over_64_MiB_is_refused_and_changes_nothing),
        T(commit_takes_65536_changes_and_no_more),
        T(who_and_why_have_a_limit),
        T(value_that_was_just_read_can_be_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
