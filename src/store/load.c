/* Loads: a whole new content is collected beside the store, compared with what is live, and takes its place
 * in one commit. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <krbrepl/error.h>

#include "hostdb.h"
#include "digest.h"
#include "loadint.h"

/* Bytes of changes up to which a difference is made one commit of changes. Such a commit is held in memory as a
 * whole, more than once, by the master and by every replica; what replicas cross by copying is not. */
#define DELTA_MAX (4u << 20)
/* Canonical keys of deleted records, whose local entries have to go. */
#define FORGET_DELETED (16u << 20)

krbrepl_store *krbrepl__load_store(const krbrepl_load *l)
{
    return l->s;
}

int krbrepl__load_telling(const krbrepl_load *l)
{
    return l->telling;
}

void krbrepl__load_progress(krbrepl_load *l, const char *phase, uint64_t done, uint64_t total)
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
    krbrepl__free(l->source, sizeof *l->source);
    krbrepl__buf_free(&l->row);
    krbrepl__buf_free(&l->delta);
    krbrepl__buf_free(&l->early);
    krbrepl__buf_free(&l->late);
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
        as_if.txn = r.txn;
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
    krbrepl__buf_init(&l->early, DELTA_MAX);
    krbrepl__buf_init(&l->late, DELTA_MAX);
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
    if (rc == 0 && krbrepl__sorter_count(l->sorter) % KRBREPL__LOAD_PROGRESS == 0)
        krbrepl__load_progress(l, "sorting", krbrepl__sorter_count(l->sorter), 0);
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
    c.nchanges = (uint32_t)(l->res.added + l->res.changed + l->res.deleted + l->remade);
    c.body = (krbrepl_bytes){l->delta.data, l->delta.len};
    rc = krbrepl__load_check(l, &w);
    if (rc == 0)
        rc = krbrepl__row_apply(l->s, w.txn, krbrepl__gen(l->s, w.st.live), &c, &w.st.records, NULL);
    if (rc == 0)
        rc = krbrepl__journal_append(l->s, &w, &c);
    if (rc == 0)
        rc = krbrepl__source_write(l->s, w.txn, l->source);
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
        rc = krbrepl__load_next(l, &k, &v, &end);
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
            krbrepl__load_progress(l, "writing", n, krbrepl__sorter_count(l->sorter));
        if (rc == 0)
            rc = krbrepl__load_next(l, &k, &v, &end);
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
    krbrepl__build b = {.s = l->s, .as = KRBREPL__OTHER_BUILT, .check = krbrepl__load_check, .ctx = l};
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
    if (rc == 0)
        rc = krbrepl__numbers_forget(l->s, b.w.txn);
    if (rc == 0)
        rc = krbrepl__source_write(l->s, b.w.txn, l->source);
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
    const uint64_t n = l->res.added + l->res.changed + l->res.deleted + l->remade;
    int rc;

    l->res.pos = l->start;
    l->res.records = krbrepl__sorter_count(l->sorter);
    if (n == 0)
        return krbrepl__source_note(l->s, l->source, krbrepl__load_check, l);
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

int krbrepl__load_source(krbrepl_load *l, const krbrepl__source *src)
{
    return l->failed = krbrepl__source_keep(l->s, &l->source, src);
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
        rc = krbrepl__load_compare(l);
    if (rc == 0)
        rc = commit_difference(l);
    if (rc == 0)
        krbrepl__load_progress(l, "done", l->res.records, l->res.records);
    if (rc == 0 && out != NULL)
        *out = l->res;
    load_free(l);
    return rc;
}
