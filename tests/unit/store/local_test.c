#include "st.h"

#include <sys/wait.h>
#include <unistd.h>

/* Entries of this node alone: beside records, outside of the history, and only as durable as the machine. */

static int put(krbrepl_store *s, const char *key, const char *value)
{
    return krbrepl_local_put(s, "principal", st_bytes(key), st_bytes(value));
}

static void expect(krbrepl_store *s, const char *key, const char *value)
{
    char got[64];
    size_t len = sizeof got;
    int rc = krbrepl_local_get(s, "principal", st_bytes(key), got, &len);

    if (value == NULL) {
        assert_int_equal(rc, KRBREPL_ERR_NOTFOUND);
        return;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(len, strlen(value));
    assert_memory_equal(got, value, len);
}

static int there(const st *t, const char *name)
{
    char path[600];

    snprintf(path, sizeof path, "%s/local/%s", t->dir, name);
    return access(path, F_OK) == 0;
}

static void write_file(const st *t, const char *name, const char *text)
{
    char path[600];
    FILE *f;

    snprintf(path, sizeof path, "%s/local/%s", t->dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void entries_are_in_no_commit(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_store_info before, after;

    st_put(s, "alice", "1");
    before = st_info(s);
    assert_int_equal(put(s, "alice", "3 failures"), 0);
    after = st_info(s);
    assert_memory_equal(&before, &after, sizeof before);
    expect(s, "alice", "3 failures");
    assert_int_equal(put(s, "alice", ""), 0);
    expect(s, "alice", "");
    assert_int_equal(krbrepl_local_delete(s, "principal", BYTES("alice")), 0);
    assert_int_equal(krbrepl_local_delete(s, "principal", BYTES("alice")), KRBREPL_ERR_NOTFOUND);
    expect(s, "alice", NULL);
    krbrepl_store_close(s);
}

static void entries_need_no_role(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    st_put(m, "alice", "1");
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    assert_int_equal(put(r, "alice", "seen"), 0);
    expect(r, "alice", "seen");
    expect(m, "alice", NULL);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void entry_needs_a_record(void **state)
{
    krbrepl_store *s = st_master(*state);

    assert_int_equal(put(s, "nobody", "x"), KRBREPL_ERR_NOTFOUND);
    expect(s, "nobody", NULL);
    krbrepl_store_close(s);
}

static void buffer_that_is_too_small_is_told_the_length(void **state)
{
    krbrepl_store *s = st_master(*state);
    char got[4];
    size_t len = sizeof got;

    st_put(s, "alice", "1");
    assert_int_equal(put(s, "alice", "0123456789"), 0);
    assert_int_equal(krbrepl_local_get(s, "principal", BYTES("alice"), got, &len), KRBREPL_ERR_TOOBIG);
    assert_int_equal(len, 10);
    krbrepl_store_close(s);
}

static void deleted_record_takes_its_entry_along(void **state)
{
    krbrepl_store *s = st_master(*state);

    st_put(s, "alice", "1");
    assert_int_equal(put(s, "alice", "old"), 0);
    st_delete(s, "alice");
    expect(s, "alice", NULL);
    st_put(s, "alice", "2");
    expect(s, "alice", NULL);
    assert_int_equal(put(s, "alice", "new"), 0);
    st_put(s, "alice", "3");
    expect(s, "alice", "new");
    krbrepl_store_close(s);
}

static void replica_drops_the_entry_of_a_deleted_record(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    st_put(m, "alice", "1");
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    assert_int_equal(put(r, "alice", "old"), 0);
    st_delete(m, "alice");
    st_put(m, "alice", "2");
    assert_int_equal(st_ship(m, r, 3, 9), 0);
    expect(r, "alice", NULL);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

/* A crash between a commit and the deletion of entries leaves a stale one. */
static void stale_entry_does_not_reach_a_new_record(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__wtxn w;
    krbrepl__rkey k;

    st_put(s, "alice", "1");
    assert_int_equal(put(s, "alice", "old"), 0);
    assert_int_equal(krbrepl__rkey_make(s, "principal", BYTES("alice"), &k), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    assert_int_equal(krbrepl__row_del(s, w.txn, krbrepl__gen(s, w.st.live), &k), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    expect(s, "alice", NULL);
    st_put(s, "alice", "2");
    expect(s, "alice", NULL);
    krbrepl_store_close(s);
}

static void entries_of_long_keys_are_kept_apart(void **state)
{
    krbrepl_store *s = st_master(*state);
    char a[601], b[601];

    memset(a, 'k', sizeof a);
    a[600] = '\0';
    memcpy(b, a, sizeof b);
    b[599] = 'x';
    st_put(s, a, "1");
    st_put(s, b, "1");
    assert_int_equal(put(s, a, "A"), 0);
    assert_int_equal(put(s, b, "B"), 0);
    expect(s, a, "A");
    expect(s, b, "B");
    krbrepl_store_close(s);
}

/* ---- restarts ------------------------------------------------------------------------------- */

static void entries_survive_an_orderly_end_of_the_process(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);

    st_put(s, "alice", "1");
    assert_int_equal(put(s, "alice", "kept"), 0);
    assert_false(there(t, "clean"));
    krbrepl_store_close(s);
    assert_true(there(t, "clean"));
    /* `clean` says it all: the machine may have been restarted since. */
    write_file(t, "boot", "another boot");
    s = st_open(t->dir);
    expect(s, "alice", "kept");
    assert_true(there(t, "clean"));
    assert_int_equal(put(s, "alice", "more"), 0);
    assert_false(there(t, "clean"));
    krbrepl_store_close(s);
}

static void entries_survive_a_killed_process(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    int status;
    pid_t pid;

    st_put(s, "alice", "1");
    krbrepl_store_close(s);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        s = NULL;
        if (krbrepl_store_open(&s, t->dir, NULL, NULL) != 0 || put(s, "alice", "kept") != 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_false(there(t, "clean"));
    s = st_open(t->dir);
    expect(s, "alice", "kept");
    krbrepl_store_close(s);
}

static void entries_are_dropped_when_the_machine_failed_while_they_were_written(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    char path[600];

    st_put(s, "alice", "1");
    assert_int_equal(put(s, "alice", "lost"), 0);
    krbrepl_store_close(s);
    /* As a power cut leaves it: no `clean`, the id of an earlier boot, and any bytes. */
    snprintf(path, sizeof path, "%s/local/clean", t->dir);
    assert_int_equal(unlink(path), 0);
    write_file(t, "boot", "another boot");
    write_file(t, "data.mdb", "rubbish");
    s = st_open(t->dir);
    expect(s, "alice", NULL);
    assert_int_equal(put(s, "alice", "new"), 0);
    expect(s, "alice", "new");
    krbrepl_store_close(s);
    s = st_open(t->dir);
    expect(s, "alice", "new");
    krbrepl_store_close(s);
}

static void only_the_last_process_calls_the_entries_clean(void **state)
{
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    int to[2], back[2], status;
    char c = 'x';
    pid_t pid;

    st_put(s, "alice", "1");
    krbrepl_store_close(s);
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(back), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        s = NULL;
        if (krbrepl_store_open(&s, t->dir, NULL, NULL) != 0 || put(s, "alice", "one") != 0 ||
            write(back[1], &c, 1) != 1 || read(to[0], &c, 1) != 1)
            _exit(1);
        krbrepl_store_close(s);
        _exit(0);
    }
    assert_int_equal(read(back[0], &c, 1), 1);
    s = st_open(t->dir);
    assert_int_equal(put(s, "alice", "two"), 0);
    krbrepl_store_close(s);
    assert_false(there(t, "clean"));
    assert_int_equal(write(to[1], &c, 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(there(t, "clean"));
    close(to[0]);
    close(to[1]);
    close(back[0]);
    close(back[1]);
    s = st_open(t->dir);
    expect(s, "alice", "two");
    krbrepl_store_close(s);
}

static void damaged_entry_counts_as_lost(void **state)
{
    static const char key[] = "principal\0alice";
    const st *t = *state;
    krbrepl_store *s = st_master(t);
    MDB_val k = {sizeof key - 1, NULL}, v = {20, NULL};
    MDB_txn *txn;
    char copy[sizeof key];

    st_put(s, "alice", "1");
    assert_int_equal(put(s, "alice", "fine"), 0);
    memcpy(copy, key, sizeof key);
    k.mv_data = copy;
    assert_int_equal(krbrepl__env_begin(s->local, 0, &txn, NULL), 0);
    assert_int_equal(mdb_put(txn, s->local->dbi[0], &k, &v, MDB_RESERVE), 0);
    memset(v.mv_data, 7, 20);
    assert_int_equal(krbrepl__env_commit(s->local, txn, 0, NULL), 0);
    expect(s, "alice", NULL);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(entries_are_in_no_commit),
        T(entries_need_no_role),
        T(entry_needs_a_record),
        T(buffer_that_is_too_small_is_told_the_length),
        T(deleted_record_takes_its_entry_along),
        T(replica_drops_the_entry_of_a_deleted_record),
        T(stale_entry_does_not_reach_a_new_record),
        T(entries_of_long_keys_are_kept_apart),
        T(entries_survive_an_orderly_end_of_the_process),
        T(entries_survive_a_killed_process),
        T(entries_are_dropped_when_the_machine_failed_while_they_were_written),
        T(only_the_last_process_calls_the_entries_clean),
        T(damaged_entry_counts_as_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
