/* sqlite-host.c: records in a table of SQLite, and commits in a file of their own beside it, because a full copy holds
 * the first one for as long as it takes. The table `next` takes what a full copy brings in. */
#include "sqlite-host.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include <krbrepl/error.h>

#define COLUMNS "(tab TEXT, key BLOB, value BLOB, PRIMARY KEY (tab, key)) WITHOUT ROWID;"
#define PRAGMAS                                                                         \
    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" \
    "PRAGMA secure_delete = ON;"
static const char commits_schema[] =
    PRAGMAS "CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, bytes BLOB)";
static const char schema[] =
    PRAGMAS "CREATE TABLE IF NOT EXISTS record " COLUMNS "CREATE TABLE IF NOT EXISTS next " COLUMNS;

enum { GET, PUT, DEL, NEXT_PUT, NEXT_DEL, STATEMENTS };
enum { READ, ADD, CUT, COMMITS_STATEMENTS };
static const char *const sql[STATEMENTS] = {
    "SELECT value FROM record WHERE tab = ? AND key = ?",
    "INSERT OR REPLACE INTO record VALUES (?, ?, ?)", "DELETE FROM record WHERE tab = ? AND key = ?",
    "INSERT OR REPLACE INTO next VALUES (?, ?, ?)", "DELETE FROM next WHERE tab = ? AND key = ?"};

static const char *const commits_sql[COMMITS_STATEMENTS] = {
    "SELECT bytes FROM entry WHERE seq = ?", "INSERT INTO entry VALUES (?, ?)",
    "DELETE FROM entry WHERE seq < ? OR seq > ?"};

struct host {
    sqlite3 *db, *commits;
    sqlite3_stmt *q[STATEMENTS], *cq[COMMITS_STATEMENTS];
};

static int run(sqlite3 *db, const char *text)
{
    return sqlite3_exec(db, text, NULL, NULL, NULL);
}

/* What `reads` showed last was lent until now. While it shows it, it sees the database of then, and SQLite lets nobody
 * write who has not seen what others have written since. */
static int begin(sqlite3 *db, sqlite3_stmt *reads)
{
    sqlite3_reset(reads);
    return run(db, "BEGIN IMMEDIATE");
}

/* Ends a transaction that went well so far; any other is undone. */
static int end(sqlite3 *db, int rc)
{
    rc = rc == 0 ? run(db, "COMMIT") : rc;
    return rc == 0 ? 0 : (run(db, "ROLLBACK"), rc);
}

/* Does what gives no rows. */
static int step(sqlite3_stmt *q)
{
    const int rc = sqlite3_step(q);

    sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : rc;
}

/* An empty value is none for SQLite when its pointer is NULL. */
static int change(struct host *h, int put, int del, const krbrepl_change *c)
{
    sqlite3_stmt *q = h->q[c->op == KRBREPL_PUT ? put : del];

    sqlite3_bind_text(q, 1, c->table, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(q, 2, c->key.data, c->key.len, SQLITE_STATIC);
    if (c->op == KRBREPL_PUT)
        sqlite3_bind_blob64(q, 3, c->value.len ? c->value.data : "", c->value.len, SQLITE_STATIC);
    return step(q);
}

static int on_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    sqlite3_stmt *q = ((struct host *)ctx)->q[GET];
    int rc;

    sqlite3_reset(q);
    sqlite3_bind_text(q, 1, table, -1, SQLITE_TRANSIENT);
    sqlite3_bind_blob64(q, 2, key.data, key.len, SQLITE_TRANSIENT);
    rc = sqlite3_step(q);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? KRBREPL_ERR_NOTFOUND : rc;
    *value = (krbrepl_bytes){sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0)};
    return 0;
}

static int on_apply(void *ctx, const krbrepl_change *const *c, size_t n, const krbrepl_pos *to)
{
    struct host *h = ctx;
    int rc = begin(h->db, h->q[GET]);
    size_t i;

    (void)to; /* the store remembers it */
    for (i = 0; rc == 0 && i < n; i++)
        rc = change(h, PUT, DEL, c[i]);
    return end(h->db, rc);
}

static int on_import_begin(void *ctx)
{
    struct host *h = ctx;
    int rc = begin(h->db, h->q[GET]);

    return rc == 0 ? run(h->db, "DELETE FROM next") : rc;
}

static int on_import_change(void *ctx, const krbrepl_change *c)
{
    return change(ctx, NEXT_PUT, NEXT_DEL, c);
}

static int on_import_commit(void *ctx, const krbrepl_pos *to)
{
    sqlite3 *db = ((struct host *)ctx)->db;

    (void)to;
    return end(db,
               run(db, "DELETE FROM record; INSERT INTO record SELECT * FROM next; DELETE FROM next"));
}

static void on_import_abort(void *ctx)
{
    run(((struct host *)ctx)->db, "ROLLBACK");
}

const krbrepl_host_ops sqlite_host_ops = {.size = sizeof sqlite_host_ops,
                                          .get = on_get,
                                          .apply = on_apply,
                                          .import_begin = on_import_begin,
                                          .import_change = on_import_change,
                                          .import_commit = on_import_commit,
                                          .import_abort = on_import_abort};

/* ---- commits -------------------------------------------------------------------------------- */

/* Drops what is not from `from` to `to`. No seq is above what SQLite can count to. */
static int keep(struct host *h, uint64_t from, uint64_t to)
{
    sqlite3_bind_int64(h->cq[CUT], 1, (sqlite3_int64)from);
    sqlite3_bind_int64(h->cq[CUT], 2, from > to ? 0 : (sqlite3_int64)to);
    return step(h->cq[CUT]);
}

static int on_append(void *ctx, uint64_t first, const krbrepl_bytes *commit, size_t n)
{
    struct host *h = ctx;
    int rc = begin(h->commits, h->cq[READ]);
    size_t i;

    rc = rc == 0 ? keep(h, 0, first - 1) : rc;
    for (i = 0; rc == 0 && i < n; i++) {
        sqlite3_bind_int64(h->cq[ADD], 1, (sqlite3_int64)(first + i));
        sqlite3_bind_blob64(h->cq[ADD], 2, commit[i].data, commit[i].len, SQLITE_STATIC);
        rc = step(h->cq[ADD]);
    }
    return end(h->commits, rc);
}

static int on_read(void *ctx, uint64_t seq, krbrepl_bytes *commit)
{
    sqlite3_stmt *q = ((struct host *)ctx)->cq[READ];
    int rc;

    sqlite3_reset(q);
    sqlite3_bind_int64(q, 1, (sqlite3_int64)seq);
    rc = sqlite3_step(q);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? KRBREPL_ERR_NOTFOUND : rc;
    *commit = (krbrepl_bytes){sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0)};
    return 0;
}

static int on_cut(void *ctx, uint64_t from, uint64_t to)
{
    struct host *h = ctx;
    int rc = begin(h->commits, h->cq[READ]);

    return end(h->commits, rc == 0 ? keep(h, from, to) : rc);
}

const krbrepl_journal_ops sqlite_journal_ops = {sizeof sqlite_journal_ops, on_append, on_read, on_cut};

/* ---- opening -------------------------------------------------------------------------------- */

static int prepare(sqlite3 *db, const char *const *text, sqlite3_stmt **q, int n)
{
    int rc = 0;

    while (rc == 0 && n-- > 0)
        rc = sqlite3_prepare_v2(db, text[n], -1, &q[n], NULL);
    return rc;
}

static int open_one(sqlite3 **db, const char *file, const char *make)
{
    const int rc = sqlite3_open(file, db);

    return rc == 0 ? run(*db, make) : rc;
}

void *sqlite_host_open(const char *file)
{
    struct host *h = calloc(1, sizeof *h);
    char beside[1024];
    int rc = h == NULL || snprintf(beside, sizeof beside, "%s.commits", file) >= (int)sizeof beside;

    rc = rc == 0 ? open_one(&h->db, file, schema) : SQLITE_NOMEM;
    rc = rc == 0 ? open_one(&h->commits, beside, commits_schema) : rc;
    rc = rc == 0 ? prepare(h->db, sql, h->q, STATEMENTS) : rc;
    rc = rc == 0 ? prepare(h->commits, commits_sql, h->cq, COMMITS_STATEMENTS) : rc;
    return rc == 0 ? h : (sqlite_host_close(h), NULL);
}

void sqlite_host_close(void *host)
{
    struct host *h = host;
    int i;

    for (i = 0; h != NULL && i < STATEMENTS; i++)
        sqlite3_finalize(h->q[i]);
    for (i = 0; h != NULL && i < COMMITS_STATEMENTS; i++)
        sqlite3_finalize(h->cq[i]);
    if (h != NULL) {
        sqlite3_close(h->db);
        sqlite3_close(h->commits);
    }
    free(h);
}
