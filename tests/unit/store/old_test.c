/* What a copy or a repair takes the place of without an explanation is kept, and can be read, until the room is
 * needed. */
#include "mending.h"

static int setup(void **state)
{
    static tmpdir t;

    tmpdir_make(&t);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    tmpdir_remove(*state);
    return 0;
}

static int open_old(const tmpdir *t, krbrepl_store **out)
{
    krbrepl_store_options opt;
    krbrepl_errinfo ei;
    char dir[320];

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = KRBREPL_STORE_OLD;
    return krbrepl__store_open(out, tmpdir_path(t, "r", dir), &opt, &ei);
}

static int is_kept(krbrepl_store *s)
{
    krbrepl_store_info i;

    KRBREPL_INIT(&i);
    OKS(s, krbrepl__store_info(s, &i));
    return (i.flags & KRBREPL_STORE_OLD) != 0;
}

static void upkeep(krbrepl_store *s)
{
    while (krbrepl__store_upkeep(s) == 1)
        continue;
}

/* A replica that has a record which the master does not have, and misses a commit. */
static void prepare(mending *x, const tmpdir *t, content *before)
{
    uint64_t seed = 3;
    unsigned i;

    mending_make(x, t, "m", "r");
    for (i = 0; i < 30; i++)
        random_commit(x->m, &seed, 100);
    OKS(x->r, mend(x, 0));
    upkeep(x->r);
    assert_false(is_kept(x->r));
    alter(x->r, "x", 1, "old", 3);
    *before = store_content(x->r);
    random_commit(x->m, &seed, 100);
}

static void assert_old(const tmpdir *t, mending *x, const content *before)
{
    krbrepl_txn_options opt;
    krbrepl_store *old = NULL;
    krbrepl_txn *txn = NULL;
    krbrepl_view *v = NULL;

    assert_true(is_kept(x->r));
    OK(open_old(t, &old));
    assert_content(old, before);
    OKS(old, krbrepl__view_open(old, &v));
    assert_true(has(v, "x", "old"));
    krbrepl__view_close(v);
    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl__txn_begin(old, &txn, &opt), KRBREPL_ERR_STATE);
    krbrepl__store_close(old);
    assert_mended(x);
}

static void old_content_is_kept_by_a_repair(void **state)
{
    krbrepl_store *old = NULL;
    krbrepl_view *v = NULL;
    content before;
    mending x;

    prepare(&x, *state, &before);
    assert_int_equal(open_old(*state, &old), KRBREPL_ERR_NOTFOUND);
    OKS(x.r, mend(&x, 1));
    upkeep(x.r);
    assert_old(*state, &x, &before);
    /* A small repair leaves it, and one that needs the room does not. */
    put_one(x.m, "new", "1", "");
    OKS(x.r, mend(&x, 0));
    upkeep(x.r);
    assert_old(*state, &x, &before);
    put_one(x.m, "new", "2", "");
    OKS(x.r, mend(&x, 1));
    OK(open_old(*state, &old));
    OKS(old, krbrepl__view_open(old, &v));
    assert_false(has(v, "x", "old"));
    assert_true(has(v, "new", "1"));
    krbrepl__view_close(v);
    krbrepl__store_close(old);
    mending_close(&x);
}

static void old_content_is_kept_by_a_copy_also_when_it_was_cut_off(void **state)
{
    krbrepl__ancestry none = {0};
    struct krbrepl__state st;
    krbrepl__copy *c = NULL;
    krbrepl_store *old = NULL;
    krbrepl_bytes full, value;
    krbrepl__buf b;
    krbrepl__rd rd;
    content before;
    mending x;
    unsigned n = 0;

    prepare(&x, *state, &before);
    st = store_state(x.m);
    OKS(x.r, krbrepl__copy_begin(x.r, &c, &st.pos, &none, st.cumulative, 0, 1));
    krbrepl__buf_init(&b, 0);
    OKS(x.m, krbrepl__store_copy_slice(x.m, &x.from, 1u << 20, &b, &x.end, &x.at));
    for (krbrepl__rd_init(&rd, b.data, b.len); rd.left > 0; n++) {
        if (n == 20) {
            krbrepl__copy_abort(c);
            OKS(x.r, krbrepl__copy_resume(x.r, &c));
        }
        full = krbrepl__rd_vec32(&rd);
        value = krbrepl__rd_vec32(&rd);
        OKS(x.r, krbrepl__copy_put(c, full, value));
    }
    assert_true(n > 20);
    krbrepl__buf_free(&b);
    OKS(x.r, krbrepl__copy_switch(c, NULL));
    upkeep(x.r);
    assert_old(*state, &x, &before);
    OKS(x.r, krbrepl__copy_forget(x.r));
    upkeep(x.r);
    assert_false(is_kept(x.r));
    assert_int_equal(open_old(*state, &old), KRBREPL_ERR_NOTFOUND);
    mending_close(&x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(old_content_is_kept_by_a_repair),
        T(old_content_is_kept_by_a_copy_also_when_it_was_cut_off),
    };
    return cmocka_run_group_tests_name("store/old", tests, NULL, NULL);
}
