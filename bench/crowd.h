/* crowd.h: many receivers in a process of their own, driven by one thread.
 *
 * A receiver of a real crowd is the library's session as a replica has it (GSS-API, TLS, every message), over a
 * store in memory: what it acknowledges as durable is in memory only, so that what is measured is the master and
 * the protocol, not a thousand disks that are one disk here. A receiver of a bare crowd is a TLS client that
 * reads. */
#ifndef KRBREPL_BENCH_CROWD_H
#define KRBREPL_BENCH_CROWD_H

#include <stdatomic.h>

#include <openssl/ssl.h>

/* Shared by the two processes. */
typedef struct crowd {
    atomic_uint port;   /* of the sender; 0: not known yet */
    atomic_uint wanted; /* how many are to be connected */
    atomic_uint there;  /* how many are */
    atomic_ullong round;
    atomic_ullong seq;  /* real: the commit that everybody is to have */
    atomic_uint have;   /* how many have it */
    atomic_ullong done; /* when the last of them had it; monotonic, in nanoseconds; 0: not yet */
    atomic_ullong cpu; /* processor time of the receivers when they last came to rest, in nanoseconds */
    atomic_ullong cpu_done; /* and when the last of them had it */
    atomic_int failed;
} crowd;

typedef struct crowd_who {
    const char *keytab;
    const char *service;
    const char *members; /* "krbrepl/r%04u@REALM"; NULL: a bare crowd */
} crowd_who;

/* Forks: to be called before anything else has threads or sockets. The crowd ends with this process. */
crowd *crowd_fork(const crowd_who *who);
void crowd_arm(crowd *c, unsigned long long seq); /* before the change is made */
double crowd_wait(crowd *c);                      /* seconds on the clock of bench_now */
void crowd_wait_there(crowd *c);                  /* all that are wanted */

/* The bare TLS of both ends: version 1.3 with a key known to both. */
SSL_CTX *crowd_bare_context(int server);

#endif
