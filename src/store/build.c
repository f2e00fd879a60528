#include "build.h"
#include "hostdb.h"

#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include <krbrepl/error.h>

#include "partial.h"

/* A table of at most this many pages is emptied at one stroke. */
#define SMALL_PAGES (KRBREPL__SLICE_BYTES / 4096u)
/* Deleted records between two looks at the clock. */
#define LOOK_EVERY 64u

static void nap(long us)
{
    struct timespec t = {0, us * 1000};

    nanosleep(&t, NULL);
}

static int lock(krbrepl_store *s, int *fd)
{
    return krbrepl__lock_file(
        s, "load.lock", "another load or full copy works on this store; wait until it has ended", fd);
}

int krbrepl__build_lock(krbrepl_store *s, int *fd)
{
    int tries = 5, rc;

    /* Upkeep holds the lock for an instant, to see whether somebody else does. */
    do {
        rc = lock(s, fd);
        if (rc == KRBREPL_ERR_LOCKED)
            nap(2000);
    } while (rc == KRBREPL_ERR_LOCKED && --tries > 0);
    return rc;
}

/* ---- emptying ------------------------------------------------------------------------------- */

static uint64_t now_ms(const krbrepl_store *s)
{
    return s->sys->mono_ms(s->sys->ctx);
}

static uint64_t pages_of(const MDB_stat *st)
{
    return (uint64_t)st->ms_branch_pages + st->ms_leaf_pages + st->ms_overflow_pages;
}

/* Deletes records from the front until the slice is full. */
static int delete_some(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi)
{
    const uint64_t since = now_ms(s);
    MDB_cursor *cur = NULL;
    MDB_val k, v;
    size_t gone = 0;
    unsigned n;
    int e = mdb_cursor_open(txn, dbi, &cur);

    for (n = 1; e == 0 && gone < KRBREPL__SLICE_BYTES; n++) {
        if (n % LOOK_EVERY == 0 && now_ms(s) - since >= KRBREPL__SLICE_MS)
            break;
        e = mdb_cursor_get(cur, &k, &v, MDB_FIRST);
        if (e != 0)
            break;
        gone += k.mv_size + v.mv_size;
        e = mdb_cursor_del(cur, 0);
    }
    if (cur != NULL)
        mdb_cursor_close(cur);
    return e == MDB_NOTFOUND ? 0 : e;
}

int krbrepl__empty_some(krbrepl_store *s, MDB_txn *txn, MDB_dbi dbi, const char *what, int *more)
{
    MDB_stat st;
    int e = mdb_stat(txn, dbi, &st);

    if (e == 0 && st.ms_entries > 0)
        e = pages_of(&st) <= SMALL_PAGES ? mdb_drop(txn, dbi, 0) : delete_some(s, txn, dbi);
    if (e == 0)
        e = mdb_stat(txn, dbi, &st);
    if (e != 0)
        return krbrepl__mdb_fail(s->env, KRBREPL__EI(s), e, what);
    *more = st.ms_entries > 0;
    return 0;
}

/* A bounded piece of emptying the other generation. */
static int empty_gen(krbrepl_store *s, krbrepl__wtxn *w, int *more)
{
    int rc = krbrepl__empty_some(s, w->txn, krbrepl__gen(s, !w->st.live),
                                 "emptying the abandoned generation", more);

    if (rc == 0)
        w->st.other = *more ? KRBREPL__OTHER_RUBBISH : KRBREPL__OTHER_EMPTY;
    return rc;
}

int krbrepl__build_busy(krbrepl_store *s)
{
    const krbrepl_errinfo keep = s->ei;
    int fd = -1, rc = lock(s, &fd);

    krbrepl__unlock_file(s, &fd);
    s->ei = keep;
    return rc != 0;
}

/* Whether the other generation is not to be touched. *leave is set. */
static int leave_alone(krbrepl_store *s, MDB_txn *txn, const struct krbrepl__state *st, int *leave)
{
    krbrepl__partial p;
    int rc = 0;

    *leave = st->other == KRBREPL__OTHER_EMPTY || st->other == KRBREPL__OTHER_OLD;
    if (st->other != KRBREPL__OTHER_BUILT && st->other != KRBREPL__OTHER_PARTIAL)
        return 0;
    /* What is being built is nobody's business but the builder's; he may be dead, though. */
    *leave = krbrepl__build_busy(s);
    if (*leave || st->other == KRBREPL__OTHER_BUILT)
        return 0;
    rc = krbrepl__partial_get(s, txn, st, &p);
    krbrepl__ancestry_free(&p.ancestry);
    *leave = rc == 0;
    return rc == KRBREPL_ERR_NOTFOUND ? 0 : rc;
}

int krbrepl__empty_other(krbrepl_store *s)
{
    krbrepl__wtxn w = {0};
    krbrepl__rtxn r = {0};
    int more = 0, leave = 0, rc = krbrepl__rtxn_begin(s, &r);

    if (rc != 0)
        return rc;
    /* The usual cases must not take the writer lock. */
    rc = leave_alone(s, r.txn, &r.st, &leave);
    krbrepl__rtxn_end(s, &r);
    if (rc != 0 || leave)
        return rc;
    rc = krbrepl__wtxn_begin(s, &w);
    if (rc != 0)
        return rc;
    rc = leave_alone(s, w.txn, &w.st, &leave);
    if (rc == 0 && !leave)
        rc = empty_gen(s, &w, &more);
    if (rc == 0 && !leave)
        rc = krbrepl__wtxn_commit(s, &w);
    krbrepl__wtxn_abort(s, &w);
    return rc == 0 ? more : rc;
}

/* ---- building ------------------------------------------------------------------------------- */

int krbrepl__build_flush(krbrepl__build *b)
{
    const int switched = b->begun && b->w.st.live == b->which;
    int rc;

    if (b->w.txn == NULL)
        return 0;
    rc = krbrepl__wtxn_commit(b->s, &b->w);
    b->w.txn = NULL;
    if (rc == 0 && switched)
        b->begun = 0;
    /* A mutex that is taken again at once would never pass to a writer that waits for it. */
    nap(100);
    return rc;
}

int krbrepl__build_piece(krbrepl__build *b)
{
    if (b->w.txn != NULL && b->begun && b->w.st.live != b->which)
        krbrepl__env_lazily(b->s->env);
    return krbrepl__build_flush(b);
}

int krbrepl__build_slice(krbrepl__build *b)
{
    int rc;

    if (b->w.txn != NULL)
        return 0;
    rc = krbrepl__wtxn_begin(b->s, &b->w);
    if (rc != 0) {
        b->w.txn = NULL;
        return rc;
    }
    b->filled = 0;
    b->since = now_ms(b->s);
    rc = b->check(b->ctx, &b->w);
    if (rc == 0 && b->begun && (b->w.st.live == b->which || b->w.st.other != b->as))
        rc = krbrepl__fail(KRBREPL__EI(b->s), KRBREPL_ERR_CONFLICT,
                           "building a generation: another process took it over; try again");
    if (rc != 0) {
        krbrepl__wtxn_abort(b->s, &b->w);
        b->w.txn = NULL;
    }
    return rc;
}

int krbrepl__build_full(krbrepl__build *b, size_t n)
{
    b->filled += n;
    return b->filled >= KRBREPL__SLICE_BYTES || now_ms(b->s) - b->since >= KRBREPL__SLICE_MS;
}

int krbrepl__build_wrote(krbrepl__build *b, size_t n)
{
    return krbrepl__build_full(b, n) ? krbrepl__build_piece(b) : 0;
}

static void begun(krbrepl__build *b, unsigned which)
{
    b->which = which;
    b->dbi = krbrepl__gen(b->s, which);
    b->begun = 1;
}

/* Where that marks the present content, whoever was made master by another process meanwhile keeps it. */
static int begin_host(krbrepl__build *b)
{
    int rc = krbrepl__host_is_piecewise(b->s) ? krbrepl__build_slice(b) : 0;

    if (rc == 0)
        rc = krbrepl__host_import_begin(b->s, b->dbi);
    if (b->w.txn != NULL)
        krbrepl__wtxn_abort(b->s, &b->w);
    b->w.txn = NULL;
    return rc;
}

int krbrepl__build_begin_step(krbrepl__build *b)
{
    int more = 0, rc = krbrepl__build_slice(b);
    unsigned which;

    if (rc != 0)
        return rc;
    which = !b->w.st.live;
    rc = empty_gen(b->s, &b->w, &more);
    if (rc == 0 && !more) {
        b->w.st.other = b->as;
        rc = b->mark != NULL ? b->mark(b->ctx, &b->w) : 0;
    }
    if (rc == 0)
        rc = krbrepl__build_flush(b);
    if (rc == 0 && !more) {
        begun(b, which);
        rc = b->s->hosted ? begin_host(b) : 0;
    }
    return rc == 0 ? more : rc;
}

int krbrepl__build_begin(krbrepl__build *b)
{
    int rc;

    do
        rc = krbrepl__build_begin_step(b);
    while (rc == 1);
    return rc;
}

int krbrepl__build_resume(krbrepl__build *b)
{
    int rc = krbrepl__build_slice(b);

    if (rc != 0)
        return rc;
    if (b->w.st.other == b->as)
        begun(b, !b->w.st.live);
    else
        rc = krbrepl__fail(KRBREPL__EI(b->s), KRBREPL_ERR_CONFLICT,
                           "building a generation: another process took it over; try again");
    krbrepl__wtxn_abort(b->s, &b->w);
    return rc;
}

/* Whoever was made master by another process meanwhile keeps its content. After the mark nobody is. */
static int mark_host(krbrepl__build *b)
{
    int rc = krbrepl__build_flush(b);

    if (rc == 0)
        rc = krbrepl__build_slice(b);
    if (rc != 0)
        return rc;
    rc = krbrepl__host_import_mark(b->s);
    krbrepl__wtxn_abort(b->s, &b->w);
    b->w.txn = NULL;
    return rc;
}

int krbrepl__build_ready(krbrepl__build *b)
{
    const int rc = krbrepl__host_import_unmarked(b->s) ? mark_host(b) : 0;

    return rc == 0 ? krbrepl__host_import_step(b->s) : rc;
}

void krbrepl__build_switch(krbrepl__build *b, uint64_t records)
{
    b->w.st.live = (uint8_t)b->which;
    b->w.st.other = KRBREPL__OTHER_RUBBISH;
    b->w.st.records = records;
}

/* If this fails nothing is lost: whoever finds the lock free knows the same. */
static void give_up(krbrepl__build *b)
{
    const krbrepl_errinfo keep = b->s->ei;

    if (krbrepl__wtxn_begin(b->s, &b->w) == 0) {
        if (b->w.st.live != b->which && b->w.st.other == b->as) {
            b->w.st.other = KRBREPL__OTHER_RUBBISH;
            krbrepl__wtxn_commit(b->s, &b->w);
        } else {
            krbrepl__wtxn_abort(b->s, &b->w);
        }
    }
    b->s->ei = keep;
}

void krbrepl__build_end(krbrepl__build *b)
{
    /* In a forked child the slice and the generation are the parent's, who goes on building. */
    if (krbrepl__store_forked(b->s))
        return;
    if (b->w.txn != NULL)
        krbrepl__wtxn_abort(b->s, &b->w);
    b->w.txn = NULL;
    if (b->s->hosted)
        krbrepl__host_import_end(b->s);
    if (b->begun && !b->keep)
        give_up(b);
    b->begun = 0;
}

/* ---- room ----------------------------------------------------------------------------------- */

/* Free pages inside of the data file. LMDB keeps lists of them in its table 0; each list begins with its
 * length. */
static uint64_t free_pages(MDB_txn *txn)
{
    MDB_cursor *cur = NULL;
    MDB_val k, v;
    uint64_t n = 0;
    size_t len;

    if (mdb_cursor_open(txn, 0, &cur) != 0)
        return 0;
    while (mdb_cursor_get(cur, &k, &v, MDB_NEXT) == 0) {
        if (v.mv_size < sizeof len)
            continue;
        memcpy(&len, v.mv_data, sizeof len);
        n += len;
    }
    mdb_cursor_close(cur);
    return n;
}

int krbrepl__room_check(krbrepl_store *s, const char *what, uint64_t need)
{
    krbrepl__rtxn r = {0};
    struct statvfs fs;
    MDB_stat st;
    uint64_t have;
    int rc;

    if (fstatvfs(s->dirfd, &fs) != 0)
        return 0; /* not known; the writes will tell */
    have = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (have >= need)
        return 0;
    rc = krbrepl__rtxn_begin(s, &r);
    if (rc != 0)
        return rc;
    if (mdb_env_stat(s->env->mdb, &st) == 0)
        have += free_pages(r.txn) * st.ms_psize;
    krbrepl__rtxn_end(s, &r);
    if (have >= need)
        return 0;
    return krbrepl__fail(KRBREPL__EI(s), KRBREPL_ERR_NOSPACE,
                         "%s: a second copy of the content needs %llu bytes, and %s has room for %llu; "
                         "make room",
                         what, (unsigned long long)need, s->dir, (unsigned long long)have);
}
