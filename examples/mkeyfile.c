#include "mkeyfile.h"

#include <krb5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prog.h"

#define USAGE 0x484442
#define MAX_KEYS 64u

struct mkeyfile {
    krb5_context krb5;
    size_t n;
    struct {
        uint64_t kvno;
        krb5_keyblock *key;
    } key[MAX_KEYS];
};

/* ---- what the two Kerberos libraries spell differently ---------------------------------------- */

#ifdef KRBREPL_GSS_HEIMDAL

static krb5_error_code crypt_with(krb5_context ctx, const krb5_keyblock *key, bool encrypt,
                                  krbrepl_bytes in, void *out, size_t *len)
{
    krb5_crypto crypto = NULL;
    krb5_data data = {0, NULL};
    krb5_error_code e = krb5_crypto_init(ctx, key, 0, &crypto);

    if (e != 0)
        return e;
    e = encrypt ? krb5_encrypt(ctx, crypto, USAGE, in.data, in.len, &data)
                : krb5_decrypt(ctx, crypto, USAGE, (void *)(uintptr_t)in.data, in.len, &data);
    if (e == 0 && data.length > *len)
        e = KRB5_BAD_MSIZE;
    if (e == 0) {
        memcpy(out, data.data, data.length);
        *len = data.length;
    }
    krb5_data_free(&data);
    krb5_crypto_destroy(ctx, crypto);
    return e;
}

static size_t key_length(krb5_context ctx, int64_t etype)
{
    size_t n = 0;

    return krb5_enctype_keysize(ctx, (krb5_enctype)etype, &n) == 0 ? n : 0;
}

#define ENTRY_KEY(e) (&(e)->keyblock)
#define ENTRY_FREE(ctx, e) krb5_kt_free_entry(ctx, e)

#else

static krb5_error_code crypt_with(krb5_context ctx, const krb5_keyblock *key, bool encrypt,
                                  krbrepl_bytes in, void *out, size_t *len)
{
    krb5_enc_data sealed = {.enctype = key->enctype};
    krb5_data clear = {.length = (unsigned)in.len, .data = (char *)(uintptr_t)in.data};
    krb5_error_code e;
    size_t n = 0;

    if (!encrypt) {
        sealed.ciphertext = clear;
        clear.data = out;
        clear.length = (unsigned)*len;
        e = krb5_c_decrypt(ctx, key, USAGE, NULL, &sealed, &clear);
        *len = clear.length;
        return e;
    }
    e = krb5_c_encrypt_length(ctx, key->enctype, in.len, &n);
    if (e != 0 || n > *len)
        return e != 0 ? e : KRB5_BAD_MSIZE;
    sealed.ciphertext.length = (unsigned)n;
    sealed.ciphertext.data = out;
    *len = n;
    return krb5_c_encrypt(ctx, key, USAGE, NULL, &clear, &sealed);
}

static size_t key_length(krb5_context ctx, int64_t etype)
{
    size_t n = 0;

    return krb5_c_keylengths(ctx, (krb5_enctype)etype, NULL, &n) == 0 ? n : 0;
}

#define ENTRY_KEY(e) (&(e)->key)
#define ENTRY_FREE(ctx, e) krb5_free_keytab_entry_contents(ctx, e)

#endif

/* ---- the file ------------------------------------------------------------------------------- */

static void say(struct mkeyfile *m, const char *what, krb5_error_code e)
{
    const char *why = krb5_get_error_message(m->krb5, e);

    prog_say("%s: %s", what, why);
    krb5_free_error_message(m->krb5, why);
}

static krb5_error_code read_entries(struct mkeyfile *m, krb5_keytab kt)
{
    krb5_keytab_entry entry;
    krb5_kt_cursor at;
    krb5_error_code e = krb5_kt_start_seq_get(m->krb5, kt, &at);

    if (e != 0)
        return e;
    while (e == 0 && (e = krb5_kt_next_entry(m->krb5, kt, &entry, &at)) == 0) {
        if (m->n < MAX_KEYS) {
            m->key[m->n].kvno = entry.vno;
            e = krb5_copy_keyblock(m->krb5, ENTRY_KEY(&entry), &m->key[m->n].key);
            m->n += e == 0;
        }
        (void)ENTRY_FREE(m->krb5, &entry);
    }
    (void)krb5_kt_end_seq_get(m->krb5, kt, &at);
    return e == KRB5_KT_END ? 0 : e;
}

struct mkeyfile *mkeyfile_open(const char *file)
{
    struct mkeyfile *m = prog_alloc(sizeof *m);
    krb5_keytab kt = NULL;
    krb5_error_code e;
    char *name;

    if (krb5_init_context(&m->krb5) != 0) {
        prog_say("krb5.conf cannot be read");
        free(m);
        return NULL;
    }
    name = prog_format("FILE:%s", file);
    e = krb5_kt_resolve(m->krb5, name, &kt);
    if (e == 0) {
        e = read_entries(m, kt);
        krb5_kt_close(m->krb5, kt);
    }
    free(name);
    if (e == 0 && m->n != 0)
        return m;
    if (e != 0)
        say(m, file, e);
    else
        prog_say("%s: no master key is in it", file);
    mkeyfile_close(m);
    return NULL;
}

void mkeyfile_close(struct mkeyfile *m)
{
    size_t i;

    if (m == NULL)
        return;
    for (i = 0; i < m->n; i++)
        krb5_free_keyblock(m->krb5, m->key[i].key);
    krb5_free_context(m->krb5);
    free(m);
}

/* ---- keys ----------------------------------------------------------------------------------- */

int mkeyfile_seal(void *ctx, krbrepl_bytes in, void *out, size_t *len, uint64_t *mkvno)
{
    struct mkeyfile *m = ctx;
    size_t i, newest = 0;
    krb5_error_code e;

    for (i = 1; i < m->n; i++)
        if (m->key[i].kvno > m->key[newest].kvno)
            newest = i;
    *mkvno = m->key[newest].kvno;
    e = crypt_with(m->krb5, m->key[newest].key, true, in, out, len);
    if (e != 0)
        say(m, "a key cannot be encrypted", e);
    return e != 0;
}

/* Some enctypes pad what they encrypt. */
static void unpad(struct mkeyfile *m, int64_t etype, const void *out, size_t *len)
{
    size_t n = etype != 0 ? key_length(m->krb5, etype) : 0;
    const char *nul = etype == 0 ? memchr(out, '\0', *len) : NULL;

    if (n != 0 && n < *len)
        *len = n;
    else if (nul != NULL)
        *len = (size_t)(nul - (const char *)out) + 1;
}

int mkeyfile_unseal(void *ctx, uint64_t mkvno, int64_t etype, krbrepl_bytes in, void *out, size_t *len)
{
    struct mkeyfile *m = ctx;
    size_t i, found = m->n;
    krb5_error_code e;

    /* As in Heimdal, a key of number 0 stands in for any. */
    for (i = 0; i < m->n; i++)
        if (m->key[i].kvno == mkvno || (m->key[i].kvno == 0 && found == m->n))
            found = i;
    if (found == m->n) {
        prog_say("the file has no master key of number %llu", (unsigned long long)mkvno);
        return 1;
    }
    e = crypt_with(m->krb5, m->key[found].key, false, in, out, len);
    if (e != 0)
        say(m, "a key cannot be decrypted", e);
    else
        unpad(m, etype, out, len);
    return e != 0;
}
