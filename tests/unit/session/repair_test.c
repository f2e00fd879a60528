/* Repairs: only what differs travels, both ends are equal afterwards, and whatever happens meanwhile. */
#include "pair.h"

/* ---- two stores that differ ------------------------------------------------------------------ */

static void key_of(char out[40], unsigned i)
{
    snprintf(out, 40, "user%06u@EXAMPLE.ORG", i);
}

static void put_one(memstore *m, unsigned i, const char *text)
{
    char key[40], value[64];

    key_of(key, i);
    snprintf(value, sizeof value, "%s %u", text, i);
    mem_commit(m, key, value, strlen(value));
}

/* Records from, from + step, ... */
static void fill(memstore *m, unsigned from, unsigned n, unsigned step, const char *text)
{
    unsigned i;

    for (i = 0; i < n; i++)
        put_one(m, from + i * step, text);
}

/* A master with n records, and a replica that has the same; the next session is to be a repair. */
static void twins(pair *p, unsigned n)
{
    fill(&p->ms, 0, n, 10, "secret");
    mem_free(&p->rs);
    mem_copy(&p->rs, &p->ms);
    p->rs.local.role = KRBREPL_ROLE_REPLICA;
    p->asks = KRBREPL_COPY_DIFFERS;
}

/* Behind the replica's back. */
static void lose(memstore *m, size_t i)
{
    krbrepl__ckey k = m->live.at[i].ckey;

    memrecs_delete(&m->live, &k);
    m->local.records = m->live.n;
}

static void forge(pair *p, size_t n, size_t step)
{
    size_t i;

    for (i = 0; i < n; i++)
        mem_alter(&p->rs, i * step, "forged");
}

static void add_foreign(pair *p, unsigned i)
{
    char key[64];
    krbrepl_bytes full;
    krbrepl__ckey k;

    memcpy(key, "principal", 10);
    key_of(key + 10, i);
    full = (krbrepl_bytes){key, 10 + strlen(key + 10)};
    assert_int_equal(krbrepl__ckey_from_full(p->rs.sha, full, &k), 0);
    memrecs_put(&p->rs.live, &k, full, BYTES("forged"));
    p->rs.local.records = p->rs.live.n;
}

static void assert_equal(pair *p)
{
    uint8_t ours[32], theirs[32];

    assert_up(p);
    mem_root(&p->ms, ours);
    mem_root(&p->rs, theirs);
    assert_memory_equal(ours, theirs, 32);
    assert_true(info(p->m)->copy_done && info(p->r)->copy_done);
    assert_int_equal(info(p->m)->copy_records, info(p->r)->copy_records);
    assert_int_equal(info(p->m)->copy_asks, info(p->r)->copy_asks);
    assert_int_equal(info(p->m)->copy_bytes, info(p->r)->copy_bytes);
    assert_false(p->ms.entered);
    assert_null(p->rs.own);
    assert_false(p->rs.building);
}

static void assert_repaired(pair *p, uint64_t records)
{
    assert_equal(p);
    assert_true(info(p->m)->repair && info(p->r)->repair);
    assert_int_equal(info(p->r)->copy_records, records);
}

static void assert_copied_whole(pair *p)
{
    assert_equal(p);
    assert_false(info(p->m)->repair || info(p->r)->repair);
    assert_int_equal(info(p->r)->copy_records, p->ms.live.n);
}

/* Lets the sessions work by themselves for so many steps. */
static void steps(pair *p, int n, size_t piece)
{
    while (n-- > 0) {
        pair_move(p, 1, piece);
        pair_move(p, 0, piece);
        krbrepl__sess_work(p->m, p->now);
        krbrepl__sess_work(p->r, p->now);
    }
}

static void begin(pair *p)
{
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
}

/* Both see the end of the connection. */
static void both_eof(pair *p)
{
    krbrepl__sess_eof(p->r, p->now);
    krbrepl__sess_eof(p->m, p->now);
}

/* Until the replica has sent its nth ask of this copy. */
static void until_asks(pair *p, uint64_t n)
{
    int i;

    for (i = 0; i < 10000 && info(p->r)->copy_asks < n; i++) {
        pair_move(p, 1, SIZE_MAX);
        krbrepl__sess_work(p->r, p->now);
        if (info(p->r)->copy_asks < n) {
            pair_move(p, 0, SIZE_MAX);
            krbrepl__sess_work(p->m, p->now);
        }
    }
    assert_true(info(p->r)->copy_asks >= n);
}

static void grown(pair *p)
{
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
}

/* ---- what travels ---------------------------------------------------------------------------- */

static void ten_of_a_hundred_thousand_cost_few_bytes_and_round_trips(void **state)
{
    pair *p = *state;
    unsigned i;

    twins(p, 100000);
    for (i = 0; i < 10; i++)
        mem_alter(&p->rs, 37 + i * 9973, "forged");
    pair_meet(p);
    assert_repaired(p, 10);
    assert_int_equal(p->rs.puts, 10);
    assert_true(info(p->r)->copy_bytes <= 20000);
    assert_true(info(p->r)->copy_trips <= 5); /* and one for HELLO */
    assert_int_equal(info(p->r)->copy_trips, info(p->m)->copy_trips);
    assert_int_equal(p->rs.removed, 10);
}

static void equal_content_brings_no_record(void **state)
{
    pair *p = *state;

    twins(p, 5000);
    pair_meet(p);
    assert_repaired(p, 0);
    assert_int_equal(p->rs.ranges, 0);
    assert_int_equal(info(p->r)->copy_asks, 1); /* DONE */
    assert_true(info(p->r)->copy_bytes < 4000);
}

static void one_record_whose_content_alone_differs_is_found(void **state)
{
    size_t i;
    pair p;

    (void)state;
    for (i = 0; i < 3000; i += 211) {
        pair_init(&p);
        twins(&p, 3000);
        mem_alter(&p.rs, i, "secret");
        pair_meet(&p);
        assert_repaired(&p, 1);
        assert_int_equal(p.rs.removed, 1);
        pair_free(&p);
    }
}

static void records_that_the_replica_has_lost_come_back(void **state)
{
    pair *p = *state;
    unsigned i;

    twins(p, 3000);
    for (i = 0; i < 20; i++)
        lose(&p->rs, 2900 - i * 140);
    pair_meet(p);
    assert_repaired(p, 20);
}

/* Each record in turn, so that those with which leaves and higher nodes begin are among them. */
static void a_record_that_only_the_replica_has_goes_wherever_it_stands(void **state)
{
    unsigned i;
    pair p;

    (void)state;
    for (i = 0; i < 300; i++) {
        pair_init(&p);
        twins(&p, 300);
        add_foreign(&p, i * 10 + 5);
        pair_meet(&p);
        assert_repaired(&p, 0);
        assert_int_equal(p.rs.removed, 1);
        pair_free(&p);
    }
}

static void a_record_that_the_master_deleted_goes_wherever_a_leaf_began(void **state)
{
    size_t i;
    pair p;

    (void)state;
    for (i = 0; i < 300; i++) {
        pair_init(&p);
        twins(&p, 300);
        lose(&p.ms, i);
        pair_meet(&p);
        assert_repaired(&p, 0);
        assert_int_equal(p.rs.removed, 1);
        pair_free(&p);
    }
}

static void content_that_differs_everywhere_is_replaced(void **state)
{
    pair *p = *state;
    size_t i;

    twins(p, 3000);
    for (i = 0; i < p->rs.live.n; i++)
        mem_alter(&p->rs, i, "forged");
    pair_meet(p);
    assert_repaired(p, 3000);
}

static void content_without_a_common_key_is_replaced(void **state)
{
    pair *p = *state;
    unsigned i;

    twins(p, 2000);
    memrecs_free(&p->rs.live);
    for (i = 0; i < 3000; i++)
        add_foreign(p, i * 7 + (i * 7 % 10 == 0));
    pair_meet(p);
    assert_equal(p);
    assert_true(info(p->r)->repair);
}

static void a_replica_without_records_asks_for_all(void **state)
{
    pair *p = *state;

    twins(p, 2000);
    memrecs_free(&p->rs.live);
    p->rs.local.records = 0;
    pair_meet(p);
    assert_copied_whole(p);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_WHOLE);
}

static void a_master_without_records_empties_the_replica(void **state)
{
    pair *p = *state;

    twins(p, 2000);
    memrecs_free(&p->ms.live);
    p->ms.local.records = 0;
    pair_meet(p);
    assert_repaired(p, 0);
    assert_int_equal(p->rs.removed, 2000);
    assert_int_equal(p->rs.live.n, 0);
}

static void trees_of_different_heights_are_compared(void **state)
{
    static const unsigned few[] = {1, 3, 40, 300};
    size_t i;
    pair p;

    (void)state;
    for (i = 0; i < sizeof few / sizeof few[0]; i++) {
        pair_init(&p);
        twins(&p, 6000); /* the replica keeps its first few */
        while (p.rs.live.n > few[i])
            lose(&p.rs, p.rs.live.n - 1);
        pair_meet(&p);
        assert_repaired(&p, 6000 - few[i]);
        if (few[i] == 300) /* most leaves were not even looked at */
            assert_true(p.rs.kept < 150);
        pair_free(&p);
        pair_init(&p);
        twins(&p, 6000); /* the master does */
        while (p.ms.live.n > few[i])
            lose(&p.ms, p.ms.live.n - 1);
        pair_meet(&p);
        assert_repaired(&p, 0);
        assert_true(info(p.r)->copy_bytes < 20000);
        pair_free(&p);
    }
}

/* The replica's whole tree is one leaf, and the master begins above it. For one number of records that leaf is the
 * master's first, and then it is not looked at any further. */
static void an_own_top_below_the_beginning_is_compared_too(void **state)
{
    unsigned few, met = 0;
    pair p;

    (void)state;
    for (few = 1; few <= 64 && met == 0; few++) {
        pair_init(&p);
        twins(&p, 5000);
        while (p.rs.live.n > few)
            lose(&p.rs, p.rs.live.n - 1);
        pair_meet(&p);
        assert_repaired(&p, 5000 - few);
        met = p.rs.kept == 0;
        pair_free(&p);
    }
    assert_true(met);
}

static void long_keys_and_large_values_travel_whole(void **state)
{
    pair *p = *state;
    char key[3000], *value = test_malloc(1000000);
    unsigned i;

    memset(value, 'v', 1000000);
    memset(key, 'k', sizeof key);

    for (i = 0; i < 100; i++) {
        key[400 + i * 20] = (char)('a' + i % 20);
        key[480 + i * 20] = '\0';
        mem_commit(&p->ms, key, value, i * 10000);
        key[480 + i * 20] = 'k';
    }
    mem_free(&p->rs);
    mem_copy(&p->rs, &p->ms);
    p->rs.local.role = KRBREPL_ROLE_REPLICA;
    p->asks = KRBREPL_COPY_DIFFERS;
    for (i = 0; i < 90; i += 9)
        mem_alter(&p->rs, i, "forged");
    p->window = 8192;
    p->piece = 5000;
    pair_meet(p);
    assert_repaired(p, 10);
    test_free(value);
}

/* ---- a master that does not stand still ------------------------------------------------------- */

#define CHANGES 400

/* Runs a repair of a few differences; `change` is called at the master after each piece that moves. What goes
 * live must be what the master had at that position, neither older nor newer in any record. */
static void repair_while(pair *p, void (*change)(pair *p, int i))
{
    static struct {
        uint64_t seq;
        uint8_t root[32];
    } was[CHANGES + 1];
    uint8_t root[32];
    int i, n = 0, k;

    begin(p);
    was[n].seq = p->ms.local.pos.seq;
    mem_root(&p->ms, was[n++].root);
    for (i = 0; i < 20000 && p->rs.switches == 0; i++) {
        steps(p, 1, 300);
        if (n <= CHANGES && p->rs.switches == 0) {
            change(p, i);
            was[n].seq = p->ms.local.pos.seq;
            mem_root(&p->ms, was[n++].root);
        }
        grown(p);
    }
    assert_int_equal(p->rs.switches, 1);
    mem_root(&p->rs, root);
    for (k = 0; k < n && was[k].seq != p->rs.local.pos.seq; k++)
        continue;
    assert_true(k > 0 && k < n); /* the master has moved on while it was read */
    assert_memory_equal(root, was[k].root, 32);
    pair_run(p);
}

static void change_some(pair *p, int i)
{
    put_one(&p->ms, (unsigned)(i * 7919 % 15000), "newer");
}

static void records_that_change_during_the_walk_arrive_by_their_commits(void **state)
{
    pair *p = *state;

    twins(p, 1500);
    forge(p, 100, 15);
    repair_while(p, change_some);
    assert_equal(p);
    assert_true(info(p->r)->repair);
    assert_true(info(p->r)->copy_records <= 600); /* what changed in a range may come twice */
}

static void delete_some(pair *p, int i)
{
    char key[40];
    int k;

    for (k = 0; k < 20; k++) {
        key_of(key, (unsigned)((i * 20 + k) * 10 % 15000));
        mem_commit(&p->ms, key, NULL, SIZE_MAX);
    }
}

static void ranges_that_are_deleted_during_the_walk_go(void **state)
{
    pair *p = *state;

    twins(p, 1500);
    forge(p, 100, 15);
    repair_while(p, delete_some);
    assert_equal(p);
    assert_true(info(p->r)->repair);
}

/* Between two keys that lie in one leaf. */
static void grow(pair *p, unsigned n)
{
    char key[60];
    unsigned i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "user001005-%06u@EXAMPLE.ORG", i);
        mem_commit(&p->ms, key, "new", 3);
    }
    grown(p);
}

static void a_leaf_that_grows_during_the_walk_is_listed_in_parts(void **state)
{
    pair *p = *state;

    twins(p, 3000);
    mem_alter(&p->rs, 100, "forged");
    mem_alter(&p->rs, 101, "forged");
    begin(p);
    until_asks(p, 1);
    grow(p, 3000);
    pair_run(p);
    assert_equal(p);
    assert_int_equal(info(p->r)->copies, 1);
}

static void a_leaf_that_grows_by_thousands_is_compared_with_a_newer_tree(void **state)
{
    pair *p = *state;

    twins(p, 3000);
    mem_alter(&p->rs, 100, "forged");
    mem_alter(&p->rs, 101, "forged");
    begin(p);
    until_asks(p, 1);
    grow(p, 6000);
    pair_run(p);
    assert_equal(p);
    assert_true(info(p->r)->repair);
    assert_int_equal(info(p->r)->copies, 2);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_DIFFERS);
}

static void a_reset_during_the_walk_begins_it_anew(void **state)
{
    pair *p = *state;

    twins(p, 3000);
    mem_alter(&p->rs, 100, "forged");
    begin(p);
    until_asks(p, 2);
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    grown(p);
    pair_run(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copies, 2);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_RESET);
    assert_int_equal(p->rs.live.n, 1);
}

static void a_journal_trimmed_during_the_walk_begins_it_anew(void **state)
{
    pair *p = *state;

    twins(p, 3000);
    mem_alter(&p->rs, 100, "forged");
    mem_alter(&p->rs, 2000, "forged");
    begin(p);
    until_asks(p, 2);
    fill(&p->ms, 5, 50, 10, "newer");
    mem_trim(&p->ms, 3040);
    grown(p);
    pair_run(p);
    assert_equal(p);
    assert_true(info(p->r)->repair);
    assert_int_equal(info(p->r)->copies, 2);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_BEHIND);
    assert_int_equal(p->ms.least, 3039);
}

/* ---- cut off, and gone on -------------------------------------------------------------------- */

static void a_repair_that_is_cut_anywhere_goes_on_with_what_it_has(void **state)
{
    memstore before;
    uint64_t had, bytes;
    int cut, done = 0;
    pair p;

    (void)state;
    for (cut = 1; !done; cut += 3) {
        pair_init(&p);
        twins(&p, 1500);
        forge(&p, 100, 15);
        lose(&p.rs, 700);
        add_foreign(&p, 77);
        p.window = 4096;
        mem_copy(&before, &p.rs);
        begin(&p);
        steps(&p, cut, 400);
        done = info(p.r)->phase == KRBREPL__SESS_STREAMING && p.rs.switches != 0;
        if (!done) {
            /* Readers see the old content until the new one is whole. */
            assert_true(mem_equal(&before, &p.rs));
            both_eof(&p);
            assert_false(p.rs.building || p.ms.entered);
            assert_null(p.rs.own);
            had = p.rs.puts;
            bytes = p.rs.stage.n;
            assert_true(bytes == had);
            pair_meet(&p);
            assert_repaired(&p, 101 - had);
            assert_int_equal(p.rs.puts, 101);
            assert_int_equal(p.rs.revived, had);
        }
        mem_free(&before);
        pair_free(&p);
    }
    assert_true(cut > 20);
}

static void a_repair_goes_on_though_the_master_has_moved_on(void **state)
{
    pair *p = *state;
    uint64_t had;

    twins(p, 3000);
    forge(p, 300, 10);
    p->window = 4096;
    begin(p);
    while (p->rs.puts < 100)
        steps(p, 1, 400);
    both_eof(p);
    had = p->rs.puts;
    fill(&p->ms, 3, 5, 10, "newer"); /* new records */
    fill(&p->ms, 0, 5, 10, "newer"); /* some that had come */
    pair_meet(p);
    assert_repaired(p, 300 - had + 10);
}

static void a_full_copy_that_is_cut_goes_on_behind_what_it_has(void **state)
{
    pair *p = *state;
    uint64_t had;

    fill(&p->ms, 0, 3000, 10, "secret");
    mem_trim(&p->ms, 3000);
    p->window = 8192;
    begin(p);
    while (p->rs.puts < 1000)
        steps(p, 1, 3000);
    both_eof(p);
    had = p->rs.puts;
    fill(&p->ms, 5, 20, 10, "newer");    /* in what it has */
    fill(&p->ms, 29805, 9, 10, "newer"); /* behind it */
    pair_meet(p);
    assert_equal(p);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_RESUMED);
    assert_int_equal(info(p->r)->copy_records, 3009 - had);
    assert_int_equal(p->rs.puts, 3009);
}

/* The journal does not reach back to where it began, or the history is another one. */
static void a_full_copy_that_cannot_go_on_begins_anew(void **state)
{
    int why;
    pair p;

    (void)state;
    for (why = 0; why < 6; why++) {
        pair_init(&p);
        fill(&p.ms, 0, 2000, 10, "secret");
        mem_trim(&p.ms, 2000);
        p.window = 8192;
        begin(&p);
        while (p.rs.puts < 1000)
            steps(&p, 1, 3000);
        both_eof(&p);
        fill(&p.ms, 5, 20, 10, "newer");
        if (why == 0)
            mem_trim(&p.ms, 2010);
        else if (why == 1)
            mem_promote(&p.ms, 9);
        else if (why == 2)
            p.rs.local.partial.chain[5] ^= 1;
        else if (why == 3)
            p.rs.local.partial_upper.chain[5] ^= 1;
        else if (why == 4)
            p.rs.local.partial_upper.seq += 1000;
        else
            p.rs.local.partial_upper.seq = 1;
        pair_meet(&p);
        assert_copied_whole(&p);
        assert_int_equal(p.rs.mode, KRBREPL__COPY_WHOLE);
        assert_int_equal(info(p.r)->copies, 1);
        pair_free(&p);
    }
}

/* Until the replica has a part of a full copy whose slices were read before and after so many commits of the
 * master's; then the connection goes. */
static void cut_a_copy_during_commits(pair *p, unsigned commits)
{
    begin(p);
    while (p->rs.puts < 500)
        steps(p, 1, 3000);
    fill(&p->ms, 5, commits, 10, "newer");      /* in what it has */
    fill(&p->ms, 19005, commits, 10, "newest"); /* behind it */
    grown(p);
    while (p->rs.puts < 1950)
        steps(p, 1, 3000);
    both_eof(p);
    assert_true(p->rs.local.after.len != 0);
    assert_int_equal(p->rs.local.partial_upper.seq, p->ms.local.pos.seq);
    assert_true(p->rs.local.partial.seq < p->rs.local.partial_upper.seq);
}

/* The replica has records of commits that are gone with the master's newer files, and which no commit replaces. */
static void a_full_copy_with_records_that_the_master_lost_begins_anew(void **state)
{
    unsigned again;
    memstore kept;
    pair p;

    (void)state;
    /* The master has come as far as before with other commits, or has not. */
    for (again = 0; again <= 40; again += 20) {
        pair_init(&p);
        fill(&p.ms, 0, 2000, 10, "secret");
        mem_trim(&p.ms, 2000);
        mem_copy(&kept, &p.ms);
        p.window = 4096;
        cut_a_copy_during_commits(&p, 20);
        pair_drop(&p);
        mem_free(&p.ms);
        p.ms = kept;
        p.ms.allow = KRBREPL_ALLOW_REPLICA;
        fill(&p.ms, 7, again, 10, "otherwise");
        pair_meet(&p);
        assert_copied_whole(&p);
        assert_int_equal(p.rs.mode, KRBREPL__COPY_WHOLE);
        pair_free(&p);
    }
}

static void a_full_copy_whose_records_are_all_of_the_history_goes_on(void **state)
{
    pair *p = *state;
    uint64_t had;

    fill(&p->ms, 0, 2000, 10, "secret");
    mem_trim(&p->ms, 2000);
    p->window = 4096;
    cut_a_copy_during_commits(p, 20);
    had = p->rs.puts;
    fill(&p->ms, 7, 20, 10, "newer");
    pair_meet(p);
    assert_equal(p);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_RESUMED);
    assert_true(info(p->r)->copy_records < p->ms.live.n - had + 41);
}

/* What the second session brings is as new as the master is then, though the copy began long before. */
static void the_newest_position_is_kept_when_a_copy_goes_on(void **state)
{
    pair *p = *state;

    fill(&p->ms, 0, 2000, 10, "secret");
    mem_trim(&p->ms, 2000);
    p->window = 4096;
    begin(p);
    while (p->rs.puts < 500)
        steps(p, 1, 3000);
    both_eof(p);
    assert_true(krbrepl__pos_equal(&p->rs.local.partial, &p->rs.local.partial_upper));
    fill(&p->ms, 19005, 20, 10, "newest");
    begin(p);
    while (p->rs.puts < 1000)
        steps(p, 1, 3000);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_RESUMED);
    both_eof(p);
    assert_true(krbrepl__pos_equal(&p->rs.local.partial_upper, &p->ms.local.pos));
    assert_true(p->rs.local.partial.seq < p->rs.local.partial_upper.seq);
}

/* ---- what a repair waits for ----------------------------------------------------------------- */

static void a_repair_waits_for_its_place_and_for_the_own_tree(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    p->ms.enter_later = 2;
    p->rs.tree_later = 2;
    pair_meet(p);
    assert_int_equal(p->ms.enter_later, 1);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_STREAMING);
    assert_int_equal(info(p->r)->phase, KRBREPL__SESS_COPYING);
    assert_false(krbrepl__sess_work(p->m, p->now)); /* it is not asked again before it is time */
    assert_int_equal(p->ms.enter_later, 1);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_int_equal(p->ms.enter_later, 0);
    /* Meanwhile both ends live. */
    p->now += 11000;
    pair_run(p);
    assert_int_equal(info(p->r)->heard_ms, p->now);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_int_equal(info(p->m)->phase, KRBREPL__SESS_COPYING);
    assert_int_equal(p->rs.tree_later, 1);
    krbrepl__sess_again(p->r);
    pair_run(p);
    krbrepl__sess_again(p->r);
    pair_run(p);
    assert_repaired(p, 1);
}

static void a_store_that_works_in_pieces_is_called_again(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    forge(p, 50, 20);
    p->rs.begin_later = 3;
    p->rs.range_later = 2;
    p->rs.switch_later = 4;
    pair_meet(p);
    assert_repaired(p, 50);
}

static void commits_wait_until_a_copy_has_its_place(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    p->asks = 0;
    pair_meet(p);
    assert_up(p);
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    p->ms.enter_later = 1;
    fill(&p->ms, 0, 5, 10, "newer");
    grown(p);
    pair_run(p);
    assert_int_equal(info(p->r)->copies, 0);
    assert_int_equal(p->rs.live.n, 1000);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_equal(p);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_RESET);
}

static void an_end_that_goes_while_it_waits_gives_back_what_it_has(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    begin(p);
    until_asks(p, 2);
    assert_true(p->ms.entered);
    assert_non_null(p->rs.own);
    pair_drop(p); /* freed without an end */
    assert_false(p->ms.entered);
    assert_null(p->rs.own);
    assert_false(p->rs.building);
}

/* ---- when it is no repair -------------------------------------------------------------------- */

static void ends_without_the_feature_copy_in_full(void **state)
{
    int who;
    pair p;

    (void)state;
    for (who = 0; who < 3; who++) {
        pair_init(&p);
        twins(&p, 1000);
        mem_alter(&p.rs, 100, "forged");
        if (who != 1)
            p.rp.own_tree = NULL;
        if (who != 0)
            p.mp.enter = NULL;
        pair_meet(&p);
        assert_copied_whole(&p);
        assert_false(info(p.m)->repairs || info(p.r)->repairs);
        pair_free(&p);
    }
}

static void a_replica_without_a_tree_asks_for_all(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    p->rs.no_tree = 1;
    pair_meet(p);
    assert_copied_whole(p);
}

static void a_replica_that_a_repair_has_not_helped_asks_for_all(void **state)
{
    pair *p = *state;

    twins(p, 1000);
    mem_alter(&p->rs, 100, "forged");
    p->all = 1;
    pair_meet(p);
    assert_copied_whole(p);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_DIFFERS);
    assert_int_equal(info(p->r)->copy_asks, 1);
}

static void every_reason_for_a_copy_is_a_repair_of_what_is_there(void **state)
{
    pair *p = *state;

    /* Behind the journal. */
    twins(p, 2000);
    p->asks = 0;
    fill(&p->ms, 1000, 20, 10, "newer");
    mem_trim(&p->ms, 2015);
    pair_meet(p);
    assert_repaired(p, 20);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_BEHIND);
    pair_drop(p);
    /* Its own commits, left by a promotion that the master knows of. */
    put_one(&p->rs, 7, "lost");
    mem_promote(&p->ms, 3);
    put_one(&p->ms, 8, "kept");
    pair_meet(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_FORK);
    assert_int_equal(p->rs.evidence, 2022);
    /* A reset in the stream. */
    mem_reset(&p->ms, "only@EXAMPLE.ORG", "1");
    grown(p);
    pair_run(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_RESET);
    pair_drop(p);
    /* It cannot apply what follows. */
    p->asks = KRBREPL_COPY_FAILED;
    put_one(&p->ms, 9, "newer");
    pair_meet(p);
    assert_repaired(p, 1);
    assert_int_equal(info(p->r)->copy_reason, KRBREPL_COPY_FAILED);
}

static void a_walk_does_not_go_behind_what_the_replica_had(void **state)
{
    pair *p = *state;

    twins(p, 100);
    pair_meet(p);
    assert_repaired(p, 0);
    assert_int_equal(p->ms.least, p->rs.local.pos.seq);
}

/* ---- asking to be compared ------------------------------------------------------------------- */

static void a_replica_asks_to_be_compared_and_the_owner_hears_of_it(void **state)
{
    pair *p = *state;

    twins(p, 100);
    p->asks = 0;
    pair_meet(p);
    krbrepl__sess_ask_check(p->r);
    krbrepl__sess_ask_check(p->m); /* nobody to ask */
    pair_run(p);
    assert_int_equal(info(p->m)->check_asks, 1);
    assert_up(p);
    pair_drop(p);
    /* A master that does not know of it is not asked. */
    p->mp.enter = NULL;
    pair_meet(p);
    krbrepl__sess_ask_check(p->r);
    pair_run(p);
    assert_int_equal(info(p->m)->check_asks, 0);
    assert_up(p);
}

/* Else the master would take it for checked, and come back to it after a long while only. */
static void the_master_knows_that_a_replica_did_not_hear_of_a_comparison(void **state)
{
    pair *p = *state;

    twins(p, 100);
    p->ms.enter_later = 1;
    pair_meet(p);
    assert_int_equal(p->ms.enter_later, 0);
    assert_int_equal(krbrepl__sess_check(p->m, p->ms.local.pos.seq, NULL), 0);
    krbrepl__sess_again(p->m);
    pair_run(p);
    assert_up(p);
    assert_int_equal(p->rs.checks, 0);
    assert_int_equal(krbrepl__sess_check(p->m, p->ms.local.pos.seq, NULL), 1);
    pair_run(p);
    assert_int_equal(p->rs.checks, 1);
    assert_int_equal(krbrepl__sess_check(p->r, p->ms.local.pos.seq, NULL), 0); /* it tells nobody */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(ten_of_a_hundred_thousand_cost_few_bytes_and_round_trips),
        PAIR(equal_content_brings_no_record),
        cmocka_unit_test(one_record_whose_content_alone_differs_is_found),
        PAIR(records_that_the_replica_has_lost_come_back),
        cmocka_unit_test(a_record_that_only_the_replica_has_goes_wherever_it_stands),
        cmocka_unit_test(a_record_that_the_master_deleted_goes_wherever_a_leaf_began),
        PAIR(content_that_differs_everywhere_is_replaced),
        PAIR(content_without_a_common_key_is_replaced),
        PAIR(a_replica_without_records_asks_for_all),
        PAIR(a_master_without_records_empties_the_replica),
        cmocka_unit_test(trees_of_different_heights_are_compared),
        cmocka_unit_test(an_own_top_below_the_beginning_is_compared_too),
        PAIR(long_keys_and_large_values_travel_whole),
        PAIR(records_that_change_during_the_walk_arrive_by_their_commits),
        PAIR(ranges_that_are_deleted_during_the_walk_go),
        PAIR(a_leaf_that_grows_during_the_walk_is_listed_in_parts),
        PAIR(a_leaf_that_grows_by_thousands_is_compared_with_a_newer_tree),
        PAIR(a_reset_during_the_walk_begins_it_anew),
        PAIR(a_journal_trimmed_during_the_walk_begins_it_anew),
        cmocka_unit_test(a_repair_that_is_cut_anywhere_goes_on_with_what_it_has),
        PAIR(a_repair_goes_on_though_the_master_has_moved_on),
        PAIR(a_full_copy_that_is_cut_goes_on_behind_what_it_has),
        cmocka_unit_test(a_full_copy_that_cannot_go_on_begins_anew),
        cmocka_unit_test(a_full_copy_with_records_that_the_master_lost_begins_anew),
        PAIR(a_full_copy_whose_records_are_all_of_the_history_goes_on),
        PAIR(the_newest_position_is_kept_when_a_copy_goes_on),
        PAIR(a_repair_waits_for_its_place_and_for_the_own_tree),
        PAIR(a_store_that_works_in_pieces_is_called_again),
        PAIR(commits_wait_until_a_copy_has_its_place),
        PAIR(an_end_that_goes_while_it_waits_gives_back_what_it_has),
        cmocka_unit_test(ends_without_the_feature_copy_in_full),
        PAIR(a_replica_without_a_tree_asks_for_all),
        PAIR(a_replica_that_a_repair_has_not_helped_asks_for_all),
        PAIR(every_reason_for_a_copy_is_a_repair_of_what_is_there),
        PAIR(a_walk_does_not_go_behind_what_the_replica_had),
        PAIR(a_replica_asks_to_be_compared_and_the_owner_hears_of_it),
        PAIR(the_master_knows_that_a_replica_did_not_hear_of_a_comparison),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
