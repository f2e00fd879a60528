/* anon.h: the anonymous memory of this process. What LMDB maps from its files is not counted: the kernel takes
 * that back whenever it likes. */
#ifndef KRBREPL_BENCH_ANON_H
#define KRBREPL_BENCH_ANON_H

double anon_now(void); /* KiB */

/* The largest that a thread sees which looks every few milliseconds, from watch until peak. */
void anon_watch(void);
double anon_peak(void); /* KiB; ends the thread */

#endif
