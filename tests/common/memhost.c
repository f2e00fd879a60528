#include "memhost.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <krbrepl/error.h>

#define FULL 77 /* a number of the host's own */

memhost *memhost_new(void)
{
    memhost *h = mmap(NULL, sizeof *h, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (h == MAP_FAILED)
        return NULL;
    h->die_after = -1;
    return h;
}

void memhost_free(memhost *h)
{
    munmap(h, sizeof *h);
}

static memhost_record *find(memhost_record *in, const char *table, krbrepl_bytes key)
{
    int i;

    for (i = 0; i < MEMHOST_RECORDS; i++)
        if (in[i].used && in[i].klen == key.len && strcmp(in[i].table, table) == 0 &&
            memcmp(in[i].key, key.data, key.len) == 0)
            return &in[i];
    return NULL;
}

static int change(memhost_record *in, const krbrepl_change *c)
{
    memhost_record *r = find(in, c->table, c->key);
    int i;

    if (c->op == KRBREPL_DELETE) {
        if (r != NULL)
            r->used = 0;
        return 0;
    }
    for (i = 0; r == NULL && i < MEMHOST_RECORDS; i++)
        if (!in[i].used)
            r = &in[i];
    if (r == NULL || c->key.len > MEMHOST_KEY || c->value.len > MEMHOST_VALUE)
        return FULL;
    r->used = 1;
    memset(r->table, 0, sizeof r->table);
    memcpy(r->table, c->table, strlen(c->table));
    r->klen = c->key.len;
    r->vlen = c->value.len;
    memcpy(r->key, c->key.data, c->key.len);
    if (c->value.len != 0)
        memcpy(r->value, c->value.data, c->value.len);
    return 0;
}

static int on_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    memhost_record *r = find(((memhost *)ctx)->at, table, key);

    if (r == NULL)
        return KRBREPL_ERR_NOTFOUND;
    value->data = r->value;
    value->len = r->vlen;
    return 0;
}

static int on_apply(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    memhost *h = ctx;
    size_t i;
    int rc = 0;

    h->applies++;
    if (h->die_at_end && to != NULL)
        _exit(9);
    for (i = 0; rc == 0 && i < n; i++) {
        if (h->die_after >= 0 && i == (size_t)h->die_after)
            _exit(9);
        if (h->fail_with != 0 && i == (size_t)h->whole)
            return h->fail_with;
        rc = change(h->at, c[i]);
    }
    if (h->die_after >= 0 && i == (size_t)h->die_after)
        _exit(9);
    if (h->fail_with != 0)
        return h->fail_with;
    if (rc == 0 && to != NULL)
        h->to = *to;
    return rc;
}

static int on_import_begin(void *ctx)
{
    memhost *h = ctx;
    int i;

    for (i = 0; i < MEMHOST_RECORDS; i++)
        h->import[i].used = 0;
    h->importing = 1;
    h->steps = 0;
    return 0;
}

static int on_import_change(void *ctx, const krbrepl_change *c)
{
    return change(((memhost *)ctx)->import, c);
}

static void take_over(memhost *h, int i)
{
    memhost_record *to = &h->at[i], *from = &h->import[i];

    to->used = from->used;
    if (!from->used)
        return;
    memcpy(to->table, from->table, sizeof to->table);
    to->klen = from->klen;
    to->vlen = from->vlen;
    memcpy(to->key, from->key, from->klen);
    memcpy(to->value, from->value, from->vlen);
}

static int on_import_step(void *ctx, int *more)
{
    memhost *h = ctx;

    if (h->die_after >= 0 && h->steps == h->die_after)
        _exit(9);
    if (h->fail_with != 0 && h->steps == h->whole)
        return h->fail_with;
    take_over(h, h->steps++);
    *more = h->steps < MEMHOST_RECORDS;
    return 0;
}

static int on_import_commit(void *ctx, const krbrepl_pos *to)
{
    memhost *h = ctx;
    int i;

    if (h->die_at_end)
        _exit(9);
    if (h->fail_with != 0)
        return h->fail_with;
    for (i = 0; i < MEMHOST_RECORDS; i++)
        take_over(h, i);
    h->to = *to;
    h->importing = 0;
    h->imports++;
    if (h->die_after >= 0)
        _exit(9);
    return 0;
}

static void on_import_abort(void *ctx)
{
    ((memhost *)ctx)->importing = 0;
}

krbrepl_host_ops memhost_ops(int import)
{
    krbrepl_host_ops o;

    KRBREPL_INIT(&o);
    o.get = on_get;
    o.apply = on_apply;
    if (import) {
        o.import_begin = on_import_begin;
        o.import_change = on_import_change;
        o.import_commit = on_import_commit;
        o.import_abort = on_import_abort;
        o.import_step = import == 2 ? on_import_step : NULL;
    }
    return o;
}

const char *memhost_value(memhost *h, const char *table, const char *key)
{
    static char text[256];
    memhost_record *r = find(h->at, table, (krbrepl_bytes){key, strlen(key)});

    if (r == NULL)
        return NULL;
    snprintf(text, sizeof text, "%.*s", (int)r->vlen, (const char *)r->value);
    return text;
}

void memhost_set(memhost *h, const char *table, const char *key, const char *value)
{
    krbrepl_change c;

    KRBREPL_INIT(&c);
    c.table = table;
    c.key = (krbrepl_bytes){key, strlen(key)};
    c.op = value != NULL ? KRBREPL_PUT : KRBREPL_DELETE;
    if (value != NULL)
        c.value = (krbrepl_bytes){value, strlen(value)};
    (void)change(h->at, &c);
}

size_t memhost_count(const memhost *h)
{
    size_t i, n = 0;

    for (i = 0; i < MEMHOST_RECORDS; i++)
        n += h->at[i].used != 0;
    return n;
}
