/* fuzzfile.h: for targets whose code reads files by their names. */
#ifndef KRBREPL_FUZZ_FUZZFILE_H
#define KRBREPL_FUZZ_FUZZFILE_H

#include <stddef.h>

/* The path of a file that holds these bytes and is for its owner only; the same one at every call, removed
 * when the program ends. */
const char *fuzz_file(const void *p, size_t n);

#endif
