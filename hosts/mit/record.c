#include "record.h"

#include <stddef.h>

#include "errinfo.h"
#include "mem.h"
#include "options.h"

#define FLAG_KEYSALTS 1u

_Static_assert(sizeof(krbrepl_mit_principal) ==
                   offsetof(krbrepl_mit_principal, extra) + sizeof(krbrepl_bytes),
               "tail padding");
_Static_assert(sizeof(krbrepl_mit_policy) == offsetof(krbrepl_mit_policy, ntl) + sizeof(size_t),
               "tail padding");

/* ---- putting together ----------------------------------------------------------------------- */

void krbrepl__mit_put_principal(krbrepl__buf *b, const krbrepl_mit_principal *p)
{
    krbrepl__buf_u8(b, KRBREPL__MIT_RECORD_VERSION);
    krbrepl__buf_u8(b, 0);
    krbrepl__buf_u16(b, p->base_length);
    krbrepl__buf_u32(b, (uint32_t)p->attributes);
    krbrepl__buf_u32(b, (uint32_t)p->max_life);
    krbrepl__buf_u32(b, (uint32_t)p->max_renewable_life);
    krbrepl__buf_u32(b, p->expiration);
    krbrepl__buf_u32(b, p->pw_expiration);
}

void krbrepl__mit_put_policy(krbrepl__buf *b, const krbrepl_mit_policy *p)
{
    krbrepl__buf_u8(b, KRBREPL__MIT_RECORD_VERSION);
    krbrepl__buf_u8(b, p->keysalts.data != NULL ? FLAG_KEYSALTS : 0);
    krbrepl__buf_u32(b, p->min_life);
    krbrepl__buf_u32(b, p->max_life);
    krbrepl__buf_u32(b, p->min_length);
    krbrepl__buf_u32(b, p->min_classes);
    krbrepl__buf_u32(b, p->history);
    krbrepl__buf_u32(b, p->references);
    krbrepl__buf_u32(b, p->max_failures);
    krbrepl__buf_u32(b, p->failure_interval);
    krbrepl__buf_u32(b, p->lockout_duration);
    krbrepl__buf_u32(b, p->attributes);
    krbrepl__buf_u32(b, p->max_ticket_life);
    krbrepl__buf_u32(b, p->max_renewable_life);
    if (p->keysalts.data != NULL)
        krbrepl__buf_vec16(b, p->keysalts.data, p->keysalts.len);
}

void krbrepl__mit_put_count(krbrepl__buf *b, size_t n)
{
    krbrepl__buf_u16(b, (unsigned)n);
}

uint8_t *krbrepl__mit_put_item(krbrepl__buf *b, int64_t type, size_t len)
{
    krbrepl__buf_u16(b, (unsigned)type & 0xffffu);
    krbrepl__buf_u16(b, (unsigned)len);
    return krbrepl__buf_room(b, len);
}

void krbrepl__mit_put_key(krbrepl__buf *b, uint64_t version, uint64_t kvno)
{
    krbrepl__buf_u8(b, (unsigned)version);
    krbrepl__buf_u16(b, (unsigned)kvno);
}

uint8_t *krbrepl__mit_put_extra(krbrepl__buf *b, size_t len)
{
    krbrepl__buf_u16(b, (unsigned)len);
    return krbrepl__buf_room(b, len);
}

/* ---- encoding a struct ---------------------------------------------------------------------- */

static int check_item(const krbrepl_mit_item *it, const char *what, krbrepl_errinfo *ei)
{
    if (it->type < INT16_MIN || it->type > INT16_MAX)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "%s: a type does not fit into 16 signed bits",
                             what);
    if (it->data.len > KRBREPL__MIT_MAX_DATA || (it->data.data == NULL && it->data.len != 0))
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "%s: more than 65,535 bytes, or no data", what);
    return 0;
}

static int check_items(const krbrepl_mit_item *it, size_t n, krbrepl_errinfo *ei)
{
    size_t i;
    int rc = 0;

    if (n > KRBREPL__MIT_MAX_ITEMS)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "tl: more than 32,767 items");
    for (i = 0; i < n && rc == 0; i++)
        rc = check_item(&it[i], "tl", ei);
    return rc;
}

static int check_keys(const krbrepl_mit_key *key, size_t n, krbrepl_errinfo *ei)
{
    size_t i, part;
    int rc = 0;

    if (n > KRBREPL__MIT_MAX_ITEMS)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "keys: more than 32,767");
    for (i = 0; i < n && rc == 0; i++) {
        if (key[i].version < 1 || key[i].version > 2)
            return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "keys: the version is not 1 or 2");
        if (key[i].kvno > UINT16_MAX)
            return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "keys: kvno does not fit into 16 bits");
        for (part = 0; part < key[i].version && rc == 0; part++)
            rc = check_item(&key[i].part[part], "keys", ei);
    }
    return rc;
}

static int check_principal(const krbrepl_mit_principal *p, krbrepl_errinfo *ei)
{
    int rc;

    if (p->base_length > UINT16_MAX)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "base_length does not fit into 16 bits");
    if (p->extra.len > KRBREPL__MIT_MAX_DATA)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "extra: more than 65,535 bytes");
    if ((rc = check_items(p->tl, p->ntl, ei)) != 0)
        return rc;
    return check_keys(p->keys, p->nkeys, ei);
}

static int check_policy(const krbrepl_mit_policy *p, krbrepl_errinfo *ei)
{
    if (p->keysalts.data != NULL && (p->keysalts.len == 0 || p->keysalts.len > KRBREPL__MIT_MAX_DATA))
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "keysalts: empty, or more than 65,535 bytes");
    return check_items(p->tl, p->ntl, ei);
}

static void copy_in(uint8_t *room, krbrepl_bytes from)
{
    if (room != NULL && from.len != 0)
        memcpy(room, from.data, from.len);
}

static void put_items(krbrepl__buf *b, const krbrepl_mit_item *it, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++)
        copy_in(krbrepl__mit_put_item(b, it[i].type, it[i].data.len), it[i].data);
}

/* Hands the built value out, as a block of exactly its length. */
static int hand_out(krbrepl__buf *b, void **out, size_t *len, krbrepl_errinfo *ei)
{
    void *copy = NULL;
    int rc = b->err;

    if (rc == 0 && (copy = krbrepl__alloc(b->len)) == NULL)
        rc = KRBREPL_ERR_NOMEM;
    if (rc == 0) {
        memcpy(copy, b->data, b->len);
        *out = copy;
        *len = b->len;
    }
    krbrepl__buf_free(b);
    return rc != 0 ? krbrepl__fail_plain(ei, rc) : 0;
}

static int principal_encode(const krbrepl_mit_principal *in, void **out, size_t *len,
                            krbrepl_errinfo *ei)
{
    krbrepl_mit_principal p;
    krbrepl__buf b;
    size_t i;
    int rc;

    if (in == NULL || out == NULL || len == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "principal encode: an argument is NULL");
    if ((rc = krbrepl__widen(&p, sizeof p, in)) != 0)
        return krbrepl__fail_plain(ei, rc);
    if ((rc = check_principal(&p, ei)) != 0)
        return rc;
    krbrepl__buf_init(&b, KRBREPL_MAX_VALUE);
    krbrepl__mit_put_principal(&b, &p);
    krbrepl__mit_put_count(&b, p.ntl);
    put_items(&b, p.tl, p.ntl);
    krbrepl__mit_put_count(&b, p.nkeys);
    for (i = 0; i < p.nkeys; i++) {
        krbrepl__mit_put_key(&b, p.keys[i].version, p.keys[i].kvno);
        put_items(&b, p.keys[i].part, (size_t)p.keys[i].version);
    }
    copy_in(krbrepl__mit_put_extra(&b, p.extra.len), p.extra);
    return hand_out(&b, out, len, ei);
}

int krbrepl_mit_principal_encode(const krbrepl_mit_principal *in, void **out, size_t *len,
                                 krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(principal_encode(in, out, len, &mine), &mine, ei);
}

static int policy_encode(const krbrepl_mit_policy *in, void **out, size_t *len, krbrepl_errinfo *ei)
{
    krbrepl_mit_policy p;
    krbrepl__buf b;
    int rc;

    if (in == NULL || out == NULL || len == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "policy encode: an argument is NULL");
    if ((rc = krbrepl__widen(&p, sizeof p, in)) != 0)
        return krbrepl__fail_plain(ei, rc);
    if ((rc = check_policy(&p, ei)) != 0)
        return rc;
    krbrepl__buf_init(&b, KRBREPL_MAX_VALUE);
    krbrepl__mit_put_policy(&b, &p);
    krbrepl__mit_put_count(&b, p.ntl);
    put_items(&b, p.tl, p.ntl);
    return hand_out(&b, out, len, ei);
}

int krbrepl_mit_policy_encode(const krbrepl_mit_policy *in, void **out, size_t *len,
                              krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(policy_encode(in, out, len, &mine), &mine, ei);
}

void krbrepl_mit_free(void *p, size_t len)
{
    krbrepl__free(p, len);
}

/* ---- taking apart --------------------------------------------------------------------------- */

/* What the caller gets is the first member; the rest is for the way back. */
struct principal {
    krbrepl_mit_principal pub;
    krbrepl_mit_item *tl;
    krbrepl_mit_key *keys;
};

struct policy {
    krbrepl_mit_policy pub;
    krbrepl_mit_item *tl;
};

static int malformed(krbrepl_errinfo *ei, const char *table)
{
    return krbrepl__fail(ei, KRBREPL_ERR_FORMAT,
                         "the value is no record of an MIT %s: it was written by another program, or "
                         "damaged before it came into the store",
                         table);
}

/* Reads version and flags; `known` are the flags that may be set. */
static int read_head(krbrepl__rd *r, unsigned known, unsigned *flags, const char *table,
                     krbrepl_errinfo *ei)
{
    unsigned version = krbrepl__rd_u8(r);

    *flags = krbrepl__rd_u8(r);
    if (r->err != 0)
        return malformed(ei, table);
    if (version > KRBREPL__MIT_RECORD_VERSION || (*flags & ~known) != 0)
        return krbrepl__fail(ei, KRBREPL_ERR_FORMAT,
                             "the record of an MIT %s has version %u with flags %u, this library reads "
                             "version %u; upgrade krbrepl on this node",
                             table, version, *flags, KRBREPL__MIT_RECORD_VERSION);
    return version == KRBREPL__MIT_RECORD_VERSION ? 0 : malformed(ei, table);
}

static int64_t read_type(krbrepl__rd *r)
{
    unsigned v = krbrepl__rd_u16(r);

    return v < 0x8000u ? (int64_t)v : (int64_t)v - 0x10000;
}

static int32_t read_s32(krbrepl__rd *r)
{
    uint32_t v = krbrepl__rd_u32(r);

    return v <= INT32_MAX ? (int32_t)v : (int32_t)((int64_t)v - INT64_C(0x100000000));
}

static void read_item(krbrepl__rd *r, krbrepl_mit_item *it)
{
    it->type = read_type(r);
    it->data = krbrepl__rd_vec16(r);
}

/* Reads a count of things that take at least `least` bytes each, so that what is allocated for them is
 * in proportion to the input. */
static size_t read_count(krbrepl__rd *r, size_t least)
{
    size_t n = krbrepl__rd_u16(r);

    if (n > KRBREPL__MIT_MAX_ITEMS || n > r->left / least)
        r->err = KRBREPL_ERR_PROTO;
    return r->err == 0 ? n : 0;
}

static int read_items(krbrepl__rd *r, krbrepl_mit_item **out, size_t *n)
{
    size_t i, count = read_count(r, 4);

    *out = krbrepl__alloc_array(count, sizeof **out);
    if (*out == NULL)
        return KRBREPL_ERR_NOMEM;
    *n = count;
    for (i = 0; i < count; i++)
        read_item(r, &(*out)[i]);
    return r->err;
}

static int read_keys(krbrepl__rd *r, krbrepl_mit_key **out, size_t *n)
{
    size_t i, part, count = read_count(r, 7);
    krbrepl_mit_key *key;

    *out = krbrepl__alloc_array(count, sizeof **out);
    if (*out == NULL)
        return KRBREPL_ERR_NOMEM;
    *n = count;
    for (i = 0; i < count && r->err == 0; i++) {
        key = &(*out)[i];
        key->version = krbrepl__rd_u8(r);
        key->kvno = krbrepl__rd_u16(r);
        if (key->version < 1 || key->version > 2)
            r->err = KRBREPL_ERR_PROTO;
        for (part = 0; r->err == 0 && part < key->version; part++)
            read_item(r, &key->part[part]);
    }
    return r->err;
}

static int read_principal(krbrepl__rd *r, struct principal *p)
{
    krbrepl_mit_principal *pub = &p->pub;
    int rc;

    pub->size = sizeof *pub;
    pub->base_length = krbrepl__rd_u16(r);
    pub->attributes = read_s32(r);
    pub->max_life = read_s32(r);
    pub->max_renewable_life = read_s32(r);
    pub->expiration = krbrepl__rd_u32(r);
    pub->pw_expiration = krbrepl__rd_u32(r);
    if ((rc = read_items(r, &p->tl, &pub->ntl)) != 0 || (rc = read_keys(r, &p->keys, &pub->nkeys)) != 0)
        return rc;
    pub->tl = p->tl;
    pub->keys = p->keys;
    pub->extra = krbrepl__rd_vec16(r);
    return krbrepl__rd_end(r);
}

static int principal_decode(krbrepl_bytes value, krbrepl_mit_principal **out, krbrepl_errinfo *ei)
{
    struct principal *p;
    krbrepl__rd r;
    unsigned flags;
    int rc;

    if (out == NULL || (value.data == NULL && value.len != 0))
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "principal decode: an argument is NULL");
    *out = NULL;
    krbrepl__rd_init(&r, value.data, value.len);
    if ((rc = read_head(&r, 0, &flags, "principal", ei)) != 0)
        return rc;
    p = krbrepl__alloc(sizeof *p);
    if (p == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    rc = read_principal(&r, p);
    if (rc == 0) {
        *out = &p->pub;
        return 0;
    }
    krbrepl_mit_principal_free(&p->pub);
    return rc == KRBREPL_ERR_NOMEM ? krbrepl__fail_plain(ei, rc) : malformed(ei, "principal");
}

int krbrepl_mit_principal_decode(krbrepl_bytes value, krbrepl_mit_principal **out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(principal_decode(value, out, &mine), &mine, ei);
}

void krbrepl_mit_principal_free(krbrepl_mit_principal *pub)
{
    struct principal *p = (struct principal *)pub;

    if (p == NULL)
        return;
    krbrepl__free(p->tl, p->pub.ntl * sizeof *p->tl);
    krbrepl__free(p->keys, p->pub.nkeys * sizeof *p->keys);
    krbrepl__free(p, sizeof *p);
}

static int read_policy(krbrepl__rd *r, unsigned flags, struct policy *p)
{
    krbrepl_mit_policy *pub = &p->pub;
    int rc;

    pub->size = sizeof *pub;
    pub->min_life = krbrepl__rd_u32(r);
    pub->max_life = krbrepl__rd_u32(r);
    pub->min_length = krbrepl__rd_u32(r);
    pub->min_classes = krbrepl__rd_u32(r);
    pub->history = krbrepl__rd_u32(r);
    pub->references = krbrepl__rd_u32(r);
    pub->max_failures = krbrepl__rd_u32(r);
    pub->failure_interval = krbrepl__rd_u32(r);
    pub->lockout_duration = krbrepl__rd_u32(r);
    pub->attributes = krbrepl__rd_u32(r);
    pub->max_ticket_life = krbrepl__rd_u32(r);
    pub->max_renewable_life = krbrepl__rd_u32(r);
    if ((flags & FLAG_KEYSALTS) != 0) {
        pub->keysalts = krbrepl__rd_vec16(r);
        if (pub->keysalts.len == 0)
            return KRBREPL_ERR_PROTO;
    }
    rc = read_items(r, &p->tl, &pub->ntl);
    pub->tl = p->tl;
    return rc != 0 ? rc : krbrepl__rd_end(r);
}

static int policy_decode(krbrepl_bytes value, krbrepl_mit_policy **out, krbrepl_errinfo *ei)
{
    struct policy *p;
    krbrepl__rd r;
    unsigned flags;
    int rc;

    if (out == NULL || (value.data == NULL && value.len != 0))
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "policy decode: an argument is NULL");
    *out = NULL;
    krbrepl__rd_init(&r, value.data, value.len);
    if ((rc = read_head(&r, FLAG_KEYSALTS, &flags, "policy", ei)) != 0)
        return rc;
    p = krbrepl__alloc(sizeof *p);
    if (p == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    rc = read_policy(&r, flags, p);
    if (rc == 0) {
        *out = &p->pub;
        return 0;
    }
    krbrepl_mit_policy_free(&p->pub);
    return rc == KRBREPL_ERR_NOMEM ? krbrepl__fail_plain(ei, rc) : malformed(ei, "policy");
}

int krbrepl_mit_policy_decode(krbrepl_bytes value, krbrepl_mit_policy **out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(policy_decode(value, out, &mine), &mine, ei);
}

void krbrepl_mit_policy_free(krbrepl_mit_policy *pub)
{
    struct policy *p = (struct policy *)pub;

    if (p == NULL)
        return;
    krbrepl__free(p->tl, p->pub.ntl * sizeof *p->tl);
    krbrepl__free(p, sizeof *p);
}

/* ---- the local entry ------------------------------------------------------------------------ */

int krbrepl_mit_lockout_decode(krbrepl_bytes value, krbrepl_mit_lockout *out)
{
    krbrepl__rd r;

    if (out == NULL || (value.data == NULL && value.len != 0))
        return KRBREPL_ERR_INVALID;
    memset(out, 0, sizeof *out);
    krbrepl__rd_init(&r, value.data, value.len);
    if (value.len != KRBREPL_MIT_LOCKOUT_LEN || krbrepl__rd_u32(&r) != KRBREPL__MIT_LOCAL_FORMAT)
        return KRBREPL_ERR_FORMAT;
    out->last_success = krbrepl__rd_u32(&r);
    out->last_failed = krbrepl__rd_u32(&r);
    out->failures = krbrepl__rd_u32(&r);
    return 0;
}

void krbrepl_mit_lockout_encode(const krbrepl_mit_lockout *in, uint8_t out[KRBREPL_MIT_LOCKOUT_LEN])
{
    krbrepl__put_u32(out, KRBREPL__MIT_LOCAL_FORMAT);
    krbrepl__put_u32(out + 4, in->last_success);
    krbrepl__put_u32(out + 8, in->last_failed);
    krbrepl__put_u32(out + 12, in->failures);
}
