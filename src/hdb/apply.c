#include "apply.h"

#include <string.h>

static krbrepl_bytes view(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

static int make_key(krbrepl__buf *b, const krbrepl__hdb_princ *p, krbrepl_errinfo *ei)
{
    krbrepl__buf_reset(b);
    krbrepl__hdb_key(b, p);
    return b->err != 0 ? krbrepl__fail_plain(ei, b->err) : 0;
}

/* A copy of the entry of this name; NOTFOUND when there is none, or an alias. */
static int fetch(const krbrepl__hdb_rows *rows, const krbrepl__hdb_princ *name, krbrepl__buf *out,
                 krbrepl_errinfo *ei)
{
    krbrepl_bytes value;
    krbrepl__buf key;
    int rc;

    krbrepl__buf_init(&key, 0);
    rc = make_key(&key, name, ei);
    if (rc == 0)
        rc = rows->get(rows->ctx, view(&key), &value, ei);
    if (rc == 0 && krbrepl__hdb_kind(value) != KRBREPL__HDB_ENTRY)
        rc = KRBREPL_ERR_NOTFOUND;
    if (rc == 0) {
        krbrepl__buf_bytes(out, value.data, value.len);
        rc = out->err != 0 ? krbrepl__fail_plain(ei, out->err) : 0;
    }
    krbrepl__buf_free(&key);
    return rc;
}

/* ---- aliases -------------------------------------------------------------------------------- */

static int is_alias_of(const krbrepl__hdb_entry *e, const krbrepl__hdb_princ *name)
{
    krbrepl__hdb_princ one;
    krbrepl__rd r;

    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    while (krbrepl__hdb_alias_next(&r, &one))
        if (krbrepl__hdb_princ_equal(&one, name))
            return 1;
    return 0;
}

/* What stands at the key of an alias: 0 when it leads to `owner`, EXISTS when the name is that of another
 * entry or leads to one, NOTFOUND when nothing is there. */
static int alias_state(const krbrepl__hdb_rows *rows, krbrepl_bytes key,
                       const krbrepl__hdb_princ *owner, krbrepl_errinfo *ei)
{
    krbrepl__hdb_princ target;
    krbrepl_bytes value;
    int rc = rows->get(rows->ctx, key, &value, ei);

    if (rc != 0)
        return rc;
    if (krbrepl__hdb_kind(value) != KRBREPL__HDB_ALIAS)
        return KRBREPL_ERR_EXISTS;
    rc = krbrepl__hdb_alias_read(&target, value, ei);
    if (rc != 0)
        return rc;
    return krbrepl__hdb_princ_equal(&target, owner) ? 0 : KRBREPL_ERR_EXISTS;
}

/* EXISTS when one of the aliases belongs to somebody else. */
static int check_aliases(const krbrepl__hdb_rows *rows, const krbrepl__hdb_entry *e,
                         krbrepl_errinfo *ei)
{
    krbrepl__hdb_princ one;
    krbrepl__buf key;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__buf_init(&key, 0);
    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    while (rc == 0 && krbrepl__hdb_alias_next(&r, &one)) {
        rc = make_key(&key, &one, ei);
        if (rc == 0)
            rc = alias_state(rows, view(&key), &e->princ, ei);
        if (rc == KRBREPL_ERR_NOTFOUND)
            rc = 0;
        else if (rc == KRBREPL_ERR_EXISTS)
            (void)krbrepl__fail(ei, rc, "hdb: an alias of an entry is the name of another one");
    }
    krbrepl__buf_free(&key);
    return rc;
}

/* Removes the aliases of `e` that `next` (NULL: nobody) has no longer. */
static int drop_aliases(const krbrepl__hdb_rows *rows, const krbrepl__hdb_entry *e,
                        const krbrepl__hdb_entry *next, krbrepl_errinfo *ei)
{
    krbrepl__hdb_princ one;
    krbrepl__buf key;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__buf_init(&key, 0);
    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    while (rc == 0 && krbrepl__hdb_alias_next(&r, &one)) {
        if (next != NULL && is_alias_of(next, &one))
            continue;
        rc = make_key(&key, &one, ei);
        if (rc == 0)
            rc = alias_state(rows, view(&key), &e->princ, ei);
        if (rc == 0)
            rc = rows->del(rows->ctx, view(&key), ei);
        else if (rc == KRBREPL_ERR_NOTFOUND || rc == KRBREPL_ERR_EXISTS)
            rc = 0;
    }
    krbrepl__buf_free(&key);
    return rc;
}

/* Makes the aliases of `e` that are not there yet. */
static int add_aliases(const krbrepl__hdb_rows *rows, const krbrepl__hdb_entry *e, krbrepl_errinfo *ei)
{
    krbrepl__hdb_princ one;
    krbrepl__buf key, value;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__buf_init(&key, 0);
    krbrepl__buf_init(&value, 0);
    krbrepl__hdb_alias_write(&value, &e->princ);
    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    while (rc == 0 && krbrepl__hdb_alias_next(&r, &one)) {
        rc = make_key(&key, &one, ei);
        if (rc == 0)
            rc = alias_state(rows, view(&key), &e->princ, ei);
        if (rc != KRBREPL_ERR_NOTFOUND)
            continue;
        rc = value.err != 0 ? krbrepl__fail_plain(ei, value.err)
                            : rows->put(rows->ctx, view(&key), view(&value), ei);
    }
    krbrepl__buf_free(&key);
    krbrepl__buf_free(&value);
    return rc;
}

/* ---- entries -------------------------------------------------------------------------------- */

/* The entry as it is to be stored. */
static int sealed(const krbrepl__hdb_rows *rows, krbrepl_bytes entry, krbrepl__buf *out,
                  krbrepl_errinfo *ei)
{
    if (rows->seal != NULL)
        return rows->seal(rows->ctx, entry, out, ei);
    krbrepl__buf_bytes(out, entry.data, entry.len);
    return out->err != 0 ? krbrepl__fail_plain(ei, out->err) : 0;
}

static int store(const krbrepl__hdb_rows *rows, const krbrepl__hdb_entry *e, krbrepl_bytes der,
                 krbrepl_errinfo *ei)
{
    krbrepl__buf key, value;
    int rc;

    krbrepl__buf_init(&key, 0);
    krbrepl__buf_init(&value, 0);
    rc = make_key(&key, &e->princ, ei);
    if (rc == 0)
        rc = sealed(rows, der, &value, ei);
    if (rc == 0)
        rc = rows->put(rows->ctx, view(&key), view(&value), ei);
    krbrepl__buf_free(&key);
    krbrepl__buf_free(&value);
    return rc;
}

int krbrepl__hdb_put_entry(const krbrepl__hdb_rows *rows, krbrepl_bytes entry, krbrepl_errinfo *ei)
{
    krbrepl__hdb_entry e, old;
    krbrepl__buf before;
    int rc, had;

    krbrepl__buf_init(&before, 0);
    rc = krbrepl__hdb_entry_read(&e, entry, ei);
    if (rc == 0)
        rc = check_aliases(rows, &e, ei);
    if (rc != 0)
        goto done;
    rc = fetch(rows, &e.princ, &before, ei);
    had = rc == 0;
    if (rc == KRBREPL_ERR_NOTFOUND)
        rc = 0;
    if (had)
        rc = krbrepl__hdb_entry_read(&old, view(&before), ei);
    if (rc == 0 && had)
        rc = drop_aliases(rows, &old, &e, ei);
    if (rc == 0)
        rc = store(rows, &e, entry, ei);
    if (rc == 0)
        rc = add_aliases(rows, &e, ei);
done:
    krbrepl__buf_free(&before);
    return rc;
}

int krbrepl__hdb_del_entry(const krbrepl__hdb_rows *rows, const krbrepl__hdb_princ *name,
                           krbrepl_errinfo *ei)
{
    krbrepl__hdb_entry old;
    krbrepl__buf before, key;
    int rc;

    krbrepl__buf_init(&before, 0);
    krbrepl__buf_init(&key, 0);
    rc = fetch(rows, name, &before, ei);
    if (rc == 0)
        rc = krbrepl__hdb_entry_read(&old, view(&before), ei);
    if (rc == 0)
        rc = drop_aliases(rows, &old, NULL, ei);
    if (rc == 0)
        rc = make_key(&key, name, ei);
    if (rc == 0)
        rc = rows->del(rows->ctx, view(&key), ei);
    krbrepl__buf_free(&before);
    krbrepl__buf_free(&key);
    return rc;
}

/* ---- records -------------------------------------------------------------------------------- */

/* EXISTS when anything, entry or alias, has this name. */
static int must_be_free(const krbrepl__hdb_rows *rows, const krbrepl__hdb_princ *name,
                        krbrepl_errinfo *ei)
{
    krbrepl_bytes value;
    krbrepl__buf key;
    int rc;

    krbrepl__buf_init(&key, 0);
    rc = make_key(&key, name, ei);
    if (rc == 0)
        rc = rows->get(rows->ctx, view(&key), &value, ei);
    krbrepl__buf_free(&key);
    if (rc == 0)
        return KRBREPL_ERR_EXISTS;
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

static int create(const krbrepl__hdb_rows *rows, const krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    int rc = must_be_free(rows, &rec->entry.princ, ei);

    return rc != 0 ? rc : krbrepl__hdb_put_entry(rows, rec->der, ei);
}

/* The new one first, then the old one goes: so it is in Heimdal, and so its aliases decide. */
static int rename_to(const krbrepl__hdb_rows *rows, const krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    int rc = rows->again ? krbrepl__hdb_put_entry(rows, rec->der, ei) : create(rows, rec, ei);

    if (rc != 0)
        return rc;
    rc = krbrepl__hdb_del_entry(rows, &rec->name, ei);
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

static int modify(const krbrepl__hdb_rows *rows, const krbrepl__hdb_rec *rec, krbrepl_errinfo *ei)
{
    krbrepl__buf before, after;
    int rc;

    krbrepl__buf_init(&before, 0);
    krbrepl__buf_init(&after, 0);
    rc = fetch(rows, &rec->entry.princ, &before, ei);
    if (rc == 0)
        rc = krbrepl__hdb_merge(&after, view(&before), &rec->entry, rec->mask, ei);
    if (rc == 0)
        rc = krbrepl__hdb_put_entry(rows, view(&after), ei);
    krbrepl__buf_free(&before);
    krbrepl__buf_free(&after);
    return rc;
}

int krbrepl__hdb_apply(const krbrepl__hdb_rows *rows, const krbrepl__hdb_rec *rec, int *effect,
                       krbrepl_errinfo *ei)
{
    int rc;

    switch (rec->op) {
    case KRBREPL__HDB_OP_CREATE:
        rc = create(rows, rec, ei);
        break;
    case KRBREPL__HDB_OP_DELETE:
        rc = krbrepl__hdb_del_entry(rows, &rec->name, ei);
        break;
    case KRBREPL__HDB_OP_RENAME:
        rc = rename_to(rows, rec, ei);
        break;
    case KRBREPL__HDB_OP_MODIFY:
        rc = modify(rows, rec, ei);
        break;
    default:
        rc = KRBREPL_ERR_NOTFOUND; /* a nop */
    }
    if (effect != NULL)
        *effect = rc == 0;
    /* Heimdal goes on from these two: the log is read again after a crash. */
    if (rc == KRBREPL_ERR_EXISTS || rc == KRBREPL_ERR_NOTFOUND) {
        krbrepl__errinfo_clear(ei);
        return 0;
    }
    return rc;
}
