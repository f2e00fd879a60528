/* polrec.c: a policy as libkdb5 has it, and as a record. */
#include "kdbmod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* All members are valid in versions above 2. */
#define POLICY_VERSION 3

static char *text_make(krbrepl_bytes from)
{
    char *text = malloc(from.len + 1);

    if (text == NULL)
        return NULL;
    if (from.len != 0)
        memcpy(text, from.data, from.len);
    text[from.len] = '\0';
    return text;
}

static void numbers_make(const krbrepl_mit_policy *p, osa_policy_ent_t to)
{
    to->version = POLICY_VERSION;
    to->pw_min_life = p->min_life;
    to->pw_max_life = p->max_life;
    to->pw_min_length = p->min_length;
    to->pw_min_classes = p->min_classes;
    to->pw_history_num = p->history;
    to->policy_refcnt = p->references;
    to->pw_max_fail = p->max_failures;
    to->pw_failcnt_interval = p->failure_interval;
    to->pw_lockout_duration = p->lockout_duration;
    to->attributes = p->attributes;
    to->max_life = p->max_ticket_life;
    to->max_renewable_life = p->max_renewable_life;
}

static int members_make(krbrepl_bytes key, const krbrepl_mit_policy *p, osa_policy_ent_t to)
{
    int err;

    numbers_make(p, to);
    to->name = text_make(key);
    if (to->name == NULL)
        return ENOMEM;
    if (p->keysalts.data != NULL && (to->allowed_keysalts = text_make(p->keysalts)) == NULL)
        return ENOMEM;
    err = krbrepl__kdb_tl_make(p->tl, p->ntl, &to->tl_data);
    if (err == 0)
        to->n_tl_data = (krb5_int16)p->ntl;
    return err;
}

krb5_error_code krbrepl__kdb_policy_make(krb5_context ctx, krbrepl_bytes key, krbrepl_bytes value,
                                         osa_policy_ent_t *out)
{
    krbrepl_mit_policy *p = NULL;
    osa_policy_ent_t to;
    krbrepl_errinfo ei;
    krb5_error_code err;
    int rc;

    *out = NULL;
    KRBREPL_INIT(&ei);
    rc = krbrepl_mit_policy_decode(value, &p, &ei);
    if (rc != 0)
        return krbrepl__kdb_fail_ei(ctx, rc, &ei, "reading a policy");
    to = calloc(1, sizeof *to);
    err = to == NULL ? ENOMEM : members_make(key, p, to);
    if (err == 0)
        *out = to;
    else if (to != NULL)
        krb5_db_free_policy(ctx, to);
    krbrepl_mit_policy_free(p);
    return err;
}

krb5_error_code krbrepl__kdb_policy_encode(krb5_context ctx, const osa_policy_ent_rec *from,
                                           void **value, size_t *len)
{
    krbrepl_mit_policy p;
    krbrepl_mit_item *tl = NULL;
    krbrepl_errinfo ei;
    krb5_error_code err;
    int rc;

    KRBREPL_INIT(&p);
    KRBREPL_INIT(&ei);
    p.min_life = from->pw_min_life;
    p.max_life = from->pw_max_life;
    p.min_length = from->pw_min_length;
    p.min_classes = from->pw_min_classes;
    p.history = from->pw_history_num;
    p.references = from->policy_refcnt;
    p.max_failures = from->pw_max_fail;
    p.failure_interval = from->pw_failcnt_interval;
    p.lockout_duration = from->pw_lockout_duration;
    p.attributes = from->attributes;
    p.max_ticket_life = from->max_life;
    p.max_renewable_life = from->max_renewable_life;
    if (from->allowed_keysalts != NULL && *from->allowed_keysalts != '\0')
        p.keysalts = krbrepl__kdb_text(from->allowed_keysalts);
    err = krbrepl__kdb_tl_items(from->tl_data, from->n_tl_data, &tl);
    if (err != 0)
        return err;
    p.tl = tl;
    p.ntl = (size_t)from->n_tl_data;
    rc = krbrepl_mit_policy_encode(&p, value, len, &ei);
    if (rc != 0)
        err = krbrepl__kdb_fail_ei(ctx, rc, &ei, "writing a policy");
    krbrepl__free(tl, p.ntl * sizeof *tl);
    return err;
}
