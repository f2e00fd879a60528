#include "site.h"

#include <unistd.h>

#include "keytab.h"

void site_make(site *at, uint64_t flags)
{
    krbrepl_create_options o;

    memset(at, 0, sizeof *at);
    snprintf(at->top, sizeof at->top, "/tmp/krbrepl-site-XXXXXX");
    assert_non_null(mkdtemp(at->top));
    snprintf(at->dir, sizeof at->dir, "%s/store", at->top);
    snprintf(at->keytab, sizeof at->keytab, "%s/keytab", at->top);
    write_keytab(at->keytab);
    KRBREPL_INIT(&o);
    o.flags = flags;
    assert_int_equal(krbrepl_store_create(at->dir, &o, NULL), 0);
}

void site_open(site *at, const krbrepl_store_options *opt)
{
    assert_int_equal(krbrepl_store_open(&at->s, at->dir, opt, NULL), 0);
}

void site_node(site *at, const krbrepl_events *ev, void *ctx)
{
    krbrepl_config cfg;

    KRBREPL_INIT(&cfg);
    cfg.store = at->s;
    cfg.events = ev;
    cfg.events_ctx = ctx;
    assert_int_equal(krbrepl_node_new(&at->n, &cfg, NULL), 0);
}

void site_master_options(const site *at, krbrepl_master_options *o)
{
    KRBREPL_INIT(o);
    o->listen = "127.0.0.1:0";
    o->service = TEST_SERVICE;
    o->keytab = at->keytab;
}

void site_master(site *at)
{
    krbrepl_master_options o;

    site_master_options(at, &o);
    assert_int_equal(krbrepl_master_start(at->n, &o), 0);
}

uint64_t site_put(krbrepl_store *s, const char *key)
{
    krbrepl_bytes k = {key, strlen(key)};
    krbrepl_pos pos;
    krbrepl_txn *t;

    assert_int_equal(krbrepl_txn_begin(s, &t, NULL), 0);
    assert_int_equal(krbrepl_txn_put(t, "principal", k, k), 0);
    assert_int_equal(krbrepl_txn_commit(t, &pos), 0);
    return pos.seq;
}

int site_drop(site *at)
{
    char cmd[128];

    krbrepl_node_free(at->n);
    krbrepl_store_close(at->s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", at->top);
    return system(cmd);
}
