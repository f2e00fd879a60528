/* twins.h: a master and a replica whose stores differ in little, for the tests of repairs. */
#ifndef KRBREPL_TEST_TWINS_H
#define KRBREPL_TEST_TWINS_H

#include "pair.h"

void key_of(char out[40], unsigned i);
void put_one(memstore *m, unsigned i, const char *text);
/* Records from, from + step, ... */
void fill(memstore *m, unsigned from, unsigned n, unsigned step, const char *text);

/* A master with n records, and a replica that has the same; the next session is to be a repair. */
void twins(pair *p, unsigned n);
/* Behind the replica's back: the ith record goes, some get other values, one that nobody else has comes. */
void lose(memstore *m, size_t i);
void forge(pair *p, size_t n, size_t step);
void add_foreign(pair *p, unsigned i);

/* Both have the same and know it. */
void assert_equal(pair *p);
/* By a repair that brought so many records; by a full copy. */
void assert_repaired(pair *p, uint64_t records);
void assert_copied_whole(pair *p);

void begin(pair *p);
/* Lets the sessions work by themselves for so many steps. */
void steps(pair *p, int n, size_t piece);
/* Until the replica has sent its nth ask of this copy. */
void until_asks(pair *p, uint64_t n);
/* The master's session is told of its commits. */
void grown(pair *p);
/* Both see the end of the connection. */
void both_eof(pair *p);

#endif
