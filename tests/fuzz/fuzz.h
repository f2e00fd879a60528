/* fuzz.h: what every fuzz target gives to a fuzzer, or to driver.c. */
#ifndef KRBREPL_FUZZ_FUZZ_H
#define KRBREPL_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* A promise that is broken is a crash. */
#define MUST(x)      \
    do {             \
        if (!(x))    \
            abort(); \
    } while (0)

#endif
