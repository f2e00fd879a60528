#include "wakefd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

static int fail(krbrepl_errinfo *ei, int e)
{
    return krbrepl__fail_sys(
        ei, KRBREPL_ERR_IO, e,
        "node: no descriptor for waking; raise the limit of open files (ulimit -n)");
}

static int set_flags(int fd)
{
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 ? 0 : -1;
}

int krbrepl__wakefd_open_pipe(krbrepl__wakefd *w, krbrepl_errinfo *ei)
{
    int fd[2], e;

    w->rd = w->wr = -1;
    if (pipe(fd) != 0)
        return fail(ei, errno);
    w->rd = fd[0];
    w->wr = fd[1];
    if (set_flags(fd[0]) == 0 && set_flags(fd[1]) == 0)
        return 0;
    e = errno;
    krbrepl__wakefd_close(w);
    return fail(ei, e);
}

int krbrepl__wakefd_open(krbrepl__wakefd *w, krbrepl_errinfo *ei)
{
#ifdef __linux__
    w->rd = w->wr = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->rd >= 0 ? 0 : fail(ei, errno);
#else
    return krbrepl__wakefd_open_pipe(w, ei);
#endif
}

void krbrepl__wakefd_close(krbrepl__wakefd *w)
{
    if (w->wr >= 0 && w->wr != w->rd)
        close(w->wr);
    if (w->rd >= 0)
        close(w->rd);
    w->rd = w->wr = -1;
}

/* A full pipe or counter is as good as one more: the reader is awake already. */
void krbrepl__wakefd_set(const krbrepl__wakefd *w)
{
    static const uint64_t one = 1;
    int saved = errno;

    while (write(w->wr, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = saved;
}

void krbrepl__wakefd_clear(const krbrepl__wakefd *w)
{
    char drop[256];
    ssize_t n;

    do
        n = read(w->rd, drop, sizeof drop);
    while ((n > 0 && w->wr != w->rd) || (n < 0 && errno == EINTR));
}
