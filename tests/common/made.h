/* made.h: entries of Heimdal's database as a test wants them. */
#ifndef KRBREPL_TEST_MADE_H
#define KRBREPL_TEST_MADE_H

#include "entry.h"

/* An entry as a test wants it. */
typedef struct made {
    const char *name;
    uint32_t kvno;
    const char *aliases[4]; /* NULL ends them */
    int start;              /* it has a start of validity */
    int bare;               /* and no extensions */
    unsigned creator;       /* below 10: who made it */
} made;

/* Each writes over what is there. */
void made_key(krbrepl__buf *key, const char *name);
void made_entry(krbrepl__buf *value, const made *e);
void made_alias(krbrepl__buf *value, const char *of); /* the value of an alias of that entry */

#endif
