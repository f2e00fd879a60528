#include "reader.h"

#include <errno.h>
#include <string.h>

#include "mem.h"
#include "text.h"

#define ROOM 65536u
#define LOOK 512u

int krbrepl_heimdal_format_of(const void *first, size_t len)
{
    const uint8_t *p = first;
    size_t i;

    if (len >= 5 && p[0] == 0 && p[4] == KRBREPL__DER_SEQUENCE)
        return KRBREPL_HEIMDAL_HPROP;
    /* The first word of the text is a principal; that of no other dump has an @ in it. */
    for (i = 0; i < len && p[i] != ' ' && p[i] != '\t' && p[i] != '\n'; i++) {
        if (p[i] == '\\')
            i++;
        else if (p[i] == '@')
            return KRBREPL_HEIMDAL_DUMP;
    }
    return 0;
}

int krbrepl__heim_reader_fail(krbrepl__heim_reader *r, int code, const char *why)
{
    if (r->format == KRBREPL_HEIMDAL_DUMP)
        return krbrepl__fail(r->ei, code, "%.120s:%llu: %.100s", r->name, (unsigned long long)r->place,
                             why);
    return krbrepl__fail(r->ei, code, "%.120s: offset %llu: %.100s", r->name,
                         (unsigned long long)r->place, why);
}

static int read_failed(krbrepl__heim_reader *r)
{
    return krbrepl__fail_sys(r->ei, KRBREPL_ERR_IO, errno, "%.150s", r->name);
}

/* What the file is, by what fits into the room of a stream; nothing of it is taken. */
static int find_format(krbrepl__heim_reader *r)
{
    char first[LOOK];
    size_t n = 0;
    int c;

    c = getc(r->f);
    if (c == EOF)
        return ferror(r->f) ? read_failed(r)
                            : krbrepl__fail(r->ei, KRBREPL_ERR_INPUT, "%.150s is empty", r->name);
    /* Of a pipe only one byte can be given back, and that one is enough. */
    first[n++] = (char)c;
    ungetc(c, r->f);
    if (c == 0) {
        r->format = KRBREPL_HEIMDAL_HPROP;
        return 0;
    }
    if (r->f == stdin) {
        r->format = KRBREPL_HEIMDAL_DUMP;
        return 0;
    }
    n = fread(first, 1, sizeof first, r->f);
    if (ferror(r->f) || fseek(r->f, 0, SEEK_SET) != 0)
        return read_failed(r);
    r->format = (uint64_t)krbrepl_heimdal_format_of(first, n);
    krbrepl__wipe(first, sizeof first);
    if (r->format == 0)
        return krbrepl__fail(r->ei, KRBREPL_ERR_INPUT,
                             "%.120s is neither a dump of kadmin nor of hprop", r->name);
    return 0;
}

int krbrepl__heim_reader_open(krbrepl__heim_reader *r, const char *file, uint64_t format,
                              krbrepl_errinfo *ei)
{
    memset(r, 0, sizeof *r);
    r->ei = ei;
    r->name = file;
    r->format = format;
    krbrepl__buf_init(&r->line, KRBREPL_MAX_VALUE * 3);
    krbrepl__buf_init(&r->entry, KRBREPL_MAX_VALUE);
    if (format > KRBREPL_HEIMDAL_HPROP)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "load: unknown format");
    if (strcmp(file, "-") == 0) {
        r->name = "standard input";
        r->f = stdin;
    } else {
        r->f = fopen(file, "re");
        r->own_f = 1;
        if (r->f == NULL)
            return read_failed(r);
        r->room = krbrepl__alloc(ROOM);
        if (r->room == NULL || setvbuf(r->f, r->room, _IOFBF, ROOM) != 0)
            return krbrepl__fail_plain(ei, KRBREPL_ERR_NOMEM);
    }
    return format != 0 ? 0 : find_format(r);
}

void krbrepl__heim_reader_close(krbrepl__heim_reader *r)
{
    if (r->own_f && r->f != NULL)
        fclose(r->f);
    krbrepl__free(r->room, ROOM);
    krbrepl__buf_free(&r->line);
    krbrepl__buf_free(&r->entry);
}

int krbrepl__heim_reader_again(krbrepl__heim_reader *r)
{
    r->place = r->offset = 0;
    if (fseek(r->f, 0, SEEK_SET) == 0)
        return 0;
    return krbrepl__fail(r->ei, KRBREPL_ERR_INVALID,
                         "%.120s: an update reads its file twice; put it on disk first", r->name);
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* 1: a line is in r->line; 0: there is none any more. A line without an end is one that was cut off. */
static int take_line(krbrepl__heim_reader *r)
{
    int c;

    krbrepl__buf_reset(&r->line);
    while ((c = getc(r->f)) != EOF && c != '\n' && r->line.err == 0)
        krbrepl__buf_u8(&r->line, (unsigned)c);
    if (ferror(r->f))
        return read_failed(r);
    if (r->line.err != 0)
        return krbrepl__heim_reader_fail(
            r, r->line.err == KRBREPL_ERR_NOMEM ? r->line.err : KRBREPL_ERR_INPUT,
            "the line is too long, or memory is out");
    if (c == EOF && r->line.len != 0)
        return krbrepl__heim_reader_fail(r, KRBREPL_ERR_INPUT,
                                         "the line has no end: the file was cut off");
    return c != EOF;
}

static int next_line(krbrepl__heim_reader *r, krbrepl_bytes *entry)
{
    krbrepl_bytes line;
    krbrepl_errinfo why;
    int rc;

    r->place++;
    rc = take_line(r);
    if (rc <= 0)
        return rc;
    line.data = r->line.data;
    line.len = r->line.len;
    krbrepl__buf_reset(&r->entry);
    rc = krbrepl__heim_text_read(line, &r->entry, &why);
    if (rc != 0)
        return krbrepl__heim_reader_fail(r, rc == KRBREPL_ERR_TOOBIG ? KRBREPL_ERR_INPUT : rc,
                                         why.text);
    entry->data = r->entry.data;
    entry->len = r->entry.len;
    return 1;
}

/* ---- frames --------------------------------------------------------------------------------- */

/* 1, 0 at the end of the file, or an error; some of the bytes are an end in the middle. */
static int take_bytes(krbrepl__heim_reader *r, uint8_t *p, size_t n)
{
    size_t got = fread(p, 1, n, r->f);

    r->offset += got;
    if (got == n)
        return 1;
    if (ferror(r->f))
        return read_failed(r);
    if (got == 0)
        return 0;
    return krbrepl__heim_reader_fail(r, KRBREPL_ERR_INPUT, "the file was cut off");
}

static int next_frame(krbrepl__heim_reader *r, krbrepl_bytes *entry)
{
    krbrepl__hdb_entry e;
    uint8_t head[4], *room;
    uint32_t len;
    int rc;

    r->place = r->offset;
    rc = take_bytes(r, head, sizeof head);
    len = krbrepl__get_u32(head);
    if (rc <= 0 || len == 0)
        return rc < 0 ? rc : 0;
    if (len > KRBREPL_MAX_VALUE)
        return krbrepl__heim_reader_fail(r, KRBREPL_ERR_INPUT,
                                         "the length of an entry is beyond 16 MiB");
    krbrepl__buf_reset(&r->entry);
    room = krbrepl__buf_room(&r->entry, len);
    if (room == NULL)
        return krbrepl__fail_plain(r->ei, KRBREPL_ERR_NOMEM);
    rc = take_bytes(r, room, len);
    if (rc <= 0)
        return rc < 0 ? rc : krbrepl__heim_reader_fail(r, KRBREPL_ERR_INPUT, "the file was cut off");
    entry->data = room;
    entry->len = len;
    if (krbrepl__hdb_entry_read(&e, *entry, r->ei) != 0)
        return krbrepl__heim_reader_fail(r, KRBREPL_ERR_INPUT, "the entry is malformed");
    return 1;
}

int krbrepl__heim_reader_next(krbrepl__heim_reader *r, krbrepl_bytes *entry)
{
    if (r->format == KRBREPL_HEIMDAL_DUMP)
        return next_line(r, entry);
    return next_frame(r, entry);
}
