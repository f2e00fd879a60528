/* place.h: a store in a temporary directory, and the samples of tests/unit/hdb. */
#ifndef KRBREPL_TEST_HEIMDAL_PLACE_H
#define KRBREPL_TEST_HEIMDAL_PLACE_H

#include "test.h"

#include <krbrepl/heimdal.h>

typedef struct place {
    char dir[64], store[96], file[96];
    krbrepl_store *s;
    krbrepl_errinfo ei;
    krbrepl_heimdal_load_result res;
    char note[512];
} place;

int place_setup(void **state);
int place_teardown(void **state);
#define PLACE(name) cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

/* Loads a file; the result is in res, the failure in ei. */
int place_load(place *p, const char *file, uint64_t flags);
/* Dumps to p->file. */
void place_dump(place *p, uint64_t format);
/* The bytes of a file, with a NUL behind them; to be freed. */
char *place_read(const char *file, size_t *len);
void place_write(const char *file, const void *data, size_t len);
/* The same lines in any order. */
void place_same_lines(const char *a, const char *b);
uint64_t place_records(place *p);
/* What is known of a record by its name; "" when there is none. Static. */
const char *place_about(place *p, const char *name);

#endif
