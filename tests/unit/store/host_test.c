#include "st.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memhost.h"

/* A store whose records are in the host's database: what is committed is there, and what is there is what the
 * history says, whatever breaks in between. */

static krbrepl_store *host_open(const char *dir, memhost *h, int import)
{
    krbrepl_host_ops ops = memhost_ops(import);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.host = &ops;
    o.host_ctx = h;
    if (krbrepl_store_open(&s, dir, &o, &ei) != 0)
        fail_msg("open %s: %s", dir, ei.text);
    return s;
}

static void make(const char *dir, uint64_t flags, const uint8_t *id)
{
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = flags | KRBREPL_CREATE_HOSTED;
    o.database_id = id;
    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
}

static krbrepl_store *host_master(const st *t, memhost *h)
{
    make(t->dir, KRBREPL_CREATE_MASTER, NULL);
    return host_open(t->dir, h, 1);
}

static krbrepl_store *host_replica(const st *t, const char *name, memhost *h, int import,
                                   krbrepl_store *of)
{
    krbrepl_store_info i = st_info(of);
    char dir[600];
    krbrepl_store *s;

    snprintf(dir, sizeof dir, "%s/%s", t->root, name);
    make(dir, 0, NULL);
    s = host_open(dir, h, import);
    assert_int_equal(krbrepl__store_adopt(s, i.database_id), 0);
    return s;
}

static void root_of(krbrepl_store *s, uint8_t root[32])
{
    krbrepl_view *v = NULL;

    assert_int_equal(krbrepl_view_open(s, &v), 0);
    assert_int_equal(krbrepl_view_digest(v, root, NULL), 0);
    krbrepl_view_close(v);
}

static void assert_equal_content(krbrepl_store *a, krbrepl_store *b)
{
    uint8_t x[32], y[32];

    root_of(a, x);
    root_of(b, y);
    assert_memory_equal(x, y, 32);
}

static const char *value(memhost *h, const char *key)
{
    return memhost_value(h, "principal", key);
}

/* Opens a commit with two puts and a delete of what is there. */
static krbrepl_txn *three_changes(krbrepl_store *s)
{
    krbrepl_txn *t = NULL;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", st_bytes("a"), st_bytes("2")), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", st_bytes("b"), st_bytes("2")), 0);
    assert_int_equal(krbrepl_txn_delete(t, "principal", st_bytes("c")), 0);
    return t;
}

static void assert_before(krbrepl_store *s, memhost *h)
{
    assert_int_equal(st_info(s).pos.seq, 3);
    assert_string_equal(value(h, "a"), "1");
    assert_null(value(h, "b"));
    assert_string_equal(value(h, "c"), "1");
    st_expect(s, "a", "1");
    st_expect(s, "b", NULL);
}

static void assert_after(krbrepl_store *s, memhost *h)
{
    assert_int_equal(st_info(s).pos.seq, 4);
    assert_int_equal(st_info(s).records, 2);
    assert_string_equal(value(h, "a"), "2");
    assert_string_equal(value(h, "b"), "2");
    assert_null(value(h, "c"));
    st_expect(s, "a", "2");
    st_expect(s, "b", "2");
    st_expect(s, "c", NULL);
}

static krbrepl_store *begin(const st *t, memhost **h)
{
    krbrepl_store *s;

    *h = memhost_new();
    assert_non_null(*h);
    s = host_master(t, *h);
    st_put(s, "a", "1");
    st_put(s, "c", "1");
    return s;
}

static void end(krbrepl_store *s, memhost *h)
{
    krbrepl_store_close(s);
    memhost_free(h);
}

/* Takes and drops the writer lock, as any commit does. */
static void touch(krbrepl_store *s)
{
    krbrepl_txn *t = NULL;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    krbrepl_txn_abort(t);
}

/* ---- committing ----------------------------------------------------------------------------- */

static void commit_is_written_to_the_host_and_read_from_it(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_store_info i;

    assert_int_equal(krbrepl_txn_commit(three_changes(s), NULL), 0);
    assert_after(s, h);
    i = st_info(s);
    assert_memory_equal(&h->to, &i.pos, sizeof i.pos);
    assert_int_equal(i.flags & KRBREPL_STORE_HOSTED, KRBREPL_STORE_HOSTED);
    end(s, h);
}

static void host_that_writes_itself_prepares_and_commits(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_txn *t = three_changes(s);
    const int applies = h->applies;

    assert_int_equal(krbrepl_txn_prepare(t), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", st_bytes("x"), st_bytes("y")), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_txn_prepare(t), KRBREPL_ERR_STATE);
    memhost_set(h, "principal", "a", "2");
    memhost_set(h, "principal", "b", "2");
    memhost_set(h, "principal", "c", NULL);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(h->applies, applies);
    assert_after(s, h);
    end(s, h);
}

static void abort_after_prepare_never_happened_when_nothing_was_written(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_txn *t = three_changes(s);

    assert_int_equal(krbrepl_txn_prepare(t), 0);
    krbrepl_txn_abort(t);
    assert_before(s, h);
    touch(s);
    assert_before(s, h);
    end(s, h);
}

static void abort_after_prepare_counts_when_something_was_written(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_txn *t = three_changes(s);

    assert_int_equal(krbrepl_txn_prepare(t), 0);
    memhost_set(h, "principal", "b", "2"); /* and then it failed */
    krbrepl_txn_abort(t);
    assert_after(s, h);
    end(s, h);
}

static void host_that_refuses_a_write_leaves_everything_as_it_was(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_errinfo ei;

    h->fail_with = 1234;
    assert_int_equal(krbrepl_txn_commit(three_changes(s), NULL), KRBREPL_ERR_HOST);
    KRBREPL_INIT(&ei);
    krbrepl_store_errinfo(s, &ei);
    assert_int_equal(ei.host_code, 1234);
    h->fail_with = 0;
    assert_before(s, h);
    touch(s);
    assert_before(s, h);
    end(s, h);
}

static void write_that_fails_half_way_is_brought_to_its_end_by_the_next_commit(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);

    h->fail_with = 5;
    h->whole = 2;
    assert_int_equal(krbrepl_txn_commit(three_changes(s), NULL), KRBREPL_ERR_HOST);
    h->fail_with = 0;
    touch(s);
    assert_after(s, h);
    end(s, h);
}

/* ---- crashes -------------------------------------------------------------------------------- */

static void wait_dead(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

/* A child commits and dies after so many of its changes were written. */
static void die_in_commit(const st *t, memhost *h, int after)
{
    pid_t pid = fork();

    if (pid == 0) {
        h->die_after = after;
        krbrepl_txn_commit(three_changes(host_open(t->dir, h, 1)), NULL);
        _exit(1);
    }
    wait_dead(pid);
    h->die_after = -1;
}

static void process_that_dies_while_the_host_is_written_leaves_all_or_nothing(void **state)
{
    int after;

    for (after = 0; after <= 3; after++) {
        st *t = *state;
        memhost *h;
        krbrepl_store *s = begin(t, &h);

        krbrepl_store_close(s);
        die_in_commit(t, h, after);
        s = host_open(t->dir, h, 1);
        touch(s);
        if (after == 0)
            assert_before(s, h);
        else
            assert_after(s, h);
        st_put(s, "d", "4");
        st_expect(s, "d", "4");
        end(s, h);
        st_teardown(state);
        st_setup(state);
    }
}

static void process_that_dies_between_prepare_and_commit_is_resolved_by_the_next(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = begin(t, &h);
    pid_t pid;

    krbrepl_store_close(s);
    pid = fork();
    if (pid == 0) {
        krbrepl_txn *x = three_changes(host_open(t->dir, h, 1));

        if (krbrepl_txn_prepare(x) == 0) {
            memhost_set(h, "principal", "a", "2");
            _exit(9);
        }
        _exit(1);
    }
    wait_dead(pid);
    s = host_open(t->dir, h, 1);
    touch(s);
    assert_after(s, h);
    end(s, h);
}

/* ---- replicas ------------------------------------------------------------------------------- */

static void hosted_replica_follows_a_hosted_master(void **state)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, 1, m);
    int i;

    assert_int_equal(krbrepl_txn_commit(three_changes(m), NULL), 0);
    for (i = 0; i < 100; i++) {
        char key[16];

        snprintf(key, sizeof key, "k%d", i);
        st_put(m, key, key);
    }
    assert_int_equal(st_ship(m, r, 1, 7), 0);
    assert_equal_content(m, r);
    assert_string_equal(value(g, "k99"), "k99");
    assert_null(value(g, "c"));
    assert_int_equal(memhost_count(g), memhost_count(h));
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

static void copy_into(krbrepl_store *m, krbrepl_store *r, int finish)
{
    krbrepl__ancestry none = {NULL, 0};
    krbrepl__ckey after = {0};
    krbrepl__copy *c = NULL;
    krbrepl_pos at, out;
    krbrepl__buf b;
    krbrepl__rd rd;
    int end = 0;

    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_copy_slice(m, &after, SIZE_MAX, &b, &end, &at), 0);
    assert_true(end);
    assert_int_equal(krbrepl__copy_begin(r, &c, &at, &none, st_info(m).cumulative, 0, 0), 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rd.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&rd), v = krbrepl__rd_vec32(&rd);

        assert_int_equal(krbrepl__copy_put(c, full, v), 0);
    }
    if (finish)
        assert_int_equal(krbrepl__copy_switch(c, &out), 0);
    else
        krbrepl__copy_abort(c);
    krbrepl__buf_free(&b);
}

static void full_copy(void **state, int import)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, import, m);

    assert_int_equal(st_ship(m, r, 1, 7), 0);
    st_put(m, "new", "9");
    st_delete(m, "c");
    copy_into(m, r, 1);
    assert_equal_content(m, r);
    assert_int_equal(g->imports, import);
    assert_string_equal(value(g, "new"), "9");
    assert_null(value(g, "c"));
    assert_int_equal(memhost_count(g), 2);
    st_put(m, "more", "10");
    assert_int_equal(st_ship(m, r, st_info(r).pos.seq + 1, 7), 0);
    assert_equal_content(m, r);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

/* What a walk would find: the records that the master has, by digest. */
struct wants {
    krbrepl__buf have;
};

static int is_wanted(void *ctx, const uint8_t rdigest[16])
{
    const struct wants *w = ctx;
    size_t i;

    for (i = 0; i + 16 <= w->have.len; i += 16)
        if (memcmp(w->have.data + i, rdigest, 16) == 0)
            return 1;
    return 0;
}

/* Makes the replica's content that of the master by a repair that brings `key` alone. */
static void repair(krbrepl_store *m, krbrepl_store *r, const char *key, int keep_old)
{
    static const krbrepl__ancestry none;
    const krbrepl_bytes all = {NULL, 0};
    struct wants w;
    krbrepl__wanted wanted = {&w, is_wanted};
    krbrepl__repair *rep = NULL;
    krbrepl_store_info i = st_info(m);
    krbrepl__ckey next;
    krbrepl_pos at;
    krbrepl_view *v = NULL;
    krbrepl_bytes value;
    char full[64];
    int rc;

    krbrepl__buf_init(&w.have, 0);
    assert_int_equal(krbrepl__store_range(m, all, all, 1000, &w.have, &next, &at), 0);
    assert_int_equal(next.len, 0);
    assert_int_equal(krbrepl__repair_begin(r, &rep, &i.pos, &none, i.cumulative, keep_old), 0);
    while ((rc = krbrepl__repair_range(rep, all, all, &wanted)) == 1)
        continue;
    assert_int_equal(rc, 0);
    snprintf(full, sizeof full, "principal%c%s", 0, key);
    assert_int_equal(krbrepl_view_open(m, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes(key), &value), 0);
    assert_int_equal(krbrepl__repair_put(rep, (krbrepl_bytes){full, 10 + strlen(key)}, value), 0);
    krbrepl_view_close(v);
    while ((rc = krbrepl__repair_finish(rep, NULL)) == 1)
        continue;
    if (rc != 0)
        fail_msg("repair: %s", st_text(r));
    krbrepl__buf_free(&w.have);
}

static void repaired(void **state, int import, int keep_old)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, import, m);

    assert_int_equal(st_ship(m, r, 1, 7), 0);
    st_put(m, "new", "9");
    st_delete(m, "c");
    repair(m, r, "new", keep_old);
    assert_equal_content(m, r);
    assert_string_equal(value(g, "new"), "9");
    assert_null(value(g, "c"));
    assert_int_equal(memhost_count(g), 2);
    st_put(m, "more", "10");
    assert_int_equal(st_ship(m, r, st_info(r).pos.seq + 1, 7), 0);
    assert_equal_content(m, r);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

static void repair_changes_in_the_host_what_differs(void **state)
{
    repaired(state, 1, 0);
}

static void repair_by_a_new_generation_is_an_import(void **state)
{
    repaired(state, 1, 1);
}

static void repair_by_a_new_generation_without_import_is_piece_by_piece(void **state)
{
    repaired(state, 0, 1);
}

static void full_copy_is_imported_whole(void **state)
{
    full_copy(state, 1);
}

static void full_copy_reaches_a_host_without_import_piece_by_piece(void **state)
{
    full_copy(state, 0);
}

static void copy_that_is_given_up_leaves_the_host_as_it_was(void **state)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, 1, m);

    assert_int_equal(st_ship(m, r, 1, 7), 0);
    st_put(m, "new", "9");
    copy_into(m, r, 0);
    assert_null(value(g, "new"));
    assert_string_equal(value(g, "c"), "1");
    assert_int_equal(g->importing, 0);
    assert_int_equal(st_ship(m, r, st_info(r).pos.seq + 1, 7), 0);
    assert_equal_content(m, r);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

static void unfinished_copy_of_pieces_leaves_an_empty_replica_that_is_copied_again(void **state)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, 0, m);
    uint8_t id[16];

    assert_int_equal(st_ship(m, r, 1, 7), 0);
    copy_into(m, r, 0);
    memcpy(id, st_info(m).database_id, sizeof id);
    assert_int_equal(krbrepl__store_learn_epoch(r, 1), 0); /* the next writer finds it out */
    assert_int_equal(st_info(r).pos.seq, 0);
    copy_into(m, r, 1);
    assert_equal_content(m, r);
    assert_int_equal(st_info(r).pos.seq, st_info(m).pos.seq);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

static void process_that_dies_after_the_import_leaves_an_empty_replica(void **state)
{
    st *t = *state;
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(t, &h), *r = host_replica(t, "r", g, 1, m);
    char dir[600];
    pid_t pid;

    snprintf(dir, sizeof dir, "%s/r", t->root);
    assert_int_equal(st_ship(m, r, 1, 7), 0);
    st_put(m, "new", "9");
    krbrepl_store_close(r);
    krbrepl_store_close(m);
    pid = fork();
    if (pid == 0) {
        g->die_after = 0;
        copy_into(host_open(t->dir, h, 1), host_open(dir, g, 1), 1);
        _exit(1);
    }
    wait_dead(pid);
    g->die_after = -1;
    m = host_open(t->dir, h, 1);
    r = host_open(dir, g, 1);
    assert_int_equal(krbrepl__store_learn_epoch(r, 1), 0);
    assert_int_equal(st_info(r).pos.seq, 0);
    copy_into(m, r, 1);
    assert_equal_content(m, r);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

/* ---- the rest ------------------------------------------------------------------------------- */

static void load_tells_what_the_host_holds_and_writes_nothing_there(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    const int applies = h->applies;
    krbrepl_load_result res;
    krbrepl_load *l = NULL;

    memhost_set(h, "principal", "a", "7");
    memhost_set(h, "principal", "c", NULL);
    memhost_set(h, "policy", "p", "8");
    assert_int_equal(krbrepl_load_begin(s, &l, NULL), 0);
    assert_int_equal(krbrepl_load_put(l, "principal", st_bytes("a"), st_bytes("7")), 0);
    assert_int_equal(krbrepl_load_put(l, "policy", st_bytes("p"), st_bytes("8")), 0);
    KRBREPL_INIT(&res);
    assert_int_equal(krbrepl_load_commit(l, &res), 0);
    assert_int_equal(res.added + res.changed + res.deleted, 3);
    assert_int_equal(h->applies, applies);
    assert_int_equal(st_info(s).records, 2);
    st_expect(s, "a", "7");
    st_expect(s, "c", NULL);
    end(s, h);
}

static void whole_new_content_is_told_as_a_reset(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_load *l = NULL;

    memhost_set(h, "principal", "a", "7");
    memhost_set(h, "principal", "c", NULL);
    assert_int_equal(krbrepl_load_begin(s, &l, NULL), 0);
    assert_int_equal(krbrepl_load_put(l, "principal", st_bytes("a"), st_bytes("7")), 0);
    krbrepl__load_as_reset(l);
    assert_int_equal(krbrepl_load_commit(l, NULL), 0);
    assert_int_equal(h->imports, 0);
    assert_int_equal(st_info(s).records, 1);
    st_expect(s, "a", "7");
    end(s, h);
}

static void value_that_the_host_altered_is_not_served(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl__ckey after = {0};
    krbrepl_pos at;
    krbrepl__buf b;
    int e = 0;

    memhost_set(h, "principal", "c", "altered");
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__store_copy_slice(s, &after, SIZE_MAX, &b, &e, &at), KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(st_text(s), "principal c"));
    krbrepl__buf_free(&b);
    end(s, h);
}

static void record_that_the_host_altered_is_found_and_repaired(void **state)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, 1, m);
    char name[KRBREPL__ROW_NAME];
    krbrepl__ckey after = {0};
    int e = 0;

    assert_int_equal(st_ship(m, r, 1, 7), 0);
    assert_int_equal(krbrepl__host_scrub(r, &after, 10, &e, name), 0);
    assert_true(e);
    memhost_set(g, "principal", "a", "altered");
    after.len = 0;
    assert_int_equal(krbrepl__host_scrub(r, &after, 10, &e, name), 1);
    assert_string_equal(name, "principal a");
    assert_int_equal(krbrepl__host_scrub(r, &after, 10, &e, name), 0);
    repair(m, r, "a", 0);
    assert_string_equal(value(g, "a"), "1");
    assert_equal_content(m, r);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

/* ---- reading while it is written ------------------------------------------------------------ */

/* What another handle does just before the host answers; once. */
static struct between {
    krbrepl_host_ops ops;
    krbrepl_store *other;
    const char *key, *value;
} between;

static int get_between(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    krbrepl_store *s = between.other;

    between.other = NULL;
    if (s != NULL)
        st_put(s, between.key, between.value);
    return between.ops.get(ctx, table, key, value);
}

static krbrepl_store *open_between(const char *dir, memhost *h)
{
    krbrepl_host_ops ops = between.ops = memhost_ops(1);
    krbrepl_store_options o;
    krbrepl_store *s = NULL;

    ops.get = get_between;
    KRBREPL_INIT(&o);
    o.host = &ops;
    o.host_ctx = h;
    assert_int_equal(krbrepl_store_open(&s, dir, &o, NULL), 0);
    return s;
}

static int every(void *ctx, const uint8_t rdigest[KRBREPL__RDIGEST])
{
    (void)ctx;
    (void)rdigest;
    return 1;
}

/* Of the records a, c: each read in turn finds its record changed since. */
static void assert_read_between(krbrepl_store *s, krbrepl_store *other, int pick)
{
    const krbrepl__wanted wanted = {.is = every};
    const char *expect[] = {"a", "new", "c", "newer"};
    krbrepl__ckey after = {0};
    krbrepl_pos at = {0};
    krbrepl_bytes part;
    krbrepl__buf b;
    krbrepl__rd rd;
    int end = 0, i, n = 0;

    krbrepl__buf_init(&b, 0);
    for (i = 0; i < 4 && !end; i++) {
        between.other = i < 2 ? other : NULL;
        between.key = i == 0 ? "a" : "c";
        between.value = i == 0 ? "new" : "newer";
        if (pick) {
            const krbrepl__ckey from = after;

            assert_int_equal(krbrepl__store_pick(s, (krbrepl_bytes){from.b, from.len},
                                                 (krbrepl_bytes){NULL, 0}, &wanted, SIZE_MAX, &b,
                                                 &after, &at),
                             0);
            end = after.len == 0;
        } else {
            assert_int_equal(krbrepl__store_copy_slice(s, &after, SIZE_MAX, &b, &end, &at), 0);
        }
    }
    krbrepl__rd_init(&rd, b.data, b.len);
    for (; rd.left > 0; n++) {
        part = krbrepl__rd_vec32(&rd);
        if (n % 2 == 0)
            assert_memory_equal((const char *)part.data + strlen("principal") + 1, expect[n], 1);
        else
            assert_memory_equal(part.data, expect[n], part.len);
    }
    assert_int_equal(n, 4);
    krbrepl__buf_free(&b);
}

static void read_between(const st *t, int pick)
{
    memhost *h;
    krbrepl_store *s = begin(t, &h), *r = open_between(t->dir, h);

    assert_read_between(r, s, pick);
    krbrepl_store_close(r);
    end(s, h);
}

static void slice_of_a_busy_master_has_the_values_of_its_position(void **state)
{
    read_between(*state, 0);
}

static void repair_of_a_busy_master_sends_the_values_of_its_position(void **state)
{
    read_between(*state, 1);
}

static void view_of_what_was_changed_since_is_a_conflict_and_no_damage(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h), *r = host_open(((st *)*state)->dir, h, 1);
    krbrepl_view *v = NULL;
    krbrepl_bytes x;

    assert_int_equal(krbrepl_view_open(r, &v), 0);
    st_put(s, "a", "2");
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes("a"), &x), KRBREPL_ERR_CONFLICT);
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes("c"), &x), 0);
    krbrepl_view_close(v);
    st_expect(r, "a", "2");
    memhost_set(h, "principal", "a", "altered");
    assert_int_equal(krbrepl_view_open(r, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes("a"), &x), KRBREPL_ERR_CORRUPT);
    krbrepl_view_close(v);
    krbrepl_store_close(r);
    end(s, h);
}

static void what_the_host_writes_under_a_promise_is_a_conflict_and_no_damage(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h), *r = host_open(((st *)*state)->dir, h, 1);
    krbrepl_txn *t = three_changes(s);
    krbrepl_view *v = NULL;
    krbrepl_bytes x;

    assert_int_equal(krbrepl_txn_prepare(t), 0);
    memhost_set(h, "principal", "a", "2");
    assert_int_equal(krbrepl_view_open(r, &v), 0);
    assert_int_equal(krbrepl_view_get(v, "principal", st_bytes("a"), &x), KRBREPL_ERR_CONFLICT);
    krbrepl_view_close(v);
    memhost_set(h, "principal", "b", "2");
    memhost_set(h, "principal", "c", NULL);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_after(r, h);
    krbrepl_store_close(r);
    end(s, h);
}

static void commit_reads_what_it_has_put(void **state)
{
    memhost *h;
    krbrepl_store *s = begin(*state, &h);
    krbrepl_txn *t = three_changes(s);
    krbrepl_bytes x;

    assert_int_equal(krbrepl_txn_get(t, "principal", st_bytes("a"), &x), 0);
    assert_int_equal(x.len, 1);
    assert_memory_equal(x.data, "2", 1);
    assert_int_equal(krbrepl_txn_get(t, "principal", st_bytes("b"), &x), 0);
    assert_memory_equal(x.data, "2", 1);
    assert_int_equal(krbrepl_txn_get(t, "principal", st_bytes("c"), &x), KRBREPL_ERR_NOTFOUND);
    krbrepl_txn_abort(t);
    assert_before(s, h);
    end(s, h);
}

static void die_prepared(const st *t, memhost *h)
{
    pid_t pid = fork();

    if (pid == 0) {
        krbrepl_txn *x = three_changes(host_open(t->dir, h, 1));

        if (krbrepl_txn_prepare(x) != 0)
            _exit(1);
        memhost_set(h, "principal", "b", "2");
        _exit(9);
    }
    wait_dead(pid);
}

static void promise_is_made_where_others_see_it_though_the_file_was_removed(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = begin(t, &h);
    char path[700];
    struct stat now;
    krbrepl_txn *x;

    snprintf(path, sizeof path, "%s/host.prepare", t->dir);
    assert_int_equal(unlink(path), 0);
    x = three_changes(s);
    assert_int_equal(krbrepl_txn_prepare(x), 0);
    assert_int_equal(stat(path, &now), 0);
    assert_true(now.st_size > 0);
    krbrepl_txn_abort(x);
    assert_before(s, h);
    end(s, h);
}

static void torn_and_strange_promises_are_none(void **state)
{
    static const size_t cut[] = {1, 17, 40, 200};
    st *t = *state;
    char path[700];
    memhost *h;
    krbrepl_store *s = begin(t, &h);
    size_t i;
    FILE *f;

    snprintf(path, sizeof path, "%s/host.prepare", t->dir);
    for (i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        die_prepared(t, h);
        memhost_set(h, "principal", "b", NULL);
        assert_int_equal(truncate(path, (off_t)cut[i]), 0);
        touch(s);
        assert_before(s, h);
    }
    f = fopen(path, "w");
    assert_non_null(f);
    for (i = 0; i < 5000; i++)
        fputs("krbrepl prepare 1\n\1", f);
    fclose(f);
    touch(s);
    assert_before(s, h);
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    touch(s);
    assert_before(s, h);
    end(s, h);
}

static void process_that_dies_in_a_repair_to_a_lower_position_leaves_a_store_that_opens(void **state)
{
    static const krbrepl_pos lower = {.epoch = 9, .seq = 1, .lineage = {7}};
    static const krbrepl__ancestry none;
    st *t = *state;
    memhost *h;
    krbrepl_store *s = begin(t, &h);
    pid_t pid;

    assert_int_equal(krbrepl_demote(s, NULL, NULL), 0);
    krbrepl_store_close(s);
    pid = fork();
    if (pid == 0) {
        const krbrepl_bytes two = st_bytes("2"), a = st_bytes("a");
        uint64_t records = 2;
        krbrepl__wtxn w;
        krbrepl__rkey k;

        s = host_open(t->dir, h, 1);
        h->die_after = 1;
        if (krbrepl__wtxn_begin(s, &w) == 0 && krbrepl__rkey_make(s, "principal", a, &k) == 0 &&
            krbrepl__row_change(s, w.txn, krbrepl__gen(s, w.st.live), &k, &two, &records, NULL) == 0 &&
            krbrepl__journal_restart(s, &w, &lower, 1, &none) == 0)
            (void)krbrepl__wtxn_commit(s, &w);
        _exit(1);
    }
    wait_dead(pid);
    h->die_after = -1;
    s = host_open(t->dir, h, 1);
    assert_int_equal(krbrepl__store_learn_epoch(s, 99), 0);
    assert_int_equal(st_info(s).pos.seq, 0);
    end(s, h);
}

static void handle_without_callbacks_does_not_write_over_a_promise(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = begin(t, &h);

    krbrepl_store_close(s);
    die_prepared(t, h);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_demote(s, NULL, NULL), KRBREPL_ERR_STATE);
    assert_int_equal(krbrepl_promote(s, NULL, NULL), KRBREPL_ERR_STATE);
    krbrepl_store_close(s);
    s = host_open(t->dir, h, 1);
    touch(s);
    assert_after(s, h);
    krbrepl_store_close(s);
    s = st_open(t->dir);
    assert_int_equal(krbrepl_promote(s, NULL, NULL), 0);
    end(s, h);
}

static void copy_of_pieces_keeps_others_from_committing_beside_it(void **state)
{
    memhost *h, *g = memhost_new();
    krbrepl_store *m = begin(*state, &h), *r = host_replica(*state, "r", g, 0, m), *other;
    krbrepl_store_info i;
    krbrepl__ancestry none = {NULL, 0};
    krbrepl__copy *c = NULL;

    assert_int_equal(st_ship(m, r, 1, 7), 0);
    i = st_info(m);
    assert_int_equal(krbrepl__copy_begin(r, &c, &i.pos, &none, i.cumulative, 0, 0), 0);
    other = host_open(krbrepl_store_dir(r), g, 0);
    assert_int_equal(krbrepl_promote(other, NULL, NULL), KRBREPL_ERR_LOCKED);
    assert_int_equal(krbrepl__store_learn_epoch(other, 77), 0);
    krbrepl_store_close(other);
    other = st_open(krbrepl_store_dir(r));
    assert_int_equal(krbrepl_promote(other, NULL, NULL), KRBREPL_ERR_STATE);
    krbrepl_store_close(other);
    krbrepl__copy_abort(c);
    krbrepl_store_close(r);
    memhost_free(g);
    end(m, h);
}

static krbrepl_store *called;
static int answered;

static int get_that_calls(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    krbrepl_txn *t = NULL;

    answered = krbrepl_txn_begin(called, &t, NULL);
    return between.ops.get(ctx, table, key, value);
}

static void callback_that_calls_on_its_store_is_told_so(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = begin(t, &h);
    krbrepl_host_ops ops = between.ops = memhost_ops(1);
    krbrepl_store_options o;

    krbrepl_store_close(s);
    ops.get = get_that_calls;
    KRBREPL_INIT(&o);
    o.host = &ops;
    o.host_ctx = h;
    assert_int_equal(krbrepl_store_open(&called, t->dir, &o, NULL), 0);
    st_expect(called, "a", "1");
    assert_int_equal(answered, KRBREPL_ERR_STATE);
    end(called, h);
}

static void store_without_callbacks_shows_its_history_and_no_records(void **state)
{
    st *t = *state;
    memhost *h;
    krbrepl_store *s = begin(t, &h);
    krbrepl_bytes v;
    krbrepl_view *view = NULL;

    krbrepl_store_close(s);
    s = st_open(t->dir);
    assert_int_equal(st_info(s).records, 2);
    assert_int_equal(krbrepl_view_open(s, &view), 0);
    assert_int_equal(krbrepl_view_get(view, "principal", st_bytes("a"), &v), KRBREPL_ERR_STATE);
    assert_non_null(strstr(s->ei.text, "krbrepl verify --live"));
    krbrepl_view_close(view);
    assert_int_equal(st_try(s, "x", "y"), KRBREPL_ERR_STATE);
    end(s, h);
}

static void prepare_and_callbacks_are_for_hosted_stores(void **state)
{
    st *t = *state;
    krbrepl_store *s = st_master(t);
    krbrepl_host_ops ops = memhost_ops(1);
    krbrepl_store_options o;
    krbrepl_store *again = NULL;
    krbrepl_txn *x = NULL;

    assert_int_equal(krbrepl_txn_begin(s, &x, NULL), 0);
    assert_int_equal(krbrepl_txn_prepare(x), KRBREPL_ERR_STATE);
    krbrepl_txn_abort(x);
    KRBREPL_INIT(&o);
    o.host = &ops;
    assert_int_equal(krbrepl_store_open(&again, t->dir, &o, NULL), KRBREPL_ERR_STATE);
    ops.import_abort = NULL;
    assert_null(again);
    krbrepl_store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, st_setup, st_teardown)
    const struct CMUnitTest tests[] = {
        T(commit_is_written_to_the_host_and_read_from_it),
        T(host_that_writes_itself_prepares_and_commits),
        T(abort_after_prepare_never_happened_when_nothing_was_written),
        T(abort_after_prepare_counts_when_something_was_written),
        T(host_that_refuses_a_write_leaves_everything_as_it_was),
        T(write_that_fails_half_way_is_brought_to_its_end_by_the_next_commit),
        T(process_that_dies_while_the_host_is_written_leaves_all_or_nothing),
        T(process_that_dies_between_prepare_and_commit_is_resolved_by_the_next),
        T(hosted_replica_follows_a_hosted_master),
        T(full_copy_is_imported_whole),
        T(full_copy_reaches_a_host_without_import_piece_by_piece),
        T(repair_changes_in_the_host_what_differs),
        T(repair_by_a_new_generation_is_an_import),
        T(repair_by_a_new_generation_without_import_is_piece_by_piece),
        T(copy_that_is_given_up_leaves_the_host_as_it_was),
        T(unfinished_copy_of_pieces_leaves_an_empty_replica_that_is_copied_again),
        T(process_that_dies_after_the_import_leaves_an_empty_replica),
        T(load_tells_what_the_host_holds_and_writes_nothing_there),
        T(whole_new_content_is_told_as_a_reset),
        T(value_that_the_host_altered_is_not_served),
        T(record_that_the_host_altered_is_found_and_repaired),
        T(slice_of_a_busy_master_has_the_values_of_its_position),
        T(repair_of_a_busy_master_sends_the_values_of_its_position),
        T(view_of_what_was_changed_since_is_a_conflict_and_no_damage),
        T(what_the_host_writes_under_a_promise_is_a_conflict_and_no_damage),
        T(commit_reads_what_it_has_put),
        T(promise_is_made_where_others_see_it_though_the_file_was_removed),
        T(torn_and_strange_promises_are_none),
        T(process_that_dies_in_a_repair_to_a_lower_position_leaves_a_store_that_opens),
        T(handle_without_callbacks_does_not_write_over_a_promise),
        T(copy_of_pieces_keeps_others_from_committing_beside_it),
        T(callback_that_calls_on_its_store_is_told_so),
        T(store_without_callbacks_shows_its_history_and_no_records),
        T(prepare_and_callbacks_are_for_hosted_stores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
