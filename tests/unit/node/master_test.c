/* What a master decides about its replicas, without any connection. */
#include "test.h"

#include <time.h>
#include <unistd.h>

#include "keytab.h"
#include "master.h"

typedef struct bench {
    char top[64], dir[96], keytab[96];
    krbrepl_store *s;
    krbrepl_node *n;
    char refused[64]; /* a principal that may not follow */
    char asked[256];  /* the address of the last question */
} bench;

static int authorize(void *ctx, const char *principal, const char *address)
{
    bench *b = ctx;

    snprintf(b->asked, sizeof b->asked, "%s", address);
    return strcmp(principal, b->refused) != 0 ? KRBREPL_ALLOW_REPLICA : 0;
}

static void make(bench *b)
{
    krbrepl_create_options co;
    krbrepl_master_options o;
    krbrepl_config cfg;
    krbrepl_events ev;

    memset(b, 0, sizeof *b);
    snprintf(b->top, sizeof b->top, "/tmp/krbrepl-master-XXXXXX");
    assert_non_null(mkdtemp(b->top));
    snprintf(b->dir, sizeof b->dir, "%s/store", b->top);
    snprintf(b->keytab, sizeof b->keytab, "%s/keytab", b->top);
    write_keytab(b->keytab);
    KRBREPL_INIT(&co);
    co.flags = KRBREPL_CREATE_MASTER;
    assert_int_equal(krbrepl_store_create(b->dir, &co, NULL), 0);
    assert_int_equal(krbrepl_store_open(&b->s, b->dir, NULL, NULL), 0);
    KRBREPL_INIT(&ev);
    ev.authorize = authorize;
    KRBREPL_INIT(&cfg);
    cfg.store = b->s;
    cfg.events = &ev;
    cfg.events_ctx = b;
    assert_int_equal(krbrepl_node_new(&b->n, &cfg, NULL), 0);
    KRBREPL_INIT(&o);
    o.listen = "127.0.0.1:0";
    o.service = TEST_SERVICE;
    o.keytab = b->keytab;
    assert_int_equal(krbrepl_master_start(b->n, &o), 0);
}

static void drop(bench *b)
{
    char cmd[128];

    krbrepl_node_free(b->n);
    krbrepl_store_close(b->s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", b->top);
    assert_int_equal(system(cmd), 0);
}

static uint64_t put(bench *b, const char *key)
{
    krbrepl_bytes k = {key, strlen(key)};
    krbrepl_pos pos;
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(b->s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", k, k), 0);
    assert_int_equal(krbrepl_txn_commit(t, &pos), 0);
    return pos.seq;
}

static int bounded(int *turns)
{
    struct timespec ts = {0, 2000000};

    nanosleep(&ts, NULL);
    return ++*turns < 30000;
}

/* ---- who may follow ------------------------------------------------------------------------- */

static int count_slot(void *ctx, const krbrepl__slot *s)
{
    (void)s;
    ++*(int *)ctx;
    return 0;
}

static int slots(bench *b)
{
    int n = 0;

    assert_int_equal(krbrepl__store_slots_each(b->s, count_slot, &n), 0);
    return n;
}

static void a_replica_that_is_away_and_may_not_come_back_holds_nothing(void **state)
{
    krbrepl__slot_entry *e;
    bench b;

    (void)state;
    make(&b);
    e = krbrepl__slot_of(b.n, "krbrepl/kept@KRBREPL.TEST");
    assert_non_null(e);
    e->s.hold = 1;
    e->dirty = 1;
    e = krbrepl__slot_of(b.n, "krbrepl/retired@KRBREPL.TEST");
    assert_non_null(e);
    e->s.hold = 1;
    e->dirty = 1;
    krbrepl__slots_flush(b.n);
    assert_int_equal(slots(&b), 2);
    assert_int_equal(krbrepl_node_reauthorize(b.n), 0);
    assert_int_equal(krbrepl_node_process(b.n), 0);
    assert_int_equal(slots(&b), 2);
    assert_string_equal(b.asked, "");
    snprintf(b.refused, sizeof b.refused, "krbrepl/retired@KRBREPL.TEST");
    assert_int_equal(krbrepl_node_reauthorize(b.n), 0);
    assert_int_equal(krbrepl_node_process(b.n), 0);
    assert_int_equal(slots(&b), 1);
    assert_null(krbrepl__slot_find(b.n, "krbrepl/retired@KRBREPL.TEST"));
    assert_non_null(krbrepl__slot_find(b.n, "krbrepl/kept@KRBREPL.TEST"));
    drop(&b);
}

/* A name that is cut off would be another one's, and a new one each time that it is looked for. */
static void a_name_that_no_slot_can_hold_may_not_follow(void **state)
{
    static char name[1026];
    krbrepl__conn c;
    bench b;

    (void)state;
    make(&b);
    memset(&c, 0, sizeof c);
    c.n = b.n;
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(krbrepl__master_authorize(&c, name), 0);
    assert_int_equal(c.secured, 0);
    drop(&b);
}

/* ---- upkeep --------------------------------------------------------------------------------- */

static void busy_peers_do_not_put_upkeep_off_for_ever(void **state)
{
    krbrepl_store_info i;
    krbrepl_retention r;
    krbrepl__conn busy;
    int turns = 0, k;
    bench b;

    (void)state;
    make(&b);
    for (k = 0; k < 200; k++)
        put(&b, "x");
    KRBREPL_INIT(&r);
    r.entries = 10;
    assert_int_equal(krbrepl_store_set_retention(b.s, &r), 0);
    memset(&busy, 0, sizeof busy);
    busy.n = b.n;
    busy.fd = -1;
    busy.over = 1;
    do {
        krbrepl__item_push(&b.n->run, &busy.run, &busy);
        assert_int_equal(krbrepl_node_process(b.n), 0);
        KRBREPL_INIT(&i);
        assert_int_equal(krbrepl_store_info_get(b.s, &i), 0);
    } while (i.journal_first == 1 && bounded(&turns));
    assert_true(i.journal_first > 1);
    drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_that_is_away_and_may_not_come_back_holds_nothing),
        cmocka_unit_test(a_name_that_no_slot_can_hold_may_not_follow),
        cmocka_unit_test(busy_peers_do_not_put_upkeep_off_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
