/* atomfile.c: a file that appears whole or not at all. */
#include "atomfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prog.h"

static void forget(struct atomfile *a)
{
    free(a->name);
    free(a->temporary);
    memset(a, 0, sizeof *a);
}

bool atomfile_open(struct atomfile *a, const char *name)
{
    int fd, saved;

    memset(a, 0, sizeof *a);
    if (strcmp(name, "-") == 0) {
        a->f = stdout;
        return true;
    }
    a->name = prog_dup(name);
    a->temporary = prog_format("%s.XXXXXX", name);
    /* mkstemp makes it 0600. */
    fd = mkstemp(a->temporary);
    a->own = keyfile_of(fd >= 0 ? fdopen(fd, "w") : NULL);
    a->f = a->own.f;
    if (a->f != NULL)
        return true;
    saved = errno;
    if (fd >= 0) {
        close(fd);
        (void)unlink(a->temporary);
    }
    forget(a);
    errno = saved;
    return false;
}

static bool sync_directory(const char *name)
{
    char *dir = prog_dup(name), *slash = strrchr(dir, '/');
    bool ok;
    int fd;

    if (slash != NULL)
        slash[slash == dir ? 1 : 0] = '\0';
    fd = open(slash != NULL ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    free(dir);
    return ok;
}

bool atomfile_commit(struct atomfile *a)
{
    bool ok;

    if (a->name == NULL) {
        ok = fflush(a->f) == 0;
        if (ok)
            forget(a);
        return ok;
    }
    /* For a crash just after the rename: the name must never stand for a file without its bytes. */
    if (fflush(a->f) != 0 || fsync(fileno(a->f)) != 0)
        return false;
    ok = keyfile_close(&a->own);
    a->f = NULL;
    if (!ok || rename(a->temporary, a->name) != 0)
        return false;
    ok = sync_directory(a->name);
    if (ok)
        forget(a);
    return ok;
}

void atomfile_abort(struct atomfile *a)
{
    int saved = errno;

    (void)keyfile_close(&a->own);
    if (a->temporary != NULL)
        (void)unlink(a->temporary);
    forget(a);
    errno = saved;
}
