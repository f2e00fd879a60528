#include "st.h"

/* A master whose records come from a master of another kind. */

#define DIALECT 2u
#define WHO "iprop/m.example@EXAMPLE"

static krbrepl__source follow(krbrepl_store *s, int replace)
{
    krbrepl__source src;

    assert_int_equal(krbrepl__source_follow(s, DIALECT, WHO, replace, &src), 0);
    return src;
}

static int put_from(krbrepl_store *s, const krbrepl__source *src, const char *key, const char *value)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t;
    int rc;

    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl__txn_begin(s, &t, &opt), 0);
    assert_int_equal(krbrepl__txn_source(t, src), 0);
    rc = key != NULL ? krbrepl__txn_put(t, "principal", st_bytes(key), st_bytes(value)) : 0;
    assert_int_equal(rc, 0);
    return krbrepl__txn_commit(t, NULL);
}

static void only_the_follower_writes_until_a_promotion(void **state)
{
    krbrepl_store *s = st_master(*state), *other;
    krbrepl_load_options opt;
    krbrepl_load *l;
    krbrepl__source src = follow(s, 0);

    other = st_open(krbrepl_store_dir(s));
    assert_int_equal(src.version, 0);
    src.version = 7;
    assert_int_equal(put_from(s, &src, "k", "v"), 0);
    assert_int_equal(st_try(other, "k", "w"), KRBREPL_ERR_NOT_MASTER);
    assert_non_null(strstr(st_text(other), WHO));
    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl_load_begin(other, &l, &opt), KRBREPL_ERR_NOT_MASTER);
    assert_int_equal(krbrepl_promote(other, "op", NULL), 0);
    assert_int_equal(krbrepl__source_get(other, &src), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(st_try(other, "k", "w"), 0);
    /* What was on its way from the source does not come behind the promotion. */
    assert_int_equal(st_try(s, "k", "late"), KRBREPL_ERR_NOT_MASTER);
    krbrepl_store_close(other);
    krbrepl_store_close(s);
}

static void the_note_goes_with_the_commit_and_is_kept(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__source src = follow(s, 0), got;
    char dir[600];
    uint64_t seq;

    src.version = 9;
    src.settling = src.marked = 1;
    memset(src.mark, 0x5a, sizeof src.mark);
    assert_int_equal(put_from(s, &src, "k", "v"), 0);
    seq = st_info(s).pos.seq;
    src.version = 10;
    assert_int_equal(put_from(s, &src, NULL, NULL), 0);
    assert_int_equal(st_info(s).pos.seq, seq);
    snprintf(dir, sizeof dir, "%s", krbrepl_store_dir(s));
    krbrepl_store_close(s);
    s = st_open(dir);
    got = follow(s, 0);
    assert_memory_equal(&got, &src, sizeof got);
    krbrepl_store_close(s);
}

static void a_transaction_that_is_aborted_notes_nothing(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__source src = follow(s, 0), got;
    krbrepl_txn_options opt;
    krbrepl_txn *t;

    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl__txn_begin(s, &t, &opt), 0);
    src.version = 3;
    assert_int_equal(krbrepl__txn_source(t, &src), 0);
    krbrepl__txn_abort(t);
    assert_int_equal(krbrepl__source_get(s, &got), 0);
    assert_int_equal(got.version, 0);
    krbrepl_store_close(s);
}

static krbrepl_load_result load_from(krbrepl_store *s, const krbrepl__source *src, const char *value)
{
    krbrepl_load_result res;
    krbrepl_load_options opt;
    krbrepl_load *l;

    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl__load_begin(s, &l, &opt), 0);
    assert_int_equal(krbrepl__load_put(l, "principal", st_bytes("k"), st_bytes(value)), 0);
    assert_int_equal(krbrepl__load_source(l, src), 0);
    assert_int_equal(krbrepl__load_commit(l, &res), 0);
    return res;
}

static void loads_note_it_too_also_when_nothing_changed(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__source src = follow(s, 0), got;

    src.version = 20;
    assert_int_equal(load_from(s, &src, "v").kind, KRBREPL_COMMIT_CHANGES);
    assert_int_equal(krbrepl__source_get(s, &got), 0);
    assert_int_equal(got.version, 20);
    src.version = 21;
    assert_int_equal(load_from(s, &src, "v").kind, 0);
    assert_int_equal(krbrepl__source_get(s, &got), 0);
    assert_int_equal(got.version, 21);
    krbrepl_store_close(s);
}

static void records_from_elsewhere_are_not_given_up_by_accident(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__source src;

    st_put(s, "k", "v");
    assert_int_equal(krbrepl__source_follow(s, DIALECT, WHO, 0, &src), KRBREPL_ERR_STATE);
    assert_int_equal(st_try(s, "k", "w"), 0);
    src = follow(s, 1);
    assert_int_equal(src.version, 0);
    src.version = 5;
    assert_int_equal(put_from(s, &src, "k", "x"), 0);
    /* Another source says nothing of the version of this one, and asks anew. */
    assert_int_equal(krbrepl__source_follow(s, DIALECT, "iprop/n@EXAMPLE", 0, &src), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl__source_follow(s, DIALECT, "iprop/n@EXAMPLE", 1, &src), 0);
    assert_int_equal(src.version, 0);
    krbrepl_store_close(s);
}

static void a_replica_follows_no_source(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl__source src;

    assert_int_equal(krbrepl__source_follow(r, DIALECT, WHO, 1, &src), KRBREPL_ERR_STATE);
    krbrepl_store_close(r);
    krbrepl_store_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_the_follower_writes_until_a_promotion, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(the_note_goes_with_the_commit_and_is_kept, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(a_transaction_that_is_aborted_notes_nothing, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(loads_note_it_too_also_when_nothing_changed, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(records_from_elsewhere_are_not_given_up_by_accident, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(a_replica_follows_no_source, st_setup, st_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
