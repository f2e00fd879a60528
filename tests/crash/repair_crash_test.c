/* A process that repairs, or copies, is killed at every one of its writes: the store holds the old content
 * whole, or, once the one commit is in, the new content whole; and what it had brought need not be sent
 * again. */
#include "../unit/store/mending.h"

#include <signal.h>

#include "dying.h"

static tmpdir dir;

static int setup(void **state)
{
    (void)state;
    tmpdir_make(&dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(&dir);
    return 0;
}

static void open_both(mending *x)
{
    char m[320], r[320];

    memset(x, 0, sizeof *x);
    x->m = store_open_at(tmpdir_path(&dir, "m", m));
    x->r = store_open_at(tmpdir_path(&dir, "r", r));
    x->step = 16;
}

/* A master with `n` records, and a replica that has some others. */
static void prepare(unsigned n, size_t size)
{
    char key[700];
    char *value = malloc(size);
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    mending x;
    unsigned i;

    assert_non_null(value);
    memset(value, 'v', size);
    KRBREPL_INIT(&opt);
    mending_make(&x, &dir, "m", "r");
    OKS(x.m, krbrepl__txn_begin(x.m, &t, &opt));
    for (i = 0; i < n; i++)
        OKS(x.m, krbrepl__txn_put(t, "principal", (krbrepl_bytes){key, make_key(key, i)},
                                  (krbrepl_bytes){value, size}));
    OKS(x.m, krbrepl__txn_commit(t, NULL));
    for (i = 0; i < 40; i++)
        alter(x.r, key, make_key(key, i * 3), "old", 3);
    free(value);
    mending_close(&x);
}

typedef int work_fn(mending *x);

static int by_one_transaction(mending *x)
{
    return mend(x, 0);
}

static int by_the_other_generation(mending *x)
{
    return mend(x, 1);
}

/* In the generation that is not live. */
static uint64_t records_there(krbrepl_store *s)
{
    krbrepl__rtxn r = {0};
    MDB_stat st;

    OKS(s, krbrepl__rtxn_begin(s, &r));
    assert_int_equal(mdb_stat(r.txn, krbrepl__gen(s, !r.st.live), &st), 0);
    krbrepl__rtxn_end(s, &r);
    return st.ms_entries;
}

/* A full copy, which goes on where the last one was cut off. Each record is told to be of one position more than the
 * one before, so that as many are there as positions were told, or fewer. */
static int by_a_copy(mending *x)
{
    struct krbrepl__state st = store_state(x->m);
    krbrepl__ancestry a = {0};
    krbrepl__copy *c = NULL;
    krbrepl_bytes full, value;
    krbrepl_pos from, upper = st.pos;
    krbrepl__buf b;
    krbrepl__rd rd;
    int rc = krbrepl__copy_partial(x->r, &from, &upper, &x->from);

    OKS(x->m, krbrepl__store_ancestry(x->m, &a));
    if (rc == 0) {
        assert_true(krbrepl__pos_equal(&from, &st.pos));
        assert_true(upper.seq - st.pos.seq >= records_there(x->r));
        rc = krbrepl__copy_resume(x->r, &c);
    } else {
        x->from.len = 0;
        upper = st.pos;
        rc = krbrepl__copy_begin(x->r, &c, &st.pos, &a, st.cumulative, 0, 0);
    }
    krbrepl__ancestry_free(&a);
    krbrepl__buf_init(&b, 0);
    while (rc == 0 && !x->end) {
        krbrepl__buf_reset(&b);
        OKS(x->m, krbrepl__store_copy_slice(x->m, &x->from, 65536, &b, &x->end, &x->at));
        krbrepl__rd_init(&rd, b.data, b.len);
        while (rc == 0 && rd.left > 0) {
            full = krbrepl__rd_vec32(&rd);
            value = krbrepl__rd_vec32(&rd);
            upper.seq++;
            OKS(x->r, krbrepl__copy_at(c, &upper));
            rc = krbrepl__copy_put(c, full, value);
            x->asked++;
        }
    }
    krbrepl__buf_free(&b);
    return rc == 0 ? krbrepl__copy_switch(c, NULL) : rc;
}

/* In a child, which dies at write `n`. 1: it did. */
static int dies(work_fn *work, unsigned n)
{
    int status;
    mending x;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        open_both(&x);
        die_at_write(n);
        if (work(&x) != 0)
            _exit(1);
        die_at_write(0);
        mending_close(&x);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    return WIFSIGNALED(status);
}

/* Copies the file of the replica's store, which nobody has open. */
static void put_back(const char *from, const char *to)
{
    char a[340], b[340], buf[65536];
    ssize_t n;
    int in, out;

    snprintf(a, sizeof a, "%s/%s", dir.path, from);
    snprintf(b, sizeof b, "%s/%s", dir.path, to);
    in = open(a, O_RDONLY | O_CLOEXEC);
    out = open(b, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, buf, sizeof buf)) > 0)
        assert_int_equal(write(out, buf, (size_t)n), n);
    close(in);
    close(out);
}

/* Dies at every write there is, each time from the same state on; then it is done again and lives. */
static void at_every_write(work_fn *work)
{
    content before, after;
    uint64_t fewest = UINT64_MAX, most = 0;
    unsigned n, wrote = 0;
    int died = 1;
    mending x;

    open_both(&x);
    before = store_content(x.r);
    after = store_content(x.m);
    mending_close(&x);
    put_back("r/data.mdb", "kept");
    for (n = 1; died; n++) {
        put_back("kept", "r/data.mdb");
        died = dies(work, n);
        open_both(&x);
        assert_content(x.r, store_pos(x.r).seq == after.pos.seq ? &after : &before);
        OKS(x.r, work(&x));
        assert_mended(&x);
        fewest = x.asked < fewest && died ? x.asked : fewest;
        most = x.asked > most ? x.asked : most;
        mending_close(&x);
        wrote = n;
    }
    assert_true(wrote > 5);
    assert_true(fewest < most);
}

static void killed_repair_leaves_the_old_content_or_the_new_one(void **state)
{
    (void)state;
    prepare(60, 100000);
    at_every_write(by_one_transaction);
}

static void killed_merge_leaves_the_old_content_or_the_new_one(void **state)
{
    (void)state;
    prepare(60, 100000);
    at_every_write(by_the_other_generation);
}

static void killed_copy_is_gone_on_with(void **state)
{
    (void)state;
    prepare(60, 100000);
    at_every_write(by_a_copy);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(killed_repair_leaves_the_old_content_or_the_new_one),
        T(killed_merge_leaves_the_old_content_or_the_new_one),
        T(killed_copy_is_gone_on_with),
    };
    return cmocka_run_group_tests_name("crash/repair", tests, NULL, NULL);
}
