/* liveproof.h: krbrepl verify --live: the node that runs on a store reads all it has and compares itself. */
#ifndef KRBREPL_LIVEPROOF_H
#define KRBREPL_LIVEPROOF_H

#include "cli.h"

/* Prints what came out, and the records that a repair has changed meanwhile, at most `most` of them. */
int liveproof(struct cli *c, const char *dir, uint64_t timeout_ms, uint64_t most);

#endif
