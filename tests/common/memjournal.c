#include "memjournal.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <krbrepl/error.h>

#define FULL 78 /* a number of the host's own */

memjournal *memjournal_new(void)
{
    memjournal *j = mmap(NULL, sizeof *j, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (j == MAP_FAILED)
        return NULL;
    j->die_after = -1;
    return j;
}

void memjournal_free(memjournal *j)
{
    munmap(j, sizeof *j);
}

memjournal_commit *memjournal_find(memjournal *j, uint64_t seq)
{
    memjournal_commit *c = &j->at[seq % MEMJOURNAL_COMMITS];

    return seq != 0 && c->seq == seq ? c : NULL;
}

size_t memjournal_count(const memjournal *j)
{
    size_t i, n = 0;

    for (i = 0; i < MEMJOURNAL_COMMITS; i++)
        n += j->at[i].seq != 0;
    return n;
}

static int take(memjournal *j, uint64_t seq, krbrepl_bytes b)
{
    memjournal_commit *c = &j->at[seq % MEMJOURNAL_COMMITS];

    if (j->stubborn && c->seq == seq)
        return 0;
    if ((c->seq != 0 && c->seq != seq) || b.len > MEMJOURNAL_BYTES)
        return FULL;
    c->seq = seq;
    c->len = b.len;
    memcpy(c->bytes, b.data, b.len);
    return 0;
}

static void keep(memjournal *j, uint64_t from, uint64_t to)
{
    size_t i;

    for (i = 0; i < MEMJOURNAL_COMMITS; i++)
        if (j->at[i].seq < from || j->at[i].seq > to)
            j->at[i].seq = 0;
}

static int on_append(void *ctx, uint64_t first, const krbrepl_bytes *commit, size_t n)
{
    memjournal *j = ctx;
    size_t i;
    int rc = 0;

    j->appends++;
    if (j->fail_append != 0)
        return j->fail_append;
    if (j->forgetful)
        return 0;
    if (!j->stubborn)
        keep(j, 0, first - 1);
    for (i = 0; rc == 0 && i < n; i++) {
        if (j->die_after >= 0 && i == (size_t)j->die_after)
            _exit(9);
        rc = take(j, first + i, commit[i]);
    }
    if (j->die_after >= 0 && i == (size_t)j->die_after)
        _exit(9);
    return rc;
}

static int on_read(void *ctx, uint64_t seq, krbrepl_bytes *commit)
{
    memjournal *j = ctx;
    memjournal_commit *c = memjournal_find(j, j->confused && seq > 1 ? seq - 1 : seq);

    j->reads++;
    if (j->fail_read != 0)
        return j->fail_read;
    if (c == NULL)
        return KRBREPL_ERR_NOTFOUND;
    *commit = (krbrepl_bytes){c->bytes, c->len};
    return 0;
}

static int on_cut(void *ctx, uint64_t from, uint64_t to)
{
    memjournal *j = ctx;

    j->cuts++;
    if (j->fail_cut != 0)
        return j->fail_cut;
    keep(j, from, to);
    return 0;
}

krbrepl_journal_ops memjournal_ops(void)
{
    krbrepl_journal_ops o;

    KRBREPL_INIT(&o);
    o.append = on_append;
    o.read = on_read;
    o.cut = on_cut;
    return o;
}
