#include "pair.h"

const krbrepl__sess_info *info(krbrepl__sess *s)
{
    return krbrepl__sess_info_get(s);
}

static void on_log(void *ctx, int level, const char *area, const char *msg, size_t len)
{
    pair *p = ctx;

    assert_string_equal(area, "session");
    if (level <= p->worst_level) {
        p->worst_level = level;
        snprintf(p->worst, sizeof p->worst, "%.*s", (int)len, msg);
    }
}

void pair_init(pair *p)
{
    memset(p, 0, sizeof *p);
    mem_init(&p->ms);
    mem_init(&p->rs);
    mem_master(&p->ms, 7, 1);
    memport_init(&p->mp, &p->ms);
    memport_init(&p->rp, &p->rs);
    p->now = 1000;
    p->window = 1u << 20;
    p->log.fn = on_log;
    p->log.ctx = p;
    p->log.level = KRBREPL_LOG_DEBUG;
    p->worst_level = KRBREPL_LOG_DEBUG + 1;
}

void pair_drop(pair *p)
{
    krbrepl__sess_free(p->m);
    krbrepl__sess_free(p->r);
    p->m = p->r = NULL;
}

void pair_free(pair *p)
{
    pair_drop(p);
    mem_free(&p->ms);
    mem_free(&p->rs);
}

int pair_setup(void **state)
{
    pair *p = calloc(1, sizeof *p);

    assert_non_null(p);
    pair_init(p);
    *state = p;
    return 0;
}

void pair_anew(pair *p)
{
    pair_free(p);
    pair_init(p);
}

int pair_teardown(void **state)
{
    pair_free(*state);
    free(*state);
    return 0;
}

void pair_open_one(pair *p, int master)
{
    krbrepl__sess_cfg cfg = {0};

    cfg.master = master;
    cfg.chan = plainchan_new(master ? MASTER_NAME : REPLICA_NAME, p->lifetime_s);
    assert_non_null(cfg.chan);
    cfg.port = master ? &p->mp : &p->rp;
    cfg.log = &p->log;
    cfg.name = master ? "master" : "replica";
    cfg.address = "192.0.2.1:4711";
    cfg.database_id = master ? NULL : p->want_id;
    cfg.handshake_ms = 5000;
    cfg.missing_ms = 10000;
    cfg.gone_ms = 60000;
    cfg.asks = master ? 0 : p->asks;
    cfg.all = !master && p->all;
    cfg.window = master && p->master_window != 0 ? p->master_window : p->window;
    assert_int_equal(krbrepl__sess_new(master ? &p->m : &p->r, &cfg, p->now), 0);
}

void pair_open(pair *p)
{
    pair_drop(p);
    pair_open_one(p, 1);
    pair_open_one(p, 0);
}

size_t pair_move(pair *p, int from_master, size_t n)
{
    krbrepl__buf *out = krbrepl__sess_out(from_master ? p->m : p->r);
    uint8_t *copy;

    if (n > out->len)
        n = out->len;
    if (n == 0)
        return 0;
    copy = test_malloc(n); /* of the exact size, so that a sanitizer sees any over-read */
    memcpy(copy, out->data, n);
    krbrepl__buf_consume(out, n);
    krbrepl__sess_feed(from_master ? p->r : p->m, copy, n, p->now);
    test_free(copy);
    return n;
}

static int turn(pair *p)
{
    size_t piece = p->piece != 0 ? p->piece : SIZE_MAX, moved = 0;
    int more;

    if (!p->cut)
        moved = pair_move(p, 1, piece) + pair_move(p, 0, piece);
    more = krbrepl__sess_work(p->m, p->now);
    more |= krbrepl__sess_work(p->r, p->now);
    return more || moved != 0;
}

void pair_run(pair *p)
{
    while (turn(p) || (!p->cut && krbrepl__sess_out(p->m)->len + krbrepl__sess_out(p->r)->len != 0))
        continue;
}

void pair_meet(pair *p)
{
    pair_open(p);
    krbrepl__sess_go(p->r, p->now);
    pair_run(p);
}

void pair_commit(pair *p, const char *key, const char *value)
{
    mem_commit(&p->ms, key, value, value != NULL ? strlen(value) : SIZE_MAX);
    krbrepl__sess_grown(p->m, p->ms.local.pos.seq);
}

void assert_refused(pair *p, int code, int by_master)
{
    const krbrepl__sess_info *m = info(p->m), *r = info(p->r);

    assert_int_equal(m->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(r->phase, KRBREPL__SESS_CLOSED);
    assert_int_equal(m->err, code);
    assert_int_equal(r->err, code);
    assert_int_equal(m->by_peer, !by_master);
    assert_int_equal(r->by_peer, by_master);
    assert_true(m->refused && r->refused);
    assert_string_equal(m->text, r->text);
    assert_true(strlen(m->text) > 20);
    assert_true(p->worst_level <= KRBREPL_LOG_WARN);
}

/* ---- an end that the test plays itself ------------------------------------------------------- */

int say_raw(pair *p, krbrepl__sess *s, unsigned type, unsigned flags, const void *body, size_t n)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__frame_put(&b, type, flags, body, n);
    assert_int_equal(b.err, 0);
    rc = krbrepl__sess_feed(s, b.data, b.len, p->now);
    krbrepl__buf_free(&b);
    return rc;
}

int say(pair *p, krbrepl__sess *s, unsigned type, const void *msg)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__msg_put(&b, type, msg);
    assert_int_equal(b.err, 0);
    rc = say_raw(p, s, type, 0, b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

void introduce(pair *p, krbrepl__sess *s, const char *name)
{
    uint8_t b[256];
    krbrepl__buf *out = krbrepl__sess_out(s);

    b[0] = (uint8_t)strlen(name);
    memcpy(b + 1, name, b[0]);
    assert_true(out->len > 0 && out->data[0] < out->len);
    krbrepl__buf_consume(out, 1u + out->data[0]);
    krbrepl__sess_feed(s, b, 1u + b[0], p->now);
}

int hear(krbrepl__sess *s, krbrepl__frame *f)
{
    krbrepl__buf *out = krbrepl__sess_out(s);

    return krbrepl__frame_get(out->data, out->len, f);
}

void drop(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__buf_consume(krbrepl__sess_out(s), f->size);
}
