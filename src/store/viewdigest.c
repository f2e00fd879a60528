/* The digest of everything a view shows; every record is checked on the way. */
#include "digest.h"
#include "impl.h"

static int walk(krbrepl_view *v, krbrepl__digest *d, uint64_t *n)
{
    krbrepl_store *s = v->s;
    const MDB_dbi dbi = krbrepl__gen(s, v->r.st.live);
    MDB_cursor *cur = NULL;
    krbrepl__row row;
    MDB_val k, data;
    int rc = 0, e = mdb_cursor_open(v->r.txn, dbi, &cur);

    while (e == 0 && (e = mdb_cursor_get(cur, &k, &data, MDB_NEXT)) == 0) {
        rc = krbrepl__row_open(s, dbi, &k, &data, &row);
        if (rc != 0)
            break;
        rc = krbrepl__digest_add(d, row.ck.data, row.ck.len, row.rdigest);
        if (rc != 0) {
            rc = krbrepl__fail_plain(KRBREPL__EI(s), rc);
            break;
        }
        ++*n;
    }
    if (cur != NULL)
        mdb_cursor_close(cur);
    if (rc == 0 && e != MDB_NOTFOUND)
        rc = krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "digest: reading");
    return rc;
}

int krbrepl__view_digest(krbrepl_view *v, uint8_t root[32], uint64_t *records)
{
    krbrepl__digest *d = krbrepl__digest_new(v->r.id);
    uint64_t n = 0;
    int rc;

    if (d == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(v->s), KRBREPL_ERR_NOMEM);
    rc = walk(v, d, &n);
    if (rc == 0) {
        rc = krbrepl__digest_root(d, root);
        if (rc != 0)
            rc = krbrepl__fail_plain(KRBREPL__EI(v->s), rc);
    }
    if (rc == 0 && n != v->r.st.records)
        rc = krbrepl__fail(
            KRBREPL__EI(v->s), KRBREPL_ERR_CORRUPT,
            "digest: %llu records are there, and the store counts %llu; restore a backup, "
            "or copy from the master",
            (unsigned long long)n, (unsigned long long)v->r.st.records);
    if (rc == 0 && records != NULL)
        *records = n;
    krbrepl__digest_free(d);
    return rc;
}
