#include "iprop_slaveint.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <krbrepl/node.h>

#include "mem.h"
#include "sha.h"

#define PAUSE_BYTES (4u << 20) /* of plaintext that waits to be worked on */
#define TURN_ENTRIES 500u      /* of a whole database in one turn */

static krbrepl__islave *self(krbrepl__sess *s)
{
    return (krbrepl__islave *)(void *)s;
}

/* ---- the end -------------------------------------------------------------------------------- */

static int level_of(int err)
{
    switch (err) {
    case 0:
    case KRBREPL_ERR_NET:
        return KRBREPL_LOG_NOTICE;
    case KRBREPL_ERR_DIVERGED:
    case KRBREPL_ERR_CORRUPT:
    case KRBREPL_ERR_NOSPACE:
    case KRBREPL_ERR_IO:
        return KRBREPL_LOG_ERROR;
    default:
        return KRBREPL_LOG_WARN;
    }
}

static void drop_load(krbrepl__islave *s)
{
    if (s->job != NULL)
        s->job->free(s->job);
    s->job = NULL;
    if (s->loading)
        s->port->load_abort(s->port->ctx);
    s->loading = 0;
}

int krbrepl__islave_end(krbrepl__islave *s, int err, const char *fmt, ...)
{
    krbrepl__sess_info *i = &s->info;
    va_list ap;

    if (i->phase == KRBREPL__SESS_CLOSED)
        return err;
    va_start(ap, fmt);
    vsnprintf(i->text, sizeof i->text, fmt, ap);
    va_end(ap);
    i->err = err;
    i->phase = KRBREPL__SESS_CLOSED;
    drop_load(s);
    krbrepl__logf(s->log, i->store_err != 0 ? KRBREPL_LOG_ERROR : level_of(err), "iprop",
                  "%s: the session with the master ended: %s%s%s",
                  i->principal != NULL ? i->principal : s->address, i->text, err != 0 ? ": " : "",
                  err != 0 ? krbrepl_strerror(err) : "");
    return err;
}

/* What was told does not go on from what is held: the next session asks for everything. */
int krbrepl__islave_end_for_whole(krbrepl__islave *s, const char *why)
{
    s->news.wants_whole = 1;
    return krbrepl__islave_end(s, KRBREPL_ERR_DIVERGED, "%s; a whole database is asked for", why);
}

int krbrepl__islave_store_failed(krbrepl__islave *s, int err, const char *what)
{
    char text[200];

    snprintf(text, sizeof text, "%.199s",
             s->ei.code != 0 ? s->ei.text : s->port->error_text(s->port->ctx));
    s->info.store_err = err;
    return krbrepl__islave_end(s, err, "%s: %s", what, text[0] != '\0' ? text : krbrepl_strerror(err));
}

static int chan_failed(krbrepl__islave *s, int rc)
{
    return krbrepl__islave_end(
        s, rc, "%s", s->chan->err.text[0] != '\0' ? s->chan->err.text : "the protected channel failed");
}

/* ---- saying --------------------------------------------------------------------------------- */

static int say(krbrepl__islave *s, int rc)
{
    return rc == 0 ? 0 : chan_failed(s, rc);
}

int krbrepl__islave_say_have(krbrepl__islave *s, uint32_t version)
{
    return say(s, krbrepl__iprop_send_u32(s->chan, KRBREPL__IPROP_I_HAVE, version));
}

/* Both ends have authenticated. With a mark the version before the own one is named, so that the master sends the
 * record that is held already: if that is another one, its history is another one too, whatever its numbers are. */
static int begin(krbrepl__islave *s)
{
    uint32_t version;
    int rc;

    s->info.phase = KRBREPL__SESS_HELLO;
    s->info.principal = s->chan->peer;
    s->info.mechanism = s->chan->mechanism;
    rc = s->port->state(s->port->ctx, &s->st);
    if (rc != 0)
        return krbrepl__islave_store_failed(s, rc, "the version of the store cannot be read");
    s->have = s->st.version != 0 && !s->whole;
    version = s->have ? s->st.version : 0;
    s->check_mark = s->have && (s->st.marked || s->learn) && version > 1;
    s->news.marked = s->st.marked;
    s->news.version = s->st.version;
    return krbrepl__islave_say_have(s, s->check_mark ? version - 1 : version);
}

/* ---- messages ------------------------------------------------------------------------------- */

static int take_last(krbrepl__islave *s)
{
    int rc = 0;

    if (s->check_mark)
        return krbrepl__islave_end_for_whole(s, "the master is behind what was taken from it before");
    s->info.phase = KRBREPL__SESS_STREAMING;
    s->news.lacks = !s->have;
    s->news.even = s->have;
    if (!s->have)
        krbrepl__logf(
            s->log, KRBREPL_LOG_ERROR, "iprop",
            "the log of %s is at version 0, and with that it does not send its database; make "
            "any change there, and it does",
            s->info.principal);
    else if (s->st.settling)
        rc = krbrepl__islave_settled(s);
    return rc != 0 ? rc : 1;
}

static int take_in_whole(krbrepl__islave *s, const krbrepl__iprop_msg *m)
{
    switch (m->op) {
    case KRBREPL__IPROP_ONE_PRINC:
        return krbrepl__islave_take_entry(s, m->body);
    case KRBREPL__IPROP_NOW_YOU_HAVE:
        return krbrepl__islave_end_whole(s, m->body);
    default:
        return krbrepl__islave_end(s, KRBREPL_ERR_PROTO, "%s (%lu) inside of a whole database",
                                   krbrepl__iprop_op_name(m->op), (unsigned long)m->op);
    }
}

static int take(krbrepl__islave *s, const krbrepl__iprop_msg *m)
{
    int rc;

    if (s->loading)
        return take_in_whole(s, m);
    switch (m->op) {
    case KRBREPL__IPROP_FOR_YOU:
        return krbrepl__islave_take_records(s, m->body);
    case KRBREPL__IPROP_TELL_YOU_EVERYTHING:
        return krbrepl__islave_begin_whole(s);
    case KRBREPL__IPROP_YOU_HAVE_LAST_VERSION:
        return take_last(s);
    case KRBREPL__IPROP_ARE_YOU_THERE:
        rc = say(s, krbrepl__iprop_send(s->chan, KRBREPL__IPROP_I_AM_HERE, (krbrepl_bytes){NULL, 0}));
        return rc != 0 ? rc : 1;
    default:
        krbrepl__logf(s->log, KRBREPL_LOG_WARN, "iprop", "%s said %s (%lu), which means nothing here",
                      s->info.principal, krbrepl__iprop_op_name(m->op), (unsigned long)m->op);
        return 1;
    }
}

/* 1: there may be more to do. */
static int take_next(krbrepl__islave *s)
{
    krbrepl__iprop_msg m;
    int rc;

    if (s->info.phase == KRBREPL__SESS_CLOSED || s->chan->state != KRBREPL__CHAN_OPEN ||
        s->job != NULL || s->job_out)
        return 0;
    if (s->chan->in.len >= 4 && krbrepl__get_u32(s->chan->in.data) > KRBREPL__ISLAVE_MSG_MAX) {
        krbrepl__islave_end(s, KRBREPL_ERR_TOOBIG, "a message of more than %u bytes",
                            KRBREPL__ISLAVE_MSG_MAX);
        return 0;
    }
    rc = krbrepl__iprop_next(s->chan, &m);
    if (rc < 0)
        krbrepl__islave_end(s, rc, "a message without an opcode");
    if (rc != 1)
        return 0;
    rc = take(s, &m);
    if (rc == 1)
        krbrepl__iprop_drop(s->chan, &m);
    return rc >= 0;
}

/* ---- timers --------------------------------------------------------------------------------- */

/* The one that ends the session; when it is idle, and not in the middle of something. */
static uint64_t silent_until(const krbrepl__islave *s)
{
    uint64_t limit = s->info.phase == KRBREPL__SESS_SECURING ? s->handshake_ms : s->lost_ms;

    return (s->info.phase == KRBREPL__SESS_SECURING ? s->opened : s->info.heard_ms) + limit;
}

static int is_idle(const krbrepl__islave *s)
{
    return s->info.phase == KRBREPL__SESS_STREAMING && !s->loading;
}

static void look_at_clock(krbrepl__islave *s)
{
    if (s->info.phase == KRBREPL__SESS_CLOSED || s->news.paused)
        return;
    if (s->now >= silent_until(s))
        krbrepl__islave_end(s, KRBREPL_ERR_NET, "the master was silent for %llu s",
                            (unsigned long long)(s->now - s->info.heard_ms) / 1000);
    else if (is_idle(s) && s->now >= s->opened + s->renew_ms)
        krbrepl__islave_end(s, 0, "a new one takes its place");
}

static uint64_t islave_deadline(const krbrepl__sess *sess)
{
    const krbrepl__islave *s = (const krbrepl__islave *)(const void *)sess;
    uint64_t at;

    if (s->info.phase == KRBREPL__SESS_CLOSED || s->news.paused)
        return UINT64_MAX;
    at = silent_until(s);
    if (is_idle(s) && s->opened + s->renew_ms < at)
        at = s->opened + s->renew_ms;
    return at;
}

/* ---- the calls of a session ----------------------------------------------------------------- */

static void count_out(krbrepl__islave *s, size_t before)
{
    if (s->chan->state == KRBREPL__CHAN_OPEN)
        s->chan->ops->flush(s->chan);
    s->info.bytes_out += s->chan->out.len - before;
}

static void look_at_pause(krbrepl__islave *s)
{
    s->news.paused = s->info.phase != KRBREPL__SESS_CLOSED &&
                     (s->job != NULL || s->job_out || s->chan->in.len > PAUSE_BYTES);
    /* What was not read while this end was at work is no silence of the master's. */
    if (s->news.paused)
        s->info.heard_ms = s->now;
}

static int islave_feed(krbrepl__sess *sess, const uint8_t *p, size_t n, uint64_t now_ms)
{
    krbrepl__islave *s = self(sess);
    size_t before = s->chan->out.len;
    int rc = 0;

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return s->info.err;
    s->info.bytes_in += n;
    s->info.heard_ms = now_ms;
    while (n != 0 && rc == 0) {
        size_t piece = n < KRBREPL__CHAN_FEED ? n : KRBREPL__CHAN_FEED;

        rc = s->chan->ops->feed(s->chan, p, piece);
        p += piece;
        n -= piece;
    }
    if (rc != 0)
        chan_failed(s, rc);
    else if (s->info.phase == KRBREPL__SESS_SECURING && s->chan->state == KRBREPL__CHAN_OPEN)
        rc = begin(s);
    count_out(s, before);
    return rc;
}

static void islave_eof(krbrepl__sess *sess, uint64_t now_ms)
{
    krbrepl__islave *s = self(sess);

    s->now = now_ms;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return;
    /* What has come in before the end is still taken: the master may have gone right behind a change. */
    while (take_next(s))
        continue;
    if (s->info.phase == KRBREPL__SESS_CLOSED)
        return;
    s->info.by_peer = 1;
    if (s->info.phase != KRBREPL__SESS_HELLO) {
        krbrepl__islave_end(s, KRBREPL_ERR_NET, "the connection ended");
        return;
    }
    s->info.refused = 1;
    krbrepl__islave_end(
        s, KRBREPL_ERR_DENIED,
        "the master has hung up right after the authentication; it does so when its file of slaves "
        "does not list this one, and when this one is connected already");
}

static int islave_work(krbrepl__sess *sess, uint64_t now_ms)
{
    krbrepl__islave *s = self(sess);
    size_t before = s->chan->out.len;
    unsigned n = 0;
    int more = 1;

    s->now = now_ms;
    while (more && n++ < (s->loading ? TURN_ENTRIES : 1) && s->chan->out.len < KRBREPL__SESS_OUT_MAX)
        more = take_next(s);
    look_at_pause(s);
    look_at_clock(s);
    count_out(s, before);
    return more;
}

static krbrepl__job *islave_take_job(krbrepl__sess *sess)
{
    krbrepl__islave *s = self(sess);
    krbrepl__job *j = s->job;

    if (s->info.phase == KRBREPL__SESS_SECURING)
        return s->chan->ops->take_job(s->chan);
    s->job = NULL;
    s->job_out = j != NULL;
    return j;
}

static void islave_job_done(krbrepl__sess *sess, krbrepl__job *j, uint64_t now_ms)
{
    krbrepl__islave *s = self(sess);
    size_t before = s->chan->out.len;
    int rc;

    s->now = now_ms;
    if (s->job_out) {
        krbrepl__islave_whole_done(s, j);
    } else {
        rc = s->chan->ops->job_done(s->chan, j);
        if (s->info.phase != KRBREPL__SESS_CLOSED && rc != 0)
            chan_failed(s, rc);
        else if (s->info.phase == KRBREPL__SESS_SECURING && s->chan->state == KRBREPL__CHAN_OPEN)
            begin(s);
    }
    look_at_pause(s);
    count_out(s, before);
}

static void islave_close(krbrepl__sess *sess, int err, const char *text, uint64_t now_ms)
{
    krbrepl__islave *s = self(sess);

    s->now = now_ms;
    krbrepl__islave_end(s, err, "%s", text);
}

static krbrepl__buf *islave_out(krbrepl__sess *sess)
{
    return &self(sess)->chan->out;
}

static const krbrepl__sess_info *islave_info(const krbrepl__sess *sess)
{
    return &((const krbrepl__islave *)(const void *)sess)->info;
}

void krbrepl__islave_news_get(const krbrepl__sess *sess, krbrepl__islave_news *out)
{
    *out = ((const krbrepl__islave *)(const void *)sess)->news;
}

static void islave_free(krbrepl__sess *sess)
{
    krbrepl__islave *s = self(sess);

    drop_load(s);
    s->chan->ops->free(s->chan);
    krbrepl__sha_free(s->sha);
    krbrepl__strfree(s->address);
    krbrepl__free(s, sizeof *s);
}

static const krbrepl__sess_ops islave_ops = {
    .free = islave_free,
    .feed = islave_feed,
    .eof = islave_eof,
    .out = islave_out,
    .work = islave_work,
    .deadline = islave_deadline,
    .take_job = islave_take_job,
    .job_done = islave_job_done,
    .close = islave_close,
    .info = islave_info,
};

int krbrepl__islave_new(krbrepl__sess **out, const krbrepl__islave_cfg *cfg, uint64_t now_ms)
{
    krbrepl__islave *s = krbrepl__alloc(sizeof *s);

    *out = NULL;
    if (s == NULL)
        return KRBREPL_ERR_NOMEM;
    s->head.ops = &islave_ops;
    s->port = cfg->port;
    s->log = cfg->log;
    s->handshake_ms = cfg->handshake_ms;
    s->lost_ms = cfg->lost_ms;
    s->renew_ms = cfg->renew_ms;
    s->whole = cfg->whole;
    s->learn = cfg->learn;
    s->now = s->opened = s->info.heard_ms = now_ms;
    s->info.phase = KRBREPL__SESS_SECURING;
    s->info.dialect = KRBREPL__DIALECT_HEIMDAL;
    s->sha = krbrepl__sha_new();
    s->address = krbrepl__strdup(cfg->address);
    if (s->sha == NULL || s->address == NULL) {
        krbrepl__sha_free(s->sha);
        krbrepl__strfree(s->address);
        krbrepl__free(s, sizeof *s);
        return KRBREPL_ERR_NOMEM;
    }
    s->chan = cfg->chan;
    *out = (krbrepl__sess *)(void *)s;
    return 0;
}
