#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench.h"
#include "nodeops.h"

#define PATIENCE_S 120

void pair_check(int ret, const char *what, const krbrepl_store *s)
{
    krbrepl_errinfo ei;

    if (ret == 0)
        return;
    KRBREPL_INIT(&ei);
    if (s != NULL)
        krbrepl_store_errinfo(s, &ei);
    bench_die("%s: %s: %s", what, krbrepl_strerror(ret), ei.text);
}

static int authorize(void *ctx, const char *principal, const char *address)
{
    const pair_side *side = ctx;

    (void)principal;
    (void)address;
    return atomic_load(&side->p->closed) ? 0 : KRBREPL_ALLOW_REPLICA;
}

static void note(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    const pair_side *side = ctx;
    char line[1024];

    snprintf(line, sizeof line, "%.*s", (int)len, msg);
    if (getenv("BENCH_LOG") != NULL || (level == KRBREPL_LOG_ERROR && side->p->hears == NULL))
        fprintf(stderr, "%s: %s\n", area, line);
    if (side->follows && side->p->hears != NULL)
        side->p->hears(side->p, line);
}

static krbrepl_store *new_store(const char *dir, const char *name, uint64_t flags)
{
    krbrepl_create_options create;
    krbrepl_store *s = NULL;
    char path[4096];

    KRBREPL_INIT(&create);
    create.flags = flags;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    pair_check(krbrepl_store_create(path, &create, NULL), path, NULL);
    pair_check(krbrepl_store_open(&s, path, NULL, NULL), path, NULL);
    return s;
}

static krbrepl_node *new_node(pair *p, krbrepl_store *s, int follows)
{
    pair_side *side = &p->sides[follows];
    krbrepl_events events;
    krbrepl_config config;
    krbrepl_node *n = NULL;

    *side = (pair_side){p, follows};
    KRBREPL_INIT(&events);
    events.authorize = authorize;
    events.log = note;
    KRBREPL_INIT(&config);
    config.store = s;
    config.events = &events;
    config.events_ctx = side;
    config.log_level = p->hears != NULL ? KRBREPL_LOG_NOTICE : KRBREPL_LOG_ERROR;
    if (getenv("BENCH_LOG") != NULL)
        config.log_level = KRBREPL_LOG_DEBUG;
    pair_check(krbrepl_node_new(&n, &config, NULL), "node", NULL);
    return n;
}

static void node_check(int ret, krbrepl_node *n)
{
    krbrepl_errinfo ei;

    if (ret == 0)
        return;
    KRBREPL_INIT(&ei);
    krbrepl_node_errinfo(n, &ei);
    bench_die("%s: %s", krbrepl_strerror(ret), ei.text);
}

void pair_master(pair *p)
{
    p->master = new_store(p->dir, "master", KRBREPL_CREATE_MASTER);
}

void pair_master_reopen(pair *p, uint64_t flags)
{
    krbrepl_store_options o;
    char path[4096];

    krbrepl_store_close(p->master);
    KRBREPL_INIT(&o);
    o.flags = flags;
    snprintf(path, sizeof path, "%s/master", p->dir);
    pair_check(krbrepl_store_open(&p->master, path, &o, NULL), path, NULL);
}

void pair_serve(pair *p)
{
    krbrepl_master_options o;

    p->serving = new_node(p, p->master, 0);
    KRBREPL_INIT(&o);
    o.listen = "127.0.0.1:0";
    o.service = p->service;
    o.keytab = p->keytab;
    node_check(krbrepl_master_start(p->serving, &o), p->serving);
    p->port = krbrepl__node_tcp_port(p->serving);
    node_check(krbrepl_node_spawn(p->serving), p->serving);
}

void pair_follow(pair *p)
{
    p->replica = new_store(p->dir, "replica", 0);
    pair_join(p);
}

void pair_join(pair *p)
{
    krbrepl_replica_options o;
    char master[64];

    snprintf(master, sizeof master, "127.0.0.1:%u", p->port);
    p->following = new_node(p, p->replica, 1);
    KRBREPL_INIT(&o);
    o.retry_max_ms = 200;
    o.master = master;
    o.service = p->service;
    o.principal = p->client;
    o.keytab = p->keytab;
    node_check(krbrepl_replica_start(p->following, &o), p->following);
    node_check(krbrepl_node_spawn(p->following), p->following);
}

void pair_part(pair *p)
{
    krbrepl_node_free(p->following);
    krbrepl_node_free(p->serving);
    p->following = p->serving = NULL;
}

void pair_stop(pair *p)
{
    pair_part(p);
    krbrepl_store_close(p->replica);
    krbrepl_store_close(p->master);
}

size_t pair_key(uint64_t i, char key[64])
{
    return (size_t)snprintf(key, 64, "user%08llu@EXAMPLE.COM", (unsigned long long)i);
}

uint64_t pair_fill(pair *p, uint64_t records)
{
    unsigned char value[PAIR_VALUE];
    krbrepl_bytes k, v = {value, sizeof value};
    krbrepl_load_result result;
    krbrepl_load *load = NULL;
    char key[64];
    uint64_t i;

    pair_check(krbrepl_load_begin(p->master, &load, NULL), "load", p->master);
    for (i = 0; i < records; i++) {
        k.len = pair_key(i, key);
        k.data = key;
        bench_fill(value, sizeof value, i);
        pair_check(krbrepl_load_put(load, "principal", k, v), "load", p->master);
    }
    KRBREPL_INIT(&result);
    pair_check(krbrepl_load_commit(load, &result), "load", p->master);
    return result.pos.seq;
}

void pair_wait(pair *p, uint64_t seq)
{
    const struct timespec moment = {0, 20000};
    double end = bench_now() + PATIENCE_S;
    krbrepl_store_info info;

    /* Else the kernel may sleep 50 microseconds longer than it is asked to. */
    prctl(PR_SET_TIMERSLACK, 1000);
    for (;;) {
        KRBREPL_INIT(&info);
        pair_check(krbrepl_store_info_get(p->replica, &info), "replica", p->replica);
        if (info.pos.seq >= seq)
            return;
        if (bench_now() > end)
            bench_die("the replica is at %llu and does not reach %llu",
                      (unsigned long long)info.pos.seq, (unsigned long long)seq);
        nanosleep(&moment, NULL);
    }
}
