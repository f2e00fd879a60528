/* What is done to the store of a master: commits of entries as a host makes them (masterworld.h). */
#include "masterworld.h"

#include <string.h>

static krbrepl_bytes bytes_of(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

typedef struct group {
    krbrepl__buf changes;
    uint32_t n;
} group;

static void add(group *g, const char *table, krbrepl_bytes key, const krbrepl__buf *value)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.table = table;
    c.key = key;
    c.op = value != NULL ? KRBREPL_PUT : KRBREPL_DELETE;
    if (value != NULL)
        c.value = bytes_of(value);
    krbrepl__change_put(&g->changes, &c);
    g->n++;
}

static krbrepl_bytes stored_full(const world *w, const krbrepl__change_view *v)
{
    krbrepl_bytes value = {NULL, 0};
    krbrepl__buf full;
    int same;
    size_t i;

    krbrepl__buf_init(&full, 0);
    krbrepl__buf_bytes(&full, v->table, v->table_len + 1);
    krbrepl__buf_bytes(&full, v->key.data, v->key.len);
    i = memrecs_find(&w->ms.live, bytes_of(&full), &same);
    krbrepl__buf_free(&full);
    if (same)
        value = w->ms.live.at[i].value;
    return value;
}

/* What stands at the record of `v` before it, in the commit or before that. `data` NULL: nothing. */
static krbrepl_bytes stands(const world *w, const krbrepl__commit *c, const krbrepl__change_view *v)
{
    krbrepl_bytes value = stored_full(w, v);
    krbrepl__change_view other;
    krbrepl__change_it it;

    krbrepl__commit_each(c, &it);
    while (krbrepl__commit_next(&it, &other) == 1 && other.key.data != v->key.data)
        if (strcmp(other.table, v->table) == 0 && other.key.len == v->key.len &&
            memcmp(other.key.data, v->key.data, v->key.len) == 0)
            value = other.op == KRBREPL_PUT ? other.value : (krbrepl_bytes){NULL, 0};
    return value;
}

/* As a store does: what is made anew is deleted before. */
static void mark(world *w, group *g)
{
    krbrepl__commit c = {.nchanges = g->n, .body = bytes_of(&g->changes)};
    group out = {.n = 0};
    krbrepl__change_view v;
    krbrepl__change_it it;

    krbrepl__buf_init(&out.changes, 0);
    krbrepl__commit_each(&c, &it);
    while (krbrepl__commit_next(&it, &v) == 1) {
        krbrepl_bytes was = stands(w, &c, &v);
        krbrepl__buf value;

        krbrepl__buf_init(&value, 0);
        krbrepl__buf_bytes(&value, v.value.data, v.value.len);
        if (v.op == KRBREPL_PUT && was.data != NULL && strcmp(v.table, KRBREPL__HDB_TABLE) == 0 &&
            !krbrepl__hdb_modifiable(v.key, was, v.value))
            add(&out, v.table, v.key, NULL);
        if (v.op == KRBREPL_PUT || was.data != NULL)
            add(&out, v.table, v.key, v.op == KRBREPL_PUT ? &value : NULL);
        krbrepl__buf_free(&value);
    }
    krbrepl__buf_free(&g->changes);
    *g = out;
}

static int what_was_there(const world *w, const krbrepl__commit *c)
{
    int existed = 0, fresh = 0, deleted = 0;
    krbrepl__change_view v;
    krbrepl__change_it it;

    krbrepl__commit_each(c, &it);
    while (krbrepl__commit_next(&it, &v) == 1) {
        krbrepl_bytes was = stands(w, c, &v);

        deleted |= v.op == KRBREPL_DELETE;
        if (v.op == KRBREPL_PUT && was.data != NULL)
            existed = 1;
        else if (v.op == KRBREPL_PUT && stored_full(w, &v).data == NULL)
            fresh = 1;
    }
    if (fresh && (existed || deleted))
        return KRBREPL__PRIOR_UNKNOWN;
    return fresh ? KRBREPL__PRIOR_NEW : KRBREPL__PRIOR_EXISTED;
}

static void commit(world *w, group *g)
{
    krbrepl__commit c;
    krbrepl__buf b;
    krbrepl_bytes one;
    krbrepl_pos pos;

    if (w->gathers) {
        krbrepl__buf_bytes(&w->gathered, g->changes.data, g->changes.len);
        w->ngathered += g->n;
        krbrepl__buf_free(&g->changes);
        return;
    }
    mark(w, g);
    if (g->n == 0) {
        krbrepl__buf_free(&g->changes);
        return;
    }
    memset(&c, 0, sizeof c);
    w->cumulative += g->n;
    c.kind = KRBREPL_COMMIT_CHANGES;
    c.seq = w->ms.local.pos.seq + 1;
    c.epoch = w->ms.local.pos.epoch;
    memcpy(c.lineage, w->ms.local.pos.lineage, sizeof c.lineage);
    c.time_us = 1800000000000000;
    c.cumulative = w->cumulative;
    c.nchanges = g->n;
    c.body = bytes_of(&g->changes);
    krbrepl__buf_init(&b, 0);
    krbrepl__commit_put(&b, &c);
    one = bytes_of(&b);
    assert_true(c.seq < sizeof w->prior);
    w->prior[c.seq] = (uint8_t)what_was_there(w, &c);
    assert_int_equal(w->port.apply(w->port.ctx, &one, 1, &pos), 0);
    w->ms.local.cumulative = w->cumulative;
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&g->changes);
    if (w->sess != NULL)
        krbrepl__sess_grown(w->sess, w->ms.local.pos.seq);
}

/* The value in the store, or NULL. */
static const memrec *stored(const world *w, const krbrepl__buf *key)
{
    krbrepl__buf full;
    int same;
    size_t i;

    krbrepl__buf_init(&full, 0);
    krbrepl__buf_bytes(&full, KRBREPL__HDB_TABLE, sizeof KRBREPL__HDB_TABLE);
    krbrepl__buf_bytes(&full, key->data, key->len);
    i = memrecs_find(&w->ms.live, bytes_of(&full), &same);
    krbrepl__buf_free(&full);
    return same ? &w->ms.live.at[i] : NULL;
}

/* The rows of the aliases that an entry has now, unless it keeps them. */
static void drop_aliases(world *w, group *g, const char *name, const made *keeps)
{
    krbrepl__hdb_entry e;
    krbrepl__hdb_princ alias;
    krbrepl__buf key;
    const memrec *r;
    krbrepl__rd rd;

    krbrepl__buf_init(&key, 0);
    made_key(&key, name);
    r = stored(w, &key);
    if (r != NULL && krbrepl__hdb_kind(r->value) == KRBREPL__HDB_ENTRY) {
        assert_int_equal(krbrepl__hdb_entry_read(&e, r->value, NULL), 0);
        krbrepl__rd_init(&rd, e.aliases.data, e.aliases.len);
        while (krbrepl__hdb_alias_next(&rd, &alias)) {
            int i, kept = 0;

            for (i = 0; keeps != NULL && keeps->aliases[i] != NULL; i++)
                kept |= strlen(keeps->aliases[i]) == alias.comp[0].len &&
                        memcmp(keeps->aliases[i], alias.comp[0].data, alias.comp[0].len) == 0;
            krbrepl__buf_reset(&key);
            krbrepl__hdb_key(&key, &alias);
            if (!kept)
                add(g, KRBREPL__HDB_TABLE, bytes_of(&key), NULL);
        }
    }
    krbrepl__buf_free(&key);
}

void world_put(world *w, const made *e)
{
    group g = {.n = 0};
    krbrepl__buf key, value;
    int i;

    krbrepl__buf_init(&g.changes, 0);
    krbrepl__buf_init(&key, 0);
    krbrepl__buf_init(&value, 0);
    made_key(&key, e->name);
    made_entry(&value, e);
    drop_aliases(w, &g, e->name, e);
    add(&g, KRBREPL__HDB_TABLE, bytes_of(&key), &value);
    made_alias(&value, e->name);
    for (i = 0; e->aliases[i] != NULL; i++) {
        made_key(&key, e->aliases[i]);
        add(&g, KRBREPL__HDB_TABLE, bytes_of(&key), &value);
    }
    krbrepl__buf_free(&key);
    krbrepl__buf_free(&value);
    commit(w, &g);
}

int world_has(const world *w, const char *name)
{
    krbrepl__buf key;
    int found;

    krbrepl__buf_init(&key, 0);
    made_key(&key, name);
    found = stored(w, &key) != NULL;
    krbrepl__buf_free(&key);
    return found;
}

void world_delete(world *w, const char *name)
{
    group g = {.n = 0};
    krbrepl__buf key;

    krbrepl__buf_init(&g.changes, 0);
    krbrepl__buf_init(&key, 0);
    made_key(&key, name);
    drop_aliases(w, &g, name, NULL);
    add(&g, KRBREPL__HDB_TABLE, bytes_of(&key), NULL);
    krbrepl__buf_free(&key);
    commit(w, &g);
}

void world_other(world *w, const char *table)
{
    group g = {.n = 0};
    krbrepl__buf value;

    krbrepl__buf_init(&g.changes, 0);
    krbrepl__buf_init(&value, 0);
    krbrepl__buf_bytes(&value, "v", 1);
    add(&g, table, (krbrepl_bytes){"k", 1}, &value);
    krbrepl__buf_free(&value);
    commit(w, &g);
}

void world_gather(world *w)
{
    krbrepl__buf_init(&w->gathered, 0);
    w->ngathered = 0;
    w->gathers = 1;
}

void world_commit(world *w)
{
    group g = {w->gathered, w->ngathered};

    w->gathers = 0;
    commit(w, &g);
}

static int same_change(const krbrepl__change_view *a, const krbrepl__change_view *b)
{
    return strcmp(a->table, b->table) == 0 && a->key.len == b->key.len &&
           memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

void world_commit_shuffled(world *w)
{
    krbrepl__commit c = {.nchanges = w->ngathered, .body = bytes_of(&w->gathered)};
    krbrepl__change_view v[64], swap;
    group g = {.n = 0};
    krbrepl__buf value;
    krbrepl__change_it it;
    uint32_t n = 0, i, k;

    assert_true(w->ngathered <= 64);
    krbrepl__commit_each(&c, &it);
    while (krbrepl__commit_next(&it, &v[n]) == 1) {
        for (i = 0; i < n && !same_change(&v[i], &v[n]); i++)
            continue;
        v[i] = v[n];
        n += i == n;
    }
    krbrepl__buf_init(&g.changes, 0);
    krbrepl__buf_init(&value, 0);
    for (i = 0; i < n; i++) {
        k = i + world_random(w, n - i);
        swap = v[i];
        v[i] = v[k];
        v[k] = swap;
        krbrepl__buf_reset(&value);
        krbrepl__buf_bytes(&value, v[i].value.data, v[i].value.len);
        add(&g, v[i].table, v[i].key, v[i].op == KRBREPL_PUT ? &value : NULL);
    }
    krbrepl__buf_free(&value);
    krbrepl__buf_free(&w->gathered);
    w->gathers = 0;
    commit(w, &g);
}
