#include "slavemodel.h"

#include <string.h>

#include "apply.h"
#include "test.h"

enum { OK = 0, NOENTRY = 1, EXISTS = 2, BAD = 3 };

static krbrepl_bytes bytes_of(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static void ckey_of(krbrepl_bytes key, krbrepl__ckey *out)
{
    assert_true(key.len <= sizeof out->b);
    memcpy(out->b, key.data, key.len);
    out->len = key.len;
}

const memrec *slave_find(const slavemodel *s, krbrepl_bytes key)
{
    int same;
    size_t i = memrecs_find(&s->rows, key, &same);

    return same ? &s->rows.at[i] : NULL;
}

static void put(slavemodel *s, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl__ckey k;

    ckey_of(key, &k);
    memrecs_put(&s->rows, &k, key, value);
}

static int del(slavemodel *s, krbrepl_bytes key)
{
    krbrepl__ckey k;

    if (slave_find(s, key) == NULL)
        return NOENTRY;
    ckey_of(key, &k);
    memrecs_delete(&s->rows, &k);
    return OK;
}

/* Calls for each alias of an entry, with its database key. */
static int each_alias(slavemodel *s, const krbrepl__hdb_entry *e,
                      int (*fn)(slavemodel *s, krbrepl_bytes key, const krbrepl__hdb_entry *e))
{
    krbrepl__hdb_princ alias;
    krbrepl__buf key;
    krbrepl__rd r;
    int rc = OK;

    krbrepl__buf_init(&key, 0);
    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    while (rc == OK && krbrepl__hdb_alias_next(&r, &alias)) {
        krbrepl__buf_reset(&key);
        krbrepl__hdb_key(&key, &alias);
        rc = fn(s, bytes_of(&key), e);
    }
    krbrepl__buf_free(&key);
    return rc;
}

static int remove_alias(slavemodel *s, krbrepl_bytes key, const krbrepl__hdb_entry *e)
{
    (void)e;
    return del(s, key);
}

static int add_alias(slavemodel *s, krbrepl_bytes key, const krbrepl__hdb_entry *e)
{
    krbrepl__buf value;

    krbrepl__buf_init(&value, 0);
    krbrepl__hdb_alias_write(&value, &e->princ);
    put(s, key, bytes_of(&value));
    krbrepl__buf_free(&value);
    return OK;
}

/* An alias is free, or this entry's own. */
static int check_alias(slavemodel *s, krbrepl_bytes key, const krbrepl__hdb_entry *e)
{
    const memrec *r = slave_find(s, key);
    krbrepl__hdb_princ target;

    if (r == NULL)
        return OK;
    if (krbrepl__hdb_alias_read(&target, r->value, NULL) != 0)
        return EXISTS;
    return krbrepl__hdb_princ_equal(&target, &e->princ) ? OK : EXISTS;
}

/* Those of the entry that is stored; one that is missing ends the operation with "no entry". */
static int remove_aliases(slavemodel *s, krbrepl_bytes key)
{
    const memrec *r = slave_find(s, key);
    krbrepl__hdb_entry e;
    krbrepl__buf copy;
    int rc;

    if (r == NULL)
        return OK;
    krbrepl__buf_init(&copy, 0);
    krbrepl__buf_bytes(&copy, r->value.data, r->value.len);
    rc =
        krbrepl__hdb_entry_read(&e, bytes_of(&copy), NULL) != 0 ? BAD : each_alias(s, &e, remove_alias);
    krbrepl__buf_free(&copy);
    return rc;
}

static int store(slavemodel *s, krbrepl_bytes der, int replace)
{
    krbrepl__hdb_entry e;
    krbrepl__buf key;
    int rc;

    assert_int_equal(krbrepl__hdb_entry_read(&e, der, NULL), 0);
    krbrepl__buf_init(&key, 0);
    krbrepl__hdb_key(&key, &e.princ);
    rc = each_alias(s, &e, check_alias);
    if (rc == OK)
        rc = remove_aliases(s, bytes_of(&key));
    if (rc == OK && !replace && slave_find(s, bytes_of(&key)) != NULL)
        rc = EXISTS;
    if (rc == OK) {
        put(s, bytes_of(&key), der);
        rc = each_alias(s, &e, add_alias);
    }
    krbrepl__buf_free(&key);
    return rc;
}

static int removal(slavemodel *s, const krbrepl__hdb_princ *name)
{
    krbrepl__buf key;
    int rc;

    krbrepl__buf_init(&key, 0);
    krbrepl__hdb_key(&key, name);
    rc = remove_aliases(s, bytes_of(&key));
    if (rc == OK)
        rc = del(s, bytes_of(&key));
    krbrepl__buf_free(&key);
    return rc;
}

/* The entry is looked for by its name, and an alias leads to another. */
static int modify(slavemodel *s, const krbrepl__hdb_rec *rec)
{
    krbrepl__hdb_princ target;
    krbrepl__buf key, merged;
    const memrec *r;
    int rc = NOENTRY;

    krbrepl__buf_init(&key, 0);
    krbrepl__buf_init(&merged, 0);
    krbrepl__hdb_key(&key, &rec->entry.princ);
    r = slave_find(s, bytes_of(&key));
    if (r != NULL && krbrepl__hdb_alias_read(&target, r->value, NULL) == 0) {
        krbrepl__buf_reset(&key);
        krbrepl__hdb_key(&key, &target);
        r = slave_find(s, bytes_of(&key));
    }
    if (r != NULL) {
        assert_int_equal(krbrepl__hdb_merge(&merged, r->value, &rec->entry, rec->mask, NULL), 0);
        rc = store(s, bytes_of(&merged), 1);
    }
    krbrepl__buf_free(&key);
    krbrepl__buf_free(&merged);
    return rc;
}

int slave_apply(slavemodel *s, const krbrepl__hdb_rec *rec)
{
    int rc = OK;

    if (s->stuck)
        return BAD;
    switch (rec->op) {
    case KRBREPL__HDB_OP_CREATE:
        rc = store(s, rec->der, 0);
        break;
    case KRBREPL__HDB_OP_MODIFY:
        rc = modify(s, rec);
        break;
    case KRBREPL__HDB_OP_DELETE:
        rc = removal(s, &rec->name);
        break;
    default:
        assert_int_equal(rec->op, KRBREPL__HDB_OP_NOP);
    }
    s->stuck = rc == BAD;
    if (rc != BAD)
        s->version = rec->version;
    return rc == BAD ? BAD : OK;
}

int slave_entry(slavemodel *s, krbrepl_bytes der)
{
    return store(s, der, 0);
}

void slave_clear(slavemodel *s)
{
    memrecs_free(&s->rows);
    s->stuck = 0;
}

void slave_free(slavemodel *s)
{
    memrecs_free(&s->rows);
}
