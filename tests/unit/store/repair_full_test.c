/* A replica's disk fills up while it is repaired: it says so, its content is what it was, and when there is room
 * again, what had come is not sent again. */
#include "mending.h"

#include <signal.h>
#include <sys/resource.h>

static int setup(void **state)
{
    static tmpdir t;

    signal(SIGXFSZ, SIG_IGN);
    tmpdir_make(&t);
    *state = &t;
    return 0;
}

static void limit(rlim_t n)
{
    struct rlimit lim;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &lim), 0);
    lim.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &lim), 0);
}

static int teardown(void **state)
{
    limit(RLIM_INFINITY);
    tmpdir_remove(*state);
    return 0;
}

static off_t data_size(const tmpdir *t)
{
    char dir[320], path[340];
    struct stat st;

    snprintf(path, sizeof path, "%s/data.mdb", tmpdir_path(t, "r", dir));
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* Forty records of 100,000 bytes, of which the replica has others. */
static void prepare(mending *x, const tmpdir *t)
{
    char key[700];
    char *value = malloc(100000);
    krbrepl_txn_options opt;
    krbrepl_txn *txn = NULL;
    unsigned i;

    assert_non_null(value);
    memset(value, 'v', 100000);
    mending_make(x, t, "m", "r");
    x->step = 4;
    KRBREPL_INIT(&opt);
    OKS(x->m, krbrepl__txn_begin(x->m, &txn, &opt));
    for (i = 0; i < 40; i++)
        OKS(x->m, krbrepl__txn_put(txn, "principal", (krbrepl_bytes){key, make_key(key, i)},
                                   (krbrepl_bytes){value, 100000}));
    OKS(x->m, krbrepl__txn_commit(txn, NULL));
    for (i = 0; i < 20; i++)
        alter(x->r, key, make_key(key, i * 3), "old", 3);
    free(value);
}

/* With `room` more bytes in each try until one succeeds. */
static void until_it_fits(const tmpdir *t, int keep_old)
{
    uint64_t first = 0;
    unsigned tries;
    content before;
    mending x;
    int rc = -1;

    prepare(&x, t);
    before = store_content(x.r);
    for (tries = 0; rc != 0; tries++) {
        assert_true(tries < 100);
        limit((rlim_t)data_size(t) + (rlim_t)(tries < 2 ? tries * 20000 : 1u << 20));
        rc = mend(&x, keep_old);
        limit(RLIM_INFINITY);
        if (rc == 0)
            break;
        assert_int_equal(rc, KRBREPL_ERR_NOSPACE);
        assert_non_null(strstr(x.r->ei.text, "room"));
        assert_content(x.r, &before);
        first = x.asked > first ? x.asked : first;
    }
    assert_true(tries > 2);
    assert_true(x.asked < first);
    assert_mended(&x);
    mending_close(&x);
}

static void full_disk_stops_a_repair_and_loses_nothing(void **state)
{
    until_it_fits(*state, 0);
}

static void full_disk_stops_a_merge_and_loses_nothing(void **state)
{
    until_it_fits(*state, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(full_disk_stops_a_repair_and_loses_nothing),
        T(full_disk_stops_a_merge_and_loses_nothing),
    };
    return cmocka_run_group_tests_name("store/repair_full", tests, NULL, NULL);
}
