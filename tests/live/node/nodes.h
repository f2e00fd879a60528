/* nodes.h: a master and replicas on loopback, each a process of its own, for tests.
 *
 * A node's process is this program again (child.c). It writes its log to DIR.log and takes its acl from a
 * file, which it reads anew on each question. SIGTERM stops it in order, SIGHUP makes it ask again. */
#ifndef NODES_H
#define NODES_H

#include "test.h"

#include <sys/types.h>

#define MASTER_PRINC "krbrepl/master.test@KRBREPL.TEST"

typedef struct rig {
    char top[256]; /* everything is in here */
    char acl[300];
    unsigned port;
} rig;

typedef struct one {
    rig *r;
    int master;
    char dir[300], log[310];
    char princ[128], keytab[300];
    pid_t pid; /* 0: not running */
    char extra[200];
} one;

void rig_make(rig *r);
void rig_drop(rig *r);
/* The principals that may follow, separated by blanks. */
void rig_allow(rig *r, const char *principals);

/* A store and a principal with a keytab. `addprinc` are options for that, or "". */
void one_make(one *n, rig *r, int master, const char *name, const char *addprinc);
void one_start(one *n);
void one_signal(one *n, int sig);
void one_end(one *n, int sig); /* and waits for its end */
/* Waits for the end of a process that ends by itself: its exit status. */
int one_wait_end(one *n);

/* Commits one record; its seq. */
uint64_t put(const one *n, const char *key, const char *value);
uint64_t last_seq(const one *n);
void promote(const one *n);
void demote(const one *n);
void resolve(const one *n, uint64_t which);
/* How many files a store has in evidence/ with commits that were given up, and with what repairs changed. */
int evidence_of(const one *n);
int lists_of(const one *n);
/* Keeps a copy of the file of a store that is not in use, and puts it back: what nobody should do. */
void save_file(const one *n);
void put_file_back(const one *n);
/* Alters the count of changes behind the library's back, so that no commit fits any more. */
void spoil(const one *n);
void keep_journal(const one *n, uint64_t entries);
void keep_slots(const one *n, uint64_t seconds);
/* Whether a master's store remembers a replica. */
int has_slot(const one *n, const one *of);
void drop_slot(const one *n, const one *of);
/* Waits until a store is at a commit, however its node gets there. */
void await_seq(const one *n, uint64_t seq);
void await_state(const one *n, uint64_t state);
/* Waits until the log of a node holds a text, after `from` bytes. */
void await_log(const one *n, long from, const char *text);
long log_size(const one *n);
int log_has(const one *n, long from, const char *text);
int status_of(const one *n, krbrepl_status *st);
void assert_equal_stores(const one *a, const one *b);
/* Loops are bounded by this: false after two minutes of waiting. */
int patience(int *turns);

int child_main(int argc, char **argv);
/* Both files of tests. */
int run_attack_tests(void);

#endif
