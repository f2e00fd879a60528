#include "recrypt.h"

#include <string.h>

typedef struct work {
    const krbrepl__hdb_cipher *c;
    krbrepl_errinfo *ei;
    krbrepl__buf scratch; /* the secret of one key */
} work;

static int malformed(work *w)
{
    return krbrepl__fail(w->ei, KRBREPL_ERR_PROTO, "hdb: the keys of an entry are malformed");
}

/* Treats one secret. What it is afterwards is in `*octets`, `*sealed` and `*mkvno`. */
static int treat(work *w, int64_t etype, krbrepl_bytes *octets, int *sealed, uint32_t *mkvno)
{
    int rc;

    if (*sealed ? w->c->unseal == NULL : w->c->seal == NULL)
        return 0;
    krbrepl__buf_reset(&w->scratch);
    if (*sealed)
        rc = w->c->unseal(w->c->ctx, *mkvno, etype, *octets, &w->scratch, w->ei);
    else
        rc = w->c->seal(w->c->ctx, *octets, &w->scratch, mkvno, w->ei);
    if (rc != 0)
        return rc;
    if (w->scratch.err != 0)
        return krbrepl__fail_plain(w->ei, w->scratch.err);
    *sealed = !*sealed;
    octets->data = w->scratch.data;
    octets->len = w->scratch.len;
    return 0;
}

/* ---- keys ----------------------------------------------------------------------------------- */

static void put_key(krbrepl__buf *out, const krbrepl__hdb_keyrec *k)
{
    size_t whole, field, seq, octets;

    whole = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    if (k->sealed)
        krbrepl__der_put_ctx_int(out, 0, k->mkvno);
    field = krbrepl__der_open(out, KRBREPL__DER_CTX(1));
    seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    krbrepl__der_put_ctx_int(out, 0, k->etype);
    octets = krbrepl__der_open(out, KRBREPL__DER_CTX(1));
    krbrepl__der_put(out, KRBREPL__DER_OCTET_STRING, k->octets);
    krbrepl__der_close(out, octets);
    krbrepl__der_close(out, seq);
    krbrepl__der_close(out, field);
    krbrepl__buf_bytes(out, k->salt.data, k->salt.len);
    krbrepl__der_close(out, whole);
}

/* SEQUENCE OF Key. */
static int do_keys(work *w, krbrepl__rd *r, krbrepl__buf *out)
{
    krbrepl__hdb_keyrec k;
    size_t seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    int rc = 0;

    while (rc == 0 && krbrepl__hdb_key_next(r, &k)) {
        rc = treat(w, k.etype, &k.octets, &k.sealed, &k.mkvno);
        if (rc == 0)
            put_key(out, &k);
    }
    if (rc == 0 && r->err != 0)
        rc = malformed(w);
    krbrepl__der_close(out, seq);
    return rc;
}

/* The field [2] of an entry. */
static int do_entry_keys(work *w, const krbrepl__hdb_entry *e, krbrepl__buf *out)
{
    size_t field = krbrepl__der_open(out, KRBREPL__DER_CTX(KRBREPL__HDB_KEYS));
    krbrepl__rd r;
    int rc;

    krbrepl__hdb_keys(e, &r);
    rc = do_keys(w, &r, out);
    krbrepl__der_close(out, field);
    return rc;
}

/* ---- extensions ----------------------------------------------------------------------------- */

/* SEQUENCE { [0] kvno, [1] keys, what else there is }. */
static int do_keyset(work *w, krbrepl__rd *set, krbrepl__buf *out)
{
    size_t seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE), field;
    krbrepl_bytes kvno = krbrepl__der_whole(set);
    krbrepl__rd keys, r;
    int rc;

    krbrepl__buf_bytes(out, kvno.data, kvno.len);
    krbrepl__der_enter(set, KRBREPL__DER_CTX(1), &keys);
    krbrepl__der_enter(&keys, KRBREPL__DER_SEQUENCE, &r);
    field = krbrepl__der_open(out, KRBREPL__DER_CTX(1));
    rc = do_keys(w, &r, out);
    krbrepl__der_close(out, field);
    krbrepl__buf_bytes(out, set->p, set->left);
    krbrepl__der_close(out, seq);
    return rc;
}

static int do_history(work *w, krbrepl_bytes data, krbrepl__buf *out)
{
    size_t seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    krbrepl__rd r, list, set;
    int rc = 0;

    krbrepl__rd_init(&r, data.data, data.len);
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &list);
    while (rc == 0 && list.err == 0 && list.left != 0) {
        krbrepl__der_enter(&list, KRBREPL__DER_SEQUENCE, &set);
        rc = do_keyset(w, &set, out);
    }
    if (rc == 0 && list.err != 0)
        rc = malformed(w);
    krbrepl__der_close(out, seq);
    return rc;
}

/* SEQUENCE { [0] mkvno OPTIONAL, OCTET STRING }. */
static int do_password(work *w, krbrepl_bytes data, krbrepl__buf *out)
{
    size_t seq;
    krbrepl__rd r, in;
    krbrepl_bytes octets;
    uint32_t mkvno = 0;
    int sealed, rc;

    krbrepl__rd_init(&r, data.data, data.len);
    krbrepl__der_enter(&r, KRBREPL__DER_SEQUENCE, &in);
    sealed = krbrepl__der_peek(&in) == KRBREPL__DER_CTX(0);
    if (sealed)
        mkvno = krbrepl__der_ctx_u32(&in, 0);
    octets = krbrepl__der_get(&in, KRBREPL__DER_OCTET_STRING);
    if (in.err != 0)
        return malformed(w);
    rc = treat(w, 0, &octets, &sealed, &mkvno);
    if (rc != 0)
        return rc;
    seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    if (sealed)
        krbrepl__der_put_ctx_int(out, 0, mkvno);
    krbrepl__der_put(out, KRBREPL__DER_OCTET_STRING, octets);
    krbrepl__der_close(out, seq);
    return 0;
}

static int do_ext(work *w, const krbrepl__hdb_ext *x, krbrepl__buf *out)
{
    krbrepl__rd whole, in;
    krbrepl_bytes flag;
    size_t seq, field, choice;
    int rc;

    if (x->tag != KRBREPL__DER_CTX(KRBREPL__HDB_EXT_HIST_KEYS) &&
        x->tag != KRBREPL__DER_CTX(KRBREPL__HDB_EXT_PASSWORD)) {
        krbrepl__buf_bytes(out, x->whole.data, x->whole.len);
        return 0;
    }
    krbrepl__rd_init(&whole, x->whole.data, x->whole.len);
    krbrepl__der_enter(&whole, KRBREPL__DER_SEQUENCE, &in);
    flag = krbrepl__der_whole(&in);
    (void)krbrepl__der_whole(&in); /* the choice */
    seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    krbrepl__buf_bytes(out, flag.data, flag.len);
    field = krbrepl__der_open(out, KRBREPL__DER_CTX(1));
    choice = krbrepl__der_open(out, x->tag);
    if (x->tag == KRBREPL__DER_CTX(KRBREPL__HDB_EXT_PASSWORD))
        rc = do_password(w, x->data, out);
    else
        rc = do_history(w, x->data, out);
    krbrepl__der_close(out, choice);
    krbrepl__der_close(out, field);
    krbrepl__buf_bytes(out, in.p, in.left);
    krbrepl__der_close(out, seq);
    return rc;
}

static int do_exts(work *w, const krbrepl__hdb_entry *e, krbrepl__buf *out)
{
    size_t field = krbrepl__der_open(out, KRBREPL__DER_CTX(KRBREPL__HDB_EXTENSIONS));
    size_t seq = krbrepl__der_open(out, KRBREPL__DER_SEQUENCE);
    krbrepl__hdb_ext x;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__hdb_exts(e, &r);
    while (rc == 0 && krbrepl__hdb_ext_next(&r, &x))
        rc = do_ext(w, &x, out);
    if (rc == 0 && r.err != 0)
        rc = malformed(w);
    krbrepl__der_close(out, seq);
    krbrepl__der_close(out, field);
    return rc;
}

/* ---- the entry ------------------------------------------------------------------------------ */

static krbrepl_bytes view(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static int rewrite(work *w, krbrepl__hdb_entry *e, krbrepl__buf *out)
{
    krbrepl__buf keys, exts;
    int rc;

    krbrepl__buf_init(&keys, 0);
    krbrepl__buf_init(&exts, 0);
    rc = do_entry_keys(w, e, &keys);
    if (rc == 0 && e->field[KRBREPL__HDB_EXTENSIONS].data != NULL) {
        rc = do_exts(w, e, &exts);
        e->field[KRBREPL__HDB_EXTENSIONS] = view(&exts);
    }
    e->field[KRBREPL__HDB_KEYS] = view(&keys);
    if (rc == 0 && (keys.err != 0 || exts.err != 0))
        rc = krbrepl__fail_plain(w->ei, keys.err != 0 ? keys.err : exts.err);
    if (rc == 0) {
        krbrepl__hdb_entry_write(out, e);
        rc = out->err != 0 ? krbrepl__fail_plain(w->ei, out->err) : 0;
    }
    krbrepl__buf_free(&keys);
    krbrepl__buf_free(&exts);
    return rc;
}

int krbrepl__hdb_recrypt(krbrepl__buf *out, krbrepl_bytes entry, const krbrepl__hdb_cipher *c,
                         krbrepl_errinfo *ei)
{
    krbrepl__hdb_entry e;
    work w = {c, ei, {0}};
    int rc = krbrepl__hdb_entry_read(&e, entry, ei);

    if (rc != 0)
        return rc;
    if (c->unseal == NULL && e.clear == 0) {
        krbrepl__buf_bytes(out, entry.data, entry.len);
        return out->err != 0 ? krbrepl__fail_plain(ei, out->err) : 0;
    }
    krbrepl__buf_init(&w.scratch, 0);
    rc = rewrite(&w, &e, out);
    krbrepl__buf_free(&w.scratch);
    return rc;
}
