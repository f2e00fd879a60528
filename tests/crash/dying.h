/* dying.h: a process that is killed at its n-th write to a database, or sync of it. The functions of libc are
 * replaced for the whole program. */
#ifndef DYING_H
#define DYING_H

/* Just before the n-th from now on; 0: not at all. */
void die_at_write(unsigned n);
/* How many there were since. */
unsigned writes_done(void);

#endif
