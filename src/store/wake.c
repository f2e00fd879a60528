/* wake.c: tells the node of a store that there is something new to look at. */
#include "impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The name of the socket, through the directory's descriptor where the path is too long for a socket. */
static int wake_address(const krbrepl_store *s, struct sockaddr_un *sa)
{
    int n;

    memset(sa, 0, sizeof *sa);
    sa->sun_family = AF_UNIX;
    n = snprintf(sa->sun_path, sizeof sa->sun_path, "%s/%s", s->dir, KRBREPL__WAKE_SOCKET);
    if (n >= 0 && (size_t)n < sizeof sa->sun_path)
        return 0;
    n = snprintf(sa->sun_path, sizeof sa->sun_path, "/proc/self/fd/%d/%s", s->dirfd,
                 KRBREPL__WAKE_SOCKET);
    return n >= 0 && (size_t)n < sizeof sa->sun_path ? 0 : -1;
}

static int wake_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    if (fd >= 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void hint(krbrepl_store *s, const void *p, size_t n)
{
    struct sockaddr_un sa;

    if (s->wake < 0)
        s->wake = wake_socket();
    if (s->wake < 0 || wake_address(s, &sa) != 0)
        return;
    /* No node, or a full queue, is fine: the node looks at the journal every second, and at every record once a
     * day, anyway. */
    (void)sendto(s->wake, p, n, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&sa, sizeof sa);
}

void krbrepl__store_wake_node(krbrepl_store *s)
{
    const uint8_t grew = KRBREPL__HINT_GREW;

    hint(s, &grew, 1);
}

void krbrepl__store_found_damage(krbrepl_store *s, krbrepl_bytes ckey)
{
    uint8_t b[1 + KRBREPL__CKEY_MAX] = {KRBREPL__HINT_DAMAGE};

    /* What is kept of an old content is nobody's content. */
    if (ckey.len > KRBREPL__CKEY_MAX || (s->flags & KRBREPL_STORE_OLD) != 0)
        return;
    if (ckey.len != 0)
        memcpy(b + 1, ckey.data, ckey.len);
    hint(s, b, 1 + ckey.len);
}
