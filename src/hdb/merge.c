#include "apply.h"

#include <string.h>

/* Counts up: SEQUENCE { [0] time, [1] usec, [2] gen } within [12]. Heimdal does so whenever it stores an entry. */
static int count_up(krbrepl_bytes old, krbrepl__buf *out)
{
    krbrepl__rd r, field, in;
    krbrepl_bytes time, usec;
    uint32_t gen;
    size_t outer, seq;

    krbrepl__rd_init(&r, old.data, old.len);
    krbrepl__der_enter(&r, KRBREPL__DER_CTX(KRBREPL__HDB_GENERATION), &field);
    krbrepl__der_enter(&field, KRBREPL__DER_SEQUENCE, &in);
    time = krbrepl__der_whole(&in);
    usec = krbrepl__der_whole(&in);
    gen = krbrepl__der_ctx_u32(&in, 2);
    if (in.err != 0)
        return in.err;
    outer = krbrepl__der_open(out, KRBREPL__DER_CTX(KRBREPL__HDB_GENERATION));
    seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    krbrepl__buf_bytes(out, time.data, time.len);
    krbrepl__buf_bytes(out, usec.data, usec.len);
    krbrepl__der_put_ctx_int(out, 2, (int64_t)(uint32_t)(gen + 1u));
    krbrepl__buf_bytes(out, in.p, in.left);
    krbrepl__der_close(out, seq);
    krbrepl__der_close(out, outer);
    return out->err;
}

/* Takes the fields that the mask names, present or not. */
static void overlay(krbrepl__hdb_entry *to, const krbrepl__hdb_entry *from, uint32_t mask)
{
    static const struct {
        uint32_t bit;
        enum krbrepl__hdb_field field;
    } simple[] = {
        {KRBREPL__HDB_MASK_VALID_END, KRBREPL__HDB_VALID_END},
        {KRBREPL__HDB_MASK_PW_END, KRBREPL__HDB_PW_END},
        {KRBREPL__HDB_MASK_ATTRIBUTES, KRBREPL__HDB_FLAGS},
        {KRBREPL__HDB_MASK_MAX_LIFE, KRBREPL__HDB_MAX_LIFE},
        {KRBREPL__HDB_MASK_KVNO, KRBREPL__HDB_KVNO},
        {KRBREPL__HDB_MASK_MAX_RENEW, KRBREPL__HDB_MAX_RENEW},
        {KRBREPL__HDB_MASK_KEY_DATA, KRBREPL__HDB_KEYS},
    };
    const uint32_t mod = KRBREPL__HDB_MASK_MOD_TIME | KRBREPL__HDB_MASK_MOD_NAME;
    size_t i;

    for (i = 0; i < sizeof simple / sizeof simple[0]; i++)
        if ((mask & simple[i].bit) != 0)
            to->field[simple[i].field] = from->field[simple[i].field];
    /* Both bits or none, and never to nothing. */
    if ((mask & mod) == mod && from->field[KRBREPL__HDB_MODIFIED_BY].data != NULL)
        to->field[KRBREPL__HDB_MODIFIED_BY] = from->field[KRBREPL__HDB_MODIFIED_BY];
    /* New keys come with the history of the old ones, which is an extension. */
    if ((mask & (KRBREPL__HDB_MASK_KEY_DATA | KRBREPL__HDB_MASK_TL_DATA)) != 0 &&
        from->field[KRBREPL__HDB_EXTENSIONS].data != NULL)
        to->field[KRBREPL__HDB_EXTENSIONS] = from->field[KRBREPL__HDB_EXTENSIONS];
}

int krbrepl__hdb_merge(krbrepl__buf *out, krbrepl_bytes old, const krbrepl__hdb_entry *change,
                       uint32_t mask, krbrepl_errinfo *ei)
{
    krbrepl__hdb_entry e;
    krbrepl__buf gen;
    int rc = krbrepl__hdb_entry_read(&e, old, ei);

    if (rc != 0)
        return rc;
    krbrepl__buf_init(&gen, 0);
    overlay(&e, change, mask);
    if (e.field[KRBREPL__HDB_GENERATION].data != NULL) {
        rc = count_up(e.field[KRBREPL__HDB_GENERATION], &gen);
        if (rc != 0) {
            rc = krbrepl__fail(ei, rc, "hdb: the generation of an entry is malformed");
            goto done;
        }
        e.field[KRBREPL__HDB_GENERATION].data = gen.data;
        e.field[KRBREPL__HDB_GENERATION].len = gen.len;
    }
    krbrepl__hdb_entry_write(out, &e);
    rc = out->err;
    if (rc != 0)
        (void)krbrepl__fail_plain(ei, rc);
done:
    krbrepl__buf_free(&gen);
    return rc;
}
