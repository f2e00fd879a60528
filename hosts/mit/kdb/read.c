/* read.c: reading one record, and walking through a table.
 *
 * Under a shared lock (kdb5_util dump) everything is read at one position. A walk whose callback may write
 * keeps no view open, for a view would hold every page that these commits replace: a million re-encrypted
 * principals are some 20 GB of them. It reads names in slices, and each record when its turn comes. */
#include "kdbmod.h"

#include <errno.h>
#include <string.h>

#include "mem.h"

#define SLICE 256u

/* ---- one record ------------------------------------------------------------------------------- */

static int copy_value(krbrepl_bytes from, void **value, size_t *len)
{
    *value = krbrepl__alloc(from.len);
    if (*value == NULL)
        return KRBREPL_ERR_NOMEM;
    if (from.len != 0)
        memcpy(*value, from.data, from.len);
    *len = from.len;
    return 0;
}

static int read_view(krbrepl_view *v, const char *table, krbrepl_bytes key, void **value, size_t *len)
{
    krbrepl_bytes found;
    int rc = krbrepl_view_get(v, table, key, &found);

    return rc == 0 ? copy_value(found, value, len) : rc;
}

/* What load -update has written is seen before it is committed. */
static int read_group(krbrepl_txn *t, const char *table, krbrepl_bytes key, void **value, size_t *len)
{
    krbrepl_bytes found;
    int rc = krbrepl_txn_get(t, table, key, &found);

    return rc == 0 ? copy_value(found, value, len) : rc;
}

krb5_error_code krbrepl__kdb_read(krb5_context ctx, krbrepl__kdb *h, const char *table,
                                  krbrepl_bytes key, void **value, size_t *len)
{
    krbrepl_view *v = h->view;
    int rc = 0;

    *value = NULL;
    if (h->group != NULL) {
        rc = read_group(h->group, table, key, value, len);
    } else {
        if (v == NULL)
            rc = krbrepl_view_open(h->store, &v);
        if (rc == 0)
            rc = read_view(v, table, key, value, len);
        if (v != h->view)
            krbrepl_view_close(v);
    }
    if (rc == KRBREPL_ERR_NOTFOUND)
        return KRB5_KDB_NOENTRY;
    return rc != 0 ? krbrepl__kdb_fail(ctx, h, rc, "reading") : 0;
}

/* ---- walking at one position ------------------------------------------------------------------ */

struct walk {
    krb5_context ctx;
    krbrepl__kdb *h;
    krbrepl__kdb_each_fn *fn;
    void *arg;
    krb5_error_code err;
};

static int walk_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct walk *w = ctx;

    (void)table;
    w->err = w->fn(w->ctx, w->h, w->arg, key, value);
    return w->err != 0;
}

static krb5_error_code each_still(struct walk *w, const char *table, uint64_t flags)
{
    krbrepl_view *v = w->h->view;
    int rc = 0;

    if (v == NULL)
        rc = krbrepl_view_open(w->h->store, &v);
    if (rc == 0)
        rc = krbrepl_view_each(v, table, NULL, NULL, flags, walk_one, w);
    /* A callback may have ended the lock, and with it the view of the lock. */
    if (v != NULL && v != w->h->view)
        krbrepl_view_close(v);
    if (w->err != 0)
        return w->err;
    return rc != 0 ? krbrepl__kdb_fail(w->ctx, w->h, rc, "reading the database") : 0;
}

/* ---- walking while the callback writes -------------------------------------------------------- */

struct slice {
    uint8_t *key[SLICE];
    size_t len[SLICE];
    unsigned n;
    krbrepl_bytes after; /* the last key of the slice before: not again */
};

static void slice_empty(struct slice *s)
{
    unsigned i;

    for (i = 0; i < s->n; i++)
        krbrepl__free(s->key[i], s->len[i]);
    s->n = 0;
}

static int slice_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct slice *s = ctx;

    (void)table;
    (void)value;
    if (s->after.data != NULL && s->after.len == key.len &&
        memcmp(s->after.data, key.data, key.len) == 0)
        return 0;
    if (s->n == SLICE)
        return 1;
    s->key[s->n] = krbrepl__alloc(key.len);
    if (s->key[s->n] == NULL)
        return KRBREPL_ERR_NOMEM;
    memcpy(s->key[s->n], key.data, key.len);
    s->len[s->n++] = key.len;
    return 0;
}

static int slice_fill(struct walk *w, struct slice *s, const char *table, uint64_t flags)
{
    const krbrepl_bytes *from = s->after.data != NULL ? &s->after : NULL;
    krbrepl_view *v = NULL;
    int rc = krbrepl_view_open(w->h->store, &v);

    if (rc == 0)
        rc = (flags & KRBREPL_EACH_REVERSE) != 0
                 ? krbrepl_view_each(v, table, NULL, from, flags, slice_one, s)
                 : krbrepl_view_each(v, table, from, NULL, flags, slice_one, s);
    krbrepl_view_close(v);
    return rc > 0 ? 0 : rc;
}

static krb5_error_code slice_call(struct walk *w, const struct slice *s, const char *table)
{
    krb5_error_code err = 0;
    krbrepl_bytes key;
    void *value;
    size_t len;
    unsigned i;

    for (i = 0; i < s->n && err == 0; i++) {
        key = (krbrepl_bytes){s->key[i], s->len[i]};
        err = krbrepl__kdb_read(w->ctx, w->h, table, key, &value, &len);
        if (err == KRB5_KDB_NOENTRY) {
            err = 0; /* deleted meanwhile */
            continue;
        }
        if (err == 0)
            err = w->fn(w->ctx, w->h, w->arg, key, (krbrepl_bytes){value, len});
        krbrepl__free(value, value != NULL ? len : 0);
    }
    return err;
}

static krb5_error_code each_live(struct walk *w, const char *table, uint64_t flags)
{
    struct slice s = {.n = 0, .after = {NULL, 0}};
    krb5_error_code err = 0;
    uint8_t *last = NULL;
    size_t last_len = 0;
    int rc;

    for (;;) {
        rc = slice_fill(w, &s, table, flags);
        if (rc != 0)
            err = krbrepl__kdb_fail(w->ctx, w->h, rc, "reading the database");
        if (err != 0 || s.n == 0)
            break;
        err = slice_call(w, &s, table);
        krbrepl__free(last, last_len);
        s.n--;
        last = s.key[s.n];
        last_len = s.len[s.n];
        s.after = (krbrepl_bytes){last, last_len};
        slice_empty(&s);
        if (err != 0)
            break;
    }
    slice_empty(&s);
    krbrepl__free(last, last_len);
    return err;
}

krb5_error_code krbrepl__kdb_each(krb5_context ctx, krbrepl__kdb *h, const char *table, int reverse,
                                  int live, krbrepl__kdb_each_fn *fn, void *arg)
{
    struct walk w = {ctx, h, fn, arg, 0};
    uint64_t flags = reverse ? KRBREPL_EACH_REVERSE : 0;

    return live ? each_live(&w, table, flags) : each_still(&w, table, flags);
}
