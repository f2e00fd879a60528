/* background.c: leaving the terminal, and telling a supervisor that the work has begun. */
#include "background.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "logout.h"
#include "opts.h"
#include "prog.h"

/* The end of the pipe on which the daemon tells the first process that it is ready. */
static int ready_fd = -1;

/* A byte comes when the daemon is ready; the end of the pipe without one means that it ended. */
static int wait_for_daemon(int fd)
{
    char byte;
    ssize_t n;

    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n == 1 ? PROG_OK : PROG_FAILED;
}

static int failed(const char *what)
{
    prog_say("%s: %s; the program cannot go to the background, leave --detach out", what,
             strerror(errno));
    return PROG_FAILED;
}

int background_go(void)
{
    int ends[2];
    pid_t pid;

    fflush(NULL);
    if (pipe(ends) != 0)
        return failed("pipe");
    pid = fork();
    if (pid < 0)
        return failed("fork");
    if (pid > 0) {
        close(ends[1]);
        (void)waitpid(pid, NULL, 0);
        return wait_for_daemon(ends[0]);
    }
    close(ends[0]);
    /* A new session, and a second fork, so that no terminal can ever become the daemon's again. */
    if (setsid() < 0)
        _exit(PROG_FAILED);
    pid = fork();
    if (pid != 0)
        _exit(pid < 0 ? PROG_FAILED : PROG_OK);
    if (fcntl(ends[1], F_SETFD, FD_CLOEXEC) != 0)
        return failed("fcntl");
    ready_fd = ends[1];
    return OPTS_GO;
}

static void leave_terminal(void)
{
    int fd = open("/dev/null", O_RDWR);
    int i;

    for (i = 0; i < 3 && fd >= 0; i++)
        (void)dup2(fd, i);
    if (fd > 2)
        close(fd);
}

void background_notify(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    size_t len = path != NULL ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memset(&to, 0, sizeof to);
    to.sun_family = AF_UNIX;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

void background_ready(bool detached)
{
    background_notify("READY=1");
    if (detached) {
        logout_to_syslog();
        leave_terminal();
    }
    if (ready_fd < 0)
        return;
    if (write(ready_fd, "", 1) != 1)
        logout_line(KRBREPL_LOG_WARN, "program", "nobody waited for the start", 27);
    close(ready_fd);
    ready_fd = -1;
}
