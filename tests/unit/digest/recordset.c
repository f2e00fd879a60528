#include "recordset.h"

const uint8_t set_id[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
static uint64_t state;

uint64_t chance(uint64_t below)
{
    uint64_t z;

    state += 0x9e3779b97f4a7c15u;
    z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

void set_init(set *s, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->at = calloc(MOST, sizeof *s->at);
    assert_non_null(s->at);
    state = seed;
}

size_t set_find(const set *s, const void *key, size_t len)
{
    size_t lo = 0, hi = s->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (krbrepl__bytes_cmp(s->at[mid].key, s->at[mid].len, key, len) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int seek(void *ctx, const void *from, size_t len)
{
    set *s = ctx;

    s->here = len == 0 ? 0 : set_find(s, from, len);
    s->seeks++;
    return 0;
}

static int next(void *ctx, krbrepl_bytes *ckey, const uint8_t **rdigest)
{
    set *s = ctx;

    s->reads++;
    if (s->fail_at != 0 && s->reads == s->fail_at)
        return KRBREPL_ERR_IO;
    if (s->here == s->n)
        return 0;
    ckey->data = s->at[s->here].key;
    ckey->len = s->at[s->here].len;
    *rdigest = s->at[s->here++].rd;
    return 1;
}

krbrepl__dtree_source set_source(set *s)
{
    krbrepl__dtree_source src = {s, seek, next};

    return src;
}

void put(set *s, const void *key, size_t len)
{
    size_t i = set_find(s, key, len), k;

    if (i == s->n || krbrepl__bytes_cmp(s->at[i].key, s->at[i].len, key, len) != 0) {
        assert_true(s->n < MOST);
        memmove(s->at + i + 1, s->at + i, (s->n - i) * sizeof *s->at);
        memcpy(s->at[i].key, key, len);
        s->at[i].len = len;
        s->n++;
    }
    for (k = 0; k < KRBREPL__RDIGEST; k++)
        s->at[i].rd[k] = (uint8_t)chance(256);
}

void del(set *s, size_t i)
{
    memmove(s->at + i, s->at + i + 1, (s->n - i - 1) * sizeof *s->at);
    s->n--;
}

size_t draw_key(krbrepl__sha *h, const way *w, uint8_t key[KRBREPL__CKEY_MAX])
{
    uint64_t bound;
    size_t len;

    do {
        len = (size_t)sprintf((char *)key, "k%05u", (unsigned)chance((uint64_t)w->range));
        if (w->longest != 0 && chance(8) == 0) {
            size_t more = 1 + (size_t)chance((uint64_t)w->longest);

            memset(key + len, 'x', more);
            len += more;
        }
        assert_int_equal(krbrepl__digest_bound(h, set_id, key, len, &bound), 0);
    } while (w->tame && krbrepl__digest_begins_leaf(bound) && chance(200) != 0);
    return len;
}

void fill(krbrepl__sha *h, set *s, const way *w, unsigned n)
{
    uint8_t key[KRBREPL__CKEY_MAX];

    while (s->n < n)
        put(s, key, draw_key(h, w, key));
}

void scratch_root(const set *s, uint8_t root[32])
{
    krbrepl__digest *d = krbrepl__digest_new(set_id);
    size_t i;

    assert_non_null(d);
    for (i = 0; i < s->n; i++)
        assert_int_equal(krbrepl__digest_add(d, s->at[i].key, s->at[i].len, s->at[i].rd), 0);
    assert_int_equal(krbrepl__digest_root(d, root), 0);
    krbrepl__digest_free(d);
}

void rehash_all(krbrepl__dtree *t, set *s)
{
    krbrepl__dtree_source src = set_source(s);

    while (krbrepl__dtree_rehash(t, &src, 1 + chance(300)) == 1)
        ;
}
