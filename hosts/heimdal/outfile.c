#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem.h"

#define WORTH_WRITING 65536u

static int failed(krbrepl__heim_out *o, const char *doing, const char *path)
{
    return krbrepl__fail_sys(o->ei, KRBREPL_ERR_IO, errno, "cannot %s %.150s", doing, path);
}

static int open_tmp(krbrepl__heim_out *o)
{
    size_t n = strlen(o->file);

    o->tmp = krbrepl__alloc(n + sizeof ".tmp");
    if (o->tmp == NULL)
        return krbrepl__fail_plain(o->ei, KRBREPL_ERR_NOMEM);
    snprintf(o->tmp, n + sizeof ".tmp", "%s.tmp", o->file);
    o->fd = open(o->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    o->own_fd = o->fd >= 0;
    /* A leftover of a crash may have been made with another mode. */
    return o->fd < 0 || fchmod(o->fd, 0600) != 0 ? failed(o, "write", o->tmp) : 0;
}

int krbrepl__heim_out_open(krbrepl__heim_out *o, const char *file, krbrepl_errinfo *ei)
{
    struct stat st;

    memset(o, 0, sizeof *o);
    o->ei = ei;
    o->file = file;
    o->fd = -1;
    krbrepl__buf_init(&o->buf, 0);
    if (strcmp(file, "-") == 0) {
        o->file = "standard output";
        o->fd = STDOUT_FILENO;
        return 0;
    }
    if (stat(file, &st) != 0 || S_ISREG(st.st_mode))
        return open_tmp(o);
    o->fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (o->fd < 0)
        return failed(o, "write", file);
    o->own_fd = 1;
    return 0;
}

int krbrepl__heim_out_flush(krbrepl__heim_out *o, int in_any_case)
{
    if (o->buf.err != 0)
        return krbrepl__fail_plain(o->ei, o->buf.err);
    if (o->buf.len < WORTH_WRITING && !in_any_case)
        return 0;
    while (o->buf.len != 0) {
        ssize_t n = write(o->fd, o->buf.data, o->buf.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(o, "write", o->file);
        o->bytes += (uint64_t)n;
        krbrepl__buf_consume(&o->buf, (size_t)n);
    }
    return 0;
}

/* So that the new name is there after a crash. */
static int sync_directory(krbrepl__heim_out *o)
{
    const char *slash = strrchr(o->file, '/');
    size_t n = slash == NULL ? 0 : slash == o->file ? 1 : (size_t)(slash - o->file);
    char *dir = n == 0 ? krbrepl__strdup(".") : krbrepl__strndup(o->file, n);
    int fd, rc = 0;

    if (dir == NULL)
        return krbrepl__fail_plain(o->ei, KRBREPL_ERR_NOMEM);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = failed(o, "sync", dir);
    if (fd >= 0)
        close(fd);
    krbrepl__strfree(dir);
    return rc;
}

int krbrepl__heim_out_finish(krbrepl__heim_out *o)
{
    int rc = krbrepl__heim_out_flush(o, 1);

    if (rc != 0 || o->tmp == NULL)
        return rc;
    /* A file that is renamed before its bytes are on disk can be an empty one after a crash. */
    if (fsync(o->fd) != 0)
        return failed(o, "sync", o->tmp);
    if (rename(o->tmp, o->file) != 0)
        return failed(o, "rename to", o->file);
    krbrepl__strfree(o->tmp);
    o->tmp = NULL;
    return sync_directory(o);
}

void krbrepl__heim_out_close(krbrepl__heim_out *o)
{
    if (o->own_fd)
        close(o->fd);
    if (o->tmp != NULL && o->own_fd)
        unlink(o->tmp);
    krbrepl__strfree(o->tmp);
    krbrepl__buf_free(&o->buf);
}
