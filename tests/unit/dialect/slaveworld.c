#include "slaveworld.h"

#include <stdlib.h>

#include "mem.h"

/* ---- the store ------------------------------------------------------------------------------ */

static void copy_recs(sample_recs *to, const sample_recs *from)
{
    krbrepl__hdb_rows rows;
    size_t i;

    sample_free(to);
    memset(to, 0, sizeof *to);
    sample_rows(&rows, to);
    for (i = 0; i < from->n; i++)
        assert_int_equal(rows.put(rows.ctx, from->key[i], from->value[i], NULL), 0);
}

static int get_state(void *ctx, krbrepl__islave_state *out)
{
    *out = ((slaveworld *)ctx)->st;
    return 0;
}

static int begin(void *ctx, const char *why)
{
    slaveworld *w = ctx;

    assert_non_null(why);
    assert_false(w->in_txn);
    copy_recs(&w->undo, &w->live);
    w->in_txn = 1;
    return 0;
}

static int commit(void *ctx, const krbrepl__islave_state *st, krbrepl_pos *out)
{
    slaveworld *w = ctx;

    assert_true(w->in_txn);
    w->in_txn = 0;
    w->st = *st;
    memset(out, 0, sizeof *out);
    out->seq = ++w->seq;
    return 0;
}

static void abort_txn(void *ctx)
{
    slaveworld *w = ctx;

    if (w->in_txn)
        copy_recs(&w->live, &w->undo);
    w->in_txn = 0;
}

static int live_put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    slaveworld *w = ctx;
    krbrepl__hdb_rows rows;

    assert_true(w->in_txn);
    if (w->fail != 0)
        return krbrepl__fail(ei, w->fail, "the disk is full");
    sample_rows(&rows, &w->live);
    return rows.put(rows.ctx, key, value, ei);
}

static int live_get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    krbrepl__hdb_rows rows;

    sample_rows(&rows, &((slaveworld *)ctx)->live);
    return rows.get(rows.ctx, key, value, ei);
}

static int live_del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    krbrepl__hdb_rows rows;

    sample_rows(&rows, &((slaveworld *)ctx)->live);
    return rows.del(rows.ctx, key, ei);
}

static int load_begin(void *ctx, const char *why)
{
    slaveworld *w = ctx;

    assert_non_null(why);
    assert_false(w->loading);
    w->loading = 1;
    return 0;
}

static void run_job(krbrepl__job *j)
{
    (void)j;
}

static void free_job(krbrepl__job *j)
{
    free(j);
}

static int load_end(void *ctx, const krbrepl__islave_state *st, krbrepl__job **job)
{
    slaveworld *w = ctx;

    assert_true(w->loading);
    w->load_state = *st;
    *job = calloc(1, sizeof **job);
    assert_non_null(*job);
    (*job)->run = run_job;
    (*job)->free = free_job;
    return 0;
}

static void load_abort(void *ctx)
{
    slaveworld *w = ctx;

    sample_free(&w->next);
    memset(&w->next, 0, sizeof w->next);
    w->loading = 0;
}

static int load_done(void *ctx, krbrepl__job *job, krbrepl_pos *out)
{
    slaveworld *w = ctx;

    free(job);
    if (w->fail_load == 0) {
        copy_recs(&w->live, &w->next);
        w->st = w->load_state;
        memset(out, 0, sizeof *out);
        out->seq = ++w->seq;
    }
    load_abort(w);
    return w->fail_load;
}

static const char *error_text(void *ctx)
{
    (void)ctx;
    return "the store says no";
}

void sw_init(slaveworld *w)
{
    memset(w, 0, sizeof *w);
    w->now = 1000;
    w->rows = (krbrepl__hdb_rows){.get = live_get, .put = live_put, .del = live_del, .ctx = w};
    sample_rows(&w->load_rows, &w->next);
    w->port = (krbrepl__islave_port){.ctx = w,
                                     .state = get_state,
                                     .begin = begin,
                                     .commit = commit,
                                     .abort = abort_txn,
                                     .rows = &w->rows,
                                     .load_begin = load_begin,
                                     .load_rows = &w->load_rows,
                                     .load_end = load_end,
                                     .load_done = load_done,
                                     .load_abort = load_abort,
                                     .error_text = error_text};
}

static void drop_session(slaveworld *w)
{
    if (w->job != NULL)
        free(w->job);
    w->job = NULL;
    krbrepl__sess_free(w->sess);
    if (w->master != NULL)
        w->master->ops->free(w->master);
    w->sess = NULL;
    w->master = NULL;
}

void sw_free(slaveworld *w)
{
    drop_session(w);
    sample_free(&w->live);
    sample_free(&w->undo);
    sample_free(&w->next);
}

/* ---- the wire ------------------------------------------------------------------------------- */

static void pump(slaveworld *w)
{
    krbrepl__buf *out = krbrepl__sess_out(w->sess);

    assert_int_equal(w->master->ops->feed(w->master, out->data, out->len), 0);
    krbrepl__buf_consume(out, out->len);
    if (w->master->out.len != 0)
        krbrepl__sess_feed(w->sess, w->master->out.data, w->master->out.len, w->now);
    krbrepl__buf_consume(&w->master->out, w->master->out.len);
}

void sw_connect(slaveworld *w)
{
    krbrepl__islave_cfg cfg = {.port = &w->port,
                               .address = "192.0.2.1:2121",
                               .handshake_ms = 10000,
                               .lost_ms = 300000,
                               .renew_ms = 600000,
                               .whole = w->whole,
                               .learn = w->learn};

    drop_session(w);
    cfg.chan = plainchan_new("iprop/s@EXAMPLE", 0);
    w->master = plainchan_new("iprop/m@EXAMPLE", 0);
    assert_int_equal(krbrepl__islave_new(&w->sess, &cfg, w->now), 0);
    pump(w);
    sw_run(w);
}

void sw_cut(slaveworld *w)
{
    krbrepl__sess_eof(w->sess, w->now);
}

void sw_run(slaveworld *w)
{
    int i;

    for (i = 0; i < 1000; i++) {
        int more = krbrepl__sess_work(w->sess, w->now);
        krbrepl__job *j = krbrepl__sess_take_job(w->sess);

        pump(w);
        if (j != NULL) {
            j->run(j);
            krbrepl__sess_job_done(w->sess, j, w->now);
        }
        pump(w);
        if (!more && j == NULL)
            return;
    }
    fail();
}

uint32_t sw_says(slaveworld *w, uint32_t *version)
{
    krbrepl__iprop_msg m;
    krbrepl__rd r;
    uint32_t op;

    if (krbrepl__iprop_next(w->master, &m) != 1)
        return 0;
    op = m.op;
    krbrepl__rd_init(&r, m.body.data, m.body.len);
    *version = krbrepl__rd_u32(&r);
    krbrepl__iprop_drop(w->master, &m);
    return op;
}

void sw_has(slaveworld *w, uint32_t version)
{
    uint32_t v = 0;

    assert_int_equal(sw_says(w, &v), KRBREPL__IPROP_I_HAVE);
    assert_int_equal(v, version);
}

void sw_silent(slaveworld *w)
{
    uint32_t v;

    assert_int_equal(sw_says(w, &v), 0);
}

void sw_tell_body(slaveworld *w, uint32_t op, const krbrepl__buf *body)
{
    krbrepl_bytes b = {body != NULL ? body->data : NULL, body != NULL ? body->len : 0};

    assert_int_equal(krbrepl__iprop_send(w->master, op, b), 0);
    pump(w);
    sw_run(w);
}

void sw_tell(slaveworld *w, uint32_t op)
{
    sw_tell_body(w, op, NULL);
}

void sw_tell_version(slaveworld *w, uint32_t op, uint32_t version)
{
    assert_int_equal(krbrepl__iprop_send_u32(w->master, op, version), 0);
    pump(w);
    sw_run(w);
}

/* ---- entries and records -------------------------------------------------------------------- */

static krbrepl__hdb_princ princ_of(const char *name)
{
    krbrepl__hdb_princ p = {.type = 1, .realm = {"EXAMPLE", 7}, .n = 1};

    p.comp[0] = (krbrepl_bytes){name, strlen(name)};
    return p;
}

static void put_entry(krbrepl__buf *b, const char *name, uint32_t kvno)
{
    krbrepl__hdb_princ p = princ_of(name);
    size_t whole = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE), at, in, time;

    at = krbrepl__der_open(b, KRBREPL__DER_CTX(0));
    krbrepl__hdb_princ_write(b, &p);
    krbrepl__der_close(b, at);
    krbrepl__der_put_ctx_int(b, 1, kvno);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(2));
    krbrepl__der_put(b, KRBREPL__DER_SEQUENCE, (krbrepl_bytes){NULL, 0});
    krbrepl__der_close(b, at);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(3));
    in = krbrepl__der_open(b, KRBREPL__DER_SEQUENCE);
    time = krbrepl__der_open(b, KRBREPL__DER_CTX(0));
    krbrepl__der_put(b, KRBREPL__DER_TIME, (krbrepl_bytes){"20260101000000Z", 15});
    krbrepl__der_close(b, time);
    krbrepl__der_close(b, in);
    krbrepl__der_close(b, at);
    at = krbrepl__der_open(b, KRBREPL__DER_CTX(10));
    krbrepl__der_put_flags(b, 0x7e);
    krbrepl__der_close(b, at);
    krbrepl__der_close(b, whole);
    assert_int_equal(b->err, 0);
}

typedef void record_fn(krbrepl__buf *b, uint32_t version, krbrepl_bytes entry);

static void with_entry(krbrepl__buf *b, uint32_t version, const char *name, uint32_t kvno,
                       record_fn *fn)
{
    krbrepl__buf e;

    krbrepl__buf_init(&e, 0);
    put_entry(&e, name, kvno);
    fn(b, version, (krbrepl_bytes){e.data, e.len});
    krbrepl__buf_free(&e);
}

static void create(krbrepl__buf *b, uint32_t version, krbrepl_bytes entry)
{
    krbrepl__hdb_rec_create(b, version, 1, entry);
}

static void modify(krbrepl__buf *b, uint32_t version, krbrepl_bytes entry)
{
    krbrepl__hdb_rec_modify(b, version, 1, KRBREPL__HDB_MASK_KVNO, entry);
}

void sw_create(krbrepl__buf *b, uint32_t version, const char *name, uint32_t kvno)
{
    with_entry(b, version, name, kvno, create);
}

void sw_modify(krbrepl__buf *b, uint32_t version, const char *name, uint32_t kvno)
{
    with_entry(b, version, name, kvno, modify);
}

void sw_delete(krbrepl__buf *b, uint32_t version, const char *name)
{
    krbrepl__hdb_princ p = princ_of(name);

    krbrepl__hdb_rec_delete(b, version, 1, &p);
}

void sw_rename(krbrepl__buf *b, uint32_t version, const char *from, const char *to)
{
    krbrepl__hdb_princ p = princ_of(from);
    krbrepl__buf e;

    krbrepl__buf_init(&e, 0);
    put_entry(&e, to, 1);
    krbrepl__hdb_rec_rename(b, version, 1, &p, (krbrepl_bytes){e.data, e.len});
    krbrepl__buf_free(&e);
}

void sw_for_you(slaveworld *w, krbrepl__buf *b)
{
    sw_tell_body(w, KRBREPL__IPROP_FOR_YOU, b);
    krbrepl__buf_free(b);
}

void sw_whole(slaveworld *w, uint32_t version, const char *const *names)
{
    sw_tell(w, KRBREPL__IPROP_TELL_YOU_EVERYTHING);
    for (; *names != NULL; names++) {
        krbrepl__buf e;

        krbrepl__buf_init(&e, 0);
        put_entry(&e, *names, 1);
        sw_tell_body(w, KRBREPL__IPROP_ONE_PRINC, &e);
        krbrepl__buf_free(&e);
    }
    sw_tell_version(w, KRBREPL__IPROP_NOW_YOU_HAVE, version);
}

uint32_t sw_kvno(slaveworld *w, const char *name)
{
    char text[100];
    krbrepl_bytes v;
    krbrepl__hdb_entry e;

    snprintf(text, sizeof text, "%s@EXAMPLE", name);
    v = sample_get(&w->live, text);
    if (v.data == NULL)
        return 0;
    assert_int_equal(krbrepl__hdb_entry_read(&e, v, NULL), 0);
    return e.kvno;
}

krbrepl__islave_news sw_news(slaveworld *w)
{
    krbrepl__islave_news n;

    krbrepl__islave_news_get(w->sess, &n);
    return n;
}
