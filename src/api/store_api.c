/* store_api.c: the door of <krbrepl/store.h>: checks the process, NULL pointers and the sizes of structs,
 * then calls the store. */
#include <krbrepl/host.h>
#include <krbrepl/store.h>

#include <stddef.h>

#include "errinfo.h"
#include "options.h"
#include "store.h"
#include "storecalls.h"

/* Guards of calls that have a handle. The detail goes to the handle where that is ours. */
static int forked(krbrepl_store *s)
{
    /* The handle's text belongs to this process's memory, so writing it is harmless. */
    return krbrepl__fail(krbrepl__store_ei(s), KRBREPL_ERR_FORKED,
                         "store: the handle was opened before fork(); open the store again in this "
                         "process");
}

static int guard(krbrepl_store *s)
{
    if (s == NULL)
        return KRBREPL_ERR_INVALID;
    return krbrepl__store_forked(s) ? forked(s) : 0;
}

static int invalid(krbrepl_store *s)
{
    return krbrepl__fail_plain(krbrepl__store_ei(s), KRBREPL_ERR_INVALID);
}

/* Widens `in` to today's shape; a refusal is noted in `ei`. */
static int widen(void *out, size_t now, const void *in, krbrepl_errinfo *ei)
{
    int rc = krbrepl__widen(out, now, in);

    return rc != 0 ? krbrepl__fail_plain(ei, rc) : 0;
}

/* ---- errors of calls without a handle ------------------------------------------------------- *
 *
 * A caller's errinfo may be shorter than today's: the detail is made in one of our own. */

static int out_ei(int rc, const krbrepl_errinfo *mine, krbrepl_errinfo *theirs)
{
    if (rc != 0 && theirs != NULL)
        (void)krbrepl__errinfo_out(mine, theirs);
    return rc;
}

/* ---- birth and opening ---------------------------------------------------------------------- */

int krbrepl_store_create(const char *dir, const krbrepl_create_options *opt, krbrepl_errinfo *ei)
{
    krbrepl_create_options o;
    krbrepl_retention keep;
    krbrepl_errinfo mine;
    int rc;

    krbrepl__errinfo_clear(&mine);
    rc = dir == NULL ? krbrepl__fail_plain(&mine, KRBREPL_ERR_INVALID) : 0;
    if (rc == 0)
        rc = widen(&o, sizeof o, opt, &mine);
    if (rc == 0 && o.retention != NULL) {
        rc = widen(&keep, sizeof keep, o.retention, &mine);
        o.retention = &keep;
    }
    if (rc == 0)
        rc = krbrepl__store_create(dir, &o, &mine);
    return out_ei(rc, &mine, ei);
}

int krbrepl_store_open(krbrepl_store **out, const char *dir, const krbrepl_store_options *opt,
                       krbrepl_errinfo *ei)
{
    krbrepl_store_options o;
    krbrepl_host_ops host;
    krbrepl_errinfo mine;
    int rc;

    krbrepl__errinfo_clear(&mine);
    if (out != NULL)
        *out = NULL;
    rc = out == NULL || dir == NULL ? krbrepl__fail_plain(&mine, KRBREPL_ERR_INVALID) : 0;
    if (rc == 0)
        rc = widen(&o, sizeof o, opt, &mine);
    if (rc == 0 && o.host != NULL) {
        rc = widen(&host, sizeof host, o.host, &mine);
        o.host = &host;
    }
    if (rc == 0)
        rc = krbrepl__store_open(out, dir, &o, &mine);
    return out_ei(rc, &mine, ei);
}

void krbrepl_store_close(krbrepl_store *s)
{
    krbrepl__store_close(s);
}

int krbrepl_store_errinfo(const krbrepl_store *s, krbrepl_errinfo *out)
{
    union {
        const krbrepl_store *from;
        krbrepl_store *to;
    } cast = {s};

    if (s == NULL || out == NULL)
        return KRBREPL_ERR_INVALID;
    return krbrepl__errinfo_out(krbrepl__store_ei(cast.to), out);
}

int krbrepl_store_info_get(krbrepl_store *s, krbrepl_store_info *out)
{
    krbrepl_store_info info;
    int rc = guard(s);

    if (rc == 0 && out == NULL)
        rc = invalid(s);
    if (rc == 0)
        rc = krbrepl__store_info(s, &info);
    return rc == 0 ? krbrepl__narrow(out, &info, sizeof info) : rc;
}

const char *krbrepl_store_dir(const krbrepl_store *s)
{
    return s != NULL ? krbrepl__store_dir(s) : NULL;
}

int krbrepl_store_set_retention(krbrepl_store *s, const krbrepl_retention *r)
{
    krbrepl_retention keep;
    int rc = guard(s);

    if (rc == 0)
        rc = widen(&keep, sizeof keep, r, krbrepl__store_ei(s));
    return rc == 0 ? krbrepl__store_set_retention(s, &keep) : rc;
}

/* ---- what a master remembers of its replicas ------------------------------------------------ */

int krbrepl_slot_each(krbrepl_store *s, krbrepl_slot_fn *fn, void *ctx)
{
    int rc = guard(s);

    if (rc == 0 && fn == NULL)
        rc = invalid(s);
    return rc == 0 ? krbrepl__slot_each(s, fn, ctx) : rc;
}

int krbrepl_slot_drop(krbrepl_store *s, const char *principal)
{
    int rc = guard(s);

    if (rc == 0 && principal == NULL)
        rc = invalid(s);
    return rc == 0 ? krbrepl__slot_drop(s, principal) : rc;
}

/* ---- roles ---------------------------------------------------------------------------------- */

int krbrepl_promote(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    int rc = guard(s);

    return rc == 0 ? krbrepl__promote(s, who, out) : rc;
}

int krbrepl_demote(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    int rc = guard(s);

    return rc == 0 ? krbrepl__demote(s, who, out) : rc;
}

int krbrepl_resolve(krbrepl_store *s, uint64_t which, const char *who, krbrepl_pos *out)
{
    int rc = guard(s);

    return rc == 0 ? krbrepl__resolve(s, which, who, out) : rc;
}

/* ---- commits -------------------------------------------------------------------------------- */

int krbrepl_txn_begin(krbrepl_store *s, krbrepl_txn **out, const krbrepl_txn_options *opt)
{
    krbrepl_txn_options o;
    int rc = guard(s);

    if (out != NULL)
        *out = NULL;
    if (rc == 0 && out == NULL)
        rc = invalid(s);
    if (rc == 0)
        rc = widen(&o, sizeof o, opt, krbrepl__store_ei(s));
    return rc == 0 ? krbrepl__txn_begin(s, out, &o) : rc;
}

static int txn_guard(krbrepl_txn *t, const char *table, krbrepl_bytes key)
{
    krbrepl_store *s;
    int rc;

    if (t == NULL)
        return KRBREPL_ERR_INVALID;
    s = krbrepl__txn_store(t);
    rc = guard(s);
    return rc == 0 && (table == NULL || key.data == NULL) ? invalid(s) : rc;
}

int krbrepl_txn_put(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int rc = txn_guard(t, table, key);

    return rc == 0 ? krbrepl__txn_put(t, table, key, value) : rc;
}

int krbrepl_txn_delete(krbrepl_txn *t, const char *table, krbrepl_bytes key)
{
    int rc = txn_guard(t, table, key);

    return rc == 0 ? krbrepl__txn_delete(t, table, key) : rc;
}

int krbrepl_txn_get(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    int rc = txn_guard(t, table, key);

    if (rc == 0 && value == NULL)
        rc = invalid(krbrepl__txn_store(t));
    return rc == 0 ? krbrepl__txn_get(t, table, key, value) : rc;
}

int krbrepl_txn_prepare(krbrepl_txn *t)
{
    int rc;

    if (t == NULL)
        return KRBREPL_ERR_INVALID;
    rc = guard(krbrepl__txn_store(t));
    return rc == 0 ? krbrepl__txn_prepare(t) : rc;
}

int krbrepl_txn_commit(krbrepl_txn *t, krbrepl_pos *out)
{
    int rc;

    if (t == NULL)
        return KRBREPL_ERR_INVALID;
    rc = guard(krbrepl__txn_store(t));
    if (rc == 0)
        return krbrepl__txn_commit(t, out);
    krbrepl__txn_abort(t);
    return rc;
}

void krbrepl_txn_abort(krbrepl_txn *t)
{
    krbrepl__txn_abort(t);
}

/* ---- reading -------------------------------------------------------------------------------- */

int krbrepl_view_open(krbrepl_store *s, krbrepl_view **out)
{
    int rc = guard(s);

    if (out != NULL)
        *out = NULL;
    if (rc == 0 && out == NULL)
        rc = invalid(s);
    return rc == 0 ? krbrepl__view_open(s, out) : rc;
}

void krbrepl_view_close(krbrepl_view *v)
{
    krbrepl__view_close(v);
}

static int view_guard(const krbrepl_view *v, int args_ok)
{
    int rc;

    if (v == NULL)
        return KRBREPL_ERR_INVALID;
    rc = guard(krbrepl__view_store(v));
    return rc == 0 && !args_ok ? invalid(krbrepl__view_store(v)) : rc;
}

int krbrepl_view_pos(const krbrepl_view *v, krbrepl_pos *out)
{
    int rc = view_guard(v, out != NULL);

    return rc == 0 ? krbrepl__view_pos(v, out) : rc;
}

int krbrepl_view_get(krbrepl_view *v, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    int rc = view_guard(v, table != NULL && key.data != NULL && value != NULL);

    return rc == 0 ? krbrepl__view_get(v, table, key, value) : rc;
}

int krbrepl_view_each(krbrepl_view *v, const char *table, const krbrepl_bytes *from,
                      const krbrepl_bytes *to, uint64_t flags, krbrepl_record_fn *fn, void *ctx)
{
    int rc = view_guard(v, fn != NULL);

    return rc == 0 ? krbrepl__view_each(v, table, from, to, flags, fn, ctx) : rc;
}

int krbrepl_journal_each(krbrepl_store *s, uint64_t from, uint64_t to, krbrepl_commit_fn *fn, void *ctx)
{
    int rc = guard(s);

    if (rc == 0 && fn == NULL)
        rc = invalid(s);
    return rc == 0 ? krbrepl__journal_each(s, from, to, fn, ctx) : rc;
}

/* ---- what belongs to this node alone -------------------------------------------------------- */

static int local_guard(krbrepl_store *s, const char *table, krbrepl_bytes key, int args_ok)
{
    int rc = guard(s);

    return rc == 0 && (table == NULL || key.data == NULL || !args_ok) ? invalid(s) : rc;
}

int krbrepl_local_put(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int rc = local_guard(s, table, key, value.data != NULL || value.len == 0);

    return rc == 0 ? krbrepl__local_put(s, table, key, value) : rc;
}

int krbrepl_local_get(krbrepl_store *s, const char *table, krbrepl_bytes key, void *buf, size_t *len)
{
    int rc = local_guard(s, table, key, len != NULL && (buf != NULL || *len == 0));

    return rc == 0 ? krbrepl__local_get(s, table, key, buf, len) : rc;
}

int krbrepl_local_delete(krbrepl_store *s, const char *table, krbrepl_bytes key)
{
    int rc = local_guard(s, table, key, 1);

    return rc == 0 ? krbrepl__local_delete(s, table, key) : rc;
}
