/* A repair from a master that does not stand still: what changes during the walk through its tree arrives. */
#include "twins.h"

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

/* A walk that comes upon two records that differ, until the replica has sent so many asks. */
static void walk(pair *p, size_t other, uint64_t asks)
{
    twins(p, 3000);
    mem_alter(&p->rs, 100, "forged");
    if (other != 100)
        mem_alter(&p->rs, other, "forged");
    begin(p);
    until_asks(p, asks);
}

static void a_leaf_that_grows_during_the_walk_is_listed_in_parts(void **state)
{
    pair *p = *state;

    walk(p, 101, 1);
    grow(p, 3000);
    pair_run(p);
    assert_equal(p);
    assert_int_equal(info(p->r)->copies, 1);
}

static void a_leaf_that_grows_by_thousands_is_compared_with_a_newer_tree(void **state)
{
    pair *p = *state;

    walk(p, 101, 1);
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

    walk(p, 100, 2);
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

    walk(p, 2000, 2);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        PAIR(records_that_change_during_the_walk_arrive_by_their_commits),
        PAIR(ranges_that_are_deleted_during_the_walk_go),
        PAIR(a_leaf_that_grows_during_the_walk_is_listed_in_parts),
        PAIR(a_leaf_that_grows_by_thousands_is_compared_with_a_newer_tree),
        PAIR(a_reset_during_the_walk_begins_it_anew),
        PAIR(a_journal_trimmed_during_the_walk_begins_it_anew),
        PAIR(commits_wait_until_a_copy_has_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
