/* background.h: leaving the terminal, and telling a supervisor that the work has begun. */
#ifndef KRBREPL_BACKGROUND_H
#define KRBREPL_BACKGROUND_H

#include <stdbool.h>

/* Forks twice. The first process waits until background_ready, or the end of the daemon, and gets the exit
 * code to end with; the daemon itself gets OPTS_GO. Call it before anything is opened: neither databases
 * nor Kerberos libraries survive a fork. */
int background_go(void);

/* The work has begun: lets the first process end well, and tells systemd. With `detached` standard input,
 * output and error become /dev/null and the log goes to syslog. */
void background_ready(bool detached);

/* Sends a line to systemd (NOTIFY_SOCKET), if it waits for one. */
void background_notify(const char *text);

#endif
