/* replace.c: a whole new content for a directory, which has no place for it beside the present one.
 *
 * When all of it is there (kdb5spool.h), every record of it that the directory has otherwise is written, and then whatever
 * else of the realm is there is deleted: a step at a time, because each record is some requests to the directory. A KDC
 * finds old records and new ones until the end. The store has noted before that the content is of no position meanwhile:
 * who dies here is copied again, and writes what is missing. */
#include "ldap.h"
#include "kdb5spool.h"

#include <string.h>

enum { LOOK, WRITE, DELETE, DONE };

static const krbrepl_bytes none = {NULL, 0};

/* ---- what is there ---------------------------------------------------------------------------- */

struct looking {
    krb5_context ctx;
    krbrepl__kdb5_names *names;
    krb5_error_code err;
};

static krb5_error_code principal_seen(krb5_pointer arg, krb5_db_entry *e)
{
    struct looking *l = arg;
    char *text = NULL;

    if (l->err == 0)
        l->err = krb5_unparse_name(l->ctx, e->princ, &text);
    if (l->err == 0)
        l->err = krbrepl__kdb5_names_add(l->names, 1, krbrepl__kdb_text(text), 0);
    krb5_free_unparsed_name(l->ctx, text);
    return l->err;
}

static void policy_seen(void *arg, osa_policy_ent_t p)
{
    struct looking *l = arg;

    if (l->err == 0)
        l->err = krbrepl__kdb5_names_add(l->names, 0, krbrepl__kdb_text(p->name), 0);
}

/* One search each, however many there are. */
static krb5_error_code look(krbrepl_kdb5 *db)
{
    struct looking l = {db->live, &db->spool->names, 0};
    krb5_error_code err = krb5_db_iterate(db->live, NULL, principal_seen, &l, 0);

    if (err == 0)
        err = krb5_db_iter_policy(db->live, NULL, policy_seen, &l);
    if (err == 0)
        err = l.err;
    krbrepl__kdb5_names_sort(l.names);
    (void)krbrepl__kdb5_failed(db, db->live, err, "reading what the directory has", none);
    return err == 0 ? krbrepl__kdb5_spool_rewind(db) : err;
}

/* ---- taking over ------------------------------------------------------------------------------ */

static int is_there(krbrepl_kdb5 *db, const krbrepl_change *c)
{
    void *value = NULL;
    size_t len = 0;
    const int same = c->op == KRBREPL_PUT &&
                     krbrepl__kdb5_read(db, db->live, c->table, c->key, &value, &len, NULL) == 0 &&
                     len == c->value.len && memcmp(value, c->value.data, len) == 0;

    krbrepl_mit_free(value, len);
    return same;
}

static krb5_error_code write_one(krbrepl_kdb5 *db, int *end)
{
    krbrepl__kdb5_name *name;
    krbrepl_change c;
    krb5_error_code err = krbrepl__kdb5_spool_next(db, &c, end);

    if (err != 0 || *end)
        return err;
    err = krbrepl__kdb5_names_find(&db->spool->names, &c, &name);
    if (err == 0 && name != NULL)
        name->wanted = c.op == KRBREPL_PUT;
    if (err == 0 && !is_there(db, &c))
        err = krbrepl__kdb5_change(db, db->live, &c, 0);
    return krbrepl__kdb5_failed(db, db->live, err, "loading", c.key);
}

static krb5_error_code delete_one(krbrepl_kdb5 *db, int *end)
{
    krbrepl__kdb5_spool *s = db->spool;
    const krbrepl__kdb5_name *name = &s->names.name[s->done];
    krbrepl_change c;

    *end = s->done == s->names.n;
    if (*end || (s->done++, name->wanted))
        return 0;
    KRBREPL_INIT(&c);
    c.op = KRBREPL_DELETE;
    c.table = krbrepl__kdb5_table_name(name->table);
    c.key = krbrepl__kdb_text(name->text);
    return krbrepl__kdb5_failed(db, db->live, krbrepl__kdb5_change(db, db->live, &c, 0), "deleting",
                                c.key);
}

int krbrepl__kdb5_replace_step(void *ctx, int *more)
{
    krbrepl_kdb5 *db = ctx;
    krbrepl__kdb5_spool *s = db->spool;
    krb5_error_code err = krbrepl__kdb5_spool_there(db);

    if (err != 0)
        return err;
    if (s->stage == LOOK) {
        err = look(db);
        s->stage += err == 0;
    } else if (s->stage != DONE) {
        err = krbrepl__kdb5_spool_some(db, s->stage == WRITE ? write_one : delete_one);
    }
    *more = s->stage != DONE;
    return err;
}

int krbrepl__kdb5_replace_commit(void *ctx, const krbrepl_pos *to)
{
    krb5_error_code err = krbrepl__kdb5_spool_all(ctx, krbrepl__kdb5_replace_step);

    (void)to; /* the store remembers it */
    if (err == 0)
        krbrepl__kdb5_replace_abort(ctx);
    return err;
}

void krbrepl__kdb5_replace_abort(void *ctx)
{
    krbrepl__kdb5_spool_free(ctx);
}
