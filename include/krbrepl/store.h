/* store.h: the library's own store, a database in one directory.
 *
 * A store holds records, the journal of the commits that made them, and the position they are at.
 * Several processes use one store at a time: each opens its own handle. A commit is one atomic,
 * durable unit: all of its changes, its journal entry and the new position, or nothing.
 *
 * Functions that have a handle keep the detail of a failure on it (krbrepl_store_errinfo). Those that
 * have none yet take a `krbrepl_errinfo *`, which may be NULL. */
#ifndef KRBREPL_STORE_H
#define KRBREPL_STORE_H

#include <krbrepl/error.h>
#include <krbrepl/export.h>
#include <krbrepl/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct krbrepl_store krbrepl_store; /* an open store; one thread at a time */
typedef struct krbrepl_txn krbrepl_txn;     /* one commit being made */
typedef struct krbrepl_view krbrepl_view;   /* all records at one position */
typedef struct krbrepl_load krbrepl_load;   /* a whole new content being brought in */

/* ---- birth and opening ---------------------------------------------------------------------- */

#define KRBREPL_CREATE_MASTER 1u /* make it a master at once: draws lineage, id and epoch 1 */
#define KRBREPL_CREATE_HOSTED 2u /* its records are in the host's own database; see <krbrepl/host.h> */
#define KRBREPL_CREATE_JOURNALED 4u /* its commits are in a journal of the host's; see the same */

/* How much journal to keep. Zero means the default: 100,000 entries, 256 MiB, no age, and 4 GiB as
 * the hard cap up to which a known replica that is behind holds the journal back. A replica that was
 * not seen for `slot_seconds` (14 days) is forgotten, and holds nothing back from then on. */
typedef struct krbrepl_retention {
    size_t size;
    uint64_t entries;
    uint64_t bytes;
    uint64_t seconds;
    uint64_t hard_cap;
    uint64_t slot_seconds;
} krbrepl_retention;

typedef struct krbrepl_create_options {
    size_t size;
    uint64_t flags;                     /* KRBREPL_CREATE_... */
    const char *group;                  /* group that shares the files (0660/0770); NULL: owner only */
    const uint8_t *database_id;         /* 16 bytes; NULL: random for a master, else adopted */
    const krbrepl_retention *retention; /* NULL: defaults */
} krbrepl_create_options;

/* Makes a new store in `dir` (created if it is not there; must hold no store). `opt` may be NULL.
 * EXISTS, IO, NOSPACE, INVALID (unknown group). */
KRBREPL_API int krbrepl_store_create(const char *dir, const krbrepl_create_options *opt,
                                     krbrepl_errinfo *ei);

#define KRBREPL_STORE_READONLY 1u /* no commits through this handle */
#define KRBREPL_STORE_NOSYNC 2u   /* commits are not durable: a power cut can ruin the store */
/* Only in what is told about a store: krbrepl_resolve said that its own commits may be given up. */
#define KRBREPL_STORE_GIVES_UP 4u
/* When opening: read-only, and views show the content that a copy took the place of although nothing told how it came
 * about (KRBREPL_COPY_UNVERIFIABLE), at its own position. It is kept until the next load, full copy or large repair;
 * NOTFOUND when there is none. In krbrepl_store_info and krbrepl_status: there is one. */
#define KRBREPL_STORE_OLD 8u
/* Only in what is told: the records are in the host's own database. */
#define KRBREPL_STORE_HOSTED 16u
/* Only in what is told: the commits are in a journal of the host's. */
#define KRBREPL_STORE_JOURNALED 32u

typedef struct krbrepl_store_options {
    size_t size;
    uint64_t flags;       /* KRBREPL_STORE_... */
    uint64_t map_size;    /* address space to reserve; 0: 1 TiB, or less where that is refused */
    uint64_t max_readers; /* 0: 1,022; counts only for the first process that opens the store */
    const struct krbrepl_host_ops
        *host;      /* a hosted store's database; copied. NULL: records stay closed */
    void *host_ctx; /* for its callbacks; borrowed until close */
    const struct krbrepl_journal_ops
        *journal;      /* a host's journal; copied. NULL: the commits of such a store stay closed */
    void *journal_ctx; /* for its callbacks; borrowed until close */
} krbrepl_store_options;

/* Opens the store in `dir`. `opt` may be NULL. FORMAT when it was written by a newer library, or by an
 * older one and needs krbrepl_upgrade; NOTFOUND when there is none; CORRUPT; IO. */
KRBREPL_API int krbrepl_store_open(krbrepl_store **out, const char *dir,
                                   const krbrepl_store_options *opt, krbrepl_errinfo *ei);

/* NULL is fine. Transactions, views and loads of this handle must be gone: nothing happens while there is one, from
 * inside a callback of this handle, or while another thread is inside of it. Legal in a forked child, where it only
 * frees memory. */
KRBREPL_API void krbrepl_store_close(krbrepl_store *s);

/* The last failure on this handle. Fills min(out->size, what there is). */
KRBREPL_API int krbrepl_store_errinfo(const krbrepl_store *s, krbrepl_errinfo *out);

typedef struct krbrepl_store_info {
    size_t size;
    uint8_t database_id[16]; /* all zero: not adopted yet */
    uint64_t role;           /* enum krbrepl_role */
    krbrepl_pos pos;
    uint64_t known_epoch;   /* the highest epoch heard of from a master */
    uint64_t records;       /* in all tables */
    uint64_t cumulative;    /* changes in the history so far */
    uint64_t journal_first; /* seq of the oldest entry; first > last: empty */
    uint64_t journal_last;
    uint64_t journal_bytes;
    uint64_t format;
    uint64_t flags; /* KRBREPL_STORE_NOSYNC, KRBREPL_STORE_GIVES_UP, KRBREPL_STORE_OLD */
    uint64_t retention_entries, retention_bytes, retention_seconds, retention_hard_cap;
    uint64_t retention_slot_seconds;
} krbrepl_store_info;

KRBREPL_API int krbrepl_store_info_get(krbrepl_store *s, krbrepl_store_info *out);

/* The directory of the store. Borrowed until close. */
KRBREPL_API const char *krbrepl_store_dir(const krbrepl_store *s);

/* Stored in the store, so that every process that writes it trims alike. */
KRBREPL_API int krbrepl_store_set_retention(krbrepl_store *s, const krbrepl_retention *r);

/* Drops the oldest entries of the journal until `keep` remain (0 counts as 1), whatever the retention says. Those
 * that a known replica still needs stay. `dropped` (may be NULL) is how many went. Needs no role. */
KRBREPL_API int krbrepl_store_trim(krbrepl_store *s, uint64_t keep, uint64_t *dropped);

/* Brings a store of an older format to today's, in place. Nobody may have it open. */
KRBREPL_API int krbrepl_upgrade(const char *dir, krbrepl_errinfo *ei);

/* ---- what a master remembers of its replicas ------------------------------------------------ */

/* A replica's place in the journal. Times are microseconds of wall clock since 1970, 0: never. */
typedef struct krbrepl_slot {
    size_t size;
    const char *principal; /* never NULL */
    uint64_t hold;         /* first seq that it still needs; 0: it holds nothing back */
    uint64_t durable;      /* last seq that it has acknowledged as durable */
    int64_t last_seen_us;
    int64_t expires_us; /* when it is forgotten, unless it is seen before; 0: never */
    int64_t last_copy_us;
    uint64_t last_copy_reason; /* enum krbrepl_copy_reason */
    uint64_t dialect;          /* enum krbrepl_dialect */
    uint64_t base;    /* legacy dialect: where the numbers begin that it was served in; 0: none yet */
    uint64_t version; /* and the last one that was sent to it */
} krbrepl_slot;

/* Answer 0 to go on; anything else ends the walk and is its result. `slot` is borrowed until it
 * returns. */
typedef int krbrepl_slot_fn(void *ctx, const krbrepl_slot *slot);

/* Calls `fn` for each slot, in the order of the principals. Does not hold a read transaction while `fn`
 * runs. A running master writes its slots about once a second. */
KRBREPL_API int krbrepl_slot_each(krbrepl_store *s, krbrepl_slot_fn *fn, void *ctx);

/* Forgets a replica, so that it holds the journal back no longer. One that is connected, or connects
 * later, gets a new slot. NOTFOUND. */
KRBREPL_API int krbrepl_slot_drop(krbrepl_store *s, const char *principal);

/* A slave in a legacy dialect gets its complete database anew: at once when it is connected, else when it comes
 * next. The remedy when it has followed another master meanwhile and came back with a number that means something
 * else here. STATE for a replica in the native protocol, which needs no remedy; NOTFOUND. */
KRBREPL_API int krbrepl_slot_reset(krbrepl_store *s, const char *principal);

/* ---- roles ---------------------------------------------------------------------------------- */

/* Makes this store the master: draws a lineage, raises the epoch above every one known, and records
 * both as a commit. Works from unset, replica and fenced, and again from master. `who` may be NULL. */
KRBREPL_API int krbrepl_promote(krbrepl_store *s, const char *who, krbrepl_pos *out);

/* Hands the role back: the store becomes a replica, and a commit says so. NOT_MASTER when it is none. */
KRBREPL_API int krbrepl_demote(krbrepl_store *s, const char *who, krbrepl_pos *out);

/* What becomes of a store that its master refuses, because each has commits that the other does not, and
 * no recorded promotion or restore explains it (AHEAD, DIVERGED). */
enum krbrepl_resolve_which {
    /* The commits that only this store has are given up: they go to its evidence/, and the master
     * replaces the content by a full copy when the replica connects next. The word holds for the
     * store's present position only. STATE when the store is master, or empty. */
    KRBREPL_RESOLVE_KEEP_MASTER = 1,
    /* This store becomes the master, as by krbrepl_promote. The old master, demoted, gives up the
     * commits that only it has. */
    KRBREPL_RESOLVE_KEEP_REPLICA = 2
};

/* An operator's decision about such a fork, made on the store of the replica, durably. A node that runs
 * on the store acts on it at once. `who` and `out` (the position afterwards) may be NULL. INVALID. */
KRBREPL_API int krbrepl_resolve(krbrepl_store *s, uint64_t which, const char *who, krbrepl_pos *out);

/* Writes a consistent copy of a running store into one new file (EXISTS when it is there), synced with
 * its directory before this returns. Does not hold writers up. */
KRBREPL_API int krbrepl_backup(krbrepl_store *s, const char *file);

/* Makes a store in `dir` (empty or not there) out of a backup. A backup of a master becomes a master
 * with a new lineage; of any other, a replica. */
KRBREPL_API int krbrepl_restore(const char *file, const char *dir, const char *who,
                                krbrepl_errinfo *ei);

/* ---- commits -------------------------------------------------------------------------------- */

typedef struct krbrepl_txn_options {
    size_t size;
    const char *who; /* copied, at most 1,024 bytes; NULL: "uid N" */
    const char *why; /* copied, at most 1,024 bytes; NULL: "" */
} krbrepl_txn_options;

/* Begins a commit and takes the writer lock of the store, waiting for other writers. `opt` may be
 * NULL. NOT_MASTER, FENCED; STATE when this thread holds a transaction on this store already. */
KRBREPL_API int krbrepl_txn_begin(krbrepl_store *s, krbrepl_txn **out, const krbrepl_txn_options *opt);

/* Key and value are copied. After a failure the transaction can only be aborted. In table `hdb` a put over a record
 * may count as two changes. */
KRBREPL_API int krbrepl_txn_put(krbrepl_txn *t, const char *table, krbrepl_bytes key,
                                krbrepl_bytes value);
/* NOTFOUND (the transaction goes on) when there is no such record. */
KRBREPL_API int krbrepl_txn_delete(krbrepl_txn *t, const char *table, krbrepl_bytes key);
/* Sees the changes made so far. `value` is borrowed until the next call on `t`. NOTFOUND. */
KRBREPL_API int krbrepl_txn_get(krbrepl_txn *t, const char *table, krbrepl_bytes key,
                                krbrepl_bytes *value);

/* Commits and frees `t` in any case. On 0 everything is durable and `out` (may be NULL) is the new
 * position; without changes nothing is written and `out` is the present position. On any error nothing
 * was changed. Only from another thread than the one that began it, `t` stays as it is: STATE. */
KRBREPL_API int krbrepl_txn_commit(krbrepl_txn *t, krbrepl_pos *out);
/* Frees `t`, changes nothing. NULL is fine. Nothing happens in another thread than the one that began it. */
KRBREPL_API void krbrepl_txn_abort(krbrepl_txn *t);

/* ---- reading -------------------------------------------------------------------------------- */

/* A view shows one position for as long as it is open; keep it short, for it keeps old pages alive. */
KRBREPL_API int krbrepl_view_open(krbrepl_store *s, krbrepl_view **out);
/* NULL is fine. Nothing happens from inside a callback of krbrepl_view_each on this view. */
KRBREPL_API void krbrepl_view_close(krbrepl_view *v);
KRBREPL_API int krbrepl_view_pos(const krbrepl_view *v, krbrepl_pos *out);

/* `value` is borrowed until the view is closed. NOTFOUND; CORRUPT when the record does not match its
 * checksum, in which case no byte of it is handed out. */
KRBREPL_API int krbrepl_view_get(krbrepl_view *v, const char *table, krbrepl_bytes key,
                                 krbrepl_bytes *value);

/* Answer 0 to go on; anything else ends the walk and is its result. Arguments are borrowed until the
 * view is closed. */
typedef int krbrepl_record_fn(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value);

#define KRBREPL_EACH_REVERSE 1u

/* Calls `fn` for each record of `table` (NULL: of all tables) in key order. `from` and `to` bound the
 * keys, both included; NULL is open. Keys over 400 bytes may be ordered by a digest behind their first
 * bytes. */
KRBREPL_API int krbrepl_view_each(krbrepl_view *v, const char *table, const krbrepl_bytes *from,
                                  const krbrepl_bytes *to, uint64_t flags, krbrepl_record_fn *fn,
                                  void *ctx);

/* Reads every record, checks each against its checksum, and computes the digest root of the content:
 * two stores of one database with equal roots have equal content. `records` may be NULL. */
KRBREPL_API int krbrepl_view_digest(krbrepl_view *v, uint8_t root[32], uint64_t *records);

/* Answer 0 to go on; anything else ends the walk and is its result. */
typedef int krbrepl_commit_fn(void *ctx, const krbrepl_commit *c);

/* Calls `fn` for the commits from seq `from` to `to` (0: the last there is). TRIMMED when the journal
 * begins later than `from` (`from` 0 begins at the oldest); CORRUPT with the seq. Does not hold a read
 * transaction while `fn` runs. */
KRBREPL_API int krbrepl_journal_each(krbrepl_store *s, uint64_t from, uint64_t to,
                                     krbrepl_commit_fn *fn, void *ctx);

/* ---- what belongs to this node alone ------------------------------------------------------- */

/* Local entries sit beside a record of the same table and key. They are in no commit, are never
 * replicated, cost no disk flush, and may be lost when the machine fails. Deleting a record deletes its
 * local entry, here and on every replica. Putting one needs no role. */
KRBREPL_API int krbrepl_local_put(krbrepl_store *s, const char *table, krbrepl_bytes key,
                                  krbrepl_bytes value);
/* Copies the entry to `buf`; `*len` is the room on entry and the length on return. NOTFOUND (also when
 * there is no such record); TOOBIG with the length needed in `*len`. */
KRBREPL_API int krbrepl_local_get(krbrepl_store *s, const char *table, krbrepl_bytes key, void *buf,
                                  size_t *len);
KRBREPL_API int krbrepl_local_delete(krbrepl_store *s, const char *table, krbrepl_bytes key);

/* ---- loads ---------------------------------------------------------------------------------- */

typedef struct krbrepl_load_options {
    size_t size;
    const char *who; /* as in krbrepl_txn_options */
    const char *why;
    /* Called now and then with how far the work is, from krbrepl_load_put and _commit. May be NULL. From
     * inside of it, the functions of this load answer STATE and leave the load as it is. */
    void (*progress)(void *ctx, const char *phase, uint64_t done, uint64_t total);
    void *progress_ctx;
} krbrepl_load_options;

typedef struct krbrepl_load_result {
    size_t size;
    krbrepl_pos pos;
    uint64_t kind; /* enum krbrepl_commit_kind; 0: the content was equal and no commit was made */
    uint64_t records;
    uint64_t added, changed, deleted; /* against the content before */
} krbrepl_load_result;

/* Begins to replace the whole content. Readers and writers go on with the old content until
 * krbrepl_load_commit. One load at a time (LOCKED). NOT_MASTER, FENCED. */
KRBREPL_API int krbrepl_load_begin(krbrepl_store *s, krbrepl_load **out,
                                   const krbrepl_load_options *opt);
/* In any order. EXISTS (the load goes on) when the key was given before. */
KRBREPL_API int krbrepl_load_put(krbrepl_load *l, const char *table, krbrepl_bytes key,
                                 krbrepl_bytes value);
/* Puts the new content in the place of the old in one commit, and frees `l` in any case. The commit
 * holds the differences where these are at most 65,536 and 4 MiB, else it is a reset, which replicas cross by copying.
 * CONFLICT, naming the commits, when the store was changed since the load began. `out` may be NULL. */
KRBREPL_API int krbrepl_load_commit(krbrepl_load *l, krbrepl_load_result *out);
/* Frees `l`; nothing was changed. NULL is fine. */
KRBREPL_API void krbrepl_load_abort(krbrepl_load *l);

#ifdef __cplusplus
}
#endif

#endif
