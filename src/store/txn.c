/* txn.c: a commit being made: records change at once inside of the write transaction, the changes are
 * gathered in their encoding, and at the end the journal entry and the position join them. */
#include "entry.h"
#include "hostdb.h"
#include "hostjournal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct krbrepl_txn {
    krbrepl_store *s;
    pthread_t thread; /* that began it: LMDB's writer lock can be given back by no other */
    krbrepl__wtxn w;
    krbrepl__buf body; /* encoded changes */
    uint32_t nchanges;
    krbrepl__touched touched;
    int failed;              /* the code with which a change failed: only abort is left */
    krbrepl__source *source; /* noted with the commit; NULL: nothing is */
    int prepared;            /* only commit and abort are left */
    char *who, *why;
};

krbrepl_store *krbrepl__txn_store(const krbrepl_txn *t)
{
    return t->s;
}

int krbrepl__txn_mine(const krbrepl_txn *t)
{
    return pthread_equal(t->thread, pthread_self());
}

krbrepl_bytes krbrepl__who(const char *who, char room[32])
{
    krbrepl_bytes v;

    if (who == NULL) {
        snprintf(room, 32, "uid %lu", (unsigned long)geteuid());
        who = room;
    }
    v.data = who;
    v.len = strlen(who);
    return v;
}

int krbrepl__origin_check(krbrepl_store *s, const char *who, const char *why)
{
    if ((who == NULL || strlen(who) <= KRBREPL__MAX_ORIGIN) &&
        (why == NULL || strlen(why) <= KRBREPL__MAX_ORIGIN))
        return 0;
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                         "commit: `who` and `why` have at most %u bytes each", KRBREPL__MAX_ORIGIN);
}

/* Frees the transaction. In a forked child the LMDB transaction belongs to the parent: it is left alone. */
static void txn_free(krbrepl_txn *t)
{
    if (!krbrepl__store_forked(t->s))
        krbrepl__wtxn_abort(t->s, &t->w);
    krbrepl__touched_free(&t->touched);
    krbrepl__buf_free(&t->body);
    krbrepl__strfree(t->who);
    krbrepl__strfree(t->why);
    krbrepl__free(t->source, sizeof *t->source);
    krbrepl__free(t, sizeof *t);
}

int krbrepl__txn_begin(krbrepl_store *s, krbrepl_txn **out, const krbrepl_txn_options *opt)
{
    krbrepl_txn *t = NULL;
    char room[32];
    int rc = krbrepl__origin_check(s, opt->who, opt->why);

    *out = NULL;
    if (rc != 0)
        return rc;
    t = krbrepl__alloc(sizeof *t);
    if (t == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    t->s = s;
    t->thread = pthread_self();
    krbrepl__buf_init(&t->body, KRBREPL_MAX_COMMIT);
    krbrepl__touched_init(&t->touched);
    t->who = krbrepl__strdup(krbrepl__who(opt->who, room).data);
    t->why = krbrepl__strdup(opt->why != NULL ? opt->why : "");
    if (t->who == NULL || t->why == NULL)
        rc = krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    if (rc == 0)
        rc = krbrepl__wtxn_begin(s, &t->w);
    if (rc == 0)
        rc = krbrepl__wtxn_master(s, &t->w);
    if (rc == 0)
        *out = t;
    else
        txn_free(t);
    return rc;
}

/* Adds one change to the encoding. */
static int encode(krbrepl_txn *t, const krbrepl_change *c)
{
    krbrepl_store *s = t->s;

    if (t->nchanges >= KRBREPL_MAX_CHANGES)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                             "commit: more than %u changes; make several commits of it",
                             KRBREPL_MAX_CHANGES);
    krbrepl__change_put(&t->body, c);
    if (t->body.err == KRBREPL_ERR_TOOBIG)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                             "commit: larger than %u bytes; make several commits of it",
                             KRBREPL_MAX_COMMIT);
    if (t->body.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), t->body.err);
    t->nchanges++;
    return 0;
}

/* And to the records. Key and value go there out of the encoding: the caller's may be what krbrepl_txn_get gave
 * him, which lies in a page that the write moves. */
static int change(krbrepl_txn *t, const krbrepl_change *c, krbrepl__rkey *k)
{
    krbrepl_store *s = t->s;
    krbrepl_bytes value = {NULL, c->value.len};
    const uint8_t *end;
    int rc = encode(t, c);

    if (rc != 0)
        return rc;
    end = t->body.data + t->body.len;
    if (c->op == KRBREPL_PUT) {
        value.data = end - value.len;
        end -= value.len + 4;
    }
    k->key.data = end - k->key.len;
    rc = krbrepl__row_change(s, t->w.txn, krbrepl__gen(s, t->w.st.live), k,
                             c->op == KRBREPL_PUT ? &value : NULL, &t->w.st.records, &t->touched);
    if (rc != 0)
        t->nchanges--;
    return rc;
}

int krbrepl__is_hdb(const char *table, size_t table_len)
{
    return table_len == strlen(KRBREPL__HDB_TABLE) && memcmp(table, KRBREPL__HDB_TABLE, table_len) == 0;
}

/* A record of Heimdal's that is made anew and not modified says so in the commit, by a delete before it: slaves in
 * Heimdal's dialect, who modify what they have, could not know. */
static int note_remade(krbrepl_txn *t, const krbrepl_change *c, const krbrepl__rkey *k)
{
    krbrepl_change gone = {sizeof gone, c->table, c->key, {NULL, 0}, KRBREPL_DELETE};
    krbrepl__row row;
    int rc;

    if (!krbrepl__is_hdb(c->table, k->table_len))
        return 0;
    rc = krbrepl__row_get(t->s, t->w.txn, krbrepl__gen(t->s, t->w.st.live), k, &row);
    if (rc == KRBREPL_ERR_NOTFOUND)
        return 0;
    if (rc != 0 && rc != KRBREPL_ERR_CORRUPT)
        return rc;
    if (rc == 0 && krbrepl__hdb_modifiable(c->key, row.value, c->value))
        return 0;
    return encode(t, &gone);
}

static int txn_usable(krbrepl_txn *t)
{
    if (t->prepared)
        return krbrepl__fail(KRBREPL__EI(t->s), KRBREPL_ERR_STATE,
                             "commit: it was prepared, so only commit and abort are left");
    if (t->failed == 0)
        return 0;
    return krbrepl__fail(KRBREPL__EI(t->s), KRBREPL_ERR_STATE,
                         "commit: an earlier change of this transaction failed (%s); abort it",
                         krbrepl_err_name(t->failed));
}

/* What krbrepl_txn_get gave of a host's database, as a key or a value, is gone when the host is asked again. */
static int keep(krbrepl_txn *t, krbrepl_change *c, krbrepl__rkey *k, krbrepl__buf *kept)
{
    if (!t->s->hosted || !krbrepl__is_hdb(c->table, k->table_len))
        return 0;
    krbrepl__buf_bytes(kept, c->key.data, c->key.len);
    krbrepl__buf_bytes(kept, c->value.data, c->value.len);
    if (kept->err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(t->s), kept->err);
    c->key.data = k->key.data = kept->data;
    c->value.data = kept->data + c->key.len;
    return 0;
}

static int put(krbrepl_txn *t, krbrepl_change *c, krbrepl__rkey *k)
{
    krbrepl__buf kept;
    int rc;

    krbrepl__buf_init(&kept, 0);
    rc = keep(t, c, k, &kept);
    if (rc == 0)
        rc = note_remade(t, c, k);
    if (rc == 0)
        rc = change(t, c, k);
    krbrepl__buf_free(&kept);
    return rc;
}

int krbrepl__txn_put(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl_change c = {sizeof c, table, key, value, KRBREPL_PUT};
    krbrepl__rkey k;
    int rc = txn_usable(t);

    if (rc != 0)
        return rc;
    rc = krbrepl__rkey_make(t->s, table, key, &k);
    if (rc == 0 && value.data == NULL && value.len != 0)
        rc = krbrepl__fail(KRBREPL__EI(t->s), KRBREPL_ERR_INVALID, "commit: value without data");
    if (rc == 0 && value.len > KRBREPL_MAX_VALUE)
        rc = krbrepl__fail(KRBREPL__EI(t->s), KRBREPL_ERR_TOOBIG,
                           "commit: a value has at most %u bytes, this one %zu", KRBREPL_MAX_VALUE,
                           value.len);
    if (rc == 0)
        rc = put(t, &c, &k);
    return t->failed = rc;
}

int krbrepl__txn_delete(krbrepl_txn *t, const char *table, krbrepl_bytes key)
{
    krbrepl_change c = {sizeof c, table, key, {NULL, 0}, KRBREPL_DELETE};
    krbrepl__rkey k;
    size_t before = t->body.len;
    int rc = txn_usable(t);

    if (rc != 0)
        return rc;
    rc = krbrepl__rkey_make(t->s, table, key, &k);
    if (rc == 0)
        rc = change(t, &c, &k);
    if (rc == KRBREPL_ERR_NOTFOUND) {
        krbrepl__buf_cut(&t->body, before);
        return krbrepl__fail_plain(KRBREPL__EI(t->s), rc);
    }
    return t->failed = rc;
}

int krbrepl__txn_get(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    krbrepl__rkey k;
    krbrepl__row row;
    int rc = txn_usable(t);

    if (rc == 0)
        rc = krbrepl__rkey_make(t->s, table, key, &k);
    if (rc == 0)
        rc = krbrepl__row_get(t->s, t->w.txn, krbrepl__gen(t->s, t->w.st.live), &k, &row);
    if (rc == KRBREPL_ERR_NOTFOUND)
        krbrepl__fail_plain(KRBREPL__EI(t->s), rc);
    if (rc == KRBREPL_ERR_CORRUPT)
        krbrepl__store_found_damage(t->s, (krbrepl_bytes){k.ck.b, k.ck.len});
    if (rc == 0)
        *value = row.value;
    return rc;
}

/* Everything but the commit of the transaction. */
static int txn_journal(krbrepl_txn *t)
{
    krbrepl_store *s = t->s;
    krbrepl__commit c;
    char room[32];
    int rc;

    memset(&c, 0, sizeof c);
    c.kind = KRBREPL_COMMIT_CHANGES;
    c.who = krbrepl__who(t->who, room);
    c.why.data = t->why;
    c.why.len = strlen(t->why);
    c.nchanges = t->nchanges;
    c.body.data = t->body.data;
    c.body.len = t->body.len;
    rc = krbrepl__journal_append(s, &t->w, &c);
    return rc == 0 ? krbrepl__trim(s, &t->w, 64) : rc;
}

static int txn_write(krbrepl_txn *t)
{
    krbrepl_store *s = t->s;
    int rc = t->prepared || t->nchanges == 0 ? 0 : txn_journal(t);

    if (rc == 0)
        rc = krbrepl__source_write(s, t->w.txn, t->source);
    if (rc != 0)
        return rc;
    krbrepl__local_forget(s, &t->touched.created);
    rc = krbrepl__wtxn_commit(s, &t->w);
    if (rc == 0) {
        krbrepl__local_forget(s, &t->touched.gone);
        krbrepl__store_wake_node(s);
    }
    return rc;
}

int krbrepl__txn_source(krbrepl_txn *t, const krbrepl__source *src)
{
    return t->failed = krbrepl__source_keep(t->s, &t->source, src);
}

int krbrepl__txn_prepare(krbrepl_txn *t)
{
    krbrepl_store *s = t->s;
    int rc = txn_usable(t);

    if (rc != 0)
        return rc;
    if (!s->hosted)
        rc = krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                           "commit: this store has its records itself; there is nothing to prepare");
    if (rc == 0)
        rc = krbrepl__host_there(s);
    if (rc == 0 && t->nchanges != 0)
        rc = txn_journal(t);
    /* What cannot be written must not be promised. */
    if (rc == 0)
        rc = krbrepl__hostjournal_give(s, &t->w);
    if (rc == 0 && t->nchanges != 0)
        rc = krbrepl__host_promise(s, &t->w);
    t->prepared = rc == 0;
    return t->failed = rc;
}

int krbrepl__txn_commit(krbrepl_txn *t, krbrepl_pos *out)
{
    int rc = t->prepared ? 0 : txn_usable(t);

    if (rc == 0 && (t->nchanges != 0 || t->source != NULL))
        rc = txn_write(t);
    if (rc == 0 && out != NULL)
        *out = t->w.st.pos;
    txn_free(t);
    return rc;
}

void krbrepl__txn_abort(krbrepl_txn *t)
{
    krbrepl_store *s;
    krbrepl__wtxn w;
    int prepared;

    if (t == NULL)
        return;
    s = t->s;
    prepared = t->prepared && !krbrepl__store_forked(s);
    txn_free(t);
    /* The host may have written some of it all the same: whoever begins next finds out, and that is here. */
    if (prepared && krbrepl__wtxn_begin(s, &w) == 0)
        krbrepl__wtxn_abort(s, &w);
}
