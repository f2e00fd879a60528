/* The disk fails: each call that writes, syncs or renames fails in turn, once or from then on, with an error or
 * after a part of the write. What was asked for is then not there at all, and the answer says why; or it is there
 * whole. Nobody is told that something is durable when the call that made it so has failed. */
#include "bulk.h"

#include "iofail.h"
#include "port.h"

typedef struct bench {
    tmpdir t;
    krbrepl_store *m, *r; /* a master and a replica of it */
    unsigned long n;      /* how many tries there were */
    int rubbish; /* a load comes before each try, so that there is an old content to clear away */
    krbrepl__buf commits; /* the next ones for the replica */
    krbrepl__ancestry ancestry;
    struct krbrepl__state master;
    krbrepl_errinfo ei; /* of calls without a handle */
} bench;

typedef int op_fn(bench *b);

static const enum iofail_kind kinds[] = {IOFAIL_EIO, IOFAIL_ENOSPC, IOFAIL_PART};

static void reopen(bench *b)
{
    char dir[320];

    krbrepl__store_close(b->m);
    krbrepl__store_close(b->r);
    b->m = store_open_at(tmpdir_path(&b->t, "m", dir));
    b->r = store_open_at(tmpdir_path(&b->t, "r", dir));
}

static int setup(void **state)
{
    bench *b = calloc(1, sizeof *b);
    uint64_t seed = 4711;
    unsigned i;

    assert_non_null(b);
    tmpdir_make(&b->t);
    b->m = store_make(&b->t, "m", KRBREPL_CREATE_MASTER);
    b->r = store_make(&b->t, "r", 0);
    OKS(b->r, krbrepl__store_adopt(b->r, bulk_id));
    for (i = 0; i < 10; i++)
        random_commit(b->m, &seed, 50);
    put_one(b->m, "kept", "1", "");
    krbrepl__buf_init(&b->commits, 0);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;

    (void)iofail_disarm();
    krbrepl__store_close(b->m);
    krbrepl__store_close(b->r);
    krbrepl__buf_free(&b->commits);
    krbrepl__ancestry_free(&b->ancestry);
    tmpdir_remove(&b->t);
    free(b);
    return 0;
}

static krbrepl_bytes text(const char *p)
{
    return (krbrepl_bytes){p, strlen(p)};
}

static int load(bench *b, int as_reset)
{
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    char key[32], value[32];
    unsigned i;
    int rc;

    KRBREPL_INIT(&opt);
    snprintf(value, sizeof value, "load %lu", b->n);
    rc = krbrepl__load_begin(b->m, &l, &opt);
    for (i = 0; rc == 0 && i < 20; i++) {
        snprintf(key, sizeof key, "new%u", i);
        rc = krbrepl__load_put(l, "principal", text(key), text(value));
    }
    if (rc != 0) {
        krbrepl__load_abort(l);
        return rc;
    }
    if (as_reset)
        krbrepl__load_as_reset(l);
    return krbrepl__load_commit(l, NULL);
}

/* What the master has, for the replica. */
static void prepare(bench *b)
{
    krbrepl__batch info;
    char value[32];

    snprintf(value, sizeof value, "value %lu", ++b->n);
    put_one(b->m, "next", value, "");
    if (b->rubbish)
        OKS(b->m, load(b, 1));
    b->master = store_state(b->m);
    krbrepl__ancestry_free(&b->ancestry);
    OKS(b->m, krbrepl__store_ancestry(b->m, &b->ancestry));
    krbrepl__buf_reset(&b->commits);
    OKS(b->m, krbrepl__store_read_commits(b->m, store_pos(b->r).seq + 1, 1u << 20, &b->commits, &info));
}

static void assert_told(krbrepl_store *s, int rc, unsigned long n)
{
    if ((rc != KRBREPL_ERR_IO && rc != KRBREPL_ERR_NOSPACE) || s->ei.code != rc)
        fail_msg("failure %lu, %s: %s: %s", n, iofail_what(), krbrepl_err_name(rc), s->ei.text);
}

/* Runs `op` with call `n` failing. 1: something failed, and there may be more to fail. */
static int once(bench *b, int on_replica, op_fn *op, enum iofail_kind kind, int forever,
                unsigned long n)
{
    krbrepl_store *s = on_replica ? b->r : b->m;
    content before, after;
    int rc, fired;

    prepare(b);
    before = store_content(s);
    krbrepl__errinfo_clear(&s->ei);
    iofail_arm(kind, n, forever);
    rc = op(b);
    fired = iofail_disarm();
    if (rc != 0)
        assert_told(s, rc, n);
    if (fired && iofail_on_data() && rc == 0)
        fail_msg("failure %lu: %s failed, and the answer was 0", n, iofail_what());
    if (!fired)
        assert_int_equal(rc, 0);
    reopen(b);
    s = on_replica ? b->r : b->m;
    if (rc != 0) {
        assert_content(s, &before);
    } else {
        after = store_content(s);
        assert_true(after.pos.seq >= before.pos.seq);
    }
    return fired;
}

static void all_fail(void **state, int on_replica, op_fn *op)
{
    bench *b = *state;
    unsigned long n, all = 0;
    size_t i;

    for (i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++)
        for (n = 0; once(b, on_replica, op, kinds[i / 2], i % 2 != 0, n); n++, all++)
            assert_true(n < 2000);
    assert_true(all != 0);
    /* And it goes on. */
    prepare(b);
    if (op(b) != 0)
        fail_msg("afterwards: %s", (on_replica ? b->r : b->m)->ei.text);
}

/* ---- what is tried --------------------------------------------------------------------------- */

static int one_commit(bench *b)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    char value[3000];
    int rc;

    KRBREPL_INIT(&opt);
    memset(value, 'v', sizeof value);
    snprintf(value, sizeof value, "%lu", b->n);
    rc = krbrepl__txn_begin(b->m, &t, &opt);
    if (rc == 0)
        rc = krbrepl__txn_put(t, "principal", text("kept"), (krbrepl_bytes){value, sizeof value});
    if (rc == 0)
        return krbrepl__txn_commit(t, NULL);
    krbrepl__txn_abort(t);
    return rc;
}

static int one_load(bench *b)
{
    return load(b, 0);
}

static int one_reset(bench *b)
{
    return load(b, 1);
}

static int one_promotion(bench *b)
{
    return krbrepl__promote(b->m, "a test", NULL);
}

static int one_setting(bench *b)
{
    krbrepl_retention keep;
    krbrepl__slot slot = {.principal = "krbrepl/a@B", .hold = 1};
    int rc;

    KRBREPL_INIT(&keep);
    keep.entries = 1000 + b->n;
    rc = krbrepl__store_set_retention(b->m, &keep);
    return rc != 0 ? rc : krbrepl__store_slots_put(b->m, &slot, 1);
}

static int one_upkeep(bench *b)
{
    int rc;

    while ((rc = krbrepl__store_upkeep(b->m)) == 1)
        continue;
    return rc;
}

/* Whatever becomes of the counters, no record is touched, and that the disk failed is no reason to refuse a
 * login: so any answer will do here, as long as it is one. */
static int one_local_entry(bench *b)
{
    int rc = krbrepl__local_put(b->m, "principal", text("kept"), text("3"));

    krbrepl__local_close(b->m);
    return rc;
}

static int one_group(bench *b)
{
    krbrepl_bytes commit[64];
    krbrepl__rd rd;
    size_t n = 0;

    krbrepl__rd_init(&rd, b->commits.data, b->commits.len);
    while (rd.left != 0 && n < 64)
        commit[n++] = krbrepl__rd_vec32(&rd);
    return krbrepl__store_apply(b->r, commit, n, NULL);
}

static int one_copy(bench *b)
{
    krbrepl__copy *c = NULL;
    int rc = krbrepl__copy_begin(b->r, &c, &b->master.pos, &b->ancestry, b->master.cumulative, 0, 0);

    if (rc == 0)
        rc = krbrepl__copy_put(c, (krbrepl_bytes){"principal\0a", 11}, text("1"));
    if (rc == 0)
        rc = krbrepl__copy_put(c, (krbrepl_bytes){"principal\0b", 11}, text("2"));
    if (rc == 0)
        return krbrepl__copy_switch(c, NULL);
    krbrepl__copy_abort(c);
    return rc;
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void commit_on_a_failing_disk_is_whole_or_not_there(void **state)
{
    all_fail(state, 0, one_commit);
}

static void load_on_a_failing_disk_is_whole_or_not_there(void **state)
{
    all_fail(state, 0, one_load);
}

static void reset_on_a_failing_disk_is_whole_or_not_there(void **state)
{
    all_fail(state, 0, one_reset);
}

static void promotion_on_a_failing_disk_is_whole_or_not_there(void **state)
{
    all_fail(state, 0, one_promotion);
}

static void settings_on_a_failing_disk_touch_no_record(void **state)
{
    all_fail(state, 0, one_setting);
}

static void upkeep_on_a_failing_disk_touches_no_record(void **state)
{
    bench *b = *state;

    b->rubbish = 1;
    all_fail(state, 0, one_upkeep);
}

static void group_on_a_failing_disk_is_whole_or_not_there(void **state)
{
    all_fail(state, 1, one_group);
}

static void copy_on_a_failing_disk_is_whole_or_not_there(void **state)
{
    all_fail(state, 1, one_copy);
}

static void local_entry_on_a_failing_disk_touches_no_record(void **state)
{
    bench *b = *state;
    content before = store_content(b->m);
    unsigned long n;
    size_t i;
    int more;

    for (i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++)
        for (n = 0, more = 1; more; n++) {
            iofail_arm(kinds[i / 2], n, i % 2 != 0);
            (void)one_local_entry(b);
            more = iofail_disarm();
            reopen(b);
            assert_content(b->m, &before);
        }
    OKS(b->m, one_local_entry(b));
}

/* A store that could not be made is none, or is whole; the next try makes it. */
static void creation_on_a_failing_disk_leaves_a_store_or_room_for_one(void **state)
{
    bench *b = *state;
    krbrepl_create_options opt;
    char name[32], dir[320];
    unsigned long n, all = 0;
    size_t i;
    int more, rc;

    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_CREATE_MASTER;
    for (i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++)
        for (n = 0, more = 1; more; n++) {
            snprintf(name, sizeof name, "c%lu", all++);
            tmpdir_path(&b->t, name, dir);
            iofail_arm(kinds[i / 2], n, i % 2 != 0);
            rc = krbrepl__store_create(dir, &opt, &b->ei);
            more = iofail_disarm();
            assert_true(rc == 0 || (rc == b->ei.code && b->ei.text[0] != '\0'));
            if (rc != 0)
                rc = krbrepl__store_create(dir, &opt, &b->ei);
            if (rc != 0 && rc != KRBREPL_ERR_EXISTS)
                fail_msg("again, after %s: %s", iofail_what(), b->ei.text);
            krbrepl__store_close(store_open_at(dir));
        }
    assert_true(all > 10);
}

static void backup_on_a_failing_disk_leaves_no_file(void **state)
{
    bench *b = *state;
    char file[320], dir[320];
    unsigned long n;
    size_t i;
    int more, rc;

    for (i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++)
        for (n = 0, more = 1; more; n++) {
            tmpdir_path(&b->t, "backup", file);
            iofail_arm(kinds[i / 2], n, i % 2 != 0);
            rc = krbrepl__backup(b->m, file);
            more = iofail_disarm();
            assert_int_equal(rc == 0, !more);
            if (rc != 0) {
                assert_told(b->m, rc, n);
                assert_int_equal(access(file, F_OK), -1);
                assert_int_equal(access(tmpdir_path(&b->t, "backup.tmp", file), F_OK), -1);
            } else {
                OK(krbrepl__restore(file, tmpdir_path(&b->t, "restored", dir), NULL, &b->ei));
                krbrepl__store_close(store_open_at(dir));
                assert_int_equal(unlink(file), 0);
                rc = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_int_equal(krbrepl__clear_dir(rc), 0);
                close(rc);
            }
        }
}

static void restore_on_a_failing_disk_leaves_a_store_or_room_for_one(void **state)
{
    bench *b = *state;
    char file[320], name[32], dir[320];
    unsigned long n, all = 0;
    size_t i;
    int more, rc;

    OKS(b->m, krbrepl__backup(b->m, tmpdir_path(&b->t, "backup", file)));
    for (i = 0; i < 2 * sizeof kinds / sizeof kinds[0]; i++)
        for (n = 0, more = 1; more; n++) {
            snprintf(name, sizeof name, "d%lu", all++);
            tmpdir_path(&b->t, name, dir);
            krbrepl__errinfo_clear(&b->ei);
            iofail_arm(kinds[i / 2], n, i % 2 != 0);
            rc = krbrepl__restore(file, dir, NULL, &b->ei);
            more = iofail_disarm();
            assert_true(rc == 0 || (rc == b->ei.code && b->ei.text[0] != '\0'));
            if (rc != 0 && access(dir, F_OK) != 0)
                rc = krbrepl__restore(file, dir, NULL, &b->ei);
            krbrepl__store_close(store_open_at(dir));
        }
    assert_true(all > 10);
}

static void restore_takes_reads_that_give_little(void **state)
{
    bench *b = *state;
    char file[320], dir[320];
    krbrepl_store *s;
    content c = store_content(b->m), d;

    OKS(b->m, krbrepl__backup(b->m, tmpdir_path(&b->t, "backup", file)));
    iofail_arm(IOFAIL_READ_PIECES, 0, 0);
    OK(krbrepl__restore(file, tmpdir_path(&b->t, "restored", dir), NULL, &b->ei));
    assert_true(iofail_disarm());
    s = store_open_at(dir);
    d = store_content(s);
    assert_memory_equal(c.root, d.root, 32);
    krbrepl__store_close(s);
}

static void restore_from_a_file_that_cannot_be_read_says_so(void **state)
{
    bench *b = *state;
    char file[320], dir[320];
    unsigned long n;
    int rc, more;

    OKS(b->m, krbrepl__backup(b->m, tmpdir_path(&b->t, "backup", file)));
    for (n = 0, more = 1; more; n++) {
        tmpdir_path(&b->t, "restored", dir);
        iofail_arm(IOFAIL_READ_EIO, n, 0);
        rc = krbrepl__restore(file, dir, NULL, &b->ei);
        more = iofail_disarm();
        if (rc != 0) {
            assert_int_equal(rc, b->ei.code);
            assert_int_equal(access(dir, F_OK), -1);
        }
    }
    assert_int_equal(rc, 0);
    assert_true(n > 2);
}

/* The only other instance of these commits is destroyed by the copy that follows a success. */
static void evidence_is_not_said_to_be_saved_unless_it_is(void **state)
{
    bench *b = *state;
    char dir[320];
    unsigned long n;
    int rc, more, fd;

    for (n = 0, more = 1; more; n++) {
        iofail_arm(IOFAIL_EIO, n, 1);
        rc = krbrepl__evidence_save(b->m, 3);
        more = iofail_disarm();
        assert_int_equal(rc == 0, !more);
        /* What was left behind, be it whole, is not taken for durable before its name is. */
        iofail_arm(IOFAIL_EIO, 1, 1);
        rc = krbrepl__evidence_save(b->m, 3);
        assert_true(iofail_disarm());
        assert_int_not_equal(rc, 0);
        fd = open(tmpdir_path(&b->t, "m/evidence", dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            assert_int_equal(krbrepl__clear_dir(fd), 0);
            close(fd);
        }
    }
    assert_true(n > 3);
}

/* Debian's units of krb5kdc and kadmind leave one directory that they may write in. */
static void a_place_that_cannot_be_written_is_told_with_what_may_forbid_it(void **state)
{
    krbrepl_errinfo ei;

    (void)state;
    KRBREPL_INIT(&ei);
    assert_int_equal(krbrepl__mdb_fail(NULL, &ei, EROFS, "/var/lib/krbrepl"), KRBREPL_ERR_IO);
    assert_int_equal(ei.sys_errno, EROFS);
    assert_non_null(strstr(ei.text, "/var/lib/krbrepl: "));
    assert_non_null(strstr(ei.text, "ReadWritePaths"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(commit_on_a_failing_disk_is_whole_or_not_there),
        T(load_on_a_failing_disk_is_whole_or_not_there),
        T(reset_on_a_failing_disk_is_whole_or_not_there),
        T(promotion_on_a_failing_disk_is_whole_or_not_there),
        T(settings_on_a_failing_disk_touch_no_record),
        T(upkeep_on_a_failing_disk_touches_no_record),
        T(group_on_a_failing_disk_is_whole_or_not_there),
        T(copy_on_a_failing_disk_is_whole_or_not_there),
        T(local_entry_on_a_failing_disk_touches_no_record),
        T(creation_on_a_failing_disk_leaves_a_store_or_room_for_one),
        T(backup_on_a_failing_disk_leaves_no_file),
        T(restore_on_a_failing_disk_leaves_a_store_or_room_for_one),
        T(restore_takes_reads_that_give_little),
        T(restore_from_a_file_that_cannot_be_read_says_so),
        T(evidence_is_not_said_to_be_saved_unless_it_is),
        T(a_place_that_cannot_be_written_is_told_with_what_may_forbid_it),
    };

    return cmocka_run_group_tests_name("store/iofail", tests, NULL, NULL);
}
