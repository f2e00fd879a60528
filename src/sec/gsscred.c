#include "gsscred.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>

#include "mem.h"

/* Strongest first. */
static const struct {
    krb5_enctype number;
    const char *name;
} floor_types[] = {
    {ENCTYPE_AES256_CTS_HMAC_SHA384_192, "aes256-cts-hmac-sha384-192"},
    {ENCTYPE_AES128_CTS_HMAC_SHA256_128, "aes128-cts-hmac-sha256-128"},
    {ENCTYPE_AES256_CTS_HMAC_SHA1_96, "aes256-cts-hmac-sha1-96"},
    {ENCTYPE_AES128_CTS_HMAC_SHA1_96, "aes128-cts-hmac-sha1-96"},
};
#define NFLOOR (sizeof floor_types / sizeof floor_types[0])

const char *krbrepl__gss_enctype_name(long enctype)
{
    size_t i;

    for (i = 0; i < NFLOOR; i++)
        if (floor_types[i].number == enctype)
            return floor_types[i].name;
    return "an enctype below the floor";
}

int krbrepl__gss_enctype_ok(long enctype)
{
    size_t i;

    for (i = 0; i < NFLOOR; i++)
        if (floor_types[i].number == enctype)
            return 1;
    return 0;
}

/* ---- what went wrong ------------------------------------------------------------------------ */

static void status_text(char *out, size_t size, OM_uint32 code, int type)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, more = 0;
    gss_OID mech = type == GSS_C_MECH_CODE ? (gss_OID)gss_mech_krb5 : GSS_C_NO_OID;

    out[0] = '\0';
    if (gss_display_status(&minor, code, type, mech, &more, &text) == GSS_S_COMPLETE)
        snprintf(out, size, "%.*s", (int)text.length, (const char *)text.value);
    gss_release_buffer(&minor, &text);
}

#define KEYTAB_REMEDY "write its key there with kadmin: ktadd -k FILE PRINCIPAL"
#define ENCTYPE_REMEDY "both principals need AES keys: kadmin cpw -randkey, then ktadd"

/* What a person should do about the errors that an operator meets. */
static const char *remedy(OM_uint32 minor, const char *otherwise)
{
    switch ((krb5_error_code)minor) {
    case KRB5_KT_NOTFOUND:
    case KRB5_KT_KVNONOTFOUND:
    case KRB5_KT_NAME_TOOLONG:
    case KRB5KRB_AP_ERR_BAD_INTEGRITY:
    case KRB5KRB_AP_ERR_NOKEY:
    case KRB5KRB_AP_ERR_BADKEYVER:
    case KRB5KDC_ERR_PREAUTH_FAILED:
    case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
        return KEYTAB_REMEDY;
    case KRB5_KDC_UNREACH:
    case KRB5_REALM_UNKNOWN:
    case KRB5_REALM_CANT_RESOLVE:
        return "check that a KDC of the realm runs, and krb5.conf";
    case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN:
        return "correct the service name, or make it with kadmin: addprinc -randkey";
    case KRB5KRB_AP_ERR_SKEW:
        return "set the clocks";
    case KRB5KDC_ERR_ETYPE_NOSUPP:
    case KRB5_NOPERM_ETYPE:
        return ENCTYPE_REMEDY;
    default:
        return otherwise;
    }
}

int krbrepl__gss_fail(krbrepl_errinfo *ei, const char *what, OM_uint32 major, OM_uint32 minor,
                      const char *otherwise)
{
    char text[120];
    const char *todo = remedy(minor, otherwise);

    if (minor != 0)
        status_text(text, sizeof text, minor, GSS_C_MECH_CODE);
    else
        status_text(text, sizeof text, major, GSS_C_GSS_CODE);
    if (todo != NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s: %s; %s", what, text, todo);
    return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s: %s", what, text);
}

/* ---- names ---------------------------------------------------------------------------------- */

/* krbrepl/HOSTNAME, lower case as the names of hosts are in Kerberos. */
static char *default_self(void)
{
    char host[256], self[sizeof host + 8];
    char *s;

    if (gethostname(host, sizeof host) != 0)
        return NULL;
    host[sizeof host - 1] = '\0';
    for (s = host; *s != '\0'; s++)
        *s = (char)tolower((unsigned char)*s);
    snprintf(self, sizeof self, "krbrepl/%s", host);
    return krbrepl__strdup(self);
}

/* A principal is taken as it is written. A host-based name would be changed by way of DNS. */
static int import(gss_name_t *out, const char *principal, krbrepl_errinfo *ei)
{
    gss_buffer_desc text;
    OM_uint32 major, minor;
    char what[160];

    text.value = (void *)(uintptr_t)principal; /* gss_import_name only reads it */
    text.length = strlen(principal);
    major = gss_import_name(&minor, &text, (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME, out);
    if (major == GSS_S_COMPLETE)
        return 0;
    snprintf(what, sizeof what, "%.100s is no principal name", principal);
    return krbrepl__gss_fail(ei, what, major, minor, NULL);
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

/* A path alone is a file. */
static char *keytab_name(const char *keytab)
{
    char *s;
    size_t n;

    if (keytab == NULL || strchr(keytab, ':') != NULL)
        return krbrepl__strdup(keytab);
    n = strlen(keytab) + sizeof "FILE:";
    s = krbrepl__alloc(n);
    if (s != NULL)
        snprintf(s, n, "FILE:%s", keytab);
    return s;
}

int krbrepl__gsscred_init(krbrepl__gsscred *c, const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei)
{
    memset(c, 0, sizeof *c);
    c->initiator = cfg->initiator;
    if (cfg->initiator && cfg->target == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "auth: no principal of the other end was given");
    c->self = cfg->self != NULL ? krbrepl__strdup(cfg->self) : default_self();
    c->target = krbrepl__strdup(cfg->target);
    c->keytab = keytab_name(cfg->keytab);
    if (c->self != NULL && (c->target != NULL || cfg->target == NULL) &&
        (c->keytab != NULL || cfg->keytab == NULL))
        return 0;
    krbrepl__gsscred_free(c);
    return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
}

/* What GSS-API has no call for: the name of the default keytab, and a new credential cache in memory, so
 * that no other part of the process sees the tickets. */
static int prepare(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    krb5_context k = NULL;
    krb5_ccache cc = NULL;
    char name[1024], *full = NULL;
    int code = krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: Kerberos cannot start; check krb5.conf");

    if (krb5_init_context(&k) != 0)
        goto done;
    if (c->keytab == NULL && (krb5_kt_default_name(k, name, sizeof name) != 0 ||
                              (c->keytab = krbrepl__strdup(name)) == NULL))
        goto done;
    if (c->initiator && c->ccache == NULL &&
        (krb5_cc_new_unique(k, "MEMORY", NULL, &cc) != 0 || krb5_cc_get_full_name(k, cc, &full) != 0 ||
         (c->ccache = krbrepl__strdup(full)) == NULL))
        goto done;
    krbrepl__errinfo_clear(ei);
    code = 0;
done:
    if (full != NULL)
        krb5_free_string(k, full);
    if (cc != NULL && code == 0)
        krb5_cc_close(k, cc);
    else if (cc != NULL)
        krb5_cc_destroy(k, cc);
    if (k != NULL)
        krb5_free_context(k);
    return code;
}

static void destroy_ccache(const char *ccache)
{
    krb5_context k = NULL;
    krb5_ccache cc = NULL;

    if (ccache == NULL || krb5_init_context(&k) != 0)
        return;
    if (krb5_cc_resolve(k, ccache, &cc) == 0)
        krb5_cc_destroy(k, cc);
    krb5_free_context(k);
}

/* The keys of the keytab are the acceptor's, or get an initiator its tickets. */
static OM_uint32 get_cred(krbrepl__gsscred *c, int initiate, OM_uint32 *minor)
{
    /* A replayed token leads to a key that the replayer does not have, so it gets no further; a replay
     * cache would add a shared file and no safety. */
    gss_key_value_element_desc element[2] = {
        {initiate ? "client_keytab" : "keytab", c->keytab},
        {initiate ? "ccache" : "rcache", initiate ? c->ccache : "none:"},
    };
    gss_key_value_set_desc store = {2, element};
    gss_OID_set_desc mechs = {1, (gss_OID)gss_mech_krb5};

    return gss_acquire_cred_from(minor, c->name, GSS_C_INDEFINITE, &mechs,
                                 initiate ? GSS_C_INITIATE : GSS_C_ACCEPT, &store, &c->cred, NULL,
                                 NULL);
}

static int acquire(krbrepl__gsscred *c, int initiate, krbrepl_errinfo *ei)
{
    OM_uint32 major, minor;
    char what[160];

    major = get_cred(c, initiate, &minor);
    if (major == GSS_S_COMPLETE)
        return 0;
    snprintf(what, sizeof what, "cannot use %.60s with %.70s", c->self, c->keytab);
    return krbrepl__gss_fail(ei, what, major, minor, KEYTAB_REMEDY);
}

/* The credential takes no enctype below the floor: neither the ticket's nor the session's. */
static int set_floor(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    krb5_enctype types[NFLOOR];
    OM_uint32 major, minor;
    size_t i;

    for (i = 0; i < NFLOOR; i++)
        types[i] = floor_types[i].number;
    major = gss_krb5_set_allowable_enctypes(&minor, c->cred, (OM_uint32)NFLOOR, types);
    if (major == GSS_S_COMPLETE)
        return 0;
    return krbrepl__gss_fail(ei, "the enctypes cannot be restricted to AES", major, minor, NULL);
}

int krbrepl__gsscred_acquire(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    int code = prepare(c, ei);

    if (code == 0)
        code = import(&c->name, c->self, ei);
    if (code == 0 && c->initiator)
        code = import(&c->to, c->target, ei);
    if (code == 0)
        code = acquire(c, c->initiator, ei);
    if (code == 0)
        code = set_floor(c, ei);
    return code;
}

int krbrepl__gsscred_probe(krbrepl__gsscred *c, krbrepl_errinfo *ei)
{
    int code = prepare(c, ei);

    if (code == 0)
        code = import(&c->name, c->self, ei);
    return code == 0 ? acquire(c, 0, ei) : code;
}

void krbrepl__gsscred_free(krbrepl__gsscred *c)
{
    OM_uint32 minor;

    gss_release_cred(&minor, &c->cred);
    gss_release_name(&minor, &c->name);
    gss_release_name(&minor, &c->to);
    destroy_ccache(c->ccache);
    krbrepl__gsscred_abandon(c);
}

void krbrepl__gsscred_abandon(krbrepl__gsscred *c)
{
    krbrepl__strfree(c->self);
    krbrepl__strfree(c->target);
    krbrepl__strfree(c->keytab);
    krbrepl__strfree(c->ccache);
    memset(c, 0, sizeof *c);
}
