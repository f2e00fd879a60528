/* match.h: which nodes of one level of a tree the other end has too: found by their salted digests alone. */
#ifndef KRBREPL__MATCH_H
#define KRBREPL__MATCH_H

#include "ftree.h"

/* Node numbers, growing. */
typedef struct krbrepl__list {
    uint32_t *at;
    size_t n, room;
} krbrepl__list;

int krbrepl__list_add(krbrepl__list *l, uint32_t v); /* NOMEM */
void krbrepl__list_free(krbrepl__list *l);

typedef struct krbrepl__match {
    krbrepl__list node; /* the candidates, ascending */
    uint64_t *digest;   /* of each */
    uint8_t *met;       /* the other end has it */
    uint32_t *slot;     /* hashed by digest: 0 is free, else one more than the candidate's place */
    size_t mask;        /* slots, less one */
    size_t hashed;      /* candidates that can be found */
} krbrepl__match;

/* The candidates are in m->node, which is filled by the caller before; makes the rest. NOMEM. */
int krbrepl__match_begin(krbrepl__match *m);
void krbrepl__match_free(krbrepl__match *m);
/* Hashes about `max` more candidates. 1: there are more; 0; NOMEM. */
int krbrepl__match_hash(krbrepl__match *m, const krbrepl__ftree *t, unsigned level, krbrepl__sha *sha,
                        const uint8_t salt[KRBREPL__SALT], size_t max);
/* The other end has a node with this digest. 1: so have we, and it is met; 0: we have not. */
int krbrepl__match_meet(krbrepl__match *m, const uint8_t digest[KRBREPL__SALTED]);
/* The candidates that were not met, into `out`, which is emptied before. The match is freed. */
int krbrepl__match_rest(krbrepl__match *m, krbrepl__list *out);

#endif
