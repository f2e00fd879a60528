/* slots.c: what the master remembers of its replicas.
 *
 *   replicas   slot key -> principal:vec16 hold:u64 durable:u64 seen_us:u64 copy_us:u64 copy_reason:u32
 *              dialect:u32 base:u32 last:u32 acked:u32
 *   slot key := the principal when it has at most 400 bytes, else its first 400 bytes || SHA-256(principal)
 *
 * Readers skip bytes behind the last field that they know. */
#include "impl.h"

#include <string.h>

#include <krbrepl/status.h>

#define PREFIX 400u

static int slot_key(krbrepl_store *s, const char *principal, uint8_t out[PREFIX + 32], MDB_val *k)
{
    krbrepl_bytes v = {principal, strlen(principal)};
    int rc = 0;

    if (v.len == 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_INVALID, "slots: a slot needs a principal");
    memcpy(out, principal, v.len < PREFIX ? v.len : PREFIX);
    k->mv_data = out;
    k->mv_size = v.len;
    if (v.len > PREFIX) {
        k->mv_size = PREFIX + 32;
        rc = krbrepl__sha_sum(s->sha, &v, 1, out + PREFIX);
    }
    return rc != 0 ? krbrepl__fail_plain(KRBREPL__EI(s), rc) : 0;
}

static void slot_encode(krbrepl__buf *b, const krbrepl__slot *slot)
{
    krbrepl__buf_reset(b);
    krbrepl__buf_str16(b, slot->principal);
    krbrepl__buf_u64(b, slot->hold);
    krbrepl__buf_u64(b, slot->durable);
    krbrepl__buf_u64(b, (uint64_t)slot->seen_us);
    krbrepl__buf_u64(b, (uint64_t)slot->copy_us);
    krbrepl__buf_u32(b, slot->copy_reason);
    krbrepl__buf_u32(b, slot->dialect);
    krbrepl__buf_u32(b, slot->base);
    krbrepl__buf_u32(b, slot->last);
    krbrepl__buf_u32(b, slot->acked);
}

static int slot_decode(const MDB_val *v, krbrepl__slot *slot)
{
    krbrepl__rd r;

    memset(slot, 0, sizeof *slot);
    krbrepl__rd_init(&r, v->mv_data, v->mv_size);
    krbrepl__rd_str16(&r, slot->principal, sizeof slot->principal - 1);
    slot->hold = krbrepl__rd_u64(&r);
    slot->durable = krbrepl__rd_u64(&r);
    slot->seen_us = (int64_t)krbrepl__rd_u64(&r);
    slot->copy_us = (int64_t)krbrepl__rd_u64(&r);
    slot->copy_reason = krbrepl__rd_u32(&r);
    slot->dialect = krbrepl__rd_u32(&r);
    if (r.err != 0 || r.left == 0)
        return r.err; /* written before there were legacy dialects */
    slot->base = krbrepl__rd_u32(&r);
    slot->last = krbrepl__rd_u32(&r);
    if (r.err == 0 && r.left != 0) /* else written before it mattered what is answered for */
        slot->acked = krbrepl__rd_u32(&r);
    return r.err;
}

static int slot_put(krbrepl_store *s, MDB_txn *txn, const krbrepl__slot *slot, krbrepl__buf *b)
{
    uint8_t key[PREFIX + 32];
    MDB_val k, v;
    int rc = slot_key(s, slot->principal, key, &k);

    if (rc != 0)
        return rc;
    /* Its drop may have been committed after the caller looked, while this transaction waited for its turn. */
    if (slot->update && mdb_get(txn, s->env->dbi[KRBREPL__DBI_REPLICAS], &k, &v) == MDB_NOTFOUND)
        return 0;
    slot_encode(b, slot);
    if (b->err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), b->err);
    v.mv_data = b->data;
    v.mv_size = b->len;
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s),
                             mdb_put(txn, s->env->dbi[KRBREPL__DBI_REPLICAS], &k, &v, 0),
                             "replicas: writing");
}

int krbrepl__store_slots_put(krbrepl_store *s, const krbrepl__slot *slot, size_t n)
{
    krbrepl__wtxn w;
    krbrepl__buf b;
    size_t i;
    int rc;

    if (n == 0)
        return 0;
    rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    krbrepl__buf_init(&b, 0);
    for (i = 0; rc == 0 && i < n; i++)
        rc = slot_put(s, w.txn, &slot[i], &b);
    krbrepl__buf_free(&b);
    if (rc == 0)
        return krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__store_slot_drop(krbrepl_store *s, const char *principal)
{
    uint8_t key[PREFIX + 32];
    krbrepl__wtxn w;
    MDB_val k;
    int rc = slot_key(s, principal, key, &k);

    if (rc == 0)
        rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    rc = mdb_del(w.txn, s->env->dbi[KRBREPL__DBI_REPLICAS], &k, NULL);
    if (rc == 0)
        return krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    if (rc == MDB_NOTFOUND)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_NOTFOUND, "replicas: %.200s is not known",
                             principal);
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "replicas: deleting");
}

/* Calls `fn` for each slot of a transaction; a slot that cannot be read is passed over: it is a memory
 * aid, and the replica brings it back when it connects. */
static int slots_walk(krbrepl_store *s, MDB_txn *txn, int (*fn)(void *ctx, const krbrepl__slot *),
                      void *ctx)
{
    MDB_cursor *cur = NULL;
    krbrepl__slot slot;
    MDB_val k, v;
    int ours = 0, rc = mdb_cursor_open(txn, s->env->dbi[KRBREPL__DBI_REPLICAS], &cur);

    while (rc == 0 && ours == 0 && (rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0)
        if (slot_decode(&v, &slot) == 0)
            ours = fn(ctx, &slot);
    if (cur != NULL)
        mdb_cursor_close(cur);
    if (ours != 0 || rc == MDB_NOTFOUND)
        return ours;
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), rc, "replicas: reading");
}

int krbrepl__store_slots_each(krbrepl_store *s, int (*fn)(void *ctx, const krbrepl__slot *), void *ctx)
{
    krbrepl__rtxn r;
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    rc = slots_walk(s, r.txn, fn, ctx);
    krbrepl__rtxn_end(s, &r);
    return rc;
}

/* ---- expiry --------------------------------------------------------------------------------- */

/* When a slot expires; INT64_MAX: never. A slot without a time is one that was only just made. */
static int64_t slot_expires(const krbrepl__slot *slot, uint64_t seconds)
{
    if (slot->seen_us <= 0 || seconds > (uint64_t)(INT64_MAX - slot->seen_us) / 1000000)
        return INT64_MAX;
    return slot->seen_us + (int64_t)seconds * 1000000;
}

struct holding {
    uint64_t hold, seconds;
    int64_t now;
};

static int lowest(void *ctx, const krbrepl__slot *slot)
{
    struct holding *h = ctx;

    if (slot->hold != 0 && slot->hold < h->hold && slot_expires(slot, h->seconds) > h->now)
        h->hold = slot->hold;
    return 0;
}

int krbrepl__slots_hold(krbrepl_store *s, MDB_txn *txn, uint64_t *hold)
{
    struct holding h = {UINT64_MAX, 0, s->sys->wall_us(s->sys->ctx)};
    krbrepl_retention keep;
    int rc = krbrepl__meta_retention(s, txn, &keep);

    h.seconds = keep.slot_seconds;
    if (rc == 0)
        rc = slots_walk(s, txn, lowest, &h);
    *hold = h.hold;
    return rc;
}

int krbrepl__store_slots_count(krbrepl_store *s, uint64_t *n)
{
    krbrepl__rtxn r;
    MDB_stat st;
    int rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    rc = krbrepl__mdb_fail(s->env, KRBREPL__EI(s),
                           mdb_stat(r.txn, s->env->dbi[KRBREPL__DBI_REPLICAS], &st),
                           "replicas: counting");
    if (rc == 0)
        *n = st.ms_entries;
    krbrepl__rtxn_end(s, &r);
    return rc;
}

/* ---- lists ---------------------------------------------------------------------------------- */

/* Slots as they were at one moment, so that no transaction is open while somebody looks at them. */
struct list {
    krbrepl__slot *at;
    size_t n, room;
    uint64_t seconds;
    int64_t expired_at; /* only those that have expired by then; INT64_MAX: all */
};

static int list_add(void *ctx, const krbrepl__slot *slot)
{
    struct list *l = ctx;
    krbrepl__slot *grown;
    size_t room = l->room * 2 + 16;

    if (l->expired_at != INT64_MAX && slot_expires(slot, l->seconds) > l->expired_at)
        return 0;
    if (l->n == l->room) {
        grown = krbrepl__alloc_array(room, sizeof *grown);
        if (grown == NULL)
            return KRBREPL_ERR_NOMEM;
        if (l->n != 0)
            memcpy(grown, l->at, l->n * sizeof *grown);
        krbrepl__free(l->at, 0);
        l->at = grown;
        l->room = room;
    }
    l->at[l->n++] = *slot;
    return 0;
}

static int list_get(krbrepl_store *s, struct list *l, int expired)
{
    krbrepl_retention keep;
    krbrepl__rtxn r;
    int rc = krbrepl__rtxn_begin(s, &r);

    memset(l, 0, sizeof *l);
    if (rc != 0)
        return rc;
    rc = krbrepl__meta_retention(s, r.txn, &keep);
    if (rc == 0) {
        l->seconds = keep.slot_seconds;
        l->expired_at = expired ? s->sys->wall_us(s->sys->ctx) : INT64_MAX;
        rc = slots_walk(s, r.txn, list_add, l);
        if (rc == KRBREPL_ERR_NOMEM)
            krbrepl__fail_plain(KRBREPL__EI(s), rc);
    }
    krbrepl__rtxn_end(s, &r);
    return rc;
}

int krbrepl__slot_each(krbrepl_store *s, krbrepl_slot_fn *fn, void *ctx)
{
    struct list l;
    size_t i;
    int rc = list_get(s, &l, 0);

    for (i = 0; rc == 0 && i < l.n; i++) {
        const krbrepl__slot *from = &l.at[i];
        int64_t expires = slot_expires(from, l.seconds);
        krbrepl_slot out;

        KRBREPL_INIT(&out);
        out.principal = from->principal;
        out.hold = from->hold;
        out.durable = from->durable;
        out.last_seen_us = from->seen_us;
        out.expires_us = expires != INT64_MAX ? expires : 0;
        out.last_copy_us = from->copy_us;
        out.last_copy_reason = from->copy_reason;
        out.dialect = from->dialect;
        out.base = from->base;
        out.version = from->last;
        rc = fn(ctx, &out);
    }
    krbrepl__free(l.at, 0);
    return rc;
}

int krbrepl__slot_drop(krbrepl_store *s, const char *principal)
{
    int rc = krbrepl__store_slot_drop(s, principal);

    if (rc == 0)
        krbrepl__store_wake_node(s);
    return rc;
}

struct sought {
    const char *principal;
    uint32_t dialect; /* of its slot; 0: it has none */
};

static int seek_one(void *ctx, const krbrepl__slot *slot)
{
    struct sought *f = ctx;

    if (strcmp(slot->principal, f->principal) != 0)
        return 0;
    f->dialect = slot->dialect;
    return 1;
}

int krbrepl__slot_reset(krbrepl_store *s, const char *principal)
{
    struct sought f = {principal, 0};
    int rc = krbrepl__store_slots_each(s, seek_one, &f);

    if (rc < 0)
        return rc;
    if (f.dialect == KRBREPL_DIALECT_NATIVE)
        return krbrepl__fail(
            KRBREPL__EI(s), KRBREPL_ERR_STATE,
            "replicas: %.200s speaks the native protocol, which finds out by itself what a "
            "replica needs; to forget it, drop its slot",
            principal);
    return krbrepl__slot_drop(s, principal);
}

int krbrepl__store_slots_expire(krbrepl_store *s, int (*may_go)(void *ctx, const krbrepl__slot *),
                                void *ctx)
{
    struct list l;
    size_t i;
    int rc = list_get(s, &l, 1);

    for (i = 0; rc == 0 && i < l.n; i++) {
        if (may_go(ctx, &l.at[i]))
            rc = krbrepl__store_slot_drop(s, l.at[i].principal);
        if (rc == KRBREPL_ERR_NOTFOUND)
            rc = 0;
    }
    krbrepl__free(l.at, 0);
    return rc;
}
