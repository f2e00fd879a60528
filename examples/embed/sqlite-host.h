/* sqlite-host.h: a host's database in SQLite, and its journal, as the library asks for them. */
#ifndef SQLITE_HOST_H
#define SQLITE_HOST_H

#include <krbrepl/host.h>

/* Both are called with what sqlite_host_open answers. */
extern const krbrepl_host_ops sqlite_host_ops;
extern const krbrepl_journal_ops sqlite_journal_ops;
/* FILE has the records, FILE.commits the journal; made when they are not there. NULL on failure. */
void *sqlite_host_open(const char *file);
void sqlite_host_close(void *host);

#endif
