#include "krbkeys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "krb5lib.h"
#include "mem.h"

const long krbrepl__krbkeys_floor[] = {
    KRBREPL__AES256_SHA384, KRBREPL__AES128_SHA256, KRBREPL__AES256_SHA1, KRBREPL__AES128_SHA1, 0,
};

int krbrepl__krbkeys_enctype_ok(long enctype)
{
    size_t i = 0;

    while (krbrepl__krbkeys_floor[i] != 0 && krbrepl__krbkeys_floor[i] != enctype)
        i++;
    return krbrepl__krbkeys_floor[i] != 0;
}

const char *krbrepl__krbkeys_enctype_name(long enctype)
{
    switch (enctype) {
    case KRBREPL__AES256_SHA384:
        return "aes256-cts-hmac-sha384-192";
    case KRBREPL__AES128_SHA256:
        return "aes128-cts-hmac-sha256-128";
    case KRBREPL__AES256_SHA1:
        return "aes256-cts-hmac-sha1-96";
    case KRBREPL__AES128_SHA1:
        return "aes128-cts-hmac-sha1-96";
    default:
        return "an enctype below the floor";
    }
}

/* ---- the keytab ----------------------------------------------------------------------------- */

/* The texts of libkrb5 for these two repeat the name of the file. */
static const char *short_text(krb5_error_code e)
{
    if (e == ENOENT || e == KRB5_KT_NOTFOUND)
        return "there is no such keytab";
    return e == EACCES ? "permission denied" : NULL;
}

static int krb5_fail(krbrepl__krbkeys *k, krb5_error_code e, const char *what, const char *name,
                     const char *todo, krbrepl_errinfo *ei)
{
    const char *why, *brief = short_text(e);
    int code;

    if (e == ENOMEM || e == KRB5_CC_NOMEM)
        return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    why = krb5_get_error_message(k->krb5, e);
    code = krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s %.60s: %.60s; %s", what, name,
                         brief != NULL ? brief : why, todo);
    krb5_free_error_message(k->krb5, why);
    return code;
}

static int keytab_fail(krbrepl__krbkeys *k, krb5_error_code e, const char *principal, const char *name,
                       krbrepl_errinfo *ei)
{
    char what[100];

    snprintf(what, sizeof what, "no key of %.60s can be read from", principal);
    return krb5_fail(k, e, what, name, KRBREPL__KEYTAB_REMEDY, ei);
}

/* A path alone is a file; NULL is the default keytab. */
static krb5_error_code open_source(krbrepl__krbkeys *k, const char *keytab, char *name, size_t size,
                                   krb5_keytab *out)
{
    krb5_error_code e = 0;

    if (keytab == NULL)
        e = krb5_kt_default_name(k->krb5, name, (int)size);
    else
        snprintf(name, size, "%s%s", strchr(keytab, ':') == NULL ? "FILE:" : "", keytab);
    return e != 0 ? e : krb5_kt_resolve(k->krb5, name, out);
}

typedef struct copied {
    size_t strong, weak;
} copied;

/* Copies the keys of one principal that are strong enough. */
static krb5_error_code copy_keys(krbrepl__krbkeys *k, krb5_keytab from, krb5_const_principal who,
                                 copied *n)
{
    krb5_keytab_entry entry;
    krb5_kt_cursor at;
    krb5_error_code e = krb5_kt_start_seq_get(k->krb5, from, &at);

    if (e != 0)
        return e;
    while (e == 0 && (e = krb5_kt_next_entry(k->krb5, from, &entry, &at)) == 0) {
        if (krb5_principal_compare(k->krb5, entry.principal, who)) {
            if (krbrepl__krbkeys_enctype_ok(krbrepl__kt_entry_enctype(&entry))) {
                e = krb5_kt_add_entry(k->krb5, k->keytab, &entry);
                n->strong++;
            } else {
                n->weak++;
            }
        }
        krbrepl__kt_entry_free(k->krb5, &entry);
    }
    krb5_kt_end_seq_get(k->krb5, from, &at);
    return e == KRB5_KT_END ? 0 : e;
}

static int read_keytab(krbrepl__krbkeys *k, krb5_const_principal who, const char *principal,
                       const char *keytab, krbrepl_errinfo *ei)
{
    char name[1024] = "";
    krb5_keytab from = NULL;
    copied n = {0, 0};
    krb5_error_code e = open_source(k, keytab, name, sizeof name, &from);

    if (e == 0)
        e = copy_keys(k, from, who, &n);
    if (from != NULL)
        krb5_kt_close(k->krb5, from);
    if (e != 0)
        return keytab_fail(k, e, principal, name, ei);
    if (n.strong > 0)
        return 0;
    return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: %s of %.70s in %.70s; %s",
                         n.weak > 0 ? "only keys below the enctype floor" : "no key", principal, name,
                         n.weak > 0 ? KRBREPL__ENCTYPE_REMEDY : KRBREPL__KEYTAB_REMEDY);
}

/* ---- birth and death ------------------------------------------------------------------------ */

static krb5_error_code make_ccache(krbrepl__krbkeys *k)
{
    char *full = NULL;
    krb5_error_code e = krb5_cc_new_unique(k->krb5, "MEMORY", NULL, &k->ccache);

    if (e == 0)
        e = krb5_cc_get_full_name(k->krb5, k->ccache, &full);
    if (e == 0 && (k->ccache_name = krbrepl__strdup(full)) == NULL)
        e = KRB5_CC_NOMEM;
    if (full != NULL)
        krbrepl__krb5_string_free(k->krb5, full);
    return e;
}

/* The address of the object makes the name: no other lives there as long as this one does. */
static krb5_error_code make_places(krbrepl__krbkeys *k, int ccache)
{
    char name[64];
    krb5_error_code e;

    snprintf(name, sizeof name, "MEMORY:krbrepl-%" PRIxPTR, (uintptr_t)k);
    k->keytab_name = krbrepl__strdup(name);
    if (k->keytab_name == NULL)
        return KRB5_CC_NOMEM;
    e = krb5_kt_resolve(k->krb5, name, &k->keytab);
    if (e == 0 && ccache)
        e = make_ccache(k);
    return e;
}

int krbrepl__krbkeys_read(krbrepl__krbkeys *out, const char *principal, const char *keytab, int ccache,
                          krbrepl_errinfo *ei)
{
    krb5_principal who = NULL;
    krb5_error_code e;
    int code = 0;

    memset(out, 0, sizeof *out);
    if (krb5_init_context(&out->krb5) != 0)
        return krbrepl__fail(ei, KRBREPL_ERR_AUTH, "auth: Kerberos cannot start; check krb5.conf");
    e = krb5_parse_name(out->krb5, principal, &who);
    if (e != 0)
        code = krb5_fail(out, e, "no principal name:", principal, "correct it, or name its realm", ei);
    if (code == 0 && (e = make_places(out, ccache)) != 0)
        code = krb5_fail(out, e, "no memory for the tickets of", principal, "try again", ei);
    if (code == 0)
        code = read_keytab(out, who, principal, keytab, ei);
    krb5_free_principal(out->krb5, who);
    if (code != 0)
        krbrepl__krbkeys_free(out);
    return code;
}

void krbrepl__krbkeys_free(krbrepl__krbkeys *k)
{
    if (k->ccache != NULL)
        krb5_cc_destroy(k->krb5, k->ccache);
    if (k->keytab != NULL)
        krb5_kt_close(k->krb5, k->keytab);
    if (k->krb5 != NULL)
        krb5_free_context(k->krb5);
    krbrepl__krbkeys_abandon(k);
}

void krbrepl__krbkeys_abandon(krbrepl__krbkeys *k)
{
    krbrepl__strfree(k->keytab_name);
    krbrepl__strfree(k->ccache_name);
    memset(k, 0, sizeof *k);
}
