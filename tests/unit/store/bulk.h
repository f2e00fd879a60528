/* bulk.h: what the tests of loads, copies and backups share: stores in a temporary directory, filled from
 * a seeded generator. */
#ifndef BULK_H
#define BULK_H

#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "impl.h"

/* ---- directories ---------------------------------------------------------------------------- */

typedef struct tmpdir {
    char path[256];
} tmpdir;

static void tmpdir_make(tmpdir *t)
{
    const char *base = getenv("TMPDIR");

    snprintf(t->path, sizeof t->path, "%s/krbrepl-test-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(t->path));
}

static void tmpdir_remove(tmpdir *t)
{
    int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub;

    assert_true(fd >= 0);
    /* Stores lie one level down, and are cleared three levels deep. */
    sub = krbrepl__clear_dir(fd);
    close(fd);
    assert_int_equal(sub, 0);
    assert_int_equal(rmdir(t->path), 0);
}

static const char *tmpdir_path(const tmpdir *t, const char *name, char out[320])
{
    snprintf(out, 320, "%s/%s", t->path, name);
    return out;
}

/* ---- stores --------------------------------------------------------------------------------- */

static const uint8_t bulk_id[16] = {7, 7, 7, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

#define OK(call)                                                \
    do {                                                        \
        int ok_rc = (call);                                     \
        if (ok_rc != 0)                                         \
            fail_msg("%s: %s", #call, krbrepl_err_name(ok_rc)); \
    } while (0)

/* As OK, with the text on the handle. */
#define OKS(s, call)                                                              \
    do {                                                                          \
        int ok_rc = (call);                                                       \
        if (ok_rc != 0)                                                           \
            fail_msg("%s: %s: %s", #call, krbrepl_err_name(ok_rc), (s)->ei.text); \
    } while (0)

static inline krbrepl_store *store_open_at(const char *dir)
{
    krbrepl_store_options opt;
    krbrepl_store *s = NULL;
    krbrepl_errinfo ei;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    if (krbrepl__store_open(&s, dir, &opt, &ei) != 0)
        fail_msg("opening %s: %s", dir, ei.text);
    return s;
}

static inline krbrepl_store *store_make(const tmpdir *t, const char *name, uint64_t flags)
{
    krbrepl_create_options opt;
    krbrepl_errinfo ei;
    char dir[320];

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&ei);
    opt.flags = flags;
    opt.database_id = flags & KRBREPL_CREATE_MASTER ? bulk_id : NULL;
    tmpdir_path(t, name, dir);
    if (krbrepl__store_create(dir, &opt, &ei) != 0)
        fail_msg("creating %s: %s", dir, ei.text);
    return store_open_at(dir);
}

static inline krbrepl_pos store_pos(krbrepl_store *s)
{
    krbrepl__rtxn r = {0};
    krbrepl_pos pos;

    OKS(s, krbrepl__rtxn_begin(s, &r));
    pos = r.st.pos;
    krbrepl__rtxn_end(s, &r);
    return pos;
}

static inline struct krbrepl__state store_state(krbrepl_store *s)
{
    krbrepl__rtxn r = {0};
    struct krbrepl__state st;

    OKS(s, krbrepl__rtxn_begin(s, &r));
    st = r.st;
    krbrepl__rtxn_end(s, &r);
    return st;
}

typedef struct content {
    krbrepl_pos pos;
    uint8_t root[32];
    uint64_t records;
} content;

static inline content store_content(krbrepl_store *s)
{
    krbrepl_view *v = NULL;
    content c;

    OKS(s, krbrepl__view_open(s, &v));
    OKS(s, krbrepl__view_digest(v, c.root, &c.records));
    OKS(s, krbrepl__view_pos(v, &c.pos));
    krbrepl__view_close(v);
    return c;
}

static inline void assert_content(krbrepl_store *s, const content *expected)
{
    content c = store_content(s);

    assert_int_equal(c.records, expected->records);
    assert_memory_equal(c.root, expected->root, 32);
    assert_true(krbrepl__pos_equal(&c.pos, &expected->pos));
}

static inline void put_one(krbrepl_store *s, const char *key, const char *value, const char *why)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;

    KRBREPL_INIT(&opt);
    opt.who = "alice";
    opt.why = why;
    OKS(s, krbrepl__txn_begin(s, &t, &opt));
    OKS(s, krbrepl__txn_put(t, "principal", (krbrepl_bytes){key, strlen(key)},
                            (krbrepl_bytes){value, strlen(value)}));
    OKS(s, krbrepl__txn_commit(t, NULL));
}

/* 1: there, with exactly this value. */
static inline int has(krbrepl_view *v, const char *key, const char *value)
{
    krbrepl_bytes got;
    int rc = krbrepl__view_get(v, "principal", (krbrepl_bytes){key, strlen(key)}, &got);

    return rc == 0 && got.len == strlen(value) && memcmp(got.data, value, got.len) == 0;
}

/* ---- a generator ---------------------------------------------------------------------------- */

/* xorshift64*: the same numbers on every machine. */
static inline uint64_t rnd(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * UINT64_C(2685821657736338717);
}

static inline size_t make_key(char out[700], uint64_t n)
{
    size_t len = (size_t)snprintf(out, 700, "user%llu@EXAMPLE.ORG", (unsigned long long)n);

    /* Some are longer than a key of LMDB may be. */
    if (n % 97 == 0) {
        memset(out + len, 'x', 600 - len);
        len = 600;
    }
    return len;
}

/* One commit of a few random changes over `space` keys. */
static inline void random_commit(krbrepl_store *s, uint64_t *seed, unsigned space)
{
    krbrepl_txn_options opt;
    krbrepl_txn *t = NULL;
    char key[700], value[300];
    unsigned n = 1 + (unsigned)(rnd(seed) % 8);
    krbrepl_bytes k, v;
    int rc;

    KRBREPL_INIT(&opt);
    OKS(s, krbrepl__txn_begin(s, &t, &opt));
    while (n-- > 0) {
        k = (krbrepl_bytes){key, make_key(key, rnd(seed) % space)};
        memset(value, (int)(rnd(seed) & 0xff), sizeof value);
        v = (krbrepl_bytes){value, (size_t)(rnd(seed) % sizeof value)};
        rc = rnd(seed) % 3 != 0 ? krbrepl__txn_put(t, "principal", k, v)
                                : krbrepl__txn_delete(t, "principal", k);
        assert_true(rc == 0 || rc == KRBREPL_ERR_NOTFOUND);
    }
    OKS(s, krbrepl__txn_commit(t, NULL));
}

#endif
