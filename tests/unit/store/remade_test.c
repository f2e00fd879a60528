#include "st.h"

/* A put that is more than a modify of Heimdal's could do says so in the journal. */

#include <string.h>

#include "entry.h"
#include "made.h"
#include "memhost.h"

static krbrepl_bytes bytes_of(const krbrepl__buf *b)
{
    return (krbrepl_bytes){b->data, b->len};
}

static void put_value(krbrepl_store *s, const char *table, const char *name, krbrepl_bytes value)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    krbrepl__buf key;

    KRBREPL_INIT(&opt);
    krbrepl__buf_init(&key, 0);
    made_key(&key, name);
    assert_int_equal(krbrepl__txn_begin(s, &t, &opt), 0);
    assert_int_equal(krbrepl__txn_put(t, table, bytes_of(&key), value), 0);
    assert_int_equal(krbrepl__txn_commit(t, NULL), 0);
    krbrepl__buf_free(&key);
}

static void put_entry(krbrepl_store *s, const char *table, const made *e)
{
    krbrepl__buf value;

    krbrepl__buf_init(&value, 0);
    made_entry(&value, e);
    put_value(s, table, e->name, bytes_of(&value));
    krbrepl__buf_free(&value);
}

static void put_alias(krbrepl_store *s, const char *name, const char *of)
{
    krbrepl__buf value;

    krbrepl__buf_init(&value, 0);
    made_alias(&value, of);
    put_value(s, KRBREPL__HDB_TABLE, name, bytes_of(&value));
    krbrepl__buf_free(&value);
}

/* How many changes the last commit has; that it ends with the only put, and that a replica takes it. */
static unsigned changes(krbrepl_store *s)
{
    const krbrepl_store_info info = st_info(s);
    krbrepl__batch batch = {0, 0, 0};
    krbrepl__change_view v;
    krbrepl__change_it it;
    krbrepl__commit c;
    krbrepl__buf b;
    krbrepl__rd r;
    unsigned n = 0;

    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_read_commits(s, info.pos.seq, 1, &b, &batch), 0);
    krbrepl__rd_init(&r, b.data, b.len);
    assert_int_equal(krbrepl__commit_decode(krbrepl__rd_vec32(&r), &c), 0);
    krbrepl__commit_each(&c, &it);
    while (krbrepl__commit_next(&it, &v) == 1)
        assert_int_equal(v.op, ++n == c.nchanges ? KRBREPL_PUT : KRBREPL_DELETE);
    krbrepl__buf_free(&b);
    return n;
}

static void a_put_that_a_modify_could_do_is_one_change(void **state)
{
    made e = {.name = "a", .kvno = 3};
    krbrepl_store *s = st_master(*state);

    put_entry(s, KRBREPL__HDB_TABLE, &e);
    assert_int_equal(changes(s), 1);
    e.kvno = 2; /* it gets a modification, and loses its end */
    put_entry(s, KRBREPL__HDB_TABLE, &e);
    assert_int_equal(changes(s), 1);
    e.kvno = 6;
    e.aliases[0] = "nick";
    put_entry(s, KRBREPL__HDB_TABLE, &e);
    assert_int_equal(changes(s), 1);
    put_alias(s, "nick", "a");
    assert_int_equal(changes(s), 1);
    put_alias(s, "nick", "b");
    assert_int_equal(changes(s), 1);
    krbrepl_store_close(s);
}

static void a_put_that_a_modify_could_not_do_has_a_delete_before_it(void **state)
{
    static const made other[] = {{.name = "a", .kvno = 2, .start = 1},
                                 {.name = "a", .kvno = 2, .bare = 1},
                                 {.name = "a", .kvno = 2, .creator = 3},
                                 {.name = "a", .kvno = 3}};
    const made e = {.name = "a", .kvno = 2};
    krbrepl_store *s = st_master(*state);
    size_t i;

    put_entry(s, KRBREPL__HDB_TABLE, &e);
    for (i = 0; i < sizeof other / sizeof other[0]; i++) {
        uint64_t records = st_info(s).records, changed;

        put_entry(s, KRBREPL__HDB_TABLE, &other[i]);
        assert_int_equal(changes(s), 2);
        changed = st_info(s).cumulative;
        put_entry(s, KRBREPL__HDB_TABLE, &e);
        /* What comes and not what goes may be within a modify's means. */
        assert_int_equal(st_info(s).cumulative - changed, i == 1 || i == 3 ? 1 : 2);
        assert_int_equal(st_info(s).records, records);
    }
    put_alias(s, "a", "b");
    assert_int_equal(changes(s), 2);
    put_entry(s, KRBREPL__HDB_TABLE, &e);
    assert_int_equal(changes(s), 2);
    put_value(s, KRBREPL__HDB_TABLE, "a", st_bytes("neither"));
    assert_int_equal(changes(s), 2);
    krbrepl_store_close(s);
}

static void another_table_has_no_such_thing(void **state)
{
    const made e = {.name = "a", .kvno = 2}, other = {.name = "a", .kvno = 2, .start = 1};
    krbrepl_store *s = st_master(*state);

    put_entry(s, "principal", &e);
    put_entry(s, "principal", &other);
    assert_int_equal(changes(s), 1);
    krbrepl_store_close(s);
}

static void a_replica_has_the_same_in_the_end(void **state)
{
    const made e = {.name = "a", .kvno = 2}, other = {.name = "a", .kvno = 2, .start = 1};
    krbrepl_store *s = st_master(*state), *to = st_replica(*state, "to", s);

    put_entry(s, KRBREPL__HDB_TABLE, &e);
    put_entry(s, KRBREPL__HDB_TABLE, &other);
    assert_int_equal(st_ship(s, to, 1, 10), 0);
    assert_int_equal(st_info(to).pos.seq, st_info(s).pos.seq);
    assert_int_equal(st_info(to).records, 1);
    krbrepl_store_close(s);
    krbrepl_store_close(to);
}

/* A load that replaces the content makes one commit of what differs. */
static void a_load_says_it_too(void **state)
{
    const made was[] = {{.name = "a", .kvno = 2}, {.name = "b", .kvno = 2}};
    const made is[] = {{.name = "a", .kvno = 2, .start = 1}, {.name = "b", .kvno = 4}};
    krbrepl_store *s = st_master(*state);
    krbrepl_load_result res;
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    krbrepl__buf key, value;
    uint64_t before;
    size_t i;

    put_entry(s, KRBREPL__HDB_TABLE, &was[0]);
    put_entry(s, KRBREPL__HDB_TABLE, &was[1]);
    before = st_info(s).cumulative;
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&res);
    krbrepl__buf_init(&key, 0);
    krbrepl__buf_init(&value, 0);
    assert_int_equal(krbrepl_load_begin(s, &l, &opt), 0);
    for (i = 0; i < 2; i++) {
        made_key(&key, is[i].name);
        made_entry(&value, &is[i]);
        assert_int_equal(krbrepl_load_put(l, KRBREPL__HDB_TABLE, bytes_of(&key), bytes_of(&value)), 0);
    }
    assert_int_equal(krbrepl_load_commit(l, &res), 0);
    assert_int_equal(res.kind, KRBREPL_COMMIT_CHANGES);
    assert_int_equal(res.changed, 2);
    assert_int_equal(st_info(s).cumulative, before + 3);
    assert_int_equal(st_info(s).records, 2);
    krbrepl__buf_free(&key);
    krbrepl__buf_free(&value);
    krbrepl_store_close(s);
}

/* ---- records in a host's database --------------------------------------------------------------- */

static krbrepl_store *hosted(const st *t, memhost *h)
{
    krbrepl_host_ops ops = memhost_ops(1);
    krbrepl_create_options c;
    krbrepl_store_options o;
    krbrepl_store *s = NULL;

    assert_non_null(h);
    KRBREPL_INIT(&c);
    KRBREPL_INIT(&o);
    c.flags = KRBREPL_CREATE_MASTER | KRBREPL_CREATE_HOSTED;
    assert_int_equal(krbrepl_store_create(t->dir, &c, NULL), 0);
    o.host = &ops;
    o.host_ctx = h;
    assert_int_equal(krbrepl_store_open(&s, t->dir, &o, NULL), 0);
    return s;
}

static void in_a_host_it_is_said_too(void **state)
{
    const made e = {.name = "a", .kvno = 2}, other = {.name = "a", .kvno = 2, .start = 1};
    memhost *h = memhost_new();
    krbrepl_store *s = hosted(*state, h);

    put_entry(s, KRBREPL__HDB_TABLE, &e);
    put_entry(s, KRBREPL__HDB_TABLE, &other);
    assert_int_equal(changes(s), 2);
    put_value(s, KRBREPL__HDB_TABLE, "a", st_bytes("neither"));
    assert_int_equal(changes(s), 2);
    assert_int_equal(st_info(s).records, 1);
    krbrepl_store_close(s);
    memhost_free(h);
}

/* What a host gave is borrowed until it is asked again, and a put asks it what was there. */
static void a_value_that_a_host_gave_is_put_under_another_key(void **state)
{
    memhost *h = memhost_new();
    krbrepl_store *s = hosted(*state, h);
    krbrepl_bytes value = {NULL, 0};
    krbrepl_txn *t = NULL;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, KRBREPL__HDB_TABLE, st_bytes("a"), st_bytes("first")), 0);
    assert_int_equal(krbrepl_txn_put(t, KRBREPL__HDB_TABLE, st_bytes("b"), st_bytes("2nd")), 0);
    assert_int_equal(krbrepl_txn_put(t, KRBREPL__HDB_TABLE, st_bytes("first"), st_bytes("3rd")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_get(t, KRBREPL__HDB_TABLE, st_bytes("a"), &value), 0);
    assert_int_equal(krbrepl_txn_put(t, KRBREPL__HDB_TABLE, st_bytes("b"), value), 0);
    assert_int_equal(krbrepl_txn_get(t, KRBREPL__HDB_TABLE, st_bytes("a"), &value), 0);
    assert_int_equal(krbrepl_txn_put(t, KRBREPL__HDB_TABLE, value, st_bytes("4th")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_string_equal(memhost_value(h, KRBREPL__HDB_TABLE, "b"), "first");
    assert_string_equal(memhost_value(h, KRBREPL__HDB_TABLE, "first"), "4th");
    assert_int_equal(st_info(s).records, 3);
    krbrepl_store_close(s);
    memhost_free(h);
}

/* A load there says what the database holds already: what was there before cannot be found out. */
static void a_load_of_what_a_host_has_says_of_each_record_that_it_is_another_one(void **state)
{
    memhost *h = memhost_new();
    krbrepl_store *s = hosted(*state, h);
    krbrepl_load_result res;
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    uint64_t before;

    memhost_set(h, "principal", "p", "1");
    memhost_set(h, KRBREPL__HDB_TABLE, "a", "1");
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&res);
    assert_int_equal(krbrepl_load_begin(s, &l, &opt), 0);
    assert_int_equal(krbrepl_load_put(l, "principal", st_bytes("p"), st_bytes("1")), 0);
    assert_int_equal(krbrepl_load_put(l, KRBREPL__HDB_TABLE, st_bytes("a"), st_bytes("1")), 0);
    assert_int_equal(krbrepl_load_commit(l, &res), 0);
    before = st_info(s).cumulative;
    memhost_set(h, "principal", "p", "2");
    memhost_set(h, KRBREPL__HDB_TABLE, "a", "2");
    assert_int_equal(krbrepl_load_begin(s, &l, &opt), 0);
    assert_int_equal(krbrepl_load_put(l, "principal", st_bytes("p"), st_bytes("2")), 0);
    assert_int_equal(krbrepl_load_put(l, KRBREPL__HDB_TABLE, st_bytes("a"), st_bytes("2")), 0);
    assert_int_equal(krbrepl_load_commit(l, &res), 0);
    assert_int_equal(res.kind, KRBREPL_COMMIT_CHANGES);
    assert_int_equal(res.changed, 2);
    assert_int_equal(st_info(s).cumulative, before + 3);
    assert_int_equal(st_info(s).records, 2);
    krbrepl_store_close(s);
    memhost_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_put_that_a_modify_could_do_is_one_change, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(a_put_that_a_modify_could_not_do_has_a_delete_before_it,
                                        st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(another_table_has_no_such_thing, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(a_replica_has_the_same_in_the_end, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(a_load_says_it_too, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(in_a_host_it_is_said_too, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(a_value_that_a_host_gave_is_put_under_another_key, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(
            a_load_of_what_a_host_has_says_of_each_record_that_it_is_another_one, st_setup,
            st_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
