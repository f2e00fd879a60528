/* iprop_master.c: a session with an ipropd-slave: its messages, its timers, its end. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

#include "iprop_masterint.h"
#include "mem.h"

#define NEVER UINT64_MAX
#define TURNS 8
#define KEEP 16384u /* an empty buffer that is larger is given back */
/* A slave that takes nothing of a complete database, or does not say that it has it, loses its place to others.
 * It may have to write a large file first. */
#define STALL_MS (10u * 60u * 1000u)
/* A session that ends with its ticket waits so long for the answers that it is owed: without them the slave would
 * get a complete database when it comes back. */
#define ANSWERS_MS 10000u

static krbrepl__iprop_master *self(krbrepl__sess *s)
{
    return (krbrepl__iprop_master *)(void *)s;
}

static const krbrepl__iprop_master *self_const(const krbrepl__sess *s)
{
    return (const krbrepl__iprop_master *)(const void *)s;
}

/* ---- the end -------------------------------------------------------------------------------- */

static int level_of(int err)
{
    if (err == 0)
        return KRBREPL_LOG_NOTICE;
    return err == KRBREPL_ERR_NET ? KRBREPL_LOG_INFO : KRBREPL_LOG_WARN;
}

/* For the reason in info.err and info.text. */
static void set_closed(krbrepl__iprop_master *s)
{
    krbrepl__sess_info *i = &s->info;

    i->phase = KRBREPL__SESS_CLOSED;
    s->hurry = NEVER;
    krbrepl__iprop_leave(s);
    krbrepl__logf(s->log, level_of(i->err), "heimdal", "%s (%s): session ended by %s: %s%s%s",
                  i->principal != NULL ? i->principal : "somebody", s->address,
                  i->by_peer ? "the peer" : "this node", i->text, i->err != 0 ? ": " : "",
                  i->err != 0 ? krbrepl_strerror(i->err) : "");
    if (s->odd != 0)
        krbrepl__logf(s->log, KRBREPL_LOG_WARN, "heimdal",
                      "%s (%s): %llu records in table hdb are no entries that it could be given",
                      i->principal != NULL ? i->principal : "somebody", s->address,
                      (unsigned long long)s->odd);
}

/* This dialect has no word for the end: the connection just ends. */
int krbrepl__iprop_end(krbrepl__iprop_master *s, int err, const char *fmt, ...)
{
    va_list ap;

    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return err;
    va_start(ap, fmt);
    vsnprintf(s->info.text, sizeof s->info.text, fmt, ap);
    va_end(ap);
    s->info.err = err;
    s->info.refused = err == KRBREPL_ERR_DENIED || err == KRBREPL_ERR_NOT_MASTER;
    set_closed(s);
    return err != 0 ? err : KRBREPL_ERR_STATE;
}

int krbrepl__iprop_port_failed(krbrepl__iprop_master *s, int err, const char *what)
{
    char text[200];

    s->info.store_err = err;
    snprintf(text, sizeof text, "%s", s->port->error_text(s->port->ctx));
    return krbrepl__iprop_end(s, err, "%s: %s", what, text[0] != '\0' ? text : krbrepl_strerror(err));
}

static int chan_failed(krbrepl__iprop_master *s, int rc)
{
    return krbrepl__iprop_end(
        s, rc, "%s", s->chan->err.text[0] != '\0' ? s->chan->err.text : "the protected channel failed");
}

/* ---- messages ------------------------------------------------------------------------------- */

int krbrepl__iprop_say(krbrepl__iprop_master *s, uint32_t op, krbrepl_bytes body)
{
    int rc = krbrepl__iprop_send(s->chan, op, body);

    return rc == 0 ? 0 : chan_failed(s, rc);
}

void krbrepl__iprop_mark_add(krbrepl__iprop_master *s, uint32_t version, uint64_t seq, int whole)
{
    krbrepl__iprop_mark *m = &s->mark[(s->first_mark + s->nmarks) % KRBREPL__IPROP_MARKS];

    m->version = version;
    m->seq = seq;
    m->whole = whole;
    s->nmarks++;
}

static krbrepl__iprop_mark take_mark(krbrepl__iprop_master *s)
{
    krbrepl__iprop_mark m = s->mark[s->first_mark];

    s->first_mark = (s->first_mark + 1) % KRBREPL__IPROP_MARKS;
    s->nmarks--;
    return m;
}

/* The slave stopped at a record that it cannot apply, and would stay there for ever. */
static int not_applied(krbrepl__iprop_master *s, uint32_t version, uint32_t wanted)
{
    char who[600];

    snprintf(who, sizeof who, "%.400s (%s)", s->info.principal, s->address);
    krbrepl__logf(s->log, KRBREPL_LOG_WARN, "heimdal",
                  "%s: it cannot apply what comes after version %lu (sent up to %lu); its log says why",
                  who, (unsigned long)version, (unsigned long)wanted);
    if (s->failed++ != 0)
        return krbrepl__iprop_end(s, KRBREPL_ERR_CONFLICT,
                                  "the slave cannot apply what it is sent, not even after a complete "
                                  "database; look into its log");
    s->has = version;
    krbrepl__iprop_whole(s, KRBREPL_COPY_FAILED);
    return 0;
}

static int take_answer(krbrepl__iprop_master *s, uint32_t version)
{
    krbrepl__iprop_mark m = take_mark(s);
    krbrepl__sess_info *i = &s->info;

    s->moved_ms = s->now;
    if (m.whole && version != m.version)
        return krbrepl__iprop_end(
            s, KRBREPL_ERR_PROTO,
            "the slave says that it has version %lu after a complete database of %lu",
            (unsigned long)version, (unsigned long)m.version);
    if (m.whole) {
        int rc = krbrepl__iprop_whole_done(s);

        if (rc != 0)
            return rc;
    } else if (s->deaf || s->copy_due || s->copying || s->confirm) {
        return 0; /* what it was sent before the database does not count any more */
    } else if (version != m.version) {
        return not_applied(s, version, m.version);
    } else {
        int rc;

        krbrepl__iprop_answered(s, version);
        rc = krbrepl__iprop_settle(s, version);
        if (rc != 0)
            return rc;
    }
    i->version = version;
    i->received = i->durable = i->applied = m.seq;
    s->port->hold(s->port->ctx, i->principal, m.seq + 1);
    return 0;
}

static int take_i_have(krbrepl__iprop_master *s, const krbrepl__iprop_msg *m)
{
    krbrepl__rd r;
    uint32_t version;

    krbrepl__rd_init(&r, m->body.data, m->body.len);
    version = krbrepl__rd_u32(&r);
    if (r.err != 0)
        return krbrepl__iprop_end(s, KRBREPL_ERR_PROTO, "an I_HAVE without a version");
    if (s->greeted)
        return s->nmarks != 0 ? take_answer(s, version) : 0;
    s->greeted = 1;
    s->has = version;
    s->hurry = NEVER;
    s->info.phase = KRBREPL__SESS_STREAMING;
    krbrepl__logf(s->log, KRBREPL_LOG_NOTICE, "heimdal", "%s (%s): slave is up, at version %lu",
                  s->info.principal, s->address, (unsigned long)version);
    return krbrepl__iprop_start(s);
}

static int take_messages(krbrepl__iprop_master *s)
{
    krbrepl__iprop_msg m;
    int rc = 0;

    while (rc == 0 && s->info.phase != KRBREPL__SESS_CLOSED &&
           (rc = krbrepl__iprop_next(s->chan, &m)) == 1) {
        rc = m.op == KRBREPL__IPROP_I_HAVE ? take_i_have(s, &m) : 0;
        krbrepl__iprop_drop(s->chan, &m);
    }
    if (rc == KRBREPL_ERR_PROTO)
        rc = krbrepl__iprop_end(s, rc, "a message without an opcode");
    return rc;
}

/* ---- events --------------------------------------------------------------------------------- */

/* The slave has proved who it is. One that is known, or allowed, as a native replica is not served here: somebody
 * who has its key later must not be able to talk it down to a channel that he can read. */
static int secured(krbrepl__iprop_master *s)
{
    krbrepl__sess_info *i = &s->info;
    int allow;

    i->phase = KRBREPL__SESS_HELLO;
    i->principal = s->chan->peer;
    i->mechanism = s->chan->mechanism;
    if (s->chan->lifetime_s != 0 && s->chan->lifetime_s < UINT32_MAX)
        i->expires_ms = s->now + s->chan->lifetime_s * 1000;
    allow = s->port->authorize(s->port->ctx, i->principal);
    if (allow > 0 && (allow & KRBREPL_ALLOW_HEIMDAL) != 0)
        return 0;
    return krbrepl__iprop_end(
        s, KRBREPL_ERR_DENIED,
        "%.90s may not follow as a Heimdal slave; add it to the slaves file or, as "
        "\"heimdal\", to the acl of the master",
        i->principal);
}

static int settle(krbrepl__iprop_master *s, int rc)
{
    int end = 0;

    if (s->info.phase == KRBREPL__SESS_SECURING && s->chan->state == KRBREPL__CHAN_OPEN)
        end = secured(s);
    if (end == 0 && s->info.phase > KRBREPL__SESS_SECURING)
        end = take_messages(s);
    if (s->info.phase != KRBREPL__SESS_CLOSED && rc != 0)
        end = chan_failed(s, rc);
    return end;
}

static void count_out(krbrepl__iprop_master *s, size_t before)
{
    s->info.bytes_out += s->chan->out.len - before;
}

static int master_feed(krbrepl__sess *base, const uint8_t *p, size_t n, uint64_t now_ms)
{
    krbrepl__iprop_master *s = self(base);
    size_t before = s->chan->out.len, piece;
    int rc = 0;

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return s->info.err;
    s->info.bytes_in += n;
    /* Not of `moved_ms`: one that chats would keep a place of a complete database that it does not take. */
    s->info.heard_ms = now_ms;
    s->asked_ms = 0;
    while (n != 0 && rc == 0 && s->info.phase != KRBREPL__SESS_CLOSED) {
        piece = n < KRBREPL__CHAN_FEED ? n : KRBREPL__CHAN_FEED;
        rc = settle(s, s->chan->ops->feed(s->chan, p, piece));
        p += piece;
        n -= piece;
    }
    count_out(s, before);
    return rc;
}

static void master_eof(krbrepl__sess *base, uint64_t now_ms)
{
    krbrepl__iprop_master *s = self(base);

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return;
    s->info.err = KRBREPL_ERR_NET;
    s->info.by_peer = 1;
    snprintf(s->info.text, sizeof s->info.text, "the connection ended");
    set_closed(s);
}

static krbrepl__buf *master_out(krbrepl__sess *base)
{
    return &self(base)->chan->out;
}

static krbrepl__job *master_take_job(krbrepl__sess *base)
{
    krbrepl__iprop_master *s = self(base);

    return s->info.phase == KRBREPL__SESS_SECURING ? s->chan->ops->take_job(s->chan) : NULL;
}

static void master_job_done(krbrepl__sess *base, krbrepl__job *j, uint64_t now_ms)
{
    krbrepl__iprop_master *s = self(base);
    size_t before = s->chan->out.len;
    int rc;

    s->now = now_ms;
    rc = s->chan->ops->job_done(s->chan, j);
    if (s->info.phase != KRBREPL__SESS_CLOSED)
        settle(s, rc);
    count_out(s, before);
}

static void master_again(krbrepl__sess *base)
{
    self(base)->may_ask = 1;
}

static void master_grown(krbrepl__sess *base, uint64_t seq)
{
    krbrepl__iprop_master *s = self(base);

    if (seq > s->tip)
        s->tip = seq;
}

static void master_close(krbrepl__sess *base, int err, const char *text, uint64_t now_ms)
{
    self(base)->now = now_ms;
    krbrepl__iprop_end(self(base), err, "%s", text);
}

static const krbrepl__sess_info *master_info(const krbrepl__sess *base)
{
    return &self_const(base)->info;
}

/* ---- work and timers ------------------------------------------------------------------------ */

static int is_copying(const krbrepl__iprop_master *s)
{
    return s->copy_due || s->copying || s->confirm;
}

/* While a complete database is under way nothing else may be said, and the slave is silent: that it takes what
 * it is sent is its sign of life. */
static uint64_t gone_at(const krbrepl__iprop_master *s)
{
    if (!s->greeted)
        return NEVER;
    if (is_copying(s))
        return s->copying || s->confirm ? s->moved_ms + STALL_MS : NEVER;
    return s->info.heard_ms + s->gone_ms;
}

static uint64_t ask_at(const krbrepl__iprop_master *s)
{
    return !s->greeted || is_copying(s) || s->asked_ms != 0 ? NEVER : s->info.heard_ms + s->missing_ms;
}

static uint64_t expires_at(const krbrepl__iprop_master *s)
{
    if (s->info.expires_ms == 0)
        return NEVER;
    return s->nmarks != 0 && !is_copying(s) ? s->info.expires_ms + ANSWERS_MS : s->info.expires_ms;
}

static int has_expired(const krbrepl__iprop_master *s)
{
    return s->info.expires_ms != 0 && s->now >= s->info.expires_ms;
}

static void note_progress(krbrepl__iprop_master *s)
{
    if (s->chan->out.len < s->unsent)
        s->moved_ms = s->now;
    s->unsent = s->chan->out.len;
}

static int timers(krbrepl__iprop_master *s)
{
    krbrepl_bytes none = {NULL, 0};
    krbrepl__sess_info *i = &s->info;

    if (s->now >= s->hurry)
        return krbrepl__iprop_end(s, KRBREPL_ERR_TIMEOUT, "the handshake took longer than %llu ms",
                                  (unsigned long long)s->handshake_ms);
    if (s->now >= expires_at(s))
        return krbrepl__iprop_end(s, KRBREPL_ERR_AUTH, "the ticket has expired; connect again");
    if (s->now >= gone_at(s))
        return krbrepl__iprop_end(s, KRBREPL_ERR_NET, "nothing was heard of the slave for %llu ms",
                                  (unsigned long long)(s->now - i->heard_ms));
    if (s->now < ask_at(s) || s->chan->out.len >= KRBREPL__SESS_OUT_MAX)
        return 0;
    s->asked_ms = s->now;
    return krbrepl__iprop_say(s, KRBREPL__IPROP_ARE_YOU_THERE, none);
}

static int produce(krbrepl__iprop_master *s)
{
    int turn, rc = 1;

    if (has_expired(s))
        return 0;
    for (turn = 0; rc == 1 && turn < TURNS; turn++) {
        if (s->chan->out.len >= KRBREPL__SESS_OUT_MAX)
            return 0;
        rc = is_copying(s) ? krbrepl__iprop_whole_work(s) : krbrepl__iprop_stream(s);
    }
    return rc;
}

static void give_back(krbrepl__buf *b)
{
    if (b->len == 0 && b->err == 0 && b->cap > KEEP)
        krbrepl__buf_free(b);
}

static int master_work(krbrepl__sess *base, uint64_t now_ms)
{
    krbrepl__iprop_master *s = self(base);
    size_t before = s->chan->out.len;
    int more = 0;

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return 0;
    note_progress(s);
    if (timers(s) == 0 && s->greeted)
        more = produce(s);
    count_out(s, before);
    s->unsent = s->chan->out.len;
    if (more <= 0) {
        give_back(&s->chan->out);
        give_back(&s->chan->in);
        give_back(&s->pend);
        give_back(&s->msg);
    }
    return more > 0 && s->info.phase != KRBREPL__SESS_CLOSED;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t master_deadline(const krbrepl__sess *base)
{
    const krbrepl__iprop_master *s = self_const(base);

    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return NEVER;
    return earlier(earlier(s->hurry, expires_at(s)), earlier(gone_at(s), ask_at(s)));
}

/* ---- birth and death ------------------------------------------------------------------------ */

static void release(krbrepl__iprop_master *s)
{
    krbrepl__strfree(s->address);
    krbrepl__iprop_emit_end(&s->emit);
    krbrepl__buf_free(&s->pend);
    krbrepl__buf_free(&s->msg);
    krbrepl__free(s, sizeof *s);
}

static void master_free(krbrepl__sess *base)
{
    krbrepl__iprop_master *s = self(base);

    krbrepl__iprop_leave(s);
    s->chan->ops->free(s->chan);
    release(s);
}

static const krbrepl__sess_ops master_ops = {
    .free = master_free,
    .feed = master_feed,
    .eof = master_eof,
    .out = master_out,
    .work = master_work,
    .deadline = master_deadline,
    .take_job = master_take_job,
    .job_done = master_job_done,
    .close = master_close,
    .info = master_info,
    .again = master_again,
    .grown = master_grown,
};

int krbrepl__iprop_master_new(krbrepl__sess **out, const krbrepl__sess_cfg *cfg, uint64_t now_ms)
{
    krbrepl__iprop_master *s;

    *out = NULL;
    s = krbrepl__alloc(sizeof *s);
    if (s == NULL)
        return KRBREPL_ERR_NOMEM;
    s->head.ops = &master_ops;
    s->address = krbrepl__strdup(cfg->address);
    if (s->address == NULL) {
        release(s);
        return KRBREPL_ERR_NOMEM;
    }
    s->port = cfg->port;
    s->log = cfg->log;
    s->handshake_ms = cfg->handshake_ms;
    s->missing_ms = cfg->missing_ms;
    s->gone_ms = cfg->gone_ms;
    s->now = s->moved_ms = now_ms;
    s->hurry = now_ms + cfg->handshake_ms;
    s->info.phase = KRBREPL__SESS_SECURING;
    s->info.dialect = KRBREPL__DIALECT_HEIMDAL;
    s->info.heard_ms = now_ms;
    krbrepl__buf_init(&s->pend, 0);
    krbrepl__buf_init(&s->msg, 0);
    s->chan = cfg->chan; /* taken over */
    *out = (krbrepl__sess *)(void *)s;
    return 0;
}
