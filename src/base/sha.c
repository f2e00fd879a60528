#include "sha.h"

#include <openssl/evp.h>

#include <krbrepl/error.h>

#include "mem.h"

struct krbrepl__sha {
    EVP_MD_CTX *ctx;
    EVP_MD *md;
};

krbrepl__sha *krbrepl__sha_new(void)
{
    krbrepl__sha *h = krbrepl__alloc(sizeof *h);

    if (h == NULL)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (h->ctx == NULL || h->md == NULL) {
        krbrepl__sha_free(h);
        return NULL;
    }
    return h;
}

void krbrepl__sha_free(krbrepl__sha *h)
{
    if (h == NULL)
        return;
    EVP_MD_CTX_free(h->ctx);
    EVP_MD_free(h->md);
    krbrepl__free(h, sizeof *h);
}

int krbrepl__sha_begin(krbrepl__sha *h)
{
    return EVP_DigestInit_ex2(h->ctx, h->md, NULL) == 1 ? 0 : KRBREPL_ERR_NOMEM;
}

int krbrepl__sha_add(krbrepl__sha *h, const void *p, size_t n)
{
    if (n == 0)
        return 0;
    return EVP_DigestUpdate(h->ctx, p, n) == 1 ? 0 : KRBREPL_ERR_NOMEM;
}

int krbrepl__sha_end(krbrepl__sha *h, uint8_t out[32])
{
    return EVP_DigestFinal_ex(h->ctx, out, NULL) == 1 ? 0 : KRBREPL_ERR_NOMEM;
}

int krbrepl__sha_sum(krbrepl__sha *h, const krbrepl_bytes *piece, size_t n, uint8_t out[32])
{
    size_t i;
    int rc = krbrepl__sha_begin(h);

    for (i = 0; rc == 0 && i < n; i++)
        rc = krbrepl__sha_add(h, piece[i].data, piece[i].len);
    return rc == 0 ? krbrepl__sha_end(h, out) : rc;
}
