/* lockout.c: what a KDC counts for itself: last success, last failure, failed attempts; and the rules by
 * which a principal is locked after too many of these.
 *
 * The values stand in the local entry of the principal, which never travels and costs no flush. The rules
 * come from the principal's policy: after max_failures attempts without more than failure_interval between
 * two of them, the principal is locked for lockout_duration (0: until it is unlocked). An administrator's
 * unlock is a time in the tagged data of the entry, which travels. */
#include "kdbmod.h"

#include <stdlib.h>
#include <string.h>

#include <kadm5/admin.h>

#include "mem.h"
#include "tagged.h"

/* ---- local entries ---------------------------------------------------------------------------- */

void krbrepl__kdb_local_get(krbrepl__kdb *h, krbrepl_bytes key, krbrepl_mit_lockout *out)
{
    uint8_t local[KRBREPL_MIT_LOCKOUT_LEN];
    size_t len = sizeof local;

    memset(out, 0, sizeof *out);
    /* One that is missing, unreadable or of another format counts as three zeros. */
    if (krbrepl_local_get(h->store, KRBREPL_MIT_TABLE_PRINCIPAL, key, local, &len) != 0 ||
        krbrepl_mit_lockout_decode((krbrepl_bytes){local, len}, out) != 0)
        memset(out, 0, sizeof *out);
}

static int local_set(krbrepl__kdb *h, krbrepl_bytes key, const krbrepl_mit_lockout *l)
{
    uint8_t local[KRBREPL_MIT_LOCKOUT_LEN];
    int rc;

    if (l->last_success == 0 && l->last_failed == 0 && l->failures == 0) {
        rc = krbrepl_local_delete(h->store, KRBREPL_MIT_TABLE_PRINCIPAL, key);
        return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
    }
    krbrepl_mit_lockout_encode(l, local);
    rc = krbrepl_local_put(h->store, KRBREPL_MIT_TABLE_PRINCIPAL, key,
                           (krbrepl_bytes){local, sizeof local});
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

static krbrepl_mit_lockout counters(const krb5_db_entry *e)
{
    return (krbrepl_mit_lockout){(uint32_t)e->last_success, (uint32_t)e->last_failed,
                                 e->fail_auth_count};
}

/* libkadm5 puts back the counters that it has read before, which may be old by now: only those that it
 * says it has changed are taken. */
void krbrepl__kdb_local_put(krbrepl__kdb *h, krbrepl_bytes key, const krb5_db_entry *e)
{
    const krbrepl_mit_lockout given = counters(e);
    krbrepl_mit_lockout l;
    int lock;

    if ((e->mask & (KADM5_LAST_SUCCESS | KADM5_LAST_FAILED | KADM5_FAIL_AUTH_COUNT)) == 0)
        return;
    lock = krbrepl__kdb_count_lock(h);
    krbrepl__kdb_local_get(h, key, &l);
    if ((e->mask & KADM5_LAST_SUCCESS) != 0)
        l.last_success = given.last_success;
    if ((e->mask & KADM5_LAST_FAILED) != 0)
        l.last_failed = given.last_failed;
    if ((e->mask & KADM5_FAIL_AUTH_COUNT) != 0)
        l.failures = given.failures;
    (void)local_set(h, key, &l);
    krbrepl__kdb_count_unlock(lock);
}

krb5_error_code krbrepl__kdb_spool(krb5_context ctx, krbrepl__kdb *h, krbrepl_bytes key,
                                   const krb5_db_entry *e)
{
    const krbrepl_mit_lockout given = counters(e);
    krbrepl_errinfo ei;
    int rc = 0;

    if (h->conf.merge_nra)
        return 0; /* the file was made for iprop: the counters of this node stay */
    KRBREPL_INIT(&ei);
    if (h->spool == NULL && (h->spool = krbrepl__mit_spool_new(h->conf.dir, &ei)) == NULL)
        rc = ei.code != 0 ? ei.code : KRBREPL_ERR_NOMEM;
    if (rc == 0)
        rc = krbrepl__mit_spool_put(h->spool, key, &given, &ei);
    return rc != 0 ? krbrepl__kdb_fail_ei(ctx, rc, &ei, "keeping the counters of a load") : 0;
}

krb5_error_code krbrepl__kdb_local_spooled(krb5_context ctx, krbrepl__kdb *h)
{
    uint8_t local[KRBREPL_MIT_LOCKOUT_LEN];
    krbrepl_mit_lockout l;
    krbrepl_bytes key;
    krbrepl_errinfo ei;
    int rc, bad = 0;

    if (h->spool == NULL)
        return 0;
    KRBREPL_INIT(&ei);
    rc = krbrepl__mit_spool_rewind(h->spool, &ei);
    while (rc == 0 && (rc = krbrepl__mit_spool_next(h->spool, &key, local, &ei)) > 0) {
        rc = 0;
        if (krbrepl_mit_lockout_decode((krbrepl_bytes){local, sizeof local}, &l) != 0 ||
            local_set(h, key, &l) != 0)
            bad = 1;
    }
    krbrepl__mit_spool_free(h->spool);
    h->spool = NULL;
    /* The load is committed: a counter that could not be set is no reason to call it failed. */
    if (bad || rc < 0)
        krbrepl__kdb_warn("the load is done, but some counters of failed logins could not be set");
    (void)ctx;
    return 0;
}

/* ---- the rules -------------------------------------------------------------------------------- */

struct rules {
    uint32_t max_failures;
    uint32_t failure_interval;
    uint32_t lockout_duration;
};

static char *policy_of(const krb5_db_entry *e)
{
    krbrepl_mit_principal p;
    krbrepl_mit_item *tl = NULL;
    krbrepl_bytes name;
    char *text = NULL;

    if (krbrepl__kdb_tl_items(e->tl_data, e->n_tl_data, &tl) != 0)
        return NULL;
    KRBREPL_INIT(&p);
    p.tl = tl;
    p.ntl = (size_t)e->n_tl_data;
    if (krbrepl__mit_policy_name(&p, &name))
        text = krbrepl__strndup(name.data, name.len);
    krbrepl__free(tl, p.ntl * sizeof *tl);
    return text;
}

/* Without a policy, and with one that does not exist, nobody is locked. */
static void rules_of(krb5_context ctx, const krb5_db_entry *e, struct rules *r)
{
    char *name = policy_of(e);
    osa_policy_ent_t p = NULL;

    memset(r, 0, sizeof *r);
    if (name != NULL && krbrepl__kdb_get_policy(ctx, name, &p) == 0) {
        r->max_failures = p->pw_max_fail;
        r->failure_interval = p->pw_failcnt_interval;
        r->lockout_duration = p->pw_lockout_duration;
        krb5_db_free_policy(ctx, p);
    }
    krbrepl__strfree(name);
}

/* True when an administrator has unlocked the principal since its last failure. */
static int unlocked_since(krb5_context ctx, krb5_db_entry *e, uint32_t last_failed)
{
    krb5_timestamp at = 0;

    return krb5_dbe_lookup_last_admin_unlock(ctx, e, &at) == 0 && at != 0 &&
           last_failed <= (uint32_t)at;
}

static int is_locked(krb5_context ctx, krb5_db_entry *e, const struct rules *r,
                     const krbrepl_mit_lockout *l, uint32_t now)
{
    if (r->max_failures == 0 || l->failures < r->max_failures)
        return 0;
    if (unlocked_since(ctx, e, l->last_failed))
        return 0;
    /* 64 bits, because times reach to 2106. */
    return r->lockout_duration == 0 || now < (uint64_t)l->last_failed + r->lockout_duration;
}

krb5_error_code krbrepl__kdb_check_policy_as(krb5_context ctx, krb5_kdc_req *request,
                                             krb5_db_entry *client, krb5_db_entry *server,
                                             krb5_timestamp now, const char **status,
                                             krb5_pa_data ***e_data)
{
    krbrepl_mit_lockout l = counters(client);
    krbrepl__kdb *h;
    struct rules r;
    krb5_error_code err = krbrepl__kdb_ready(ctx, &h);

    (void)request;
    (void)server;
    (void)e_data;
    if (err != 0 || h->conf.disable_lockout || l.failures == 0)
        return err;
    rules_of(ctx, client, &r);
    if (!is_locked(ctx, client, &r, &l, (uint32_t)now))
        return 0;
    *status = "LOCKED_OUT";
    return KRB5KDC_ERR_CLIENT_REVOKED;
}

/* ---- counting --------------------------------------------------------------------------------- */

static void count_failure(krb5_context ctx, krb5_db_entry *client, const struct rules *r,
                          krbrepl_mit_lockout *l, uint32_t now)
{
    if (is_locked(ctx, client, r, l, now))
        return; /* who is locked is not locked for longer by trying */
    if ((r->failure_interval != 0 && now > (uint64_t)l->last_failed + r->failure_interval) ||
        unlocked_since(ctx, client, l->last_failed))
        l->failures = 0;
    l->last_failed = now;
    l->failures++;
}

static void count_success(const krbrepl__kdb *h, krbrepl_mit_lockout *l, uint32_t now)
{
    if (!h->conf.disable_lockout)
        l->failures = 0;
    if (!h->conf.disable_last_success)
        l->last_success = now;
}

static int is_failure(krb5_error_code err)
{
    return err == KRB5KDC_ERR_PREAUTH_FAILED || err == KRB5KRB_AP_ERR_BAD_INTEGRITY;
}

/* What happened counts only when it proves that the password was known, or that it was not: without
 * preauthentication anybody gets an answer. */
static int counts(const krbrepl__kdb *h, const krb5_db_entry *client, krb5_error_code err)
{
    if (err == 0)
        return (client->attributes & KRB5_KDB_REQUIRES_PRE_AUTH) != 0 &&
               !(h->conf.disable_lockout && h->conf.disable_last_success);
    return is_failure(err) && !h->conf.disable_lockout;
}

void krbrepl__kdb_audit_as_req(krb5_context ctx, krb5_kdc_req *request, const krb5_address *local,
                               const krb5_address *remote, krb5_db_entry *client, krb5_db_entry *server,
                               krb5_timestamp when, krb5_error_code err)
{
    krbrepl_mit_lockout l, was;
    krbrepl__kdb *h;
    struct rules r;
    char *text = NULL;
    int lock;

    (void)request;
    (void)local;
    (void)remote;
    (void)server;
    if (client == NULL || krbrepl__kdb_ready(ctx, &h) != 0 || !counts(h, client, err) ||
        krb5_unparse_name(ctx, client->princ, &text) != 0)
        return;
    if (err != 0)
        rules_of(ctx, client, &r);
    /* Several workers count at once, and an attempt that is lost is one more guess. */
    lock = krbrepl__kdb_count_lock(h);
    krbrepl__kdb_local_get(h, krbrepl__kdb_text(text), &l);
    was = l;
    if (err != 0)
        count_failure(ctx, client, &r, &l, (uint32_t)when);
    else
        count_success(h, &l, (uint32_t)when);
    if (memcmp(&l, &was, sizeof l) != 0)
        (void)local_set(h, krbrepl__kdb_text(text), &l);
    krbrepl__kdb_count_unlock(lock);
    krb5_free_unparsed_name(ctx, text);
}
