/* Messages of the control socket, of both directions: what is accepted is encoded again to equal fields. */
#include <string.h>

#include <krbrepl/error.h>

#include "ctlmsg.h"
#include "fuzz.h"

typedef struct pair {
    krbrepl__buf b[2];
} pair;

/* The body of the message that lies in a buffer. */
static krbrepl_bytes body_of(const krbrepl__buf *b)
{
    krbrepl_bytes body = {NULL, 0};
    unsigned type;
    size_t whole = 0;

    MUST(b->err == 0 && krbrepl__ctl_next(b, KRBREPL__CTL_ANSWER_MAX, &type, &body, &whole) == 1);
    MUST(whole == b->len);
    return body;
}

static void check_same(pair *p)
{
    MUST(p->b[0].len == p->b[1].len && memcmp(p->b[0].data, p->b[1].data, p->b[0].len) == 0);
}

static void status(pair *p, krbrepl_bytes body)
{
    krbrepl_status s;

    if (krbrepl__ctl_get_status(body, &s) != 0)
        return;
    MUST(memchr(s.last_error, 0, sizeof s.last_error) != NULL);
    krbrepl__ctl_put_status(&p->b[0], &s);
    MUST(krbrepl__ctl_get_status(body_of(&p->b[0]), &s) == 0);
    krbrepl__ctl_put_status(&p->b[1], &s);
    check_same(p);
}

static void peer(pair *p, krbrepl_bytes body)
{
    krbrepl__ctl_names names;
    krbrepl_peer e;

    if (krbrepl__ctl_get_peer(body, &e, &names) != 0)
        return;
    krbrepl__ctl_put_peer(&p->b[0], &e);
    MUST(krbrepl__ctl_get_peer(body_of(&p->b[0]), &e, &names) == 0);
    krbrepl__ctl_put_peer(&p->b[1], &e);
    check_same(p);
}

static void small(pair *p, unsigned type, krbrepl_bytes body)
{
    krbrepl_wait_options w;
    char text[200];
    uint64_t have;
    int err;

    if (type == KRBREPL__CTL_ASK_WAIT && krbrepl__ctl_get_wait(body, &w) == 0)
        krbrepl__ctl_put_wait(&p->b[0], &w);
    if (type == KRBREPL__CTL_WAITED && krbrepl__ctl_get_waited(body, &err, &have) == 0) {
        MUST(err <= 0);
        krbrepl__ctl_put_waited(&p->b[0], err, have);
    }
    if (type == KRBREPL__CTL_ERROR && krbrepl__ctl_get_error(body, &err, text) == 0) {
        MUST(err < 0 && memchr(text, 0, sizeof text) != NULL);
        krbrepl__ctl_put_error(&p->b[0], err, text);
    }
    if (p->b[0].len != 0)
        (void)body_of(&p->b[0]);
}

static void one(unsigned type, krbrepl_bytes body)
{
    pair p;

    krbrepl__buf_init(&p.b[0], 0);
    krbrepl__buf_init(&p.b[1], 0);
    if (type == KRBREPL__CTL_STATUS)
        status(&p, body);
    else if (type == KRBREPL__CTL_PEER)
        peer(&p, body);
    else
        small(&p, type, body);
    krbrepl__buf_free(&p.b[0]);
    krbrepl__buf_free(&p.b[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl_bytes body;
    size_t whole;
    unsigned type;
    krbrepl__buf in;

    krbrepl__buf_init(&in, 0);
    krbrepl__buf_bytes(&in, p, n);
    (void)krbrepl__ctl_next(&in, KRBREPL__CTL_REQUEST_MAX, &type, &body, &whole);
    while (krbrepl__ctl_next(&in, KRBREPL__CTL_ANSWER_MAX, &type, &body, &whole) == 1) {
        MUST(whole <= in.len);
        one(type, body);
        krbrepl__buf_consume(&in, whole);
    }
    krbrepl__buf_free(&in);
    return 0;
}
