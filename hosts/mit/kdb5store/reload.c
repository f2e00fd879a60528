/* reload.c: a whole new content for klmdb.
 *
 * A load of klmdb is one transaction beside the present content, which every KDC goes on reading. Three things about it
 * are unlike db2's:
 *
 * A process may have the files open once: when the first of two closes them, the locks of both are gone, and the next
 * program that opens them believes that it is alone, and makes the table of locks anew under whoever holds one. So the
 * live database is closed for as long as the load lasts. Reading goes by the load's own handle, which finds the
 * present content, for klmdb reads beside its load.
 *
 * For the same reason a load cannot be read before it is promoted, so that records are compared afterwards. And to
 * delete in it would wait for itself for ever, since klmdb begins a second transaction for that: what is deleted later
 * is left out to begin with (kdb5spool.h).
 *
 * klmdb gives up what is not promoted by itself, also when the process dies. Its destroy would delete the live
 * database. */
#include "kdb5spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BEGIN, LOAD, PROMOTE, COMPARE, AGAIN, JUDGE, DONE };

static const krbrepl_bytes none = {NULL, 0};

/* ---- loading ----------------------------------------------------------------------------------- */

static krb5_error_code begin(krbrepl_kdb5 *db)
{
    krb5_error_code err = krbrepl__kdb5_spool_rewind(db);

    if (err != 0)
        return err;
    krbrepl__kdb5_names_sort(&db->spool->names);
    err = krbrepl__kdb5_context(db->realm, &db->temp);
    if (err != 0)
        return krbrepl__kdb5_failed(db, db->live, err, "preparing a full copy", none);
    krbrepl__kdb5_live_close(db);
    err = krb5_db_create(db->temp, db->temp_args);
    return krbrepl__kdb5_failed(db, db->temp, err, "beginning to load", none);
}

/* The next change that counts. */
static krb5_error_code next(krbrepl_kdb5 *db, krbrepl_change *c, int *end)
{
    krbrepl__kdb5_spool *s = db->spool;
    krbrepl__kdb5_name *gone;
    krb5_error_code err;

    for (;;) {
        err = krbrepl__kdb5_spool_next(db, c, end);
        if (err != 0 || *end)
            return err;
        if (c->op != KRBREPL_PUT)
            continue;
        err = krbrepl__kdb5_names_find(&s->names, c, &gone);
        if (err != 0 || gone == NULL || gone->at < s->at)
            return err;
    }
}

static krb5_error_code load_one(krbrepl_kdb5 *db, int *end)
{
    krbrepl_change c;
    krb5_error_code err = next(db, &c, end);

    if (err != 0 || *end)
        return err;
    return krbrepl__kdb5_failed(db, db->temp, krbrepl__kdb5_change(db, db->temp, &c, 0), "loading",
                                c.key);
}

static krb5_error_code promote(krbrepl_kdb5 *db)
{
    krb5_error_code err = krb5_db_promote(db->temp, db->temp_args);

    (void)krbrepl__kdb5_failed(db, db->temp, err, "putting a full copy in the place of the database",
                               none);
    krbrepl__kdb5_temp_end(db);
    if (err == 0)
        err = krbrepl__kdb5_failed(db, db->live, krbrepl__kdb5_live_open(db), "opening the database",
                                   none);
    return err == 0 ? krbrepl__kdb5_spool_rewind(db) : err;
}

/* ---- comparing --------------------------------------------------------------------------------- */

static krb5_error_code is_there(krbrepl_kdb5 *db, const krbrepl_change *c, int *is)
{
    void *value = NULL;
    size_t len = 0;
    krb5_error_code err = krbrepl__kdb5_read(db, db->live, c->table, c->key, &value, &len, NULL);

    *is = err == 0 && len == c->value.len && memcmp(value, c->value.data, len) == 0;
    krbrepl_mit_free(value, len);
    return err == KRB5_KDB_NOENTRY ? 0 : err;
}

/* One that differs may have come a second time, with another content. */
static krb5_error_code compare_one(krbrepl_kdb5 *db, int *end)
{
    krbrepl_change c;
    krb5_error_code err = next(db, &c, end);
    int is = 0;

    if (err != 0 || *end)
        return err;
    err = is_there(db, &c, &is);
    if (err == 0 && !is)
        err = krbrepl__kdb5_names_add(&db->spool->late, krbrepl__kdb5_table_of(c.table), c.key, 0);
    return krbrepl__kdb5_failed(db, db->live, err, "comparing", c.key);
}

static krb5_error_code compare_end(krbrepl_kdb5 *db)
{
    krbrepl__kdb5_spool *s = db->spool;

    if (s->late.n == 0) {
        s->stage = DONE;
        return 0;
    }
    krbrepl__kdb5_names_sort(&s->late);
    return krbrepl__kdb5_spool_rewind(db);
}

/* Of those that differed, whether the last content that came is there. */
static krb5_error_code again_one(krbrepl_kdb5 *db, int *end)
{
    krbrepl__kdb5_name *late;
    krbrepl_change c;
    krb5_error_code err = next(db, &c, end);

    if (err != 0 || *end)
        return err;
    err = krbrepl__kdb5_names_find(&db->spool->late, &c, &late);
    if (err == 0 && late != NULL)
        err = is_there(db, &c, &late->wanted);
    return krbrepl__kdb5_failed(db, db->live, err, "comparing", c.key);
}

static int same_name(const krbrepl__kdb5_name *a, const krbrepl__kdb5_name *b)
{
    return a->table == b->table && strcmp(a->text, b->text) == 0;
}

/* A name that is in the list more than once was judged in the last place. */
static krb5_error_code judge(krbrepl_kdb5 *db)
{
    const krbrepl__kdb5_names *late = &db->spool->late;
    krb5_error_code err;
    size_t i;

    krb5_clear_error_message(db->live);
    for (i = 0; i < late->n; i++) {
        if (late->name[i].wanted || (i + 1 < late->n && same_name(&late->name[i], &late->name[i + 1])))
            continue;
        err = krbrepl__kdb5_refuse(db->live, "this database does not give the record back as it was "
                                             "written; change it on the master");
        return krbrepl__kdb5_failed(db, db->live, err, "comparing",
                                    krbrepl__kdb_text(late->name[i].text));
    }
    return 0;
}

/* ---- in steps ---------------------------------------------------------------------------------- */

int krbrepl__kdb5_reload_step(void *ctx, int *more)
{
    krbrepl_kdb5 *db = ctx;
    krbrepl__kdb5_spool *s = db->spool;
    krb5_error_code err = krbrepl__kdb5_spool_there(db);

    if (err != 0)
        return err;
    switch (s->stage) {
    case BEGIN:
        err = begin(db);
        s->stage += err == 0;
        break;
    case LOAD:
        err = krbrepl__kdb5_spool_some(db, load_one);
        break;
    case PROMOTE:
        err = promote(db);
        s->stage += err == 0;
        break;
    case COMPARE:
        err = krbrepl__kdb5_spool_some(db, compare_one);
        if (err == 0 && s->stage == AGAIN)
            err = compare_end(db);
        break;
    case AGAIN:
        err = krbrepl__kdb5_spool_some(db, again_one);
        break;
    case JUDGE:
        err = judge(db);
        s->stage += err == 0;
        break;
    default:
        break;
    }
    *more = s->stage != DONE;
    return err;
}

int krbrepl__kdb5_reload_commit(void *ctx, const krbrepl_pos *to)
{
    krb5_error_code err = krbrepl__kdb5_spool_all(ctx, krbrepl__kdb5_reload_step);

    (void)to; /* the store remembers it */
    if (err == 0)
        krbrepl__kdb5_reload_abort(ctx);
    return err;
}

void krbrepl__kdb5_reload_abort(void *ctx)
{
    krbrepl_kdb5 *db = ctx;

    krbrepl__kdb5_temp_end(db);
    krbrepl__kdb5_spool_free(db);
}
