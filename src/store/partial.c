#include "partial.h"

#include <string.h>

#define META "partial"

int krbrepl__partial_put(krbrepl_store *s, MDB_txn *txn, const krbrepl__partial *p)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__pos_put(&b, &p->own);
    krbrepl__pos_put(&b, &p->from);
    krbrepl__pos_put(&b, &p->upper);
    krbrepl__buf_u64(&b, p->cumulative);
    krbrepl__buf_u8(&b, p->flags);
    krbrepl__ancestry_put(&b, &p->ancestry);
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, txn, META, b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

int krbrepl__partial_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                         krbrepl__partial *out)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc;

    memset(out, 0, sizeof *out);
    if (st->other != KRBREPL__OTHER_PARTIAL || st->role == KRBREPL_ROLE_MASTER)
        return KRBREPL_ERR_NOTFOUND;
    rc = krbrepl__meta_get(s, txn, META, &v);
    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, v.data, v.len);
    krbrepl__pos_get(&r, &out->own);
    krbrepl__pos_get(&r, &out->from);
    krbrepl__pos_get(&r, &out->upper);
    out->cumulative = krbrepl__rd_u64(&r);
    out->flags = krbrepl__rd_u8(&r);
    rc = krbrepl__ancestry_get(&r, &out->ancestry);
    if (rc == KRBREPL_ERR_NOMEM)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    if (rc == 0 && krbrepl__rd_end(&r) == 0 && krbrepl__pos_equal(&out->own, &st->pos))
        return 0;
    /* What cannot be read is begun anew: nobody depends on it. */
    krbrepl__ancestry_free(&out->ancestry);
    return KRBREPL_ERR_NOTFOUND;
}

int krbrepl__partial_drop(krbrepl_store *s, krbrepl__wtxn *w)
{
    if (w->st.other == KRBREPL__OTHER_PARTIAL)
        w->st.other = KRBREPL__OTHER_RUBBISH;
    return krbrepl__meta_del(s, w->txn, META);
}
