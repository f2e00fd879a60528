/* host.c: what goes to the host's database, and what comes from it. */
#include "hostdb.h"

#include <string.h>
#include <unistd.h>

#define BATCH_MAX (KRBREPL_MAX_COMMIT + (1u << 20))
#define PIECE (4u << 20) /* bytes of changes for one call, where they need not be one */

int krbrepl__host_new(struct krbrepl__host **out, const krbrepl_host_ops *ops, void *ctx,
                      krbrepl_errinfo *ei)
{
    const int some = ops->import_begin != NULL || ops->import_change != NULL ||
                     ops->import_commit != NULL || ops->import_abort != NULL;
    const int all = ops->import_begin != NULL && ops->import_change != NULL &&
                    ops->import_commit != NULL && ops->import_abort != NULL;
    struct krbrepl__host *h;

    *out = NULL;
    if (ops->get == NULL || ops->apply == NULL || some != all)
        return krbrepl__fail(
            ei, KRBREPL_ERR_INVALID,
            "store: the host's callbacks need get and apply, and of import all four or "
            "none");
    if (ops->import_step != NULL && !all)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID,
                             "store: the host's import_step needs the other four of import");
    if ((ops->flags & ~(uint64_t)KRBREPL_HOST_TEARS) != 0)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "store: an unknown flag of the host's database");
    h = krbrepl__alloc(sizeof *h);
    if (h == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    h->ops = *ops;
    h->ctx = ctx;
    h->fd = -1;
    krbrepl__buf_init(&h->value, KRBREPL_MAX_VALUE);
    krbrepl__buf_init(&h->batch, 0);
    *out = h;
    return 0;
}

void krbrepl__host_free(struct krbrepl__host *h)
{
    if (h == NULL)
        return;
    krbrepl__buf_free(&h->value);
    krbrepl__buf_free(&h->batch);
    if (h->fd >= 0)
        close(h->fd);
    krbrepl__free(h, sizeof *h);
}

int krbrepl__host_failed(krbrepl_store *s, int code, const char *what)
{
    const int rc =
        krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_HOST,
                      "%s: the host's database answered %d; look at what it logged", what, code);

    s->ei.host_code = code;
    return rc;
}

int krbrepl__store_hosted(const krbrepl_store *s)
{
    return s->hosted && s->host != NULL;
}

int krbrepl__store_replaces(const krbrepl_store *s)
{
    return krbrepl__store_hosted(s) && s->host->ops.import_begin != NULL;
}

int krbrepl__store_settle(krbrepl_store *s)
{
    krbrepl__wtxn w;
    int rc;

    if (!krbrepl__store_hosted(s) || s->host->writer != NULL)
        return 0;
    rc = krbrepl__prepare_pending(s);
    if (rc != 1)
        return rc;
    rc = krbrepl__wtxn_begin(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc;
}

int krbrepl__host_there(krbrepl_store *s)
{
    if (s->host != NULL)
        return 0;
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_STATE,
        "store: the records of this store are in its host's database; only the host's "
        "programs can read or change them, and `krbrepl verify --live` has the one that "
        "runs read them");
}

int krbrepl__store_reaches(krbrepl_store *s)
{
    if (s->journaled && s->journal == NULL)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "store: the commits of this store are in its host's journal; only the "
                             "host's programs can read or write them");
    return s->hosted ? krbrepl__host_there(s) : 0;
}

/* ---- reading -------------------------------------------------------------------------------- */

int krbrepl__host_get(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    krbrepl_bytes theirs = {NULL, 0};
    struct krbrepl__host *h;
    int rc = krbrepl__host_there(s);

    if (rc != 0)
        return rc;
    h = s->host;
    h->calling++;
    rc = h->ops.get(h->ctx, table, key, &theirs);
    h->calling--;
    if (rc == KRBREPL_ERR_NOTFOUND)
        return rc;
    if (rc != 0)
        return krbrepl__host_failed(s, rc, "store: reading a record");
    krbrepl__buf_reset(&h->value);
    krbrepl__buf_bytes(&h->value, theirs.data, theirs.len);
    if (h->value.err == KRBREPL_ERR_TOOBIG)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_TOOBIG,
                             "store: the host has a value of %zu bytes; the limit is %u", theirs.len,
                             KRBREPL_MAX_VALUE);
    if (h->value.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), h->value.err);
    *value = (krbrepl_bytes){h->value.data, h->value.len};
    return 0;
}

int krbrepl__host_batched(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    struct krbrepl__host *h = s->host;
    krbrepl__change_it it = {.left = (uint32_t)h->n};
    krbrepl_bytes last = {NULL, 0};
    krbrepl__change_view v;
    int is = 0;

    krbrepl__rd_init(&it.rd, h->batch.data, h->batch.len);
    while (krbrepl__commit_next(&it, &v) == 1) {
        if (strcmp(v.table, table) != 0 ||
            krbrepl__bytes_cmp(v.key.data, v.key.len, key.data, key.len) != 0)
            continue;
        is = v.op == KRBREPL_PUT;
        last = v.value;
    }
    if (!is)
        return 0;
    krbrepl__buf_reset(&h->value);
    krbrepl__buf_bytes(&h->value, last.data, last.len);
    if (h->value.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), h->value.err);
    *value = (krbrepl_bytes){h->value.data, h->value.len};
    return 1;
}

/* ---- changing ------------------------------------------------------------------------------- */

/* Changes taken out of their encoding again, for one call. */
struct changes {
    struct one {
        krbrepl_change c;
        char table[KRBREPL_MAX_TABLE + 1];
    } * one;
    const krbrepl_change **at;
    size_t room;
};

static int changes_new(struct changes *ch, size_t n)
{
    ch->room = n;
    ch->one = krbrepl__alloc_array(n, sizeof *ch->one);
    ch->at = krbrepl__alloc_array(n, sizeof *ch->at);
    return ch->one != NULL && ch->at != NULL ? 0 : KRBREPL_ERR_NOMEM;
}

static void changes_free(struct changes *ch)
{
    krbrepl__free(ch->one, ch->room * sizeof *ch->one);
    krbrepl__free(ch->at, ch->room * sizeof *ch->at);
}

static void change_take(struct changes *ch, size_t i, const krbrepl__change_view *v)
{
    struct one *o = &ch->one[i];

    memcpy(o->table, v->table, sizeof o->table);
    KRBREPL_INIT(&o->c);
    o->c.table = o->table;
    o->c.key = v->key;
    o->c.value = v->value;
    o->c.op = v->op;
    ch->at[i] = &o->c;
}

int krbrepl__host_apply(krbrepl_store *s, const krbrepl__buf *batch, size_t n, const krbrepl_pos *to)
{
    struct changes ch = {NULL, NULL, 0};
    krbrepl__change_it it = {.left = (uint32_t)n};
    krbrepl__change_view v;
    size_t i = 0;
    int more = 1, rc = changes_new(&ch, n);

    krbrepl__rd_init(&it.rd, batch->data, batch->len);
    while (rc == 0 && i < n && (more = krbrepl__commit_next(&it, &v)) == 1)
        change_take(&ch, i++, &v);
    if (rc == 0 && (more < 0 || i != n))
        rc = KRBREPL_ERR_CORRUPT;
    if (rc != 0) {
        rc = krbrepl__fail_plain(KRBREPL__EI(s), rc);
    } else {
        s->host->calling++;
        rc = s->host->ops.apply(s->host->ctx, ch.at, n, to);
        s->host->calling--;
        /* The process lives, and what it was writing is torn all the same. */
        if (rc == KRBREPL_ERR_CORRUPT)
            s->host->mine = 0;
        if (rc != 0)
            rc = krbrepl__host_failed(s, rc, "store: writing records");
    }
    changes_free(&ch);
    return rc;
}

static krbrepl_change change_of(const krbrepl__rkey *k, const krbrepl_bytes *value)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.table = k->table;
    c.key = k->key;
    c.op = value != NULL ? KRBREPL_PUT : KRBREPL_DELETE;
    if (value != NULL)
        c.value = *value;
    return c;
}

int krbrepl__host_change(krbrepl_store *s, MDB_dbi dbi, const krbrepl__rkey *k,
                         const krbrepl_bytes *value)
{
    const krbrepl_change c = change_of(k, value);
    struct krbrepl__host *h = s->host;
    int rc = krbrepl__host_there(s);

    if (rc != 0 || h->quiet)
        return rc;
    if (h->importing && dbi == h->import && !h->piecewise) {
        h->calling++;
        rc = h->ops.import_change(h->ctx, &c);
        h->calling--;
        return rc != 0 ? krbrepl__host_failed(s, rc, "store: bringing in a record") : 0;
    }
    krbrepl__change_put(&h->batch, &c);
    if (h->batch.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(s), h->batch.err);
    h->n++;
    return 0;
}

/* ---- around a write transaction ------------------------------------------------------------- */

static void batch_drop(struct krbrepl__host *h)
{
    krbrepl__buf_free(&h->batch);
    h->n = 0;
    h->promised = 0;
}

int krbrepl__host_begin(krbrepl_store *s, krbrepl__wtxn *w)
{
    int rc;

    if (s->host == NULL)
        return krbrepl__prepare_refuse(s, w);
    batch_drop(s->host);
    s->host->left = 0;
    if (s->host->importing)
        return 0;
    rc = krbrepl__prepare_pending(s);
    return rc == 1 ? krbrepl__prepare_resolve(s, w) : rc;
}

/* The records that the new generation does not have, where the host's present content becomes it. */
static int purge(krbrepl_store *s, krbrepl__wtxn *w)
{
    const MDB_dbi old = krbrepl__gen(s, w->was.live), now = krbrepl__gen(s, w->st.live);
    MDB_cursor *cur = NULL;
    MDB_val k, v, other;
    krbrepl__row row;
    krbrepl__rkey key;
    int rc = 0, e = mdb_cursor_open(w->txn, old, &cur);

    while (e == 0 && rc == 0 && (e = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0) {
        if (mdb_get(w->txn, now, &k, &other) == 0)
            continue;
        rc = krbrepl__row_parse(s, old, &k, &v, &row);
        if (rc == 0)
            rc = krbrepl__rkey_make(s, row.table, row.key, &key);
        if (rc == 0)
            rc = krbrepl__host_change(s, old, &key, NULL);
        if (rc == 0 && s->host->batch.len >= PIECE) {
            rc = krbrepl__host_apply(s, &s->host->batch, s->host->n, NULL);
            batch_drop(s->host);
        }
    }
    if (cur != NULL)
        mdb_cursor_close(cur);
    if (rc != 0 || e == MDB_NOTFOUND)
        return rc;
    return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, "store: comparing two generations");
}

/* The generation that was built becomes the live one, there and here. */
static int switch_over(krbrepl_store *s, krbrepl__wtxn *w)
{
    struct krbrepl__host *h = s->host;
    int rc = h->piecewise ? purge(s, w) : 0;

    if (rc == 0)
        rc = krbrepl__prepare_write(s, w, 1);
    if (rc == 0 && h->piecewise)
        rc = krbrepl__host_apply(s, &h->batch, h->n, &w->st.pos);
    if (rc != 0)
        return rc;
    if (!h->piecewise) {
        h->calling++;
        rc = h->ops.import_commit(h->ctx, &w->st.pos);
        h->calling--;
    }
    if (rc != 0)
        return krbrepl__host_failed(s, rc, "store: taking over what was brought in");
    h->importing = 0;
    h->promised = 1;
    return 0;
}

int krbrepl__host_promise(krbrepl_store *s, const krbrepl__wtxn *w)
{
    /* Where the position stays, the records are known, and whoever comes next can put them right. */
    const int stays = krbrepl__pos_equal(&w->was.pos, &w->st.pos);
    const int unsure =
        !stays && (w->st.journal_first > w->was.pos.seq + 1 || w->st.pos.seq <= w->was.pos.seq);
    const int rc = krbrepl__prepare_write(s, w, unsure);

    s->host->promised = rc == 0;
    return rc;
}

/* Another one changes the host's present content piece by piece, so that there is nothing to commit on, nor to be
 * promoted with; and its mark has to stay. Who tells a content by himself builds that one. */
static int beside_a_build(krbrepl_store *s, const krbrepl__wtxn *w)
{
    const int moves = !krbrepl__pos_equal(&w->was.pos, &w->st.pos);

    if (s->host->quiet) {
        s->host->promised |= moves;
        return 0;
    }
    if (!moves && s->host->n == 0)
        return 0;
    return krbrepl__fail(
        KRBREPL__EI(s), KRBREPL_ERR_LOCKED,
        "store: a full copy is changing the content of the host's database; wait for its "
        "end");
}

int krbrepl__host_before_commit(krbrepl_store *s, krbrepl__wtxn *w)
{
    struct krbrepl__host *h = s->host;
    int rc;

    if (h == NULL)
        return 0;
    if (h->left && !h->importing && (rc = beside_a_build(s, w)) != 0)
        return rc;
    if (h->importing && w->st.live != w->was.live)
        return switch_over(s, w);
    if (h->n == 0)
        return 0;
    if (h->importing)
        return krbrepl__host_apply(s, &h->batch, h->n, NULL);
    if (h->promised)
        return 0;
    /* Without a history that goes on, as after a repair, the content is of no position for a moment. */
    rc = krbrepl__host_promise(s, w);
    return rc == 0 ? krbrepl__host_apply(s, &h->batch, h->n, &w->st.pos) : rc;
}

void krbrepl__host_ended(krbrepl_store *s, int committed)
{
    struct krbrepl__host *h = s->host;

    if (h == NULL)
        return;
    /* A file that says what is done already is recognized as such: this need not be durable, nor succeed. */
    if (committed && h->promised)
        (void)krbrepl__prepare_clear(s);
    /* But a mark that says nothing of a position would take the content away. */
    if (committed && h->promised && h->marked && !h->importing) {
        (void)fdatasync(h->fd);
        h->marked = 0;
    }
    batch_drop(h);
}

/* ---- builds --------------------------------------------------------------------------------- */

int krbrepl__host_is_piecewise(const krbrepl_store *s)
{
    return s->host != NULL && !s->host->quiet && s->host->ops.import_begin == NULL;
}

int krbrepl__host_import_begin(krbrepl_store *s, MDB_dbi dbi)
{
    struct krbrepl__host *h = s->host;
    int rc = krbrepl__host_there(s);

    if (rc != 0 || h->quiet)
        return rc;
    h->import = dbi;
    h->piecewise = h->ops.import_begin == NULL;
    h->marked = h->piecewise;
    if (h->piecewise) {
        rc = krbrepl__prepare_write(s, NULL, 1);
    } else {
        h->calling++;
        rc = h->ops.import_begin(h->ctx);
        h->calling--;
        if (rc != 0)
            rc = krbrepl__host_failed(s, rc, "store: beginning to bring in a new content");
    }
    h->importing = rc == 0;
    return rc;
}

static int has_steps(const krbrepl_store *s)
{
    const struct krbrepl__host *h = s->host;

    return h != NULL && h->importing && !h->piecewise && h->ops.import_step != NULL;
}

int krbrepl__host_import_unmarked(krbrepl_store *s)
{
    return has_steps(s) && !s->host->marked;
}

int krbrepl__host_import_mark(krbrepl_store *s)
{
    const int rc = krbrepl__prepare_write(s, NULL, 1);

    s->host->marked = rc == 0;
    return rc;
}

int krbrepl__host_import_step(krbrepl_store *s)
{
    struct krbrepl__host *h = s->host;
    int more = 0, rc;

    if (!has_steps(s))
        return 0;
    h->calling++;
    rc = h->ops.import_step(h->ctx, &more);
    h->calling--;
    if (rc != 0)
        return krbrepl__host_failed(s, rc, "store: taking over what was brought in");
    return more != 0;
}

void krbrepl__host_import_end(krbrepl_store *s)
{
    struct krbrepl__host *h = s->host;

    if (h == NULL || !h->importing)
        return;
    if (!h->piecewise) {
        h->calling++;
        h->ops.import_abort(h->ctx);
        h->calling--;
    }
    h->importing = 0;
}
