/* The thread that computes digests: what it tells, and how it ends. */
#include "../store/st.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker.h"

static krbrepl__worker *make(krbrepl_store *s, int as_found)
{
    krbrepl__worker *w = NULL;
    krbrepl_errinfo ei;

    assert_int_equal(krbrepl__worker_new(&w, s, as_found, &ei), 0);
    return w;
}

static void put_some(krbrepl_store *s, int from, int n, const char *value)
{
    char key[32];

    for (; n > 0; n--, from++) {
        snprintf(key, sizeof key, "user%04d", from);
        st_put(s, key, value);
    }
}

/* Waits for news of this kind; others on the way are passed over. */
static void await_news(krbrepl__worker *w, int what, krbrepl__proof *out)
{
    struct pollfd p = {.fd = krbrepl__worker_fd(w), .events = POLLIN};
    int got;

    for (;;) {
        got = krbrepl__worker_next(w, out);
        if (got == what)
            return;
        if (got == KRBREPL__PROVER_FROZEN)
            krbrepl__ftree_unref(out->tree);
        if (got == KRBREPL__WORKER_NONE)
            assert_int_equal(poll(&p, 1, 120000), 1);
    }
}

static void await_end_of_scrub(krbrepl__worker *w)
{
    krbrepl__worker_state how;
    int turns = 0;

    for (krbrepl__worker_look(w, &how); how.scrub != 0; krbrepl__worker_look(w, &how)) {
        assert_true(++turns < 120000);
        usleep(1000);
    }
}

static void root_of(krbrepl_store *s, uint8_t root[32])
{
    krbrepl_view *v = NULL;

    assert_int_equal(krbrepl__view_open(s, &v), 0);
    assert_int_equal(krbrepl__view_digest(v, root, NULL), 0);
    krbrepl__view_close(v);
}

static void prove(krbrepl__worker *w, krbrepl_store *s)
{
    krbrepl__scan_at at;
    krbrepl__scan *scan;

    assert_int_equal(krbrepl__store_scan_open(s, &scan, &at), 0);
    krbrepl__worker_prove(w, scan, &at);
}

static void frozen_root(krbrepl__worker *w, uint8_t root[32])
{
    krbrepl__proof proof;

    krbrepl__worker_freeze(w);
    await_news(w, KRBREPL__PROVER_FROZEN, &proof);
    krbrepl__ftree_root(proof.tree, root);
    krbrepl__ftree_unref(proof.tree);
}

/* Writes a record as if a commit had. */
static void alter(krbrepl_store *s, const char *key, const char *value)
{
    krbrepl__rkey k;
    krbrepl__wtxn w;

    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes(key), &k), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    assert_int_equal(
        krbrepl__row_put(s, w.txn, krbrepl__gen(s, w.st.live), &k, st_bytes(value), 0, NULL), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
}

static void a_tree_is_built_and_a_position_proved_while_commits_are_made(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__worker_state how;
    krbrepl__proof proof;
    krbrepl__worker *w;
    krbrepl_pos pos;
    uint8_t root[32];
    int i;

    put_some(s, 0, 300, "a");
    w = make(s, 0);
    await_news(w, KRBREPL__WORKER_READY, &proof);
    krbrepl__worker_look(w, &how);
    assert_true(how.ready && how.leaves > 1 && how.memory > 0);
    for (i = 0; i < 20; i++) {
        put_some(s, 7 * i, 5, "b");
        root_of(s, root);
        pos = st_info(s).pos;
        prove(w, s);
        put_some(s, 7 * i + 3, 5, "later");
        await_news(w, KRBREPL__PROVER_PROVED, &proof);
        assert_true(krbrepl__pos_equal(&proof.pos, &pos));
        assert_memory_equal(proof.root, root, 32);
    }
    krbrepl__worker_stop(w);
    krbrepl__store_close(s);
}

static void a_store_that_fills_later_gets_its_tree_when_that_is_said(void **state)
{
    const st *t = *state;
    krbrepl_store *m = st_master(t), *r = st_replica(t, "r", m);
    krbrepl__worker *w = make(r, 1);
    uint8_t is[32], want[32];
    krbrepl__proof proof;

    krbrepl__worker_freeze(w);
    await_news(w, KRBREPL__PROVER_FROZEN, &proof);
    assert_null(proof.tree);
    put_some(m, 0, 50, "a");
    assert_int_equal(st_ship(m, r, 1, 8), 0);
    krbrepl__worker_go_on(w);
    await_news(w, KRBREPL__WORKER_READY, &proof);
    frozen_root(w, is);
    root_of(m, want);
    assert_memory_equal(is, want, 32);
    krbrepl__worker_stop(w);
    krbrepl__store_close(r);
    krbrepl__store_close(m);
}

static void after_a_reset_only_what_was_read_since_is_told(void **state)
{
    krbrepl_store *s = st_master(*state);
    uint8_t before[32], stale[32], after[32], want[32];
    krbrepl__worker *w;
    int i;

    put_some(s, 0, 300, "a");
    w = make(s, 0);
    frozen_root(w, before);
    for (i = 0; i < 10; i++) {
        alter(s, "user0123", i % 2 ? "x" : "forged");
        frozen_root(w, stale);
        assert_memory_equal(before, stale, 32);
        krbrepl__worker_freeze(w); /* perhaps it is there already when the reset comes */
        krbrepl__worker_reset(w);
        frozen_root(w, after);
        root_of(s, want);
        assert_memory_equal(after, want, 32);
        memcpy(before, after, sizeof before);
    }
    krbrepl__worker_stop(w);
    krbrepl__store_close(s);
}

static void what_a_repair_changed_is_read_again_and_no_more(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl_pos from, to;
    krbrepl__worker *w;
    krbrepl__rkey k;
    krbrepl__buf keys;
    uint8_t is[32], want[32];

    put_some(s, 0, 300, "a");
    w = make(s, 0);
    frozen_root(w, is);
    from = to = st_info(s).pos;
    alter(s, "user0123", "of a repair");
    krbrepl__buf_init(&keys, 0);
    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes("user0123"), &k), 0);
    krbrepl__buf_vec16(&keys, k.ck.b, k.ck.len);
    krbrepl__worker_moved(w, &keys, &from, &to);
    assert_int_equal(keys.len, 0);
    frozen_root(w, is);
    root_of(s, want);
    assert_memory_equal(is, want, 32);
    krbrepl__worker_stop(w);
    krbrepl__store_close(s);
}

static void a_scrub_and_a_suspicion_find_what_was_altered(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__worker_state how;
    krbrepl__proof proof;
    krbrepl__worker *w;
    krbrepl__rkey k;

    put_some(s, 0, 300, "a");
    w = make(s, 1);
    await_news(w, KRBREPL__WORKER_READY, &proof);
    alter(s, "user0123", "forged");
    krbrepl__worker_look(w, &how);
    krbrepl__worker_scrub(w, how.leaves);
    await_news(w, KRBREPL__PROVER_ALTERED, &proof);
    assert_non_null(strstr(proof.text, "principal user0"));
    /* The rest of it may not be what finds the next one. */
    await_end_of_scrub(w);
    alter(s, "user0200", "forged");
    prove(w, s);
    await_news(w, KRBREPL__PROVER_PROVED, &proof);
    assert_int_equal(krbrepl__rkey_make(s, "principal", st_bytes("user0200"), &k), 0);
    krbrepl__worker_suspect(w, k.ck.b, k.ck.len);
    await_news(w, KRBREPL__PROVER_ALTERED, &proof);
    krbrepl__worker_stop(w);
    krbrepl__store_close(s);
}

static void a_thread_that_is_at_work_ends_when_it_is_stopped(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__worker *w;
    int i;

    put_some(s, 0, 500, "a");
    for (i = 0; i < 100; i++) {
        w = make(s, i % 2);
        if (i % 3 == 0)
            krbrepl__worker_freeze(w);
        if (i % 5 == 0)
            prove(w, s);
        if (i % 7 == 0)
            krbrepl__worker_reset(w);
        krbrepl__worker_stop(w);
    }
    krbrepl__worker_stop(NULL);
    krbrepl__store_close(s);
}

static void a_forked_child_lets_go_of_it_and_the_parent_goes_on(void **state)
{
    krbrepl_store *s = st_master(*state);
    krbrepl__proof proof;
    krbrepl__worker *w;
    int i, status;
    pid_t pid;

    put_some(s, 0, 500, "a");
    w = make(s, 0);
    for (i = 0; i < 10; i++) {
        krbrepl__worker_reset(w); /* so that it is at work */
        pid = fork();
        if (pid == 0) {
            krbrepl__worker_forget(w);
            krbrepl_store_close(s);
            _exit(0);
        }
        assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
        assert_int_equal(status, 0);
    }
    await_news(w, KRBREPL__WORKER_READY, &proof);
    prove(w, s);
    await_news(w, KRBREPL__PROVER_PROVED, &proof);
    krbrepl__worker_stop(w);
    krbrepl__store_close(s);
}

/* Hints come from whoever may write to the socket, faster than records can be read again. */
static void a_flood_of_suspects_is_remembered_in_part(void **state)
{
    uint8_t key[KRBREPL__CKEY_MAX], root[32], again[32];
    krbrepl__proof proof;
    krbrepl_store *s = st_master(*state);
    krbrepl__worker *w;
    unsigned i;

    put_some(s, 0, 300, "a");
    root_of(s, root);
    w = make(s, 0);
    await_news(w, KRBREPL__WORKER_READY, &proof);
    memset(key, 0xff, sizeof key);
    for (i = 0; i < 500000; i++)
        krbrepl__worker_suspect(w, key, sizeof key);
    frozen_root(w, again);
    assert_memory_equal(again, root, sizeof root);
    krbrepl__worker_stop(w);
    krbrepl__store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ST(name) cmocka_unit_test_setup_teardown(name, st_setup, st_teardown)
        ST(a_tree_is_built_and_a_position_proved_while_commits_are_made),
        ST(a_store_that_fills_later_gets_its_tree_when_that_is_said),
        ST(after_a_reset_only_what_was_read_since_is_told),
        ST(what_a_repair_changed_is_read_again_and_no_more),
        ST(a_scrub_and_a_suspicion_find_what_was_altered),
        ST(a_thread_that_is_at_work_ends_when_it_is_stopped),
        ST(a_flood_of_suspects_is_remembered_in_part),
        ST(a_forked_child_lets_go_of_it_and_the_parent_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
