#include "iprop_emit.h"

#include <string.h>

#include "logrec.h"

enum { PASS_FIRST = 0, PASS_REST = 1, PASS_SECOND = 2, PASS_END = 3 };

#define DO_NOT_STORE (UINT32_C(1) << 31)

int krbrepl__iprop_emit_begin(krbrepl__iprop_emit *e, krbrepl_bytes commit)
{
    int rc = krbrepl__commit_decode(commit, &e->c);

    e->pass = PASS_FIRST;
    e->left = 0;
    e->odd = 0;
    if (rc != 0)
        return rc;
    if (e->c.kind != KRBREPL_COMMIT_CHANGES)
        return 0;
    e->left = KRBREPL__IPROP_RECORDS(e->c.nchanges);
    krbrepl__commit_each(&e->c, &e->it);
    return 0;
}

/* ---- what a change is ----------------------------------------------------------------------- */

static int in_table(const krbrepl__change_view *v)
{
    return v->table_len == strlen(KRBREPL__HDB_TABLE) &&
           memcmp(v->table, KRBREPL__HDB_TABLE, v->table_len) == 0;
}

/* The slave finds the entry by its own name, so that is what the key must say. */
static int read_entry(krbrepl_bytes key, krbrepl_bytes value, krbrepl__hdb_entry *e)
{
    krbrepl__buf own;
    int ok;

    if (krbrepl__hdb_kind(value) != KRBREPL__HDB_ENTRY ||
        krbrepl__hdb_entry_read(e, value, NULL) != 0 || e->field[KRBREPL__HDB_PRINCIPAL].len == 0 ||
        (e->flags & DO_NOT_STORE) != 0)
        return 0;
    krbrepl__buf_init(&own, 0);
    krbrepl__hdb_key(&own, &e->princ);
    ok = own.err == 0 && own.len == key.len && memcmp(own.data, key.data, key.len) == 0;
    krbrepl__buf_free(&own);
    return ok;
}

int krbrepl__iprop_is_entry(krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl__hdb_entry e;

    return read_entry(key, value, &e);
}

static int is_put(const krbrepl__change_view *v, krbrepl__hdb_entry *e)
{
    return v->op == KRBREPL_PUT && in_table(v) && read_entry(v->key, v->value, e);
}

/* The name that a key stands for. */
static int read_key(krbrepl_bytes key, krbrepl__hdb_princ *p)
{
    krbrepl__rd r;

    krbrepl__rd_init(&r, key.data, key.len);
    krbrepl__hdb_princ_read(&r, p);
    return krbrepl__rd_end(&r) == 0;
}

/* ---- records -------------------------------------------------------------------------------- */

/* A modify leaves start of validity and enctypes as they are, and extensions too when it brings none; slaves crash
 * over one that does not say who made it, which an entry that is new does not. And one store of an entry that is
 * there takes its aliases away before it fails, which makes the next one fail: an entry with aliases is never
 * created over another. */
static int needs_delete(const krbrepl__hdb_entry *e)
{
    return e->aliases.len != 0 || e->field[KRBREPL__HDB_MODIFIED_BY].len == 0 ||
           e->field[KRBREPL__HDB_VALID_START].len != 0 || e->field[KRBREPL__HDB_ETYPES].len != 0 ||
           e->field[KRBREPL__HDB_EXTENSIONS].len == 0;
}

static uint32_t time_of(const krbrepl__iprop_emit *e)
{
    int64_t s = e->c.time_us / 1000000;

    return s < 0 ? 0 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

static void put_first(const krbrepl__iprop_emit *e, uint32_t version, const krbrepl__change_view *v,
                      const krbrepl__hdb_entry *entry, krbrepl__buf *b)
{
    if (needs_delete(entry))
        krbrepl__hdb_rec_delete(b, version, time_of(e), &entry->princ);
    else
        krbrepl__hdb_rec_modify(b, version, time_of(e), KRBREPL__HDB_MASK_ALL, v->value);
}

static void put_rest(krbrepl__iprop_emit *e, uint32_t version, const krbrepl__change_view *v,
                     krbrepl__buf *b)
{
    krbrepl__hdb_princ name;

    if (v->op == KRBREPL_DELETE && in_table(v) && read_key(v->key, &name)) {
        krbrepl__hdb_rec_delete(b, version, time_of(e), &name);
        return;
    }
    if (v->op == KRBREPL_PUT && in_table(v) && krbrepl__hdb_kind(v->value) != KRBREPL__HDB_ALIAS)
        e->odd++;
    krbrepl__hdb_rec_nop(b, version, time_of(e));
}

/* 1: this change has a record in this pass. */
static int one(krbrepl__iprop_emit *e, uint32_t version, const krbrepl__change_view *v, krbrepl__buf *b)
{
    krbrepl__hdb_entry entry;
    int put = is_put(v, &entry);

    if (e->pass == PASS_SECOND) {
        if (put)
            krbrepl__hdb_rec_create(b, version, time_of(e), v->value);
        else
            krbrepl__hdb_rec_nop(b, version, time_of(e));
        return 1;
    }
    if (put != (e->pass == PASS_FIRST))
        return 0;
    if (put)
        put_first(e, version, v, &entry, b);
    else
        put_rest(e, version, v, b);
    return 1;
}

int krbrepl__iprop_emit_next(krbrepl__iprop_emit *e, uint32_t version, krbrepl__buf *b)
{
    krbrepl__change_view v;

    while (e->left != 0 && e->pass != PASS_END) {
        if (krbrepl__commit_next(&e->it, &v) != 1) {
            e->pass++;
            krbrepl__commit_each(&e->c, &e->it);
        } else if (one(e, version, &v, b)) {
            e->left--;
            return 1;
        }
    }
    return 0;
}
