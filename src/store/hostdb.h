/* hostdb.h: a store whose records stay in the host's database (<krbrepl/host.h>).
 *
 * Rows of such a store have KRBREPL__ROW_HOST set and no value: the value is asked for when a row is opened.
 * What a write transaction does to the live generation is gathered in a batch; before it is committed, the
 * changes, and the commits that they belong to, are made durable in the file `host.prepare`, and the host is
 * told to make them. LMDB's writer lock, held all the while, keeps every other writer out, and goes with a
 * process that dies: whoever takes it next finds the file and resolves what it says (prepare.c).
 *
 * What a build does to the generation that is not live goes to the host's import, or, where it has none, to
 * its present content; then the file says first that the content is of no position, and a crash leaves an
 * empty replica behind, which is copied again. */
#ifndef KRBREPL__HOSTDB_H
#define KRBREPL__HOSTDB_H

#include <krbrepl/host.h>

#include "impl.h"

struct krbrepl__host {
    krbrepl_host_ops ops;
    void *ctx;
    krbrepl__buf value; /* the last one that was read */
    krbrepl__buf
        batch; /* changes in their encoding (commit.h), of the write transaction that is open */
    size_t n;
    int quiet;     /* what is written to the rows is in the host's database already */
    int promised;  /* what is in the batch stands in host.prepare */
    int importing; /* a build fills `import` */
    int piecewise; /* the host has no import: its present content is changed */
    int marked;    /* host.prepare says that the present content is of no position */
    MDB_dbi import;
    int fd;           /* host.prepare; -1: not opened yet */
    int mine;         /* the promise that stands in it is of this handle, and its process lives */
    int left;         /* the file is that of a build that is under way elsewhere */
    unsigned calling; /* a callback runs */
    unsigned live;    /* the generation that was live when `writer` began */
    MDB_txn *writer;  /* the write transaction that is open, or NULL */
};

/* `ops` is copied. */
int krbrepl__host_new(struct krbrepl__host **out, const krbrepl_host_ops *ops, void *ctx,
                      krbrepl_errinfo *ei);
void krbrepl__host_free(struct krbrepl__host *h);
/* A callback has failed with `code`: HOST, with the number on the handle. */
int krbrepl__host_failed(krbrepl_store *s, int code, const char *what);
/* STATE when the handle was opened without callbacks. */
int krbrepl__host_there(krbrepl_store *s);

/* The host's value of a record, borrowed until the next call. NOTFOUND without a text. */
int krbrepl__host_get(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
/* What the open write transaction changes a record to: 1 with a copy of the value, borrowed as above; 0: it does not
 * put it. */
int krbrepl__host_batched(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
/* The host's value does not match the row of digest `rdigest`, read in a transaction of any kind. 1: for it was
 * changed by a commit since, or is just being; 0: it does not match what it should by now either. */
int krbrepl__host_moved(krbrepl_store *s, const MDB_val *ck, const uint8_t *rdigest);
/* A record of a generation is put (`value` NULL: deleted). */
int krbrepl__host_change(krbrepl_store *s, MDB_dbi dbi, const krbrepl__rkey *k,
                         const krbrepl_bytes *value);
/* Has the host make the changes of an encoded batch. */
int krbrepl__host_apply(krbrepl_store *s, const krbrepl__buf *batch, size_t n, const krbrepl_pos *to);

/* Around a write transaction; `was` is the state when it began. */
int krbrepl__host_begin(krbrepl_store *s, krbrepl__wtxn *w);
/* Promises the changes of the open transaction, whose commits are in the journal. */
int krbrepl__host_promise(krbrepl_store *s, const krbrepl__wtxn *w);
int krbrepl__host_before_commit(krbrepl_store *s, krbrepl__wtxn *w);
void krbrepl__host_ended(krbrepl_store *s, int committed);

/* A build changes the present content, and marks it as of no position when it begins: for who holds the writer lock. */
int krbrepl__host_is_piecewise(const krbrepl_store *s);
/* A build of the generation `dbi` begins; it is over. */
int krbrepl__host_import_begin(krbrepl_store *s, MDB_dbi dbi);
void krbrepl__host_import_end(krbrepl_store *s);
/* All changes have come, the host has more to do before the switch, and nothing says yet that its present content is of
 * no position. */
int krbrepl__host_import_unmarked(krbrepl_store *s);
/* Says so. For who holds the writer lock: what another process has made of the store must be known. */
int krbrepl__host_import_mark(krbrepl_store *s);
/* With no transaction open: some of what the host does before the switch. 1: there is more. */
int krbrepl__host_import_step(krbrepl_store *s);

/* ---- prepare.c ------------------------------------------------------------------------------- */

/* Makes durable what is about to be done: the batch and the commits of this transaction; or, with `unsure`,
 * that the content is of no position from now on. */
int krbrepl__prepare_write(krbrepl_store *s, const krbrepl__wtxn *w, int unsure);
int krbrepl__prepare_pending(krbrepl_store *s); /* 1, 0, or an error */
int krbrepl__prepare_there(krbrepl_store *s);   /* 1, 0; for those who may not open it */
int krbrepl__prepare_clear(krbrepl_store *s);
/* For a handle without callbacks, which cannot resolve it: STATE while there is something to resolve. Going on would
 * leave behind what the host has of it, as of a position that the store has left. */
int krbrepl__prepare_refuse(krbrepl_store *s, const krbrepl__wtxn *w);
/* Resolves what the file says, in the open transaction. 1: the transaction was committed, begin anew. */
int krbrepl__prepare_resolve(krbrepl_store *s, krbrepl__wtxn *w);

#endif
