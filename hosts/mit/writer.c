#include "writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "errinfo.h"

static void put(krbrepl__buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(krbrepl__buf *b, const char *fmt, ...)
{
    char text[256]; /* enough for any ten numbers */
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n > 0)
        krbrepl__buf_bytes(b, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

/* Hex, or "-1" for nothing. */
static void put_hex(krbrepl__buf *b, krbrepl_bytes data)
{
    static const char digit[] = "0123456789abcdef";
    const uint8_t *in = data.data;
    uint8_t *out;
    size_t i;

    if (data.len == 0) {
        put(b, "-1");
        return;
    }
    out = krbrepl__buf_room(b, 2 * data.len);
    for (i = 0; out != NULL && i < data.len; i++) {
        out[2 * i] = (uint8_t)digit[in[i] >> 4];
        out[2 * i + 1] = (uint8_t)digit[in[i] & 15];
    }
}

static void put_items(krbrepl__buf *b, const krbrepl_mit_item *it, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        put(b, "\t%" PRId64 "\t%zu\t", it[i].type, it[i].data.len);
        put_hex(b, it[i].data);
    }
}

/* A text that would end the line or the field early cannot be written. */
static int has_any(krbrepl_bytes text, const char *bytes, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        if (text.len != 0 && memchr(text.data, bytes[i], text.len) != NULL)
            return 1;
    return 0;
}

static int unwritable(krbrepl_errinfo *ei, const char *what)
{
    return krbrepl__fail(ei, KRBREPL_ERR_FORMAT,
                         "%s holds a byte that has no place in a dump file; it was not put into the "
                         "store by an MIT KDC: delete the record",
                         what);
}

/* Takes back what was appended when that failed. */
static int written(krbrepl__buf *b, size_t before, krbrepl_errinfo *ei)
{
    int rc = b->err;

    if (rc == 0)
        return 0;
    krbrepl__buf_cut(b, before);
    return krbrepl__fail_plain(ei, rc);
}

int krbrepl__mit_write_principal(krbrepl__buf *b, krbrepl_bytes key, krbrepl_bytes value,
                                 const krbrepl_mit_lockout *lockout, krbrepl_errinfo *ei)
{
    krbrepl_mit_principal *p = NULL;
    size_t i, before = b->len;
    int rc;

    if (has_any(key, "\n\0", 2))
        return unwritable(ei, "the name of a principal");
    if ((rc = krbrepl_mit_principal_decode(value, &p, ei)) != 0)
        return rc;
    put(b, "princ\t%" PRIu32 "\t%zu\t%zu\t%zu\t%zu\t", p->base_length, key.len, p->ntl, p->nkeys,
        p->extra.len);
    krbrepl__buf_bytes(b, key.data, key.len);
    put(b, "\t%" PRId32 "\t%" PRId32 "\t%" PRId32 "\t%" PRIu32 "\t%" PRIu32, p->attributes, p->max_life,
        p->max_renewable_life, p->expiration, p->pw_expiration);
    /* kdb5_util prints the two times without sign and the number of failures with one. */
    put(b, "\t%" PRIu32 "\t%" PRIu32 "\t%" PRId64, lockout->last_success, lockout->last_failed,
        (int64_t)lockout->failures - (lockout->failures > INT32_MAX ? INT64_C(0x100000000) : 0));
    put_items(b, p->tl, p->ntl);
    for (i = 0; i < p->nkeys; i++) {
        put(b, "\t%" PRIu64 "\t%" PRIu64, p->keys[i].version, p->keys[i].kvno);
        put_items(b, p->keys[i].part, (size_t)p->keys[i].version);
    }
    put(b, "\t");
    put_hex(b, p->extra);
    put(b, ";\n");
    krbrepl_mit_principal_free(p);
    return written(b, before, ei);
}

int krbrepl__mit_write_policy(krbrepl__buf *b, krbrepl_bytes key, krbrepl_bytes value,
                              krbrepl_errinfo *ei)
{
    krbrepl_mit_policy *p = NULL;
    size_t before = b->len;
    int rc;

    if (has_any(key, "\t\n\0", 3))
        return unwritable(ei, "the name of a policy");
    if ((rc = krbrepl_mit_policy_decode(value, &p, ei)) != 0)
        return rc;
    if (has_any(p->keysalts, "\t\n\0", 3)) {
        rc = unwritable(ei, "the list of key/salt types of a policy");
        goto done;
    }
    put(b, "policy\t");
    krbrepl__buf_bytes(b, key.data, key.len);
    put(b, "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32, p->min_life,
        p->max_life, p->min_length, p->min_classes, p->history, p->references);
    put(b, "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t%" PRIu32 "\t",
        p->max_failures, p->failure_interval, p->lockout_duration, p->attributes, p->max_ticket_life,
        p->max_renewable_life);
    if (p->keysalts.data != NULL)
        krbrepl__buf_bytes(b, p->keysalts.data, p->keysalts.len);
    else
        put(b, "-");
    put(b, "\t%zu", p->ntl);
    put_items(b, p->tl, p->ntl);
    put(b, "\n");
    rc = written(b, before, ei);

done:
    krbrepl_mit_policy_free(p);
    return rc;
}
