/* conf.h: defaults from the section [krbrepl] of krb5.conf.
 *
 *     [krbrepl]
 *         listen = 0.0.0.0:2121
 *         EXAMPLE.ORG = {
 *             acl = /etc/krbrepl/replicas
 *         }
 *
 * What stands in the subsection of the realm is taken before what stands beside it. */
#ifndef KRBREPL_CONF_H
#define KRBREPL_CONF_H

#include <stdbool.h>
#include <stddef.h>

struct conf;

/* Reads `file` (may be NULL) before the files that every Kerberos program reads (KRB5_CONFIG, or
 * krb5.conf), and lets the libraries of this process do so too: call it before anything else uses
 * Kerberos. `realm` NULL: the default realm. NULL, after a message, when a file cannot be read. */
struct conf *conf_open(const char *file, const char *realm);
void conf_close(struct conf *c);

/* The realm asked for, or the default realm; "" when there is none. Borrowed until close. */
const char *conf_realm(const struct conf *c);

/* All values of `name` in [krbrepl], ended by NULL; NULL when there is none. */
char **conf_values(struct conf *c, const char *name);

/* All values at this place of what was read; `sub` may be NULL. To be freed as those above. */
char **conf_lookup(struct conf *c, const char *section, const char *sub, const char *name);
void conf_values_free(char **values);

/* The profile that a KDC reads before krb5.conf (KRB5_KDC_PROFILE, or kdc.conf where distributions keep it). To
 * be freed. */
char *conf_kdc_file(void);

/* The file where this realm's KDC keeps the master key (key_stash_file of kdc.conf, or where krb5 looks
 * without it). To be freed. NULL: no realm is known. */
char *conf_stash(struct conf *c);

#endif
