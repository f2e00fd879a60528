/* What travels before TLS: the preface, frames in the clear, refusals. */
#include <string.h>

#include <krbrepl/error.h>

#include "fuzz.h"
#include "preface.h"
#include "secchan.h"

static void check_refusal(krbrepl_bytes body)
{
    char text[KRBREPL__REFUSE_TEXT + 1];
    int reason = 0;
    size_t i;

    if (krbrepl__refuse_get(body, &reason, text) != 0)
        return;
    MUST(reason < 0);
    for (i = 0; text[i] != '\0'; i++)
        MUST(text[i] >= ' ' && text[i] <= '~');
}

/* What was accepted is written again as the same bytes. */
static void check_frame(const krbrepl__clear *f, const uint8_t *p)
{
    krbrepl__buf b;

    MUST(f->body.len != 0 && f->body.len <= KRBREPL__MAX_TOKEN);
    krbrepl__buf_init(&b, 0);
    krbrepl__clear_put(&b, f->type, f->body.data, f->body.len);
    MUST(b.err == 0 && b.len == f->size && memcmp(b.data, p, b.len) == 0);
    krbrepl__buf_free(&b);
    if (f->type == KRBREPL__CLEAR_REFUSE)
        check_refusal(f->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    unsigned low, high, version;
    krbrepl__clear f;

    if (!krbrepl__preface_may_be(p, n))
        return 0;
    if (n < KRBREPL__PREFACE_LEN)
        return 0;
    if (krbrepl__preface_get(p, &low, &high) != 0)
        return 0;
    MUST(low != 0 && low <= high);
    version = krbrepl__preface_choose(low, high);
    MUST(version == 0 || (version >= low && version <= high));
    p += KRBREPL__PREFACE_LEN;
    n -= KRBREPL__PREFACE_LEN;
    while (krbrepl__clear_get(&f, p, n) == 1) {
        MUST(f.size <= n);
        check_frame(&f, p);
        p += f.size;
        n -= f.size;
    }
    return 0;
}
