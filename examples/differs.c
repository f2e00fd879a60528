/* differs.c: goes through the records of one store and looks each up in the other, then the other way round:
 * two passes that need no memory, whatever the sizes. */
#include "differs.h"

#include <string.h>

#include "progress.h"
#include "token.h"

struct side {
    const char *dir;
    krbrepl_store *store;
    krbrepl_view *view;
    uint64_t records;
};

struct differs {
    struct cli *c;
    struct side first, other;
    int back; /* the second pass: the records of `other` */
    uint64_t done, found, most;
};

static void say(struct differs *d, const char *what, const char *table, krbrepl_bytes key)
{
    if (d->found++ >= d->most)
        return;
    if (d->c->json) {
        json_open(&d->c->out, NULL, '{');
        json_text(&d->c->out, "table", table);
        json_bytes(&d->c->out, "key", key.data, key.len);
        json_text(&d->c->out, "is", what);
        json_close(&d->c->out, '}');
        return;
    }
    printf("  %-13s %s ", what, table);
    token_show(stdout, key.data, key.len);
    putchar('\n');
}

static int look_up(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    struct differs *d = ctx;
    krbrepl_bytes theirs;
    int rc = krbrepl_view_get(d->back ? d->first.view : d->other.view, table, key, &theirs);

    progress_show(NULL, "records compared", ++d->done, d->first.records + d->other.records);
    if (rc == KRBREPL_ERR_NOTFOUND) {
        say(d, d->back ? "only in other" : "only in first", table, key);
        return 0;
    }
    if (rc != 0)
        return rc;
    if (!d->back && (value.len != theirs.len ||
                     (value.len != 0 && memcmp(value.data, theirs.data, value.len) != 0)))
        say(d, "different", table, key);
    return 0;
}

static int side_open(struct cli *c, struct side *s)
{
    krbrepl_store_info info;
    int rc = cli_open(c, s->dir, KRBREPL_STORE_READONLY);

    if (rc != PROG_OK)
        return rc;
    s->store = c->store;
    KRBREPL_INIT(&info);
    rc = krbrepl_store_info_get(s->store, &info);
    s->records = info.records;
    if (rc == 0)
        rc = krbrepl_view_open(s->store, &s->view);
    rc = rc != 0 ? cli_failed_store(c, rc) : PROG_OK;
    c->store = NULL;
    return rc;
}

static void side_close(struct side *s)
{
    krbrepl_view_close(s->view);
    krbrepl_store_close(s->store);
}

static int pass(struct differs *d, struct side *from, struct side *in)
{
    krbrepl_errinfo ei;
    int rc = krbrepl_view_each(from->view, NULL, NULL, NULL, 0, look_up, d);

    if (rc == 0)
        return PROG_OK;
    /* The detail is on the handle of the store that could not be read. */
    KRBREPL_INIT(&ei);
    krbrepl_store_errinfo(in->store, &ei);
    d->c->store = ei.code == rc ? in->store : from->store;
    rc = cli_failed_store(d->c, rc);
    d->c->store = NULL;
    return rc;
}

int differs_list(struct cli *c, const char *first, const char *other, uint64_t most)
{
    struct differs d = {.c = c, .first.dir = first, .other.dir = other, .most = most};
    int rc = side_open(c, &d.first);

    if (rc == PROG_OK)
        rc = side_open(c, &d.other);
    if (c->json)
        json_open(&c->out, "differences", '[');
    progress_start(c->quiet);
    if (rc == PROG_OK)
        rc = pass(&d, &d.first, &d.other);
    d.back = 1;
    if (rc == PROG_OK)
        rc = pass(&d, &d.other, &d.first);
    progress_end();
    side_close(&d.first);
    side_close(&d.other);
    if (c->json) {
        json_close(&c->out, ']');
        json_u64(&c->out, "different", d.found);
    } else if (d.found > d.most) {
        printf("  and %llu more; --list %llu shows all of them\n",
               (unsigned long long)(d.found - d.most), (unsigned long long)d.found);
    }
    return rc;
}
