/* Every public struct that starts with its size, at every length, through the functions that take it, fill it or
 * hand it out. */
#include "growth.h"

#include <unistd.h>

#include "keytab.h"
#include "store.h"

typedef struct ground {
    char top[64], dir[96], keytab[96];
    krbrepl_store *s, *replica;
    krbrepl_node *node;    /* never started */
    krbrepl_node *master;  /* runs, on a thread of its own */
    krbrepl_store *served; /* its store */
    char served_dir[96];
    char hosted_dir[96], journaled_dir[96];
    unsigned made;
} ground;

static krbrepl_store *new_store(const char *dir, uint64_t flags)
{
    krbrepl_create_options o = {.size = sizeof o, .flags = flags};
    krbrepl_store *s = NULL;

    assert_int_equal(krbrepl_store_create(dir, &o, NULL), 0);
    assert_int_equal(krbrepl_store_open(&s, dir, NULL, NULL), 0);
    return s;
}

static krbrepl_node *new_node(krbrepl_store *s)
{
    krbrepl_config c = {.size = sizeof c, .store = s};
    krbrepl_node *n = NULL;

    assert_int_equal(krbrepl_node_new(&n, &c, NULL), 0);
    return n;
}

static void start_master(ground *g)
{
    krbrepl_master_options o = {.size = sizeof o};

    o.listen = "127.0.0.1:0";
    o.service = TEST_SERVICE;
    o.keytab = g->keytab;
    assert_int_equal(krbrepl_master_start(g->master, &o), 0);
    assert_int_equal(krbrepl_node_spawn(g->master), 0);
}

static int setup(void **state)
{
    ground *g = calloc(1, sizeof *g);
    krbrepl_create_options hosted = {.size = sizeof hosted,
                                     .flags = KRBREPL_CREATE_MASTER | KRBREPL_CREATE_HOSTED};
    krbrepl_create_options journaled = {.size = sizeof journaled, .flags = KRBREPL_CREATE_JOURNALED};
    char replica[96];
    krbrepl_txn *t;

    assert_non_null(g);
    *state = g;
    snprintf(g->top, sizeof g->top, "/tmp/krbrepl-growth-XXXXXX");
    assert_non_null(mkdtemp(g->top));
    snprintf(g->dir, sizeof g->dir, "%s/master", g->top);
    snprintf(replica, sizeof replica, "%s/replica", g->top);
    snprintf(g->served_dir, sizeof g->served_dir, "%s/served", g->top);
    snprintf(g->hosted_dir, sizeof g->hosted_dir, "%s/hosted", g->top);
    snprintf(g->journaled_dir, sizeof g->journaled_dir, "%s/journaled", g->top);
    snprintf(g->keytab, sizeof g->keytab, "%s/keytab", g->top);
    write_keytab(g->keytab);
    /* Where options are missing, the defaults of this machine are not to be used. */
    assert_int_equal(setenv("KRB5_KTNAME", "FILE:/nonexistent", 1), 0);
    g->s = new_store(g->dir, KRBREPL_CREATE_MASTER);
    g->replica = new_store(replica, 0);
    g->served = new_store(g->served_dir, KRBREPL_CREATE_MASTER);
    assert_int_equal(krbrepl_txn_begin(g->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", BYTES("a"), BYTES("1")), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
    assert_int_equal(krbrepl_store_create(g->hosted_dir, &hosted, NULL), 0);
    assert_int_equal(krbrepl_store_create(g->journaled_dir, &journaled, NULL), 0);
    g->node = new_node(g->s);
    g->master = new_node(g->served);
    start_master(g);
    return 0;
}

static int teardown(void **state)
{
    ground *g = *state;
    char cmd[128];
    int rc;

    krbrepl_node_free(g->master);
    krbrepl_node_free(g->node);
    krbrepl_store_close(g->served);
    krbrepl_store_close(g->replica);
    krbrepl_store_close(g->s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", g->top);
    rc = system(cmd);
    free(g);
    return rc;
}

/* ---- taken ---------------------------------------------------------------------------------- */

static void a_new_dir(ground *g, char dir[96])
{
    snprintf(dir, 96, "%s/n%u", g->top, g->made++);
}

static void remove_dir(const char *dir)
{
    char cmd[128];

    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

static int create(void *ctx, void *p)
{
    char dir[96];
    int rc;

    a_new_dir(ctx, dir);
    rc = krbrepl_store_create(dir, p, NULL);
    if (rc == 0)
        remove_dir(dir);
    return rc;
}

static int retention(void *ctx, void *p)
{
    krbrepl_create_options o = {.size = sizeof o, .retention = p};
    ground *g = ctx;
    int rc = krbrepl_store_set_retention(g->s, p);

    assert_int_equal(create(g, &o), rc);
    return rc;
}

static int open_store(void *ctx, void *p)
{
    ground *g = ctx;
    krbrepl_store *s = NULL;
    int rc = krbrepl_store_open(&s, g->dir, p, NULL);

    krbrepl_store_close(s);
    return rc;
}

static int host_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    (void)ctx;
    (void)table;
    (void)key;
    (void)value;
    return KRBREPL_ERR_NOTFOUND;
}

static int host_apply(void *ctx, const krbrepl_change *const *change, size_t n, const krbrepl_pos *to)
{
    (void)ctx;
    (void)change;
    (void)n;
    (void)to;
    return 0;
}

static int host_ops(void *ctx, void *p)
{
    krbrepl_store_options o = {.size = sizeof o, .host = p};
    ground *g = ctx;
    krbrepl_store *s = NULL;
    int rc = krbrepl_store_open(&s, g->hosted_dir, &o, NULL);

    krbrepl_store_close(s);
    return rc;
}

static int journal_append(void *ctx, uint64_t first, const krbrepl_bytes *commit, size_t n)
{
    (void)ctx;
    (void)first;
    (void)commit;
    (void)n;
    return 0;
}

static int journal_read(void *ctx, uint64_t seq, krbrepl_bytes *commit)
{
    (void)ctx;
    (void)seq;
    (void)commit;
    return KRBREPL_ERR_NOTFOUND;
}

static int journal_cut(void *ctx, uint64_t from, uint64_t to)
{
    (void)ctx;
    (void)from;
    (void)to;
    return 0;
}

static int journal_ops(void *ctx, void *p)
{
    krbrepl_store_options o = {.size = sizeof o, .journal = p};
    ground *g = ctx;
    krbrepl_store *s = NULL;
    int rc = krbrepl_store_open(&s, g->journaled_dir, &o, NULL);

    krbrepl_store_close(s);
    return rc;
}

static int txn(void *ctx, void *p)
{
    ground *g = ctx;
    krbrepl_txn *t = NULL;
    int rc = krbrepl_txn_begin(g->s, &t, p);

    krbrepl_txn_abort(t);
    return rc;
}

static int load(void *ctx, void *p)
{
    ground *g = ctx;
    krbrepl_load *l = NULL;
    int rc = krbrepl_load_begin(g->s, &l, p);

    krbrepl_load_abort(l);
    return rc;
}

static int config(void *ctx, void *p)
{
    krbrepl_node *n = NULL;
    int rc;

    (void)ctx;
    rc = krbrepl_node_new(&n, p, NULL);
    krbrepl_node_free(n);
    return rc;
}

static int events(void *ctx, void *p)
{
    ground *g = ctx;
    krbrepl_config c = {.size = sizeof c, .store = g->s, .events = p};

    return config(ctx, &c);
}

static int master(void *ctx, void *p)
{
    ground *g = ctx;
    int rc = krbrepl_master_start(g->node, p);

    if (rc == 0)
        assert_int_equal(krbrepl_node_stop(g->node), 0);
    return rc;
}

static int replica(void *ctx, void *p)
{
    ground *g = ctx;
    krbrepl_node *n = new_node(g->replica);
    int rc = krbrepl_replica_start(n, p);

    krbrepl_node_free(n);
    return rc;
}

/* No node runs there. */
static int wait_for(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_wait(g->dir, p, NULL, NULL);
}

static int prove(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_prove(g->dir, p, NULL, NULL);
}

/* ---- filled --------------------------------------------------------------------------------- */

static int store_info(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_store_info_get(g->s, p);
}

static int status(void *ctx, void *p)
{
    ground *g = ctx;
    int rc = krbrepl_node_status(g->node, p);

    assert_int_equal(krbrepl_status_fetch(g->served_dir, 60000, p, NULL, NULL, NULL), rc);
    return krbrepl_node_status(g->node, p);
}

static int proved(void *ctx, void *p)
{
    ground *g = ctx;

    return krbrepl_prove(g->served_dir, NULL, p, NULL);
}

static int load_result(void *ctx, void *p)
{
    ground *g = ctx;
    krbrepl_load *l = NULL;

    assert_int_equal(krbrepl_load_begin(g->s, &l, NULL), 0);
    assert_int_equal(krbrepl_load_put(l, "principal", BYTES("a"), BYTES("1")), 0);
    return krbrepl_load_commit(l, p);
}

static int errinfo(void *ctx, void *p)
{
    ground *g = ctx;
    int rc = krbrepl_store_errinfo(g->s, p);

    assert_int_equal(krbrepl_node_errinfo(g->node, p), rc);
    return krbrepl_store_errinfo(g->s, p);
}

/* ---- handed out ----------------------------------------------------------------------------- */

static int info(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
    return krbrepl_version(0)->size != sizeof(krbrepl_info);
}

static int see_commit(void *ctx, const krbrepl_commit *c)
{
    unsigned *seen = ctx;
    uint64_t i;

    *seen += c->size == sizeof *c;
    for (i = 0; i < c->nchanges; i++)
        *seen += c->changes[i]->size == sizeof(krbrepl_change) ? 100 : 0;
    return 0;
}

/* The lineage commit and the one with one change. */
static int commit(void *ctx, void *p)
{
    ground *g = ctx;
    unsigned seen = 0;

    (void)p;
    assert_int_equal(krbrepl_journal_each(g->s, 0, 0, see_commit, &seen), 0);
    return seen != 102;
}

static int see_slot(void *ctx, const krbrepl_slot *slot)
{
    *(size_t *)ctx = slot->size;
    return 0;
}

static int slot(void *ctx, void *p)
{
    krbrepl__slot one = {.principal = "krbrepl/r@KRBREPL.TEST"};
    ground *g = ctx;
    size_t size = 0;

    (void)p;
    assert_int_equal(krbrepl__store_slots_put(g->s, &one, 1), 0);
    assert_int_equal(krbrepl_slot_each(g->s, see_slot, &size), 0);
    return size != sizeof(krbrepl_slot);
}

/* A peer takes two processes and a KDC: tests/live/node looks at its size. */
static int peer(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------ */

static const krbrepl_host_ops a_host = {.size = sizeof a_host, .get = host_get, .apply = host_apply};
static const krbrepl_journal_ops a_journal = {
    .size = sizeof a_journal, .append = journal_append, .read = journal_read, .cut = journal_cut};
static krbrepl_config a_config;
static krbrepl_master_options a_master;
static krbrepl_replica_options a_replica;

#define OPTIONS(name, go, answer)                                    \
    {                                                                \
#name, sizeof(name), TAKEN, go, answer, sizeof(size_t), NULL \
    }
#define NEEDS(name, go, sample, field)                                      \
    {                                                                       \
#name, sizeof(name), TAKEN, go, 0, offsetof(name, field), &(sample) \
    }
#define ANSWER(name, go, least)                         \
    {                                                   \
#name, sizeof(name), FILLED, go, 0, least, NULL \
    }
#define GIVEN(name, go)                                 \
    {                                                   \
#name, sizeof(name), HANDED_OUT, go, 0, 0, NULL \
    }

static const shape shapes[] = {
    OPTIONS(krbrepl_create_options, create, 0),
    OPTIONS(krbrepl_retention, retention, 0),
    OPTIONS(krbrepl_store_options, open_store, 0),
    OPTIONS(krbrepl_txn_options, txn, 0),
    OPTIONS(krbrepl_load_options, load, 0),
    OPTIONS(krbrepl_events, events, 0),
    OPTIONS(krbrepl_wait_options, wait_for, KRBREPL_ERR_NOTFOUND),
    OPTIONS(krbrepl_prove_options, prove, KRBREPL_ERR_NOTFOUND),
    NEEDS(krbrepl_config, config, a_config, events),
    NEEDS(krbrepl_master_options, master, a_master, max_peers),
    NEEDS(krbrepl_replica_options, replica, a_replica, service),
    NEEDS(krbrepl_host_ops, host_ops, a_host, import_begin),
    {"krbrepl_journal_ops", sizeof(krbrepl_journal_ops), TAKEN, journal_ops, 0,
     sizeof(krbrepl_journal_ops), &a_journal}, /* all that it has today is needed */
    ANSWER(krbrepl_store_info, store_info, sizeof(size_t)),
    ANSWER(krbrepl_status, status, sizeof(size_t)),
    ANSWER(krbrepl_proved, proved, sizeof(size_t)),
    ANSWER(krbrepl_load_result, load_result, sizeof(size_t)),
    ANSWER(krbrepl_errinfo, errinfo, offsetof(krbrepl_errinfo, host_code)),
    GIVEN(krbrepl_info, info),
    GIVEN(krbrepl_commit, commit),
    GIVEN(krbrepl_change, commit),
    GIVEN(krbrepl_slot, slot),
    GIVEN(krbrepl_peer, peer),
};

static void every_public_struct_with_a_size_is_in_the_table(void **state)
{
    (void)state;
    growth_complete(shapes, sizeof shapes / sizeof shapes[0], "tests/unit/api/growth_test.c");
}

static void every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched(void **state)
{
    ground *g = *state;

    a_config.store = g->s;
    a_master.listen = "127.0.0.1:0";
    a_master.service = TEST_SERVICE;
    a_master.keytab = g->keytab;
    a_replica.master = "127.0.0.1:1";
    growth_check(shapes, sizeof shapes / sizeof shapes[0], g);
}

/* ---- the detail of a failure ------------------------------------------------------------------ */

static int fail_open(void *ctx, krbrepl_errinfo *ei)
{
    krbrepl_store *s;

    (void)ctx;
    return krbrepl_store_open(&s, "/nonexistent", NULL, ei);
}

static int fail_create(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_store_create(g->dir, NULL, ei);
}

static int fail_restore(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_restore("/nonexistent", g->dir, NULL, ei);
}

static int fail_upgrade(void *ctx, krbrepl_errinfo *ei)
{
    (void)ctx;
    return krbrepl_upgrade("/nonexistent", ei);
}

static int fail_node(void *ctx, krbrepl_errinfo *ei)
{
    krbrepl_config c = {.size = sizeof c};
    krbrepl_node *n;

    (void)ctx;
    return krbrepl_node_new(&n, &c, ei);
}

static int fail_status(void *ctx, krbrepl_errinfo *ei)
{
    krbrepl_status st = {.size = sizeof st};
    ground *g = ctx;

    return krbrepl_status_fetch(g->dir, 0, &st, NULL, NULL, ei);
}

static int fail_wait(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_wait(g->dir, NULL, NULL, ei);
}

static int fail_prove(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_prove(g->dir, NULL, NULL, ei);
}

static int tell_store(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_store_errinfo(g->s, ei);
}

static int tell_node(void *ctx, krbrepl_errinfo *ei)
{
    ground *g = ctx;

    return krbrepl_node_errinfo(g->node, ei);
}

static const teller tellers[] = {
    {"krbrepl_node_errinfo", tell_node},   {"krbrepl_node_new", fail_node},
    {"krbrepl_prove", fail_prove},         {"krbrepl_restore", fail_restore},
    {"krbrepl_status_fetch", fail_status}, {"krbrepl_store_create", fail_create},
    {"krbrepl_store_errinfo", tell_store}, {"krbrepl_store_open", fail_open},
    {"krbrepl_upgrade", fail_upgrade},     {"krbrepl_wait", fail_wait},
};

static void an_errinfo_of_any_length_is_filled_to_its_end(void **state)
{
    growth_errinfos(tellers, sizeof tellers / sizeof tellers[0], *state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_struct_with_a_size_is_in_the_table),
        cmocka_unit_test(every_length_is_taken_filled_or_refused_and_nothing_behind_it_is_touched),
        cmocka_unit_test(an_errinfo_of_any_length_is_filled_to_its_end),
    };

    return cmocka_run_group_tests_name("growth", tests, setup, teardown);
}
