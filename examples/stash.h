/* stash.h: warns when the master key of the database and the stash file of this host do not match.
 *
 * The stash file does not travel: after a change of the master key a replica's KDC cannot read the new keys
 * until the file was copied by hand. Better the log says so than the KDC. */
#ifndef KRBREPL_STASH_H
#define KRBREPL_STASH_H

#include <krbrepl/krbrepl.h>

#include "daemon.h"

struct stash;

/* `file` NULL: what kdc.conf says. Borrows what the daemon has, opens a handle of its own on its store. NULL when
 * there is nothing to watch. */
struct stash *stash_watch(const struct daemon *d, const char *file);
/* Looks whether something changed, and logs what it finds. */
void stash_look(struct stash *s);
void stash_free(struct stash *s);

#endif
