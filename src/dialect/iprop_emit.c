#include "iprop_emit.h"

#include <stdlib.h>
#include <string.h>

#include "logrec.h"
#include "mem.h"

enum pass { PASS_FIRST = 0, PASS_REST = 1, PASS_ALIASES = 2, PASS_SECOND = 3, PASS_END = 4 };

enum what { NOTHING = 0, REMOVE = 1, MODIFY = 2, CREATE = 3 };

#define DO_NOT_STORE (UINT32_C(1) << 31)

struct krbrepl__iprop_step {
    krbrepl_bytes key, value;
    uint32_t last;         /* the change that says what this record is in the end */
    uint8_t hdb, put;      /* it is in the table; it is a put there */
    uint8_t pass;          /* of its first record */
    uint8_t first, second; /* enum what */
};

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

/* ---- what is said of each change ------------------------------------------------------------- */

/* A change among those of its record. */
typedef struct place {
    krbrepl_bytes key;
    uint32_t at;
} place;

static int same_key(const place *a, const place *b)
{
    return a->key.len == b->key.len && memcmp(a->key.data, b->key.data, a->key.len) == 0;
}

static int by_key(const void *one, const void *other)
{
    const place *a = one, *b = other;
    int order;

    if (a->key.len != b->key.len)
        return a->key.len < b->key.len ? -1 : 1;
    order = memcmp(a->key.data, b->key.data, a->key.len);
    if (order != 0)
        return order;
    return a->at < b->at ? -1 : a->at > b->at;
}

static int is_entry_put(const struct krbrepl__iprop_step *t)
{
    return t->hdb && t->put && krbrepl__iprop_is_entry(t->key, t->value);
}

static int is_alias_put(const struct krbrepl__iprop_step *t)
{
    return t->hdb && t->put && krbrepl__hdb_kind(t->value) == KRBREPL__HDB_ALIAS;
}

/* What the first record of the first put of an entry does, for what the record is in the end. */
static enum what first_of(const struct krbrepl__iprop_step *last, int removed)
{
    krbrepl__hdb_entry e;

    if (removed || !is_entry_put(last) || krbrepl__hdb_entry_read(&e, last->value, NULL) != 0)
        return REMOVE;
    return needs_delete(&e) ? REMOVE : MODIFY;
}

/* All changes of one record, `n` of them in their order. */
static void plan_record(krbrepl__iprop_emit *e, const place *p, size_t n)
{
    uint32_t end = p[n - 1].at;
    struct krbrepl__iprop_step *last = &e->step[end], *t, *entry = NULL;
    int removed = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        t = &e->step[p[i].at];
        t->last = end;
        removed |= !t->put;
        if (is_entry_put(t)) {
            t->pass = PASS_FIRST;
            entry = entry == NULL ? t : entry;
        } else if (is_alias_put(t)) {
            t->pass = PASS_ALIASES;
        } else {
            e->odd += t->put;
        }
    }
    if (entry != NULL)
        entry->first = first_of(last, removed);
    if (last->pass == PASS_FIRST)
        last->second = CREATE;
    else if (!last->put || last->pass == PASS_ALIASES)
        last->first = REMOVE;
}

/* NOMEM. */
static int plan(krbrepl__iprop_emit *e)
{
    size_t n = e->c.nchanges, count = 0, i, k;
    place *p = krbrepl__alloc_array(n, sizeof *p);
    krbrepl__change_view v;
    krbrepl__change_it it;

    e->step = krbrepl__alloc_array(n, sizeof *e->step);
    if (p == NULL || e->step == NULL) {
        krbrepl__free(p, n * sizeof *p);
        return KRBREPL_ERR_NOMEM;
    }
    krbrepl__commit_each(&e->c, &it);
    for (i = 0; i < n && krbrepl__commit_next(&it, &v) == 1; i++) {
        e->step[i] = (struct krbrepl__iprop_step){.key = v.key, .value = v.value, .pass = PASS_REST};
        e->step[i].hdb = (uint8_t)in_table(&v);
        e->step[i].put = (uint8_t)(v.op == KRBREPL_PUT);
        if (e->step[i].hdb)
            p[count++] = (place){v.key, (uint32_t)i};
    }
    qsort(p, count, sizeof *p, by_key);
    for (i = 0; i < count; i = k) {
        for (k = i + 1; k < count && same_key(&p[i], &p[k]); k++)
            continue;
        plan_record(e, &p[i], k - i);
    }
    krbrepl__free(p, n * sizeof *p);
    return 0;
}

void krbrepl__iprop_emit_end(krbrepl__iprop_emit *e)
{
    krbrepl__free(e->step, e->c.nchanges * sizeof *e->step);
    e->step = NULL;
    e->left = 0;
}

int krbrepl__iprop_emit_begin(krbrepl__iprop_emit *e, krbrepl_bytes commit)
{
    int rc;

    krbrepl__iprop_emit_end(e);
    rc = krbrepl__commit_decode(commit, &e->c);
    e->pass = PASS_FIRST;
    e->at = 0;
    e->odd = 0;
    if (rc != 0 || e->c.kind != KRBREPL_COMMIT_CHANGES) {
        e->c.nchanges = 0;
        return rc;
    }
    rc = plan(e);
    if (rc == 0)
        e->left = KRBREPL__IPROP_RECORDS(e->c.nchanges);
    return rc;
}

/* ---- records -------------------------------------------------------------------------------- */

static void say(const krbrepl__iprop_emit *e, uint32_t version, const struct krbrepl__iprop_step *t,
                enum what what, krbrepl__buf *b)
{
    krbrepl__hdb_princ name;

    if (what == CREATE)
        krbrepl__hdb_rec_create(b, version, time_of(e), t->value);
    else if (what == MODIFY)
        krbrepl__hdb_rec_modify(b, version, time_of(e), KRBREPL__HDB_MASK_ALL, e->step[t->last].value);
    else if (what == REMOVE && read_key(t->key, &name))
        krbrepl__hdb_rec_delete(b, version, time_of(e), &name);
    else
        krbrepl__hdb_rec_nop(b, version, time_of(e));
}

int krbrepl__iprop_emit_next(krbrepl__iprop_emit *e, uint32_t version, krbrepl__buf *b)
{
    uint32_t n = e->c.nchanges;

    while (e->left != 0 && e->pass != PASS_END) {
        const struct krbrepl__iprop_step *t;

        if (e->at == n) {
            e->pass++;
            e->at = 0;
            continue;
        }
        t = &e->step[e->pass == PASS_REST ? n - 1 - e->at : e->at];
        e->at++;
        if (e->pass != PASS_SECOND && e->pass != t->pass)
            continue;
        say(e, version, t, (enum what)(e->pass == PASS_SECOND ? t->second : t->first), b);
        e->left--;
        return 1;
    }
    return 0;
}
