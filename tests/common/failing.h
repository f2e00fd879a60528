/* failing.h: calls that fail, each in turn. malloc and calloc are wrapped here, for tests that the linker is told so of
 * (--wrap); a test wraps further calls by asking failing_now. Threads of the library count as the test does. */
#ifndef KRBREPL_TEST_FAILING_H
#define KRBREPL_TEST_FAILING_H

/* After `n` calls that succeed one fails; `forever`: all that come after it fail too. */
void failing_arm(unsigned long n, int forever);
/* From now on all succeed. True when one has failed since failing_arm. */
int failing_stop(void);
/* Is this call to fail? */
int failing_now(void);

#endif
