/* Repairs: whatever a replica has, it ends up with exactly its master's content, and has been sent nothing that
 * it had. */
#include "mending.h"

#include "staging.h"

static int setup(void **state)
{
    static tmpdir t;

    tmpdir_make(&t);
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    tmpdir_remove(*state);
    return 0;
}

static void fill(krbrepl_store *s, uint64_t *seed, unsigned commits)
{
    while (commits-- > 0)
        random_commit(s, seed, 400);
}

/* One commit that puts records FIRST to FIRST + N with values of `size` bytes. */
static void fill_with(krbrepl_store *s, unsigned first, unsigned n, size_t size)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    char key[700];
    char *value = malloc(size + 1);

    assert_non_null(value);
    memset(value, 'v', size + 1);
    KRBREPL_INIT(&opt);
    OKS(s, krbrepl__txn_begin(s, &t, &opt));
    for (; n > 0; n--, first++)
        OKS(s, krbrepl__txn_put(t, "principal", (krbrepl_bytes){key, make_key(key, first)},
                                (krbrepl_bytes){value, size}));
    OKS(s, krbrepl__txn_commit(t, NULL));
    free(value);
}

/* Brings the replica to where the master is. */
static void make_equal(mending *x)
{
    OKS(x->r, mend(x, 0));
    assert_mended(x);
}

/* Some records become others, come or go, behind the replica's back. */
static void disturb(mending *x, uint64_t *seed, unsigned n, unsigned space, size_t max)
{
    char key[700];
    char *value = malloc(max + 1);
    size_t len;

    assert_non_null(value);
    for (; n > 0; n--) {
        len = make_key(key, rnd(seed) % space);
        memset(value, (int)(rnd(seed) & 0xff), max + 1);
        alter(x->r, key, len, rnd(seed) % 3 == 0 ? NULL : value, (size_t)(rnd(seed) % (max + 1)));
    }
    free(value);
}

static uint64_t staged(krbrepl_store *s)
{
    krbrepl__rtxn r = {0};
    MDB_stat st;

    OKS(s, krbrepl__rtxn_begin(s, &r));
    assert_int_equal(mdb_stat(r.txn, krbrepl__staging(s), &st), 0);
    krbrepl__rtxn_end(s, &r);
    return st.ms_entries;
}

static void upkeep(krbrepl_store *s)
{
    int rc;

    while ((rc = krbrepl__store_upkeep(s)) == 1)
        continue;
    assert_int_equal(rc, 0);
}

/* ---- both rules ----------------------------------------------------------------------------- */

static void what_differs_a_little_is_mended_in_the_live_generation(void **state)
{
    uint64_t seed = 11;
    unsigned live;
    mending x;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 300, 100);
    make_equal(&x);
    live = store_state(x.r).live;
    disturb(&x, &seed, 10, 300, 200);
    OKS(x.r, mend(&x, 0));
    assert_true(x.asked <= 10 && x.answered == x.asked);
    assert_mended(&x);
    assert_int_equal(store_state(x.r).live, live);
    /* Nothing differs now. */
    OKS(x.r, mend(&x, 0));
    assert_int_equal(x.asked, 0);
    assert_mended(&x);
    mending_close(&x);
}

static void what_differs_much_is_merged_into_the_other_generation(void **state)
{
    unsigned live;
    mending x;

    mending_make(&x, *state, "m", "r");
    x.step = 256;
    fill_with(x.m, 0, 200, 100);
    make_equal(&x);
    live = store_state(x.r).live;
    fill_with(x.m, 100, 10050, 20); /* by their number */
    OKS(x.r, mend(&x, 0));
    assert_mended(&x);
    assert_int_equal(store_state(x.r).live, !live);
    alter(x.r, "user3@EXAMPLE.ORG", 17, "x", 1);
    fill_with(x.m, 50, 20, 1u << 20); /* by their size */
    OKS(x.r, mend(&x, 0));
    assert_mended(&x);
    assert_int_equal(store_state(x.r).live, live);
    upkeep(x.r);
    assert_int_equal(staged(x.r), 0);
    assert_mended(&x);
    mending_close(&x);
}

/* Random contents at both ends, commits in between, both rules. */
static void repair_of_any_content_makes_it_the_master_s(void **state)
{
    char m[16], r[16];
    uint64_t seed;
    unsigned i, n;
    mending x;

    for (i = 1; i <= 24; i++) {
        seed = i * 7919 + 3;
        snprintf(m, sizeof m, "m%u", i);
        snprintf(r, sizeof r, "r%u", i);
        mending_make(&x, *state, m, r);
        fill(x.m, &seed, 1 + (unsigned)(rnd(&seed) % 80));
        if (i % 4 != 0)
            make_equal(&x);
        disturb(&x, &seed, (unsigned)(rnd(&seed) % 120), 500, i % 6 == 0 ? 1u << 20 : 300);
        OKS(x.r, mend_begin(&x, i % 3 == 0));
        while (!x.end) {
            x.step = 1 + (size_t)(rnd(&seed) % 40);
            OKS(x.r, mend_step(&x));
            for (n = (unsigned)(rnd(&seed) % 4); n > 0; n--)
                random_commit(x.m, &seed, 400);
            if (rnd(&seed) % 32 == 0)
                OKS(x.m, krbrepl__promote(x.m, "dave", NULL));
        }
        OKS(x.r, mend_replay(&x));
        OKS(x.r, mend_finish(&x));
        fill(x.m, &seed, 3);
        if (store_pos(x.m).seq > x.at.seq)
            make_equal(&x);
        assert_mended(&x);
        mending_close(&x);
    }
}

static void empty_master_empties_the_replica(void **state)
{
    mending x;

    mending_make(&x, *state, "m", "r");
    alter(x.r, "a", 1, "x", 1);
    alter(x.r, "b", 1, "x", 1);
    OKS(x.r, mend(&x, 0));
    assert_mended(&x);
    assert_int_equal(store_state(x.r).records, 0);
    mending_close(&x);
}

static void readers_see_the_old_content_whole_or_the_new_one(void **state)
{
    krbrepl_view *v = NULL;
    uint8_t root[32];
    uint64_t seed = 17;
    content before;
    mending x;
    int keep_old, rc;

    mending_make(&x, *state, "m", "r");
    fill(x.m, &seed, 60);
    make_equal(&x);
    for (keep_old = 0; keep_old < 2; keep_old++) {
        disturb(&x, &seed, 30, 400, 200);
        before = store_content(x.r);
        OKS(x.r, krbrepl__view_open(x.r, &v));
        OKS(x.r, mend_begin(&x, keep_old));
        while (!x.end) {
            OKS(x.r, mend_step(&x));
            assert_content(x.r, &before);
        }
        OKS(x.r, mend_replay(&x));
        while ((rc = krbrepl__repair_finish(x.repair, NULL)) == 1)
            assert_content(x.r, &before);
        OKS(x.r, rc);
        OKS(x.r, krbrepl__view_digest(v, root, NULL));
        assert_memory_equal(root, before.root, 32);
        krbrepl__view_close(v);
        assert_mended(&x);
    }
    mending_close(&x);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Turns a bit over in the row of a record. */
static void rot(krbrepl_store *s, const char *key, size_t key_len, size_t at)
{
    krbrepl__wtxn w = {0};
    krbrepl__rkey k;
    uint8_t row[2048];
    MDB_val mk, v;

    OKS(s, krbrepl__rkey_make(s, "principal", (krbrepl_bytes){key, key_len}, &k));
    OKS(s, krbrepl__wtxn_begin(s, &w));
    mk = (MDB_val){k.ck.len, k.ck.b};
    assert_int_equal(mdb_get(w.txn, krbrepl__gen(s, w.st.live), &mk, &v), 0);
    assert_true(v.mv_size <= sizeof row);
    memcpy(row, v.mv_data, v.mv_size);
    row[at == SIZE_MAX ? v.mv_size - 1 : at] ^= 4;
    v.mv_data = row;
    assert_int_equal(mdb_put(w.txn, krbrepl__gen(s, w.st.live), &mk, &v, 0), 0);
    OKS(s, krbrepl__wtxn_commit(s, &w));
}

static void damaged_row_is_replaced_wherever_the_damage_is(void **state)
{
    static const size_t at[] = {0, 15, 16, SIZE_MAX}; /* digest, flags, value */
    char key[700];
    size_t i, len;
    mending x;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 120, 50);
    make_equal(&x);
    for (i = 0; i < sizeof at / sizeof at[0]; i++) {
        upkeep(x.r); /* else it is mended out of what an earlier repair left */
        len = make_key(key, i % 2 == 0 ? 7 : 97); /* one that lies in the row, too */
        rot(x.r, key, len, at[i]);
        OKS(x.r, mend(&x, 0));
        assert_int_equal(x.asked, 1);
        assert_mended(&x);
    }
    mending_close(&x);
}

static void a_walk_as_found_names_what_does_not_match(void **state)
{
    krbrepl__scan *scan = NULL;
    krbrepl__scan_at at;
    krbrepl_bytes ck;
    const uint8_t *d;
    uint64_t n = 0;
    int rc;
    mending x;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 1, 20, 50);
    make_equal(&x);
    rot(x.r, "user7@EXAMPLE.ORG", 17, 3);
    OKS(x.r, krbrepl__store_scan_open(x.r, &scan, &at));
    while ((rc = krbrepl__store_scan_next(scan, &ck, &d)) == 1)
        continue;
    assert_int_equal(rc, KRBREPL_ERR_CORRUPT);
    krbrepl__store_scan_close(scan);
    OKS(x.r, krbrepl__store_scan_open(x.r, &scan, &at));
    krbrepl__store_scan_as_found(scan);
    assert_null(krbrepl__store_scan_damage(scan));
    while ((rc = krbrepl__store_scan_next(scan, &ck, &d)) == 1)
        n++;
    assert_int_equal(rc, 0);
    assert_int_equal(n, 20);
    assert_string_equal(krbrepl__store_scan_damage(scan), "principal user7@EXAMPLE.ORG");
    krbrepl__store_scan_close(scan);
    mending_close(&x);
}

/* ---- interrupted ---------------------------------------------------------------------------- */

static void what_a_cut_repair_brought_is_not_asked_for_again(void **state)
{
    uint64_t brought;
    content before;
    mending x;
    int i;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 300, 3000);
    before = store_content(x.r);
    OKS(x.r, mend_begin(&x, 0));
    for (i = 0; i < 10; i++)
        OKS(x.r, mend_step(&x));
    brought = x.answered;
    krbrepl__repair_abort(x.repair);
    krbrepl__repair_abort(NULL);
    assert_int_equal(brought, 160);
    upkeep(x.r); /* which leaves it */
    assert_int_equal(staged(x.r), brought);
    assert_content(x.r, &before);
    /* The first one has changed since. */
    fill_with(x.m, 0, 1, 30);
    OKS(x.r, mend(&x, 0));
    assert_int_equal(x.asked, 300 - brought + 1);
    assert_mended(&x);
    upkeep(x.r);
    assert_int_equal(staged(x.r), 0);
    mending_close(&x);
}

static void what_another_attempt_left_is_not_applied(void **state)
{
    mending x;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 1, 40, 30);
    make_equal(&x);
    alter(x.r, "user1@EXAMPLE.ORG", 17, "x", 1);
    fill_with(x.m, 50, 1, 30);
    OKS(x.r, mend_begin(&x, 0));
    while (!x.end)
        OKS(x.r, mend_step(&x));
    krbrepl__repair_abort(x.repair);
    /* What it gathered is not what the master has now. */
    put_one(x.m, "user1@EXAMPLE.ORG", "new", "");
    {
        krbrepl_txn_options opt;
        krbrepl_txn *t = NULL;

        KRBREPL_INIT(&opt);
        OKS(x.m, krbrepl__txn_begin(x.m, &t, &opt));
        OKS(x.m, krbrepl__txn_delete(t, "principal", BYTES("user50@EXAMPLE.ORG")));
        OKS(x.m, krbrepl__txn_commit(t, NULL));
    }
    OKS(x.r, mend(&x, 0));
    assert_mended(&x);
    mending_close(&x);
}

static void what_was_gathered_is_cleared_once_the_store_moves(void **state)
{
    mending x;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 100, 30);
    OKS(x.r, mend_begin(&x, 0));
    while (!x.end)
        OKS(x.r, mend_step(&x));
    krbrepl__repair_abort(x.repair);
    upkeep(x.r);
    assert_int_equal(staged(x.r), 100);
    OKS(x.r, krbrepl__promote(x.r, "alice", NULL));
    upkeep(x.r);
    assert_int_equal(staged(x.r), 0);
    mending_close(&x);
}

static void store_that_moves_stops_the_repair(void **state)
{
    mending x;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 100, 30);
    make_equal(&x);
    fill_with(x.m, 100, 5, 30);
    OKS(x.r, mend_begin(&x, 0));
    while (!x.end)
        OKS(x.r, mend_step(&x));
    OKS(x.r, mend_replay(&x));
    OKS(x.r, krbrepl__promote(x.r, "alice", NULL));
    assert_int_equal(mend_finish(&x), KRBREPL_ERR_CONFLICT);
    assert_int_equal(mend_begin(&x, 0), KRBREPL_ERR_STATE);
    mending_close(&x);
}

static void repair_and_copy_exclude_each_other(void **state)
{
    krbrepl__ancestry none = {0};
    krbrepl__copy *c = NULL;
    krbrepl__repair *second = NULL;
    krbrepl_pos pos;
    mending x;

    mending_make(&x, *state, "m", "r");
    pos = store_pos(x.m);
    OKS(x.r, mend_begin(&x, 0));
    assert_int_equal(krbrepl__copy_begin(x.r, &c, &pos, &none, 0, 0, 0), KRBREPL_ERR_LOCKED);
    assert_int_equal(krbrepl__repair_begin(x.r, &second, &pos, &none, 0, 0), KRBREPL_ERR_LOCKED);
    krbrepl__repair_abort(x.repair);
    OKS(x.r, krbrepl__copy_begin(x.r, &c, &pos, &none, 0, 0, 0));
    assert_int_equal(mend_begin(&x, 0), KRBREPL_ERR_LOCKED);
    krbrepl__copy_abort(c);
    mending_close(&x);
}

static void malformed_records_are_refused(void **state)
{
    mending x;

    mending_make(&x, *state, "m", "r");
    OKS(x.r, mend_begin(&x, 0));
    assert_int_equal(krbrepl__repair_put(x.repair, BYTES("no table"), BYTES("v")), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__repair_put(x.repair, BYTES("\0k"), BYTES("v")), KRBREPL_ERR_PROTO);
    assert_int_equal(krbrepl__repair_put(x.repair, BYTES("T\0k"), BYTES("v")), KRBREPL_ERR_PROTO);
    OKS(x.r, krbrepl__repair_put(x.repair, BYTES("t\0k"), BYTES("v")));
    krbrepl__repair_abort(x.repair);
    mending_close(&x);
}

/* ---- what goes with it ---------------------------------------------------------------------- */

static int take_key(void *ctx, krbrepl_bytes full, int put)
{
    char *text = ctx;
    size_t n = strlen(text);

    assert_true(n + full.len + 4 < 4000 && full.len > 10);
    text[n] = put ? '+' : '-';
    memcpy(text + n + 1, (const char *)full.data + 10, full.len - 10);
    strcpy(text + n + 1 + full.len - 10, " ");
    return 0;
}

static void what_is_to_be_changed_is_listed_in_key_order(void **state)
{
    krbrepl__repair_sum sum;
    char text[4000] = "", long_key[700];
    size_t len;
    mending x;
    int rc;

    mending_make(&x, *state, "m", "r");
    put_one(x.m, "a", "1", "");
    put_one(x.m, "b", "1", "");
    put_one(x.m, "c", "1", "");
    make_equal(&x);
    put_one(x.m, "d", "1", "");
    alter(x.r, "b", 1, "x", 1);
    alter(x.r, "bb", 2, "x", 1);
    len = make_key(long_key, 97);
    alter(x.r, long_key, len, "x", 1);
    OKS(x.r, mend_begin(&x, 0));
    while (!x.end)
        OKS(x.r, mend_step(&x));
    put_one(x.m, "e", "1", ""); /* by a commit: not listed */
    x.at = store_pos(x.m);
    OKS(x.r, mend_replay(&x));
    while ((rc = krbrepl__repair_each(x.repair, take_key, text)) == 1)
        continue;
    OKS(x.r, rc);
    krbrepl__repair_sum_get(x.repair, &sum);
    assert_int_equal(sum.puts, 2);
    assert_int_equal(sum.deletes, 2);
    assert_memory_equal(text, "+b -bb +d -", 11);
    assert_int_equal(strlen(text), 11 + len + 1);
    OKS(x.r, mend_finish(&x));
    assert_mended(&x);
    mending_close(&x);
}

static void local_entries_of_records_that_come_or_go_are_forgotten(void **state)
{
    char got[16];
    size_t len;
    mending x;
    int keep_old;

    for (keep_old = 0; keep_old < 2; keep_old++) {
        mending_make(&x, *state, keep_old ? "m2" : "m", keep_old ? "r2" : "r");
        put_one(x.m, "kept", "1", "");
        put_one(x.m, "came", "1", "");
        make_equal(&x);
        alter(x.r, "gone", 4, "1", 1);
        alter(x.r, "kept", 4, "2", 1);
        OKS(x.r, krbrepl__local_put(x.r, "principal", BYTES("kept"), BYTES("k")));
        OKS(x.r, krbrepl__local_put(x.r, "principal", BYTES("came"), BYTES("c")));
        OKS(x.r, krbrepl__local_put(x.r, "principal", BYTES("gone"), BYTES("g")));
        alter(x.r, "came", 4, NULL, 0);
        OKS(x.r, mend(&x, keep_old));
        assert_mended(&x);
        len = sizeof got;
        OKS(x.r, krbrepl__local_get(x.r, "principal", BYTES("kept"), got, &len));
        len = sizeof got;
        assert_int_equal(krbrepl__local_get(x.r, "principal", BYTES("came"), got, &len),
                         KRBREPL_ERR_NOTFOUND);
        alter(x.r, "gone", 4, "1", 1);
        len = sizeof got;
        assert_int_equal(krbrepl__local_get(x.r, "principal", BYTES("gone"), got, &len),
                         KRBREPL_ERR_NOTFOUND);
        mending_close(&x);
    }
}

static void ancestry_of_the_replica_becomes_the_master_s(void **state)
{
    krbrepl__ancestry a = {0}, b = {0};
    uint64_t seed = 5;
    mending x;
    size_t i;

    mending_make(&x, *state, "m", "r");
    fill(x.m, &seed, 10);
    make_equal(&x);
    OKS(x.m, krbrepl__promote(x.m, "before", NULL));
    OKS(x.r, mend_begin(&x, 0));
    OKS(x.m, krbrepl__promote(x.m, "during", NULL));
    fill(x.m, &seed, 3);
    while (!x.end)
        OKS(x.r, mend_step(&x));
    OKS(x.r, mend_replay(&x));
    OKS(x.r, mend_finish(&x));
    OKS(x.m, krbrepl__store_ancestry(x.m, &a));
    OKS(x.r, krbrepl__store_ancestry(x.r, &b));
    assert_true(a.n == 2 && b.n == 2);
    for (i = 0; i < 2; i++)
        assert_true(krbrepl__pos_equal(&a.at[i], &b.at[i]));
    krbrepl__ancestry_free(&a);
    krbrepl__ancestry_free(&b);
    assert_mended(&x);
    mending_close(&x);
}

/* ---- a master's side ------------------------------------------------------------------------ */

static void ranges_are_given_in_pieces_without_gaps(void **state)
{
    krbrepl__ckey next = {.len = 0};
    krbrepl_bytes from = BYTES("principal\0user2");
    krbrepl__buf b, all;
    krbrepl_pos at;
    mending x;
    size_t n = 0;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 50,
              1u << 18); /* so much that a call ends before it has all that were asked for */
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&all, 0);
    do {
        OKS(x.m, krbrepl__store_range(x.m, (krbrepl_bytes){next.b, next.len}, (krbrepl_bytes){NULL, 0},
                                      1000, &b, &next, &at));
        n++;
    } while (next.len != 0);
    assert_int_equal(n, 50); /* no host waits for more than one of them */
    assert_int_equal(b.len, 50 * KRBREPL__RDIGEST);
    do {
        OKS(x.m, krbrepl__store_range(x.m, from, BYTES("principal\0user3"), 1000, &all, &next, &at));
        from = (krbrepl_bytes){next.b, next.len};
    } while (next.len != 0);
    assert_int_equal(all.len, 11 * KRBREPL__RDIGEST); /* user2, user20 to user29 */
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&all);
    mending_close(&x);
}

/* Puts a row under a key that is longer than any can be. */
static void put_long_key(krbrepl_store *s, MDB_dbi dbi, int first)
{
    krbrepl__wtxn w = {0};
    char key[511], row[32] = {0};
    MDB_val k = {sizeof key, key}, v = {sizeof row, row};

    memset(key, first, sizeof key);
    OKS(s, krbrepl__wtxn_begin(s, &w));
    assert_int_equal(mdb_put(w.txn, dbi, &k, &v, 0), 0);
    OKS(s, krbrepl__wtxn_commit(s, &w));
}

static void a_key_that_is_longer_than_any_can_be_is_damage(void **state)
{
    const krbrepl_bytes none = {NULL, 0};
    krbrepl__ckey next = {.len = 0};
    krbrepl__buf b;
    krbrepl_pos at;
    mending x;
    int end;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 10, 10);
    put_long_key(x.m, krbrepl__gen(x.m, store_state(x.m).live), 'q'); /* behind all others */
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_range(x.m, none, none, 10, &b, &next, &at), KRBREPL_ERR_CORRUPT);
    next.len = 0;
    assert_int_equal(krbrepl__store_copy_slice(x.m, &next, 1u << 20, &b, &end, &at),
                     KRBREPL_ERR_CORRUPT);
    krbrepl__buf_free(&b);
    mending_close(&x);
}

static void a_key_of_that_kind_among_what_was_gathered_is_damage_or_removed(void **state)
{
    mending x;
    int rc;

    mending_make(&x, *state, "m", "r");
    fill_with(x.m, 0, 100, 10);
    make_equal(&x);
    fill_with(x.m, 50, 100, 20);
    put_long_key(x.r, krbrepl__staging(x.r), 'a'); /* of no attempt */
    put_long_key(x.r, krbrepl__staging(x.r), 'z');
    make_equal(&x);
    assert_int_equal(staged(x.r), 100);
    fill_with(x.m, 50, 100, 30);
    put_long_key(x.r, krbrepl__gen(x.r, store_state(x.r).live), 'z');
    rc = mend(&x, 1); /* by the other generation */
    assert_int_equal(rc, KRBREPL_ERR_CORRUPT);
    mending_close(&x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(what_differs_a_little_is_mended_in_the_live_generation),
        T(what_differs_much_is_merged_into_the_other_generation),
        T(repair_of_any_content_makes_it_the_master_s),
        T(empty_master_empties_the_replica),
        T(readers_see_the_old_content_whole_or_the_new_one),
        T(damaged_row_is_replaced_wherever_the_damage_is),
        T(a_walk_as_found_names_what_does_not_match),
        T(what_a_cut_repair_brought_is_not_asked_for_again),
        T(what_another_attempt_left_is_not_applied),
        T(what_was_gathered_is_cleared_once_the_store_moves),
        T(store_that_moves_stops_the_repair),
        T(repair_and_copy_exclude_each_other),
        T(malformed_records_are_refused),
        T(what_is_to_be_changed_is_listed_in_key_order),
        T(local_entries_of_records_that_come_or_go_are_forgotten),
        T(ancestry_of_the_replica_becomes_the_master_s),
        T(ranges_are_given_in_pieces_without_gaps),
        T(a_key_that_is_longer_than_any_can_be_is_damage),
        T(a_key_of_that_kind_among_what_was_gathered_is_damage_or_removed),
    };
    return cmocka_run_group_tests_name("store/repair", tests, NULL, NULL);
}
