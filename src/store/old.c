#include "old.h"

#include <string.h>

#define META "old"

int krbrepl__old_keep(krbrepl_store *s, krbrepl__wtxn *w)
{
    krbrepl__buf b;
    MDB_stat st;
    int rc, e = mdb_stat(w->txn, krbrepl__gen(s, !w->st.live), &st);

    if (e != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "keeping the old content");
    if (st.ms_entries == 0)
        return 0;
    krbrepl__buf_init(&b, 0);
    krbrepl__pos_put(&b, &w->st.pos);
    krbrepl__buf_u64(&b, st.ms_entries);
    krbrepl__buf_u64(&b, (uint64_t)s->sys->wall_us(s->sys->ctx));
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, w->txn, META, b.data, b.len);
    krbrepl__buf_free(&b);
    w->st.other = KRBREPL__OTHER_OLD;
    return rc;
}

int krbrepl__old_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, krbrepl__old *out)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc;

    if (st->other != KRBREPL__OTHER_OLD)
        return KRBREPL_ERR_NOTFOUND;
    rc = krbrepl__meta_get(s, txn, META, &v);
    if (rc != 0)
        return rc;
    krbrepl__rd_init(&r, v.data, v.len);
    krbrepl__pos_get(&r, &out->pos);
    out->records = krbrepl__rd_u64(&r);
    out->time_us = (int64_t)krbrepl__rd_u64(&r);
    return r.err != 0 ? KRBREPL_ERR_NOTFOUND : 0;
}
