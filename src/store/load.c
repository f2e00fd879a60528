/* Loads: a whole new content is collected beside the store, compared with what is live, and takes its place
 * in one commit. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <krbrepl/error.h>

#include "build.h"
#include "hostdb.h"
#include "digest.h"
#include "sorter.h"

/* Records between two calls of the progress callback. */
#define PROGRESS_EVERY 1000u
/* Records that one view compares before it is closed, so that it keeps no old pages alive. */
#define COMPARE_EVERY 10000u
/* Bytes of changes up to which a difference is made one commit of changes. Such a commit is held in memory as a
 * whole, more than once, by the master and by every replica; what replicas cross by copying is not. */
#define DELTA_MAX (4u << 20)
/* Canonical keys whose local entries have to go; gathered up to this many bytes. */
#define FORGET_ADDED (1u << 20)
#define FORGET_DELETED (16u << 20)

struct krbrepl_load {
    krbrepl_store *s;
    int lock; /* load.lock */
    krbrepl__sorter *sorter;
    int failed;        /* the code with which a record was lost: only abort is left */
    krbrepl_pos start; /* the position when the load began */
    char *who, *why;
    char who_room[32];
    krbrepl_load_options opt;
    int telling; /* the host's progress callback runs */
    krbrepl_load_result res;
    krbrepl__buf row;   /* the row being put */
    krbrepl__buf delta; /* the changes, encoded; its error TOOBIG: they do not fit into one commit */
    krbrepl__buf added; /* canonical keys, as krbrepl__local_forget wants them */
    krbrepl__buf deleted;
    uint64_t compared, to_compare;
    uint8_t root[32];
};

krbrepl_store *krbrepl__load_store(const krbrepl_load *l)
{
    return l->s;
}

int krbrepl__load_telling(const krbrepl_load *l)
{
    return l->telling;
}

static void progress(krbrepl_load *l, const char *phase, uint64_t done, uint64_t total)
{
    if (l->opt.progress == NULL)
        return;
    l->telling = 1;
    l->opt.progress(l->opt.progress_ctx, phase, done, total);
    l->telling = 0;
}

/* ---- begin, put, abort ---------------------------------------------------------------------- */

static void load_free(krbrepl_load *l)
{
    krbrepl__sorter_close(l->sorter);
    krbrepl__unlock_file(l->s, &l->lock);
    krbrepl__strfree(l->who);
    krbrepl__strfree(l->why);
    krbrepl__buf_free(&l->row);
    krbrepl__buf_free(&l->delta);
    krbrepl__buf_free(&l->added);
    krbrepl__buf_free(&l->deleted);
    krbrepl__free(l, sizeof *l);
}

void krbrepl__load_abort(krbrepl_load *l)
{
    if (l != NULL)
        load_free(l);
}

/* Where the store is, and whether it is master. */
static int start_position(krbrepl_load *l)
{
    krbrepl__wtxn as_if = {0};
    krbrepl__rtxn r = {0};
    int rc = krbrepl__rtxn_begin(l->s, &r);

    if (rc == 0) {
        as_if.st = r.st;
        rc = krbrepl__wtxn_master(l->s, &as_if);
        l->start = r.st.pos;
    }
    krbrepl__rtxn_end(l->s, &r);
    return rc;
}

static int copy_options(krbrepl_load *l, const krbrepl_load_options *opt)
{
    const krbrepl_bytes who = krbrepl__who(opt->who, l->who_room);
    int rc = krbrepl__origin_check(l->s, opt->who, opt->why);

    if (rc != 0)
        return rc;
    l->opt = *opt;
    l->who = krbrepl__strndup(who.data, who.len);
    l->why = krbrepl__strdup(opt->why != NULL ? opt->why : "");
    if (l->who == NULL || l->why == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(l->s), KRBREPL_ERR_NOMEM);
    return 0;
}

int krbrepl__load_begin(krbrepl_store *s, krbrepl_load **out, const krbrepl_load_options *opt)
{
    krbrepl_load *l;
    int rc;

    *out = NULL;
    if (s->flags & KRBREPL_STORE_READONLY)
        return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_STATE,
                             "load: the store was opened for reading only; open it for writing");
    if (s->hosted && (rc = krbrepl__host_there(s)) != 0)
        return rc;
    l = krbrepl__alloc(sizeof *l);
    if (l == NULL)
        return krbrepl__fail_plain(KRBREPL__EI(s), KRBREPL_ERR_NOMEM);
    l->s = s;
    l->lock = -1;
    krbrepl__buf_init(&l->row, 0);
    krbrepl__buf_init(&l->delta, DELTA_MAX);
    krbrepl__buf_init(&l->added, 0);
    krbrepl__buf_init(&l->deleted, FORGET_DELETED);
    rc = copy_options(l, opt);
    if (rc == 0)
        rc = start_position(l);
    if (rc == 0)
        rc = krbrepl__build_lock(s, &l->lock);
    if (rc == 0)
        rc = krbrepl__dir_check(s);
    if (rc == 0)
        rc = krbrepl__sorter_open(&l->sorter, s->dir, KRBREPL__EI(s));
    if (rc != 0) {
        load_free(l);
        return rc;
    }
    *out = l;
    return 0;
}

static int load_usable(krbrepl_load *l)
{
    if (l->failed == 0)
        return 0;
    return krbrepl__fail(KRBREPL__EI(l->s), KRBREPL_ERR_STATE,
                         "load: a record could not be taken earlier (%s), so the content is not whole; "
                         "abort it and load again",
                         krbrepl_err_name(l->failed));
}

int krbrepl__load_put(krbrepl_load *l, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl__rkey k;
    char text[104];
    int rc = load_usable(l);

    if (rc == 0)
        rc = krbrepl__rkey_make(l->s, table, key, &k);
    if (rc != 0)
        return rc;
    if (value.len > KRBREPL_MAX_VALUE)
        return krbrepl__fail(KRBREPL__EI(l->s), KRBREPL_ERR_TOOBIG,
                             "load: a value of %zu bytes; the limit is %u", value.len,
                             KRBREPL_MAX_VALUE);
    krbrepl__buf_reset(&l->row);
    rc = krbrepl__row_encode(l->s, &k, value, l->s->hosted, &l->row);
    if (rc != 0)
        return l->failed = rc;
    rc = krbrepl__sorter_put(l->sorter, (krbrepl_bytes){k.ck.b, k.ck.len},
                             (krbrepl_bytes){l->row.data, l->row.len});
    if (rc == KRBREPL_ERR_EXISTS) {
        krbrepl__printable(text, key);
        return krbrepl__fail(KRBREPL__EI(l->s), rc, "load: %s record %s was given twice", table, text);
    }
    l->failed = rc;
    if (rc == 0 && krbrepl__sorter_count(l->sorter) % PROGRESS_EVERY == 0)
        progress(l, "sorting", krbrepl__sorter_count(l->sorter), 0);
    return rc;
}

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

/* A load may go on while the store is master and where it was. */
static int check(void *ctx, const krbrepl__wtxn *w)
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
    return check(l, &as_if);
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

/* Appends a change to the delta while it fits into one commit. `row` is verified on the way. */
static int add_change(krbrepl_load *l, uint64_t op, const MDB_val *ck, const MDB_val *data)
{
    krbrepl__row row;
    krbrepl_change c;
    int rc;

    if (l->delta.err != 0)
        return 0;
    if (l->res.added + l->res.changed + l->res.deleted > KRBREPL_MAX_CHANGES) {
        krbrepl__buf_free(&l->delta);
        l->delta.err = KRBREPL_ERR_TOOBIG;
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
    krbrepl__change_put(&l->delta, &c);
    if (l->delta.err == KRBREPL_ERR_TOOBIG) {
        krbrepl__buf_free(&l->delta);
        l->delta.err = KRBREPL_ERR_TOOBIG;
    }
    return l->delta.err == KRBREPL_ERR_NOMEM ? krbrepl__fail_plain(KRBREPL__EI(l->s), KRBREPL_ERR_NOMEM)
                                             : 0;
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
    return add_change(l, KRBREPL_PUT, ck, data);
}

static int is_deleted(krbrepl_load *l, const MDB_val *ck, const MDB_val *data)
{
    l->res.deleted++;
    krbrepl__buf_vec16(&l->deleted, ck->mv_data, ck->mv_size);
    return add_change(l, KRBREPL_DELETE, ck, data);
}

static int is_in_both(krbrepl_load *l, const MDB_val *ck, const MDB_val *now, const MDB_val *next)
{
    if (now->mv_size == next->mv_size && memcmp(now->mv_data, next->mv_data, now->mv_size) == 0)
        return 0;
    l->res.changed++;
    return add_change(l, KRBREPL_PUT, ck, next);
}

static int sorter_step(krbrepl_load *l, MDB_val *k, MDB_val *v, int *end)
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
        rc = sorter_step(l, &k, &v, &end);
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
            rc = sorter_step(l, &k, &v, &end);
        l->compared += c == 0 ? 2 : 1;
        if (l->compared / PROGRESS_EVERY > told) {
            told = l->compared / PROGRESS_EVERY;
            progress(l, "comparing", l->compared, l->to_compare);
        }
    }
    return rc;
}

static int compare(krbrepl_load *l)
{
    live_walk w;
    int rc;

    memset(&w, 0, sizeof w);
    rc = compare_with(l, &w);
    live_close(l, &w);
    return rc;
}

/* ---- the commit ----------------------------------------------------------------------------- */

static krbrepl__commit commit_of(const krbrepl_load *l, uint8_t kind)
{
    krbrepl__commit c;

    memset(&c, 0, sizeof c);
    c.kind = kind;
    c.who = (krbrepl_bytes){l->who, strlen(l->who)};
    c.why = (krbrepl_bytes){l->why, strlen(l->why)};
    return c;
}

/* The differences as one ordinary commit on the live generation. */
static int commit_changes(krbrepl_load *l)
{
    krbrepl__commit c = commit_of(l, KRBREPL_COMMIT_CHANGES);
    krbrepl__wtxn w = {0};
    int rc = krbrepl__wtxn_begin(l->s, &w);

    if (rc != 0)
        return rc;
    c.nchanges = (uint32_t)(l->res.added + l->res.changed + l->res.deleted);
    c.body = (krbrepl_bytes){l->delta.data, l->delta.len};
    rc = check(l, &w);
    if (rc == 0)
        rc = krbrepl__row_apply(l->s, w.txn, krbrepl__gen(l->s, w.st.live), &c, &w.st.records, NULL);
    if (rc == 0)
        rc = krbrepl__journal_append(l->s, &w, &c);
    if (rc == 0)
        rc = krbrepl__trim(l->s, &w, 64);
    l->res.pos = w.st.pos;
    if (rc == 0)
        rc = krbrepl__wtxn_commit(l->s, &w);
    else
        krbrepl__wtxn_abort(l->s, &w);
    return rc;
}

/* Writes the whole content in key order and computes its digest in the same pass. */
static int fill(krbrepl_load *l, krbrepl__build *b)
{
    krbrepl__digest *d = NULL;
    krbrepl__rtxn r = {0};
    MDB_val k, v;
    uint64_t n = 0;
    int e, end = 0, rc = krbrepl__rtxn_begin(l->s, &r);

    if (rc == 0 && (d = krbrepl__digest_new(r.id)) == NULL)
        rc = krbrepl__fail_plain(KRBREPL__EI(l->s), KRBREPL_ERR_NOMEM);
    krbrepl__rtxn_end(l->s, &r);
    krbrepl__sorter_rewind(l->sorter);
    if (rc == 0)
        rc = sorter_step(l, &k, &v, &end);
    while (rc == 0 && !end) {
        rc = krbrepl__build_slice(b);
        if (rc == 0 && (e = mdb_put(b->w.txn, b->dbi, &k, &v, MDB_APPEND)) != 0)
            rc = krbrepl__mdb_fail(l->s->env, KRBREPL__EI(l->s), e, "load: writing");
        if (rc == 0 && (rc = krbrepl__digest_add(d, k.mv_data, k.mv_size, v.mv_data)) != 0)
            krbrepl__fail_plain(KRBREPL__EI(l->s), rc);
        if (rc == 0)
            rc = krbrepl__build_wrote(b, k.mv_size + v.mv_size);
        n++;
        /* The host is not kept waiting for, with the writer lock in our hands. */
        if (rc == 0 && b->w.txn == NULL)
            progress(l, "writing", n, krbrepl__sorter_count(l->sorter));
        if (rc == 0)
            rc = sorter_step(l, &k, &v, &end);
    }
    if (rc == 0 && (rc = krbrepl__digest_root(d, l->root)) != 0)
        krbrepl__fail_plain(KRBREPL__EI(l->s), rc);
    krbrepl__digest_free(d);
    return rc;
}

/* The whole content in the other generation, and one commit that switches to it. */
static int commit_reset(krbrepl_load *l)
{
    krbrepl__commit c = commit_of(l, KRBREPL_COMMIT_RESET);
    krbrepl__build b = {.s = l->s, .as = KRBREPL__OTHER_BUILT, .check = check, .ctx = l};
    int rc = krbrepl__room_check(l->s, "load", krbrepl__sorter_bytes(l->sorter) / 32 * 33 + (1u << 20));

    if (rc == 0)
        rc = krbrepl__build_begin(&b);
    if (rc == 0)
        rc = fill(l, &b);
    /* The last rows and the switch may share a transaction. */
    if (rc == 0)
        rc = krbrepl__build_slice(&b);
    if (rc == 0) {
        c.records = krbrepl__sorter_count(l->sorter);
        memcpy(c.root, l->root, sizeof c.root);
        krbrepl__build_switch(&b, c.records);
        rc = krbrepl__journal_append(l->s, &b.w, &c);
    }
    if (rc == 0) {
        rc = krbrepl__trim(l->s, &b.w, 64);
        l->res.pos = b.w.st.pos;
    }
    if (rc == 0)
        rc = krbrepl__build_flush(&b);
    krbrepl__build_end(&b);
    return rc;
}

static int commit_difference(krbrepl_load *l)
{
    const uint64_t n = l->res.added + l->res.changed + l->res.deleted;
    int rc;

    l->res.pos = l->start;
    l->res.records = krbrepl__sorter_count(l->sorter);
    if (n == 0)
        return 0;
    l->res.kind =
        l->delta.err == 0 && n <= KRBREPL_MAX_CHANGES ? KRBREPL_COMMIT_CHANGES : KRBREPL_COMMIT_RESET;
    krbrepl__local_forget(l->s, &l->added);
    if (l->s->host != NULL)
        l->s->host->quiet++;
    rc = l->res.kind == KRBREPL_COMMIT_CHANGES ? commit_changes(l) : commit_reset(l);
    if (l->s->host != NULL)
        l->s->host->quiet--;
    if (rc != 0)
        return rc;
    krbrepl__local_forget(l->s, &l->deleted);
    krbrepl__store_wake_node(l->s);
    return 0;
}

void krbrepl__load_as_reset(krbrepl_load *l)
{
    l->delta.err = KRBREPL_ERR_TOOBIG;
}

int krbrepl__load_commit(krbrepl_load *l, krbrepl_load_result *out)
{
    int rc;

    KRBREPL_INIT(&l->res);
    rc = load_usable(l);
    if (rc == 0)
        rc = krbrepl__sorter_finish(l->sorter);
    if (rc == 0)
        rc = compare(l);
    if (rc == 0)
        rc = commit_difference(l);
    if (rc == 0)
        progress(l, "done", l->res.records, l->res.records);
    if (rc == 0 && out != NULL)
        *out = l->res;
    load_free(l);
    return rc;
}
