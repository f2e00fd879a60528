#include "pos.h"

#include <string.h>

#include <krbrepl/error.h>

#include "mem.h"

void krbrepl__pos_put(krbrepl__buf *b, const krbrepl_pos *p)
{
    krbrepl__buf_bytes(b, p->lineage, sizeof p->lineage);
    krbrepl__buf_u64(b, p->epoch);
    krbrepl__buf_u64(b, p->seq);
    krbrepl__buf_bytes(b, p->chain, sizeof p->chain);
}

void krbrepl__pos_get(krbrepl__rd *r, krbrepl_pos *p)
{
    krbrepl__rd_copy(r, p->lineage, sizeof p->lineage);
    p->epoch = krbrepl__rd_u64(r);
    p->seq = krbrepl__rd_u64(r);
    krbrepl__rd_copy(r, p->chain, sizeof p->chain);
}

int krbrepl__pos_equal(const krbrepl_pos *a, const krbrepl_pos *b)
{
    return a->seq == b->seq && a->epoch == b->epoch &&
           memcmp(a->lineage, b->lineage, sizeof a->lineage) == 0 &&
           memcmp(a->chain, b->chain, sizeof a->chain) == 0;
}

int krbrepl__chain_first(krbrepl__sha *h, const uint8_t database_id[16], uint8_t chain[32])
{
    static const char label[] = "krbrepl chain 1"; /* hashed with its NUL */
    krbrepl_bytes piece[2] = {{label, sizeof label}, {database_id, 16}};

    return krbrepl__sha_sum(h, piece, 2, chain);
}

int krbrepl__chain_next(krbrepl__sha *h, const uint8_t before[32], krbrepl_bytes commit,
                        uint8_t chain[32])
{
    krbrepl_bytes piece[2] = {{before, 32}, commit};

    return krbrepl__sha_sum(h, piece, 2, chain);
}

/* ---- ancestry ------------------------------------------------------------------------------- */

void krbrepl__ancestry_free(krbrepl__ancestry *a)
{
    krbrepl__free(a->at, a->n * sizeof a->at[0]);
    a->at = NULL;
    a->n = 0;
}

int krbrepl__ancestry_copy(krbrepl__ancestry *to, const krbrepl__ancestry *from)
{
    to->n = 0;
    to->at = krbrepl__alloc_array(from->n, sizeof to->at[0]);
    if (to->at == NULL)
        return KRBREPL_ERR_NOMEM;
    if (from->n != 0)
        memcpy(to->at, from->at, from->n * sizeof to->at[0]);
    to->n = from->n;
    return 0;
}

int krbrepl__ancestry_add(krbrepl__ancestry *a, const krbrepl_pos *p)
{
    size_t drop = a->n >= KRBREPL__MAX_ANCESTORS ? a->n - KRBREPL__MAX_ANCESTORS + 1 : 0;
    size_t keep = a->n - drop;
    krbrepl_pos *at = krbrepl__alloc_array(keep + 1, sizeof *at);

    if (at == NULL)
        return KRBREPL_ERR_NOMEM;
    if (keep != 0)
        memcpy(at, a->at + drop, keep * sizeof *at);
    at[keep] = *p;
    krbrepl__ancestry_free(a);
    a->at = at;
    a->n = keep + 1;
    return 0;
}

void krbrepl__ancestry_put(krbrepl__buf *b, const krbrepl__ancestry *a)
{
    size_t i;

    krbrepl__buf_u16(b, (unsigned)a->n);
    for (i = 0; i < a->n; i++)
        krbrepl__pos_put(b, &a->at[i]);
}

int krbrepl__ancestry_get(krbrepl__rd *r, krbrepl__ancestry *a)
{
    size_t n = krbrepl__rd_u16(r), i;

    a->at = NULL;
    a->n = 0;
    /* Checked against what is there before anything is allocated. */
    if (r->err != 0 || n > KRBREPL__MAX_ANCESTORS || r->left < n * KRBREPL__POS_LEN) {
        r->err = KRBREPL_ERR_PROTO;
        return KRBREPL_ERR_PROTO;
    }
    a->at = krbrepl__alloc_array(n, sizeof a->at[0]);
    if (a->at == NULL)
        return KRBREPL_ERR_NOMEM;
    for (i = 0; i < n; i++)
        krbrepl__pos_get(r, &a->at[i]);
    a->n = n;
    return 0;
}

const krbrepl_pos *krbrepl__ancestry_find(const krbrepl__ancestry *a, const uint8_t lineage[16])
{
    size_t i;

    for (i = a->n; i > 0; i--)
        if (memcmp(a->at[i - 1].lineage, lineage, 16) == 0)
            return &a->at[i - 1];
    return NULL;
}
