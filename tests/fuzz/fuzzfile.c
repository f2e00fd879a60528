#include "fuzzfile.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"

static char path[300];

static void remove_it(void)
{
    (void)unlink(path);
}

/* In memory where that is to be had: thousands are written in a second. */
static void make(void)
{
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    int fd;

    snprintf(path, sizeof path, "%.200s/krbrepl-fuzz.XXXXXX", tmp != NULL ? tmp : "/tmp");
    fd = mkstemp(path);
    MUST(fd >= 0);
    close(fd);
    MUST(atexit(remove_it) == 0);
}

const char *fuzz_file(const void *p, size_t n)
{
    int fd;

    if (path[0] == '\0')
        make();
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    MUST(fd >= 0);
    MUST(write(fd, p, n) == (ssize_t)n);
    close(fd);
    return path;
}
