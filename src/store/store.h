/* store.h: what the layers above need of a store beyond the public calls in <krbrepl/store.h>.
 *
 * All functions answer 0 or a KRBREPL_ERR_..., with the detail on the handle. None checks the pid, the thread
 * or reentrancy; src/api does. */
#ifndef KRBREPL__STORE_H
#define KRBREPL__STORE_H

#include <krbrepl/store.h>

#include "buf.h"
#include "ckey.h"
#include "commit.h"
#include "pos.h"
#include "sys.h"
#include "wanted.h"

/* Another handle on the same environment, for another thread. */
int krbrepl__store_dup(krbrepl_store *s, krbrepl_store **out, krbrepl_errinfo *ei);
krbrepl_errinfo *krbrepl__store_ei(krbrepl_store *s);
int krbrepl__store_forked(const krbrepl_store *s); /* not the process that opened it */
/* Enters a handle for one call on it, or on what hangs on it; a thread that is inside may enter again, from a
 * callback. FORKED with its text. STATE while another thread is inside: the handle is not touched then, and
 * its errinfo tells of something else. 0 wants krbrepl__store_leave. */
int krbrepl__store_enter(krbrepl_store *s);
void krbrepl__store_leave(krbrepl_store *s);
int krbrepl__store_busy(const krbrepl_store *s); /* some thread of this process is inside */
/* The program has got a transaction, a view or a load of this handle, or given one back. While it has any, the handle
 * must not go: the writer lock of LMDB lies in memory that would go with it, and the next lock that the thread takes
 * would be chained to it. */
void krbrepl__store_lend(krbrepl_store *s);
void krbrepl__store_unlend(krbrepl_store *s);
int krbrepl__store_lent(
    const krbrepl_store *s); /* never in a forked child, where nothing of it is held */
/* Stands in for the wall clock and the randomness (simulation). Borrowed until close. */
void krbrepl__store_set_sys(krbrepl_store *s, const krbrepl__sys *sys);
const krbrepl__sys *krbrepl__store_sys(const krbrepl_store *s);

/* One node at a time: a flock on node.lock. LOCKED. */
int krbrepl__store_node_lock(krbrepl_store *s);
void krbrepl__store_node_unlock(krbrepl_store *s);
/* The directory's descriptor, for the sockets that live in it. Borrowed until close. */
int krbrepl__store_dirfd(const krbrepl_store *s);
/* Gives `name` in `dirfd` the mode and group of data.mdb, where this process may. */
void krbrepl__mode_like_data(int dirfd, const char *name);

/* 1: another database is where this one was opened, so that nobody else sees what is written here. */
int krbrepl__store_replaced(krbrepl_store *s);

int krbrepl__store_info(krbrepl_store *s, krbrepl_store_info *out);
int krbrepl__store_ancestry(krbrepl_store *s, krbrepl__ancestry *out);

/* The chain at seq: from the journal or the checkpoints. NOTFOUND when it is not kept any more. */
int krbrepl__store_chain_at(krbrepl_store *s, uint64_t seq, uint8_t chain[32]);
/* The wall clock of commit seq in microseconds. NOTFOUND. */
int krbrepl__store_time_at(krbrepl_store *s, uint64_t seq, int64_t *us);

typedef struct krbrepl__batch {
    uint64_t next;  /* the seq after the last commit appended */
    uint64_t count; /* commits appended */
    int reset;      /* commit `next` is a reset, which cannot be streamed */
} krbrepl__batch;

/* Appends commits from seq `from` on as vec32, verified against the chain, until `max` bytes are reached
 * (at least one), the journal ends, or a reset comes. TRIMMED; CORRUPT with the seq. */
int krbrepl__store_read_commits(krbrepl_store *s, uint64_t from, size_t max, krbrepl__buf *out,
                                krbrepl__batch *info);

/* Verifies at most `n` commits, fewer where they are large, against the chain, from `*next` on, which moves on; `end`:
 * all up to `to` that are still there were. CORRUPT with the seq; HOST; after TRIMMED and CONFLICT a later call goes on. */
int krbrepl__store_check_commits(krbrepl_store *s, uint64_t *next, uint64_t to, size_t n, int *end);

/* A walk over the records of one position, in the order of their canonical keys, without their content.
 * It holds a read transaction. Every record digest is computed from the content again and compared with
 * the row's: what is proved equal by digests is the content, and not what was once written beside it. */
typedef struct krbrepl__scan krbrepl__scan;

typedef struct krbrepl__scan_at {
    krbrepl_pos pos;
    uint8_t database_id[16];
    unsigned live; /* which generation is read */
    uint64_t records, cumulative;
} krbrepl__scan_at;

int krbrepl__store_scan_open(krbrepl_store *s, krbrepl__scan **out, krbrepl__scan_at *at);
void krbrepl__store_scan_close(krbrepl__scan *c); /* NULL is fine; in a forked child it only frees */
/* Goes before the first record that is not below `from`; len 0: before all. */
int krbrepl__store_scan_seek(krbrepl__scan *c, const void *from, size_t len);
/* From now on another handle on the same store uses it, in another thread perhaps. */
void krbrepl__store_scan_give(krbrepl__scan *c, krbrepl_store *s);
/* 1: a record, borrowed until the scan is closed; 0: the end; CORRUPT with the record's table and key. */
int krbrepl__store_scan_next(krbrepl__scan *c, krbrepl_bytes *ckey, const uint8_t **rdigest);

/* A record whose content does not match its row is passed on with the digest of what was found, and the first
 * such is remembered, instead of CORRUPT: what a replica compares with its master must be what is there. */
void krbrepl__store_scan_as_found(krbrepl__scan *c);
/* The first record that did not match since the scan was opened: "TABLE KEY"; NULL: none. */
const char *krbrepl__store_scan_damage(const krbrepl__scan *c);

/* ---- a replica's side ------------------------------------------------------------------------ */

/* First contact: takes over the database id and the role replica. Nothing when it has this id already;
 * FOREIGN when it has another; STATE when it is a master. */
int krbrepl__store_adopt(krbrepl_store *s, const uint8_t database_id[16]);

/* Word of a higher epoch from a principal that is authorized as master: kept, and a master becomes
 * fenced, durably. */
int krbrepl__store_learn_epoch(krbrepl_store *s, uint64_t epoch);

/* The master does not have this store's own commits after seq `*fork`. Kept for krbrepl_resolve, as long as
 * the store stays where it is; `*fork` is raised to what was known before, when that was later. */
int krbrepl__store_note_fork(krbrepl_store *s, uint64_t *fork);

/* Applies whole commits, in order, in one transaction: durable, with its position, when this returns 0.
 * Each must be the one after the last (PROTO else), of this lineage or a lineage commit that leaves it
 * (DIVERGED), and of no lower epoch (FENCED). STATE when the store is master. A reset answers TRIMMED: it
 * is crossed by a copy. */
int krbrepl__store_apply(krbrepl_store *s, const krbrepl_bytes *commit, size_t n, krbrepl_pos *out);

/* A full copy, built in the generation that is not live. */
typedef struct krbrepl__copy krbrepl__copy;

/* `from` is the master's position when the copy began, `ancestry` its ancestry there, `cumulative` its
 * count of changes there. What an earlier copy or load left in that generation is emptied first, in
 * bounded transactions. One at a time; LOCKED. NOSPACE when `bytes` (0: not known) do not fit.
 * `keep_old`: the content that is replaced stays readable (krbrepl__store_old). */
int krbrepl__copy_begin(krbrepl_store *s, krbrepl__copy **out, const krbrepl_pos *from,
                        const krbrepl__ancestry *ancestry, uint64_t cumulative, uint64_t bytes,
                        int keep_old);
/* No record that is put from now on was read at a later position of the master's than this, nor does a commit
 * that is applied come after it. What is durable of the copy is never without it. */
int krbrepl__copy_at(krbrepl__copy *c, const krbrepl_pos *at);
/* Records in key order, by full key. Written in short transactions. PROTO when out of order. */
int krbrepl__copy_put(krbrepl__copy *c, krbrepl_bytes full_key, krbrepl_bytes value);
/* Commits after the copy's position so far, applied to the generation being built. */
int krbrepl__copy_apply(krbrepl__copy *c, const krbrepl_bytes *commit, size_t n);
const krbrepl_pos *krbrepl__copy_pos(const krbrepl__copy *c);
/* Makes the new generation live at the copy's position, in one commit; the journal starts behind it. 1: the host's
 * database has more to do before, call again. Frees `c` otherwise. */
int krbrepl__copy_switch(krbrepl__copy *c, krbrepl_pos *out);
/* Frees; nothing live was changed, and what arrived stays to be gone on with, unless a write failed. */
void krbrepl__copy_abort(krbrepl__copy *c);

/* An earlier copy that was cut off, for as long as the store stays where it was and nothing else was built
 * since: its position, the last one that krbrepl__copy_at told of (or the same), and the last record that is
 * durably there. NOTFOUND. */
int krbrepl__copy_partial(krbrepl_store *s, krbrepl_pos *from, krbrepl_pos *upper,
                          krbrepl__ckey *after);
/* Goes on with it. */
int krbrepl__copy_resume(krbrepl_store *s, krbrepl__copy **out);
/* Nobody goes on with it, and nobody needs the old content any more: upkeep, or krbrepl__empty_other, may empty
 * the generation that is not live. */
int krbrepl__copy_forget(krbrepl_store *s);

/* Repair: the records of this store are made those of the master by changing what differs. What is received is
 * gathered in `staging`, in short transactions, and stays there when the repair is cut off, so that the next
 * one does not ask for it again. At the end up to 10,000 records and 16 MiB are written in one transaction
 * with the position; more are merged with the live records into the generation that is not live, slice by
 * slice, and switched to. Readers see the old content whole or the new one whole. */
typedef struct krbrepl__repair krbrepl__repair;

/* As copy_begin. `keep_old`: always by the other generation, and the one before stays readable. */
int krbrepl__repair_begin(krbrepl_store *s, krbrepl__repair **out, const krbrepl_pos *from,
                          const krbrepl__ancestry *ancestry, uint64_t cumulative, int keep_old);
/* The master's records with from <= canonical key < to (an empty `to`: to the end) are those that are wanted:
 * own ones and those that an earlier repair brought stay, the others in the range go. 1: call again with the
 * same; 0: done. Ranges come in ascending order and do not overlap. */
int krbrepl__repair_range(krbrepl__repair *r, krbrepl_bytes from, krbrepl_bytes to,
                          const krbrepl__wanted *wanted);
int krbrepl__repair_put(krbrepl__repair *r, krbrepl_bytes full_key, krbrepl_bytes value);
int krbrepl__repair_apply(krbrepl__repair *r, const krbrepl_bytes *commit, size_t n);
const krbrepl_pos *krbrepl__repair_pos(const krbrepl__repair *r);

/* What is to be changed, without what the commits of repair_apply change. */
typedef struct krbrepl__repair_sum {
    uint64_t puts, deletes;
    uint64_t bytes;   /* of the records that are put */
    uint64_t entries; /* all there is, with those */
} krbrepl__repair_sum;
void krbrepl__repair_sum_get(const krbrepl__repair *r, krbrepl__repair_sum *out);
/* A bounded piece of it, in key order: full key, and whether it is put (1) or deleted (0). The full key of a long
 * key that is deleted and cannot be read is its canonical key. 1: call again; 0: that was all. What `fn` answers
 * other than 0 ends it. */
int krbrepl__repair_each(krbrepl__repair *r, int (*fn)(void *ctx, krbrepl_bytes full_key, int put),
                         void *ctx);
/* The same with everything: the canonical keys of all records that will be others. */
int krbrepl__repair_touched(krbrepl__repair *r, int (*fn)(void *ctx, krbrepl_bytes ckey), void *ctx);
/* Makes the new content live, in one commit. 1: there is more to do, call again; otherwise `r` is freed. */
int krbrepl__repair_finish(krbrepl__repair *r, krbrepl_pos *out);
void krbrepl__repair_abort(krbrepl__repair *r); /* frees; what was received stays for the next one */

/* ---- a master's side ------------------------------------------------------------------------- */

/* Appends records behind canonical key `after` (len 0: from the first) as full_key:vec32 value:vec32
 * until `max` bytes are reached (at least one record), read under one short view whose position is `at`.
 * `after` moves to the last one appended; *end is set when there is no further record. CORRUPT with the
 * record's table and key length. */
int krbrepl__store_copy_slice(krbrepl_store *s, krbrepl__ckey *after, size_t max, krbrepl__buf *out,
                              int *end, krbrepl_pos *at);

/* The digests (16 bytes each, of the content) of the records with from <= canonical key < to (an empty `to`: to
 * the end), at most `max`, under one short view whose position is `at`. `*next` is where to go on; len 0:
 * the range is done. CORRUPT. */
int krbrepl__store_range(krbrepl_store *s, krbrepl_bytes from, krbrepl_bytes to, size_t max,
                         krbrepl__buf *out, krbrepl__ckey *next, krbrepl_pos *at);
/* Appends those that are wanted as copy_slice does, until `max` bytes are reached. */
int krbrepl__store_pick(krbrepl_store *s, krbrepl_bytes from, krbrepl_bytes to,
                        const krbrepl__wanted *wanted, size_t max, krbrepl__buf *out,
                        krbrepl__ckey *next, krbrepl_pos *at);

/* What the master remembers of a replica. The journal is kept from the lowest `hold` on, up to the hard
 * cap. A slot whose `seen_us` is longer ago than the retention says has expired and holds nothing; one
 * without a time (0) does not expire. */
typedef struct krbrepl__slot {
    char principal[1025];
    uint64_t hold;    /* first seq it still needs; 0: nothing is held */
    uint64_t durable; /* last acknowledged */
    int64_t seen_us;
    int64_t copy_us; /* its last full copy */
    uint32_t copy_reason;
    uint32_t dialect; /* enum krbrepl_dialect */
    uint32_t base;    /* legacy dialect: of the numbers it was served in; 0: none */
    uint32_t last;    /* and none above this was ever sent to it */
    uint32_t acked;   /* the highest one that it has answered for; 0: none */
    int update; /* for _put: of one that was there; not written when somebody has dropped it since */
} krbrepl__slot;

int krbrepl__store_slots_put(krbrepl_store *s, const krbrepl__slot *slot,
                             size_t n); /* one transaction */
int krbrepl__store_slots_each(krbrepl_store *s, int (*fn)(void *ctx, const krbrepl__slot *), void *ctx);
int krbrepl__store_slots_count(krbrepl_store *s, uint64_t *n);
int krbrepl__store_slot_drop(krbrepl_store *s, const char *principal);
/* Drops the slots that have expired and that `may_go` does not want to keep. */
int krbrepl__store_slots_expire(krbrepl_store *s, int (*may_go)(void *ctx, const krbrepl__slot *),
                                void *ctx);

/* How a legacy dialect numbers the changes of the present history: `base` stands for `cumulative`. */
typedef struct krbrepl__store_numbers {
    uint32_t base;
    uint64_t cumulative;
    uint64_t seq; /* the last commit when it was drawn */
} krbrepl__store_numbers;
/* The present ones, drawn anew when there are none, when they hold no more (another lineage, the content was
 * replaced as a whole, no number is left), or when the base is `not_this` (0: none is of no use). */
int krbrepl__store_numbers_get(krbrepl_store *s, uint32_t not_this, krbrepl__store_numbers *out);

/* ---- a host's database ----------------------------------------------------------------------- */

#define KRBREPL__ROW_NAME 140u /* "TABLE KEY" of a record, for people */

/* Whether the records are in a host's database, and this handle can reach them. */
int krbrepl__store_hosted(const krbrepl_store *s);
/* Its commits are in a host's journal. */
int krbrepl__store_journaled(const krbrepl_store *s);
/* And whether a full copy leaves nothing there that is not in it. */
int krbrepl__store_replaces(const krbrepl_store *s);
/* Ends what a process that died had begun to write there, so that the position is the one that holds from now on. */
int krbrepl__store_settle(krbrepl_store *s);
/* Whether this handle has the callbacks of whatever is the host's, which a node cannot do without: 0 or STATE. */
int krbrepl__store_reaches(krbrepl_store *s);
/* Compares `n` more records of the host's with their digests, behind canonical key `after` (len 0: from the
 * first), which moves on; *end is set at the end. 1: one was altered there without a commit, `name` says which; a
 * replica's digest tree says so too from then on. */
int krbrepl__host_scrub(krbrepl_store *s, krbrepl__ckey *after, size_t n, int *end,
                        char name[KRBREPL__ROW_NAME]);

/* Drops entries of the journal until `keep` remain, but none that a slot holds. */
int krbrepl__store_trim(krbrepl_store *s, uint64_t keep, uint64_t *dropped);

/* ---- upkeep, by the node when idle ----------------------------------------------------------- */

/* A bounded piece of: trimming, emptying the abandoned generation, clearing dead readers. 1: there is
 * more to do; 0: done; negative: error. */
int krbrepl__store_upkeep(krbrepl_store *s);

/* The part of it that a copy must wait for: a bounded piece of emptying the generation that is not live, when
 * it holds rubbish, or what a builder who has died left. Answers as upkeep. */
int krbrepl__empty_other(krbrepl_store *s);

/* The datagram socket by which writers wake the node of a store; the node binds it in the store's
 * directory. A hint, never the truth. */
#define KRBREPL__WAKE_SOCKET "wake.sock"
#define KRBREPL__NODE_SOCKET "node.sock"
/* The first byte of a hint. */
#define KRBREPL__HINT_GREW 'w' /* there is a commit */
#define KRBREPL__HINT_DAMAGE \
    'd' /* somebody read a record that does not match its checksum; its canonical key follows */
/* Send it; quietly nothing when no node runs. Done by every commit, and by every read that fails so. */
void krbrepl__store_wake_node(krbrepl_store *s);
void krbrepl__store_found_damage(krbrepl_store *s, krbrepl_bytes ckey);

#endif
