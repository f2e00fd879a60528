/* stores.h: the stores that stand behind the sessions of session_fuzz.c, the same in every run, so that what was
 * once said to them can be said again. */
#ifndef KRBREPL_FUZZ_STORES_H
#define KRBREPL_FUZZ_STORES_H

#include "memport.h"

/* The bit of an input's first byte that chooses the stores with content; the others say in what pieces the
 * bytes come. */
#define FUZZ_FULL 0x80u
/* And the one for a replica that has no tree of its content. */
#define FUZZ_NO_TREE 0x40u

/* A master with some history, its beginning trimmed; or, with content, with a few hundred records. */
void fuzz_master_store(memstore *m, int full);
/* An empty replica; or, with content, one of that master's whose records differ here and there. */
void fuzz_replica_store(memstore *m, int full);

#endif
