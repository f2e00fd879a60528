#include "walkmsg.h"

#include <string.h>

#include <krbrepl/error.h>

#include "ckey.h"

/* ---- ASK ------------------------------------------------------------------------------------- */

void krbrepl__ask_begin(krbrepl__buf *b, unsigned kind, unsigned walk, unsigned level)
{
    krbrepl__buf_u8(b, kind);
    krbrepl__buf_u8(b, walk);
    if (kind == KRBREPL__ASK_NODES)
        krbrepl__buf_u8(b, level);
}

void krbrepl__ask_put_records(krbrepl__buf *b, uint32_t leaf, const uint8_t *digests, size_t n)
{
    krbrepl__buf_u32(b, leaf);
    krbrepl__buf_u16(b, (unsigned)n);
    krbrepl__buf_bytes(b, digests, n * KRBREPL__WALK_DIGEST);
}

int krbrepl__ask_open(krbrepl_bytes body, krbrepl__ask *out)
{
    int items;

    memset(out, 0, sizeof *out);
    krbrepl__rd_init(&out->rd, body.data, body.len);
    out->kind = krbrepl__rd_u8(&out->rd);
    out->walk = krbrepl__rd_u8(&out->rd);
    if (out->kind == KRBREPL__ASK_NODES)
        out->level = krbrepl__rd_u8(&out->rd);
    if (out->rd.err != 0 || out->kind < KRBREPL__ASK_NODES || out->kind > KRBREPL__ASK_DONE)
        return KRBREPL_ERR_PROTO;
    items = out->kind <= KRBREPL__ASK_RECORDS;
    return items == (out->rd.left != 0) ? 0 : KRBREPL_ERR_PROTO;
}

int krbrepl__ask_index(krbrepl__ask *a, uint32_t *index)
{
    if (a->rd.left == 0)
        return 0;
    *index = krbrepl__rd_u32(&a->rd);
    if (a->rd.err != 0 || *index < a->least)
        return KRBREPL_ERR_PROTO;
    a->least = (uint64_t)*index + 1;
    return 1;
}

static int ascend(krbrepl_bytes digests)
{
    const uint8_t *d = digests.data;
    size_t at;

    for (at = KRBREPL__WALK_DIGEST; at < digests.len; at += KRBREPL__WALK_DIGEST)
        if (memcmp(d + at - KRBREPL__WALK_DIGEST, d + at, KRBREPL__WALK_DIGEST) >= 0)
            return 0;
    return 1;
}

int krbrepl__ask_records(krbrepl__ask *a, uint32_t *leaf, krbrepl_bytes *digests)
{
    size_t n;

    if (a->rd.left == 0)
        return 0;
    *leaf = krbrepl__rd_u32(&a->rd);
    n = krbrepl__rd_u16(&a->rd);
    *digests = krbrepl__rd_view(&a->rd, n * KRBREPL__WALK_DIGEST);
    /* A leaf comes again when its records were listed in several parts. */
    if (a->rd.err != 0 || n == 0 || *leaf < a->least || !ascend(*digests))
        return KRBREPL_ERR_PROTO;
    a->least = *leaf;
    return 1;
}

/* ---- TREE ------------------------------------------------------------------------------------ */

void krbrepl__tree_put_node(krbrepl__buf *b, const krbrepl__tree_node *n)
{
    krbrepl__buf_u32(b, n->first);
    krbrepl__buf_u8(b, (unsigned)(n->digests.len / KRBREPL__WALK_DIGEST));
    krbrepl__buf_bytes(b, n->digests.data, n->digests.len);
}

void krbrepl__tree_put_part(krbrepl__buf *b, const krbrepl__tree_part *p)
{
    krbrepl__buf_u32(b, p->leaf);
    krbrepl__buf_vec16(b, p->from.data, p->from.len);
    krbrepl__buf_vec16(b, p->to.data, p->to.len);
    krbrepl__buf_u16(b, (unsigned)(p->digests.len / KRBREPL__WALK_DIGEST));
    krbrepl__buf_bytes(b, p->digests.data, p->digests.len);
}

int krbrepl__tree_open(krbrepl_bytes body, krbrepl__tree *out)
{
    memset(out, 0, sizeof *out);
    krbrepl__rd_init(&out->rd, body.data, body.len);
    out->kind = krbrepl__rd_u8(&out->rd);
    out->last = krbrepl__rd_u8(&out->rd);
    if (out->kind == KRBREPL__TREE_START)
        out->level = krbrepl__rd_u8(&out->rd);
    if (out->rd.err != 0 || out->last > 1)
        return KRBREPL_ERR_PROTO;
    switch (out->kind) {
    case KRBREPL__TREE_NODES:
    case KRBREPL__TREE_LEAVES:
        return out->rd.left != 0 ? 0 : KRBREPL_ERR_PROTO;
    case KRBREPL__TREE_RECORDS:
        return out->rd.left == 0 && out->last ? 0 : KRBREPL_ERR_PROTO;
    case KRBREPL__TREE_START:
        return out->last && out->rd.left != 0 && out->rd.left % KRBREPL__WALK_DIGEST == 0 &&
                       out->rd.left <= KRBREPL__WALK_START * KRBREPL__WALK_DIGEST
                   ? 0
                   : KRBREPL_ERR_PROTO;
    default:
        return KRBREPL_ERR_PROTO;
    }
}

int krbrepl__tree_node_next(krbrepl__tree *t, krbrepl__tree_node *out)
{
    size_t n;

    if (t->rd.left == 0)
        return 0;
    out->first = krbrepl__rd_u32(&t->rd);
    n = krbrepl__rd_u8(&t->rd);
    out->digests = krbrepl__rd_view(&t->rd, n * KRBREPL__WALK_DIGEST);
    return t->rd.err == 0 && n != 0 && n <= KRBREPL__WALK_CHILDREN ? 1 : KRBREPL_ERR_PROTO;
}

int krbrepl__tree_part_next(krbrepl__tree *t, krbrepl__tree_part *out)
{
    size_t n;

    if (t->rd.left == 0)
        return 0;
    out->leaf = krbrepl__rd_u32(&t->rd);
    out->from = krbrepl__rd_vec16(&t->rd);
    out->to = krbrepl__rd_vec16(&t->rd);
    n = krbrepl__rd_u16(&t->rd);
    out->digests = krbrepl__rd_view(&t->rd, n * KRBREPL__WALK_DIGEST);
    if (t->rd.err != 0 || n > KRBREPL__WALK_PART || out->from.len > KRBREPL__CKEY_MAX ||
        out->to.len > KRBREPL__CKEY_MAX)
        return KRBREPL_ERR_PROTO;
    if (out->to.len != 0 &&
        krbrepl__bytes_cmp(out->from.data, out->from.len, out->to.data, out->to.len) >= 0)
        return KRBREPL_ERR_PROTO;
    return 1;
}
