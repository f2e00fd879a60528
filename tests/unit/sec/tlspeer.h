/* tlspeer.h: the other end of a TLS session, made of plain OpenSSL, so that it can misbehave. */
#ifndef KRBREPL_TEST_TLSPEER_H
#define KRBREPL_TEST_TLSPEER_H

#include <openssl/ssl.h>

#include "test.h"

#include "tls.h"

typedef struct tlspeer {
    int server;
    /* To be set before tlspeer_start; zero is what an honest end does. */
    int without_psk;
    int with_certificate;
    int with_early_data;
    int version;        /* the only one; 0: TLS 1.3 */
    const char *suites; /* of TLS 1.3 */
    const char *groups;
    const char *identity;
    /* Its own: */
    uint8_t psk[KRBREPL__PSK_LEN];
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *from, *to; /* what it reads, what it has written */
} tlspeer;

void tlspeer_start(tlspeer *p, const uint8_t psk[KRBREPL__PSK_LEN]);
void tlspeer_free(tlspeer *p);
/* One step of its handshake, or of reading when that is over. 1: the handshake is over. */
int tlspeer_step(tlspeer *p);
/* Exchanges bytes until nothing moves, or one end fails. The last code of the tested end. */
int tlspeer_run(tlspeer *p, krbrepl__tls *t, krbrepl__buf *out);

/* Changes the only key exchange mode that a ClientHello offers, psk_dhe_ke, to `mode`, and signs it anew
 * with the key, so that nothing else is wrong with it. */
void tlspeer_offer_mode(uint8_t *hello, size_t n, uint8_t mode, const uint8_t psk[KRBREPL__PSK_LEN]);

#endif
