#include "memrecs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *mem_must(void *p)
{
    if (p == NULL) {
        fprintf(stderr, "memport: out of memory\n");
        abort();
    }
    return p;
}

krbrepl_bytes mem_dup(krbrepl_bytes b)
{
    uint8_t *p = mem_must(malloc(b.len + 1));
    krbrepl_bytes out = {p, b.len};

    if (b.len != 0)
        memcpy(p, b.data, b.len);
    return out;
}

void mem_drop(krbrepl_bytes *b)
{
    free((void *)(uintptr_t)b->data);
    b->data = NULL;
    b->len = 0;
}

static krbrepl_bytes ckey_bytes(const krbrepl__ckey *k)
{
    krbrepl_bytes b = {k->b, k->len};

    return b;
}

void memrecs_free(memrecs *r)
{
    size_t i;

    for (i = 0; i < r->n; i++) {
        mem_drop(&r->at[i].key);
        mem_drop(&r->at[i].value);
    }
    free(r->at);
    memset(r, 0, sizeof *r);
}

size_t memrecs_find(const memrecs *r, krbrepl_bytes k, int *same)
{
    size_t lo = 0, hi = r->n;

    *same = 0;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = krbrepl__bytes_cmp(r->at[mid].ckey.b, r->at[mid].ckey.len, k.data, k.len);

        if (c == 0)
            *same = 1;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void memrecs_put(memrecs *r, const krbrepl__ckey *k, krbrepl_bytes key, krbrepl_bytes value)
{
    int same;
    size_t at = memrecs_find(r, ckey_bytes(k), &same);

    if (same) {
        mem_drop(&r->at[at].value);
        r->at[at].value = mem_dup(value);
        return;
    }
    if (r->n == r->room) {
        r->room = r->room * 2 + 16;
        r->at = mem_must(realloc(r->at, r->room * sizeof r->at[0]));
    }
    memmove(r->at + at + 1, r->at + at, (r->n - at) * sizeof r->at[0]);
    r->at[at].ckey = *k;
    r->at[at].key = mem_dup(key);
    r->at[at].value = mem_dup(value);
    r->n++;
}

void memrecs_delete(memrecs *r, const krbrepl__ckey *k)
{
    int same;
    size_t at = memrecs_find(r, ckey_bytes(k), &same);

    if (!same)
        return;
    mem_drop(&r->at[at].key);
    mem_drop(&r->at[at].value);
    memmove(r->at + at, r->at + at + 1, (r->n - at - 1) * sizeof r->at[0]);
    r->n--;
}

void memrecs_copy(memrecs *to, const memrecs *from)
{
    size_t i;

    for (i = 0; i < from->n; i++)
        memrecs_put(to, &from->at[i].ckey, from->at[i].key, from->at[i].value);
}
