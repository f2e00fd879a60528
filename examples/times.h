/* times.h: durations, sizes and points in time, as people write and read them.
 *
 * A duration is one or more NUMBER UNIT, with or without blanks or commas between them: `300`, `300 s`,
 * `5 min`, `1 h 30 min`, `2 days`. Units are ms, s, m or min, h, d, w, month (30 days) and y (365 days),
 * short, spelled out or shortened (`ho`, `mo`), in the singular or the plural. A number without unit, alone or at the end
 * (`3 min 5`), is in seconds. */
#ifndef KRBREPL_TIMES_H
#define KRBREPL_TIMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `had_unit` (may be NULL) is false for a bare number. False when the text is no duration, or longer than
 * 64 bits of microseconds hold. */
bool times_parse(const char *text, uint64_t *ms, bool *had_unit);

/* A number of bytes: `1000`, `64 KiB`, `256 MiB`, `4G`; K, M, G and T are powers of 1,024. */
bool times_parse_size(const char *text, uint64_t *bytes);

/* A decimal number, nothing before or behind it. */
bool times_parse_number(const char *text, uint64_t *n);

#define TIMES_ROOM 40

/* "0.250 s", "1 h 30 min". */
const char *times_duration(char buf[TIMES_ROOM], uint64_t us);
/* "2026-11-22T00:50:01.123Z", or "never" for 0. */
const char *times_stamp(char buf[TIMES_ROOM], int64_t us);
/* "12.5 MiB". */
const char *times_size(char buf[TIMES_ROOM], uint64_t bytes);

/* Microseconds since 1970. */
int64_t times_now(void);

/* Milliseconds that never go back. */
uint64_t times_mono(void);

/* Does nothing for so long. */
void times_pause(uint64_t ms);

#endif
