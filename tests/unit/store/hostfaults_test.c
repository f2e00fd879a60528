#include "st.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "iofail.h"
#include "memhost.h"
#include "memjournal.h"

/* Crashes and failures beside a host's database, in the corners: repairs that change no position, copies to where the
 * store is, promises that nobody could read, disks that fail. */

static krbrepl_store *handle(const char *dir, memhost *h, int import, memjournal *j)
{
    const krbrepl_host_ops ops = memhost_ops(import);
    const krbrepl_journal_ops journal = memjournal_ops();
    krbrepl_store_options o;
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.host = &ops;
    o.host_ctx = h;
    o.journal = j != NULL ? &journal : NULL;
    o.journal_ctx = j;
    if (krbrepl_store_open(&s, dir, &o, &ei) != 0)
        fail_msg("open %s: %s", dir, ei.text);
    return s;
}

static krbrepl_store *make(const char *dir, uint64_t flags, memhost *h, int import)
{
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = flags | KRBREPL_CREATE_HOSTED;
    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
    return handle(dir, h, import, NULL);
}

static void end(krbrepl_store *s, memhost *h)
{
    krbrepl_store_close(s);
    memhost_free(h);
}

static void wait_dead(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

static void root_of(krbrepl_store *s, uint8_t root[32])
{
    krbrepl_view *v = NULL;

    assert_int_equal(krbrepl_view_open(s, &v), 0);
    if (krbrepl_view_digest(v, root, NULL) != 0)
        fail_msg("reading all: %s", st_text(s));
    krbrepl_view_close(v);
}

static void assert_equal_content(krbrepl_store *a, krbrepl_store *b)
{
    uint8_t x[32], y[32];

    root_of(a, x);
    root_of(b, y);
    assert_memory_equal(x, y, 32);
}

/* A master that has its records itself, and a hosted replica of it that is at its position. */
typedef struct two {
    krbrepl_store *m, *r;
    memhost *h;
    char dir[600]; /* of the replica */
} two;

static two begin(st *t, int import)
{
    two x = {.h = memhost_new()};
    krbrepl_store_info i;

    assert_non_null(x.h);
    x.m = st_master(t);
    st_put(x.m, "a", "1");
    st_put(x.m, "b", "1");
    st_put(x.m, "c", "1");
    i = st_info(x.m);
    snprintf(x.dir, sizeof x.dir, "%s/r", t->root);
    x.r = make(x.dir, 0, x.h, import);
    assert_int_equal(krbrepl__store_adopt(x.r, i.database_id), 0);
    assert_int_equal(st_ship(x.m, x.r, 1, 10), 0);
    return x;
}

static void two_end(two *x)
{
    krbrepl_store_close(x->m);
    end(x->r, x->h);
}

/* No environment is taken over a fork. */
static void two_close(two *x)
{
    krbrepl_store_close(x->m);
    krbrepl_store_close(x->r);
}

static void two_open(two *x, const st *t, int import)
{
    x->m = st_open(t->dir);
    x->r = handle(x->dir, x->h, import, NULL);
}

/* Takes and drops the writer lock of a replica. */
static void touch(krbrepl_store *s)
{
    assert_int_equal(krbrepl__store_learn_epoch(s, 1), 0);
}

/* ---- repairs that change no position -------------------------------------------------------- */

/* The replica's content is made another at the same position, as if it had been so for long. */
static void falsify(two *x)
{
    const krbrepl_bytes wrong = st_bytes("wrong");
    static const char *const key[] = {"a", "b", "extra"};
    uint64_t records = st_info(x->r).records;
    krbrepl__wtxn w;
    krbrepl__rkey k;
    size_t i;

    assert_int_equal(krbrepl__wtxn_begin(x->r, &w), 0);
    for (i = 0; i < 3; i++) {
        assert_int_equal(krbrepl__rkey_make(x->r, "principal", st_bytes(key[i]), &k), 0);
        assert_int_equal(
            krbrepl__row_change(x->r, w.txn, krbrepl__gen(x->r, w.st.live), &k, &wrong, &records, NULL),
            0);
    }
    w.st.records = records;
    assert_int_equal(krbrepl__wtxn_commit(x->r, &w), 0);
    st_expect(x->r, "a", "wrong");
    assert_int_equal(st_info(x->r).pos.seq, st_info(x->m).pos.seq);
}

static int is_wanted(void *ctx, const uint8_t rdigest[16])
{
    const krbrepl__buf *have = ctx;
    size_t i;

    for (i = 0; i + 16 <= have->len; i += 16)
        if (memcmp(have->data + i, rdigest, 16) == 0)
            return 1;
    return 0;
}

/* Makes the replica's content the master's; answers what the end of it did. `altered` is altered at the host before
 * that. */
static int repair(two *x, int keep_old, const char *altered)
{
    static const krbrepl__ancestry none;
    static const char *const key[] = {"a", "b"};
    const krbrepl_bytes all = {NULL, 0};
    krbrepl__buf have;
    krbrepl__wanted wanted = {&have, is_wanted};
    krbrepl__repair *rep = NULL;
    krbrepl_store *m = x->m, *r = x->r;
    krbrepl_store_info i = st_info(m);
    krbrepl__ckey next;
    krbrepl_pos at;
    char full[64];
    size_t n;
    int rc;

    krbrepl__buf_init(&have, 0);
    assert_int_equal(krbrepl__store_range(m, all, all, 1000, &have, &next, &at), 0);
    if (krbrepl__repair_begin(r, &rep, &i.pos, &none, i.cumulative, keep_old) != 0)
        fail_msg("repair: %s", st_text(r));
    while ((rc = krbrepl__repair_range(rep, all, all, &wanted)) == 1)
        continue;
    assert_int_equal(rc, 0);
    for (n = 0; n < 2; n++) {
        snprintf(full, sizeof full, "principal%c%s", 0, key[n]);
        assert_int_equal(krbrepl__repair_put(rep, (krbrepl_bytes){full, 11}, st_bytes("1")), 0);
    }
    if (altered != NULL)
        memhost_set(x->h, "principal", altered, "altered");
    while ((rc = krbrepl__repair_finish(rep, NULL)) == 1)
        continue;
    krbrepl__buf_free(&have);
    return rc;
}

static void
repair_that_a_crash_cuts_off_at_the_same_position_is_brought_to_its_end_by_the_next(void **state)
{
    int after;

    for (after = 0; after <= 3; after++) {
        two x = begin(*state, 1);
        pid_t pid;

        falsify(&x);
        two_close(&x);
        pid = fork();
        if (pid == 0) {
            two_open(&x, *state, 1);
            x.h->die_after = after;
            (void)repair(&x, 0, NULL);
            _exit(1);
        }
        wait_dead(pid);
        x.h->die_after = -1;
        two_open(&x, *state, 1);
        touch(x.r);
        if (after == 0) { /* nothing was written, and the next repair brings it */
            st_expect(x.r, "a", "wrong");
            assert_int_equal(repair(&x, 0, NULL), 0);
        }
        assert_equal_content(x.m, x.r);
        assert_int_equal(st_info(x.r).records, 3);
        assert_null(memhost_value(x.h, "principal", "extra"));
        two_end(&x);
        st_teardown(state);
        st_setup(state);
    }
}

static void repair_that_the_host_fails_half_way_is_brought_to_its_end_by_the_next(void **state)
{
    two x = begin(*state, 1);

    falsify(&x);
    x.h->fail_with = 5;
    x.h->whole = 2;
    assert_int_equal(repair(&x, 0, NULL), KRBREPL_ERR_HOST);
    x.h->fail_with = 0;
    touch(x.r);
    assert_equal_content(x.m, x.r);
    two_end(&x);
}

static void damage_that_a_repair_meets_is_damage_and_no_commit(void **state)
{
    two x = begin(*state, 1);

    st_put(x.m, "new", "1");
    assert_int_equal(repair(&x, 1, "c"), KRBREPL_ERR_CORRUPT);
    two_end(&x);
}

/* ---- copies to where the store is ----------------------------------------------------------- */

static void copy_all(two *x, int dying)
{
    const krbrepl__ancestry none = {NULL, 0};
    krbrepl__ckey after = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos at;
    krbrepl__buf b;
    krbrepl__rd rd;
    int last = 0;

    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_copy_slice(x->m, &after, SIZE_MAX, &b, &last, &at), 0);
    assert_int_equal(krbrepl__copy_begin(x->r, &c, &at, &none, st_info(x->m).cumulative, 0, 0), 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rd.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&rd), v = krbrepl__rd_vec32(&rd);

        assert_int_equal(krbrepl__copy_put(c, full, v), 0);
    }
    x->h->die_at_end = dying;
    (void)krbrepl__copy_switch(c, NULL);
    krbrepl__buf_free(&b);
}

static void copy_of_pieces_to_the_same_position_is_of_no_position_until_it_is_done(void **state)
{
    two x = begin(*state, 0);
    pid_t pid;

    falsify(&x);
    two_close(&x);
    pid = fork();
    if (pid == 0) {
        two_open(&x, *state, 0);
        copy_all(&x, 1);
        _exit(1);
    }
    wait_dead(pid);
    x.h->die_at_end = 0;
    two_open(&x, *state, 0);
    touch(x.r);
    assert_int_equal(st_info(x.r).pos.seq, 0);
    copy_all(&x, 0);
    assert_equal_content(x.m, x.r);
    touch(x.r); /* the mark is gone */
    assert_int_equal(st_info(x.r).pos.seq, st_info(x.m).pos.seq);
    two_end(&x);
}

/* ---- promises ------------------------------------------------------------------------------- */

/* A commit of 40 MiB. */
static void put_large(krbrepl_store *s, char which)
{
    krbrepl_txn *t = NULL;
    void *room = krbrepl__alloc(MEMHOST_VALUE);
    char key[2] = {which, 0};
    int i;

    assert_non_null(room);
    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    for (i = 0; i < 40; i++) {
        key[1] = (char)('0' + i);
        assert_int_equal(krbrepl_txn_put(t, "principal", (krbrepl_bytes){key, 2},
                                         (krbrepl_bytes){room, MEMHOST_VALUE}),
                         0);
    }
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    krbrepl__free(room, MEMHOST_VALUE);
}

static void promise_that_nobody_could_read_is_not_made(void **state)
{
    two x = begin(*state, 1);
    const uint64_t seq = st_info(x.r).pos.seq;

    put_large(x.m, 'x');
    put_large(x.m, 'y');
    put_large(x.m, 'z');
    assert_int_equal(st_ship(x.m, x.r, seq + 1, 3), KRBREPL_ERR_TOOBIG);
    touch(x.r);
    assert_int_equal(st_info(x.r).pos.seq, seq);
    assert_int_equal(st_ship(x.m, x.r, seq + 1, 1), 0);
    assert_int_equal(st_info(x.r).pos.seq, seq + 3);
    two_end(&x);
}

/* A hosted master with the records a and c. */
static krbrepl_store *hosted_master(const st *t, memhost **h)
{
    krbrepl_store *s;

    *h = memhost_new();
    assert_non_null(*h);
    s = make(t->dir, KRBREPL_CREATE_MASTER, *h, 1);
    st_put(s, "a", "1");
    st_put(s, "c", "1");
    return s;
}

static void die_deleting_c(const st *t, memhost *h)
{
    pid_t pid = fork();

    if (pid == 0) {
        h->die_after = 1;
        st_delete(handle(t->dir, h, 1, NULL), "c");
        _exit(1);
    }
    wait_dead(pid);
    h->die_after = -1;
}

static void what_a_promise_deletes_loses_its_local_entry(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = hosted_master(t, &h);
    char room[16];
    size_t len = sizeof room;

    assert_int_equal(krbrepl_local_put(s, "principal", st_bytes("c"), st_bytes("local")), 0);
    krbrepl_store_close(s);
    die_deleting_c(t, h);
    s = handle(t->dir, h, 1, NULL);
    st_put(s, "d", "1");
    st_expect(s, "c", NULL);
    assert_int_equal(krbrepl__local_get(s, "principal", st_bytes("c"), room, &len),
                     KRBREPL_ERR_NOTFOUND);
    /* A new record of this name does not find it either: it comes by a way that forgets nothing. */
    {
        krbrepl__wtxn w;
        krbrepl__rkey k;
        const krbrepl_bytes v = st_bytes("2");

        assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
        assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes("c"), &k), 0);
        assert_int_equal(
            krbrepl__row_change(s, w.txn, krbrepl__gen(s, w.st.live), &k, &v, &w.st.records, NULL), 0);
        assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    }
    len = sizeof room;
    assert_int_equal(krbrepl__local_get(s, "principal", st_bytes("c"), room, &len),
                     KRBREPL_ERR_NOTFOUND);
    end(s, h);
}

static void commit_that_comes_of_a_promise_wakes_the_node(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = hosted_master(t, &h);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    char hint[4] = "";
    krbrepl_txn *x = NULL;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    krbrepl_store_close(s);
    die_deleting_c(t, h);
    s = handle(t->dir, h, 1, NULL);
    assert_true(snprintf(sa.sun_path, sizeof sa.sun_path, "%s/wake.sock", t->dir) <
                (int)sizeof sa.sun_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(krbrepl_txn_begin(s, &x, NULL), 0);
    krbrepl_txn_abort(x);
    assert_int_equal(recv(fd, hint, sizeof hint, 0), 1);
    assert_int_equal(hint[0], KRBREPL__HINT_GREW);
    close(fd);
    end(s, h);
}

/* ---- disks ---------------------------------------------------------------------------------- */

static void promise_whose_name_is_not_on_disk_is_none_the_second_time_either(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = hosted_master(t, &h);
    char path[700];
    int i, rc;

    krbrepl_store_close(s);
    snprintf(path, sizeof path, "%s/host.prepare", t->dir);
    assert_int_equal(unlink(path), 0);
    s = handle(t->dir, h, 1, NULL);
    for (i = 0; i < 2; i++) {
        krbrepl_txn *x = NULL;

        iofail_arm(IOFAIL_EIO, 0, 1);
        rc = krbrepl_txn_begin(s, &x, NULL);
        assert_true(iofail_disarm());
        assert_int_equal(rc, KRBREPL_ERR_IO);
    }
    st_put(s, "a", "2");
    end(s, h);
}

static int three_changes(krbrepl_store *s)
{
    krbrepl_txn *t = NULL;
    int rc = krbrepl_txn_begin(s, &t, NULL);

    if (rc == 0)
        rc = krbrepl_txn_put(t, "principal", st_bytes("a"), st_bytes("2"));
    if (rc == 0)
        rc = krbrepl_txn_put(t, "principal", st_bytes("b"), st_bytes("2"));
    if (rc == 0)
        rc = krbrepl_txn_delete(t, "principal", st_bytes("c"));
    if (rc == 0)
        return krbrepl_txn_commit(t, NULL);
    krbrepl_txn_abort(t);
    return rc;
}

static int count(void *ctx, const krbrepl_commit *c)
{
    (void)c;
    ++*(uint64_t *)ctx;
    return 0;
}

/* One try: the disk fails after so many calls. 1: it did. */
static int try_full(const st *t, int journal, enum iofail_kind kind, unsigned long calls, int forever)
{
    krbrepl_create_options o;
    memhost *h = memhost_new();
    memjournal *j = journal ? memjournal_new() : NULL;
    krbrepl_store *s;
    uint64_t n = 0, seq;
    char dir[600];
    int fired, rc;

    KRBREPL_INIT(&o);
    o.flags = KRBREPL_CREATE_MASTER | KRBREPL_CREATE_HOSTED | (journal ? KRBREPL_CREATE_JOURNALED : 0);
    snprintf(dir, sizeof dir, "%s/%d.%d.%lu.%d", t->root, journal, (int)kind, calls, forever);
    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
    s = handle(dir, h, 1, j);
    st_put(s, "a", "1");
    st_put(s, "c", "1");
    iofail_arm(kind, calls, forever);
    rc = three_changes(s);
    fired = iofail_disarm();
    krbrepl_store_close(s);
    s = handle(dir, h, 1, j);
    st_put(s, "d", "1"); /* resolves what is left */
    seq = st_info(s).pos.seq;
    assert_true(seq == 5 || (seq == 4 && rc != 0));
    st_expect(s, "a", seq == 5 ? "2" : "1");
    st_expect(s, "b", seq == 5 ? "2" : NULL);
    st_expect(s, "c", seq == 5 ? NULL : "1");
    assert_int_equal(krbrepl_journal_each(s, 0, 0, count, &n), 0);
    assert_int_equal(n, seq);
    end(s, h);
    if (j != NULL)
        memjournal_free(j);
    return fired;
}

static void disk_that_fills_up_in_a_hosted_commit_leaves_all_or_nothing_of_it(void **state)
{
    static const enum iofail_kind kinds[] = {IOFAIL_ENOSPC, IOFAIL_PART, IOFAIL_EIO};
    unsigned long calls;
    int i;

    for (i = 0; i < 12; i++) {
        for (calls = 0; try_full(*state, i & 1, kinds[i / 4], calls, i >> 1 & 1); calls++)
            assert_true(calls < 100);
        assert_true(calls > 2);
    }
}

/* The master's content for the replica, as far as the disk takes it. */
static void copy_as_far_as_it_goes(two *x)
{
    const krbrepl__ancestry none = {NULL, 0};
    krbrepl__ckey after = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos at;
    krbrepl__buf b;
    krbrepl__rd rd;
    int last = 0, rc;

    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_copy_slice(x->m, &after, SIZE_MAX, &b, &last, &at), 0);
    rc = krbrepl__copy_begin(x->r, &c, &at, &none, st_info(x->m).cumulative, 0, 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rc == 0 && rd.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&rd), v = krbrepl__rd_vec32(&rd);

        rc = krbrepl__copy_put(c, full, v);
    }
    if (rc == 0)
        (void)krbrepl__copy_switch(c, NULL);
    else
        krbrepl__copy_abort(c);
    krbrepl__buf_free(&b);
}

/* The same, with a disk that fails after so many calls; then the program is started again. 1: it did fail. */
static int try_copy(void **state, int import, enum iofail_kind kind, unsigned long calls, int forever)
{
    two x = begin(*state, import);
    uint8_t before[32], now[32];
    uint64_t seq = st_info(x.r).pos.seq;
    int fired;

    root_of(x.r, before);
    st_put(x.m, "a", "2");
    st_put(x.m, "d", "1");
    st_delete(x.m, "b");
    iofail_arm(kind, calls, forever);
    copy_as_far_as_it_goes(&x);
    fired = iofail_disarm();
    krbrepl_store_close(x.r);
    x.r = handle(x.dir, x.h, import, NULL);
    touch(x.r);
    if (st_info(x.r).pos.seq == seq) {
        root_of(x.r, now);
        assert_memory_equal(now, before, 32);
    } else if (st_info(x.r).pos.seq != 0) {
        assert_equal_content(x.m, x.r);
    }
    two_end(&x);
    st_teardown(state);
    st_setup(state);
    return fired;
}

static void disk_that_fails_in_a_copy_leaves_the_old_content_or_the_new_one_or_none(void **state)
{
    static const struct {
        int import;
        enum iofail_kind kind;
        int forever;
    } way[] = {{0, IOFAIL_PART, 0}, {0, IOFAIL_ENOSPC, 1}, {1, IOFAIL_PART, 1}};
    unsigned long calls;
    size_t i;

    for (i = 0; i < sizeof way / sizeof way[0]; i++) {
        for (calls = 0; try_copy(state, way[i].import, way[i].kind, calls, way[i].forever); calls++)
            assert_true(calls < 200);
        assert_true(calls > 4);
    }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(repair_that_a_crash_cuts_off_at_the_same_position_is_brought_to_its_end_by_the_next),
        T(repair_that_the_host_fails_half_way_is_brought_to_its_end_by_the_next),
        T(damage_that_a_repair_meets_is_damage_and_no_commit),
        T(copy_of_pieces_to_the_same_position_is_of_no_position_until_it_is_done),
        T(promise_that_nobody_could_read_is_not_made),
        T(what_a_promise_deletes_loses_its_local_entry),
        T(commit_that_comes_of_a_promise_wakes_the_node),
        T(promise_whose_name_is_not_on_disk_is_none_the_second_time_either),
        T(disk_that_fills_up_in_a_hosted_commit_leaves_all_or_nothing_of_it),
        T(disk_that_fails_in_a_copy_leaves_the_old_content_or_the_new_one_or_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
