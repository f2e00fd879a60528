/* RTLD_NEXT needs _GNU_SOURCE, which this file alone is compiled with. */
#include "dying.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

static struct {
    unsigned left; /* 0: it lives */
    unsigned done;
} life;

void die_at_write(unsigned n)
{
    life.left = n;
    life.done = 0;
}

unsigned writes_done(void)
{
    return life.done;
}

static void perhaps(void)
{
    life.done++;
    if (life.left != 0 && --life.left == 0)
        kill(getpid(), SIGKILL);
}

#define REAL(name)                       \
    static void *found;                  \
    union {                              \
        void *from;                      \
        __typeof__(&name) to;            \
    } real;                              \
    if (found == NULL)                   \
        found = dlsym(RTLD_NEXT, #name); \
    real.from = found

/* So that shared libraries find them before those of libc. */
#define REPLACES __attribute__((visibility("default")))

REPLACES ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    REAL(pwrite);

    perhaps();
    return real.to(fd, p, n, at);
}

REPLACES ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    REAL(pwritev);

    perhaps();
    return real.to(fd, v, n, at);
}

REPLACES int fdatasync(int fd)
{
    REAL(fdatasync);

    perhaps();
    return real.to(fd);
}
