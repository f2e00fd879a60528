/* What both ends of a native session share: the channel, the messages, the timers, the end. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

#include "errinfo.h"
#include "mem.h"
#include "sessint.h"

static const krbrepl__sess_ops native;

/* ---- birth and death ------------------------------------------------------------------------ */

static void sess_free(krbrepl__sess *s)
{
    krbrepl__strfree(s->name);
    krbrepl__strfree(s->address);
    krbrepl__buf_free(&s->body);
    krbrepl__buf_free(&s->m.pend);
    krbrepl__intake_free(&s->r.commits);
    krbrepl__intake_free(&s->r.records);
    krbrepl__msg_free(KRBREPL__FRAME_COPY_BEGIN, &s->r.start);
    krbrepl__walk_free(s->r.walk);
    krbrepl__free(s->r.group, 0); /* holds no bytes of its own */
    krbrepl__free(s, sizeof *s);
}

static void sess_init(krbrepl__sess *s, const krbrepl__sess_cfg *cfg, uint64_t now_ms)
{
    s->head.ops = &native;
    s->port = cfg->port;
    s->log = cfg->log;
    s->master = cfg->master;
    s->handshake_ms = cfg->handshake_ms;
    s->missing_ms = cfg->missing_ms;
    s->gone_ms = cfg->gone_ms;
    s->window = cfg->window;
    s->asks = cfg->asks;
    s->all = cfg->all;
    s->now = now_ms;
    s->hurry = now_ms + cfg->handshake_ms;
    s->info.dialect = KRBREPL__DIALECT_NATIVE;
    s->info.phase = KRBREPL__SESS_SECURING;
    s->info.heard_ms = now_ms;
    if (cfg->database_id != NULL)
        memcpy(s->want_id, cfg->database_id, sizeof s->want_id);
    krbrepl__buf_init(&s->body, KRBREPL__FRAME_MAX);
    krbrepl__buf_init(&s->m.pend, 0);
    /* Beside the window, the group that is being applied. */
    krbrepl__intake_init(&s->r.commits, 1, KRBREPL_MAX_COMMIT, 0,
                         (size_t)cfg->window + KRBREPL__SESS_GROUP_BYTES);
    krbrepl__intake_init(&s->r.records, 2, KRBREPL__FULLKEY_MAX, KRBREPL_MAX_VALUE,
                         (size_t)cfg->window);
}

int krbrepl__sess_new(krbrepl__sess **out, const krbrepl__sess_cfg *cfg, uint64_t now_ms)
{
    krbrepl__sess *s;

    *out = NULL;
    if (cfg->window < KRBREPL__SESS_WINDOW_MIN || cfg->window > SIZE_MAX / 4)
        return KRBREPL_ERR_INVALID;
    s = krbrepl__alloc(sizeof *s);
    if (s == NULL)
        return KRBREPL_ERR_NOMEM;
    sess_init(s, cfg, now_ms);
    s->name = krbrepl__strdup(cfg->name);
    s->address = krbrepl__strdup(cfg->address);
    if (!cfg->master)
        s->r.group = krbrepl__alloc_array(KRBREPL__SESS_GROUP, sizeof *s->r.group);
    if (s->name == NULL || s->address == NULL || (!cfg->master && s->r.group == NULL)) {
        sess_free(s);
        return KRBREPL_ERR_NOMEM;
    }
    s->chan = cfg->chan;
    *out = s;
    return 0;
}

static void native_free(krbrepl__sess *s)
{
    krbrepl__replica_copy_abort(s);
    krbrepl__master_leave(s);
    s->chan->ops->free(s->chan);
    sess_free(s);
}

static const krbrepl__sess_info *native_info(const krbrepl__sess *s)
{
    return &s->info;
}

static krbrepl__buf *native_out(krbrepl__sess *s)
{
    return &s->chan->out;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Marks the session as closed, for the reason in info.err and info.text, and logs it. */
static void set_closed(krbrepl__sess *s)
{
    krbrepl__sess_info *i = &s->info;
    char who[512];

    krbrepl__logf(s->log, krbrepl__sess_log_level(i->err), "session",
                  "%s: session %s by %s: %s%s%s; %llu commits", krbrepl__sess_who(s, who),
                  i->refused ? "refused" : "ended", i->by_peer ? "the peer" : "this node", i->text,
                  i->err != 0 ? ": " : "", i->err != 0 ? krbrepl_strerror(i->err) : "",
                  (unsigned long long)i->commits);
    i->phase = KRBREPL__SESS_CLOSED;
    s->hurry = KRBREPL__NEVER;
    krbrepl__replica_copy_abort(s);
    krbrepl__master_leave(s);
}

static void send_parting(krbrepl__sess *s)
{
    krbrepl__parting p = {0};

    if (s->chan->state != KRBREPL__CHAN_OPEN)
        return;
    p.has = KRBREPL__HAS(KRBREPL__TAG_TEXT);
    p.code = (uint64_t)-s->info.err;
    if (s->m.forked) {
        p.has |= KRBREPL__HAS(KRBREPL__TAG_POS) | KRBREPL__HAS(KRBREPL__TAG_FORK);
        p.pos = s->m.pos;
        p.fork = s->m.fork;
    }
    snprintf(p.text, sizeof p.text, "%.*s", (int)KRBREPL__MSG_TEXT, s->info.text);
    krbrepl__sess_send(s, s->info.refused ? KRBREPL__FRAME_REFUSE : KRBREPL__FRAME_BYE, &p);
    s->chan->ops->close(s->chan);
}

int krbrepl__sess_end(krbrepl__sess *s, int err, const char *fmt, ...)
{
    va_list ap;

    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return err;
    va_start(ap, fmt);
    vsnprintf(s->info.text, sizeof s->info.text, fmt, ap);
    va_end(ap);
    s->info.err = err;
    s->info.refused = krbrepl__sess_is_refusal(err);
    /* Now already: when there is no memory for the last words, that does not end the session once more. */
    s->info.phase = KRBREPL__SESS_CLOSED;
    send_parting(s);
    set_closed(s);
    return err;
}

int krbrepl__sess_port_failed(krbrepl__sess *s, int err, const char *what)
{
    char text[200];

    s->info.store_err = err;
    snprintf(text, sizeof text, "%s", s->port->error_text(s->port->ctx));
    return krbrepl__sess_end(s, err, "%s: %s", what, text[0] != '\0' ? text : krbrepl_strerror(err));
}

/* The peer said goodbye or refused. */
static int take_parting(krbrepl__sess *s, const krbrepl__frame *f)
{
    krbrepl__parting p;
    int rc = krbrepl__sess_read(s, f, &p), err;

    if (rc != 0)
        return rc;
    err = p.code < 1000 ? -(int)p.code : KRBREPL_ERR_PROTO;
    if (p.code != 0 && strcmp(krbrepl_err_name(err), "UNKNOWN") == 0)
        err = KRBREPL_ERR_PROTO;
    snprintf(s->info.text, sizeof s->info.text, "%s", p.text[0] != '\0' ? p.text : "no reason given");
    s->info.err = err;
    s->info.by_peer = 1;
    s->info.refused = f->type == KRBREPL__FRAME_REFUSE;
    s->chan->ops->close(s->chan);
    if (!s->master && s->info.phase == KRBREPL__SESS_HELLO)
        krbrepl__replica_forked(s, &p);
    set_closed(s);
    return err;
}

/* The channel failed; it may have left an alert in `out`. */
static int chan_failed(krbrepl__sess *s, int rc)
{
    snprintf(s->info.text, sizeof s->info.text, "%s",
             s->chan->err.text[0] != '\0' ? s->chan->err.text : "the secure channel failed");
    s->info.err = rc;
    set_closed(s);
    return rc;
}

/* ---- messages ------------------------------------------------------------------------------- */

int krbrepl__sess_send(krbrepl__sess *s, unsigned type, const void *msg)
{
    krbrepl_bytes none = {NULL, 0}, body;
    int rc;

    krbrepl__buf_reset(&s->body);
    krbrepl__msg_put(&s->body, type, msg);
    if (s->body.err != 0)
        return krbrepl__sess_end(s, s->body.err, "a %s message does not fit",
                                 krbrepl__frame_name(type));
    body.data = s->body.data;
    body.len = s->body.len;
    rc = krbrepl__link_send(s->chan, type, body, none);
    /* The channel can only fail here for memory; what is being sent may be the parting itself. */
    if (rc != 0 && s->info.phase != KRBREPL__SESS_CLOSED)
        chan_failed(s, rc);
    return rc;
}

int krbrepl__sess_read(krbrepl__sess *s, const krbrepl__frame *f, void *msg)
{
    unsigned tag;
    int rc = krbrepl__msg_get(f->body, f->type, msg, &tag);

    if (rc == 0)
        return 0;
    krbrepl__msg_free(f->type, msg);
    if (rc == KRBREPL_ERR_FORMAT)
        return krbrepl__sess_end(s, rc, "%s requires field %u, which this version does not know",
                                 krbrepl__frame_name(f->type), tag);
    return krbrepl__sess_end(s, rc, "malformed %s message", krbrepl__frame_name(f->type));
}

void krbrepl__sess_count(krbrepl__sess *s, size_t body)
{
    s->info.copy_bytes += KRBREPL__FRAME_HEAD + body;
}

static int send_ping(krbrepl__sess *s, unsigned type)
{
    krbrepl__ping p = {0};
    krbrepl__local local;

    if (s->master && s->port->local(s->port->ctx, &local) == 0) {
        p.has = KRBREPL__HAS(KRBREPL__TAG_POS);
        p.pos = local.pos;
    }
    return krbrepl__sess_send(s, type, &p);
}

void krbrepl__sess_up(krbrepl__sess *s, int phase)
{
    s->info.phase = phase;
    s->hurry = KRBREPL__NEVER;
}

static int is_up(const krbrepl__sess *s)
{
    return s->info.phase == KRBREPL__SESS_COPYING || s->info.phase == KRBREPL__SESS_STREAMING;
}

static int take_frame(krbrepl__sess *s, const krbrepl__frame *f)
{
    switch (f->type) {
    case KRBREPL__FRAME_REFUSE:
    case KRBREPL__FRAME_BYE:
        return take_parting(s, f);
    default:
        if (f->type > KRBREPL__FRAME_TREE)
            return 0; /* optional, and not known */
        if (f->type == KRBREPL__FRAME_PING && is_up(s))
            s->pong_due = 1;
        return s->master ? krbrepl__master_frame(s, f) : krbrepl__replica_frame(s, f);
    }
}

static int take_frames(krbrepl__sess *s)
{
    krbrepl__frame f;
    int rc;

    while (s->info.phase != KRBREPL__SESS_CLOSED && (rc = krbrepl__link_next(s->chan, &f)) != 0) {
        if (rc == KRBREPL_ERR_FORMAT)
            return krbrepl__sess_end(s, rc, "frames of type %u are not known to this version", f.type);
        if (rc < 0)
            return krbrepl__sess_end(s, rc, "malformed frame");
        rc = take_frame(s, &f);
        if (rc != 0)
            return rc;
        krbrepl__link_drop(s->chan, &f);
    }
    return 0;
}

/* ---- events --------------------------------------------------------------------------------- */

/* Both ends have proved who they are. */
static int secured(krbrepl__sess *s)
{
    s->info.phase = KRBREPL__SESS_HELLO;
    s->info.principal = s->chan->peer;
    s->info.mechanism = s->chan->mechanism;
    if (s->chan->lifetime_s != 0 && s->chan->lifetime_s < UINT32_MAX)
        s->info.expires_ms = s->now + s->chan->lifetime_s * 1000;
    if (s->master) {
        s->hurry = s->now + s->handshake_ms;
        return krbrepl__master_secured(s);
    }
    /* Until it may go, it waits on its own side. */
    s->hurry = KRBREPL__NEVER;
    if (!s->went)
        return 0;
    s->hurry = s->now + s->handshake_ms;
    return krbrepl__replica_hello(s);
}

/* What the channel has come to: `rc` is what it said. */
static int settle(krbrepl__sess *s, int rc)
{
    int end = 0;

    if (s->info.phase == KRBREPL__SESS_SECURING && s->chan->state == KRBREPL__CHAN_OPEN)
        end = secured(s);
    if (end == 0 && s->info.phase > KRBREPL__SESS_SECURING)
        end = take_frames(s);
    if (s->info.phase != KRBREPL__SESS_CLOSED && rc != 0)
        end = chan_failed(s, rc);
    return end;
}

/* Answers what is due and lets go of what the channel gathered. */
static int answer(krbrepl__sess *s)
{
    int rc = 0;

    if (s->info.phase != KRBREPL__SESS_CLOSED && s->chan->out.len < KRBREPL__SESS_OUT_MAX) {
        if (!s->master)
            rc = krbrepl__replica_settle(s);
        if (rc == 0 && s->pong_due)
            rc = send_ping(s, KRBREPL__FRAME_PONG);
        s->pong_due = 0;
    }
    if (s->chan->state == KRBREPL__CHAN_OPEN)
        s->chan->ops->flush(s->chan);
    return rc;
}

/* Runs after everything that may have produced network bytes; `before` is how many there were. */
static int finish(krbrepl__sess *s, size_t before, int rc)
{
    int end = answer(s);

    s->info.bytes_out += s->chan->out.len - before;
    return rc != 0 ? rc : end;
}

static int native_feed(krbrepl__sess *s, const uint8_t *p, size_t n, uint64_t now_ms)
{
    size_t before = s->chan->out.len, piece;
    int rc = 0;

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return s->info.err;
    s->info.bytes_in += n;
    s->info.heard_ms = now_ms;
    s->pinged_ms = 0;
    while (n != 0 && rc == 0 && s->info.phase != KRBREPL__SESS_CLOSED) {
        piece = n < KRBREPL__CHAN_FEED ? n : KRBREPL__CHAN_FEED;
        rc = settle(s, s->chan->ops->feed(s->chan, p, piece));
        p += piece;
        n -= piece;
    }
    return finish(s, before, rc);
}

static void native_eof(krbrepl__sess *s, uint64_t now_ms)
{
    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return;
    s->info.err = KRBREPL_ERR_NET;
    s->info.by_peer = 1;
    snprintf(s->info.text, sizeof s->info.text, "the connection ended");
    set_closed(s);
}

static krbrepl__job *native_take_job(krbrepl__sess *s)
{
    if (s->info.phase != KRBREPL__SESS_SECURING)
        return NULL;
    return s->chan->ops->take_job(s->chan);
}

static void native_job_done(krbrepl__sess *s, krbrepl__job *j, uint64_t now_ms)
{
    size_t before = s->chan->out.len;
    int rc;

    s->now = now_ms;
    rc = s->chan->ops->job_done(s->chan, j);
    if (s->info.phase != KRBREPL__SESS_CLOSED)
        settle(s, rc);
    finish(s, before, 0);
}

static void native_go(krbrepl__sess *s, uint64_t now_ms)
{
    size_t before = s->chan->out.len;

    s->now = now_ms;
    if (s->went || s->master || s->info.phase == KRBREPL__SESS_CLOSED)
        return;
    s->went = 1;
    if (s->info.phase == KRBREPL__SESS_HELLO) {
        s->hurry = now_ms + s->handshake_ms;
        krbrepl__replica_hello(s);
        finish(s, before, 0);
    }
}

static void native_again(krbrepl__sess *s)
{
    s->m.may_ask = 1;
    s->r.later = 0;
}

static void native_grown(krbrepl__sess *s, uint64_t seq)
{
    if (seq > s->m.tip)
        s->m.tip = seq;
}

static int native_check(krbrepl__sess *s, uint64_t seq, const uint8_t root[32])
{
    size_t before = s->chan->out.len;
    int heard;

    if (!s->master)
        return 0;
    heard = krbrepl__master_say_check(s, seq, root);
    finish(s, before, 0);
    return heard;
}

static void native_ask_check(krbrepl__sess *s)
{
    size_t before = s->chan->out.len;

    if (s->master)
        return;
    krbrepl__replica_say_check(s);
    finish(s, before, 0);
}

static void native_proved(krbrepl__sess *s, uint64_t seq, const uint8_t root[32])
{
    size_t before = s->chan->out.len;

    if (s->master || s->info.phase == KRBREPL__SESS_CLOSED)
        return;
    krbrepl__replica_take_root(s, seq, root);
    finish(s, before, 0);
}

static void native_prompt(krbrepl__sess *s)
{
    const krbrepl__ping p = {.has = KRBREPL__HAS(KRBREPL__TAG_PROMPT), .prompt = 1};
    size_t before = s->chan->out.len;

    if (!s->master || s->m.prompt || !is_up(s))
        return;
    s->m.prompt = 1;
    krbrepl__sess_send(s, KRBREPL__FRAME_PING, &p);
    finish(s, before, 0);
}

static void native_close(krbrepl__sess *s, int err, const char *text, uint64_t now_ms)
{
    size_t before = s->chan->out.len;

    s->now = now_ms;
    krbrepl__sess_end(s, err, "%s", text);
    finish(s, before, 0);
}

/* ---- work and timers ------------------------------------------------------------------------ */

/* When the next PING is due. */
static uint64_t ping_at(const krbrepl__sess *s)
{
    uint64_t last = s->pinged_ms != 0 ? s->pinged_ms : s->info.heard_ms;

    return last + s->missing_ms;
}

/* When a copy that does not go on is given up. */
static uint64_t stalled_at(const krbrepl__sess *s)
{
    return s->m.copying || s->m.end_due ? s->m.moved_ms + KRBREPL__SESS_STALL_MS : KRBREPL__NEVER;
}

static int timers(krbrepl__sess *s)
{
    krbrepl__sess_info *i = &s->info;

    if (s->now >= s->hurry)
        return krbrepl__sess_end(s, KRBREPL_ERR_TIMEOUT, "the handshake took longer than %llu ms",
                                 (unsigned long long)s->handshake_ms);
    if (i->expires_ms != 0 && s->now >= i->expires_ms)
        return krbrepl__sess_end(s, KRBREPL_ERR_AUTH, "the authentication has expired; connect again");
    if (!is_up(s))
        return 0;
    if (s->now >= i->heard_ms + s->gone_ms)
        return krbrepl__sess_end(s, KRBREPL_ERR_NET, "nothing was heard for %llu ms",
                                 (unsigned long long)(s->now - i->heard_ms));
    if (s->now >= stalled_at(s))
        return krbrepl__sess_end(
            s, KRBREPL_ERR_TIMEOUT,
            "the replica asked for nothing and took nothing of its copy for %u s; its "
            "place is given to others",
            KRBREPL__SESS_STALL_MS / 1000);
    if (s->now < ping_at(s))
        return 0;
    s->pinged_ms = s->now;
    return s->chan->out.len < KRBREPL__SESS_OUT_MAX ? send_ping(s, KRBREPL__FRAME_PING) : 0;
}

static void give_back(krbrepl__buf *b)
{
    if (b->len == 0 && b->err == 0 && b->cap > KRBREPL__SESS_KEEP)
        krbrepl__buf_free(b);
}

/* A master of ten thousand replicas must not keep for each of them what its largest moment took. */
static void rest(krbrepl__sess *s)
{
    give_back(&s->chan->out);
    give_back(&s->chan->in);
    give_back(&s->m.pend);
}

static int native_work(krbrepl__sess *s, uint64_t now_ms)
{
    size_t before = s->chan->out.len;
    int more = 0;

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return 0;
    if (timers(s) == 0 && is_up(s))
        more = s->master ? krbrepl__master_work(s) : krbrepl__replica_work(s);
    finish(s, before, 0);
    if (more <= 0 && s->master)
        rest(s);
    return more > 0 && s->info.phase != KRBREPL__SESS_CLOSED;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t native_deadline(const krbrepl__sess *s)
{
    uint64_t at = s->hurry;

    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return KRBREPL__NEVER;
    if (s->info.expires_ms != 0)
        at = earlier(at, s->info.expires_ms);
    if (is_up(s))
        at = earlier(earlier(at, stalled_at(s)), earlier(ping_at(s), s->info.heard_ms + s->gone_ms));
    return at;
}

static const krbrepl__sess_ops native = {
    .free = native_free,
    .feed = native_feed,
    .eof = native_eof,
    .out = native_out,
    .work = native_work,
    .deadline = native_deadline,
    .take_job = native_take_job,
    .job_done = native_job_done,
    .close = native_close,
    .info = native_info,
    .go = native_go,
    .again = native_again,
    .grown = native_grown,
    .check = native_check,
    .ask_check = native_ask_check,
    .proved = native_proved,
    .prompt = native_prompt,
};
