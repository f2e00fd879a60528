/* What nodes promise, with a real KDC between them. */
#include "impl.h"
#include "nodes.h"

#include <signal.h>
#include <unistd.h>

typedef struct trio {
    rig r;
    one m, a, b;
    char all[300];
} trio;

static trio *t3;

static int trio_make(void **state)
{
    t3 = calloc(1, sizeof *t3);
    rig_make(&t3->r);
    one_make(&t3->m, &t3->r, 1, "master", "");
    one_make(&t3->a, &t3->r, 0, "a", "");
    one_make(&t3->b, &t3->r, 0, "b", "");
    snprintf(t3->all, sizeof t3->all, "%s %s", t3->a.princ, t3->b.princ);
    rig_allow(&t3->r, t3->all);
    *state = t3;
    return 0;
}

static int trio_drop(void **state)
{
    trio *t = *state;

    one_end(&t->a, SIGKILL);
    one_end(&t->b, SIGKILL);
    one_end(&t->m, SIGKILL);
    rig_drop(&t->r);
    free(t);
    return 0;
}

static void start_all(trio *t)
{
    one_start(&t->m);
    one_start(&t->a);
    one_start(&t->b);
}

static uint64_t put_many(const one *n, const char *stem, int count)
{
    char key[64];
    uint64_t seq = 0;
    int i;

    for (i = 0; i < count; i++) {
        snprintf(key, sizeof key, "%s-%d", stem, i);
        seq = put(n, key, stem);
    }
    return seq;
}

static void a_commit_arrives_at_every_replica(void **state)
{
    trio *t = *state;
    krbrepl_wait_options w;
    uint64_t seq, have = 0;

    put_many(&t->m, "before", 5);
    start_all(t);
    seq = put_many(&t->m, "after", 5);
    KRBREPL_INIT(&w);
    w.seq = seq;
    w.replicas = 2;
    w.timeout_ms = 60000;
    assert_int_equal(krbrepl_wait(t->m.dir, &w, &have, NULL), 0);
    assert_int_equal(have, 2);
    assert_int_equal(last_seq(&t->a), seq);
    assert_int_equal(last_seq(&t->b), seq);
    assert_equal_stores(&t->m, &t->a);
    assert_equal_stores(&t->m, &t->b);
    /* On a replica's store the replica itself is waited for. */
    w.level = KRBREPL_LEVEL_APPLIED;
    assert_int_equal(krbrepl_wait(t->a.dir, &w, &have, NULL), 0);
    w.seq = seq + 1;
    w.timeout_ms = 1;
    assert_int_equal(krbrepl_wait(t->m.dir, &w, &have, NULL), KRBREPL_ERR_TIMEOUT);
    assert_int_equal(have, 0);
}

static void what_a_replica_has_in_memory_is_known_before_it_can_write_it(void **state)
{
    trio *t = *state;
    krbrepl_wait_options w;
    krbrepl_store *s = NULL;
    krbrepl__wtxn writer;
    uint64_t have = 0;

    one_start(&t->m);
    one_start(&t->a);
    await_seq(&t->a, put(&t->m, "one", "1"));
    KRBREPL_INIT(&w);
    w.level = KRBREPL_LEVEL_RECEIVED;
    w.timeout_ms = 60000;
    /* Whoever waits first makes the replicas say it at once from now on. */
    assert_int_equal(krbrepl_wait(t->m.dir, &w, &have, NULL), 0);
    assert_int_equal(krbrepl_store_open(&s, t->a.dir, NULL, NULL), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &writer), 0);
    w.seq = put(&t->m, "two", "2");
    assert_int_equal(krbrepl_wait(t->m.dir, &w, &have, NULL), 0);
    assert_int_equal(have, 1);
    w.level = KRBREPL_LEVEL_DURABLE;
    w.timeout_ms = 1;
    assert_int_equal(krbrepl_wait(t->m.dir, &w, &have, NULL), KRBREPL_ERR_TIMEOUT);
    krbrepl__wtxn_abort(s, &writer);
    krbrepl_store_close(s);
    w.timeout_ms = 60000;
    assert_int_equal(krbrepl_wait(t->m.dir, &w, &have, NULL), 0);
}

/* Larger than what a session produces ahead, than a socket takes at once, and than the window: nothing but
 * the bytes themselves may be what keeps it going. */
static void a_large_commit_needs_no_heartbeat_to_arrive(void **state)
{
    static const char silent[] = "missing_ms=3600000 gone_ms=7200000 lost_ms=7200000";
    const size_t len = 12u << 20;
    char *value = malloc(len + 1);
    trio *t = *state;

    assert_non_null(value);
    memset(value, 'v', len);
    value[len] = '\0';
    snprintf(t->m.extra, sizeof t->m.extra, "%s", silent);
    snprintf(t->a.extra, sizeof t->a.extra, "%s", silent);
    one_start(&t->m);
    one_start(&t->a);
    await_seq(&t->a, put(&t->m, "small", "value"));
    await_seq(&t->a, put(&t->m, "large", value));
    assert_equal_stores(&t->m, &t->a);
    free(value);
}

static void a_replica_that_was_killed_catches_up(void **state)
{
    trio *t = *state;
    uint64_t seq;
    long from;

    start_all(t);
    await_seq(&t->a, put_many(&t->m, "one", 5));
    one_end(&t->a, SIGKILL);
    seq = put_many(&t->m, "two", 20);
    await_seq(&t->b, seq);
    from = log_size(&t->m);
    one_start(&t->a);
    await_seq(&t->a, seq);
    assert_equal_stores(&t->m, &t->a);
    /* From the journal, not by a copy. */
    await_log(&t->m, from, "streaming from 7");
    assert_false(log_has(&t->m, from, "copy"));
}

static void a_master_that_was_killed_is_found_again(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;

    start_all(t);
    await_seq(&t->a, put_many(&t->m, "one", 3));
    one_end(&t->m, SIGKILL);
    await_state(&t->a, KRBREPL_STATE_CONNECTING);
    seq = put_many(&t->m, "two", 3);
    one_start(&t->m);
    await_seq(&t->a, seq);
    await_seq(&t->b, seq);
    assert_int_equal(status_of(&t->a, &st), 0);
    assert_int_equal(st.pid, t->a.pid);
    assert_equal_stores(&t->m, &t->b);
}

/* A machine that was asleep, a debugger, a host that did not call its node: what replicas said meanwhile has arrived. The
 * replica may say nothing for some seconds afterwards: it has to wait for its turn and for the disk. */
static void a_master_that_stood_still_reads_before_it_gives_anybody_up(void **state)
{
    trio *t = *state;
    long from;

    snprintf(t->m.extra, sizeof t->m.extra, "missing_ms=500 gone_ms=6000");
    snprintf(t->a.extra, sizeof t->a.extra, "missing_ms=200 lost_ms=120000");
    one_start(&t->m);
    one_start(&t->a);
    await_seq(&t->a, put(&t->m, "one", "1"));
    from = log_size(&t->m);
    one_signal(&t->m, SIGSTOP);
    sleep(8);
    one_signal(&t->m, SIGCONT);
    await_seq(&t->a, put(&t->m, "two", "2"));
    assert_false(log_has(&t->m, from, "nothing was heard"));
}

static void a_principal_removed_from_the_list_loses_its_session(void **state)
{
    trio *t = *state;
    uint64_t seq, was;

    start_all(t);
    was = put_many(&t->m, "one", 3);
    await_seq(&t->a, was);
    await_seq(&t->b, was);
    rig_allow(&t->r, t->b.princ);
    one_signal(&t->m, SIGHUP);
    await_state(&t->a, KRBREPL_STATE_REFUSED);
    seq = put_many(&t->m, "two", 3);
    await_seq(&t->b, seq);
    assert_int_equal(last_seq(&t->a), was);
    await_log(&t->m, 0, "it is not authorized any more");
    await_log(&t->a, 0, "not authorized");
    /* It never gives up, and is let in when it is on the list again. */
    rig_allow(&t->r, t->all);
    await_seq(&t->a, seq);
}

static void a_returning_replica_takes_the_place_of_its_old_session(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;
    int turns = 0;
    pid_t stopped;

    start_all(t);
    await_seq(&t->a, put(&t->m, "one", "1"));
    /* As a machine that vanished: the old session says nothing and never ends by itself. */
    one_signal(&t->a, SIGSTOP);
    stopped = t->a.pid;
    t->a.pid = 0;
    /* Another process takes over the store's place under the same principal. */
    one_make(&t->b, &t->r, 0, "b2", "");
    snprintf(t->b.princ, sizeof t->b.princ, "%s", t->a.princ);
    snprintf(t->b.keytab, sizeof t->b.keytab, "%s", t->a.keytab);
    one_start(&t->b);
    seq = put(&t->m, "two", "2");
    await_seq(&t->b, seq);
    await_log(&t->m, 0, "a newer session of the same replica takes its place");
    do
        assert_int_equal(status_of(&t->m, &st), 0);
    while (st.peers > 2 && patience(&turns));
    kill(stopped, SIGKILL);
    t->a.pid = stopped;
    one_wait_end(&t->a);
}

static void a_stopped_replica_never_delays_another(void **state)
{
    trio *t = *state;
    char value[20000];
    uint64_t seq = 0;
    int i;

    start_all(t);
    seq = put(&t->m, "one", "1");
    await_seq(&t->a, seq);
    await_seq(&t->b, seq);
    one_signal(&t->a, SIGSTOP);
    /* More than every window and socket buffer holds. */
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (i = 0; i < 800; i++)
        seq = put(&t->m, "big", value);
    await_seq(&t->b, seq);
    assert_equal_stores(&t->m, &t->b);
    assert_true(last_seq(&t->a) < seq);
    one_signal(&t->a, SIGCONT);
    await_seq(&t->a, seq);
    assert_equal_stores(&t->m, &t->a);
}

static void a_kdc_that_is_down_at_boot_is_waited_for(void **state)
{
    trio *t = *state;
    uint64_t seq = put(&t->m, "one", "1");

    assert_int_equal(system("bash \"$REALM_SH\" --kdc stop"), 0);
    one_start(&t->m);
    one_start(&t->a);
    await_log(&t->a, 0, "KDC");
    assert_int_equal(last_seq(&t->a), 0);
    assert_int_equal(system("bash \"$REALM_SH\" --kdc start"), 0);
    await_seq(&t->a, seq);
}

/* Short tickets end more than once; the replica goes on without a restart and misses nothing. A fifth of their life is
 * what the KDC has for a new one. */
static void tickets_are_renewed_without_a_gap(void **state)
{
    trio *t = *state;
    one s;
    char cmd[600];
    int i;
    long from;
    krbrepl_status st;

    one_make(&s, &t->r, 0, "short", "-maxlife 15s");
    snprintf(cmd, sizeof cmd, "%s %s", t->all, s.princ);
    rig_allow(&t->r, cmd);
    one_start(&t->m);
    one_start(&s);
    await_seq(&s, put(&t->m, "first", "1"));
    from = log_size(&s);
    for (i = 0; i < 2; i++) {
        await_log(&s, from, "is renewed");
        await_seq(&s, put(&t->m, "again", "2"));
        assert_int_equal(status_of(&s, &st), 0);
        assert_int_equal(st.state, KRBREPL_STATE_STREAMING);
        /* Never without a session. */
        assert_false(log_has(&s, from, "state is connecting"));
        from = log_size(&s);
    }
    assert_equal_stores(&t->m, &s);
    one_end(&s, SIGTERM);
}

static void a_demoted_master_serves_what_was_committed_and_stops(void **state)
{
    trio *t = *state;
    uint64_t seq;

    start_all(t);
    seq = put_many(&t->m, "one", 3);
    await_seq(&t->a, seq);
    await_seq(&t->b, seq); /* who is not here by then is not served any more */
    demote(&t->m);
    seq = last_seq(&t->m);
    assert_int_not_equal(one_wait_end(&t->m), 0);
    await_log(&t->m, 0, "NOT_MASTER");
    await_seq(&t->a, seq);
    await_seq(&t->b, seq);
    /* The reign goes on elsewhere. */
    one_end(&t->a, SIGTERM);
    promote(&t->a);
    t->a.master = 1;
    snprintf(t->a.princ, sizeof t->a.princ, "%s", t->m.princ);
    snprintf(t->a.keytab, sizeof t->a.keytab, "%s", t->m.keytab);
    one_start(&t->a);
    seq = put(&t->a, "new", "reign");
    await_seq(&t->b, seq);
    assert_equal_stores(&t->a, &t->b);
}

static void a_replica_that_is_promoted_stops_following(void **state)
{
    trio *t = *state;

    start_all(t);
    await_seq(&t->a, put(&t->m, "one", "1"));
    promote(&t->a);
    assert_int_not_equal(one_wait_end(&t->a), 0);
    await_log(&t->a, 0, "run a master on it");
}

static char find_name[128];

static int find_absent(void *ctx, const krbrepl_peer *p)
{
    krbrepl_peer *out = ctx;

    if (p->state == KRBREPL_STATE_STOPPED) {
        *out = *p;
        snprintf(find_name, sizeof find_name, "%s", p->principal);
    }
    return 0;
}

static void status_shows_an_absent_replica_and_its_lag(void **state)
{
    trio *t = *state;
    krbrepl_wait_options w;
    krbrepl_status st;
    krbrepl_peer p;
    int turns = 0;

    start_all(t);
    KRBREPL_INIT(&w);
    w.seq = put(&t->m, "one", "1");
    w.replicas = 2;
    w.timeout_ms = 60000;
    assert_int_equal(krbrepl_wait(t->m.dir, &w, NULL, NULL), 0);
    one_end(&t->a, SIGTERM);
    put_many(&t->m, "two", 3);
    do {
        KRBREPL_INIT(&st);
        memset(&p, 0, sizeof p);
        assert_int_equal(krbrepl_status_fetch(t->m.dir, 10000, &st, find_absent, &p, NULL), 0);
    } while (p.lag_commits != 3 && patience(&turns));
    assert_int_equal(p.lag_commits, 3);
    assert_true(p.lag_us > 0);
    assert_true(p.last_seen_us > 0);
    assert_int_equal(st.role, KRBREPL_ROLE_MASTER);
    assert_int_equal(st.state, KRBREPL_STATE_SERVING);
    assert_int_equal(st.pos.seq, 5);
    /* It is still known after a restart. */
    one_end(&t->m, SIGTERM);
    one_start(&t->m);
    memset(&p, 0, sizeof p);
    p.state = KRBREPL_STATE_STREAMING;
    do {
        KRBREPL_INIT(&st);
        assert_int_equal(krbrepl_status_fetch(t->m.dir, 10000, &st, find_absent, &p, NULL), 0);
    } while ((p.size == 0 || strcmp(find_name, t->a.princ) != 0) && patience(&turns));
    assert_int_equal(p.lag_commits, 3);
}

/* One that was never here, when the journal does not begin at the beginning any more. */
static void a_new_replica_is_copied_when_the_journal_is_trimmed(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;
    int turns = 0;

    keep_journal(&t->m, 10);
    put_many(&t->m, "one", 300);
    one_start(&t->m);
    do
        assert_int_equal(status_of(&t->m, &st), 0);
    while (st.journal_first < 100 && patience(&turns));
    one_start(&t->a);
    seq = put_many(&t->m, "two", 3);
    await_seq(&t->a, seq);
    assert_equal_stores(&t->m, &t->a);
    await_state(&t->a, KRBREPL_STATE_STREAMING);
    assert_int_equal(status_of(&t->a, &st), 0);
    assert_int_equal(st.copies_in, 1);
    assert_int_equal(st.last_copy_reason, KRBREPL_COPY_EMPTY);
    assert_true(st.last_copy_us > 0);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_EMPTY], 1);
    assert_int_equal(status_of(&t->m, &st), 0);
    assert_int_equal(st.copies_out, 1);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_EMPTY], 1);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_BEHIND], 0);
}

/* ---- slots ---------------------------------------------------------------------------------- */

static void await_slot(const one *m, const one *of, int there)
{
    int turns = 0;

    while (has_slot(m, of) != there)
        if (!patience(&turns))
            fail_msg("the slot of %s is %s", of->princ, there ? "not there" : "still there");
}

/* Two are away with the same backlog; the slot of one is dropped while the node runs. */
static void a_dropped_slot_is_written_back_only_for_a_connected_replica(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;
    int turns = 0;

    start_all(t);
    seq = put_many(&t->m, "one", 3);
    await_seq(&t->a, seq);
    await_seq(&t->b, seq);
    await_slot(&t->m, &t->a, 1);
    await_slot(&t->m, &t->b, 1);
    one_end(&t->a, SIGTERM);
    put_many(&t->m, "two", 5);
    do
        assert_int_equal(status_of(&t->m, &st), 0);
    while ((st.held_commits != 5 || st.peers != 1) && patience(&turns));
    assert_int_equal(st.held_from, seq + 1);
    assert_int_equal(st.slots, 2);
    assert_int_equal(st.slots_cut, 0);
    assert_true(st.held_bytes > 0 && st.held_bytes < st.journal_bytes);
    assert_int_equal(st.hard_cap, (uint64_t)4 << 30);
    assert_true(st.headroom_commits > 1000000);
    drop_slot(&t->m, &t->a);
    drop_slot(&t->m, &t->b);
    await_slot(&t->m, &t->b, 1);
    await_log(&t->m, 0, "was dropped");
    do
        assert_int_equal(status_of(&t->m, &st), 0);
    while (st.slots != 1 && patience(&turns));
    assert_int_equal(st.slots, 1);
    assert_int_equal(st.held_commits, 0);
    one_end(&t->m, SIGTERM);
    assert_false(has_slot(&t->m, &t->a));
    one_start(&t->m);
    one_start(&t->a);
    await_seq(&t->a, last_seq(&t->m));
    await_slot(&t->m, &t->a, 1);
}

static void a_slot_expires_when_its_replica_stays_away_and_never_while_it_is_here(void **state)
{
    trio *t = *state;

    keep_slots(&t->m, 2);
    snprintf(t->m.extra, sizeof t->m.extra, "missing_ms=200");
    snprintf(t->b.extra, sizeof t->b.extra, "missing_ms=200");
    start_all(t);
    await_seq(&t->a, put_many(&t->m, "one", 3));
    await_seq(&t->b, last_seq(&t->m));
    await_slot(&t->m, &t->a, 1);
    await_slot(&t->m, &t->b, 1);
    one_end(&t->a, SIGTERM);
    await_log(&t->m, 0, "its slot has expired and is dropped");
    await_slot(&t->m, &t->a, 0);
    assert_true(has_slot(&t->m, &t->b));
    one_start(&t->a);
    await_slot(&t->m, &t->a, 1);
}

static void without_authorize_nobody_may_connect(void **state)
{
    trio *t = *state;

    snprintf(t->m.extra, sizeof t->m.extra, "nobody=1");
    put(&t->m, "one", "1");
    one_start(&t->m);
    one_start(&t->a);
    await_state(&t->a, KRBREPL_STATE_REFUSED);
    await_log(&t->m, 0, "every peer will be refused");
    assert_int_equal(last_seq(&t->a), 0);
}

/* ---- equality ------------------------------------------------------------------------------- */

/* Writes a record into a store as if a commit had, with a checksum that fits: only that there is none. */
static void alter(const one *n, const char *key, const char *value)
{
    krbrepl_bytes k = {key, strlen(key)}, v = {value, strlen(value)};
    krbrepl_store *s = NULL;
    krbrepl__rkey rk;
    krbrepl__wtxn w;

    assert_int_equal(krbrepl_store_open(&s, n->dir, NULL, NULL), 0);
    assert_int_equal(krbrepl__rkey_make(s, "principal", k, &rk), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    assert_int_equal(krbrepl__row_put(s, w.txn, krbrepl__gen(s, w.st.live), &rk, v, 0, NULL), 0);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    krbrepl_store_close(s);
}

static void await_proved(const one *n, uint64_t seq, krbrepl_status *st)
{
    int turns = 0;

    while (status_of(n, st) != 0 || st->proved_seq != seq)
        assert_true(patience(&turns));
}

static void assert_healed(trio *t, uint64_t seq)
{
    krbrepl_status a, m;

    await_proved(&t->a, seq, &a);
    assert_int_equal(a.copies_in, 1);
    assert_int_equal(a.last_copy_reason, KRBREPL_COPY_DIFFERS);
    assert_int_equal(a.differs, 1);
    await_proved(&t->m, seq, &m);
    assert_int_equal(m.differs, 1);
    assert_equal_stores(&t->m, &t->a);
    assert_true(log_has(&t->m, 0, "the content differs at"));
    assert_true(log_has(&t->a, 0, "the content differs at"));
}

static void stores_that_run_prove_themselves_equal_and_a_difference_is_healed(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;

    one_start(&t->m);
    one_start(&t->a);
    seq = put_many(&t->m, "record", 40);
    await_proved(&t->a, seq, &st);
    assert_int_equal(st.differs, 0);
    assert_int_equal(st.copies_in, 0);
    await_proved(&t->m, seq, &st);
    alter(&t->a, "record-7", "forged");
    /* What is read anew beside it finds it. */
    assert_healed(t, put(&t->m, "record-7x", "beside it"));
}

static void a_record_altered_while_the_replica_was_down_is_found_and_healed(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;

    one_start(&t->m);
    one_start(&t->a);
    seq = put_many(&t->m, "record", 40);
    await_proved(&t->a, seq, &st);
    one_end(&t->a, SIGTERM);
    alter(&t->a, "record-7", "forged");
    one_start(&t->a);
    assert_healed(t, seq);
}

/* Changes the last byte of a record, which then does not match its checksum any more. */
static void damage(const one *n, const char *key)
{
    krbrepl_bytes k = {key, strlen(key)};
    krbrepl_store *s = NULL;
    krbrepl__rkey rk;
    krbrepl__wtxn w;
    MDB_val mk, mv, copy;

    assert_int_equal(krbrepl_store_open(&s, n->dir, NULL, NULL), 0);
    assert_int_equal(krbrepl__rkey_make(s, "principal", k, &rk), 0);
    assert_int_equal(krbrepl__wtxn_begin(s, &w), 0);
    mk = (MDB_val){rk.ck.len, rk.ck.b};
    assert_int_equal(mdb_get(w.txn, krbrepl__gen(s, w.st.live), &mk, &mv), 0);
    copy = (MDB_val){mv.mv_size, malloc(mv.mv_size)};
    assert_non_null(copy.mv_data);
    memcpy(copy.mv_data, mv.mv_data, mv.mv_size);
    ((uint8_t *)copy.mv_data)[mv.mv_size - 1] ^= 1;
    assert_int_equal(mdb_put(w.txn, krbrepl__gen(s, w.st.live), &mk, &copy, 0), 0);
    free(copy.mv_data);
    assert_int_equal(krbrepl__wtxn_commit(s, &w), 0);
    krbrepl_store_close(s);
}

static void a_damaged_record_of_a_replica_is_named_and_healed(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;

    one_start(&t->m);
    one_start(&t->a);
    seq = put_many(&t->m, "record", 40);
    await_proved(&t->a, seq, &st);
    one_end(&t->a, SIGTERM);
    damage(&t->a, "record-7");
    one_start(&t->a);
    await_proved(&t->a, seq, &st);
    assert_int_equal(st.last_copy_reason, KRBREPL_COPY_DIFFERS);
    /* Twice when the comparison was under way before the record was repaired. */
    assert_in_range(st.differs, 1, 2);
    assert_true(log_has(&t->a, 0, "record principal record-7 does not match its checksum"));
    assert_true(log_has(&t->a, 0, "puts principal record-7"));
    assert_int_equal(lists_of(&t->a), 1);
    assert_equal_stores(&t->m, &t->a);
}

/* As any program would; that tells the node. */
static void read_damaged(const one *n, const char *key)
{
    krbrepl_bytes k = {key, strlen(key)}, value;
    krbrepl_store *s = NULL;
    krbrepl_view *v = NULL;

    assert_int_equal(krbrepl_store_open(&s, n->dir, NULL, NULL), 0);
    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", k, &value), KRBREPL_ERR_CORRUPT);
    krbrepl_view_close(v);
    krbrepl_store_close(s);
}

static void a_record_that_rots_while_the_replica_runs_is_repaired_when_somebody_reads_it(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;
    int turns = 0;

    one_start(&t->m);
    one_start(&t->a);
    seq = put_many(&t->m, "record", 40);
    await_proved(&t->a, seq, &st);
    damage(&t->a, "record-7");
    read_damaged(&t->a, "record-7");
    while (status_of(&t->a, &st) != 0 || st.copies_in != 1 || st.proved_seq != seq)
        assert_true(patience(&turns));
    assert_int_equal(st.last_copy_reason, KRBREPL_COPY_DIFFERS);
    assert_true(log_has(&t->a, 0, "record principal record-7 does not match its checksum"));
    await_log(&t->a, 0, "repair is live");
    assert_int_equal(lists_of(&t->a), 1);
    assert_equal_stores(&t->m, &t->a);
}

/* More replicas than may be repaired at a time: all are, one after the other. */
static void replicas_that_differ_together_are_repaired_in_their_turn(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    one *both[] = {&t->a, &t->b};
    uint64_t seq;
    int i;

    snprintf(t->m.extra, sizeof t->m.extra, "repairs_max=1");
    start_all(t);
    seq = put_many(&t->m, "record", 300);
    for (i = 0; i < 2; i++) {
        await_proved(both[i], seq, &st);
        one_end(both[i], SIGTERM);
        alter(both[i], "record-7", "forged");
        alter(both[i], "record-70", "forged too");
    }
    for (i = 0; i < 2; i++)
        one_start(both[i]);
    for (i = 0; i < 2; i++) {
        await_proved(both[i], seq, &st);
        assert_int_equal(st.copies_by_reason[KRBREPL_COPY_DIFFERS], 1);
        assert_true(log_has(both[i], 0, "2 records received"));
        assert_equal_stores(&t->m, both[i]);
    }
}

/* ---- forks that nothing explains ------------------------------------------------------------ */

/* The file of the master is put back to where it was three commits before, and it goes on from there with
 * `more` others. */
static void fork_them(trio *t, int more)
{
    start_all(t);
    await_seq(&t->a, put_many(&t->m, "one", 5));
    await_seq(&t->b, last_seq(&t->m));
    one_end(&t->m, SIGTERM);
    save_file(&t->m);
    one_start(&t->m);
    await_seq(&t->a, put_many(&t->m, "lost", 3));
    await_seq(&t->b, last_seq(&t->m));
    one_end(&t->m, SIGTERM);
    put_file_back(&t->m);
    put_many(&t->m, "other", more);
    one_start(&t->m);
    await_state(&t->a, KRBREPL_STATE_REFUSED);
    await_state(&t->b, KRBREPL_STATE_REFUSED);
}

static void fork_is_refused_with_evidence_until_somebody_resolves_it(trio *t, int more)
{
    krbrepl_status st;
    uint64_t was;
    long from;
    int turns = 0;

    fork_them(t, more);
    await_log(&t->m, 0, "krbrepl resolve --keep-master DIR");
    await_log(&t->a, 0, "krbrepl resolve --keep-replica DIR");
    was = last_seq(&t->a);
    put_many(&t->m, "further", 5);
    /* It comes back again and again, changes nothing, and writes its commits once. */
    from = log_size(&t->a);
    do
        assert_int_equal(status_of(&t->a, &st), 0);
    while (st.refused < 3 && patience(&turns));
    assert_true(log_has(&t->a, from, "refused by the peer"));
    assert_int_equal(last_seq(&t->a), was);
    assert_int_equal(evidence_of(&t->a), 1);
    resolve(&t->a, KRBREPL_RESOLVE_KEEP_MASTER);
    await_state(&t->a, KRBREPL_STATE_STREAMING);
    await_log(&t->a, from, "are given up, as was resolved");
    await_seq(&t->a, put(&t->m, "after", "1"));
    assert_equal_stores(&t->m, &t->a);
    assert_int_equal(evidence_of(&t->a), 1);
    assert_int_equal(status_of(&t->a, &st), 0);
    assert_int_equal(st.flags & KRBREPL_STORE_GIVES_UP, 0);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_FORK], 1);
    assert_int_equal(status_of(&t->m, &st), 0);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_FORK], 1);
    /* Nobody said anything about the other one. */
    assert_int_equal(status_of(&t->b, &st), 0);
    assert_int_equal(st.state, KRBREPL_STATE_REFUSED);
}

static void a_replica_ahead_is_refused_until_somebody_resolves_it(void **state)
{
    fork_is_refused_with_evidence_until_somebody_resolves_it(*state, 0);
}

static void another_history_is_refused_until_somebody_resolves_it(void **state)
{
    fork_is_refused_with_evidence_until_somebody_resolves_it(*state, 9);
}

/* The store of a replica is kept: it becomes the master's, and the old master's follows. */
static void a_replica_that_is_kept_becomes_the_master_and_the_old_one_follows(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    char dir[sizeof t->m.dir];
    uint64_t seq;
    int turns = 0;

    fork_them(t, 2);
    do
        assert_int_equal(status_of(&t->a, &st), 0);
    while (st.refused < 1 && patience(&turns));
    one_end(&t->m, SIGTERM);
    one_end(&t->a, SIGTERM);
    resolve(&t->a, KRBREPL_RESOLVE_KEEP_REPLICA);
    demote(&t->m);
    /* The two hosts swap their stores, and so the roles. */
    snprintf(dir, sizeof dir, "%s", t->m.dir);
    snprintf(t->m.dir, sizeof t->m.dir, "%s", t->a.dir);
    snprintf(t->a.dir, sizeof t->a.dir, "%s", dir);
    one_start(&t->m);
    one_start(&t->a);
    seq = put(&t->m, "after", "1");
    await_seq(&t->a, seq);
    await_seq(&t->b, seq);
    assert_equal_stores(&t->m, &t->a);
    assert_equal_stores(&t->m, &t->b);
    assert_int_equal(evidence_of(&t->a), 1);
    assert_int_equal(status_of(&t->a, &st), 0);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_FORK], 1);
    /* One that has the history that was kept streams on. */
    assert_int_equal(status_of(&t->b, &st), 0);
    assert_int_equal(st.copies_in, 0);
}

/* ---- a store that does not take a commit ---------------------------------------------------- */

static void a_commit_that_cannot_be_applied_is_tried_and_then_copied_but_never_skipped(void **state)
{
    trio *t = *state;
    krbrepl_status st;
    uint64_t seq;

    start_all(t);
    await_seq(&t->a, put_many(&t->m, "one", 5));
    spoil(&t->a);
    seq = put_many(&t->m, "two", 3);
    await_log(&t->a, 0, "could not be applied, 1 times by now");
    await_seq(&t->a, seq);
    await_state(&t->a, KRBREPL_STATE_STREAMING);
    assert_true(log_has(&t->a, 0, "could not be applied, 2 times by now"));
    assert_true(log_has(&t->a, 0, "could not be applied, 3 times by now"));
    assert_true(log_has(&t->a, 0, "a full copy is asked for"));
    assert_false(log_has(&t->a, 0, "could not be applied, 4 times by now"));
    await_log(&t->a, 0, "which could not be applied before, is here");
    assert_equal_stores(&t->m, &t->a);
    assert_int_equal(status_of(&t->a, &st), 0);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_FAILED], 1);
    assert_int_equal(status_of(&t->m, &st), 0);
    assert_int_equal(st.copies_by_reason[KRBREPL_COPY_FAILED], 1);
    /* And that was it. */
    await_seq(&t->a, put(&t->m, "three", "3"));
    assert_int_equal(status_of(&t->a, &st), 0);
    assert_int_equal(st.copies_in, 1);
}

int main(int argc, char **argv)
{
#define LIVE(f) cmocka_unit_test_setup_teardown(f, trio_make, trio_drop)
    const struct CMUnitTest tests[] = {
        LIVE(a_commit_arrives_at_every_replica),
        LIVE(what_a_replica_has_in_memory_is_known_before_it_can_write_it),
        LIVE(a_large_commit_needs_no_heartbeat_to_arrive),
        LIVE(a_replica_that_was_killed_catches_up),
        LIVE(a_master_that_was_killed_is_found_again),
        LIVE(a_master_that_stood_still_reads_before_it_gives_anybody_up),
        LIVE(a_principal_removed_from_the_list_loses_its_session),
        LIVE(a_returning_replica_takes_the_place_of_its_old_session),
        LIVE(a_stopped_replica_never_delays_another),
        LIVE(a_kdc_that_is_down_at_boot_is_waited_for),
        LIVE(tickets_are_renewed_without_a_gap),
        LIVE(a_demoted_master_serves_what_was_committed_and_stops),
        LIVE(a_replica_that_is_promoted_stops_following),
        LIVE(status_shows_an_absent_replica_and_its_lag),
        LIVE(a_new_replica_is_copied_when_the_journal_is_trimmed),
        LIVE(a_dropped_slot_is_written_back_only_for_a_connected_replica),
        LIVE(a_slot_expires_when_its_replica_stays_away_and_never_while_it_is_here),
        LIVE(a_replica_ahead_is_refused_until_somebody_resolves_it),
        LIVE(another_history_is_refused_until_somebody_resolves_it),
        LIVE(a_replica_that_is_kept_becomes_the_master_and_the_old_one_follows),
        LIVE(a_commit_that_cannot_be_applied_is_tried_and_then_copied_but_never_skipped),
        LIVE(without_authorize_nobody_may_connect),
        LIVE(stores_that_run_prove_themselves_equal_and_a_difference_is_healed),
        LIVE(a_record_altered_while_the_replica_was_down_is_found_and_healed),
        LIVE(a_damaged_record_of_a_replica_is_named_and_healed),
        LIVE(a_record_that_rots_while_the_replica_runs_is_repaired_when_somebody_reads_it),
        LIVE(replicas_that_differ_together_are_repaired_in_their_turn),
    };
    int failed;

    if (argc > 2 && strcmp(argv[1], "--node") == 0)
        return child_main(argc - 2, argv + 2);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    failed = cmocka_run_group_tests_name("nodes", tests, NULL, NULL);
    return failed + run_attack_tests();
}
