/* update.c: the records of a dump file put beside what is there.
 *
 * The file is read twice: first to see that it is whole and names nothing twice, then to put its records
 * into commits. Records that are there already, byte for byte, are left out. */
#include "load.h"

#include "answer.h"
#include "errinfo.h"
#include "seen.h"

/* What a change takes in a commit besides key and value, rounded up, and what is left for its head. */
#define CHANGE_OVERHEAD 64u
#define COMMIT_HEAD 8192u

struct group {
    krbrepl__mit_job *job;
    krbrepl_txn *txn;
    uint64_t changes, bytes;
};

static int check(krbrepl__mit_job *j, krbrepl__mit_seen *seen)
{
    uint64_t first, second;
    krbrepl__mit_entry e;
    int rc;

    while ((rc = krbrepl__mit_job_next(j, "check", &e)) > 0)
        if ((rc = krbrepl__mit_seen_add(seen, e.table, e.key, e.line)) != 0)
            return krbrepl__fail_plain(j->ei, rc);
    if (rc == 0 && krbrepl__mit_seen_twice(seen, &first, &second))
        rc = krbrepl__mit_job_twice(j, first, second);
    return rc;
}

static int check_file(krbrepl__mit_job *j)
{
    krbrepl__mit_seen *seen;
    int rc = krbrepl__mit_job_again(j); /* before anything was read that could not be read again */

    if (rc != 0)
        return rc;
    seen = krbrepl__mit_seen_new();
    if (seen == NULL)
        return krbrepl__fail_plain(j->ei, KRBREPL_ERR_NOMEM);
    if ((rc = krbrepl__mit_job_begin(j)) == 0 && (rc = check(j, seen)) == 0 &&
        (rc = krbrepl__mit_job_again(j)) == 0)
        rc = krbrepl__mit_job_begin(j);
    krbrepl__mit_seen_free(seen);
    return rc;
}

static int begin(struct group *g)
{
    krbrepl_txn_options opt;
    int rc;

    KRBREPL_INIT(&opt);
    opt.who = g->job->opt.who;
    opt.why = g->job->opt.why;
    rc = krbrepl_txn_begin(g->job->store, &g->txn, &opt);
    g->changes = g->bytes = 0;
    return rc != 0 ? krbrepl__common_store_fail(g->job->store, rc, g->job->ei) : 0;
}

static int commit(struct group *g)
{
    krbrepl_txn *t = g->txn;
    int rc;

    g->txn = NULL;
    rc = krbrepl_txn_commit(t, &g->job->res.pos);
    if (rc != 0)
        return krbrepl__common_store_fail(g->job->store, rc, g->job->ei);
    if (g->changes != 0) {
        g->job->res.commits++;
        g->job->res.kind = KRBREPL_COMMIT_CHANGES;
    }
    return 0;
}

static int put_one(struct group *g, const krbrepl__mit_entry *e)
{
    uint64_t size = e->key.len + e->value.len + CHANGE_OVERHEAD;
    krbrepl_bytes have;
    int rc, there;

    rc = krbrepl_txn_get(g->txn, e->table, e->key, &have);
    if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        return krbrepl__common_store_fail(g->job->store, rc, g->job->ei);
    there = rc == 0;
    if (there && have.len == e->value.len && memcmp(have.data, e->value.data, have.len) == 0)
        return 0;
    if (g->changes == KRBREPL_MAX_CHANGES || g->bytes + size > KRBREPL_MAX_COMMIT - COMMIT_HEAD)
        if ((rc = commit(g)) != 0 || (rc = begin(g)) != 0)
            return rc;
    rc = krbrepl_txn_put(g->txn, e->table, e->key, e->value);
    if (rc != 0)
        return krbrepl__common_store_fail(g->job->store, rc, g->job->ei);
    g->changes++;
    g->bytes += size;
    g->job->res.added += !there;
    g->job->res.changed += there;
    return 0;
}

static int put_all(struct group *g)
{
    krbrepl__mit_job *j = g->job;
    krbrepl__mit_entry e;
    int rc;

    while ((rc = krbrepl__mit_job_next(j, "read", &e)) > 0) {
        if ((rc = put_one(g, &e)) != 0)
            return rc;
        if (j->spool != NULL && strcmp(e.table, KRBREPL_MIT_TABLE_PRINCIPAL) == 0 &&
            (rc = krbrepl__mit_spool_put(j->spool, e.key, &e.lockout, j->ei)) != 0)
            return rc;
    }
    return rc;
}

int krbrepl__mit_load_update(krbrepl__mit_job *j)
{
    struct group g = {j, NULL, 0, 0};
    int rc;

    if ((rc = check_file(j)) != 0 || (rc = begin(&g)) != 0)
        return rc;
    rc = put_all(&g);
    if (rc == 0)
        return commit(&g);
    krbrepl_txn_abort(g.txn);
    return rc;
}
