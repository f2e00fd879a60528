/* plainchan.h: a channel without secrets, for tests: each end says its name, then bytes pass as they are. */
#ifndef KRBREPL_TEST_PLAINCHAN_H
#define KRBREPL_TEST_PLAINCHAN_H

#include "chan.h"

/* `self` is copied; the other end sees it as its peer. `lifetime_s` 0: no end. NULL: out of memory. */
krbrepl__chan *plainchan_new(const char *self, uint64_t lifetime_s);

#endif
