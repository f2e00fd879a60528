#include "gssjob.h"

#include <stdio.h>
#include <string.h>

#include <gssapi/gssapi_krb5.h>

#include "gsslib.h"
#include "mem.h"
#include "sha.h"

/* All of these are asked for, and all are required in the result. */
#define FLAGS \
    (GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_INTEG_FLAG | GSS_C_CONF_FLAG)

static void step(krbrepl__job *j);
static void job_free(krbrepl__job *j);

/* ---- birth and death ------------------------------------------------------------------------ */

int krbrepl__gss_new(krbrepl__gss **out, const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei)
{
    krbrepl__gss *g = krbrepl__alloc(sizeof *g);
    int code;

    *out = NULL;
    if (g == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    code = krbrepl__gsscred_init(&g->cred, cfg, ei);
    if (code != 0) {
        krbrepl__free(g, sizeof *g);
        return code;
    }
    g->job.run = step;
    g->job.free = job_free;
    g->job.initiator = g->initiator = cfg->initiator;
    g->err.size = sizeof g->err;
    krbrepl__buf_init(&g->token_in, KRBREPL__MAX_TOKEN);
    krbrepl__buf_init(&g->token_out, KRBREPL__MAX_TOKEN);
    krbrepl__buf_init(&g->talk, 0);
    *out = g;
    return 0;
}

void krbrepl__gss_free(krbrepl__gss *g)
{
    OM_uint32 minor;

    if (g == NULL)
        return;
    gss_delete_sec_context(&minor, &g->ctx, GSS_C_NO_BUFFER);
    krbrepl__gsscred_free(&g->cred);
    krbrepl__gss_abandon(g);
}

void krbrepl__gss_abandon(krbrepl__gss *g)
{
    if (g == NULL)
        return;
    krbrepl__gsscred_abandon(&g->cred);
    krbrepl__buf_free(&g->token_in);
    krbrepl__buf_free(&g->token_out);
    krbrepl__buf_free(&g->talk);
    krbrepl__strfree(g->peer);
    krbrepl__strfree(g->enctype);
    krbrepl__free(g, sizeof *g);
}

static void job_free(krbrepl__job *j)
{
    krbrepl__gss_free((krbrepl__gss *)j);
}

/* ---- what was agreed ------------------------------------------------------------------------ */

void krbrepl__psk_note(krbrepl__buf *talk, int direction, const void *p, size_t n)
{
    krbrepl__buf_u8(talk, (unsigned)direction);
    krbrepl__buf_vec32(talk, p, n);
}

/* The enctype of the key that the context ended with. It need not be the ticket's: the ends may agree on
 * a subkey of another one. */
static int check_enctype(krbrepl__gss *g)
{
    long enctype = krbrepl__gsslib_enctype(g->ctx);
    int code = 0;

    if (!krbrepl__krbkeys_enctype_ok(enctype))
        return krbrepl__fail(&g->err, KRBREPL_ERR_AUTH,
                             "auth: the key that was agreed on has enctype %ld, which is below the "
                             "floor; " KRBREPL__ENCTYPE_REMEDY,
                             enctype);
    g->enctype = krbrepl__strdup(krbrepl__krbkeys_enctype_name(enctype));
    if (g->enctype == NULL)
        code = krbrepl__fail_plain(&g->err, KRBREPL_ERR_NOMEM);
    return code;
}

/* The other end's name, exactly. An initiator knows beforehand who it has to be. */
static int check_peer(krbrepl__gss *g, gss_name_t peer)
{
    char *want = NULL;
    int code = 0;

    g->peer = krbrepl__gss_display(peer);
    if (g->peer == NULL)
        return krbrepl__fail(&g->err, KRBREPL_ERR_AUTH, "auth: the other end has no principal name");
    if (!g->initiator)
        return 0;
    want = krbrepl__gss_display(g->cred.to);
    if (want == NULL || strcmp(want, g->peer) != 0)
        code = krbrepl__fail(&g->err, KRBREPL_ERR_AUTH, "auth: the other end is %.90s and not %.90s",
                             g->peer, want != NULL ? want : "what was asked for");
    krbrepl__strfree(want);
    return code;
}

static int check_context(krbrepl__gss *g)
{
    gss_name_t from = GSS_C_NO_NAME, to = GSS_C_NO_NAME;
    OM_uint32 major, minor, lifetime = 0, flags = 0;
    gss_OID mech = GSS_C_NO_OID;
    int open = 0, code = 0;

    major = gss_inquire_context(&minor, g->ctx, &from, &to, &lifetime, &mech, &flags, NULL, &open);
    if (major != GSS_S_COMPLETE || !open)
        code = krbrepl__gss_fail(&g->err, "the context is not usable", major, minor);
    else if (mech == GSS_C_NO_OID || !gss_oid_equal(mech, (gss_OID)gss_mech_krb5))
        code = krbrepl__fail(&g->err, KRBREPL_ERR_AUTH, "auth: the mechanism is not Kerberos 5");
    else if ((flags & FLAGS) != FLAGS || (flags & (GSS_C_ANON_FLAG | GSS_C_DCE_STYLE)) != 0)
        code = krbrepl__fail(&g->err, KRBREPL_ERR_AUTH,
                             "auth: the context lacks mutual authentication, replay or sequence "
                             "detection, integrity or confidentiality (flags %#lx)",
                             (unsigned long)flags);
    else if (lifetime == 0)
        code = krbrepl__fail(&g->err, KRBREPL_ERR_AUTH, "auth: the ticket has expired");
    if (code == 0)
        code = check_peer(g, g->initiator ? to : from);
    if (code == 0)
        code = check_enctype(g);
    g->lifetime_s = lifetime;
    gss_release_name(&minor, &from);
    gss_release_name(&minor, &to);
    return code;
}

/* ---- the key for TLS ------------------------------------------------------------------------ */

int krbrepl__psk_input(uint8_t out[KRBREPL__PSK_INPUT], const uint8_t preface[2][KRBREPL__PREFACE_LEN],
                       const krbrepl__buf *talk)
{
    static const char label[] = KRBREPL__PSK_LABEL;
    krbrepl_bytes piece[2] = {{preface, 2 * KRBREPL__PREFACE_LEN}, {talk->data, talk->len}};
    krbrepl__sha *h = krbrepl__sha_new();
    int code = talk->err;

    if (h == NULL)
        return KRBREPL_ERR_NOMEM;
    memcpy(out, label, sizeof label);
    if (code == 0)
        code = krbrepl__sha_sum(h, piece, 2, out + sizeof label);
    krbrepl__sha_free(h);
    return code;
}

static int derive_psk(krbrepl__gss *g)
{
    uint8_t input[KRBREPL__PSK_INPUT];
    gss_buffer_desc in = {sizeof input, input}, out = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor;
    int code = krbrepl__psk_input(input, g->preface, &g->talk);

    if (code != 0)
        return krbrepl__fail_plain(&g->err, code);
    major = gss_pseudo_random(&minor, g->ctx, GSS_C_PRF_KEY_FULL, &in, sizeof g->psk, &out);
    if (major != GSS_S_COMPLETE)
        code = krbrepl__gss_fail(&g->err, "no key can be derived", major, minor);
    else if (out.length != sizeof g->psk)
        code = krbrepl__fail(&g->err, KRBREPL_ERR_AUTH, "auth: the derived key is too short");
    else
        memcpy(g->psk, out.value, sizeof g->psk);
    krbrepl__wipe(out.value, out.length);
    gss_release_buffer(&minor, &out);
    return code;
}

/* ---- one step ------------------------------------------------------------------------------- */

static OM_uint32 initiate(krbrepl__gss *g, gss_buffer_t in, gss_buffer_t out, OM_uint32 *minor)
{
    return gss_init_sec_context(minor, g->cred.cred, &g->ctx, g->cred.to, (gss_OID)gss_mech_krb5, FLAGS,
                                0, GSS_C_NO_CHANNEL_BINDINGS, in, NULL, out, NULL, NULL);
}

static OM_uint32 respond(krbrepl__gss *g, gss_buffer_t in, gss_buffer_t out, OM_uint32 *minor)
{
    return gss_accept_sec_context(minor, &g->ctx, g->cred.cred, in, GSS_C_NO_CHANNEL_BINDINGS, NULL,
                                  NULL, out, NULL, NULL, NULL);
}

static int token_failed(krbrepl__gss *g, OM_uint32 major, OM_uint32 minor)
{
    char what[120];

    if (g->initiator)
        snprintf(what, sizeof what, "%.100s", g->cred.target);
    else
        snprintf(what, sizeof what, "a peer's ticket for %.80s", g->cred.self);
    return krbrepl__gss_fail(&g->err, what, major, minor);
}

/* Feeds the other end's token to the context and keeps what it answers. */
static int exchange(krbrepl__gss *g, int *complete)
{
    gss_buffer_desc in = {g->token_in.len, g->token_in.data}, out = GSS_C_EMPTY_BUFFER;
    OM_uint32 major, minor, ignored;
    int code = 0;

    *complete = 0;
    if (in.length > 0)
        krbrepl__psk_note(&g->talk, g->initiator ? KRBREPL__FROM_ACCEPTOR : KRBREPL__FROM_INITIATOR,
                          in.value, in.length);
    major = g->initiator ? initiate(g, &in, &out, &minor) : respond(g, &in, &out, &minor);
    if (GSS_ERROR(major)) {
        code = token_failed(g, major, minor);
    } else {
        *complete = (major & GSS_S_CONTINUE_NEEDED) == 0;
        if (out.length > 0) {
            krbrepl__buf_bytes(&g->token_out, out.value, out.length);
            krbrepl__psk_note(&g->talk, g->initiator ? KRBREPL__FROM_INITIATOR : KRBREPL__FROM_ACCEPTOR,
                              out.value, out.length);
        }
        if (g->token_out.err != 0)
            code = krbrepl__fail_plain(&g->err, g->token_out.err);
    }
    gss_release_buffer(&ignored, &out);
    krbrepl__buf_reset(&g->token_in);
    return code;
}

static int one_step(krbrepl__gss *g)
{
    int code = 0, complete = 0;

    if (g->steps++ == 0)
        code = krbrepl__gsscred_acquire(&g->cred, &g->err);
    if (code == 0 && g->steps > KRBREPL__MAX_STEPS)
        code = krbrepl__fail(&g->err, KRBREPL_ERR_AUTH, "auth: too many tokens");
    if (code == 0)
        code = exchange(g, &complete);
    if (code != 0 || !complete)
        return code;
    code = check_context(g);
    if (code == 0)
        code = derive_psk(g);
    g->done = code == 0;
    return code;
}

static void step(krbrepl__job *j)
{
    krbrepl__gss *g = (krbrepl__gss *)j;
    OM_uint32 minor;

    if (one_step(g) == 0 && !g->done)
        return;
    /* Whatever the outcome, there is nothing more to ask of the context. */
    gss_delete_sec_context(&minor, &g->ctx, GSS_C_NO_BUFFER);
    if (!g->done)
        krbrepl__wipe(g->psk, sizeof g->psk);
}
