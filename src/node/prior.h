/* prior.h: whether the records that a commit put were there before it, for commits that came while this node looked.
 *
 * A commit does not say it, and a slave in Heimdal's dialect has to be told by one record or by two, as it is known or
 * not. But the store counts its records, and a commit its changes: between two looks of the node as many records came
 * into being as the count has risen by, and as many more as were deleted, for only what is there is deleted. When
 * that is none, all puts were over what was there; when it is all of them, none was. */
#ifndef KRBREPL__PRIOR_H
#define KRBREPL__PRIOR_H

#include <krbrepl/status.h>

#include "session.h"
#include "store.h"

#define KRBREPL__PRIOR_KEEPS \
    16384u /* commits; a slave that is behind by more gets two records for one */

typedef struct krbrepl__priors {
    uint64_t first, end; /* what is known is of these commits: first <= seq < end */
    uint8_t of[KRBREPL__PRIOR_KEEPS];
} krbrepl__priors;

/* The store has moved from one look to the next. */
void krbrepl__priors_moved(krbrepl__priors *p, krbrepl_store *s, const krbrepl_store_info *before,
                           const krbrepl_store_info *now);
enum krbrepl__prior krbrepl__priors_get(const krbrepl__priors *p, uint64_t seq);

#endif
