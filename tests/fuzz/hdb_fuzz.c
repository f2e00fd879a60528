/* Bytes of Heimdal: an entry, or records of its log. What is read whole is written again to the same bytes, and
 * what can be applied, merged or sealed is so without a step outside of it. */
#include <string.h>

#include "apply.h"
#include "fuzz.h"
#include "recrypt.h"

/* An encryption that shows whether the bytes come back: one byte in front. */
static int seal(void *ctx, krbrepl_bytes in, krbrepl__buf *out, uint32_t *mkvno, krbrepl_errinfo *ei)
{
    (void)ctx;
    (void)ei;
    *mkvno = 1;
    krbrepl__buf_u8(out, 0x5a);
    krbrepl__buf_bytes(out, in.data, in.len);
    return 0;
}

static void look_at_entry(krbrepl_bytes in)
{
    static const krbrepl__hdb_cipher cipher = {seal, NULL, NULL};
    krbrepl__hdb_entry e, again;
    krbrepl__buf b, sealed;
    krbrepl_bytes v;

    if (krbrepl__hdb_entry_read(&e, in, NULL) != 0)
        return;
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_init(&sealed, 0);
    krbrepl__hdb_entry_write(&b, &e);
    MUST(b.err == 0 && b.len == in.len && memcmp(b.data, in.data, in.len) == 0);
    MUST(krbrepl__hdb_recrypt(&sealed, in, &cipher, NULL) == 0);
    v.data = sealed.data;
    v.len = sealed.len;
    MUST(krbrepl__hdb_entry_read(&again, v, NULL) == 0);
    MUST(again.clear == 0 && again.nkeys == e.nkeys &&
         krbrepl__hdb_princ_equal(&again.princ, &e.princ));
    krbrepl__buf_reset(&b);
    if (krbrepl__hdb_merge(&b, v, &e, KRBREPL__HDB_MASK_ALL, NULL) == 0) {
        v.data = b.data;
        v.len = b.len;
        MUST(krbrepl__hdb_entry_read(&again, v, NULL) == 0);
    }
    krbrepl__buf_free(&b);
    krbrepl__buf_free(&sealed);
}

#ifdef KRBREPL_FUZZ_HDB_LOG

/* One record at a time is there. */
typedef struct one {
    krbrepl__buf key, value;
} one;

static int get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    one *o = ctx;

    (void)ei;
    if (o->key.len == 0 || o->key.len != key.len || memcmp(o->key.data, key.data, key.len) != 0)
        return KRBREPL_ERR_NOTFOUND;
    value->data = o->value.data;
    value->len = o->value.len;
    return 0;
}

static int put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    one *o = ctx;

    (void)ei;
    krbrepl__buf_reset(&o->key);
    krbrepl__buf_reset(&o->value);
    krbrepl__buf_bytes(&o->key, key.data, key.len);
    krbrepl__buf_bytes(&o->value, value.data, value.len);
    return 0;
}

static int del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    krbrepl_bytes value;

    MUST(get(ctx, key, &value, ei) == 0);
    krbrepl__buf_reset(&((one *)ctx)->key);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl__hdb_header h;
    krbrepl__hdb_rec rec;
    krbrepl__rd r;
    one o;
    krbrepl__hdb_rows rows = {get, put, del, NULL, &o, n % 2 != 0};

    krbrepl__buf_init(&o.key, 0);
    krbrepl__buf_init(&o.value, 0);
    krbrepl__rd_init(&r, p, n);
    if (n >= KRBREPL__HDB_HEADER_LEN && krbrepl__hdb_header_read(p, &h) == 0)
        (void)krbrepl__rd_view(&r, KRBREPL__HDB_HEADER_LEN);
    while (r.left != 0 && krbrepl__hdb_rec_read(&r, &rec, NULL) == 0) {
        if (rec.der.data != NULL)
            look_at_entry(rec.der);
        (void)krbrepl__hdb_apply(&rows, &rec, NULL, NULL);
    }
    krbrepl__buf_free(&o.key);
    krbrepl__buf_free(&o.value);
    return 0;
}

#else

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    krbrepl_bytes in = {p, n};
    krbrepl__hdb_princ target;

    look_at_entry(in);
    (void)krbrepl__hdb_alias_read(&target, in, NULL);
    return 0;
}

#endif
