#include "commit.h"

#include <string.h>

#include <krbrepl/error.h>

#include "ckey.h"

/* ---- making --------------------------------------------------------------------------------- */

void krbrepl__change_put(krbrepl__buf *b, const krbrepl_change *c)
{
    size_t table_len = strlen(c->table);

    krbrepl__buf_u8(b, (unsigned)c->op);
    krbrepl__buf_u8(b, (unsigned)table_len);
    krbrepl__buf_bytes(b, c->table, table_len);
    krbrepl__buf_vec16(b, c->key.data, c->key.len);
    if (c->op == KRBREPL_PUT)
        krbrepl__buf_vec32(b, c->value.data, c->value.len);
}

void krbrepl__commit_put(krbrepl__buf *b, const krbrepl__commit *c)
{
    krbrepl__buf_u8(b, KRBREPL__COMMIT_VERSION);
    krbrepl__buf_u8(b, c->kind);
    krbrepl__buf_u16(b, 0);
    krbrepl__buf_u64(b, c->seq);
    krbrepl__buf_u64(b, c->epoch);
    krbrepl__buf_bytes(b, c->lineage, sizeof c->lineage);
    krbrepl__buf_u64(b, (uint64_t)c->time_us);
    krbrepl__buf_u64(b, c->cumulative);
    krbrepl__buf_vec16(b, c->who.data, c->who.len);
    krbrepl__buf_vec16(b, c->why.data, c->why.len);
    switch (c->kind) {
    case KRBREPL_COMMIT_CHANGES:
        krbrepl__buf_u32(b, c->nchanges);
        krbrepl__buf_bytes(b, c->body.data, c->body.len);
        break;
    case KRBREPL_COMMIT_RESET:
        krbrepl__buf_u64(b, c->records);
        krbrepl__buf_bytes(b, c->root, sizeof c->root);
        break;
    default:
        krbrepl__buf_u8(b, c->cause);
        break;
    }
}

/* ---- taking apart --------------------------------------------------------------------------- */

void krbrepl__commit_each(const krbrepl__commit *c, krbrepl__change_it *it)
{
    krbrepl__rd_init(&it->rd, c->body.data, c->body.len);
    it->left = c->nchanges;
}

int krbrepl__commit_next(krbrepl__change_it *it, krbrepl__change_view *out)
{
    krbrepl_bytes table;
    krbrepl__rd *r = &it->rd;

    memset(out, 0, sizeof *out);
    if (it->left == 0)
        return krbrepl__rd_end(r);
    it->left--;
    out->op = (uint8_t)krbrepl__rd_u8(r);
    table = krbrepl__rd_view(r, krbrepl__rd_u8(r));
    out->key = krbrepl__rd_vec16(r);
    if (out->op == KRBREPL_PUT)
        out->value = krbrepl__rd_vec32(r);
    if (r->err != 0 || (out->op != KRBREPL_PUT && out->op != KRBREPL_DELETE) || out->key.len == 0 ||
        krbrepl__table_check(table.data, table.len) != 0)
        return KRBREPL_ERR_PROTO;
    if (out->value.len > KRBREPL_MAX_VALUE)
        return KRBREPL_ERR_TOOBIG;
    memcpy(out->table, table.data, table.len);
    out->table_len = table.len;
    return 1;
}

static int decode_changes(krbrepl__rd *r, krbrepl__commit *c)
{
    krbrepl__change_it it;
    krbrepl__change_view v;
    int rc;

    c->nchanges = krbrepl__rd_u32(r);
    if (c->nchanges > KRBREPL_MAX_CHANGES)
        return KRBREPL_ERR_TOOBIG;
    c->body = krbrepl__rd_view(r, r->left);
    if (r->err != 0 || c->nchanges == 0)
        return KRBREPL_ERR_PROTO;
    krbrepl__commit_each(c, &it);
    while ((rc = krbrepl__commit_next(&it, &v)) == 1)
        continue;
    return rc;
}

static int decode_body(krbrepl__rd *r, krbrepl__commit *c)
{
    switch (c->kind) {
    case KRBREPL_COMMIT_CHANGES:
        return decode_changes(r, c);
    case KRBREPL_COMMIT_RESET:
        c->records = krbrepl__rd_u64(r);
        krbrepl__rd_copy(r, c->root, sizeof c->root);
        return krbrepl__rd_end(r);
    case KRBREPL_COMMIT_LINEAGE:
        c->cause = (uint8_t)krbrepl__rd_u8(r);
        if (c->cause < KRBREPL_CAUSE_CREATE || c->cause > KRBREPL_CAUSE_RESOLVE)
            return r->err != 0 ? r->err : KRBREPL_ERR_FORMAT;
        return krbrepl__rd_end(r);
    default:
        return r->err != 0 ? r->err : KRBREPL_ERR_FORMAT;
    }
}

/* Who and why are handed to hosts as strings. */
static int origin_ok(krbrepl_bytes v)
{
    return v.len <= KRBREPL__MAX_ORIGIN && (v.len == 0 || memchr(v.data, '\0', v.len) == NULL);
}

int krbrepl__commit_decode(krbrepl_bytes in, krbrepl__commit *c)
{
    krbrepl__rd r;
    unsigned version, flags;

    memset(c, 0, sizeof *c);
    if (in.len > KRBREPL_MAX_COMMIT)
        return KRBREPL_ERR_TOOBIG;
    krbrepl__rd_init(&r, in.data, in.len);
    version = krbrepl__rd_u8(&r);
    c->kind = (uint8_t)krbrepl__rd_u8(&r);
    flags = krbrepl__rd_u16(&r);
    if (r.err == 0 && (version != KRBREPL__COMMIT_VERSION || flags != 0))
        return KRBREPL_ERR_FORMAT;
    c->seq = krbrepl__rd_u64(&r);
    c->epoch = krbrepl__rd_u64(&r);
    krbrepl__rd_copy(&r, c->lineage, sizeof c->lineage);
    c->time_us = (int64_t)krbrepl__rd_u64(&r);
    c->cumulative = krbrepl__rd_u64(&r);
    c->who = krbrepl__rd_vec16(&r);
    c->why = krbrepl__rd_vec16(&r);
    if (r.err != 0 || c->seq == 0 || !origin_ok(c->who) || !origin_ok(c->why))
        return KRBREPL_ERR_PROTO;
    c->encoded = in;
    return decode_body(&r, c);
}
