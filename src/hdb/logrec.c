#include "logrec.h"

#include <string.h>

/* ---- reading -------------------------------------------------------------------------------- */

int krbrepl__hdb_rec_len(const uint8_t first[16], size_t max, size_t *len)
{
    uint32_t payload = krbrepl__get_u32(first + 12);

    if (max < KRBREPL__HDB_REC_OVERHEAD || payload > max - KRBREPL__HDB_REC_OVERHEAD)
        return KRBREPL_ERR_PROTO;
    *len = KRBREPL__HDB_REC_OVERHEAD + payload;
    return 0;
}

static int wrong(krbrepl_errinfo *ei, const krbrepl__hdb_rec *rec, const char *what)
{
    return krbrepl__fail(ei, KRBREPL_ERR_PROTO, "hdb: log record %u (operation %u, %zu bytes): %s",
                         (unsigned)rec->version, (unsigned)rec->op, rec->payload.len, what);
}

static int read_entry(krbrepl__rd *r, krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    rec->der = krbrepl__rd_view(r, r->left);
    if (krbrepl__hdb_entry_read(&rec->entry, rec->der, ei) != 0)
        return wrong(ei, rec, "its entry is malformed");
    if (rec->op != KRBREPL__HDB_OP_RENAME)
        rec->name = rec->entry.princ;
    return 0;
}

static int read_name(krbrepl__rd *r, krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    krbrepl__hdb_princ_log_read(r, &rec->name);
    if (r->err != 0 || (rec->op == KRBREPL__HDB_OP_DELETE && r->left != 0))
        return wrong(ei, rec, "its name is malformed");
    return 0;
}

static int read_payload(krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    krbrepl__rd r;
    int rc;

    krbrepl__rd_init(&r, rec->payload.data, rec->payload.len);
    switch (rec->op) {
    case KRBREPL__HDB_OP_DELETE:
        return read_name(&r, rec, ei);
    case KRBREPL__HDB_OP_RENAME:
        rc = read_name(&r, rec, ei);
        return rc != 0 ? rc : read_entry(&r, rec, ei);
    case KRBREPL__HDB_OP_MODIFY:
        rec->mask = krbrepl__rd_u32(&r);
        if (r.err != 0)
            return wrong(ei, rec, "it has no mask");
        return read_entry(&r, rec, ei);
    case KRBREPL__HDB_OP_CREATE:
        return read_entry(&r, rec, ei);
    case KRBREPL__HDB_OP_NOP:
        return 0;
    default:
        return wrong(ei, rec, "no log has this operation");
    }
}

static int read_frame(krbrepl__rd *r, krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    uint32_t len, version;

    rec->version = krbrepl__rd_u32(r);
    rec->time = krbrepl__rd_u32(r);
    rec->op = krbrepl__rd_u32(r);
    len = krbrepl__rd_u32(r);
    rec->payload = krbrepl__rd_view(r, len);
    if (r->err != 0)
        return krbrepl__fail(ei, r->err, "hdb: log record %u: it ends too early",
                             (unsigned)rec->version);
    len = krbrepl__rd_u32(r);
    version = krbrepl__rd_u32(r);
    if (r->err != 0 || len != rec->payload.len || version != rec->version)
        return wrong(ei, rec, "what stands behind it does not agree with what stands before it");
    return 0;
}

int krbrepl__hdb_rec_read(krbrepl__rd *r, krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    krbrepl__rd at = *r;
    int rc;

    memset(rec, 0, sizeof *rec);
    rc = at.err != 0 ? krbrepl__fail_plain(ei, at.err) : read_frame(&at, rec, ei);
    if (rc == 0)
        rc = read_payload(rec, ei);
    if (rc != 0)
        return rc;
    rec->whole.data = r->p;
    rec->whole.len = r->left - at.left;
    *r = at;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Where the length of the payload stands. */
static size_t begin(krbrepl__buf *b, uint32_t version, uint32_t time, uint32_t op)
{
    krbrepl__buf_u32(b, version);
    krbrepl__buf_u32(b, time);
    krbrepl__buf_u32(b, op);
    krbrepl__buf_u32(b, 0);
    return b->len;
}

static void end(krbrepl__buf *b, size_t mark, uint32_t version)
{
    size_t len;

    if (b->err != 0)
        return;
    len = b->len - mark;
    if (len > UINT32_MAX) {
        b->err = KRBREPL_ERR_TOOBIG;
        return;
    }
    krbrepl__buf_set_u32(b, mark - 4, (uint32_t)len);
    krbrepl__buf_u32(b, (uint32_t)len);
    krbrepl__buf_u32(b, version);
}

void krbrepl__hdb_rec_delete(krbrepl__buf *b, uint32_t version, uint32_t time,
                             const krbrepl__hdb_princ *name)
{
    size_t mark = begin(b, version, time, KRBREPL__HDB_OP_DELETE);

    krbrepl__hdb_princ_log_write(b, name);
    end(b, mark, version);
}

void krbrepl__hdb_rec_create(krbrepl__buf *b, uint32_t version, uint32_t time, krbrepl_bytes entry)
{
    size_t mark = begin(b, version, time, KRBREPL__HDB_OP_CREATE);

    krbrepl__buf_bytes(b, entry.data, entry.len);
    end(b, mark, version);
}

void krbrepl__hdb_rec_rename(krbrepl__buf *b, uint32_t version, uint32_t time,
                             const krbrepl__hdb_princ *from, krbrepl_bytes entry)
{
    size_t mark = begin(b, version, time, KRBREPL__HDB_OP_RENAME);

    krbrepl__hdb_princ_log_write(b, from);
    krbrepl__buf_bytes(b, entry.data, entry.len);
    end(b, mark, version);
}

void krbrepl__hdb_rec_modify(krbrepl__buf *b, uint32_t version, uint32_t time, uint32_t mask,
                             krbrepl_bytes entry)
{
    size_t mark = begin(b, version, time, KRBREPL__HDB_OP_MODIFY);

    krbrepl__buf_u32(b, mask);
    krbrepl__buf_bytes(b, entry.data, entry.len);
    end(b, mark, version);
}

void krbrepl__hdb_rec_nop(krbrepl__buf *b, uint32_t version, uint32_t time)
{
    end(b, begin(b, version, time, KRBREPL__HDB_OP_NOP), version);
}

void krbrepl__hdb_rec_stop(krbrepl__buf *b, uint32_t version, uint32_t time)
{
    end(b, begin(b, version, time, KRBREPL__HDB_OP_GET), version);
}

/* ---- the first record of a file -------------------------------------------------------------- */

int krbrepl__hdb_header_read(const uint8_t in[KRBREPL__HDB_HEADER_LEN], krbrepl__hdb_header *out)
{
    if (krbrepl__get_u32(in) != 0 || krbrepl__get_u32(in + 8) != KRBREPL__HDB_OP_NOP ||
        krbrepl__get_u32(in + 12) != 16 || krbrepl__get_u32(in + 32) != 16 ||
        krbrepl__get_u32(in + 36) != 0)
        return KRBREPL_ERR_PROTO;
    out->end = krbrepl__get_u64(in + 16);
    out->time = krbrepl__get_u32(in + 24);
    out->version = krbrepl__get_u32(in + 28);
    return 0;
}

void krbrepl__hdb_header_write(krbrepl__buf *b, const krbrepl__hdb_header *h)
{
    size_t mark = begin(b, 0, h->time, KRBREPL__HDB_OP_NOP);

    krbrepl__buf_u64(b, h->end);
    krbrepl__buf_u32(b, h->time);
    krbrepl__buf_u32(b, h->version);
    end(b, mark, 0);
}
