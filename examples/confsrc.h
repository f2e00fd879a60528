/* confsrc.h: how values are read out of configuration files, by the functions that the Kerberos library in use
 * has for that: confsrc_mit.c (libprofile) or confsrc_heimdal.c. */
#ifndef KRBREPL_CONFSRC_H
#define KRBREPL_CONFSRC_H

#include <krb5.h>

struct confsrc;

/* What krb5 itself reads (`file` NULL), or one file. 0, or an error of krb5. */
krb5_error_code confsrc_open(struct confsrc **out, krb5_context krb5, const char *file);
void confsrc_close(struct confsrc *s);

/* All values at this place, `sub` may be NULL, ended by NULL and to be freed with confsrc_free; NULL when
 * there are none. */
char **confsrc_values(struct confsrc *s, const char *section, const char *sub, const char *name);
void confsrc_free(char **values);

/* What krb5_get_default_realm gave. */
void confsrc_free_realm(krb5_context krb5, char *realm);

#endif
