/* memrecs.h: records in memory, in the order of their canonical keys, and the memory they are in. Aborts the
 * program when memory ends. */
#ifndef KRBREPL_TEST_MEMRECS_H
#define KRBREPL_TEST_MEMRECS_H

#include "ckey.h"

typedef struct memrec {
    krbrepl__ckey ckey;
    krbrepl_bytes key, value; /* key: full */
} memrec;

typedef struct memrecs {
    memrec *at; /* in the order of ckey */
    size_t n, room;
} memrecs;

void *mem_must(void *p); /* aborts when it is NULL */
krbrepl_bytes mem_dup(krbrepl_bytes b);
void mem_drop(krbrepl_bytes *b);

void memrecs_free(memrecs *r);
/* The first record that is not below `k`. */
size_t memrecs_find(const memrecs *r, krbrepl_bytes k, int *same);
void memrecs_put(memrecs *r, const krbrepl__ckey *k, krbrepl_bytes key, krbrepl_bytes value);
void memrecs_delete(memrecs *r, const krbrepl__ckey *k);
void memrecs_copy(memrecs *to, const memrecs *from);

#endif
