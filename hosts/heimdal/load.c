/* load.c: krbrepl_heimdal_load. */
#include <string.h>

#include <krbrepl/heimdal.h>

#include "answer.h"
#include "apply.h"
#include "cipher.h"
#include "mem.h"
#include "options.h"
#include "overlay.h"
#include "reader.h"
#include "replace.h"

#define SHOW_EVERY 4096u /* entries between two calls of progress */

_Static_assert(sizeof(krbrepl_heimdal_load_options) ==
                   offsetof(krbrepl_heimdal_load_options, cipher) + sizeof(void *),
               "tail padding");
_Static_assert(sizeof(krbrepl_heimdal_load_result) ==
                   offsetof(krbrepl_heimdal_load_result, deleted) + sizeof(uint64_t),
               "tail padding");

typedef struct job {
    krbrepl_store *store;
    krbrepl__heim_reader in;
    krbrepl_heimdal_load_options opt;
    krbrepl_heimdal_load_result res;
    krbrepl_heimdal_cipher cipher; /* size 0: none */
    krbrepl__buf sealed;
    krbrepl_view *before; /* what is there, when keys are encrypted */
    char why[256];
    krbrepl_errinfo *ei;
} job;

static void note(job *j, const char *text)
{
    if (j->opt.note != NULL)
        j->opt.note(j->opt.ctx, text);
}

/* What the store has already under the same keys stays as it is, so that a file that is loaded again is no change. */
static int keep_old(job *j, const krbrepl__hdb_entry *e)
{
    krbrepl_bytes key, old, made = {j->sealed.data, j->sealed.len};
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__hdb_key(&b, &e->princ);
    key.data = b.data;
    key.len = b.len;
    rc = b.err != 0 ? b.err : krbrepl_view_get(j->before, KRBREPL__HDB_TABLE, key, &old);
    krbrepl__buf_free(&b);
    if (rc != 0)
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : krbrepl__common_store_fail(j->store, rc, j->ei);
    if (!krbrepl__heim_same_in_clear(&j->cipher, old, made))
        return 0;
    krbrepl__buf_reset(&j->sealed);
    krbrepl__buf_bytes(&j->sealed, old.data, old.len);
    return j->sealed.err != 0 ? krbrepl__fail_plain(j->ei, j->sealed.err) : 0;
}

/* Puts the keys of an entry under the master key; the entry is then that in j->sealed. */
static int seal(job *j, krbrepl_bytes *der, krbrepl__hdb_entry *e)
{
    int rc;

    krbrepl__buf_reset(&j->sealed);
    rc = krbrepl__heim_seal(&j->cipher, *der, &j->sealed, j->ei);
    if (rc == 0 && e->clear != 0)
        rc = keep_old(j, e);
    if (rc != 0)
        return rc;
    der->data = j->sealed.data;
    der->len = j->sealed.len;
    return krbrepl__hdb_entry_read(e, *der, j->ei);
}

/* The next entry of the file, counted. */
static int next(job *j, const char *phase, krbrepl_bytes *der, krbrepl__hdb_entry *e)
{
    int rc = krbrepl__heim_reader_next(&j->in, der);

    if (rc <= 0 || (rc = krbrepl__hdb_entry_read(e, *der, j->ei)) != 0)
        return rc;
    j->res.entries++;
    j->res.clear += e->clear;
    if (j->cipher.size != 0 && (rc = seal(j, der, e)) != 0)
        return rc;
    if (j->opt.progress != NULL && j->res.entries % SHOW_EVERY == 0)
        j->opt.progress(j->opt.ctx, phase, j->res.entries, 0);
    return 1;
}

/* ---- a file in the place of the table -------------------------------------------------------- */

static int put_row(job *j, krbrepl_load *load, const krbrepl__hdb_princ *name, krbrepl_bytes value)
{
    krbrepl_bytes key;
    krbrepl__buf b;
    int rc;

    krbrepl__buf_init(&b, 0);
    krbrepl__hdb_key(&b, name);
    key.data = b.data;
    key.len = b.len;
    rc = b.err != 0 ? b.err : krbrepl_load_put(load, KRBREPL__HDB_TABLE, key, value);
    krbrepl__buf_free(&b);
    if (rc == KRBREPL_ERR_EXISTS)
        return krbrepl__heim_reader_fail(&j->in, KRBREPL_ERR_INPUT,
                                         "its name, or an alias of it, was given before");
    return rc != 0 ? krbrepl__common_store_fail(j->store, rc, j->ei) : 0;
}

static int put_aliases(job *j, krbrepl_load *load, const krbrepl__hdb_entry *e)
{
    krbrepl__hdb_princ alias;
    krbrepl_bytes v;
    krbrepl__buf value;
    krbrepl__rd r;
    int rc = 0;

    krbrepl__buf_init(&value, 0);
    krbrepl__hdb_alias_write(&value, &e->princ);
    v.data = value.data;
    v.len = value.len;
    krbrepl__rd_init(&r, e->aliases.data, e->aliases.len);
    while (rc == 0 && krbrepl__hdb_alias_next(&r, &alias)) {
        rc = value.err != 0 ? krbrepl__fail_plain(j->ei, value.err) : put_row(j, load, &alias, v);
        j->res.aliases++;
    }
    krbrepl__buf_free(&value);
    return rc;
}

static int put_all(void *ctx, krbrepl_load *load)
{
    job *j = ctx;
    krbrepl__hdb_entry e;
    krbrepl_bytes der;
    int rc;

    while ((rc = next(j, "read", &der, &e)) > 0)
        if ((rc = put_row(j, load, &e.princ, der)) != 0 || (rc = put_aliases(j, load, &e)) != 0)
            return rc;
    if (rc != 0)
        return rc;
    if (j->res.entries == 0)
        return krbrepl__fail(j->ei, KRBREPL_ERR_INPUT,
                             "%.120s holds no entry: it would empty the database, so it was not loaded",
                             j->in.name);
    return 0;
}

static int load_whole(job *j)
{
    const krbrepl__common_replacement r = {
        .store = j->store,
        .tables = {KRBREPL__HDB_TABLE},
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

/* ---- a file beside what is there ------------------------------------------------------------- */

static int check(job *j)
{
    krbrepl__hdb_entry e;
    krbrepl_bytes der;
    int rc;

    while ((rc = next(j, "check", &der, &e)) > 0)
        ;
    if (rc == 0)
        rc = krbrepl__heim_reader_again(&j->in);
    j->res.entries = j->res.clear = 0;
    return rc;
}

static int put_update(job *j, const krbrepl__hdb_rows *rows)
{
    krbrepl__hdb_princ alias;
    krbrepl__hdb_entry e;
    krbrepl_bytes der;
    krbrepl__rd r;
    int rc;

    while ((rc = next(j, "read", &der, &e)) > 0) {
        krbrepl__rd_init(&r, e.aliases.data, e.aliases.len);
        while (krbrepl__hdb_alias_next(&r, &alias))
            j->res.aliases++;
        rc = krbrepl__hdb_put_entry(rows, der, j->ei);
        if (rc == KRBREPL_ERR_EXISTS)
            return krbrepl__heim_reader_fail(&j->in, KRBREPL_ERR_INPUT,
                                             "an alias of it is the name of another entry");
        if (rc != 0)
            return rc;
    }
    return rc;
}

static int load_update(job *j)
{
    krbrepl__heim_overlay *o = NULL;
    krbrepl__heim_outcome out;
    int rc = check(j);

    if (rc == 0)
        rc = krbrepl__heim_overlay_new(&o, j->store, j->ei);
    if (rc == 0)
        rc = put_update(j, krbrepl__heim_overlay_rows(o));
    if (rc == 0)
        rc = krbrepl__heim_overlay_commit(o, j->opt.who, j->opt.why, &out, j->ei);
    if (rc == 0) {
        j->res.pos = out.pos;
        j->res.commits = out.commits;
        j->res.kind = out.commits != 0 ? KRBREPL_COMMIT_CHANGES : 0;
        j->res.added = out.added;
        j->res.changed = out.changed;
        j->res.deleted = out.deleted;
    }
    krbrepl__heim_overlay_free(o);
    return rc;
}

/* ---- the call ------------------------------------------------------------------------------- */

static int prepare(job *j, const char *file, const krbrepl_heimdal_load_options *opt)
{
    int rc = krbrepl__widen(&j->opt, sizeof j->opt, opt);

    if (rc != 0)
        return krbrepl__fail_plain(j->ei, rc);
    rc = krbrepl__heim_cipher_take(&j->cipher, j->opt.cipher, j->ei);
    if (rc != 0)
        return rc;
    if (j->cipher.size != 0 && (rc = krbrepl_view_open(j->store, &j->before)) != 0)
        return krbrepl__common_store_fail(j->store, rc, j->ei);
    if ((j->opt.flags & ~(uint64_t)KRBREPL_HEIMDAL_LOAD_UPDATE) != 0)
        return krbrepl__fail(j->ei, KRBREPL_ERR_INVALID, "load: unknown flags");
    if (j->opt.why == NULL) {
        snprintf(j->why, sizeof j->why, "load %s", file);
        j->opt.why = j->why;
    }
    return krbrepl__heim_reader_open(&j->in, file, j->opt.format, j->ei);
}

static int load(job *j)
{
    int rc;

    j->res.format = j->in.format;
    rc = (j->opt.flags & KRBREPL_HEIMDAL_LOAD_UPDATE) != 0 ? load_update(j) : load_whole(j);
    if (rc == 0 && j->res.clear != 0 && j->cipher.size == 0)
        note(j, "the file has keys in clear; they were stored so. Name the master key, or dump "
                "without decryption");
    return rc;
}

int krbrepl_heimdal_load(krbrepl_store *s, const char *file, const krbrepl_heimdal_load_options *opt,
                         krbrepl_heimdal_load_result *out, krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;
    job j;
    int rc;

    krbrepl__errinfo_clear(&mine);
    memset(&j, 0, sizeof j);
    KRBREPL_INIT(&j.res);
    j.store = s;
    j.ei = &mine;
    if (s == NULL || file == NULL) {
        rc = krbrepl__fail(&mine, KRBREPL_ERR_INVALID, "load: an argument is NULL");
    } else {
        rc = prepare(&j, file, opt);
        if (rc == 0)
            rc = load(&j);
        krbrepl__heim_reader_close(&j.in);
        krbrepl__buf_free(&j.sealed);
        krbrepl_view_close(j.before);
    }
    return krbrepl__common_answer(rc, out, &j.res, sizeof j.res, &mine, ei);
}
