/* errinfo.h: fills in the detail of a failure. Every function returns the code, so that the caller can
 * `return krbrepl__fail(...)`. `ei` may be NULL. */
#ifndef KRBREPL__ERRINFO_H
#define KRBREPL__ERRINFO_H

#include <krbrepl/error.h>

#define KRBREPL__PRINTF(a, b) __attribute__((format(printf, a, b)))

int krbrepl__fail(krbrepl_errinfo *ei, int code, const char *fmt, ...) KRBREPL__PRINTF(3, 4);
/* Adds ": " and the text of errno value `e`; ENOSPC, EDQUOT and ENOMEM choose the code themselves. */
int krbrepl__fail_sys(krbrepl_errinfo *ei, int code, int e, const char *fmt, ...) KRBREPL__PRINTF(4, 5);
/* `code` with its table text. */
int krbrepl__fail_plain(krbrepl_errinfo *ei, int code);
/* Forgets an earlier failure. */
void krbrepl__errinfo_clear(krbrepl_errinfo *ei);
/* Copies to a caller's struct of any (older) size. INVALID when it is too short to hold a code. */
int krbrepl__errinfo_out(const krbrepl_errinfo *ei, krbrepl_errinfo *out);
/* The end of a call that takes a caller's errinfo, which may be NULL or shorter than today's: the detail was
 * made in `mine`. Answers `rc`. */
int krbrepl__errinfo_give(int rc, const krbrepl_errinfo *mine, krbrepl_errinfo *theirs);

#endif
