/* kadmdata.c: the tagged data of kadmin (type 3): the name of the principal's policy and its old keys.
 *
 * XDR, as libkadm5 writes it:
 *
 *   data := version:u32  policy:string  aux:u32  next:u32  history_kvno:u32  sets:u32, sets x set
 *   set  := keys:u32, keys x key
 *   key  := version:u32 kvno:u32 2 x type:u32 2 x length:u32  key:opaque  salt:opaque
 *
 * A string is its length with its NUL, 0 when there is none; opaque is a length and the bytes; both are filled
 * up to four bytes. */
#include "ldap.h"

#include <errno.h>
#include <string.h>

#include <kadm5/admin.h>

#include "buf.h"
#include "mem.h"

#define OLDEST_KEY 36u /* bytes of a key without content */

static krbrepl_bytes opaque(krbrepl__rd *r)
{
    const uint32_t len = krbrepl__rd_u32(r);
    const krbrepl_bytes b = krbrepl__rd_view(r, len);

    (void)krbrepl__rd_view(r, (4 - len % 4) % 4);
    return b;
}

static void key_read(krbrepl__rd *r, krbrepl__kdb5_oldkey *key)
{
    (void)krbrepl__rd_u32(r);
    key->kvno = krbrepl__rd_u32(r);
    (void)krbrepl__rd_view(r, 16);
    key->secret = opaque(r);
    (void)opaque(r);
}

static int set_read(krbrepl__rd *r, krbrepl__kdb5_kadm *out, uint32_t set)
{
    const uint32_t n = krbrepl__rd_u32(r);
    krbrepl__kdb5_oldkey *grown;
    uint32_t i;

    if (r->err != 0 || n == 0 || n > r->left / OLDEST_KEY)
        return EINVAL;
    grown = krbrepl__grow(out->key, out->nkeys * sizeof *grown, (out->nkeys + n) * sizeof *grown);
    if (grown == NULL)
        return ENOMEM;
    out->key = grown;
    for (i = 0; i < n; i++) {
        grown = &out->key[out->nkeys++];
        grown->set = set;
        grown->index = i;
        key_read(r, grown);
        /* kldap has one version for all keys of a set. */
        if (i > 0 && grown->kvno != grown[-1].kvno)
            return EINVAL;
    }
    return r->err != 0 ? EINVAL : 0;
}

/* Sets are told apart by their versions. */
static int is_twofold(const krbrepl__kdb5_kadm *k)
{
    size_t i, j;

    for (i = 0; i < k->nkeys; i++)
        for (j = i + 1; k->key[i].index == 0 && j < k->nkeys; j++)
            if (k->key[j].index == 0 && k->key[i].kvno == k->key[j].kvno)
                return 1;
    return 0;
}

int krbrepl__kdb5_kadm_read(krbrepl_bytes data, krbrepl__kdb5_kadm *out)
{
    krbrepl__rd r;
    uint32_t i, aux;
    int err = 0;

    memset(out, 0, sizeof *out);
    krbrepl__rd_init(&r, data.data, data.len);
    (void)krbrepl__rd_u32(&r);
    out->policy = opaque(&r);
    aux = krbrepl__rd_u32(&r);
    (void)krbrepl__rd_view(&r, 8);
    out->has_policy = out->policy.len > 1 && (aux & KADM5_POLICY) != 0;
    out->nsets = krbrepl__rd_u32(&r);
    for (i = 0; err == 0 && i < out->nsets; i++)
        err = set_read(&r, out, i);
    if (err == 0 && (krbrepl__rd_end(&r) != 0 || is_twofold(out)))
        err = EINVAL;
    if (err != 0)
        krbrepl__kdb5_kadm_free(out);
    return err;
}

void krbrepl__kdb5_kadm_free(krbrepl__kdb5_kadm *k)
{
    krbrepl__free(k->key, k->nkeys * sizeof *k->key);
    memset(k, 0, sizeof *k);
}

/* Where a key of `in` is in `data`, which `in` was read from. */
static uint8_t *place(uint8_t *data, krbrepl_bytes in, const krbrepl__kdb5_oldkey *key)
{
    return data + ((const uint8_t *)key->secret.data - (const uint8_t *)in.data);
}

int krbrepl__kdb5_kadm_blank(krbrepl_bytes in, uint8_t *data)
{
    krbrepl__kdb5_kadm k;
    size_t i;
    int err = krbrepl__kdb5_kadm_read(in, &k);

    if (err != 0)
        return err;
    memcpy(data, in.data, in.len);
    for (i = 0; i < k.nkeys; i++)
        if (k.key[i].secret.len != 0)
            memset(place(data, in, &k.key[i]), 0, k.key[i].secret.len);
    krbrepl__kdb5_kadm_free(&k);
    return 0;
}

static const krbrepl__kdb5_oldkey *counterpart(const krbrepl__kdb5_kadm *k,
                                               const krbrepl__kdb5_oldkey *key)
{
    size_t i;

    for (i = 0; i < k->nkeys; i++)
        if (k->key[i].kvno == key->kvno && k->key[i].index == key->index &&
            k->key[i].secret.len == key->secret.len)
            return &k->key[i];
    return NULL;
}

static int same_policy(const krbrepl__kdb5_kadm *a, const krbrepl__kdb5_kadm *b)
{
    if (a->has_policy != b->has_policy)
        return 0;
    return !a->has_policy || (a->policy.len == b->policy.len &&
                              memcmp(a->policy.data, b->policy.data, a->policy.len) == 0);
}

static int filled(krbrepl_bytes blank, const krbrepl__kdb5_kadm *want, const krbrepl__kdb5_kadm *have,
                  uint8_t *data)
{
    const krbrepl__kdb5_oldkey *from;
    size_t i;

    if (!same_policy(want, have) || want->nkeys != have->nkeys)
        return 0;
    memcpy(data, blank.data, blank.len);
    for (i = 0; i < want->nkeys; i++) {
        from = counterpart(have, &want->key[i]);
        if (from == NULL)
            return 0;
        if (from->secret.len != 0)
            memcpy(place(data, blank, &want->key[i]), from->secret.data, from->secret.len);
    }
    return 1;
}

int krbrepl__kdb5_kadm_fill(krbrepl_bytes blank, krbrepl_bytes have, uint8_t *data)
{
    krbrepl__kdb5_kadm want, is = {0};
    int err = krbrepl__kdb5_kadm_read(blank, &want);

    if (err != 0)
        return err;
    /* An entry that has neither a policy nor old keys has no such data in the directory. */
    if (have.len != 0)
        err = krbrepl__kdb5_kadm_read(have, &is);
    if (err == 0 && !filled(blank, &want, &is, data))
        err = EINVAL;
    krbrepl__kdb5_kadm_free(&want);
    krbrepl__kdb5_kadm_free(&is);
    return err;
}
