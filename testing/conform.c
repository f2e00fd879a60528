/* conform.c: the promises of a store, tested through the library on top of it.
 *
 * Each promise gets a master and a replica of its own. What the kit compares with is a model: a list of the
 * records that should be there. */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <krbrepl/krbrepl.h>
#include "kit.h"
#include "mem.h"
#include "store.h"

#define LARGE (1u << 20)

/* ---- saying --------------------------------------------------------------------------------- */

static int wrong(struct kit *k, const char *fmt, ...)
{
    va_list ap;

    if (k->why[0] == '\0') {
        va_start(ap, fmt);
        vsnprintf(k->why, sizeof k->why, fmt, ap);
        va_end(ap);
    }
    return 0;
}

static int failed(struct kit *k, int which, int rc, const char *what)
{
    krbrepl_errinfo ei;

    KRBREPL_INIT(&ei);
    if (k->at[which].store != NULL)
        krbrepl_store_errinfo(k->at[which].store, &ei);
    return wrong(k, "%s answers %s (%s)", what, krbrepl_err_name(rc), ei.text);
}

static krbrepl_bytes text(const char *s)
{
    return (krbrepl_bytes){s, strlen(s)};
}

static krbrepl_bytes keep(krbrepl__buf *b, krbrepl_bytes from)
{
    krbrepl__buf_reset(b);
    krbrepl__buf_bytes(b, from.data, from.len);
    return (krbrepl_bytes){b->data, b->len};
}

/* The record as the database under test takes it, until the next call. 1, or 0 when there is none. */
static int shape(struct kit *k, const char *table, krbrepl_bytes *key, krbrepl_bytes *value)
{
    if (k->under->record == NULL)
        return 1;
    if (k->under->record(k->under->ctx, table, key, value) != 0)
        return wrong(k, "the kit's record could not be made into one of this database");
    *key = keep(&k->key, *key);
    if (value != NULL)
        *value = keep(&k->value, *value);
    return k->key.err == 0 && k->value.err == 0 ? 1 : wrong(k, "out of memory");
}

/* ---- stores --------------------------------------------------------------------------------- */

/* Something of the host's is under test. */
static int theirs(const struct kit *k)
{
    return k->under->host != NULL || k->under->journal != NULL;
}

static int side_open(struct kit *k, int which)
{
    struct side *s = &k->at[which];
    krbrepl_store_options o;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.flags = KRBREPL_STORE_NOSYNC; /* nothing here outlives the machine */
    o.host = k->under->host;
    o.journal = k->under->journal;
    o.host_ctx = o.journal_ctx = s->host_ctx;
    rc = krbrepl_store_open(&s->store, s->dir, &o, &ei);
    return rc == 0 ? 1 : wrong(k, "opening answers %s (%s)", krbrepl_err_name(rc), ei.text);
}

static int side_make(struct kit *k, int which, const char *promise)
{
    struct side *s = &k->at[which];
    krbrepl_create_options o;
    krbrepl_errinfo ei;
    int rc;

    KRBREPL_INIT(&o);
    KRBREPL_INIT(&ei);
    o.flags = (which == 0 ? KRBREPL_CREATE_MASTER : 0) |
              (k->under->host != NULL ? KRBREPL_CREATE_HOSTED : 0) |
              (k->under->journal != NULL ? KRBREPL_CREATE_JOURNALED : 0);
    snprintf(s->dir, sizeof s->dir, "%s/%.100s.%d", k->under->dir, promise, which);
    if (theirs(k)) {
        s->host_ctx = k->under->fresh(k->under->ctx, which);
        if (s->host_ctx == NULL)
            return wrong(k, "a new database could not be made");
    }
    rc = krbrepl_store_create(s->dir, &o, &ei);
    if (rc != 0)
        return wrong(k, "making a store answers %s (%s)", krbrepl_err_name(rc), ei.text);
    return side_open(k, which);
}

static int side_reopen(struct kit *k, int which)
{
    struct side *s = &k->at[which];

    krbrepl_store_close(s->store);
    s->store = NULL;
    if (k->under->again != NULL && theirs(k))
        s->host_ctx = k->under->again(k->under->ctx, which, s->host_ctx);
    return side_open(k, which);
}

/* Removes a store's directory, and local/ and evidence/ in it. */
static void dir_remove(const char *dir)
{
    char sub[800];
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(sub, sizeof sub, "%s/%.255s", dir, e->d_name);
        if (unlink(sub) != 0)
            dir_remove(sub);
    }
    if (d != NULL)
        closedir(d);
    (void)rmdir(dir);
}

static void side_end(struct kit *k, int which)
{
    struct side *s = &k->at[which];

    krbrepl_store_close(s->store);
    if (s->host_ctx != NULL && k->under->gone != NULL)
        k->under->gone(k->under->ctx, which, s->host_ctx);
    if (s->dir[0] != '\0')
        dir_remove(s->dir);
    memset(s, 0, sizeof *s);
}

/* ---- doing ---------------------------------------------------------------------------------- */

/* One change within a commit; `value` NULL deletes. */
static int change(struct kit *k, krbrepl_txn *t, const char *table, krbrepl_bytes key,
                  const krbrepl_bytes *value)
{
    krbrepl_bytes v = value != NULL ? *value : (krbrepl_bytes){NULL, 0};

    if (!shape(k, table, &key, value != NULL ? &v : NULL))
        return KRBREPL_ERR_STATE;
    return value != NULL ? krbrepl_txn_put(t, table, key, v) : krbrepl_txn_delete(t, table, key);
}

/* One commit of the master with one change. */
static int commit(struct kit *k, const char *table, krbrepl_bytes key, const krbrepl_bytes *value)
{
    krbrepl_txn *t = NULL;
    int rc = krbrepl_txn_begin(k->at[0].store, &t, NULL);

    if (rc == 0)
        rc = change(k, t, table, key, value);
    if (rc == 0)
        rc = krbrepl_txn_commit(t, NULL);
    else
        krbrepl_txn_abort(t);
    return rc == 0 ? 1 : failed(k, 0, rc, "a commit");
}

static int put(struct kit *k, const char *key, const char *value)
{
    const krbrepl_bytes v = text(value);

    return commit(k, "principal", text(key), &v);
}

static int put_many(struct kit *k, int from, int to)
{
    char key[32];
    int i, ok = 1;

    for (i = from; ok && i < to; i++) {
        snprintf(key, sizeof key, "user%d@EXAMPLE.ORG", i);
        ok = put(k, key, key);
    }
    return ok;
}

/* What a reader got is what it should be; `value` NULL: nothing. `rc` and `got` are its answer. */
static void compare(struct kit *k, int which, int rc, const krbrepl_bytes *got,
                    const krbrepl_bytes *value)
{
    if (rc == 0 && value != NULL &&
        (got->len != value->len || (got->len != 0 && memcmp(got->data, value->data, got->len) != 0)))
        wrong(k, "a record of %zu bytes comes back as one of %zu, or with others", value->len,
              got->len);
    else if (rc == 0 && value == NULL)
        wrong(k, "a record that was deleted is there");
    else if (rc == KRBREPL_ERR_NOTFOUND && value != NULL)
        wrong(k, "a record that was put is not there");
    else if (rc != 0 && rc != KRBREPL_ERR_NOTFOUND)
        failed(k, which, rc, "reading a record");
}

/* Asked of the store, and of the host's database behind its back. */
static int expect(struct kit *k, int which, const char *table, krbrepl_bytes key,
                  const krbrepl_bytes *value)
{
    const struct side *s = &k->at[which];
    const krbrepl_host_ops *h = k->under->host;
    krbrepl_bytes got = {NULL, 0}, shaped = value != NULL ? *value : got;
    krbrepl_view *v = NULL;
    int rc;

    if (!shape(k, table, &key, value != NULL ? &shaped : NULL))
        return 0;
    if (value != NULL)
        value = &shaped;
    rc = krbrepl_view_open(s->store, &v);
    if (rc == 0)
        rc = krbrepl_view_get(v, table, key, &got);
    compare(k, which, rc, &got, value);
    krbrepl_view_close(v);
    if (h != NULL && k->why[0] == '\0') {
        rc = h->get(s->host_ctx, table, key, &got);
        compare(k, which, rc, &got, value);
    }
    return k->why[0] == '\0';
}

static int expect_text(struct kit *k, int which, const char *key, const char *value)
{
    const krbrepl_bytes v = text(value != NULL ? value : "");

    return expect(k, which, "principal", text(key), value != NULL ? &v : NULL);
}

/* Every record of the one is in the other, by the digest of both contents. */
static int expect_equal(struct kit *k)
{
    uint8_t root[2][32];
    uint64_t n[2];
    int i, rc = 0;

    for (i = 0; i < 2; i++) {
        krbrepl_view *v = NULL;

        rc = krbrepl_view_open(k->at[i].store, &v);
        if (rc == 0)
            rc = krbrepl_view_digest(v, root[i], &n[i]);
        krbrepl_view_close(v);
        if (rc != 0)
            return failed(k, i, rc, "reading all records");
    }
    if (n[0] != n[1] || memcmp(root[0], root[1], 32) != 0)
        return wrong(k, "the replica's content is not the master's: %llu records, and %llu",
                     (unsigned long long)n[1], (unsigned long long)n[0]);
    return 1;
}

/* Has the replica apply what it does not have, `group` commits at a time. */
static int follow(struct kit *k, size_t group)
{
    krbrepl_store *m = k->at[0].store, *r = k->at[1].store;
    krbrepl_bytes enc[64];
    krbrepl_store_info i;
    krbrepl__batch info;
    krbrepl__buf b;
    krbrepl__rd rd;
    size_t n;
    int rc;

    KRBREPL_INIT(&i);
    krbrepl_store_info_get(r, &i);
    krbrepl__buf_init(&b, 0);
    rc = krbrepl__store_read_commits(m, i.pos.seq + 1, SIZE_MAX, &b, &info);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rc == 0 && rd.left != 0) {
        for (n = 0; n < group && n < 64 && rd.left != 0; n++)
            enc[n] = krbrepl__rd_vec32(&rd);
        rc = krbrepl__store_apply(r, enc, n, NULL);
    }
    krbrepl__buf_free(&b);
    return rc == 0 ? 1 : failed(k, 1, rc, "applying commits");
}

static int adopt(struct kit *k)
{
    krbrepl_store_info i;
    int rc;

    KRBREPL_INIT(&i);
    krbrepl_store_info_get(k->at[0].store, &i);
    rc = krbrepl__store_adopt(k->at[1].store, i.database_id);
    return rc == 0 ? 1 : failed(k, 1, rc, "adopting the database");
}

/* Copies all records to the replica; `finish` 0 gives it up before its end. */
static int copy(struct kit *k, int finish)
{
    static const krbrepl__ancestry none;
    krbrepl_store *m = k->at[0].store, *r = k->at[1].store;
    krbrepl__ckey after = {0};
    krbrepl__copy *c = NULL;
    krbrepl_store_info i;
    krbrepl_pos at;
    krbrepl__buf b;
    krbrepl__rd rd;
    int end = 0, rc;

    KRBREPL_INIT(&i);
    krbrepl_store_info_get(m, &i);
    krbrepl__buf_init(&b, 0);
    rc = krbrepl__store_copy_slice(m, &after, SIZE_MAX, &b, &end, &at);
    if (rc == 0)
        rc = krbrepl__copy_begin(r, &c, &i.pos, &none, i.cumulative, 0, 0);
    krbrepl__rd_init(&rd, b.data, b.len);
    while (rc == 0 && rd.left != 0) {
        krbrepl_bytes full = krbrepl__rd_vec32(&rd), v = krbrepl__rd_vec32(&rd);

        rc = krbrepl__copy_put(c, full, v);
    }
    if (rc == 0 && finish)
        while ((rc = krbrepl__copy_switch(c, NULL)) == 1)
            continue;
    else
        krbrepl__copy_abort(c);
    krbrepl__buf_free(&b);
    return rc == 0 ? 1 : failed(k, 1, rc, "a full copy");
}

/* ---- the promises --------------------------------------------------------------------------- */

static void what_is_put_comes_back(struct kit *k)
{
    uint8_t all[256];
    krbrepl_bytes v = {all, sizeof all}, empty = {all, 0}, zeros = {all, 1};
    size_t i;

    for (i = 0; i < sizeof all; i++)
        all[i] = (uint8_t)i;
    if (commit(k, "principal", v, &v) && commit(k, "principal", zeros, &zeros) &&
        commit(k, "principal", text("empty"), &empty) && expect(k, 0, "principal", v, &v) &&
        expect(k, 0, "principal", zeros, &zeros))
        expect(k, 0, "principal", text("empty"), &empty);
}

static void long_keys_and_large_values_come_back(struct kit *k)
{
    uint8_t *p = krbrepl__alloc(LARGE);
    krbrepl_bytes key = {p, 2000}, other = {p, 1999}, value = {p, LARGE};
    size_t i;

    if (p == NULL) {
        wrong(k, "out of memory");
        return;
    }
    for (i = 0; i < LARGE; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 13);
    if (commit(k, "principal", key, &value) && commit(k, "principal", other, &key) &&
        expect(k, 0, "principal", key, &value))
        expect(k, 0, "principal", other, &key);
    krbrepl__free(p, LARGE);
}

static void what_is_deleted_is_gone(struct kit *k)
{
    if (put(k, "a", "1") && put(k, "b", "2") && commit(k, "principal", text("a"), NULL) &&
        expect_text(k, 0, "a", NULL))
        expect_text(k, 0, "b", "2");
}

static void tables_are_apart(struct kit *k)
{
    const krbrepl_bytes one = text("1"), two = text("2");

    if (commit(k, "principal", text("x"), &one) && commit(k, "policy", text("x"), &two) &&
        expect(k, 0, "principal", text("x"), &one) && expect(k, 0, "policy", text("x"), &two) &&
        commit(k, "policy", text("x"), NULL))
        expect(k, 0, "principal", text("x"), &one);
}

static void changes_are_made_in_their_order(struct kit *k)
{
    const krbrepl_bytes one = text("1"), two = text("2");
    krbrepl_txn *t = NULL;
    int rc = put(k, "a", "0") ? krbrepl_txn_begin(k->at[0].store, &t, NULL) : KRBREPL_ERR_STATE;

    if (rc == 0)
        rc = change(k, t, "principal", text("a"), &one);
    if (rc == 0)
        rc = change(k, t, "principal", text("a"), NULL);
    if (rc == 0)
        rc = change(k, t, "principal", text("b"), &one);
    if (rc == 0)
        rc = change(k, t, "principal", text("b"), &two);
    if (rc == 0)
        rc = krbrepl_txn_commit(t, NULL);
    else
        krbrepl_txn_abort(t);
    if (rc != 0)
        failed(k, 0, rc, "a commit");
    else if (expect_text(k, 0, "a", NULL))
        expect_text(k, 0, "b", "2");
}

static void what_is_aborted_never_was(struct kit *k)
{
    const krbrepl_bytes two = text("2");
    krbrepl_txn *t = NULL;
    int rc;

    if (!put(k, "a", "1"))
        return;
    rc = krbrepl_txn_begin(k->at[0].store, &t, NULL);
    if (rc == 0)
        rc = change(k, t, "principal", text("a"), &two);
    krbrepl_txn_abort(t);
    if (rc != 0)
        failed(k, 0, rc, "a change");
    else
        expect_text(k, 0, "a", "1");
}

static void what_was_committed_is_there_after_a_restart(struct kit *k)
{
    if (put_many(k, 0, 20) && side_reopen(k, 0) &&
        expect_text(k, 0, "user19@EXAMPLE.ORG", "user19@EXAMPLE.ORG") && put(k, "more", "1"))
        expect_text(k, 0, "more", "1");
}

static void a_replica_has_what_its_master_has(struct kit *k)
{
    if (adopt(k) && put_many(k, 0, 30) && commit(k, "principal", text("user7@EXAMPLE.ORG"), NULL) &&
        put(k, "user8@EXAMPLE.ORG", "changed") && follow(k, 7) && side_reopen(k, 1) &&
        expect_text(k, 1, "user8@EXAMPLE.ORG", "changed") &&
        expect_text(k, 1, "user7@EXAMPLE.ORG", NULL))
        expect_equal(k);
}

static void a_full_copy_replaces_everything(struct kit *k)
{
    if (adopt(k) && put_many(k, 0, 20) && follow(k, 64) && put_many(k, 15, 30) &&
        commit(k, "principal", text("user3@EXAMPLE.ORG"), NULL) && copy(k, 1) &&
        expect_text(k, 1, "user3@EXAMPLE.ORG", NULL) && expect_equal(k) && put(k, "after", "1") &&
        follow(k, 1))
        expect_equal(k);
}

/* A host without import says with this that it shows what it is given at once. */
static void a_copy_that_is_given_up_changes_nothing(struct kit *k)
{
    const krbrepl_host_ops *h = k->under->host;

    if (!adopt(k) || !put(k, "old", "1") || !follow(k, 64) || !put(k, "new", "1"))
        return;
    if ((h == NULL || h->import_begin != NULL) && copy(k, 0) && expect_text(k, 1, "new", NULL))
        expect_text(k, 1, "old", "1");
    if (k->why[0] == '\0' && copy(k, 1))
        expect_equal(k);
}

/* The rest is about the callbacks alone. */
static int apply(struct kit *k, const krbrepl_change *const *c, size_t n)
{
    const int rc = k->under->host->apply(k->at[0].host_ctx, c, n, NULL);

    return rc == 0 ? 1 : wrong(k, "apply answers %d", rc);
}

static void put_twice(struct kit *k, krbrepl_bytes key, krbrepl_bytes value)
{
    krbrepl_bytes got = {NULL, 0};
    krbrepl_change a;
    const krbrepl_change *one[1] = {&a};

    KRBREPL_INIT(&a);
    a.table = "principal";
    a.key = key;
    a.value = value;
    a.op = KRBREPL_PUT;
    if (!shape(k, a.table, &a.key, &a.value) || !apply(k, one, 1) || !apply(k, one, 1))
        return;
    if (k->under->host->get(k->at[0].host_ctx, a.table, a.key, &got) != 0 || got.len != a.value.len)
        wrong(k, "a record that was put twice is not there once");
}

static void delete_twice(struct kit *k, krbrepl_bytes key)
{
    krbrepl_bytes got = {NULL, 0};
    krbrepl_change a;
    const krbrepl_change *one[1] = {&a};

    KRBREPL_INIT(&a);
    a.table = "principal";
    a.key = key;
    a.op = KRBREPL_DELETE;
    if (!shape(k, a.table, &a.key, NULL) || !apply(k, one, 1) || !apply(k, one, 1))
        return;
    if (k->under->host->get(k->at[0].host_ctx, a.table, a.key, &got) != KRBREPL_ERR_NOTFOUND)
        wrong(k, "get of what is not there does not answer KRBREPL_ERR_NOTFOUND");
}

static void applying_twice_is_harmless(struct kit *k)
{
    if (k->under->host == NULL)
        return;
    put_twice(k, text("a"), text("1"));
    delete_twice(k, text("never there"));
    delete_twice(k, text("a"));
}

/* ---- the kit -------------------------------------------------------------------------------- */

int krbrepl__kit_wrong(struct kit *k, const char *why, int code)
{
    return code != 0 ? wrong(k, "%s: %d", why, code) : wrong(k, "%s", why);
}

int krbrepl__kit_put(struct kit *k, int from, int to)
{
    return put_many(k, from, to);
}

int krbrepl__kit_reopen(struct kit *k, int which)
{
    return side_reopen(k, which);
}

#define PROMISE(f) \
    {              \
#f, f      \
    }
static const struct {
    const char *name;
    void (*test)(struct kit *k);
} promises[] = {{"the_journal_has_every_commit", krbrepl__kit_journal_has_every_commit},
                {"the_journal_has_every_commit_after_a_restart", krbrepl__kit_journal_after_a_restart},
                {"a_commit_that_came_to_nothing_gives_way", krbrepl__kit_journal_gives_way},
                {"what_is_cut_from_the_journal_is_gone", krbrepl__kit_journal_is_cut},
                PROMISE(what_is_put_comes_back),
                PROMISE(long_keys_and_large_values_come_back),
                PROMISE(what_is_deleted_is_gone),
                PROMISE(tables_are_apart),
                PROMISE(changes_are_made_in_their_order),
                PROMISE(what_is_aborted_never_was),
                PROMISE(what_was_committed_is_there_after_a_restart),
                PROMISE(a_replica_has_what_its_master_has),
                PROMISE(a_full_copy_replaces_everything),
                PROMISE(a_copy_that_is_given_up_changes_nothing),
                PROMISE(applying_twice_is_harmless)};

int krbrepl_testing_conform(const krbrepl_testing_store *store, krbrepl_testing_report_fn *report,
                            void *report_ctx)
{
    int broken = 0;
    size_t i;

    for (i = 0; i < sizeof promises / sizeof promises[0]; i++) {
        struct kit k = {.under = store};

        krbrepl__buf_init(&k.key, 0);
        krbrepl__buf_init(&k.value, 0);
        if (side_make(&k, 0, promises[i].name) && side_make(&k, 1, promises[i].name))
            promises[i].test(&k);
        side_end(&k, 0);
        side_end(&k, 1);
        krbrepl__buf_free(&k.key);
        krbrepl__buf_free(&k.value);
        broken += k.why[0] != '\0';
        if (report != NULL)
            report(report_ctx, promises[i].name, k.why[0] == '\0', k.why);
    }
    return broken;
}
