/* What an import keeps until all of it has come, for databases that take it in at the end alone. */
#include "kdb5case.h"

#include <stdlib.h>

#include "kdb5spool.h"

#include "mitcase.h"

#define CHANGES 3000u

struct kept {
    int deleted, policy;
    char key[64];
    uint8_t *value;
    size_t len;
};

static void drop_all(void *ctx)
{
    krbrepl__kdb5_spool_free(ctx);
}

static void begin(krbrepl_kdb5 *db)
{
    memset(db, 0, sizeof *db);
    db->ops.import_abort = drop_all;
    db->is_lmdb = 1;
    assert_int_equal(krb5_init_context(&db->live), 0);
    assert_int_equal(krbrepl__kdb5_spool_begin(db), 0);
}

static void end(krbrepl_kdb5 *db)
{
    krbrepl__kdb5_spool_free(db);
    assert_null(db->spool);
    krb5_free_context(db->live);
}

static void make(struct kept *k, rnd *r)
{
    size_t i;

    k->deleted = rnd_below(r, 5) == 0;
    k->policy = rnd_below(r, 4) == 0;
    snprintf(k->key, sizeof k->key, "name%u", rnd_below(r, 200));
    k->len = rnd_below(r, 50) == 0 ? rnd_below(r, 200000) : rnd_below(r, 300);
    k->value = malloc(k->len + 1);
    assert_non_null(k->value);
    for (i = 0; i < k->len; i++)
        k->value[i] = (uint8_t)rnd_u32(r);
}

static krbrepl_change change_of(const struct kept *k)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.op = k->deleted ? KRBREPL_DELETE : KRBREPL_PUT;
    c.table = k->policy ? KRBREPL_MIT_TABLE_POLICY : KRBREPL_MIT_TABLE_PRINCIPAL;
    c.key = (krbrepl_bytes){k->key, strlen(k->key)};
    c.value = (krbrepl_bytes){k->value, k->deleted ? 0 : k->len};
    return c;
}

static void assert_same(const krbrepl_change *a, const struct kept *k)
{
    const krbrepl_change b = change_of(k);

    assert_int_equal(a->op, b.op);
    assert_string_equal(a->table, b.table);
    assert_int_equal(a->key.len, b.key.len);
    assert_memory_equal(a->key.data, b.key.data, b.key.len);
    assert_int_equal(a->value.len, b.value.len);
    if (b.value.len != 0)
        assert_memory_equal(a->value.data, b.value.data, b.value.len);
}

/* The number of the last deletion of a name, or -1. */
static long last_deletion(const struct kept *all, const struct kept *of)
{
    long i;

    for (i = CHANGES - 1; i >= 0; i--)
        if (all[i].deleted && all[i].policy == of->policy && strcmp(all[i].key, of->key) == 0)
            break;
    return i;
}

static void changes_come_back_in_their_order_as_often_as_they_are_asked_for(void **state)
{
    struct kept *all = calloc(CHANGES, sizeof *all);
    krbrepl__kdb5_name *found;
    krbrepl_kdb5 db;
    krbrepl_change c;
    rnd r = {11};
    int last = 0, round;
    unsigned i;

    (void)state;
    assert_non_null(all);
    begin(&db);
    for (i = 0; i < CHANGES; i++) {
        make(&all[i], &r);
        c = change_of(&all[i]);
        assert_int_equal(krbrepl__kdb5_spool_change(&db, &c), 0);
    }
    krbrepl__kdb5_names_sort(&db.spool->names);
    for (round = 0; round < 2; round++) {
        assert_int_equal(krbrepl__kdb5_spool_rewind(&db), 0);
        for (i = 0; i < CHANGES; i++) {
            assert_int_equal(krbrepl__kdb5_spool_next(&db, &c, &last), 0);
            assert_false(last);
            assert_same(&c, &all[i]);
            assert_int_equal(krbrepl__kdb5_names_find(&db.spool->names, &c, &found), 0);
            assert_int_equal(found != NULL ? (long)found->at : -1, last_deletion(all, &all[i]));
        }
        assert_int_equal(krbrepl__kdb5_spool_next(&db, &c, &last), 0);
        assert_true(last);
    }
    end(&db);
    for (i = 0; i < CHANGES; i++)
        free(all[i].value);
    free(all);
}

static void what_is_of_no_table_is_refused(void **state)
{
    struct kept k = {0, 0, "name", NULL, 0};
    krbrepl_kdb5 db;
    krbrepl_change c;

    (void)state;
    begin(&db);
    c = change_of(&k);
    c.table = "host";
    assert_int_not_equal(krbrepl__kdb5_spool_change(&db, &c), 0);
    assert_int_equal(db.spool->changes, 0);
    /* Who begins anew begins with nothing. */
    c = change_of(&k);
    assert_int_equal(krbrepl__kdb5_spool_change(&db, &c), 0);
    assert_int_equal(krbrepl__kdb5_spool_begin(&db), 0);
    assert_int_equal(db.spool->changes, 0);
    end(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_come_back_in_their_order_as_often_as_they_are_asked_for),
        cmocka_unit_test(what_is_of_no_table_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
