/* door.h: what every call on a store, or on what hangs on one, does first and last. */
#ifndef KRBREPL__DOOR_H
#define KRBREPL__DOOR_H

#include "errinfo.h"
#include "store.h"

/* INVALID for no handle, FORKED in another process, STATE while another thread is inside. 0 wants
 * krbrepl__door_out. */
static inline int krbrepl__door_in(krbrepl_store *s)
{
    return s != NULL ? krbrepl__store_enter(s) : KRBREPL_ERR_INVALID;
}

/* Answers `rc`, so that it can stand in a return. */
static inline int krbrepl__door_out(krbrepl_store *s, int rc)
{
    krbrepl__store_leave(s);
    return rc;
}

/* Inside: an argument that cannot be. */
static inline int krbrepl__door_invalid(krbrepl_store *s)
{
    return krbrepl__fail(krbrepl__store_ei(s), KRBREPL_ERR_INVALID,
                         "store: an argument is NULL that has to be given");
}

#endif
