/* slavemodel.h: what Heimdal 7.8's slave makes of log records and complete databases, in memory.
 *
 * It does what lib/hdb and lib/kadm5 of that release were seen to do, with the sides of it that a master must
 * know: a store over an entry that is there takes the entry's aliases away before it fails, and an operation on an
 * alias stops the slave for good. */
#ifndef KRBREPL_TEST_SLAVEMODEL_H
#define KRBREPL_TEST_SLAVEMODEL_H

#include "memrecs.h"

#include "logrec.h"

typedef struct slavemodel {
    memrecs rows; /* by database key: entries and aliases */
    uint32_t version;
    int stuck; /* an error that is not passed over */
} slavemodel;

void slave_free(slavemodel *s);
void slave_clear(slavemodel *s);
/* One record; 0, or the model is stuck. */
int slave_apply(slavemodel *s, const krbrepl__hdb_rec *rec);
/* One entry of a complete database; not 0: an alias of it is taken, and the slave gives up. */
int slave_entry(slavemodel *s, krbrepl_bytes der);
/* The value at a key; NULL: none. */
const memrec *slave_find(const slavemodel *s, krbrepl_bytes key);

#endif
