/* propchan.h: the protected channel of Heimdal's iprop, both ends, behind the calls of chan.h.
 *
 *   1. sendauth        two strings and an answer in the clear; AP-REQ; KRB-ERROR or AP-REP
 *   2. KRB-PRIV        u32 length, DER; one for each message
 *
 * It proves both ends and protects what is said against readers and change on the way, with keys of the ticket
 * and sub-keys: whoever learns the key of the service later can read what was recorded (docs/security.md). It
 * is for peers that speak nothing better, and is never used unless configured.
 *
 * The plaintext in `in`, and what is given to write, is u32 length, message, one behind the other. `eof` is
 * never set: this channel has no word for an orderly end. docs/dialects/heimdal-iprop.md gives the bytes. */
#ifndef KRBREPL__PROPCHAN_H
#define KRBREPL__PROPCHAN_H

#include "chan.h"
#include "sys.h"

/* Bytes with which an initiator begins; the native preface begins otherwise, from its first byte on. */
#define KRBREPL__PROP_FIRST 0x00u

#define KRBREPL__PROP_VERSION "iprop-0.0"
#define KRBREPL__PROP_TOKEN_MAX \
    16384u /* an AP-REQ, AP-REP or KRB-ERROR: all that is taken unauthenticated */
#define KRBREPL__PROP_SKEW_S 300

typedef struct krbrepl__propchan_cfg {
    int initiator;
    const char *self; /* own principal; NULL: iprop/HOSTNAME in the default realm */
    const char
        *target; /* initiator: the exact principal that the other end must be. A name without a realm is
                         * one of the default realm */
    const char *keytab; /* "TYPE:name" or a path; NULL: the default keytab */
    /* Addresses of both ends in network order, 4 or 16 bytes; empty: not known, and none is sent or checked. */
    krbrepl_bytes local, peer;
    size_t frame_max; /* the longest KRB-PRIV that is taken; 0: 4,096 at an acceptor, 32 MiB else */
    const krbrepl__sys *sys; /* clock and randomness; borrowed; NULL: the machine's */
} krbrepl__propchan_cfg;

/* An initiator's `out` has its strings at once. An acceptor is open only when the first message has proved that
 * the other end has the key. `cfg` is copied. */
int krbrepl__propchan_new(krbrepl__chan **out, const krbrepl__propchan_cfg *cfg, krbrepl_errinfo *ei);

/* Is there a key of `self` in the keytab of cfg? Asks no KDC. 0 or AUTH with a text that says what to do. */
int krbrepl__propchan_probe(const krbrepl__propchan_cfg *cfg, krbrepl_errinfo *ei);

#endif
