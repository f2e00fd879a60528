/* The secure channel, fed by a hostile peer. Compiled twice: as an acceptor (KRBREPL_FUZZ_ACCEPTOR) and as an
 * initiator. The first byte says in what pieces the rest comes.
 *
 * No step of GSS-API is carried out, since it would ask a KDC: a token that begins with '=' completes the
 * negotiation, one that begins with '-' fails it, and any other one is answered. So the input also reaches TLS,
 * which has a key that nobody knows. */
#include <string.h>

#include <krbrepl/error.h>

#include "fuzz.h"
#include "gssjob.h"
#include "mem.h"
#include "secchan.h"

#ifdef KRBREPL_FUZZ_ACCEPTOR
#define INITIATOR 0
#else
#define INITIATOR 1
#endif
/* Both prefaces, a few answers and alerts: whoever sends little must not be answered with much. */
#define OUT_MOST(fed) (65536u + 4 * (fed))

static krbrepl__chan *make(void)
{
    static krbrepl__sec *sec;
    const krbrepl__sec_cfg cfg = {.initiator = INITIATOR,
                                  .self = INITIATOR ? "krbrepl/b@TEST" : "krbrepl/a@TEST",
                                  .target = INITIATOR ? "krbrepl/a@TEST" : NULL};
    krbrepl__chan *c = NULL;

    if (sec == NULL)
        MUST(setenv("KRB5_CONFIG", "/dev/null", 1) == 0 && krbrepl__sec_new(&sec, NULL) == 0);
    MUST(krbrepl__secchan_new(&c, sec, &cfg, NULL) == 0);
    return c;
}

/* What stands in for a step. */
static void step(krbrepl__gss *g)
{
    uint8_t first = g->token_in.len != 0 ? g->token_in.data[0] : 0;

    MUST(g->token_in.len <= KRBREPL__MAX_TOKEN);
    if (first == '-') {
        g->err.code = KRBREPL_ERR_AUTH;
    } else if (first == '=') {
        g->peer = krbrepl__strdup("krbrepl/x@TEST");
        g->enctype = krbrepl__strdup("none");
        MUST(g->peer != NULL && g->enctype != NULL);
        memset(g->psk, 7, sizeof g->psk);
        g->done = 1;
    } else {
        krbrepl__buf_str16(&g->token_out, "answer");
    }
}

static void do_jobs(krbrepl__chan *c)
{
    krbrepl__job *j;
    int rc;

    while ((j = c->ops->take_job(c)) != NULL) {
        step((krbrepl__gss *)j);
        rc = c->ops->job_done(c, j);
        MUST((rc != 0) == (c->state == KRBREPL__CHAN_FAILED));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl__chan *c;
    size_t piece, k, fed = 0;
    int rc = 0;

    if (n == 0)
        return 0;
    piece = 1 + (size_t)p[0] * p[0];
    p++;
    n--;
    c = make();
    do_jobs(c);
    for (; n != 0 && rc == 0; p += k, n -= k) {
        k = n < piece ? n : piece;
        rc = c->ops->feed(c, p, k);
        fed += k;
        MUST(rc == 0 || c->state == KRBREPL__CHAN_FAILED);
        do_jobs(c);
        MUST(c->out.len <= OUT_MOST(fed));
    }
    /* Without the key nobody gets in, and nothing that was sent is taken for plaintext. */
    MUST(c->state != KRBREPL__CHAN_OPEN && c->in.len == 0 && c->peer == NULL);
    if (c->state == KRBREPL__CHAN_FAILED)
        MUST(c->ops->feed(c, (const uint8_t *)"x", 1) == c->err.code);
    c->ops->free(c);
    return 0;
}
