/* slaveworld.h: a slave's session between records in memory and a master whose every word the test says. */
#ifndef KRBREPL_TEST_SLAVEWORLD_H
#define KRBREPL_TEST_SLAVEWORLD_H

#include "../hdb/sample.h"
#include "iprop_slave.h"
#include "plainchan.h"

typedef struct slaveworld {
    krbrepl__islave_port port;
    krbrepl__hdb_rows rows, load_rows;
    sample_recs live, undo, next;
    krbrepl__islave_state st;
    uint64_t seq;
    int in_txn, loading;
    int fail;          /* the next put that is not in a load answers this */
    int fail_load;     /* the job of a load does */
    krbrepl__job *job; /* handed out by the session */
    krbrepl__islave_state load_state;
    krbrepl__chan *master; /* the other end */
    krbrepl__sess *sess;
    uint64_t now;
    int whole, learn; /* for the next session */
} slaveworld;

void sw_init(slaveworld *w);
void sw_free(slaveworld *w);
/* A new session, both ends authenticated. */
void sw_connect(slaveworld *w);
void sw_cut(slaveworld *w); /* the connection ends */
/* Lets the session work, and run its jobs, until it has nothing to do. */
void sw_run(slaveworld *w);
/* What the slave says next: the opcode, and its version; 0: it says nothing. */
uint32_t sw_says(slaveworld *w, uint32_t *version);
/* Asserts that it says I_HAVE with this version next, or that it says nothing more. */
void sw_has(slaveworld *w, uint32_t version);
void sw_silent(slaveworld *w);

/* The master says something, and the slave works. */
void sw_tell(slaveworld *w, uint32_t op);
void sw_tell_version(slaveworld *w, uint32_t op, uint32_t version);
void sw_tell_body(slaveworld *w, uint32_t op, const krbrepl__buf *body);
/* A whole database of these names (NULL ends them), as of a version. */
void sw_whole(slaveworld *w, uint32_t version, const char *const *names);

/* Records for a FOR_YOU. */
void sw_create(krbrepl__buf *b, uint32_t version, const char *name, uint32_t kvno);
void sw_modify(krbrepl__buf *b, uint32_t version, const char *name, uint32_t kvno);
void sw_delete(krbrepl__buf *b, uint32_t version, const char *name);
void sw_rename(krbrepl__buf *b, uint32_t version, const char *from, const char *to);
/* Tells `b` and empties it. */
void sw_for_you(slaveworld *w, krbrepl__buf *b);

/* The key version of the entry; 0: there is none. */
uint32_t sw_kvno(slaveworld *w, const char *name);
krbrepl__islave_news sw_news(slaveworld *w);

#endif
