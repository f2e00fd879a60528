#include "intake.h"

#include <krbrepl/error.h>

/* A buffer that a large item has blown up is given back when it is empty. */
#define KEEP_CAP (1u << 20)

void krbrepl__intake_init(krbrepl__intake *in, int parts, size_t limit0, size_t limit1, size_t window)
{
    krbrepl__buf_init(&in->b, limit0 + limit1 + 8 + window + 1);
    in->parts = parts;
    in->limit[0] = limit0;
    in->limit[1] = limit1;
    in->whole = 0;
    in->items = 0;
    in->credited = 0;
}

void krbrepl__intake_free(krbrepl__intake *in)
{
    krbrepl__buf_free(&in->b);
}

/* 1: the item at `at` is finished and `*end` is behind it; 0: not yet; PROTO. */
static int measure(const krbrepl__intake *in, size_t at, size_t *end)
{
    krbrepl__rd r;
    int i;

    krbrepl__rd_init(&r, in->b.data + at, in->b.len - at);
    for (i = 0; i < in->parts; i++) {
        uint32_t n = krbrepl__rd_u32(&r);

        if (r.err != 0)
            return 0;
        if (n > in->limit[i] || (i == 0 && n == 0))
            return KRBREPL_ERR_PROTO;
        if (r.left < n)
            return 0;
        krbrepl__rd_view(&r, n);
    }
    *end = in->b.len - r.left;
    return 1;
}

int krbrepl__intake_add(krbrepl__intake *in, const void *p, size_t n)
{
    int rc;

    krbrepl__buf_bytes(&in->b, p, n);
    if (in->b.err != 0)
        return in->b.err;
    if (in->b.len == 0)
        return 0;
    while ((rc = measure(in, in->whole, &in->whole)) == 1)
        in->items++;
    return rc;
}

int krbrepl__intake_item(const krbrepl__intake *in, size_t *at, krbrepl_bytes part[2])
{
    krbrepl__rd r;
    int i;

    if (*at >= in->whole)
        return 0;
    krbrepl__rd_init(&r, in->b.data + *at, in->whole - *at);
    for (i = 0; i < in->parts; i++)
        part[i] = krbrepl__rd_vec32(&r);
    *at = in->whole - r.left;
    return r.err == 0;
}

size_t krbrepl__intake_drop(krbrepl__intake *in, uint64_t n, size_t bytes)
{
    size_t paid = in->credited < bytes ? in->credited : bytes;

    krbrepl__buf_consume(&in->b, bytes);
    in->whole -= bytes;
    in->items -= n;
    in->credited -= paid;
    if (in->b.len == 0 && in->b.cap > KEEP_CAP)
        krbrepl__buf_free(&in->b);
    return bytes - paid;
}

size_t krbrepl__intake_keep(krbrepl__intake *in, uint64_t n, size_t bytes)
{
    size_t gone = in->b.len - bytes;
    size_t paid = in->credited > bytes ? in->credited - bytes : 0;

    krbrepl__buf_cut(&in->b, bytes);
    in->whole = bytes;
    in->items = n;
    in->credited -= paid;
    return gone - paid;
}

size_t krbrepl__intake_advance(krbrepl__intake *in, size_t bytes)
{
    size_t n = bytes > in->credited ? bytes - in->credited : 0;

    in->credited += n;
    return n;
}

size_t krbrepl__intake_credit(krbrepl__intake *in)
{
    size_t n = in->b.len - in->credited;

    if (in->whole != 0)
        return 0;
    in->credited = in->b.len;
    return n;
}
