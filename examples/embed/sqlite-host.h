/* sqlite-host.h: a host's database in SQLite, as the library asks for it. */
#ifndef SQLITE_HOST_H
#define SQLITE_HOST_H

#include <krbrepl/host.h>

extern const krbrepl_host_ops sqlite_host_ops;
void *sqlite_host_open(const char *file); /* made when it is not there; NULL on failure */
void sqlite_host_close(void *host);

#endif
