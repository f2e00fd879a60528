#include "dyingwrites.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static const char *of, *full;
static int left, says_full;

void dyingwrites_at(const char *name, int at)
{
    of = name;
    left = at;
}

void dyingwrites_full(const char *name, int says)
{
    full = name;
    says_full = name != NULL && says;
}

static void one(const char *path)
{
    if (strstr(path, of) != NULL && --left == 0)
        (void)kill(getpid(), SIGKILL);
}

static void path_of(int fd, char path[512])
{
    char link[64];
    ssize_t n;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, 511);
    path[n > 0 ? n : 0] = '\0';
}

static void one_of(int fd)
{
    char path[512];

    if (left == 0)
        return;
    path_of(fd, path);
    one(path);
}

static int no_room(int fd, off_t end)
{
    struct stat st;
    char path[512];

    if (full == NULL)
        return 0;
    path_of(fd, path);
    if (strstr(path, full) == NULL || fstat(fd, &st) != 0 || end <= st.st_size)
        return 0;
    errno = ENOSPC;
    return 1;
}

EXPORTED int statvfs(const char *path, struct statvfs *out)
{
    (void)path;
    memset(out, 0, sizeof *out);
    out->f_frsize = 4096;
    out->f_bfree = says_full ? 3 : 1 << 20;
    return 0;
}

EXPORTED ssize_t write(int fd, const void *data, size_t len)
{
    one_of(fd);
    if (full != NULL && no_room(fd, lseek(fd, 0, SEEK_CUR) + (off_t)len))
        return -1;
    return syscall(SYS_write, fd, data, len);
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    one_of(fd);
    if (no_room(fd, at + (off_t)len))
        return -1;
    return syscall(SYS_pwrite64, fd, data, len, at);
}

EXPORTED int fsync(int fd)
{
    one_of(fd);
    return (int)syscall(SYS_fsync, fd);
}

EXPORTED int rename(const char *from, const char *to)
{
    if (left != 0)
        one(from);
    return (int)syscall(SYS_rename, from, to);
}
