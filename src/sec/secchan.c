#include "secchan.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "errinfo.h"
#include "gssjob.h"
#include "mem.h"
#include "preface.h"
#include "tls.h"

/* What may lie here unread while a job runs: one frame of the greatest size, and the beginning of the TLS
 * handshake behind it. More is no honest peer. */
#define MAX_UNREAD (KRBREPL__MAX_TOKEN + 16384u)

struct krbrepl__sec {
    krbrepl__tls_side *client, *server;
    pid_t pid;
};

enum phase {
    PHASE_PREFACE = 1, /* the other end's preface has not come */
    PHASE_TOKENS = 2,
    PHASE_TLS = 3
};

typedef struct secchan {
    krbrepl__chan base; /* first */
    krbrepl__sec *sec;
    krbrepl__gss *gss; /* NULL: handed out as a job, or no longer needed */
    int job_ready;     /* gss waits to be taken as a job */
    int job_out;       /* it was taken */
    int initiator;
    int phase;
    int said_hello;   /* own preface is in `out` */
    krbrepl__buf net; /* before TLS: what was fed and not used yet */
    krbrepl__tls *tls;
} secchan;

static const krbrepl__chan_ops ops;

/* ---- what channels share -------------------------------------------------------------------- */

int krbrepl__sec_new(krbrepl__sec **out, krbrepl_errinfo *ei)
{
    krbrepl__sec *s = krbrepl__alloc(sizeof *s);
    int code;

    *out = NULL;
    if (s == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    s->pid = getpid();
    code = krbrepl__tls_side_new(&s->client, 0, ei);
    if (code == 0)
        code = krbrepl__tls_side_new(&s->server, 1, ei);
    if (code == 0)
        *out = s;
    else
        krbrepl__sec_free(s);
    return code;
}

/* A TLS session that lives on in a child would use its nonces twice, so a child does not touch any. */
static int is_ours(const krbrepl__sec *s)
{
    return s->pid == getpid();
}

void krbrepl__sec_free(krbrepl__sec *s)
{
    if (s == NULL)
        return;
    if (is_ours(s)) {
        krbrepl__tls_side_free(s->client);
        krbrepl__tls_side_free(s->server);
    }
    krbrepl__free(s, sizeof *s);
}

int krbrepl__sec_probe(const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei)
{
    krbrepl__gsscred c;
    int code = krbrepl__gsscred_init(&c, cfg, ei);

    if (code != 0)
        return code;
    code = krbrepl__gsscred_probe(&c, ei);
    krbrepl__gsscred_free(&c);
    return code;
}

/* ---- failing -------------------------------------------------------------------------------- */

static int die(secchan *s, int code)
{
    s->base.state = KRBREPL__CHAN_FAILED;
    s->base.err.code = code;
    return code;
}

static void say_hello(secchan *s, unsigned low, unsigned high, uint8_t *copy)
{
    uint8_t preface[KRBREPL__PREFACE_LEN];

    krbrepl__preface_make(preface, low, high);
    krbrepl__buf_bytes(&s->base.out, preface, sizeof preface);
    if (copy != NULL)
        memcpy(copy, preface, sizeof preface);
    s->said_hello = 1;
}

/* An acceptor tells the peer the coarse reason; an initiator has nobody to help. */
static int end(secchan *s, int code)
{
    if (!s->initiator && s->phase != PHASE_TLS && code != KRBREPL_ERR_NOMEM) {
        if (!s->said_hello)
            say_hello(s, KRBREPL__PROTOCOL_LOW, KRBREPL__PROTOCOL_HIGH, NULL);
        krbrepl__refuse_put(&s->base.out, code);
    }
    return die(s, code);
}

static int usable(secchan *s)
{
    if (!is_ours(s->sec))
        return krbrepl__fail_plain(&s->base.err, KRBREPL_ERR_FORKED);
    return s->base.state == KRBREPL__CHAN_FAILED ? s->base.err.code : 0;
}

void krbrepl__secchan_refuse(krbrepl__chan *c, int reason)
{
    secchan *s = (secchan *)c;

    if (usable(s) != 0 || s->phase == PHASE_TLS)
        return;
    krbrepl__fail_plain(&c->err, reason);
    end(s, reason);
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static char *describe(const krbrepl__tls *tls, const char *enctype)
{
    char text[160];

    snprintf(text, sizeof text, "%s, %s, %s", "TLS_AES_256_GCM_SHA384", krbrepl__tls_group(tls),
             enctype);
    return krbrepl__strdup(text);
}

/* Takes over what TLS has found out since the last call. */
static int after_tls(secchan *s, int code)
{
    krbrepl__chan *c = &s->base;

    if (code != 0)
        return end(s, code);
    c->eof = krbrepl__tls_eof(s->tls);
    if (c->state != KRBREPL__CHAN_HANDSHAKE || !krbrepl__tls_is_open(s->tls))
        return 0;
    c->mechanism = describe(s->tls, s->gss->enctype);
    c->peer = krbrepl__strdup(s->gss->peer);
    c->lifetime_s = s->gss->lifetime_s;
    if (c->mechanism == NULL || c->peer == NULL)
        return end(s, krbrepl__fail_plain(&c->err, KRBREPL_ERR_NOMEM));
    krbrepl__gss_free(s->gss);
    s->gss = NULL;
    c->state = KRBREPL__CHAN_OPEN;
    return 0;
}

static int start_tls(secchan *s)
{
    krbrepl__tls_ends ends = {&s->base.in, &s->base.out, &s->base.err};
    krbrepl__tls_side *side = s->initiator ? s->sec->client : s->sec->server;
    int code = krbrepl__tls_new(&s->tls, side, &ends, s->gss->psk);

    krbrepl__wipe(s->gss->psk, sizeof s->gss->psk);
    s->phase = PHASE_TLS;
    if (code == 0 && s->net.len > 0)
        code = krbrepl__tls_feed(s->tls, s->net.data, s->net.len);
    krbrepl__buf_free(&s->net);
    return after_tls(s, code);
}

/* ---- before TLS ----------------------------------------------------------------------------- */

/* What this may be, and what to do then. */
static const char *who_begins_so(const secchan *s)
{
    static const uint8_t sendauth[] = {0, 0, 0, 19, 'K', 'R', 'B', '5'};
    size_t n = s->net.len < sizeof sendauth ? s->net.len : sizeof sendauth;

    if (!s->initiator && n >= 4 && memcmp(s->net.data, sendauth, n) == 0)
        return "so does a slave of Heimdal's, which is served only where that is asked for "
               "(--heimdal-iprop)";
    return "check host and port";
}

static int not_krbrepl(secchan *s)
{
    char hex[2 * 8 + 1];

    krbrepl__hex(hex, s->net.data, s->net.len < 8 ? s->net.len : 8);
    return end(s, krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO,
                                "channel: the other end does not speak krbrepl (it began with %s); %s",
                                hex, who_begins_so(s)));
}

/* An initiator's offer is answered with one version; the answer is checked against the offer. */
static int take_preface(secchan *s)
{
    unsigned low, high, version;

    if (krbrepl__preface_get(s->net.data, &low, &high) != 0)
        return not_krbrepl(s);
    version = krbrepl__preface_choose(low, high);
    if (version == 0 || (s->initiator && low != high))
        return end(
            s, krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO,
                             "channel: the other end speaks versions %u to %u of the protocol, this "
                             "one %u to %u; upgrade the older one",
                             low, high, KRBREPL__PROTOCOL_LOW, KRBREPL__PROTOCOL_HIGH));
    if (!s->initiator)
        say_hello(s, version, version, s->gss->preface[1]);
    memcpy(s->gss->preface[s->initiator ? 1 : 0], s->net.data, KRBREPL__PREFACE_LEN);
    krbrepl__buf_consume(&s->net, KRBREPL__PREFACE_LEN);
    s->phase = PHASE_TOKENS;
    return 0;
}

/* Anybody on the way can send a refusal, so it ends this connection and changes nothing else. */
static int refused(secchan *s, krbrepl_bytes body)
{
    char text[KRBREPL__REFUSE_TEXT + 1];
    int reason;

    if (krbrepl__refuse_get(body, &reason, text) != 0)
        return krbrepl__fail(&s->base.err, KRBREPL_ERR_PROTO, "channel: malformed refusal");
    return krbrepl__fail(&s->base.err, reason,
                         "channel: the other end refuses this connection and says: %s; its log has the "
                         "reason",
                         text);
}

/* 1: the frame was used; 0: more bytes are needed; or an error. */
static int take_frame(secchan *s)
{
    krbrepl__clear f;
    int code = krbrepl__clear_get(&f, s->net.data, s->net.len);

    if (code == 0)
        return 0;
    if (code < 0)
        return end(s, krbrepl__fail(&s->base.err, code,
                                    "channel: malformed or oversized frame before authentication"));
    if (f.type == KRBREPL__CLEAR_REFUSE) {
        code = refused(s, f.body);
        return die(s, code); /* a refusal is not answered with one */
    }
    krbrepl__buf_reset(&s->gss->token_in);
    krbrepl__buf_bytes(&s->gss->token_in, f.body.data, f.body.len);
    if (s->gss->token_in.err != 0)
        return end(s, krbrepl__fail_plain(&s->base.err, s->gss->token_in.err));
    krbrepl__buf_consume(&s->net, f.size);
    s->job_ready = 1;
    return 1;
}

/* Works on what was fed, as far as it goes without a job. */
static int pump(secchan *s)
{
    int code = 0;

    while (code >= 0 && s->phase != PHASE_TLS && !s->job_ready && !s->job_out) {
        if (s->phase == PHASE_PREFACE && s->net.len < KRBREPL__PREFACE_LEN)
            break;
        if (s->phase == PHASE_PREFACE)
            code = take_preface(s);
        else if ((code = take_frame(s)) == 0)
            break;
    }
    return code < 0 ? code : 0;
}

static int feed(krbrepl__chan *c, const uint8_t *p, size_t n)
{
    secchan *s = (secchan *)c;
    int code = usable(s);

    if (code != 0)
        return code;
    if (s->phase == PHASE_TLS)
        return after_tls(s, krbrepl__tls_feed(s->tls, p, n));
    krbrepl__buf_bytes(&s->net, p, n);
    if (s->net.err == KRBREPL_ERR_TOOBIG)
        return end(s, krbrepl__fail(&c->err, KRBREPL_ERR_PROTO,
                                    "channel: more bytes than the handshake allows"));
    if (s->net.err != 0)
        return end(s, krbrepl__fail_plain(&c->err, s->net.err));
    if (s->phase == PHASE_PREFACE && !krbrepl__preface_may_be(s->net.data, s->net.len))
        return not_krbrepl(s);
    return pump(s);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static krbrepl__job *take_job(krbrepl__chan *c)
{
    secchan *s = (secchan *)c;
    krbrepl__job *j;

    if (usable(s) != 0 || !s->job_ready)
        return NULL;
    j = &s->gss->job;
    s->gss = NULL;
    s->job_ready = 0;
    s->job_out = 1;
    return j;
}

static int job_done(krbrepl__chan *c, krbrepl__job *j)
{
    secchan *s = (secchan *)c;
    krbrepl__gss *g = (krbrepl__gss *)j;
    int code = usable(s);

    if (code != 0) {
        if (code == KRBREPL_ERR_FORKED)
            krbrepl__gss_abandon(g);
        else
            krbrepl__gss_free(g);
        s->job_out = 0;
        return code;
    }
    s->gss = g;
    s->job_out = 0;
    if (g->err.code != 0) {
        c->err = g->err;
        return end(s, g->err.code);
    }
    if (g->token_out.len > 0)
        krbrepl__clear_put(&c->out, KRBREPL__CLEAR_TOKEN, g->token_out.data, g->token_out.len);
    krbrepl__buf_reset(&g->token_out);
    if (c->out.err != 0)
        return end(s, krbrepl__fail_plain(&c->err, c->out.err));
    return g->done ? start_tls(s) : pump(s);
}

/* ---- plaintext ------------------------------------------------------------------------------ */

static int chan_write(krbrepl__chan *c, const void *p, size_t n)
{
    secchan *s = (secchan *)c;
    int code = usable(s);

    if (code == 0 && c->state != KRBREPL__CHAN_OPEN)
        return KRBREPL_ERR_STATE;
    if (code != 0)
        return code;
    code = krbrepl__tls_write(s->tls, p, n);
    return code != 0 && code != KRBREPL_ERR_STATE ? end(s, code) : code;
}

static int chan_flush(krbrepl__chan *c)
{
    secchan *s = (secchan *)c;
    int code = usable(s);

    if (code != 0 || c->state != KRBREPL__CHAN_OPEN)
        return code;
    code = krbrepl__tls_flush(s->tls);
    return code != 0 ? end(s, code) : 0;
}

static int chan_close(krbrepl__chan *c)
{
    secchan *s = (secchan *)c;
    int code = usable(s);

    if (code != 0 || c->state != KRBREPL__CHAN_OPEN)
        return code;
    code = krbrepl__tls_close(s->tls);
    return code != 0 ? end(s, code) : 0;
}

/* ---- birth and death ------------------------------------------------------------------------ */

static void chan_free(krbrepl__chan *c)
{
    secchan *s = (secchan *)c;

    if (s == NULL)
        return;
    if (is_ours(s->sec)) {
        krbrepl__tls_free(s->tls);
        krbrepl__gss_free(s->gss);
    } else {
        krbrepl__tls_abandon(s->tls);
        krbrepl__gss_abandon(s->gss);
    }
    krbrepl__buf_free(&s->net);
    krbrepl__buf_free(&c->in);
    krbrepl__buf_free(&c->out);
    krbrepl__strfree(c->peer);
    krbrepl__strfree(c->mechanism);
    krbrepl__free(s, sizeof *s);
}

static const krbrepl__chan_ops ops = {
    .feed = feed,
    .write = chan_write,
    .flush = chan_flush,
    .close = chan_close,
    .take_job = take_job,
    .job_done = job_done,
    .free = chan_free,
};

/* An initiator says hello and can begin with its ticket at once; an acceptor waits to be spoken to. */
static void begin(secchan *s)
{
    s->phase = PHASE_PREFACE;
    if (!s->initiator)
        return;
    say_hello(s, KRBREPL__PROTOCOL_LOW, KRBREPL__PROTOCOL_HIGH, s->gss->preface[0]);
    s->job_ready = 1;
}

int krbrepl__secchan_new(krbrepl__chan **out, krbrepl__sec *sec, const krbrepl__sec_cfg *cfg,
                         krbrepl_errinfo *ei)
{
    secchan *s;
    int code;

    *out = NULL;
    if (!is_ours(sec))
        return krbrepl__fail_plain(ei, KRBREPL_ERR_FORKED);
    s = krbrepl__alloc(sizeof *s);
    if (s == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    s->base.ops = &ops;
    s->base.state = KRBREPL__CHAN_HANDSHAKE;
    s->base.err.size = sizeof s->base.err;
    s->sec = sec;
    s->initiator = cfg->initiator != 0;
    krbrepl__buf_init(&s->base.in, 0);
    krbrepl__buf_init(&s->base.out, 0);
    krbrepl__buf_init(&s->net, MAX_UNREAD);
    code = krbrepl__gss_new(&s->gss, cfg, ei);
    if (code == 0)
        begin(s);
    if (code == 0 && s->base.out.err != 0)
        code = krbrepl__fail_plain(ei, s->base.out.err);
    if (code == 0)
        *out = &s->base;
    else
        chan_free(&s->base);
    return code;
}
