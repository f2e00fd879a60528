/* kdb5case.h: databases of MIT's own kind for tests of libkrbrepl-kdb5, in a directory of the test's. */
#ifndef KDB5CASE_H
#define KDB5CASE_H

#include "test.h"

#include <krbrepl/kdb5.h>

#define KDB5_REALM "KIT.TEST"

/* Makes the directory and the configuration, and sets the environment to them. */
void kdb5case_begin(char dir[256]);
/* Removes everything. */
void kdb5case_end(const char *dir);

/* The database `name` in the directory; made when there is none. */
krbrepl_kdb5 *kdb5case_open(const char *dir, const char *name);

/* Whether they are klmdb's, whose module is in the directory that KRBREPL_TEST_KLMDB names; else they are db2's. */
int kdb5case_lmdb(void);

/* What libkrbrepl-kdb5 noted last; "" when nothing. */
extern char kdb5case_noted[1000];
void kdb5case_note(void *ctx, const char *text);

#endif
