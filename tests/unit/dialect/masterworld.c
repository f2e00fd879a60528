#include "masterworld.h"

#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

uint32_t world_random(world *w, uint32_t below)
{
    w->rng = w->rng * 1664525u + 1013904223u;
    return (w->rng >> 8) % below;
}

/* ---- the port ------------------------------------------------------------------------------- */

static world *the_world; /* the port's context is the memstore */

static int numbering(void *ctx, int redraw, krbrepl__numbering *out)
{
    world *w = the_world;
    const krbrepl__local *l = &w->ms.local;

    (void)ctx;
    if ((redraw && out->base == w->num.base) || w->num.base == 0 ||
        memcmp(w->num_lineage, l->pos.lineage, 16) != 0) {
        w->num.base = w->next_base += 1000000;
        w->num.cumulative = l->cumulative;
        w->num.seq = l->pos.seq;
        memcpy(w->num_lineage, l->pos.lineage, 16);
    }
    *out = w->num;
    return 0;
}

static int told(void *ctx, const char *principal, krbrepl__told *out)
{
    (void)ctx;
    assert_string_equal(principal, SLAVE_NAME);
    *out = the_world->told;
    return 0;
}

static int tell(void *ctx, const char *principal, const krbrepl__told *t)
{
    (void)ctx;
    assert_string_equal(principal, SLAVE_NAME);
    assert_true(t->acked <= t->last);
    the_world->told = the_world->kept = *t;
    the_world->tells++;
    return 0;
}

static void answered(void *ctx, const char *principal, uint32_t version)
{
    (void)ctx;
    assert_string_equal(principal, SLAVE_NAME);
    assert_true(version <= the_world->told.last);
    the_world->told.acked = version;
}

void world_second(world *w)
{
    w->kept = w->told;
}

void world_kill_master(world *w)
{
    world_cut(w);
    w->told = w->kept;
}

static enum krbrepl__prior prior(void *ctx, uint64_t seq)
{
    world *w = the_world;

    (void)ctx;
    if (w->forgets != 0 && world_random(w, w->forgets) == 0)
        return KRBREPL__PRIOR_UNKNOWN;
    return (enum krbrepl__prior)w->prior[seq];
}

static int (*whole_slice)(void *, krbrepl__ckey *, size_t, krbrepl__buf *, int *, krbrepl_pos *);

/* One record at a time, and something happens in between. */
static int small_slice(void *ctx, krbrepl__ckey *after, size_t max, krbrepl__buf *out, int *end,
                       krbrepl_pos *at)
{
    (void)max;
    if (the_world->between != NULL)
        the_world->between(the_world);
    return whole_slice(ctx, after, 1, out, end, at);
}

static int local(void *ctx, krbrepl__local *out)
{
    *out = ((memstore *)ctx)->local;
    return 0;
}

void world_init(world *w)
{
    memset(w, 0, sizeof *w);
    the_world = w;
    mem_init(&w->ms);
    mem_master(&w->ms, 7, 1);
    w->ms.local.role = KRBREPL_ROLE_MASTER;
    w->ms.allow = KRBREPL_ALLOW_HEIMDAL;
    memport_init(&w->port, &w->ms);
    whole_slice = w->port.copy_slice;
    w->port.copy_slice = small_slice;
    w->port.local = local;
    w->port.numbering = numbering;
    w->port.told = told;
    w->port.tell = tell;
    w->port.answered = answered;
    w->port.prior = prior;
    w->now = 1000;
}

void world_free(world *w)
{
    world_cut(w);
    slave_free(&w->slave);
    slave_free(&w->fresh);
    mem_free(&w->ms);
}

/* ---- the connection ------------------------------------------------------------------------- */

const krbrepl__sess_info *world_info(const world *w)
{
    return krbrepl__sess_info_get(w->sess);
}

static void feed(world *w, const void *p, size_t n)
{
    krbrepl__sess_feed(w->sess, p, n, w->now);
}

static void say(world *w, uint32_t op, uint32_t value)
{
    uint8_t b[12];

    if (w->unheard)
        return;
    krbrepl__put_u32(b, 8);
    krbrepl__put_u32(b + 4, op);
    krbrepl__put_u32(b + 8, value);
    feed(w, b, sizeof b);
}

void world_connect(world *w)
{
    krbrepl__sess_cfg cfg;
    char name[64];
    int n = snprintf(name, sizeof name, "%c%s", (int)strlen(SLAVE_NAME), SLAVE_NAME);

    memset(&cfg, 0, sizeof cfg);
    cfg.master = 1;
    cfg.chan = plainchan_new("master", w->lifetime_s);
    cfg.port = &w->port;
    cfg.log = &w->log;
    cfg.address = "192.0.2.1:1";
    cfg.handshake_ms = 10000;
    cfg.missing_ms = 2000;
    cfg.gone_ms = 5000;
    w->taking = 0;
    assert_int_equal(krbrepl__iprop_master_new(&w->sess, &cfg, w->now), 0);
    feed(w, name, (size_t)n);
    /* The plain channel's name. */
    krbrepl__buf_consume(krbrepl__sess_out(w->sess), 7);
}

void world_cut(world *w)
{
    if (w->sess == NULL)
        return;
    krbrepl__sess_free(w->sess);
    w->sess = NULL;
    w->taking = 0;
    slave_clear(&w->fresh);
}

void world_greet(world *w, uint32_t version)
{
    say(w, KRBREPL__IPROP_I_HAVE, version);
}

void world_chat(world *w)
{
    say(w, KRBREPL__IPROP_I_AM_HERE, 0);
}

/* ---- the slave ------------------------------------------------------------------------------ */

/* The log is written with each record, the database when the last one is done. `before`: what it was then. */
static void die(world *w, const memrecs *before)
{
    if (w->loses != 0 && world_random(w, w->loses) == 0) {
        memrecs_free(&w->slave.rows);
        memrecs_copy(&w->slave.rows, before);
        w->torn = 1;
    }
    world_cut(w);
}

/* A record of an operation that no log has: passed over by one that has its version. */
static int is_stop(world *w, krbrepl__rd *r)
{
    krbrepl__rd at = *r;
    const uint32_t version = krbrepl__rd_u32(&at);
    uint32_t op;

    (void)krbrepl__rd_u32(&at);
    op = krbrepl__rd_u32(&at);
    if (op != KRBREPL__HDB_OP_GET)
        return 0;
    krbrepl__rd_view(r, KRBREPL__HDB_REC_OVERHEAD);
    w->slave.stuck |= version > w->slave.version;
    return 1;
}

/* Answers whether the slave is still there. */
static int apply_all(world *w, krbrepl_bytes body, const memrecs *before)
{
    krbrepl__hdb_rec rec;
    krbrepl__rd r;
    uint32_t last = 0;

    krbrepl__rd_init(&r, body.data, body.len);
    while (r.left != 0) {
        if (is_stop(w, &r))
            continue;
        assert_int_equal(krbrepl__hdb_rec_read(&r, &rec, NULL), 0);
        assert_true(rec.version > last);
        last = rec.version;
        if (rec.version <= w->slave.version)
            continue;
        w->records++;
        slave_apply(&w->slave, &rec);
        if (w->dies_after != 0 && --w->dies_after == 0) {
            die(w, before);
            return 0;
        }
    }
    return 1;
}

static void take_records(world *w, krbrepl_bytes body)
{
    memrecs before = {NULL, 0, 0};

    if (w->dies_after != 0)
        memrecs_copy(&before, &w->slave.rows);
    if (apply_all(w, body, &before))
        say(w, KRBREPL__IPROP_I_HAVE, w->slave.version);
    memrecs_free(&before);
}

static void take_whole(world *w, uint32_t op, krbrepl_bytes body)
{
    krbrepl__rd r;

    if (op == KRBREPL__IPROP_ONE_PRINC) {
        if (slave_entry(&w->fresh, body) != 0)
            world_cut(w);
        return;
    }
    assert_int_equal(op, KRBREPL__IPROP_NOW_YOU_HAVE);
    krbrepl__rd_init(&r, body.data, body.len);
    if (w->dies_in_whole) {
        w->slave.version = krbrepl__rd_u32(&r);
        w->dies_in_whole = 0;
        w->torn = 1;
        world_cut(w);
        return;
    }
    slave_clear(&w->slave);
    w->slave = w->fresh;
    memset(&w->fresh, 0, sizeof w->fresh);
    w->slave.version = w->whole_version = krbrepl__rd_u32(&r);
    w->taking = w->torn = 0;
    w->completes++;
    say(w, KRBREPL__IPROP_I_HAVE, w->slave.version);
}

static void take(world *w, uint32_t op, krbrepl_bytes body)
{
    if (w->taking) {
        take_whole(w, op, body);
        return;
    }
    switch (op) {
    case KRBREPL__IPROP_FOR_YOU:
        if (w->drops != 0)
            w->drops--;
        else
            take_records(w, body);
        break;
    case KRBREPL__IPROP_TELL_YOU_EVERYTHING:
        w->taking = 1;
        slave_clear(&w->fresh);
        break;
    case KRBREPL__IPROP_ARE_YOU_THERE:
        w->asked++;
        break;
    default:
        assert_int_equal(op, KRBREPL__IPROP_YOU_HAVE_LAST_VERSION);
        w->last_told++;
    }
}

/* 1: there was a message. */
static int take_one(world *w)
{
    krbrepl__buf *out = krbrepl__sess_out(w->sess), copy;
    krbrepl_bytes body;
    krbrepl__rd r;
    uint32_t op;

    if (out->len < 4)
        return 0;
    krbrepl__buf_init(&copy, 0);
    krbrepl__rd_init(&r, out->data, out->len);
    body = krbrepl__rd_vec32(&r);
    assert_int_equal(r.err, 0);
    krbrepl__buf_bytes(&copy, body.data, body.len);
    krbrepl__buf_consume(out, 4 + body.len);
    krbrepl__rd_init(&r, copy.data, copy.len);
    op = krbrepl__rd_u32(&r);
    take(w, op, krbrepl__rd_view(&r, r.left));
    krbrepl__buf_free(&copy);
    return 1;
}

unsigned world_run(world *w, unsigned max)
{
    unsigned n = 0;
    int more = 1;

    while (w->sess != NULL && n < max && world_info(w)->phase != KRBREPL__SESS_CLOSED) {
        if (take_one(w)) {
            n++;
            more = 1;
        } else if (more) {
            more = krbrepl__sess_work(w->sess, w->now) || krbrepl__sess_out(w->sess)->len != 0;
        } else {
            break;
        }
    }
    return n;
}

void world_run_unheard(world *w, unsigned max)
{
    w->unheard = 1;
    while (max-- != 0 && w->sess != NULL && take_one(w))
        continue;
    w->unheard = 0;
}

void world_settle(world *w)
{
    unsigned tries;

    for (tries = 0; tries < 100; tries++) {
        if (w->sess != NULL && world_info(w)->phase == KRBREPL__SESS_CLOSED)
            world_cut(w);
        if (w->sess == NULL) {
            world_connect(w);
            world_greet(w, w->slave.version);
        }
        if (world_run(w, UINT32_MAX) == 0 && w->sess != NULL &&
            world_info(w)->phase != KRBREPL__SESS_CLOSED)
            return;
    }
    fail_msg("the slave never comes to rest");
}

int world_same(const world *w)
{
    const size_t skip = sizeof KRBREPL__HDB_TABLE;
    size_t i, n = 0;

    for (i = 0; i < w->ms.live.n; i++) {
        const memrec *r = &w->ms.live.at[i], *s;

        if (r->key.len <= skip || memcmp(r->key.data, KRBREPL__HDB_TABLE, skip) != 0)
            continue;
        n++;
        s = slave_find(&w->slave,
                       (krbrepl_bytes){(const uint8_t *)r->key.data + skip, r->key.len - skip});
        if (s == NULL || s->value.len != r->value.len ||
            memcmp(s->value.data, r->value.data, r->value.len) != 0)
            return 0;
    }
    return n == w->slave.rows.n;
}
