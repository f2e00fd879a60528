/* recent.h: the commits that a session of this turn has read, for the next one that wants the same.
 *
 * A thousand replicas that are told of one commit read it once for all who get their turn together, and not each
 * under a read transaction of its own, with its checksum. Commits do not change, so that what was read is right for
 * as long as the node knows no other history; it is kept for one turn only, for it holds keys. */
#ifndef KRBREPL__RECENT_H
#define KRBREPL__RECENT_H

#include "session.h"
#include "store.h"

typedef struct krbrepl__recent {
    krbrepl__buf commits;
    krbrepl__port_batch info;
    uint64_t from;
    size_t max;
    int there;
} krbrepl__recent;

void krbrepl__recent_init(krbrepl__recent *r);
/* As read_commits of krbrepl__port. `r` may be NULL. */
int krbrepl__recent_read(krbrepl__recent *r, krbrepl_store *s, uint64_t from, size_t max,
                         krbrepl__buf *out, krbrepl__port_batch *info);
/* The turn is over: wipes what is there. */
void krbrepl__recent_forget(krbrepl__recent *r);

#endif
