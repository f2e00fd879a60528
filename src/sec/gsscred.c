#include "gsscred.h"

#include <stdio.h>
#include <string.h>

#include <gssapi/gssapi_krb5.h>

#include "gsslib.h"
#include "krb5lib.h"
#include "mem.h"
#include "selfname.h"

/* ---- what went wrong ------------------------------------------------------------------------ */

void krbrepl__gss_status(char *out, size_t size, OM_uint32 code, int type)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, more = 0;
    gss_OID mech = type == GSS_C_MECH_CODE ? (gss_OID)gss_mech_krb5 : GSS_C_NO_OID;

    out[0] = '\0';
    if (gss_display_status(&minor, code, type, mech, &more, &text) == GSS_S_COMPLETE)
        snprintf(out, size, "%.*s", (int)text.length, (const char *)text.value);
    gss_release_buffer(&minor, &text);
}

/* What a person should do about the errors that an operator meets. */
static const char *remedy(OM_uint32 minor)
{
    switch ((krb5_error_code)minor) {
#ifndef KRBREPL_GSS_HEIMDAL /* which has no such codes */
    case KRB5_KT_KVNONOTFOUND:
    case KRB5_KT_NAME_TOOLONG:
#endif
    case KRB5_KT_NOTFOUND:
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
    case KRB5KRB_AP_ERR_NOKEY:
    case KRB5KRB_AP_ERR_BADKEYVER:
    case KRB5KDC_ERR_PREAUTH_FAILED:
        return KRBREPL__KEYTAB_REMEDY;
    /* The KDC that is asked may be one that kprop has not brought it to yet. */
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
        return "make it with kadmin: addprinc -randkey, or bring it to the KDC that is asked";
    case KRB5_KDC_UNREACH:
    case KRB5_REALM_UNKNOWN:
    case KRB5_REALM_CANT_RESOLVE:
        return "check that a KDC of the realm runs, and krb5.conf";
    case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN:
        return "correct the service name, or make it with kadmin: addprinc -randkey";
    case KRB5KRB_AP_ERR_NOT_US:
        return "make both ends name the same service";
    case KRB5KRB_AP_ERR_SKEW:
        return "set the clocks";
#ifndef KRBREPL_GSS_HEIMDAL
    case KRB5_NOPERM_ETYPE:
#endif
    case KRB5KDC_ERR_ETYPE_NOSUPP:
        return KRBREPL__ENCTYPE_REMEDY;
    default:
        return NULL;
    }
}

int krbrepl__gss_fail(krbrepl_errinfo *ei, const char *what, OM_uint32 major, OM_uint32 minor)
{
    char text[120];
    const char *todo = remedy(minor);

    /* A malformed token has a minor code that says "Success". */
    if (minor != 0 && GSS_ROUTINE_ERROR(major) != GSS_S_DEFECTIVE_TOKEN)
        krbrepl__gsslib_text(text, sizeof text, minor);
    else
        krbrepl__gss_status(text, sizeof text, major, GSS_C_GSS_CODE);
    if (todo != NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s: %s; %s", what, text, todo);
    return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s: %s", what, text);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* A principal is taken as it is written, and gets the default realm if it has none. A host-based name
 * would be changed by way of DNS. */
static int import(gss_name_t *out, const char *principal, krbrepl_errinfo *ei)
{
    gss_buffer_desc text;
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major, minor, ignored;
    char what[160];

    text.value = (void *)(uintptr_t)principal; /* gss_import_name only reads it */
    text.length = strlen(principal);
    major = gss_import_name(&minor, &text, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME, &name);
    if (major == GSS_S_COMPLETE)
        major = gss_canonicalize_name(&minor, name, (gss_OID)gss_mech_krb5, out);
    gss_release_name(&ignored, &name);
    if (major == GSS_S_COMPLETE)
        return 0;
    snprintf(what, sizeof what, "%.100s is no principal name", principal);
    return krbrepl__gss_fail(ei, what, major, minor);
}

char *krbrepl__gss_display(gss_name_t name)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    gss_OID type = GSS_C_NO_OID;
    OM_uint32 minor;
    char *s = NULL;

    if (name != GSS_C_NO_NAME && gss_display_name(&minor, name, &text, &type) == GSS_S_COMPLETE &&
        type != GSS_C_NO_OID && gss_oid_equal(type, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME) &&
        text.length > 0 && memchr(text.value, '\0', text.length) == NULL)
        s = krbrepl__strndup(text.value, text.length);
    gss_release_buffer(&minor, &text);
    return s;
}

/* ---- credentials ---------------------------------------------------------------------------- */

int krbrepl__gsscred_init(krbrepl__gsscred *c, const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei)
{
    memset(c, 0, sizeof *c);
    c->initiator = cfg->initiator;
    if (cfg->initiator && cfg->target == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "auth: no principal of the other end was given");
    c->self = cfg->self != NULL ? krbrepl__strdup(cfg->self) : krbrepl__selfname("krbrepl");
    c->target = krbrepl__strdup(cfg->target);
    c->keytab = krbrepl__strdup(cfg->keytab);
    if (c->self != NULL && (c->target != NULL || cfg->target == NULL) &&
        (c->keytab != NULL || cfg->keytab == NULL))
        return 0;
    krbrepl__gsscred_free(c);
    return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
}

static int acquire(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    OM_uint32 major, minor;
    char what[200];

    major = krbrepl__gsslib_cred(c, &minor);
    if (major == GSS_S_COMPLETE)
        return 0;
    snprintf(what, sizeof what, "cannot use %.60s with %.60s", c->self,
             c->keytab != NULL ? c->keytab : "the default keytab");
    return krbrepl__gss_fail(ei, what, major, minor);
}

/* The credential takes no enctype below the floor: neither the ticket's nor the session's. */
static int set_floor(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    int32_t types[8];
    OM_uint32 major, minor, n;

    for (n = 0; krbrepl__krbkeys_floor[n] != 0; n++)
        types[n] = (int32_t)krbrepl__krbkeys_floor[n];
    major = gss_krb5_set_allowable_enctypes(&minor, c->cred, n, types);
    if (major == GSS_S_COMPLETE)
        return 0;
    return krbrepl__gss_fail(ei, "the enctypes cannot be restricted to AES", major, minor);
}

int krbrepl__gsscred_probe(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    return krbrepl__krbkeys_read(&c->keys, c->self, c->keytab, c->initiator, ei);
}

int krbrepl__gsscred_acquire(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    int code = krbrepl__gsscred_probe(c, ei);

    if (code == 0)
        code = import(&c->name, c->self, ei);
    if (code == 0 && c->initiator)
        code = import(&c->to, c->target, ei);
    if (code == 0)
        code = acquire(c, ei);
    if (code == 0)
        code = set_floor(c, ei);
    return code;
}

void krbrepl__gsscred_free(krbrepl__gsscred *c)
{
    OM_uint32 minor;

    gss_release_cred(&minor, &c->cred);
    gss_release_name(&minor, &c->name);
    gss_release_name(&minor, &c->to);
    krbrepl__krbkeys_free(&c->keys);
    krbrepl__gsscred_abandon(c);
}

void krbrepl__gsscred_abandon(krbrepl__gsscred *c)
{
    krbrepl__krbkeys_abandon(&c->keys);
    krbrepl__strfree(c->self);
    krbrepl__strfree(c->target);
    krbrepl__strfree(c->keytab);
    memset(c, 0, sizeof *c);
}
