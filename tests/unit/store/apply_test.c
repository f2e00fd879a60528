#include "st.h"

/* A replica's store: it takes a master's commits as they are, or not at all. */

static void put_n(krbrepl_store *s, int n)
{
    char key[16];
    int i;

    for (i = 0; i < n; i++) {
        snprintf(key, sizeof key, "k%d", i);
        st_put(s, key, key);
    }
}

static void replica_that_applied_everything_is_at_the_masters_position(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl_store_info a, b;

    put_n(m, 50);
    st_delete(m, "k7");
    assert_int_equal(st_ship(m, r, 1, 7), 0);
    a = st_info(m);
    b = st_info(r);
    assert_memory_equal(&a.pos, &b.pos, sizeof a.pos);
    assert_int_equal(a.records, b.records);
    assert_int_equal(a.cumulative, b.cumulative);
    assert_int_equal(b.role, KRBREPL_ROLE_REPLICA);
    assert_memory_equal(a.database_id, b.database_id, 16);
    st_expect(r, "k49", "k49");
    st_expect(r, "k7", NULL);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void group_is_applied_whole_or_not_at_all(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl_bytes commit[5];
    krbrepl_store_info before, after;
    krbrepl__batch info;
    krbrepl__buf b;
    krbrepl__rd rd;
    int i;

    put_n(m, 4);
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_read_commits(m, 1, SIZE_MAX, &b, &info), 0);
    assert_int_equal(info.count, 5);
    krbrepl__rd_init(&rd, b.data, b.len);
    for (i = 0; i < 5; i++)
        commit[i] = krbrepl__rd_vec32(&rd);
    before = st_info(r);
    commit[3] = commit[4];
    assert_int_equal(krbrepl__store_apply(r, commit, 4, NULL), KRBREPL_ERR_PROTO);
    commit[3].len--;
    assert_int_equal(krbrepl__store_apply(r, commit, 4, NULL), KRBREPL_ERR_PROTO);
    after = st_info(r);
    assert_memory_equal(&before, &after, sizeof before);
    st_expect(r, "k0", NULL);
    krbrepl__buf_free(&b);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void commit_out_of_order_is_refused(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    put_n(m, 3);
    assert_int_equal(st_ship(m, r, 2, 1), KRBREPL_ERR_PROTO);
    assert_int_equal(st_ship(m, r, 1, 4), 0);
    assert_int_equal(st_ship(m, r, 1, 4), KRBREPL_ERR_PROTO);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void commit_of_another_lineage_is_refused(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl_store *n = st_replica(*state, "n", m);

    put_n(m, 2);
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    assert_int_equal(st_ship(m, n, 1, 9), 0);
    /* n's reign begins at commit 4; its commit 5 without 4 leads nowhere for r, whose commit 4 is m's. */
    assert_int_equal(krbrepl_promote(n, NULL, NULL), 0);
    st_put(n, "x", "1");
    st_put(m, "y", "1");
    assert_int_equal(st_ship(m, r, 4, 9), 0);
    assert_int_equal(st_ship(n, r, 5, 9), KRBREPL_ERR_DIVERGED);
    krbrepl_store_close(m);
    krbrepl_store_close(n);
    krbrepl_store_close(r);
}

static void commit_of_a_lower_epoch_is_refused(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl_store *n = st_replica(*state, "n", m);

    put_n(m, 2);
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    assert_int_equal(st_ship(m, n, 1, 9), 0);
    assert_int_equal(krbrepl_promote(n, NULL, NULL), 0);
    assert_int_equal(st_ship(n, r, 4, 9), 0);
    assert_int_equal(st_info(r).pos.epoch, 2);
    st_put(m, "y", "1");
    st_put(m, "y", "2");
    assert_int_equal(st_ship(m, r, 5, 9), KRBREPL_ERR_FENCED);
    krbrepl_store_close(m);
    krbrepl_store_close(n);
    krbrepl_store_close(r);
}

/* Ships commit `seq` of m to r after `change` had its way with it. */
static int ship_changed(krbrepl_store *m, krbrepl_store *r, uint64_t seq,
                        void (*change)(krbrepl__commit *))
{
    krbrepl__batch info;
    krbrepl__commit c;
    krbrepl__buf b, again;
    krbrepl__rd rd;
    krbrepl_bytes v;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&again, 0);
    assert_int_equal(krbrepl__store_read_commits(m, seq, 1, &b, &info), 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    v = krbrepl__rd_vec32(&rd);
    assert_int_equal(krbrepl__commit_decode(v, &c), 0);
    change(&c);
    krbrepl__commit_put(&again, &c);
    v.data = again.data;
    v.len = again.len;
    rc = krbrepl__store_apply(r, &v, 1, NULL);
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&again);
    return rc;
}

static void count_one_more(krbrepl__commit *c)
{
    c->cumulative++;
}

static void wrong_count_of_changes_is_refused(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    put_n(m, 1);
    assert_int_equal(st_ship(m, r, 1, 1), 0);
    st_put(m, "x", "1");
    assert_int_equal(ship_changed(m, r, 3, count_one_more), KRBREPL_ERR_PROTO);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void keep_epoch_one(krbrepl__commit *c)
{
    c->epoch = 1;
}

static void lineage_without_a_higher_epoch_is_refused(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    assert_int_equal(st_ship(m, r, 1, 1), 0);
    assert_int_equal(krbrepl_promote(m, NULL, NULL), 0);
    assert_int_equal(ship_changed(m, r, 2, keep_epoch_one), KRBREPL_ERR_PROTO);
    assert_int_equal(st_ship(m, r, 2, 2), 0);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void deleting_a_record_that_the_replica_lacks_is_fine(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl__commit c;
    krbrepl__buf body, b;
    krbrepl_change ch;
    krbrepl_bytes v;
    krbrepl_store_info i;

    assert_int_equal(st_ship(m, r, 1, 1), 0);
    i = st_info(r);
    krbrepl__buf_init(&body, 0);
    krbrepl__buf_init(&b, 0);
    KRBREPL_INIT(&ch);
    ch.op = KRBREPL_DELETE;
    ch.table = "principal";
    ch.key = BYTES("nobody");
    krbrepl__change_put(&body, &ch);
    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_CHANGES;
    c.seq = 2;
    c.epoch = 1;
    c.cumulative = 1;
    memcpy(c.lineage, i.pos.lineage, 16);
    c.who = c.why = BYTES("x");
    c.nchanges = 1;
    c.body.data = body.data;
    c.body.len = body.len;
    krbrepl__commit_put(&b, &c);
    v.data = b.data;
    v.len = b.len;
    assert_int_equal(krbrepl__store_apply(r, &v, 1, NULL), 0);
    assert_int_equal(st_info(r).records, 0);
    assert_int_equal(st_info(r).pos.seq, 2);
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&body);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void reset_commit_is_not_applied(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl__commit c;
    krbrepl__buf b;
    krbrepl_bytes v;

    assert_int_equal(st_ship(m, r, 1, 1), 0);
    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_RESET;
    c.seq = 2;
    c.epoch = 1;
    memcpy(c.lineage, st_info(r).pos.lineage, 16);
    c.who = c.why = BYTES("x");
    krbrepl__buf_init(&b, 0);
    krbrepl__commit_put(&b, &c);
    v.data = b.data;
    v.len = b.len;
    assert_int_equal(krbrepl__store_apply(r, &v, 1, NULL), KRBREPL_ERR_TRIMMED);
    assert_int_equal(st_info(r).pos.seq, 1);
    krbrepl__buf_free(&b);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void master_applies_nothing(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    assert_int_equal(st_ship(m, m, 1, 1), KRBREPL_ERR_STATE);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

/* ---- first contact -------------------------------------------------------------------------- */

static void unset_store_adopts_one_database_and_no_other(void **state)
{
    const st *t = *state;
    krbrepl_store *m = st_master(t), *r = st_replica(t, "r", m);
    uint8_t other[16] = {1, 2, 3}, id[16];

    memcpy(id, st_info(m).database_id, 16);
    assert_int_equal(krbrepl__store_adopt(r, id), 0);
    assert_int_equal(st_info(r).role, KRBREPL_ROLE_REPLICA);
    assert_int_equal(krbrepl__store_adopt(r, other), KRBREPL_ERR_FOREIGN);
    assert_memory_equal(st_info(r).database_id, id, 16);
    assert_int_equal(krbrepl__store_adopt(m, id), KRBREPL_ERR_STATE);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void store_with_a_given_id_adopts_only_that(void **state)
{
    const st *t = *state;
    uint8_t id[16] = {9, 9}, other[16] = {8, 8};
    krbrepl_create_options opt;
    krbrepl_store *s;

    KRBREPL_INIT(&opt);
    opt.database_id = id;
    assert_int_equal(krbrepl_store_create(t->dir, &opt, NULL), 0);
    s = st_open(t->dir);
    assert_int_equal(st_info(s).role, KRBREPL_ROLE_UNSET);
    assert_int_equal(krbrepl__store_adopt(s, other), KRBREPL_ERR_FOREIGN);
    assert_int_equal(st_info(s).role, KRBREPL_ROLE_UNSET);
    assert_int_equal(krbrepl__store_adopt(s, id), 0);
    assert_int_equal(st_info(s).role, KRBREPL_ROLE_REPLICA);
    krbrepl_store_close(s);
}

/* ---- roles ---------------------------------------------------------------------------------- */

static void promotion_draws_a_lineage_and_raises_the_epoch(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl__ancestry a;
    krbrepl_store_info before, after;
    krbrepl_pos pos;

    put_n(m, 3);
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    assert_int_equal(krbrepl__store_learn_epoch(r, 6), 0);
    assert_int_equal(st_info(r).known_epoch, 6);
    assert_int_equal(st_info(r).role, KRBREPL_ROLE_REPLICA);
    before = st_info(r);
    assert_int_equal(krbrepl_promote(r, "op", &pos), 0);
    after = st_info(r);
    assert_memory_equal(&after.pos, &pos, sizeof pos);
    assert_int_equal(pos.epoch, 7);
    assert_int_equal(after.known_epoch, 7);
    assert_int_equal(pos.seq, before.pos.seq + 1);
    assert_memory_not_equal(pos.lineage, before.pos.lineage, 16);
    assert_int_equal(after.role, KRBREPL_ROLE_MASTER);
    assert_int_equal(krbrepl__store_ancestry(r, &a), 0);
    assert_int_equal(a.n, 1);
    assert_memory_equal(&a.at[0], &before.pos, sizeof before.pos);
    krbrepl__ancestry_free(&a);
    st_put(r, "x", "1");
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void replica_follows_a_promotion_and_remembers_the_ancestor(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);
    krbrepl__ancestry a, b;
    krbrepl_store_info i, j;

    put_n(m, 2);
    assert_int_equal(krbrepl_promote(m, NULL, NULL), 0);
    put_n(m, 2);
    assert_int_equal(krbrepl_promote(m, NULL, NULL), 0);
    assert_int_equal(st_ship(m, r, 1, 3), 0);
    i = st_info(m);
    j = st_info(r);
    assert_memory_equal(&i.pos, &j.pos, sizeof i.pos);
    assert_int_equal(krbrepl__store_ancestry(m, &a), 0);
    assert_int_equal(krbrepl__store_ancestry(r, &b), 0);
    assert_int_equal(a.n, 2);
    assert_int_equal(b.n, 2);
    assert_memory_equal(a.at, b.at, 2 * sizeof a.at[0]);
    krbrepl__ancestry_free(&a);
    krbrepl__ancestry_free(&b);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static int see_demotion(void *ctx, const krbrepl_commit *c)
{
    (void)ctx;
    assert_int_equal(c->kind, KRBREPL_COMMIT_LINEAGE);
    assert_int_equal(c->cause, KRBREPL_CAUSE_DEMOTE);
    assert_string_equal(c->who, "op");
    return 0;
}

static void demotion_ends_the_reign_in_the_history(void **state)
{
    krbrepl_store *m = st_master(*state);
    krbrepl_store_info before = st_info(m), after;
    krbrepl_pos pos;

    assert_int_equal(krbrepl_demote(m, "op", &pos), 0);
    after = st_info(m);
    assert_int_equal(after.role, KRBREPL_ROLE_REPLICA);
    assert_int_equal(pos.seq, before.pos.seq + 1);
    assert_int_equal(pos.epoch, before.pos.epoch);
    assert_memory_equal(pos.lineage, before.pos.lineage, 16);
    assert_int_equal(krbrepl_journal_each(m, pos.seq, 0, see_demotion, NULL), 0);
    assert_int_equal(krbrepl_demote(m, "op", &pos), KRBREPL_ERR_NOT_MASTER);
    krbrepl_store_close(m);
}

static void fenced_master_follows_the_new_reign_and_is_its_replica(void **state)
{
    krbrepl_store *m = st_master(*state), *r = st_replica(*state, "r", m);

    put_n(m, 2);
    assert_int_equal(st_ship(m, r, 1, 9), 0);
    assert_int_equal(krbrepl_promote(r, NULL, NULL), 0);
    assert_int_equal(krbrepl__store_learn_epoch(m, 1), 0);
    assert_int_equal(st_info(m).role, KRBREPL_ROLE_MASTER);
    assert_int_equal(krbrepl__store_learn_epoch(m, 2), 0);
    assert_int_equal(st_info(m).role, KRBREPL_ROLE_FENCED);
    assert_int_equal(st_ship(r, m, 4, 9), 0);
    assert_int_equal(st_info(m).role, KRBREPL_ROLE_REPLICA);
    krbrepl_store_close(m);
    krbrepl_store_close(r);
}

static void role_and_epoch_survive_a_restart(void **state)
{
    const st *t = *state;
    krbrepl_store *m = st_master(t);

    assert_int_equal(krbrepl__store_learn_epoch(m, 5), 0);
    krbrepl_store_close(m);
    m = st_open(t->dir);
    assert_int_equal(st_info(m).role, KRBREPL_ROLE_FENCED);
    assert_int_equal(st_info(m).known_epoch, 5);
    krbrepl_store_close(m);
}

static void unset_store_can_be_promoted(void **state)
{
    const st *t = *state;
    static const uint8_t none[16];
    krbrepl_store *s;
    krbrepl_pos pos;

    assert_int_equal(krbrepl_store_create(t->dir, NULL, NULL), 0);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_promote(s, NULL, &pos), 0);
    assert_int_equal(pos.seq, 1);
    assert_int_equal(pos.epoch, 1);
    assert_memory_not_equal(st_info(s).database_id, none, 16);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(replica_that_applied_everything_is_at_the_masters_position),
        T(group_is_applied_whole_or_not_at_all),
        T(commit_out_of_order_is_refused),
        T(commit_of_another_lineage_is_refused),
        T(commit_of_a_lower_epoch_is_refused),
        T(wrong_count_of_changes_is_refused),
        T(lineage_without_a_higher_epoch_is_refused),
        T(deleting_a_record_that_the_replica_lacks_is_fine),
        T(reset_commit_is_not_applied),
        T(master_applies_nothing),
        T(unset_store_adopts_one_database_and_no_other),
        T(store_with_a_given_id_adopts_only_that),
        T(promotion_draws_a_lineage_and_raises_the_epoch),
        T(replica_follows_a_promotion_and_remembers_the_ancestor),
        T(demotion_ends_the_reign_in_the_history),
        T(fenced_master_follows_the_new_reign_and_is_its_replica),
        T(role_and_epoch_survive_a_restart),
        T(unset_store_can_be_promoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
