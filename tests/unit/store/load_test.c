/* Loads: what takes the place of what, when, and what is left when it does not. */
#include "bulk.h"

#include <signal.h>
#include <sys/resource.h>

/* More than fit into one commit. */
#define MANY (KRBREPL_MAX_CHANGES + 4000u)

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

/* ---- small things --------------------------------------------------------------------------- */

static krbrepl_load *begin(krbrepl_store *s)
{
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;

    KRBREPL_INIT(&opt);
    opt.who = "bob";
    opt.why = "load of a test";
    OKS(s, krbrepl__load_begin(s, &l, &opt));
    return l;
}

static int put(krbrepl_load *l, uint64_t n, const char *value)
{
    char key[700];
    size_t len = make_key(key, n);

    return krbrepl__load_put(l, "principal", (krbrepl_bytes){key, len},
                             (krbrepl_bytes){value, strlen(value)});
}

/* Keys from..to-1 with one value, in no order. */
static void put_range(krbrepl_load *l, uint64_t from, uint64_t to, const char *value)
{
    const uint64_t n = to - from;
    uint64_t i;

    for (i = 0; i < n; i++)
        OK(put(l, from + i * 7919 % n, value));
}

static krbrepl_load_result load_range(krbrepl_store *s, uint64_t from, uint64_t to, const char *value)
{
    krbrepl_load *l = begin(s);
    krbrepl_load_result res;

    put_range(l, from, to, value);
    KRBREPL_INIT(&res);
    OKS(s, krbrepl__load_commit(l, &res));
    return res;
}

static void assert_no_leftovers(const krbrepl_store *s)
{
    char path[400];

    snprintf(path, sizeof path, "%s/load.tmp", s->dir);
    assert_int_equal(access(path, F_OK), -1);
}

typedef struct seen {
    uint64_t kind, nchanges, puts, deletes, records;
    uint8_t root[32];
    char who[64], why[64];
} seen;

static int see(void *ctx, const krbrepl_commit *c)
{
    seen *s = ctx;
    uint64_t i;

    s->kind = c->kind;
    s->nchanges = c->nchanges;
    s->records = c->records;
    memcpy(s->root, c->root, 32);
    snprintf(s->who, sizeof s->who, "%s", c->who);
    snprintf(s->why, sizeof s->why, "%s", c->why);
    for (i = 0; i < c->nchanges; i++)
        (*(c->changes[i]->op == KRBREPL_PUT ? &s->puts : &s->deletes))++;
    return 0;
}

static seen last_commit(krbrepl_store *s)
{
    const uint64_t seq = store_pos(s).seq;
    seen c;

    memset(&c, 0, sizeof c);
    OKS(s, krbrepl__journal_each(s, seq, seq, see, &c));
    return c;
}

/* ---- promises ------------------------------------------------------------------------------- */

static void load_of_equal_content_makes_no_commit(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_result res = load_range(s, 0, 1000, "one");
    content before = store_content(s);

    assert_int_equal(res.kind, KRBREPL_COMMIT_CHANGES);
    assert_int_equal(res.added, 1000);
    res = load_range(s, 0, 1000, "one");
    assert_int_equal(res.kind, 0);
    assert_int_equal(res.records, 1000);
    assert_int_equal(res.added + res.changed + res.deleted, 0);
    assert_true(krbrepl__pos_equal(&res.pos, &before.pos));
    assert_content(s, &before);
    assert_no_leftovers(s);
    krbrepl__store_close(s);
}

static void small_difference_is_one_commit_of_exactly_the_difference(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_result res;
    krbrepl_load *l;
    krbrepl_pos before;
    seen c;

    load_range(s, 0, 2000, "one");
    before = store_pos(s);
    l = begin(s);
    put_range(l, 10, 1990, "one");   /* 20 go */
    put_range(l, 1990, 1995, "two"); /* 5 of the rest change: now 15 go */
    put_range(l, 5000, 5007, "new"); /* 7 come */
    KRBREPL_INIT(&res);
    OKS(s, krbrepl__load_commit(l, &res));
    assert_int_equal(res.kind, KRBREPL_COMMIT_CHANGES);
    assert_int_equal(res.added, 7);
    assert_int_equal(res.changed, 5);
    assert_int_equal(res.deleted, 15);
    assert_int_equal(res.records, 1992);
    assert_int_equal(res.pos.seq, before.seq + 1);
    c = last_commit(s);
    assert_int_equal(c.kind, KRBREPL_COMMIT_CHANGES);
    assert_int_equal(c.puts, 12);
    assert_int_equal(c.deletes, 15);
    assert_string_equal(c.who, "bob");
    assert_string_equal(c.why, "load of a test");
    assert_int_equal(store_content(s).records, 1992);
    krbrepl__store_close(s);
}

static void large_load_is_a_reset_and_a_reader_keeps_the_old_content_whole(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_result res;
    krbrepl_view *v = NULL;
    uint8_t root[32], old[32];
    uint64_t n;
    content after;
    seen c;

    load_range(s, 0, 500, "old");
    OKS(s, krbrepl__view_open(s, &v));
    OKS(s, krbrepl__view_digest(v, old, &n));
    res = load_range(s, 250, 250 + MANY, "new");
    assert_int_equal(res.kind, KRBREPL_COMMIT_RESET);
    assert_int_equal(res.added, MANY - 250);
    assert_int_equal(res.changed, 250);
    assert_int_equal(res.deleted, 250);
    OKS(s, krbrepl__view_digest(v, root, &n));
    assert_int_equal(n, 500);
    assert_memory_equal(root, old, 32);
    assert_true(has(v, "user300@EXAMPLE.ORG", "old"));
    krbrepl__view_close(v);

    after = store_content(s);
    assert_int_equal(after.records, MANY);
    assert_true(krbrepl__pos_equal(&after.pos, &res.pos));
    c = last_commit(s);
    assert_int_equal(c.kind, KRBREPL_COMMIT_RESET);
    assert_int_equal(c.records, MANY);
    assert_memory_equal(c.root, after.root, 32);
    assert_no_leftovers(s);
    krbrepl__store_close(s);
}

/* Both ends hold a commit of changes in memory as a whole; what is copied they do not. */
static void difference_of_more_than_4_mib_is_a_reset_however_few_its_records(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_bytes k = {"k", 1}, v = {NULL, (4u << 20) + 1};
    krbrepl_load_result res;
    void *room = krbrepl__alloc(v.len);
    krbrepl_load *l;
    size_t i;

    assert_non_null(room);
    v.data = room;
    for (i = 0; i < 2; i++, v.len = 1u << 20) {
        l = begin(s);
        KRBREPL_INIT(&res);
        OKS(s, krbrepl__load_put(l, "principal", k, v));
        OKS(s, krbrepl__load_commit(l, &res));
        assert_int_equal(res.kind, i == 0 ? KRBREPL_COMMIT_RESET : KRBREPL_COMMIT_CHANGES);
    }
    krbrepl__free(room, (4u << 20) + 1);
    krbrepl__store_close(s);
}

static void content_is_the_same_whichever_way_it_came(void **state)
{
    krbrepl_store *a = store_make(*state, "a", KRBREPL_CREATE_MASTER);
    krbrepl_store *b = store_make(*state, "b", KRBREPL_CREATE_MASTER);
    content x, y;

    load_range(a, 0, MANY, "x"); /* a reset */
    load_range(b, 0, MANY / 2, "x");
    load_range(b, 0, MANY, "x"); /* two commits of changes */
    x = store_content(a);
    y = store_content(b);
    assert_memory_equal(x.root, y.root, 32);
    assert_int_equal(load_range(a, 0, MANY, "x").kind, 0);
    krbrepl__store_close(a);
    krbrepl__store_close(b);
}

static void aborted_load_changes_nothing(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load *l;
    content before;

    load_range(s, 0, 100, "one");
    before = store_content(s);
    l = begin(s);
    put_range(l, 0, 30000, "two");
    krbrepl__load_abort(l);
    assert_content(s, &before);
    assert_no_leftovers(s);
    krbrepl__load_abort(NULL);
    krbrepl__load_abort(begin(s)); /* the lock is free again */
    krbrepl__store_close(s);
}

static void load_of_nothing_deletes_everything(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_result res;

    load_range(s, 0, 100, "one");
    res = load_range(s, 0, 0, "");
    assert_int_equal(res.deleted, 100);
    assert_int_equal(store_content(s).records, 0);
    load_range(s, 0, MANY, "many");
    res = load_range(s, 0, 0, "");
    assert_int_equal(res.kind, KRBREPL_COMMIT_RESET);
    assert_int_equal(store_content(s).records, 0);
    krbrepl__store_close(s);
}

static void commit_made_meanwhile_is_a_conflict_that_names_it(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_result res;
    krbrepl_load *l;
    content before;

    load_range(s, 0, 10, "one");
    l = begin(s);
    put_range(l, 0, 20, "two");
    put_one(s, "late", "v", "addprinc");
    before = store_content(s);
    KRBREPL_INIT(&res);
    assert_int_equal(krbrepl__load_commit(l, &res), KRBREPL_ERR_CONFLICT);
    assert_non_null(strstr(s->ei.text, "3 (alice: addprinc)"));
    assert_content(s, &before);
    assert_no_leftovers(s);
    krbrepl__store_close(s);
}

/* Commits once, through a handle of its own, when the load reports a phase. */
typedef struct meddler {
    krbrepl_store *other;
    const char *phase;
    int done;
} meddler;

static void meddle(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    meddler *m = ctx;

    (void)done, (void)total;
    if (!m->done && strcmp(phase, m->phase) == 0) {
        m->done = 1;
        put_one(m->other, "late", "v", "meanwhile");
    }
}

static void writer_gets_in_while_a_generation_is_built(void **state)
{
    static const char *const phases[] = {"comparing", "writing"};
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_options opt;
    krbrepl_load *l;
    content before;
    meddler m = {0};
    unsigned i;

    load_range(s, 0, 10, "one");
    for (i = 0; i < 2; i++) {
        m = (meddler){.phase = phases[i]};
        OK(krbrepl__store_dup(s, &m.other, NULL));
        KRBREPL_INIT(&opt);
        opt.progress = meddle;
        opt.progress_ctx = &m;
        OKS(s, krbrepl__load_begin(s, &l, &opt));
        put_range(l, 0, MANY, "two");
        assert_int_equal(krbrepl__load_commit(l, NULL), KRBREPL_ERR_CONFLICT);
        assert_int_equal(m.done, 1);
        before = store_content(s);
        assert_int_equal(before.records, 11);
        krbrepl__store_close(m.other);
    }
    load_range(s, 0, MANY, "three");
    assert_int_equal(store_content(s).records, MANY);
    krbrepl__store_close(s);
}

static void key_given_twice_is_refused_and_the_load_goes_on(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load *l = begin(s);
    krbrepl_load_result res;

    put_range(l, 0, 12000, "one");
    assert_int_equal(put(l, 97, "two"), KRBREPL_ERR_EXISTS); /* a long one */
    assert_int_equal(put(l, 11999, "two"), KRBREPL_ERR_EXISTS);
    assert_non_null(strstr(s->ei.text, "user11999@EXAMPLE.ORG"));
    OK(put(l, 12000, "one"));
    KRBREPL_INIT(&res);
    OKS(s, krbrepl__load_commit(l, &res));
    assert_int_equal(res.records, 12001);
    assert_int_equal(load_range(s, 0, 12001, "one").kind, 0);
    krbrepl__store_close(s);
}

static void bad_records_are_refused_and_the_load_goes_on(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load *l = begin(s);
    char *big = calloc(1, KRBREPL_MAX_VALUE + 1);
    krbrepl_load_result res;

    assert_non_null(big);
    assert_int_equal(krbrepl__load_put(l, "No Table", BYTES("k"), BYTES("v")), KRBREPL_ERR_INVALID);
    assert_int_equal(krbrepl__load_put(l, "principal", (krbrepl_bytes){"", 0}, BYTES("v")),
                     KRBREPL_ERR_INVALID);
    assert_int_equal(
        krbrepl__load_put(l, "principal", BYTES("k"), (krbrepl_bytes){big, KRBREPL_MAX_VALUE + 1}),
        KRBREPL_ERR_TOOBIG);
    OK(krbrepl__load_put(l, "principal", BYTES("k"), (krbrepl_bytes){big, KRBREPL_MAX_VALUE}));
    OK(krbrepl__load_put(l, "policy", BYTES("k"), (krbrepl_bytes){big, 0}));
    KRBREPL_INIT(&res);
    OKS(s, krbrepl__load_commit(l, &res));
    assert_int_equal(res.records, 2);
    free(big);
    krbrepl__store_close(s);
}

static void values_too_large_for_one_commit_make_a_reset(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load *l = begin(s);
    char *big = calloc(1, 15u << 20);
    krbrepl_load_result res;
    char key[16];
    int i;

    assert_non_null(big);
    for (i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "k%d", i);
        OKS(s, krbrepl__load_put(l, "principal", (krbrepl_bytes){key, 2},
                                 (krbrepl_bytes){big, 15u << 20}));
    }
    KRBREPL_INIT(&res);
    OKS(s, krbrepl__load_commit(l, &res));
    assert_int_equal(res.kind, KRBREPL_COMMIT_RESET);
    assert_int_equal(store_content(s).records, 5);
    free(big);
    krbrepl__store_close(s);
}

static void one_load_at_a_time(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER), *other = NULL;
    krbrepl_load *l = begin(s), *second = NULL;
    krbrepl_load_options opt;

    KRBREPL_INIT(&opt);
    OK(krbrepl__store_dup(s, &other, NULL));
    assert_int_equal(krbrepl__load_begin(other, &second, &opt), KRBREPL_ERR_LOCKED);
    assert_null(second);
    OK(put(l, 1, "one"));
    OKS(s, krbrepl__load_commit(l, NULL));
    OKS(other, krbrepl__load_begin(other, &second, &opt));
    krbrepl__load_abort(second);
    krbrepl__store_close(other);
    krbrepl__store_close(s);
}

static void only_a_master_loads(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load *l = begin(s), *none = NULL;
    krbrepl_load_options opt;
    krbrepl_pos pos;

    OK(put(l, 1, "one"));
    OKS(s, krbrepl__demote(s, "carol", &pos));
    assert_int_equal(krbrepl__load_commit(l, NULL), KRBREPL_ERR_CONFLICT);
    KRBREPL_INIT(&opt);
    assert_int_equal(krbrepl__load_begin(s, &none, &opt), KRBREPL_ERR_NOT_MASTER);
    assert_int_equal(store_content(s).records, 0);
    krbrepl__store_close(s);
}

static void upkeep_empties_the_abandoned_generation_in_slices(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    unsigned slices = 0;
    content before;
    int more;

    load_range(s, 0, MANY, "a value that takes some room, so that there are several slices of it");
    load_range(s, 0, MANY, "b value that takes some room, so that there are several slices of it");
    before = store_content(s);
    assert_int_equal(store_state(s).other, KRBREPL__OTHER_RUBBISH);
    while ((more = krbrepl__empty_other(s)) == 1)
        slices++;
    assert_int_equal(more, 0);
    assert_true(slices > 3);
    assert_int_equal(store_state(s).other, KRBREPL__OTHER_EMPTY);
    assert_content(s, &before);
    /* Its pages are used again: a third load needs little more. */
    load_range(s, 0, MANY, "c value that takes some room, so that there are several slices of it");
    krbrepl__store_close(s);
}

static void upkeep_leaves_a_generation_that_is_being_built_alone(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl__wtxn w = {0};
    int fd = -1;

    OKS(s, krbrepl__lock_file(s, "load.lock", "test", &fd));
    OKS(s, krbrepl__wtxn_begin(s, &w));
    w.st.other = KRBREPL__OTHER_BUILT;
    OKS(s, krbrepl__wtxn_commit(s, &w));
    assert_int_equal(krbrepl__empty_other(s), 0);
    assert_int_equal(store_state(s).other, KRBREPL__OTHER_BUILT);
    close(fd); /* the builder has died */
    assert_int_equal(krbrepl__empty_other(s), 0);
    assert_int_equal(store_state(s).other, KRBREPL__OTHER_EMPTY);
    krbrepl__store_close(s);
}

/* In a child: its file size limit is for it alone. */
static int load_on_a_full_disk(const char *dir, rlim_t room, uint64_t n)
{
    krbrepl_store *s = store_open_at(dir);
    struct rlimit lim;
    krbrepl_load *l;
    uint64_t i;
    int rc = 0;

    signal(SIGXFSZ, SIG_IGN);
    l = begin(s);
    getrlimit(RLIMIT_FSIZE, &lim);
    lim.rlim_cur = room;
    setrlimit(RLIMIT_FSIZE, &lim);
    for (i = 0; rc == 0 && i < n; i++)
        rc = put(l, i, "two");
    if (rc == 0)
        rc = krbrepl__load_commit(l, NULL);
    else
        krbrepl__load_abort(l);
    if (rc == KRBREPL_ERR_NOSPACE && strstr(s->ei.text, "room") == NULL)
        rc = KRBREPL_ERR_INVALID;
    /* Writing goes on in what room there is. */
    lim.rlim_cur = lim.rlim_max;
    setrlimit(RLIMIT_FSIZE, &lim);
    krbrepl__store_close(s);
    return rc;
}

static void load_that_hits_a_full_disk_changes_nothing(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    char dir[320];
    rlim_t room;
    content before;
    int status;
    pid_t pid;

    load_range(s, 0, 50, "one");
    before = store_content(s);
    krbrepl__store_close(s);
    tmpdir_path(*state, "m", dir);
    /* First the sorter has no room, then the sorter has, but the second generation has not. */
    for (room = 1u << 20; room <= 8u << 20; room += 1u << 20) {
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(-load_on_a_full_disk(dir, room, MANY));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 0)
            break;
        assert_int_equal(-WEXITSTATUS(status), KRBREPL_ERR_NOSPACE);
        s = store_open_at(dir);
        assert_content(s, &before);
        assert_no_leftovers(s);
        krbrepl__store_close(s);
    }
    assert_true(room > 1u << 20);
    s = store_open_at(dir);
    load_range(s, 0, MANY, "three");
    assert_int_equal(store_content(s).records, MANY);
    krbrepl__store_close(s);
}

static void phases_are_reported_in_order(void **state);

typedef struct phases {
    char text[200];
    char last[32];
    uint64_t done;
} phases;

static void note_phase(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    phases *p = ctx;

    if (strcmp(p->last, phase) != 0) {
        strcat(p->text, phase);
        strcat(p->text, " ");
        snprintf(p->last, sizeof p->last, "%s", phase);
        p->done = 0;
    }
    assert_true(done >= p->done);
    assert_true(total == 0 || done <= total);
    p->done = done;
}

static void phases_are_reported_in_order(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_options opt;
    krbrepl_load *l;
    phases p;

    memset(&p, 0, sizeof p);
    KRBREPL_INIT(&opt);
    opt.progress = note_phase;
    opt.progress_ctx = &p;
    OKS(s, krbrepl__load_begin(s, &l, &opt));
    put_range(l, 0, MANY, "two");
    OKS(s, krbrepl__load_commit(l, NULL));
    assert_string_equal(p.text, "sorting comparing writing done ");
    krbrepl__store_close(s);
}

static void damaged_record_is_put_right_by_a_load(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load_result res = load_range(s, 0, 100, "one");
    krbrepl__wtxn w = {0};
    krbrepl_view *v = NULL;
    uint8_t root[32];
    MDB_val k, d;
    uint8_t bad[KRBREPL__ROW_HEAD + 3];
    char key[] = "principal\0user42@EXAMPLE.ORG";

    OKS(s, krbrepl__wtxn_begin(s, &w));
    k = (MDB_val){sizeof key - 1, key};
    assert_int_equal(mdb_get(w.txn, krbrepl__gen(s, w.st.live), &k, &d), 0);
    assert_int_equal(d.mv_size, sizeof bad);
    memcpy(bad, d.mv_data, sizeof bad);
    bad[sizeof bad - 1] ^= 1;
    d = (MDB_val){sizeof bad, bad};
    assert_int_equal(mdb_put(w.txn, krbrepl__gen(s, w.st.live), &k, &d, 0), 0);
    OKS(s, krbrepl__wtxn_commit(s, &w));

    OKS(s, krbrepl__view_open(s, &v));
    assert_int_equal(krbrepl__view_digest(v, root, NULL), KRBREPL_ERR_CORRUPT);
    assert_non_null(strstr(s->ei.text, "user42@EXAMPLE.ORG"));
    krbrepl__view_close(v);
    res = load_range(s, 0, 100, "one");
    assert_int_equal(res.changed, 1);
    assert_int_equal(store_content(s).records, 100);
    krbrepl__store_close(s);
}

static void wrong_count_of_records_is_found(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl__wtxn w = {0};
    krbrepl_view *v = NULL;
    uint8_t root[32];

    load_range(s, 0, 10, "one");
    OKS(s, krbrepl__wtxn_begin(s, &w));
    w.st.records++;
    OKS(s, krbrepl__wtxn_commit(s, &w));
    OKS(s, krbrepl__view_open(s, &v));
    assert_int_equal(krbrepl__view_digest(v, root, NULL), KRBREPL_ERR_CORRUPT);
    krbrepl__view_close(v);
    krbrepl__store_close(s);
}

static void forked_child_can_only_abort_a_load(void **state)
{
    krbrepl_store *s = store_make(*state, "m", KRBREPL_CREATE_MASTER);
    krbrepl_load *l = begin(s);
    krbrepl_load_result res;
    int status;
    pid_t pid;

    put_range(l, 0, 100, "one");
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        status = krbrepl_load_put(l, "principal", BYTES("k"), BYTES("v")) != KRBREPL_ERR_FORKED;
        krbrepl_load_abort(l);
        _exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* The parent's load has noticed nothing. */
    put_range(l, 100, 200, "one");
    KRBREPL_INIT(&res);
    OKS(s, krbrepl_load_commit(l, &res));
    assert_int_equal(res.added, 200);
    assert_int_equal(store_content(s).records, 200);
    assert_no_leftovers(s);
    krbrepl__store_close(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(load_of_equal_content_makes_no_commit),
        T(small_difference_is_one_commit_of_exactly_the_difference),
        T(large_load_is_a_reset_and_a_reader_keeps_the_old_content_whole),
        T(difference_of_more_than_4_mib_is_a_reset_however_few_its_records),
        T(content_is_the_same_whichever_way_it_came),
        T(aborted_load_changes_nothing),
        T(load_of_nothing_deletes_everything),
        T(commit_made_meanwhile_is_a_conflict_that_names_it),
        T(writer_gets_in_while_a_generation_is_built),
        T(key_given_twice_is_refused_and_the_load_goes_on),
        T(bad_records_are_refused_and_the_load_goes_on),
        T(values_too_large_for_one_commit_make_a_reset),
        T(one_load_at_a_time),
        T(only_a_master_loads),
        T(upkeep_empties_the_abandoned_generation_in_slices),
        T(upkeep_leaves_a_generation_that_is_being_built_alone),
        T(load_that_hits_a_full_disk_changes_nothing),
        T(phases_are_reported_in_order),
        T(damaged_record_is_put_right_by_a_load),
        T(wrong_count_of_records_is_found),
        T(forked_child_can_only_abort_a_load),
    };
    return cmocka_run_group_tests_name("store/load", tests, NULL, NULL);
}
