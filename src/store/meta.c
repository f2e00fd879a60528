/* meta.c: the table `meta`: what the store is, and where it is.
 *
 *   format     u32
 *   id         database id[16]; not there before one was drawn or adopted
 *   created    microseconds since 1970:u64
 *   ancestors  ancestry (pos.h)
 *   retention  entries:u64 bytes:u64 seconds:u64 hard_cap:u64; zero: the default
 *   slots      seconds:u64 after which a slot expires; not there, or zero: the default
 *   source     where the records come from, when from elsewhere (source.c)
 *   hosted, journaled   there when the records, the commits, are in the host's own database
 *   journal.cut     first seq:u64 that the host's journal was last told to keep (hostjournal.c)
 *   give_up, fork   an operator's word about a fork, and where it is (resolve.c)
 *   state      version:u8 (1) role:u8 live:u8 other:u8 position[64] known_epoch:u64 records:u64
 *              cumulative:u64 journal_first:u64 journal_bytes:u64 chains_first:u64 chains_pruned:u64
 *              check[16] := first 16 bytes of SHA-256("krbrepl state 1" 0x00 || all before) */
#include "hostdb.h"
#include "hostjournal.h"

#include <string.h>

#define STATE_LEN (4u + KRBREPL__POS_LEN + 7u * 8u)
#define CHECK_LEN 16u

static int state_check(krbrepl_store *s, krbrepl_bytes body, uint8_t out[CHECK_LEN])
{
    static const char label[] = "krbrepl state 1";
    krbrepl_bytes piece[2] = {{label, sizeof label}, body};
    uint8_t sum[32];
    int rc = krbrepl__sha_sum(s->sha, piece, 2, sum);

    if (rc == 0)
        memcpy(out, sum, CHECK_LEN);
    return rc;
}

static int state_damaged(krbrepl_store *s)
{
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
                         "meta: the state of the store does not match its checksum; restore a backup, "
                         "or copy from the master");
}

static int state_get(krbrepl_store *s, MDB_txn *txn, struct krbrepl__state *st)
{
    uint8_t check[CHECK_LEN], stored[CHECK_LEN];
    krbrepl_bytes v, body;
    krbrepl__rd r;
    int rc = krbrepl__meta_get(s, txn, "state", &v);

    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? state_damaged(s) : rc;
    if (v.len != STATE_LEN + CHECK_LEN)
        return state_damaged(s);
    body.data = v.data;
    body.len = STATE_LEN;
    krbrepl__rd_init(&r, v.data, v.len);
    memset(st, 0, sizeof *st);
    if (krbrepl__rd_u8(&r) != 1)
        return state_damaged(s);
    st->role = (uint8_t)krbrepl__rd_u8(&r);
    st->live = (uint8_t)krbrepl__rd_u8(&r);
    st->other = (uint8_t)krbrepl__rd_u8(&r);
    krbrepl__pos_get(&r, &st->pos);
    st->known_epoch = krbrepl__rd_u64(&r);
    st->records = krbrepl__rd_u64(&r);
    st->cumulative = krbrepl__rd_u64(&r);
    st->journal_first = krbrepl__rd_u64(&r);
    st->journal_bytes = krbrepl__rd_u64(&r);
    st->chains_first = krbrepl__rd_u64(&r);
    st->chains_pruned = krbrepl__rd_u64(&r);
    krbrepl__rd_copy(&r, stored, sizeof stored);
    rc = state_check(s, body, check);
    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    if (krbrepl__rd_end(&r) != 0 || memcmp(check, stored, CHECK_LEN) != 0 || st->live > 1)
        return state_damaged(s);
    return 0;
}

int krbrepl__state_put(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st)
{
    uint8_t check[CHECK_LEN];
    krbrepl_bytes body;
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u8(&b, 1);
    krbrepl__buf_u8(&b, st->role);
    krbrepl__buf_u8(&b, st->live);
    krbrepl__buf_u8(&b, st->other);
    krbrepl__pos_put(&b, &st->pos);
    krbrepl__buf_u64(&b, st->known_epoch);
    krbrepl__buf_u64(&b, st->records);
    krbrepl__buf_u64(&b, st->cumulative);
    krbrepl__buf_u64(&b, st->journal_first);
    krbrepl__buf_u64(&b, st->journal_bytes);
    krbrepl__buf_u64(&b, st->chains_first);
    krbrepl__buf_u64(&b, st->chains_pruned);
    rc = b.err;
    body.data = b.data;
    body.len = b.len;
    if (rc == 0)
        rc = state_check(s, body, check);
    krbrepl__buf_bytes(&b, check, sizeof check);
    if (rc == 0)
        rc = b.err;
    if (rc != 0)
        rc = krbrepl__fail_plain(KRBREPL__EI(s), rc);
    else
        rc = krbrepl__meta_put(s, txn, "state", b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

/* ---- values --------------------------------------------------------------------------------- */

static MDB_val meta_key(const char *key)
{
    union {
        const char *from;
        void *to;
    } cast = {key};
    MDB_val k = {strlen(key), cast.to};

    return k;
}

int krbrepl__meta_get(krbrepl_store *s, MDB_txn *txn, const char *key, krbrepl_bytes *out)
{
    MDB_val k = meta_key(key), v;
    int rc = mdb_get(txn, s->env->dbi[KRBREPL__DBI_META], &k, &v);

    out->data = NULL;
    out->len = 0;
    if (rc == MDB_NOTFOUND)
        return KRBREPL_ERR_NOTFOUND;
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "meta: reading");
    out->data = v.mv_data;
    out->len = v.mv_size;
    return 0;
}

int krbrepl__meta_put(krbrepl_store *s, MDB_txn *txn, const char *key, const void *p, size_t n)
{
    MDB_val k = meta_key(key), v = {n, NULL};
    int rc = mdb_put(txn, s->env->dbi[KRBREPL__DBI_META], &k, &v, MDB_RESERVE);

    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "meta: writing");
    if (n != 0)
        memcpy(v.mv_data, p, n);
    return 0;
}

int krbrepl__meta_del(krbrepl_store *s, MDB_txn *txn, const char *key)
{
    MDB_val k = meta_key(key);
    int rc = mdb_del(txn, s->env->dbi[KRBREPL__DBI_META], &k, NULL);

    return rc == MDB_NOTFOUND ? 0 : krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "meta: deleting");
}

static int meta_damaged(krbrepl_store *s, const char *key)
{
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
                         "meta: the value '%s' is malformed; restore a backup, or copy from the master",
                         key);
}

static int meta_id(krbrepl_store *s, MDB_txn *txn, uint8_t id[16])
{
    krbrepl_bytes v;
    int rc = krbrepl__meta_get(s, txn, "id", &v);

    memset(id, 0, 16);
    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    if (v.len != 16)
        return meta_damaged(s, "id");
    memcpy(id, v.data, 16);
    return 0;
}

int krbrepl__meta_ancestry(krbrepl_store *s, MDB_txn *txn, krbrepl__ancestry *out)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc = krbrepl__meta_get(s, txn, "ancestors", &v);

    memset(out, 0, sizeof *out);
    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    krbrepl__rd_init(&r, v.data, v.len);
    rc = krbrepl__ancestry_get(&r, out);
    if (rc == KRBREPL_ERR_NOMEM)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    if (rc == 0 && krbrepl__rd_end(&r) == 0)
        return 0;
    krbrepl__ancestry_free(out);
    return meta_damaged(s, "ancestors");
}

int krbrepl__meta_set_ancestry(krbrepl_store *s, MDB_txn *txn, const krbrepl__ancestry *a)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__ancestry_put(&b, a);
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, txn, "ancestors", b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

/* A value of its own, for those who do not know it. */
static int slot_seconds(krbrepl_store *s, MDB_txn *txn, uint64_t *out)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc = krbrepl__meta_get(s, txn, "slots", &v);

    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    krbrepl__rd_init(&r, v.data, v.len);
    *out = krbrepl__rd_u64(&r);
    return krbrepl__rd_end(&r) != 0 ? meta_damaged(s, "slots") : 0;
}

int krbrepl__meta_retention(krbrepl_store *s, MDB_txn *txn, krbrepl_retention *out)
{
    krbrepl_bytes v;
    krbrepl__rd r;
    int rc = krbrepl__meta_get(s, txn, "retention", &v);

    KRBREPL_INIT(out);
    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return rc;
    if (rc == 0) {
        krbrepl__rd_init(&r, v.data, v.len);
        out->entries = krbrepl__rd_u64(&r);
        out->bytes = krbrepl__rd_u64(&r);
        out->seconds = krbrepl__rd_u64(&r);
        out->hard_cap = krbrepl__rd_u64(&r);
        if (krbrepl__rd_end(&r) != 0)
            return meta_damaged(s, "retention");
    }
    rc = slot_seconds(s, txn, &out->slot_seconds);
    if (rc != 0)
        return rc;
    if (out->slot_seconds == 0)
        out->slot_seconds = (uint64_t)14 * 24 * 3600;
    if (out->entries == 0)
        out->entries = 100000;
    if (out->bytes == 0)
        out->bytes = (uint64_t)256 << 20;
    if (out->hard_cap == 0)
        out->hard_cap = (uint64_t)4 << 30;
    return 0;
}

int krbrepl__meta_set_retention(krbrepl_store *s, MDB_txn *txn, const krbrepl_retention *r)
{
    krbrepl__buf b;
    uint8_t slots[8];
    int rc;

    krbrepl__put_u64(slots, r->slot_seconds);
    rc = krbrepl__meta_put(s, txn, "slots", slots, sizeof slots);
    if (rc != 0)
        return rc;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u64(&b, r->entries);
    krbrepl__buf_u64(&b, r->bytes);
    krbrepl__buf_u64(&b, r->seconds);
    krbrepl__buf_u64(&b, r->hard_cap);
    rc = b.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), b.err)
                    : krbrepl__meta_put(s, txn, "retention", b.data, b.len);
    krbrepl__buf_free(&b);
    return rc;
}

/* ---- transactions with the state ------------------------------------------------------------ */

static int head_get(krbrepl_store *s, MDB_txn *txn, struct krbrepl__state *st, uint8_t id[16])
{
    int rc = state_get(s, txn, st);

    return rc == 0 ? meta_id(s, txn, id) : rc;
}

int krbrepl__rtxn_begin(krbrepl_store *s, krbrepl__rtxn *r)
{
    int rc = krbrepl__env_begin(s->env, MDB_RDONLY, &r->txn, KRBREPL__EI(s));

    if (rc == 0)
        rc = head_get(s, r->txn, &r->st, r->id);
    if (rc != 0)
        krbrepl__rtxn_end(s, r);
    return rc;
}

void krbrepl__rtxn_end(krbrepl_store *s, krbrepl__rtxn *r)
{
    if (r->txn != NULL)
        krbrepl__env_abort(s->env, r->txn, 1);
    r->txn = NULL;
}

int krbrepl__wtxn_begin(krbrepl_store *s, krbrepl__wtxn *w)
{
    unsigned flags = (s->flags & KRBREPL_STORE_NOSYNC) != 0 ? MDB_NOSYNC : 0;
    int rc;

    w->txn = NULL;
    if ((s->flags & KRBREPL_STORE_READONLY) != 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "store: this handle was opened read-only; open one that is not");
    rc = krbrepl__env_begin(s->env, flags, &w->txn, KRBREPL__EI(s));
    if (rc == 0)
        rc = krbrepl__same_writer(s, w->txn);
    if (rc == 0 && flags == 0)
        krbrepl__room_ahead(s->env);
    if (rc == 0)
        rc = head_get(s, w->txn, &w->st, w->id);
    if (rc == 0) {
        w->was = w->st;
        krbrepl__hostjournal_begin(s, w);
    }
    if (rc == 0 && s->hosted)
        rc = krbrepl__host_begin(s, w);
    /* What was left undone is done now, and committed. */
    if (rc == 1)
        return krbrepl__wtxn_begin(s, w);
    if (rc != 0)
        krbrepl__wtxn_abort(s, w);
    if (rc == 0 && s->host != NULL) {
        s->host->writer = w->txn;
        s->host->live = w->st.live;
    }
    return rc;
}

int krbrepl__wtxn_commit_rows(krbrepl_store *s, krbrepl__wtxn *w)
{
    MDB_txn *txn = w->txn;
    int rc = krbrepl__hostjournal_give(s, w);

    if (rc == 0)
        rc = krbrepl__state_put(s, txn, &w->st);
    if (rc != 0) {
        krbrepl__wtxn_abort(s, w);
        return rc;
    }
    w->txn = NULL;
    if (s->host != NULL)
        s->host->writer = NULL;
    rc = krbrepl__env_commit(s->env, txn, 0, KRBREPL__EI(s));
    krbrepl__hostjournal_ended(s, rc == 0);
    return rc;
}

int krbrepl__wtxn_commit(krbrepl_store *s, krbrepl__wtxn *w)
{
    int rc = krbrepl__hostjournal_give(s, w);

    if (rc == 0 && s->hosted)
        rc = krbrepl__host_before_commit(s, w);
    if (rc != 0) {
        krbrepl__wtxn_abort(s, w);
        return rc;
    }
    rc = krbrepl__wtxn_commit_rows(s, w);
    if (s->hosted)
        krbrepl__host_ended(s, rc == 0);
    return rc;
}

void krbrepl__wtxn_abort(krbrepl_store *s, krbrepl__wtxn *w)
{
    if (w->txn != NULL && s->host != NULL)
        s->host->writer = NULL;
    if (w->txn != NULL)
        krbrepl__env_abort(s->env, w->txn, 0);
    if (w->txn != NULL)
        krbrepl__hostjournal_ended(s, 0);
    if (w->txn != NULL && s->hosted)
        krbrepl__host_ended(s, 0);
    w->txn = NULL;
}

int krbrepl__wtxn_master(krbrepl_store *s, const krbrepl__wtxn *w)
{
    switch (w->st.role) {
    case KRBREPL_ROLE_MASTER:
        return krbrepl__source_allows(s, w->txn);
    case KRBREPL_ROLE_FENCED:
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_FENCED,
                             "store: a master with a higher epoch exists (%llu is known, this store is "
                             "at %llu); write there, or promote this store",
                             (unsigned long long)w->st.known_epoch,
                             (unsigned long long)w->st.pos.epoch);
    default:
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_NOT_MASTER,
                             "store: its role is %s, so it takes no commits; write on the master, or "
                             "promote this store",
                             krbrepl_role_name(w->st.role));
    }
}
