/* sendauth.h: the AP exchange of one connection in Heimdal's iprop: what of it needs a keytab, a KDC or libkrb5.
 *
 * The object owns all that it touches, so that its step, which may wait for a file or a KDC, runs as a job in
 * whatever thread the owner of the channel has for that. */
#ifndef KRBREPL__SENDAUTH_H
#define KRBREPL__SENDAUTH_H

#include "chan.h"
#include "krbkeys.h"
#include "privkey.h"
#include "propchan.h"

typedef struct krbrepl__sendauth {
    krbrepl__job job; /* first: what the owner of the channel sees */

    /* Set by the channel before the job of an acceptor: */
    krbrepl__buf token_in; /* AP-REQ */

    /* Result of the job: */
    krbrepl__buf token_out; /* acceptor: AP-REP, or a KRB-ERROR when `err` is set; initiator: AP-REQ */
    krbrepl_errinfo err;    /* code 0: it went well */

    /* Once the exchange is complete: */
    char *peer; /* principal with realm */
    uint64_t lifetime_s;
    krbrepl__privkey *send;
    krbrepl__privkey *receive[2]; /* the keys that the other end may use; the second may be NULL */

    /* Its own: */
    int initiator;
    char *self, *target, *keytab;
    krbrepl__krbkeys keys;
    krb5_auth_context auth;
    const krbrepl__sys *sys;
} krbrepl__sendauth;

int krbrepl__sendauth_new(krbrepl__sendauth **out, const krbrepl__propchan_cfg *cfg,
                          krbrepl_errinfo *ei);
void krbrepl__sendauth_free(krbrepl__sendauth *a);
/* Initiator: the AP-REP, or what came instead of it. AUTH with the reason. */
int krbrepl__sendauth_reply(krbrepl__sendauth *a, krbrepl_bytes ap_rep, krbrepl_errinfo *ei);

#endif
