/* What a master decides about its replicas, without any connection. */
#include "test.h"

#include <time.h>
#include <unistd.h>

#include "master.h"
#include "site.h"

typedef struct bench {
    site at;
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
    krbrepl_events ev;

    memset(b, 0, sizeof *b);
    site_make(&b->at, KRBREPL_CREATE_MASTER);
    site_open(&b->at, NULL);
    KRBREPL_INIT(&ev);
    ev.authorize = authorize;
    site_node(&b->at, &ev, b);
    site_master(&b->at);
}

static void drop(bench *b)
{
    assert_int_equal(site_drop(&b->at), 0);
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

    assert_int_equal(krbrepl__store_slots_each(b->at.s, count_slot, &n), 0);
    return n;
}

static void a_replica_that_is_away_and_may_not_come_back_holds_nothing(void **state)
{
    krbrepl__slot_entry *e;
    bench b;

    (void)state;
    make(&b);
    e = krbrepl__slot_of(b.at.n, "krbrepl/kept@KRBREPL.TEST");
    assert_non_null(e);
    e->s.hold = 1;
    e->dirty = 1;
    e = krbrepl__slot_of(b.at.n, "krbrepl/retired@KRBREPL.TEST");
    assert_non_null(e);
    e->s.hold = 1;
    e->dirty = 1;
    krbrepl__slots_flush(b.at.n);
    assert_int_equal(slots(&b), 2);
    assert_int_equal(krbrepl_node_reauthorize(b.at.n), 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    assert_int_equal(slots(&b), 2);
    assert_string_equal(b.asked, "");
    snprintf(b.refused, sizeof b.refused, "krbrepl/retired@KRBREPL.TEST");
    assert_int_equal(krbrepl_node_reauthorize(b.at.n), 0);
    assert_int_equal(krbrepl_node_process(b.at.n), 0);
    assert_int_equal(slots(&b), 1);
    assert_null(krbrepl__slot_find(b.at.n, "krbrepl/retired@KRBREPL.TEST"));
    assert_non_null(krbrepl__slot_find(b.at.n, "krbrepl/kept@KRBREPL.TEST"));
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
    c.n = b.at.n;
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
        site_put(b.at.s, "x");
    KRBREPL_INIT(&r);
    r.entries = 10;
    assert_int_equal(krbrepl_store_set_retention(b.at.s, &r), 0);
    memset(&busy, 0, sizeof busy);
    busy.n = b.at.n;
    busy.fd = -1;
    busy.over = 1;
    do {
        krbrepl__item_push(&b.at.n->run, &busy.run, &busy);
        assert_int_equal(krbrepl_node_process(b.at.n), 0);
        KRBREPL_INIT(&i);
        assert_int_equal(krbrepl_store_info_get(b.at.s, &i), 0);
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
