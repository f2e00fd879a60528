/* tls.h: TLS 1.3 between two ends that already share 32 secret bytes, over any byte stream.
 *
 * There is one way to connect and no other: external PSK with an ephemeral key exchange, one cipher
 * suite, one short list of groups, no certificates, no tickets, no early data. Which of the two
 * properties of the handshake each line is for is told in docs/security.md.
 *
 * Nothing is written, and nothing that arrived is handed out, before the other end's Finished. */
#ifndef KRBREPL__TLS_H
#define KRBREPL__TLS_H

#include "buf.h"
#include "errinfo.h"

#define KRBREPL__PSK_LEN 32u
#define KRBREPL__TLS_RECORD 16384u /* plaintext bytes of a full record */

/* What all sessions of one side share. */
typedef struct krbrepl__tls_side krbrepl__tls_side;

int krbrepl__tls_side_new(krbrepl__tls_side **out, int server, krbrepl_errinfo *ei);
void krbrepl__tls_side_free(krbrepl__tls_side *side); /* after its sessions */

/* Where a session's bytes go, and where it says what went wrong. All borrowed while it lives. */
typedef struct krbrepl__tls_ends {
    krbrepl__buf *in;    /* plaintext from the other end */
    krbrepl__buf *out;   /* records for the network */
    krbrepl_errinfo *ei; /* not NULL */
} krbrepl__tls_ends;

typedef struct krbrepl__tls krbrepl__tls;

/* The PSK is copied; the copy is wiped when the handshake is over. A client's first flight is in `out`
 * when this returns. */
int krbrepl__tls_new(krbrepl__tls **out, krbrepl__tls_side *side, const krbrepl__tls_ends *ends,
                     const uint8_t psk[KRBREPL__PSK_LEN]);
void krbrepl__tls_free(krbrepl__tls *t);
/* Frees a session that belongs to the parent of this process: its TLS state is left alone. */
void krbrepl__tls_abandon(krbrepl__tls *t);

int krbrepl__tls_is_open(const krbrepl__tls *t);
int krbrepl__tls_eof(const krbrepl__tls *t); /* the other end's close_notify is here */
/* "TLS_AES_256_GCM_SHA384, X25519"; static or owned by the session. */
const char *krbrepl__tls_group(const krbrepl__tls *t);

/* 0, AUTH (the handshake failed), PROTO (a record that is not the other end's), NOMEM. */
int krbrepl__tls_feed(krbrepl__tls *t, const uint8_t *p, size_t n);
int krbrepl__tls_write(krbrepl__tls *t, const void *p, size_t n); /* gathers full records */
int krbrepl__tls_flush(krbrepl__tls *t);
int krbrepl__tls_close(krbrepl__tls *t);

/* New keys, both ways, after this many records or bytes sent (default: 2^22 and 2^32, well below what
 * AES-GCM is good for). */
void krbrepl__tls_rekey_after(krbrepl__tls *t, uint64_t records, uint64_t bytes);
uint64_t krbrepl__tls_rekeys(const krbrepl__tls *t); /* how many times that happened */

#endif
