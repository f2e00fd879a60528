#include "st.h"

/* The journal stays within its retention, and no further than replicas allow. */

static void keep(krbrepl_store *s, uint64_t entries, uint64_t bytes, uint64_t seconds,
                 uint64_t hard_cap)
{
    krbrepl_retention r;

    KRBREPL_INIT(&r);
    r.entries = entries;
    r.bytes = bytes;
    r.seconds = seconds;
    r.hard_cap = hard_cap;
    assert_int_equal(krbrepl_store_set_retention(s, &r), 0);
}

/* A clock that is wound by hand. */
static int64_t now_us =
    4000000000000000; /* far in the future, for other stamps are of the machine's clock */

static int64_t wall(void *ctx)
{
    (void)ctx;
    return now_us;
}

static krbrepl__sys hand_clock(void)
{
    krbrepl__sys sys = *krbrepl__sys_default();

    sys.wall_us = wall;
    return sys;
}

static void put_n(krbrepl_store *s, int n)
{
    int i;

    for (i = 0; i < n; i++)
        st_put(s, "k", "v");
}

static void upkeep_all(krbrepl_store *s)
{
    int rc;

    while ((rc = krbrepl__store_upkeep(s)) == 1)
        continue;
    assert_int_equal(rc, 0);
}

static int nothing(void *ctx, const krbrepl_commit *c)
{
    uint64_t *n = ctx;

    (void)c;
    ++*n;
    return 0;
}

static void hold(krbrepl_store *s, const char *principal, uint64_t seq)
{
    krbrepl__slot slot;

    memset(&slot, 0, sizeof slot);
    snprintf(slot.principal, sizeof slot.principal, "%s", principal);
    slot.hold = seq;
    assert_int_equal(krbrepl__store_slots_put(s, &slot, 1), 0);
}

/* ---- limits --------------------------------------------------------------------------------- */

static void journal_keeps_as_many_entries_as_asked(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info i;
    uint64_t n = 0;

    keep(s, 20, 0, 0, 0);
    put_n(s, 300);
    i = st_info(s);
    assert_in_range(i.journal_last - i.journal_first + 1, 20, 20 + 64);
    assert_int_equal(i.journal_last, 301);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, nothing, &n), 0);
    assert_int_equal(n, i.journal_last - i.journal_first + 1);
    assert_int_equal(krbrepl_journal_each(s, 1, 0, nothing, &n), KRBREPL_ERR_TRIMMED);
    assert_int_equal(krbrepl_journal_each(s, i.journal_first - 1, 0, nothing, &n), KRBREPL_ERR_TRIMMED);
    assert_int_equal(krbrepl_journal_each(s, i.journal_first, 0, nothing, &n), 0);
    krbrepl_store_close(s);
}

static void a_trim_drops_at_once_what_nobody_needs(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint64_t dropped, n = 0;

    put_n(s, 3000);
    hold(s, "r@R", 2001);
    assert_int_equal(krbrepl_store_trim(s, 100, &dropped), 0);
    assert_int_equal(dropped, 2000); /* a replica needs the rest */
    assert_int_equal(st_info(s).journal_first, 2001);
    assert_int_equal(krbrepl_slot_drop(s, "r@R"), 0);
    assert_int_equal(krbrepl_store_trim(s, 100, &dropped), 0);
    assert_int_equal(dropped, 901);
    assert_int_equal(st_info(s).journal_first, 2902);
    assert_int_equal(krbrepl_store_trim(s, 100, &dropped), 0);
    assert_int_equal(dropped, 0);
    assert_int_equal(krbrepl_store_trim(s, 0, NULL), 0);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, nothing, &n), 0);
    assert_int_equal(n, 1); /* its time says how old the position is */
    put_n(s, 1);
    krbrepl_store_close(s);
}

static void journal_keeps_as_many_bytes_as_asked(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info i;
    char value[1001];
    int n;

    memset(value, 'v', sizeof value);
    value[1000] = '\0';
    keep(s, 0, 20000, 0, 0);
    for (n = 0; n < 100; n++)
        st_put(s, "k", value);
    i = st_info(s);
    assert_in_range(i.journal_bytes, 10000, 20000 + 20000 / 64 + 2000);
    assert_in_range(i.journal_first, 80, 92);
    krbrepl_store_close(s);
}

static void journal_keeps_entries_as_long_as_asked(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__sys sys = hand_clock();

    krbrepl__store_set_sys(s, &sys);
    keep(s, 0, 0, 60, 0);
    put_n(s, 10);
    now_us += 59 * 1000000;
    put_n(s, 10);
    upkeep_all(s);
    assert_in_range(st_info(s).journal_first, 1, 2);
    now_us += 2 * 1000000;
    upkeep_all(s);
    assert_int_equal(st_info(s).journal_first, 12);
    now_us += 3600 * (int64_t)1000000;
    upkeep_all(s);
    /* The last one stays: its time says how old the position is. */
    assert_int_equal(st_info(s).journal_first, 21);
    krbrepl_store_close(s);
}

static void one_commit_trims_at_most_64_entries(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint64_t was;

    put_n(s, 300);
    keep(s, 10, 0, 0, 0);
    was = st_info(s).journal_first;
    put_n(s, 1);
    assert_int_equal(st_info(s).journal_first, was + 64);
    put_n(s, 10);
    upkeep_all(s);
    assert_in_range(st_info(s).journal_last - st_info(s).journal_first, 9, 9 + 64);
    krbrepl_store_close(s);
}

/* ---- replicas that are behind --------------------------------------------------------------- */

static void slot_holds_the_journal(void **state)
{
    krbrepl_store *s = st_master(*state);

    keep(s, 10, 0, 0, 0);
    hold(s, "far@R", 50);
    hold(s, "near@R", 190);
    put_n(s, 200);
    assert_int_equal(st_info(s).journal_first, 50);
    hold(s, "far@R", 0);
    put_n(s, 70);
    upkeep_all(s);
    assert_int_equal(st_info(s).journal_first, 190);
    assert_int_equal(krbrepl__store_slot_drop(s, "near@R"), 0);
    assert_int_equal(krbrepl__store_slot_drop(s, "near@R"), KRBREPL_ERR_NOTFOUND);
    upkeep_all(s);
    assert_in_range(st_info(s).journal_first, 191, 271);
    krbrepl_store_close(s);
}

static void hard_cap_ends_what_a_slot_holds(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info i;

    keep(s, 10, 0, 0, 5000);
    hold(s, "far@R", 1);
    put_n(s, 200);
    i = st_info(s);
    assert_in_range(i.journal_bytes, 3000, 5000);
    assert_true(i.journal_first > 1);
    krbrepl_store_close(s);
}

/* ---- slots that expire ---------------------------------------------------------------------- */

static void seen(krbrepl_store *s, const char *principal, uint64_t seq, int64_t at)
{
    krbrepl__slot slot;

    memset(&slot, 0, sizeof slot);
    snprintf(slot.principal, sizeof slot.principal, "%s", principal);
    slot.hold = seq;
    slot.seen_us = at;
    assert_int_equal(krbrepl__store_slots_put(s, &slot, 1), 0);
}

static void keep_slots(krbrepl_store *s, uint64_t seconds)
{
    krbrepl_retention r;

    KRBREPL_INIT(&r);
    r.entries = 10;
    r.slot_seconds = seconds;
    assert_int_equal(krbrepl_store_set_retention(s, &r), 0);
}

static void slot_that_has_expired_holds_nothing(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__sys sys = hand_clock();

    assert_int_equal(st_info(s).retention_slot_seconds, 14 * 24 * 3600);
    krbrepl__store_set_sys(s, &sys);
    keep_slots(s, 100);
    assert_int_equal(st_info(s).retention_slot_seconds, 100);
    seen(s, "old@R", 20, now_us - 101 * (int64_t)1000000);
    seen(s, "late@R", 50, now_us - 99 * (int64_t)1000000);
    put_n(s, 200);
    upkeep_all(s);
    assert_int_equal(st_info(s).journal_first, 50);
    now_us += 2 * 1000000;
    put_n(s, 70);
    upkeep_all(s);
    assert_true(st_info(s).journal_first > 190);
    /* For ever means for ever. */
    keep_slots(s, UINT64_MAX);
    assert_int_equal(krbrepl_slot_drop(s, "old@R"), 0);
    assert_int_equal(krbrepl_slot_drop(s, "late@R"), 0);
    seen(s, "far@R", 250, 1);
    put_n(s, 100);
    upkeep_all(s);
    assert_int_equal(st_info(s).journal_first, 250);
    krbrepl_store_close(s);
}

static int unless_named_keep(void *ctx, const krbrepl__slot *slot)
{
    ++*(int *)ctx;
    return strcmp(slot->principal, "keep@R") != 0;
}

static int count_slots(void *ctx, const krbrepl_slot *slot)
{
    int *n = ctx;

    assert_true(KRBREPL_HAS(slot, last_copy_reason));
    ++*n;
    return strcmp(slot->principal, "stop@R") == 0 ? 77 : 0;
}

static void expired_slots_are_dropped_unless_somebody_wants_them(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__sys sys = hand_clock();
    int asked = 0, n = 0;
    uint64_t rows_left;

    krbrepl__store_set_sys(s, &sys);
    keep_slots(s, 100);
    seen(s, "fresh@R", 20, now_us);
    seen(s, "gone@R", 20, now_us - 200 * (int64_t)1000000);
    seen(s, "keep@R", 20, now_us - 200 * (int64_t)1000000);
    assert_int_equal(krbrepl__store_slots_expire(s, unless_named_keep, &asked), 0);
    assert_int_equal(asked, 2);
    assert_int_equal(krbrepl_slot_each(s, count_slots, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(krbrepl__store_slots_count(s, &rows_left), 0);
    assert_int_equal(rows_left, 2);
    krbrepl_store_close(s);
}

static int one_slot(void *ctx, const krbrepl_slot *slot)
{
    krbrepl_slot *out = ctx;

    *out = *slot;
    return 0;
}

static void slots_are_listed_and_dropped_by_name(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_slot slot;
    int n = 0;

    keep_slots(s, 100);
    seen(s, "a@R", 5, 7000000);
    assert_int_equal(krbrepl_slot_each(s, one_slot, &slot), 0);
    assert_int_equal(slot.hold, 5);
    assert_int_equal(slot.last_seen_us, 7000000);
    assert_int_equal(slot.expires_us, 107000000);
    hold(s, "stop@R", 1);
    hold(s, "z@R", 1);
    /* A walk can be ended, and the store can be changed from inside of it. */
    assert_int_equal(krbrepl_slot_each(s, count_slots, &n), 77);
    assert_int_equal(n, 2);
    assert_int_equal(krbrepl_slot_drop(s, "a@R"), 0);
    assert_int_equal(krbrepl_slot_drop(s, "a@R"), KRBREPL_ERR_NOTFOUND);
    assert_non_null(strstr(st_text(s), "a@R"));
    assert_int_equal(krbrepl_slot_drop(s, NULL), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl_slot_each(s, NULL, NULL), KRBREPL_ERR_INVALID);
    n = 0;
    assert_int_equal(krbrepl_slot_each(s, count_slots, &n), 77);
    assert_int_equal(n, 1);
    krbrepl_store_close(s);
}

static int same_slot(void *ctx, const krbrepl__slot *slot)
{
    const krbrepl__slot *want = ctx;

    if (strcmp(slot->principal, want->principal) != 0)
        return 0;
    assert_int_equal(slot->hold, want->hold);
    assert_int_equal(slot->durable, want->durable);
    assert_int_equal(slot->seen_us, want->seen_us);
    assert_int_equal(slot->copy_us, want->copy_us);
    assert_int_equal(slot->copy_reason, want->copy_reason);
    assert_int_equal(slot->dialect, want->dialect);
    return 1;
}

static void slots_are_kept_whole_also_under_long_names(void **state)
{
    krbrepl_store *s = st_master(*state);
    static krbrepl__slot slot[3];
    int i;

    for (i = 0; i < 3; i++) {
        memset(slot[i].principal, 'p', 1024);
        slot[i].principal[i == 0 ? 10 : 1024 - i] = '\0';
        slot[i].hold = 10 + (uint64_t)i;
        slot[i].durable = 20;
        slot[i].seen_us = -5;
        slot[i].copy_us = 6;
        slot[i].copy_reason = 7;
        slot[i].dialect = 1;
    }
    assert_int_equal(krbrepl__store_slots_put(s, slot, 3), 0);
    for (i = 0; i < 3; i++)
        assert_int_equal(krbrepl__store_slots_each(s, same_slot, &slot[i]), 1);
    assert_int_equal(krbrepl__store_slot_drop(s, slot[2].principal), 0);
    assert_int_equal(krbrepl__store_slots_each(s, same_slot, &slot[2]), 0);
    assert_int_equal(krbrepl__store_slots_each(s, same_slot, &slot[1]), 1);
    krbrepl_store_close(s);
}

/* ---- what remains of trimmed entries -------------------------------------------------------- */

static void chain_is_known_further_back_than_the_journal(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint8_t before[32], after[32];

    put_n(s, 100);
    assert_int_equal(krbrepl__store_chain_at(s, 40, before), 0);
    keep(s, 10, 0, 0, 0);
    put_n(s, 100);
    upkeep_all(s);
    assert_true(st_info(s).journal_first > 40);
    assert_int_equal(krbrepl__store_chain_at(s, 40, after), 0);
    assert_memory_equal(before, after, 32);
    assert_int_equal(krbrepl__store_chain_at(s, 0, after), 0);
    assert_int_equal(krbrepl__store_chain_at(s, st_info(s).pos.seq, after), 0);
    assert_memory_equal(after, st_info(s).pos.chain, 32);
    assert_int_equal(krbrepl__store_chain_at(s, st_info(s).pos.seq + 1, after), KRBREPL_ERR_NOTFOUND);
    krbrepl_store_close(s);
}

static void oldest_entry_is_still_verified(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    uint64_t first, n = 0;

    keep(s, 10, 0, 0, 0);
    put_n(s, 200);
    first = st_info(s).journal_first;
    assert_true(first > 1);
    krbrepl_store_close(s);
    st_flip_seq(t->dir, "journal", first, 80);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, nothing, &n), KRBREPL_ERR_CORRUPT);
    assert_int_equal(n, 0);
    krbrepl_store_close(s);
}

/* Old chains are thinned out; reached by putting the store into the far future of its history. */
static void every_1024th_chain_is_kept_for_ever(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__wtxn w;
    uint8_t chain[32];
    uint64_t seq;

    keep(s, 10, 0, 0, 0);
    put_n(s, 5);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    for (seq = 1; seq <= 3000; seq++)
        assert_int_equal(krbrepl__chain_set(s, w.txn, seq, w.st.pos.chain), 0);
    w.st.pos.seq = 1002500;
    w.st.journal_first = 1002501;
    assert_int_equal(krbrepl__chain_set(s, w.txn, 1002500, w.st.pos.chain), 0);
    w.st.journal_bytes = 0;
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    put_n(s, 2000);
    assert_int_equal(krbrepl__store_chain_at(s, 1024, chain), 0);
    assert_int_equal(krbrepl__store_chain_at(s, 2048, chain), 0);
    assert_int_equal(krbrepl__store_chain_at(s, 1023, chain), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__store_chain_at(s, 2049, chain), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__store_chain_at(s, 1002500, chain), 0);
    krbrepl_store_close(s);
}

static void time_of_a_commit_is_known_while_it_is_in_the_journal(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__sys sys = hand_clock();
    int64_t us;

    krbrepl__store_set_sys(s, &sys);
    now_us = 123456789;
    st_put(s, "k", "v");
    assert_int_equal(krbrepl__store_time_at(s, 2, &us), 0);
    assert_int_equal(us, 123456789);
    assert_int_equal(krbrepl__store_time_at(s, 3, &us), KRBREPL_ERR_NOTFOUND);
    krbrepl_store_close(s);
}

/* ---- after a switch to another history ------------------------------------------------------ */

static uint64_t rows(krbrepl_store *s, unsigned table)
{
    krbrepl__rtxn r;
    MDB_stat stat;

    assert_int_equal(krbrepl__rtxn_begin(s, &r), 0);
    assert_int_equal(mdb_stat(r.txn, s->env->dbi[table], &stat), 0);
    krbrepl__rtxn_end(s, &r);
    return stat.ms_entries;
}

static void journal_of_an_old_history_is_cleared_away_and_never_read(void **state)
{
    static const krbrepl__ancestry none;
    krbrepl_store *s = st_master(*state);
    uint8_t chain[32];
    krbrepl__wtxn w;
    krbrepl_pos pos;
    uint64_t n = 0;

    put_n(s, 400);
    /* The new history is at 200, between what the store had. */
    pos = st_info(s).pos;
    pos.seq = 200;
    memset(pos.chain, 9, sizeof pos.chain);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    assert_int_equal(krbrepl__journal_restart(s, &w, &pos, 77, &none), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, nothing, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(krbrepl_journal_each(s, 201, 0, nothing, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(krbrepl_journal_each(s, 200, 0, nothing, &n), KRBREPL_ERR_TRIMMED);
    assert_int_equal(krbrepl__store_chain_at(s, 199, chain), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__store_chain_at(s, 201, chain), KRBREPL_ERR_NOTFOUND);
    assert_int_equal(krbrepl__store_chain_at(s, 200, chain), 0);
    assert_memory_equal(chain, pos.chain, 32);
    put_n(s, 3);
    assert_int_equal(krbrepl_journal_each(s, 0, 0, nothing, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(st_info(s).cumulative, 80);
    upkeep_all(s);
    assert_int_equal(rows(s, KRBREPL__DBI_JOURNAL), 3);
    n = 0;
    assert_int_equal(krbrepl_journal_each(s, 0, 0, nothing, &n), 0);
    assert_int_equal(n, 3);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(journal_keeps_as_many_entries_as_asked),
        T(a_trim_drops_at_once_what_nobody_needs),
        T(journal_keeps_as_many_bytes_as_asked),
        T(journal_keeps_entries_as_long_as_asked),
        T(one_commit_trims_at_most_64_entries),
        T(slot_holds_the_journal),
        T(hard_cap_ends_what_a_slot_holds),
        T(slot_that_has_expired_holds_nothing),
        T(expired_slots_are_dropped_unless_somebody_wants_them),
        T(slots_are_listed_and_dropped_by_name),
        T(slots_are_kept_whole_also_under_long_names),
        T(chain_is_known_further_back_than_the_journal),
        T(oldest_entry_is_still_verified),
        T(every_1024th_chain_is_kept_for_ever),
        T(time_of_a_commit_is_known_while_it_is_in_the_journal),
        T(journal_of_an_old_history_is_cleared_away_and_never_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
