/* A program that has its records and its journal in SQLite is killed at any moment, fifty times over: between the
 * promise and the database, in the database, between the journal and the store. Whoever comes next finds every commit
 * that was acknowledged and at most the one that was under way, whole, in the store, in the database and in the
 * journal; and a replica, in SQLite too, has the same. */
#include "st.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sqlite-host.h"

#define ROUNDS 50
#define KEYS 16

/* One end. */
typedef struct end {
    char dir[600], file[600];
    void *host;
    krbrepl_store *s;
} end;

static void end_open(end *e)
{
    krbrepl_store_options o;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    e->host = sqlite_host_open(e->file);
    assert_non_null(e->host);
    o.host = &sqlite_host_ops;
    o.journal = &sqlite_journal_ops;
    o.host_ctx = o.journal_ctx = e->host;
    if (krbrepl_store_open(&e->s, e->dir, &o, &ei) != 0)
        fail_msg("open: %s", ei.text);
}

static void end_close(end *e)
{
    krbrepl_store_close(e->s);
    sqlite_host_close(e->host);
    e->s = NULL;
    e->host = NULL;
}

static void end_make(end *e, const st *t, const char *name, uint64_t flags)
{
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = flags | KRBREPL_CREATE_HOSTED | KRBREPL_CREATE_JOURNALED;
    snprintf(e->dir, sizeof e->dir, "%s/%s", t->root, name);
    snprintf(e->file, sizeof e->file, "%s/%s.db", t->root, name);
    assert_int_equal(krbrepl_store_create(e->dir, &o, NULL), 0);
    end_open(e);
}

/* ---- the history ---------------------------------------------------------------------------- */

/* Commit `i` puts its number under "n" and under one of the keys, and every fifth deletes another. */
typedef struct step {
    char key[8], gone[8], number[24];
    int deletes;
} step;

static step step_of(unsigned long i)
{
    step s;

    snprintf(s.key, sizeof s.key, "k%lu", i % KEYS);
    snprintf(s.gone, sizeof s.gone, "k%lu", (i + 3) % KEYS);
    snprintf(s.number, sizeof s.number, "%lu", i);
    s.deletes = i % 5 == 0 && i > KEYS;
    return s;
}

/* What key number `k` has after commit `n`; 0: nothing. */
static unsigned long expected(unsigned long n, unsigned long k)
{
    unsigned long i, now = 0;

    for (i = n > 8UL * KEYS * 5 ? n - 8UL * KEYS * 5 : 1; i <= n; i++) {
        if (i % KEYS == k)
            now = i;
        if (i % 5 == 0 && i > KEYS && (i + 3) % KEYS == k)
            now = 0;
    }
    return now;
}

static krbrepl_change change_of(const char *key, const char *value)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.table = "principal";
    c.key = st_bytes(key);
    c.op = value != NULL ? KRBREPL_PUT : KRBREPL_DELETE;
    if (value != NULL)
        c.value = st_bytes(value);
    return c;
}

/* The host's own code writes what was prepared. */
static int write_itself(void *host, const step *s, int deleted)
{
    const krbrepl_change a = change_of("n", s->number), b = change_of(s->key, s->number),
                         c = change_of(s->gone, NULL);
    const krbrepl_change *const all[] = {&a, &b, &c};

    return sqlite_host_ops.apply(host, all, deleted ? 3 : 2, NULL);
}

static int commit(const end *e, unsigned long i)
{
    const step s = step_of(i);
    krbrepl_txn *t = NULL;
    int deleted = 0, rc = krbrepl_txn_begin(e->s, &t, NULL);

    if (rc == 0)
        rc = krbrepl_txn_put(t, "principal", st_bytes("n"), st_bytes(s.number));
    if (rc == 0)
        rc = krbrepl_txn_put(t, "principal", st_bytes(s.key), st_bytes(s.number));
    if (rc == 0 && s.deletes) {
        rc = krbrepl_txn_delete(t, "principal", st_bytes(s.gone));
        deleted = rc == 0;
        rc = rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    }
    if (rc == 0 && i % 3 == 0)
        rc = krbrepl_txn_prepare(t);
    if (rc == 0 && i % 3 == 0)
        rc = write_itself(e->host, &s, deleted);
    if (rc == 0)
        return krbrepl_txn_commit(t, NULL);
    krbrepl_txn_abort(t);
    return rc;
}

/* ---- looking -------------------------------------------------------------------------------- */

static unsigned long number_of(int rc, krbrepl_bytes v)
{
    char text[24] = "";

    if (rc == KRBREPL_ERR_NOTFOUND)
        return 0;
    assert_int_equal(rc, 0);
    assert_true(v.len < sizeof text);
    memcpy(text, v.data, v.len);
    return strtoul(text, NULL, 10);
}

static unsigned long stored(const end *e, const char *key)
{
    krbrepl_view *v = NULL;
    krbrepl_bytes value = {NULL, 0};
    unsigned long n;

    assert_int_equal(krbrepl_view_open(e->s, &v), 0);
    n = number_of(krbrepl_view_get(v, "principal", st_bytes(key), &value), value);
    krbrepl_view_close(v);
    value = (krbrepl_bytes){NULL, 0};
    assert_int_equal(number_of(sqlite_host_ops.get(e->host, "principal", st_bytes(key), &value), value),
                     n);
    return n;
}

static int count(void *ctx, const krbrepl_commit *c)
{
    (void)c;
    ++*(uint64_t *)ctx;
    return 0;
}

static void assert_whole(const end *e, unsigned long n)
{
    krbrepl_store_info i = st_info(e->s);
    krbrepl_bytes c = {NULL, 0};
    uint64_t seen = 0;
    unsigned long k;
    char key[8];

    for (k = 0; k < KEYS; k++) {
        snprintf(key, sizeof key, "k%lu", k);
        assert_int_equal(stored(e, key), expected(n, k));
    }
    if (krbrepl_journal_each(e->s, 0, 0, count, &seen) != 0)
        fail_msg("journal: %s", st_text(e->s));
    assert_int_equal(seen, i.journal_last + 1 - i.journal_first);
    /* One more than the number, for the birth; what was under way when it died is in no journal, once another came. */
    assert_int_equal(i.pos.seq, n + 1);
    assert_int_equal(sqlite_journal_ops.read(e->host, i.pos.seq + 1, &c), KRBREPL_ERR_NOTFOUND);
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

/* ---- killing -------------------------------------------------------------------------------- */

static void work(end *e, unsigned long i, atomic_ulong *acknowledged)
{
    end_open(e);
    for (;; i++) {
        if (commit(e, i) != 0)
            _exit(1);
        atomic_store(acknowledged, i);
    }
}

static void kill_after(pid_t pid, unsigned ms)
{
    const struct timespec wait = {0, (long)ms * 1000000};
    int status = 0;

    nanosleep(&wait, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

/* Or until the child has ended, which the caller finds out. */
static void wait_for_a_commit(const atomic_ulong *acknowledged, unsigned long had)
{
    const struct timespec moment = {0, 1000000};
    int i;

    for (i = 0; i < 60000 && atomic_load(acknowledged) == had; i++)
        nanosleep(&moment, NULL);
}

static unsigned long one_round(end *m, unsigned long next, atomic_ulong *acknowledged)
{
    const unsigned long had = atomic_load(acknowledged);
    krbrepl_txn *t = NULL;
    unsigned long n;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        work(m, next, acknowledged);
    if (next % 2 != 0)
        wait_for_a_commit(acknowledged, had);
    kill_after(pid, 1 + (unsigned)rand() % 60);
    end_open(m);
    /* Taking the lock resolves what is left; until then it is in conflict with the rows. */
    assert_int_equal(krbrepl_txn_begin(m->s, &t, NULL), 0);
    krbrepl_txn_abort(t);
    assert_int_equal(commit(m, stored(m, "n") + 1), 0);
    n = stored(m, "n");
    if (n < atomic_load(acknowledged) + 1 || n > atomic_load(acknowledged) + 2)
        fail_msg("commit %lu was acknowledged (%lu before this round), and %lu is there",
                 atomic_load(acknowledged), had, n);
    atomic_store(acknowledged, n);
    return n;
}

static void killed_host_loses_no_commit_and_has_none_by_half(void **state)
{
    atomic_ulong *acknowledged =
        mmap(NULL, sizeof *acknowledged, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    krbrepl_retention keep;
    end m = {.s = NULL}, r = {.s = NULL};
    unsigned long n = 0;
    int i;

    assert_true(acknowledged != MAP_FAILED);
    srand(20);
    end_make(&m, *state, "m", KRBREPL_CREATE_MASTER);
    end_make(&r, *state, "r", 0);
    assert_int_equal(krbrepl__store_adopt(r.s, st_info(m.s).database_id), 0);
    KRBREPL_INIT(&keep);
    keep.entries = 2000;
    assert_int_equal(krbrepl_store_set_retention(m.s, &keep), 0);
    assert_int_equal(commit(&m, 1), 0);
    atomic_store(acknowledged, 1);
    for (i = 0; i < ROUNDS; i++) {
        /* Neither LMDB's environments nor SQLite's are taken over a fork. */
        end_close(&m);
        end_close(&r);
        n = one_round(&m, atomic_load(acknowledged) + 1, acknowledged);
        end_open(&r);
        assert_whole(&m, n);
        assert_int_equal(st_ship(m.s, r.s, st_info(r.s).pos.seq + 1, 50), 0);
        assert_whole(&r, n);
        assert_equal_content(m.s, r.s);
    }
    print_message("%lu commits in %d rounds\n", n, ROUNDS);
    assert_true(n > ROUNDS);
    end_close(&m);
    end_close(&r);
    munmap(acknowledged, sizeof *acknowledged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(
        killed_host_loses_no_commit_and_has_none_by_half, st_setup, st_teardown)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
