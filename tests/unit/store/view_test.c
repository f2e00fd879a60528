#include "st.h"

/* Reading: order, bounds, and that a view stands still. */

struct list {
    char text[512];
    int stop_after;
};

static int note(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct list *l = ctx;
    size_t n = strlen(l->text);

    assert_int_equal(value.len, key.len);
    snprintf(l->text + n, sizeof l->text - n, "%s/%.*s ", table, (int)key.len, (const char *)key.data);
    return l->stop_after != 0 && --l->stop_after == 0 ? 42 : 0;
}

static krbrepl_store *filled(const st *t)
{
    static const char *const rec[][2] = {
        {"principal", "b"}, {"principal", "d"}, {"principal", "f"},  {"policy", "x"},
        {"policy", "y"},    {"pri", "q"},       {"principals", "z"},
    };
    krbrepl_store *s = st_master(t);
    krbrepl_txn *txn;
    size_t i;

    assert_int_equal(krbrepl_txn_begin(s, &txn, NULL), 0);
    for (i = 0; i < sizeof rec / sizeof rec[0]; i++)
        assert_int_equal(krbrepl_txn_put(txn, rec[i][0], st_bytes(rec[i][1]), st_bytes(rec[i][1])), 0);
    assert_int_equal(krbrepl_txn_commit(txn, NULL), 0);
    return s;
}

static void walk(krbrepl_store *s, const char *table, const char *from, const char *to, uint64_t flags,
                 const char *want)
{
    krbrepl_bytes f = {from, from != NULL ? strlen(from) : 0}, e = {to, to != NULL ? strlen(to) : 0};
    struct list l = {"", 0};
    krbrepl_view *v;

    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(
        krbrepl_view_each(v, table, from != NULL ? &f : NULL, to != NULL ? &e : NULL, flags, note, &l),
        0);
    assert_string_equal(l.text, want);
    krbrepl_view_close(v);
}

static void records_come_in_key_order_within_bounds(void **state)
{
    krbrepl_store *s = filled(*state);

    walk(s, "principal", NULL, NULL, 0, "principal/b principal/d principal/f ");
    walk(s, "principal", "d", NULL, 0, "principal/d principal/f ");
    walk(s, "principal", "c", "e", 0, "principal/d ");
    walk(s, "principal", NULL, "d", 0, "principal/b principal/d ");
    walk(s, "principal", "g", NULL, 0, "");
    walk(s, "principal", "e", "c", 0, "");
    walk(s, "none", NULL, NULL, 0, "");
    walk(s, "pri", NULL, NULL, 0, "pri/q ");
    krbrepl_store_close(s);
}

static void records_come_backwards_when_asked(void **state)
{
    krbrepl_store *s = filled(*state);

    walk(s, "principal", NULL, NULL, KRBREPL_EACH_REVERSE, "principal/f principal/d principal/b ");
    walk(s, "principal", "c", "f", KRBREPL_EACH_REVERSE, "principal/f principal/d ");
    walk(s, "principals", NULL, NULL, KRBREPL_EACH_REVERSE, "principals/z ");
    walk(s, "zzz", NULL, NULL, KRBREPL_EACH_REVERSE, "");
    walk(s, "aaa", NULL, NULL, KRBREPL_EACH_REVERSE, "");
    krbrepl_store_close(s);
}

static void all_tables_are_walked_without_a_name(void **state)
{
    krbrepl_store *s = filled(*state);
    krbrepl_bytes b = BYTES("b");
    krbrepl_view *v;
    struct list l = {"", 0};

    walk(s, NULL, NULL, NULL, 0,
         "policy/x policy/y pri/q principal/b principal/d principal/f principals/z ");
    walk(s, NULL, NULL, NULL, KRBREPL_EACH_REVERSE,
         "principals/z principal/f principal/d principal/b pri/q policy/y policy/x ");
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_each(v, NULL, &b, NULL, 0, note, &l), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_view_each(v, "P!", NULL, NULL, 0, note, &l), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_view_each(v, NULL, NULL, NULL, 2, note, &l), KRBREPL_ERR_INVALID);
    krbrepl_view_close(v);
    krbrepl_store_close(s);
}

static void walk_ends_with_what_the_callback_answers(void **state)
{
    krbrepl_store *s = filled(*state);
    struct list l = {"", 2};
    krbrepl_view *v;

    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_each(v, "principal", NULL, NULL, 0, note, &l), 42);
    assert_string_equal(l.text, "principal/b principal/d ");
    krbrepl_view_close(v);
    krbrepl_store_close(s);
}

static void view_stands_still_while_commits_go_on(void **state)
{
    krbrepl_store *s = filled(*state);
    krbrepl_bytes before, after;
    krbrepl_pos pos;
    krbrepl_view *v;

    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("b"), &before), 0);
    st_put(s, "b", "changed");
    st_delete(s, "d");
    assert_memory_equal(before.data, "b", 1);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("b"), &after), 0);
    assert_int_equal(after.len, 1);
    assert_int_equal(krbrepl_view_get(v, "principal", BYTES("d"), &after), 0);
    assert_int_equal(krbrepl_view_pos(v, &pos), 0);
    assert_int_equal(pos.seq, 2);
    krbrepl_view_close(v);
    krbrepl_view_close(NULL);
    st_expect(s, "b", "changed");
    krbrepl_store_close(s);
}

/* A walk of the journal holds no view: commits made by the callback itself are seen by it. */
static int commit_more(void *ctx, const krbrepl_commit *c)
{
    krbrepl_store *s = ctx;

    if (c->pos.seq < 6)
        st_put(s, "more", "x");
    return c->pos.seq == 6 ? 55 : 0;
}

static void journal_walk_holds_no_view_while_the_callback_runs(void **state)
{
    krbrepl_store *s = filled(*state);

    assert_int_equal(krbrepl_journal_each(s, 1, 0, commit_more, s), 55);
    krbrepl_store_close(s);
}

static int seqs(void *ctx, const krbrepl_commit *c)
{
    struct list *l = ctx;
    size_t n = strlen(l->text);

    snprintf(l->text + n, sizeof l->text - n, "%d ", (int)c->pos.seq);
    return 0;
}

static void journal_walk_keeps_to_its_bounds(void **state)
{
    krbrepl_store *s = filled(*state);
    struct list l = {"", 0};

    st_put(s, "a", "1");
    st_put(s, "a", "2");
    assert_int_equal(krbrepl_journal_each(s, 2, 3, seqs, &l), 0);
    assert_string_equal(l.text, "2 3 ");
    l.text[0] = '\0';
    assert_int_equal(krbrepl_journal_each(s, 4, 9, seqs, &l), 0);
    assert_int_equal(krbrepl_journal_each(s, 5, 0, seqs, &l), 0);
    assert_string_equal(l.text, "4 ");
    krbrepl_store_close(s);
}

static void batches_are_cut_by_bytes(void **state)
{
    krbrepl_store *s = filled(*state);
    krbrepl__batch info;
    krbrepl__buf b;
    int i;

    for (i = 0; i < 20; i++)
        st_put(s, "a", "1");
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_read_commits(s, 3, 1, &b, &info), 0);
    assert_int_equal(info.count, 1);
    assert_int_equal(info.next, 4);
    krbrepl__buf_reset(&b);
    assert_int_equal(krbrepl__store_read_commits(s, 3, 500, &b, &info), 0);
    assert_in_range(info.count, 2, 10);
    krbrepl__buf_reset(&b);
    assert_int_equal(krbrepl__store_read_commits(s, 3, SIZE_MAX, &b, &info), 0);
    assert_int_equal(info.count, 20);
    krbrepl__buf_reset(&b);
    assert_int_equal(krbrepl__store_read_commits(s, 23, SIZE_MAX, &b, &info), 0);
    assert_int_equal(info.count, 0);
    assert_int_equal(info.next, 23);
    krbrepl__buf_free(&b);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(records_come_in_key_order_within_bounds),
        T(records_come_backwards_when_asked),
        T(all_tables_are_walked_without_a_name),
        T(walk_ends_with_what_the_callback_answers),
        T(view_stands_still_while_commits_go_on),
        T(journal_walk_holds_no_view_while_the_callback_runs),
        T(journal_walk_keeps_to_its_bounds),
        T(batches_are_cut_by_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
