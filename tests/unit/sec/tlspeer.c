#include "tlspeer.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

static SSL_SESSION *psk_session(SSL *ssl, const tlspeer *p)
{
    static const unsigned char sha384[2] = {0x13, 0x02}, sha256[2] = {0x13, 0x01};
    int other = p->suites != NULL && strstr(p->suites, "SHA256") != NULL;
    SSL_SESSION *s = SSL_SESSION_new();

    assert_non_null(s);
    assert_int_equal(SSL_SESSION_set1_master_key(s, p->psk, sizeof p->psk), 1);
    assert_int_equal(SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, other ? sha256 : sha384)), 1);
    assert_int_equal(SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION), 1);
    if (p->with_early_data)
        SSL_SESSION_set_max_early_data(s, 1000);
    return s;
}

static int client_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *len,
                      SSL_SESSION **out)
{
    const tlspeer *p = SSL_get_app_data(ssl);

    (void)md;
    *id = (const unsigned char *)(p->identity != NULL ? p->identity : "krbrepl/1");
    *len = strlen((const char *)*id);
    *out = psk_session(ssl, p);
    return 1;
}

static int server_psk(SSL *ssl, const unsigned char *id, size_t len, SSL_SESSION **out)
{
    (void)id;
    (void)len;
    *out = psk_session(ssl, SSL_get_app_data(ssl));
    return 1;
}

static void certify(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();

    assert_non_null(key);
    assert_non_null(x);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"master", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
}

void tlspeer_start(tlspeer *p, const uint8_t psk[KRBREPL__PSK_LEN])
{
    int version = p->version != 0 ? p->version : TLS1_3_VERSION;
    char groups[64];
    size_t done;

    memcpy(p->psk, psk, sizeof p->psk);
    p->ctx = SSL_CTX_new(TLS_method());
    assert_non_null(p->ctx);
    SSL_CTX_set_min_proto_version(p->ctx, version);
    SSL_CTX_set_max_proto_version(p->ctx, version);
    SSL_CTX_clear_options(p->ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    SSL_CTX_set_ciphersuites(p->ctx, p->suites != NULL ? p->suites : "TLS_AES_256_GCM_SHA384");
    if (p->groups != NULL) {
        snprintf(groups, sizeof groups, "%s", p->groups);
        assert_int_equal(SSL_CTX_set1_groups_list(p->ctx, groups), 1);
    }
    if (p->with_certificate)
        certify(p->ctx);
    if (!p->without_psk && p->server)
        SSL_CTX_set_psk_find_session_callback(p->ctx, server_psk);
    if (!p->without_psk && !p->server)
        SSL_CTX_set_psk_use_session_callback(p->ctx, client_psk);
    p->ssl = SSL_new(p->ctx);
    p->from = BIO_new(BIO_s_mem());
    p->to = BIO_new(BIO_s_mem());
    SSL_set_app_data(p->ssl, p);
    SSL_set_bio(p->ssl, p->from, p->to);
    if (p->server)
        SSL_set_accept_state(p->ssl);
    else
        SSL_set_connect_state(p->ssl);
    if (p->with_early_data)
        assert_int_equal(SSL_write_early_data(p->ssl, "early", 5, &done), 1);
}

void tlspeer_free(tlspeer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
}

int tlspeer_step(tlspeer *p)
{
    return SSL_do_handshake(p->ssl) == 1;
}

int tlspeer_run(tlspeer *p, krbrepl__tls *t, krbrepl__buf *out)
{
    uint8_t bytes[4096];
    int n, code = 0;

    do {
        tlspeer_step(p);
        n = BIO_read(p->to, bytes, sizeof bytes);
        if (n > 0)
            code = krbrepl__tls_feed(t, bytes, (size_t)n);
        if (out->len > 0) {
            BIO_write(p->from, out->data, (int)out->len);
            krbrepl__buf_consume(out, out->len);
            n = 1;
        }
    } while (n > 0 && code == 0);
    tlspeer_step(p);
    return code;
}

/* ---- a ClientHello of our own --------------------------------------------------------------- */

#define HASH 48u /* SHA-384 */

static void hmac(const uint8_t *key, size_t nkey, const uint8_t *p, size_t n, uint8_t out[HASH])
{
    size_t len;

    assert_non_null(EVP_Q_mac(NULL, "HMAC", NULL, "SHA384", NULL, key, nkey, p, n, out, HASH, &len));
    assert_int_equal(len, HASH);
}

/* HKDF-Expand-Label of RFC 8446 for one block. */
static void expand(uint8_t secret[HASH], const char *label, const uint8_t *context, size_t n)
{
    uint8_t next[HASH];
    krbrepl__buf info;

    krbrepl__buf_init(&info, 0);
    krbrepl__buf_u16(&info, HASH);
    krbrepl__buf_u8(&info, (unsigned)(6 + strlen(label)));
    krbrepl__buf_bytes(&info, "tls13 ", 6);
    krbrepl__buf_bytes(&info, label, strlen(label));
    krbrepl__buf_u8(&info, (unsigned)n);
    krbrepl__buf_bytes(&info, context, n);
    krbrepl__buf_u8(&info, 1);
    hmac(secret, HASH, info.data, info.len, next);
    memcpy(secret, next, HASH);
    krbrepl__buf_free(&info);
}

void tlspeer_offer_mode(uint8_t *hello, size_t n, uint8_t mode, const uint8_t psk[KRBREPL__PSK_LEN])
{
    static const uint8_t modes[] = {0, 0x2d, 0, 2, 1, 1}, zero[HASH];
    const size_t record = 5, binders = 2 + 1 + HASH;
    uint8_t secret[HASH], hash[HASH];
    size_t at = 0, len;

    while (at + sizeof modes < n && memcmp(hello + at, modes, sizeof modes) != 0)
        at++;
    assert_true(at + sizeof modes < n);
    hello[at + 5] = mode;
    hmac(zero, sizeof zero, psk, KRBREPL__PSK_LEN, secret);
    assert_int_equal(EVP_Q_digest(NULL, "SHA384", NULL, "", 0, hash, &len), 1);
    expand(secret, "ext binder", hash, HASH);
    expand(secret, "finished", hash, 0);
    assert_int_equal(
        EVP_Q_digest(NULL, "SHA384", NULL, hello + record, n - record - binders, hash, &len), 1);
    hmac(secret, HASH, hash, HASH, hello + n - HASH);
}
