#include "mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *krbrepl__alloc(size_t n)
{
    return calloc(1, n != 0 ? n : 1);
}

void *krbrepl__alloc_array(size_t n, size_t each)
{
    if (each != 0 && n > SIZE_MAX / each)
        return NULL;
    return krbrepl__alloc(n * each);
}

void *krbrepl__grow(void *p, size_t old, size_t n)
{
    /* Not realloc: it may move the block and leave the old bytes behind unwiped. */
    void *q = malloc(n != 0 ? n : 1);

    if (q == NULL)
        return NULL;
    if (old > n)
        old = n;
    if (old != 0)
        memcpy(q, p, old);
    krbrepl__free(p, old);
    return q;
}

void krbrepl__free(void *p, size_t n)
{
    if (p == NULL)
        return;
    krbrepl__wipe(p, n);
    free(p);
}

char *krbrepl__strndup(const char *s, size_t n)
{
    char *copy;

    if (s == NULL || n == SIZE_MAX)
        return NULL;
    copy = malloc(n + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *krbrepl__strdup(const char *s)
{
    return s == NULL ? NULL : krbrepl__strndup(s, strlen(s));
}

void krbrepl__strfree(char *s)
{
    if (s != NULL)
        krbrepl__free(s, strlen(s));
}

/* The compiler has to read the address each time, and so cannot know that this is memset, whose result nobody looks at.
 * It writes many bytes at once, where OPENSSL_cleanse writes eight: a replica wipes what it takes in three times. */
static void *(*const volatile set)(void *, int, size_t) = memset;

void krbrepl__wipe(void *p, size_t n)
{
    if (p != NULL && n != 0)
        set(p, 0, n);
}
