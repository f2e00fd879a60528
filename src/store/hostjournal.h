/* hostjournal.h: a store whose commits the host keeps (krbrepl_journal_ops in <krbrepl/host.h>).
 *
 * The journal's rows of such a store have the chain, the length and the time of a commit, and not the commit
 * (journal.c). What a write transaction appends is gathered, and given to the host in one call before the
 * transaction is committed. A crash between the two leaves commits at the host that no row speaks of: the next
 * call of `append` replaces them, and none reads them. What a committed transaction has trimmed is cut from the
 * host's journal later, with the writer lock in hand, when nobody can bring it back.
 *
 * A handle without the callbacks, as that of a tool, puts a change of role into the row itself, as in any other
 * store; whoever appends next with the callbacks gives it to the host before his own. */
#ifndef KRBREPL__HOSTJOURNAL_H
#define KRBREPL__HOSTJOURNAL_H

#include <krbrepl/host.h>

#include "impl.h"

struct krbrepl__hostjournal {
    krbrepl_journal_ops ops;
    void *ctx;
    krbrepl__buf value; /* the last commit that was read */
    krbrepl__buf bytes; /* the commits that this transaction appends */
    krbrepl__buf ends;  /* where each ends, u64 */
    uint64_t first;     /* seq of the first of them */
    size_t n;
    MDB_txn *writer; /* the write transaction that is open, or NULL */
    int given;       /* the host has them */
    int tidy; /* the host has been told through this handle what is to be kept, and nothing was left there since */
    unsigned calling; /* a callback runs */
};

/* `ops` is copied. */
int krbrepl__hostjournal_new(struct krbrepl__hostjournal **out, const krbrepl_journal_ops *ops,
                             void *ctx, krbrepl_errinfo *ei);
void krbrepl__hostjournal_free(struct krbrepl__hostjournal *j);

/* The commit `seq`, as the host says, borrowed until the next call. NOTFOUND without a text; HOST; STATE when the
 * handle was opened without callbacks. */
int krbrepl__hostjournal_read(krbrepl_store *s, uint64_t seq, krbrepl_bytes *commit);
/* The open transaction appends a commit. Those before the first that lie in rows come with it. */
int krbrepl__hostjournal_add(krbrepl_store *s, krbrepl__wtxn *w, uint64_t seq, krbrepl_bytes commit);
/* The open transaction has gone over to another history: nothing is appended. */
void krbrepl__hostjournal_drop(krbrepl_store *s);

/* Around a write transaction; all are quiet where there are no callbacks. `give` makes what was added durable at
 * the host, once. */
void krbrepl__hostjournal_begin(krbrepl_store *s, const krbrepl__wtxn *w);
int krbrepl__hostjournal_give(krbrepl_store *s, krbrepl__wtxn *w);
void krbrepl__hostjournal_ended(krbrepl_store *s, int committed);

/* Whether the host has something that is not wanted any more, as far as is known. */
int krbrepl__hostjournal_untidy(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st);
/* Has the host drop that. */
int krbrepl__hostjournal_cut(krbrepl_store *s, krbrepl__wtxn *w);

#endif
