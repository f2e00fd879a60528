#include "tls.h"

#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "mem.h"
#include "tlsbio.h"

/* Fixed before the handshake: an external PSK belongs to one hash, so there is nothing to negotiate. */
#define SUITE_NAME "TLS_AES_256_GCM_SHA384"
#define SUITE_ID 0x1302
/* Names no one: the key is good for one connection only. */
#define IDENTITY "krbrepl/1"
/* The groups by what SSL_get_negotiated_group says; 0x11ec is the number of X25519MLKEM768, which a
 * library that has no name for it shows with the mark for unknown groups. */
#define HYBRID_ID (TLSEXT_nid_unknown | 0x11ec)

#define REKEY_RECORDS (UINT64_C(1) << 22)
#define REKEY_BYTES (UINT64_C(1) << 32)

struct krbrepl__tls_side {
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    int server;
};

struct krbrepl__tls {
    SSL *ssl;
    krbrepl__tls_ends ends;
    krbrepl__tlsbio io;
    SSL_SESSION *psk; /* until the handshake is over */
    krbrepl__buf gather;
    int open;
    int eof;
    int closed;              /* by this end */
    int failed;              /* 0 or the code that ended the session */
    uint64_t records, bytes; /* sent under the present keys */
    uint64_t max_records, max_bytes;
    uint64_t rekeys;
};

/* ---- failures ------------------------------------------------------------------------------- */

/* The queue of OpenSSL belongs to the thread: it is emptied before each call and after each failure. */
static int tls_fail(krbrepl_errinfo *ei, int code, const char *what)
{
    unsigned long e = ERR_get_error();
    const char *why = e != 0 ? ERR_reason_error_string(e) : NULL;

    if (e != 0 && ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
        code = KRBREPL_ERR_NOMEM;
    ERR_clear_error();
    return krbrepl__fail(ei, code, "tls: %s: %s", what, why != NULL ? why : "no further detail");
}

static int fail(krbrepl__tls *t, int code, const char *what)
{
    return t->failed = tls_fail(t->ends.ei, code, what);
}

/* ---- a side --------------------------------------------------------------------------------- */

/* The identity says nothing, so a server answers the one fixed name with the key of this connection.
 * With any other there is no PSK, and without a certificate no way to go on. */
static int server_psk(SSL *ssl, const unsigned char *id, size_t len, SSL_SESSION **out)
{
    krbrepl__tls *t = SSL_get_app_data(ssl);

    *out = NULL;
    if (len != sizeof IDENTITY - 1 || memcmp(id, IDENTITY, len) != 0)
        return 1;
    if (t->psk == NULL || !SSL_SESSION_up_ref(t->psk))
        return 0;
    *out = t->psk;
    return 1;
}

static int client_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *len,
                      SSL_SESSION **out)
{
    krbrepl__tls *t = SSL_get_app_data(ssl);

    (void)md; /* not NULL after a HelloRetryRequest; there is one suite, so it fits */
    if (t->psk == NULL || !SSL_SESSION_up_ref(t->psk))
        return 0;
    *id = (const unsigned char *)IDENTITY;
    *len = sizeof IDENTITY - 1;
    *out = t->psk;
    return 1;
}

static int choose_groups(SSL_CTX *ctx)
{
    char both[] = "X25519MLKEM768:X25519", classic[] = "X25519";

    if (SSL_CTX_set1_groups_list(ctx, both) == 1)
        return 1;
    ERR_clear_error();
    return SSL_CTX_set1_groups_list(ctx, classic) == 1;
}

/* Every setting is made here although some are the defaults: the configuration file of OpenSSL can
 * change the defaults. */
static int restrict_ctx(SSL_CTX *ctx, int server)
{
    SSL_CTX_clear_options(ctx, SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_ENABLE_MIDDLEBOX_COMPAT |
                                   SSL_OP_IGNORE_UNEXPECTED_EOF |
                                   SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_keylog_callback(ctx, NULL);
    /* An empty trust store: whoever comes with a certificate instead of the key is refused. */
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (server)
        SSL_CTX_set_psk_find_session_callback(ctx, server_psk);
    else
        SSL_CTX_set_psk_use_session_callback(ctx, client_psk);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, SUITE_NAME) == 1 && choose_groups(ctx) &&
           /* A server that verifies takes no session, a PSK's neither, without such a name. */
           SSL_CTX_set_session_id_context(ctx, (const unsigned char *)IDENTITY, sizeof IDENTITY - 1) ==
               1 &&
           SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
           SSL_CTX_set_recv_max_early_data(ctx, 0) == 1;
}

int krbrepl__tls_side_new(krbrepl__tls_side **out, int server, krbrepl_errinfo *ei)
{
    krbrepl__tls_side *side = krbrepl__alloc(sizeof *side);
    int code = KRBREPL_ERR_NOMEM;

    *out = NULL;
    if (side == NULL)
        return krbrepl__fail_plain(ei, code);
    ERR_clear_error();
    side->server = server;
    side->bio = krbrepl__tlsbio_method();
    side->ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (side->bio == NULL || side->ctx == NULL || !restrict_ctx(side->ctx, server)) {
        code = tls_fail(ei, KRBREPL_ERR_STATE,
                        "OpenSSL offers no TLS 1.3 with AES-256-GCM and X25519; check openssl.cnf");
        goto done;
    }
    *out = side;
    side = NULL;
    code = 0;
done:
    krbrepl__tls_side_free(side);
    return code;
}

void krbrepl__tls_side_free(krbrepl__tls_side *side)
{
    if (side == NULL)
        return;
    SSL_CTX_free(side->ctx);
    BIO_meth_free(side->bio);
    krbrepl__free(side, sizeof *side);
}

/* ---- birth and death ------------------------------------------------------------------------ */

static SSL_SESSION *session_of_psk(SSL *ssl, const uint8_t *psk)
{
    static const unsigned char suite[2] = {SUITE_ID >> 8, SUITE_ID & 0xff};
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
    SSL_SESSION *s = SSL_SESSION_new();

    if (s != NULL && cipher != NULL && SSL_SESSION_set1_master_key(s, psk, KRBREPL__PSK_LEN) == 1 &&
        SSL_SESSION_set1_id_context(s, (const unsigned char *)IDENTITY, sizeof IDENTITY - 1) == 1 &&
        SSL_SESSION_set_cipher(s, cipher) == 1 &&
        SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION) == 1)
        return s;
    SSL_SESSION_free(s);
    return NULL;
}

static int attach(krbrepl__tls *t, const krbrepl__tls_side *side, const uint8_t *psk)
{
    BIO *bio;

    t->ssl = SSL_new(side->ctx);
    if (t->ssl == NULL || SSL_set_app_data(t->ssl, t) != 1)
        return 0;
    bio = krbrepl__tlsbio_new(side->bio, &t->io);
    if (bio == NULL)
        return 0;
    SSL_set_bio(t->ssl, bio, bio); /* takes bio */
    t->psk = session_of_psk(t->ssl, psk);
    if (t->psk == NULL)
        return 0;
    if (side->server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return 1;
}

static int handshake(krbrepl__tls *t);

int krbrepl__tls_new(krbrepl__tls **out, krbrepl__tls_side *side, const krbrepl__tls_ends *ends,
                     const uint8_t psk[KRBREPL__PSK_LEN])
{
    krbrepl__tls *t = krbrepl__alloc(sizeof *t);
    int code;

    *out = NULL;
    if (t == NULL)
        return krbrepl__fail_plain(ends->ei, KRBREPL_ERR_NOMEM);
    ERR_clear_error();
    t->ends = *ends;
    t->io.out = ends->out;
    t->max_records = REKEY_RECORDS;
    t->max_bytes = REKEY_BYTES;
    krbrepl__buf_init(&t->gather, KRBREPL__TLS_RECORD);
    code = attach(t, side, psk) ? 0 : fail(t, KRBREPL_ERR_NOMEM, "a session cannot be made");
    if (code == 0 && !side->server)
        code = handshake(t);
    if (code == 0)
        *out = t;
    else
        krbrepl__tls_free(t);
    return code;
}

void krbrepl__tls_free(krbrepl__tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    SSL_SESSION_free(t->psk);
    krbrepl__tls_abandon(t);
}

void krbrepl__tls_abandon(krbrepl__tls *t)
{
    if (t == NULL)
        return;
    krbrepl__buf_free(&t->gather);
    krbrepl__free(t, sizeof *t);
}

/* ---- the handshake -------------------------------------------------------------------------- */

const char *krbrepl__tls_group(const krbrepl__tls *t)
{
    long group = SSL_get_negotiated_group(t->ssl);

    if (group == NID_X25519)
        return "X25519";
    if (group == HYBRID_ID)
        return "X25519MLKEM768";
    return NULL;
}

/* What the settings of the side already forbid is looked at once more in the result, because a mistake
 * in the settings is silent. */
static const char *objection(const krbrepl__tls *t)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);

    if (SSL_version(t->ssl) != TLS1_3_VERSION)
        return "the version is not TLS 1.3";
    if (!SSL_session_reused(t->ssl))
        return "the shared key was not used";
    if (SSL_get0_peer_certificate(t->ssl) != NULL)
        return "a certificate was shown";
    if (cipher == NULL || SSL_CIPHER_get_protocol_id(cipher) != SUITE_ID)
        return "the cipher suite is another one";
    if (krbrepl__tls_group(t) == NULL)
        return "there was no ephemeral key exchange in a permitted group";
    return NULL;
}

static int handshake(krbrepl__tls *t)
{
    int rc = SSL_do_handshake(t->ssl);
    const char *bad;

    if (rc != 1 && SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ)
        return 0;
    if (rc != 1)
        return fail(t, KRBREPL_ERR_AUTH, "handshake");
    bad = objection(t);
    if (bad != NULL)
        return fail(t, KRBREPL_ERR_AUTH, bad);
    SSL_SESSION_free(t->psk); /* wipes the key with the last reference */
    t->psk = NULL;
    t->open = 1;
    return 0;
}

int krbrepl__tls_is_open(const krbrepl__tls *t)
{
    return t->open && t->failed == 0;
}

int krbrepl__tls_eof(const krbrepl__tls *t)
{
    return t->eof;
}

/* ---- receiving ------------------------------------------------------------------------------ */

/* One step of reading. 1: something came; 0: nothing more is there; or an error. A record goes over the stack, for
 * most are small, and a master of a thousand replicas would clear and wipe a whole record's room for each. */
static int read_some(krbrepl__tls *t)
{
    krbrepl__buf *in = t->ends.in;
    uint8_t plain[KRBREPL__TLS_RECORD];
    size_t got = 0;
    int err, rc = SSL_read_ex(t->ssl, plain, sizeof plain, &got);

    if (rc == 1) {
        krbrepl__buf_bytes(in, plain, got);
        krbrepl__wipe(plain, got);
        if (in->err != 0)
            return t->failed = krbrepl__fail_plain(t->ends.ei, in->err);
        return 1;
    }
    err = SSL_get_error(t->ssl, rc);
    if (err == SSL_ERROR_WANT_READ)
        return t->io.left != 0; /* a record without data, such as a KeyUpdate */
    if (err == SSL_ERROR_ZERO_RETURN) {
        t->eof = 1;
        return 0;
    }
    return fail(t, KRBREPL_ERR_PROTO, "a record that the other end did not make");
}

static int read_all(krbrepl__tls *t)
{
    int rc = 0;

    if (!t->open)
        rc = handshake(t);
    while (rc >= 0 && t->open && t->failed == 0 && !t->eof) {
        rc = read_some(t);
        if (rc == 0)
            break;
    }
    return rc < 0 ? rc : 0;
}

int krbrepl__tls_feed(krbrepl__tls *t, const uint8_t *p, size_t n)
{
    int code;

    if (t->failed != 0)
        return t->failed;
    if (t->eof) /* what follows a close_notify is nobody's */
        return 0;
    ERR_clear_error();
    t->io.p = p;
    t->io.left = n;
    code = read_all(t);
    t->io.p = NULL;
    t->io.left = 0;
    if (code == 0 && t->ends.out->err != 0)
        code = t->failed = krbrepl__fail_plain(t->ends.ei, t->ends.out->err);
    return code;
}

/* ---- sending -------------------------------------------------------------------------------- */

void krbrepl__tls_rekey_after(krbrepl__tls *t, uint64_t records, uint64_t bytes)
{
    t->max_records = records;
    t->max_bytes = bytes;
}

uint64_t krbrepl__tls_rekeys(const krbrepl__tls *t)
{
    return t->rekeys;
}

/* New keys for both directions: this end's with the next record, the other end's with its next one. */
static int rekey_if_due(krbrepl__tls *t)
{
    if (t->records < t->max_records && t->bytes < t->max_bytes)
        return 0;
    if (SSL_key_update(t->ssl, SSL_KEY_UPDATE_REQUESTED) != 1)
        return fail(t, KRBREPL_ERR_PROTO, "key update");
    t->records = t->bytes = 0;
    t->rekeys++;
    return 0;
}

static int record(krbrepl__tls *t, const uint8_t *p, size_t n)
{
    size_t done = 0;
    int code = rekey_if_due(t);

    if (code != 0)
        return code;
    if (SSL_write_ex(t->ssl, p, n, &done) != 1 || done != n)
        return fail(t, KRBREPL_ERR_PROTO, "write");
    t->records++;
    t->bytes += n;
    if (t->ends.out->err != 0)
        return t->failed = krbrepl__fail_plain(t->ends.ei, t->ends.out->err);
    return 0;
}

static int may_write(krbrepl__tls *t)
{
    if (t->failed != 0)
        return t->failed;
    if (!t->open || t->closed)
        return KRBREPL_ERR_STATE;
    ERR_clear_error();
    return 0;
}

int krbrepl__tls_flush(krbrepl__tls *t)
{
    int code = 0;

    if (t->failed != 0 || t->gather.len == 0)
        return t->failed;
    ERR_clear_error();
    code = record(t, t->gather.data, t->gather.len);
    /* Given back, so that ten thousand idle sessions hold no buffers. */
    krbrepl__buf_free(&t->gather);
    return code;
}

int krbrepl__tls_write(krbrepl__tls *t, const void *p, size_t n)
{
    const uint8_t *from = p;
    int code = may_write(t);
    size_t part;

    while (code == 0 && n > 0) {
        part = KRBREPL__TLS_RECORD - t->gather.len;
        if (part > n)
            part = n;
        if (part == KRBREPL__TLS_RECORD) {
            code = record(t, from, part);
        } else {
            krbrepl__buf_bytes(&t->gather, from, part);
            if (t->gather.err != 0)
                code = t->failed = krbrepl__fail_plain(t->ends.ei, t->gather.err);
            else if (t->gather.len == KRBREPL__TLS_RECORD)
                code = krbrepl__tls_flush(t);
        }
        from += part;
        n -= part;
    }
    return code;
}

int krbrepl__tls_close(krbrepl__tls *t)
{
    int code;

    if (t->closed)
        return 0;
    code = may_write(t);
    if (code == 0)
        code = krbrepl__tls_flush(t);
    if (code == 0 && SSL_shutdown(t->ssl) < 0)
        code = fail(t, KRBREPL_ERR_PROTO, "close");
    t->closed = 1;
    return code;
}
