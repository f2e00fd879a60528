/* gsscred.h: names, credentials and error texts of GSS-API (krb5 mechanism). Nothing here touches the
 * environment, the default credential cache or any setting of the process. */
#ifndef KRBREPL__GSSCRED_H
#define KRBREPL__GSSCRED_H

#include <gssapi/gssapi.h>

#include "errinfo.h"
#include "krbkeys.h"
#include "secchan.h"

typedef struct krbrepl__gsscred {
    int initiator;
    char *self;   /* as configured; may lack the realm */
    char *target; /* initiator */
    char *keytab; /* as configured; may be NULL */
    krbrepl__krbkeys keys;
    gss_name_t name; /* of self */
    gss_name_t to;   /* of target */
    gss_cred_id_t cred;
} krbrepl__gsscred;

/* Copies the configuration. */
int krbrepl__gsscred_init(krbrepl__gsscred *c, const krbrepl__sec_cfg *cfg, krbrepl_errinfo *ei);
/* Imports the names and acquires the credentials; an initiator asks its KDC. May block. */
int krbrepl__gsscred_acquire(krbrepl__gsscred *c, krbrepl_errinfo *ei);
/* Is there a usable key of `self` in the keytab? Asks no KDC. */
int krbrepl__gsscred_probe(krbrepl__gsscred *c, krbrepl_errinfo *ei);
void krbrepl__gsscred_free(krbrepl__gsscred *c);
void krbrepl__gsscred_abandon(krbrepl__gsscred *c); /* frees only plain memory */

/* The display form of a krb5 name, realm included; NULL: it has none, or no memory. krbrepl__strfree. */
char *krbrepl__gss_display(gss_name_t name);

/* AUTH with the text of minor (or major), and what to do next as far as the minor code tells. Must be
 * called in the thread of the failed call. */
int krbrepl__gss_fail(krbrepl_errinfo *ei, const char *what, OM_uint32 major, OM_uint32 minor);

/* The text of a code of `type` (GSS_C_MECH_CODE, GSS_C_GSS_CODE); "" when there is none. */
void krbrepl__gss_status(char *out, size_t size, OM_uint32 code, int type);

#endif
