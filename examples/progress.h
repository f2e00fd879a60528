/* progress.h: a bar on standard error for long work, when that is a terminal. */
#ifndef KRBREPL_PROGRESS_H
#define KRBREPL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Draws nothing when standard error is no terminal. */
void progress_start(bool quiet);
/* May be called as often as you like; `total` 0: not known. Has the form of the library's callbacks. */
void progress_show(void *ctx, const char *phase, uint64_t done, uint64_t total);
/* Takes the bar away. */
void progress_end(void);

#endif
