/* rng.h: the one source of chance in a simulation. */
#ifndef KRBREPL_SIM_RNG_H
#define KRBREPL_SIM_RNG_H

#include <stdint.h>

typedef struct rng {
    uint64_t state;
} rng;

/* SplitMix64: every 64-bit state is a good one, and neighbors give unrelated sequences. */
static inline uint64_t rng_next(rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static inline uint64_t rng_below(rng *r, uint64_t n)
{
    return n != 0 ? rng_next(r) % n : 0;
}

/* In `num` of `den` cases. */
static inline int rng_chance(rng *r, uint64_t num, uint64_t den)
{
    return rng_below(r, den) < num;
}

#endif
