/* aplib.h: the AP exchange, where MIT's and Heimdal's libkrb5 differ. */
#ifndef KRBREPL__APLIB_H
#define KRBREPL__APLIB_H

#include <errno.h>
#include <stdint.h>

#include "krb5lib.h"
#include "krbkeys.h"

/* A reply carries a sub-key. Times of messages are our own affair (propchan.c); with the flag for them, MIT's
 * library would keep a replay cache, a file that all programs of the machine share: see accept_keys in
 * sendauth.c for why none is needed. */
#define KRBREPL__AP_FLAGS KRB5_AUTH_CONTEXT_USE_SUBKEY

#ifdef KRBREPL_GSS_HEIMDAL

static inline krb5_error_code krbrepl__ap_client(krb5_context ctx, krb5_ticket *t, char **name,
                                                 int64_t *end)
{
    krb5_principal p = NULL;
    krb5_error_code e = krb5_ticket_get_client(ctx, t, &p);

    if (e == 0)
        e = krb5_unparse_name(ctx, p, name);
    krb5_free_principal(ctx, p);
    *end = (int64_t)krb5_ticket_get_endtime(ctx, t);
    return e;
}

static inline krb5_error_code krbrepl__ap_their_subkey(krb5_context ctx, krb5_auth_context a,
                                                       krb5_keyblock **out)
{
    return krb5_auth_con_getremotesubkey(ctx, a, out);
}

static inline krb5_error_code krbrepl__ap_our_subkey(krb5_context ctx, krb5_auth_context a,
                                                     krb5_keyblock **out)
{
    return krb5_auth_con_getlocalsubkey(ctx, a, out);
}

static inline void krbrepl__ap_data_free(krb5_context ctx, krb5_data *d)
{
    (void)ctx;
    krb5_data_free(d);
}

#else

static inline krb5_error_code krbrepl__ap_client(krb5_context ctx, krb5_ticket *t, char **name,
                                                 int64_t *end)
{
    if (t->enc_part2 == NULL)
        return EINVAL;
    *end = (int64_t)(uint32_t)t->enc_part2->times.endtime;
    return krb5_unparse_name(ctx, t->enc_part2->client, name);
}

static inline krb5_error_code krbrepl__ap_their_subkey(krb5_context ctx, krb5_auth_context a,
                                                       krb5_keyblock **out)
{
    return krb5_auth_con_getrecvsubkey(ctx, a, out);
}

static inline krb5_error_code krbrepl__ap_our_subkey(krb5_context ctx, krb5_auth_context a,
                                                     krb5_keyblock **out)
{
    return krb5_auth_con_getsendsubkey(ctx, a, out);
}

static inline void krbrepl__ap_data_free(krb5_context ctx, krb5_data *d)
{
    krb5_free_data_contents(ctx, d);
}

#endif

/* Only tickets and keys at or above the enctype floor are asked for. */
static inline void krbrepl__ap_floor(krb5_get_init_creds_opt *opt)
{
    static krb5_enctype list[] = {KRBREPL__AES256_SHA384, KRBREPL__AES128_SHA256, KRBREPL__AES256_SHA1,
                                  KRBREPL__AES128_SHA1};

    krb5_get_init_creds_opt_set_etype_list(opt, list, (int)(sizeof list / sizeof list[0]));
}
#endif
