#include "st.h"

#include <sys/wait.h>
#include <unistd.h>

#include "memhost.h"
#include "memjournal.h"

/* A store whose commits are in a journal of the host's: the history is what it would be anywhere, whatever the host
 * does and wherever a process dies. */

/* A store of which the host keeps the commits, and with `h` the records too. */
typedef struct hosted {
    char dir[600];
    memjournal *j;
    memhost *h;
    krbrepl_store *s;
} hosted;

static krbrepl_store *handle(const hosted *x)
{
    const krbrepl_journal_ops journal = memjournal_ops();
    const krbrepl_host_ops host = memhost_ops(1);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.journal = x->j != NULL ? &journal : NULL;
    o.journal_ctx = x->j;
    o.host = x->h != NULL ? &host : NULL;
    o.host_ctx = x->h;
    if (krbrepl_store_open(&s, x->dir, &o, &ei) != 0)
        fail_msg("open %s: %s", x->dir, ei.text);
    return s;
}

static hosted make(const st *t, const char *name, uint64_t flags, int journal, int records)
{
    krbrepl_create_options o;
    hosted x = {.j = journal ? memjournal_new() : NULL, .h = records ? memhost_new() : NULL};

    KRBREPL_INIT(&o);
    o.flags = flags | (journal ? KRBREPL_CREATE_JOURNALED : 0) | (records ? KRBREPL_CREATE_HOSTED : 0);
    snprintf(x.dir, sizeof x.dir, "%s/%s", t->root, name);
    assert_int_equal(krbrepl_store_create(x.dir, &o, NULL), 0);
    x.s = handle(&x);
    return x;
}

static hosted make_master(const st *t)
{
    return make(t, "s", KRBREPL_CREATE_MASTER, 1, 0);
}

static hosted make_replica(const st *t, const char *name, krbrepl_store *of, int journal, int records)
{
    krbrepl_store_info i = st_info(of);
    hosted x = make(t, name, 0, journal, records);

    assert_int_equal(krbrepl__store_adopt(x.s, i.database_id), 0);
    return x;
}

static void end(hosted *x)
{
    krbrepl_store_close(x->s);
    if (x->j != NULL)
        memjournal_free(x->j);
    if (x->h != NULL)
        memhost_free(x->h);
    x->s = NULL;
}

static void reopen(hosted *x)
{
    krbrepl_store_close(x->s);
    x->s = handle(x);
}

static int count(void *ctx, const krbrepl_commit *c)
{
    (void)c;
    ++*(uint64_t *)ctx;
    return 0;
}

/* How many commits the journal shows; each was verified. */
static uint64_t shown(krbrepl_store *s)
{
    uint64_t n = 0;
    int rc = krbrepl_journal_each(s, 0, 0, count, &n);

    if (rc != 0)
        fail_msg("journal: %s", st_text(s));
    return n;
}

static int reading(krbrepl_store *s)
{
    uint64_t n = 0;

    return krbrepl_journal_each(s, 0, 0, count, &n);
}

static void assert_equal_content(krbrepl_store *a, krbrepl_store *b)
{
    krbrepl_store *const s[2] = {a, b};
    uint8_t root[2][32];
    int i;

    for (i = 0; i < 2; i++) {
        krbrepl_view *v = NULL;

        assert_int_equal(krbrepl_view_open(s[i], &v), 0);
        assert_int_equal(krbrepl_view_digest(v, root[i], NULL), 0);
        krbrepl_view_close(v);
    }
    assert_memory_equal(root[0], root[1], 32);
}

static void upkeep_all(krbrepl_store *s)
{
    int rc;

    while ((rc = krbrepl__store_upkeep(s)) == 1)
        continue;
    assert_int_equal(rc, 0);
}

static void keep_entries(krbrepl_store *s, uint64_t n)
{
    krbrepl_retention r;

    KRBREPL_INIT(&r);
    r.entries = n;
    assert_int_equal(krbrepl_store_set_retention(s, &r), 0);
}

static void put_n(krbrepl_store *s, int n)
{
    int i;

    for (i = 0; i < n; i++)
        st_put(s, "k", i % 2 == 0 ? "even" : "odd");
}

static void wait_dead(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

/* ---- keeping -------------------------------------------------------------------------------- */

static size_t row_len(krbrepl_store *s, uint64_t seq)
{
    krbrepl__rtxn r = {0};
    uint8_t be[8];
    MDB_val k = {sizeof be, be}, v;
    size_t n;

    krbrepl__put_u64(be, seq);
    assert_int_equal(krbrepl__rtxn_begin(s, &r), 0);
    n = mdb_get(r.txn, s->env->dbi[KRBREPL__DBI_JOURNAL], &k, &v) == 0 ? v.mv_size : 0;
    krbrepl__rtxn_end(s, &r);
    return n;
}

static void commits_are_in_the_hosts_journal_and_are_read_from_it(void **state)
{
    hosted x = make_master(*state);
    krbrepl_store_info i;

    put_n(x.s, 10);
    assert_int_equal(memjournal_count(x.j), 11); /* with the birth, of which the host was not there */
    assert_int_equal(shown(x.s), 11);
    assert_int_equal(row_len(x.s, 1), 48);
    assert_int_equal(row_len(x.s, 11), 48);
    i = st_info(x.s);
    assert_int_equal(i.flags & KRBREPL_STORE_JOURNALED, KRBREPL_STORE_JOURNALED);
    assert_int_equal(i.flags & KRBREPL_STORE_HOSTED, 0);
    assert_true(i.journal_bytes > 500);
    reopen(&x);
    assert_int_equal(shown(x.s), 11);
    end(&x);
}

static void every_combination_of_records_and_journal_follows_every_other(void **state)
{
    int m, r;

    for (m = 0; m < 4; m++) {
        for (r = 0; r < 4; r++) {
            hosted a = make(*state, "m", KRBREPL_CREATE_MASTER, m & 1, m & 2);
            hosted b = make_replica(*state, "r", a.s, r & 1, r & 2);

            put_n(a.s, 20);
            st_put(a.s, "gone", "1");
            st_delete(a.s, "gone");
            assert_int_equal(st_ship(a.s, b.s, 1, 7), 0);
            assert_equal_content(a.s, b.s);
            assert_int_equal(shown(b.s), 23);
            if (b.j != NULL)
                assert_int_equal(memjournal_count(b.j), 23);
            end(&b);
            end(&a);
            st_teardown(state);
            st_setup(state);
        }
    }
}

static void many_commits_of_one_group_are_one_call(void **state)
{
    hosted a = make(*state, "m", KRBREPL_CREATE_MASTER, 0, 0);
    hosted b = make_replica(*state, "r", a.s, 1, 0);

    put_n(a.s, 100);
    assert_int_equal(st_ship(a.s, b.s, 1, 200), 0);
    assert_int_equal(b.j->appends, 1);
    assert_int_equal(shown(b.s), 101);
    end(&b);
    end(&a);
}

static void load_and_reset_go_to_the_hosts_journal(void **state)
{
    hosted x = make_master(*state);
    krbrepl_load *l = NULL;
    int i;

    for (i = 0; i < 2; i++) {
        assert_int_equal(krbrepl_load_begin(x.s, &l, NULL), 0);
        assert_int_equal(krbrepl_load_put(l, "principal", st_bytes("a"), st_bytes(i == 0 ? "1" : "2")),
                         0);
        if (i == 1)
            krbrepl__load_as_reset(l);
        assert_int_equal(krbrepl_load_commit(l, NULL), 0);
    }
    assert_int_equal(shown(x.s), 3);
    assert_int_equal(memjournal_count(x.j), 3);
    end(&x);
}

/* ---- trimming ------------------------------------------------------------------------------- */

static void what_is_trimmed_goes_from_the_hosts_journal_too(void **state)
{
    hosted x = make_master(*state);
    krbrepl_store_info i;

    keep_entries(x.s, 50);
    put_n(x.s, 600);
    upkeep_all(x.s);
    i = st_info(x.s);
    assert_true(i.journal_last + 1 - i.journal_first <= 50 + 64);
    assert_int_equal(memjournal_count(x.j), i.journal_last + 1 - i.journal_first);
    assert_non_null(memjournal_find(x.j, i.journal_first));
    assert_int_equal(shown(x.s), i.journal_last + 1 - i.journal_first);
    end(&x);
}

static void host_that_does_not_cut_does_not_keep_commits_from_being_made(void **state)
{
    hosted x = make_master(*state);

    keep_entries(x.s, 50);
    x.j->fail_cut = 5;
    put_n(x.s, 300);
    assert_int_equal(krbrepl__store_upkeep(x.s), KRBREPL_ERR_HOST);
    x.j->fail_cut = 0;
    upkeep_all(x.s);
    assert_int_equal(memjournal_count(x.j), st_info(x.s).pos.seq + 1 - st_info(x.s).journal_first);
    end(&x);
}

/* What else upkeep has to do does not wait for such a host: a file that only grows would be worse. */
static void host_that_does_not_cut_does_not_keep_the_store_from_being_tidied_up(void **state)
{
    hosted x = make_master(*state);

    put_n(x.s, 300);
    upkeep_all(x.s);
    keep_entries(x.s, 50);
    x.j->fail_cut = 5;
    assert_int_equal(krbrepl__store_upkeep(x.s), 1);
    assert_int_equal(krbrepl__store_upkeep(x.s), KRBREPL_ERR_HOST);
    assert_int_equal(st_info(x.s).journal_first, 252);
    assert_int_equal(memjournal_count(x.j), 301);
    x.j->fail_cut = 0;
    upkeep_all(x.s);
    assert_int_equal(memjournal_count(x.j), st_info(x.s).pos.seq + 1 - st_info(x.s).journal_first);
    assert_int_equal(shown(x.s), memjournal_count(x.j));
    end(&x);
}

/* A host whose `read` is slower than another process that trims. */
static struct {
    krbrepl_store *other;
    krbrepl_journal_ops right;
} race;

static int read_late(void *ctx, uint64_t seq, krbrepl_bytes *commit)
{
    krbrepl_store *other = race.other;

    race.other = NULL;
    if (other != NULL) {
        put_n(other, 300);
        upkeep_all(other);
    }
    return race.right.read(ctx, seq, commit);
}

static void reader_whose_commit_was_trimmed_meanwhile_is_told_so(void **state)
{
    hosted x = make_master(*state);
    krbrepl_store_options o;
    krbrepl_journal_ops ops = memjournal_ops();
    krbrepl_store *slow = NULL;

    keep_entries(x.s, 50);
    put_n(x.s, 10);
    race.right = ops;
    race.other = x.s;
    ops.read = read_late;
    KRBREPL_INIT(&o);
    o.journal = &ops;
    o.journal_ctx = x.j;
    assert_int_equal(krbrepl_store_open(&slow, x.dir, &o, NULL), 0);
    assert_int_equal(reading(slow), KRBREPL_ERR_TRIMMED);
    krbrepl_store_close(slow);
    end(&x);
}

/* ---- copies --------------------------------------------------------------------------------- */

static void copy_into(krbrepl_store *m, krbrepl_store *r)
{
    const krbrepl__ancestry none = {NULL, 0};
    krbrepl__ckey after = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos at;
    krbrepl__buf b;
    krbrepl__rd rd;
    int last = 0;

    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_copy_slice(m, &after, SIZE_MAX, &b, &last, &at), 0);
    assert_int_equal(krbrepl__copy_begin(r, &c, &at, &none, st_info(m).cumulative, 0, 0), 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rd.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&rd), v = krbrepl__rd_vec32(&rd);

        assert_int_equal(krbrepl__copy_put(c, full, v), 0);
    }
    assert_int_equal(krbrepl__copy_switch(c, NULL), 0);
    krbrepl__buf_free(&b);
}

static void full_copy_empties_the_hosts_journal(void **state)
{
    int records;

    for (records = 0; records < 2; records++) {
        hosted a = make_master(*state), b = make_replica(*state, "r", a.s, 1, records);

        put_n(a.s, 20);
        assert_int_equal(st_ship(a.s, b.s, 1, 7), 0);
        put_n(a.s, 20);
        copy_into(a.s, b.s);
        assert_int_equal(shown(b.s), 0);
        upkeep_all(b.s);
        assert_int_equal(memjournal_count(b.j), 0);
        put_n(a.s, 5);
        assert_int_equal(st_ship(a.s, b.s, st_info(b.s).pos.seq + 1, 2), 0);
        assert_int_equal(shown(b.s), 5);
        assert_int_equal(memjournal_count(b.j), 5);
        assert_equal_content(a.s, b.s);
        end(&b);
        end(&a);
        st_teardown(state);
        st_setup(state);
    }
}

/* ---- crashes and failures ------------------------------------------------------------------- */

/* A child makes one commit and dies when its host has taken `after` of it. */
static void die_in_append(const hosted *x, int after)
{
    pid_t pid = fork();

    if (pid == 0) {
        x->j->die_after = after;
        st_put(handle(x), "k", "of the dead");
        _exit(1);
    }
    wait_dead(pid);
    x->j->die_after = -1;
}

static void commit_of_a_process_that_died_before_its_end_gives_way_to_the_next(void **state)
{
    int after, records;

    for (records = 0; records < 2; records++) {
        for (after = 0; after < 2; after++) {
            hosted a = make(*state, "s", KRBREPL_CREATE_MASTER, 1, records);
            hosted b = make_replica(*state, "r", a.s, 1, 0);

            put_n(a.s, 3);
            krbrepl_store_close(a.s);
            die_in_append(&a, after);
            a.s = handle(&a);
            assert_int_equal(memjournal_count(a.j), (size_t)(4 + after));
            assert_int_equal(st_info(a.s).pos.seq, 4);
            st_expect(a.s, "k", "even");
            assert_int_equal(shown(a.s), 4);
            st_put(a.s, "k", "of the living");
            assert_int_equal(shown(a.s), 5);
            assert_int_equal(memjournal_count(a.j), 5);
            assert_int_equal(st_ship(a.s, b.s, 1, 3), 0);
            st_expect(b.s, "k", "of the living");
            end(&b);
            end(&a);
            st_teardown(state);
            st_setup(state);
        }
    }
}

/* Its keys are not to lie about for ever. */
static void upkeep_drops_what_a_dead_process_left_at_the_host(void **state)
{
    hosted x = make_master(*state);

    put_n(x.s, 3);
    krbrepl_store_close(x.s);
    die_in_append(&x, 1);
    x.s = handle(&x);
    assert_non_null(memjournal_find(x.j, 5));
    upkeep_all(x.s);
    assert_null(memjournal_find(x.j, 5));
    assert_int_equal(shown(x.s), 4);
    end(&x);
}

static void process_that_dies_in_its_records_is_resolved_with_its_commit_in_the_journal(void **state)
{
    int after;

    for (after = 0; after < 2; after++) {
        hosted x = make(*state, "s", KRBREPL_CREATE_MASTER, 1, 1);
        pid_t pid;

        put_n(x.s, 3);
        krbrepl_store_close(x.s);
        pid = fork();
        if (pid == 0) {
            x.h->die_after = after;
            st_put(handle(&x), "k", "promised");
            _exit(1);
        }
        wait_dead(pid);
        x.h->die_after = -1;
        x.s = handle(&x);
        st_put(x.s, "other", "1");
        assert_int_equal(shown(x.s), (uint64_t)(5 + after));
        assert_int_equal(memjournal_count(x.j), (size_t)(5 + after));
        st_expect(x.s, "k", after == 1 ? "promised" : "even");
        end(&x);
        st_teardown(state);
        st_setup(state);
    }
}

/* What resolves a promise does not rely on what the dead process gave the journal. */
static void commit_that_comes_of_a_promise_is_given_to_the_journal_again(void **state)
{
    hosted x = make(*state, "s", KRBREPL_CREATE_MASTER, 1, 1);
    pid_t pid;

    put_n(x.s, 3);
    krbrepl_store_close(x.s);
    pid = fork();
    if (pid == 0) {
        x.h->die_after = 1;
        st_put(handle(&x), "k", "promised");
        _exit(1);
    }
    wait_dead(pid);
    x.h->die_after = -1;
    memjournal_find(x.j, 5)->seq = 0;
    x.s = handle(&x);
    st_put(x.s, "other", "1");
    assert_int_equal(shown(x.s), 6);
    st_expect(x.s, "k", "promised");
    end(&x);
}

static void copy_that_was_cut_off_goes_on_and_ends_in_a_journal_of_its_own_position(void **state)
{
    const krbrepl__ancestry none = {NULL, 0};
    hosted a = make_master(*state), b = make_replica(*state, "r", a.s, 1, 0);
    krbrepl__copy *c = NULL;
    krbrepl__ckey after;
    krbrepl_pos from, upper;
    krbrepl_store_info i;

    put_n(a.s, 20);
    st_put(a.s, "l", "1");
    assert_int_equal(st_ship(a.s, b.s, 1, 7), 0);
    i = st_info(a.s);
    assert_int_equal(krbrepl__copy_begin(b.s, &c, &i.pos, &none, i.cumulative, 0, 0), 0);
    assert_int_equal(krbrepl__copy_put(c, (krbrepl_bytes){"principal\0k", 11}, st_bytes("odd")), 0);
    krbrepl__copy_abort(c);
    reopen(&b);
    assert_int_equal(krbrepl__copy_partial(b.s, &from, &upper, &after), 0);
    assert_int_equal(krbrepl__copy_resume(b.s, &c), 0);
    assert_int_equal(krbrepl__copy_put(c, (krbrepl_bytes){"principal\0l", 11}, st_bytes("1")), 0);
    assert_int_equal(krbrepl__copy_switch(c, NULL), 0);
    assert_equal_content(a.s, b.s);
    assert_int_equal(shown(b.s), 0);
    put_n(a.s, 3);
    assert_int_equal(st_ship(a.s, b.s, st_info(b.s).pos.seq + 1, 2), 0);
    assert_int_equal(shown(b.s), 3);
    assert_int_equal(memjournal_count(b.j), 3);
    end(&b);
    end(&a);
}

static void promoted_replica_goes_on_in_its_own_journal(void **state)
{
    hosted a = make_master(*state), b = make_replica(*state, "r", a.s, 1, 1);

    put_n(a.s, 5);
    assert_int_equal(st_ship(a.s, b.s, 1, 7), 0);
    assert_int_equal(krbrepl_promote(b.s, "operator", NULL), 0);
    st_put(b.s, "k", "of the new reign");
    assert_int_equal(shown(b.s), 8);
    assert_int_equal(memjournal_count(b.j), 8);
    assert_int_equal(krbrepl_demote(a.s, "operator", NULL), 0);
    assert_int_equal(shown(a.s), 7);
    end(&b);
    end(&a);
}

static void commit_that_the_host_does_not_take_never_happened(void **state)
{
    int records;

    for (records = 0; records < 2; records++) {
        hosted x = make(*state, "s", KRBREPL_CREATE_MASTER, 1, records);
        krbrepl_errinfo ei;

        put_n(x.s, 1);
        x.j->fail_append = 1234;
        assert_int_equal(st_try(x.s, "k", "refused"), KRBREPL_ERR_HOST);
        KRBREPL_INIT(&ei);
        krbrepl_store_errinfo(x.s, &ei);
        assert_int_equal(ei.host_code, 1234);
        x.j->fail_append = 0;
        st_expect(x.s, "k", "even");
        st_put(x.s, "k", "taken");
        assert_int_equal(shown(x.s), 3);
        end(&x);
        st_teardown(state);
        st_setup(state);
    }
}

static void prepared_commit_is_in_the_journal_before_the_host_writes(void **state)
{
    hosted x = make(*state, "s", KRBREPL_CREATE_MASTER, 1, 1);
    krbrepl_txn *t = NULL;

    assert_int_equal(krbrepl_txn_begin(x.s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", st_bytes("a"), st_bytes("1")), 0);
    assert_int_equal(krbrepl_txn_prepare(t), 0);
    assert_non_null(memjournal_find(x.j, 2));
    krbrepl_txn_abort(t); /* the host wrote nothing */
    assert_int_equal(shown(x.s), 1);
    x.j->fail_append = 7;
    assert_int_equal(krbrepl_txn_begin(x.s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", st_bytes("a"), st_bytes("2")), 0);
    assert_int_equal(krbrepl_txn_prepare(t), KRBREPL_ERR_HOST);
    krbrepl_txn_abort(t);
    x.j->fail_append = 0;
    st_put(x.s, "a", "3");
    assert_int_equal(shown(x.s), 2);
    end(&x);
}

/* ---- damage --------------------------------------------------------------------------------- */

static void commit_that_the_host_altered_or_lost_is_damage(void **state)
{
    hosted x = make_master(*state);
    memjournal_commit *c;

    put_n(x.s, 5);
    c = memjournal_find(x.j, 3);
    c->bytes[40] ^= 1;
    assert_int_equal(reading(x.s), KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(st_text(x.s), "commit 3 does not match the chain"));
    c->bytes[40] ^= 1;
    c->len--;
    assert_int_equal(reading(x.s), KRBREPL_ERR_CORRUPT);
    c->len++;
    c->seq = 0;
    assert_int_equal(reading(x.s), KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(st_text(x.s), "commit 3 is missing"));
    c->seq = 3;
    x.j->confused = 1;
    assert_int_equal(reading(x.s), KRBREPL_ERR_CORRUPT);
    x.j->confused = 0;
    x.j->fail_read = 99;
    assert_int_equal(reading(x.s), KRBREPL_ERR_HOST);
    x.j->fail_read = 0;
    assert_int_equal(shown(x.s), 6);
    end(&x);
}

/* ---- without the callbacks ------------------------------------------------------------------ */

/* The thread that reads them has a master's other peers to serve. */
static void commits_that_are_large_are_verified_a_few_at_a_time(void **state)
{
    st *t = *state;
    hosted x =
        make(t, "s", KRBREPL_CREATE_MASTER, 0, 0); /* the journal that is lent here is too small */
    const size_t len = 3u << 20;
    char *value = test_malloc(len);
    uint64_t next = 1;
    int i, end_of_it = 0, calls = 0;

    memset(value, 'v', len);
    for (i = 0; i < 6; i++) {
        krbrepl_txn *txn;

        assert_int_equal(krbrepl_txn_begin(x.s, &txn, NULL), 0);
        assert_int_equal(
            krbrepl_txn_put(txn, "t", (krbrepl_bytes){"k", 1}, (krbrepl_bytes){value, len}), 0);
        assert_int_equal(krbrepl_txn_commit(txn, NULL), 0);
    }
    test_free(value);
    for (; !end_of_it; calls++) {
        const uint64_t from = next;

        assert_int_equal(krbrepl__store_check_commits(x.s, &next, 7, 64, &end_of_it), 0);
        assert_in_range(next - from, 1, 2);
    }
    assert_int_equal(next, 8);
    end(&x);
}

static void handle_without_callbacks_reads_no_commit_and_makes_none(void **state)
{
    hosted x = make_master(*state);
    krbrepl_store *plain;

    put_n(x.s, 3);
    plain = st_open(x.dir);
    assert_int_equal(reading(plain), KRBREPL_ERR_STATE);
    assert_non_null(strstr(st_text(plain), "host's journal"));
    assert_int_equal(st_try(plain, "k", "2"), KRBREPL_ERR_STATE);
    assert_non_null(strstr(st_text(plain), "host's journal"));
    st_expect(plain, "k", "even");
    krbrepl_store_close(plain);
    assert_int_equal(shown(x.s), 4);
    end(&x);
}

static void role_that_was_changed_without_callbacks_comes_to_the_host_with_the_next_commit(void **state)
{
    hosted x = make_master(*state);
    krbrepl_store *plain;

    put_n(x.s, 3);
    plain = st_open(x.dir);
    assert_int_equal(krbrepl_demote(plain, "operator", NULL), 0);
    assert_int_equal(krbrepl_promote(plain, "operator", NULL), 0);
    krbrepl_store_close(plain);
    assert_int_equal(memjournal_count(x.j), 4);
    assert_int_equal(shown(x.s), 6);
    st_put(x.s, "k", "after");
    assert_int_equal(memjournal_count(x.j), 7);
    assert_int_equal(row_len(x.s, 6), 48);
    assert_int_equal(shown(x.s), 7);
    end(&x);
}

static void restored_store_begins_with_an_empty_journal(void **state)
{
    hosted x = make_master(*state), y = {.j = memjournal_new()};
    char file[600];
    uint8_t chain[32];

    put_n(x.s, 30);
    snprintf(file, sizeof file, "%s/backup", ((st *)*state)->root);
    assert_int_equal(krbrepl_backup(x.s, file), 0);
    snprintf(y.dir, sizeof y.dir, "%s/restored", ((st *)*state)->root);
    assert_int_equal(krbrepl_restore(file, y.dir, "operator", NULL), 0);
    y.s = handle(&y);
    assert_int_equal(shown(y.s), 1); /* the new reign */
    assert_int_equal(krbrepl__store_chain_at(y.s, 10, chain), 0);
    st_expect(y.s, "k", "odd");
    st_put(y.s, "k", "after");
    assert_int_equal(memjournal_count(y.j), 2);
    assert_int_equal(shown(y.s), 2);
    end(&y);
    end(&x);
}

static void callbacks_are_for_stores_made_for_them_and_come_together(void **state)
{
    krbrepl_store_options o;
    krbrepl_journal_ops ops = memjournal_ops();
    hosted x = make_master(*state), plain = make(*state, "p", 0, 0, 0);
    krbrepl_store *s = NULL;

    KRBREPL_INIT(&o);
    o.journal = &ops;
    assert_int_equal(krbrepl_store_open(&s, plain.dir, &o, NULL), KRBREPL_ERR_STATE);
    ops.cut = NULL;
    assert_int_equal(krbrepl_store_open(&s, x.dir, &o, NULL), KRBREPL_ERR_INVALID);
    assert_null(s);
    end(&plain);
    end(&x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(commits_are_in_the_hosts_journal_and_are_read_from_it),
        T(every_combination_of_records_and_journal_follows_every_other),
        T(many_commits_of_one_group_are_one_call),
        T(load_and_reset_go_to_the_hosts_journal),
        T(what_is_trimmed_goes_from_the_hosts_journal_too),
        T(host_that_does_not_cut_does_not_keep_commits_from_being_made),
        T(host_that_does_not_cut_does_not_keep_the_store_from_being_tidied_up),
        T(reader_whose_commit_was_trimmed_meanwhile_is_told_so),
        T(full_copy_empties_the_hosts_journal),
        T(commit_of_a_process_that_died_before_its_end_gives_way_to_the_next),
        T(upkeep_drops_what_a_dead_process_left_at_the_host),
        T(process_that_dies_in_its_records_is_resolved_with_its_commit_in_the_journal),
        T(commit_that_comes_of_a_promise_is_given_to_the_journal_again),
        T(copy_that_was_cut_off_goes_on_and_ends_in_a_journal_of_its_own_position),
        T(promoted_replica_goes_on_in_its_own_journal),
        T(commit_that_the_host_does_not_take_never_happened),
        T(prepared_commit_is_in_the_journal_before_the_host_writes),
        T(commit_that_the_host_altered_or_lost_is_damage),
        T(commits_that_are_large_are_verified_a_few_at_a_time),
        T(handle_without_callbacks_reads_no_commit_and_makes_none),
        T(role_that_was_changed_without_callbacks_comes_to_the_host_with_the_next_commit),
        T(restored_store_begins_with_an_empty_journal),
        T(callbacks_are_for_stores_made_for_them_and_come_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
