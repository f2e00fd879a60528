#include "seen.h"

#include <stdlib.h>

#include <krbrepl/error.h>

#include "mem.h"
#include "sha.h"

struct mark {
    uint8_t hash[16]; /* half a SHA-256: two records never share one by chance or by intent */
    uint64_t line;
};

struct krbrepl__mit_seen {
    krbrepl__sha *sha;
    struct mark *mark;
    size_t n, room;
};

krbrepl__mit_seen *krbrepl__mit_seen_new(void)
{
    krbrepl__mit_seen *s = krbrepl__alloc(sizeof *s);

    if (s != NULL && (s->sha = krbrepl__sha_new()) == NULL) {
        krbrepl__free(s, sizeof *s);
        s = NULL;
    }
    return s;
}

void krbrepl__mit_seen_free(krbrepl__mit_seen *s)
{
    if (s == NULL)
        return;
    krbrepl__sha_free(s->sha);
    krbrepl__free(s->mark, s->room * sizeof *s->mark);
    krbrepl__free(s, sizeof *s);
}

static int make_room(krbrepl__mit_seen *s)
{
    size_t room = s->room != 0 ? 2 * s->room : 1024;
    struct mark *grown;

    if (s->n < s->room)
        return 0;
    if (room > SIZE_MAX / sizeof *grown ||
        (grown = krbrepl__grow(s->mark, s->n * sizeof *grown, room * sizeof *grown)) == NULL)
        return KRBREPL_ERR_NOMEM;
    s->mark = grown;
    s->room = room;
    return 0;
}

int krbrepl__mit_seen_add(krbrepl__mit_seen *s, const char *table, krbrepl_bytes key, uint64_t line)
{
    krbrepl_bytes piece[2] = {{table, strlen(table) + 1}, key};
    uint8_t sum[32];
    int rc = make_room(s);

    if (rc == 0)
        rc = krbrepl__sha_sum(s->sha, piece, 2, sum);
    if (rc == 0) {
        memcpy(s->mark[s->n].hash, sum, sizeof s->mark->hash);
        s->mark[s->n++].line = line;
    }
    return rc;
}

static int by_hash_then_line(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    int c = memcmp(x->hash, y->hash, sizeof x->hash);

    if (c != 0)
        return c;
    return x->line < y->line ? -1 : x->line > y->line;
}

int krbrepl__mit_seen_twice(krbrepl__mit_seen *s, uint64_t *first, uint64_t *second)
{
    size_t i;
    int found = 0;

    if (s->n > 1)
        qsort(s->mark, s->n, sizeof *s->mark, by_hash_then_line);
    for (i = 1; i < s->n; i++)
        if (memcmp(s->mark[i - 1].hash, s->mark[i].hash, sizeof s->mark->hash) == 0 &&
            (!found || s->mark[i].line < *second)) {
            *first = s->mark[i - 1].line;
            *second = s->mark[i].line;
            found = 1;
        }
    return found;
}
