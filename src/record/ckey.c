#include "ckey.h"

#include <string.h>

#include <krbrepl/error.h>

#include "buf.h"

static int table_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

int krbrepl__table_check(const char *table, size_t len)
{
    size_t i;

    if (table == NULL || len == 0 || len > KRBREPL_MAX_TABLE)
        return KRBREPL_ERR_INVALID;
    for (i = 0; i < len; i++)
        if (!table_byte((unsigned char)table[i]))
            return KRBREPL_ERR_INVALID;
    return 0;
}

static int key_check(krbrepl_bytes key)
{
    if (key.data == NULL || key.len == 0)
        return KRBREPL_ERR_INVALID;
    return key.len > KRBREPL_MAX_KEY ? KRBREPL_ERR_TOOBIG : 0;
}

int krbrepl__change_check(const krbrepl_change *c)
{
    int rc;

    if (c == NULL || c->table == NULL)
        return KRBREPL_ERR_INVALID;
    rc = krbrepl__table_check(c->table, strlen(c->table));
    if (rc == 0)
        rc = key_check(c->key);
    if (rc != 0)
        return rc;
    if (c->op == KRBREPL_DELETE)
        return c->value.len == 0 ? 0 : KRBREPL_ERR_INVALID;
    if (c->op != KRBREPL_PUT || (c->value.data == NULL && c->value.len != 0))
        return KRBREPL_ERR_INVALID;
    return c->value.len > KRBREPL_MAX_VALUE ? KRBREPL_ERR_TOOBIG : 0;
}

/* The n bytes at `off` of the full key that table and key would make. */
static void fullkey_part(uint8_t *out, size_t n, const char *table, size_t table_len, krbrepl_bytes key)
{
    size_t from_table = table_len < n ? table_len : n;

    memcpy(out, table, from_table);
    if (n > table_len) {
        out[table_len] = 0;
        memcpy(out + table_len + 1, key.data, n - table_len - 1);
    }
}

int krbrepl__ckey_make(krbrepl__sha *h, const char *table, size_t table_len, krbrepl_bytes key,
                       krbrepl__ckey *out)
{
    krbrepl_bytes piece[3] = {{table, table_len}, {"", 1}, key};
    size_t full;
    int rc = krbrepl__table_check(table, table_len);

    if (rc == 0)
        rc = key_check(key);
    if (rc != 0)
        return rc;
    full = table_len + 1 + key.len;
    if (full < KRBREPL__CKEY_MAX) {
        fullkey_part(out->b, full, table, table_len, key);
        out->len = full;
        return 0;
    }
    fullkey_part(out->b, KRBREPL__CKEY_PREFIX, table, table_len, key);
    out->len = KRBREPL__CKEY_MAX;
    return krbrepl__sha_sum(h, piece, 3, out->b + KRBREPL__CKEY_PREFIX);
}

size_t krbrepl__fullkey_table(krbrepl_bytes full)
{
    size_t most = full.len < KRBREPL_MAX_TABLE + 1 ? full.len : KRBREPL_MAX_TABLE + 1;
    const char *nul = most != 0 ? memchr(full.data, 0, most) : NULL;
    size_t len;

    if (nul == NULL)
        return 0;
    len = (size_t)(nul - (const char *)full.data);
    if (krbrepl__table_check(full.data, len) != 0 || len + 1 >= full.len ||
        full.len - len - 1 > KRBREPL_MAX_KEY)
        return 0;
    return len;
}

int krbrepl__ckey_from_full(krbrepl__sha *h, krbrepl_bytes full, krbrepl__ckey *out)
{
    size_t table_len = krbrepl__fullkey_table(full);
    krbrepl_bytes key;

    if (table_len == 0)
        return KRBREPL_ERR_INVALID;
    key.data = (const uint8_t *)full.data + table_len + 1;
    key.len = full.len - table_len - 1;
    return krbrepl__ckey_make(h, full.data, table_len, key, out);
}

int krbrepl__bytes_cmp(const void *a, size_t alen, const void *b, size_t blen)
{
    size_t n = alen < blen ? alen : blen;
    int d = n != 0 ? memcmp(a, b, n) : 0;

    if (d != 0)
        return d;
    return alen < blen ? -1 : alen > blen;
}

int krbrepl__record_digest(krbrepl__sha *h, const char *table, size_t table_len, krbrepl_bytes key,
                           krbrepl_bytes value, uint8_t out[KRBREPL__RDIGEST])
{
    static const char label[] = "krbrepl record 1"; /* hashed with its NUL */
    uint8_t head[sizeof label + 4], sum[32];
    krbrepl_bytes piece[5] = {
        {head, sizeof head}, {table, table_len}, {"", 1}, key, value,
    };
    int rc;

    memcpy(head, label, sizeof label);
    krbrepl__put_u32(head + sizeof label, (uint32_t)(table_len + 1 + key.len));
    rc = krbrepl__sha_sum(h, piece, 5, sum);
    if (rc == 0)
        memcpy(out, sum, KRBREPL__RDIGEST);
    return rc;
}
