/* host.h: a store whose records stay in the host's own database.
 *
 * The store's directory then holds the journal, the position, what is known of replicas, and for each
 * record its key and digest, but no value: these are asked for when they are to be sent, and written
 * through when they arrive. It is made with KRBREPL_CREATE_HOSTED and opened with the callbacks in
 * krbrepl_store_options. Everything else is as with any other store: commits, nodes, promotion, proofs.
 *
 * On a master there are two ways to commit. The library writes: krbrepl_txn_put, ..., krbrepl_txn_commit
 * calls `apply`. Or the host writes:
 *
 *     krbrepl_txn_begin, krbrepl_txn_put, ...   what is to be changed
 *     krbrepl_txn_prepare                       that is durable now; nobody else commits
 *     ...                                       the host writes its database, durably
 *     krbrepl_txn_commit                        or krbrepl_txn_abort
 *
 * A crash in between, a failed write, and an abort are all resolved the same way, by the next commit of
 * any process: the host is asked for each record. If all of them are as they were, the commit never
 * happened; otherwise it is written once more, and counts. No error code of the host is trusted for that.
 *
 * A value that was read from such a store is borrowed until the next call on it, and a view answers CONFLICT for a
 * record that was changed since it was opened: the host has one content, the present one.
 *
 * Content that the host changed by itself (an import, a first start) is told with krbrepl_load: on such a
 * store a load says what the host's database holds already, and writes nothing to it. */
#ifndef KRBREPL_HOST_H
#define KRBREPL_HOST_H

#include <krbrepl/export.h>
#include <krbrepl/store.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For `flags` of krbrepl_host_ops: a process that dies within `apply` may take records with it that are no part of the
 * change, as from a tree on disk without a journal of its own. Whoever opens the store next has no way to find them: a
 * replica's content then counts as none, and is copied anew. So it is when `apply` answers KRBREPL_ERR_CORRUPT: a write
 * has failed half-way. */
#define KRBREPL_HOST_TEARS 1u

/* The host's database. Each answers 0, or a number of the host's own, which comes back unchanged in
 * `host_code` of the errinfo while the call of the library answers HOST. They are called from within calls
 * on the store, or on a node that runs on it, in the thread of the caller (with krbrepl_node_spawn, in the
 * node's), and must not call the library on the same store. What they are given is valid until they return.
 * NULL members are those marked optional. */
typedef struct krbrepl_host_ops {
    size_t size;
    /* The value of a record, borrowed from the host until its next call. KRBREPL_ERR_NOTFOUND: there is no
     * such record. */
    int (*get)(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value);
    /* Makes `n` changes, in their order, durably. `to` is the position that they lead to (NULL: to none); it may be
     * kept with them, and is not asked for. All of them or none, where the database can; otherwise a reader may see
     * some of them for a moment, and a failure half-way is mended by doing it again. Deleting what is not there is no
     * failure. */
    int (*apply)(void *ctx, const krbrepl_change *const *change, size_t n, const krbrepl_pos *to);
    /* Optional, all four or none: a whole new content beside the present one. First its records come in the
     * order of their keys, then changes of any of them. After import_commit readers see it whole and nothing
     * else; after import_abort, or a crash, the old one. Without them a full copy changes the present content
     * piece by piece. */
    int (*import_begin)(void *ctx);
    int (*import_change)(void *ctx, const krbrepl_change *change);
    int (*import_commit)(void *ctx, const krbrepl_pos *to);
    void (*import_abort)(void *ctx);
    uint64_t flags; /* KRBREPL_HOST_TEARS */
    /* Optional, with the four above: a piece of what is to be done when all changes have come and before import_commit,
     * where that takes long. Sets *more to 1 to be called again, after whatever else a node has to do. From its first
     * call on the present content may be changed, or replaced already, and counts as none: when it is not followed by
     * an import_commit that succeeds, a replica is copied again. */
    int (*import_step)(void *ctx, int *more);
} krbrepl_host_ops;

/* A journal that the host keeps by itself, of a store made with KRBREPL_CREATE_JOURNALED, whether its records are
 * the host's or not. The store's directory then holds the chain, the length and the time of each commit, and the host
 * the commits. They are called as those above, and have the same to observe; one journal belongs to one store.
 * Whatever `read` answers is compared with the chain of the history, and what does not match is damage, as in any
 * other store. All three are needed. */
typedef struct krbrepl_journal_ops {
    size_t size;
    /* Takes `n` commits, the first of which has the seq `first`, durably, in the place of whatever it has from
     * `first` on: of a commit that came to nothing, by a crash or an error, it may have some already. */
    int (*append)(void *ctx, uint64_t first, const krbrepl_bytes *commit, size_t n);
    /* The commit `seq`, borrowed from the host until its next call. KRBREPL_ERR_NOTFOUND: it has none. */
    int (*read)(void *ctx, uint64_t seq, krbrepl_bytes *commit);
    /* Only the commits from `from` to `to` are wanted any more; `from` above `to`: none. It may be that the host has
     * some that it was told of before, or none. What goes is to be gone for good: commits hold keys. */
    int (*cut)(void *ctx, uint64_t from, uint64_t to);
} krbrepl_journal_ops;

/* Makes the changes of `t` durable as a promise, so that the host may write its database now. Afterwards only
 * krbrepl_txn_commit and krbrepl_txn_abort are legal. STATE when the store has its records itself. */
KRBREPL_API int krbrepl_txn_prepare(krbrepl_txn *t);

#ifdef __cplusplus
}
#endif

#endif
