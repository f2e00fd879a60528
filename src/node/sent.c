#include "sent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storecalls.h"

#define NAME "iprop.sent"
#define HEAD 64u    /* up to the first of the slots */
#define EACH 16u    /* bytes of one */
#define MOST 65536u /* bytes of the file */

static const char magic[16] = "krbrepl sent 2\n";

static uint64_t sum(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    size_t i;

    for (i = 0; i < n; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static uint64_t name_of(const krbrepl__slot_entry *e)
{
    return sum(e->s.principal, strlen(e->s.principal));
}

static int is_counted(const krbrepl__slot_entry *e, uint32_t base)
{
    return e->s.dialect == KRBREPL_DIALECT_HEIMDAL && e->s.base == base && e->s.last != 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void encode(const krbrepl_node *n, uint32_t base, const krbrepl_pos *pos, krbrepl__buf *b)
{
    const krbrepl__master *m = n->master;
    uint32_t count = 0;
    size_t i;

    for (i = 0; i < m->nslots; i++)
        count += m->slots[i].live != NULL && is_counted(&m->slots[i], base);
    krbrepl__buf_bytes(b, magic, sizeof magic);
    krbrepl__buf_u32(b, base);
    krbrepl__buf_u32(b, count);
    krbrepl__buf_u64(b, pos->seq);
    krbrepl__buf_bytes(b, pos->chain, sizeof pos->chain);
    for (i = 0; i < m->nslots; i++) {
        if (m->slots[i].live == NULL || !is_counted(&m->slots[i], base))
            continue;
        krbrepl__buf_u64(b, name_of(&m->slots[i]));
        krbrepl__buf_u32(b, m->slots[i].s.last);
        krbrepl__buf_u32(b, m->slots[i].s.acked);
    }
    krbrepl__buf_u64(b, b->err == 0 ? sum(b->data, b->len) : 0);
}

static int open_file(int dir)
{
    const int fd = openat(dir, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    if (fd >= 0)
        krbrepl__mode_like_data(dir, NAME);
    return fd;
}

int krbrepl__sent_note(krbrepl_node *n, uint32_t base)
{
    krbrepl__master *m = n->master;
    krbrepl_store_info info;
    krbrepl__buf b;
    int rc = -1;

    /* Of now, and not of the last look: a session may have read what came since. */
    KRBREPL_INIT(&info);
    if (krbrepl__store_info(n->store, &info) != 0)
        return -1;
    if (m->sent_fd < 0)
        m->sent_fd = open_file(krbrepl__store_dirfd(n->store));
    if (m->sent_fd < 0)
        return -1;
    krbrepl__buf_init(&b, MOST);
    encode(n, base, &info.pos, &b);
    if (b.err == 0 && pwrite(m->sent_fd, b.data, b.len, 0) == (ssize_t)b.len)
        rc = 0;
    krbrepl__buf_free(&b);
    /* What was written before says more of a slave that was given a complete database since. */
    if (rc != 0)
        krbrepl__sent_forget(n);
    return rc;
}

int krbrepl__sent_forget(krbrepl_node *n)
{
    krbrepl__master *m = n->master;

    if (m->sent_fd < 0)
        m->sent_fd =
            openat(krbrepl__store_dirfd(n->store), NAME, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (m->sent_fd < 0)
        return errno == ENOENT || errno == ELOOP ? 0 : -1;
    return ftruncate(m->sent_fd, 0) == 0 && fsync(m->sent_fd) == 0 ? 0 : -1;
}

void krbrepl__sent_close(krbrepl__master *m)
{
    if (m->sent_fd >= 0)
        close(m->sent_fd);
    m->sent_fd = -1;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_file(krbrepl_node *n, krbrepl__buf *b)
{
    const int fd =
        openat(krbrepl__store_dirfd(n->store), NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    uint8_t piece[4096];
    ssize_t got = -1;

    if (fd < 0)
        return -1;
    while (b->err == 0 && (got = read(fd, piece, sizeof piece)) > 0)
        krbrepl__buf_bytes(b, piece, (size_t)got);
    close(fd);
    return got == 0 && b->err == 0 ? 0 : -1;
}

/* Was the store once where it was when this was written? */
static int is_of_this_history(krbrepl_node *n, uint64_t seq, krbrepl_bytes chain)
{
    uint8_t now[32];

    return krbrepl__store_chain_at(n->store, seq, now) == 0 && chain.len == sizeof now &&
           memcmp(now, chain.data, sizeof now) == 0;
}

static void raise_slot(krbrepl_node *n, uint32_t base, uint64_t name, uint32_t last, uint32_t acked)
{
    krbrepl__master *m = n->master;
    size_t i;

    for (i = 0; i < m->nslots; i++) {
        krbrepl__slot_entry *e = &m->slots[i];

        if (!is_counted(e, base) || name_of(e) != name || (e->s.last >= last && e->s.acked >= acked))
            continue;
        e->s.last = last > e->s.last ? last : e->s.last;
        e->s.acked = acked > e->s.acked ? acked : e->s.acked;
        e->dirty = 1;
    }
}

static void take(krbrepl_node *n, const krbrepl__buf *b)
{
    uint32_t base, count, i;
    krbrepl_bytes chain;
    uint64_t seq;
    krbrepl__rd r;

    krbrepl__rd_init(&r, b->data, b->len);
    if (b->len < HEAD || memcmp(krbrepl__rd_view(&r, sizeof magic).data, magic, sizeof magic) != 0)
        return;
    base = krbrepl__rd_u32(&r);
    count = krbrepl__rd_u32(&r);
    seq = krbrepl__rd_u64(&r);
    chain = krbrepl__rd_view(&r, 32);
    if (count > MOST / EACH || b->len < HEAD + (size_t)count * EACH + 8 ||
        krbrepl__get_u64(b->data + HEAD + (size_t)count * EACH) !=
            sum(b->data, HEAD + (size_t)count * EACH) ||
        !is_of_this_history(n, seq, chain))
        return;
    for (i = 0; i < count; i++) {
        const uint64_t name = krbrepl__rd_u64(&r);
        const uint32_t last = krbrepl__rd_u32(&r);

        raise_slot(n, base, name, last, krbrepl__rd_u32(&r));
    }
}

void krbrepl__sent_load(krbrepl_node *n)
{
    krbrepl__buf b;

    krbrepl__buf_init(&b, MOST);
    if (read_file(n, &b) == 0)
        take(n, &b);
    krbrepl__buf_free(&b);
}
