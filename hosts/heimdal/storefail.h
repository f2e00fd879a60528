/* storefail.h: takes the detail of a failure over from a store's handle. */
#ifndef KRBREPL__HEIM_STOREFAIL_H
#define KRBREPL__HEIM_STOREFAIL_H

#include <krbrepl/store.h>

/* Returns `rc`. */
int krbrepl__heim_store_fail(krbrepl_store *s, int rc, krbrepl_errinfo *ei);

#endif
