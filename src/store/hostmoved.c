/* hostmoved.c: whether a record that does not match its row was changed by a commit, or by nobody who may.
 *
 * A host's database has one content, the present one, and a reader's rows may be those of an earlier position; and
 * between a promise and its commit the database is ahead of all rows that anybody can read. Neither is damage. Only
 * with the writer lock in hand the two belong together. */
#include "hostdb.h"

#include <string.h>

/* What a transaction says of it: 1: it matches there, or there is none any more; 0: it does not. */
static int look(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const MDB_val *ck, const uint8_t *differs)
{
    uint8_t found[KRBREPL__RDIGEST];
    MDB_val k = *ck, v;
    krbrepl__row row;
    int rc, e = mdb_get(txn, dbi, &k, &v);

    if (e == MDB_NOTFOUND)
        return 1;
    if (e != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "store: reading a record");
    if (differs != NULL &&
        (v.mv_size < KRBREPL__RDIGEST || memcmp(v.mv_data, differs, KRBREPL__RDIGEST) != 0))
        return 1;
    rc = krbrepl__row_found(s, &k, &v, &row, found);
    return rc < 0 ? rc : rc == 0;
}

/* Without the writer lock: of a handle that may not have it, or in a thread that has it with another handle. The
 * promise is looked for first: where there is none, what it spoke of is in the rows by now. */
static int look_unlocked(krbrepl_store *s, const MDB_val *ck, const uint8_t *rdigest)
{
    krbrepl__rtxn r = {0};
    int rc;

    if (krbrepl__prepare_there(s))
        return 1;
    rc = krbrepl__rtxn_begin(s, &r);
    if (rc == 0)
        rc = look(s, r.txn, krbrepl__gen(s, r.st.live), ck, rdigest);
    krbrepl__rtxn_end(s, &r);
    return rc;
}

int krbrepl__host_moved(krbrepl_store *s, const MDB_val *ck, const uint8_t *rdigest)
{
    krbrepl__wtxn w;
    int rc;

    if (s->host == NULL)
        return 0;
    if (s->host->writer != NULL)
        return look(s, s->host->writer, krbrepl__gen(s, s->host->live), ck, rdigest);
    if (krbrepl__wtxn_begin(s, &w) != 0)
        return look_unlocked(s, ck, rdigest);
    rc = look(s, w.txn, krbrepl__gen(s, w.st.live), ck, NULL);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}
