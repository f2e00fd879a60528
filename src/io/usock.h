/* usock.h: UNIX sockets that live in a directory, however long its path is. */
#ifndef KRBREPL__USOCK_H
#define KRBREPL__USOCK_H

#include <stddef.h>

#include "errinfo.h"

/* Binds a socket of `type` (SOCK_STREAM listens, too) as `name` in the directory, and replaces a stale
 * one: only for the holder of the node lock. Whoever may use the directory's files may use the socket:
 * 0600, or 0660 with the directory's group when that has a right there. NET, NOSPACE. */
int krbrepl__usock_bind(int dirfd, const char *name, int type, int *fd, krbrepl_errinfo *ei);
/* Takes the name away and closes. */
void krbrepl__usock_unbind(int dirfd, const char *name, int fd);
/* Connects, blocking at most until the backlog has room. NOTFOUND: nobody is there; DENIED; NET. */
int krbrepl__usock_connect(int dirfd, const char *name, int type, int *fd, krbrepl_errinfo *ei);
/* The next connection, as krbrepl__sock_accept. */
int krbrepl__usock_accept(int listener, int *fd);

#endif
