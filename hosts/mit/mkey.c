/* mkey.c: the master key principal in a store. */
#include <krbrepl/mit.h>

#include "answer.h"
#include "buf.h"
#include "errinfo.h"

struct search {
    krbrepl_bytes key, value;
    int found;
};

/* Ends the walk at the first record. */
static int take_first(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct search *s = ctx;

    (void)table;
    s->key = key;
    s->value = value;
    s->found = 1;
    return 1;
}

static int find_any(krbrepl_view *v, krbrepl_bytes *value)
{
    static const char low[] = "K/M@", high[] = "K/M@\xff";
    krbrepl_bytes from = {low, sizeof low - 1}, to = {high, sizeof high - 1};
    struct search s = {{NULL, 0}, {NULL, 0}, 0};
    int rc = krbrepl_view_each(v, KRBREPL_MIT_TABLE_PRINCIPAL, &from, &to, 0, take_first, &s);

    if (rc < 0)
        return rc;
    *value = s.value;
    return s.found ? 0 : KRBREPL_ERR_NOTFOUND;
}

static int find_in_realm(krbrepl_view *v, const char *realm, krbrepl_bytes *value)
{
    krbrepl__buf key;
    int rc;

    krbrepl__buf_init(&key, KRBREPL_MAX_KEY);
    krbrepl__buf_bytes(&key, "K/M@", 4);
    krbrepl__buf_bytes(&key, realm, strlen(realm));
    rc = key.err;
    if (rc == 0)
        rc =
            krbrepl_view_get(v, KRBREPL_MIT_TABLE_PRINCIPAL, (krbrepl_bytes){key.data, key.len}, value);
    krbrepl__buf_free(&key);
    return rc;
}

static int newest_kvno(krbrepl_bytes value, uint64_t *kvno, krbrepl_errinfo *ei)
{
    krbrepl_mit_principal *p = NULL;
    size_t i;
    int rc = krbrepl_mit_principal_decode(value, &p, ei);

    if (rc != 0)
        return rc;
    for (*kvno = 0, i = 0; i < p->nkeys; i++)
        if (p->keys[i].kvno > *kvno)
            *kvno = p->keys[i].kvno;
    if (p->nkeys == 0)
        rc = krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND, "the master key principal K/M has no key");
    krbrepl_mit_principal_free(p);
    return rc;
}

static int mkey_kvno(krbrepl_store *s, const char *realm, uint64_t *kvno, krbrepl_errinfo *ei)
{
    krbrepl_view *v = NULL;
    krbrepl_bytes value;
    int rc;

    if (s == NULL || kvno == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "master key: an argument is NULL");
    if ((rc = krbrepl_view_open(s, &v)) != 0)
        return krbrepl__common_store_fail(s, rc, ei);
    rc = realm != NULL ? find_in_realm(v, realm, &value) : find_any(v, &value);
    if (rc == KRBREPL_ERR_NOTFOUND)
        rc = krbrepl__fail(ei, rc, "the database holds no master key principal K/M%s%.100s",
                           realm != NULL ? "@" : "", realm != NULL ? realm : "");
    else if (rc != 0)
        rc = krbrepl__common_store_fail(s, rc, ei);
    else
        rc = newest_kvno(value, kvno, ei);
    krbrepl_view_close(v);
    return rc;
}

int krbrepl_mit_mkey_kvno(krbrepl_store *s, const char *realm, uint64_t *kvno, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(mkey_kvno(s, realm, kvno, &mine), &mine, ei);
}
