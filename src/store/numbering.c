/* numbering.c: the numbers that a legacy dialect counts changes with.
 *
 *   meta "iprop3"  lineage[16] base:u32 cumulative:u64 seq:u64
 *
 * "iprop" is of numbers that count otherwise, and is not looked at.
 *
 * A slave knows nothing but one number, so what a number means must never change while anybody may remember it: a
 * base belongs to one lineage, and goes when the content is replaced as a whole. */
#include "impl.h"

#include <string.h>

#define KEY "iprop3"
#define EACH 3u     /* numbers for a change */
#define BASE_MIN 3u /* there are two below it that stand for something */
#define BASE_MAX (UINT32_C(1) << 30)
#define NUMBER_MAX (UINT64_C(1) << 31)

/* NOTFOUND: there is none, or it holds no more. */
static int numbering_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                         krbrepl__store_numbers *out)
{
    uint8_t lineage[16];
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc = krbrepl__meta_get(s, txn, KEY, &v);

    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, v.data, v.len);
    krbrepl__rd_copy(&r, lineage, sizeof lineage);
    out->base = krbrepl__rd_u32(&r);
    out->cumulative = krbrepl__rd_u64(&r);
    out->seq = krbrepl__rd_u64(&r);
    if (krbrepl__rd_end(&r) != 0 || out->base < BASE_MIN || out->base > BASE_MAX ||
        memcmp(lineage, st->pos.lineage, sizeof lineage) != 0 || out->seq > st->pos.seq ||
        out->cumulative > st->cumulative ||
        st->cumulative - out->cumulative > (NUMBER_MAX - out->base) / EACH)
        return KRBREPL_ERR_NOTFOUND;
    return 0;
}

static int numbering_draw(krbrepl_store *s, krbrepl__wtxn *w, krbrepl__store_numbers *out)
{
    uint8_t random[4];
    krbrepl__buf b;
    int rc;

    if (s->sys->random(s->sys->ctx, random, sizeof random) != 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_IO, "meta: there is no randomness to be had");
    out->base = BASE_MIN + krbrepl__get_u32(random) % (BASE_MAX - BASE_MIN);
    out->cumulative = w->st.cumulative;
    out->seq = w->st.pos.seq;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_bytes(&b, w->st.pos.lineage, sizeof w->st.pos.lineage);
    krbrepl__buf_u32(&b, out->base);
    krbrepl__buf_u64(&b, out->cumulative);
    krbrepl__buf_u64(&b, out->seq);
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, w->txn, KEY, b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

int krbrepl__numbers_forget(krbrepl_store *s, MDB_txn *txn)
{
    return krbrepl__meta_del(s, txn, KEY);
}

/* The one there is, unless it is the one that is of no use any more. */
static int find(krbrepl_store *s, uint32_t not_this, krbrepl__store_numbers *out)
{
    krbrepl__rtxn r;
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    rc = numbering_get(s, r.txn, &r.st, out);
    krbrepl__rtxn_end(s, &r);
    return rc == 0 && out->base == not_this ? KRBREPL_ERR_NOTFOUND : rc;
}

int krbrepl__store_numbers_get(krbrepl_store *s, uint32_t not_this, krbrepl__store_numbers *out)
{
    krbrepl__wtxn w;
    int rc = find(s, not_this, out);

    if (rc != KRBREPL_ERR_NOTFOUND)
        return rc;
    rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    rc = numbering_get(s, w.txn, &w.st, out);
    if (rc == 0 && out->base != not_this) {
        krbrepl__wtxn_abort(s, &w);
        return 0;
    }
    rc = rc == 0 || rc == KRBREPL_ERR_NOTFOUND ? numbering_draw(s, &w, out) : rc;
    if (rc == 0)
        return krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}
