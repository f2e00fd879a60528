/* replace.c: a whole new content for a directory, which has no place for it beside the present one.
 *
 * What comes in is kept in a file without a name. When it is complete, every record of it that the directory has
 * otherwise is written, and then whatever else of the realm is there is deleted. A KDC finds old records and new
 * ones until the end. The store has noted before that the content is of no position meanwhile: who dies here is
 * copied again, and writes what is missing.
 *
 *   file := (deleted:u8 table:u8 key_length:u32 value_length:u32 key value) ... */
#include "ldap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"

#define HEAD 10u

static const krbrepl_bytes none = {NULL, 0};
static const char *const tables[] = {KRBREPL_MIT_TABLE_POLICY, KRBREPL_MIT_TABLE_PRINCIPAL};

static int table_of(const char *name)
{
    return strcmp(name, tables[1]) == 0;
}

/* ---- the file --------------------------------------------------------------------------------- */

int krbrepl__kdb5_replace_begin(void *ctx)
{
    krbrepl_kdb5 *db = ctx;

    krbrepl__kdb5_replace_abort(db);
    krb5_clear_error_message(db->live);
    db->spool = tmpfile();
    if (db->spool == NULL)
        return krbrepl__kdb5_failed(db, db->live, errno, "preparing a full copy", none);
    (void)fcntl(fileno(db->spool), F_SETFD, FD_CLOEXEC);
    /* Every byte of a key that passes through a buffer of the C library would stay in it. */
    (void)setvbuf(db->spool, NULL, _IONBF, 0);
    return 0;
}

static int is_known(const krbrepl_change *c)
{
    return strcmp(c->table, tables[0]) == 0 || strcmp(c->table, tables[1]) == 0;
}

int krbrepl__kdb5_replace_change(void *ctx, const krbrepl_change *c)
{
    krbrepl_kdb5 *db = ctx;
    const int gone = c->op != KRBREPL_PUT;
    const size_t n = gone ? 0 : c->value.len;
    krbrepl__buf b;
    krb5_error_code err = 0;

    krb5_clear_error_message(db->live);
    if (!is_known(c)) {
        err = krbrepl__kdb5_refuse(db->live, "an MIT database has no table %s", c->table);
        return krbrepl__kdb5_failed(db, db->live, err, "loading", c->key);
    }
    krbrepl__buf_init(&b, 0);
    krbrepl__buf_u8(&b, (unsigned)gone);
    krbrepl__buf_u8(&b, (unsigned)table_of(c->table));
    krbrepl__buf_u32(&b, (uint32_t)c->key.len);
    krbrepl__buf_u32(&b, (uint32_t)n);
    krbrepl__buf_bytes(&b, c->key.data, c->key.len);
    if (!gone)
        krbrepl__buf_bytes(&b, c->value.data, n);
    if (b.err != 0)
        err = ENOMEM;
    else if (fwrite(b.data, 1, b.len, db->spool) != b.len)
        err = errno != 0 ? errno : EIO;
    krbrepl__buf_free(&b);
    return krbrepl__kdb5_failed(db, db->live, err, "keeping a record of a full copy", none);
}

/* 1 with a change in `c`, whose bytes are in `b`; 0 at the end; or -1. */
static int next_change(FILE *f, krbrepl__buf *b, krbrepl_change *c)
{
    uint8_t head[HEAD], *room;
    size_t key, value, n = fread(head, 1, sizeof head, f);

    if (n == 0 && feof(f))
        return 0;
    if (n != sizeof head)
        return -1;
    key = krbrepl__get_u32(head + 2);
    value = krbrepl__get_u32(head + 6);
    krbrepl__buf_reset(b);
    room = krbrepl__buf_room(b, key + value);
    if (room == NULL || fread(room, 1, key + value, f) != key + value)
        return -1;
    KRBREPL_INIT(c);
    c->op = head[0] != 0 ? KRBREPL_DELETE : KRBREPL_PUT;
    c->table = tables[head[1] != 0];
    c->key = (krbrepl_bytes){room, key};
    c->value = (krbrepl_bytes){room + key, value};
    return 1;
}

/* ---- what is there ---------------------------------------------------------------------------- */

struct name {
    int table;
    int wanted;
    char *text;
};

struct names {
    krb5_context ctx;
    struct name *name;
    size_t n, room;
    krb5_error_code err;
};

static void names_free(struct names *s)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        krbrepl__strfree(s->name[i].text);
    krbrepl__free(s->name, s->room * sizeof *s->name);
}

static krb5_error_code name_add(struct names *s, int table, const char *text)
{
    size_t room = s->room != 0 ? 2 * s->room : 256;
    struct name *grown;

    if (s->n == s->room) {
        grown = krbrepl__grow(s->name, s->n * sizeof *grown, room * sizeof *grown);
        if (grown == NULL)
            return ENOMEM;
        s->name = grown;
        s->room = room;
    }
    s->name[s->n].table = table;
    s->name[s->n].wanted = 0;
    s->name[s->n].text = krbrepl__strdup(text);
    return s->name[s->n].text != NULL ? (s->n++, 0) : ENOMEM;
}

static krb5_error_code principal_seen(krb5_pointer arg, krb5_db_entry *e)
{
    struct names *s = arg;
    char *text = NULL;

    if (s->err == 0)
        s->err = krb5_unparse_name(s->ctx, e->princ, &text);
    if (s->err == 0)
        s->err = name_add(s, 1, text);
    krb5_free_unparsed_name(s->ctx, text);
    return s->err;
}

static void policy_seen(void *arg, osa_policy_ent_t p)
{
    struct names *s = arg;

    if (s->err == 0)
        s->err = name_add(s, 0, p->name);
}

static int compare_names(const void *a, const void *b)
{
    const struct name *x = a, *y = b;

    return x->table != y->table ? x->table - y->table : strcmp(x->text, y->text);
}

static krb5_error_code names_read(krb5_context ctx, struct names *s)
{
    krb5_error_code err;

    memset(s, 0, sizeof *s);
    s->ctx = ctx;
    err = krb5_db_iterate(ctx, NULL, principal_seen, s, 0);
    if (err == 0)
        err = krb5_db_iter_policy(ctx, NULL, policy_seen, s);
    if (err == 0)
        err = s->err;
    if (s->n > 1)
        qsort(s->name, s->n, sizeof *s->name, compare_names);
    return err;
}

static krb5_error_code name_mark(struct names *s, const krbrepl_change *c)
{
    struct name look = {table_of(c->table), 0, krbrepl__strndup(c->key.data, c->key.len)}, *found;

    if (look.text == NULL)
        return ENOMEM;
    found = s->n != 0 ? bsearch(&look, s->name, s->n, sizeof look, compare_names) : NULL;
    if (found != NULL)
        found->wanted = c->op == KRBREPL_PUT;
    krbrepl__strfree(look.text);
    return 0;
}

/* ---- taking over ------------------------------------------------------------------------------ */

static int is_there(krbrepl_kdb5 *db, const krbrepl_change *c)
{
    void *value = NULL;
    size_t len = 0;
    const int same = c->op == KRBREPL_PUT &&
                     krbrepl__kdb5_read(db, db->live, c->table, c->key, &value, &len, NULL) == 0 &&
                     len == c->value.len && memcmp(value, c->value.data, len) == 0;

    krbrepl_mit_free(value, len);
    return same;
}

static krb5_error_code write_all(krbrepl_kdb5 *db, struct names *s)
{
    krb5_error_code err = 0;
    krbrepl_change c;
    krbrepl__buf b;
    int more = 0;

    krbrepl__buf_init(&b, 0);
    if (fseek(db->spool, 0, SEEK_SET) != 0)
        err = krbrepl__kdb5_failed(db, db->live, errno, "reading a full copy again", none);
    while (err == 0 && (more = next_change(db->spool, &b, &c)) == 1) {
        err = name_mark(s, &c);
        if (err == 0 && !is_there(db, &c))
            err = krbrepl__kdb5_change(db, db->live, &c, 0);
        (void)krbrepl__kdb5_failed(db, db->live, err, "loading", c.key);
    }
    if (err == 0 && more < 0)
        err = krbrepl__kdb5_failed(db, db->live, EIO, "reading a full copy again", none);
    krbrepl__buf_free(&b);
    return err;
}

static krb5_error_code delete_rest(krbrepl_kdb5 *db, const struct names *s)
{
    krb5_error_code err = 0;
    krbrepl_change c;
    size_t i;

    for (i = 0; i < s->n && err == 0; i++) {
        if (s->name[i].wanted)
            continue;
        KRBREPL_INIT(&c);
        c.op = KRBREPL_DELETE;
        c.table = tables[s->name[i].table];
        c.key = krbrepl__kdb_text(s->name[i].text);
        err = krbrepl__kdb5_failed(db, db->live, krbrepl__kdb5_change(db, db->live, &c, 0), "deleting",
                                   c.key);
    }
    return err;
}

int krbrepl__kdb5_replace_commit(void *ctx, const krbrepl_pos *to)
{
    krbrepl_kdb5 *db = ctx;
    struct names s;
    krb5_error_code err = names_read(db->live, &s);

    (void)to; /* the store remembers it */
    (void)krbrepl__kdb5_failed(db, db->live, err, "reading what the directory has", none);
    if (err == 0)
        err = write_all(db, &s);
    if (err == 0)
        err = delete_rest(db, &s);
    names_free(&s);
    if (err == 0)
        krbrepl__kdb5_replace_abort(db);
    return err;
}

void krbrepl__kdb5_replace_abort(void *ctx)
{
    krbrepl_kdb5 *db = ctx;

    if (db->spool != NULL)
        (void)fclose(db->spool);
    db->spool = NULL;
}
