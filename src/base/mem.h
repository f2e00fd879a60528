/* mem.h: memory that may hold keys. Whoever frees says how much it was, and it is wiped first. */
#ifndef KRBREPL__MEM_H
#define KRBREPL__MEM_H

#include <stddef.h>

/* Zeroed; NULL when there is none. krbrepl__alloc(0) is a valid pointer. */
void *krbrepl__alloc(size_t n);
/* Zeroed array; NULL also when n * each overflows. */
void *krbrepl__alloc_array(size_t n, size_t each);
/* Moves `old` bytes of `p` into a block of `n`, wiping the old block. On NULL, `p` is untouched. */
void *krbrepl__grow(void *p, size_t old, size_t n);
/* Wipes n bytes, then frees. NULL is fine. */
void krbrepl__free(void *p, size_t n);
/* A copy of a string, or of its first n bytes; free with krbrepl__strfree. NULL in, NULL out. */
char *krbrepl__strdup(const char *s);
char *krbrepl__strndup(const char *s, size_t n);
void krbrepl__strfree(char *s);
/* A wipe that the compiler cannot leave out. */
void krbrepl__wipe(void *p, size_t n);

#endif
