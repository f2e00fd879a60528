#include "hdbseal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "krb5lib.h"
#include "mem.h"
#include "recrypt.h"

#define USAGE 0x484442 /* "HDB" */
#define MAX_KEYS 64u   /* more master keys than any database has */

typedef struct master_key {
    uint32_t kvno;
    krb5_keyblock *key;
} master_key;

struct krbrepl__hdbseal {
    krb5_context krb5;
    size_t n;
    master_key key[MAX_KEYS];
};

static int krb5_fail(krbrepl__hdbseal *s, krb5_error_code e, int code, const char *what,
                     krbrepl_errinfo *ei)
{
    const char *why;

    if (e == ENOMEM)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    why = krb5_get_error_message(s->krb5, e);
    code = krbrepl__fail(ei, code, "master key: %.100s: %.100s", what, why);
    krb5_free_error_message(s->krb5, why);
    return code;
}

/* ---- encryption ----------------------------------------------------------------------------- */

#ifdef KRBREPL_GSS_HEIMDAL

static krb5_error_code crypt_with(krb5_context ctx, const krb5_keyblock *key, int encrypt,
                                  krbrepl_bytes in, krbrepl__buf *out)
{
    krb5_crypto crypto = NULL;
    krb5_data data = {0, NULL};
    krb5_error_code e = krb5_crypto_init(ctx, key, 0, &crypto);

    if (e != 0)
        return e;
    /* The functions do not write to what they read, and the older of them do not say so. */
    e = encrypt ? krb5_encrypt(ctx, crypto, USAGE, in.data, in.len, &data)
                : krb5_decrypt(ctx, crypto, USAGE, (void *)(uintptr_t)in.data, in.len, &data);
    if (e == 0)
        krbrepl__buf_bytes(out, data.data, data.length);
    krbrepl__wipe(data.data, data.length);
    krb5_data_free(&data);
    krb5_crypto_destroy(ctx, crypto);
    return e;
}

static size_t key_length(krb5_context ctx, int64_t etype)
{
    size_t n = 0;

    return krb5_enctype_keysize(ctx, (krb5_enctype)etype, &n) == 0 ? n : 0;
}

static krb5_keyblock *entry_key(krb5_keytab_entry *e)
{
    return &e->keyblock;
}

#else

static krb5_error_code encrypt_with(krb5_context ctx, const krb5_keyblock *key, const krb5_data *in,
                                    krbrepl__buf *out)
{
    krb5_enc_data sealed;
    krb5_error_code e;
    size_t n = 0;

    memset(&sealed, 0, sizeof sealed);
    e = krb5_c_encrypt_length(ctx, key->enctype, in->length, &n);
    if (e != 0)
        return e;
    sealed.enctype = key->enctype;
    sealed.ciphertext.length = (unsigned)n;
    sealed.ciphertext.data = (char *)krbrepl__buf_room(out, n);
    if (sealed.ciphertext.data == NULL)
        return ENOMEM;
    return krb5_c_encrypt(ctx, key, USAGE, NULL, in, &sealed);
}

static krb5_error_code decrypt_with(krb5_context ctx, const krb5_keyblock *key, const krb5_data *in,
                                    krbrepl__buf *out)
{
    size_t at = out->len;
    krb5_enc_data sealed;
    krb5_error_code e;
    krb5_data clear;

    memset(&sealed, 0, sizeof sealed);
    memset(&clear, 0, sizeof clear);
    sealed.enctype = key->enctype;
    sealed.ciphertext = *in;
    clear.length = in->length;
    clear.data = (char *)krbrepl__buf_room(out, in->length);
    if (clear.data == NULL)
        return ENOMEM;
    e = krb5_c_decrypt(ctx, key, USAGE, NULL, &sealed, &clear);
    krbrepl__buf_cut(out, at + (e == 0 ? clear.length : 0));
    return e;
}

static krb5_error_code crypt_with(krb5_context ctx, const krb5_keyblock *key, int encrypt,
                                  krbrepl_bytes in, krbrepl__buf *out)
{
    krb5_data data;

    memset(&data, 0, sizeof data);
    data.length = (unsigned)in.len;
    data.data = (char *)(uintptr_t)in.data; /* krb5_data has no form for what is only read */
    return encrypt ? encrypt_with(ctx, key, &data, out) : decrypt_with(ctx, key, &data, out);
}

static size_t key_length(krb5_context ctx, int64_t etype)
{
    size_t n = 0;

    return krb5_c_keylengths(ctx, (krb5_enctype)etype, NULL, &n) == 0 ? n : 0;
}

static krb5_keyblock *entry_key(krb5_keytab_entry *e)
{
    return &e->key;
}

#endif

/* ---- the file ------------------------------------------------------------------------------- */

static krb5_error_code take_entry(krbrepl__hdbseal *s, krb5_keytab_entry *e)
{
    krb5_error_code rc;

    if (s->n == MAX_KEYS)
        return E2BIG;
    rc = krb5_copy_keyblock(s->krb5, entry_key(e), &s->key[s->n].key);
    if (rc == 0)
        s->key[s->n++].kvno = (uint32_t)e->vno;
    return rc;
}

static krb5_error_code read_entries(krbrepl__hdbseal *s, krb5_keytab kt)
{
    krb5_keytab_entry entry;
    krb5_kt_cursor at;
    krb5_error_code e = krb5_kt_start_seq_get(s->krb5, kt, &at), end;

    if (e != 0)
        return e;
    while (e == 0 && (e = krb5_kt_next_entry(s->krb5, kt, &entry, &at)) == 0) {
        e = take_entry(s, &entry);
        krbrepl__kt_entry_free(s->krb5, &entry);
    }
    end = krb5_kt_end_seq_get(s->krb5, kt, &at);
    return e == KRB5_KT_END ? end : e;
}

static int read_failed(krbrepl__hdbseal *s, krb5_error_code e, const char *file, krbrepl_errinfo *ei)
{
    char what[120];

    snprintf(what, sizeof what, "%.110s", file);
    if (e == ENOENT || e == KRB5_KT_NOTFOUND)
        return krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND, "master key: %.150s: there is no such file",
                             file);
    if (e == KRB5_KEYTAB_BADVNO || e == KRB5_KT_FORMAT)
        return krbrepl__fail(ei, KRBREPL_ERR_FORMAT,
                             "master key: %.100s: it is no keytab; write it anew with kstash", file);
    return krb5_fail(s, e, KRBREPL_ERR_IO, what, ei);
}

static int read_file(krbrepl__hdbseal *s, const char *file, krbrepl_errinfo *ei)
{
    krb5_keytab kt = NULL;
    krb5_error_code e;
    char name[1024];

    if (snprintf(name, sizeof name, "FILE:%s", file) >= (int)sizeof name)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "master key: the name of the file is too long");
    e = krb5_kt_resolve(s->krb5, name, &kt);
    if (e == 0) {
        e = read_entries(s, kt);
        krb5_kt_close(s->krb5, kt);
    }
    if (e != 0)
        return read_failed(s, e, file, ei);
    if (s->n == 0)
        return krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND, "master key: %.150s: no key is in it", file);
    return 0;
}

int krbrepl__hdbseal_open(krbrepl__hdbseal **out, const char *file, krbrepl_errinfo *ei)
{
    krbrepl__hdbseal *s = krbrepl__alloc(sizeof *s);
    int rc;

    *out = NULL;
    if (s == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    if (krb5_init_context(&s->krb5) != 0)
        rc = krbrepl__fail(ei, KRBREPL_ERR_IO, "master key: krb5.conf cannot be read; correct it");
    else
        rc = read_file(s, file, ei);
    if (rc != 0)
        krbrepl__hdbseal_close(s);
    else
        *out = s;
    return rc;
}

void krbrepl__hdbseal_close(krbrepl__hdbseal *s)
{
    size_t i;

    if (s == NULL)
        return;
    for (i = 0; i < s->n; i++)
        krb5_free_keyblock(s->krb5, s->key[i].key);
    if (s->krb5 != NULL)
        krb5_free_context(s->krb5);
    krbrepl__free(s, sizeof *s);
}

/* ---- entries -------------------------------------------------------------------------------- */

static const master_key *newest(const krbrepl__hdbseal *s)
{
    const master_key *k = &s->key[0];
    size_t i;

    for (i = 1; i < s->n; i++)
        if (s->key[i].kvno > k->kvno)
            k = &s->key[i];
    return k;
}

/* The key of that number; as in Heimdal, one of number 0 stands in for any. */
static const master_key *numbered(const krbrepl__hdbseal *s, uint32_t kvno)
{
    const master_key *any = NULL;
    size_t i;

    for (i = 0; i < s->n; i++) {
        if (s->key[i].kvno == kvno)
            return &s->key[i];
        if (s->key[i].kvno == 0)
            any = &s->key[i];
    }
    return any;
}

static int seal(void *ctx, krbrepl_bytes in, krbrepl__buf *out, uint32_t *mkvno, krbrepl_errinfo *ei)
{
    krbrepl__hdbseal *s = ctx;
    const master_key *k = newest(s);
    krb5_error_code e = crypt_with(s->krb5, k->key, 1, in, out);

    *mkvno = k->kvno;
    return e != 0 ? krb5_fail(s, e, KRBREPL_ERR_INVALID, "a key cannot be encrypted", ei) : 0;
}

/* Some enctypes pad what they encrypt. A key has its length by its type, a password ends with a NUL. */
static void unpad(krbrepl__buf *out, size_t at, size_t keylen)
{
    const uint8_t *nul =
        keylen == 0 && out->len > at ? memchr(out->data + at, '\0', out->len - at) : NULL;

    if (keylen != 0)
        krbrepl__buf_cut(out, at + keylen);
    else if (nul != NULL)
        krbrepl__buf_cut(out, (size_t)(nul - out->data) + 1);
}

static int unseal(void *ctx, uint32_t mkvno, int64_t etype, krbrepl_bytes in, krbrepl__buf *out,
                  krbrepl_errinfo *ei)
{
    krbrepl__hdbseal *s = ctx;
    const master_key *k = numbered(s, mkvno);
    size_t at = out->len, n = etype != 0 ? key_length(s->krb5, etype) : 0;
    krb5_error_code e;

    if (k == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND,
                             "master key: number %u is not in the file; add it to the file",
                             (unsigned)mkvno);
    e = crypt_with(s->krb5, k->key, 0, in, out);
    if (e != 0)
        return krb5_fail(s, e, KRBREPL_ERR_CORRUPT, "a key cannot be decrypted", ei);
    if (etype == 0 || n != 0)
        unpad(out, at, n);
    return 0;
}

int krbrepl__hdbseal_seal(krbrepl__hdbseal *s, krbrepl_bytes entry, krbrepl__buf *out,
                          krbrepl_errinfo *ei)
{
    krbrepl__hdb_cipher c = {seal, NULL, s};

    return krbrepl__hdb_recrypt(out, entry, &c, ei);
}

int krbrepl__hdbseal_unseal(krbrepl__hdbseal *s, krbrepl_bytes entry, krbrepl__buf *out,
                            krbrepl_errinfo *ei)
{
    krbrepl__hdb_cipher c = {NULL, unseal, s};

    return krbrepl__hdb_recrypt(out, entry, &c, ei);
}
