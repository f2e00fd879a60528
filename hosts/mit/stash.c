/* stash.c: the key version in a stash file.
 *
 * Since release 1.7 a stash file is a keytab of format 2:
 *   file  := 0x05 0x02, then slots
 *   slot  := size:s32, then -size unused bytes when it is negative, or an entry of size bytes
 *   entry := ncomponents:u16  realm:vec16  ncomponents x vec16  name_type:u32  time:u32  kvno:u8
 *            enctype:u16  key:vec16  [kvno:u32, which replaces the other unless it is 0]  [more]
 * Integers are big-endian. The file is read whole and wiped; key bytes are skipped, not looked at. */
#include <krbrepl/mit.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "buf.h"
#include "errinfo.h"
#include "input.h"

#define STASH_MAX (1u << 20)

struct found {
    int any;
    uint64_t kvno;
    int64_t enctype;
};

static int is_text(krbrepl_bytes b, const char *text)
{
    return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

/* Reads an entry and keeps the newest of K/M. */
static void read_entry(krbrepl_bytes slot, const char *realm, struct found *out)
{
    krbrepl_bytes at, comp[2] = {{NULL, 0}, {NULL, 0}};
    krbrepl__rd r;
    unsigned i, n;
    uint64_t kvno;
    int64_t enctype;
    uint32_t wide;

    krbrepl__rd_init(&r, slot.data, slot.len);
    n = krbrepl__rd_u16(&r);
    at = krbrepl__rd_vec16(&r);
    for (i = 0; i < n && r.err == 0; i++)
        if (i < 2)
            comp[i] = krbrepl__rd_vec16(&r);
        else
            krbrepl__rd_vec16(&r);
    krbrepl__rd_u32(&r);
    krbrepl__rd_u32(&r);
    kvno = krbrepl__rd_u8(&r);
    enctype = (int64_t)krbrepl__rd_u16(&r);
    krbrepl__rd_vec16(&r);
    if (r.err != 0 || n != 2 || !is_text(comp[0], "K") || !is_text(comp[1], "M") ||
        (realm != NULL && !is_text(at, realm)))
        return;
    if (r.left >= 4 && (wide = krbrepl__rd_u32(&r)) != 0)
        kvno = wide;
    if (out->any && kvno <= out->kvno)
        return;
    *out = (struct found){1, kvno, enctype};
}

/* False when the bytes are no keytab. */
static int read_slots(krbrepl_bytes file, const char *realm, struct found *out)
{
    krbrepl__rd r;
    uint32_t size;

    krbrepl__rd_init(&r, file.data, file.len);
    if (krbrepl__rd_u8(&r) != 5 || krbrepl__rd_u8(&r) != 2 || r.err != 0)
        return 0;
    while (r.err == 0 && r.left >= 4) {
        size = krbrepl__rd_u32(&r);
        if (size == 0)
            break;
        if (size > INT32_MAX)
            krbrepl__rd_view(&r, (size_t)(UINT32_MAX - size) + 1);
        else
            read_entry(krbrepl__rd_view(&r, size), realm, out);
    }
    return r.err == 0;
}

static int read_file(const char *path, krbrepl__buf *b, krbrepl_errinfo *ei)
{
    uint8_t *room;
    ssize_t n;
    int rc = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return krbrepl__fail_sys(ei, errno == ENOENT ? KRBREPL_ERR_NOTFOUND : KRBREPL_ERR_IO, errno,
                                 "stash file %.150s", path);
    do {
        room = krbrepl__buf_room(b, 4096);
        n = room != NULL ? krbrepl__mit_read_fd(&fd, room, 4096) : 0;
        if (n < 0)
            rc = krbrepl__fail_sys(ei, KRBREPL_ERR_IO, errno, "stash file %.150s", path);
        if (room != NULL)
            krbrepl__buf_cut(b, b->len - 4096 + (size_t)(n > 0 ? n : 0));
    } while (n > 0);
    close(fd);
    if (rc == 0 && b->err == KRBREPL_ERR_TOOBIG)
        rc = krbrepl__fail(ei, KRBREPL_ERR_FORMAT, "%.150s is too large for a stash file", path);
    else if (rc == 0 && b->err != 0)
        rc = krbrepl__fail_plain(ei, b->err);
    return rc;
}

static int stash_kvno(const char *path, const char *realm, uint64_t *kvno, int64_t *enctype,
                      krbrepl_errinfo *ei)
{
    struct found found = {0, 0, 0};
    krbrepl__buf b;
    int rc;

    if (path == NULL || kvno == NULL)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "stash file: an argument is NULL");
    krbrepl__buf_init(&b, STASH_MAX);
    rc = read_file(path, &b, ei);
    if (rc == 0 && !read_slots((krbrepl_bytes){b.data, b.len}, realm, &found))
        rc = krbrepl__fail(ei, KRBREPL_ERR_FORMAT,
                           "%.120s is no keytab; write the stash file anew with `kdb5_util stash`",
                           path);
    if (rc == 0 && !found.any)
        rc = krbrepl__fail(ei, KRBREPL_ERR_NOTFOUND, "%.120s holds no key of K/M%s%.60s", path,
                           realm != NULL ? "@" : "", realm != NULL ? realm : "");
    if (rc == 0) {
        *kvno = found.kvno;
        if (enctype != NULL)
            *enctype = found.enctype;
    }
    krbrepl__buf_free(&b);
    return rc;
}

int krbrepl_mit_stash_kvno(const char *path, const char *realm, uint64_t *kvno, int64_t *enctype,
                           krbrepl_errinfo *ei)
{
    krbrepl_errinfo mine;

    krbrepl__errinfo_clear(&mine);
    return krbrepl__errinfo_give(stash_kvno(path, realm, kvno, enctype, &mine), &mine, ei);
}
