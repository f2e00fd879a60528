#include "st.h"

#include <krbrepl/status.h>

/* The numbers of a legacy dialect, and what a slot remembers of them. */

#define SLAVE "iprop/s.example@EXAMPLE"
#define NATIVE "krbrepl/r.example@EXAMPLE"
/* More than fit into one commit. */
#define MANY (KRBREPL_MAX_CHANGES + 1u)

static krbrepl__store_numbers numbers(krbrepl_store *s, uint32_t not_this)
{
    krbrepl__store_numbers n;

    assert_int_equal(krbrepl__store_numbers_get(s, not_this, &n), 0);
    assert_in_range(n.base, 1, UINT32_C(1) << 30);
    return n;
}

static void numbers_are_drawn_once_and_kept(void **state)
{
    krbrepl_store *s = st_master(*state), *other;
    krbrepl__store_numbers first, again;

    st_put(s, "a", "1");
    first = numbers(s, 0);
    assert_int_equal(first.cumulative, st_info(s).cumulative);
    assert_int_equal(first.seq, st_info(s).pos.seq);
    st_put(s, "a", "2");
    again = numbers(s, 0);
    assert_int_equal(again.base, first.base);
    assert_int_equal(again.seq, first.seq);
    assert_int_equal(again.cumulative, first.cumulative);
    other = st_open(krbrepl_store_dir(s));
    again = numbers(other, 0);
    assert_int_equal(again.base, first.base);
    krbrepl_store_close(other);
    krbrepl_store_close(s);
}

static void those_that_are_of_no_use_are_drawn_anew_once(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint32_t base = numbers(s, 0).base, next = numbers(s, base).base;

    assert_int_not_equal(next, base);
    /* Whoever comes late with the same complaint gets what was drawn meanwhile. */
    assert_int_equal(numbers(s, base).base, next);
    krbrepl_store_close(s);
}

static void a_lineage_has_numbers_of_its_own(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint32_t base = numbers(s, 0).base;

    assert_int_equal(krbrepl_promote(s, "op", NULL), 0);
    assert_int_not_equal(numbers(s, 0).base, base);
    krbrepl_store_close(s);
}

static void content_that_is_replaced_as_a_whole_has_new_numbers(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint32_t base = numbers(s, 0).base, i;
    krbrepl_load_result res;
    krbrepl_load *l;
    char key[16];

    assert_int_equal(krbrepl_load_begin(s, &l, NULL), 0);
    for (i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "%u", (unsigned)i);
        assert_int_equal(krbrepl_load_put(l, "hdb", st_bytes(key), st_bytes("v")), 0);
    }
    KRBREPL_INIT(&res);
    assert_int_equal(krbrepl_load_commit(l, &res), 0);
    assert_int_equal(res.kind, KRBREPL_COMMIT_RESET);
    assert_int_not_equal(numbers(s, 0).base, base);
    krbrepl_store_close(s);
}

static int see(void *ctx, const krbrepl_slot *slot)
{
    krbrepl_slot *found = ctx;

    *found = *slot;
    return strcmp(slot->principal, SLAVE) == 0;
}

static void put_slots(krbrepl_store *s)
{
    krbrepl__slot slot[2];

    memset(slot, 0, sizeof slot);
    snprintf(slot[0].principal, sizeof slot[0].principal, "%s", SLAVE);
    slot[0].dialect = KRBREPL_DIALECT_HEIMDAL;
    slot[0].base = 77;
    slot[0].last = 99;
    slot[0].acked = 98;
    snprintf(slot[1].principal, sizeof slot[1].principal, "%s", NATIVE);
    slot[1].dialect = KRBREPL_DIALECT_NATIVE;
    assert_int_equal(krbrepl__store_slots_put(s, slot, 2), 0);
}

static void a_slot_keeps_base_and_version(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_slot found;

    put_slots(s);
    assert_int_equal(krbrepl_slot_each(s, see, &found), 1);
    assert_int_equal(found.dialect, KRBREPL_DIALECT_HEIMDAL);
    assert_int_equal(found.base, 77);
    assert_int_equal(found.version, 99);
    krbrepl_store_close(s);
}

static int see_acked(void *ctx, const krbrepl__slot *slot)
{
    if (strcmp(slot->principal, SLAVE) != 0)
        return 0;
    assert_int_equal(slot->last, 99);
    *(uint32_t *)ctx = slot->acked;
    return 1;
}

/* A slot as it was written before answers were kept. */
static void overwrite_slot(const char *dir)
{
    krbrepl__buf b;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_str16(&b, SLAVE);
    krbrepl__buf_u64(&b, 5);
    krbrepl__buf_u64(&b, 4);
    krbrepl__buf_u64(&b, 3);
    krbrepl__buf_u64(&b, 2);
    krbrepl__buf_u32(&b, 1);
    krbrepl__buf_u32(&b, KRBREPL_DIALECT_HEIMDAL);
    krbrepl__buf_u32(&b, 77);
    krbrepl__buf_u32(&b, 99);
    st_overwrite(dir, "replicas", SLAVE, b.data, b.len);
    krbrepl__buf_free(&b);
}

static void a_slot_keeps_what_is_answered_for_and_an_older_one_says_nothing(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint32_t acked = 1;
    char dir[600];

    put_slots(s);
    assert_int_equal(krbrepl__store_slots_each(s, see_acked, &acked), 1);
    assert_int_equal(acked, 98);
    snprintf(dir, sizeof dir, "%s", krbrepl_store_dir(s));
    krbrepl_store_close(s);
    overwrite_slot(dir);
    s = st_open(dir);
    assert_int_equal(krbrepl__store_slots_each(s, see_acked, &acked), 1);
    assert_int_equal(acked, 0);
    krbrepl_store_close(s);
}

static void only_a_slave_in_a_legacy_dialect_is_reset(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_slot found;

    put_slots(s);
    assert_int_equal(krbrepl_slot_reset(s, NATIVE), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_slot_reset(s, SLAVE), 0);
    assert_int_equal(krbrepl_slot_each(s, see, &found), 0);
    assert_int_equal(krbrepl_slot_reset(s, SLAVE), KRBREPL_ERR_NOTFOUND);
    krbrepl_store_close(s);
}

static void a_slot_that_was_dropped_meanwhile_is_not_written_back(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__slot slot;
    krbrepl_slot found;

    put_slots(s);
    memset(&slot, 0, sizeof slot);
    snprintf(slot.principal, sizeof slot.principal, "%s", SLAVE);
    slot.dialect = KRBREPL_DIALECT_HEIMDAL;
    slot.base = 77;
    slot.last = 100;
    slot.update = 1;
    assert_int_equal(krbrepl__store_slots_put(s, &slot, 1), 0);
    assert_int_equal(krbrepl_slot_each(s, see, &found), 1);
    assert_int_equal(found.version, 100);
    assert_int_equal(krbrepl_slot_reset(s, SLAVE), 0);
    assert_int_equal(krbrepl__store_slots_put(s, &slot, 1), 0);
    assert_int_equal(krbrepl_slot_each(s, see, &found), 0);
    slot.update = 0;
    assert_int_equal(krbrepl__store_slots_put(s, &slot, 1), 0);
    assert_int_equal(krbrepl_slot_each(s, see, &found), 1);
    krbrepl_store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_drawn_once_and_kept, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(those_that_are_of_no_use_are_drawn_anew_once, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(a_lineage_has_numbers_of_its_own, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(content_that_is_replaced_as_a_whole_has_new_numbers, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(a_slot_keeps_base_and_version, st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(a_slot_that_was_dropped_meanwhile_is_not_written_back, st_setup,
                                        st_teardown),
        cmocka_unit_test_setup_teardown(a_slot_keeps_what_is_answered_for_and_an_older_one_says_nothing,
                                        st_setup, st_teardown),
        cmocka_unit_test_setup_teardown(only_a_slave_in_a_legacy_dialect_is_reset, st_setup,
                                        st_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
