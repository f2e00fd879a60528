/* describe.c: one line for people about a record. */
#include <krbrepl/mit.h>

#include <inttypes.h>
#include <time.h>

#include "line.h"
#include "tagged.h"

static void put_time(krbrepl__buf *b, uint32_t when)
{
    time_t t = (time_t)when;
    char text[32] = "";
    struct tm tm;

    if (gmtime_r(&t, &tm) != NULL && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) != 0)
        krbrepl__line_put(b, "%s", text);
    else
        krbrepl__line_put(b, "%" PRIu32, when);
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
        krbrepl__line_put(b, "no keys");
        return;
    }
    krbrepl__line_put(b, "kvno %" PRIu64 " (", newest);
    for (i = 0; i < p->nkeys; i++)
        if (p->keys[i].kvno == newest && n++ < 8) {
            krbrepl__line_put(b, "%s", n > 1 ? ", " : "");
            krbrepl__line_enctype(b, p->keys[i].part[0].type);
        }
    krbrepl__line_put(b, ")");
    if (n < p->nkeys)
        krbrepl__line_put(b, " and %zu older %s", p->nkeys - n, p->nkeys - n == 1 ? "key" : "keys");
}

static void put_principal(krbrepl__buf *b, const krbrepl_mit_principal *p)
{
    krbrepl_bytes text;
    uint32_t when;

    put_keys(b, p);
    if (krbrepl__mit_policy_name(p, &text)) {
        krbrepl__line_put(b, ", policy ");
        krbrepl__line_text(b, text.data, text.len);
    }
    if (p->attributes != 0)
        krbrepl__line_put(b, ", attributes 0x%" PRIx32, (uint32_t)p->attributes);
    if (p->expiration != 0) {
        krbrepl__line_put(b, ", expires ");
        put_time(b, p->expiration);
    }
    if (p->pw_expiration != 0) {
        krbrepl__line_put(b, ", password expires ");
        put_time(b, p->pw_expiration);
    }
    if (krbrepl__mit_modified(p, &when, &text)) {
        krbrepl__line_put(b, ", modified ");
        put_time(b, when);
        krbrepl__line_put(b, " by ");
        krbrepl__line_text(b, text.data, text.len);
    }
}

static void put_policy(krbrepl__buf *b, const krbrepl_mit_policy *p)
{
    krbrepl__line_put(b, "life %" PRIu32 "s to %" PRIu32 "s, length %" PRIu32 ", classes %" PRIu32,
                      p->min_life, p->max_life, p->min_length, p->min_classes);
    krbrepl__line_put(b, ", history %" PRIu32, p->history);
    if (p->max_failures != 0)
        krbrepl__line_put(b,
                          ", locked out for %" PRIu32 "s by %" PRIu32 " failures within %" PRIu32 "s",
                          p->lockout_duration, p->max_failures, p->failure_interval);
    if (p->keysalts.len != 0) {
        krbrepl__line_put(b, ", key/salt types ");
        krbrepl__line_text(b, p->keysalts.data, p->keysalts.len);
    }
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
    krbrepl__line_text(&b, key.data, key.len);
    krbrepl__line_put(&b, ": ");
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
        krbrepl__line_put(&b, "not a record that can be read");
    n = rc == KRBREPL_ERR_INVALID ? rc : krbrepl__line_out(&b, buf, room);
    krbrepl_mit_principal_free(princ);
    krbrepl_mit_policy_free(policy);
    krbrepl__buf_free(&b);
    return rc != 0 ? rc : n;
}
