/* With it the C library defines read and pread as inline functions, and there is no second definition then. */
#undef _FORTIFY_SOURCE

#include "iofail.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static struct {
    enum iofail_kind kind; /* 0: not armed */
    unsigned long left;
    int forever, fired, part, on_data;
    unsigned long reads;
    const char *what;
} fault;

void iofail_arm(enum iofail_kind kind, unsigned long calls, int forever)
{
    memset(&fault, 0, sizeof fault);
    fault.left = calls;
    fault.forever = forever;
    fault.what = "nothing";
    fault.kind = kind;
}

int iofail_disarm(void)
{
    fault.kind = 0;
    return fault.fired;
}

const char *iofail_what(void)
{
    return fault.what;
}

int iofail_on_data(void)
{
    return fault.on_data;
}

static int is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

static int is_data(int fd)
{
    char link[64], path[512];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = '\0';
    return strstr(path, "/data.mdb") != NULL && strstr(path, "/local/") == NULL;
}

/* Counts a call; 1: it is to fail. */
static int turn(const char *what, int fd)
{
    if (fault.fired)
        return fault.forever;
    if (fault.left > 0) {
        fault.left--;
        return 0;
    }
    fault.fired = 1;
    fault.what = what;
    fault.on_data = fd >= 0 && is_data(fd);
    return 1;
}

static int fails(const char *what, int fd, int is_write)
{
    if (fault.kind == IOFAIL_EIO) {
        errno = EIO;
        return turn(what, fd);
    }
    if ((fault.kind == IOFAIL_ENOSPC || fault.kind == IOFAIL_PART) && is_write) {
        errno = ENOSPC;
        return turn(what, fd);
    }
    return 0;
}

/* How much of a write is done: all of it, a part, or -1 with errno. */
static ssize_t room_for(const char *what, int fd, size_t n)
{
    if (fault.kind == 0 || !is_file(fd))
        return (ssize_t)n;
    if (fault.part) {
        errno = ENOSPC;
        fault.part = fault.forever;
        return -1;
    }
    if (!fails(what, fd, 1))
        return (ssize_t)n;
    if (fault.kind != IOFAIL_PART || n < 2)
        return -1;
    fault.part = 1;
    return (ssize_t)(n / 2);
}

/* ---- the calls ------------------------------------------------------------------------------- */

EXPORT ssize_t write(int fd, const void *p, size_t n)
{
    ssize_t room = room_for("write", fd, n);

    return room < 0 ? -1 : (ssize_t)syscall(SYS_write, fd, p, (size_t)room);
}

EXPORT ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    ssize_t room = room_for("pwrite", fd, n);

    return room < 0 ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, p, (size_t)room, at);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
    size_t all = 0;
    ssize_t room;
    int i;

    for (i = 0; i < n; i++)
        all += v[i].iov_len;
    room = room_for("writev", fd, all);
    if (room < 0)
        return -1;
    if ((size_t)room < all)
        return (ssize_t)syscall(SYS_write, fd, v[0].iov_base,
                                (size_t)room < v[0].iov_len ? (size_t)room : v[0].iov_len);
    return (ssize_t)syscall(SYS_writev, fd, v, n);
}

EXPORT int fsync(int fd)
{
    return is_file(fd) && fails("fsync", fd, 0) ? -1 : (int)syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
    return is_file(fd) && fails("fdatasync", fd, 0) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

EXPORT int ftruncate(int fd, off_t n)
{
    return fails("ftruncate", fd, 1) ? -1 : (int)syscall(SYS_ftruncate, fd, n);
}

EXPORT int rename(const char *from, const char *to)
{
    return fails("rename", -1, 0) ? -1 : (int)syscall(SYS_renameat2, -100, from, -100, to, 0);
}

EXPORT int renameat(int d, const char *from, int e, const char *to)
{
    return fails("renameat", -1, 0) ? -1 : (int)syscall(SYS_renameat2, d, from, e, to, 0);
}

EXPORT int link(const char *from, const char *to)
{
    return fails("link", -1, 1) ? -1 : (int)syscall(SYS_linkat, -100, from, -100, to, 0);
}

/* How much of a read is asked for; -1 with errno. */
static ssize_t piece_of(const char *what, int fd, size_t n)
{
    if (fault.kind == IOFAIL_READ_EIO && is_file(fd)) {
        errno = EIO;
        return turn(what, fd) ? -1 : (ssize_t)n;
    }
    if (fault.kind != IOFAIL_READ_PIECES || !is_file(fd) || is_data(fd))
        return (ssize_t)n;
    fault.fired = 1;
    errno = EINTR;
    return ++fault.reads % 3 == 0 ? -1 : n < 7 ? (ssize_t)n : 7;
}

EXPORT ssize_t read(int fd, void *p, size_t n)
{
    ssize_t piece = piece_of("read", fd, n);

    return piece < 0 ? -1 : (ssize_t)syscall(SYS_read, fd, p, (size_t)piece);
}

EXPORT ssize_t pread(int fd, void *p, size_t n, off_t at)
{
    ssize_t piece = piece_of("pread", fd, n);

    return piece < 0 ? -1 : (ssize_t)syscall(SYS_pread64, fd, p, (size_t)piece, at);
}
