/* overlay.h: changes of table `hdb` in memory, on top of a store: made first, committed later.
 *
 * An update and a replay change records many times over before the outcome is known. What ends as it was is left
 * out of the commits. */
#ifndef KRBREPL__HEIM_OVERLAY_H
#define KRBREPL__HEIM_OVERLAY_H

#include <krbrepl/heimdal.h>

#include "apply.h"

typedef struct krbrepl__heim_overlay krbrepl__heim_overlay;

/* What became of it. */
typedef struct krbrepl__heim_outcome {
    krbrepl_pos pos;
    uint64_t commits, added, changed, deleted;
} krbrepl__heim_outcome;

/* The store is borrowed; it is read through a view that is opened here. */
int krbrepl__heim_overlay_new(krbrepl__heim_overlay **out, krbrepl_store *s, krbrepl_errinfo *ei);
/* From now on keys in clear are encrypted before an entry is put. `c` is borrowed. */
void krbrepl__heim_overlay_seal(krbrepl__heim_overlay *o, const krbrepl_heimdal_cipher *c);
void krbrepl__heim_overlay_free(krbrepl__heim_overlay *o); /* NULL is fine */
/* For krbrepl__hdb_apply and its like; valid as long as the overlay. */
const krbrepl__hdb_rows *krbrepl__heim_overlay_rows(krbrepl__heim_overlay *o);
/* Commits the outcome, in as many commits as it takes. `why` says what for. Entries that differ from what the
 * store has in the generation alone are left as they are there. */
int krbrepl__heim_overlay_commit(krbrepl__heim_overlay *o, const char *who, const char *why,
                                 krbrepl__heim_outcome *out, krbrepl_errinfo *ei);

#endif
