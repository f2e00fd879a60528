/* krbpriv.h: KRB-PRIV and KRB-ERROR (RFC 4120), as iprop uses them.
 *
 * The reader is our own, since Heimdal's slaves leave the address of the sender out, which libraries that keep
 * to the letter of the standard refuse. Addresses are bytes in network order, 4 or 16 of them; empty: none. */
#ifndef KRBREPL__KRBPRIV_H
#define KRBREPL__KRBPRIV_H

#include "privkey.h"

typedef struct krbrepl__priv {
    krbrepl_bytes data; /* the message */
    int64_t time_us;
    krbrepl_bytes from, to; /* addresses */
} krbrepl__priv;

/* Appends a KRB-PRIV without a length before it. 0, NOMEM, TOOBIG, AUTH. */
int krbrepl__priv_put(krbrepl__buf *out, krbrepl__privkey *k, const krbrepl__priv *p);
/* Takes one apart that fills `der`. `plain` holds what `p` borrows. PROTO (malformed), AUTH (another key), NOMEM. */
int krbrepl__priv_get(krbrepl__priv *p, krbrepl__buf *plain, krbrepl__privkey *k, krbrepl_bytes der);

/* A KRB-ERROR: the code of RFC 4120, and a text for the operator of the other end. `service` is the
 * principal of the acceptor in the form NAME/HOST@REALM. */
void krbrepl__krberr_put(krbrepl__buf *out, unsigned code, const char *service, int64_t time_us,
                         const char *text);
#define KRBREPL__KRBERR_TEXT 100u
/* PROTO when it is none. `text` becomes printable. */
int krbrepl__krberr_get(krbrepl_bytes der, unsigned *code, char text[KRBREPL__KRBERR_TEXT + 1]);

/* "YYYYMMDDhhmmssZ" of a time, and back; PROTO. */
void krbrepl__krbtime_put(char out[16], int64_t seconds);
int krbrepl__krbtime_get(krbrepl_bytes text, int64_t *seconds);

#endif
