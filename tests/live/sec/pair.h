/* pair.h: two secure channels in one process, and the network between them. */
#ifndef KRBREPL_TEST_PAIR_H
#define KRBREPL_TEST_PAIR_H

#include "test.h"

#include "secchan.h"

typedef struct pair {
    krbrepl__sec *sec;
    krbrepl__chan *client, *server;
    krbrepl__buf sent[2]; /* all that went over the network, from the client and from the server */
} pair;

/* A path in the directory of the realm. Static; good until the fourth next call. */
const char *realm_path(const char *file);
/* Runs a command of the shell and fails the test when that fails. */
void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void pair_open(pair *p, const krbrepl__sec_cfg *client, const krbrepl__sec_cfg *server);
void pair_close(pair *p);
/* Runs the jobs of a channel. Returns whether there were any. */
int run_jobs(krbrepl__chan *c);
/* Hands at most `step` bytes at a time from one channel to the other. Returns whether there were any. */
int carry(pair *p, krbrepl__chan *from, krbrepl__chan *to, size_t step);
/* Until nothing moves any more. */
void settle(pair *p, size_t step);
void say(krbrepl__chan *c, const void *p, size_t n); /* write and flush */

#endif
