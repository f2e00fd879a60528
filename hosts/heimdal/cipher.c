#include "cipher.h"

#include <string.h>

#include "options.h"

#define MORE 256u /* what an encryption may add: confounder, padding, checksum */

_Static_assert(sizeof(krbrepl_heimdal_cipher) == offsetof(krbrepl_heimdal_cipher, ctx) + sizeof(void *),
               "tail padding");

int krbrepl__heim_cipher_take(krbrepl_heimdal_cipher *out, const krbrepl_heimdal_cipher *in,
                              krbrepl_errinfo *ei)
{
    int rc = 0;

    memset(out, 0, sizeof *out);
    if (in == NULL)
        return 0;
    rc = krbrepl__widen(out, sizeof *out, in);
    if (rc != 0)
        return krbrepl__fail_plain(ei, rc);
    if (out->seal == NULL || out->unseal == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "a function of the cipher is missing");
    return 0;
}

static int host_failed(int host, const char *what, krbrepl_errinfo *ei)
{
    int rc = krbrepl__fail(ei, KRBREPL_ERR_HOST, "the master key: a key cannot be %s", what);

    if (ei != NULL)
        ei->host_code = host;
    return rc;
}

static int seal(void *ctx, krbrepl_bytes in, krbrepl__buf *out, uint32_t *mkvno, krbrepl_errinfo *ei)
{
    const krbrepl_heimdal_cipher *c = ctx;
    size_t at = out->len, len = in.len + MORE;
    uint64_t number = 0;
    uint8_t *room = krbrepl__buf_room(out, len);
    int host;

    if (room == NULL)
        return krbrepl__fail_plain(ei, out->err);
    host = c->seal(c->ctx, in, room, &len, &number);
    if (host != 0 || len > in.len + MORE || number > UINT32_MAX)
        return host_failed(host, "encrypted", ei);
    krbrepl__buf_cut(out, at + len);
    *mkvno = (uint32_t)number;
    return 0;
}

static int unseal(void *ctx, uint32_t mkvno, int64_t etype, krbrepl_bytes in, krbrepl__buf *out,
                  krbrepl_errinfo *ei)
{
    const krbrepl_heimdal_cipher *c = ctx;
    size_t at = out->len, len = in.len;
    uint8_t *room = krbrepl__buf_room(out, len);
    int host;

    if (room == NULL)
        return krbrepl__fail_plain(ei, out->err);
    host = c->unseal(c->ctx, mkvno, etype, in, room, &len);
    if (host != 0 || len > in.len)
        return host_failed(host, "decrypted", ei);
    krbrepl__buf_cut(out, at + len);
    return 0;
}

int krbrepl__heim_seal(const krbrepl_heimdal_cipher *c, krbrepl_bytes entry, krbrepl__buf *out,
                       krbrepl_errinfo *ei)
{
    krbrepl_heimdal_cipher copy = *c;
    krbrepl__hdb_cipher by = {seal, NULL, &copy};

    return krbrepl__hdb_recrypt(out, entry, &by, ei);
}

int krbrepl__heim_unseal(const krbrepl_heimdal_cipher *c, krbrepl_bytes entry, krbrepl__buf *out,
                         krbrepl_errinfo *ei)
{
    krbrepl_heimdal_cipher copy = *c;
    krbrepl__hdb_cipher by = {NULL, unseal, &copy};

    return krbrepl__hdb_recrypt(out, entry, &by, ei);
}

static int same_bytes(krbrepl_bytes a, krbrepl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int krbrepl__heim_same(krbrepl_bytes a, krbrepl_bytes b)
{
    krbrepl__hdb_entry x, y;
    unsigned i;

    if (same_bytes(a, b))
        return 1;
    if (krbrepl__hdb_entry_read(&x, a, NULL) != 0 || krbrepl__hdb_entry_read(&y, b, NULL) != 0)
        return 0;
    for (i = 0; i < KRBREPL__HDB_NFIELDS; i++)
        if (i != KRBREPL__HDB_GENERATION && !same_bytes(x.field[i], y.field[i]))
            return 0;
    return same_bytes(x.rest, y.rest);
}

int krbrepl__heim_same_in_clear(const krbrepl_heimdal_cipher *c, krbrepl_bytes a, krbrepl_bytes b)
{
    krbrepl__buf x, y;
    krbrepl_bytes vx, vy;
    int same;

    if (krbrepl__hdb_kind(a) != KRBREPL__HDB_ENTRY || krbrepl__hdb_kind(b) != KRBREPL__HDB_ENTRY)
        return 0;
    krbrepl__buf_init(&x, 0);
    krbrepl__buf_init(&y, 0);
    same = krbrepl__heim_unseal(c, a, &x, NULL) == 0 && krbrepl__heim_unseal(c, b, &y, NULL) == 0;
    vx.data = x.data;
    vx.len = x.len;
    vy.data = y.data;
    vy.len = y.len;
    same = same && krbrepl__heim_same(vx, vy);
    krbrepl__buf_free(&x);
    krbrepl__buf_free(&y);
    return same;
}
