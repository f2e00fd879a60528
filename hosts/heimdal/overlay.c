#include "overlay.h"

#include <string.h>

#include "answer.h"
#include "cipher.h"
#include "errinfo.h"
#include "mem.h"

/* What a change takes in a commit besides key and value, rounded up, and what is left for its head. */
#define CHANGE_OVERHEAD 64u
#define COMMIT_HEAD 8192u

typedef struct node {
    krbrepl__buf key, value;
    int there;     /* 0: deleted */
    int was_alias; /* before the commit, and is none in the end */
} node;

struct krbrepl__heim_overlay {
    krbrepl_store *store;
    krbrepl_view *view;
    krbrepl__hdb_rows rows;
    const krbrepl_heimdal_cipher *cipher;
    node *at; /* in the order in which they were changed first */
    size_t n, room;
    size_t *slot; /* hash: index + 1, 0: empty */
    size_t slots; /* a power of two */
};

/* ---- the table ------------------------------------------------------------------------------ */

static uint64_t hash(krbrepl_bytes key)
{
    const uint8_t *p = key.data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t i;

    for (i = 0; i < key.len; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

static krbrepl_bytes view(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static int same(krbrepl_bytes a, krbrepl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The slot of the key, or the empty one where it would be. */
static size_t find(const krbrepl__heim_overlay *o, krbrepl_bytes key)
{
    size_t i = (size_t)hash(key) & (o->slots - 1);

    while (o->slot[i] != 0 && !same(view(&o->at[o->slot[i] - 1].key), key))
        i = (i + 1) & (o->slots - 1);
    return i;
}

static int widen(krbrepl__heim_overlay *o)
{
    size_t room = o->room == 0 ? 64 : o->room * 2, i;
    size_t *slot = krbrepl__alloc_array(room * 2, sizeof *slot);
    node *at = slot != NULL ? krbrepl__grow(o->at, o->room * sizeof *at, room * sizeof *at) : NULL;

    if (at == NULL) {
        krbrepl__free(slot, room * 2 * sizeof *slot);
        return KRBREPL_ERR_NOMEM;
    }
    krbrepl__free(o->slot, o->slots * sizeof *o->slot);
    o->at = at;
    o->room = room;
    o->slot = slot;
    o->slots = room * 2;
    for (i = 0; i < o->n; i++)
        o->slot[find(o, view(&o->at[i].key))] = i + 1;
    return 0;
}

/* The node of the key, made when there is none; NULL: out of memory. */
static node *touch(krbrepl__heim_overlay *o, krbrepl_bytes key)
{
    size_t i;
    node *n;

    if (o->n == o->room && widen(o) != 0)
        return NULL;
    i = find(o, key);
    if (o->slot[i] != 0)
        return &o->at[o->slot[i] - 1];
    n = &o->at[o->n];
    n->was_alias = 0;
    krbrepl__buf_init(&n->key, 0);
    krbrepl__buf_init(&n->value, 0);
    krbrepl__buf_bytes(&n->key, key.data, key.len);
    if (n->key.err != 0)
        return NULL;
    o->slot[i] = ++o->n;
    return n;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static int get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    krbrepl__heim_overlay *o = ctx;
    size_t i = o->slots != 0 ? find(o, key) : 0;
    int rc;

    if (o->slots != 0 && o->slot[i] != 0) {
        *value = view(&o->at[o->slot[i] - 1].value);
        return o->at[o->slot[i] - 1].there ? 0 : KRBREPL_ERR_NOTFOUND;
    }
    rc = krbrepl_view_get(o->view, KRBREPL__HDB_TABLE, key, value);
    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return krbrepl__common_store_fail(o->store, rc, ei);
    return rc;
}

static int put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    node *n = touch(ctx, key);

    if (n != NULL) {
        krbrepl__buf_reset(&n->value);
        krbrepl__buf_bytes(&n->value, value.data, value.len);
        n->there = 1;
    }
    if (n == NULL || n->value.err != 0)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    return 0;
}

static int del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    node *n = touch(ctx, key);

    if (n == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    krbrepl__buf_reset(&n->value);
    n->there = 0;
    return 0;
}

int krbrepl__heim_overlay_new(krbrepl__heim_overlay **out, krbrepl_store *s, krbrepl_errinfo *ei)
{
    krbrepl__heim_overlay *o = krbrepl__alloc(sizeof *o);
    int rc;

    *out = o;
    if (o == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    o->store = s;
    o->rows.get = get;
    o->rows.put = put;
    o->rows.del = del;
    o->rows.ctx = o;
    o->rows.again = 1;
    rc = krbrepl_view_open(s, &o->view);
    return rc != 0 ? krbrepl__common_store_fail(s, rc, ei) : 0;
}

static int seal(void *ctx, krbrepl_bytes entry, krbrepl__buf *out, krbrepl_errinfo *ei)
{
    return krbrepl__heim_seal(((krbrepl__heim_overlay *)ctx)->cipher, entry, out, ei);
}

void krbrepl__heim_overlay_seal(krbrepl__heim_overlay *o, const krbrepl_heimdal_cipher *c)
{
    o->cipher = c;
    o->rows.seal = seal;
}

void krbrepl__heim_overlay_free(krbrepl__heim_overlay *o)
{
    size_t i;

    if (o == NULL)
        return;
    for (i = 0; i < o->n; i++) {
        krbrepl__buf_free(&o->at[i].key);
        krbrepl__buf_free(&o->at[i].value);
    }
    krbrepl_view_close(o->view);
    krbrepl__free(o->at, o->room * sizeof *o->at);
    krbrepl__free(o->slot, o->slots * sizeof *o->slot);
    krbrepl__free(o, sizeof *o);
}

const krbrepl__hdb_rows *krbrepl__heim_overlay_rows(krbrepl__heim_overlay *o)
{
    return &o->rows;
}

/* ---- commits -------------------------------------------------------------------------------- */

typedef struct group {
    krbrepl__heim_overlay *o;
    const krbrepl_txn_options *opt;
    krbrepl_txn *txn;
    uint64_t changes, bytes;
    krbrepl__heim_outcome *out;
    krbrepl_errinfo *ei;
} group;

static int begin(group *g)
{
    int rc = krbrepl_txn_begin(g->o->store, &g->txn, g->opt);

    g->changes = g->bytes = 0;
    return rc != 0 ? krbrepl__common_store_fail(g->o->store, rc, g->ei) : 0;
}

static int commit(group *g)
{
    krbrepl_txn *t = g->txn;
    int rc;

    g->txn = NULL;
    rc = krbrepl_txn_commit(t, &g->out->pos);
    if (rc != 0)
        return krbrepl__common_store_fail(g->o->store, rc, g->ei);
    g->out->commits += g->changes != 0;
    return 0;
}

static int equivalent(const group *g, krbrepl_bytes a, krbrepl_bytes b)
{
    return krbrepl__heim_same(a, b) ||
           (g->o->cipher != NULL && krbrepl__heim_same_in_clear(g->o->cipher, a, b));
}

/* Makes room: a group that would grow beyond what a commit holds is committed first. */
static int make_room(group *g, uint64_t changes, uint64_t size)
{
    int rc = 0;

    if (g->changes != 0 && (g->changes + changes > KRBREPL_MAX_CHANGES ||
                            g->bytes + size > KRBREPL_MAX_COMMIT - COMMIT_HEAD)) {
        rc = commit(g);
        if (rc == 0)
            rc = begin(g);
    }
    g->changes += changes;
    g->bytes += size;
    return rc;
}

static int write_one(group *g, const node *n, int had)
{
    /* A put over a record may have a delete before it. */
    const uint64_t changes = had && n->there ? 2 : 1;
    int rc = make_room(g, changes, changes * (n->key.len + CHANGE_OVERHEAD) + n->value.len);

    if (rc != 0)
        return rc;
    if (n->there)
        rc = krbrepl_txn_put(g->txn, KRBREPL__HDB_TABLE, view(&n->key), view(&n->value));
    else
        rc = krbrepl_txn_delete(g->txn, KRBREPL__HDB_TABLE, view(&n->key));
    if (rc != 0)
        return krbrepl__common_store_fail(g->o->store, rc, g->ei);
    if (!n->there)
        g->out->deleted++;
    else if (had)
        g->out->changed++;
    else
        g->out->added++;
    return 0;
}

/* A row that is deleted first, for an entry in its place comes later. */
static int free_name(group *g, const node *n)
{
    int rc = make_room(g, 1, n->key.len + CHANGE_OVERHEAD);

    if (rc == 0)
        rc = krbrepl_txn_delete(g->txn, KRBREPL__HDB_TABLE, view(&n->key));
    return rc != 0 ? krbrepl__common_store_fail(g->o->store, rc, g->ei) : 0;
}

static int settle(group *g, const node *n)
{
    krbrepl_bytes old;
    int rc = krbrepl_txn_get(g->txn, KRBREPL__HDB_TABLE, view(&n->key), &old), had = rc == 0;

    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return krbrepl__common_store_fail(g->o->store, rc, g->ei);
    if (had == n->there && (!had || equivalent(g, old, view(&n->value))))
        return 0;
    return write_one(g, n, had);
}

/* ---- their order ---------------------------------------------------------------------------- */

/* An alias that goes is deleted before anything else, and an entry in its place comes last, as in a commit of Heimdal's
 * own functions: slaves in Heimdal's dialect, who cannot remove an alias, are told by this order which of two names was
 * one. What does not fit into one commit stays in the order in which it was changed. */
static int mark_aliases(krbrepl__heim_overlay *o, krbrepl_errinfo *ei)
{
    uint64_t bytes = 0;
    size_t i;

    for (i = 0; i < o->n; i++)
        bytes += 2 * (o->at[i].key.len + CHANGE_OVERHEAD) + o->at[i].value.len;
    for (i = 0;
         i < o->n && o->n <= KRBREPL_MAX_CHANGES / 2 && bytes <= KRBREPL_MAX_COMMIT - COMMIT_HEAD;
         i++) {
        node *n = &o->at[i];
        krbrepl_bytes old;
        int rc = krbrepl_view_get(o->view, KRBREPL__HDB_TABLE, view(&n->key), &old);

        if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
            return krbrepl__common_store_fail(o->store, rc, ei);
        n->was_alias = rc == 0 && krbrepl__hdb_kind(old) == KRBREPL__HDB_ALIAS &&
                       (!n->there || krbrepl__hdb_kind(view(&n->value)) != KRBREPL__HDB_ALIAS);
    }
    return 0;
}

static int settle_all(group *g)
{
    const krbrepl__heim_overlay *o = g->o;
    int rc = mark_aliases(g->o, g->ei);
    size_t i;

    for (i = 0; rc == 0 && i < o->n; i++)
        if (o->at[i].was_alias)
            rc = o->at[i].there ? free_name(g, &o->at[i]) : settle(g, &o->at[i]);
    for (i = 0; rc == 0 && i < o->n; i++)
        if (!o->at[i].was_alias)
            rc = settle(g, &o->at[i]);
    for (i = 0; rc == 0 && i < o->n; i++)
        if (o->at[i].was_alias && o->at[i].there)
            rc = write_one(g, &o->at[i], 1);
    return rc;
}

/* The outcome was made out of one view: it is void when somebody has committed since. */
static int check_view(group *g)
{
    krbrepl_store_info info;
    krbrepl_pos pos;
    int rc;

    KRBREPL_INIT(&info);
    if ((rc = krbrepl_store_info_get(g->o->store, &info)) != 0 ||
        (rc = krbrepl_view_pos(g->o->view, &pos)) != 0)
        return krbrepl__common_store_fail(g->o->store, rc, g->ei);
    g->out->pos = info.pos;
    if (memcmp(&pos.chain, &info.pos.chain, sizeof pos.chain) == 0)
        return 0;
    return krbrepl__fail(g->ei, KRBREPL_ERR_CONFLICT,
                         "the database was changed while the file was read; do it again");
}

int krbrepl__heim_overlay_commit(krbrepl__heim_overlay *o, const char *who, const char *why,
                                 krbrepl__heim_outcome *out, krbrepl_errinfo *ei)
{
    krbrepl_txn_options opt;
    group g = {o, &opt, NULL, 0, 0, out, ei};
    int rc;

    memset(out, 0, sizeof *out);
    KRBREPL_INIT(&opt);
    opt.who = who;
    opt.why = why;
    /* The writer's lock is held from here on, so that nobody comes between this look and the first commit. */
    rc = begin(&g);
    if (rc == 0)
        rc = check_view(&g);
    if (rc == 0)
        rc = settle_all(&g);
    if (rc == 0)
        rc = commit(&g);
    krbrepl_txn_abort(g.txn);
    return rc;
}
