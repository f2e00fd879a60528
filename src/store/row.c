/* row.c: one record in a table of records. impl.h has the layout of a row. */
#include "hostdb.h"

#include <stdio.h>
#include <string.h>

MDB_dbi krbrepl__gen(const krbrepl_store *s, unsigned which)
{
    return s->env->dbi[KRBREPL__DBI_RECORDS + (which & 1u)];
}

void krbrepl__printable(char out[104], krbrepl_bytes key)
{
    const unsigned char *p = key.data;
    size_t i, n = 0;

    for (i = 0; i < key.len && n < 96; i++) {
        if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '\\')
            out[n++] = (char)p[i];
        else
            n += (size_t)snprintf(out + n, 5, "\\x%02x", p[i]);
    }
    out[n] = '\0';
    if (i < key.len)
        memcpy(out + n, "...", 4);
}

int krbrepl__rkey_make(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl__rkey *out)
{
    int rc;

    memset(out, 0, sizeof *out);
    out->table = table;
    out->table_len = table != NULL ? strlen(table) : 0;
    out->key = key;
    rc = krbrepl__table_check(table, out->table_len);
    if (rc != 0)
        return krbrepl__fail(KRBREPL__EI(s), rc,
                             "store: a table name has 1 to %u characters out of a-z, 0-9, '_' and '-'",
                             KRBREPL_MAX_TABLE);
    rc = krbrepl__ckey_make(s->sha, table, out->table_len, key, &out->ck);
    if (rc == KRBREPL_ERR_INVALID || rc == KRBREPL_ERR_TOOBIG)
        return krbrepl__fail(KRBREPL__EI(s), rc, "store: a key has 1 to %u bytes, this one %zu",
                             KRBREPL_MAX_KEY, key.len);
    return rc != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), rc) : 0;
}

static const char *dbi_name(const krbrepl_store *s, MDB_dbi dbi)
{
    unsigned i;

    for (i = 0; i < KRBREPL__NDBI; i++)
        if (s->env->dbi[i] == dbi)
            return krbrepl__dbi_name[i];
    return "records";
}

int krbrepl__row_name(krbrepl_bytes ck, char out[KRBREPL__ROW_NAME])
{
    const uint8_t *p = ck.data;
    const uint8_t *nul = ck.len != 0 ? memchr(p, 0, ck.len) : NULL;
    char text[104];

    if (nul == NULL || (size_t)(nul - p) > KRBREPL_MAX_TABLE) {
        krbrepl__printable(out, ck);
        return -1;
    }
    krbrepl__printable(text, (krbrepl_bytes){nul + 1, ck.len - (size_t)(nul - p) - 1});
    snprintf(out, KRBREPL__ROW_NAME, "%.*s %s", (int)(nul - p), (const char *)p, text);
    return 0;
}

static int row_damaged(krbrepl_store *s, MDB_dbi dbi, krbrepl_bytes ck)
{
    char text[KRBREPL__ROW_NAME];

    if (krbrepl__row_name(ck, text) != 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
                             "%s: the stored key %s is malformed; restore a backup, or copy from the "
                             "master",
                             dbi_name(s, dbi), text);
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
        "%s: record %s does not match its checksum; restore a backup, or copy from the "
        "master",
        dbi_name(s, dbi), text);
}

/* There is one content in a host's database, and this is not it any more. */
static int row_moved(krbrepl_store *s, krbrepl_bytes ck)
{
    char text[KRBREPL__ROW_NAME];

    (void)krbrepl__row_name(ck, text);
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_CONFLICT,
                         "store: record %s is being changed, or was since this was begun; begin anew",
                         text);
}

/* Finds the full key of a row: in the canonical key, or behind the flags. -1 when it is malformed. */
static int row_full(krbrepl_store *s, krbrepl__rd *r, krbrepl__row *row)
{
    const unsigned flags = krbrepl__rd_u8(r);
    krbrepl__ckey again;

    row->hosted = (flags & KRBREPL__ROW_HOST) != 0;
    if (row->ck.len > KRBREPL__CKEY_MAX || (row->hosted && !s->hosted) ||
        (flags & ~KRBREPL__ROW_HOST) != (row->ck.len == KRBREPL__CKEY_MAX ? KRBREPL__ROW_LONG : 0))
        return -1;
    row->full = row->ck;
    if ((flags & KRBREPL__ROW_LONG) != 0) {
        row->full = krbrepl__rd_vec32(r);
        if (r->err != 0 || krbrepl__ckey_from_full(s->sha, row->full, &again) != 0 ||
            krbrepl__bytes_cmp(again.b, again.len, row->ck.data, row->ck.len) != 0)
            return -1;
    }
    row->table_len = krbrepl__fullkey_table(row->full);
    return r->err != 0 || row->table_len == 0 ? -1 : 0;
}

/* Takes a row apart; the reader is left before the value. 1: it is malformed. */
static int row_take(krbrepl_store *s, const MDB_val *ck, const MDB_val *data, krbrepl__row *out,
                    krbrepl__rd *r)
{
    memset(out, 0, sizeof *out);
    out->ck.data = ck->mv_data;
    out->ck.len = ck->mv_size;
    krbrepl__rd_init(r, data->mv_data, data->mv_size);
    out->rdigest = krbrepl__rd_view(r, KRBREPL__RDIGEST).data;
    if (row_full(s, r, out) != 0)
        return 1;
    out->table = out->full.data;
    out->key.data = (const uint8_t *)out->full.data + out->table_len + 1;
    out->key.len = out->full.len - out->table_len - 1;
    return 0;
}

int krbrepl__row_parse(krbrepl_store *s, MDB_dbi dbi, const MDB_val *ck, const MDB_val *data,
                       krbrepl__row *out)
{
    krbrepl__rd r;
    const int rc = row_take(s, ck, data, out, &r);

    return rc == 1 ? row_damaged(s, dbi, out->ck) : rc;
}

/* What is not in the host's database any more does not match either. */
static int row_value(krbrepl_store *s, krbrepl__rd *r, krbrepl__row *out)
{
    int rc = 0;

    if (!out->hosted)
        out->value = krbrepl__rd_view(r, r->left);
    else
        rc = krbrepl__host_get(s, out->table, out->key, &out->value);
    return rc == KRBREPL_ERR_NOTFOUND ? 1 : rc;
}

/* 1: it does not match; negative: an error. */
static int row_match(krbrepl_store *s, const krbrepl__row *row)
{
    uint8_t digest[KRBREPL__RDIGEST];
    const int rc =
        krbrepl__record_digest(s->sha, row->table, row->table_len, row->key, row->value, digest);

    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    return memcmp(digest, row->rdigest, sizeof digest) != 0;
}

/* The same. The host hears of what is put when that is committed; before, it is in the batch. */
static int row_read(krbrepl_store *s, const MDB_val *ck, const MDB_val *data, krbrepl__row *out)
{
    krbrepl__rd r;
    int rc = row_take(s, ck, data, out, &r);

    if (rc != 0)
        return rc;
    rc = row_value(s, &r, out);
    if (rc == 0)
        rc = row_match(s, out);
    if (rc == 1 && out->hosted && s->host->n != 0) {
        rc = krbrepl__host_batched(s, out->table, out->key, &out->value);
        if (rc >= 0)
            rc = rc == 1 ? row_match(s, out) : 1;
    }
    return rc;
}

int krbrepl__row_open(krbrepl_store *s, MDB_dbi dbi, const MDB_val *ck, const MDB_val *data,
                      krbrepl__row *out)
{
    int moved, rc = row_read(s, ck, data, out);

    if (rc != 1)
        return rc;
    moved = out->hosted ? krbrepl__host_moved(s, ck, out->rdigest) : 0;
    if (moved == 1)
        return row_moved(s, out->ck);
    return moved == 0 ? row_damaged(s, dbi, out->ck) : moved;
}

int krbrepl__row_key(krbrepl_store *s, const MDB_val *k, krbrepl__ckey *out)
{
    if (k->mv_size > sizeof out->b)
        return krbrepl__fail(
            KRBREPL__EI(s), KRBREPL_ERR_CORRUPT,
            "store: there is a stored key of %zu bytes, and none is so long; restore a "
            "backup, or copy from the master",
            k->mv_size);
    memcpy(out->b, k->mv_data, k->mv_size);
    out->len = k->mv_size;
    return 0;
}

/* Not the digest of the content: that may be right, and what lies beside it wrong, and then the record is to
 * be replaced all the same. */
static int damaged_digest(krbrepl_store *s, const MDB_val *ck, const MDB_val *data,
                          uint8_t found[KRBREPL__RDIGEST])
{
    static const char label[] = "krbrepl damaged 1";
    const krbrepl_bytes piece[3] = {
        {label, sizeof label}, {ck->mv_data, ck->mv_size}, {data->mv_data, data->mv_size}};
    uint8_t sum[32];
    int rc = krbrepl__sha_sum(s->sha, piece, 3, sum);

    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    memcpy(found, sum, KRBREPL__RDIGEST);
    return 1;
}

int krbrepl__row_found(krbrepl_store *s, const MDB_val *ck, const MDB_val *data, krbrepl__row *out,
                       uint8_t found[KRBREPL__RDIGEST])
{
    const int rc = row_read(s, ck, data, out);

    if (rc == 0)
        memcpy(found, out->rdigest, KRBREPL__RDIGEST);
    return rc == 1 ? damaged_digest(s, ck, data, found) : rc;
}

/* LMDB wants keys that are not const, and does not write to them. */
static MDB_val rkey_val(const krbrepl__rkey *k)
{
    union {
        const uint8_t *from;
        void *to;
    } cast = {k->ck.b};
    MDB_val v = {k->ck.len, cast.to};

    return v;
}

int krbrepl__row_get(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k,
                     krbrepl__row *out)
{
    MDB_val key = rkey_val(k), data;
    int rc = mdb_get(txn, dbi, &key, &data);

    if (rc == MDB_NOTFOUND)
        return KRBREPL_ERR_NOTFOUND;
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: reading a record");
    return krbrepl__row_open(s, dbi, &key, &data, out);
}

int krbrepl__row_there(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k)
{
    MDB_val key = rkey_val(k), data;
    krbrepl__row row;
    int rc;

    if (!s->hosted)
        return krbrepl__row_get(s, txn, dbi, k, &row);
    rc = mdb_get(txn, dbi, &key, &data);
    if (rc == MDB_NOTFOUND)
        return KRBREPL_ERR_NOTFOUND;
    if (rc != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: reading a record");
    return krbrepl__row_parse(s, dbi, &key, &data, &row);
}

static void row_fill(uint8_t *p, const uint8_t digest[KRBREPL__RDIGEST], unsigned flags,
                     const krbrepl__rkey *k, krbrepl_bytes value)
{
    size_t full = k->table_len + 1 + k->key.len;

    memcpy(p, digest, KRBREPL__RDIGEST);
    p += KRBREPL__RDIGEST;
    *p++ = (uint8_t)flags;
    if ((flags & KRBREPL__ROW_LONG) != 0) {
        krbrepl__put_u32(p, (uint32_t)full);
        p += 4;
        memcpy(p, k->table, k->table_len);
        p[k->table_len] = 0;
        memcpy(p + k->table_len + 1, k->key.data, k->key.len);
        p += full;
    }
    if (value.len != 0)
        memcpy(p, value.data, value.len);
}

int krbrepl__row_encode(krbrepl_store *s, const krbrepl__rkey *k, krbrepl_bytes value, int hosted,
                        krbrepl__buf *out)
{
    const int is_long = k->ck.len == KRBREPL__CKEY_MAX;
    const size_t full = is_long ? 4 + k->table_len + 1 + k->key.len : 0;
    const krbrepl_bytes none = {NULL, 0}, kept = hosted ? none : value;
    uint8_t digest[KRBREPL__RDIGEST], *p;
    int rc = krbrepl__record_digest(s->sha, k->table, k->table_len, k->key, value, digest);

    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    p = krbrepl__buf_room(out, KRBREPL__ROW_HEAD + full + kept.len);
    if (p == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), out->err);
    row_fill(p, digest, (is_long ? KRBREPL__ROW_LONG : 0) | (hosted ? KRBREPL__ROW_HOST : 0), k, kept);
    return 0;
}

static int entries(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, size_t *n)
{
    MDB_stat st;
    const int rc = mdb_stat(txn, dbi, &st);

    *n = rc == 0 ? st.ms_entries : 0;
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: counting records");
}

/* Makes room for a row, in the place of the one that is there. Whether there was one is told by their number: asking
 * first would search the tree twice. */
static int row_place(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data,
                     unsigned put_flags, int *created)
{
    size_t before = 0, after = 0;
    int rc = created != NULL ? entries(s, txn, dbi, &before) : 0;

    if (rc == 0)
        rc = krbrepl__mdb_fail(s->env, KRBREPL__EI(s),
                               mdb_put(txn, dbi, key, data, MDB_RESERVE | put_flags),
                               "store: writing a record");
    if (rc == 0 && created != NULL)
        rc = entries(s, txn, dbi, &after);
    if (rc == 0 && created != NULL)
        *created = after != before;
    return rc;
}

int krbrepl__row_put(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k,
                     krbrepl_bytes value, unsigned put_flags, int *created)
{
    uint8_t digest[KRBREPL__RDIGEST];
    const unsigned flags =
        (k->ck.len == KRBREPL__CKEY_MAX ? KRBREPL__ROW_LONG : 0) | (s->hosted ? KRBREPL__ROW_HOST : 0);
    const krbrepl_bytes none = {NULL, 0}, kept = s->hosted ? none : value;
    MDB_val key = rkey_val(k), data = {KRBREPL__ROW_HEAD + kept.len, NULL};
    int rc;

    if (value.len > KRBREPL_MAX_VALUE)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                             "store: a value has at most %u bytes, this one %zu", KRBREPL_MAX_VALUE,
                             value.len);
    if ((flags & KRBREPL__ROW_LONG) != 0)
        data.mv_size += 4 + k->table_len + 1 + k->key.len;
    rc = krbrepl__record_digest(s->sha, k->table, k->table_len, k->key, value, digest);
    if (rc != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), rc);
    if (s->hosted && (rc = krbrepl__host_change(s, dbi, k, &value)) != 0)
        return rc;
    rc = row_place(s, txn, dbi, &key, &data, put_flags, created);
    if (rc == 0)
        row_fill(data.mv_data, digest, flags, k, kept);
    return rc;
}

int krbrepl__row_restate(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const MDB_val *ck,
                         const MDB_val *data, unsigned put_flags, int *created)
{
    char table[KRBREPL_MAX_TABLE + 1] = {0};
    krbrepl__row row;
    krbrepl__rkey k;
    krbrepl__buf key;
    int rc = krbrepl__row_open(s, dbi, ck, data, &row);

    if (rc != 0)
        return rc;
    /* What lies in the map moves when the row is written. */
    krbrepl__buf_init(&key, 0);
    krbrepl__buf_bytes(&key, row.key.data, row.key.len);
    memcpy(table, row.table, row.table_len);
    rc = key.err != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), key.err)
                      : krbrepl__rkey_make(s, table, (krbrepl_bytes){key.data, key.len}, &k);
    if (rc == 0)
        rc = krbrepl__row_put(s, txn, dbi, &k, row.value, put_flags, created);
    krbrepl__buf_free(&key);
    return rc;
}

int krbrepl__row_drop(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const MDB_val *ck)
{
    MDB_val k = *ck, data;
    krbrepl__row row;
    krbrepl__rkey key;
    int rc = mdb_get(txn, dbi, &k, &data);

    if (rc != 0)
        return rc == MDB_NOTFOUND
                   ? KRBREPL_ERR_NOTFOUND
                   : krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: reading a record");
    rc = krbrepl__row_parse(s, dbi, &k, &data, &row);
    if (rc == 0)
        rc = krbrepl__rkey_make(s, row.table, row.key, &key);
    /* The host is told first: the row names the record. */
    if (rc == 0)
        rc = krbrepl__host_change(s, dbi, &key, NULL);
    return rc == 0 ? krbrepl__mdb_fail(s->env, KRBREPL__EI(s), mdb_del(txn, dbi, &k, NULL),
                                       "store: deleting a record")
                   : rc;
}

int krbrepl__row_del(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k)
{
    MDB_val key = rkey_val(k);
    int rc = mdb_del(txn, dbi, &key, NULL);

    if (rc == MDB_NOTFOUND)
        return KRBREPL_ERR_NOTFOUND;
    if (rc == 0 && s->hosted)
        return krbrepl__host_change(s, dbi, k, NULL);
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "store: deleting a record");
}

void krbrepl__touched_init(krbrepl__touched *t)
{
    krbrepl__buf_init(&t->created, 0);
    krbrepl__buf_init(&t->gone, 0);
}

void krbrepl__touched_free(krbrepl__touched *t)
{
    krbrepl__buf_free(&t->created);
    krbrepl__buf_free(&t->gone);
}

/* One change, as txn_put and txn_delete make it, or as it came from a master. NOTFOUND is for the caller
 * to judge. */
int krbrepl__row_change(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k,
                        const krbrepl_bytes *value, uint64_t *records, krbrepl__touched *t)
{
    int created = 0, rc;

    if (value != NULL)
        rc = krbrepl__row_put(s, txn, dbi, k, *value, 0, &created);
    else
        rc = krbrepl__row_del(s, txn, dbi, k);
    if (rc != 0 || (value != NULL && !created))
        return rc;
    *records += value != NULL ? 1 : (uint64_t)-1;
    if (t == NULL)
        return 0;
    krbrepl__buf_vec16(value != NULL ? &t->created : &t->gone, k->ck.b, k->ck.len);
    rc = t->created.err != 0 ? t->created.err : t->gone.err;
    return rc != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), rc) : 0;
}

int krbrepl__row_apply(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__commit *c,
                       uint64_t *records, krbrepl__touched *t)
{
    krbrepl__change_it it;
    krbrepl__change_view v;
    krbrepl__rkey k;
    int more, rc = 0;

    if (c->kind != KRBREPL_COMMIT_CHANGES)
        return 0;
    krbrepl__commit_each(c, &it);
    while (rc == 0 && (more = krbrepl__commit_next(&it, &v)) != 0) {
        if (more < 0)
            return krbrepl__fail_plain(KRBREPL__EI(s), more);
        rc = krbrepl__rkey_make(s, v.table, v.key, &k);
        if (rc == 0)
            rc =
                krbrepl__row_change(s, txn, dbi, &k, v.op == KRBREPL_PUT ? &v.value : NULL, records, t);
        /* A record that is not there is as deleted as can be. */
        if (rc == KRBREPL_ERR_NOTFOUND && v.op == KRBREPL_DELETE)
            rc = 0;
    }
    return rc;
}
