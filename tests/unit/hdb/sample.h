/* sample.h: the samples that real programs of Heimdal have written (samples/make.sh), and records in memory to
 * apply a log to. */
#ifndef KRBREPL_TEST_HDB_SAMPLE_H
#define KRBREPL_TEST_HDB_SAMPLE_H

#include "test.h"

#include "apply.h"

/* Some records, in no order. */
typedef struct sample_recs {
    krbrepl_bytes key[256], value[256];
    size_t n;
    void *seal; /* the master key, for a test that wants one */
} sample_recs;

/* The file in samples/, whole. Fails the test when it is not there. */
krbrepl_bytes sample_read(const char *name);
void sample_drop(krbrepl_bytes *b);

/* The next entry of what hprop has written; 0 at the end. */
int sample_hprop_next(krbrepl__rd *r, krbrepl_bytes *entry);

void sample_free(sample_recs *recs);
/* Records in memory behind krbrepl__hdb_rows. */
void sample_rows(krbrepl__hdb_rows *out, sample_recs *recs);
/* The record of that name ("alice@EXAMPLE.ORG"), NULL data when there is none. */
krbrepl_bytes sample_get(const sample_recs *recs, const char *name);
/* The entry without its generation, which no two databases have alike; append to `out`. */
void sample_comparable(krbrepl_bytes entry, krbrepl__buf *out);

#endif
