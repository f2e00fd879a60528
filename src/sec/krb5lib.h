/* krb5lib.h: what MIT's and Heimdal's libkrb5 spell differently. The library is built for one of them
 * (KRBREPL_GSS); nothing else in this folder needs to know which, but for gss_mit.c and gss_heimdal.c. */
#ifndef KRBREPL__KRB5LIB_H
#define KRBREPL__KRB5LIB_H

#include <string.h>

#include <krb5.h>

#include <krbrepl/types.h>

/* The numbers of the enctypes that are taken (RFC 3962, RFC 8009). */
enum {
    KRBREPL__AES128_SHA1 = 17,
    KRBREPL__AES256_SHA1 = 18,
    KRBREPL__AES128_SHA256 = 19,
    KRBREPL__AES256_SHA384 = 20
};

/* For what the library only reads. */
static inline krb5_data krbrepl__krb5_view(krbrepl_bytes b)
{
    union {
        const void *from;
        void *to;
    } cast = {b.data};
    krb5_data d;

    memset(&d, 0, sizeof d);
    d.length = (unsigned)b.len;
    d.data = cast.to;
    return d;
}

#ifdef KRBREPL_GSS_HEIMDAL

/* Heimdal has one code for every file that is no keytab. */
#define KRB5_KT_FORMAT KRB5_KEYTAB_BADVNO

static inline long krbrepl__kt_entry_enctype(const krb5_keytab_entry *e)
{
    return e->keyblock.keytype;
}

static inline void krbrepl__kt_entry_free(krb5_context ctx, krb5_keytab_entry *e)
{
    (void)krb5_kt_free_entry(ctx, e);
}

static inline void krbrepl__krb5_string_free(krb5_context ctx, char *s)
{
    (void)ctx;
    krb5_xfree(s);
}

#else

static inline long krbrepl__kt_entry_enctype(const krb5_keytab_entry *e)
{
    return e->key.enctype;
}

static inline void krbrepl__kt_entry_free(krb5_context ctx, krb5_keytab_entry *e)
{
    (void)krb5_free_keytab_entry_contents(ctx, e);
}

static inline void krbrepl__krb5_string_free(krb5_context ctx, char *s)
{
    krb5_free_string(ctx, s);
}

#endif
#endif
