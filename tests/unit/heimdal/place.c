#include "place.h"

#include <unistd.h>

#include "entry.h"
#include "tree.h"

int place_setup(void **state)
{
    place *p = calloc(1, sizeof *p);
    krbrepl_create_options opt;

    assert_non_null(p);
    strcpy(p->dir, "/tmp/krbrepl-heimdal.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->store, sizeof p->store, "%s/store", p->dir);
    snprintf(p->file, sizeof p->file, "%s/file", p->dir);
    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&p->ei);
    opt.flags = KRBREPL_CREATE_MASTER;
    assert_int_equal(krbrepl_store_create(p->store, &opt, &p->ei), 0);
    assert_int_equal(krbrepl_store_open(&p->s, p->store, NULL, &p->ei), 0);
    *state = p;
    return 0;
}

int place_teardown(void **state)
{
    place *p = *state;

    krbrepl_store_close(p->s);
    tree_remove(p->dir);
    free(p);
    return 0;
}

static void note(void *ctx, const char *text)
{
    place *p = ctx;

    snprintf(p->note, sizeof p->note, "%s", text);
}

int place_load(place *p, const char *file, uint64_t flags)
{
    krbrepl_heimdal_load_options opt;

    KRBREPL_INIT(&opt);
    KRBREPL_INIT(&p->res);
    KRBREPL_INIT(&p->ei);
    opt.flags = flags;
    opt.note = note;
    opt.ctx = p;
    p->note[0] = '\0';
    return krbrepl_heimdal_load(p->s, file, &opt, &p->res, &p->ei);
}

void place_dump(place *p, uint64_t format)
{
    krbrepl_heimdal_dump_options opt;

    KRBREPL_INIT(&opt);
    opt.format = format;
    opt.note = note;
    opt.ctx = p;
    p->note[0] = '\0';
    assert_int_equal(krbrepl_heimdal_dump(p->s, p->file, &opt, NULL, &p->ei), 0);
}

char *place_read(const char *file, size_t *len)
{
    FILE *f = fopen(file, "rb");
    char *data;
    long n;

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    rewind(f);
    data = calloc(1, (size_t)n + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)n, f), (size_t)n);
    fclose(f);
    *len = (size_t)n;
    return data;
}

void place_write(const char *file, const void *data, size_t len)
{
    FILE *f = fopen(file, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t split(char *text, char **line, size_t room)
{
    size_t n = 0;
    char *at;

    for (at = strtok(text, "\n"); at != NULL; at = strtok(NULL, "\n")) {
        assert_true(n < room);
        line[n++] = at;
    }
    qsort(line, n, sizeof *line, by_text);
    return n;
}

void place_same_lines(const char *a, const char *b)
{
    char *x, *y, *la[64], *lb[64];
    size_t n, i;

    x = place_read(a, &n);
    y = place_read(b, &n);
    n = split(x, la, 64);
    assert_int_equal(split(y, lb, 64), n);
    for (i = 0; i < n; i++)
        assert_string_equal(la[i], lb[i]);
    free(x);
    free(y);
}

uint64_t place_records(place *p)
{
    krbrepl_store_info info;

    KRBREPL_INIT(&info);
    assert_int_equal(krbrepl_store_info_get(p->s, &info), 0);
    return info.records;
}

const char *place_about(place *p, const char *name)
{
    static char text[1024];
    krbrepl_bytes key, value;
    krbrepl__hdb_princ princ;
    krbrepl__buf hold, b;
    krbrepl_view *v;

    krbrepl__buf_init(&hold, 0);
    krbrepl__buf_init(&b, 0);
    assert_int_equal(krbrepl__hdb_princ_parse(&princ, name, NULL, &hold, NULL), 0);
    krbrepl__hdb_key(&b, &princ);
    key.data = b.data;
    key.len = b.len;
    text[0] = '\0';
    assert_int_equal(krbrepl_view_open(p->s, &v), 0);
    if (krbrepl_view_get(v, KRBREPL_HEIMDAL_TABLE, key, &value) == 0)
        assert_true(krbrepl_heimdal_describe(key, value, text, sizeof text) > 0);
    krbrepl_view_close(v);
    krbrepl__buf_free(&hold);
    krbrepl__buf_free(&b);
    return text;
}
