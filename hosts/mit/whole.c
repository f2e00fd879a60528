/* whole.c: a dump file in the place of the tables principal and policy. */
#include "load.h"

#include "answer.h"
#include "errinfo.h"
#include "replace.h"

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
        return krbrepl__common_store_fail(j->store, rc, j->ei);
    if (j->spool != NULL && strcmp(e->table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0)
        return krbrepl__mit_spool_put(j->spool, e->key, &e->lockout, j->ei);
    return 0;
}

static int put_all(void *ctx, krbrepl_load *load)
{
    krbrepl__mit_job *j = ctx;
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
    return 0;
}

int krbrepl__mit_load_whole(krbrepl__mit_job *j)
{
    const krbrepl__common_replacement r = {
        .store = j->store,
        .tables = {KRBREPL_MIT_TABLE_PRINCIPAL, KRBREPL_MIT_TABLE_POLICY},
        .who = j->opt.who,
        .why = j->opt.why,
        .progress = j->opt.progress,
        .progress_ctx = j->opt.ctx,
        .put = put_all,
        .job = j,
        .ei = j->ei,
    };
    krbrepl_load_result res;
    int rc = krbrepl__common_replace(&r, &res);

    if (rc != 0)
        return rc;
    j->res.pos = res.pos;
    j->res.kind = res.kind;
    j->res.commits = res.kind != 0;
    j->res.added = res.added;
    j->res.changed = res.changed;
    j->res.deleted = res.deleted;
    return 0;
}
