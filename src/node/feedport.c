#include "feedport.h"

#include <stdio.h>
#include <string.h>

#include "errinfo.h"
#include "mem.h"
#include "storecalls.h"

static krbrepl__feedport *self(void *ctx)
{
    return ctx;
}

/* The store's failure, kept for error_text, for the caller too. */
static int failed(krbrepl__feedport *p, krbrepl_store *s, int rc, krbrepl_errinfo *ei)
{
    p->ei = *krbrepl__store_ei(s);
    if (ei != NULL)
        *ei = p->ei;
    return rc;
}

static const char *error_text(void *ctx)
{
    return self(ctx)->ei.text;
}

static int get_state(void *ctx, krbrepl__islave_state *out)
{
    krbrepl__feedport *p = ctx;
    int rc = krbrepl__source_get(p->store, &p->source);

    if (rc != 0)
        return failed(p, p->store, rc, NULL);
    out->version = p->source.version;
    out->settling = p->source.settling;
    out->marked = p->source.marked;
    memcpy(out->mark, p->source.mark, sizeof out->mark);
    return 0;
}

static krbrepl__source source_at(const krbrepl__feedport *p, const krbrepl__islave_state *st)
{
    krbrepl__source src = p->source;

    src.version = st->version;
    src.settling = st->settling;
    src.marked = st->marked;
    memcpy(src.mark, st->mark, sizeof src.mark);
    return src;
}

/* ---- commits -------------------------------------------------------------------------------- */

static int begin(void *ctx, const char *why)
{
    krbrepl__feedport *p = ctx;
    krbrepl_txn_options opt;
    int rc;

    KRBREPL_INIT(&opt);
    opt.who = p->who;
    opt.why = why;
    rc = krbrepl__txn_begin(p->store, &p->txn, &opt);
    return rc == 0 ? 0 : failed(p, p->store, rc, NULL);
}

static int row_get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    krbrepl__feedport *p = ctx;
    int rc = krbrepl__txn_get(p->txn, KRBREPL__HDB_TABLE, key, value);

    return rc == 0 || rc == KRBREPL_ERR_NOTFOUND ? rc : failed(p, p->store, rc, ei);
}

static int row_put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    krbrepl__feedport *p = ctx;
    int rc = krbrepl__txn_put(p->txn, KRBREPL__HDB_TABLE, key, value);

    return rc == 0 ? 0 : failed(p, p->store, rc, ei);
}

static int row_del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    krbrepl__feedport *p = ctx;
    int rc = krbrepl__txn_delete(p->txn, KRBREPL__HDB_TABLE, key);

    return rc == 0 ? 0 : failed(p, p->store, rc, ei);
}

static int seal(void *ctx, krbrepl_bytes entry, krbrepl__buf *out, krbrepl_errinfo *ei)
{
    return krbrepl__hdbseal_seal(self(ctx)->seal, entry, out, ei);
}

static int commit(void *ctx, const krbrepl__islave_state *st, krbrepl_pos *out)
{
    krbrepl__feedport *p = ctx;
    krbrepl__source src = source_at(p, st);
    krbrepl_txn *t = p->txn;
    int rc = krbrepl__txn_source(t, &src);

    p->txn = NULL;
    if (rc != 0)
        krbrepl__txn_abort(t);
    else
        rc = krbrepl__txn_commit(t, out);
    if (rc != 0)
        return failed(p, p->store, rc, NULL);
    p->source = src;
    return 0;
}

static void abort_txn(void *ctx)
{
    krbrepl__feedport *p = ctx;

    krbrepl__txn_abort(p->txn);
    p->txn = NULL;
}

/* ---- loads ---------------------------------------------------------------------------------- */

/* The end of a load, in another thread. It owns what it works on. */
typedef struct load_job {
    krbrepl__job job; /* first */
    krbrepl_store *store;
    krbrepl_load *load;
    krbrepl__source source;
    krbrepl_load_result res;
    int rc;
    krbrepl_errinfo ei;
} load_job;

static void run_load(krbrepl__job *j)
{
    load_job *l = (load_job *)j;

    l->rc = krbrepl__load_commit(l->load, &l->res);
    l->load = NULL;
    if (l->rc != 0)
        l->ei = *krbrepl__store_ei(l->store);
}

static void free_load(krbrepl__job *j)
{
    load_job *l = (load_job *)j;

    krbrepl__load_abort(l->load);
    krbrepl__store_close(l->store);
    krbrepl__free(l, sizeof *l);
}

static int load_begin(void *ctx, const char *why)
{
    krbrepl__feedport *p = ctx;
    krbrepl_load_options opt;
    int rc;

    krbrepl__errinfo_clear(&p->ei);
    rc = krbrepl__store_dup(p->store, &p->load_store, &p->ei);
    if (rc != 0)
        return rc;
    krbrepl__source_join(p->load_store);
    KRBREPL_INIT(&opt);
    opt.who = p->who;
    opt.why = why;
    rc = krbrepl__load_begin(p->load_store, &p->load, &opt);
    if (rc != 0) {
        failed(p, p->load_store, rc, NULL);
        krbrepl__store_close(p->load_store);
        p->load_store = NULL;
    }
    return rc;
}

/* A new content begins empty. */
static int load_get(void *ctx, krbrepl_bytes key, krbrepl_bytes *value, krbrepl_errinfo *ei)
{
    (void)ctx;
    (void)key;
    (void)ei;
    *value = (krbrepl_bytes){NULL, 0};
    return KRBREPL_ERR_NOTFOUND;
}

static int load_put(void *ctx, krbrepl_bytes key, krbrepl_bytes value, krbrepl_errinfo *ei)
{
    krbrepl__feedport *p = ctx;
    int rc = krbrepl__load_put(p->load, KRBREPL__HDB_TABLE, key, value);

    return rc == 0 ? 0 : failed(p, p->load_store, rc, ei);
}

static int load_del(void *ctx, krbrepl_bytes key, krbrepl_errinfo *ei)
{
    (void)ctx;
    (void)key;
    return krbrepl__fail(ei, KRBREPL_ERR_STATE, "load: a record that is not there was to be deleted");
}

static void load_abort(void *ctx)
{
    krbrepl__feedport *p = ctx;

    krbrepl__load_abort(p->load);
    krbrepl__store_close(p->load_store);
    p->load = NULL;
    p->load_store = NULL;
}

static int load_end(void *ctx, const krbrepl__islave_state *st, krbrepl__job **job)
{
    krbrepl__feedport *p = ctx;
    load_job *l = krbrepl__alloc(sizeof *l);
    int rc;

    if (l == NULL)
        return krbrepl__fail_plain(&p->ei, KRBREPL_ERR_NOMEM);
    l->source = source_at(p, st);
    rc = krbrepl__load_source(p->load, &l->source);
    if (rc != 0) {
        krbrepl__free(l, sizeof *l);
        return failed(p, p->load_store, rc, NULL);
    }
    KRBREPL_INIT(&l->res);
    l->job.run = run_load;
    l->job.free = free_load;
    l->job.initiator = 1;
    l->store = p->load_store;
    l->load = p->load;
    p->load_store = NULL;
    p->load = NULL;
    *job = &l->job;
    return 0;
}

static int load_done(void *ctx, krbrepl__job *job, krbrepl_pos *out)
{
    krbrepl__feedport *p = ctx;
    load_job *l = (load_job *)job;
    int rc = l->rc;

    *out = l->res.pos;
    if (rc == 0)
        p->source = l->source;
    else
        p->ei = l->ei;
    free_load(job);
    return rc;
}

/* ---- birth and end -------------------------------------------------------------------------- */

static void set_tables(krbrepl__feedport *p)
{
    p->rows = (krbrepl__hdb_rows){.get = row_get, .put = row_put, .del = row_del, .ctx = p};
    p->load_rows = (krbrepl__hdb_rows){.get = load_get, .put = load_put, .del = load_del, .ctx = p};
    if (p->seal != NULL)
        p->rows.seal = p->load_rows.seal = seal;
    p->port = (krbrepl__islave_port){.ctx = p,
                                     .state = get_state,
                                     .begin = begin,
                                     .commit = commit,
                                     .abort = abort_txn,
                                     .rows = &p->rows,
                                     .load_begin = load_begin,
                                     .load_rows = &p->load_rows,
                                     .load_end = load_end,
                                     .load_done = load_done,
                                     .load_abort = load_abort,
                                     .error_text = error_text};
}

int krbrepl__feedport_open(krbrepl__feedport *p, krbrepl_store *store, const char *principal,
                           const char *mkey_file, int replace, krbrepl_errinfo *ei)
{
    int rc = 0;

    memset(p, 0, sizeof *p);
    if (krbrepl__store_hosted(store))
        return krbrepl__fail(ei, KRBREPL_ERR_STATE,
                             "node: records in a host's own database cannot come from a master of "
                             "another kind; use a store that has them itself");
    if (mkey_file != NULL)
        rc = krbrepl__hdbseal_open(&p->seal, mkey_file, ei);
    if (rc == 0)
        rc = krbrepl__store_dup(store, &p->store, ei);
    if (rc != 0)
        return rc;
    snprintf(p->who, sizeof p->who, "%s", principal);
    rc = krbrepl__source_follow(p->store, KRBREPL_DIALECT_HEIMDAL, principal, replace, &p->source);
    if (rc != 0)
        return failed(p, p->store, rc, ei);
    set_tables(p);
    return 0;
}

void krbrepl__feedport_close(krbrepl__feedport *p)
{
    abort_txn(p);
    if (p->load != NULL)
        load_abort(p);
    krbrepl__store_close(p->store);
    p->store = NULL;
    krbrepl__hdbseal_close(p->seal);
    p->seal = NULL;
}
