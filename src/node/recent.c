#include "recent.h"

#include <string.h>

/* More is what a replica reads that is behind, and hardly ever two of them the same. */
#define MOST (16u * 1024u)

void krbrepl__recent_init(krbrepl__recent *r)
{
    memset(r, 0, sizeof *r);
    krbrepl__buf_init(&r->commits, MOST);
}

void krbrepl__recent_forget(krbrepl__recent *r)
{
    if (r->there)
        krbrepl__buf_free(&r->commits);
    r->there = 0;
}

static void keep(krbrepl__recent *r, uint64_t from, size_t max, krbrepl_bytes what,
                 const krbrepl__port_batch *info)
{
    krbrepl__recent_forget(r);
    if (what.len > MOST)
        return;
    krbrepl__buf_bytes(&r->commits, what.data, what.len);
    r->from = from;
    r->max = max;
    r->info = *info;
    r->there = r->commits.err == 0;
    if (!r->there)
        krbrepl__buf_free(&r->commits);
}

static int read_store(krbrepl_store *s, uint64_t from, size_t max, krbrepl__buf *out,
                      krbrepl__port_batch *info)
{
    krbrepl__batch b = {0, 0, 0};
    int rc = krbrepl__store_read_commits(s, from, max, out, &b);

    info->next = b.next;
    info->count = b.count;
    info->reset = b.reset;
    return rc;
}

int krbrepl__recent_read(krbrepl__recent *r, krbrepl_store *s, uint64_t from, size_t max,
                         krbrepl__buf *out, krbrepl__port_batch *info)
{
    size_t before = out->len;
    krbrepl_bytes what;
    int rc;

    if (r != NULL && r->there && r->from == from && r->max == max) {
        krbrepl__buf_bytes(out, r->commits.data, r->commits.len);
        *info = r->info;
        return 0;
    }
    rc = read_store(s, from, max, out, info);
    if (rc == 0 && r != NULL && out->err == 0) {
        what.data = out->data + before;
        what.len = out->len - before;
        keep(r, from, max, what, info);
    }
    return rc;
}
