/* gss_heimdal.c: see gsslib.h. Heimdal 7 has no gss_acquire_cred_from: an initiator gets its ticket from the
 * KDC here, and the places in memory are imported by their names. An acceptor has no replay cache unless one
 * is configured; a replayed token leads to a key that the replayer does not have. */
#include "gsslib.h"

#include <stdio.h>
#include <string.h>

#include <gssapi/gssapi_krb5.h>

/* The ticket-granting ticket of `who`, into the credential cache of k. */
static krb5_error_code get_ticket(krbrepl__krbkeys *k, krb5_principal who)
{
    krb5_get_init_creds_opt *opt = NULL;
    krb5_error_code e = krb5_get_init_creds_opt_alloc(k->krb5, &opt);
    krb5_creds creds;

    memset(&creds, 0, sizeof creds);
    if (e != 0)
        return e;
    e = krb5_get_init_creds_keytab(k->krb5, &creds, who, k->keytab, 0, NULL, opt);
    if (e == 0) {
        e = krb5_cc_initialize(k->krb5, k->ccache, who);
        if (e == 0)
            e = krb5_cc_store_cred(k->krb5, k->ccache, &creds);
        krb5_free_cred_contents(k->krb5, &creds);
    }
    krb5_get_init_creds_opt_free(k->krb5, opt);
    return e;
}

OM_uint32 krbrepl__gsslib_cred(krbrepl__gsscred *c, OM_uint32 *minor)
{
    krb5_principal who = NULL;
    krb5_error_code e = krb5_parse_name(c->keys.krb5, c->self, &who);
    OM_uint32 major = GSS_S_NO_CRED;

    if (e == 0 && c->initiator)
        e = get_ticket(&c->keys, who);
    *minor = (OM_uint32)e;
    if (e == 0 && c->initiator)
        major = gss_krb5_import_cred(minor, c->keys.ccache, NULL, NULL, &c->cred);
    else if (e == 0)
        major = gss_krb5_import_cred(minor, NULL, who, c->keys.keytab, &c->cred);
    krb5_free_principal(c->keys.krb5, who);
    return major;
}

long krbrepl__gsslib_enctype(gss_ctx_id_t ctx)
{
    struct EncryptionKey *key = NULL;
    krb5_context krb5 = NULL;
    OM_uint32 minor;
    long enctype = 0;

    if (krb5_init_context(&krb5) != 0)
        return 0;
    if (gsskrb5_get_subkey(&minor, ctx, &key) == GSS_S_COMPLETE && key != NULL) {
        enctype = key->keytype;
        krb5_free_keyblock(krb5, key); /* wipes it */
    }
    krb5_free_context(krb5);
    return enctype;
}

/* Heimdal's GSS-API knows the texts of its own failures only; those of libkrb5's calls are asked of libkrb5. */
void krbrepl__gsslib_text(char *out, size_t size, OM_uint32 minor)
{
    static const char unknown[] = "unknown mech-code";
    const char *text;

    krbrepl__gss_status(out, size, minor, GSS_C_MECH_CODE);
    if (out[0] != '\0' && strncmp(out, unknown, sizeof unknown - 1) != 0)
        return;
    text = krb5_get_error_message(NULL, (krb5_error_code)minor);
    snprintf(out, size, "%s", text != NULL ? text : "");
    krb5_free_error_message(NULL, text);
}
