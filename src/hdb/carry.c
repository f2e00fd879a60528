#include "entry.h"

#include <string.h>

#define DO_NOT_STORE (UINT32_C(1) << 31)

int krbrepl__hdb_entry_at(krbrepl__hdb_entry *e, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl__buf own;
    int ok;

    if (krbrepl__hdb_kind(value) != KRBREPL__HDB_ENTRY ||
        krbrepl__hdb_entry_read(e, value, NULL) != 0 || e->field[KRBREPL__HDB_PRINCIPAL].len == 0 ||
        (e->flags & DO_NOT_STORE) != 0)
        return 0;
    /* It is found by its own name, so that is what the key must say. */
    krbrepl__buf_init(&own, 0);
    krbrepl__hdb_key(&own, &e->princ);
    ok = own.err == 0 && own.len == key.len && memcmp(own.data, key.data, key.len) == 0;
    krbrepl__buf_free(&own);
    return ok;
}

static int same(krbrepl_bytes a, krbrepl_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static int goes_away(const krbrepl__hdb_entry *was, const krbrepl__hdb_entry *e,
                     enum krbrepl__hdb_field field)
{
    return was->field[field].len != 0 && e->field[field].len == 0;
}

static int is_carried(const krbrepl__hdb_entry *was, const krbrepl__hdb_entry *e)
{
    static const enum krbrepl__hdb_field fixed[] = {KRBREPL__HDB_PRINCIPAL, KRBREPL__HDB_CREATED_BY,
                                                    KRBREPL__HDB_VALID_START, KRBREPL__HDB_ETYPES};
    size_t i;

    for (i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (!same(was->field[fixed[i]], e->field[fixed[i]]))
            return 0;
    return same(was->rest, e->rest) && !goes_away(was, e, KRBREPL__HDB_MODIFIED_BY) &&
           !goes_away(was, e, KRBREPL__HDB_EXTENSIONS);
}

int krbrepl__hdb_modifiable(krbrepl_bytes key, krbrepl_bytes was, krbrepl_bytes value)
{
    krbrepl__hdb_entry old, new;
    const int had = krbrepl__hdb_entry_at(&old, key, was),
              has = krbrepl__hdb_entry_at(&new, key, value);

    if (had != has)
        return 0;
    if (had)
        return is_carried(&old, &new);
    return (krbrepl__hdb_kind(was) == KRBREPL__HDB_ALIAS) ==
           (krbrepl__hdb_kind(value) == KRBREPL__HDB_ALIAS);
}
