/* store_api.c: the door of <krbrepl/store.h>: checks the process, the thread, NULL pointers and the sizes of
 * structs, then calls the store. */
#include <krbrepl/host.h>
#include <krbrepl/store.h>

#include <stddef.h>

#include "door.h"
#include "options.h"
#include "storecalls.h"
#include "unsized.h"

/* Widens `in`, which is a `what`, to today's shape; a refusal is noted in `ei`. */
static int widen(void *out, size_t now, const void *in, const char *what, krbrepl_errinfo *ei)
{
    int rc = krbrepl__widen(out, now, in);

    return rc != 0 ? krbrepl__unsized(ei, rc, what) : 0;
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
        rc = widen(&o, sizeof o, opt, "store: krbrepl_create_options", &mine);
    if (rc == 0 && o.retention != NULL) {
        rc = widen(&keep, sizeof keep, o.retention, "store: krbrepl_retention", &mine);
        o.retention = &keep;
    }
    if (rc == 0)
        rc = krbrepl__store_create(dir, &o, &mine);
    return krbrepl__errinfo_give(rc, &mine, ei);
}

int krbrepl_store_open(krbrepl_store **out, const char *dir, const krbrepl_store_options *opt,
                       krbrepl_errinfo *ei)
{
    krbrepl_store_options o;
    krbrepl_host_ops host;
    krbrepl_journal_ops journal;
    krbrepl_errinfo mine;
    int rc;

    krbrepl__errinfo_clear(&mine);
    if (out != NULL)
        *out = NULL;
    rc = out == NULL || dir == NULL ? krbrepl__fail_plain(&mine, KRBREPL_ERR_INVALID) : 0;
    if (rc == 0)
        rc = widen(&o, sizeof o, opt, "store: krbrepl_store_options", &mine);
    if (rc == 0 && o.host != NULL) {
        rc = widen(&host, sizeof host, o.host, "store: krbrepl_host_ops", &mine);
        o.host = &host;
    }
    if (rc == 0 && o.journal != NULL) {
        rc = widen(&journal, sizeof journal, o.journal, "store: krbrepl_journal_ops", &mine);
        o.journal = &journal;
    }
    if (rc == 0)
        rc = krbrepl__store_open(out, dir, &o, &mine);
    return krbrepl__errinfo_give(rc, &mine, ei);
}

void krbrepl_store_close(krbrepl_store *s)
{
    /* From inside a callback, of another thread, or with a transaction, the handle is in use, and stays. In this order:
     * whoever gives back the last of it is inside until he has left. */
    if (s != NULL && !krbrepl__store_lent(s) && !krbrepl__store_busy(s))
        krbrepl__store_close(s);
}

int krbrepl_store_errinfo(const krbrepl_store *s, krbrepl_errinfo *out)
{
    /* Entering the handle changes only its lock. */
    krbrepl_store *entered = (krbrepl_store *)(uintptr_t)s;
    int rc = out != NULL ? krbrepl__door_in(entered) : KRBREPL_ERR_INVALID;

    /* A child may read why it was refused. */
    if (rc == KRBREPL_ERR_FORKED)
        return krbrepl__errinfo_out(krbrepl__store_ei(entered), out);
    if (rc != 0)
        return rc;
    return krbrepl__door_out(entered, krbrepl__errinfo_out(krbrepl__store_ei(entered), out));
}

int krbrepl_store_info_get(krbrepl_store *s, krbrepl_store_info *out)
{
    krbrepl_store_info info;
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = out != NULL ? krbrepl__store_info(s, &info) : krbrepl__door_invalid(s);
    if (rc == 0)
        rc = krbrepl__narrow(out, &info, sizeof info);
    return krbrepl__door_out(s, rc);
}

const char *krbrepl_store_dir(const krbrepl_store *s)
{
    return s != NULL ? krbrepl__store_dir(s) : NULL;
}

int krbrepl_store_set_retention(krbrepl_store *s, const krbrepl_retention *r)
{
    krbrepl_retention keep;
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = widen(&keep, sizeof keep, r, "store: krbrepl_retention", krbrepl__store_ei(s));
    if (rc == 0)
        rc = krbrepl__store_set_retention(s, &keep);
    return krbrepl__door_out(s, rc);
}

int krbrepl_store_trim(krbrepl_store *s, uint64_t keep, uint64_t *dropped)
{
    uint64_t n = 0;
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = krbrepl__store_trim(s, keep, &n);
    if (dropped != NULL)
        *dropped = n;
    return krbrepl__door_out(s, rc);
}

/* ---- what a master remembers of its replicas ------------------------------------------------ */

int krbrepl_slot_each(krbrepl_store *s, krbrepl_slot_fn *fn, void *ctx)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = fn != NULL ? krbrepl__slot_each(s, fn, ctx) : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

int krbrepl_slot_reset(krbrepl_store *s, const char *principal)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = principal != NULL ? krbrepl__slot_reset(s, principal) : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

int krbrepl_slot_drop(krbrepl_store *s, const char *principal)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = principal != NULL ? krbrepl__slot_drop(s, principal) : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

/* ---- roles ---------------------------------------------------------------------------------- */

int krbrepl_promote(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    int rc = krbrepl__door_in(s);

    return rc == 0 ? krbrepl__door_out(s, krbrepl__promote(s, who, out)) : rc;
}

int krbrepl_demote(krbrepl_store *s, const char *who, krbrepl_pos *out)
{
    int rc = krbrepl__door_in(s);

    return rc == 0 ? krbrepl__door_out(s, krbrepl__demote(s, who, out)) : rc;
}

int krbrepl_resolve(krbrepl_store *s, uint64_t which, const char *who, krbrepl_pos *out)
{
    int rc = krbrepl__door_in(s);

    return rc == 0 ? krbrepl__door_out(s, krbrepl__resolve(s, which, who, out)) : rc;
}

/* ---- commits -------------------------------------------------------------------------------- */

int krbrepl_txn_begin(krbrepl_store *s, krbrepl_txn **out, const krbrepl_txn_options *opt)
{
    krbrepl_txn_options o;
    int rc;

    if (out != NULL)
        *out = NULL;
    rc = krbrepl__door_in(s);
    if (rc != 0)
        return rc;
    rc = out == NULL ? krbrepl__door_invalid(s)
                     : widen(&o, sizeof o, opt, "store: krbrepl_txn_options", krbrepl__store_ei(s));
    if (rc == 0)
        rc = krbrepl__txn_begin(s, out, &o);
    if (rc == 0)
        krbrepl__store_lend(s);
    return krbrepl__door_out(s, rc);
}

/* A transaction belongs to the thread that began it: the writer lock is given back by that one or not at all.
 * Another thread is told so, and touches nothing. */
static int txn_in(krbrepl_txn *t)
{
    krbrepl_store *s;

    if (t == NULL)
        return KRBREPL_ERR_INVALID;
    s = krbrepl__txn_store(t);
    if (!krbrepl__store_forked(s) && !krbrepl__txn_mine(t))
        return KRBREPL_ERR_STATE;
    return krbrepl__door_in(s);
}

int krbrepl_txn_put(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int rc = txn_in(t);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL ? krbrepl__txn_put(t, table, key, value)
                                           : krbrepl__door_invalid(krbrepl__txn_store(t));
    return krbrepl__door_out(krbrepl__txn_store(t), rc);
}

int krbrepl_txn_delete(krbrepl_txn *t, const char *table, krbrepl_bytes key)
{
    int rc = txn_in(t);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL ? krbrepl__txn_delete(t, table, key)
                                           : krbrepl__door_invalid(krbrepl__txn_store(t));
    return krbrepl__door_out(krbrepl__txn_store(t), rc);
}

int krbrepl_txn_get(krbrepl_txn *t, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    int rc = txn_in(t);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL && value != NULL
             ? krbrepl__txn_get(t, table, key, value)
             : krbrepl__door_invalid(krbrepl__txn_store(t));
    return krbrepl__door_out(krbrepl__txn_store(t), rc);
}

int krbrepl_txn_prepare(krbrepl_txn *t)
{
    int rc = txn_in(t);

    return rc == 0 ? krbrepl__door_out(krbrepl__txn_store(t), krbrepl__txn_prepare(t)) : rc;
}

int krbrepl_txn_commit(krbrepl_txn *t, krbrepl_pos *out)
{
    krbrepl_store *s;
    int rc = txn_in(t);

    if (rc == KRBREPL_ERR_FORKED)
        krbrepl__txn_abort(t);
    if (rc != 0)
        return rc;
    s = krbrepl__txn_store(t);
    rc = krbrepl__txn_commit(t, out);
    krbrepl__store_unlend(s);
    return krbrepl__door_out(s, rc);
}

void krbrepl_txn_abort(krbrepl_txn *t)
{
    krbrepl_store *s = t != NULL ? krbrepl__txn_store(t) : NULL;

    if (s == NULL || (!krbrepl__store_forked(s) && !krbrepl__txn_mine(t)))
        return;
    krbrepl__txn_abort(t);
    krbrepl__store_unlend(s);
}

/* ---- reading -------------------------------------------------------------------------------- */

int krbrepl_view_open(krbrepl_store *s, krbrepl_view **out)
{
    int rc;

    if (out != NULL)
        *out = NULL;
    rc = krbrepl__door_in(s);
    if (rc != 0)
        return rc;
    rc = out != NULL ? krbrepl__view_open(s, out) : krbrepl__door_invalid(s);
    if (rc == 0)
        krbrepl__store_lend(s);
    return krbrepl__door_out(s, rc);
}

static int view_in(const krbrepl_view *v)
{
    return krbrepl__door_in(v != NULL ? krbrepl__view_store(v) : NULL);
}

void krbrepl_view_close(krbrepl_view *v)
{
    krbrepl_store *s;
    int rc = view_in(v);

    if (rc == KRBREPL_ERR_FORKED)
        krbrepl__view_close(v);
    if (rc != 0)
        return;
    s = krbrepl__view_store(v);
    /* The walk that calls goes on in it. */
    if (!krbrepl__view_walked(v)) {
        krbrepl__view_close(v);
        krbrepl__store_unlend(s);
    }
    krbrepl__store_leave(s);
}

int krbrepl_view_pos(const krbrepl_view *v, krbrepl_pos *out)
{
    int rc = view_in(v);

    if (rc != 0)
        return rc;
    rc = out != NULL ? krbrepl__view_pos(v, out) : krbrepl__door_invalid(krbrepl__view_store(v));
    return krbrepl__door_out(krbrepl__view_store(v), rc);
}

int krbrepl_view_get(krbrepl_view *v, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    int rc = view_in(v);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL && value != NULL
             ? krbrepl__view_get(v, table, key, value)
             : krbrepl__door_invalid(krbrepl__view_store(v));
    return krbrepl__door_out(krbrepl__view_store(v), rc);
}

int krbrepl_view_each(krbrepl_view *v, const char *table, const krbrepl_bytes *from,
                      const krbrepl_bytes *to, uint64_t flags, krbrepl_record_fn *fn, void *ctx)
{
    int rc = view_in(v);

    if (rc != 0)
        return rc;
    rc = fn != NULL ? krbrepl__view_each(v, table, from, to, flags, fn, ctx)
                    : krbrepl__door_invalid(krbrepl__view_store(v));
    return krbrepl__door_out(krbrepl__view_store(v), rc);
}

int krbrepl_journal_each(krbrepl_store *s, uint64_t from, uint64_t to, krbrepl_commit_fn *fn, void *ctx)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = fn != NULL ? krbrepl__journal_each(s, from, to, fn, ctx) : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

/* ---- what belongs to this node alone -------------------------------------------------------- */

int krbrepl_local_put(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL && (value.data != NULL || value.len == 0)
             ? krbrepl__local_put(s, table, key, value)
             : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

int krbrepl_local_get(krbrepl_store *s, const char *table, krbrepl_bytes key, void *buf, size_t *len)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL && len != NULL && (buf != NULL || *len == 0)
             ? krbrepl__local_get(s, table, key, buf, len)
             : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}

int krbrepl_local_delete(krbrepl_store *s, const char *table, krbrepl_bytes key)
{
    int rc = krbrepl__door_in(s);

    if (rc != 0)
        return rc;
    rc = table != NULL && key.data != NULL ? krbrepl__local_delete(s, table, key)
                                           : krbrepl__door_invalid(s);
    return krbrepl__door_out(s, rc);
}
