/* hostlog.c: the journals of the realm's hosts, where the stores do not keep their commits themselves. Each is in
 * memory, and durable at once: it outlives what its site forgets when the power fails. A site that has died writes
 * nothing to it any more. */
#include "world.h"

#include <string.h>

#include "disk.h"
#include "mem.h"

typedef struct logged {
    uint64_t seq;
    uint8_t *data;
    size_t len;
} logged;

struct hostlog {
    world *w;
    int site;
    logged *at; /* in the order of their seqs */
    size_t n, room;
};

static void drop_one(logged *e)
{
    krbrepl__free(e->data, e->len);
    memset(e, 0, sizeof *e);
}

/* What is not from `from` to `to` goes. */
static void keep(hostlog *h, uint64_t from, uint64_t to)
{
    size_t i, n = 0;

    for (i = 0; i < h->n; i++)
        if (h->at[i].seq < from || h->at[i].seq > to)
            drop_one(&h->at[i]);
        else
            h->at[n++] = h->at[i];
    h->n = n;
}

static int room_for(hostlog *h, size_t n)
{
    const size_t room = h->room * 2 > h->n + n ? h->room * 2 : h->n + n;
    logged *at;

    if (h->n + n <= h->room)
        return 0;
    at = krbrepl__alloc_array(room, sizeof *at);
    if (at == NULL)
        return KRBREPL_ERR_NOMEM;
    if (h->n != 0)
        memcpy(at, h->at, h->n * sizeof *at);
    krbrepl__free(h->at, h->room * sizeof *h->at);
    h->at = at;
    h->room = room;
    return 0;
}

static int on_append(void *ctx, uint64_t first, const krbrepl_bytes *commit, size_t n)
{
    hostlog *h = ctx;
    size_t i;

    if (disk_dead(h->site))
        return KRBREPL_ERR_IO;
    keep(h, 0, first - 1);
    if (room_for(h, n) != 0)
        return KRBREPL_ERR_NOMEM;
    for (i = 0; i < n; i++) {
        logged *e = &h->at[h->n];

        e->seq = first + i;
        e->len = commit[i].len;
        e->data = krbrepl__alloc(e->len);
        if (e->data == NULL)
            return KRBREPL_ERR_NOMEM;
        memcpy(e->data, commit[i].data, e->len);
        h->n++;
    }
    return 0;
}

static int on_read(void *ctx, uint64_t seq, krbrepl_bytes *commit)
{
    const hostlog *h = ctx;
    size_t i = h->n;

    while (i > 0 && h->at[i - 1].seq > seq)
        i--;
    if (i == 0 || h->at[i - 1].seq != seq)
        return KRBREPL_ERR_NOTFOUND;
    *commit = (krbrepl_bytes){h->at[i - 1].data, h->at[i - 1].len};
    return 0;
}

/* A master whose old file may come back needs the commits that are in that. */
static int on_cut(void *ctx, uint64_t from, uint64_t to)
{
    hostlog *h = ctx;

    if (disk_dead(h->site))
        return KRBREPL_ERR_IO;
    keep(h, h->w->kept && h->site == h->w->master ? 0 : from, to);
    return 0;
}

krbrepl_journal_ops hostlog_ops(void)
{
    krbrepl_journal_ops o;

    KRBREPL_INIT(&o);
    o.append = on_append;
    o.read = on_read;
    o.cut = on_cut;
    return o;
}

hostlog *hostlog_new(world *w, int index)
{
    hostlog *h = krbrepl__alloc(sizeof *h);

    if (h != NULL) {
        h->w = w;
        h->site = index;
    }
    return h;
}

void hostlog_free(hostlog *h)
{
    if (h == NULL)
        return;
    keep(h, 1, 0);
    krbrepl__free(h->at, h->room * sizeof *h->at);
    krbrepl__free(h, sizeof *h);
}
