#include "privkey.h"

#include <errno.h>
#include <string.h>

#include "krb5lib.h"
#include "krbkeys.h"
#include "mem.h"

#ifdef KRBREPL_GSS_HEIMDAL

struct krbrepl__privkey {
    krb5_context ctx;
    krb5_crypto crypto;
    long enctype;
};

static krb5_error_code prepare(krbrepl__privkey *k, const krb5_keyblock *key)
{
    k->enctype = key->keytype;
    return krb5_crypto_init(k->ctx, key, 0, &k->crypto);
}

static void forget(krbrepl__privkey *k)
{
    if (k->crypto != NULL)
        krb5_crypto_destroy(k->ctx, k->crypto);
}

static long enctype_of(const krb5_keyblock *key)
{
    return key->keytype;
}

/* What the library made goes behind `out`. */
static int take(krb5_error_code e, krb5_data *made, krbrepl__buf *out)
{
    if (e != 0)
        return e == ENOMEM ? KRBREPL_ERR_NOMEM : KRBREPL_ERR_AUTH;
    krbrepl__buf_bytes(out, made->data, made->length);
    krbrepl__wipe(made->data, made->length);
    krb5_data_free(made);
    return out->err;
}

int krbrepl__privkey_seal(krbrepl__privkey *k, int usage, krbrepl_bytes in, krbrepl__buf *out)
{
    krb5_data made, plain = krbrepl__krb5_view(in);

    krb5_data_zero(&made);
    return take(krb5_encrypt(k->ctx, k->crypto, (unsigned)usage, plain.data, plain.length, &made),
                &made, out);
}

int krbrepl__privkey_open(krbrepl__privkey *k, int usage, krbrepl_bytes in, krbrepl__buf *out)
{
    krb5_data made, sealed = krbrepl__krb5_view(in);

    krb5_data_zero(&made);
    return take(krb5_decrypt(k->ctx, k->crypto, (unsigned)usage, sealed.data, sealed.length, &made),
                &made, out);
}

#else

struct krbrepl__privkey {
    krb5_context ctx;
    krb5_key key;
    krb5_enctype enctype;
};

static krb5_error_code prepare(krbrepl__privkey *k, const krb5_keyblock *key)
{
    k->enctype = key->enctype;
    return krb5_k_create_key(k->ctx, key, &k->key);
}

static void forget(krbrepl__privkey *k)
{
    krb5_k_free_key(k->ctx, k->key);
}

static long enctype_of(const krb5_keyblock *key)
{
    return key->enctype;
}

/* The first `made` bytes of what was reserved at `at` are kept. */
static int keep(krb5_error_code e, krbrepl__buf *out, size_t at, size_t made)
{
    krbrepl__buf_cut(out, e == 0 ? at + made : at);
    if (e == 0)
        return 0;
    return e == ENOMEM ? KRBREPL_ERR_NOMEM : KRBREPL_ERR_AUTH;
}

int krbrepl__privkey_seal(krbrepl__privkey *k, int usage, krbrepl_bytes in, krbrepl__buf *out)
{
    krb5_data plain = krbrepl__krb5_view(in);
    krb5_enc_data enc;
    size_t n, at = out->len;
    uint8_t *room;

    if (in.len > UINT32_MAX / 2)
        return KRBREPL_ERR_TOOBIG;
    if (krb5_c_encrypt_length(k->ctx, k->enctype, in.len, &n) != 0)
        return KRBREPL_ERR_AUTH;
    room = krbrepl__buf_room(out, n);
    if (room == NULL)
        return out->err;
    memset(&enc, 0, sizeof enc);
    enc.enctype = k->enctype;
    enc.ciphertext = krbrepl__krb5_view((krbrepl_bytes){room, n});
    return keep(krb5_k_encrypt(k->ctx, k->key, usage, NULL, &plain, &enc), out, at,
                enc.ciphertext.length);
}

int krbrepl__privkey_open(krbrepl__privkey *k, int usage, krbrepl_bytes in, krbrepl__buf *out)
{
    size_t at = out->len;
    krb5_enc_data enc;
    krb5_data plain;
    uint8_t *room;

    if (in.len > UINT32_MAX / 2)
        return KRBREPL_ERR_TOOBIG;
    room = krbrepl__buf_room(out, in.len);
    if (room == NULL)
        return out->err;
    memset(&enc, 0, sizeof enc);
    enc.enctype = k->enctype;
    enc.ciphertext = krbrepl__krb5_view(in);
    plain = krbrepl__krb5_view((krbrepl_bytes){room, in.len});
    return keep(krb5_k_decrypt(k->ctx, k->key, usage, NULL, &enc, &plain), out, at, plain.length);
}

#endif

int krbrepl__privkey_new(krbrepl__privkey **out, krb5_context ctx, const krb5_keyblock *key,
                         krbrepl_errinfo *ei)
{
    krbrepl__privkey *k;

    *out = NULL;
    if (!krbrepl__krbkeys_enctype_ok(enctype_of(key)))
        return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: a key of enctype %ld is below the floor; %s",
                             enctype_of(key), KRBREPL__ENCTYPE_REMEDY);
    k = krbrepl__alloc(sizeof *k);
    if (k == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    k->ctx = ctx;
    if (prepare(k, key) != 0) {
        krbrepl__free(k, sizeof *k);
        return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: a key of the exchange cannot be used");
    }
    *out = k;
    return 0;
}

void krbrepl__privkey_free(krbrepl__privkey *k)
{
    if (k == NULL)
        return;
    forget(k);
    krbrepl__free(k, sizeof *k);
}

long krbrepl__privkey_enctype(const krbrepl__privkey *k)
{
    return k->enctype;
}
