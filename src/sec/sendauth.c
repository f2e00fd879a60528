#include "sendauth.h"

#include <stdio.h>
#include <string.h>

#include "aplib.h"
#include "krbpriv.h"
#include "mem.h"
#include "selfname.h"

#define ERR_GENERIC 60 /* of RFC 4120: the reason is in the log, and no help to a stranger */

/* ---- birth and death ------------------------------------------------------------------------ */

void krbrepl__sendauth_free(krbrepl__sendauth *a)
{
    if (a == NULL)
        return;
    krbrepl__privkey_free(a->send);
    krbrepl__privkey_free(a->receive[0]);
    krbrepl__privkey_free(a->receive[1]);
    if (a->auth != NULL)
        krb5_auth_con_free(a->keys.krb5, a->auth);
    krbrepl__krbkeys_free(&a->keys);
    krbrepl__buf_free(&a->token_in);
    krbrepl__buf_free(&a->token_out);
    krbrepl__strfree(a->peer);
    krbrepl__strfree(a->self);
    krbrepl__strfree(a->target);
    krbrepl__strfree(a->keytab);
    krbrepl__free(a, sizeof *a);
}

static void job_free(krbrepl__job *j)
{
    krbrepl__sendauth_free((krbrepl__sendauth *)j);
}

/* ---- what both ends do ---------------------------------------------------------------------- */

static int krb_fail(krbrepl__sendauth *a, krb5_error_code e, const char *what, krbrepl_errinfo *ei)
{
    const char *why;
    int code;

    if (e == ENOMEM)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    why = krb5_get_error_message(a->keys.krb5, e);
    code = krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s: %.120s", what, why);
    krb5_free_error_message(a->keys.krb5, why);
    return code;
}

static krbrepl_bytes bytes_of(const krbrepl__buf *b)
{
    krbrepl_bytes v = {b->data, b->len};

    return v;
}

/* One of the keys that the library holds; none (`kb` NULL) is no failure. */
static int take_key(krbrepl__sendauth *a, krb5_keyblock *kb, krbrepl__privkey **out,
                    krbrepl_errinfo *ei)
{
    int rc;

    if (kb == NULL)
        return 0;
    rc = krbrepl__privkey_new(out, a->keys.krb5, kb, ei);
    krb5_free_keyblock(a->keys.krb5, kb);
    return rc;
}

static uint64_t seconds_until(const krbrepl__sendauth *a, int64_t end)
{
    int64_t now = a->sys->wall_us(a->sys->ctx) / 1000000;

    return end > now ? (uint64_t)(end - now) : 1;
}

/* ---- acceptor ------------------------------------------------------------------------------- */

/* The name in the ticket, and what the ticket is good for. */
static int take_ticket(krbrepl__sendauth *a, krb5_ticket *t, krbrepl_errinfo *ei)
{
    char *name = NULL;
    int64_t end = 0;
    krb5_error_code e = krbrepl__ap_client(a->keys.krb5, t, &name, &end);

    if (e != 0)
        return krb_fail(a, e, "the name in the ticket cannot be read", ei);
    a->peer = krbrepl__strdup(name);
    krbrepl__krb5_string_free(a->keys.krb5, name);
    a->lifetime_s = seconds_until(a, end);
    return a->peer != NULL ? 0 : krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
}

/* The key of the ticket is not used itself, but a weak one would let others read the sub-key. */
static int check_ticket_key(krbrepl__sendauth *a, krbrepl_errinfo *ei)
{
    krb5_keyblock *kb = NULL;
    krbrepl__privkey *k = NULL;
    krb5_error_code e = krb5_auth_con_getkey(a->keys.krb5, a->auth, &kb);
    int rc;

    if (e != 0 || kb == NULL)
        return krb_fail(a, e, "the ticket has no key", ei);
    rc = take_key(a, kb, &k, ei);
    krbrepl__privkey_free(k);
    return rc;
}

/* A sub-key of our own makes what is recorded of one connection useless in another: a message that is sent once
 * more is not under its key. A peer with a sub-key of its own may use that instead. */
static int accept_keys(krbrepl__sendauth *a, krbrepl_errinfo *ei)
{
    krb5_keyblock *theirs = NULL, *ours = NULL;
    krb5_data rep;
    krb5_error_code e = krbrepl__ap_their_subkey(a->keys.krb5, a->auth, &theirs);
    int rc;

    if (e != 0)
        return krb_fail(a, e, "the key of the other end cannot be read", ei);
    rc = take_key(a, theirs, &a->receive[1], ei);
    if (rc != 0)
        return rc;
    memset(&rep, 0, sizeof rep);
    e = krb5_mk_rep(a->keys.krb5, a->auth, &rep);
    if (e == 0)
        e = krbrepl__ap_our_subkey(a->keys.krb5, a->auth, &ours);
    if (e != 0 || ours == NULL)
        return krb_fail(a, e, "no reply can be made", ei);
    krbrepl__buf_bytes(&a->token_out, rep.data, rep.length);
    krbrepl__ap_data_free(a->keys.krb5, &rep);
    rc = a->token_out.err != 0 ? krbrepl__fail_plain(ei, a->token_out.err)
                               : krbrepl__privkey_new(&a->send, a->keys.krb5, ours, ei);
    if (rc == 0)
        rc = krbrepl__privkey_new(&a->receive[0], a->keys.krb5, ours, ei);
    krb5_free_keyblock(a->keys.krb5, ours);
    return rc;
}

static int read_request(krbrepl__sendauth *a, krb5_principal self, krbrepl_errinfo *ei)
{
    krb5_data req = krbrepl__krb5_view(bytes_of(&a->token_in));
    krb5_ticket *ticket = NULL;
    krb5_flags opts = 0;
    krb5_error_code e = krb5_auth_con_init(a->keys.krb5, &a->auth);
    int rc;

    if (e == 0)
        e = krb5_auth_con_setflags(a->keys.krb5, a->auth, KRBREPL__AP_FLAGS);
    if (e == 0)
        e = krb5_rd_req(a->keys.krb5, &a->auth, &req, self, a->keys.keytab, &opts, &ticket);
    if (e != 0)
        return krb_fail(a, e, "the ticket of the other end is refused", ei);
    rc = take_ticket(a, ticket, ei);
    krb5_free_ticket(a->keys.krb5, ticket);
    if (rc == 0 && (opts & AP_OPTS_MUTUAL_REQUIRED) == 0)
        rc = krbrepl__fail(ei, KRBREPL_ERR_AUTH,
                           "auth: the other end does not ask this one to prove who it is");
    if (rc == 0)
        rc = check_ticket_key(a, ei);
    return rc == 0 ? accept_keys(a, ei) : rc;
}

/* What is said in the clear helps an operator and tells an attacker nothing. */
static void make_error(krbrepl__sendauth *a, const char *service)
{
    krbrepl__buf_reset(&a->token_out);
    krbrepl__krberr_put(&a->token_out, ERR_GENERIC, service, a->sys->wall_us(a->sys->ctx),
                        "the authentication failed; the log of the master has the reason");
}

static int accept_step(krbrepl__sendauth *a)
{
    krb5_principal self = NULL;
    char *full = NULL;
    krb5_error_code e;
    int rc = krbrepl__krbkeys_read(&a->keys, a->self, a->keytab, 0, &a->err);

    if (rc != 0) {
        make_error(a, a->self);
        return rc;
    }
    e = krb5_parse_name(a->keys.krb5, a->self, &self);
    if (e == 0)
        e = krb5_unparse_name(a->keys.krb5, self, &full);
    rc = e != 0 ? krb_fail(a, e, "no principal name", &a->err) : read_request(a, self, &a->err);
    if (rc != 0)
        make_error(a, full != NULL ? full : a->self);
    if (full != NULL)
        krbrepl__krb5_string_free(a->keys.krb5, full);
    krb5_free_principal(a->keys.krb5, self);
    return rc;
}

/* ---- initiator ------------------------------------------------------------------------------ */

static int make_request(krbrepl__sendauth *a, krb5_creds *creds, krbrepl_errinfo *ei)
{
    krb5_keyblock *ours = NULL;
    krb5_data req;
    krb5_error_code e = krb5_auth_con_init(a->keys.krb5, &a->auth);
    int rc;

    memset(&req, 0, sizeof req);
    if (e == 0)
        e = krb5_mk_req_extended(a->keys.krb5, &a->auth, AP_OPTS_MUTUAL_REQUIRED | AP_OPTS_USE_SUBKEY,
                                 NULL, creds, &req);
    if (e == 0)
        e = krbrepl__ap_our_subkey(a->keys.krb5, a->auth, &ours);
    if (e != 0 || ours == NULL)
        return krb_fail(a, e, "no request to the master can be made", ei);
    krbrepl__buf_bytes(&a->token_out, req.data, req.length);
    krbrepl__ap_data_free(a->keys.krb5, &req);
    a->lifetime_s = seconds_until(a, (int64_t)creds->times.endtime);
    rc = a->token_out.err != 0 ? krbrepl__fail_plain(ei, a->token_out.err)
                               : krbrepl__privkey_new(&a->send, a->keys.krb5, ours, ei);
    if (rc == 0)
        rc = krbrepl__privkey_new(&a->receive[0], a->keys.krb5, ours, ei);
    krb5_free_keyblock(a->keys.krb5, ours);
    return rc == 0 ? check_ticket_key(a, ei) : rc;
}

/* The ticket is asked for by the keytab and for the master's service at once, as Heimdal's slave does. */
static int get_ticket(krbrepl__sendauth *a, krb5_principal self, const char *target,
                      krbrepl_errinfo *ei)
{
    krb5_get_init_creds_opt *opt = NULL;
    krb5_creds creds;
    char what[200];
    krb5_error_code e = krb5_get_init_creds_opt_alloc(a->keys.krb5, &opt);
    int rc;

    memset(&creds, 0, sizeof creds);
    if (e == 0) {
        krbrepl__ap_floor(opt);
        e = krb5_get_init_creds_keytab(a->keys.krb5, &creds, self, a->keys.keytab, 0, target, opt);
    }
    if (opt != NULL)
        krb5_get_init_creds_opt_free(a->keys.krb5, opt);
    if (e != 0) {
        snprintf(what, sizeof what, "no ticket for %.70s is given to %.70s", target, a->self);
        return krb_fail(a, e, what, ei);
    }
    rc = make_request(a, &creds, ei);
    krb5_free_cred_contents(a->keys.krb5, &creds);
    return rc;
}

static int initiate_step(krbrepl__sendauth *a)
{
    krb5_principal self = NULL, target = NULL;
    krb5_error_code e;
    int rc = krbrepl__krbkeys_read(&a->keys, a->self, a->keytab, 0, &a->err);
    char *full = NULL;

    if (rc != 0)
        return rc;
    e = krb5_parse_name(a->keys.krb5, a->self, &self);
    if (e == 0)
        e = krb5_parse_name(a->keys.krb5, a->target, &target);
    if (e == 0)
        e = krb5_unparse_name(a->keys.krb5, target, &full);
    rc = e != 0 ? krb_fail(a, e, "no principal name", &a->err) : get_ticket(a, self, full, &a->err);
    if (rc == 0 && (a->peer = krbrepl__strdup(full)) == NULL)
        rc = krbrepl__fail_plain(&a->err, KRBREPL_ERR_NOMEM);
    if (full != NULL)
        krbrepl__krb5_string_free(a->keys.krb5, full);
    krb5_free_principal(a->keys.krb5, self);
    krb5_free_principal(a->keys.krb5, target);
    return rc;
}

static int refused(krbrepl_bytes reply, krbrepl_errinfo *ei)
{
    char text[KRBREPL__KRBERR_TEXT + 1];
    unsigned code;

    if (krbrepl__krberr_get(reply, &code, text) != 0)
        return krbrepl__fail(ei, KRBREPL_ERR_PROTO, "auth: the answer of the master is malformed");
    return krbrepl__fail(ei, KRBREPL_ERR_AUTH,
                         "auth: the master refuses this end, with error %u of Kerberos: %s", code,
                         text[0] != '\0' ? text : "its log may have the reason");
}

int krbrepl__sendauth_reply(krbrepl__sendauth *a, krbrepl_bytes reply, krbrepl_errinfo *ei)
{
    krb5_data rep = krbrepl__krb5_view(reply);
    krb5_ap_rep_enc_part *part = NULL;
    krb5_keyblock *theirs = NULL;
    const uint8_t *first = reply.data;
    krb5_error_code e;
    int rc;

    if (reply.len != 0 && first[0] == 0x7e)
        return refused(reply, ei);
    e = krb5_rd_rep(a->keys.krb5, a->auth, &rep, &part);
    if (e != 0)
        return krb_fail(a, e, "the master has not proved who it is", ei);
    krb5_free_ap_rep_enc_part(a->keys.krb5, part);
    e = krbrepl__ap_their_subkey(a->keys.krb5, a->auth, &theirs);
    if (e != 0)
        return krb_fail(a, e, "the key of the master cannot be read", ei);
    rc = take_key(a, theirs, &a->receive[1], ei);
    return rc;
}

/* ---- the job -------------------------------------------------------------------------------- */

static void job_run(krbrepl__job *j)
{
    krbrepl__sendauth *a = (krbrepl__sendauth *)j;
    int rc;

    krbrepl__errinfo_clear(&a->err);
    rc = a->initiator ? initiate_step(a) : accept_step(a);
    if (rc != 0 && a->err.code == 0)
        krbrepl__fail_plain(&a->err, rc);
}

int krbrepl__sendauth_new(krbrepl__sendauth **out, const krbrepl__propchan_cfg *cfg,
                          krbrepl_errinfo *ei)
{
    krbrepl__sendauth *a;

    *out = NULL;
    if (cfg->initiator && cfg->target == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "auth: no principal of the other end was given");
    a = krbrepl__alloc(sizeof *a);
    if (a == NULL)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    a->job.run = job_run;
    a->job.free = job_free;
    a->job.initiator = a->initiator = cfg->initiator;
    a->sys = cfg->sys != NULL ? cfg->sys : krbrepl__sys_default();
    krbrepl__buf_init(&a->token_in, KRBREPL__PROP_TOKEN_MAX);
    krbrepl__buf_init(&a->token_out, 0);
    a->self = cfg->self != NULL ? krbrepl__strdup(cfg->self) : krbrepl__selfname("iprop");
    a->target = krbrepl__strdup(cfg->target);
    a->keytab = krbrepl__strdup(cfg->keytab);
    if (a->self == NULL || (cfg->target != NULL && a->target == NULL) ||
        (cfg->keytab != NULL && a->keytab == NULL)) {
        krbrepl__sendauth_free(a);
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    }
    *out = a;
    return 0;
}
