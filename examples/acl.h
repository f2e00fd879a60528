/* acl.h: who may follow a master: a file with one principal a line.
 *
 * The format is that of Heimdal's `slaves` file, with comments: blank lines and lines that begin with `#`
 * are passed over; white space around a name is taken off. A name is compared byte for byte with the
 * authenticated principal; there are no patterns. A name without realm gets the default realm. The word
 * `heimdal` before a name makes it that of a slave in Heimdal's dialect, and of that alone. */
#ifndef KRBREPL_ACL_H
#define KRBREPL_ACL_H

#include <stdbool.h>
#include <stddef.h>

struct acl;

/* NULL, with the reason and the line in `why`, when the file cannot be read or is malformed. Others than
 * its owner and group must not be able to write it. */
struct acl *acl_read(const char *file, const char *default_realm, char *why, size_t room);
void acl_free(struct acl *a);

bool acl_allows(const struct acl *a, const char *principal);
bool acl_allows_heimdal(const struct acl *a, const char *principal);
size_t acl_count(const struct acl *a);

#endif
