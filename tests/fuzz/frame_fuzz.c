/* Frames one after another, and the message in each: what is accepted is encoded again to equal fields. */
#include <string.h>

#include <krbrepl/error.h>

#include "frame.h"
#include "fuzz.h"
#include "msg.h"

typedef union any_message {
    krbrepl__hello hello;
    krbrepl__welcome welcome;
    krbrepl__parting parting;
    krbrepl__copy_start start;
    krbrepl__copy_end end;
    krbrepl__ack ack;
    krbrepl__ping ping;
} any_message;

static void check_again(unsigned type, const any_message *m)
{
    any_message again;
    krbrepl__buf b, c;
    krbrepl_bytes body;
    unsigned tag;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&c, 0);
    krbrepl__msg_put(&b, type, m);
    MUST(b.err == 0 && b.len <= krbrepl__frame_limit(type));
    body.data = b.data;
    body.len = b.len;
    MUST(krbrepl__msg_get(body, type, &again, &tag) == 0);
    krbrepl__msg_put(&c, type, &again);
    MUST(b.len == c.len && (b.len == 0 || memcmp(b.data, c.data, b.len) == 0));
    krbrepl__msg_free(type, &again);
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl__frame f;
    any_message m;
    unsigned tag;
    int rc;

    while ((rc = krbrepl__frame_get(p, n, &f)) == 1) {
        MUST(f.size <= n && f.body.len <= KRBREPL__FRAME_MAX);
        if (f.type <= KRBREPL__FRAME_BYE && f.type != KRBREPL__FRAME_COMMITS &&
            f.type != KRBREPL__FRAME_COPY_SLICE) {
            rc = krbrepl__msg_get(f.body, f.type, &m, &tag);
            MUST(rc == 0 || rc == KRBREPL_ERR_PROTO || rc == KRBREPL_ERR_FORMAT);
            if (rc == 0)
                check_again(f.type, &m);
            krbrepl__msg_free(f.type, &m);
        }
        p += f.size;
        n -= f.size;
    }
    MUST(rc == 0 || rc == KRBREPL_ERR_PROTO || rc == KRBREPL_ERR_FORMAT);
    return 0;
}
