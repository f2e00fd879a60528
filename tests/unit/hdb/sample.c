#include "sample.h"

krbrepl_bytes sample_read(const char *name)
{
    krbrepl_bytes out = {NULL, 0};
    char path[512], *data;
    FILE *f;
    long n;

    snprintf(path, sizeof path, "%s/%s", SAMPLES, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    assert_true(n > 0);
    rewind(f);
    data = malloc((size_t)n);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)n, f), (size_t)n);
    fclose(f);
    out.data = data;
    out.len = (size_t)n;
    return out;
}

void sample_drop(krbrepl_bytes *b)
{
    free((void *)(uintptr_t)b->data);
    b->data = NULL;
    b->len = 0;
}

int sample_hprop_next(krbrepl__rd *r, krbrepl_bytes *entry)
{
    if (r->left == 0)
        return 0;
    *entry = krbrepl__rd_vec32(r);
    assert_int_equal(r->err, 0);
    return entry->len != 0;
}

static krbrepl_bytes copy(krbrepl_bytes b)
{
    krbrepl_bytes out = {malloc(b.len + 1), b.len};

    assert_non_null(out.data);
    memcpy((void *)(uintptr_t)out.data, b.data, b.len);
    return out;
}

/* Where the key is; recs->n: nowhere. */
static size_t find(const sample_recs *recs, krbrepl_bytes key)
{
    size_t i = 0;

    while (i < recs->n &&
           (recs->key[i].len != key.len || memcmp(recs->key[i].data, key.data, key.len) != 0))
        i++;
    return i;
}

static int get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    sample_recs *recs = ctx;
    size_t at = find(recs, key);

    (void)ei;
    if (at == recs->n)
        return KRBREPL_ERR_NOTFOUND;
    *value = recs->value[at];
    return 0;
}

static int put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    sample_recs *recs = ctx;
    size_t at = find(recs, key);

    (void)ei;
    value = copy(value);
    if (at < recs->n) {
        sample_drop(&recs->value[at]);
    } else {
        assert_true(recs->n < sizeof recs->key / sizeof recs->key[0]);
        recs->key[recs->n++] = copy(key);
    }
    recs->value[at] = value;
    return 0;
}

static int del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    sample_recs *recs = ctx;
    size_t at = find(recs, key);

    (void)ei;
    assert_true(at < recs->n);
    sample_drop(&recs->key[at]);
    sample_drop(&recs->value[at]);
    recs->n--;
    recs->key[at] = recs->key[recs->n];
    recs->value[at] = recs->value[recs->n];
    return 0;
}

void sample_free(sample_recs *recs)
{
    while (recs->n != 0) {
        recs->n--;
        sample_drop(&recs->key[recs->n]);
        sample_drop(&recs->value[recs->n]);
    }
}

void sample_rows(krbrepl__hdb_rows *out, sample_recs *recs)
{
    memset(out, 0, sizeof *out);
    out->get = get;
    out->put = put;
    out->del = del;
    out->ctx = recs;
}

krbrepl_bytes sample_get(const sample_recs *recs, const char *name)
{
    krbrepl_bytes key, none = {NULL, 0};
    krbrepl__buf hold, b;
    krbrepl__hdb_princ p;
    size_t at;

    krbrepl__buf_init(&hold, 0);
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__hdb_princ_parse(&p, name, NULL, &hold, NULL), 0);
    krbrepl__hdb_key(&b, &p);
    key.data = b.data;
    key.len = b.len;
    at = find(recs, key);
    krbrepl__buf_free(&hold);
    krbrepl__buf_free(&b);
    return at < recs->n ? recs->value[at] : none;
}

void sample_comparable(krbrepl_bytes entry, krbrepl__buf *out)
{
    krbrepl__hdb_entry e;

    assert_int_equal(krbrepl__hdb_entry_read(&e, entry, NULL), 0);
    e.field[KRBREPL__HDB_GENERATION].data = NULL;
    krbrepl__hdb_entry_write(out, &e);
    assert_int_equal(out->err, 0);
}
