#include "propchan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "errinfo.h"
#include "krbpriv.h"
#include "mem.h"
#include "sendauth.h"

#define SENDAUTH "KRB5_SENDAUTH_V1.0"
#define ACCEPTOR_FRAME 4096u
#define INITIATOR_FRAME (32u << 20)

enum phase {
    PHASE_SENDAUTH = 1, /* acceptor: the first string */
    PHASE_VERSION = 2,  /* acceptor: the second */
    PHASE_REQUEST = 3,  /* acceptor: AP-REQ, then the job */
    PHASE_ANSWER = 4,   /* initiator: the byte that answers the strings */
    PHASE_ACCEPTED = 5, /* initiator: a length of zero, or a KRB-ERROR */
    PHASE_REPLY = 6,    /* initiator: AP-REP */
    PHASE_DATA = 7
};

typedef struct propchan {
    krbrepl__chan base;      /* first */
    krbrepl__sendauth *auth; /* NULL: handed out as a job */
    int job_ready, job_out;
    int requested; /* initiator: its AP-REQ is in `out` */
    int initiator;
    int phase;
    int key; /* which of the keys the other end uses; -1: not known yet */
    pid_t pid;
    int64_t heard_us; /* the time in the last message */
    const krbrepl__sys *sys;
    uint8_t addr[2][16]; /* own, the peer's */
    krbrepl_bytes local, peer;
    size_t frame_max;
    krbrepl__buf net;   /* what was fed and not used yet */
    krbrepl__buf plain; /* of the message being read */
    krbrepl__buf say;   /* plaintext that is no whole message yet */
    krbrepl__buf made;  /* the KRB-PRIV being made */
} propchan;

static const krbrepl__chan_ops ops;

/* ---- failing -------------------------------------------------------------------------------- */

static int die(propchan *s, int code)
{
    s->base.state = KRBREPL__CHAN_FAILED;
    s->base.err.code = code;
    return code;
}

static int usable(propchan *s)
{
    if (s->pid != getpid())
        return krbrepl__fail_plain(&s->base.err, KRBREPL_ERR_FORKED);
    return s->base.state == KRBREPL__CHAN_FAILED ? s->base.err.code : 0;
}

static int nomem(propchan *s, int code)
{
    return die(s, krbrepl__fail_plain(&s->base.err, code));
}

/* ---- the strings ---------------------------------------------------------------------------- */

static void put_string(krbrepl__buf *b, const char *text)
{
    krbrepl__buf_vec32(b, text, strlen(text) + 1);
}

/* 1: these bytes begin with this string (whole), as it is sent; 0: they may yet; PROTO: they do not. */
static int begins_with(const krbrepl__buf *b, const char *text)
{
    uint8_t want[64];
    size_t n = strlen(text) + 1, k = b->len < n + 4 ? b->len : n + 4;

    krbrepl__put_u32(want, (uint32_t)n);
    memcpy(want + 4, text, n);
    if (memcmp(b->data, want, k) != 0)
        return KRBREPL_ERR_PROTO;
    return k == n + 4;
}

/* 1: it was there; 0: more bytes are needed; or an error, after an answer that says which string was bad. */
static int take_string(propchan *s, const char *text, unsigned bad)
{
    int rc = s->net.len == 0 ? 0 : begins_with(&s->net, text);

    if (rc == 1)
        krbrepl__buf_consume(&s->net, strlen(text) + 5);
    if (rc >= 0)
        return rc;
    krbrepl__buf_u8(&s->base.out, bad);
    return die(s,
               krbrepl__fail(&s->base.err, rc,
                             "channel: the other end does not say \"%s\"; check host and port", text));
}

/* ---- tokens --------------------------------------------------------------------------------- */

/* 1: a token with its length is there; 0: more bytes are needed; PROTO: it is too long. */
static int get_token(propchan *s, krbrepl_bytes *token)
{
    uint32_t n;

    token->data = NULL;
    token->len = 0;
    if (s->net.len < 4)
        return 0;
    n = krbrepl__get_u32(s->net.data);
    if (n > KRBREPL__PROP_TOKEN_MAX)
        return die(s, krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO,
                                    "channel: a token of %lu bytes before authentication",
                                    (unsigned long)n));
    token->data = s->net.data + 4;
    token->len = n;
    return s->net.len - 4 >= n;
}

static int take_request(propchan *s)
{
    krbrepl_bytes token;
    int rc = get_token(s, &token);

    if (rc <= 0)
        return rc;
    krbrepl__buf_bytes(&s->auth->token_in, token.data, token.len);
    if (s->auth->token_in.err != 0)
        return nomem(s, s->auth->token_in.err);
    krbrepl__buf_consume(&s->net, 4 + token.len);
    s->job_ready = 1;
    return 1;
}

static int take_answer(propchan *s)
{
    unsigned byte;

    if (s->net.len == 0)
        return 0;
    byte = s->net.data[0];
    krbrepl__buf_consume(&s->net, 1);
    if (byte != 0)
        return die(
            s, krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO,
                             "channel: the other end is no ipropd-master (it answers %u to \"%s\"); "
                             "check host and port",
                             byte, byte == 1 ? SENDAUTH : KRBREPL__PROP_VERSION));
    s->phase = PHASE_ACCEPTED;
    return 1;
}

static int request(propchan *s)
{
    if (s->phase != PHASE_ACCEPTED || s->requested || s->auth == NULL || s->job_ready)
        return 0;
    s->requested = 1;
    krbrepl__buf_vec32(&s->base.out, s->auth->token_out.data, s->auth->token_out.len);
    return s->base.out.err != 0 ? nomem(s, s->base.out.err) : 0;
}

static int take_accepted(propchan *s)
{
    krbrepl_bytes token;
    int rc = get_token(s, &token);

    if (rc <= 0)
        return rc;
    if (token.len != 0 || !s->requested) {
        rc = krbrepl__sendauth_reply(s->auth, token, &s->base.err);
        return die(s, rc != 0 ? rc
                              : krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO,
                                              "channel: the master answers out of turn"));
    }
    krbrepl__buf_consume(&s->net, 4);
    s->phase = PHASE_REPLY;
    return 1;
}

/* ---- open ----------------------------------------------------------------------------------- */

static int set_open(propchan *s)
{
    krbrepl__chan *c = &s->base;
    char text[120];

    snprintf(text, sizeof text, "KRB-PRIV, %s, no forward secrecy",
             krbrepl__krbkeys_enctype_name(krbrepl__privkey_enctype(s->auth->send)));
    c->mechanism = krbrepl__strdup(text);
    c->peer = krbrepl__strdup(s->auth->peer);
    c->lifetime_s = s->auth->lifetime_s;
    if (c->mechanism == NULL || c->peer == NULL)
        return nomem(s, KRBREPL_ERR_NOMEM);
    c->state = KRBREPL__CHAN_OPEN;
    return 0;
}

static int take_reply(propchan *s)
{
    krbrepl_bytes token;
    int rc = get_token(s, &token);

    if (rc <= 0)
        return rc;
    rc = krbrepl__sendauth_reply(s->auth, token, &s->base.err);
    if (rc != 0)
        return die(s, rc);
    krbrepl__buf_consume(&s->net, 4 + token.len);
    s->phase = PHASE_DATA;
    rc = set_open(s);
    return rc == 0 ? 1 : rc;
}

/* ---- messages ------------------------------------------------------------------------------- */

static int differs(krbrepl_bytes said, krbrepl_bytes known)
{
    return said.len != 0 && known.len != 0 &&
           (said.len != known.len || memcmp(said.data, known.data, said.len) != 0);
}

/* An old message, or one from elsewhere, is no honest one. */
static int check_priv(propchan *s, const krbrepl__priv *p)
{
    int64_t off = s->sys->wall_us(s->sys->ctx) - p->time_us;

    if (off > KRBREPL__PROP_SKEW_S * INT64_C(1000000) || off < KRBREPL__PROP_SKEW_S * INT64_C(-1000000))
        return die(
            s, krbrepl__fail(&s->base.err, KRBREPL_ERR_AUTH,
                             "channel: a message is %lld s from the time of this host; set the clocks",
                             (long long)(off / 1000000)));
    if (differs(p->from, s->peer) || differs(p->to, s->local))
        return die(s, krbrepl__fail(&s->base.err, KRBREPL_ERR_AUTH,
                                    "channel: a message says that it comes from, or goes to, another "
                                    "address than it does"));
    /* Without numbers, only this tells that one is said again: a complete database of five minutes ago would be
     * the content once more. */
    if (p->time_us < s->heard_us)
        return die(s,
                   krbrepl__fail(&s->base.err, KRBREPL_ERR_AUTH,
                                 "channel: a message is older than the one before it; it was repeated, "
                                 "or the clock of the other end was set back"));
    s->heard_us = p->time_us;
    return 0;
}

/* Which key the other end uses shows with its first message. */
static int open_priv(propchan *s, krbrepl__priv *p, krbrepl_bytes der)
{
    int i, rc = KRBREPL_ERR_AUTH;

    for (i = 0; i < 2; i++) {
        if (s->auth->receive[i] == NULL || (s->key >= 0 && s->key != i))
            continue;
        rc = krbrepl__priv_get(p, &s->plain, s->auth->receive[i], der);
        if (rc == 0)
            s->key = i;
        if (rc != KRBREPL_ERR_AUTH)
            break;
    }
    if (rc == KRBREPL_ERR_NOMEM)
        return nomem(s, rc);
    if (rc != 0)
        return die(s, krbrepl__fail(&s->base.err, rc == KRBREPL_ERR_AUTH ? rc : KRBREPL_ERR_PROTO,
                                    "channel: a message is malformed, or under another key"));
    return check_priv(s, p);
}

static int take_message(propchan *s)
{
    krbrepl__priv p;
    krbrepl_bytes der;
    uint32_t n;
    int rc;

    if (s->net.len < 4)
        return 0;
    n = krbrepl__get_u32(s->net.data);
    if (n > s->frame_max || n == 0)
        return die(s, krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO, "channel: a message of %lu bytes",
                                    (unsigned long)n));
    if (s->net.len - 4 < n)
        return 0;
    der.data = s->net.data + 4;
    der.len = n;
    rc = open_priv(s, &p, der);
    if (rc != 0)
        return rc;
    krbrepl__buf_vec32(&s->base.in, p.data.data, p.data.len);
    krbrepl__buf_reset(&s->plain);
    krbrepl__buf_consume(&s->net, 4 + (size_t)n);
    if (s->base.in.err != 0)
        return nomem(s, s->base.in.err);
    if (s->base.state == KRBREPL__CHAN_HANDSHAKE)
        rc = set_open(s);
    return rc == 0 ? 1 : rc;
}

/* ---- feeding -------------------------------------------------------------------------------- */

/* 1: something was used; 0: more bytes are needed; or an error. */
static int step(propchan *s)
{
    int rc;

    switch (s->phase) {
    case PHASE_SENDAUTH:
        rc = take_string(s, SENDAUTH, 1);
        s->phase += rc == 1;
        return rc;
    case PHASE_VERSION:
        rc = take_string(s, KRBREPL__PROP_VERSION, 2);
        if (rc == 1)
            krbrepl__buf_u8(&s->base.out, 0);
        s->phase += rc == 1;
        return rc;
    case PHASE_REQUEST:
        return take_request(s);
    case PHASE_ANSWER:
        return take_answer(s);
    case PHASE_ACCEPTED:
        return take_accepted(s);
    case PHASE_REPLY:
        return take_reply(s);
    default:
        return take_message(s);
    }
}

/* Works on what was fed, as far as it goes without a job. An initiator's job may run while the answer to its
 * strings is awaited, but nothing comes after that before its request has left. */
static int pump(propchan *s)
{
    int rc = 1;

    while (rc > 0) {
        if (s->phase == PHASE_ANSWER ? 0 : s->job_ready || s->job_out)
            return 0;
        rc = step(s);
        if (rc >= 0 && s->initiator && request(s) != 0)
            rc = s->base.err.code;
    }
    return rc;
}

static int feed(krbrepl__chan *c, const uint8_t *p, size_t n)
{
    propchan *s = (propchan *)c;
    int code = usable(s);

    if (code != 0)
        return code;
    /* A stranger's bytes that wait for a job, or for an answer that does not come, are bounded. */
    if (c->state == KRBREPL__CHAN_HANDSHAKE && s->net.len + n > 2 * KRBREPL__PROP_TOKEN_MAX)
        return die(s, krbrepl__fail(&c->err, KRBREPL_ERR_PROTO,
                                    "channel: more bytes than the handshake allows"));
    krbrepl__buf_bytes(&s->net, p, n);
    if (s->net.err != 0)
        return nomem(s, s->net.err);
    return pump(s);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static krbrepl__job *take_job(krbrepl__chan *c)
{
    propchan *s = (propchan *)c;
    krbrepl__sendauth *a = s->auth;

    if (usable(s) != 0 || !s->job_ready || a == NULL)
        return NULL;
    s->job_ready = 0;
    s->job_out = 1;
    s->auth = NULL;
    return &a->job;
}

/* The answer of an acceptor: a length of zero and the reply, or the error. */
static int answer(propchan *s)
{
    krbrepl__buf *out = &s->base.out;
    const krbrepl__buf *token = &s->auth->token_out;

    if (s->auth->err.code == 0)
        krbrepl__buf_u32(out, 0);
    krbrepl__buf_vec32(out, token->data, token->len);
    if (s->auth->err.code != 0)
        return die(s, s->base.err.code);
    s->phase = PHASE_DATA;
    return out->err != 0 ? nomem(s, out->err) : 0;
}

static int job_done(krbrepl__chan *c, krbrepl__job *j)
{
    propchan *s = (propchan *)c;
    int code = usable(s);

    if (code != 0) {
        j->free(j);
        return code;
    }
    s->auth = (krbrepl__sendauth *)j;
    s->job_out = 0;
    if (s->auth->err.code != 0)
        c->err = s->auth->err;
    if (s->initiator)
        code = s->auth->err.code != 0 ? die(s, c->err.code) : request(s);
    else
        code = answer(s);
    return code != 0 ? code : pump(s);
}

/* ---- speaking ------------------------------------------------------------------------------- */

static int say(propchan *s, krbrepl_bytes message)
{
    krbrepl__priv p = {message, s->sys->wall_us(s->sys->ctx), s->local, s->peer};
    int rc;

    krbrepl__buf_reset(&s->made);
    rc = krbrepl__priv_put(&s->made, s->auth->send, &p);
    if (rc == 0) {
        krbrepl__buf_vec32(&s->base.out, s->made.data, s->made.len);
        rc = s->base.out.err;
    }
    if (rc != 0)
        return nomem(s, rc);
    return 0;
}

/* The messages that are whole in a piece of plaintext leave; `*used` bytes of it were these. */
static int say_whole(propchan *s, const uint8_t *p, size_t n, size_t *used)
{
    krbrepl__rd r;
    krbrepl_bytes message;
    int rc = 0;

    *used = 0;
    krbrepl__rd_init(&r, p, n);
    while (rc == 0) {
        message = krbrepl__rd_vec32(&r);
        if (r.err != 0)
            break;
        rc = say(s, message);
        *used = n - r.left;
    }
    return rc;
}

static int write_plain(krbrepl__chan *c, const void *p, size_t n)
{
    propchan *s = (propchan *)c;
    size_t used;
    int code = usable(s);

    if (code == 0 && c->state != KRBREPL__CHAN_OPEN)
        code = KRBREPL_ERR_STATE;
    if (code != 0)
        return code;
    krbrepl__buf_bytes(&s->say, p, n);
    if (s->say.err != 0)
        return nomem(s, s->say.err);
    code = say_whole(s, s->say.data, s->say.len, &used);
    krbrepl__buf_consume(&s->say, used);
    return code;
}

/* A message leaves as soon as it is whole. */
static int flush(krbrepl__chan *c)
{
    return usable((propchan *)c);
}

static void chan_free(krbrepl__chan *c)
{
    propchan *s = (propchan *)c;

    krbrepl__sendauth_free(s->auth);
    krbrepl__buf_free(&s->net);
    krbrepl__buf_free(&s->plain);
    krbrepl__buf_free(&s->say);
    krbrepl__buf_free(&s->made);
    krbrepl__buf_free(&c->out);
    krbrepl__buf_free(&c->in);
    krbrepl__strfree(c->peer);
    krbrepl__strfree(c->mechanism);
    krbrepl__free(s, sizeof *s);
}

static const krbrepl__chan_ops ops = {feed, write_plain, flush, flush, take_job, job_done, chan_free};

/* ---- birth ---------------------------------------------------------------------------------- */

static krbrepl_bytes keep_address(uint8_t at[16], krbrepl_bytes a)
{
    krbrepl_bytes none = {NULL, 0}, v = {at, a.len};

    if (a.len != 4 && a.len != 16)
        return none;
    memcpy(at, a.data, a.len);
    return v;
}

int krbrepl__propchan_new(krbrepl__chan **out, const krbrepl__propchan_cfg *cfg, krbrepl_errinfo *ei)
{
    propchan *s = krbrepl__alloc(sizeof *s);
    int code;

    *out = NULL;
    if (s == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    s->base.ops = &ops;
    s->base.state = KRBREPL__CHAN_HANDSHAKE;
    s->initiator = cfg->initiator;
    s->key = -1;
    s->pid = getpid();
    s->sys = cfg->sys != NULL ? cfg->sys : krbrepl__sys_default();
    s->local = keep_address(s->addr[0], cfg->local);
    s->peer = keep_address(s->addr[1], cfg->peer);
    s->frame_max =
        cfg->frame_max != 0 ? cfg->frame_max : (cfg->initiator ? INITIATOR_FRAME : ACCEPTOR_FRAME);
    s->phase = cfg->initiator ? PHASE_ANSWER : PHASE_SENDAUTH;
    s->job_ready = cfg->initiator;
    code = krbrepl__sendauth_new(&s->auth, cfg, ei);
    if (code == 0 && cfg->initiator) {
        put_string(&s->base.out, SENDAUTH);
        put_string(&s->base.out, KRBREPL__PROP_VERSION);
        code = s->base.out.err != 0 ? krbrepl__fail_plain(ei, s->base.out.err) : 0;
    }
    if (code != 0) {
        chan_free(&s->base);
        return code;
    }
    *out = &s->base;
    return 0;
}

int krbrepl__propchan_probe(const krbrepl__propchan_cfg *cfg, krbrepl_errinfo *ei)
{
    krbrepl__sendauth *a;
    int code = krbrepl__sendauth_new(&a, cfg, ei);

    if (code != 0)
        return code;
    code = krbrepl__krbkeys_read(&a->keys, a->self, a->keytab, 0, ei);
    krbrepl__sendauth_free(a);
    return code;
}
