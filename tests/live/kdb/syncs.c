/* syncs.c: loaded before everything else, writes a byte to the file that SYNCS names for each fdatasync. */
#define _DEFAULT_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd)
{
    const char *file = getenv("SYNCS");
    int to = file != NULL ? open(file, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;

    if (to >= 0) {
        (void)!write(to, "s", 1);
        close(to);
    }
    return (int)syscall(SYS_fdatasync, fd);
}
