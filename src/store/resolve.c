/* resolve.c: what is known of a fork that nothing explains, and an operator's word about it.
 *
 * Both values of `meta` begin with the position of the store when they were written, and count only while it
 * is there: a word about one fork says nothing about the next.
 *
 *   give_up    position[64] time_us:u64 who:vec16    its own commits may be given up
 *   fork       position[64] fork:u64 chain[32]       the last commit that the master is known to have too */
#include "impl.h"

#include <string.h>

/* 1 and the reader behind the position, when `key` is about the store at `pos`. */
static int about(krbrepl_store *s, MDB_txn *txn, const char *key, const krbrepl_pos *pos,
                 krbrepl__rd *r)
{
    krbrepl_bytes v;
    krbrepl_pos at;

    if (krbrepl__meta_get(s, txn, key, &v) != 0)
        return 0;
    krbrepl__rd_init(r, v.data, v.len);
    krbrepl__pos_get(r, &at);
    return r->err == 0 && krbrepl__pos_equal(&at, pos);
}

static int put(krbrepl_store *s, krbrepl__wtxn *w, const char *key, const krbrepl__buf *b)
{
    if (b->err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), b->err);
    return krbrepl__meta_put(s, w->txn, key, b->data, b->len);
}

/* ---- the word ------------------------------------------------------------------------------- */

int krbrepl__gives_up(krbrepl_store *s, MDB_txn *txn, const krbrepl_pos *pos)
{
    krbrepl__rd r;

    return about(s, txn, "give_up", pos, &r);
}

static int give_up_write(krbrepl_store *s, krbrepl__wtxn *w, const char *who)
{
    krbrepl__buf b;
    krbrepl_bytes by;
    char room[32];
    int rc;

    if (w->st.role == KRBREPL_ROLE_MASTER)
        return krbrepl__fail(
            KRBREPL__EI(s), KRBREPL_ERR_STATE,
            "resolve: this store is the master; run it on the store of the replica that is "
            "refused, or demote this one first");
    if (w->st.pos.seq == 0)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "resolve: this store is empty, so there is nothing to give up");
    by = krbrepl__who(who, room);
    krbrepl__buf_init(&b, 0);
    krbrepl__pos_put(&b, &w->st.pos);
    krbrepl__buf_u64(&b, (uint64_t)s->sys->wall_us(s->sys->ctx));
    krbrepl__buf_vec16(&b, by.data, by.len);
    rc = put(s, w, "give_up", &b);
    krbrepl__buf_free(&b);
    return rc;
}

int krbrepl__give_up(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    krbrepl__wtxn w;
    int rc = krbrepl__origin_check(s, who, NULL);

    if (rc == 0)
        rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    rc = give_up_write(s, &w, who);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    if (rc != 0)
        return rc;
    if (out != NULL)
        *out = w.st.pos;
    krbrepl__store_wake_node(s);
    return 0;
}

/* ---- where it forked ------------------------------------------------------------------------ */

static int fork_write(krbrepl_store *s, uint64_t fork, const uint8_t chain[32])
{
    krbrepl__wtxn w;
    krbrepl__buf b;
    int rc = krbrepl__wtxn_begin(s, &w);

    if (rc != 0)
        return rc;
    krbrepl__buf_init(&b, 0);
    krbrepl__pos_put(&b, &w.st.pos);
    krbrepl__buf_u64(&b, fork);
    krbrepl__buf_bytes(&b, chain, 32);
    rc = put(s, &w, "fork", &b);
    krbrepl__buf_free(&b);
    if (rc == 0)
        rc = krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

/* 1 and the last common seq, when the fork at `pos` is noted. */
static int noted(krbrepl_store *s, MDB_txn *txn, const krbrepl_pos *pos, uint64_t *fork,
                 uint8_t chain[32])
{
    krbrepl__rd r;

    if (!about(s, txn, "fork", pos, &r))
        return 0;
    *fork = krbrepl__rd_u64(&r);
    krbrepl__rd_copy(&r, chain, 32);
    return r.err == 0 && *fork < pos->seq;
}

int krbrepl__store_note_fork(krbrepl_store *s, uint64_t *fork)
{
    uint8_t chain[32];
    krbrepl__rtxn r;
    uint64_t known = 0;
    int is, rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    is = noted(s, r.txn, &r.st.pos, &known, chain);
    krbrepl__rtxn_end(s, &r);
    /* A replica is refused again and again; it is written once. */
    if (is && known >= *fork) {
        *fork = known;
        return 0;
    }
    rc = krbrepl__store_chain_at(s, *fork, chain);
    return rc == 0 ? fork_write(s, *fork, chain) : rc;
}

int krbrepl__fork_known(krbrepl_store *s, MDB_txn *txn, krbrepl_pos *left)
{
    uint8_t chain[32];
    uint64_t fork;

    if (!noted(s, txn, left, &fork, chain))
        return 0;
    left->seq = fork;
    memcpy(left->chain, chain, sizeof left->chain);
    return 0;
}

int krbrepl__fork_forget(krbrepl_store *s, MDB_txn *txn)
{
    int rc = krbrepl__meta_del(s, txn, "give_up");

    return rc == 0 ? krbrepl__meta_del(s, txn, "fork") : rc;
}
