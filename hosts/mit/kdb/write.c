/* write.c: one administrative change: a commit of its own, a record of a load, or a part of the large
 * commits of `kdb5_util load -update`.
 *
 * A commit is durable and has woken the replicating daemon when the method returns. With sync_replicas it
 * is then waited for until so many replicas have it. When they do not have it in time the change stays, for
 * it is in the journal and will reach them; telling the administrator that it failed would make him repeat
 * what is done. So he gets success, and the log gets the numbers. */
#include "kdbmod.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "plugin.h"

/* What a change takes in a commit besides key and value, rounded up, and what is left for its head. */
#define CHANGE_OVERHEAD 64u
#define COMMIT_HEAD 8192u
#define WHY_ROOM 1024u

/* ---- who and why ------------------------------------------------------------------------------ */

void krbrepl__kdb_self(krbrepl__kdb *h, char *out, size_t room, const char *what)
{
    if (h->program[0] == '\0')
        krbrepl__plugin_program(h->program, sizeof h->program, "kdb");
    snprintf(out, room, "%s: %s", h->program, what);
}

/* ---- begin ------------------------------------------------------------------------------------ */

static krb5_error_code txn_open(krb5_context ctx, krbrepl__kdb *h, const char *who, const char *why,
                                krbrepl_txn **out)
{
    krbrepl_txn_options opt;
    char text[WHY_ROOM];
    int rc;

    KRBREPL_INIT(&opt);
    krbrepl__kdb_self(h, text, sizeof text, why);
    opt.who = who;
    opt.why = text;
    rc = krbrepl_txn_begin(h->store, out, &opt);
    return rc != 0 ? krbrepl__kdb_refused(ctx, h, rc) : 0;
}

static krb5_error_code group_open(krb5_context ctx, krbrepl__kdb *h, krbrepl__kdb_write *w)
{
    krb5_error_code err = h->group_lost;

    if (err == 0 && h->group == NULL) {
        err = txn_open(ctx, h, NULL, "load -update", &h->group);
        h->group_changes = h->group_bytes = 0;
    }
    w->txn = h->group;
    w->grouped = 1;
    return err;
}

krb5_error_code krbrepl__kdb_write_begin(krb5_context ctx, krbrepl__kdb *h, const char *who,
                                         const char *why, krbrepl__kdb_write *w)
{
    krb5_error_code err;

    memset(w, 0, sizeof *w);
    if (h->load != NULL)
        return 0;
    if (h->lock_depth > 0 && (h->lock_mode & KRB5_DB_LOCKMODE_PERMANENT) != 0)
        return group_open(ctx, h, w);
    err = krbrepl__kdb_lock_write(ctx, h);
    if (err != 0)
        return err;
    err = txn_open(ctx, h, who, why, &w->txn);
    if (err != 0)
        krbrepl__kdb_unlock_write(h);
    return err;
}

int krbrepl__kdb_write_has(krbrepl__kdb_write *w, const char *table, krbrepl_bytes key)
{
    krbrepl_bytes value;

    return w->txn != NULL && krbrepl_txn_get(w->txn, table, key, &value) == 0;
}

/* ---- put -------------------------------------------------------------------------------------- */

/* Makes room: a group that is full becomes a commit, and another one is begun. */
static krb5_error_code group_room(krb5_context ctx, krbrepl__kdb *h, krbrepl__kdb_write *w, size_t size)
{
    krb5_error_code err = 0;

    if (h->group_changes == KRBREPL_MAX_CHANGES ||
        h->group_bytes + size > KRBREPL_MAX_COMMIT - COMMIT_HEAD) {
        err = krbrepl__kdb_group_end(ctx, h);
        if (err == 0)
            err = group_open(ctx, h, w);
    }
    if (err == 0) {
        h->group_changes++;
        h->group_bytes += size;
    }
    return err;
}

krb5_error_code krbrepl__kdb_write_put(krb5_context ctx, krbrepl__kdb *h, krbrepl__kdb_write *w,
                                       const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    krb5_error_code err = 0;
    int rc;

    if (h->load != NULL) {
        rc = krbrepl_load_put(h->load, table, key, value);
        return rc != 0 ? krbrepl__kdb_fail(ctx, h, rc, "loading") : 0;
    }
    if (w->grouped)
        err = group_room(ctx, h, w, key.len + value.len + CHANGE_OVERHEAD);
    if (err != 0)
        return err;
    rc = krbrepl_txn_put(w->txn, table, key, value);
    return rc != 0 ? krbrepl__kdb_fail(ctx, h, rc, "writing") : 0;
}

/* ---- end -------------------------------------------------------------------------------------- */

static krb5_error_code commit(krb5_context ctx, krbrepl__kdb *h, krbrepl_txn *t)
{
    int rc = krbrepl_txn_commit(t, &h->written);

    if (rc != 0)
        return krbrepl__kdb_fail(ctx, h, rc, "committing");
    h->unsynced = 1;
    return 0;
}

krb5_error_code krbrepl__kdb_write_end(krb5_context ctx, krbrepl__kdb *h, krbrepl__kdb_write *w,
                                       krb5_error_code rc)
{
    krb5_error_code err = rc;

    if (w->grouped || w->txn == NULL)
        return err;
    if (err == 0)
        err = commit(ctx, h, w->txn);
    else
        krbrepl_txn_abort(w->txn);
    w->txn = NULL;
    krbrepl__kdb_unlock_write(h);
    if (err == 0 && h->lock_depth == 0 && !h->in_slice)
        krbrepl__kdb_sync(h);
    return err;
}

krb5_error_code krbrepl__kdb_group_end(krb5_context ctx, krbrepl__kdb *h)
{
    krb5_error_code err = 0;

    if (h->group != NULL) {
        err = commit(ctx, h, h->group);
        h->group = NULL;
        if (err == 0)
            err = krbrepl__kdb_local_spooled(ctx, h);
        else
            h->group_lost = err;
    }
    if (h->spool != NULL && (h->lock_depth == 0 || err != 0)) {
        krbrepl__mit_spool_free(h->spool);
        h->spool = NULL;
    }
    return err;
}

void krbrepl__kdb_sync(krbrepl__kdb *h)
{
    krbrepl_wait_options opt;
    krbrepl_errinfo ei;
    uint64_t have = 0;
    int rc, wanted = h->unsynced && h->conf.sync_replicas != 0 && !h->creating;

    h->unsynced = 0;
    if (!wanted)
        return;
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.seq = h->written.seq;
    opt.replicas = h->conf.sync_replicas;
    opt.level = h->conf.sync_level;
    opt.timeout_ms = h->conf.sync_timeout_ms;
    rc = krbrepl_wait(h->conf.dir, &opt, &have, &ei);
    if (rc != 0)
        krbrepl__kdb_warn(
            "commit %llu is stored here, but %llu of the %llu replicas that sync_replicas "
            "wants have it after %llu ms (%s); it will reach them when they are back",
            (unsigned long long)opt.seq, (unsigned long long)have, (unsigned long long)opt.replicas,
            (unsigned long long)opt.timeout_ms, ei.text[0] != '\0' ? ei.text : krbrepl_strerror(rc));
}
