/* Who may begin a repair, and which tree it gets. The sessions are not there: only their places. */
#include "../store/st.h"

#include <poll.h>

#include "conn.h"
#include "master.h"

#define CONNS 4

typedef struct rig {
    krbrepl_store *s;
    krbrepl_node n;
    krbrepl__master m;
    krbrepl__conn c[CONNS];
} rig;

static void put_some(krbrepl_store *s, int from, int n, const char *value)
{
    char key[32];

    for (; n > 0; n--, from++) {
        snprintf(key, sizeof key, "user%04d", from);
        st_put(s, key, value);
    }
}

static rig *make(const st *t, uint64_t max)
{
    rig *r = calloc(1, sizeof *r);
    krbrepl_errinfo ei;
    int i;

    assert_non_null(r);
    r->s = r->n.store = st_master(t);
    r->n.sys = krbrepl__sys_default();
    r->n.master = &r->m;
    r->m.opt.repairs_max = max;
    krbrepl__list_init(&r->n.conns);
    krbrepl__repairs_init(&r->n);
    for (i = 0; i < CONNS; i++)
        r->c[i].n = &r->n;
    put_some(r->s, 0, 300, "a");
    assert_int_equal(krbrepl__worker_new(&r->n.proof.worker, r->s, 1, &ei), 0);
    return r;
}

static void drop(rig *r)
{
    krbrepl__repairs_free(&r->n);
    krbrepl__worker_stop(r->n.proof.worker);
    krbrepl__store_close(r->s);
    free(r);
}

/* As the node does, until the tree that was asked for is there. */
static void take_tree(rig *r)
{
    struct pollfd p = {.fd = krbrepl__worker_fd(r->n.proof.worker), .events = POLLIN};
    krbrepl__proof proof;
    int what;

    assert_true(r->n.repairs.asked);
    while ((what = krbrepl__worker_next(r->n.proof.worker, &proof)) != KRBREPL__PROVER_FROZEN)
        if (what == KRBREPL__WORKER_NONE)
            assert_int_equal(poll(&p, 1, 120000), 1);
    krbrepl__repairs_frozen(&r->n, &proof);
}

static const krbrepl__snap *entered(rig *r, int i, uint64_t seq)
{
    const krbrepl__snap *snap = NULL;

    if (krbrepl__repairs_enter(&r->c[i], seq, &snap) == 1) {
        assert_true(r->c[i].waits);
        take_tree(r);
        assert_int_equal(krbrepl__repairs_enter(&r->c[i], seq, &snap), 0);
    }
    assert_non_null(snap);
    assert_true(snap->pos.seq >= seq && r->c[i].entered && !r->c[i].waits);
    return snap;
}

static void assert_root_now(krbrepl_store *s, const krbrepl__ftree *t, int same)
{
    uint8_t root[32], is[32];
    krbrepl_view *v = NULL;

    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
    krbrepl__ftree_root(t, is);
    assert_int_equal(memcmp(root, is, sizeof is) == 0, same);
}

static void those_who_ask_while_it_is_fresh_share_one_tree(void **state)
{
    rig *r = make(*state, 9);
    uint64_t seq = st_info(r->s).pos.seq;
    const krbrepl__snap *first = entered(r, 0, seq), *snap;
    krbrepl_pos pos = st_info(r->s).pos;

    assert_true(krbrepl__pos_equal(&first->pos, &pos));
    assert_root_now(r->s, first->tree, 1);
    put_some(r->s, 100, 5, "b");
    assert_ptr_equal(entered(r, 1, seq - 100), first);
    assert_false(r->n.repairs.asked);
    /* One that is ahead of it needs another, and the first keeps what it has. */
    snap = entered(r, 2, seq + 3);
    assert_ptr_not_equal(snap, first);
    assert_memory_not_equal(snap->salt, first->salt, sizeof snap->salt);
    assert_root_now(r->s, snap->tree, 1);
    assert_root_now(r->s, first->tree, 0);
    krbrepl__repairs_leave(&r->c[0]);
    krbrepl__repairs_leave(&r->c[0]); /* no harm */
    assert_true(r->n.repairs.under_way == 2);
    krbrepl__repairs_leave(&r->c[1]);
    krbrepl__repairs_leave(&r->c[2]);
    assert_true(r->n.repairs.under_way == 0);
    drop(r);
}

static int no_randomness(void *ctx, void *out, size_t n)
{
    (void)ctx;
    memset(out, 0, n);
    return -1;
}

static void a_tree_that_comes_to_nothing_is_not_asked_for_without_end(void **state)
{
    rig *r = make(*state, 9);
    krbrepl__sys sys = *krbrepl__sys_default();
    const krbrepl__snap *snap = NULL;

    sys.random = no_randomness;
    r->n.sys = &sys;
    assert_int_equal(krbrepl__repairs_enter(&r->c[0], 1, &snap), 1);
    take_tree(r);
    assert_int_equal(krbrepl__repairs_enter(&r->c[0], 1, &snap), 0); /* a full copy */
    assert_null(snap);
    assert_false(r->n.repairs.asked);
    krbrepl__repairs_leave(&r->c[0]);
    r->n.sys = krbrepl__sys_default();
    r->n.now += 1000;
    assert_non_null(entered(r, 0, 1));
    krbrepl__repairs_leave(&r->c[0]);
    drop(r);
}

static void a_tree_behind_which_there_is_too_much_is_not_given_any_more(void **state)
{
    rig *r = make(*state, 9);
    const krbrepl__snap *first = entered(r, 0, 1), *snap = NULL;
    krbrepl_retention keep;

    KRBREPL_INIT(&keep);
    keep.entries = 5;
    assert_int_equal(krbrepl__store_set_retention(r->s, &keep), 0);
    put_some(r->s, 0, 40, "b");
    while (krbrepl__store_upkeep(r->s) == 1)
        continue;
    assert_true(st_info(r->s).journal_first > first->pos.seq + 1);
    assert_int_equal(krbrepl__repairs_enter(&r->c[1], 1, &snap), 1);
    take_tree(r);
    assert_int_equal(krbrepl__repairs_enter(&r->c[1], 1, &snap), 0);
    assert_ptr_not_equal(snap, first);
    krbrepl__repairs_leave(&r->c[0]);
    krbrepl__repairs_leave(&r->c[1]);
    drop(r);
}

static void more_than_may_wait_for_their_turn(void **state)
{
    rig *r = make(*state, 2);
    const krbrepl__snap *snap = NULL;

    (void)entered(r, 0, 1);
    assert_int_equal(krbrepl__repairs_enter(&r->c[1], 0, NULL), 0); /* a full copy counts too */
    assert_int_equal(krbrepl__repairs_enter(&r->c[2], 1, &snap), 1);
    assert_int_equal(krbrepl__repairs_enter(&r->c[3], 0, NULL), 1);
    assert_false(r->n.repairs.asked); /* nothing is computed for those who cannot begin */
    krbrepl__repairs_leave(&r->c[1]);
    (void)entered(r, 2, 1);
    assert_int_equal(krbrepl__repairs_enter(&r->c[3], 0, NULL), 1);
    krbrepl__repairs_leave(&r->c[0]);
    assert_int_equal(krbrepl__repairs_enter(&r->c[3], 0, NULL), 0);
    krbrepl__repairs_leave(&r->c[2]);
    krbrepl__repairs_leave(&r->c[3]);
    drop(r);
}

static void without_a_tree_everything_is_copied(void **state)
{
    rig *r = make(*state, 2);
    const krbrepl__snap *snap = (const void *)1;

    r->n.proof.pause_until = r->n.now + 1000; /* computing it has just failed */
    assert_int_equal(krbrepl__repairs_enter(&r->c[0], 1, &snap), 0);
    assert_null(snap);
    krbrepl__repairs_leave(&r->c[0]);
    drop(r);
}

static void alter(krbrepl_store *s, const char *key, krbrepl__rkey *k)
{
    krbrepl__wtxn w;

    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), k), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    assert_int_equal(
        krbrepl__row_put(s, w.txn, krbrepl__gen(s, w.st.live), k, st_bytes("altered"), 0, NULL), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
}

static const krbrepl__ftree *own(rig *r)
{
    const krbrepl__ftree *t = NULL;

    assert_int_equal(krbrepl__repairs_own_tree(&r->c[0], &t), 1);
    take_tree(r);
    assert_int_equal(krbrepl__repairs_own_tree(&r->c[0], &t), 0);
    return t;
}

static void an_own_tree_is_of_what_is_there_when_something_was_altered(void **state)
{
    rig *r = make(*state, 1);
    krbrepl__rkey k;

    r->n.master = NULL;
    assert_root_now(r->s, own(r), 1);
    krbrepl__repairs_own_done(&r->c[0]);
    alter(r->s, "user0123", &k);
    assert_root_now(r->s, own(r), 0); /* nobody has noticed */
    r->n.repairs.distrust = 1;
    assert_root_now(r->s, own(r), 1);
    put_some(r->s, 7, 1, "b");
    assert_root_now(r->s, own(r), 1); /* of the position that it is at now */
    drop(r);
}

static void after_a_repair_the_tree_knows_what_was_changed(void **state)
{
    rig *r = make(*state, 1);
    krbrepl__worker_state how;
    krbrepl__rkey k;
    int i;

    r->n.master = NULL;
    for (i = 0; i < 3; i++) {
        (void)own(r);
        alter(r->s, i == 0 ? "user0123" : i == 1 ? "user0200" : "user0042", &k);
        /* The last time they are too many. */
        krbrepl__repairs_changed(&r->n, k.ck.b, i < 2 ? k.ck.len : 0);
        krbrepl__repairs_copied(&r->n);
        krbrepl__worker_look(r->n.proof.worker, &how);
        assert_true(how.ready || i == 2); /* it is kept, and then built anew */
        assert_root_now(r->s, own(r), 1);
        krbrepl__repairs_own_done(&r->c[0]);
    }
    drop(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ST(name) cmocka_unit_test_setup_teardown(name, st_setup, st_teardown)
        ST(those_who_ask_while_it_is_fresh_share_one_tree),
        ST(a_tree_that_comes_to_nothing_is_not_asked_for_without_end),
        ST(a_tree_behind_which_there_is_too_much_is_not_given_any_more),
        ST(more_than_may_wait_for_their_turn),
        ST(without_a_tree_everything_is_copied),
        ST(an_own_tree_is_of_what_is_there_when_something_was_altered),
        ST(after_a_repair_the_tree_knows_what_was_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
