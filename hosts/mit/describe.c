/* describe.c: one line for people about a record. */
#include <krbrepl/mit.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "buf.h"
#include "tagged.h"

#define LINE_MAX_BYTES 4096u /* longer lines are cut; a name alone may have 64 KiB */

static void put(krbrepl__buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(krbrepl__buf *b, const char *fmt, ...)
{
    char text[128];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    krbrepl__buf_bytes(b, text, strlen(text));
}

/* Text out of a record: what could move the cursor or begin another line is replaced. */
static void put_text(krbrepl__buf *b, krbrepl_bytes text)
{
    const uint8_t *p = text.data;
    size_t i;

    for (i = 0; i < text.len && i < LINE_MAX_BYTES / 2; i++)
        krbrepl__buf_u8(b, p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i]);
    if (i < text.len)
        put(b, "...");
}

static void put_time(krbrepl__buf *b, uint32_t when)
{
    time_t t = (time_t)when;
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&t, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) != 0)
        put(b, "%s", text);
    else
        put(b, "%" PRIu32, when);
}

static void put_enctype(krbrepl__buf *b, int64_t type)
{
    static const struct {
        int64_t type;
        const char *name;
    } known[] = {{1, "des-cbc-crc"},     {3, "des-cbc-md5"},   {16, "des3-cbc-sha1"},
                 {17, "aes128-cts"},     {18, "aes256-cts"},   {19, "aes128-sha2"},
                 {20, "aes256-sha2"},    {23, "arcfour-hmac"}, {25, "camellia128-cts"},
                 {26, "camellia256-cts"}};
    size_t i;

    for (i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].type == type) {
            put(b, "%s", known[i].name);
            return;
        }
    put(b, "enctype %" PRId64, type);
}

/* The newest keys with their encryption types, and how many older ones there are. */
static void put_keys(krbrepl__buf *b, const krbrepl_mit_principal *p)
{
    uint64_t newest = 0;
    size_t i, n = 0;

    for (i = 0; i < p->nkeys; i++)
        if (p->keys[i].kvno > newest)
            newest = p->keys[i].kvno;
    if (p->nkeys == 0) {
        put(b, "no keys");
        return;
    }
    put(b, "kvno %" PRIu64 " (", newest);
    for (i = 0; i < p->nkeys; i++)
        if (p->keys[i].kvno == newest && n++ < 8) {
            put(b, "%s", n > 1 ? ", " : "");
            put_enctype(b, p->keys[i].part[0].type);
        }
    put(b, ")");
    if (n < p->nkeys)
        put(b, " and %zu older %s", p->nkeys - n, p->nkeys - n == 1 ? "key" : "keys");
}

static void put_principal(krbrepl__buf *b, const krbrepl_mit_principal *p)
{
    krbrepl_bytes text;
    uint32_t when;

    put_keys(b, p);
    if (krbrepl__mit_policy_name(p, &text)) {
        put(b, ", policy ");
        put_text(b, text);
    }
    if (p->attributes != 0)
        put(b, ", attributes 0x%" PRIx32, (uint32_t)p->attributes);
    if (p->expiration != 0) {
        put(b, ", expires ");
        put_time(b, p->expiration);
    }
    if (p->pw_expiration != 0) {
        put(b, ", password expires ");
        put_time(b, p->pw_expiration);
    }
    if (krbrepl__mit_modified(p, &when, &text)) {
        put(b, ", modified ");
        put_time(b, when);
        put(b, " by ");
        put_text(b, text);
    }
}

static void put_policy(krbrepl__buf *b, const krbrepl_mit_policy *p)
{
    put(b, "life %" PRIu32 "s to %" PRIu32 "s, length %" PRIu32 ", classes %" PRIu32, p->min_life,
        p->max_life, p->min_length, p->min_classes);
    put(b, ", history %" PRIu32, p->history);
    if (p->max_failures != 0)
        put(b, ", locked out for %" PRIu32 "s by %" PRIu32 " failures within %" PRIu32 "s",
            p->lockout_duration, p->max_failures, p->failure_interval);
    if (p->keysalts.len != 0) {
        put(b, ", key/salt types ");
        put_text(b, p->keysalts);
    }
}

/* As snprintf: as much as there is room for, and a NUL. */
static int hand_out(const krbrepl__buf *b, char *buf, size_t room)
{
    size_t n = b->len < room ? b->len : room - (room != 0);

    if (b->err != 0)
        return b->err;
    if (room == 0)
        return (int)b->len;
    if (n != 0)
        memcpy(buf, b->data, n);
    buf[n] = '\0';
    return (int)b->len;
}

int krbrepl_mit_describe(const char *table, krbrepl_bytes key, krbrepl_bytes value, char *buf,
                         size_t room)
{
    krbrepl_mit_principal *princ = NULL;
    krbrepl_mit_policy *policy = NULL;
    krbrepl__buf b;
    int rc, n;

    if (table == NULL || (buf == NULL && room != 0))
        return KRBREPL_ERR_INVALID;
    krbrepl__buf_init(&b, 0);
    put_text(&b, key);
    put(&b, ": ");
    if (strcmp(table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0) {
        if ((rc = krbrepl_mit_principal_decode(value, &princ, NULL)) == 0)
            put_principal(&b, princ);
    } else if (strcmp(table, KRBREPL_MIT_TABLE_POLICY) == 0) {
        if ((rc = krbrepl_mit_policy_decode(value, &policy, NULL)) == 0)
            put_policy(&b, policy);
    } else {
        rc = KRBREPL_ERR_INVALID;
    }
    if (rc == KRBREPL_ERR_FORMAT)
        put(&b, "not a record that can be read");
    n = rc == KRBREPL_ERR_INVALID ? rc : hand_out(&b, buf, room);
    krbrepl_mit_principal_free(princ);
    krbrepl_mit_policy_free(policy);
    krbrepl__buf_free(&b);
    return rc != 0 ? rc : n;
}
