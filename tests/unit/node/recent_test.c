/* What one session of a turn has read of the journal, for the next one. */
#include "../store/st.h"

#include "recent.h"

/* Commits one change with a value of `n` bytes. */
static void commit(krbrepl_store *s, size_t n)
{
    static char value[200000];
    krbrepl_txn *t = NULL;
    krbrepl_bytes v = {value, n};

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("user@REALM"), v), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
}

static size_t read_at(krbrepl__recent *r, krbrepl_store *s, uint64_t from, krbrepl__port_batch *info)
{
    krbrepl__buf out;
    size_t n;

    krbrepl__buf_init(&out, 0);
    krbrepl__buf_u32(&out, 7); /* what is there already stays */
    assert_int_equal(krbrepl__recent_read(r, s, from, 1u << 20, &out, info), 0);
    assert_int_equal(krbrepl__get_u32(out.data), 7);
    n = out.len - 4;
    krbrepl__buf_free(&out);
    return n;
}

/* The second one is given no store to read. */
static void commits_are_read_once_for_all_sessions_of_a_turn(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__recent r;
    krbrepl__port_batch first, second;
    size_t n;

    krbrepl__recent_init(&r);
    commit(s, 600);
    n = read_at(&r, s, 2, &first);
    assert_true(n > 600);
    assert_int_equal(first.next, 3);
    assert_int_equal(read_at(&r, NULL, 2, &second), n);
    assert_memory_equal(&first, &second, sizeof first);
    krbrepl__recent_forget(&r);
    assert_int_equal(r.commits.cap, 0);
    krbrepl_store_close(s);
}

static void another_place_is_read_from_the_store(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__recent r;
    krbrepl__port_batch info;
    size_t n;

    krbrepl__recent_init(&r);
    commit(s, 100);
    commit(s, 700);
    n = read_at(&r, s, 2, &info);
    assert_true(read_at(&r, s, 3, &info) < n);
    assert_int_equal(info.count, 1);
    krbrepl__recent_forget(&r);
    assert_int_equal(read_at(&r, s, 2, &info), n);
    krbrepl__recent_forget(&r);
    krbrepl_store_close(s);
}

static void large_commits_are_not_kept(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__recent r;
    krbrepl__port_batch info;

    krbrepl__recent_init(&r);
    commit(s, 200000);
    assert_true(read_at(&r, s, 2, &info) > 200000);
    assert_false(r.there);
    assert_int_equal(r.commits.cap, 0);
    krbrepl_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(commits_are_read_once_for_all_sessions_of_a_turn, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(another_place_is_read_from_the_store, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(large_commits_are_not_kept, st_setup, st_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
