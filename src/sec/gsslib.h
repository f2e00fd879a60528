/* gsslib.h: the few things that MIT's and Heimdal's GSS-API do in ways of their own. gss_mit.c or
 * gss_heimdal.c is compiled, as KRBREPL_GSS says. */
#ifndef KRBREPL__GSSLIB_H
#define KRBREPL__GSSLIB_H

#include "gsscred.h"

/* Credentials of c->name from c->keys: the acceptor's keys, or an initiator's tickets, which end up in the
 * credential cache of c->keys. May block. */
OM_uint32 krbrepl__gsslib_cred(krbrepl__gsscred *c, OM_uint32 *minor);

/* The enctype of the key that the context ended with; 0: the library does not tell. */
long krbrepl__gsslib_enctype(gss_ctx_id_t ctx);

/* What the mechanism says about a minor code; "" when it says nothing. In the thread of the failed call. */
void krbrepl__gsslib_text(char *out, size_t size, OM_uint32 minor);

#endif
