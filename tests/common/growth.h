/* growth.h: structs of every age, against the functions that take them. Each is allocated at exactly the length
 * that it claims, so that a sanitizer sees a single byte read or written behind it. What has to be tried is what the
 * public headers hold that the target of the test has named (krbrepl_header_lists in cmake/KrbreplTest.cmake). */
#ifndef GROWTH_H
#define GROWTH_H

#include "test.h"

#define GROWTH_FURTHER 64u /* lengths up to this much beyond today's are tried */

typedef struct shape {
    const char *name;
    size_t now; /* its length today */
    enum { TAKEN, FILLED, HANDED_OUT } way;
    /* Calls a function of the library with the struct, and undoes what that did. HANDED_OUT: makes the library
     * hand one out, and answers 0 when that said today's size. */
    int (*go)(void *ctx, void *p);
    int answer;         /* of a good struct */
    size_t least;       /* TAKEN: fields up to here are needed; FILLED: a shorter one is refused */
    const void *sample; /* TAKEN: a struct with these fields, NULL when none are needed */
} shape;

/* A row for a struct of which no field is needed. */
#define GROWTH_SHAPE(name, way, go)                           \
    {                                                         \
#name, sizeof(name), way, go, 0, sizeof(size_t), NULL \
    }

/* Tries every length from 0 to today's and GROWTH_FURTHER more, of each. */
void growth_check(const shape *s, size_t n, void *ctx);

/* Each public struct that starts with its size has a shape, and there are no other shapes. */
void growth_complete(const shape *s, size_t n, const char *where);

/* A function that fills in a caller's errinfo when it fails. */
typedef struct teller {
    const char *name;
    int (*tell)(void *ctx, krbrepl_errinfo *ei); /* makes it fail, or tell of a failure */
} teller;

/* Each with an errinfo of every length. They are all functions that fill one in, in the order of their names. */
void growth_errinfos(const teller *t, size_t n, void *ctx);

/* A function with a store. */
typedef struct storer {
    const char *name;
    int (*go)(void *ctx, krbrepl_store *s);
} storer;

/* Without a store each answers INVALID, and in a child FORKED. They are all functions with a handle, in that order. */
void growth_forked(const storer *f, size_t n, void *ctx, krbrepl_store *s);

#endif
