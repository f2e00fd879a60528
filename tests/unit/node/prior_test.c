#include "../store/st.h"

#include <string.h>

/* What a node knows of a commit that came while it looked on. */

#include "prior.h"

typedef struct looking {
    krbrepl_store *s;
    krbrepl_store_info seen;
    krbrepl__priors *p;
} looking;

static void begin(looking *l, void **state)
{
    l->s = st_master(*state);
    st_put(l->s, "a", "1");
    st_put(l->s, "b", "1");
    l->seen = st_info(l->s);
    l->p = calloc(1, sizeof *l->p);
    assert_non_null(l->p);
}

static void look(looking *l)
{
    const krbrepl_store_info now = st_info(l->s);

    krbrepl__priors_moved(l->p, l->s, &l->seen, &now);
    l->seen = now;
}

/* Of the commit that is `back` commits behind the last one. */
static enum krbrepl__prior of(const looking *l, uint64_t back)
{
    return krbrepl__priors_get(l->p, l->seen.pos.seq - back);
}

static void end(looking *l)
{
    krbrepl_store_close(l->s);
    free(l->p);
}

static void what_came_before_the_first_look_is_not_known(void **state)
{
    looking l;

    begin(&l, state);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_UNKNOWN);
    st_put(l.s, "a", "2");
    look(&l);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_EXISTED);
    assert_int_equal(of(&l, 1), KRBREPL__PRIOR_UNKNOWN);
    assert_int_equal(krbrepl__priors_get(l.p, l.seen.pos.seq + 1), KRBREPL__PRIOR_UNKNOWN);
    end(&l);
}

static void commits_of_one_kind_are_known(void **state)
{
    looking l;

    begin(&l, state);
    st_put(l.s, "c", "1");
    look(&l);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_NEW);
    st_put(l.s, "d", "1");
    st_put(l.s, "e", "1");
    look(&l);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_NEW);
    assert_int_equal(of(&l, 1), KRBREPL__PRIOR_NEW);
    st_put(l.s, "a", "2");
    st_put(l.s, "b", "2");
    st_delete(l.s, "c");
    look(&l);
    assert_int_equal(of(&l, 1), KRBREPL__PRIOR_EXISTED);
    assert_int_equal(of(&l, 2), KRBREPL__PRIOR_EXISTED);
    end(&l);
}

static void what_follows_from_the_same_look_is_known_even_when_the_rest_is_not(void **state)
{
    looking l;

    begin(&l, state);
    st_put(l.s, "a", "2"); /* was there */
    st_put(l.s, "c", "1"); /* was not */
    st_put(l.s, "c", "2"); /* is, by now */
    st_delete(l.s, "b");
    st_put(l.s, "b", "3"); /* is not, by now */
    look(&l);
    assert_int_equal(of(&l, 4), KRBREPL__PRIOR_UNKNOWN);
    assert_int_equal(of(&l, 3), KRBREPL__PRIOR_UNKNOWN);
    assert_int_equal(of(&l, 2), KRBREPL__PRIOR_EXISTED);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_NEW);
    end(&l);
}

/* A removal and a new record cancel out in the count, and not in what is known. */
static void one_that_goes_and_one_that_comes_are_told_apart(void **state)
{
    looking l;

    begin(&l, state);
    st_delete(l.s, "a");
    st_put(l.s, "c", "1");
    look(&l);
    assert_int_not_equal(of(&l, 0), KRBREPL__PRIOR_EXISTED);
    st_put(l.s, "b", "2");
    st_delete(l.s, "c");
    look(&l);
    assert_int_equal(of(&l, 1), KRBREPL__PRIOR_EXISTED);
    end(&l);
}

static void a_commit_with_both_is_not_known(void **state)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    looking l;

    begin(&l, state);
    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl__txn_begin(l.s, &t, &opt), 0);
    assert_int_equal(krbrepl__txn_put(t, "principal", st_bytes("a"), st_bytes("2")), 0);
    assert_int_equal(krbrepl__txn_put(t, "principal", st_bytes("c"), st_bytes("2")), 0);
    assert_int_equal(krbrepl__txn_commit(t, NULL), 0);
    look(&l);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_UNKNOWN);
    /* One that removes a record and puts it again says so itself, and does not count. */
    assert_int_equal(krbrepl__txn_begin(l.s, &t, &opt), 0);
    assert_int_equal(krbrepl__txn_delete(t, "principal", st_bytes("a")), 0);
    assert_int_equal(krbrepl__txn_put(t, "principal", st_bytes("a"), st_bytes("3")), 0);
    assert_int_equal(krbrepl__txn_put(t, "principal", st_bytes("b"), st_bytes("3")), 0);
    assert_int_equal(krbrepl__txn_commit(t, NULL), 0);
    look(&l);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_EXISTED);
    end(&l);
}

static void another_lineage_is_begun_with_nothing(void **state)
{
    looking l;
    krbrepl_store_info other;

    begin(&l, state);
    st_put(l.s, "a", "2");
    other = st_info(l.s);
    other.pos.lineage[0] ^= 1;
    krbrepl__priors_moved(l.p, l.s, &l.seen, &other);
    assert_int_equal(krbrepl__priors_get(l.p, other.pos.seq), KRBREPL__PRIOR_UNKNOWN);
    l.seen = st_info(l.s);
    st_put(l.s, "a", "3");
    look(&l);
    assert_int_equal(of(&l, 0), KRBREPL__PRIOR_EXISTED);
    end(&l);
}

/* ---- whatever comes ------------------------------------------------------------------------------ */

#define RECORDS 12u /* in two tables */
#define COMMITS 200u

/* What is there, and what each commit did, for certain. */
typedef struct truth {
    int there[RECORDS];
    uint64_t first;
    int existed[COMMITS],
        made[COMMITS]; /* puts over what was there, and of what was not, but for what it removes */
    uint32_t rng;
} truth;

static uint32_t any(truth *w, uint32_t below)
{
    w->rng = w->rng * 1664525u + 1013904223u;
    return (w->rng >> 8) % below;
}

static void any_change(krbrepl_txn *t, truth *w, unsigned at, int removed[RECORDS])
{
    const unsigned i = any(w, RECORDS);
    const char *table = i % 2 != 0 ? "principal" : "hdb";
    const char name[2] = {(char)('a' + i / 2), '\0'};

    if (any(w, 3) == 0) {
        assert_int_equal(krbrepl__txn_delete(t, table, st_bytes(name)),
                         w->there[i] ? 0 : KRBREPL_ERR_NOTFOUND);
        removed[i] |= w->there[i];
        w->there[i] = 0;
        return;
    }
    assert_int_equal(krbrepl__txn_put(t, table, st_bytes(name), st_bytes(any(w, 2) ? "1" : "2")), 0);
    if (w->there[i])
        w->existed[at] = 1;
    else if (!removed[i])
        w->made[at] = 1;
    w->there[i] = 1;
}

static void any_commit(krbrepl_store *s, truth *w)
{
    const unsigned at = (unsigned)(st_info(s).pos.seq + 1 - w->first);
    int removed[RECORDS] = {0};
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    unsigned n;

    KRBREPL_INIT(&opt);
    w->existed[at] = w->made[at] = 0;
    assert_int_equal(krbrepl__txn_begin(s, &t, &opt), 0);
    for (n = 1 + any(w, 2); n != 0; n--)
        any_change(t, w, at, removed);
    assert_int_equal(krbrepl__txn_commit(t, NULL), 0);
}

static void what_is_known_is_true(void **state)
{
    static truth w;
    unsigned known = 0, at;
    uint64_t seq;
    looking l;

    begin(&l, state);
    memset(&w, 0, sizeof w);
    st_delete(l.s, "a");
    st_delete(l.s, "b");
    look(&l);
    w.first = l.seen.pos.seq + 1;
    w.rng = 7;
    while (st_info(l.s).pos.seq < w.first + COMMITS - 1) {
        any_commit(l.s, &w);
        if (any(&w, 2) == 0 && st_info(l.s).pos.seq != l.seen.pos.seq)
            look(&l);
    }
    for (seq = w.first; seq <= l.seen.pos.seq; seq++) {
        const enum krbrepl__prior prior = krbrepl__priors_get(l.p, seq);

        at = (unsigned)(seq - w.first);
        assert_false(prior == KRBREPL__PRIOR_EXISTED && w.made[at]);
        assert_false(prior == KRBREPL__PRIOR_NEW && w.existed[at]);
        known += prior != KRBREPL__PRIOR_UNKNOWN;
    }
    assert_in_range(known, COMMITS / 4, COMMITS);
    end(&l);
}

#define T(name) cmocka_unit_test_setup_teardown(name, st_setup, st_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_came_before_the_first_look_is_not_known),
        T(commits_of_one_kind_are_known),
        T(what_follows_from_the_same_look_is_known_even_when_the_rest_is_not),
        T(one_that_goes_and_one_that_comes_are_told_apart),
        T(a_commit_with_both_is_not_known),
        T(another_lineage_is_begun_with_nothing),
        T(what_is_known_is_true),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
