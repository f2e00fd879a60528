/* A load against the content that is live: has the store moved, and what differs. */
#include "loadint.h"

#include <stdio.h>
#include <string.h>

#include <krbrepl/error.h>

#include "entry.h"
#include "hostdb.h"

/* Records that one view compares before it is closed, so that it keeps no old pages alive. */
#define COMPARE_EVERY 10000u
/* Canonical keys whose local entries have to go; gathered up to this many bytes. */
#define FORGET_ADDED (1u << 20)

/* ---- conflicts ------------------------------------------------------------------------------ */

/* Appends "seq (who: why)" of commit `seq`, or the seq alone. */
static void name_commit(krbrepl_load *l, const krbrepl__wtxn *w, uint64_t seq, krbrepl__buf *text)
{
    krbrepl_bytes enc;
    krbrepl__commit c;
    char part[160];

    snprintf(part, sizeof part, "%llu", (unsigned long long)seq);
    if (krbrepl__journal_get(l->s, w->txn, &w->st, w->id, seq, &enc, NULL) == 0 &&
        krbrepl__commit_decode(enc, &c) == 0)
        snprintf(part, sizeof part, "%llu (%.*s: %.*s)", (unsigned long long)seq,
                 (int)(c.who.len < 40 ? c.who.len : 40), (const char *)c.who.data,
                 (int)(c.why.len < 40 ? c.why.len : 40), (const char *)c.why.data);
    if (text->len > 0)
        krbrepl__buf_bytes(text, ", ", 2);
    krbrepl__buf_bytes(text, part, strlen(part));
}

/* The store moved: says by which commits. */
static int conflict(krbrepl_load *l, const krbrepl__wtxn *w)
{
    const uint64_t from = l->start.seq + 1, to = w->st.pos.seq;
    krbrepl__buf text;
    uint64_t seq;
    int rc;

    krbrepl__buf_init(&text, 0);
    for (seq = from; seq <= to && seq < from + 5; seq++)
        name_commit(l, w, seq, &text);
    krbrepl__buf_u8(&text, 0);
    rc = krbrepl__fail(KRBREPL__EI(l->s), KRBREPL_ERR_CONFLICT,
                       "load: changed since the load began, load again: %llu commits: %s%s",
                       (unsigned long long)(to >= from ? to - from + 1 : 0),
                       text.err == 0 ? (const char *)text.data : "", to >= from + 5 ? ", ..." : "");
    krbrepl__buf_free(&text);
    return rc;
}

int krbrepl__load_check(void *ctx, const krbrepl__wtxn *w)
{
    krbrepl_load *l = ctx;

    if (!krbrepl__pos_equal(&w->st.pos, &l->start))
        return conflict(l, w);
    return krbrepl__wtxn_master(l->s, w);
}

static int check_read(krbrepl_load *l, const krbrepl__rtxn *r)
{
    krbrepl__wtxn as_if = {0};

    as_if.txn = r->txn;
    as_if.st = r->st;
    memcpy(as_if.id, r->id, sizeof as_if.id);
    return krbrepl__load_check(l, &as_if);
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* The live generation, walked under views that are closed now and then. */
typedef struct live_walk {
    krbrepl__rtxn r;
    MDB_cursor *cur;
    krbrepl__ckey last; /* len 0: nothing read yet */
    unsigned n;         /* read under this view */
    int end;
    MDB_val k, v; /* the present record, unless `end` */
} live_walk;

static void live_close(krbrepl_load *l, live_walk *w)
{
    if (w->cur != NULL)
        mdb_cursor_close(w->cur);
    w->cur = NULL;
    krbrepl__rtxn_end(l->s, &w->r);
    w->r.txn = NULL;
}

static int live_open(krbrepl_load *l, live_walk *w)
{
    int e, rc = krbrepl__rtxn_begin(l->s, &w->r);

    if (rc != 0)
        return rc;
    rc = check_read(l, &w->r);
    if (rc != 0)
        return rc;
    e = mdb_cursor_open(w->r.txn, krbrepl__gen(l->s, w->r.st.live), &w->cur);
    w->n = 0;
    return e == 0 ? 0 : krbrepl__mdb_fail(l->s->env, KRBREPL__EI(l->s), e, "load: comparing");
}

/* Moves behind `last`. The position is checked with every view, so `last` is still there. */
static int live_next(krbrepl_load *l, live_walk *w)
{
    MDB_cursor_op op = MDB_NEXT;
    int e, rc;

    if (w->cur == NULL || w->n == COMPARE_EVERY) {
        live_close(l, w);
        rc = live_open(l, w);
        if (rc != 0)
            return rc;
        op = MDB_FIRST;
    }
    e = 0;
    if (op == MDB_FIRST && w->last.len > 0) {
        w->k = (MDB_val){w->last.len, w->last.b};
        e = mdb_cursor_get(w->cur, &w->k, &w->v, MDB_SET_KEY);
        op = MDB_NEXT;
    }
    if (e == 0)
        e = mdb_cursor_get(w->cur, &w->k, &w->v, op);
    w->end = e == MDB_NOTFOUND;
    if (e != 0)
        return w->end ? 0 : krbrepl__mdb_fail(l->s->env, KRBREPL__EI(l->s), e, "load: comparing");
    memcpy(w->last.b, w->k.mv_data, w->k.mv_size);
    w->last.len = w->k.mv_size;
    w->n++;
    return 0;
}

static void too_big(krbrepl_load *l)
{
    krbrepl__buf_free(&l->delta);
    l->delta.err = KRBREPL_ERR_TOOBIG;
}

/* To one of the three parts of the delta. */
static int append(krbrepl_load *l, krbrepl__buf *part, const krbrepl_change *c)
{
    krbrepl__change_put(part, c);
    if (part->err == KRBREPL_ERR_TOOBIG)
        too_big(l);
    return part->err == KRBREPL_ERR_NOMEM ? krbrepl__fail_plain(KRBREPL__EI(l->s), KRBREPL_ERR_NOMEM)
                                          : 0;
}

static int is_alias(const krbrepl__row *row, krbrepl_bytes value)
{
    return krbrepl__is_hdb(row->table, row->table_len) &&
           krbrepl__hdb_kind(value) == KRBREPL__HDB_ALIAS;
}

/* In a commit of Heimdal's own functions an alias goes before its entry, and another entry has its name after that: slaves
 * in Heimdal's dialect, who cannot remove an alias, are told by this order which of two names was one. */
static int join(krbrepl_load *l)
{
    if (l->delta.err != 0 || (l->early.len == 0 && l->late.len == 0))
        return 0;
    krbrepl__buf_bytes(&l->early, l->delta.data, l->delta.len);
    krbrepl__buf_bytes(&l->early, l->late.data, l->late.len);
    krbrepl__buf_free(&l->delta);
    l->delta = l->early;
    krbrepl__buf_init(&l->early, 0);
    if (l->delta.err == KRBREPL_ERR_TOOBIG)
        too_big(l);
    return l->delta.err == KRBREPL_ERR_NOMEM ? krbrepl__fail_plain(KRBREPL__EI(l->s), KRBREPL_ERR_NOMEM)
                                             : 0;
}

/* Appends a change to the delta while it fits into one commit. `row` is verified on the way. */
static int add_change(krbrepl_load *l, krbrepl__buf *part, uint64_t op, const MDB_val *ck,
                      const MDB_val *data)
{
    krbrepl__row row;
    krbrepl_change c;
    int rc;

    if (l->delta.err != 0)
        return 0;
    if (l->res.added + l->res.changed + l->res.deleted + l->remade > KRBREPL_MAX_CHANGES) {
        too_big(l);
        return 0;
    }
    /* What is deleted is not in a host's database any more. */
    rc = op == KRBREPL_DELETE && l->s->hosted
             ? krbrepl__row_parse(l->s, krbrepl__gen(l->s, 0), ck, data, &row)
             : krbrepl__row_open(l->s, krbrepl__gen(l->s, 0), ck, data, &row);
    if (rc != 0)
        return rc;
    KRBREPL_INIT(&c);
    c.table = row.table;
    c.key = row.key;
    c.op = op;
    if (op == KRBREPL_PUT)
        c.value = row.value;
    else if (!l->s->hosted && is_alias(&row, row.value))
        part = &l->early;
    return append(l, part, &c);
}

static int is_added(krbrepl_load *l, const MDB_val *ck, const MDB_val *data)
{
    l->res.added++;
    krbrepl__buf_vec16(&l->added, ck->mv_data, ck->mv_size);
    if (l->added.err != 0)
        return krbrepl__fail_plain(KRBREPL__EI(l->s), l->added.err);
    if (l->added.len >= FORGET_ADDED) {
        krbrepl__local_forget(l->s, &l->added);
        krbrepl__buf_reset(&l->added);
    }
    return add_change(l, &l->delta, KRBREPL_PUT, ck, data);
}

static int is_deleted(krbrepl_load *l, const MDB_val *ck, const MDB_val *data)
{
    l->res.deleted++;
    krbrepl__buf_vec16(&l->deleted, ck->mv_data, ck->mv_size);
    return add_change(l, &l->delta, KRBREPL_DELETE, ck, data);
}

/* What was there before: 1: it is another one for slaves in Heimdal's dialect; 0: not. What is no more in a host's
 * database, or not right, counts as another. `*alias`: it was one. */
static int is_remade(krbrepl_load *l, const krbrepl__row *row, const MDB_val *ck, const MDB_val *now,
                     int *alias)
{
    krbrepl__row was;
    int rc = KRBREPL_ERR_CORRUPT;

    *alias = 0;
    if (!krbrepl__is_hdb(row->table, row->table_len))
        return 0;
    if (!l->s->hosted)
        rc = krbrepl__row_open(l->s, krbrepl__gen(l->s, 0), ck, now, &was);
    if (rc != 0)
        return rc == KRBREPL_ERR_CORRUPT ? 1 : rc;
    *alias = is_alias(row, was.value);
    return !krbrepl__hdb_modifiable(row->key, was.value, row->value);
}

/* As a transaction does. `*part`: where the put belongs. */
static int note_remade(krbrepl_load *l, const MDB_val *ck, const MDB_val *now, const MDB_val *next,
                       krbrepl__buf **part)
{
    krbrepl__row row;
    krbrepl_change c;
    int alias, rc = l->s->hosted ? krbrepl__row_parse(l->s, krbrepl__gen(l->s, 0), ck, next, &row)
                                 : krbrepl__row_open(l->s, krbrepl__gen(l->s, 0), ck, next, &row);

    if (rc != 0 || l->delta.err != 0)
        return rc;
    rc = is_remade(l, &row, ck, now, &alias);
    if (rc != 1)
        return rc;
    l->remade++;
    KRBREPL_INIT(&c);
    c.table = row.table;
    c.key = row.key;
    c.op = KRBREPL_DELETE;
    *part = alias ? &l->late : &l->delta;
    return append(l, alias ? &l->early : &l->delta, &c);
}

static int is_in_both(krbrepl_load *l, const MDB_val *ck, const MDB_val *now, const MDB_val *next)
{
    krbrepl__buf *part = &l->delta;
    int rc;

    if (now->mv_size == next->mv_size && memcmp(now->mv_data, next->mv_data, now->mv_size) == 0)
        return 0;
    l->res.changed++;
    rc = note_remade(l, ck, now, next, &part);
    return rc != 0 ? rc : add_change(l, part, KRBREPL_PUT, ck, next);
}

int krbrepl__load_next(krbrepl_load *l, MDB_val *k, MDB_val *v, int *end)
{
    krbrepl_bytes key = {NULL, 0}, value = {NULL, 0};
    const int got = krbrepl__sorter_next(l->sorter, &key, &value);

    *end = got == 0;
    *k = (MDB_val){key.len, (void *)(uintptr_t)key.data};
    *v = (MDB_val){value.len, (void *)(uintptr_t)value.data};
    return got < 0 ? got : 0;
}

/* Walks both in key order and counts, and gathers, what differs. */
static int compare_with(krbrepl_load *l, live_walk *w)
{
    MDB_val k, v;
    uint64_t told = 0;
    int end = 0, c, rc = live_next(l, w);

    if (rc == 0)
        rc = krbrepl__load_next(l, &k, &v, &end);
    l->to_compare = krbrepl__sorter_count(l->sorter) + w->r.st.records;
    while (rc == 0 && !(end && w->end)) {
        c = end      ? 1
            : w->end ? -1
                     : krbrepl__bytes_cmp(k.mv_data, k.mv_size, w->k.mv_data, w->k.mv_size);
        if (c < 0)
            rc = is_added(l, &k, &v);
        else if (c > 0)
            rc = is_deleted(l, &w->k, &w->v);
        else
            rc = is_in_both(l, &k, &w->v, &v);
        if (rc == 0 && c >= 0)
            rc = live_next(l, w);
        if (rc == 0 && c <= 0)
            rc = krbrepl__load_next(l, &k, &v, &end);
        l->compared += c == 0 ? 2 : 1;
        if (l->compared / KRBREPL__LOAD_PROGRESS > told) {
            told = l->compared / KRBREPL__LOAD_PROGRESS;
            krbrepl__load_progress(l, "comparing", l->compared, l->to_compare);
        }
    }
    return rc;
}

int krbrepl__load_compare(krbrepl_load *l)
{
    live_walk w;
    int rc;

    memset(&w, 0, sizeof w);
    rc = compare_with(l, &w);
    live_close(l, &w);
    return rc == 0 ? join(l) : rc;
}
