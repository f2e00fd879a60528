/* Memory that runs out at each allocation in turn, in all that a node is made of: starting one, and a conversation of
 * a master's session with a replica's over real stores. Nobody crashes or hangs, a failure is told, what the replica
 * has is a state that the master was at, and the next conversation brings it up. */
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "failing.h"
#include "keytab.h"
#include "nodeops.h"
#include "plainchan.h"
#include "port.h"
#include "store.h"
#include "storecalls.h"

/* ---- stores --------------------------------------------------------------------------------- */

static char top[64]; /* where everything is */

typedef struct bench {
    char dir[2][96], keytab[96];
    krbrepl_store *s[2]; /* a master, a replica */
    krbrepl__port port[2];
    krbrepl__node_port np[2];
    krbrepl__sess *sess[2];
    uint64_t now;
} bench;

static void open_store(bench *b, int i)
{
    krbrepl_store_options o;

    KRBREPL_INIT(&o);
    o.flags = KRBREPL_STORE_NOSYNC;
    assert_int_equal(krbrepl_store_open(&b->s[i], b->dir[i], &o, NULL), 0);
}

static void make_store(bench *b, int i)
{
    krbrepl_create_options o;

    KRBREPL_INIT(&o);
    o.flags = i == 0 ? KRBREPL_CREATE_MASTER : 0;
    snprintf(b->dir[i], sizeof b->dir[i], "%s/%d", top, i);
    assert_int_equal(krbrepl_store_create(b->dir[i], &o, NULL), 0);
    open_store(b, i);
}

static int allow(void *ctx, const char *principal)
{
    (void)ctx, (void)principal;
    return KRBREPL_ALLOW_REPLICA;
}

static int setup(void **state)
{
    static bench b;
    krbrepl__port_owner owner = {.authorize = allow};
    int i;

    memset(&b, 0, sizeof b);
    snprintf(top, sizeof top, "/tmp/krbrepl-nomem-XXXXXX");
    assert_non_null(mkdtemp(top));
    snprintf(b.keytab, sizeof b.keytab, "%s/keytab", top);
    write_keytab(b.keytab);
    for (i = 0; i < 2; i++) {
        make_store(&b, i);
        krbrepl__port_init(&b.port[i], &b.np[i], b.s[i], &owner);
    }
    *state = &b;
    return 0;
}

static int teardown(void **state)
{
    bench *b = *state;
    char cmd[128];
    int i;

    failing_stop();
    for (i = 0; i < 2; i++) {
        krbrepl__sess_free(b->sess[i]);
        krbrepl_store_close(b->s[i]);
    }
    snprintf(cmd, sizeof cmd, "rm -rf %s", top);
    return system(cmd);
}

static void put(krbrepl_store *s, const char *key, const char *value)
{
    krbrepl_bytes k = {key, strlen(key)}, v = {value, strlen(value)};
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", k, v), 0);
    assert_int_equal(krbrepl_txn_commit(t, NULL), 0);
}

static krbrepl_store_info info_of(krbrepl_store *s)
{
    krbrepl_store_info i;

    KRBREPL_INIT(&i);
    assert_int_equal(krbrepl_store_info_get(s, &i), 0);
    return i;
}

/* ---- a conversation ------------------------------------------------------------------------- */

static int open_session(bench *b, int i)
{
    krbrepl__sess_cfg cfg = {0};
    int rc;

    cfg.master = i == 0;
    cfg.chan = plainchan_new(i == 0 ? "krbrepl/master@X" : "krbrepl/replica@X", 0);
    if (cfg.chan == NULL)
        return KRBREPL_ERR_NOMEM;
    cfg.port = &b->port[i];
    cfg.name = cfg.address = i == 0 ? "master" : "replica";
    cfg.handshake_ms = cfg.missing_ms = 5000;
    cfg.gone_ms = 60000;
    cfg.window = 1u << 20;
    rc = krbrepl__sess_new(&b->sess[i], &cfg, b->now);
    if (rc != 0)
        cfg.chan->ops->free(cfg.chan);
    return rc;
}

static size_t move(bench *b, int from)
{
    krbrepl__buf *out = krbrepl__sess_out(b->sess[from]);
    size_t n = out->len;

    if (n != 0) {
        (void)krbrepl__sess_feed(b->sess[!from], out->data, n, b->now);
        krbrepl__buf_consume(out, n);
    }
    return n;
}

/* Until nothing happens any more; a session that is closed hears no more than that the connection ended. */
static void talk(bench *b)
{
    unsigned turns;
    size_t moved;
    int more;

    krbrepl__sess_go(b->sess[1], b->now);
    for (turns = 0, more = 1; more && turns < 5000; turns++) {
        moved = move(b, 0) + move(b, 1);
        more = krbrepl__sess_work(b->sess[0], b->now);
        more |= krbrepl__sess_work(b->sess[1], b->now);
        more |= moved != 0;
    }
    assert_true(turns < 5000);
}

static void hang_up(bench *b)
{
    int i;

    for (i = 0; i < 2; i++) {
        if (b->sess[i] != NULL)
            krbrepl__sess_eof(b->sess[i], b->now);
        krbrepl__sess_free(b->sess[i]);
        b->sess[i] = NULL;
    }
}

/* One whole conversation. 1: the replica got to the master's position. */
static int converse(bench *b)
{
    int both = open_session(b, 0) == 0 && open_session(b, 1) == 0;

    b->now += 1000;
    if (both)
        talk(b);
    failing_stop();
    hang_up(b);
    return info_of(b->s[0]).pos.seq == info_of(b->s[1]).pos.seq;
}

static void assert_same_chain(bench *b)
{
    krbrepl_store_info m = info_of(b->s[0]), r = info_of(b->s[1]);

    assert_int_equal(m.pos.seq, r.pos.seq);
    assert_memory_equal(m.pos.chain, r.pos.chain, sizeof m.pos.chain);
    assert_int_equal(m.records, r.records);
}

/* A new commit, a conversation in which allocation n fails, then one without: for every n. */
static void all_fail(bench *b, int (*prepare)(bench *b, unsigned long n))
{
    unsigned long n, told = 0;
    uint64_t before;
    int forever, fired;

    for (forever = 0; forever < 2; forever++)
        for (n = 0, fired = 1; fired; n++) {
            assert_int_equal(prepare(b, n), 0);
            before = info_of(b->s[1]).pos.seq;
            failing_arm(n, forever);
            told += !converse(b);
            fired = failing_stop();
            assert_true(info_of(b->s[1]).pos.seq >= before);
            if (!converse(b))
                fail_msg("allocation %lu: the next conversation does not bring it up", n);
            assert_same_chain(b);
            assert_true(n < 20000);
        }
    assert_true(told > 10);
}

static int one_commit(bench *b, unsigned long n)
{
    char key[32];

    snprintf(key, sizeof key, "user%lu", n % 50);
    put(b->s[0], key, n % 2 != 0 ? "odd" : "even");
    return 0;
}

/* The journal does not reach back, so that the content has to be replaced. */
static int one_reset(bench *b, unsigned long n)
{
    krbrepl_load_options opt;
    krbrepl_load *l = NULL;
    char value[32];
    int rc;

    KRBREPL_INIT(&opt);
    snprintf(value, sizeof value, "load %lu", n);
    rc = krbrepl__load_begin(b->s[0], &l, &opt);
    if (rc == 0)
        rc = krbrepl__load_put(l, "principal", (krbrepl_bytes){"a", 1},
                               (krbrepl_bytes){value, strlen(value)});
    if (rc == 0)
        rc = krbrepl__load_put(l, "principal", (krbrepl_bytes){"b", 1}, (krbrepl_bytes){"2", 1});
    if (rc != 0)
        return rc;
    krbrepl__load_as_reset(l);
    rc = krbrepl__load_commit(l, NULL);
    return rc;
}

static void conversation_without_memory_is_taken_up_again(void **state)
{
    all_fail(*state, one_commit);
}

static void content_without_memory_is_replaced_the_next_time(void **state)
{
    all_fail(*state, one_reset);
}

/* ---- starting a node ------------------------------------------------------------------------ */

static int start(bench *b, int master)
{
    krbrepl_master_options m;
    krbrepl_replica_options r;
    krbrepl_node *n = NULL;
    krbrepl_config cfg;
    int rc;

    KRBREPL_INIT(&cfg);
    KRBREPL_INIT(&m);
    KRBREPL_INIT(&r);
    cfg.store = b->s[master ? 0 : 1];
    m.listen = "127.0.0.1:0";
    m.service = TEST_SERVICE;
    m.keytab = b->keytab;
    r.master = "127.0.0.1:1";
    rc = krbrepl_node_new(&n, &cfg, NULL);
    if (rc == 0)
        rc = master ? krbrepl_master_start(n, &m) : krbrepl_replica_start(n, &r);
    krbrepl_node_free(n);
    return rc;
}

static void node_without_memory_does_not_start_and_leaves_nothing(void **state)
{
    bench *b = *state;
    unsigned long n;
    int master, rc, fired;

    setenv("KRB5_CONFIG", "/dev/null", 1);
    for (master = 0; master < 2; master++)
        for (n = 0, fired = 1; fired; n++) {
            failing_arm(n, 0);
            rc = start(b, master);
            fired = failing_stop();
            /* Where memory is short for something that can wait, the node starts all the same. */
            if (rc != 0 && rc != KRBREPL_ERR_NOMEM)
                fail_msg("allocation %lu: %s", n, krbrepl_err_name(rc));
            /* Its lock is free again. */
            if (start(b, master) != 0)
                fail_msg("allocation %lu: it does not start afterwards", n);
            assert_true(n < 5000);
        }
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(conversation_without_memory_is_taken_up_again),
        T(content_without_memory_is_replaced_the_next_time),
        T(node_without_memory_does_not_start_and_leaves_nothing),
    };

    return cmocka_run_group_tests_name("node/nomem", tests, NULL, NULL);
}
