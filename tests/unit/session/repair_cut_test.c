/* A repair or a full copy that is cut off goes on with what it has, where that is of the history. */
#include "twins.h"

/* A master whose journal does not reach back to its first records: a replica gets a full copy. */
static void lone_master(pair *p, unsigned n)
{
    fill(&p->ms, 0, n, 10, "secret");
    mem_trim(&p->ms, n);
}

/* Until the replica has put so many records. */
static void until_puts(pair *p, uint64_t n, size_t piece)
{
    while (p->rs.puts < n)
        steps(p, 1, piece);
}

static void a_repair_that_is_cut_anywhere_goes_on_with_what_it_has(void **state)
{
    pair *p = *state;
    memstore before;
    uint64_t had, bytes;
    int cut, done = 0;

    for (cut = 1; !done; cut += 3) {
        pair_anew(p);
        twins(p, 1500);
        forge(p, 100, 15);
        lose(&p->rs, 700);
        add_foreign(p, 77);
        p->window = 4096;
        mem_copy(&before, &p->rs);
        begin(p);
        steps(p, cut, 400);
        done = info(p->r)->phase == KRBREPL__SESS_STREAMING && p->rs.switches != 0;
        if (!done) {
            /* Readers see the old content until the new one is whole. */
            assert_true(mem_equal(&before, &p->rs));
            both_eof(p);
            assert_false(p->rs.building || p->ms.entered);
            assert_null(p->rs.own);
            had = p->rs.puts;
            bytes = p->rs.stage.n;
            assert_true(bytes == had);
            pair_meet(p);
            assert_repaired(p, 101 - had);
            assert_int_equal(p->rs.puts, 101);
            assert_int_equal(p->rs.revived, had);
        }
        mem_free(&before);
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
    until_puts(p, 100, 400);
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

    lone_master(p, 3000);
    p->window = 8192;
    begin(p);
    until_puts(p, 1000, 3000);
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
    pair *p = *state;
    int why;

    for (why = 0; why < 6; why++) {
        pair_anew(p);
        lone_master(p, 2000);
        p->window = 8192;
        begin(p);
        until_puts(p, 1000, 3000);
        both_eof(p);
        fill(&p->ms, 5, 20, 10, "newer");
        if (why == 0)
            mem_trim(&p->ms, 2010);
        else if (why == 1)
            mem_promote(&p->ms, 9);
        else if (why == 2)
            p->rs.local.partial.chain[5] ^= 1;
        else if (why == 3)
            p->rs.local.partial_upper.chain[5] ^= 1;
        else if (why == 4)
            p->rs.local.partial_upper.seq += 1000;
        else
            p->rs.local.partial_upper.seq = 1;
        pair_meet(p);
        assert_copied_whole(p);
        assert_int_equal(p->rs.mode, KRBREPL__COPY_WHOLE);
        assert_int_equal(info(p->r)->copies, 1);
    }
}

/* Until the replica has a part of a full copy whose slices were read before and after so many commits of the
 * master's; then the connection goes. */
static void cut_a_copy_during_commits(pair *p, unsigned commits)
{
    begin(p);
    until_puts(p, 500, 3000);
    fill(&p->ms, 5, commits, 10, "newer");      /* in what it has */
    fill(&p->ms, 19005, commits, 10, "newest"); /* behind it */
    grown(p);
    until_puts(p, 1950, 3000);
    both_eof(p);
    assert_true(p->rs.local.after.len != 0);
    assert_int_equal(p->rs.local.partial_upper.seq, p->ms.local.pos.seq);
    assert_true(p->rs.local.partial.seq < p->rs.local.partial_upper.seq);
}

/* The replica has records of commits that are gone with the master's newer files, and which no commit replaces. */
static void a_full_copy_with_records_that_the_master_lost_begins_anew(void **state)
{
    pair *p = *state;
    unsigned again;
    memstore kept;

    /* The master has come as far as before with other commits, or has not. */
    for (again = 0; again <= 40; again += 20) {
        pair_anew(p);
        lone_master(p, 2000);
        mem_copy(&kept, &p->ms);
        p->window = 4096;
        cut_a_copy_during_commits(p, 20);
        pair_drop(p);
        mem_free(&p->ms);
        p->ms = kept;
        p->ms.allow = KRBREPL_ALLOW_REPLICA;
        fill(&p->ms, 7, again, 10, "otherwise");
        pair_meet(p);
        assert_copied_whole(p);
        assert_int_equal(p->rs.mode, KRBREPL__COPY_WHOLE);
    }
}

static void a_full_copy_whose_records_are_all_of_the_history_goes_on(void **state)
{
    pair *p = *state;
    uint64_t had;

    lone_master(p, 2000);
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

    lone_master(p, 2000);
    p->window = 4096;
    begin(p);
    until_puts(p, 500, 3000);
    both_eof(p);
    assert_true(krbrepl__pos_equal(&p->rs.local.partial, &p->rs.local.partial_upper));
    fill(&p->ms, 19005, 20, 10, "newest");
    begin(p);
    until_puts(p, 1000, 3000);
    assert_int_equal(p->rs.mode, KRBREPL__COPY_RESUMED);
    both_eof(p);
    assert_true(krbrepl__pos_equal(&p->rs.local.partial_upper, &p->ms.local.pos));
    assert_true(p->rs.local.partial.seq < p->rs.local.partial_upper.seq);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(a_repair_that_is_cut_anywhere_goes_on_with_what_it_has),
        PAIR(a_repair_goes_on_though_the_master_has_moved_on),
        PAIR(a_full_copy_that_is_cut_goes_on_behind_what_it_has),
        PAIR(a_full_copy_that_cannot_go_on_begins_anew),
        PAIR(a_full_copy_with_records_that_the_master_lost_begins_anew),
        PAIR(a_full_copy_whose_records_are_all_of_the_history_goes_on),
        PAIR(the_newest_position_is_kept_when_a_copy_goes_on),
        PAIR(an_end_that_goes_while_it_waits_gives_back_what_it_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
