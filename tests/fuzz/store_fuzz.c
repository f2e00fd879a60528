/* What lies in the tables of a store: one value of a small store is replaced behind its back, everything is
 * read, and the value is put back.
 *
 *   input := what:u8 how:u8 [key_len:u8 key] value        the key for records and replicas only
 *
 * Bit 0 of `how`: the checksum is made right first, as somebody with a good disk and bad intentions would, or
 * a library with a bug. Without it, what is not the old value is reported as damaged and never handed out. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "fuzz.h"
#include "impl.h"
#include "mem.h"

enum { WHAT_RECORD, WHAT_JOURNAL, WHAT_STATE, WHAT_META, WHAT_SLOT, WHAT_CHAIN, WHATS };

#define COMMITS 6 /* those of the store; the first one is its creation */
#define LAST COMMITS

static char dir[300];
static krbrepl_store *store;

/* ---- the store ------------------------------------------------------------------------------ */

static void remove_store(void)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    krbrepl__store_close(store);
    (void)krbrepl__clear_dir(fd);
    close(fd);
    (void)rmdir(dir);
}

static void put(const char *key, const char *value)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;

    KRBREPL_INIT(&opt);
    MUST(krbrepl__txn_begin(store, &t, &opt) == 0);
    MUST(krbrepl__txn_put(t, "principal", (krbrepl_bytes){key, strlen(key)},
                          (krbrepl_bytes){value, strlen(value)}) == 0);
    MUST(krbrepl__txn_commit(t, NULL) == 0);
}

static void make_store(void)
{
    const char *tmp = getenv("TMPDIR");
    krbrepl_create_options create;
    krbrepl_store_options opt;
    char key[600];
    unsigned i;

    snprintf(dir, sizeof dir, "%.200s/krbrepl-fuzz.XXXXXX", tmp != NULL ? tmp : "/tmp");
    MUST(mkdtemp(dir) != NULL);
    KRBREPL_INIT(&create);
    create.flags = KRBREPL_CREATE_MASTER;
    MUST(krbrepl__store_create(dir, &create, NULL) == 0);
    KRBREPL_INIT(&opt);
    opt.flags = KRBREPL_STORE_NOSYNC;
    opt.map_size = 1u << 26;
    MUST(krbrepl__store_open(&store, dir, &opt, NULL) == 0);
    MUST(atexit(remove_store) == 0);
    for (i = 0; i < COMMITS - 2; i++) {
        snprintf(key, sizeof key, "user%u", i);
        put(key, "0123456789");
    }
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    put(key, "the record with the long key");
}

/* ---- one value ------------------------------------------------------------------------------ */

typedef struct place {
    unsigned what;
    MDB_dbi dbi;
    krbrepl__buf key, value, old; /* old: without data when there was nothing */
    int was, fixed;
} place;

static MDB_val val_of(const krbrepl__buf *b)
{
    static uint8_t nothing;
    MDB_val v = {b->len, b->data != NULL ? b->data : &nothing};

    return v;
}

/* Writes (or, with `value` NULL, deletes) without looking. */
static void write_raw(const place *p, const krbrepl__buf *value)
{
    MDB_val k = val_of(&p->key), v;
    MDB_txn *txn = NULL;
    int rc;

    MUST(krbrepl__env_begin(store->env, MDB_NOSYNC, &txn, NULL) == 0);
    if (value != NULL) {
        v = val_of(value);
        rc = mdb_put(txn, p->dbi, &k, &v, 0);
    } else {
        rc = mdb_del(txn, p->dbi, &k, NULL);
    }
    MUST(rc == 0 || rc == MDB_BAD_VALSIZE);
    MUST(krbrepl__env_commit(store->env, txn, 0, NULL) == 0);
}

static void read_old(place *p)
{
    MDB_val k = val_of(&p->key), v;
    MDB_txn *txn = NULL;

    MUST(krbrepl__env_begin(store->env, MDB_RDONLY, &txn, NULL) == 0);
    p->was = mdb_get(txn, p->dbi, &k, &v) == 0;
    if (p->was)
        krbrepl__buf_bytes(&p->old, v.mv_data, v.mv_size);
    krbrepl__env_abort(store->env, txn, 1);
}

static const char *meta_name(unsigned i)
{
    static const char *const names[] = {"id",   "ancestors", "retention", "slots",
                                        "fork", "give_up",   "format",    "created"};

    return names[i % (sizeof names / sizeof names[0])];
}

static void take_key(place *p, krbrepl__rd *r)
{
    const char *name = "state";
    krbrepl_bytes key;

    switch (p->what) {
    case WHAT_RECORD:
    case WHAT_SLOT:
        p->dbi = p->what == WHAT_SLOT ? store->env->dbi[KRBREPL__DBI_REPLICAS] : krbrepl__gen(store, 0);
        key = krbrepl__rd_view(r, krbrepl__rd_u8(r));
        krbrepl__buf_bytes(&p->key, key.data, key.len);
        break;
    case WHAT_JOURNAL:
    case WHAT_CHAIN:
        p->dbi = store->env->dbi[p->what == WHAT_CHAIN ? KRBREPL__DBI_CHAINS : KRBREPL__DBI_JOURNAL];
        krbrepl__buf_u64(&p->key, LAST);
        break;
    default:
        p->dbi = store->env->dbi[KRBREPL__DBI_META];
        if (p->what == WHAT_META)
            name = meta_name(krbrepl__rd_u8(r));
        krbrepl__buf_bytes(&p->key, name, strlen(name));
    }
}

/* ---- checksums made right -------------------------------------------------------------------- */

static void sign_record(place *p)
{
    krbrepl_bytes full = {p->key.data, p->key.len}, key, value;
    krbrepl__rd r;
    size_t table;
    unsigned flags;

    krbrepl__rd_init(&r, p->value.data, p->value.len);
    krbrepl__rd_view(&r, KRBREPL__RDIGEST);
    flags = krbrepl__rd_u8(&r);
    if ((flags & KRBREPL__ROW_LONG) != 0)
        full = krbrepl__rd_vec32(&r);
    value = krbrepl__rd_view(&r, r.left);
    table = r.err == 0 ? krbrepl__fullkey_table(full) : 0;
    if (table == 0)
        return;
    key.data = (const uint8_t *)full.data + table + 1;
    key.len = full.len - table - 1;
    (void)krbrepl__record_digest(store->sha, full.data, table, key, value, p->value.data);
}

static void sign_state(place *p)
{
    static const char label[] = "krbrepl state 1";
    krbrepl_bytes piece[2] = {{label, sizeof label}, {p->value.data, 0}};
    uint8_t sum[32];

    if (p->value.len <= 16)
        return;
    piece[1].len = p->value.len - 16;
    MUST(krbrepl__sha_sum(store->sha, piece, 2, sum) == 0);
    memcpy(p->value.data + piece[1].len, sum, 16);
}

/* The commit gets the chain that it would have, and the state's position follows it. */
static void sign_journal(place *p)
{
    uint8_t before[32], chain[32];
    krbrepl_bytes commit;
    krbrepl__wtxn w;

    if (p->value.len <= 32)
        return;
    commit.data = p->value.data + 32;
    commit.len = p->value.len - 32;
    MUST(krbrepl__store_chain_at(store, LAST - 1, before) == 0);
    MUST(krbrepl__chain_next(store->sha, before, commit, chain) == 0);
    memcpy(p->value.data, chain, 32);
    MUST(krbrepl__wtxn_begin(store, &w) == 0);
    memcpy(w.st.pos.chain, chain, 32);
    MUST(krbrepl__wtxn_commit(store, &w) == 0);
}

static void sign(place *p)
{
    p->fixed = 1;
    if (p->what == WHAT_RECORD)
        sign_record(p);
    else if (p->what == WHAT_STATE)
        sign_state(p);
    else if (p->what == WHAT_JOURNAL)
        sign_journal(p);
}

/* Is this another value than the old one, with a checksum that does not fit? (A fuzzer that watches comparisons
 * finds checksums that do.) */
static int is_altered(place *p)
{
    uint8_t check[16], *at = p->value.data;
    int same;

    if (p->fixed || (p->was && p->old.len == p->value.len &&
                     (p->old.len == 0 || memcmp(p->old.data, p->value.data, p->old.len) == 0)))
        return 0;
    if ((p->what != WHAT_RECORD && p->what != WHAT_STATE) || p->value.len <= sizeof check)
        return 1;
    if (p->what == WHAT_STATE)
        at += p->value.len - sizeof check;
    memcpy(check, at, sizeof check);
    sign(p);
    p->fixed = 0;
    same = memcmp(check, at, sizeof check) == 0;
    memcpy(at, check, sizeof check);
    return !same;
}

/* ---- reading everything ---------------------------------------------------------------------- */

typedef struct seen {
    const place *p;
    uint64_t n;
} seen;

static int see_record(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes value)
{
    seen *s = ctx;

    MUST(strlen(table) >= 1 && strlen(table) <= KRBREPL_MAX_TABLE && key.len != 0);
    (void)value;
    s->n++;
    return 0;
}

static int see_commit(void *ctx, const krbrepl_commit *c)
{
    seen *s = ctx;

    MUST(c->pos.seq != 0);
    s->n++;
    return 0;
}

static int see_slot(void *ctx, const krbrepl__slot *slot)
{
    (void)ctx;
    MUST(memchr(slot->principal, 0, sizeof slot->principal) != NULL);
    return 0;
}

/* Any answer will do where the checksum was made right; else only the truth and CORRUPT. */
static void read_records(place *p, int altered)
{
    krbrepl_view *v = NULL;
    krbrepl_bytes value;
    seen s = {p, 0};
    uint8_t root[32];
    uint64_t n = 0;
    int rc = krbrepl__view_open(store, &v);

    if (rc != 0)
        return;
    rc = krbrepl__view_each(v, NULL, NULL, NULL, 0, see_record, &s);
    MUST(rc == 0 || rc == KRBREPL_ERR_CORRUPT);
    if (altered && p->what == WHAT_RECORD)
        MUST(rc == KRBREPL_ERR_CORRUPT);
    rc = krbrepl__view_digest(v, root, &n);
    MUST(rc == 0 || rc == KRBREPL_ERR_CORRUPT);
    rc = krbrepl__view_get(v, "principal", (krbrepl_bytes){"user1", 5}, &value);
    MUST(rc == 0 || rc == KRBREPL_ERR_CORRUPT || rc == KRBREPL_ERR_NOTFOUND);
    krbrepl__view_close(v);
}

static void read_history(place *p, int altered)
{
    krbrepl_store_info info;
    krbrepl__batch batch;
    seen s = {p, 0};
    krbrepl__buf out;
    uint8_t chain[32];
    int64_t us;
    int rc;

    krbrepl__buf_init(&out, 0);
    rc = krbrepl__store_info(store, &info);
    MUST(!altered || p->what != WHAT_STATE || rc == KRBREPL_ERR_CORRUPT);
    rc = krbrepl__journal_each(store, 0, 0, see_commit, &s);
    MUST(s.n <= COMMITS);
    MUST(!altered || p->what != WHAT_JOURNAL || rc == KRBREPL_ERR_CORRUPT);
    (void)krbrepl__store_read_commits(store, 1, 1u << 20, &out, &batch);
    (void)krbrepl__store_chain_at(store, LAST, chain);
    (void)krbrepl__store_time_at(store, LAST, &us);
    krbrepl__buf_free(&out);
}

static void read_for_peers(void)
{
    krbrepl__ancestry a = {NULL, 0};
    krbrepl__scan_at scanned;
    krbrepl__scan *scan = NULL;
    const uint8_t *rdigest;
    krbrepl_bytes ckey;
    uint64_t n;

    if (krbrepl__store_scan_open(store, &scan, &scanned) == 0)
        while (krbrepl__store_scan_next(scan, &ckey, &rdigest) == 1)
            MUST(ckey.len != 0 && ckey.len <= KRBREPL__CKEY_MAX);
    krbrepl__store_scan_close(scan);
    (void)krbrepl__store_ancestry(store, &a);
    krbrepl__ancestry_free(&a);
    (void)krbrepl__store_slots_each(store, see_slot, NULL);
    (void)krbrepl__store_slots_count(store, &n);
    (void)krbrepl__tables_open(store->env, 0, NULL);
}

/* A transaction that is given up: everything that a writer looks at first. */
static void begin_to_write(void)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    krbrepl_bytes value;

    KRBREPL_INIT(&opt);
    if (krbrepl__txn_begin(store, &t, &opt) != 0)
        return;
    (void)krbrepl__txn_get(t, "principal", (krbrepl_bytes){"user1", 5}, &value);
    if (krbrepl__txn_put(t, "principal", (krbrepl_bytes){"user1", 5}, (krbrepl_bytes){"x", 1}) == 0)
        (void)krbrepl__txn_delete(t, "principal", (krbrepl_bytes){"user2", 5});
    krbrepl__txn_abort(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    place p = {0}, state = {.what = WHAT_STATE};
    krbrepl__rd r;
    unsigned how;
    int altered;

    if (store == NULL)
        make_store();
    krbrepl__rd_init(&r, data, n);
    p.what = krbrepl__rd_u8(&r) % WHATS;
    how = krbrepl__rd_u8(&r);
    take_key(&p, &r);
    take_key(&state, &r);
    krbrepl__buf_bytes(&p.value, r.p, r.left);
    if (r.err == 0 && p.key.len != 0 && p.key.len < 512) {
        read_old(&p);
        read_old(&state);
        if ((how & 1) != 0)
            sign(&p);
        altered = is_altered(&p);
        write_raw(&p, &p.value);
        read_records(&p, altered);
        read_history(&p, altered);
        read_for_peers();
        begin_to_write();
        write_raw(&p, p.was ? &p.old : NULL);
        write_raw(&state, &state.old);
        MUST(krbrepl__tables_open(store->env, 0, NULL) == 0);
    }
    krbrepl__buf_free(&p.key);
    krbrepl__buf_free(&p.value);
    krbrepl__buf_free(&p.old);
    krbrepl__buf_free(&state.key);
    krbrepl__buf_free(&state.old);
    return 0;
}
