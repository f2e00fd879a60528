/* kdb5spool.c: a file without a name that keeps the changes of an import, and lists of names.
 *
 *   file := (deleted:u8 table:u8 key_length:u32 value_length:u32 key value) ... */
#include "kdb5spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mem.h"

#define HEAD 10u
/* What a node waits for at a time. */
#define SLICE_NS 10000000

static const krbrepl_bytes none = {NULL, 0};
static const char *const tables[] = {KRBREPL_MIT_TABLE_POLICY, KRBREPL_MIT_TABLE_PRINCIPAL};

/* ---- names ------------------------------------------------------------------------------------- */

const char *krbrepl__kdb5_table_name(int table)
{
    return tables[table != 0];
}

int krbrepl__kdb5_table_of(const char *name)
{
    return strcmp(name, tables[1]) == 0;
}

static void names_free(krbrepl__kdb5_names *s)
{
    size_t i;

    for (i = 0; i < s->n; i++)
        krbrepl__strfree(s->name[i].text);
    krbrepl__free(s->name, s->room * sizeof *s->name);
}

krb5_error_code krbrepl__kdb5_names_add(krbrepl__kdb5_names *s, int table, krbrepl_bytes text,
                                        uint64_t at)
{
    const size_t room = s->room != 0 ? 2 * s->room : 256;
    krbrepl__kdb5_name *name;

    if (s->n == s->room) {
        name = krbrepl__grow(s->name, s->n * sizeof *name, room * sizeof *name);
        if (name == NULL)
            return ENOMEM;
        s->name = name;
        s->room = room;
    }
    name = &s->name[s->n];
    name->table = table;
    name->wanted = 0;
    name->at = at;
    name->text = krbrepl__strndup(text.data, text.len);
    return name->text != NULL ? (s->n++, 0) : ENOMEM;
}

static int compare(const void *a, const void *b)
{
    const krbrepl__kdb5_name *x = a, *y = b;
    const int c = x->table != y->table ? x->table - y->table : strcmp(x->text, y->text);

    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

void krbrepl__kdb5_names_sort(krbrepl__kdb5_names *s)
{
    if (s->n > 1)
        qsort(s->name, s->n, sizeof *s->name, compare);
}

krb5_error_code krbrepl__kdb5_names_find(const krbrepl__kdb5_names *s, const krbrepl_change *c,
                                         krbrepl__kdb5_name **found)
{
    const krbrepl__kdb5_name look = {krbrepl__kdb5_table_of(c->table), 0, UINT64_MAX,
                                     krbrepl__strndup(c->key.data, c->key.len)};
    size_t low = 0, high = s->n, middle;

    *found = NULL;
    if (look.text == NULL)
        return ENOMEM;
    while (low < high) {
        middle = low + (high - low) / 2;
        if (compare(&s->name[middle], &look) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && s->name[low - 1].table == look.table &&
        strcmp(s->name[low - 1].text, look.text) == 0)
        *found = &s->name[low - 1];
    krbrepl__strfree(look.text);
    return 0;
}

/* ---- the file ---------------------------------------------------------------------------------- */

int krbrepl__kdb5_spool_begin(void *ctx)
{
    krbrepl_kdb5 *db = ctx;
    krbrepl__kdb5_spool *s;

    db->ops.import_abort(db);
    krb5_clear_error_message(db->live);
    s = krbrepl__alloc(sizeof *s);
    if (s == NULL)
        return krbrepl__kdb5_failed(db, db->live, ENOMEM, "preparing a full copy", none);
    krbrepl__buf_init(&s->buf, 0);
    db->spool = s;
    s->file = tmpfile();
    if (s->file == NULL)
        return krbrepl__kdb5_failed(db, db->live, errno, "preparing a full copy", none);
    (void)fcntl(fileno(s->file), F_SETFD, FD_CLOEXEC);
    /* Every byte of a key that passes through a buffer of the C library would stay in it. */
    (void)setvbuf(s->file, NULL, _IONBF, 0);
    return 0;
}

krb5_error_code krbrepl__kdb5_spool_there(krbrepl_kdb5 *db)
{
    krb5_error_code err;

    if (db->spool != NULL)
        return 0;
    krb5_clear_error_message(db->live);
    err = krbrepl__kdb5_refuse(db->live, "the import was given up; begin it again");
    return krbrepl__kdb5_failed(db, db->live, err, "loading a full copy", none);
}

static int is_known(const krbrepl_change *c)
{
    return strcmp(c->table, tables[0]) == 0 || strcmp(c->table, tables[1]) == 0;
}

static krb5_error_code write_change(krbrepl__kdb5_spool *s, const krbrepl_change *c)
{
    const int gone = c->op != KRBREPL_PUT;
    const size_t n = gone ? 0 : c->value.len;
    krbrepl__buf *b = &s->buf;

    krbrepl__buf_reset(b);
    krbrepl__buf_u8(b, (unsigned)gone);
    krbrepl__buf_u8(b, (unsigned)krbrepl__kdb5_table_of(c->table));
    krbrepl__buf_u32(b, (uint32_t)c->key.len);
    krbrepl__buf_u32(b, (uint32_t)n);
    krbrepl__buf_bytes(b, c->key.data, c->key.len);
    if (!gone)
        krbrepl__buf_bytes(b, c->value.data, n);
    if (b->err != 0)
        return ENOMEM;
    errno = 0;
    if (fwrite(b->data, 1, b->len, s->file) != b->len)
        return errno != 0 ? errno : EIO;
    return 0;
}

int krbrepl__kdb5_spool_change(void *ctx, const krbrepl_change *c)
{
    krbrepl_kdb5 *db = ctx;
    krbrepl__kdb5_spool *s = db->spool;
    krb5_error_code err = krbrepl__kdb5_spool_there(db);

    if (err != 0)
        return err;
    krb5_clear_error_message(db->live);
    if (!is_known(c)) {
        err = krbrepl__kdb5_refuse(db->live, "an MIT database has no table %s", c->table);
        return krbrepl__kdb5_failed(db, db->live, err, "loading", c->key);
    }
    err = write_change(s, c);
    if (err == 0 && db->is_lmdb && c->op != KRBREPL_PUT)
        err = krbrepl__kdb5_names_add(&s->names, krbrepl__kdb5_table_of(c->table), c->key, s->changes);
    s->changes += err == 0;
    return krbrepl__kdb5_failed(db, db->live, err, "keeping a record of a full copy", none);
}

krb5_error_code krbrepl__kdb5_spool_rewind(krbrepl_kdb5 *db)
{
    db->spool->at = 0;
    if (fseek(db->spool->file, 0, SEEK_SET) == 0)
        return 0;
    return krbrepl__kdb5_failed(db, db->live, errno, "reading a full copy again", none);
}

static int read_change(krbrepl__kdb5_spool *s, krbrepl_change *c)
{
    uint8_t head[HEAD], *room;
    size_t key, value;

    if (fread(head, 1, sizeof head, s->file) != sizeof head)
        return 0;
    key = krbrepl__get_u32(head + 2);
    value = krbrepl__get_u32(head + 6);
    krbrepl__buf_reset(&s->buf);
    room = krbrepl__buf_room(&s->buf, key + value);
    if (room == NULL || fread(room, 1, key + value, s->file) != key + value)
        return 0;
    KRBREPL_INIT(c);
    c->op = head[0] != 0 ? KRBREPL_DELETE : KRBREPL_PUT;
    c->table = tables[head[1] != 0];
    c->key = (krbrepl_bytes){room, key};
    c->value = (krbrepl_bytes){room + key, value};
    return 1;
}

krb5_error_code krbrepl__kdb5_spool_next(krbrepl_kdb5 *db, krbrepl_change *c, int *end)
{
    krbrepl__kdb5_spool *s = db->spool;

    *end = s->at == s->changes;
    if (*end)
        return 0;
    if (!read_change(s, c))
        return krbrepl__kdb5_failed(db, db->live, EIO, "reading a full copy again", none);
    s->at++;
    return 0;
}

void krbrepl__kdb5_spool_free(krbrepl_kdb5 *db)
{
    krbrepl__kdb5_spool *s = db->spool;

    db->spool = NULL;
    if (s == NULL)
        return;
    if (s->file != NULL)
        (void)fclose(s->file);
    krbrepl__buf_free(&s->buf);
    names_free(&s->names);
    names_free(&s->late);
    krbrepl__free(s, sizeof *s);
}

/* ---- taking over ------------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

krb5_error_code krbrepl__kdb5_spool_some(krbrepl_kdb5 *db,
                                         krb5_error_code (*one)(krbrepl_kdb5 *, int *))
{
    const int64_t end = now_ns() + SLICE_NS;
    krb5_error_code err = 0;
    int over = 0;

    do
        err = one(db, &over);
    while (err == 0 && !over && now_ns() < end);
    db->spool->stage += err == 0 && over;
    return err;
}

krb5_error_code krbrepl__kdb5_spool_all(void *ctx, int (*step)(void *, int *))
{
    krb5_error_code err;
    int more = 1;

    do
        err = step(ctx, &more);
    while (err == 0 && more);
    return err;
}
