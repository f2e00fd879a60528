/* differs.h: what differs between the records of two stores. */
#ifndef KRBREPL_DIFFERS_H
#define KRBREPL_DIFFERS_H

#include "cli.h"

/* Prints the records that differ, at most `most` of them, and how many there are in all; with --json as the
 * members "differences" and "different" of the open object. The stores are read at whatever position each
 * has. PROG_OK, or the exit code after a message. */
int differs_list(struct cli *c, const char *first, const char *other, uint64_t most);

#endif
