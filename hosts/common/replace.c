#include "replace.h"

#include <string.h>

#include "answer.h"

typedef struct carrier {
    krbrepl_load *load;
    const char *const *tables;
} carrier;

static int carry_one(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    const carrier *c = ctx;
    size_t i;

    for (i = 0; i < 2 && c->tables[i] != NULL; i++)
        if (strcmp(table, c->tables[i]) == 0)
            return 0;
    return krbrepl_load_put(c->load, table, key, value);
}

/* Records of other tables are no part of the file and stay. */
static int carry(const krbrepl__common_replacement *r, krbrepl_load *load)
{
    carrier c = {load, r->tables};
    krbrepl_view *v = NULL;
    int rc;

    /* Opened after the load began: what was committed between makes the load fail with CONFLICT. */
    if ((rc = krbrepl_view_open(r->store, &v)) != 0 ||
        (rc = krbrepl_view_each(v, NULL, NULL, NULL, 0, carry_one, &c)) != 0)
        krbrepl__common_store_fail(r->store, rc, r->ei);
    krbrepl_view_close(v);
    return rc;
}

int krbrepl__common_replace(const krbrepl__common_replacement *r, krbrepl_load_result *res)
{
    krbrepl_load_options opt;
    krbrepl_load *load = NULL;
    int rc;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(res);
    opt.who = r->who;
    opt.why = r->why;
    opt.progress = r->progress;
    opt.progress_ctx = r->progress_ctx;
    if ((rc = krbrepl_load_begin(r->store, &load, &opt)) != 0)
        return krbrepl__common_store_fail(r->store, rc, r->ei);
    if ((rc = r->put(r->job, load)) != 0 || (rc = carry(r, load)) != 0) {
        krbrepl_load_abort(load);
        return rc;
    }
    rc = krbrepl_load_commit(load, res);
    return rc != 0 ? krbrepl__common_store_fail(r->store, rc, r->ei) : 0;
}
