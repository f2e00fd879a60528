/* scan.c: the records of one position in key order, as the digest tree wants them. */
#include "impl.h"

#include <string.h>

struct krbrepl__scan {
    krbrepl_store *s;
    krbrepl__rtxn r;
    MDB_dbi dbi;
    MDB_cursor *cur;
    krbrepl__ckey from; /* where the next record is sought; used when `sought` */
    int sought;
    int as_found; /* what does not match is passed on too */
    uint8_t found[KRBREPL__RDIGEST];
    char damage[KRBREPL__ROW_NAME]; /* the first that did not match; empty: none */
};

int krbrepl__store_scan_open(krbrepl_store *s, krbrepl__scan **out, krbrepl__scan_at *at)
{
    krbrepl__scan *c = krbrepl__alloc(sizeof *c);
    int e, rc;

    *out = NULL;
    if (c == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    c->s = s;
    rc = krbrepl__rtxn_begin(s, &c->r);
    if (rc != 0) {
        krbrepl__free(c, sizeof *c);
        return rc;
    }
    c->dbi = krbrepl__gen(s, c->r.st.live);
    c->sought = 1;
    e = mdb_cursor_open(c->r.txn, c->dbi, &c->cur);
    if (e != 0) {
        c->cur = NULL;
        rc = krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "digest: reading");
        krbrepl__store_scan_close(c);
        return rc;
    }
    at->pos = c->r.st.pos;
    memcpy(at->database_id, c->r.id, sizeof at->database_id);
    at->live = c->r.st.live;
    at->records = c->r.st.records;
    at->cumulative = c->r.st.cumulative;
    *out = c;
    return 0;
}

void krbrepl__store_scan_close(krbrepl__scan *c)
{
    if (c == NULL)
        return;
    /* In a forked child the reader slot is the parent's. */
    if (!krbrepl__store_forked(c->s)) {
        if (c->cur != NULL)
            mdb_cursor_close(c->cur);
        krbrepl__rtxn_end(c->s, &c->r);
    }
    krbrepl__free(c, sizeof *c);
}

void krbrepl__store_scan_give(krbrepl__scan *c, krbrepl_store *s)
{
    c->s = s;
}

int krbrepl__store_scan_seek(krbrepl__scan *c, const void *from, size_t len)
{
    if (len > sizeof c->from.b)
        return krbrepl__fail_plain(KRBREPL__EI(c->s), KRBREPL_ERR_INVALID);
    if (len != 0)
        memcpy(c->from.b, from, len);
    c->from.len = len;
    c->sought = 1;
    return 0;
}

static int step(krbrepl__scan *c, MDB_val *k, MDB_val *v)
{
    if (!c->sought)
        return mdb_cursor_get(c->cur, k, v, MDB_NEXT);
    c->sought = 0;
    if (c->from.len == 0)
        return mdb_cursor_get(c->cur, k, v, MDB_FIRST);
    *k = (MDB_val){c->from.len, c->from.b};
    return mdb_cursor_get(c->cur, k, v, MDB_SET_RANGE);
}

int krbrepl__store_scan_next(krbrepl__scan *c, krbrepl_bytes *ckey, const uint8_t **rdigest)
{
    krbrepl__row row;
    MDB_val k, v;
    int rc, e = step(c, &k, &v);

    if (e == MDB_NOTFOUND)
        return 0;
    if (e != 0)
        return krbrepl__mdb_fail(c->s->env, KRBREPL__EI(c->s), e, "digest: reading");
    /* Whoever scans may be another thread than the host's, and values are the host's. */
    if (c->s->hosted)
        rc = krbrepl__row_parse(c->s, c->dbi, &k, &v, &row);
    else
        rc = c->as_found ? krbrepl__row_found(c->s, &k, &v, &row, c->found)
                         : krbrepl__row_open(c->s, c->dbi, &k, &v, &row);
    if (rc < 0)
        return rc;
    if (rc == 1 && c->damage[0] == '\0')
        (void)krbrepl__row_name(row.ck, c->damage);
    *ckey = row.ck;
    *rdigest = rc == 1 ? c->found : row.rdigest;
    return 1;
}

void krbrepl__store_scan_as_found(krbrepl__scan *c)
{
    c->as_found = 1;
}

const char *krbrepl__store_scan_damage(const krbrepl__scan *c)
{
    return c->damage[0] != '\0' ? c->damage : NULL;
}
