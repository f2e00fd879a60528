/* impl.h: what the files of src/store share.
 *
 * Tables of the environment (docs/store-format.md has every byte):
 *
 *   | table     | key           | value                                                         |
 *   |-----------|---------------|---------------------------------------------------------------|
 *   | meta      | a name        | format, id, created, ancestors, retention; and `state`, which |
 *   |           |               | every commit writes                                           |
 *   | journal   | seq:u64       | chain[32] || encoded commit, of journal_first .. pos.seq;     |
 *   |           |               | what lies outside of that is rubbish that upkeep removes      |
 *   | chains    | seq:u64       | chain[32] of a commit that was trimmed from the journal;      |
 *   |           |               | counts from chains_first on                                   |
 *   | records.a | canonical key | a row; state.live says whether this table is the database,    |
 *   | records.b | canonical key | or this one                                                   |
 *   | staging   | canonical key | what a repair gathers (staging.h)                             |
 *   | replicas  | principal     | a slot                                                        |
 *
 * Locks, in the order in which they are taken: the registry's mutex, an environment's mutex. LMDB's
 * writer lock is taken with neither of them held. */
#ifndef KRBREPL__STORE_IMPL_H
#define KRBREPL__STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <lmdb.h>

#include "errinfo.h"
#include "mem.h"
#include "mutant.h"
#include "source.h"
#include "store.h"
#include "storecalls.h"

#define KRBREPL__FORMAT 1u
#define KRBREPL__SEQ_MAX (UINT64_MAX - 1) /* so that the seq after the last one is a number too */

enum krbrepl__dbi {
    KRBREPL__DBI_META,
    KRBREPL__DBI_JOURNAL,
    KRBREPL__DBI_CHAINS,
    KRBREPL__DBI_RECORDS, /* records.a; records.b is the next one: KRBREPL__DBI_RECORDS + state.live */
    KRBREPL__DBI_RECORDS_B,
    KRBREPL__DBI_STAGING,
    KRBREPL__DBI_REPLICAS,
    KRBREPL__NDBI
};
extern const char *const krbrepl__dbi_name[KRBREPL__NDBI];

/* ---- the registry of environments (registry.c) ---------------------------------------------- */

/* One LMDB environment of this process. Handles share it. */
typedef struct krbrepl__env {
    struct krbrepl__env *next;
    dev_t dev; /* of data.mdb */
    ino_t ino;
    pid_t pid; /* who opened it; no other process may touch it */
    unsigned refs;
    MDB_env *mdb;
    MDB_dbi dbi[KRBREPL__NDBI]; /* of a store; the local environment uses dbi[0] alone */
    unsigned nosync;            /* MDB_NOSYNC when no commit is ever flushed, else 0 */
    pthread_mutex_t lock;       /* for what follows */
    unsigned nosync_now;        /* how LMDB's flag stands */
    int lazy_now;               /* the commit of the writer need not be durable by itself */
    int writing;                /* `writer` holds a write transaction */
    pthread_t writer;
    unsigned active; /* transactions of this process, those waiting for the writer lock included */
    size_t map_want; /* more address space is needed: reserved when active is 0 */
    uint64_t end;    /* up to there is room ahead, or none to be had; for who holds the writer lock */
    int broken;      /* the map is gone; only closing is left */
    void *part;      /* what `before` made */
    void (*close)(struct krbrepl__env *e); /* NULL: mdb_env_close */
} krbrepl__env;

typedef struct krbrepl__env_options {
    uint64_t map_size;
    uint64_t max_readers;
    unsigned flags; /* MDB_NOSYNC for the local environment */
    mode_t mode;    /* for files that are made */
    /* Called once, when the environment was opened for the first time in this process; opens the
     * tables. */
    int (*setup)(krbrepl__env *e, krbrepl_errinfo *ei);
    /* Both optional, for the local environment. `before` runs before LMDB opens the files; `close` closes
     * e->mdb (which may be NULL, when opening failed) and frees the part. */
    int (*before)(const char *dir, void **part, krbrepl_errinfo *ei);
    void (*close)(krbrepl__env *e);
} krbrepl__env_options;

/* Opens, or shares, the environment in `dir`. */
int krbrepl__env_get(krbrepl__env **out, const char *dir, const krbrepl__env_options *opt,
                     krbrepl_errinfo *ei);
/* Another reference to an environment that is held. */
krbrepl__env *krbrepl__env_ref(krbrepl__env *e);
/* Gives a reference back; the last one closes. In a forked child it does nothing. */
void krbrepl__env_put(krbrepl__env *e);
/* 1 when some environment is open in this process (for tests). */
int krbrepl__env_any(void);

/* Begins a transaction and handles dead readers, a grown map and a killed writer. STATE when this
 * thread writes already. `flags`: MDB_RDONLY, MDB_NOSYNC. */
int krbrepl__env_begin(krbrepl__env *e, unsigned flags, MDB_txn **out, krbrepl_errinfo *ei);
/* Ends what krbrepl__env_begin began. commit answers LMDB's code as a KRBREPL_ERR. */
int krbrepl__env_commit(krbrepl__env *e, MDB_txn *txn, int readonly, krbrepl_errinfo *ei);
/* Of who holds the writer lock, before his commit: a loss of power may take it away again, whole, unless another one
 * has been made since. That saves one flush of two. */
void krbrepl__env_lazily(krbrepl__env *e);
void krbrepl__env_abort(krbrepl__env *e, MDB_txn *txn, int readonly);

/* Turns a code of LMDB into one of ours, with the text "what: why; what to do". 0 stays 0. An EIO or a
 * short write on a full disk is NOSPACE. */
int krbrepl__mdb_fail(krbrepl__env *e, krbrepl_errinfo *ei, int rc, const char *what);

/* ---- the state ------------------------------------------------------------------------------ */

/* What the generation that is not live holds. */
enum krbrepl__other {
    KRBREPL__OTHER_EMPTY = 0,
    KRBREPL__OTHER_RUBBISH = 1, /* to be emptied by upkeep, or before it is built in */
    KRBREPL__OTHER_BUILT = 2,   /* a load or a repair is building in it */
    KRBREPL__OTHER_OLD = 3,     /* what was live before, kept for people to look at (old.c) */
    KRBREPL__OTHER_PARTIAL =
        4 /* a full copy, which may be gone on with after it was cut off (partial.h) */
};

/* The one hot value of `meta`, written by every commit, with a checksum. */
struct krbrepl__state {
    uint8_t role;
    uint8_t live;  /* 0: records.a, 1: records.b */
    uint8_t other; /* enum krbrepl__other */
    krbrepl_pos pos;
    uint64_t known_epoch;
    uint64_t records;       /* in the live generation */
    uint64_t cumulative;    /* changes in the history */
    uint64_t journal_first; /* the journal is journal_first .. pos.seq; pos.seq + 1: it is empty */
    uint64_t journal_bytes; /* sum of the lengths of its encoded commits */
    uint64_t chains_first;  /* chains below this one are not of this history */
    uint64_t chains_pruned; /* below this one only every 1,024th is left */
};

/* Within a transaction; krbrepl__wtxn_commit does it for you. */
int krbrepl__state_put(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st);

/* The handle. */
struct krbrepl_store {
    pid_t pid;
    atomic_uintptr_t user; /* the thread that is inside; 0: none */
    unsigned depth;        /* how often it is; its own */
    atomic_uint parts;     /* transactions, views and loads that the program has of it */
    krbrepl__env *env;
    krbrepl__env *local; /* NULL: not opened yet */
    char *dir;           /* absolute */
    int dirfd;
    int node_lock;  /* descriptor of node.lock when held, else -1 */
    int wake;       /* socket for krbrepl__store_wake_node, else -1 */
    uint64_t flags; /* KRBREPL_STORE_... */
    uint64_t map_size, max_readers;
    const krbrepl__sys *sys;
    krbrepl__sha *sha;
    int follows;                          /* it follows a source, and may write (source.h) */
    int hosted;                           /* the records are in the host's database */
    struct krbrepl__host *host;           /* NULL: not hosted, or opened without the host's callbacks */
    int journaled;                        /* the commits are in the host's journal */
    struct krbrepl__hostjournal *journal; /* NULL: not so, or opened without its callbacks */
    krbrepl_errinfo ei;
};

#define KRBREPL__EI(s) (&(s)->ei)

/* A read transaction with the state in it. */
typedef struct krbrepl__rtxn {
    MDB_txn *txn;
    struct krbrepl__state st;
    uint8_t id[16]; /* the database id; zero: none yet */
} krbrepl__rtxn;

int krbrepl__rtxn_begin(krbrepl_store *s, krbrepl__rtxn *r);
void krbrepl__rtxn_end(krbrepl_store *s, krbrepl__rtxn *r); /* harmless when not begun (txn NULL) */

/* A write transaction. Change `st` at will: commit writes it. */
typedef struct krbrepl__wtxn {
    MDB_txn *txn;
    struct krbrepl__state st;
    struct krbrepl__state was; /* `st` as it was at the beginning */
    uint8_t id[16];
} krbrepl__wtxn;

/* CONFLICT: an old copy was put in the place of data.mdb while programs had it open, so that a commit would ruin it. */
int krbrepl__same_writer(krbrepl_store *s, MDB_txn *txn);
/* For who has taken the writer lock and written nothing yet. */
void krbrepl__room_ahead(krbrepl__env *e);

/* Takes the writer lock. STATE on a read-only handle, or when this thread holds it already. */
int krbrepl__wtxn_begin(krbrepl_store *s, krbrepl__wtxn *w);
/* Writes the state and commits, durably unless the handle says NOSYNC. Ends the transaction in any
 * case. */
int krbrepl__wtxn_commit(krbrepl_store *s, krbrepl__wtxn *w);
/* The same without the host. */
int krbrepl__wtxn_commit_rows(krbrepl_store *s, krbrepl__wtxn *w);
void krbrepl__wtxn_abort(krbrepl_store *s, krbrepl__wtxn *w); /* harmless when not begun */
/* 0 when the role is master, else NOT_MASTER or FENCED with a text. */
int krbrepl__wtxn_master(krbrepl_store *s, const krbrepl__wtxn *w);

/* The note of a source, within a transaction. NOTFOUND. */
int krbrepl__source_read(krbrepl_store *s, MDB_txn *txn, krbrepl__source *out);
int krbrepl__source_write(krbrepl_store *s, MDB_txn *txn, const krbrepl__source *src); /* NULL: 0 */
/* A copy of it in `*at`, made or written over. */
int krbrepl__source_keep(krbrepl_store *s, krbrepl__source **at, const krbrepl__source *src);
/* Writes it in a transaction of its own, when `check` answers 0. `src` NULL: nothing. */
int krbrepl__source_note(krbrepl_store *s, const krbrepl__source *src,
                         int (*check)(void *ctx, const krbrepl__wtxn *w), void *ctx);
/* NOT_MASTER when the records come from a source that this handle does not follow. */
int krbrepl__source_allows(krbrepl_store *s, MDB_txn *txn);

/* meta values. `key` is one of "format", "id", "created", "ancestors", "retention", or yours. NOTFOUND.
 */
int krbrepl__meta_get(krbrepl_store *s, MDB_txn *txn, const char *key, krbrepl_bytes *out);
int krbrepl__meta_put(krbrepl_store *s, MDB_txn *txn, const char *key, const void *p, size_t n);
int krbrepl__meta_del(krbrepl_store *s, MDB_txn *txn, const char *key); /* 0 also when not there */
int krbrepl__meta_ancestry(krbrepl_store *s, MDB_txn *txn, krbrepl__ancestry *out);
int krbrepl__meta_set_ancestry(krbrepl_store *s, MDB_txn *txn, const krbrepl__ancestry *a);
int krbrepl__meta_retention(krbrepl_store *s, MDB_txn *txn,
                            krbrepl_retention *out); /* defaults filled in */
int krbrepl__meta_set_retention(krbrepl_store *s, MDB_txn *txn, const krbrepl_retention *r);

/* ---- rows (row.c) ---------------------------------------------------------------------------- *
 *
 *   row := record digest[16] flags:u8 [full key:vec32, when flags bit 0] [value, unless flags bit 1]
 *
 * Bit 0 is set exactly when the canonical key is a shortened one (480 bytes), bit 1 when the store is hosted. */

#define KRBREPL__ROW_LONG 1u
#define KRBREPL__ROW_HOST 2u
#define KRBREPL__ROW_HEAD (KRBREPL__RDIGEST + 1u)

/* Whose record: a canonical key with the full key behind it. */
typedef struct krbrepl__rkey {
    const char *table;
    size_t table_len;
    krbrepl_bytes key;
    krbrepl__ckey ck;
} krbrepl__rkey;

/* A row taken apart. Everything points into the map, and lives as long as the transaction, or until the
 * next write in it. `table` is terminated by a NUL, for so it lies in the full key. */
typedef struct krbrepl__row {
    const char *table;
    size_t table_len;
    krbrepl_bytes key;
    krbrepl_bytes value;
    krbrepl_bytes full; /* the full key: table 0x00 key */
    krbrepl_bytes ck;   /* the canonical key */
    const uint8_t *rdigest;
    int hosted; /* the value is in the host's database */
} krbrepl__row;

/* 0, INVALID or TOOBIG with the text on the handle. */
int krbrepl__rkey_make(krbrepl_store *s, const char *table, krbrepl_bytes key, krbrepl__rkey *out);
/* Takes the row of canonical key `ck` apart and verifies its digest: CORRUPT names `dbi` and the key. CONFLICT: the
 * value is in the host's database, and was changed by a commit that this transaction does not see. */
int krbrepl__row_open(krbrepl_store *s, MDB_dbi dbi, const MDB_val *ck, const MDB_val *data,
                      krbrepl__row *out);
/* The same without the value, which is empty then, and without verifying. */
int krbrepl__row_parse(krbrepl_store *s, MDB_dbi dbi, const MDB_val *ck, const MDB_val *data,
                       krbrepl__row *out);
/* The same for whoever wants what is there: 0 and its digest, or 1 when the row does not match, and then a digest
 * that is no record's. Negative: an error. */
int krbrepl__row_found(krbrepl_store *s, const MDB_val *ck, const MDB_val *data, krbrepl__row *out,
                       uint8_t found[KRBREPL__RDIGEST]);
/* "TABLE KEY" of a canonical key, for people; -1 when it is malformed, and printed as it is. */
int krbrepl__row_name(krbrepl_bytes ck, char out[KRBREPL__ROW_NAME]);
/* Remembers where a walk is. CORRUPT when the disk has made a longer key of it than there are. */
int krbrepl__row_key(krbrepl_store *s, const MDB_val *k, krbrepl__ckey *out);
/* NOTFOUND without a text; CORRUPT. `dbi`: krbrepl__gen(s, live). */
int krbrepl__row_get(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k,
                     krbrepl__row *out);
/* The same for whoever does not want the value: that of a hosted store is not asked for. */
int krbrepl__row_there(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k);
/* The table of Heimdal's entries: a put that is more than a modify of Heimdal's could do says so by a delete before. */
int krbrepl__is_hdb(const char *table, size_t table_len);
/* Writes a row; *created (may be NULL) is 1 when there was none. `put_flags`: 0, or MDB_APPEND. A value
 * in the map must not be given. */
int krbrepl__row_put(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k,
                     krbrepl_bytes value, unsigned put_flags, int *created);
/* Appends the row of a record; `hosted`: without its value. */
int krbrepl__row_encode(krbrepl_store *s, const krbrepl__rkey *k, krbrepl_bytes value, int hosted,
                        krbrepl__buf *out);
/* Writes a row that has its value, or lies in another table, as one of a hosted store's generation. */
int krbrepl__row_restate(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const MDB_val *ck,
                         const MDB_val *data, unsigned put_flags, int *created);
/* Deletes a record of a hosted store by its canonical key. NOTFOUND without a text. */
int krbrepl__row_drop(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const MDB_val *ck);
/* NOTFOUND without a text. */
int krbrepl__row_del(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k);
/* Canonical keys (vec16) that come into being, and that go, with a commit: for the local environment. */
typedef struct krbrepl__touched {
    krbrepl__buf created, gone;
} krbrepl__touched;

void krbrepl__touched_init(krbrepl__touched *t);
void krbrepl__touched_free(krbrepl__touched *t);
/* Puts (or, with `value` NULL, deletes: NOTFOUND without a text) one record, and keeps count. */
int krbrepl__row_change(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__rkey *k,
                        const krbrepl_bytes *value, uint64_t *records, krbrepl__touched *t);
/* Applies the changes of a decoded commit to the table `dbi`; moves *records. `t` may be NULL. */
int krbrepl__row_apply(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const krbrepl__commit *c,
                       uint64_t *records, krbrepl__touched *t);
/* The generation `which` (0 or 1). */
MDB_dbi krbrepl__gen(const krbrepl_store *s, unsigned which);
/* A key for an error text: at most 100 characters, everything unprintable as \xNN. */
void krbrepl__printable(char out[104], krbrepl_bytes key);

/* What a view is; open until krbrepl__view_close. */
struct krbrepl_view {
    krbrepl_store *s;
    krbrepl__rtxn r;
    unsigned walks; /* krbrepl__view_each under way */
};

/* ---- the journal (journal.c) ----------------------------------------------------------------- */

/* Makes the next commit of this store: fills in c's seq, time_us and cumulative, and from the state
 * lineage and epoch (a lineage commit sets the state's pos.lineage and pos.epoch first); writes the
 * journal entry, moves w->st. The records are the caller's work. c->body, who, why, nchanges, records,
 * root, cause as the kind needs. */
int krbrepl__journal_append(krbrepl_store *s, krbrepl__wtxn *w, krbrepl__commit *c);
/* Writes an entry whose encoding is given (a replica's side): `c` was decoded from c->encoded and
 * checked. */
int krbrepl__journal_append_encoded(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl__commit *c);
/* Reads and verifies entry `seq`; borrowed from the map. NOTFOUND when it is outside of the journal;
 * CORRUPT with the seq. `chain` (may be NULL) is the chain after it. */
int krbrepl__journal_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                         const uint8_t id[16], uint64_t seq, krbrepl_bytes *commit, uint8_t chain[32]);
/* The length of the commit of a row of the journal, wherever it is kept. */
uint64_t krbrepl__journal_len(const MDB_val *row);
/* Whether there is a row of commit `seq`, with the commit in it. */
int krbrepl__journal_in_row(krbrepl_store *s, MDB_txn *txn, uint64_t seq);
/* Writes the row of a commit; `elsewhere`: without the commit, which the host keeps. */
int krbrepl__journal_row(krbrepl_store *s, MDB_txn *txn, uint64_t seq, const uint8_t chain[32],
                         krbrepl_bytes encoded, int elsewhere);
/* The chain after commit `seq`. NOTFOUND without a text when it is not kept any more. */
int krbrepl__chain_get(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st,
                       const uint8_t id[16], uint64_t seq, uint8_t chain[32]);
int krbrepl__chain_set(krbrepl_store *s, MDB_txn *txn, uint64_t seq, const uint8_t chain[32]);
/* After a copy: the history is now the one that leads to `pos`. Sets st.pos, empties the journal (what
 * is in the table becomes rubbish), keeps the one chain that is known, `cumulative` and the ancestry.
 */
int krbrepl__journal_restart(krbrepl_store *s, krbrepl__wtxn *w, const krbrepl_pos *pos,
                             uint64_t cumulative, const krbrepl__ancestry *ancestry);
/* The numbers of a legacy dialect mean nothing any more (numbering.c). */
int krbrepl__numbers_forget(krbrepl_store *s, MDB_txn *txn);
/* Does `c` come next after `pos`? PROTO, FENCED, DIVERGED with a text. */
int krbrepl__commit_follows(krbrepl_store *s, const krbrepl_pos *pos, uint64_t cumulative,
                            const krbrepl__commit *c);
/* Puts the last position of a lineage that is being left into the ancestry. */
int krbrepl__ancestor_note(krbrepl_store *s, MDB_txn *txn, const krbrepl_pos *left);
/* Begins a reign: draws the database id if there is none, and a lineage; raises the epoch above every one
 * known; sets the role to master and appends the lineage commit. */
int krbrepl__lineage_new(krbrepl_store *s, krbrepl__wtxn *w, unsigned cause, const char *who);
int krbrepl__id_draw(krbrepl_store *s, krbrepl__wtxn *w);
/* resolve.c: an operator gives up the store's own commits. */
int krbrepl__give_up(krbrepl_store *s, const char *who, krbrepl_pos *out);
/* Whether an operator gave up the own commits of the store at `pos`. */
int krbrepl__gives_up(krbrepl_store *s, MDB_txn *txn, const krbrepl_pos *pos);
/* Moves `left`, the position at which a lineage is left, back to where the master's history forked, if that
 * is known. */
int krbrepl__fork_known(krbrepl_store *s, MDB_txn *txn, krbrepl_pos *left);
/* The store has another history now: neither counts any more. */
int krbrepl__fork_forget(krbrepl_store *s, MDB_txn *txn);
/* Applies one commit of a master in an open transaction. `t` may be NULL. */
int krbrepl__apply_one(krbrepl_store *s, krbrepl__wtxn *w, krbrepl_bytes encoded, krbrepl__touched *t);
/* A fenced store that follows the newer reign is that reign's replica from now on. */
void krbrepl__follow_role(struct krbrepl__state *st);
/* Trims every entry: the commits are not where this store can have them. */
int krbrepl__trim_all(krbrepl_store *s, krbrepl__wtxn *w);
/* Trims at most `max` entries by the retention. */
int krbrepl__trim(krbrepl_store *s, krbrepl__wtxn *w, unsigned max);
/* True when krbrepl__trim would do something (for a look without the writer lock). */
int krbrepl__trim_due(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st);
/* The wall clock of entry `seq`, unverified. NOTFOUND without a text. */
int krbrepl__journal_time(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, uint64_t seq,
                          int64_t *us);
/* The lowest seq that a slot holds, UINT64_MAX when none does. */
int krbrepl__slots_hold(krbrepl_store *s, MDB_txn *txn, uint64_t *hold);

/* ---- small things ---------------------------------------------------------------------------- */

/* 0 while s->dir is the directory that was opened, else STATE: what is done by name would be done to another
 * store. */
int krbrepl__dir_check(krbrepl_store *s);
/* flock on a file in the store's directory, made if it is not there. LOCKED with `what` in the text. */
int krbrepl__lock_file(krbrepl_store *s, const char *name, const char *what, int *fd);
/* Lets go and sets *fd to -1. A forked child only closes: the lock is its parent's. */
void krbrepl__unlock_file(krbrepl_store *s, int *fd);
/* A handle without an environment, and the end of any handle. */
int krbrepl__handle_new(krbrepl_store **out, const char *dir, krbrepl_errinfo *ei);
void krbrepl__handle_free(krbrepl_store *s);
/* Opens the tables. `create`: makes them. */
int krbrepl__tables_open(krbrepl__env *e, int create, krbrepl_errinfo *ei);
/* "uid N", when the caller gave no `who`. */
krbrepl_bytes krbrepl__who(const char *who, char room[32]);
/* TOOBIG when who or why are longer than KRBREPL__MAX_ORIGIN. */
int krbrepl__origin_check(krbrepl_store *s, const char *who, const char *why);
/* Forgets the local entries of canonical keys given as vec16; quietly nothing when there is no local
 * environment. Called before a commit for keys that come into being (so that a crash in between cannot give
 * a new record an old entry), and after it for keys that went. */
void krbrepl__local_forget(krbrepl_store *s, const krbrepl__buf *keys);
void krbrepl__local_close(krbrepl_store *s);

#endif
