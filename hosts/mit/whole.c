/* whole.c: a dump file in the place of the tables principal and policy. */
#include "load.h"

#include "errinfo.h"
#include "storefail.h"

struct carrier {
    krbrepl_load *load;
};

/* Records of other tables are no part of a dump and stay. */
static int carry_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct carrier *c = ctx;

    if (strcmp(table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0 || strcmp(table, KRBREPL_MIT_TABLE_POLICY) == 0)
        return 0;
    return krbrepl_load_put(c->load, table, key, value);
}

static int carry(krbrepl__mit_job *j, krbrepl_load *load)
{
    struct carrier c = {load};
    krbrepl_view *v = NULL;
    int rc;

    /* Opened after the load began: what was committed between makes the load fail with CONFLICT. */
    if ((rc = krbrepl_view_open(j->store, &v)) != 0 ||
        (rc = krbrepl_view_each(v, NULL, NULL, NULL, 0, carry_one, &c)) != 0)
        krbrepl__mit_store_fail(j->store, rc, j->ei);
    krbrepl_view_close(v);
    return rc;
}

/* The record on line `second` came before: looks where, by reading again up to there. */
static int find_first(krbrepl__mit_job *j, const krbrepl__mit_entry *twice)
{
    uint64_t second = twice->line, first = 0;
    krbrepl__mit_reader *r = NULL;
    krbrepl__mit_entry e;

    if (krbrepl__mit_job_again(j) == 0)
        r = krbrepl__mit_reader_new(j->file, krbrepl__mit_read_fd, &j->fd);
    if (r != NULL && krbrepl__mit_reader_begin(r, j->ei) == 0)
        while (krbrepl__mit_reader_next(r, &e, j->ei) == 1 && e.line < second)
            if (e.table == twice->table && e.key.len == twice->key.len &&
                memcmp(e.key.data, twice->key.data, e.key.len) == 0) {
                first = e.line;
                break;
            }
    krbrepl__mit_reader_free(r);
    if (first != 0)
        return krbrepl__mit_job_twice(j, first, second);
    return krbrepl__mit_reader_fail(j->reader, second, j->ei, KRBREPL_ERR_INPUT,
                                    "the record was given on an earlier line already");
}

static int put_one(krbrepl__mit_job *j, krbrepl_load *load, const krbrepl__mit_entry *e)
{
    int rc = krbrepl_load_put(load, e->table, e->key, e->value);

    if (rc == KRBREPL_ERR_EXISTS)
        return find_first(j, e);
    if (rc != 0)
        return krbrepl__mit_store_fail(j->store, rc, j->ei);
    if (j->spool != NULL && strcmp(e->table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0)
        return krbrepl__mit_spool_put(j->spool, e->key, &e->lockout, j->ei);
    return 0;
}

static int put_all(krbrepl__mit_job *j, krbrepl_load *load)
{
    krbrepl__mit_entry e;
    int rc;

    while ((rc = krbrepl__mit_job_next(j, "read", &e)) > 0)
        if ((rc = put_one(j, load, &e)) != 0)
            return rc;
    if (rc != 0)
        return rc;
    if (j->res.principals == 0)
        return krbrepl__fail(
            j->ei, KRBREPL_ERR_INPUT,
            "%.120s holds no principal: it would empty the database, so it was not loaded", j->file);
    if (!j->has_mkey)
        krbrepl__mit_job_note(j, "the file holds no master key principal K/M: it is not the dump of a "
                                 "whole realm");
    return carry(j, load);
}

int krbrepl__mit_load_whole(krbrepl__mit_job *j)
{
    krbrepl_load_options opt;
    krbrepl_load_result res;
    krbrepl_load *load = NULL;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&res);
    opt.who = j->opt.who;
    opt.why = j->opt.why;
    opt.progress = j->opt.progress;
    opt.progress_ctx = j->opt.ctx;
    if ((rc = krbrepl_load_begin(j->store, &load, &opt)) != 0)
        return krbrepl__mit_store_fail(j->store, rc, j->ei);
    if ((rc = put_all(j, load)) != 0) {
        krbrepl_load_abort(load);
        return rc;
    }
    if ((rc = krbrepl_load_commit(load, &res)) != 0)
        return krbrepl__mit_store_fail(j->store, rc, j->ei);
    j->res.pos = res.pos;
    j->res.kind = res.kind;
    j->res.commits = res.kind != 0;
    j->res.added = res.added;
    j->res.changed = res.changed;
    j->res.deleted = res.deleted;
    return 0;
}
