/* lines.c: reads a stream line by line, with a limit. */
#include "lines.h"

#include <string.h>

#include "prog.h"

void lines_start(struct lines *l, FILE *f)
{
    memset(l, 0, sizeof *l);
    l->f = f;
}

/* Records stand in the buffer: it is wiped before it is given back. */
static void grow(struct lines *l)
{
    size_t room = l->room == 0 ? 4096 : l->room * 2;
    char *fresh = prog_alloc(room);

    if (l->len > 0)
        memcpy(fresh, l->buf, l->len);
    prog_wipe_free(l->buf, l->room);
    l->buf = fresh;
    l->room = room;
}

int lines_next(struct lines *l, const char **why)
{
    int c;

    l->len = 0;
    l->number++;
    while ((c = getc_unlocked(l->f)) != EOF) {
        l->offset++;
        if (l->len + 1 >= l->room)
            grow(l);
        if (c == '\n') {
            l->buf[l->len] = '\0';
            return 1;
        }
        if (l->len >= LINES_MAX) {
            *why = "the line is longer than a record can be";
            return -1;
        }
        l->buf[l->len++] = (char)c;
    }
    if (ferror(l->f)) {
        *why = "the input cannot be read";
        return -1;
    }
    if (l->len == 0)
        return 0;
    *why = "the last line has no newline: the input was cut off";
    return -1;
}

void lines_end(struct lines *l)
{
    prog_wipe_free(l->buf, l->room);
    l->buf = NULL;
    l->room = 0;
}
