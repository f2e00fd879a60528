/* sqlite-host.c: records in a table of SQLite. The table `next` takes what a full copy brings in. */
#include "sqlite-host.h"

#include <sqlite3.h>
#include <stdlib.h>

#include <krbrepl/error.h>

#define COLUMNS "(tab TEXT, key BLOB, value BLOB, PRIMARY KEY (tab, key)) WITHOUT ROWID;"
static const char schema[] =
    "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "PRAGMA secure_delete = ON; CREATE TABLE IF NOT EXISTS record " COLUMNS
    "CREATE TABLE IF NOT EXISTS next " COLUMNS;

enum { GET, PUT, DEL, NEXT_PUT, NEXT_DEL, STATEMENTS };
static const char *const sql[STATEMENTS] = {
    "SELECT value FROM record WHERE tab = ? AND key = ?",
    "INSERT OR REPLACE INTO record VALUES (?, ?, ?)", "DELETE FROM record WHERE tab = ? AND key = ?",
    "INSERT OR REPLACE INTO next VALUES (?, ?, ?)", "DELETE FROM next WHERE tab = ? AND key = ?"};

struct host {
    sqlite3 *db;
    sqlite3_stmt *q[STATEMENTS];
};

static int run(struct host *h, const char *text)
{
    return sqlite3_exec(h->db, text, NULL, NULL, NULL);
}

/* Ends a transaction that went well so far; any other is undone. */
static int end(struct host *h, int rc)
{
    rc = rc == 0 ? run(h, "COMMIT") : rc;
    return rc == 0 ? 0 : (run(h, "ROLLBACK"), rc);
}

/* An empty value is none for SQLite when its pointer is NULL. */
static int change(struct host *h, int put, int del, const krbrepl_change *c)
{
    sqlite3_stmt *q = h->q[c->op == KRBREPL_PUT ? put : del];
    int rc;

    sqlite3_bind_text(q, 1, c->table, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(q, 2, c->key.data, c->key.len, SQLITE_STATIC);
    if (c->op == KRBREPL_PUT)
        sqlite3_bind_blob64(q, 3, c->value.len ? c->value.data : "", c->value.len, SQLITE_STATIC);
    rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : rc;
}

static int on_get(void *ctx, const char *table, krbrepl_bytes key, krbrepl_bytes *value)
{
    sqlite3_stmt *q = ((struct host *)ctx)->q[GET];
    int rc;

    sqlite3_reset(q); /* what it showed last was lent until now */
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
    int rc = run(ctx, "BEGIN IMMEDIATE");
    size_t i;

    (void)to; /* the store remembers it */
    for (i = 0; rc == 0 && i < n; i++)
        rc = change(ctx, PUT, DEL, c[i]);
    return end(ctx, rc);
}

static int on_import_begin(void *ctx)
{
    return run(ctx, "BEGIN IMMEDIATE; DELETE FROM next");
}

static int on_import_change(void *ctx, const krbrepl_change *c)
{
    return change(ctx, NEXT_PUT, NEXT_DEL, c);
}

static int on_import_commit(void *ctx, const krbrepl_pos *to)
{
    (void)to;
    return end(ctx,
               run(ctx, "DELETE FROM record; INSERT INTO record SELECT * FROM next; DELETE FROM next"));
}

static void on_import_abort(void *ctx)
{
    run(ctx, "ROLLBACK");
}

const krbrepl_host_ops sqlite_host_ops = {sizeof sqlite_host_ops, on_get,           on_apply,
                                          on_import_begin,        on_import_change, on_import_commit,
                                          on_import_abort};

void *sqlite_host_open(const char *file)
{
    struct host *h = calloc(1, sizeof *h);
    int i, rc = h == NULL ? SQLITE_NOMEM : sqlite3_open(file, &h->db);

    rc = rc == 0 ? run(h, schema) : rc;
    for (i = 0; rc == 0 && i < STATEMENTS; i++)
        rc = sqlite3_prepare_v2(h->db, sql[i], -1, &h->q[i], NULL);
    return rc == 0 ? h : (sqlite_host_close(h), NULL);
}

void sqlite_host_close(void *host)
{
    struct host *h = host;
    int i;

    for (i = 0; h != NULL && i < STATEMENTS; i++)
        sqlite3_finalize(h->q[i]);
    if (h != NULL)
        sqlite3_close(h->db);
    free(h);
}
