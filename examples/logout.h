/* logout.h: where a daemon's log goes: standard error, the journal behind it, or syslog. */
#ifndef KRBREPL_LOGOUT_H
#define KRBREPL_LOGOUT_H

#include <stdbool.h>
#include <stddef.h>

/* Lines above `level` are left out. A line has a time, a level and an area in front; when standard error is
 * systemd's journal, which knows the time, a priority in its form. */
void logout_open(int level);
/* From now on to syslog. */
void logout_to_syslog(void);
void logout_line(int level, const char *area, const char *msg, size_t len);

/* 1 to 5 for error, warn, notice, info, debug; 0 for anything else. */
int logout_level(const char *name);

#endif
