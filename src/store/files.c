#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

static size_t trimmed_len(const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

char *krbrepl__path_add(const char *path, const char *suffix)
{
    const size_t n = trimmed_len(path), m = strlen(suffix);
    char *out = krbrepl__alloc(n + m + 1);

    if (out == NULL)
        return NULL;
    memcpy(out, path, n);
    memcpy(out + n, suffix, m);
    return out;
}

int krbrepl__sync_parent(const char *path)
{
    size_t n = trimmed_len(path);
    char *parent;
    int fd, e = 0;

    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    parent = n > 0 ? krbrepl__strndup(path, n) : krbrepl__strdup(".");
    if (parent == NULL)
        return ENOMEM;
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        e = errno;
    if (fd >= 0)
        close(fd);
    krbrepl__strfree(parent);
    return e;
}

static int is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int clear_level(int dirfd, int levels)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), sub, e = 0;
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *ent;

    if (d == NULL) {
        e = errno;
        if (fd >= 0)
            close(fd);
        return e;
    }
    while (e == 0 && (ent = readdir(d)) != NULL) {
        if (is_dots(ent->d_name) || unlinkat(dirfd, ent->d_name, 0) == 0)
            continue;
        sub = openat(dirfd, ent->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub < 0 || levels == 0) {
            e = sub < 0 ? errno : ENOTEMPTY;
        } else {
            e = clear_level(sub, levels - 1);
            if (e == 0 && unlinkat(dirfd, ent->d_name, AT_REMOVEDIR) != 0)
                e = errno;
        }
        if (sub >= 0)
            close(sub);
    }
    closedir(d);
    return e;
}

int krbrepl__clear_dir(int dirfd)
{
    return clear_level(dirfd, 2);
}

int krbrepl__check_free(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *ent;
    int e = 0;

    if (d == NULL)
        return errno == ENOENT ? 0 : errno;
    while (e == 0 && (ent = readdir(d)) != NULL)
        if (!is_dots(ent->d_name))
            e = ENOTEMPTY;
    closedir(d);
    return e;
}

static int write_all(int fd, const char *p, size_t n)
{
    ssize_t done;

    while (n > 0) {
        done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

int krbrepl__copy_fd(int from, int to)
{
    const size_t room = 1u << 16;
    char *buf = krbrepl__alloc(room);
    ssize_t n = 1;
    int e = buf == NULL ? ENOMEM : 0;

    while (e == 0 && n != 0) {
        n = read(from, buf, room);
        if (n < 0)
            e = errno == EINTR ? 0 : errno;
        else
            e = write_all(to, buf, (size_t)n);
    }
    if (e == 0 && fsync(to) != 0)
        e = errno;
    krbrepl__free(buf, room);
    return e;
}
