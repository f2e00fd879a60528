/* Dump files: what the reader takes, the decoders take, and what the writer makes of it reads back the same. */
#include <string.h>

#include "fuzz.h"
#include "reader.h"
#include "writer.h"

struct input {
    const uint8_t *data;
    size_t left;
};

static ssize_t take(void *ctx, void *buf, size_t n)
{
    struct input *in = ctx;

    if (n > in->left)
        n = in->left;
    if (n != 0)
        memcpy(buf, in->data, n);
    in->data += n;
    in->left -= n;
    return (ssize_t)n;
}

/* The one record of a file that the writer made. */
static void check_same(const krbrepl__buf *text, const krbrepl__mit_entry *want)
{
    struct input in = {text->data, text->len};
    krbrepl__mit_reader *r = krbrepl__mit_reader_new("again", take, &in);
    krbrepl__mit_entry e;

    MUST(r != NULL);
    MUST(krbrepl__mit_reader_begin(r, NULL) == 0);
    MUST(krbrepl__mit_reader_next(r, &e, NULL) == 1);
    MUST(e.table == want->table);
    MUST(e.key.len == want->key.len && memcmp(e.key.data, want->key.data, e.key.len) == 0);
    MUST(e.value.len == want->value.len && memcmp(e.value.data, want->value.data, e.value.len) == 0);
    MUST(memcmp(&e.lockout, &want->lockout, sizeof e.lockout) == 0);
    MUST(krbrepl__mit_reader_next(r, &e, NULL) == 0);
    krbrepl__mit_reader_free(r);
}

static void check_entry(const krbrepl__mit_entry *e)
{
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__buf_bytes(&b, KRBREPL__MIT_HEADER, sizeof KRBREPL__MIT_HEADER - 1);
    if (strcmp(e->table, KRBREPL_MIT_TABLE_POLICY) == 0)
        rc = krbrepl__mit_write_policy(&b, e->key, e->value, NULL);
    else
        rc = krbrepl__mit_write_principal(&b, e->key, e->value, &e->lockout, NULL);
    MUST(rc == 0);
    check_same(&b, e);
    krbrepl__buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    krbrepl__mit_reader *r = krbrepl__mit_reader_new("input", take, &in);
    krbrepl__mit_entry e;
    krbrepl_errinfo ei;

    MUST(r != NULL);
    if (krbrepl__mit_reader_begin(r, &ei) == 0)
        while (krbrepl__mit_reader_next(r, &e, &ei) == 1)
            check_entry(&e);
    krbrepl__mit_reader_free(r);
    return 0;
}
