/* hostscrub.c: whether the host's database holds what the history says.
 *
 * A record that somebody altered there without a commit still has its old digest here, and no comparison of
 * digests would tell. So the values are read, a few at a time, for as long as a node runs. At a replica the row of
 * such a record gets a digest that is no record's, and the next comparison with the master replaces it. */
#include "hostdb.h"

#include <string.h>

/* The first row behind `after` that does not match, among at most `n`: 1 with its canonical key in `after`. */
static int look(krbrepl_store *s, krbrepl__ckey *after, size_t n, int *end)
{
    krbrepl__rtxn r = {0};
    MDB_cursor *cur = NULL;
    MDB_val k = {after->len, after->b}, v;
    uint8_t found[KRBREPL__RDIGEST];
    krbrepl__row row;
    int e, rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    e = mdb_cursor_open(r.txn, krbrepl__gen(s, r.st.live), &cur);
    if (e == 0)
        e = mdb_cursor_get(cur, &k, &v, after->len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    if (e == 0 && after->len != 0 &&
        krbrepl__bytes_cmp(k.mv_data, k.mv_size, after->b, after->len) == 0)
        e = mdb_cursor_get(cur, &k, &v, MDB_NEXT);
    for (; e == 0 && rc == 0 && n-- > 0; e = rc == 0 ? mdb_cursor_get(cur, &k, &v, MDB_NEXT) : 0) {
        rc = krbrepl__row_key(s, &k, after);
        if (rc == 0)
            rc = krbrepl__row_found(s, &k, &v, &row, found);
    }
    *end = e == MDB_NOTFOUND;
    if (cur != NULL)
        mdb_cursor_close(cur);
    krbrepl__rtxn_end(s, &r);
    return rc != 0 || e == 0 || *end ? rc
                                     : krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "store: looking");
}

/* Once more, while nobody writes: the record may have been changed by a commit between. */
static int confirm(krbrepl_store *s, const krbrepl__ckey *at)
{
    uint8_t found[KRBREPL__RDIGEST];
    krbrepl__wtxn w;
    krbrepl__row row;
    MDB_val k, v;
    int e, rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    k = (MDB_val){at->len, (void *)(uintptr_t)at->b};
    e = mdb_get(w.txn, krbrepl__gen(s, w.st.live), &k, &v);
    rc = e == 0 ? krbrepl__row_found(s, &k, &v, &row, found) : 0;
    if (rc == 1 && w.st.role != KRBREPL_ROLE_MASTER) {
        krbrepl__buf b;

        krbrepl__buf_init(&b, 0);
        krbrepl__buf_bytes(&b, v.mv_data, v.mv_size);
        rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err) : 1;
        if (rc == 1) {
            memcpy(b.data, found, sizeof found);
            v = (MDB_val){b.len, b.data};
            e = mdb_put(w.txn, krbrepl__gen(s, w.st.live), &k, &v, 0);
            rc = e == 0
                     ? krbrepl__wtxn_commit(s, &w)
                     : krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "store: noting what was altered");
            rc = rc == 0 ? 1 : rc;
        }
        krbrepl__buf_free(&b);
    }
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__host_scrub(krbrepl_store *s, krbrepl__ckey *after, size_t n, int *end,
                        char name[KRBREPL__ROW_NAME])
{
    int rc = krbrepl__host_there(s);

    *end = 0;
    /* What a copy has begun to replace is as it should be later. */
    if (rc == 0 && s->host->importing && s->host->marked)
        return 0;
    if (rc == 0)
        rc = look(s, after, n, end);
    if (rc == 1)
        rc = confirm(s, after);
    if (rc == 1)
        (void)krbrepl__row_name((krbrepl_bytes){after->b, after->len}, name);
    return rc;
}
