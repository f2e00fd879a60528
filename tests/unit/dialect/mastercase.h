/* mastercase.h: what the tests of a master's session with Heimdal's slave begin with: a world (masterworld.h), which is
 * the state of each test. */
#ifndef KRBREPL_TEST_MASTERCASE_H
#define KRBREPL_TEST_MASTERCASE_H

#include "masterworld.h"

/* At first the master has nothing and the slave is away; in step, the slave has the entry `a`, which is all that the
 * master has. */
int at_first(void **state);
int in_step(void **state);
int at_last(void **state);
#define AT_FIRST(test) cmocka_unit_test_setup_teardown(test, at_first, at_last)
#define IN_STEP(test) cmocka_unit_test_setup_teardown(test, in_step, at_last)

/* The same world from its beginning, for tests that have many. */
void at_first_anew(world *w);
void in_step_anew(world *w);

made entry(const char *name, uint32_t kvno);
/* A commit of an entry, without aliases. */
void put(world *w, const char *name, uint32_t kvno);
/* The slave connects, says what it has, and gets what there is. */
void meet(world *w);

#endif
