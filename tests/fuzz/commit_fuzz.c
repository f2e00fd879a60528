/* One commit: what is accepted can be walked through and is encoded again to the same bytes. */
#include <string.h>

#include <krbrepl/error.h>

#include "commit.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl_bytes in = {p, n};
    krbrepl__change_view v;
    krbrepl__change_it it;
    krbrepl__commit c;
    krbrepl__buf b;
    uint32_t walked = 0;

    if (krbrepl__commit_decode(in, &c) != 0)
        return 0;
    if (c.kind == KRBREPL_COMMIT_CHANGES) {
        krbrepl__commit_each(&c, &it);
        while (krbrepl__commit_next(&it, &v) == 1)
            walked++;
        MUST(walked == c.nchanges);
    }
    krbrepl__buf_init(&b, 0);
    krbrepl__commit_put(&b, &c);
    MUST(b.err == 0 && b.len == n && memcmp(b.data, p, n) == 0);
    krbrepl__buf_free(&b);
    return 0;
}
