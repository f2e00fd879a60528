/* Counts what the library has allocated and not freed: the linker (--wrap) puts these in the place of its
 * functions. */
#include "mem.h"
#include "world.h"

static int64_t blocks;

int64_t blocks_in_use(void)
{
    return blocks;
}

void *__real_krbrepl__alloc(size_t n);
void *__wrap_krbrepl__alloc(size_t n);
void *__real_krbrepl__alloc_array(size_t n, size_t each);
void *__wrap_krbrepl__alloc_array(size_t n, size_t each);
void *__real_krbrepl__grow(void *p, size_t old, size_t n);
void *__wrap_krbrepl__grow(void *p, size_t old, size_t n);
void __real_krbrepl__free(void *p, size_t n);
void __wrap_krbrepl__free(void *p, size_t n);
char *__real_krbrepl__strndup(const char *s, size_t n);
char *__wrap_krbrepl__strndup(const char *s, size_t n);
char *__real_krbrepl__strdup(const char *s);
char *__wrap_krbrepl__strdup(const char *s);
void __real_krbrepl__strfree(char *s);
void __wrap_krbrepl__strfree(char *s);

void *__wrap_krbrepl__alloc(size_t n)
{
    void *p = __real_krbrepl__alloc(n);

    blocks += p != NULL;
    return p;
}

void *__wrap_krbrepl__alloc_array(size_t n, size_t each)
{
    void *p = __real_krbrepl__alloc_array(n, each);

    blocks += p != NULL;
    return p;
}

void *__wrap_krbrepl__grow(void *p, size_t old, size_t n)
{
    int fresh = p == NULL;
    void *q = __real_krbrepl__grow(p, old, n);

    blocks += q != NULL && fresh;
    return q;
}

void __wrap_krbrepl__free(void *p, size_t n)
{
    blocks -= p != NULL;
    __real_krbrepl__free(p, n);
}

char *__wrap_krbrepl__strndup(const char *s, size_t n)
{
    char *p = __real_krbrepl__strndup(s, n);

    blocks += p != NULL;
    return p;
}

char *__wrap_krbrepl__strdup(const char *s)
{
    char *p = __real_krbrepl__strdup(s);

    blocks += p != NULL;
    return p;
}

void __wrap_krbrepl__strfree(char *s)
{
    blocks -= s != NULL;
    __real_krbrepl__strfree(s);
}
