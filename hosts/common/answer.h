/* answer.h: how the functions of a host's library say what became of a call. */
#ifndef KRBREPL__COMMON_ANSWER_H
#define KRBREPL__COMMON_ANSWER_H

#include <krbrepl/store.h>

/* Takes the detail of a failure over from a store's handle. Returns `rc`. */
int krbrepl__common_store_fail(krbrepl_store *s, int rc, krbrepl_errinfo *ei);
/* The end of a public function: fills the caller's result, of whatever age (NULL: none), when the call succeeded, and
 * gives the detail of a failure to the caller's errinfo. Returns `rc`, or INVALID for a result without a size. */
int krbrepl__common_answer(int rc, void *out, const void *result, size_t now, krbrepl_errinfo *mine,
                           krbrepl_errinfo *ei);

#endif
