/* gssjob.h: one end's GSS-API negotiation, and the key for TLS that comes out of it.
 *
 * The object owns everything that it touches: names, credentials, context, the tokens so far. The channel
 * holds it between the steps; each step, which may wait for a KDC or a file, runs as a job in whatever
 * thread the owner of the channel has for that. */
#ifndef KRBREPL__GSSJOB_H
#define KRBREPL__GSSJOB_H

#include "chan.h"
#include "gsscred.h"
#include "preface.h"
#include "secchan.h"
#include "tls.h"

#define KRBREPL__MAX_STEPS 4 /* of one end; krb5 needs two at the initiator, one at the acceptor */

typedef struct krbrepl__gss {
    krbrepl__job job; /* first: what the owner of the channel sees */

    /* Set by the channel: */
    uint8_t preface[2]
                   [KRBREPL__PREFACE_LEN]; /* the initiator's, the acceptor's; before the last step */
    krbrepl__buf token_in;                 /* the other end's token for the next step */

    /* Result of a step: */
    krbrepl__buf token_out; /* to be sent; may be empty */
    int done;               /* the context is complete, and what follows is set */
    krbrepl_errinfo err;    /* code 0: the step went well */
    uint8_t psk[KRBREPL__PSK_LEN];
    char *peer; /* principal with realm */
    char *enctype;
    uint64_t lifetime_s;

    /* Its own: */
    krbrepl__gsscred cred;
    gss_ctx_id_t ctx;
    krbrepl__buf talk; /* every token so far: direction, length, bytes */
    int initiator;
    int steps;
} krbrepl__gss;

int krbrepl__gss_new(krbrepl__gss **out, const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei);
void krbrepl__gss_free(krbrepl__gss *g);
/* In a forked child: the context and credentials of the parent are left alone. */
void krbrepl__gss_abandon(krbrepl__gss *g);

/* The key for TLS is derived from a label, 0x00, and the SHA-256 of both prefaces and of all that was said
 * since: so it fits one version, one pair of roles and one conversation. A change of any of these on the way
 * gives the two ends different keys, and TLS fails. */
#define KRBREPL__PSK_LABEL "krbrepl/1 replica-master psk"
#define KRBREPL__PSK_INPUT (sizeof KRBREPL__PSK_LABEL + 32u)
enum { KRBREPL__FROM_INITIATOR = 1, KRBREPL__FROM_ACCEPTOR = 2 };

void krbrepl__psk_note(krbrepl__buf *talk, int direction, const void *token, size_t n);
/* `preface`: the initiator's, the acceptor's. 0 or NOMEM. */
int krbrepl__psk_input(uint8_t out[KRBREPL__PSK_INPUT], const uint8_t preface[2][KRBREPL__PREFACE_LEN],
                       const krbrepl__buf *talk);

#endif
