/* secchan.h: the secure channel: GSS-API (krb5) proves both ends, TLS 1.3 keyed from it protects the data.
 *
 *   1. preface            both ways, in the clear
 *   2. GSS tokens         framed, in the clear, at most KRBREPL__MAX_TOKEN bytes each
 *   3. TLS 1.3            external PSK = gss_pseudo_random(label || SHA-256(transcript)), psk_dhe_ke only
 *
 * docs/protocol.md gives the bytes, docs/security.md the reasons. */
#ifndef KRBREPL__SECCHAN_H
#define KRBREPL__SECCHAN_H

#include "chan.h"
#include "logline.h"

#define KRBREPL__MAX_TOKEN 65536u

/* What all channels of one node share (the TLS contexts). One thread; a forked child may only free it. */
typedef struct krbrepl__sec krbrepl__sec;

int krbrepl__sec_new(krbrepl__sec **out, krbrepl_errinfo *ei);
void krbrepl__sec_free(krbrepl__sec *s); /* after its channels */

typedef struct krbrepl__sec_cfg {
    int initiator;
    const char *self;   /* own principal; NULL: krbrepl/HOSTNAME. Acceptor: the service */
    const char *target; /* initiator: the exact principal that the other end must be. A name without a
                          * realm is one of the default realm */
    const char *keytab; /* "FILE:..." or a path; NULL: the default keytab */
} krbrepl__sec_cfg;

/* Is there a key of `self` in the keytab of cfg? Reads the keytab and asks no KDC, so that a program can say
 * at its start what would fail at each connection. 0 or AUTH with a text that says what to do. */
int krbrepl__sec_probe(const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei);

/* An initiator's `out` has its preface at once; its first token follows when its first job is done.
 * `cfg` is copied; `sec` is borrowed until the channel is freed. */
int krbrepl__secchan_new(krbrepl__chan **out, krbrepl__sec *sec, const krbrepl__sec_cfg *cfg,
                         krbrepl_errinfo *ei);

/* Says why, in the clear, to a peer that is turned away before or during the handshake: a coarse reason
 * (KRBREPL_ERR_AUTH, _DENIED, _TIMEOUT, _PROTO ...) that helps an operator and tells an attacker nothing.
 * Only before TLS has begun; else nothing is sent. */
void krbrepl__secchan_refuse(krbrepl__chan *c, int reason);

#endif
