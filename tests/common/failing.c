#include "failing.h"

#include <pthread.h>
#include <stddef.h>

static struct {
    int armed, forever, fired;
    unsigned long left; /* calls that still succeed */
} fault;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void failing_arm(unsigned long n, int forever)
{
    pthread_mutex_lock(&lock);
    fault.left = n;
    fault.forever = forever;
    fault.fired = 0;
    fault.armed = 1;
    pthread_mutex_unlock(&lock);
}

int failing_stop(void)
{
    int fired;

    pthread_mutex_lock(&lock);
    fault.armed = 0;
    fired = fault.fired;
    pthread_mutex_unlock(&lock);
    return fired;
}

int failing_now(void)
{
    int fails;

    pthread_mutex_lock(&lock);
    fails = fault.armed && fault.left == 0 && (!fault.fired || fault.forever);
    fault.left -= fault.armed && fault.left > 0;
    fault.fired |= fails;
    pthread_mutex_unlock(&lock);
    return fails;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);

void *__wrap_malloc(size_t n)
{
    return failing_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t each)
{
    return failing_now() ? NULL : __real_calloc(n, each);
}
