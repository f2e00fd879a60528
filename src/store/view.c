/* view.c: reading records at one position. */
#include "impl.h"

#include <string.h>

krbrepl_store *krbrepl__view_store(const krbrepl_view *v)
{
    return v->s;
}

int krbrepl__view_walked(const krbrepl_view *v)
{
    return v->walks != 0;
}

int krbrepl__view_open(krbrepl_store *s, krbrepl_view **out)
{
    krbrepl_view *v = krbrepl__alloc(sizeof *v);
    int rc;

    *out = NULL;
    if (v == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    v->s = s;
    rc = krbrepl__rtxn_begin(s, &v->r);
    if (rc == 0)
        *out = v;
    else
        krbrepl__free(v, sizeof *v);
    return rc;
}

void krbrepl__view_close(krbrepl_view *v)
{
    if (v == NULL)
        return;
    /* In a forked child the reader slot is the parent's. */
    if (!krbrepl__store_forked(v->s))
        krbrepl__rtxn_end(v->s, &v->r);
    krbrepl__free(v, sizeof *v);
}

int krbrepl__view_pos(const krbrepl_view *v, krbrepl_pos *out)
{
    *out = v->r.st.pos;
    return 0;
}

int krbrepl__view_get(krbrepl_view *v, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    krbrepl__rkey k;
    krbrepl__row row;
    int rc = krbrepl__rkey_make(v->s, table, key, &k);

    if (rc == 0)
        rc = krbrepl__row_get(v->s, v->r.txn, krbrepl__gen(v->s, v->r.st.live), &k, &row);
    if (rc == KRBREPL_ERR_NOTFOUND)
        krbrepl__fail_plain(KRBREPL__EI(v->s), rc);
    if (rc == 0)
        *value = row.value;
    return rc;
}

/* ---- walking -------------------------------------------------------------------------------- */

/* The canonical keys between which a walk goes, both included. */
struct range {
    krbrepl__ckey low, high;
    int open_low, open_high; /* no bound on that side */
};

static int bound(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl__ckey *out)
{
    krbrepl__rkey k;
    int rc = krbrepl__rkey_make(s, table, key, &k);

    if (rc == 0)
        *out = k.ck;
    return rc;
}

/* All keys of a table lie between "table" 0x00 and "table" 0x01. */
static void table_edge(const char *table, unsigned char edge, krbrepl__ckey *out)
{
    size_t n = strlen(table);

    memcpy(out->b, table, n);
    out->b[n] = edge;
    out->len = n + 1;
}

static int range_make(krbrepl_store *s, const char *table, const krbrepl_bytes *from,
                      const krbrepl_bytes *to, struct range *r)
{
    int rc = 0;

    memset(r, 0, sizeof *r);
    if (table == NULL) {
        if (from != NULL || to != NULL)
            return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_INVALID,
                                 "view: bounds need a table; name one");
        r->open_low = r->open_high = 1;
        return 0;
    }
    if (krbrepl__table_check(table, strlen(table)) != 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_INVALID, "view: malformed table name");
    if (from == NULL)
        table_edge(table, 0, &r->low);
    else
        rc = bound(s, table, *from, &r->low);
    if (rc == 0 && to == NULL)
        table_edge(table, 1, &r->high);
    else if (rc == 0)
        rc = bound(s, table, *to, &r->high);
    return rc;
}

static int inside(const struct range *r, const MDB_val *k)
{
    return (r->open_low || krbrepl__bytes_cmp(k->mv_data, k->mv_size, r->low.b, r->low.len) >= 0) &&
           (r->open_high || krbrepl__bytes_cmp(k->mv_data, k->mv_size, r->high.b, r->high.len) <= 0);
}

static int first(MDB_cursor *cur, struct range *r, MDB_val *k, MDB_val *v)
{
    if (r->open_low)
        return mdb_cursor_get(cur, k, v, MDB_FIRST);
    k->mv_data = r->low.b;
    k->mv_size = r->low.len;
    return mdb_cursor_get(cur, k, v, MDB_SET_RANGE);
}

static int last(MDB_cursor *cur, struct range *r, MDB_val *k, MDB_val *v)
{
    int rc;

    if (r->open_high)
        return mdb_cursor_get(cur, k, v, MDB_LAST);
    k->mv_data = r->high.b;
    k->mv_size = r->high.len;
    rc = mdb_cursor_get(cur, k, v, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
        return mdb_cursor_get(cur, k, v, MDB_LAST);
    if (rc == 0 && krbrepl__bytes_cmp(k->mv_data, k->mv_size, r->high.b, r->high.len) > 0)
        return mdb_cursor_get(cur, k, v, MDB_PREV);
    return rc;
}

int krbrepl__view_each(krbrepl_view *v, const char *table, const krbrepl_bytes *from,
                       const krbrepl_bytes *to, uint64_t flags, krbrepl_record_fn *fn, void *ctx)
{
    krbrepl_store *s = v->s;
    MDB_dbi dbi = krbrepl__gen(s, v->r.st.live);
    int reverse = (flags & KRBREPL_EACH_REVERSE) != 0, rc, rc2 = 0;
    MDB_cursor *cur = NULL;
    MDB_val k, data;
    krbrepl__row row;
    struct range r;

    if ((flags & ~(uint64_t)KRBREPL_EACH_REVERSE) != 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_INVALID, "view: unknown flag");
    rc = range_make(s, table, from, to, &r);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_open(v->r.txn, dbi, &cur);
    if (rc == 0)
        rc = reverse ? last(cur, &r, &k, &data) : first(cur, &r, &k, &data);
    v->walks++;
    while (rc == 0 && rc2 == 0 && inside(&r, &k)) {
        rc2 = krbrepl__row_open(s, dbi, &k, &data, &row);
        if (rc2 == 0)
            rc2 = fn(ctx, row.table, row.key, row.value);
        if (rc2 == 0)
            rc = mdb_cursor_get(cur, &k, &data, reverse ? MDB_PREV : MDB_NEXT);
    }
    v->walks--;
    if (cur != NULL)
        mdb_cursor_close(cur);
    if (rc2 != 0 || rc == MDB_NOTFOUND)
        return rc2;
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "view: walking");
}
