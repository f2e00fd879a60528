#include "usock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sock.h"

/* A socket's address holds some 100 bytes of path. By way of the directory's descriptor every directory
 * has a short one. */
static int name_it(int dirfd, const char *name, struct sockaddr_un *sun, krbrepl_errinfo *ei)
{
    int n;

    memset(sun, 0, sizeof *sun);
    sun->sun_family = AF_UNIX;
#ifdef __linux__
    n = snprintf(sun->sun_path, sizeof sun->sun_path, "/proc/self/fd/%d/%s", dirfd, name);
#else
    n = snprintf(sun->sun_path, sizeof sun->sun_path, "/dev/fd/%d/%s", dirfd, name);
#endif
    if (n < 0 || (size_t)n >= sizeof sun->sun_path)
        return krbrepl__fail(ei, KRBREPL_ERR_INVALID, "node: socket name %s is too long", name);
    return 0;
}

static int make_socket(int type)
{
    return socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* The socket gets the rights that the directory gives, without x. */
static int set_rights(int dirfd, const char *name)
{
    struct stat st;
    mode_t mode = 0600;

    if (fstat(dirfd, &st) != 0)
        return -1;
    if (st.st_mode & 0020)
        mode |= 0060;
    /* Only root and members may give it to the group; where the directory is set-group-id, the group
     * is right already. */
    if (mode != 0600 && fchownat(dirfd, name, (uid_t)-1, st.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
        mode = 0600;
    /* A member of the group may have put a link to another file in its place since. */
    return fchmodat(dirfd, name, mode, AT_SYMLINK_NOFOLLOW);
}

int krbrepl__usock_bind(int dirfd, const char *name, int type, int *fd, krbrepl_errinfo *ei)
{
    struct sockaddr_un sun;
    int s, e, rc;

    *fd = -1;
    rc = name_it(dirfd, name, &sun, ei);
    if (rc != 0)
        return rc;
    s = make_socket(type);
    if (s < 0)
        return krbrepl__fail_sys(ei, KRBREPL_ERR_NET, errno, "node: cannot make the socket %s", name);
    /* No moment in which others could connect, whatever the umask is. */
    fchmod(s, 0600);
    unlinkat(dirfd, name, 0);
    if (bind(s, (struct sockaddr *)&sun, sizeof sun) == 0 && set_rights(dirfd, name) == 0 &&
        (type != SOCK_STREAM || listen(s, 64) == 0)) {
        *fd = s;
        return 0;
    }
    e = errno;
    close(s);
    return krbrepl__fail_sys(ei, KRBREPL_ERR_NET, e,
                             "node: cannot make the socket %s in the store's directory; "
                             "the node must be allowed to write there",
                             name);
}

void krbrepl__usock_unbind(int dirfd, const char *name, int fd)
{
    if (fd < 0)
        return;
    unlinkat(dirfd, name, 0);
    close(fd);
}

int krbrepl__usock_connect(int dirfd, const char *name, int type, int *fd, krbrepl_errinfo *ei)
{
    struct sockaddr_un sun;
    int s, e, rc;

    *fd = -1;
    rc = name_it(dirfd, name, &sun, ei);
    if (rc != 0)
        return rc;
    s = make_socket(type);
    if (s >= 0 && connect(s, (struct sockaddr *)&sun, sizeof sun) == 0) {
        *fd = s;
        return 0;
    }
    e = errno;
    if (s >= 0)
        close(s);
    if (e == ENOENT || e == ECONNREFUSED)
        rc = KRBREPL_ERR_NOTFOUND;
    else if (e == EACCES || e == EPERM)
        rc = KRBREPL_ERR_DENIED;
    else if (e == EAGAIN)
        rc = KRBREPL_ERR_LOCKED;
    else
        rc = KRBREPL_ERR_NET;
    return krbrepl__fail_sys(ei, rc, e, "node: cannot connect to the socket %s", name);
}

int krbrepl__usock_accept(int listener, int *fd)
{
    return krbrepl__accept(listener, fd, NULL, NULL);
}
