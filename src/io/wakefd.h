/* wakefd.h: a descriptor that becomes readable when another thread, or a signal handler, says so. */
#ifndef KRBREPL__WAKEFD_H
#define KRBREPL__WAKEFD_H

#include "errinfo.h"

/* An eventfd where there is one (both ends are the same), else a pipe. */
typedef struct krbrepl__wakefd {
    int rd, wr; /* -1: none */
} krbrepl__wakefd;

int krbrepl__wakefd_open(krbrepl__wakefd *w, krbrepl_errinfo *ei);
/* The same by a pipe, wherever. */
int krbrepl__wakefd_open_pipe(krbrepl__wakefd *w, krbrepl_errinfo *ei);
void krbrepl__wakefd_close(krbrepl__wakefd *w);
/* Any thread, and in a signal handler: keeps errno. */
void krbrepl__wakefd_set(const krbrepl__wakefd *w);
void krbrepl__wakefd_clear(const krbrepl__wakefd *w);

#endif
