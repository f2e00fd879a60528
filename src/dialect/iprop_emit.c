#include "iprop_emit.h"

#include <stdlib.h>
#include <string.h>

#include "logrec.h"
#include "mem.h"

enum pass { PASS_FIRST = 0, PASS_REST = 1, PASS_ALIASES = 2, PASS_SECOND = 3, PASS_END = 4 };

enum what { NOTHING = 0, REMOVE = 1, MODIFY = 2, CREATE = 3 };

struct krbrepl__iprop_step {
    krbrepl_bytes key, value;
    uint32_t last;         /* the change that says what this record is in the end */
    uint8_t hdb, put;      /* it is in the table; it is a put there */
    uint8_t pass;          /* of its first record */
    uint8_t first, second; /* enum what */
    uint8_t removed;       /* and the commit removes this record at some time */
};

/* ---- what a change is ----------------------------------------------------------------------- */

static int in_table(const krbrepl__change_view *v)
{
    return v->table_len == strlen(KRBREPL__HDB_TABLE) &&
           memcmp(v->table, KRBREPL__HDB_TABLE, v->table_len) == 0;
}

int krbrepl__iprop_is_entry(krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl__hdb_entry e;

    return krbrepl__hdb_entry_at(&e, key, value);
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

uint32_t krbrepl__iprop_seconds(int64_t time_us)
{
    int64_t s = time_us / 1000000;

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

/* What is special about the commit as a whole. */
typedef struct whole {
    uint32_t entries; /* records that are entries in the end */
    int removes;      /* something is removed, at some time */
} whole;

/* Over an entry that is there. One with aliases may get one that another entry of the commit still has, or that is
 * the name of one which the commit removes: then all must be removed before anything is made. */
static enum what over_existing(const krbrepl__hdb_entry *e, const whole *w)
{
    if (e->field[KRBREPL__HDB_MODIFIED_BY].len == 0)
        return REMOVE;
    return e->aliases.len != 0 && (w->entries > 1 || w->removes) ? REMOVE : MODIFY;
}

/* An entry in the end. */
static void plan_entry(krbrepl__iprop_emit *e, struct krbrepl__iprop_step *entry,
                       struct krbrepl__iprop_step *last, const whole *w)
{
    krbrepl__hdb_entry read;

    last->second = CREATE;
    entry->first = REMOVE;
    if (last->removed || krbrepl__hdb_entry_read(&read, last->value, NULL) != 0)
        return;
    if (e->prior == KRBREPL__PRIOR_NEW)
        entry->first = NOTHING;
    else if (e->prior == KRBREPL__PRIOR_EXISTED)
        entry->first = (uint8_t)over_existing(&read, w);
    else
        entry->first = needs_delete(&read) ? REMOVE : MODIFY;
    if (e->prior == KRBREPL__PRIOR_EXISTED && entry->first == MODIFY)
        last->second = NOTHING;
}

/* All changes of one record, `n` of them in their order: which pass each belongs to. */
static void sort_record(krbrepl__iprop_emit *e, const place *p, size_t n, whole *w)
{
    uint32_t end = p[n - 1].at;
    struct krbrepl__iprop_step *last = &e->step[end], *t;
    size_t i;

    for (i = 0; i < n; i++) {
        t = &e->step[p[i].at];
        t->last = end;
        last->removed |= !t->put;
        if (is_entry_put(t))
            t->pass = PASS_FIRST;
        else if (is_alias_put(t))
            t->pass = PASS_ALIASES;
        else
            e->odd += t->put;
    }
    w->entries += last->pass == PASS_FIRST;
    w->removes |= last->removed;
}

/* The last change of a record that removes it; `plain`: and is more than the mark before a put that makes it anew. */
static struct krbrepl__iprop_step *removal_of(const krbrepl__iprop_emit *e, const place *p, size_t n,
                                              int plain)
{
    struct krbrepl__iprop_step *t = NULL;
    size_t i;

    for (i = 0; i < n; i++)
        if (!e->step[p[i].at].put && (!plain || i + 1 == n || p[i + 1].at != p[i].at + 1))
            t = &e->step[p[i].at];
    return t;
}

/* What a record is in the end when it is no entry. One that becomes an alias was an entry when it has a mark. */
static void plan_other(krbrepl__iprop_emit *e, const place *p, size_t n)
{
    struct krbrepl__iprop_step *last = &e->step[p[n - 1].at];

    if (last->removed)
        removal_of(e, p, n, 0)->first = REMOVE;
    else if (last->pass == PASS_ALIASES && e->prior == KRBREPL__PRIOR_UNKNOWN)
        last->first = REMOVE;
}

/* The same: what is said. */
static void plan_record(krbrepl__iprop_emit *e, const place *p, size_t n, const whole *w)
{
    struct krbrepl__iprop_step *last = &e->step[p[n - 1].at], *entry = NULL;
    struct krbrepl__iprop_step *gone = removal_of(e, p, n, 1);
    size_t i;

    for (i = 0; i < n && entry == NULL; i++)
        if (e->step[p[i].at].pass == PASS_FIRST)
            entry = &e->step[p[i].at];
    if (last->pass != PASS_FIRST) {
        if (entry != NULL)
            entry->first = REMOVE;
        plan_other(e, p, n);
    } else if (gone != NULL) {
        /* It may have been an alias, which goes with its entry alone. */
        gone->first = REMOVE;
        last->second = CREATE;
    } else {
        plan_entry(e, entry, last, w);
    }
}

static void plan_all(krbrepl__iprop_emit *e, place *p, size_t count)
{
    whole w = {0, 0};
    size_t i, k;
    int pass;

    qsort(p, count, sizeof *p, by_key);
    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < count; i = k) {
            for (k = i + 1; k < count && same_key(&p[i], &p[k]); k++)
                continue;
            if (pass == 0)
                sort_record(e, &p[i], k - i, &w);
            else
                plan_record(e, &p[i], k - i, &w);
        }
    for (i = 0; i < e->c.nchanges; i++)
        e->left += (e->step[i].first != NOTHING) + (e->step[i].second != NOTHING);
}

/* NOMEM. */
static int plan(krbrepl__iprop_emit *e)
{
    size_t n = e->c.nchanges, count = 0, i;
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
    plan_all(e, p, count);
    krbrepl__free(p, n * sizeof *p);
    return 0;
}

void krbrepl__iprop_emit_end(krbrepl__iprop_emit *e)
{
    krbrepl__free(e->step, e->c.nchanges * sizeof *e->step);
    e->step = NULL;
    e->left = 0;
}

/* ---- records -------------------------------------------------------------------------------- */

static void say(const krbrepl__iprop_emit *e, uint32_t version, const struct krbrepl__iprop_step *t,
                enum what what, krbrepl__buf *b)
{
    const uint32_t time = krbrepl__iprop_seconds(e->c.time_us);
    krbrepl__hdb_princ name;

    if (what == CREATE)
        krbrepl__hdb_rec_create(b, version, time, t->value);
    else if (what == MODIFY)
        krbrepl__hdb_rec_modify(b, version, time, KRBREPL__HDB_MASK_ALL, e->step[t->last].value);
    else if (what == REMOVE && read_key(t->key, &name))
        krbrepl__hdb_rec_delete(b, version, time, &name);
    else
        krbrepl__hdb_rec_nop(b, version, time);
}

/* Looks for the next record that is not left out. */
static void look_ahead(krbrepl__iprop_emit *e)
{
    uint32_t n = e->c.nchanges;

    for (; e->pass != PASS_END; e->pass++, e->at = 0)
        while (e->at < n) {
            const struct krbrepl__iprop_step *t =
                &e->step[e->pass == PASS_REST ? n - 1 - e->at : e->at];

            e->at++;
            if (e->pass != PASS_SECOND && e->pass != t->pass)
                continue;
            e->place++;
            e->next = t;
            e->what = e->pass == PASS_SECOND ? t->second : t->first;
            if (e->what != NOTHING)
                return;
        }
}

int krbrepl__iprop_emit_begin(krbrepl__iprop_emit *e, krbrepl_bytes commit, enum krbrepl__prior prior)
{
    int rc;

    krbrepl__iprop_emit_end(e);
    rc = krbrepl__commit_decode(commit, &e->c);
    e->prior = prior;
    e->pass = PASS_FIRST;
    e->at = 0;
    e->place = e->said = 0;
    e->odd = 0;
    if (rc != 0 || e->c.kind != KRBREPL_COMMIT_CHANGES) {
        e->c.nchanges = 0;
        return rc;
    }
    rc = plan(e);
    if (rc == 0 && e->left != 0)
        look_ahead(e);
    return rc;
}

static void go_on(krbrepl__iprop_emit *e)
{
    e->said = e->place;
    e->left--;
    if (e->left != 0)
        look_ahead(e);
}

/* Of the numbers that are no seals. */
static uint64_t number_at(const krbrepl__iprop_emit *e)
{
    return e->left == 1 ? KRBREPL__IPROP_NUMBERS(e->c.nchanges) - 1 : e->place + (e->place - 1) / 2;
}

int krbrepl__iprop_emit_next(krbrepl__iprop_emit *e, uint32_t before, uint32_t *version,
                             krbrepl__buf *b)
{
    if (e->left == 0)
        return 0;
    *version = before + (uint32_t)number_at(e);
    say(e, *version, e->next, (enum what)e->what, b);
    go_on(e);
    return 1;
}

uint64_t krbrepl__iprop_emit_seal(const krbrepl__iprop_emit *e)
{
    const uint64_t pairs = e->left != 0 ? (e->place - 1) / 2 : e->c.nchanges;

    return e->left == 0 || e->said <= 2 * pairs ? KRBREPL__IPROP_EACH * pairs : 0;
}

void krbrepl__iprop_emit_skip(krbrepl__iprop_emit *e, uint64_t n)
{
    while (e->left != 0 && e->place <= n / KRBREPL__IPROP_EACH * 2)
        go_on(e);
}
