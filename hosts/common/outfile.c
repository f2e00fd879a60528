#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errinfo.h"
#include "mem.h"

#define WORTH_WRITING 65536u

static int failed(krbrepl__common_out *o, const char *doing, const char *path)
{
    return krbrepl__fail_sys(o->ei, KRBREPL_ERR_IO, errno, "cannot %s %.150s", doing, path);
}

static char *with_suffix(const char *file, const char *suffix)
{
    size_t a = strlen(file), b = strlen(suffix);
    char *s = krbrepl__alloc(a + b + 1);

    if (s != NULL) {
        memcpy(s, file, a);
        memcpy(s + a, suffix, b + 1);
    }
    return s;
}

/* Takes FILE.dump_ok, so that two dumps to one name do not meet in FILE.tmp. */
static int lock_ok(krbrepl__common_out *o)
{
    struct flock lock;

    o->ok_fd = open(o->ok, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (o->ok_fd < 0)
        return failed(o, "write", o->ok);
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    if (fcntl(o->ok_fd, F_SETLK, &lock) != 0) {
        if (errno == EACCES || errno == EAGAIN)
            return krbrepl__fail(o->ei, KRBREPL_ERR_LOCKED,
                                 "%.150s is locked: another dump to this name is under way", o->ok);
        return failed(o, "lock", o->ok);
    }
    return ftruncate(o->ok_fd, 0) == 0 ? 0 : failed(o, "write", o->ok);
}

static int open_tmp(krbrepl__common_out *o)
{
    char *tmp = with_suffix(o->file, ".tmp");
    int rc = 0;

    o->ok = o->marked ? with_suffix(o->file, ".dump_ok") : NULL;
    if (tmp == NULL || (o->marked && o->ok == NULL))
        rc = krbrepl__fail_plain(o->ei, KRBREPL_ERR_NOMEM);
    else if (o->marked)
        rc = lock_ok(o);
    if (rc == 0 && (o->fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) < 0)
        rc = failed(o, "write", tmp);
    if (rc != 0) {
        krbrepl__strfree(tmp);
        return rc;
    }
    o->own_fd = 1;
    o->tmp = tmp;
    /* A leftover of a crash may have been made with another mode. */
    return fchmod(o->fd, 0600) != 0 ? failed(o, "write", tmp) : 0;
}

int krbrepl__common_out_open(krbrepl__common_out *o, const char *file, krbrepl_errinfo *ei)
{
    struct stat st;

    o->ei = ei;
    o->fd = o->ok_fd = -1;
    krbrepl__buf_init(&o->buf, 0);
    if (file == NULL)
        return o->write != NULL
                   ? 0
                   : krbrepl__fail(ei, KRBREPL_ERR_INVALID, "dump: no file and no callback");
    o->write = NULL;
    if (strcmp(file, "-") == 0) {
        o->fd = STDOUT_FILENO;
        return 0;
    }
    o->file = file;
    if (stat(file, &st) != 0 || S_ISREG(st.st_mode))
        return open_tmp(o);
    o->fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (o->fd < 0)
        return failed(o, "write", file);
    o->own_fd = 1;
    return 0;
}

static int write_fd(krbrepl__common_out *o, const uint8_t *p, size_t left)
{
    ssize_t n;

    while (left > 0) {
        n = write(o->fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(o, "write",
                          o->tmp != NULL ? o->tmp : (o->file != NULL ? o->file : "standard output"));
        p += n;
        left -= (size_t)n;
    }
    return 0;
}

int krbrepl__common_out_flush(krbrepl__common_out *o, int in_any_case)
{
    int rc = 0, host;

    if (o->buf.err != 0)
        return krbrepl__fail_plain(o->ei, o->buf.err);
    if (o->buf.len == 0 || (o->buf.len < WORTH_WRITING && !in_any_case))
        return 0;
    if (o->write == NULL) {
        rc = write_fd(o, o->buf.data, o->buf.len);
    } else if ((host = o->write(o->ctx, o->buf.data, o->buf.len)) != 0) {
        rc = krbrepl__fail(o->ei, KRBREPL_ERR_HOST, "dump: the program's write callback failed (%d)",
                           host);
        o->ei->host_code = host;
    }
    o->bytes += o->buf.len;
    krbrepl__buf_reset(&o->buf);
    return rc;
}

/* After a power cut the directory might still hold the old entry, beside a newer dump_ok. */
static int sync_dir(krbrepl__common_out *o)
{
    const char *slash = strrchr(o->file, '/');
    char *dir = slash == NULL      ? krbrepl__strdup(".")
                : slash == o->file ? krbrepl__strdup("/")
                                   : krbrepl__strndup(o->file, (size_t)(slash - o->file));
    int fd, rc = 0;

    if (dir == NULL)
        return krbrepl__fail_plain(o->ei, KRBREPL_ERR_NOMEM);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems cannot sync a directory, and say EINVAL. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
        rc = failed(o, "sync directory", dir);
    if (fd >= 0)
        close(fd);
    krbrepl__strfree(dir);
    return rc;
}

int krbrepl__common_out_finish(krbrepl__common_out *o)
{
    int rc = krbrepl__common_out_flush(o, 1);

    if (rc != 0 || o->tmp == NULL)
        return rc;
    /* Without this a power cut could leave FILE with its new name and without its bytes. */
    if (fsync(o->fd) != 0)
        return failed(o, "sync", o->tmp);
    if (rename(o->tmp, o->file) != 0)
        return failed(o, "rename to its final name the file", o->tmp);
    krbrepl__strfree(o->tmp);
    o->tmp = NULL;
    if ((rc = sync_dir(o)) != 0 || !o->marked)
        return rc;
    if (write(o->ok_fd, "", 1) != 1 || fsync(o->ok_fd) != 0)
        return failed(o, "write", o->ok);
    return 0;
}

void krbrepl__common_out_close(krbrepl__common_out *o)
{
    if (o->tmp != NULL)
        unlink(o->tmp);
    if (o->own_fd)
        close(o->fd);
    if (o->ok_fd >= 0)
        close(o->ok_fd);
    krbrepl__strfree(o->tmp);
    krbrepl__strfree(o->ok);
    krbrepl__buf_free(&o->buf);
}
