/* recordset.h: records in memory, chosen by a seed, for the tests of the trees. */
#ifndef KRBREPL_TEST_RECORDSET_H
#define KRBREPL_TEST_RECORDSET_H

#include "test.h"

#include "digest.h"
#include "dtree.h"

#define MOST 4000u

typedef struct rec {
    uint8_t key[KRBREPL__CKEY_MAX];
    size_t len;
    uint8_t rd[KRBREPL__RDIGEST];
} rec;

/* Records in order, and a walk over them. */
typedef struct set {
    rec *at;
    size_t n;
    size_t here;
    size_t reads, seeks;
    size_t fail_at; /* this read fails; 0: none */
} set;

/* How keys are chosen. */
typedef struct way {
    int range;   /* how many different ones */
    int tame;    /* only keys that begin no leaf, so that the cap cuts */
    int longest; /* bytes appended to some */
} way;

extern const uint8_t set_id[16]; /* the database's */

uint64_t chance(uint64_t below); /* 0 .. below - 1 */
void set_init(set *s, uint64_t seed);
/* The first record that is not below the key. */
size_t set_find(const set *s, const void *key, size_t len);
krbrepl__dtree_source set_source(set *s);
/* Puts a record with a new value, or deletes it. */
void put(set *s, const void *key, size_t len);
void del(set *s, size_t i);
size_t draw_key(krbrepl__sha *h, const way *w, uint8_t key[KRBREPL__CKEY_MAX]);
/* Puts records until there are `n`. */
void fill(krbrepl__sha *h, set *s, const way *w, unsigned n);
/* The root from one pass. */
void scratch_root(const set *s, uint8_t root[32]);
void rehash_all(krbrepl__dtree *t, set *s);

#endif
